"""Two-stage models whose trajectories are compared: the task and its instance families.

The first action is the next state, or with probability ``slip`` the other one; the reward comes with the second action.  Pairs
of trajectories of the reference are labelled by the Bradley-Terry model of their returns.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.enumeration import Trajectories, enumerate_trajectories
from mdplab.instances import Draw
from mdplab.models import FiniteHorizonMDP, PairWeights, PreferenceMatrix
from mdplab.solvers import HorizonSolution, TrajectoryFit


@dataclass(frozen=True, eq=False)
class PreferenceTask:
    """A two-stage model, the reference policy that makes the trajectories, and the strength of the penalty.

    Attributes
    ----------
    model : FiniteHorizonMDP
        Two stages, two states, two actions; the last transition leads to state 0.
    reference : ndarray, shape (2, 2)
        ``pi_ref`` of both stages, positive.
    temperature : float
        ``beta``.
    """

    model: FiniteHorizonMDP
    reference: FloatArray
    temperature: float

    @property
    def behaviour(self) -> FloatArray:
        """The reference of each stage, shape (H, S, A)."""
        return np.broadcast_to(self.reference, (self.model.horizon, *self.reference.shape))

    @property
    def is_deterministic(self) -> bool:
        """Whether every transition is sure."""
        return bool(np.isin(self.model.transition, (0.0, 1.0)).all())

    @property
    def starts(self) -> FloatArray:
        """The law of the first state."""
        assert self.model.initial is not None
        return np.asarray(self.model.initial)

    @property
    def slip(self) -> float:
        """Probability that the action does not decide the next state."""
        return float(self.model.transition[0, 0, 0, 1])

    @cached_property
    def paths(self) -> Trajectories:
        """All trajectories of the reference."""
        return enumerate_trajectories(self.model, self.reference)

    @cached_property
    def soft(self) -> HorizonSolution:
        """The optimum of the KL-regularised model, by backward induction."""
        return solvers.backward_induction(
            self.model, temperature=self.temperature, log_reference=np.log(self.reference)
        )

    @cached_property
    def fit(self) -> TrajectoryFit:
        """The preference fit to all labelled pairs."""
        return self.fitted(self.temperature)

    def fitted(self, temperature: float) -> TrajectoryFit:
        """The preference fit with another factor in the margins."""
        law = self.paths.probability / self.paths.probability.sum()
        weights = PairWeights.from_law(law, law, PreferenceMatrix.bradley_terry(self.paths.returns))
        return solvers.trajectory_preference_fit(
            weights, self.paths.states[:, :-1], self.paths.actions, self.reference, temperature=temperature
        )

    @cached_property
    def written_out(self) -> tuple[FloatArray, FloatArray]:
        """Soft values ``(H + 1, S)`` and log-policies ``(H, S, A)``, the recursion written out."""
        value, logs = [np.asarray(self.model.terminal)], list[FloatArray]()
        for kernel, reward in zip(self.model.transition[::-1], self.model.reward[::-1], strict=True):
            q = reward + kernel @ value[0]
            top = q.max(axis=1)
            mean = (self.reference * np.exp((q - top[:, np.newaxis]) / self.temperature)).sum(axis=1)
            value.insert(0, top + self.temperature * np.log(mean))
            logs.insert(0, np.log(self.reference) + (q - value[0][:, np.newaxis]) / self.temperature)
        return np.array(value), np.array(logs)

    @property
    def size(self) -> float:
        """Largest modulus of a return, of a reward divided by the temperature in its units, and of a log-reference."""
        return float(1 + np.abs(self.paths.returns).max() - self.temperature * np.log(self.reference.min()))


def two_stages(
    slip: float,
    reward: ArrayLike,
    temperature: float = 1.0,
    *,
    reference: ArrayLike = ((0.5, 0.5), (0.5, 0.5)),
    initial: ArrayLike = (1.0, 0.0),
    start_reward: ArrayLike = (0.0, 0.0),
) -> PreferenceTask:
    """The task of a slip, rewards ``(s_1, a_1)``, and of a start other than state 0 where it is given.

    Parameters
    ----------
    slip : float
        Probability of the state that the first action does not name.
    reward : array_like, shape (2, 2)
        Reward of the second stage.
    temperature : float
        The strength of the penalty.
    reference : array_like, shape (2, 2)
        The reference policy.
    initial : array_like, shape (2,)
        Law of the first state.
    start_reward : array_like, shape (2,)
        What the first state pays.

    Returns
    -------
    PreferenceTask
    """
    names = np.array([[1 - slip, slip], [slip, 1 - slip]])
    kernel = np.array([[names, names], np.tile([1.0, 0.0], (2, 2, 1))])
    first = np.repeat(np.asarray(start_reward, dtype=float)[:, np.newaxis], 2, axis=1)
    model = FiniteHorizonMDP(kernel, np.array([first, reward], dtype=float), 2, initial=initial)
    return PreferenceTask(model, np.array(reference, dtype=float), temperature)


def sure_task(draw: Draw) -> PreferenceTask:
    """No slip, rewards ~ N(0, 1), the strength between .5 and 3.2."""
    return two_stages(0.0, draw.normal((2, 2)), draw.log_number(10**-0.3, 10**0.5))


def slippery_task(draw: Draw) -> PreferenceTask:
    """The same with a slip ~ U(.05, .5)."""
    return two_stages(draw.number(0.05, 0.5), draw.normal((2, 2)), draw.log_number(10**-0.3, 10**0.5))


def started_task(draw: Draw) -> PreferenceTask:
    """No slip, but two first states that pay differently."""
    drawn = sure_task(draw)
    chance = draw.number(0.1, 0.9)
    return two_stages(
        0.0,
        drawn.model.reward[1],
        drawn.temperature,
        initial=(chance, 1 - chance),
        start_reward=draw.normal(2),
    )


def level_task(draw: Draw) -> PreferenceTask:
    """A slippery task whose second states have the same rewards, in the same or the other order."""
    drawn = slippery_task(draw)
    row = drawn.model.reward[1, 0]
    other = row[::-1] if draw.boolean() else row
    return two_stages(drawn.slip, np.array([row, other]), drawn.temperature)
