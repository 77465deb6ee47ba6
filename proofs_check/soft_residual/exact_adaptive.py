"""Mirror descent with adaptive steps in balls: each step is the upper end of what the theorem asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.soft_residual.exact_mirror import from_the_smallest_reward, narrow_path, path
from proofs_check.soft_residual.mirror_instances import AdaptiveTask

if TYPE_CHECKING:
    from mdplab.exact import ExactMDP


def best_value(model: ExactMDP) -> Array:
    """The optimal value, rational."""
    return mdplab.exact.policy_iteration(model).value


def gaps(task: AdaptiveTask) -> Array:
    """Largest gaps of the iterates; a step is at least the largest divergence of an action that may be greedy, over c_k."""
    model, scale = from_the_smallest_reward(task.mdp), mdplab.exact.rational(task.scale)

    def step(k: int, logs: Array, q: Array) -> Any:
        if task.constant:
            return mdplab.exact.rational(task.constant)
        worse = mdplab.exact.surely_above(mdplab.exact.highest(q, axis=1)[:, np.newaxis], q)
        divergence = mdplab.exact.highest(np.where(worse, 0, -logs))
        return mdplab.exact.ball(divergence).upper() / (scale * model.discount ** (2 * (k + 1)))

    found = narrow_path(model, task.logits, step=step, steps=task.steps)
    return np.asarray(mdplab.exact.highest(best_value(model) - found.values[1:], axis=1))


def sums(task: AdaptiveTask) -> Array:
    """``sum_{i <= k} gamma^{-i} c_{i-1}``, rationals."""
    scale, discount = (mdplab.exact.rational(x) for x in (task.scale, task.mdp.discount))
    return np.cumsum([scale * discount**k for k in range(1, task.steps + 1)])


def limit_of_the_sum(task: AdaptiveTask) -> Array:
    """``c gamma / (1 - gamma)``."""
    scale, discount = (mdplab.exact.rational(x) for x in (task.scale, task.mdp.discount))
    return np.array([scale * discount / (1 - discount)] * task.steps, dtype=object)


def bound(task: AdaptiveTask) -> Array:
    """``gamma^k (first gap + sum_{i <= k} gamma^{-i} c_{i-1})``."""
    model = from_the_smallest_reward(task.mdp)
    first = path(model, task.logits, step=lambda k, logs, q: 0, steps=0).values[0]
    gap = mdplab.exact.highest(best_value(model) - first)
    decay = np.array([model.discount**k for k in range(1, task.steps + 1)], dtype=object)
    return np.asarray(decay * (gap + sums(task)))
