r"""Backward induction for linear MDPs, in feature space.

:math:`w_h=\theta_h+\gamma\mu_hV_{h+1}`, :math:`V_h(s)=\max_a\phi(s,a)\cdot w_h`: exact planning with :math:`O(SAd)`
operations a stage, where tables need :math:`O(S^2A)`.  There is nothing to converge; the certificate counts rounding
stage by stage, as in :mod:`mdplab.solvers.backward_induction`.

References
----------
.. [1] C. Jin, Z. Yang, Z. Wang, M. I. Jordan, "Provably efficient reinforcement learning with linear function
   approximation", COLT 2020.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mdplab._typing import BoolArray, FloatArray
from mdplab.models.linear import LinearMDP
from mdplab.solution import Certificate, Status
from mdplab.solvers.backward_induction import HorizonSolution
from mdplab.solvers.discounted import UNIT, check_controls
from mdplab.solvers.linear_bounds import sizes_of

__all__ = ["LinearHorizonSolution", "linear_backward_induction"]

_THEOREM = "backups are non-expansive: errors of the stages add, discounted (running rounding bound)"


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
    model: LinearMDP, *, horizon: int | None = None, tol: float = 1e-8
) -> LinearHorizonSolution:
    """Solve a linear MDP with a finite horizon backwards in feature space.

    Parameters
    ----------
    model : LinearMDP
        With a horizon, or stationary.
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
        If the horizon is missing or differs from the model's.
    """
    check_controls(tol, 1)
    if horizon is not None and model.horizon not in (None, horizon):
        raise ValueError(f"horizon is {horizon}, but the model has {model.horizon} stages")
    steps = model.horizon if horizon is None else horizon
    if steps is None or steps < 1:
        raise ValueError(f"horizon is {steps}, expected a number of stages of at least 1")
    states, n_actions, d = model.features.shape
    value, errors = np.empty((steps + 1, states)), np.zeros(steps + 1)
    q, weights = np.empty((steps, states, n_actions)), np.empty((steps, d))
    policy = np.zeros(q.shape)
    value[steps] = 0.0 if model.terminal is None else model.terminal
    loss, q_error, unique = 0.0, 0.0, True
    staged = model.measures.ndim == 3 or model.theta.ndim == 2
    sizes = sizes_of(model)
    for h in range(steps - 1, -1, -1):
        sizes = sizes_of(model, h) if staged else sizes
        stage = h if staged else 0
        weights[h] = model.backup(value[h + 1], stage)
        q[h] = model.features @ weights[h]
        own = sizes.residual(weights[h], value[h + 1], 0.0, weights[h])
        inherited = model.discount * (1 + sizes.deviation) * errors[h + 1]
        best = q[h].argmax(axis=1)
        value[h] = q[h].max(axis=1)
        errors[h] = (own + inherited) * (1 + 8 * UNIT)
        q_error = max(q_error, float(errors[h]))
        policy[h, np.arange(states), best] = 1.0
        others = np.where(policy[h] > 0, -np.inf, q[h]).max(axis=1)
        unique &= bool(np.all(value[h] - others > 2 * errors[h]))
        loss = model.discount * (1 + sizes.deviation) * loss + 4 * own
    available: BoolArray = np.ones(q.shape, dtype=bool)
    bound = float(errors.max())
    width = errors[:, np.newaxis] + UNIT * (np.abs(value) + errors[:, np.newaxis]) * (
        errors[:, np.newaxis] > 0
    )
    with np.errstate(divide="ignore"):
        log_policy = np.log(policy)
    return LinearHorizonSolution(
        status=Status.CONVERGED if bound <= tol else Status.PRECISION_LIMIT,
        certificate=Certificate("sup-norm error of value over all stages", bound, _THEOREM, bound),
        steps=steps,
        value=value,
        q=q,
        policy=policy,
        log_policy=log_policy,
        lower=value - width,
        upper=value + width,
        value_errors=errors,
        q_error=q_error,
        suboptimality=0.0 if unique else loss * (1 + 16 * UNIT),
        policy_error=0.0 if unique else math.inf,
        log_policy_error=0.0 if unique else math.inf,
        temperature=0.0,
        bonus=None,
        available=available,
        weights=weights,
        names=model.names,
    )
