"""Changing the temperature of an unknown task, in balls."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.soft_residual.exact_customisation import Twin
from proofs_check.soft_residual.instances import CustomisationTask

if TYPE_CHECKING:
    from mdplab.exact import SoftControl


def without_reward(twin: Twin, temperature: Any) -> SoftControl:
    """Fixed point of the residual backup without add-on reward."""
    return mdplab.exact.residual_control(
        twin.inherent,
        0 * twin.addon.reward,
        twin.prior.log_policy,
        prior_weight=twin.prior_weight,
        temperature=temperature,
    )


def kept_policy(task: CustomisationTask) -> Array:
    """Policy of the residual fixed point at the temperature ``omega'``."""
    twin = Twin(task)
    return np.asarray(mdplab.exact.exp(without_reward(twin, twin.prior_weight).log_policy))


def kept_exponent(task: CustomisationTask) -> Array:
    """``Q_R + omega' log pi`` at the temperature ``omega'``."""
    twin = Twin(task)
    return np.asarray(without_reward(twin, twin.prior_weight).q + twin.prior_weight * twin.prior.log_policy)


def prior_exponent(task: CustomisationTask) -> Array:
    """``omega' log pi``."""
    twin = Twin(task)
    return np.asarray(twin.prior_weight * twin.prior.log_policy)


def prior_policy(task: CustomisationTask) -> Array:
    """The prior."""
    return np.asarray(mdplab.exact.exp(Twin(task).prior.log_policy))


def retempered_policy(task: CustomisationTask) -> Array:
    """Policy of the residual fixed point without add-on reward."""
    twin = Twin(task)
    return np.asarray(mdplab.exact.exp(without_reward(twin, twin.temperature).log_policy))


def policy_at_new_temperature(task: CustomisationTask) -> Array:
    """Soft optimum of ``r`` at ``alpha alpha-hat / omega'``."""
    twin = Twin(task)
    temperature = twin.prior_temperature * twin.temperature / twin.prior_weight
    found = mdplab.exact.soft_control(twin.inherent, temperature=temperature)
    return np.asarray(mdplab.exact.exp(found.log_policy))


def tempered_policy(task: CustomisationTask) -> Array:
    """The prior to the power ``omega' / alpha-hat``, normalised."""
    twin = Twin(task)
    return mdplab.exact.softmax(twin.prior_weight / twin.temperature * twin.prior.log_policy)


def distance_from_gaps(task: CustomisationTask) -> Any:
    """Largest distance of the tempered log-odds from the gaps of the hard optimum."""
    twin = Twin(task)
    found, hard = without_reward(twin, twin.temperature), mdplab.exact.policy_iteration(twin.inherent)
    best = hard.optimal.argmax(axis=1)
    rows = np.arange(best.size)

    def odds(q: Array) -> Array:
        return np.asarray(q - q[rows, best][:, np.newaxis])

    temperature = twin.temperature / twin.weight
    return mdplab.exact.highest(np.abs(temperature * odds(found.log_policy) - odds(hard.q)))


def gap_bound(task: CustomisationTask) -> Any:
    """``gamma log A / (1 - gamma)`` times the new temperature."""
    twin = Twin(task)
    discount = twin.inherent.discount
    temperature = twin.temperature / twin.weight
    return temperature * discount / (1 - discount) * mdplab.exact.log(twin.inherent.n_actions)


def customised_policy(task: CustomisationTask) -> Array:
    """Policy of the residual fixed point with add-on reward."""
    twin = Twin(task)
    found = mdplab.exact.residual_control(
        twin.inherent,
        twin.addon.reward,
        twin.prior.log_policy,
        prior_weight=twin.prior_weight,
        temperature=twin.temperature,
    )
    return np.asarray(mdplab.exact.exp(found.log_policy))


def policy_of_ratios(task: CustomisationTask) -> Array:
    """Soft optimum of ``r_R / alpha-hat`` at temperature 1, log-reference ``omega' / alpha-hat log pi``."""
    twin = Twin(task)
    model = replace(twin.addon, reward=twin.addon.reward / twin.temperature)
    reference = twin.prior_weight / twin.temperature * twin.prior.log_policy
    found = mdplab.exact.soft_control(model, temperature=1, log_reference=reference)
    return np.asarray(mdplab.exact.exp(found.log_policy))
