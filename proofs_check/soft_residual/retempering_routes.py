"""Both sides of the statements on another temperature for a task known by its policy alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import Side, rounding
from mdplab.operators import log_tilt
from mdplab.solvers import ControlSolution
from proofs_check.soft_residual.instances import CustomisationTask

__all__ = [
    "COLD",
    "cold_policy",
    "customised_policy",
    "gap_bound",
    "hard_policy",
    "kept_exponent",
    "kept_policy",
    "new_temperature",
    "policy_at_new_temperature",
    "policy_of_ratios",
    "prior_exponent",
    "prior_policy",
    "residual",
    "retempered_from_gaps",
    "retempered_policy",
    "soft_from_gaps",
    "tempered_policy",
    "without_reward",
]


def residual(
    task: CustomisationTask, log_prior: FloatArray, reward: FloatArray, temperature: float
) -> ControlSolution:
    """Residual soft Q iteration: sees neither the inherent reward nor its temperature."""
    return solvers.residual_q_learning(
        task.mdp.replace(reward=np.zeros_like(reward)),
        reward,
        log_prior,
        prior_weight=task.prior_weight,
        temperature=temperature,
        tol=1e-12,
    )


def without_reward(task: CustomisationTask, temperature: float) -> ControlSolution:
    """Residual soft Q iteration without add-on reward."""
    return residual(task, task.prior.log_policy, np.zeros_like(task.mdp.reward), temperature)


def kept_policy(task: CustomisationTask) -> Side:
    """Residual soft Q iteration at the temperature omega': its policy."""
    found = without_reward(task, task.prior_weight)
    return Side(found.policy, found.policy_error + task.prior_error / (2 * task.prior_weight))


def prior_policy(task: CustomisationTask) -> Side:
    """The prior itself."""
    return Side(task.prior.policy, rounding(1 + np.abs(task.prior.log_policy).max(), 8))


def kept_exponent(task: CustomisationTask) -> Side:
    """Residual soft Q iteration at the temperature omega': Q_R + omega' log pi."""
    found, logs = without_reward(task, task.prior_weight), task.prior_weight * task.prior.log_policy
    error = found.q_error + task.prior_error
    return Side(found.q + logs, error + rounding(np.abs(logs).max() + np.abs(found.q).max(), 2))


def prior_exponent(task: CustomisationTask) -> Side:
    """omega' log pi."""
    logs = task.prior_weight * task.prior.log_policy
    return Side(logs, rounding(logs, 2))


def retempered_policy(task: CustomisationTask) -> Side:
    """Residual soft Q iteration without add-on reward: its policy."""
    found = without_reward(task, task.temperature)
    return Side(found.policy, found.policy_error + task.prior_error / (2 * task.temperature))


def new_temperature(task: CustomisationTask) -> float:
    """``alpha alpha-hat / omega'``."""
    return task.prior_temperature * task.temperature / task.prior_weight


def policy_at_new_temperature(task: CustomisationTask) -> Side:
    """Soft value iteration on r at the temperature alpha alpha-hat / omega'."""
    found = solvers.soft_value_iteration(task.mdp, temperature=new_temperature(task), tol=1e-12)
    # a temperature that is off by a factor 1 + e moves p by at most e p (|log p| + log A / (1 - gamma))
    entropies = np.log(task.mdp.n_actions) / (1 - task.mdp.discount)
    return Side(found.policy, found.policy_error + rounding(1 + 2 * entropies, 8))


def distance_from_gaps(
    task: CustomisationTask, soft: ControlSolution, hard: ControlSolution, error: float
) -> Side:
    """Largest distance of temperature times log-odds against the greedy action from the gaps of the hard optimum."""
    best = hard.q.argmax(axis=1)[:, np.newaxis]
    logs, temperature = soft.log_policy, new_temperature(task)
    odds = temperature * (logs - np.take_along_axis(logs, best, axis=1))
    gaps = np.take_along_axis(hard.q, best, axis=1) - hard.q
    size = temperature * np.abs(logs).max() + np.abs(hard.q).max()
    error += 2 * (temperature * soft.log_policy_error + hard.q_error) + float(rounding(size, 8))
    return Side(np.abs(odds + gaps).max(), error)


def retempered_from_gaps(task: CustomisationTask) -> Side:
    """Residual soft Q iteration against policy iteration: tempered log-odds less gaps."""
    prior = 2 * task.prior_error / task.reward_weight
    hard = solvers.policy_iteration(task.mdp)
    return distance_from_gaps(task, without_reward(task, task.temperature), hard, prior)


def soft_from_gaps(task: CustomisationTask) -> Side:
    """Soft value iteration at the new temperature against value iteration: tempered log-odds less gaps."""
    soft = solvers.soft_value_iteration(task.mdp, temperature=new_temperature(task), tol=1e-12)
    hard = solvers.value_iteration(task.mdp, tol=1e-12)
    entropies = new_temperature(task) * np.log(task.mdp.n_actions) / (1 - task.mdp.discount)
    return distance_from_gaps(task, soft, hard, float(rounding(4 * entropies, 8)))


def gap_bound(task: CustomisationTask, horizon: bool = True) -> Side:
    """gamma log A / (1 - gamma), times the new temperature."""
    discount = task.mdp.discount
    factor = discount / (1 - discount) if horizon else discount
    value = new_temperature(task) * factor * np.log(task.mdp.n_actions)
    return Side(value, rounding(value, 8))


COLD = (1e-3, 1e-4)


def cold_policy(task: CustomisationTask) -> Side:
    """Residual soft Q iteration without add-on reward at the temperatures 1e-3 and 1e-4."""
    sides = [retempered_policy(replace(task, temperature=temperature)) for temperature in COLD]
    return Side(np.array([side.value for side in sides]), max(float(np.max(side.error)) for side in sides))


def hard_policy(task: CustomisationTask) -> Side:
    """Policy iteration on r."""
    return Side(np.array([solvers.policy_iteration(task.mdp).policy] * len(COLD)))


def customised_policy(task: CustomisationTask) -> Side:
    """Residual soft Q iteration with the add-on reward."""
    found = residual(task, task.prior.log_policy, task.residual_reward, task.temperature)
    return Side(found.policy, found.policy_error)


def policy_of_ratios(task: CustomisationTask) -> Side:
    """Soft policy iteration at temperature 1: sees r_R / alpha-hat and omega' / alpha-hat log pi only."""
    reward = task.residual_reward / task.temperature
    reference = task.prior_weight / task.temperature * task.prior.log_policy
    found = solvers.soft_policy_iteration(
        task.mdp.replace(reward=reward), temperature=1.0, log_reference=reference, tol=1e-9
    )
    wrong = float(rounding(np.abs(reward).max() + np.abs(reference).max(), 4)) / (1 - task.mdp.discount)
    return Side(found.policy, found.policy_error + wrong / 2)


def tempered_policy(task: CustomisationTask) -> Side:
    """The prior to the power omega' / alpha-hat, normalised state by state."""
    power = task.prior_weight / task.temperature
    logs = log_tilt(power * task.prior.log_policy)
    size = power * np.abs(task.prior.log_policy)
    return Side(np.exp(logs), rounding(1 + size.max(), 8))
