r"""Backward induction for finite horizons: hard, soft, or regularised towards a reference per stage.

.. math::
    Q_h=R_h+\gamma P_hV_{h+1},\qquad V_h(s)=\max_aQ_h(s,a)\quad\text{or}\quad
    V_h(s)=\tau\log\sum_a\rho_h(a|s)\,e^{Q_h(s,a)/\tau},\qquad V_H=\text{terminal}.

There is nothing to converge, so the certificate is a running count of rounding: with :math:`\epsilon_h` the error of
one computed backup, :math:`e_h=\epsilon_h+\gamma(1+\delta)e_{h+1}` bounds :math:`|\hat V_h-V_h|`, because both
aggregates are non-expansive in the sup norm.  The bounds hold for the rows as they stand and for rows divided by their
sums.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array, BoolArray, FloatArray
from mdplab.models.finite_horizon import FiniteHorizonMDP
from mdplab.operators import _check
from mdplab.operators.tilt import log_sum_exp, log_tilt
from mdplab.solution import Certificate, Layout, Solution, Status
from mdplab.solvers.discounted import UNIT
from mdplab.solvers.stage_inputs import finite_horizon, stage_bonus, stage_mask
from mdplab.solvers.stages import STAGE_THEOREM, enclosing_width, soft_stage_errors, stage_arrays

__all__ = ["HorizonSolution", "backward_induction", "evaluate_stages_array"]


@dataclass(frozen=True, kw_only=True, eq=False)
class HorizonSolution(Solution):
    """Optimal values and policies of all stages, with proven error bounds; its table has a row a stage and state.

    Attributes
    ----------
    value : ndarray (H + 1, S)
        Values; the last row is the terminal reward.
    q : ndarray (H, S, A)
        Action values; ``-inf`` at unavailable pairs.
    policy, log_policy : ndarray (H, S, A)
        Stage policies (hard: the lowest-index maximiser).
    lower, upper : ndarray (H + 1, S)
        ``lower <= V <= upper``.
    value_errors : ndarray (H + 1,)
        Sup-norm error of ``value`` stage by stage; ``certificate.bound`` is the largest.
    q_error : float
        Sup-norm error of ``q`` over all stages and available pairs.
    suboptimality : float
        Bound on what ``policy`` loses from stage 0 on, in any state.
    policy_error, log_policy_error : float
        Sup-norm errors over all stages; hard: 0 where every gap proves the policy unique and found, else inf.
    temperature : float
        0 when hard.
    bonus : ndarray (H, S, A) or None
        Temperature times log-reference, ``-inf`` at excluded actions; None when hard.
    available : ndarray of bool (H, S, A)
        Admitted actions.
    reward : ndarray (H, S, A) or None
        The reward that was optimised, and with it the terminal one in ``value[H]``; None where they are the model's.
    """

    value: FloatArray
    q: FloatArray
    policy: FloatArray
    log_policy: FloatArray
    lower: FloatArray
    upper: FloatArray
    value_errors: FloatArray
    q_error: float
    suboptimality: float
    policy_error: float
    log_policy_error: float
    temperature: float
    bonus: FloatArray | None
    available: BoolArray
    reward: FloatArray | None = None

    def _layout(self) -> Layout:
        bounds = {"value": self.value[:-1], "lower": self.lower[:-1], "upper": self.upper[:-1]}
        action = self._likeliest(self.policy)
        return ("stage", "state"), {**bounds, "action": action, "q": self.q, "policy": self.policy}


def evaluate_stages_array(kernels: Array, rewards: Array, terminal: Array, discount: complex = 1.0) -> Array:
    """Backward recursion ``v_h = r_h + discount * P_h v_{h+1}`` of fixed stages, so that complex steps pass.

    Parameters
    ----------
    kernels : ndarray (H, S, S) or (S, S)
        Transition matrices of the stages' policies, real or complex.
    rewards : ndarray (H, S)
        Expected rewards, real or complex.
    terminal : ndarray (S,)
        Value after the last stage.
    discount : float or complex, default 1
        Discount.

    Returns
    -------
    ndarray (H + 1, S)
        The values, without certificate.
    """
    values = [terminal]
    for h in range(rewards.shape[0] - 1, -1, -1):
        values.append(rewards[h] + discount * ((kernels[h] if kernels.ndim == 3 else kernels) @ values[-1]))
    return np.array(values[::-1])


def backward_induction(
    mdp: FiniteHorizonMDP,
    *,
    temperature: float = 0.0,
    log_reference: ArrayLike | None = None,
    available: ArrayLike | None = None,
    tol: float = 1e-8,
) -> HorizonSolution:
    """Solve a finite-horizon model.

    Parameters
    ----------
    mdp : FiniteHorizonMDP
        Kernel, reward and mask stationary or by stage.
    temperature : float, default 0
        0 for the hard optimum, positive for the regularised one.
    log_reference : array_like (S, A) or (H, S, A), optional
        Log-weights of the reference, ``-inf`` allowed, not necessarily normalised; default is the counting measure.
        Not used at temperature 0.
    available : array_like of bool (S, A) or (H, S, A), optional
        Admitted actions among the model's; all of them, by default.
    tol : float, default 1e-8
        Only decides the status.

    Returns
    -------
    HorizonSolution
        Status CONVERGED or PRECISION_LIMIT.

    Raises
    ------
    ValueError
        If an argument has a wrong shape or range, or a state has no action left.

    References
    ----------
    .. [1] M. L. Puterman, *Markov Decision Processes*, 1994, section 4.5.
    """
    _check.non_negative("temperature", temperature)
    _check.non_negative("tol", tol)
    finite_horizon(mdp)
    horizon, states, actions = mdp.horizon, mdp.n_states, mdp.n_actions
    mask = stage_mask(mdp, available)
    bonus = None if temperature == 0 else stage_bonus(log_reference, temperature, mask, mdp.names)
    arrays = stage_arrays(mdp, mask)
    value, errors = np.empty((horizon + 1, states)), np.zeros(horizon + 1)
    q, log_policy = np.empty(mask.shape), np.empty(mask.shape)
    value[horizon] = mdp.terminal
    loss, q_error, policy_error, log_policy_error = 0.0, 0.0, 0.0, 0.0
    unique = True
    for h in range(horizon - 1, -1, -1):
        stage, lookahead = arrays.lookahead(h, value[h + 1])
        inherited = arrays.inherited(h, errors[h + 1])
        q[h] = np.where(mask[h], stage, -np.inf)
        q_error = max(q_error, lookahead + inherited)
        if bonus is None:
            best = q[h].argmax(axis=1)
            value[h] = q[h].max(axis=1)
            errors[h] = (lookahead + inherited) * (1 + 8 * UNIT)
            log_policy[h] = np.where(np.arange(actions) == best[:, np.newaxis], 0.0, -np.inf)
            others = np.where(np.arange(actions) == best[:, np.newaxis], -np.inf, q[h])
            unique &= bool(np.all(value[h] - others.max(axis=1) > 2 * (lookahead + inherited)))
            defect = 2 * lookahead
        else:
            value[h] = log_sum_exp(stage + bonus[h], temperature=temperature)
            log_policy[h] = log_tilt(stage + bonus[h], temperature=temperature)
            errors[h], of_policy, of_logs, defect = soft_stage_errors(
                lookahead, inherited, stage, bonus[h], value[h], log_policy[h], temperature
            )
            policy_error, log_policy_error = max(policy_error, of_policy), max(log_policy_error, of_logs)
        own = errors[h] - inherited
        loss = mdp.discount * (1 + float(arrays.deviations[h])) * loss + 2 * own + defect
    bound = float(errors.max())
    if bonus is None:
        policy_error = log_policy_error = 0.0 if unique else math.inf
        loss = 0.0 if unique else loss
    width = enclosing_width(value, errors)
    return HorizonSolution(
        status=Status.CONVERGED if bound <= tol else Status.PRECISION_LIMIT,
        certificate=Certificate("sup-norm error of value over all stages", bound, STAGE_THEOREM, bound),
        steps=horizon,
        value=value,
        q=q,
        policy=np.exp(log_policy),
        log_policy=log_policy,
        lower=value - width,
        upper=value + width,
        value_errors=errors,
        q_error=float(q_error * (1 + 8 * UNIT)),
        suboptimality=float(loss * (1 + 16 * UNIT)),
        policy_error=float(policy_error if bonus is None else min(policy_error, 1.0)),
        log_policy_error=float(log_policy_error),
        temperature=temperature,
        bonus=bonus,
        available=mask,
        names=mdp.names,
    )
