"""Routes of the claim on interventions: policies evaluated one by one, by their visits, or all at once by policy iteration."""

from __future__ import annotations

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import Side
from mdplab.claims.tolerances import rounding
from mdplab.models import MDP
from mdplab.operators import action_values, state_occupancy
from proofs_check.dual_rl.guidance_tasks import (
    InterventionTask,
    evaluated,
    kernels,
    mean_reward,
    solved,
    visits,
)

# --- (i): the reward of interventions --------------------------------------------------------------------------------


def charged(task: InterventionTask) -> MDP:
    """The model with the reward -I."""
    return task.mdp.replace(reward=-task.interrupted.astype(float))


def optimal_under_charges(task: InterventionTask) -> Side:
    """Policy iteration on -I: largest values, and which deterministic policies attain them (1 or 0)."""
    best = solvers.policy_iteration(charged(task))
    reward = -(task.everyone * task.interrupted).sum(axis=-1)
    values, error = solved(task.mdp, task.everyone, reward)
    short = (best.value - values).max(axis=1)  # 0, or at least 1: an interruption costs 1 in its own state
    bound = best.certificate.bound
    doubt = (short > error + bound) & (short < 1 - error - bound)
    return Side(np.append(best.value, short < 0.5), np.append(np.full(best.value.size, bound), doubt))


def never_interrupted(task: InterventionTask) -> Side:
    """Zero, and which deterministic policies play no pair at which the expert steps in (1 or 0)."""
    free = ~(task.everyone[:, task.interrupted] > 0).any(axis=1)
    return Side(np.append(np.zeros(task.mdp.n_states), free))


# --- (ii), (iii): against the expert ---------------------------------------------------------------------------------


def compared_values(task: InterventionTask) -> tuple[FloatArray, FloatArray, float]:
    """Values of the compared policies (N, S) and of the expert (S,), with their error: one solve each."""
    expert = task.expert_policy
    values, error = evaluated(task.mdp, task.policies)
    own, own_error = evaluated(task.mdp, expert)
    return values, own, error + own_error


def largest_loss(task: InterventionTask) -> Side:
    """Largest V^E - V^pi over the uninterrupted policies, all of them evaluated."""
    values, own, error = compared_values(task)
    return Side((own - values).max(axis=0), error + task.tolerance)


def restricted_model(task: InterventionTask, sign: float) -> MDP:
    """The model with the actions alone that the compared policies may play, and its reward or the opposite."""
    mdp = task.mdp
    return MDP(mdp.transition, sign * mdp.reward, mdp.discount, mdp.initial, available=task.compared)


def expert_value(task: InterventionTask) -> Side:
    """Value of the expert, by certified evaluation."""
    found = solvers.policy_evaluation(task.mdp, task.expert_policy)
    return Side(found.value, found.certificate.bound)


def loss_of_worst(task: InterventionTask) -> Side:
    """V^E less the least value that uninterrupted actions can have, by policy iteration."""
    worst, own = solvers.policy_iteration(restricted_model(task, -1.0)), expert_value(task)
    error = worst.certificate.bound + np.asarray(own.error) + task.tolerance
    return Side(np.asarray(own.value) + worst.value, error + rounding(np.abs(worst.value).max(), 2))


def price(task: InterventionTask) -> Side:
    """delta / (1 - gamma), in every state."""
    value = task.margin / (1 - task.mdp.discount)
    return Side(np.full(task.mdp.n_states, value), rounding(value, 4))


def best_value(task: InterventionTask) -> Side:
    """Largest value over the uninterrupted policies, all of them evaluated."""
    values, _, error = compared_values(task)
    return Side(values.max(axis=0), error + task.tolerance)


def best_by_iteration(task: InterventionTask) -> Side:
    """Largest value that uninterrupted actions can have, by policy iteration."""
    found = solvers.policy_iteration(restricted_model(task, 1.0))
    return Side(found.value, found.certificate.bound + task.tolerance)


def expert_return(task: InterventionTask) -> Side:
    """Value of the expert, by its visits from every state."""
    reach, error = visits(task.mdp, task.expert_policy)
    value = reach @ mean_reward(task.mdp, task.expert_policy)
    return Side(
        value, error * np.abs(task.mdp.reward).max() + rounding(np.abs(value).max(), task.mdp.n_states + 4)
    )


# --- (iv): any reference ---------------------------------------------------------------------------------------------


def uninterrupted_values(task: InterventionTask) -> Side:
    """Values of the uninterrupted policies, one solve each."""
    values, error = evaluated(task.mdp, task.policies)
    return Side(values, error + task.tolerance)


def uninterrupted_returns(task: InterventionTask) -> Side:
    """Values of the uninterrupted policies, by their visits from every state."""
    reach, error = visits(task.mdp, task.policies)
    value = np.einsum("nst,nt->ns", reach, mean_reward(task.mdp, task.policies))
    size = rounding(np.abs(value).max(), task.mdp.n_states + task.mdp.n_actions + 4)
    return Side(value, error * np.abs(task.mdp.reward).max() + size + task.tolerance)


def expert_gain(task: InterventionTask) -> tuple[FloatArray, FloatArray, float]:
    """Reference value, ``Q^ref(s, pi_E) - V^ref(s)`` and the error of either."""
    value, q = task.judged.value, task.judged.q
    own = np.take_along_axis(q, task.expert[:, np.newaxis], axis=1)[:, 0]
    error = task.judged.certificate.bound + task.judged.q_error + rounding(np.abs(q).max(), 2)
    return value, own - value, float(error)


def guaranteed(task: InterventionTask) -> Side:
    """V^ref plus the expert's advantage at the visits of pi from every state, less delta / (1 - gamma)."""
    value, gain, doubt = expert_gain(task)
    reach, error = visits(task.mdp, task.policies)
    total = value + reach @ gain - task.margin / (1 - task.mdp.discount)
    size = rounding(
        np.abs(value).max() + np.abs(gain).max() / (1 - task.mdp.discount) + 1, task.mdp.n_states + 8
    )
    return Side(total, error * np.abs(gain).max() + 2 * doubt / (1 - task.mdp.discount) + size)


def guaranteed_by_values(task: InterventionTask) -> Side:
    """V^ref plus the value of the expert's advantage as a reward, less delta / (1 - gamma)."""
    kernel = kernels(task.mdp, task.judge)
    reward = mean_reward(task.mdp, task.judge)
    value, first = solved(task.mdp, task.judge, reward)
    q = action_values(task.mdp, value)
    gain = q[np.arange(task.mdp.n_states), task.expert] - reward - task.mdp.discount * kernel @ value
    added, second = solved(task.mdp, task.policies, gain)
    doubt = 4 * first / (1 - task.mdp.discount) + second
    return Side(value + added - task.margin / (1 - task.mdp.discount), doubt)


# --- (v): disagreement -----------------------------------------------------------------------------------------------


def all_and_learner(task: InterventionTask) -> FloatArray:
    """All deterministic policies and the learner, shape (N + 1, S, A)."""
    return np.concatenate([task.everyone, task.learner[np.newaxis]])


def start_loss(task: InterventionTask) -> Side:
    """Start value of the expert less those of all policies, one solve each."""
    policies, start = all_and_learner(task), task.mdp.start_law()
    values, error = evaluated(task.mdp, policies)
    own, own_error = evaluated(task.mdp, task.expert_policy)
    return Side((own - values) @ start, error + own_error + rounding(np.abs(values).max(), 8))


def start_loss_by_visits(task: InterventionTask) -> Side:
    """Start value of the expert less those of all policies, by visits."""
    policies, start = all_and_learner(task), task.mdp.start_law()
    reach, error = visits(task.mdp, policies)
    returns = np.einsum("s,nst,nt->n", start, reach, mean_reward(task.mdp, policies))
    own = expert_return(task)
    size = rounding(np.abs(returns).max(), 2 * task.mdp.n_states + 8)
    total = error * np.abs(task.mdp.reward).max() + np.max(own.error) + size
    return Side(start @ np.asarray(own.value) - returns, total)


def disagreement_price(task: InterventionTask) -> Side:
    """On-policy disagreement times max(V^E - Q^E) over 1 - gamma, by occupancies."""
    policies, mdp = all_and_learner(task), task.mdp
    found = solvers.policy_evaluation(mdp, task.expert_policy)
    worst = float((found.value[:, np.newaxis] - found.q).max())
    off = (policies * (1 - task.expert_policy)).sum(axis=-1)
    share = np.array([state_occupancy(mdp, p) @ row for p, row in zip(policies, off, strict=True)])
    scale = 1 / (1 - mdp.discount)
    error = (found.certificate.bound + found.q_error) * scale + float(rounding((1 + worst) * scale**2, 64))
    return Side(share * worst * scale, error)


def disagreement_price_by_values(task: InterventionTask) -> Side:
    """On-policy disagreement times max(V^E - Q^E) over 1 - gamma, as a value."""
    policies, mdp = all_and_learner(task), task.mdp
    own, first = evaluated(mdp, task.expert_policy)
    worst = float((own[:, np.newaxis] - action_values(mdp, own)).max())
    cost, second = solved(mdp, policies, (policies * (1 - task.expert_policy)).sum(axis=-1))
    start = mdp.start_law()
    error = 2 * (first + float(rounding(np.abs(own).max(), 8))) / (1 - mdp.discount) + second * abs(worst)
    return Side((cost @ start) * worst, error)
