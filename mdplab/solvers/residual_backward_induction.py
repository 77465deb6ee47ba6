r"""Residual soft Q recursion in a finite horizon: customise a stage-wise prior without knowing its reward.

.. math::
    Q_h=r_{R,h}+\gamma P_h\,U_{h+1},\qquad
    U_h(s)=\tau\log\sum_a\exp\frac{Q_h(s,a)+\omega'\log\pi_h(a|s)}\tau,\qquad U_H=\text{residual terminal}.

If the prior :math:`\pi_h` is the soft-optimal policy *of stage h* for rewards :math:`r_h` and terminal reward :math:`g`
at temperature :math:`\alpha`, and :math:`\omega'=\omega\alpha`, then :math:`U_h=\hat V_h-\omega V_h` and the policies
proportional to :math:`\exp((Q_h+\omega'\log\pi_h)/\tau)` are soft-optimal for :math:`\omega r_h+r_{R,h}` with terminal
reward :math:`\omega g+U_H` at temperature :math:`\tau`.

A *stationary* prior, soft-optimal in the infinite horizon at the model's discount with values :math:`V^*`, is that of
the horizon with terminal reward :math:`V^*`: customising it for H stages adds the terminal bonus
:math:`\omega V^*(s_H)`.

The log-sum-exps are plain sums, shared with no soft solver: backward induction on the full task is the other route.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab.models.finite_horizon import FiniteHorizonMDP
from mdplab.operators import _check
from mdplab.solution import Certificate, Status
from mdplab.solvers.backward_induction import HorizonSolution
from mdplab.solvers.discounted import UNIT, check_controls
from mdplab.solvers.stage_inputs import finite_horizon, stage_bonus, stage_mask, stage_rows
from mdplab.solvers.stages import STAGE_THEOREM, enclosing_width, soft_stage_errors, stage_arrays

__all__ = ["residual_backward_induction"]


def residual_backward_induction(
    mdp: FiniteHorizonMDP,
    residual_reward: ArrayLike,
    log_prior: ArrayLike,
    *,
    prior_weight: float,
    temperature: float,
    residual_terminal: ArrayLike | None = None,
    available: ArrayLike | None = None,
    tol: float = 1e-8,
) -> HorizonSolution:
    """Solve the residual recursion of all stages, and return the customised stage policies.

    Parameters
    ----------
    mdp : FiniteHorizonMDP
        Kernels, mask, horizon and discount; neither its reward nor its terminal reward is read.
    residual_reward : array_like (H, S, A) or (S, A)
        The add-on reward, finite at admitted actions.
    log_prior : array_like (H, S, A) or (S, A)
        Log-probabilities of the prior by stage (as logarithms, not of rounded probabilities), or one prior for all
        stages; ``-inf`` excludes an action.
    prior_weight : float
        Non-negative; ``omega`` times the prior's temperature.  0 ignores the prior.
    temperature : float
        Positive; that of the full task.
    residual_terminal : array_like (S,), optional
        Terminal reward that the full task has on top of ``omega`` times the prior's; zeros by default.
    available : array_like of bool (S, A) or (H, S, A), optional
        Admitted actions among the model's; all of them, by default.
    tol : float, default 1e-8
        Only decides the status.

    Returns
    -------
    HorizonSolution
        ``q`` are the residual action values, ``value`` their weighted log-sum-exps (full minus ``omega`` times prior
        values), ``policy`` the customised policies.  Status CONVERGED or PRECISION_LIMIT.

    Raises
    ------
    ValueError
        If an argument is out of range or the prior leaves a state without action.

    References
    ----------
    .. [1] C. Li et al., "Residual Q-learning: offline and online policy customization without value", NeurIPS 2023.
    """
    check_controls(tol, 1, temperature)
    _check.non_negative("prior_weight", prior_weight)
    finite_horizon(mdp)
    horizon, states = mdp.horizon, mdp.n_states
    mask = stage_mask(mdp, available)
    reward = stage_rows("residual_reward", residual_reward, mdp, read=mask)
    bonus = stage_bonus(log_prior, prior_weight, mask, mdp.names, "log_prior")
    arrays = stage_arrays(mdp, mask, reward)
    value, errors = np.zeros((horizon + 1, states)), np.zeros(horizon + 1)
    q, log_policy = np.empty(mask.shape), np.empty(mask.shape)
    if residual_terminal is not None:
        last = _check.shaped("residual_terminal", residual_terminal, (states,), "(S,)")
        if np.iscomplexobj(last) or not np.isfinite(last).all():
            raise ValueError("residual_terminal must be real and finite")
        value[horizon] = last
    loss, q_error, policy_error, log_policy_error = 0.0, 0.0, 0.0, 0.0
    for h in range(horizon - 1, -1, -1):
        stage, lookahead = arrays.lookahead(h, value[h + 1])
        inherited = arrays.inherited(h, errors[h + 1])
        q[h] = np.where(mask[h], stage, -np.inf)
        q_error = max(q_error, lookahead + inherited)
        total = stage + bonus[h]
        top = total.max(axis=1, keepdims=True)
        exponents = (total - top) / temperature
        log_sum = np.log(np.exp(exponents).sum(axis=1, keepdims=True))
        value[h] = (top + temperature * log_sum)[:, 0]
        log_policy[h] = exponents - log_sum
        errors[h], of_policy, of_logs, defect = soft_stage_errors(
            lookahead, inherited, stage, bonus[h], value[h], log_policy[h], temperature
        )
        policy_error, log_policy_error = max(policy_error, of_policy), max(log_policy_error, of_logs)
        own = errors[h] - inherited
        loss = mdp.discount * (1 + float(arrays.deviations[h])) * loss + 2 * own + defect
    bound = float(errors.max())
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
        policy_error=min(policy_error, 1.0),
        log_policy_error=log_policy_error,
        temperature=temperature,
        bonus=bonus,
        available=mask,
        reward=reward,
        names=mdp.names,
    )
