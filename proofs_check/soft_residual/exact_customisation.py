"""Customised policies in balls: soft optima of the residual, the inherent and the full task, and returns by linear solves.

The prior is computed anew from the inherent reward, as an enclosure; nothing of the float solvers enters.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.soft_residual.instances import CustomisationTask
from proofs_check.soft_residual.kl_instances import KLTask

if TYPE_CHECKING:
    from mdplab.exact import ExactMDP, SoftControl


class Twin:
    """A customisation task in exact numbers.

    Parameters
    ----------
    task : CustomisationTask
        The task in floats.
    """

    def __init__(self, task: CustomisationTask) -> None:
        rational = mdplab.exact.rational
        self.inherent = mdplab.exact.ExactMDP.of(task.mdp)
        self.addon = replace(self.inherent, reward=rational(task.residual_reward))
        self.weight = rational(task.reward_weight)
        self.prior_temperature, self.temperature = (
            rational(task.prior_temperature),
            rational(task.temperature),
        )

    @property
    def prior_weight(self) -> Any:
        """``omega'``, which is ``beta``."""
        return self.weight * self.prior_temperature

    @cached_property
    def full(self) -> ExactMDP:
        """The model with the reward ``omega r + r_R``."""
        return replace(self.addon, reward=self.weight * self.inherent.reward + self.addon.reward)

    @cached_property
    def prior(self) -> SoftControl:
        """Soft optimum of the inherent task."""
        return mdplab.exact.soft_control(self.inherent, temperature=self.prior_temperature)

    @cached_property
    def optimum(self) -> SoftControl:
        """Soft optimum of the full task."""
        return mdplab.exact.soft_control(self.full, temperature=self.temperature)


@lru_cache(maxsize=1)
def twin_of(task: CustomisationTask) -> Twin:
    """The twin of a task; both routes to a statement ask for the same."""
    return Twin(task)


# --- rql-fixed-point ------------------------------------------------------------------------------------------------


def residual(task: CustomisationTask) -> SoftControl:
    """Fixed point of the residual backup: kernel, add-on reward and log-prior alone."""
    twin = twin_of(task)
    return mdplab.exact.residual_control(
        twin.addon,
        twin.addon.reward,
        twin.prior.log_policy,
        prior_weight=twin.prior_weight,
        temperature=twin.temperature,
    )


def residual_q(task: CustomisationTask) -> Array:
    """``Q_R``."""
    return residual(task).q


def residual_policy(task: CustomisationTask) -> Array:
    """Policy of the residual fixed point."""
    return np.asarray(mdplab.exact.exp(residual(task).log_policy))


def residual_value(task: CustomisationTask) -> Array:
    """Weighted log-sum-exp of the residual fixed point."""
    return residual(task).value


def q_difference(task: CustomisationTask) -> Array:
    """Q of the full task less omega times that of the inherent task."""
    twin = twin_of(task)
    return np.asarray(twin.optimum.q - twin.weight * twin.prior.q)


def full_policy(task: CustomisationTask) -> Array:
    """Policy of the full task."""
    return np.asarray(mdplab.exact.exp(twin_of(task).optimum.log_policy))


def value_difference(task: CustomisationTask) -> Array:
    """Value of the full task less omega times that of the inherent task."""
    twin = twin_of(task)
    return np.asarray(twin.optimum.value - twin.weight * twin.prior.value)


# --- kl-objective-balance -------------------------------------------------------------------------------------------


def start_value(task: KLTask, policy: Array, reward: Array) -> Any:
    """Start value of a state reward under a policy."""
    model = mdplab.exact.ExactMDP.of(task.mdp)
    kernel, _ = mdplab.exact.induced(model, policy)
    system = mdplab.exact.identity(model.n_states) - model.discount * kernel
    return mdplab.exact.laws(task.mdp.start_law()) @ mdplab.exact.solve(system, reward)


def penalised_return(task: KLTask) -> Any:
    """Return of ``r_R - beta KL(mu || pi) + eta H(mu)``."""
    twin, policy = twin_of(task), mdplab.exact.softmax(task.logits)
    divergence = mdplab.exact.kl(policy, mdplab.exact.exp(twin.prior.log_policy))
    bonus = (twin.temperature - twin.prior_weight) * mdplab.exact.entropy(policy)
    reward = (policy * twin.addon.reward).sum(axis=1) - twin.prior_weight * divergence + bonus
    return start_value(task, policy, reward)


def log_reward_return(task: KLTask) -> Any:
    """Return of ``r_R + beta log pi - (beta + eta) log mu``."""
    twin, log_policy = twin_of(task), mdplab.exact.log_tilt(task.logits)
    policy = mdplab.exact.exp(log_policy)
    logs = twin.prior_weight * twin.prior.log_policy - twin.temperature * log_policy
    return start_value(task, policy, (policy * (twin.addon.reward + logs)).sum(axis=1))


def max_ent_return(task: KLTask) -> Any:
    """Soft value of mu on the full task less omega times the soft optimum of the inherent task."""
    twin, policy = twin_of(task), mdplab.exact.softmax(task.logits)
    found = mdplab.exact.policy_evaluation(twin.full, policy, temperature=twin.temperature)
    difference = found.value - twin.weight * twin.prior.value
    return mdplab.exact.laws(task.mdp.start_law()) @ difference


def regularised(task: KLTask) -> SoftControl:
    """Optimum of the KL-plus-entropy objective: the add-on reward with the log-reference ``beta / (beta + eta) log pi``."""
    twin = twin_of(task)
    reference = twin.prior_weight / twin.temperature * twin.prior.log_policy
    return mdplab.exact.soft_control(twin.addon, temperature=twin.temperature, log_reference=reference)


def regularised_value(task: KLTask) -> Array:
    """Optimal value of the KL-plus-entropy objective."""
    return regularised(task).value


def regularised_policy(task: KLTask) -> Array:
    """Optimal policy of the KL-plus-entropy objective."""
    return np.asarray(mdplab.exact.exp(regularised(task).log_policy))
