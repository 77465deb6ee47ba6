"""Conditioning on a label in exact numbers: rational laws of sequences, logarithms as balls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.distributional.latent_laws import over

if TYPE_CHECKING:
    from proofs_check.distributional.korbak2023_conditional_training import LabelTask, RewardTask


def _read(task: LabelTask) -> tuple[Array, Array]:
    return mdplab.exact.laws(task.base), mdplab.exact.rational(task.good)


def conditional(task: LabelTask) -> Array:
    """Bayes' rule: the base given the good label."""
    base, good = _read(task)
    return np.asarray(base * good / (base * good).sum())


def _divergences(laws: Array, other: Array) -> Array:
    """``KL(p, q)`` of every law from one."""
    return np.array([mdplab.exact.kl(p, other) for p in laws], dtype=object)


def _policies(task: LabelTask) -> Array:
    return np.concatenate((mdplab.exact.laws(task.policies), [conditional(task)]))


def objectives(task: LabelTask) -> Array:
    """``E log g - KL(pi, p_0)`` of every policy and of the conditional."""
    base, good = _read(task)
    laws = _policies(task)
    return np.asarray((laws * mdplab.exact.log(good)).sum(axis=1) - _divergences(laws, base))


def values_less_deficits(task: LabelTask) -> Array:
    """``log Z - KL(pi, pi_c)`` of every policy and of the conditional."""
    base, good = _read(task)
    found = mdplab.exact.log((base * good).sum())
    return np.asarray(found - _divergences(_policies(task), conditional(task)))


def conditional_of_reward(task: RewardTask) -> Array:
    """Bayes' rule with the label ``exp((r - r_max) / beta)``."""
    base, reward = mdplab.exact.laws(task.base), mdplab.exact.rational(task.reward)
    weights = base * mdplab.exact.exp((reward - reward.max()) / mdplab.exact.rational(task.temperature))
    return np.asarray(weights / weights.sum())


def tilt_by_soft_control(task: RewardTask) -> Array:
    """Product of the token laws of soft control on the tree of tokens."""
    tokens = np.full(task.tree.transition.shape[:2], mdplab.exact.rational(1) / task.n_tokens)
    own = token_laws(mdplab.exact.laws(task.base), task.n_tokens)
    tokens[: len(own)] = own
    found = mdplab.exact.soft_backward_induction(
        task.tree,
        temperature=mdplab.exact.rational(task.temperature),
        log_reference=mdplab.exact.log(tokens),
    )
    logs, start = np.zeros(1, dtype=int).astype(object), 0
    for h in range(task.tree.horizon):
        rows = found.log_policy[h, start : start + len(logs)]
        start += len(logs)
        logs = (logs[:, np.newaxis] + rows).ravel()
    return np.asarray(mdplab.exact.exp(logs))


def token_laws(law: Array, n_tokens: int) -> Array:
    """Law of the next token after each prefix, by length and then in lexicographic order; zero after impossible ones."""
    rows, prefixes = [], 1
    while prefixes < law.size:
        mass = law.reshape(prefixes, n_tokens, -1).sum(axis=-1)
        rows.append(over(mass, mass.sum(axis=1, keepdims=True)))
        prefixes *= n_tokens
    return np.concatenate(rows)


def prefix_worths(tokens: Array, good: Array, n_tokens: int) -> list[Array]:
    """``P(good | prefix)`` of all prefixes, by length: a backward recursion over the token laws."""
    worths, end = [good], len(tokens)
    while worths[0].size > 1:
        count = worths[0].size // n_tokens
        rows = tokens[end - count : end]
        worths.insert(0, (rows * worths[0].reshape(count, n_tokens)).sum(axis=1))
        end -= count
    return worths


def reweighted_tokens(tokens: Array, good: Array, n_tokens: int) -> Array:
    """``p_0(token | prefix) P(good | longer prefix) / P(good | prefix)``."""
    worths = prefix_worths(tokens, good, n_tokens)
    after = np.concatenate([worth.reshape(-1, n_tokens) for worth in worths[1:]])
    return over(tokens * after, np.concatenate(worths[:-1])[:, np.newaxis])


def tokens_of_the_conditional(task: LabelTask) -> Array:
    """Token laws of the conditional, from sums over sequences."""
    return token_laws(conditional(task), task.n_tokens)


def tokens_by_worth(task: LabelTask) -> Array:
    """Token laws of the base, each token weighed by what it does to the probability of the label."""
    base, good = _read(task)
    return reweighted_tokens(token_laws(base, task.n_tokens), good, task.n_tokens)


def worth_given_good(task: LabelTask) -> Any:
    """``E g`` under the conditional."""
    return [(conditional(task) * mdplab.exact.rational(task.good)).sum()]


def worth(task: LabelTask) -> Any:
    """``E g`` under the base, token by token."""
    base, good = _read(task)
    return prefix_worths(token_laws(base, task.n_tokens), good, task.n_tokens)[0]
