"""Trust-region steps: a policy, a radius, and another policy within it or not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mdplab import solvers
from mdplab._typing import BoolArray, FloatArray
from mdplab.convex import RegionSolution, conic_region_program
from mdplab.instances import (
    Draw,
    dirichlet_mdp,
    mdps,
    random_logits,
    three_state_logits,
    three_state_unit_reward_mdp,
)
from mdplab.instances.rewards import RewardLaw
from mdplab.models import MDP
from mdplab.operators import log_tilt, state_occupancy
from mdplab.solvers import EvaluationSolution
from proofs_check.soft_residual.mirror_instances import StepTask, flow_error

__all__ = [
    "TrustTask",
    "three_state_trust_task",
    "trust_task",
    "unvisited_task",
    "with_shared_rows",
    "with_unvisited_states",
]

_LAWS: tuple[RewardLaw, ...] = ("unit", "binary")


@dataclass(frozen=True, eq=False)
class TrustTask:
    """The step of largest surrogate within a mean divergence from a softmax policy.

    Attributes
    ----------
    mdp : MDP
        The model with its start law.
    logits : ndarray, shape (S, A)
        Logits of the policy.
    rival_logits : ndarray, shape (S, A)
        Logits of another policy.
    radius : float
        Largest mean divergence ``delta`` from the policy under its own occupancy.
    shared : bool
        Whether all states share one row.
    """

    mdp: MDP
    logits: FloatArray
    rival_logits: FloatArray
    radius: float
    shared: bool = False

    @property
    def log_policy(self) -> FloatArray:
        """Log-probabilities of the policy."""
        return np.asarray(log_tilt(self.logits))

    @property
    def log_rival(self) -> FloatArray:
        """Log-probabilities of the other policy."""
        return np.asarray(log_tilt(self.rival_logits))

    @cached_property
    def evaluation(self) -> EvaluationSolution:
        """Value of the policy."""
        return solvers.policy_evaluation(self.mdp, np.exp(self.log_policy))

    @cached_property
    def states(self) -> FloatArray:
        """Normalised occupancy of the states under the policy."""
        return np.asarray(state_occupancy(self.mdp, np.exp(self.log_policy)))

    @cached_property
    def flow_error(self) -> float:
        """Error of the occupancy in the sum of moduli."""
        return flow_error(self.mdp, self.states, np.exp(self.log_policy))

    @cached_property
    def advantage(self) -> FloatArray:
        """Action values less the best one of the state; a constant of the state moves nothing."""
        q = self.evaluation.q
        return np.asarray(q - q.max(axis=1, keepdims=True))

    @cached_property
    def greedy(self) -> BoolArray:
        """The greedy actions; differences within the error of the action values count as ties."""
        return np.asarray(self.advantage >= -4 * self.evaluation.q_error)

    @cached_property
    def largest_radius(self) -> float:
        """Mean of ``-log pi(greedy actions)`` under the occupancy."""
        logs = log_tilt(np.where(self.greedy, 0.0, -np.inf), log_reference=self.log_policy)
        return float(self.states @ np.where(self.greedy, logs - self.log_policy, -np.inf).max(axis=1))

    @cached_property
    def region(self) -> RegionSolution:
        """The step, by the root of its multiplier."""
        if self.shared:
            mean = self.states @ self.evaluation.q
            return solvers.trust_region(mean, self.log_policy[:1], radii=[self.radius])
        return solvers.trust_region(
            self.advantage, self.log_policy[None], radii=[self.radius], weights=self.states
        )

    @cached_property
    def conic(self) -> RegionSolution:
        """The step, by a cone solver."""
        return conic_region_program(
            self.advantage, self.log_policy[None], radii=[self.radius], weights=self.states
        )

    @cached_property
    def move(self) -> StepTask:
        """The mirror step that it is."""
        return StepTask(self.mdp, self.logits, self.region.step, self.shared)


def trust_task(draw: Draw) -> TrustTask:
    """Rewards in [0, 1] or 0/1, normal logits, log of the radius uniform in (log 1e-4, log .4)."""
    return _judged(draw, dirichlet_mdp(draw, reward=draw.choice(_LAWS)))


def _judged(draw: Draw, mdp: MDP) -> TrustTask:
    logits, rival = (random_logits(draw, mdp.n_states, mdp.n_actions) for _ in range(2))
    return TrustTask(mdp, logits, rival, draw.log_number(1e-4, 0.4))


def with_unvisited_states(draw: Draw) -> TrustTask:
    """Few successors, or absorbing states, from one state on."""
    mdp = mdps(
        draw,
        states=(2, 5),
        actions=(2, 4),
        kernel=("sparse", "absorbing"),
        discount=(0.3, 0.97),
        start="state",
    )
    return _judged(draw, mdp)


def with_shared_rows(draw: Draw) -> TrustTask:
    """All states share one row."""
    task = trust_task(draw)
    return replace(task, logits=np.broadcast_to(task.logits[0], task.logits.shape), shared=True)


def three_state_trust_task(radius: float) -> TrustTask:
    """The three-state model with rewards in [0, 1], from its generic policy; the rival is uniform."""
    return TrustTask(three_state_unit_reward_mdp(), three_state_logits(), np.zeros((3, 2)), radius)


def unvisited_task() -> TrustTask:
    """The same where no other state leads to the last one, and the process starts elsewhere."""
    task = three_state_trust_task(0.1)
    transition = np.array(task.mdp.transition)
    transition[:2] = [0.5, 0.5, 0.0]
    mdp = MDP(transition, task.mdp.reward, task.mdp.discount, [0.5, 0.5, 0.0])
    return replace(task, mdp=mdp)
