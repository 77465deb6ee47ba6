"""Groups of rollouts of a policy with one state: raw data, enumerated groups as cached properties."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mdplab._typing import FloatArray, IntArray
from mdplab.enumeration import all_tuples
from mdplab.instances import Draw

__all__ = ["GroupTask", "coin_task", "graded_task", "group_task", "limit_task", "real_task"]


@dataclass(frozen=True, eq=False)
class GroupTask:
    """Independent rollouts of a policy with one state, compared within groups.

    Attributes
    ----------
    policy : ndarray, shape (A,)
        Probabilities of the actions; an action is the whole record of a rollout.
    rewards : ndarray, shape (A,)
        Their rewards, 0 or 1 in the claim.
    size : int
        Rollouts in a group, G.
    """

    policy: FloatArray
    rewards: FloatArray
    size: int

    @property
    def success(self) -> float:
        """``p``, the expected reward."""
        return float(self.policy @ self.rewards)

    @property
    def failure(self) -> float:
        """``1 - p`` of binary rewards, without cancellation."""
        return float(self.policy @ (1.0 - self.rewards))

    @property
    def gradient(self) -> FloatArray:
        """Gradient of the expected reward in the logits."""
        return np.asarray(self.policy * (self.rewards - self.success))

    @cached_property
    def groups(self) -> IntArray:
        """All groups, shape (A^G, G)."""
        return all_tuples(self.policy.size, self.size)


def group_task(draw: Draw) -> GroupTask:
    """A in 2..3, G in 2..5, Dirichlet(1) policy, rewards 0 or 1 that are not all equal."""
    n_actions = draw.integer(2, 3)
    rewards = draw.integers(0, 1, n_actions).astype(float)
    if np.ptp(rewards) == 0:
        draw.reject("all rewards are equal")
    return GroupTask(draw.weights(n_actions), rewards, draw.integer(2, 5))


def coin_task(draw: Draw) -> GroupTask:
    """Failure and success with p uniform, G in 2..12."""
    success = draw.number(0.0, 1.0)
    return GroupTask(np.array([1.0 - success, success]), np.array([0.0, 1.0]), draw.integer(2, 12))


def limit_task(draw: Draw) -> GroupTask:
    """Failure and success with p between .2 and .8; the group size is taken to its limit."""
    success = draw.number(0.2, 0.8)
    return GroupTask(np.array([1.0 - success, success]), np.array([0.0, 1.0]), 2)


def real_task(draw: Draw) -> GroupTask:
    """As the task of the claim, with normal rewards."""
    n_actions = draw.integer(2, 3)
    return GroupTask(draw.weights(n_actions), draw.normal(n_actions, 3.0), draw.integer(2, 5))


def graded_task(draw: Draw) -> GroupTask:
    """As the task of the claim, with rewards anywhere between 0 and 1."""
    n_actions = draw.integer(2, 3)
    return GroupTask(draw.weights(n_actions), draw.uniform(0.0, 1.0, n_actions), draw.integer(2, 5))
