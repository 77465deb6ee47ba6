"""Tasks of guided learning: a learner and a guide that rolls in and out; locks that only a restart law opens."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mdplab import solvers
from mdplab._typing import Array, BoolArray, FloatArray
from mdplab.instances import Draw, combination_lock, random_policy, two_state_behaviour, two_state_mdp
from mdplab.models import MDP
from mdplab.operators import greedy_policy, restart_law
from proofs_check.dual_rl.guidance_tasks import kernels
from proofs_check.dual_rl.instances import offline_mdp
from proofs_check.dual_rl.policy_tasks import pairs_of

__all__ = ["RolloutTask", "fork_task", "lock_task", "rollout_task", "two_state_rollouts", "uncovered_task"]


@dataclass(frozen=True, eq=False)
class RolloutTask:
    """A learner and a guide.

    Attributes
    ----------
    mdp : MDP
        The model.
    learner, guide : ndarray, shape (S, A)
        Their policies.
    share : float
        Probability ``b`` with which the guide finishes a roll-out.
    restart : float
        Weight of the guide's occupancy in the restart law.
    """

    mdp: MDP
    learner: FloatArray
    guide: FloatArray
    share: float = 0.5
    restart: float = 0.5

    @property
    def both(self) -> FloatArray:
        """Learner and guide, shape (2, S, A)."""
        return np.array([self.learner, self.guide])

    @cached_property
    def greedy(self) -> FloatArray:
        """Greedy policy of the guide's action values, shape (S, A)."""
        return greedy_policy(self.mdp, solvers.policy_evaluation(self.mdp, self.guide).q)

    @cached_property
    def optimum(self) -> solvers.ControlSolution:
        """The optimum, and with it an optimal policy."""
        return solvers.policy_iteration(self.mdp)

    @cached_property
    def restarted(self) -> FloatArray:
        """The restart law ``rho``, shape (S,)."""
        return restart_law(self.mdp, self.guide, share=self.restart)

    def reached(self, policy: FloatArray, start: Array) -> BoolArray:
        """States that a policy reaches with positive probability from a law, by the graph, shape (S,)."""
        steps = (kernels(self.mdp, policy) > 0) | np.eye(self.mdp.n_states, dtype=bool)
        found = np.asarray(start > 0)
        for _ in range(self.mdp.n_states):
            found = found @ steps
        return found

    @cached_property
    def shown(self) -> BoolArray:
        """States in which the restart law has mass, shape (S,)."""
        start = self.mdp.start_law()
        return np.asarray(start + self.restart * self.reached(self.guide, start) > 0)

    @cached_property
    def covered(self) -> BoolArray:
        """States that the learner reaches from the restart law, shape (S,)."""
        return self.reached(self.learner, self.shown)

    @cached_property
    def wanted(self) -> BoolArray:
        """States that the optimal policy reaches, shape (S,)."""
        return self.reached(self.optimum.policy, self.mdp.start_law())


def rollout_task(draw: Draw) -> RolloutTask:
    """Generator G, learner and guide of Dirichlet(1) rows, share uniform on [0, 1]."""
    mdp = offline_mdp(draw)
    learner, guide = (random_policy(draw, *pairs_of(mdp), kind="dirichlet") for _ in range(2))
    return RolloutTask(mdp, learner, guide, draw.number(0.0, 1.0))


def lock_task(length: int, *, restart: float = 0.5, chances: tuple[float, float] = (0.1, 1.0)) -> RolloutTask:
    """A lock whose right action learner and guide take with these probabilities."""
    mdp = combination_lock(length)
    learner, guide = (np.tile([1 - p, p], (mdp.n_states, 1)) for p in chances)
    return RolloutTask(mdp, learner, guide, restart=restart)


def uncovered_task(draw: Draw) -> RolloutTask:
    """A lock of one to three steps; learner and guide may take an action never."""
    chances = [draw.choice((0.0, 0.1, 0.5, 1.0)) for _ in range(2)]
    return lock_task(draw.integer(1, 3), chances=(chances[0], chances[1]))


def two_state_rollouts() -> RolloutTask:
    """The instance M2 with a uniform learner, guided by its behaviour policy."""
    return RolloutTask(two_state_mdp(), np.full((2, 2), 0.5), two_state_behaviour())


def fork_task() -> RolloutTask:
    """State 0 leads to 1 or 2, where action 0 pays 1 and action 1 pays .9; the guide always takes 0, the learner 1."""
    transition = np.zeros((4, 2, 4))
    transition[0, 0, 1] = transition[0, 1, 2] = 1.0
    transition[1:, :, 3] = 1.0
    mdp = MDP(transition, [[0.0, 0.0], [1.0, 0.0], [0.0, 0.9], [0.0, 0.0]], 0.9, [1.0, 0.0, 0.0, 0.0])
    learner, guide = np.eye(2)[[1, 1, 1, 1]], np.eye(2)[[0, 0, 0, 0]]
    return RolloutTask(mdp, learner, guide, share=0.45)
