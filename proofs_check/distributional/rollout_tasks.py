"""Deterministic models with integer rewards, and a number of planned actions: what greedy over random rollouts is run on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, log

import numpy as np

from mdplab import solvers
from mdplab._typing import BoolArray
from mdplab.instances import Draw
from mdplab.models import FiniteHorizonMDP
from mdplab.operators import lookahead_values
from proofs_check.distributional.laidlaw2023_effective_horizon import TREE, start

MOST_ROLLOUTS = 1000
"""Random instances for which the formula asks for more rollouts are left out."""


@dataclass(frozen=True, eq=False)
class RolloutTask:
    """A deterministic model and the number of planned actions.

    Attributes
    ----------
    mdp : FiniteHorizonMDP
        Integer rewards of the pair.
    steps : int
        k.
    """

    mdp: FiniteHorizonMDP
    steps: int

    def separations(self) -> Iterator[tuple[float, float, float]]:
        """Largest ``Q^k``, ``V*`` and ``Delta`` where optimal actions lead and some action is not optimal."""
        mdp = self.mdp
        best = solvers.backward_induction(mdp)
        q = lookahead_values(mdp, self.steps)[-1]
        reached: BoolArray = np.asarray(mdp.initial) > 0
        for h in range(mdp.horizon):
            optimal = best.q[h] >= best.value[h][:, np.newaxis] - 1e-9
            for s in np.flatnonzero(reached & ~optimal.all(axis=1)):
                apart = q[h, s, optimal[s]].max() - q[h, s, ~optimal[s]].max()
                yield float(q[h, s].max()), float(best.value[h, s]), float(apart)
            led = (mdp.stage_kernel(h) > 0) & (reached[:, np.newaxis] & optimal)[..., np.newaxis]
            reached = led.any(axis=(0, 1))

    @property
    def separated(self) -> bool:
        """Whether every separation is positive."""
        return all(apart > 1e-9 for _, _, apart in self.separations())

    def needed(self, constant: float = 8.0) -> float:
        """Number of rollouts of the formula."""
        mdp = self.mdp
        ratio = max((q * v / apart**2 for q, v, apart in self.separations()), default=0.0)
        return constant * ratio * log(2 * mdp.horizon * mdp.n_actions**self.steps)

    def rollouts(self, constant: float = 8.0) -> int:
        """The least number of rollouts that is not below the formula, rounding included, and at least one."""
        return max(1, ceil(self.needed(constant) * (1 + 1e-12)))


def _drawn(draw: Draw, least: int) -> RolloutTask:
    n_actions = draw.integer(2, 3)
    kernel = np.eye(4)[draw.integers(0, 3, (4, n_actions))]
    reward = draw.integers(least, 2, (4, n_actions)).astype(float)
    return RolloutTask(FiniteHorizonMDP(kernel, reward, 3, initial=start()), draw.integer(1, 3))


def rollout_task(draw: Draw) -> RolloutTask:
    """S = 4, A in 2..3, T = 3, random successors, rewards 0..2, k in 1..3; separated, at most 1000 rollouts needed."""
    task = _drawn(draw, 0)
    if not task.separated or task.rollouts() > MOST_ROLLOUTS:
        draw.reject("not separated, or too many rollouts")
    return task


def merged_task(draw: Draw) -> RolloutTask:
    """As the rollout tasks, separated or not."""
    task = _drawn(draw, 0)
    if any(abs(apart) <= 1e-9 for *_, apart in task.separations()) or task.rollouts() > MOST_ROLLOUTS:
        draw.reject("no separation at all, or too many rollouts")
    return task


def paid_or_fined_task(draw: Draw) -> RolloutTask:
    """As the rollout tasks, rewards -2..2."""
    task = _drawn(draw, -2)
    if not task.separated or task.rollouts() > MOST_ROLLOUTS:
        draw.reject("not separated, or too many rollouts")
    return task


def chain() -> FiniteHorizonMDP:
    """Action 0 leads back to state 0, action 1 on to 1, 2, 3, where both stay; 1 is paid for action 1 in state 2."""
    successor = [[0, 1], [0, 2], [0, 3], [3, 3]]
    reward = np.zeros((4, 2))
    reward[2, 1] = 1.0
    return FiniteHorizonMDP(np.eye(4)[successor], reward, 3, initial=start())


def crossroads() -> FiniteHorizonMDP:
    """All three actions at the start are optimal; greedy play takes the one after which random play is a good guide."""
    successor = [[1, 2, 2], [6, 7, 7], [4, 5, 5], *([s] * 3 for s in range(3, 8))]
    reward = np.zeros((8, 3))
    reward[4:] = [[24, 0, 0], [17, 17, 16], [24, 24, 24], [9, 9, 9]]
    return FiniteHorizonMDP(np.eye(8)[successor], reward, 3, initial=np.eye(8)[0])


def fines() -> FiniteHorizonMDP:
    """Action 0 leads to a last step with fines (0, 4, 4), the others to one with a fine of 3: the best return is 0."""
    successor = [[1, 2, 2], [1, 1, 1], [2, 2, 2]]
    reward = [[0, 0, 0], [0, -4, -4], [-3, -3, -3]]
    return FiniteHorizonMDP(np.eye(3)[successor], reward, 2, initial=[1.0, 0.0, 0.0])


CHAINS = tuple(RolloutTask(chain(), k) for k in (1, 2, 3))
TREES = tuple(RolloutTask(TREE, k) for k in (1, 2, 3))
CROSSROADS = RolloutTask(crossroads(), 1)
FINES = RolloutTask(fines(), 1)
