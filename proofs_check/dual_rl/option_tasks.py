"""Tasks of temporal abstraction: a line with options, a subgoal on the way, and errors of the values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray, IntArray
from mdplab.instances import Draw, option_chain
from mdplab.models import MDP

__all__ = ["OptionTask", "long_line", "noisy_task", "option_task", "slipping_task"]


@dataclass(frozen=True, eq=False)
class OptionTask:
    """A subgoal on the way to a goal, judged by values at two distances.

    Attributes
    ----------
    positions, goal : int
        Length of the line and place of the goal.
    longest : int
        Length n of the longest option.
    subgoal : int
        How much nearer the subgoal is, k, below ``distance``.
    distance : int
        Distance d of the state from the goal, at most that of an end of the line.
    deviation : float
        Standard deviation of the error of a value, sigma.
    discount : float
        In (0, 1).
    slip : float
        Probability that a decision moves nothing.
    relative : bool
        Whether the errors are proportional to the values.
    """

    positions: int
    goal: int
    longest: int
    subgoal: int
    distance: int
    deviation: float
    discount: float
    slip: float = 0.0
    relative: bool = False

    @cached_property
    def mdp(self) -> MDP:
        """The line with its options."""
        return option_chain(self.positions, self.goal, self.longest, slip=self.slip, discount=self.discount)

    @property
    def distances(self) -> IntArray:
        """Distances of the positions from the goal, shape (N,)."""
        return np.abs(np.arange(self.positions) - self.goal)

    def place(self, distance: int | IntArray) -> IntArray:
        """Positions at distances, on the longer side of the goal."""
        side = 1 if self.goal < self.positions - 1 - self.goal else -1
        return np.asarray(self.goal + side * np.asarray(distance))

    def decisions(self, distance: ArrayLike) -> FloatArray:
        """``ceil(d / n)``."""
        return np.ceil(np.asarray(distance) / self.longest)

    def lengthened(self, longest: int) -> OptionTask:
        """The task with another option length."""
        return replace(self, longest=longest)


def option_task(draw: Draw) -> OptionTask:
    """61 positions, any goal, n in 1..12, k in 1..15 below d, deviation log-uniform on (.1, 3), discount in (.5, .99)."""
    goal, longest = draw.integer(0, 60), draw.integer(1, 12)
    distance = draw.integer(2, max(goal, 60 - goal))
    subgoal = draw.integer(1, min(15, distance - 1))
    return OptionTask(61, goal, longest, subgoal, distance, draw.log_number(0.1, 3.0), draw.number(0.5, 0.99))


def slipping_task(draw: Draw) -> OptionTask:
    """As :func:`option_task`; decisions slip with probability 0, .1 or .5."""
    task = option_task(draw)
    return replace(task, slip=draw.choice((0.0, 0.1, 0.5)))


def noisy_task(draw: Draw) -> OptionTask:
    """As :func:`option_task`; half of the time the errors are proportional to the values."""
    task = option_task(draw)
    return replace(task, relative=draw.choice((False, True)))


def long_line(longest: int = 13, subgoal: int = 30) -> OptionTask:
    """Distance 600, discount .99, deviation 1: the task of the printed values."""
    return OptionTask(601, 0, longest, subgoal, 600, 1.0, 0.99)
