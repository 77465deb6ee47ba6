"""Entropy-regularised mirror descent in balls: distances of the iterates from the soft optimum, and their bounds."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.soft_residual.exact_mirror import Path, from_the_smallest_reward, narrow_path, path
from proofs_check.soft_residual.mirror_instances import EntropyTask

if TYPE_CHECKING:
    from mdplab.exact import ExactMDP, SoftControl


class Twin:
    """A task in exact numbers; the step is cut at the largest."""

    def __init__(self, task: EntropyTask) -> None:
        self.task = task
        self.model: ExactMDP = from_the_smallest_reward(task.mdp)
        self.temperature = mdplab.exact.rational(task.temperature)
        step = mdplab.exact.rational(task.eta) / (1 - self.model.discount)
        self.step = min(step, 1 / self.temperature)

    @cached_property
    def optimum(self) -> SoftControl:
        """The soft optimum."""
        return mdplab.exact.soft_control(self.model, temperature=self.temperature)

    @cached_property
    def run(self) -> Path:
        """The iterates."""
        return narrow_path(
            self.model,
            self.task.logits,
            step=lambda k, logs, q: self.step,
            steps=self.task.steps,
            temperature=self.temperature,
        )

    def bound(self) -> Array:
        """``C_1 (1 - eta tau)^t``; the first policy is evaluated alone."""
        first = path(
            self.model,
            self.task.logits,
            step=lambda k, logs, q: self.step,
            steps=0,
            temperature=self.temperature,
        )
        memory = 1 - self.step * self.temperature
        distance = largest(self.optimum.log_policy - first.log_policies[0])
        constant = largest(self.optimum.q - first.q[0]) + 2 * self.temperature * memory * distance
        factor: Any = mdplab.exact.ball(1 - self.step * (1 - self.model.discount) * self.temperature)
        return np.asarray(constant * np.array([factor**t for t in range(self.task.steps)], dtype=object))


def largest(difference: Array) -> Any:
    """Largest modulus of the entries."""
    return mdplab.exact.highest(np.abs(difference).ravel())


@lru_cache(maxsize=1)
def twin_of(task: EntropyTask) -> Twin:
    """The twin of a task; all sides ask for the same."""
    return Twin(task)


def q_distances(task: EntropyTask) -> Array:
    """Largest distance of the action values from the optimal ones, for every update."""
    twin = twin_of(task)
    return np.array([largest(twin.optimum.q - q) for q in twin.run.q[1:]], dtype=object)


def q_bound(task: EntropyTask) -> Array:
    """``C_1 gamma (1 - eta tau)^t``."""
    twin = twin_of(task)
    return np.asarray(twin.model.discount * twin.bound())


def log_distances(task: EntropyTask) -> Array:
    """Largest distance of the log-policies from the optimal ones, for every update."""
    twin = twin_of(task)
    return np.array(
        [largest(twin.optimum.log_policy - logs) for logs in twin.run.log_policies[1:]], dtype=object
    )


def log_bound(task: EntropyTask) -> Array:
    """``2 C_1 / tau (1 - eta tau)^t``."""
    twin = twin_of(task)
    return np.asarray(2 / twin.temperature * twin.bound())
