"""Groups of rollouts enumerated in rationals, with square roots as balls, against binomial sums."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import comb
from typing import Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.tilting.group_instances import GroupTask


def policy(task: GroupTask) -> Array:
    """``pi``."""
    return np.asarray(mdplab.exact.laws(task.policy))


def rewards(task: GroupTask) -> Array:
    """The rewards."""
    return np.asarray(mdplab.exact.rational(task.rewards))


def expectation(task: GroupTask, function: Callable[[list[int]], Any]) -> Any:
    """Expectation of a function of a group, over all groups."""
    pi = policy(task)
    total: Any = 0
    for group in product(range(pi.size), repeat=task.size):
        weight = pi[list(group)].prod()
        if weight != 0:
            total = total + weight * function(list(group))
    return total


def update(task: GroupTask, *, standardised: bool) -> Array:
    """Expectation of the mean of advantages times scores."""
    pi, r, unit = policy(task), rewards(task), mdplab.exact.identity(task.policy.size)

    def of_group(group: list[int]) -> Array:
        centred = r[group] - r[group].sum() / task.size
        variance = (centred * centred).sum() / task.size
        if variance == 0:
            return 0 * pi
        scale = mdplab.exact.sqrt(variance) if standardised else 1
        return np.asarray((centred[:, np.newaxis] * (unit[group] - pi)).sum(axis=0) / (task.size * scale))

    return np.asarray(expectation(task, of_group))


def standardised_update(task: GroupTask) -> Array:
    """(a): advantages over the population standard deviation."""
    return update(task, standardised=True)


def centred_update(task: GroupTask) -> Array:
    """(a): advantages without the division."""
    return update(task, standardised=False)


def success(task: GroupTask) -> Any:
    """``p``."""
    return policy(task) @ rewards(task)


def gradient(task: GroupTask) -> Array:
    """Gradient of the expected reward."""
    return np.asarray(policy(task) * (rewards(task) - success(task)))


def spread(task: GroupTask, size: int) -> Any:
    """``E sqrt(k (G - k))`` by the binomial law."""
    p = success(task)
    terms = [
        comb(size, k)
        * p**k
        * (1 - p) ** (size - k)
        * mdplab.exact.sqrt(mdplab.exact.rational(k * (size - k)))
        for k in range(1, size)
    ]
    return sum(terms[1:], terms[0])


def factor(task: GroupTask) -> Any:
    """``c_G(p)``."""
    p = success(task)
    return spread(task, task.size) / (task.size * p * (1 - p))


def scaled_gradient(task: GroupTask) -> Array:
    """(a): ``c_G(p)`` times the gradient."""
    return np.asarray(factor(task) * gradient(task))


def share_of_the_gradient(task: GroupTask) -> Array:
    """(a): ``(G - 1) / G`` times the gradient."""
    return np.asarray(gradient(task) * mdplab.exact.rational(task.size - 1) / task.size)


def jensen(task: GroupTask) -> Any:
    """(b): the bound."""
    p = success(task)
    return mdplab.exact.sqrt(mdplab.exact.rational(task.size - 1) / (task.size * p * (1 - p)))


def pair_factor(task: GroupTask) -> Any:
    """(b): ``c_2(p)``."""
    p = success(task)
    return spread(task, 2) / (2 * p * (1 - p))


def one(task: GroupTask) -> Any:
    """1."""
    return mdplab.exact.rational(1)


def silent_groups(task: GroupTask) -> Any:
    """(c): probability of equal rewards, over all groups."""
    return expectation(task, lambda group: int(len({task.rewards[a] for a in group}) == 1))


def silence(task: GroupTask) -> Any:
    """(c): ``p^G + (1 - p)^G``."""
    p = success(task)
    return p**task.size + (1 - p) ** task.size


def equal_records(task: GroupTask) -> Any:
    """(c): sum of the G-th powers of the probabilities."""
    return (policy(task) ** task.size).sum()
