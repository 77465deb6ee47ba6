r"""Exact policy gradient ascent in tabular softmax logits, plain or normalised.

.. math::
    \theta_{t+1}=\theta_t+\eta\,\nabla J(\theta_t)\qquad\text{or}\qquad
    \theta_{t+1}=\theta_t+\eta\,\frac{\nabla J(\theta_t)}{\|\nabla J(\theta_t)\|_2},\qquad J=\mu^\top V^{\pi_\theta}_\tau.

No line search: the step is stated.  With :math:`L` a bound of :math:`\|\nabla^2J\|_2`
(:func:`smoothness_constant`), exact gradients give

.. math::
    J(\theta_{t+1})\ge J(\theta_t)+\eta\Big(1-\frac{L\eta}2\Big)\|\nabla J(\theta_t)\|^2
    \qquad\text{and}\qquad
    J(\theta_{t+1})\ge J(\theta_t)+\eta\|\nabla J(\theta_t)\|-\frac L2\eta^2 ;

the plain default :math:`\eta=1/L` gains at least :math:`\|\nabla J\|^2/(2L)` a step.  Where the optimality gap is at most
:math:`C\|\nabla J\|` along the path and :math:`\eta\le C`, normalised ascent has
:math:`\Delta_T\le(1-\eta/C)^T\Delta_0+\frac12CL\eta`.

Values and gradients are those of the recorded policies (exponentials of the logarithms, as rounded).  Their errors are
proven: the value's by its enclosure, the occupancy's by the 1-norm of the residual of the flow equations over
:math:`1-\gamma` (in a finite horizon, a sum of non-negative terms, by counting), the gradient's by the product rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.interrupts import asked, interruptible
from mdplab.models.finite_horizon import FiniteHorizonMDP
from mdplab.models.tabular import MDP
from mdplab.operators import _check
from mdplab.operators.tilt import log_tilt
from mdplab.solution import Certificate, Layout, Solution, Status
from mdplab.solvers.certificate import THEOREM
from mdplab.solvers.exact_gradient import ExactGradient, gradient_oracle
from mdplab.solvers.stages import STAGE_THEOREM

__all__ = ["PolicyGradientSolution", "policy_gradient_ascent", "smoothness_constant"]


@dataclass(frozen=True, kw_only=True, eq=False)
class PolicyGradientSolution(Solution):
    """The path of a policy gradient ascent; in a finite horizon every array has the stage axis after the first; its table has a row a step.

    Attributes
    ----------
    logits : ndarray (T + 1, S, A) or (T + 1, H, S, A)
        Logits, ``-inf`` at excluded actions.
    log_policies : ndarray of the shape of ``logits``
        Their log-softmaxes.
    values : ndarray (T + 1, S) or (T + 1, H + 1, S)
        Values of the policies; ``certificate.bound`` is the largest sup-norm error.
    value_errors : ndarray (T + 1,)
        Sup-norm error of each value (over all stages).
    start_values : ndarray (T + 1,)
        The objective ``initial @ value``.
    start_errors : ndarray (T + 1,)
        Their errors.
    gradients : ndarray of the shape of ``logits``
        Gradients of the objective; zero at excluded and reference actions.
    gradient_errors : ndarray (T + 1,)
        Errors of the gradients in the 2-norm of all logits.
    step_sizes : ndarray (T,)
        What gradients or directions were multiplied with.
    normalised : bool
        Whether directions were normalised.
    reference_action : int or None
        The action whose logit is fixed.
    temperature : float
        Weight of the regulariser.
    bonus : ndarray (S, A) or (H, S, A)
        Temperature times log-reference, ``-inf`` at excluded actions.
    initial : ndarray (S,)
        Start law.
    """

    logits: FloatArray
    log_policies: FloatArray
    values: FloatArray
    value_errors: FloatArray
    start_values: FloatArray
    start_errors: FloatArray
    gradients: FloatArray
    gradient_errors: FloatArray
    step_sizes: FloatArray
    normalised: bool
    reference_action: int | None
    temperature: float
    bonus: FloatArray
    initial: FloatArray

    def _layout(self) -> Layout:
        value = {"start_value": self.start_values, "start_error": self.start_errors}
        return ("step",), {
            **value,
            "gradient_norm": self.gradient_norms,
            "gradient_error": self.gradient_errors,
        }

    @property
    def policies(self) -> FloatArray:
        """The policies, of the shape of ``logits``."""
        return np.asarray(np.exp(self.log_policies))

    @property
    def gradient_norms(self) -> FloatArray:
        """2-norms of the gradients ``(T + 1,)``."""
        return np.asarray(np.linalg.norm(self.gradients.reshape(self.gradients.shape[0], -1), axis=1))


def smoothness_constant(
    mdp: MDP, *, temperature: float = 0.0, log_reference: ArrayLike | None = None
) -> float:
    r"""Bound of the Hessian of the start value in the logits, for every softmax policy and start law.

    .. math:: \|\nabla^2J\|_2\le\frac{8\,\mathrm{span}(R+\tau\log\rho)+\tau\,(4+8\log A)}{(1-\gamma)^3}.

    Parameters
    ----------
    mdp : MDP
        The model; unavailable pairs do not count.
    temperature : float, default 0
        Non-negative.
    log_reference : array_like (S, A), optional
        Log-weights of the reference, ``-inf`` at excluded actions; default is the counting measure.

    Returns
    -------
    float
        Also a bound for logits with a reference action (a principal submatrix).

    References
    ----------
    .. [1] J. Mei, C. Xiao, C. Szepesvari and D. Schuurmans, "On the global convergence rates of softmax policy gradient
       methods", ICML 2020, lemmas 7 and 14.
    """
    _check.number("temperature", temperature, 0.0, np.finfo(float).max)
    reward = np.asarray(mdp.reward, dtype=float)
    if temperature > 0 and log_reference is not None:
        shape = (mdp.n_states, mdp.n_actions)
        reward = reward + temperature * _check.pairs(
            "log_reference", log_reference, shape, mdp.available, -np.inf
        )
    admitted = reward > -np.inf
    if mdp.available is not None:
        admitted &= mdp.available
    actions = int(admitted.sum(axis=1).max())
    span = float(reward[admitted].max() - reward[admitted].min())
    entropy = temperature * (4 + 8 * math.log(actions))
    return (8 * span + entropy) / (1 - mdp.discount) ** 3 * (1 + 2.0**-40)


@interruptible
def policy_gradient_ascent(
    mdp: MDP | FiniteHorizonMDP,
    *,
    steps: int,
    step: ArrayLike | None = None,
    normalised: bool = False,
    initial_logits: ArrayLike | None = None,
    reference_action: int | None = None,
    temperature: float = 0.0,
    log_reference: ArrayLike | None = None,
    initial: ArrayLike | None = None,
    tol: float = 1e-8,
    callback: Callable[[int, FloatArray, ExactGradient], Any] | None = None,
) -> PolicyGradientSolution:
    """Ascend the (regularised) start value along its exact gradient.

    Parameters
    ----------
    mdp : MDP or FiniteHorizonMDP
        Dense or CSR, masked or not; in a finite horizon the logits are those of all stages.
    steps : int
        Number of updates T >= 0.
    step : float or array_like (T,), optional
        Positive; the coefficient of the gradient, or the length of a normalised step.  Default (plain ascent in the
        discounted case only) is the inverse of :func:`smoothness_constant`.
    normalised : bool, default False
        Divide the gradient by its 2-norm.
    initial_logits : array_like (S, A) or (H, S, A), optional
        First logits, ``-inf`` to exclude an action; zeros by default.
    reference_action : int, optional
        Keep the logit of this action fixed: the gradient has no entries there, and its norm counts the others only.
    temperature : float, default 0
        Non-negative; the reward becomes ``R - temperature * log(policy / reference)``.
    log_reference : array_like (S, A) or (H, S, A), optional
        Log-weights of the reference; default is the counting measure.
    initial : array_like (S,), optional
        Start law; default is the model's.
    tol : float, default 1e-8
        Accuracy of the evaluations asked for; decides the status only.
    callback : callable, optional
        ``callback(t, logits, found)`` after every evaluation, with ``found.value``, ``.start_value``, ``.gradient``; a
        true answer ends the run.

    Returns
    -------
    PolicyGradientSolution
        ``residuals`` are the norms of the gradients.  Status CONVERGED if all values meet ``tol``, PRECISION_LIMIT if
        one does not or if a normalised run ended early because a gradient is not larger than its error (it has no
        direction), INTERRUPTED if the callback ended the run.

    Raises
    ------
    ValueError
        If a step is missing or not positive, or another argument is out of range.

    References
    ----------
    .. [1] J. Mei et al., "On the global convergence rates of softmax policy gradient methods", ICML 2020.
    .. [2] J. Mei et al., "Leveraging non-uniformity in first-order non-convex optimization", ICML 2021 (normalised).
    """
    _check.count("steps", steps, 0)
    _check.non_negative("temperature", temperature)
    if reference_action is not None and not 0 <= reference_action < mdp.n_actions:
        raise ValueError(
            f"reference_action must be an action from 0 to {mdp.n_actions - 1}; got {reference_action}"
        )
    law = np.asarray(_check.start_law(mdp, initial), dtype=float)
    oracle = gradient_oracle(mdp, law, temperature, log_reference)
    logits = _first(oracle.available, initial_logits)
    if step is None:
        if normalised or not isinstance(mdp, MDP):
            raise ValueError("step is missing: there is a default for plain ascent of discounted models only")
        constant = smoothness_constant(mdp, temperature=temperature, log_reference=log_reference)
        step = 1 / constant if constant > 0 else 1.0  # a constant reward: nothing to ascend
    sizes = np.asarray(step, dtype=float)
    if sizes.shape not in ((), (steps,)) or not (np.isfinite(sizes).all() and (sizes > 0).all()):
        raise ValueError(
            f"step must be positive and finite, a number or of shape (T,) = ({steps},); got {step}"
        )
    sizes = np.broadcast_to(sizes, (steps,))
    path: list[FloatArray] = []
    logs: list[FloatArray] = []
    results: list[ExactGradient] = []
    norms: list[float] = []
    status = Status.CONVERGED
    for t in range(steps + 1):
        log_policy = np.asarray(log_tilt(logits), dtype=float)
        found = oracle(np.exp(log_policy), reference_action)
        path.append(logits)
        logs.append(log_policy)
        results.append(found)
        norms.append(float(np.linalg.norm(found.gradient)))
        if asked(callback, t, logits, found):
            status = Status.INTERRUPTED
            break
        if t == steps:
            break
        if normalised and norms[-1] <= found.gradient_error:
            status = Status.PRECISION_LIMIT
            break
        length = sizes[t] / norms[-1] if normalised else sizes[t]
        logits = np.where(logits > -np.inf, logits + length * found.gradient, -np.inf)
    bound = max(found.value_error for found in results)
    if status is Status.CONVERGED and bound > tol:
        status = Status.PRECISION_LIMIT
    theorem = THEOREM if isinstance(mdp, MDP) else STAGE_THEOREM
    return PolicyGradientSolution(
        status=status,
        certificate=Certificate("sup-norm error of values of the recorded policies", bound, theorem, bound),
        steps=len(path) - 1,
        residuals=np.array(norms),
        logits=np.array(path),
        log_policies=np.array(logs),
        values=np.array([found.value for found in results]),
        value_errors=np.array([found.value_error for found in results]),
        start_values=np.array([found.start_value for found in results]),
        start_errors=np.array([found.start_error for found in results]),
        gradients=np.array([found.gradient for found in results]),
        gradient_errors=np.array([found.gradient_error for found in results]),
        step_sizes=np.array(sizes[: len(path) - 1]),
        normalised=normalised,
        reference_action=reference_action,
        temperature=temperature,
        bonus=oracle.bonus,
        initial=law,
        names=mdp.names,
    )


def _first(available: Any, logits: ArrayLike | None) -> FloatArray:
    """The first logits, checked, ``-inf`` at unavailable pairs."""
    shape = available.shape
    if logits is None:
        return np.where(available, 0.0, -np.inf)
    raw = _check.numeric("initial_logits", logits)
    if raw.shape == shape[1:] and len(shape) == 3:
        raw = np.broadcast_to(raw, shape)
    if raw.shape == shape:
        raw = np.where(available, raw, -np.inf)
    raw = _check.shaped("initial_logits", raw, shape, "(S, A)" if len(shape) == 2 else "(H, S, A)")
    if np.iscomplexobj(raw) or (raw == np.inf).any():
        raise ValueError("initial_logits must be real, finite or -inf")
    if not (raw > -np.inf).any(axis=-1).all():
        raise ValueError("initial_logits exclude every available action of some state")
    return np.asarray(raw, dtype=float)
