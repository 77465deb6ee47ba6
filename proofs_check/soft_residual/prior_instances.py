"""Customisation tasks whose prior is not the max-ent optimum of the inherent reward."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.instances import Draw
from mdplab.models import MDP
from mdplab.operators import log_tilt
from mdplab.solvers import ControlSolution
from proofs_check.soft_residual.instances import (
    CustomisationTask,
    customisation_data,
    customisation_task,
    three_state_task,
)

__all__ = [
    "PriorErrorTask",
    "flipped_task",
    "fork_task",
    "noisy_three_state_task",
    "prior_error_task",
    "three_state_mixture",
]


@dataclass(frozen=True, eq=False)
class PriorErrorTask(CustomisationTask):
    """A customisation task with a wrong prior: noise on the log-probabilities of the max-ent one, then a mixture.

    Attributes
    ----------
    noise : ndarray, shape (S, A)
        Added to the log-prior, which is normalised again.
    potential : ndarray, shape (S,)
        Any potential ``Phi``.
    mixture : float
        Weight of the uniform policy in the wrong prior.
    """

    noise: FloatArray
    potential: FloatArray
    mixture: float = 0.0

    @cached_property
    def wrong_log_prior(self) -> FloatArray:
        """Log-probabilities of the wrong prior."""
        logs = np.asarray(log_tilt(self.prior.log_policy + self.noise))
        if self.mixture:
            logs = np.logaddexp(np.log1p(-self.mixture) + logs, np.log(self.mixture / self.mdp.n_actions))
        return logs

    @cached_property
    def delta(self) -> float:
        """Largest difference of the two log-priors."""
        return float(np.abs(self.wrong_log_prior - self.prior.log_policy).max())

    def represented_reward(self, mdp: MDP | None = None) -> FloatArray:
        """``alpha log`` of the wrong prior plus ``Phi - gamma P Phi``, by default of the task's own model."""
        model = self.mdp if mdp is None else mdp
        shaped = self.potential[:, None] - model.discount * model.expectation(self.potential)
        return np.asarray(self.prior_temperature * self.wrong_log_prior + shaped)

    @cached_property
    def residual(self) -> ControlSolution:
        """Residual soft Q iteration with the wrong prior."""
        return solvers.residual_q_learning(
            self.mdp,
            self.residual_reward,
            self.wrong_log_prior,
            prior_weight=self.prior_weight,
            temperature=self.temperature,
            tol=1e-12,
        )


def prior_error_task(draw: Draw) -> PriorErrorTask:
    """A random task, normal noise of scale .01, .3 or 2, a normal potential."""
    task = customisation_task(draw)
    scale = draw.choice((0.01, 0.3, 2.0))
    return PriorErrorTask(
        **customisation_data(task),
        noise=draw.normal(task.mdp.reward.shape, scale),
        potential=draw.normal(task.mdp.n_states),
    )


def three_state_mixture() -> PriorErrorTask:
    """The three-state task with the wrong prior ``.8 pi + .1``."""
    return PriorErrorTask(
        **customisation_data(three_state_task()),
        noise=np.zeros((3, 2)),
        potential=np.array([1.0, -2.0, 0.5]),
        mixture=0.2,
    )


def noisy_three_state_task(scale: float) -> PriorErrorTask:
    """The three-state task with the log-prior moved along one direction."""
    noise = scale * np.array([[1.0, -1.0], [-0.5, 1.0], [0.0, 1.0]])
    return PriorErrorTask(**customisation_data(three_state_task()), noise=noise, potential=np.zeros(3))


def fork_task() -> PriorErrorTask:
    """State 0 leads to 1 or 2, both absorbing; the prior is the softmax of the reward; distance near the bound."""
    transition = np.zeros((3, 2, 3))
    transition[0, [0, 1], [1, 2]] = transition[1, :, 1] = transition[2, :, 2] = 1.0
    prior = np.array([[0.5, 0.5], [0.02, 0.98], [0.02, 0.98]])
    wrong = prior.copy()
    wrong[1:, 0] = 0.02 * np.exp([-0.3, 0.3])
    wrong[:, 1] = 1 - wrong[:, 0]
    mdp = MDP(transition, np.log(prior), 0.9, np.array([1.0, 0.0, 0.0]))
    addon = np.array([[8.0, 0.0], [20.0, 0.0], [20.0, 0.0]])
    noise = np.log(wrong) - np.log(prior)
    return PriorErrorTask(mdp, addon, 1.0, 1.0, 1.0, noise=noise, potential=np.array([1.0, -1.0, 2.0]))


def flipped_task() -> PriorErrorTask:
    """One state, two equal arms; the add-on reward prefers arm 0 by less than the wrong prior prefers arm 1."""
    mdp = MDP(np.ones((1, 2, 1)), np.ones((1, 2)), 0.9, np.ones(1))
    addon, noise = np.array([[0.19, 0.0]]), np.array([[-0.1, 0.1]])
    return PriorErrorTask(mdp, addon, 1.0, 0.001, 1.0, noise=noise, potential=np.ones(1))
