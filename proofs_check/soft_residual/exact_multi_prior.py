"""The second stage over the horizon in balls: priors, the objective with divergences, and the max-ent problem that it is."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array
from mdplab.models import MDP
from proofs_check.soft_residual.multi_prior_instances import ConstrainedTask, MultiPriorTask

if TYPE_CHECKING:
    from mdplab.exact import ExactMDP, SoftControl


def with_reward(mdp: MDP, reward: Any) -> ExactMDP:
    """The exact twin of a model with a reward of floats, each read as the simplest rational, or of exact numbers."""
    return replace(mdplab.exact.ExactMDP.of(mdp), reward=mdplab.exact.rational(reward))


@lru_cache(maxsize=2)
def priors(task: MultiPriorTask) -> list[SoftControl]:
    """The policies of stage one."""
    temperatures = mdplab.exact.rational(task.auxiliary_temperatures)
    return [
        mdplab.exact.soft_control(with_reward(task.mdp, reward), temperature=alpha)
        for reward, alpha in zip(task.auxiliary_rewards, temperatures, strict=True)
    ]


def second_stage(task: MultiPriorTask) -> SoftControl:
    """Optimum of the main return less the divergences."""
    weights = mdplab.exact.rational(task.weights)
    total: Any = weights.sum()
    logs = np.array([prior.log_policy for prior in priors(task)], dtype=object)
    reference = ((weights / total)[:, np.newaxis, np.newaxis] * logs).sum(axis=0)
    model = with_reward(task.mdp, task.mdp.reward)
    return mdplab.exact.soft_control(model, temperature=total, log_reference=reference)


def full(task: MultiPriorTask) -> SoftControl:
    """Max-ent optimum of the weighted rewards at the temperature Lambda."""
    weights = mdplab.exact.rational(task.weights)
    shares = weights / mdplab.exact.rational(task.auxiliary_temperatures)
    extra = (shares[:, np.newaxis, np.newaxis] * mdplab.exact.rational(task.auxiliary_rewards)).sum(axis=0)
    reward = mdplab.exact.rational(task.mdp.reward) + extra
    return mdplab.exact.soft_control(with_reward(task.mdp, reward), temperature=weights.sum())


def second_stage_policy(task: MultiPriorTask) -> Array:
    """Its policy."""
    return np.asarray(mdplab.exact.exp(second_stage(task).log_policy))


def full_policy(task: MultiPriorTask) -> Array:
    """Its policy."""
    return np.asarray(mdplab.exact.exp(full(task).log_policy))


def value_difference(task: MultiPriorTask) -> Array:
    """Max-ent value less that of the second stage."""
    return np.asarray(full(task).value - second_stage(task).value)


def auxiliary_values(task: MultiPriorTask) -> Array:
    """``sum_i lambda_i / alpha_i V_i``."""
    shares = mdplab.exact.rational(task.weights) / mdplab.exact.rational(task.auxiliary_temperatures)
    return np.asarray(shares @ np.array([prior.value for prior in priors(task)], dtype=object))


def lagrangian_policy(task: ConstrainedTask) -> Array:
    """Max-ent policy of ``r_0 + nu r_1`` at ``T``, at the multiplier found."""
    main, side = mdplab.exact.rational(task.mdp.reward), mdplab.exact.rational(task.auxiliary_reward)
    reward = main + mdplab.exact.rational(task.solution.multiplier) * side
    temperature = mdplab.exact.rational(task.temperature)
    found = mdplab.exact.soft_control(with_reward(task.mdp, reward), temperature=temperature)
    return np.asarray(mdplab.exact.exp(found.log_policy))


def residual_policy(task: ConstrainedTask) -> Array:
    """The residual method from the policy of stage one, at the multiplier found."""
    alpha, price = (mdplab.exact.rational(x) for x in (task.prior_temperature, task.solution.multiplier))
    prior = mdplab.exact.soft_control(with_reward(task.mdp, task.auxiliary_reward), temperature=alpha)
    found = mdplab.exact.residual_control(
        task.mdp,
        task.mdp.reward,
        prior.log_policy,
        prior_weight=price * alpha,
        temperature=mdplab.exact.rational(task.temperature),
    )
    return np.asarray(mdplab.exact.exp(found.log_policy))
