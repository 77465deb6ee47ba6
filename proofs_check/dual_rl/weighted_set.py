"""Re-weighted trajectories: their law, their visits, the policy they induce, and the rounding of all three."""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._typing import Array
from mdplab.claims.tolerances import UNIT_ROUNDOFF, rounding
from mdplab.models import FiniteHorizonMDP
from mdplab.operators import stage_laws, stage_occupancy
from proofs_check.dual_rl.instances import WeightingTask

__all__ = [
    "forward_error",
    "induced_policy",
    "mass",
    "policy_return",
    "ratio",
    "visits",
    "weighting_error",
]


def mass(task: WeightingTask, inverse: complex) -> Array:
    """Law ``w p`` of the re-weighted trajectories at the inverse temperature ``1 / eta``, shape (N,)."""
    p, returns, starts = task.paths.probability, task.paths.returns, task.starts
    if task.normalisation == "each start":
        best = np.where(starts > 0, returns[:, None], -np.inf).max(axis=0)
        tilted = p * np.exp(inverse * (returns - best[task.paths.states[:, 0]]))
        return np.asarray(tilted * (starts @ ratio(p @ starts, tilted @ starts)))
    centre = (
        starts @ ratio(returns * p @ starts, p @ starts)
        if task.normalisation == "first order"
        else returns.max()
    )
    tilted = p * np.exp(inverse * (returns - centre))
    return np.asarray(tilted / tilted.sum())


def ratio(above: Array, below: Array) -> Array:
    """Quotient with 0 for 0 / 0."""
    return np.asarray(above / np.where(below == 0, 1.0, below))


def visits(task: WeightingTask, weights: Array) -> Array:
    """Law of the pair (s, a) at every stage in a weighted set of trajectories, shape (H, S, A)."""
    table = np.zeros(task.behaviour.shape, dtype=weights.dtype)
    for h, stage in enumerate(table):
        np.add.at(stage, (task.paths.states[:, h], task.paths.actions[:, h]), weights)
    return table


def induced_policy(task: WeightingTask, weights: Array) -> Array:
    """The policy of the weighted set, Pr(a_h = a | s_h = s); the behaviour where a state is not visited."""
    table = visits(task, weights)
    total = table.sum(axis=-1, keepdims=True)
    return np.where(total == 0, task.behaviour, ratio(table, total))


def policy_return(model: FiniteHorizonMDP, policy: Array) -> Any:
    """Expected undiscounted return by the forward recursion of the state laws."""
    reward = np.broadcast_to(model.reward, policy.shape)
    return (stage_occupancy(model, policy) * reward).sum() + stage_laws(model, policy)[-1] @ model.terminal


def weighting_error(task: WeightingTask, inverse: float) -> float:
    """Bound on the error in 1-norm of the re-weighted law: rounding of its exponents, and of sums over N terms."""
    paths, horizon = task.paths, task.model.horizon
    exponent = 4 * np.abs(paths.log_probability) + (horizon + 4) * abs(inverse) * np.abs(paths.returns).max()
    law = np.abs(mass(task, inverse))
    return float(1.01 * UNIT_ROUNDOFF * (law @ exponent + paths.n_trajectories + 8) / law.sum())


def return_span(task: WeightingTask) -> float:
    """Largest difference of returns."""
    return float(np.ptp(task.paths.returns))


def forward_error(task: WeightingTask, inverse: float) -> float:
    """Error of the forward recursion: every stage costs the policy's error times the span of what is to come."""
    horizon, states, actions = task.behaviour.shape
    sweep = float(rounding(np.abs(task.paths.returns).max(), horizon * (states * actions + 6)))
    return float(horizon * weighting_error(task, inverse) * return_span(task) + sweep)
