"""Interventions in rationals: every policy evaluated, by values on one side and by visits on the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array, BoolArray

if TYPE_CHECKING:
    from mdplab.exact import ExactMDP
    from proofs_check.dual_rl.guidance_tasks import InterventionTask


def interrupted(task: InterventionTask) -> BoolArray:
    """Pairs at which the expert steps in, without tolerance."""
    q = mdplab.exact.policy_evaluation(task.mdp, task.judge).q
    own = q[np.arange(len(q)), task.expert][:, np.newaxis]
    return np.asarray(own > q + mdplab.exact.rational(task.margin), dtype=bool)


def compared(task: InterventionTask) -> Array:
    """The compared deterministic policies, and the learner restricted to what they play."""
    allowed = ~interrupted(task) if task.patient else np.ones(task.mdp.reward.shape, dtype=bool)
    deterministic = task.everyone[~(task.everyone[:, ~allowed] > 0).any(axis=1)].astype(int)
    rows = mdplab.exact.laws(task.learner) * allowed.astype(int)
    mass = rows.sum(axis=1, keepdims=True)
    found = list(mdplab.exact.rational(deterministic))
    return np.array([*found, rows / mass] if (mass > 0).all() else found)


def values(twin: ExactMDP, policies: Array) -> Array:
    """Values of policies (N, S)."""
    return np.array([mdplab.exact.policy_evaluation(twin, policy).value for policy in policies])


def visits(twin: ExactMDP, policy: Array) -> Array:
    """Expected discounted visits of t from s."""
    starts = mdplab.exact.identity(twin.n_states)
    rows = [mdplab.exact.state_occupancy(twin, policy, initial=s, normalised=False) for s in starts]
    return np.array(rows)


def returns(twin: ExactMDP, policy: Array) -> Array:
    """Value of a policy by its visits."""
    return np.asarray(visits(twin, policy) @ mdplab.exact.induced(twin, policy)[1])


def optimal_under_charges(task: InterventionTask) -> Array:
    """Policy iteration on -I: largest values, and which deterministic policies attain them."""
    charged = task.mdp.replace(reward=-interrupted(task).astype(float))
    best = mdplab.exact.policy_iteration(charged).value
    attained = (values(mdplab.exact.ExactMDP.of(charged), task.everyone) == best).all(axis=1)
    return np.concatenate([best, mdplab.exact.rational(attained.astype(int))])


def never_interrupted(task: InterventionTask) -> Array:
    """Zero, and which deterministic policies play no pair at which the expert steps in."""
    free = ~(task.everyone[:, interrupted(task)] > 0).any(axis=1)
    return np.asarray(
        mdplab.exact.rational(np.append(np.zeros(task.mdp.n_states, dtype=int), free.astype(int)))
    )


def largest_loss(task: InterventionTask) -> Array:
    """Largest loss against the expert, all compared policies evaluated."""
    twin = mdplab.exact.ExactMDP.of(task.mdp)
    found = values(twin, compared(task))
    return np.asarray((values(twin, task.expert_policy[np.newaxis]) - found).max(axis=0))


def price(task: InterventionTask) -> Array:
    """``delta / (1 - gamma)``."""
    gamma = mdplab.exact.rational(task.mdp.discount)
    return np.full(task.mdp.n_states, mdplab.exact.rational(task.margin) / (1 - gamma))


def best_value(task: InterventionTask) -> Array:
    """Largest value, all compared policies evaluated."""
    return np.asarray(values(mdplab.exact.ExactMDP.of(task.mdp), compared(task)).max(axis=0))


def expert_value(task: InterventionTask) -> Array:
    """Value of the expert by its visits."""
    return returns(mdplab.exact.ExactMDP.of(task.mdp), task.expert_policy)


def uninterrupted_values(task: InterventionTask) -> Array:
    """Values of the compared policies."""
    return values(mdplab.exact.ExactMDP.of(task.mdp), compared(task))


def guaranteed(task: InterventionTask) -> Array:
    """The reference's value and the expert's advantage at the visits, less the price."""
    twin = mdplab.exact.ExactMDP.of(task.mdp)
    judged = mdplab.exact.policy_evaluation(twin, task.judge)
    gain = judged.q[np.arange(twin.n_states), task.expert] - judged.value
    return np.array([judged.value + visits(twin, p) @ gain - price(task) for p in compared(task)])


def everyone_and_learner(task: InterventionTask) -> list[Any]:
    """All deterministic policies and the learner."""
    return [*mdplab.exact.rational(task.everyone.astype(int)), mdplab.exact.laws(task.learner)]


def start_loss(task: InterventionTask) -> Array:
    """Start value of the expert less those of all policies."""
    twin = mdplab.exact.ExactMDP.of(task.mdp)
    own = values(twin, task.expert_policy[np.newaxis])
    return np.asarray((own - values(twin, np.array(everyone_and_learner(task)))) @ twin.initial)


def disagreement_price(task: InterventionTask) -> Array:
    """Disagreement on the occupancy times the largest regret of an action, over 1 - gamma."""
    twin = mdplab.exact.ExactMDP.of(task.mdp)
    own = mdplab.exact.policy_evaluation(twin, task.expert_policy)
    worst = (own.value[:, np.newaxis] - own.q).max()
    other = 1 - task.expert_policy.astype(int)
    shares = [
        mdplab.exact.state_occupancy(twin, p, normalised=False) @ (p * other).sum(axis=1)
        for p in everyone_and_learner(task)
    ]
    return np.asarray(np.array(shares) * worst)
