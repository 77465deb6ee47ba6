"""Mirror descent with growing steps in balls: the gaps, and the bound from a rational optimal occupancy."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.soft_residual.exact_mirror import from_the_smallest_reward, narrow_path, path
from proofs_check.soft_residual.mirror_instances import GrowingTask

if TYPE_CHECKING:
    from mdplab.exact import ExactMDP


class Twin:
    """A task in exact numbers: an optimal policy, its occupancy and the mismatch."""

    def __init__(self, task: GrowingTask) -> None:
        self.model: ExactMDP = from_the_smallest_reward(task.mdp)
        found = mdplab.exact.policy_iteration(self.model)
        self.actions = found.optimal.argmax(axis=1)
        self.policy = np.eye(self.model.n_actions, dtype=int)[self.actions]
        self.states = mdplab.exact.state_occupancy(self.model, self.policy)
        self.start = mdplab.exact.laws(task.mdp.start_law())
        self.horizon = 1 / (1 - self.model.discount)
        self.mismatch = (self.states / self.start).max() * self.horizon
        self.value = found.value


@lru_cache(maxsize=1)
def twin_of(task: GrowingTask) -> Twin:
    """The twin of a task; both sides ask for the same."""
    return Twin(task)


def gaps(task: GrowingTask) -> Array:
    """Optimal start value, a rational, less those of the iterates."""
    twin, first = twin_of(task), mdplab.exact.rational(task.first)
    growth = twin.mismatch / (twin.mismatch - 1) if task.growing else mdplab.exact.rational(1)

    def step(k: int, logs: Array, q: Array) -> Any:
        return first * mdplab.exact.ball(growth) ** k

    found = narrow_path(twin.model, task.logits, step=step, steps=task.steps)
    return np.asarray((twin.value - found.values) @ twin.start)


def bound(task: GrowingTask) -> Array:
    """``(1 - 1/theta)^k`` times the first gap and the divergence over ``(1 - gamma) eta_0 (theta - 1)``."""
    twin = twin_of(task)
    logs = mdplab.exact.log_tilt(task.logits)
    divergence = -(twin.states @ logs[np.arange(len(twin.actions)), twin.actions])
    first = path(twin.model, task.logits, step=lambda k, logs, q: 0, steps=0).values[0]
    second = twin.horizon * divergence / (mdplab.exact.rational(task.first) * (twin.mismatch - 1))
    factor: Any = mdplab.exact.ball(1 - 1 / twin.mismatch)
    decay = np.array([factor**k for k in range(task.steps + 1)], dtype=object)
    return np.asarray(decay * ((twin.value - first) @ twin.start + second))
