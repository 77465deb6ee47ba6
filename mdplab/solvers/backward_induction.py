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

from mdplab._kernels import backups
from mdplab._typing import Array, BoolArray, FloatArray
from mdplab.models.finite_horizon import FiniteHorizonMDP
from mdplab.operators import _check
from mdplab.operators.tilt import log_sum_exp, log_tilt
from mdplab.solution import Certificate, Solution, Status
from mdplab.solvers.certificate import log_policy_rounding, soft_rounding
from mdplab.solvers.discounted import UNIT

__all__ = ["HorizonSolution", "backward_induction", "evaluate_stages_array"]

_THEOREM = "backups are non-expansive: errors of the stages add, discounted (running rounding bound)"


@dataclass(frozen=True, kw_only=True, eq=False)
class HorizonSolution(Solution):
    """Optimal values and policies of all stages, with proven error bounds.

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
        Kernel and reward stationary or by stage.
    temperature : float, default 0
        0 for the hard optimum, positive for the regularised one.
    log_reference : array_like (S, A) or (H, S, A), optional
        Log-weights of the reference, ``-inf`` allowed, not necessarily normalised; default is the counting measure.
        Not used at temperature 0.
    available : array_like of bool (S, A) or (H, S, A), optional
        Admitted actions; all, by default.
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
    if not (math.isfinite(temperature) and temperature >= 0):
        raise ValueError(f"temperature must be non-negative and finite; got {temperature}")
    if not (math.isfinite(tol) and tol >= 0):
        raise ValueError(f"tol must be a non-negative number; got {tol}")
    horizon, states, actions = mdp.horizon, mdp.n_states, mdp.n_actions
    shape = (horizon, states, actions)
    mask = _mask(available, shape)
    bonus = _bonus(log_reference, temperature, mask)
    value, errors = np.empty((horizon + 1, states)), np.zeros(horizon + 1)
    q, log_policy = np.empty(shape), np.empty(shape)
    value[horizon] = mdp.terminal
    loss, q_error, policy_error, log_policy_error = 0.0, 0.0, 0.0, 0.0
    unique = True
    statistics = np.zeros(3)
    for h in range(horizon - 1, -1, -1):
        kernel = mdp.stage_kernel(h).reshape(-1, states)
        if h == horizon - 1 or mdp.transition.ndim == 4 or mask.ndim == 3:
            backups.row_statistics_dense(kernel, mask[h].ravel(), statistics)
        deviation, successors = float(statistics[0]) * (1 + 4 * UNIT), int(statistics[1])
        following = value[h + 1]
        stage = mdp.stage_reward(h) + mdp.discount * (kernel @ following).reshape(states, actions)
        q[h] = np.where(mask[h], stage, -np.inf)
        size = float(np.abs(following).max())
        largest = float(np.abs(stage[mask[h]]).max())
        # k products and sums, one product with the discount, one sum with the reward; then the rows' sums.
        lookahead = 1.01 * UNIT * ((successors + 2) * mdp.discount * size * (1 + deviation) + largest)
        lookahead += 1.01 * mdp.discount * deviation * size
        inherited = mdp.discount * (1 + 2 * deviation) * errors[h + 1]
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
            errors[h] = soft_rounding(lookahead, stage, bonus[h], value[h], temperature) + inherited
            errors[h] *= 1 + 8 * UNIT
            log_policy[h] = log_tilt(stage + bonus[h], temperature=temperature)
            rounding = log_policy_rounding(lookahead, stage, bonus[h], log_policy[h], temperature)
            rows = np.exp(log_policy[h])
            policy_error = max(
                policy_error,
                0.5 * inherited / temperature + 1.01 * float((rows * np.expm1(rounding)).max()) + 8 * UNIT,
            )
            log_policy_error = max(log_policy_error, 2 * inherited / temperature + float(rounding.max()))
            defect = 1.01 * temperature * actions * float((rows * rounding**2).max())
        own = errors[h] - inherited
        loss = mdp.discount * (1 + deviation) * loss + 2 * own + defect
    bound = float(errors.max())
    if bonus is None:
        policy_error = log_policy_error = 0.0 if unique else math.inf
        loss = 0.0 if unique else loss
    # Forming value -+ error rounds once more.
    width = errors[:, np.newaxis] + UNIT * (np.abs(value) + errors[:, np.newaxis]) * (
        errors[:, np.newaxis] > 0
    )
    return HorizonSolution(
        status=Status.CONVERGED if bound <= tol else Status.PRECISION_LIMIT,
        certificate=Certificate("sup-norm error of value over all stages", bound, _THEOREM, bound),
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
    )


def _mask(available: ArrayLike | None, shape: tuple[int, int, int]) -> BoolArray:
    """The mask with a stage axis."""
    if available is None:
        return np.ones(shape, dtype=bool)
    mask = np.asarray(available)
    if mask.dtype != np.bool_ or mask.shape not in (shape, shape[1:]):
        raise ValueError(f"available must be boolean of shape (S, A) = {shape[1:]} or (H, S, A) = {shape}")
    mask = np.broadcast_to(mask, shape)
    if not mask.any(axis=2).all():
        stage, state = (int(i) for i in np.argwhere(~mask.any(axis=2))[0])
        raise ValueError(f"available: stage {stage}, state {state} has no action")
    return mask


def _bonus(log_reference: ArrayLike | None, temperature: float, mask: BoolArray) -> FloatArray | None:
    """``temperature * log_reference`` with a stage axis, ``-inf`` at excluded actions; None when hard."""
    if temperature == 0:
        return None
    if log_reference is None:
        return np.where(mask, 0.0, -np.inf)
    logs = np.asarray(log_reference, dtype=float)
    shape = mask.shape
    if logs.shape not in (shape, shape[1:]):
        raise ValueError(
            f"log_reference must have shape (S, A) = {shape[1:]} or (H, S, A) = {shape}; got {logs.shape}"
        )
    logs = _check.shaped("log_reference", np.broadcast_to(logs, shape), shape, "(H, S, A)")
    if (logs == np.inf).any():
        raise ValueError("log_reference is inf somewhere; expected logarithms of weights")
    bonus = np.where(mask, temperature * logs, -np.inf)
    empty = ~(bonus > -np.inf).any(axis=2)
    if empty.any():
        stage, state = (int(i) for i in np.argwhere(empty)[0])
        raise ValueError(
            f"log_reference: stage {stage}, state {state} gives no weight to any available action"
        )
    return bonus
