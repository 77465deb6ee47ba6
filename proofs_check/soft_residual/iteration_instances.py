"""Customisation tasks with a start of the iteration, and iterates of the backups of Q."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import rounding
from mdplab.instances import Draw, random_logits
from mdplab.operators import log_tilt
from proofs_check.soft_residual.instances import (
    CustomisationTask,
    customisation_data,
    customisation_task,
    three_state_task,
)

__all__ = ["IterationTask", "iterates", "iteration_task", "three_state_iteration"]


@dataclass(frozen=True, eq=False)
class IterationTask(CustomisationTask):
    """A customisation task with action values at which backups are compared.

    Attributes
    ----------
    start_q, other_q : ndarray, shape (S, A)
        Where the residual iteration starts, and another point.
    logits : ndarray (S, A) or None
        Logits of any prior, for the statements about all priors; None is the max-ent prior of the task.
    steps : int
        Number of iterates beyond the start.
    """

    start_q: FloatArray
    other_q: FloatArray
    logits: FloatArray | None = None
    steps: int = 30

    @cached_property
    def any_log_prior(self) -> FloatArray:
        """Log-probabilities of the prior that need not be max-ent optimal."""
        return self.prior.log_policy if self.logits is None else np.asarray(log_tilt(self.logits))

    def backup_error(self, q: FloatArray, log_prior: FloatArray) -> float:
        """Rounding of one residual or soft backup at action values no larger than ``q``."""
        size = (
            np.abs(q).max()
            + self.prior_weight * np.abs(log_prior).max()
            + self.reward_weight * np.abs(self.mdp.reward).max()
            + np.abs(self.residual_reward).max()
            + self.temperature * (1 + np.log(self.mdp.n_actions))
        )
        return float(rounding(size, self.mdp.n_states + 2 * self.mdp.n_actions + 12))

    def iterates_error(self, q: FloatArray, log_prior: FloatArray) -> FloatArray:
        """Rounding of iterates ``q``, shape (steps + 1,): ``e_{k+1} = gamma e_k`` plus that of one backup."""
        found = [0.0]
        for before in q[:-1]:
            found.append(self.mdp.discount * found[-1] + self.backup_error(before, log_prior))
        return np.array(found)


def iterates(backup: Callable[[FloatArray], FloatArray], start: FloatArray, steps: int) -> FloatArray:
    """The start and its images under a backup, shape (steps + 1, S, A)."""
    found = [start]
    for _ in range(steps):
        found.append(backup(found[-1]))
    return np.array(found)


def iteration_task(draw: Draw) -> IterationTask:
    """A random task, action values of scale 3, a prior with logits of scale 2."""
    task = customisation_task(draw)
    shape = task.mdp.reward.shape
    return IterationTask(
        **customisation_data(task),
        start_q=draw.normal(shape, 3.0),
        other_q=draw.normal(shape, 3.0),
        logits=random_logits(draw, task.mdp.n_states, task.mdp.n_actions, scale=2.0),
    )


def three_state_iteration(steps: int = 60) -> IterationTask:
    """The three-state task from zero, with its own prior; the other point is the inherent reward."""
    task = three_state_task()
    return IterationTask(
        **customisation_data(task),
        start_q=np.zeros(task.mdp.reward.shape),
        other_q=task.mdp.reward,
        steps=steps,
    )
