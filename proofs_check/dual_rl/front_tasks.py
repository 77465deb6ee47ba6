"""Tasks about Pareto fronts: a policy on the front, all deterministic policies, evenly spaced points of a segment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy import sparse

from mdplab import solvers
from mdplab._typing import FloatArray, IntArray
from mdplab.convex import FlowPolytope, linear_program
from mdplab.enumeration import deterministic_policies
from mdplab.instances import Draw, dirichlet_mdp, multi_objective_mdps, two_state_mdp
from mdplab.models import MDP, MultiObjectiveMDP
from mdplab.operators import occupancy, policy_of_occupancy
from mdplab.solvers.constrained import best_return, certified_returns
from proofs_check.dual_rl.instances import closed_class

__all__ = [
    "RELAXED",
    "FrontTask",
    "SegmentTask",
    "Target",
    "edge_task",
    "front_task",
    "partly_reached_task",
    "segment_task",
    "three_arm_task",
    "two_state_front_task",
    "unpushed_task",
    "weak_arm_task",
]

RELAXED = 1e-11
"""By how much thresholds are lowered, against rounding."""


class Target(NamedTuple):
    """Returns (m,) of a policy, and bounds on their errors and on how much any other policy could exceed them."""

    returns: FloatArray
    errors: FloatArray
    excess: FloatArray


@dataclass(frozen=True, eq=False)
class FrontTask:
    """A model with several rewards, and a mixture of two scalarised optima.

    Attributes
    ----------
    model : MultiObjectiveMDP
        The model; returns are normalised, ``<d, R_j>``.
    weights : ndarray, shape (2, m)
        Two weight vectors in the simplex.
    share : float
        Share of the first optimum in the mixture.
    pushed : bool
        Whether the mixture is pushed to the front by the clean-up program.
    """

    model: MultiObjectiveMDP
    weights: FloatArray
    share: float
    pushed: bool = True

    @property
    def scale(self) -> float:
        """``1 - gamma``: normalised returns over start values."""
        return 1.0 - self.model.discount

    @cached_property
    def flow(self) -> FlowPolytope:
        """The occupancies."""
        return FlowPolytope.of(self.model.base)

    @property
    def rewards(self) -> FloatArray:
        """Rewards of the pairs, shape (m, S A)."""
        return np.asarray(self.model.rewards.reshape(self.model.n_objectives, -1))

    @cached_property
    def mixture(self) -> FloatArray:
        """Occupancy of the mixture, shape (S A,)."""
        first, second = (
            np.ravel(occupancy(self.model.base, solvers.policy_iteration(self.model.scalarise(w)).policy))
            for w in self.weights
        )
        return np.asarray(self.share * first + (1.0 - self.share) * second)

    @cached_property
    def target(self) -> Target:
        """The mixture, or what the clean-up program makes of it: ``max sum_j v_j`` with no loss in any return.

        For weights ``u = 1 + multipliers`` let ``G = max_pi u . v(pi) - u . v``, certified by policy iteration.  Whoever has no
        less than ``v_j - RELAXED`` for all ``j`` but ``k`` exceeds ``v_k`` by at most ``(G + RELAXED sum u_j) / u_k``.
        """
        d, excess, u = self.mixture, np.zeros(self.model.n_objectives), np.ones(self.model.n_objectives)
        if self.pushed:
            found = linear_program(
                self.rewards.sum(axis=0),
                equal=(sparse.csr_array(self.flow.matrix.T), self.flow.start),
                at_least=(self.rewards, self.rewards @ d - RELAXED),
                maximise=True,
            )
            d, u = np.maximum(found.primal, 0.0), 1.0 + found.multipliers["at_least"]
        policy = np.asarray(policy_of_occupancy(d.reshape(self.model.rewards.shape[1:])), dtype=np.float64)
        values, errors = certified_returns(self.model, policy)
        if self.pushed:
            best, error, _ = best_return(self.model, u)
            gap = self.scale * (best + error - float(u @ values) + float(u @ errors))
            excess = (max(gap, 0.0) + RELAXED * u.sum()) / u
        return Target(self.scale * values, self.scale * errors + 1e-15, excess)

    @cached_property
    def solved(self) -> list[solvers.ConstrainedSolution]:
        """The constrained program of every objective, thresholds at the returns of the target."""
        goals = (self.target.returns - RELAXED) / self.scale
        return [solvers.constrained(self.first(k), np.delete(goals, k)) for k in range(goals.size)]

    @cached_property
    def actions(self) -> IntArray:
        """All deterministic policies, shape (N, S)."""
        return deterministic_policies(self.model.n_states, self.model.n_actions)

    @cached_property
    def images(self) -> FloatArray:
        """Normalised returns of all deterministic policies, shape (N, m); one linear system each."""
        states = np.arange(self.model.n_states)
        kernels = np.asarray(self.model.transition)[states, self.actions]
        systems = np.eye(states.size) - self.model.discount * kernels.swapaxes(-1, -2)
        visits = self.scale * np.linalg.solve(systems, np.asarray(self.model.initial)[:, np.newaxis])[..., 0]
        return np.asarray(np.einsum("ns,kns->nk", visits, self.model.rewards[:, states, self.actions]))

    @cached_property
    def edge(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Ends of the longest edge of the front of two rewards by enumeration, and the weights normal to it."""
        front: list[FloatArray] = []
        for v in self.images[np.lexsort((-self.images[:, 1], -self.images[:, 0]))]:
            if front and v[1] <= front[-1][1] + 1e-12:
                continue
            while len(front) > 1 and _turn(front[-2], front[-1], v) <= 0:
                front.pop()
            front.append(v)
        if len(front) == 1:
            return front[0], front[0], np.array([0.5, 0.5])
        first, second = max(pairwise(front), key=lambda ends: float(ends[0][0] - ends[1][0]))
        weights = np.array([second[1] - first[1], first[0] - second[0]])
        return first, second, weights / weights.sum()

    @property
    def between(self) -> FloatArray:
        """Returns of the mixture of the ends of the edge: a point inside it."""
        first, second, _ = self.edge
        return np.asarray(self.share * first + (1 - self.share) * second)

    def first(self, k: int) -> MultiObjectiveMDP:
        """The model with reward ``k`` as the objective, the others after it in order."""
        order = [k, *(j for j in range(self.model.n_objectives) if j != k)]
        return MultiObjectiveMDP(
            self.model.transition, self.model.rewards[order], self.model.discount, self.model.initial
        )


def _turn(a: FloatArray, b: FloatArray, c: FloatArray) -> float:
    """Positive if the path from a over b to c turns to the left."""
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


def _drawn(draw: Draw, objectives: tuple[int, int]) -> FrontTask:
    def model(engine: Draw) -> MDP:
        return dirichlet_mdp(
            engine, states=(4, 4), actions=(3, 3), concentration=(0.5,), reward="unit", discount=(0.5, 0.95)
        )

    signals = multi_objective_mdps(draw, model=model, objectives=objectives, reward="unit")
    weights = draw.weights((2, signals.n_objectives))
    return FrontTask(signals, weights, draw.number(0.0, 1.0))


def front_task(draw: Draw) -> FrontTask:
    """G with S = 4, A = 3, two or three rewards U(0, 1), two weight vectors Dirichlet(1), a mixture of their optima."""
    return _drawn(draw, (2, 3))


def edge_task(draw: Draw) -> FrontTask:
    """As :func:`front_task` with two rewards."""
    return _drawn(draw, (2, 2))


def unpushed_task(draw: Draw) -> FrontTask:
    """As :func:`front_task`; the mixture is pushed to the front, or not."""
    return replace(front_task(draw), pushed=bool(draw.boolean(0.5)))


def partly_reached_task(draw: Draw) -> FrontTask:
    """As :func:`front_task`, started in a closed class of states, some or all."""
    task = front_task(draw)
    base = closed_class(task.model.base, draw.integer(1, task.model.n_states))
    return replace(
        task, model=MultiObjectiveMDP(base.transition, task.model.rewards, base.discount, base.start_law())
    )


def _bandit(arms: list[list[float]], weights: list[list[float]], *, pushed: bool) -> FrontTask:
    """One state without future: the arms are rows of returns; a mixture of two scalarised optima in equal parts."""
    rewards = np.array(arms).T[:, np.newaxis, :]
    model = MultiObjectiveMDP(np.ones((1, len(arms), 1)), rewards, 0.0, [1.0])
    return FrontTask(model, np.array(weights), 0.5, pushed)


def three_arm_task(third: float) -> FrontTask:
    """The arms (1, 0), (0, 1) and (third, third); the mixture of the first two."""
    arms = [[1.0, 0.0], [0.0, 1.0], [third, third]]
    return _bandit(arms, [[1.0, 0.0], [0.0, 1.0]], pushed=True)


def weak_arm_task() -> FrontTask:
    """The arms (1, 0) and (1, .5); the first, which is weakly Pareto-optimal only."""
    return _bandit([[1.0, 0.0], [1.0, 0.5]], [[1.0, 0.0], [1.0, 0.0]], pushed=False)


def two_state_front_task(threshold: float = 0.3) -> FrontTask:
    """M2 with ``R_2 = ((.9, .4), (.6, 0))``: the point of the edge between the policies 01 and 11 with ``v_2 = threshold``."""
    mdp = two_state_mdp()
    rewards = np.array([mdp.reward, [[0.9, 0.4], [0.6, 0.0]]])
    model = MultiObjectiveMDP(mdp.transition, rewards, mdp.discount, mdp.start_law())
    task = FrontTask(model, np.array([[0.6, 0.4], [1.0, 0.0]]), 0.5)
    low, high = task.images[3, 1], task.images[1, 1]
    return replace(task, share=float((threshold - low) / (high - low)))


@dataclass(frozen=True, eq=False)
class SegmentTask:
    """Evenly spaced points of the segment from (1, 0) to (0, 1), both ends among them.

    Attributes
    ----------
    size : int
        Number n of points, at least 2.
    """

    size: int

    @property
    def points(self) -> FloatArray:
        """The points, shape (n, 2)."""
        place = np.arange(self.size) / (self.size - 1)
        return np.column_stack([1 - place, place])


def segment_task(draw: Draw) -> SegmentTask:
    """2 to 200 points."""
    return SegmentTask(draw.integer(2, 200))
