r"""Named step schedules of policy mirror descent, with what each guarantees.

A rule answers ``rule(t, log_policy, q)`` with the coefficient of :math:`Q` in the log-policy; it is what
:func:`mdplab.solvers.mirror_descent` and :func:`mdplab.solvers.stage_mirror_descent` take as ``step``.  Throughout,
:math:`\pi_{k+1}\propto\pi_ke^{\eta_kQ^{\pi_k}}` with exact evaluation and :math:`\pi_0>0`; then the values of all states
are nondecreasing, whatever the steps.

The guarantees come from one inequality: a greedy :math:`\tilde\pi` for :math:`Q_k` has
:math:`\langle Q_k,\tilde\pi-\pi_{k+1}\rangle\le(\mathrm{KL}(\tilde\pi\|\pi_k)-\mathrm{KL}(\tilde\pi\|\pi_{k+1}))/\eta_k`,
and larger steps only help.  Schedules that grow stop at :data:`LARGEST_STEP`: from there on a step is greedy to working
precision wherever the log-policy is smaller than the step, and the values keep improving, but the rate is no longer
claimed.

References
----------
.. [1] A. Agarwal, S. Kakade, J. Lee and G. Mahajan, "On the theory of policy gradient methods", JMLR 22, 2021.
.. [2] L. Xiao, "On the convergence rates of policy gradient methods", JMLR 23, 2022.
.. [3] E. Johnson, C. Pike-Burke and P. Rebeschini, "Optimal convergence rate for exact policy mirror descent in
   discounted Markov decision processes", NeurIPS 2023.
.. [4] S. Cen, C. Cheng, Y. Chen, Y. Wei and Y. Chi, "Fast global convergence of natural policy gradient methods with
   entropy regularization", Operations Research 70, 2022.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray

__all__ = [
    "LARGEST_STEP",
    "StepRule",
    "adaptive_steps",
    "constant_steps",
    "geometric_steps",
    "regularised_steps",
]

StepRule: TypeAlias = Callable[[int, FloatArray, FloatArray], ArrayLike]
"""``rule(t, log_policy (..., S, A), q (..., S, A))`` gives the step, a number or one for each (stage and) state."""

LARGEST_STEP = 1e280
"""Where growing schedules stop: products with action values and sums of thousands of steps stay finite."""


def _positive(name: str, value: float) -> float:
    """A positive finite number."""
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be positive and finite; got {value}")
    return float(value)


def constant_steps(step: float) -> StepRule:
    r"""The same step at all times.

    **Guarantee** (Agarwal et al. 2021): with rewards in [0, 1], no temperature and a uniform first policy, for every
    start law and all :math:`T\ge1`,

    .. math::
        V^*(\mu)-V^{\pi_T}(\mu)\le\frac1T\Big(\frac{\log A}{(1-\gamma)\eta}+\frac1{(1-\gamma)^2}\Big);

    another first policy has :math:`E_{d^*}\mathrm{KL}(\pi^*\|\pi_0)` in the place of :math:`\log A`.

    Parameters
    ----------
    step : float
        Positive; that of the natural policy gradient divided by ``1 - discount``.

    Returns
    -------
    StepRule
        The rule.
    """
    size = _positive("step", step)
    return lambda t, log_policy, q: size


def geometric_steps(first: float, discount: float, *, mismatch: float | None = None) -> StepRule:
    r"""Steps that grow by a constant factor, ``1 / discount`` or ``mismatch / (mismatch - 1)``.

    **Guarantee** (Xiao 2022): let :math:`\theta=\|d^*/\mu\|_\infty/(1-\gamma)`, with :math:`d^*` the normalised occupancy
    of an optimal policy from the start law :math:`\mu>0`.  If :math:`\eta_{k+1}\ge\eta_k\,\theta/(\theta-1)`, then

    .. math::
        V^*(\mu)-V^{\pi_k}(\mu)\le\Big(1-\frac1\theta\Big)^k
        \Big(V^*(\mu)-V^{\pi_0}(\mu)+\frac{E_{d^*}\mathrm{KL}(\pi^*\|\pi_0)}{(1-\gamma)\,\eta_0\,(\theta-1)}\Big).

    Since :math:`\theta\ge1/(1-\gamma)`, growth by :math:`1/\gamma` is enough for every start law, and no mismatch need be
    known.  A constant step has no such rate.

    Parameters
    ----------
    first : float
        Positive step of time 0.
    discount : float
        In (0, 1), that of the model.
    mismatch : float, optional
        :math:`\theta`, at least ``1 / (1 - discount)``: the slowest growth with the guarantee.

    Returns
    -------
    StepRule
        The rule; steps above :data:`LARGEST_STEP` are cut, and the guarantee ends there.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    start = min(_positive("first", first), LARGEST_STEP)
    if not 0 < discount < 1:
        raise ValueError(f"discount must lie in (0, 1); got {discount}")
    growth = 1 / discount
    if mismatch is not None:
        if not (math.isfinite(mismatch) and mismatch * (1 - discount) >= 1 - 1e-12):
            raise ValueError(
                f"mismatch must be finite and at least 1 / (1 - discount) = {1 / (1 - discount)}; got {mismatch}"
            )
        growth = mismatch / (mismatch - 1)
    growth *= 1 + 2.0**-50  # no rounding of a power makes two steps grow by less than promised
    last = (math.log(LARGEST_STEP) - math.log(start)) / math.log(growth)
    return lambda t, log_policy, q: start * growth**t if t < last else LARGEST_STEP


def adaptive_steps(scale: float, discount: float) -> StepRule:
    r"""The least steps whose rate is that of policy iteration: from the divergence of the greedy policy.

    With :math:`c_k=c\,\gamma^{2(k+1)}` (``scale`` :math:`c`), the step is

    .. math::
        \eta_k=\frac1{c_k}\max_s\min_{\tilde\pi\ \mathrm{greedy}}\mathrm{KL}(\tilde\pi(\cdot|s)\|\pi_k(\cdot|s))
        =\frac1{c_k}\max_s\Big(-\log\sum_{a\in\arg\max Q_k(s,\cdot)}\pi_k(a|s)\Big).

    **Guarantee** (Johnson et al. 2023): without temperature, for all :math:`k`,

    .. math::
        \|V^*-V^{\pi_k}\|_\infty\le\gamma^k\Big(\|V^*-V^{\pi_0}\|_\infty+\sum_{i=1}^k\gamma^{-i}c_{i-1}\Big)
        \le\gamma^k\Big(\|V^*-V^{\pi_0}\|_\infty+\frac{c\,\gamma}{1-\gamma}\Big).

    In a finite horizon (the same proof) the stages are done one after the other from the last: for
    :math:`k\ge H-h`, :math:`\|V_h^*-V_h^{\pi_k}\|_\infty\le\sum_{i=0}^{H-h-1}\gamma_{\mathrm{model}}^i\,c_{k-1-i}`.

    Parameters
    ----------
    scale : float
        Positive :math:`c`, in units of the value.
    discount : float
        In (0, 1]; 1 makes all :math:`c_k=c`.

    Returns
    -------
    StepRule
        The rule; steps above :data:`LARGEST_STEP` are cut, and the guarantee ends there.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    slack = _positive("scale", scale)
    if not 0 < discount <= 1:
        raise ValueError(f"discount must lie in (0, 1]; got {discount}")

    def rule(t: int, log_policy: FloatArray, q: FloatArray) -> float:
        greedy = q == q.max(axis=-1, keepdims=True)
        logs = np.where(greedy, log_policy, -np.inf)
        top = logs.max(axis=-1, keepdims=True)
        if not np.isfinite(top).all():
            raise ValueError(f"log_policy excludes a greedy action at t = {t}: the divergence is infinite")
        divergence = float(-(top[..., 0] + np.log(np.exp(logs - top).sum(axis=-1))).min())
        # A greedy policy has divergence 0, up to rounding; a step is positive, and a larger one keeps the guarantee.
        divergence = max(divergence, 2.0**-52) * (1 + 2.0**-48)
        allowed = slack * discount ** (2 * (t + 1))
        return divergence / allowed if allowed * LARGEST_STEP > divergence else LARGEST_STEP

    return rule


def regularised_steps(temperature: float, fraction: float = 1.0) -> StepRule:
    r"""The constant step ``fraction / temperature`` of regularised mirror descent.

    **Guarantee** (Cen et al. 2022): with temperature :math:`\tau` and :math:`\eta\tau=f\in(0,1]`, and

    .. math:: C=\|Q^*_\tau-Q^{\pi_0}_\tau\|_\infty+2\tau(1-f)\|\log\pi^*_\tau-\log\pi_0\|_\infty,

    for all :math:`k\ge0`

    .. math::
        \|Q^*_\tau-Q^{\pi_{k+1}}_\tau\|_\infty\le C\gamma\,(1-(1-\gamma)f)^k,\qquad
        \|\log\pi^*_\tau-\log\pi_{k+1}\|_\infty\le\frac{2C}\tau(1-(1-\gamma)f)^k,

    and regularised values are nondecreasing.  The full step (:math:`f=1`) forgets the policy before and is soft policy
    iteration: :math:`\|V^*_\tau-V^{\pi_{k+1}}_\tau\|_\infty\le\gamma\|V^*_\tau-V^{\pi_k}_\tau\|_\infty`.

    Parameters
    ----------
    temperature : float
        Positive, that of the run.
    fraction : float, default 1
        In (0, 1]: ``step * temperature``.

    Returns
    -------
    StepRule
        The rule.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction must lie in (0, 1]; got {fraction}")
    size = fraction / _positive("temperature", temperature)
    return lambda t, log_policy, q: size
