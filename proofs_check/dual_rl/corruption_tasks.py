"""Tasks about corrupted data: targets of a regression, action values, rewards."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mdplab._typing import FloatArray
from mdplab.instances import Draw, full_support, two_state_behaviour, two_state_mdp
from mdplab.models import MDP
from proofs_check.dual_rl.instances import offline_mdp

__all__ = [
    "ExtractionTask",
    "RewardTask",
    "TargetTask",
    "extraction_task",
    "far_target_task",
    "loose_extraction_task",
    "mostly_corrupted_task",
    "reward_task",
    "sharp_task",
    "target_task",
    "two_action_task",
    "two_state_reward_task",
]


@dataclass(frozen=True, eq=False)
class TargetTask:
    """Targets of a regression, some of them replaced by anything.

    Attributes
    ----------
    clean : ndarray, shape (n - k,)
        Targets that were left alone.
    honest : ndarray, shape (k,)
        What the other targets were.
    corrupted : ndarray, shape (k,)
        What they were replaced by.
    threshold : float
        ``delta`` of Huber's loss.
    """

    clean: FloatArray
    honest: FloatArray
    corrupted: FloatArray
    threshold: float

    @property
    def targets(self) -> FloatArray:
        """All targets as they are seen."""
        return np.concatenate([self.clean, self.corrupted])

    @property
    def share(self) -> float:
        """``k / (n - k)``."""
        return self.corrupted.size / self.clean.size


def _targets(draw: Draw, n: int, k: int) -> TargetTask:
    return TargetTask(
        draw.uniform(0.0, 1.0, n - k),
        draw.uniform(0.0, 1.0, k),
        draw.normal(k) * draw.log_uniform(1.0, 1e6, k),
        draw.log_number(0.1, 10.0),
    )


def target_task(draw: Draw) -> TargetTask:
    """n in 3..20, 1 <= k < n/2, honest U(0, 1), corrupted N(0, 1) 10^U(0, 6), threshold 10^U(-1, 1)."""
    n = draw.integer(3, 20)
    return _targets(draw, n, draw.integer(1, (n - 1) // 2))


def mostly_corrupted_task(draw: Draw) -> TargetTask:
    """As :func:`target_task` with any number of corrupted targets but all."""
    n = draw.integer(3, 20)
    return _targets(draw, n, draw.integer(1, n - 1))


def far_target_task(size: float, clean: int = 9, corrupted: int = 1) -> TargetTask:
    """Zeros, and targets that were zeros and are ``size``; threshold 1."""
    return TargetTask(np.zeros(clean), np.zeros(corrupted), np.full(corrupted, size), 1.0)


@dataclass(frozen=True, eq=False)
class ExtractionTask:
    """One state: a policy extracted from action values, and from perturbed ones.

    Attributes
    ----------
    base : ndarray, shape (n,)
        Policy ``pi_b`` of the data.
    values : ndarray, shape (n,)
        ``Q``.
    perturbation : ndarray, shape (n,)
        ``e``.
    radius : float
        ``epsilon``, which bounds it.
    temperature : float
        ``beta``.
    """

    base: FloatArray
    values: FloatArray
    perturbation: FloatArray
    radius: float
    temperature: float


def extraction_task(draw: Draw) -> ExtractionTask:
    """n in 2..5, base Dirichlet(1), values 2 N(0, 1), perturbation +-radius or uniform, beta and radius 10^U(-1, 1)."""
    n, radius = draw.integer(2, 5), draw.log_number(0.1, 10.0)
    extreme = draw.boolean(0.5)
    signs = np.where(draw.boolean(0.5, (n,)), 1.0, -1.0) if extreme else draw.uniform(-1.0, 1.0, n)
    return ExtractionTask(
        draw.weights(n), draw.normal(n, 2.0), radius * signs, radius, draw.log_number(0.1, 10.0)
    )


def loose_extraction_task(draw: Draw) -> ExtractionTask:
    """As :func:`extraction_task` with a perturbation of up to four times the radius."""
    task = extraction_task(draw)
    return replace(task, perturbation=draw.number(1.0, 4.0) * task.perturbation)


def two_action_task(radius: float = 1.0, size: float = 1.0) -> ExtractionTask:
    """Two actions of base odds ``e^radius``, equal values, perturbation ``(size, -size)``, temperature 1."""
    up = 1.0 / (1.0 + np.exp(radius))
    return ExtractionTask(np.array([up, 1.0 - up]), np.zeros(2), size * np.array([1.0, -1.0]), radius, 1.0)


def sharp_task(task: ExtractionTask) -> ExtractionTask:
    """The worst case at the values, radius and temperature of a task.

    The base is such that the first action has the probability ``1 / (1 + e^(radius / beta))``; its value is perturbed up, all
    others down.
    """
    n, ratio = task.values.size, task.radius / task.temperature
    logs = np.full(n, -np.log1p(np.exp(-ratio)) - np.log(n - 1.0))
    logs[0] = -np.log1p(np.exp(-ratio)) - ratio
    logs = logs - task.values / task.temperature
    base = np.exp(logs - logs.max())
    signs = np.where(np.arange(n) == 0, 1.0, -1.0)
    return replace(task, base=base / base.sum(), perturbation=task.radius * signs)


@dataclass(frozen=True, eq=False)
class RewardTask:
    """A policy extracted from the action values of the behaviour, under the true reward and under a corrupted one.

    Attributes
    ----------
    mdp : MDP
        Model with the true reward.
    behaviour : ndarray, shape (S, A)
        ``pi_b``.
    perturbation : ndarray, shape (S, A)
        ``E``, added to the reward.
    radius : float
        ``epsilon``, which bounds it.
    temperature : float
        ``beta``.
    """

    mdp: MDP
    behaviour: FloatArray
    perturbation: FloatArray
    radius: float
    temperature: float


def reward_task(draw: Draw) -> RewardTask:
    """Generator G, behaviour ``.9 Dirichlet(1) + .1 / A``, perturbation uniform, beta and radius 10^U(-1, 1)."""
    mdp, radius = offline_mdp(draw), draw.log_number(0.1, 10.0)
    pairs = (mdp.n_states, mdp.n_actions)
    return RewardTask(
        mdp,
        full_support(draw, pairs, mixture=0.1),
        draw.uniform(-radius, radius, pairs),
        radius,
        draw.log_number(0.1, 10.0),
    )


def two_state_reward_task() -> RewardTask:
    """M2, its behaviour, ``E = .1 ((1, -1), (1, -1))``, temperature 1."""
    perturbation = 0.1 * np.array([[1.0, -1.0], [1.0, -1.0]])
    return RewardTask(two_state_mdp(), two_state_behaviour(), perturbation, 0.1, 1.0)
