r"""Backward induction for linear MDPs, in feature space: hard, or regularised towards a reference per stage.

.. math::
    w_h=\theta_h+\gamma\mu_hV_{h+1},\qquad V_h(s)=\max_a\phi(s,a)\cdot w_h\quad\text{or}\quad
    V_h(s)=\tau\log\sum_a\rho_h(a|s)\,e^{\phi(s,a)\cdot w_h/\tau}.

Exact planning with :math:`O(SAd)` operations a stage, where tables need :math:`O(S^2A)`; the regularised policy is the
log-linear tilt :math:`\rho_h\,e^{\phi\cdot w_h/\tau}` of its reference, whatever that is.  There is nothing to
converge; the certificate counts rounding stage by stage, as in :mod:`mdplab.solvers.backward_induction`.

References
----------
.. [1] C. Jin, Z. Yang, Z. Wang, M. I. Jordan, "Provably efficient reinforcement learning with linear function
   approximation", COLT 2020.
.. [2] D. Tiapkin, D. Belomestny, D. Calandriello, E. Moulines, A. Naumov, P. Perrault, M. Valko, P. Menard,
   "Demonstration-regularized RL", ICLR 2024 (the regularised recursion).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import BoolArray, FloatArray
from mdplab.models.linear import LinearMDP
from mdplab.operators import _check
from mdplab.operators.tilt import log_sum_exp, log_tilt
from mdplab.solution import Certificate, Status
from mdplab.solvers.backward_induction import HorizonSolution
from mdplab.solvers.discounted import UNIT, check_controls
from mdplab.solvers.linear_bounds import sizes_of
from mdplab.solvers.stage_inputs import stage_bonus
from mdplab.solvers.stages import STAGE_THEOREM, enclosing_width, soft_stage_errors

__all__ = ["LinearHorizonSolution", "linear_backward_induction"]


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearHorizonSolution(HorizonSolution):
    """Optimum of a linear MDP with a finite horizon.

    Attributes
    ----------
    weights : ndarray (H, d)
        ``q[h] = features @ weights[h]``.
    """

    weights: FloatArray


def linear_backward_induction(
    model: LinearMDP,
    *,
    temperature: float = 0.0,
    log_reference: ArrayLike | None = None,
    horizon: int | None = None,
    tol: float = 1e-8,
) -> LinearHorizonSolution:
    """Solve a linear MDP with a finite horizon backwards in feature space.

    Parameters
    ----------
    model : LinearMDP
        With a horizon, or stationary.
    temperature : float, default 0
        0 for the hard optimum, positive for the regularised one.
    log_reference : array_like (S, A) or (H, S, A), optional
        Log-weights of the reference, ``-inf`` allowed, not necessarily normalised nor linear in the features; default
        is the counting measure.  Not used at temperature 0.
    horizon : int, optional
        H, needed if and only if the model has none (its discount then counts, and nothing is paid at the end).
    tol : float, default 1e-8
        Decides the status only.

    Returns
    -------
    LinearHorizonSolution
        Status CONVERGED or PRECISION_LIMIT.

    Raises
    ------
    ValueError
        If the horizon is missing or differs from the model's, or an argument has a wrong shape or range.
    """
    check_controls(tol, 1)
    _check.non_negative("temperature", temperature)
    if horizon is not None and model.horizon not in (None, horizon):
        raise ValueError(f"horizon is {horizon}, but the model has {model.horizon} stages")
    steps = model.horizon if horizon is None else horizon
    if steps is None or steps < 1:
        raise ValueError(f"horizon is {steps}, expected a number of stages of at least 1")
    states, n_actions, d = model.features.shape
    available: BoolArray = np.ones((steps, states, n_actions), dtype=bool)
    bonus = None if temperature == 0 else stage_bonus(log_reference, temperature, available, model.names)
    value, errors = np.empty((steps + 1, states)), np.zeros(steps + 1)
    q, weights = np.empty(available.shape), np.empty((steps, d))
    log_policy = np.full(q.shape, -np.inf)
    value[steps] = 0.0 if model.terminal is None else model.terminal
    loss, q_error, policy_error, log_policy_error, unique = 0.0, 0.0, 0.0, 0.0, True
    staged = model.measures.ndim == 3 or model.theta.ndim == 2
    sizes = sizes_of(model)
    for h in range(steps - 1, -1, -1):
        sizes = sizes_of(model, h) if staged else sizes
        weights[h] = model.backup(value[h + 1], h if staged else 0)
        q[h] = model.features @ weights[h]
        own = sizes.residual(weights[h], value[h + 1], 0.0, weights[h])
        inherited = model.discount * (1 + sizes.deviation) * errors[h + 1]
        q_error = max(q_error, (own + inherited) * (1 + 8 * UNIT))
        defect = 0.0
        if bonus is None:
            best = q[h].argmax(axis=1)
            value[h] = q[h].max(axis=1)
            errors[h] = (own + inherited) * (1 + 8 * UNIT)
            log_policy[h, np.arange(states), best] = 0.0
            others = np.where(log_policy[h] == 0.0, -np.inf, q[h]).max(axis=1)
            unique &= bool(np.all(value[h] - others > 2 * errors[h]))
        else:
            value[h] = log_sum_exp(q[h] + bonus[h], temperature=temperature)
            log_policy[h] = log_tilt(q[h] + bonus[h], temperature=temperature)
            errors[h], of_policy, of_logs, defect = soft_stage_errors(
                own, inherited, q[h], bonus[h], value[h], log_policy[h], temperature
            )
            policy_error, log_policy_error = max(policy_error, of_policy), max(log_policy_error, of_logs)
            own = errors[h] - inherited
        loss = model.discount * (1 + sizes.deviation) * loss + 4 * own + defect
    if bonus is None:
        policy_error = log_policy_error = 0.0 if unique else math.inf
        loss = 0.0 if unique else loss
    bound = float(errors.max())
    width = enclosing_width(value, errors)
    return LinearHorizonSolution(
        status=Status.CONVERGED if bound <= tol else Status.PRECISION_LIMIT,
        certificate=Certificate("sup-norm error of value over all stages", bound, STAGE_THEOREM, bound),
        steps=steps,
        value=value,
        q=q,
        policy=np.exp(log_policy),
        log_policy=log_policy,
        lower=value - width,
        upper=value + width,
        value_errors=errors,
        q_error=float(q_error),
        suboptimality=float(loss * (1 + 16 * UNIT)),
        policy_error=float(policy_error if bonus is None else min(policy_error, 1.0)),
        log_policy_error=float(log_policy_error),
        temperature=temperature,
        bonus=bonus,
        available=available,
        weights=weights,
        names=model.names,
    )
