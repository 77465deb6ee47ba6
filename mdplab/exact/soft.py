r"""Soft control in balls: enclosures of the regularised optimum, by Newton's method and one rigorous evaluation.

The soft backup :math:`(TV)(s)=\tau\log\sum_a\rho(a|s)\exp\big((R(s,a)+\gamma\sum_tP(t|s,a)V(t))/\tau\big)` is monotone and
:math:`T(V+c)=TV+\gamma c`.  Hence, for *any* :math:`V` with residual :math:`r=TV-V`,

.. math::
    V+\frac{\min r}{1-\gamma}\;\le\;V^*\;\le\;V+\frac{\max r}{1-\gamma}.

So :math:`V` may come from anywhere: Newton's method (soft policy iteration) is run on midpoints, without error bounds, until
the residual is as small as the working precision admits; then :math:`r` is evaluated once in balls, and the inequality is
the proof.  It converges from :math:`V=0`, monotonically after one step and quadratically at the end, so no float solver is
asked.

*Residual Q-learning.*  The fixed point :math:`Q=r_R+\gamma P\,\tau\log\sum_b\exp((Q+\omega'\log\pi)/\tau)` is the soft optimum
of the reward :math:`r_R` with log-reference :math:`(\omega'/\tau)\log\pi`.

References
----------
.. [1] M. L. Puterman and S. L. Brumelle, "On the convergence of policy iteration in stationary dynamic programming",
   Mathematics of Operations Research 4, 1979.
.. [2] C. Li et al., "Residual Q-learning: offline and online policy customization without value", NeurIPS 2023.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from mdplab._typing import Array
from mdplab.exact._flint import arb, arb_mat, ctx
from mdplab.exact.elementary import product
from mdplab.exact.linear import identity
from mdplab.exact.models import ExactMDP, Model, none_where
from mdplab.exact.numbers import ball, entries, middle, rational
from mdplab.exact.order import highest, lowest
from mdplab.exact.tilt import log_sum_exp, log_tilt, log_weights, softmax

__all__ = ["SoftControl", "residual_control", "soft_control"]

_MOST_STEPS = 1000  # a bound on the time, not on the error


class SoftControl(NamedTuple):
    """Enclosures of a regularised optimum.

    Attributes
    ----------
    value : object array (S,) of arb
        Soft values; ``(H + 1, S)`` in a finite horizon.
    q : object array (S, A) of arb
        Action values without the regulariser of the action itself; None at unavailable pairs.
    log_policy : object array (S, A) of arb
        Log-probabilities, ``-inf`` at excluded actions.
    """

    value: Array
    q: Array
    log_policy: Array


def _newton(twin: ExactMDP, tau: Any, reference: Array) -> Array:
    """Midpoints of a value near the fixed point; nothing is claimed about them."""
    transition, reward, reference = ball(twin.transition), middle(twin.reward), middle(reference)
    value = entries(ball(np.zeros(twin.n_states)))
    goal = arb(2) ** (32 - ctx.prec)
    for _ in range(_MOST_STEPS):
        q = none_where(~twin.available, middle(reward + twin.discount * (transition @ value)))
        residual = middle(log_sum_exp(q, temperature=tau, log_reference=reference) - value)
        policy = middle(softmax(q, temperature=tau, log_reference=reference))
        system = identity(twin.n_states) - twin.discount * (policy[:, :, np.newaxis] * transition).sum(axis=1)
        step = arb_mat(middle(system).tolist()).solve(
            arb_mat(residual[:, np.newaxis].tolist()), algorithm="approx"
        )
        value = middle(value + np.array(step.tolist(), dtype=object)[:, 0])
        if max(abs(residual)) <= goal * (1 + max(abs(value))):
            break
    return value


def soft_control(mdp: Model, *, temperature: Any, log_reference: Any = None) -> SoftControl:
    """Enclose the solution of the soft optimality equation.

    Parameters
    ----------
    mdp : MDP or ExactMDP
        The model; rewards may be balls.
    temperature : number
        Positive; multiplies the divergence from the reference (or minus the entropy).
    log_reference : array_like (S, A), optional
        Log-weights of the reference, as a rule ``exact.log`` of its probabilities; ``-inf`` excludes an action; default is
        the counting measure.

    Returns
    -------
    SoftControl
        At 256 bits the balls have radii near 1e-70 unless the inputs are wider.

    Raises
    ------
    ValueError
        If the temperature is not positive or a state is left without action.
    """
    twin = ExactMDP.of(mdp)
    reference = log_weights(log_reference, twin.available.shape)
    value = _newton(twin, temperature, reference)

    def backup(v: Array) -> tuple[Array, Array]:
        q = none_where(~twin.available, ball(twin.lookahead(v)))
        return q, log_sum_exp(q, temperature=temperature, log_reference=reference)

    residual = backup(value)[1] - value
    error = (lowest(residual) / (1 - twin.discount)).union(highest(residual) / (1 - twin.discount))
    q, value = backup(
        value + error
    )  # the backup of an enclosure encloses the fixed point too, and is tighter
    return SoftControl(value, q, log_tilt(q, temperature=temperature, log_reference=reference))


def residual_control(
    mdp: Model, residual_reward: Any, log_prior: Any, *, prior_weight: Any, temperature: Any
) -> SoftControl:
    """Enclose the fixed point of the residual backup, and the customised policy.

    Parameters
    ----------
    mdp : MDP or ExactMDP
        Kernel, discount and mask; its reward is not read.
    residual_reward : array_like (S, A)
        The add-on reward.
    log_prior : array_like (S, A)
        Log-probabilities of the prior policy, as a rule ``log_policy`` of :func:`soft_control`.
    prior_weight : number
        Non-negative; ``omega`` times the prior's temperature.  0 ignores the prior, its zeros included.
    temperature : number
        Positive; that of the full task.

    Returns
    -------
    SoftControl
        ``q`` is the residual action value, ``value`` its weighted log-sum-exp (the difference of full and prior values).

    Raises
    ------
    ValueError
        If a parameter is out of range or the prior leaves a state without action.
    """
    weight, tau = rational(prior_weight), rational(temperature)
    if weight < 0:
        raise ValueError(f"prior_weight is {prior_weight}, expected a non-negative number")
    if not tau > 0:
        raise ValueError(f"temperature is {temperature}, expected a positive number")
    twin = replace(ExactMDP.of(mdp), reward=entries(rational(residual_reward)))
    return soft_control(twin, temperature=tau, log_reference=product(weight / tau, log_prior))
