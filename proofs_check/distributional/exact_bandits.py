"""Bandits of a finite prior in exact numbers: posteriors as rationals, the regret of posterior sampling as balls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array

if TYPE_CHECKING:
    from proofs_check.distributional.bandit_contexts import BanditTask

Counts = tuple[int, ...]


def data(task: BanditTask) -> tuple[Array, Array, Array]:
    """Prior, means, and the indicator of the optimal arm."""
    return mdplab.exact.laws(task.prior), mdplab.exact.rational(task.means), task.optimal.astype(int)


def share(weights: Array, optimal: Array) -> Any:
    """Probability that arm 0 is optimal under weights of the environments."""
    return (weights * optimal[:, 0]).sum() / weights.sum()


def likelihoods(means: Array, counts: Counts) -> Array:
    """Probability of rewards with these numbers of successes and failures, by environment."""
    arms = [means[:, a] ** counts[a] * (1 - means[:, a]) ** counts[2 + a] for a in range(2)]
    return np.asarray(arms[0] * arms[1])


def posterior_shares(task: BanditTask) -> Array:
    """Probability that arm 0 is optimal given each context that occurs, from its counts."""
    prior, means, optimal = data(task)
    found = []
    for pairs in task.contexts[task.occurring]:
        counts = tuple(int((pairs == pair).sum()) for pair in (1, 3, 0, 2))
        found.append(share(prior * likelihoods(means, counts), optimal))
    return np.array(found)


def fitted_shares(task: BanditTask) -> Array:
    """Share of the label 0 in the joint law of contexts and labels: where the derivative of the log-loss vanishes."""
    prior, means, optimal = data(task)
    behaviour = mdplab.exact.rational(task.behaviour)
    found = []
    for pairs in task.contexts[task.occurring]:
        weights, history, first = prior, 0, 0
        for depth, pair in enumerate(pairs):
            arm, reward = divmod(int(pair), 2)
            taken = behaviour[:, first + history]
            weights = weights * (1 - taken if arm else taken)
            weights = weights * (means[:, arm] if reward else 1 - means[:, arm])
            history, first = 4 * history + int(pair), first + 4**depth
        found.append(share(weights, optimal))
    return np.array(found)


def regrets(task: BanditTask, horizon: int) -> Array:
    """Regret of posterior sampling after 1, ..., ``horizon`` pulls, over counts."""
    prior, means, optimal = data(task)
    gaps = mdplab.exact.rational(task.size) * (means.max(axis=1, keepdims=True) - means)
    ways: dict[Counts, Any] = {(0, 0, 0, 0): mdplab.exact.ball(1)}
    total, found = mdplab.exact.rational(0), []
    for _ in range(horizon):
        following: dict[Counts, Any] = {}
        for counts, number in ways.items():
            weights = prior * likelihoods(means, counts)
            if weights.sum() == 0:
                continue
            policy = weights @ optimal / weights.sum()
            total = total + number * (weights @ gaps @ policy)
            for i in range(4):
                if policy[i % 2] != 0:
                    child = (*counts[:i], counts[i] + 1, *counts[i + 1 :])
                    following[child] = following.get(child, 0) + number * policy[i % 2]
        ways = following
        found.append(total)
    return np.array(found)


def bounds(task: BanditTask, horizon: int) -> Array:
    """The square root of the entropy of the optimal arm times the number of pulls."""
    prior, _, optimal = data(task)
    masses = prior @ optimal
    entropy = -mdplab.exact.xlogy(masses, masses).sum()
    return np.array([mdplab.exact.sqrt(entropy * t) for t in range(1, horizon + 1)])
