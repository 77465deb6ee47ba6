"""Tasks of debate: games of four alternating moves, and models whose reward is mixed with that of a debate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mdplab import solvers
from mdplab._typing import BoolArray, FloatArray
from mdplab.enumeration import deterministic_policies, one_hot
from mdplab.instances import Draw, two_state_mdp
from mdplab.models import MDP
from proofs_check.dual_rl.instances import offline_mdp

__all__ = [
    "DebateGame",
    "DebateReward",
    "crossing_reward",
    "debate_game",
    "debate_reward",
    "pennies",
    "tied_reward",
    "two_state_debate",
]


@dataclass(frozen=True, eq=False)
class DebateGame:
    """A debate of four moves, each made in the knowledge of the earlier ones.

    Attributes
    ----------
    payoff : ndarray, shape (n_0, n_1, n_2, n_3)
        Gain of the first debater, who makes the moves 0 and 2.
    """

    payoff: FloatArray


def debate_game(draw: Draw) -> DebateGame:
    """Three choices a move, payoffs N(0, 1)."""
    return DebateGame(draw.normal((3, 3, 3, 3)))


def pennies() -> DebateGame:
    """Matching pennies: the second debater wants to differ; the moves 2 and 3 have one choice."""
    return DebateGame(np.array([[1.0, -1.0], [-1.0, 1.0]])[:, :, np.newaxis, np.newaxis])


@dataclass(frozen=True, eq=False)
class DebateReward:
    """A model and a second reward, that of a debate about the decision.

    Attributes
    ----------
    mdp : MDP
        The model with its own reward ``R``.
    second : ndarray, shape (S, A)
        The reward ``R_d``.
    """

    mdp: MDP
    second: FloatArray

    @cached_property
    def optimum(self) -> solvers.ControlSolution:
        """The optimum for ``R``, whose policy is ``pi*_R``."""
        return solvers.policy_iteration(self.mdp)

    @property
    def policy(self) -> FloatArray:
        """``pi*_R``, shape (S, A)."""
        return self.optimum.policy

    @cached_property
    def judged(self) -> solvers.EvaluationSolution:
        """Value of ``pi*_R`` under ``R_d``."""
        return solvers.policy_evaluation(self.mdp.replace(reward=self.second), self.policy)

    @property
    def others(self) -> BoolArray:
        """Pairs that ``pi*_R`` does not play, shape (S, A)."""
        return np.asarray(self.policy == 0)

    @property
    def advantages(self) -> tuple[FloatArray, FloatArray]:
        """``A_R`` and ``A_d``, shape (S, A) each."""
        best, judged = self.optimum, self.judged
        return best.q - best.value[:, np.newaxis], judged.q - judged.value[:, np.newaxis]

    @cached_property
    def threshold(self) -> float:
        """``lambda_0``, 1 where no pair has ``A_d > 0``."""
        loss, gain = self.advantages
        better = self.others & (gain > 0)
        return float((-loss[better] / (gain - loss)[better]).min(initial=1.0))

    @property
    def everyone(self) -> FloatArray:
        """All deterministic policies, shape (N, S, A)."""
        return one_hot(deterministic_policies(*self.second.shape), self.mdp.n_actions)

    def mixed(self, weight: float) -> MDP:
        """The model with the reward ``(1 - weight) R + weight R_d``."""
        return self.mdp.replace(reward=(1 - weight) * self.mdp.reward + weight * self.second)


def debate_reward(draw: Draw) -> DebateReward:
    """Generator G with a second reward, uniform on [0, 1]."""
    mdp = offline_mdp(draw)
    return DebateReward(mdp, draw.uniform(0.0, 1.0, mdp.reward.shape))


def crossing_reward(draw: Draw) -> DebateReward:
    """As :func:`debate_reward`, with the threshold at least .0001 and below 1 / 1.001."""
    task = debate_reward(draw)
    if not (task.threshold >= 1e-4 and 1.001 * task.threshold <= 1):
        draw.reject("the threshold is at an end of the interval")
    return task


def tied_reward(draw: Draw) -> DebateReward:
    """As :func:`debate_reward`; half of the time the first two actions of state 0 are the same but for the debate."""
    task = debate_reward(draw)
    if not draw.choice((True, False)):
        return task
    transition, reward = np.array(task.mdp.transition), np.array(task.mdp.reward)
    transition[0, 1], reward[0, 1] = transition[0, 0], reward[0, 0]
    return DebateReward(MDP(transition, reward, task.mdp.discount, task.mdp.initial), task.second)


def two_state_debate() -> DebateReward:
    """The instance M2, whose debate is for action 0 in state 0."""
    return DebateReward(two_state_mdp(), np.array([[1.0, 0.0], [0.0, 0.0]]))
