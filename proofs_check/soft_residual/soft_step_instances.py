"""Exact steps of the soft actor-critic: entropy-regularised mirror descent at its full step, and a rival of one step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mdplab._typing import FloatArray
from mdplab.convex import RegionSolution, conic_region_program
from mdplab.instances import Draw, random_logits, three_state_logits, three_state_unit_reward_mdp
from mdplab.models import MDP
from mdplab.operators import log_tilt
from proofs_check.soft_residual.mirror_instances import EntropyTask, step_task

__all__ = ["SoftStepTask", "soft_step_task", "three_state_soft_task"]


@dataclass(frozen=True, eq=False)
class SoftStepTask:
    """Soft actor-critic from a softmax policy.

    Attributes
    ----------
    mdp : MDP
        The model.
    logits : ndarray, shape (S, A)
        Logits of the first policy.
    rival_logits : ndarray, shape (S, A)
        Logits of a policy that the first step is held against.
    temperature : float
        ``alpha``.
    steps : int
        Number of updates.
    """

    mdp: MDP
    logits: FloatArray
    rival_logits: FloatArray
    temperature: float
    steps: int = 20

    @property
    def log_policy(self) -> FloatArray:
        """Log-probabilities of the first policy."""
        return np.asarray(log_tilt(self.logits))

    @property
    def log_rival(self) -> FloatArray:
        """Log-probabilities of the rival."""
        return np.asarray(log_tilt(self.rival_logits))

    @cached_property
    def descent(self) -> EntropyTask:
        """The same as regularised mirror descent at the full step ``(1 - gamma) / alpha``."""
        eta = (1 - self.mdp.discount) / self.temperature
        return EntropyTask(self.mdp, self.logits, self.temperature, eta, self.steps)

    @cached_property
    def conic(self) -> RegionSolution:
        """Maximum of ``<Q, p> - alpha KL(p || uniform)`` in every state, by a cone solver."""
        uniform = np.full(self.logits.shape, -np.log(self.mdp.n_actions))
        q = self.descent.run.q[0]
        return conic_region_program(
            q - q.max(axis=1, keepdims=True), uniform[None], penalties=[self.temperature]
        )


def soft_step_task(draw: Draw) -> SoftStepTask:
    """Rewards in [0, 1] or 0/1, normal logits, alpha uniform in (.2, 2)."""
    task = step_task(draw)
    rival = random_logits(draw, task.mdp.n_states, task.mdp.n_actions)
    return SoftStepTask(task.mdp, task.logits, rival, draw.number(0.2, 2.0))


def three_state_soft_task(logits: FloatArray | None = None) -> SoftStepTask:
    """The three-state model with rewards in [0, 1] at alpha = .5, from the uniform policy or others."""
    first = np.zeros((3, 2)) if logits is None else logits
    return SoftStepTask(three_state_unit_reward_mdp(), first, three_state_logits(), 0.5)
