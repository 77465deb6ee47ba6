"""Tasks about action masks: raw data, with the solutions of the masked and the unmasked problem as cached properties.

Each problem is solved twice, by policy iteration and by value iteration, so that no route needs the other's solver.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mdplab import solvers
from mdplab._typing import BoolArray, FloatArray
from mdplab.claims import rounding
from mdplab.instances import Draw, dirichlet_mdp, random_logits, random_mask, random_policy, three_state_mask
from mdplab.instances.kernels import sparse_rows
from mdplab.models import MDP
from mdplab.operators import log_tilt, nucleus, occupancy_residual, restricted_policy, state_occupancy
from mdplab.solvers import ControlSolution, EvaluationSolution

__all__ = [
    "STEPS",
    "TOLERANCE",
    "GradientTask",
    "MaskTask",
    "NucleusTask",
    "PenaltyTask",
    "dense_mdp",
    "drifted_task",
    "gradient_task",
    "mask_task",
    "masked_model",
    "nucleus_task",
    "occupancies",
    "penalty_task",
    "sparse_mdp",
    "stale_task",
    "three_state_task",
    "visits_error",
]

PATHS = 2000
"""Most trajectories that are enumerated."""

STEPS = (0.0, 1e-3, 1.0)
"""Distances of the penalties from the threshold at which exactness is checked."""

TOLERANCE = 1e-12
"""Masses are compared with the level less this."""


def sparse_mdp(draw: Draw) -> MDP:
    """S in 2..6, A in 2..4, rows on one or two random successors with Dirichlet(1) weights, normal rewards, gamma in (.3, .97)."""
    n, m = draw.integer(2, 6), draw.integer(2, 4)
    successors, chances = sparse_rows(draw, n * m, 2, n)
    single = draw.boolean(0.5, n * m)[:, np.newaxis]
    kernel = np.zeros((n * m, n))
    np.put_along_axis(kernel, successors, np.where(single, [1.0, 0.0], chances), axis=1)
    return MDP(kernel.reshape(n, m, n), draw.normal((n, m)), draw.number(0.3, 0.97), np.eye(n)[0])


def dense_mdp(draw: Draw, actions: tuple[int, int] = (2, 4)) -> MDP:
    """S in 2..6, rows Dirichlet(1), normal rewards, gamma in (.3, .97), start law Dirichlet(1)."""
    return dirichlet_mdp(draw, actions=actions, concentration=(1.0,))


def masked_model(mdp: MDP, mask: BoolArray) -> MDP:
    """The model in which only the retained actions may be taken."""
    return MDP(mdp.transition, mdp.reward, mdp.discount, mdp.initial, available=mask)


def visits_error(mdp: MDP, visits: FloatArray, policy: FloatArray, start: FloatArray | None = None) -> float:
    """Error of an unnormalised occupancy in the 1-norm: that of its flow residual, over ``1 - gamma``.

    The residual has the rounding of ``S A`` products and sums.
    """
    flow = occupancy_residual(mdp, visits[:, np.newaxis] * policy, initial=start, normalised=False)
    horizon = 1 / (1 - mdp.discount)
    return horizon * (float(np.abs(flow).sum()) + float(rounding(horizon, mdp.reward.size + 8)))


def occupancies(mdp: MDP, policy: FloatArray) -> tuple[FloatArray, float]:
    """Unnormalised occupancies from every start, shape (S, S), and a bound on their errors in the 1-norm."""
    starts = np.eye(mdp.n_states)
    found = [np.asarray(state_occupancy(mdp, policy, initial=start, normalised=False)) for start in starts]
    errors = [visits_error(mdp, visits, policy, start) for visits, start in zip(found, starts, strict=True)]
    return np.array(found), max(errors)


@dataclass(frozen=True, eq=False)
class MaskTask:
    """A model and the pairs that are retained.

    Attributes
    ----------
    mdp : MDP
        The unmasked model.
    mask : ndarray of bool, shape (S, A)
        Retained actions, at least one in each state.
    """

    mdp: MDP
    mask: BoolArray

    @cached_property
    def masked(self) -> MDP:
        """The model restricted to the mask."""
        return masked_model(self.mdp, self.mask)

    @cached_property
    def optimum(self) -> ControlSolution:
        """Unmasked optimum by policy iteration."""
        return solvers.policy_iteration(self.mdp)

    @cached_property
    def masked_optimum(self) -> ControlSolution:
        """Masked optimum by policy iteration."""
        return solvers.policy_iteration(self.masked)

    @cached_property
    def swept(self) -> ControlSolution:
        """Unmasked optimum by value iteration."""
        return solvers.value_iteration(self.mdp, tol=0.0)

    @cached_property
    def masked_swept(self) -> ControlSolution:
        """Masked optimum by value iteration."""
        return solvers.value_iteration(self.masked, tol=0.0)


def mask_task(draw: Draw) -> MaskTask:
    """Sparse MDP; each pair is kept with probability .6, and one of each state in any case."""
    mdp = sparse_mdp(draw)
    return MaskTask(mdp, random_mask(draw, mdp.n_states, mdp.n_actions))


def three_state_task() -> MaskTask:
    """The three-state example whose mask takes the optimal action of state 1."""
    return MaskTask(*three_state_mask())


@dataclass(frozen=True, eq=False)
class PenaltyTask:
    """A penalty on the actions outside a mask, in the place of the mask.

    Attributes
    ----------
    base : MaskTask
        The model and the mask.
    fraction : float
        A penalty below the threshold ``c*``, as a fraction of it, in [0, 1].
    temperature : float
        Temperature ``tau`` of the soft version.
    soft_penalty : float
        Penalty ``c`` of the soft version.
    """

    base: MaskTask
    fraction: float
    temperature: float
    soft_penalty: float

    def penalised(self, penalty: float) -> MDP:
        """The unmasked model with a penalty on the actions outside the mask."""
        return self.base.mdp.replace(reward=np.where(self.base.mask, 0.0, -penalty) + self.base.mdp.reward)


def penalty_task(draw: Draw) -> PenaltyTask:
    """A mask task with a fraction in (0, 1), tau in (.1, 1) and c at most ten times tau."""
    base, temperature = mask_task(draw), draw.number(0.1, 1.0)
    return PenaltyTask(base, draw.number(0.0, 1.0), temperature, temperature * draw.number(0.0, 10.0))


@dataclass(frozen=True, eq=False)
class GradientTask:
    """A softmax policy over the retained actions.

    Attributes
    ----------
    mdp : MDP
        The unmasked model with its start law.
    mask : ndarray of bool, shape (S, A)
        Retained actions.
    logits : ndarray, shape (S, A)
        Logits ``theta`` of all actions.
    offset : ndarray, shape (S,)
        Baseline less value, ``b - V``.
    """

    mdp: MDP
    mask: BoolArray
    logits: FloatArray
    offset: FloatArray

    @cached_property
    def masked_policy(self) -> FloatArray:
        """``p``, the softmax over the retained actions."""
        return np.asarray(np.exp(log_tilt(np.where(self.mask, self.logits, -np.inf))))

    @cached_property
    def full_policy(self) -> FloatArray:
        """``u``, the softmax over all actions."""
        return np.asarray(np.exp(log_tilt(self.logits)))

    @cached_property
    def evaluation(self) -> EvaluationSolution:
        """Values of ``p``."""
        return solvers.policy_evaluation(self.mdp, self.masked_policy)

    @cached_property
    def occupancy(self) -> FloatArray:
        """Unnormalised occupancy ``d`` of ``p`` from the start law."""
        return np.asarray(state_occupancy(self.mdp, self.masked_policy, normalised=False))

    @cached_property
    def score_error(self) -> float:
        """Error of an expected score, whose entries are at most 1: from the values, the occupancy and the sums."""
        horizon = 1 / (1 - self.mdp.discount)
        flow = visits_error(self.mdp, self.occupancy, self.masked_policy)
        largest = 2 * float(np.abs(self.evaluation.q).max()) + float(np.abs(self.offset).max())
        value = self.evaluation.q_error + self.evaluation.certificate.bound
        return 2 * (
            flow * largest + horizon * (value + float(rounding(largest, 4 * self.mdp.n_actions + 24)))
        )


def gradient_task(draw: Draw) -> GradientTask:
    """Dense MDP, mask kept with probability .6 plus one, normal logits and offsets."""
    mdp = dense_mdp(draw)
    n, m = mdp.n_states, mdp.n_actions
    return GradientTask(mdp, random_mask(draw, n, m), random_logits(draw, n, m), draw.normal(n))


@dataclass(frozen=True, eq=False)
class NucleusTask:
    """A policy under its nucleus mask, and under that of an old policy.

    Attributes
    ----------
    mdp : MDP
        The model with its start law.
    policy : ndarray, shape (S, A)
        The policy ``pi``.
    level : float
        The level ``p`` of the nucleus.
    old : ndarray, shape (S, A)
        The policy whose nucleus is the stale mask.
    other : ndarray, shape (S, A)
        Any policy; restricted to the mask it is the comparator of the projection.
    horizon : int
        Length of the trajectories.
    """

    mdp: MDP
    policy: FloatArray
    level: float
    old: FloatArray
    other: FloatArray
    horizon: int

    @cached_property
    def mask(self) -> BoolArray:
        """The nucleus ``M`` of the policy."""
        return nucleus(self.policy, self.level, tol=TOLERANCE)

    @cached_property
    def restricted(self) -> FloatArray:
        """The policy ``q`` restricted to its nucleus."""
        return restricted_policy(self.policy, self.mask)

    @cached_property
    def comparator(self) -> FloatArray:
        """A policy supported in the nucleus: the other one restricted to it, uniform where it has no mass there."""
        mass = np.where(self.mask, self.other, 0.0).sum(axis=1, keepdims=True)
        rows = np.where(mass > 0, self.other, np.full(self.other.shape, 1 / self.other.shape[1]))
        return restricted_policy(rows, self.mask)

    @cached_property
    def stale_mask(self) -> BoolArray:
        """The nucleus of the old policy."""
        return nucleus(self.old, self.level, tol=TOLERANCE)


def nucleus_task(draw: Draw) -> NucleusTask:
    """Dense MDP with A in 2..7, Dirichlet(1) policies, p in (.1, 1), as many stages up to 3 as can be enumerated."""
    mdp = dense_mdp(draw, (2, 7))
    n, m = mdp.n_states, mdp.n_actions
    most = max(h for h in (1, 2, 3) if n * (n * m) ** h <= PATHS or h == 1)
    policy, old, other = (random_policy(draw, n, m, kind="dirichlet") for _ in range(3))
    return NucleusTask(mdp, policy, draw.number(0.1, 1.0), old, other, draw.integer(1, most))


def stale_task(policy: FloatArray, level: float = 0.9) -> NucleusTask:
    """One state, three actions: the old policy (.7, .2, .1), whose nucleus at .9 is {0, 1}, and a new one."""
    mdp = MDP(np.ones((1, 3, 1)), np.array([[1.0, 0.0, 2.0]]), 0.5, np.ones(1))
    old = np.array([[0.7, 0.2, 0.1]])
    return NucleusTask(mdp, policy, level, old, old, 2)


def drifted_task(draw: Draw) -> NucleusTask:
    """The new policy keeps a mass between 1e-200 and .5, log-uniform, in the nucleus of the old one."""
    kept = draw.log_number(1e-200, 0.5)
    return stale_task(np.array([[0.5 * kept, 0.5 * kept, 1.0 - kept]]))
