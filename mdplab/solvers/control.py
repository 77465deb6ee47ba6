r"""Solutions of control problems, and how a relative value becomes one.

Given a relative value :math:`w` with its lookahead :math:`q_w=R+\gamma Pw`, an enclosure of the optimal value
(:mod:`mdplab.solvers.certificate`) bounds everything that is returned.  With :math:`d=V^*-w-c`:

* **Action values.** :math:`Q^*-(q_w+\gamma c)=\gamma Pd`.
* **Soft policies.** :math:`\log\pi^*-\log\pi_w` is a difference of log-softmaxes whose arguments differ by
  :math:`\gamma(Pd)(s,\cdot)/\tau` up to a constant, so it is at most
  :math:`\mathrm{span}(\gamma Pd(s,\cdot))/\tau`; since a probability has derivative :math:`\pi(1-\pi)\le\tfrac14` along
  the difference, probabilities differ by at most a quarter of that.
* **Suboptimality.** The soft policy of :math:`w` has :math:`T_{\pi_w}w=Tw`, so its value lies in the same enclosure and
  the loss is at most twice the radius; rounding of the policy costs
  :math:`\tau\,\mathrm{KL}(\hat\pi\|\pi_w)/(1-\gamma)`, of second order.  A deterministic policy that is greedy up to
  :math:`\epsilon` loses at most :math:`(\mathrm{span}(Tw-w)+\epsilon)/(1-\gamma)`, and nothing at all if in every state
  the gap to every other action exceeds what errors can move.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdplab._kernels import enclosures as formulas
from mdplab._typing import BoolArray, FloatArray, IntArray
from mdplab.operators.tilt import log_tilt
from mdplab.solution import Certificate, Layout, Solution, Status
from mdplab.solvers.certificate import (
    THEOREM,
    Enclosure,
    divergence_error,
    log_policy_rounding,
    lookahead_rounding,
    probability_error,
)
from mdplab.solvers.discounted import UNIT, DiscountedArrays

__all__ = ["ControlSolution", "hard_solution", "row_spread", "soft_solution"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ControlSolution(Solution):
    """Optimal value and policy of a discounted model, with proven error bounds; its table has a row a state.

    Attributes
    ----------
    value : ndarray (S,)
        Approximation of the optimal value; ``certificate.bound`` is its sup-norm error.
    q : ndarray (S, A)
        Action values ``R + discount * P value``; ``-inf`` at unavailable pairs.
    policy, log_policy : ndarray (S, A)
        The policy that attains ``value`` up to ``suboptimality``, and its logarithm.
    lower, upper : ndarray (S,)
        ``lower <= optimal value <= upper``, rounding included.
    suboptimality : float
        Bound on the sup norm of optimal value minus value of ``policy`` (the regularised one when soft; of the laws
        proportional to its rows, whose sums are rounded).
    backward_error : float
        Bound on the Bellman residual of ``value``: changing the reward by no more makes it exactly right.
    q_error : float
        Sup-norm error of ``q`` on available pairs.
    policy_error : float
        Sup-norm error of ``policy``.  Hard control: 0 where the optimal policy is proven unique and found, else inf.
    log_policy_error : float
        Sup-norm error of the finite entries of ``log_policy``; inf in hard control unless ``policy_error`` is 0.
    temperature : float
        0 for hard control.
    bonus : ndarray (S, A) or None
        What is added to ``q`` inside the log-sum-exp: temperature times log-reference, or prior weight times log-prior,
        ``-inf`` where an action is excluded.  None in hard control.
    reward : ndarray (S, A)
        The reward that was optimised.
    iterates : ndarray (n, S, A) or None
        Action values before every sweep, where the solver was asked to keep them.
    residual : bool
        Whether ``reward`` is an add-on (:func:`mdplab.solvers.residual_q_learning`), not the reward of the model.
    method, rule : str
        From :func:`mdplab.solve`: the solver that answered and the rule that chose it; empty otherwise.
    """

    value: FloatArray
    q: FloatArray
    policy: FloatArray
    log_policy: FloatArray
    lower: FloatArray
    upper: FloatArray
    suboptimality: float
    backward_error: float
    q_error: float
    policy_error: float
    log_policy_error: float
    temperature: float
    bonus: FloatArray | None
    reward: FloatArray
    iterates: FloatArray | None = None
    method: str = ""
    rule: str = ""
    residual: bool = False

    def candidates(self, tol: float | None = None) -> BoolArray:
        """Actions within a tolerance of the state's best action value.

        Parameters
        ----------
        tol : float, optional
            Default ``2 * q_error``: then every optimal action is among them.

        Returns
        -------
        ndarray of bool (S, A)
            At least one True a row.
        """
        margin = 2 * self.q_error if tol is None else tol
        result: BoolArray = (self.q >= self.q.max(axis=1, keepdims=True) - margin) & (self.q > -np.inf)
        return result

    def _layout(self) -> Layout:
        bounds = {"value": self.value, "lower": self.lower, "upper": self.upper}
        action = self._likeliest(self.policy)
        return ("state",), {**bounds, "action": action, "q": self.q, "policy": self.policy}


def _shared(
    arrays: DiscountedArrays,
    found: Enclosure,
    q: FloatArray,
    lookahead: float,
    status: Status,
    steps: int,
    residuals: FloatArray,
) -> dict[str, Any]:
    """The fields that hard and soft control have in common."""
    shift = arrays.discount * found.centre
    full = q + shift
    if arrays.masked:
        full[~arrays.available] = -np.inf
        largest = float(np.abs(full[arrays.available]).max())
    else:
        largest = max(abs(float(full.min())), abs(float(full.max())))
    error = formulas.q_error(
        lookahead, found.drift, shift, largest, arrays.discount, arrays.row_deviation, found.bound
    )
    return {
        "status": status,
        "certificate": Certificate("sup-norm error of value", found.bound, THEOREM, found.rounding),
        "steps": steps,
        "residuals": residuals,
        "value": found.value,
        "q": full,
        "lower": found.value - found.bound,
        "upper": found.value + found.bound,
        "backward_error": found.backward_error,
        "q_error": float(error),
        "reward": arrays.reward,
        "names": arrays.names,
    }


def row_spread(arrays: DiscountedArrays, found: Enclosure) -> float:
    """Bound on the span over actions of the error of a lookahead, without its rounding.

    Parameters
    ----------
    arrays : DiscountedArrays
        The model.
    found : Enclosure
        Enclosure of the value from the relative value that was looked ahead of.

    Returns
    -------
    float
        Bound on ``max_s span_a (Q - q_w)(s, .)``.
    """
    return float(
        formulas.row_spread(
            arrays.discount,
            arrays.overlap,
            arrays.row_deviation,
            found.span_error,
            found.bound,
            found.drift,
        )
    )


def hard_solution(
    arrays: DiscountedArrays,
    found: Enclosure,
    w: FloatArray,
    q: FloatArray,
    *,
    actions: IntArray | None = None,
    status: Status,
    steps: int,
    residuals: FloatArray,
) -> ControlSolution:
    """Solution of a hard control problem from a relative value.

    Parameters
    ----------
    arrays : DiscountedArrays
        The model.
    found : Enclosure
        Enclosure of the optimal value from ``w``.
    w : ndarray (S,)
        Relative value.
    q : ndarray (S, A)
        Its lookahead.
    actions : ndarray of int (S,), optional
        The policy to return; default is greedy for ``q``, lowest index first.
    status : Status
        How the run ended.
    steps : int
        Steps done.
    residuals : ndarray (steps,)
        Half-spans of the residuals.

    Returns
    -------
    ControlSolution
        With ``policy_error`` 0 where the gap proves the policy to be the only optimal one.
    """
    if arrays.masked:
        q = np.where(arrays.available, q, -np.inf)
    chosen = (
        np.empty(arrays.n_states, dtype=np.int64) if actions is None else np.asarray(actions, dtype=np.int64)
    )
    numbers = np.empty(3)
    formulas.greedy_rows(q, actions is not None, chosen, numbers)
    lead, lag, largest = numbers.tolist()
    lookahead = float(
        formulas.lookahead_error(
            float(np.abs(w).max()), largest, arrays.successors, arrays.discount, arrays.row_deviation
        )
    )
    states = np.arange(arrays.n_states)
    policy, log_policy = np.zeros(q.shape), np.full(q.shape, -np.inf)
    policy[states, chosen] = 1.0
    log_policy[states, chosen] = 0.0
    # True q of the chosen action exceeds the others' by more than errors can hide: the optimal policy is unique.
    unique = lead > 2 * lookahead + row_spread(arrays, found)
    loss = float(formulas.greedy_loss(found.half_span, found.slack, found.gap, lag + 2 * lookahead))
    return ControlSolution(
        policy=policy,
        log_policy=log_policy,
        suboptimality=0.0 if unique else loss,
        policy_error=0.0 if unique else math.inf,
        log_policy_error=0.0 if unique else math.inf,
        temperature=0.0,
        bonus=None,
        **_shared(arrays, found, q, lookahead, status, steps, residuals),
    )


def soft_solution(
    arrays: DiscountedArrays,
    found: Enclosure,
    w: FloatArray,
    q: FloatArray,
    bonus: FloatArray,
    temperature: float,
    *,
    status: Status,
    steps: int,
    residuals: FloatArray,
    iterates: FloatArray | None = None,
    residual: bool = False,
) -> ControlSolution:
    """Solution of a soft control problem from a relative value.

    Parameters
    ----------
    arrays : DiscountedArrays
        The model.
    found : Enclosure
        Enclosure of the optimal value from ``w``.
    w : ndarray (S,)
        Relative value.
    q, bonus : ndarray (S, A)
        Its lookahead, and what is added to it inside the log-sum-exp.
    temperature : float
        Positive.
    status : Status
        How the run ended.
    steps : int
        Steps done.
    residuals : ndarray (steps,)
        Half-spans of the residuals.
    iterates : ndarray (n, S, A), optional
        Kept action values.
    residual : bool, default False
        Whether the reward is an add-on, not the model's.

    Returns
    -------
    ControlSolution
        With errors of probabilities and log-probabilities.
    """
    lookahead = lookahead_rounding(arrays, w, q)
    log_policy: FloatArray = log_tilt(q + bonus, temperature=temperature)
    policy = np.exp(log_policy)
    rounding = log_policy_rounding(lookahead, q, bonus, log_policy, temperature)
    spread = row_spread(arrays, found) / temperature
    # exp of a logarithm that errs by e is off by p (e^e - 1) and by four roundings.
    probability_rounding = probability_error(log_policy, rounding) * 1.01 + 8 * UNIT
    divergence = 1.01 * bonus.shape[1] * divergence_error(log_policy, rounding)
    loss = (
        (2 * (found.half_span + found.slack) + temperature * divergence) / found.gap
        if found.gap > 0
        else math.inf
    )
    return ControlSolution(
        policy=policy,
        log_policy=log_policy,
        suboptimality=loss * (1 + 16 * UNIT),
        policy_error=min(1.0, 0.25 * spread + probability_rounding),
        log_policy_error=spread + float(rounding.max()),
        temperature=temperature,
        bonus=bonus,
        iterates=iterates,
        residual=residual,
        **_shared(arrays, found, q, lookahead, status, steps, residuals),
    )
