"""Mean divergences of cloned policies in balls: binomial sums, and all data sets."""

from __future__ import annotations

from itertools import combinations_with_replacement, product
from math import comb, factorial
from typing import Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.soft_residual.cloning_instances import CloningTask

# --- binomial sums --------------------------------------------------------------------------------------------------


def expectation(values: Array, probability: Any) -> Any:
    """Mean of a function of a binomial count."""
    count, other = len(values) - 1, 1 - probability
    weights = [comb(count, k) * probability**k * other ** (count - k) for k in range(count + 1)]
    return (np.array(weights, dtype=object) * values).sum()


def logs(count: int, shift: int) -> Array:
    """``log(k + shift)`` for counts up to ``count``."""
    return np.asarray(mdplab.exact.log(np.arange(count + 1) + shift))


def state_laws(task: CloningTask) -> Array:
    """Laws of the expert's state."""
    return np.asarray(mdplab.exact.stage_laws(task.mdp, task.expert)[:-1])


def expected_divergence(task: CloningTask) -> Any:
    """Each count by itself: E log(n + A) - E log(k + 1)."""
    laws, actions = mdplab.exact.laws(task.expert), task.mdp.n_actions
    total = mdplab.exact.ball(0)
    for place, d in np.ndenumerate(state_laws(task)):
        visits = expectation(logs(task.count, actions), mdplab.exact.ball(d))
        for p in laws[place]:
            if p != 0:
                taken = expectation(logs(task.count, 1), mdplab.exact.ball(d * p))
                total = total + d * p * (mdplab.exact.log(p) + visits - taken)
    return total


def middle_term(task: CloningTask) -> Any:
    """``d E log((n + A) / (n + 1))``."""
    gains = logs(task.count, task.mdp.n_actions) - logs(task.count, 1)
    return sum(d * expectation(gains, mdplab.exact.ball(d)) for d in state_laws(task).flat)


def both_terms(task: CloningTask) -> Array:
    """Expected divergence and middle term."""
    return np.array([expected_divergence(task), middle_term(task)], dtype=object)


def bound(task: CloningTask) -> Any:
    """``S (A - 1) H / (N + 1)``."""
    size = task.mdp.n_states * (task.mdp.n_actions - 1) * task.mdp.horizon
    return mdplab.exact.rational(size) / (task.count + 1)


def closed_bound(task: CloningTask) -> Array:
    """The bound of both terms."""
    return np.array([bound(task)] * 2, dtype=object)


# --- all data sets --------------------------------------------------------------------------------------------------


def data_sets(task: CloningTask) -> tuple[Array, Array]:
    """Law of the data sets ``(M,)``, and the policy cloned from each, ``(M, H, S, A)``."""
    twin, expert = mdplab.exact.ExactHorizon.of(task.mdp), mdplab.exact.laws(task.expert)
    horizon, n, m = expert.shape
    start = mdplab.exact.laws(task.mdp.start_law())
    seen, chances = [], []
    for pairs in product(product(range(n), range(m)), repeat=horizon):
        chance = start[pairs[0][0]]
        for h, (state, action) in enumerate(pairs):
            chance = chance * expert[h, state, action]
            if h + 1 < horizon:
                chance = chance * twin.transition[h, state, action, pairs[h + 1][0]]
        if chance != 0:
            table = np.zeros((horizon, n, m), dtype=int)
            for h, pair in enumerate(pairs):
                table[h][pair] = 1
            seen.append(table)
            chances.append(chance)
    law, cloned = [], []
    for drawn in combinations_with_replacement(range(len(seen)), task.count):
        weight = mdplab.exact.rational(factorial(task.count))
        for number in set(drawn):
            weight = weight / factorial(drawn.count(number))
        for number in drawn:
            weight = weight * chances[number]
        added = mdplab.exact.rational(sum(seen[number] for number in drawn) + 1)
        law.append(weight)
        cloned.append(added / added.sum(axis=-1, keepdims=True))
    return np.array(law, dtype=object), np.array(cloned, dtype=object)


def mean_over_data_sets(task: CloningTask) -> Any:
    """Mean of the divergence from each cloned policy."""
    chance, cloned = data_sets(task)
    rows = mdplab.exact.kl(mdplab.exact.laws(task.expert), cloned)
    return (chance * (state_laws(task) * rows).sum(axis=(1, 2))).sum()


def learner_losses(task: CloningTask) -> Array:
    """Mean suboptimality of the regularised optimum, without and with its penalty."""
    chance, cloned = data_sets(task)
    twin, tau = mdplab.exact.ExactHorizon.of(task.mdp), mdplab.exact.rational(task.weight)
    start = mdplab.exact.laws(task.mdp.start_law())
    value, plain = (mdplab.exact.ball(np.zeros((len(cloned), start.size))) for _ in range(2))
    for h in reversed(range(twin.horizon)):
        worth, gain = (
            twin.reward[h] + (twin.transition[h] * after[:, np.newaxis, np.newaxis]).sum(axis=-1)
            for after in (value, plain)
        )
        weights = cloned[:, h] * mdplab.exact.exp(worth / tau)
        total = weights.sum(axis=-1)
        value = tau * mdplab.exact.log(total)
        plain = (weights * gain).sum(axis=-1) / total
    best = (start * mdplab.exact.backward_induction(task.mdp).value[0]).sum()
    return np.array([best - (chance * (v * start).sum(axis=-1)).sum() for v in (plain, value)], dtype=object)


def learner_bounds(task: CloningTask) -> Array:
    """Expert gap plus lambda times the bound, and times the expected divergence."""
    twin, tau = mdplab.exact.ExactHorizon.of(task.mdp), mdplab.exact.rational(task.weight)
    start = mdplab.exact.laws(task.mdp.start_law())
    best = (start * mdplab.exact.backward_induction(task.mdp).value[0]).sum()
    pairs = state_laws(task)[:, :, np.newaxis] * mdplab.exact.laws(task.expert)
    gap = best - (pairs * twin.reward).sum()
    return np.array([gap + tau * bound(task), gap + tau * expected_divergence(task)], dtype=object)
