"""Two-stage tasks whose data carry a latent: a label of the trajectories, with or without knowledge of the dice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from mdplab._typing import Array, FloatArray, IntArray
from mdplab.enumeration import History, Trajectories, enumerate_outcome_trajectories
from mdplab.instances import Draw
from mdplab.models import OutcomeModel
from proofs_check.distributional.latent_laws import (
    WHOLE,
    LatentLaws,
    behaviour,
    conditioned,
    run,
    trajectory_law,
)
from proofs_check.distributional.yang2022_dichotomy import outcome_model


@dataclass(frozen=True, eq=False)
class LatentTask:
    """Two stages of an outcome model, data from a mixture of policies, and a label of the trajectories.

    Attributes
    ----------
    model : OutcomeModel
        Two states, three outcomes, start in state 0.
    prior : ndarray, shape (Z,)
        ``rho``, the probability of each policy.
    first : ndarray, shape (Z, A)
        First decisions of the policies.
    second : ndarray, shape (Z, A, O, A)
        Second decisions, given the first step.
    noise : ndarray, shape (A, O, A, O, Z)
        What the posterior of the policy is mixed with, trajectory by trajectory.
    weight : float
        Weight ``lambda`` of the noise.
    seen : ndarray, shape (S, A, O), or None
        Outcome laws in the data of a behaviour that saw the luck before it acted.
    """

    model: OutcomeModel
    prior: FloatArray
    first: FloatArray
    second: FloatArray
    noise: FloatArray
    weight: float
    seen: FloatArray | None = None

    @property
    def laws(self) -> LatentLaws:
        """The data as one table."""
        logged = self.model.law if self.seen is None else self.seen
        return LatentLaws(
            self.model.law,
            logged,
            self.model.next_state,
            self.prior,
            self.first,
            self.second,
            self.noise,
            np.asarray(self.weight),
        )

    @cached_property
    def joint(self) -> Array:
        """Joint law of trajectory and latent in the data."""
        return trajectory_law(self.laws)

    @property
    def possible(self) -> IntArray:
        """The latents of positive probability."""
        return np.flatnonzero(self.joint.sum(axis=WHOLE) > 0)

    @property
    def probability(self) -> FloatArray:
        """``p(z)`` of the possible latents."""
        return np.asarray(self.joint.sum(axis=WHOLE)[self.possible])

    @cached_property
    def given(self) -> FloatArray:
        """``p(trajectory | z)`` of the possible latents."""
        return np.asarray(self.joint[..., self.possible] / self.probability)

    def obtained(self, *, fallback: bool = True) -> FloatArray:
        """Law of the trajectories of the conditioned policies, as products of tables."""
        return np.asarray(run(self.laws, conditioned(self.laws, fallback=fallback))[..., self.possible])

    @property
    def returns(self) -> FloatArray:
        """Return of each trajectory, shape (A, O, A, O)."""
        n_actions, reward = self.first.shape[1], self.model.outcome_reward
        both = reward[:, np.newaxis, np.newaxis] + reward
        return np.broadcast_to(both, (n_actions, reward.size, n_actions, reward.size))

    @property
    def span(self) -> float:
        """``R_max - R_min``."""
        return float(2 * np.ptp(self.model.outcome_reward))

    def mean_return(self, law: FloatArray) -> FloatArray:
        """Expected return under laws of the trajectories, one for each latent."""
        return np.asarray((law * self.returns[..., np.newaxis]).sum(axis=WHOLE))

    @cached_property
    def trajectories(self) -> Trajectories:
        """All trajectories of the data."""
        first, second = behaviour(self.laws)
        model = self.model if self.seen is None else outcome_model(self.seen)
        return enumerate_outcome_trajectories(model, _policy(first, second), 2)

    def ran(self, z: int, trust: float = 1.0) -> Trajectories:
        """All trajectories of the policy conditioned on ``z``, run in the environment; mixed with the behaviour."""
        plain = behaviour(self.laws)
        first, second = (
            trust * table[..., z] + (1 - trust) * base
            for table, base in zip(conditioned(self.laws), plain, strict=True)
        )
        return enumerate_outcome_trajectories(self.model, _policy(first, second), 2)


def _policy(first: Array, second: Array) -> Any:
    """A policy of histories from its two tables."""

    def decide(history: History) -> FloatArray:
        assert history.outcomes is not None
        if history.stage == 0:
            return np.broadcast_to(first, (len(history.states), first.size))
        return np.asarray(second[history.actions[:, 0], history.outcomes[:, 0]])

    return decide


def places(tau: Trajectories) -> tuple[IntArray, ...]:
    """Index of each trajectory in a table."""
    assert tau.outcomes is not None
    return tau.actions[:, 0], tau.outcomes[:, 0], tau.actions[:, 1], tau.outcomes[:, 1]


def _drawn(draw: Draw, weight: float, *, positive: bool = False, seen: bool = False) -> LatentTask:
    law = draw.weights((2, 2, 3), 0.5, positive=positive)
    return LatentTask(
        outcome_model(law),
        draw.weights(3),
        draw.weights((3, 2)),
        draw.weights((3, 2, 3, 2)),
        draw.weights((2, 3, 2, 3, 3)),
        weight,
        draw.weights((2, 2, 3), 0.5, positive=True) if seen else None,
    )


def controllable_task(draw: Draw) -> LatentTask:
    """Three policies of histories, Dirichlet(1), outcome laws Dirichlet(.5); the latent is the policy behind the actions."""
    return _drawn(draw, 0.0)


def noisy_task(draw: Draw) -> LatentTask:
    """As the controllable tasks, the label mixed with Dirichlet(1, 1, 1), weight .02, .3 or 1."""
    return _drawn(draw, draw.choice((0.02, 0.3, 1.0)))


def confounded_task(draw: Draw) -> LatentTask:
    """A controllable task whose data have outcome laws of their own."""
    return _drawn(draw, 0.0, positive=True, seen=True)


HANDMADE = outcome_model(np.array([[[0.5, 0.3, 0.2], [0.1, 0.6, 0.3]], [[0.25, 0.25, 0.5], [0.7, 0.1, 0.2]]]))


def labelled_by_return(weight: float) -> LatentTask:
    """``q(1 | trajectory) = (1 + weight) / 2`` where the return is at least 3, else ``(1 - weight) / 2``; uniform actions."""
    reward = HANDMADE.outcome_reward
    high = np.broadcast_to(reward[:, np.newaxis, np.newaxis] + reward >= 3, (2, 3, 2, 3))
    noise = np.stack((~high, high), axis=-1).astype(float)
    even = np.full((2, 2, 3, 2), 0.5)
    return LatentTask(HANDMADE, np.array([0.5, 0.5]), even[:, 0, 0], even, noise, weight)


BY_RETURN = labelled_by_return(1.0)
WEAKLY_BY_RETURN = labelled_by_return(0.1)
BY_FIRST_ACTION = replace(BY_RETURN, first=np.eye(2), weight=0.0)
LUCKY = replace(BY_FIRST_ACTION, seen=np.array([[[0.2, 0.3, 0.5], [0.1, 0.3, 0.6]]] * 2))
