"""Guided roll-outs in rationals: values on one side, occupancies on the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array

if TYPE_CHECKING:
    from mdplab.exact import ExactMDP
    from proofs_check.dual_rl.rollout_tasks import RolloutTask


def read(task: RolloutTask) -> tuple[ExactMDP, Array, Array]:
    """The model, learner and guide."""
    twin = mdplab.exact.ExactMDP.of(task.mdp)
    return twin, mdplab.exact.laws(task.learner), mdplab.exact.laws(task.guide)


def mean(twin: ExactMDP, policy: Array, reward: Array, start: Array | None = None) -> Any:
    """Mean of a reward of states under the normalised occupancy, over 1 - gamma."""
    return mdplab.exact.state_occupancy(twin, policy, initial=start, normalised=False) @ reward


def difference_of_values(task: RolloutTask) -> Any:
    """Start value of the learner less that of the guide."""
    twin, learner, guide = read(task)
    own, other = (mdplab.exact.policy_evaluation(twin, p).value for p in (learner, guide))
    return (own - other) @ twin.initial


def lemma(task: RolloutTask) -> Any:
    """Mean advantage of the learner over the guide."""
    twin, learner, guide = read(task)
    q = mdplab.exact.policy_evaluation(twin, guide).q
    return mean(twin, learner, ((learner - guide) * q).sum(axis=1))


def guide_value(task: RolloutTask) -> Array:
    """Value of the guide."""
    twin, _, guide = read(task)
    return mdplab.exact.policy_evaluation(twin, guide).value


def greedy_value(task: RolloutTask) -> Array:
    """Value of the greedy policy of the guide's action values."""
    twin, _, guide = read(task)
    best = mdplab.exact.policy_evaluation(twin, guide).q.argmax(axis=1)
    greedy = mdplab.exact.rational(np.eye(twin.n_actions, dtype=int)[best])
    return mdplab.exact.policy_evaluation(twin, greedy).value


def local(twin: ExactMDP, policy: Array) -> Array:
    """``max Q - V`` of a policy."""
    found = mdplab.exact.policy_evaluation(twin, policy)
    return np.asarray(found.q.max(axis=1) - found.value)


def loss_and_local_regret(task: RolloutTask) -> Any:
    """b times the loss against the guide, and 1 - b times the local regret."""
    twin, learner, _ = read(task)
    share = mdplab.exact.rational(task.share)
    return -share * difference_of_values(task) + (1 - share) * mean(twin, learner, local(twin, learner))


def regret(task: RolloutTask) -> Any:
    """Regret against separate maxima."""
    twin, learner, guide = read(task)
    share = mdplab.exact.rational(task.share)
    guided, own = (mdplab.exact.policy_evaluation(twin, p).q for p in (guide, learner))
    best = share * guided.max(axis=1) + (1 - share) * own.max(axis=1)
    return mean(twin, learner, best - (learner * (share * guided + (1 - share) * own)).sum(axis=1))


def optimal_policy(task: RolloutTask) -> Array:
    """The optimal policy that the float solver found, proven optimal."""
    twin = mdplab.exact.ExactMDP.of(task.mdp)
    actions = task.optimum.policy.argmax(axis=1)
    if not mdplab.exact.policy_iteration(twin).optimal[np.arange(twin.n_states), actions].all():
        raise ValueError("the policy is not optimal")
    return np.asarray(mdplab.exact.rational(np.eye(twin.n_actions, dtype=int)[actions]))


def loss(task: RolloutTask) -> Any:
    """Start value of the optimum less that of the learner."""
    twin, learner, _ = read(task)
    best = mdplab.exact.policy_iteration(twin).value
    return (best - mdplab.exact.policy_evaluation(twin, learner).value) @ twin.initial


def restart(task: RolloutTask) -> Array:
    """The restart law."""
    twin, _, guide = read(task)
    share = mdplab.exact.rational(task.restart)
    return np.asarray((1 - share) * twin.initial + share * mdplab.exact.state_occupancy(twin, guide))


def ratio(task: RolloutTask, law: Array) -> Any:
    """Largest ratio of the optimal occupancy to a law, where the law has mass."""
    best = mdplab.exact.state_occupancy(mdplab.exact.ExactMDP.of(task.mdp), optimal_policy(task))
    return max(d / q for d, q in zip(best, law, strict=True) if q != 0)


def first_bound(task: RolloutTask) -> Any:
    """epsilon / (1 - gamma) times the largest d* / d_rho."""
    twin, learner, _ = read(task)
    rho = restart(task)
    occupied = mdplab.exact.state_occupancy(twin, learner, initial=rho)
    return mean(twin, learner, local(twin, learner), rho) * ratio(task, occupied)


def second_bound(task: RolloutTask) -> Any:
    """epsilon / (1 - gamma)^2 times the largest d* / rho."""
    twin, learner, _ = read(task)
    rho = restart(task)
    return mean(twin, learner, local(twin, learner), rho) * ratio(task, rho) / (1 - twin.discount)
