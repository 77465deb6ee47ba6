"""Customisation with a wrong prior, in balls."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.soft_residual.exact_customisation import Twin
from proofs_check.soft_residual.prior_instances import PriorErrorTask

if TYPE_CHECKING:
    from mdplab.exact import ExactMDP, SoftControl


class PriorErrorTwin(Twin):
    """A task with a wrong prior in exact numbers.

    Parameters
    ----------
    task : PriorErrorTask
        The task in floats.
    """

    def __init__(self, task: PriorErrorTask) -> None:
        super().__init__(task)
        self.noise, self.mixture, self.potential = (
            mdplab.exact.rational(x) for x in (task.noise, task.mixture, task.potential)
        )

    @cached_property
    def wrong_log_prior(self) -> Array:
        """Log-probabilities of the wrong prior."""
        logs = mdplab.exact.log_tilt(self.prior.log_policy + self.noise)
        if self.mixture == 0:
            return logs
        mixed = (1 - self.mixture) * mdplab.exact.exp(logs) + self.mixture / self.inherent.n_actions
        return np.asarray(mdplab.exact.log(mixed))

    @property
    def represented(self) -> ExactMDP:
        """The model with the reward ``alpha log`` of the wrong prior plus ``Phi - gamma P Phi``."""
        later = self.inherent.discount * (self.inherent.transition @ self.potential)
        shaped = self.potential[:, np.newaxis] - later
        reward = self.prior_temperature * self.wrong_log_prior + shaped
        return replace(self.inherent, reward=reward)

    @property
    def residual(self) -> SoftControl:
        """Fixed point of the residual backup with the wrong prior."""
        return mdplab.exact.residual_control(
            self.inherent,
            self.addon.reward,
            self.wrong_log_prior,
            prior_weight=self.prior_weight,
            temperature=self.temperature,
        )

    @property
    def delta(self) -> Any:
        """Largest difference of the two log-priors."""
        return mdplab.exact.highest(np.abs(self.wrong_log_prior - self.prior.log_policy))


def represented_policy(task: PriorErrorTask) -> Array:
    """Soft optimum of the represented reward."""
    twin = PriorErrorTwin(task)
    found = mdplab.exact.soft_control(twin.represented, temperature=twin.prior_temperature)
    return np.asarray(mdplab.exact.exp(found.log_policy))


def wrong_prior(task: PriorErrorTask) -> Array:
    """The wrong prior."""
    return np.asarray(mdplab.exact.exp(PriorErrorTwin(task).wrong_log_prior))


def represented_value(task: PriorErrorTask) -> Array:
    """Soft value of the represented reward."""
    twin = PriorErrorTwin(task)
    return mdplab.exact.soft_control(twin.represented, temperature=twin.prior_temperature).value


def potential(task: PriorErrorTask) -> Array:
    """``Phi``."""
    return np.asarray(mdplab.exact.rational(task.potential))


def residual_policy(task: PriorErrorTask) -> Array:
    """Policy of the residual fixed point with the wrong prior."""
    return np.asarray(mdplab.exact.exp(PriorErrorTwin(task).residual.log_policy))


def represented_full_policy(task: PriorErrorTask) -> Array:
    """Soft optimum of omega times the represented reward plus the add-on reward."""
    twin = PriorErrorTwin(task)
    model = replace(twin.addon, reward=twin.weight * twin.represented.reward + twin.addon.reward)
    found = mdplab.exact.soft_control(model, temperature=twin.temperature)
    return np.asarray(mdplab.exact.exp(found.log_policy))


def inherent_reward(task: PriorErrorTask) -> Array:
    """``r``."""
    return PriorErrorTwin(task).inherent.reward


def reward_of_the_prior(task: PriorErrorTask) -> Array:
    """``alpha log pi + V* - gamma P V*``."""
    twin = PriorErrorTwin(task)
    known = twin.prior
    later = twin.inherent.discount * (twin.inherent.transition @ known.value)
    return np.asarray(twin.prior_temperature * known.log_policy + known.value[:, np.newaxis] - later)


def log_distance(task: PriorErrorTask) -> Any:
    """Largest difference of the customised log-policies."""
    twin = PriorErrorTwin(task)
    return mdplab.exact.highest(np.abs(twin.residual.log_policy - twin.optimum.log_policy))


def loss(task: PriorErrorTask) -> Any:
    """Largest loss of the wrongly customised policy in the full task."""
    twin = PriorErrorTwin(task)
    policy = mdplab.exact.exp(twin.residual.log_policy)
    value = mdplab.exact.policy_evaluation(twin.full, policy, temperature=twin.temperature).value
    return mdplab.exact.highest(twin.optimum.value - value)


def loss_bound(task: PriorErrorTask) -> Any:
    """``2 omega' delta / (1 - gamma)``."""
    twin = PriorErrorTwin(task)
    return 2 * twin.prior_weight * twin.delta / (1 - twin.inherent.discount)


def log_bound(task: PriorErrorTask) -> Any:
    """``2 omega' delta / (alpha-hat (1 - gamma))``."""
    return loss_bound(task) / mdplab.exact.rational(task.temperature)
