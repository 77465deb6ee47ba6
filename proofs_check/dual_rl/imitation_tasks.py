"""Imitation tasks on generator G: an expert, offline data and a policy; supports with holes; goals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.instances import Draw, full_support, random_policy, two_state_behaviour, two_state_mdp
from mdplab.models import MDP
from mdplab.operators import occupancy, occupancy_residual
from proofs_check.dual_rl.instances import PlanningTask, offline_mdp
from proofs_check.dual_rl.policy_tasks import pairs_of, two_state_policy

__all__ = [
    "CloningTask",
    "GoalTask",
    "MixtureTask",
    "cloning_task",
    "goal_task",
    "holed_task",
    "mixture_task",
    "three_policy_task",
    "two_state_cloning",
    "two_state_goals",
    "two_state_holes",
    "two_state_mixture",
    "two_state_opposites",
    "unbalanced_task",
]


@dataclass(frozen=True, eq=False)
class MixtureTask(PlanningTask):
    """Three policies: learner, expert and the one that made the offline data; a share of the first two.

    Attributes
    ----------
    policy, expert, behaviour : ndarray, shape (S, A)
        The policies.
    share : float
        ``beta``, in (0, 1).
    law : ndarray, shape (S, A)
        A law on pairs that need not be an occupancy.
    """

    policy: FloatArray
    expert: FloatArray
    behaviour: FloatArray
    share: float
    law: FloatArray

    @property
    def ours(self) -> FloatArray:
        """``d^pi``, shape (S, A)."""
        return occupancy(self.mdp, self.policy)

    @property
    def theirs(self) -> FloatArray:
        """``d_E``, shape (S, A)."""
        return occupancy(self.mdp, self.expert)

    @property
    def offline(self) -> FloatArray:
        """``d_S``, shape (S, A)."""
        return occupancy(self.mdp, self.behaviour)

    def mixed(self, d: FloatArray) -> FloatArray:
        """``beta d + (1 - beta) d_S``."""
        return np.asarray(self.share * d + (1 - self.share) * self.offline)


def mixture_task(draw: Draw) -> MixtureTask:
    """Policy Dirichlet(1), expert Dirichlet(.3), behaviour ``.9 Dirichlet(1) + .1 / A``, share U(.2, .8)."""
    mdp = offline_mdp(draw)
    pairs = pairs_of(mdp)
    policy = random_policy(draw, *pairs, kind="dirichlet")
    expert, behaviour = draw.weights(pairs, 0.3), full_support(draw, pairs, mixture=0.1)
    return MixtureTask(mdp, policy, expert, behaviour, draw.number(0.2, 0.8), policy / mdp.n_states)


def three_policy_task(draw: Draw) -> MixtureTask:
    """Three policies of Dirichlet(1) rows; share .5."""
    mdp = offline_mdp(draw)
    policy, expert, behaviour = draw.weights((3, *pairs_of(mdp)), positive=True)
    return MixtureTask(mdp, policy, expert, behaviour, 0.5, policy / mdp.n_states)


def _holed(draw: Draw, pairs: tuple[int, int]) -> FloatArray:
    """A policy of Dirichlet(1) rows without each entry, but for a random one of each row, with probability 1/2."""
    policy = draw.weights(pairs, positive=True)
    kept = draw.boolean(0.5, pairs) | (np.arange(pairs[1]) == draw.integers(0, pairs[1] - 1, (pairs[0], 1)))
    return np.asarray(policy * kept / (policy * kept).sum(axis=1, keepdims=True))


def holed_task(draw: Draw) -> MixtureTask:
    """Expert and behaviour with holes in their supports; a law on the pairs that both play, or on the behaviour's."""
    mdp = offline_mdp(draw)
    expert, behaviour = _holed(draw, pairs_of(mdp)), _holed(draw, pairs_of(mdp))
    both = (expert > 0) & (behaviour > 0)
    weights = draw.weights(expert.size, positive=True).reshape(expert.shape)
    weights = weights * (both if both.any() else behaviour > 0)
    return MixtureTask(mdp, behaviour, expert, behaviour, 0.5, weights / weights.sum())


def two_state_mixture(share: float = 0.5) -> MixtureTask:
    """M2 with the expert that always takes action 1, the behaviour's data and the policy of the printed values."""
    expert = np.array([[0.0, 1.0], [0.0, 1.0]])
    policy = two_state_policy()
    return MixtureTask(two_state_mdp(), policy, expert, two_state_behaviour(), share, policy / 2)


def two_state_holes() -> MixtureTask:
    """M2 with supports that share two pairs alone."""
    expert, behaviour = np.array([[0.5, 0.5], [0.0, 1.0]]), np.array([[1.0, 0.0], [0.5, 0.5]])
    law = np.array([[0.5, 0.0], [0.0, 0.5]])
    return MixtureTask(two_state_mdp(), behaviour, expert, behaviour, 0.5, law)


def two_state_opposites() -> MixtureTask:
    """M2 with an expert that takes action 1 with probability .95 and data that do so with .05."""
    expert, behaviour = np.tile([0.05, 0.95], (2, 1)), np.tile([0.95, 0.05], (2, 1))
    policy = two_state_policy()
    return MixtureTask(two_state_mdp(), policy, expert, behaviour, 0.5, policy / 2)


@dataclass(frozen=True, eq=False)
class GoalTask(PlanningTask):
    """Policies and data for every goal, with rewards of reaching it.

    Attributes
    ----------
    goal_law : ndarray, shape (G,)
        ``p(g)``.
    policies, behaviours : ndarray, shape (G, S, A)
        The policy of each goal, and the one that made its data.
    reach : ndarray, shape (G, S)
        ``r(s', g)`` in [0, 1].
    share : float
        ``beta``, in (0, 1).
    """

    goal_law: FloatArray
    policies: FloatArray
    behaviours: FloatArray
    reach: FloatArray
    share: float

    @property
    def product(self) -> MDP:
        """The model on states ``(g, s)``."""
        return solvers.goal_conditioned(self.mdp, self.goal_law)

    @property
    def expected(self) -> FloatArray:
        """``E r(s', g)``, shape (G S, A)."""
        table = np.einsum("sat,gt->gsa", np.asarray(self.mdp.transition), self.reach)
        return np.asarray(table.reshape(-1, self.mdp.n_actions))

    def joint(self, policies: FloatArray) -> FloatArray:
        """``p(g) d^{pi_g}(s, a)`` from the occupancies of the goals one by one, shape (G S, A)."""
        parts = [p * occupancy(self.mdp, pi) for p, pi in zip(self.goal_law, policies, strict=True)]
        return np.concatenate(parts)


def goal_task(draw: Draw) -> GoalTask:
    """Two or three goals of law Dirichlet(1), policies Dirichlet(1), a behaviour for each, r ~ U(0, 1), share U(.2, .8)."""
    mdp = offline_mdp(draw)
    goals = draw.integer(2, 3)
    shape = (goals, *pairs_of(mdp))
    return GoalTask(
        mdp,
        draw.weights(goals, positive=True),
        draw.weights(shape, positive=True),
        full_support(draw, shape, mixture=0.1),
        draw.uniform(0.0, 1.0, (goals, mdp.n_states)),
        draw.number(0.2, 0.8),
    )


def two_state_goals() -> GoalTask:
    """M2 dynamics; each state is a goal, reached with certainty; uniform data."""
    policies = np.array([two_state_behaviour(), two_state_policy()])
    return GoalTask(two_state_mdp(), np.full(2, 0.5), policies, np.full((2, 2, 2), 0.5), np.eye(2), 0.5)


@dataclass(frozen=True, eq=False)
class CloningTask(PlanningTask):
    """An expert to be cloned by a softmax policy.

    Attributes
    ----------
    expert : ndarray, shape (S, A)
        The policy whose occupancy the data are.
    q : ndarray, shape (S, A)
        Logits of the softmax policy.
    other_data : ndarray, shape (S, A), or None
        Data that are not the expert's occupancy.
    """

    expert: FloatArray
    q: FloatArray
    other_data: FloatArray | None = None

    @property
    def data(self) -> FloatArray:
        """``d_E``, shape (S, A)."""
        return occupancy(self.mdp, self.expert) if self.other_data is None else self.other_data

    @property
    def balanced(self) -> bool:
        """Whether the data are an occupancy of the start law."""
        return bool(np.abs(occupancy_residual(self.mdp, self.data)).max() <= 1e-9)


def cloning_task(draw: Draw) -> CloningTask:
    """Generator G, an expert of Dirichlet(1) rows, logits 3 N(0, 1)."""
    mdp = offline_mdp(draw)
    return CloningTask(
        mdp, random_policy(draw, *pairs_of(mdp), kind="dirichlet"), draw.normal(pairs_of(mdp), 3.0)
    )


def unbalanced_task(draw: Draw) -> CloningTask:
    """As :func:`cloning_task`; half of the data are an arbitrary law on pairs."""
    task = cloning_task(draw)
    if draw.boolean(0.5):
        return task
    law = draw.weights(task.q.size).reshape(task.q.shape)
    return CloningTask(task.mdp, task.expert, task.q, law)


def two_state_cloning(*rows: tuple[float, float], other_data: FloatArray | None = None) -> CloningTask:
    """M2 with its behaviour policy as expert, logits by rows, zero by default."""
    q = np.array(rows or ((0.0, 0.0), (0.0, 0.0)))
    return CloningTask(two_state_mdp(), two_state_behaviour(), q, other_data)
