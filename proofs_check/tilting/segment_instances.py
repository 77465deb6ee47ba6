"""Action strings cut into segments: the regularised problem, its soft optimum and all its strings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mdplab import solvers
from mdplab._typing import BoolArray, FloatArray, IntArray
from mdplab.claims import rounding
from mdplab.enumeration import Trajectories, all_tuples, enumerate_trajectories
from mdplab.instances import Draw
from mdplab.models import FiniteHorizonMDP

__all__ = [
    "SegmentTask",
    "coin_task",
    "near_certain_segments",
    "segment_task",
    "stochastic_task",
    "three_state_segments",
]


@dataclass(frozen=True, eq=False)
class SegmentTask:
    """Earn rewards near a reference policy, from state 0, the horizon cut into segments.

    Attributes
    ----------
    transition : ndarray, shape (S, A, S)
        Dynamics; zeros and ones where they are deterministic.
    reference : ndarray, shape (S, A)
        The reference policy.
    reward : ndarray, shape (S, A)
        The reward R.
    temperature : float
        Weight ``alpha`` of the divergence from the reference.
    lengths : tuple of int
        Lengths of the segments.
    policy : ndarray, shape (T, S, A)
        Any policy.
    weights, mixed : ndarray, shapes (K,) and (K, S, A)
        Policies that are mixed, and with what weights.
    """

    transition: FloatArray
    reference: FloatArray
    reward: FloatArray
    temperature: float
    lengths: tuple[int, ...]
    policy: FloatArray
    weights: FloatArray
    mixed: FloatArray

    @property
    def cuts(self) -> IntArray:
        """Times of the subgoals."""
        return np.cumsum(self.lengths)

    @cached_property
    def model(self) -> FiniteHorizonMDP:
        """The whole problem."""
        start = np.eye(len(self.reward))[0]
        return FiniteHorizonMDP(self.transition, self.reward, int(self.cuts[-1]), initial=start)

    @property
    def log_reference(self) -> FloatArray:
        """Logarithms of the reference policy."""
        return np.log(self.reference)

    @cached_property
    def solution(self) -> solvers.HorizonSolution:
        """Soft optimum of the whole problem."""
        return solvers.backward_induction(
            self.model, temperature=self.temperature, log_reference=self.log_reference, tol=1e-3
        )

    @cached_property
    def strings(self) -> Trajectories:
        """All action strings under the reference."""
        return enumerate_trajectories(self.model, self.reference)

    @cached_property
    def log_weights(self) -> FloatArray:
        """Logarithms of ``pi_ref(string) e^{R(string) / alpha}``."""
        return np.asarray(self.strings.log_probability + self.strings.returns / self.temperature)

    @cached_property
    def sequences(self) -> IntArray:
        """Number of the subgoal sequence of each string, as in ``all_sequences``."""
        places = (len(self.reward),) * len(self.lengths)
        return np.asarray(np.ravel_multi_index(tuple(self.strings.states[:, self.cuts].T), places))

    @cached_property
    def reached(self) -> IntArray:
        """Numbers of the sequences that some string passes."""
        return np.unique(self.sequences)

    @property
    def several(self) -> BoolArray:
        """Which of them more than one string passes."""
        return np.asarray(np.bincount(self.sequences)[self.reached] > 1)

    @property
    def all_sequences(self) -> IntArray:
        """All sequences of subgoals, shape (S^m, m)."""
        return all_tuples(len(self.reward), len(self.lengths))

    @property
    def log_error(self) -> float:
        """Error of the log-weight of a string or a sum of them: eight roundings a step at the largest size."""
        size = np.abs(self.log_reference).max() + np.abs(self.reward).max() / self.temperature
        steps = int(self.cuts[-1])
        step = float(rounding(1 + steps * size, 8) + rounding(1.0, sum(self.reference.shape) + 16))
        return (steps + 1) * step

    @property
    def relative(self) -> float:
        """Relative error of the probability of a string and of sums of them, by enumeration."""
        return 2.02 * self.log_error + float(rounding(1.0, len(self.log_weights) + 16))

    @property
    def solver_error(self) -> float:
        """Error of a soft value: what the solver proves, and that of the reference's logarithms."""
        return float(self.solution.value_errors.max()) + self.temperature * self.log_error

    @property
    def solver_relative(self) -> float:
        """Relative error of the probability of a string under the solver's policy."""
        return 1.01 * int(self.cuts[-1]) * (self.solution.log_policy_error + 2 * self.log_error)


def segment_task(draw: Draw) -> SegmentTask:
    """S in 2..4, A in {2, 3}, 2 or 3 segments of 1 to 3 steps, alpha in [.2, 2], normal rewards, uniform successors."""
    n, m, count = draw.integer(2, 4), draw.choice((2, 3)), draw.choice((2, 3))
    lengths = tuple(int(i) for i in draw.integers(1, 3, count))
    return SegmentTask(
        np.eye(n)[draw.integers(0, n - 1, (n, m))],
        draw.weights((n, m), positive=True),
        draw.normal((n, m)),
        draw.number(0.2, 2.0),
        lengths,
        draw.weights((sum(lengths), n, m), positive=True),
        draw.weights(2),
        draw.weights((2, n, m)),
    )


def stochastic_task(draw: Draw) -> SegmentTask:
    """The same with Dirichlet(1) dynamics, at most two steps a segment."""
    task = segment_task(draw)
    lengths = tuple(min(length, 2) for length in task.lengths)
    kernel = draw.weights(task.transition.shape)
    return replace(task, transition=kernel, lengths=lengths, policy=task.policy[: sum(lengths)])


def three_state_segments(temperature: float = 0.5) -> SegmentTask:
    """Three states, two actions, two segments of one step: the instance of the printed values.

    Parameters
    ----------
    temperature : float, default 0.5
        The temperature.

    Returns
    -------
    SegmentTask
    """
    successors = np.array([[1, 2], [0, 1], [2, 0]])
    reference = np.array([[0.6, 0.4], [0.5, 0.5], [0.3, 0.7]])
    reward = np.array([[1.0, 0.0], [0.0, 0.5], [2.0, -1.0]])
    policy = np.array([reference[::-1], reference])
    mixed = np.array([[[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]], [[0.3, 0.7], [0.6, 0.4], [0.1, 0.9]]])
    return SegmentTask(
        np.eye(3)[successors], reference, reward, temperature, (1, 1), policy, np.array([0.4, 0.6]), mixed
    )


def near_certain_segments(temperature: float) -> SegmentTask:
    """The same with actions that the reference takes with probability 1e-12.

    Parameters
    ----------
    temperature : float
        The temperature.

    Returns
    -------
    SegmentTask
    """
    reference = np.array([[1 - 1e-12, 1e-12], [1e-12, 1 - 1e-12], [0.3, 0.7]])
    return replace(three_state_segments(temperature), reference=reference)


def coin_task() -> SegmentTask:
    """One action: a fair coin decides between the rewards 1 and 0; temperature 1/2.

    Returns
    -------
    SegmentTask
    """
    kernel, one = np.zeros((3, 1, 3)), np.ones((3, 1))
    kernel[0, 0, 1:] = 0.5
    kernel[1, 0, 1] = kernel[2, 0, 2] = 1.0
    reward = np.array([[0.0], [1.0], [0.0]])
    return SegmentTask(kernel, one, reward, 0.5, (1, 1), np.ones((2, 3, 1)), np.ones(1), np.ones((1, 3, 1)))
