"""Both routes of every statement about group-relative advantages, with their error bounds."""

from __future__ import annotations

import numpy as np

from mdplab._typing import FloatArray, IntArray
from mdplab.claims import Side, rounding
from mdplab.enumeration import expectation_over_groups
from mdplab.laws import log_binomial
from mdplab.numerics import complex_step_gradient
from mdplab.operators import group_advantages
from proofs_check.tilting.group_instances import GroupTask


def operations(task: GroupTask) -> int:
    """Of a sum over the groups of a product of probabilities with a mean of advantages times scores."""
    return 8 * task.size + 4 * task.policy.size + len(task.groups).bit_length() + 32


def expected_update(task: GroupTask, *, standardised: bool, repeats: int = 1) -> Side:
    def of_groups(groups: IntArray) -> FloatArray:
        groups = np.repeat(groups, repeats, axis=1)
        scores = np.eye(task.policy.size)[groups] - task.policy
        advantages = group_advantages(task.rewards[groups], standardised=standardised)
        return np.asarray((advantages[:, :, np.newaxis] * scores).mean(axis=1))

    value = expectation_over_groups(of_groups, task.policy, task.size // repeats)
    # the advantages of a group sum to zero and are at most sqrt(G - 1), or the range of the rewards
    largest = np.sqrt(task.size) if standardised else np.ptp(task.rewards)
    return Side(value, rounding(largest + np.abs(task.rewards).max(), operations(task)))


def standardised_update(task: GroupTask) -> Side:
    """Expected update with advantages over the population standard deviation, all groups enumerated."""
    return expected_update(task, standardised=True)


def centred_update(task: GroupTask) -> Side:
    """Expected update with rewards less the mean of their group, all groups enumerated."""
    return expected_update(task, standardised=False)


def factor(size: int, success: float, failure: float) -> Side:
    """``c_G(p)``; all terms are positive, so that its relative error is that of the largest logarithm."""
    rare = min(success, failure)  # c_G(p) = c_G(1 - p), and the smaller one is known to relative accuracy
    k = np.arange(1, size)
    logs = log_binomial(size, rare)[1:-1] + 0.5 * np.log(k * (size - k))
    value = float(np.exp(logs - np.log(rare) - np.log1p(-rare)).sum()) / size
    terms = 4 * (1.0 + size) * (1.0 + abs(float(np.log(rare))))
    return Side(value, rounding(value * terms, 8))


def binomial_factor(task: GroupTask) -> Side:
    """c_G(p) = E sqrt(k (G - k)) / (G p (1 - p)), by the binomial law."""
    return factor(task.size, task.success, task.failure)


def enumerated_factor(task: GroupTask) -> Side:
    """Mean standard deviation of all enumerated groups of failures and successes, over p (1 - p)."""
    coin = np.array([task.failure, task.success])
    spread = expectation_over_groups(lambda groups: groups.std(axis=1), coin / coin.sum(), task.size)
    value = float(spread) / (task.success * task.failure)
    return Side(value, rounding(value, 12 * task.size + 64))


def scaled_gradient(task: GroupTask) -> Side:
    """c_G(p) times the gradient of the success rate."""
    c = binomial_factor(task)
    error = np.asarray(c.error) * np.abs(task.gradient) + np.asarray(c.value) * rounding(
        1.0, operations(task)
    )
    return Side(np.asarray(c.value) * task.gradient, error)


def share_of_the_gradient(task: GroupTask) -> Side:
    """(G - 1) / G times the gradient of the expected reward."""
    value = (task.size - 1) / task.size * task.gradient
    return Side(value, rounding(2 * np.abs(task.rewards).max(), operations(task)))


def jensen(task: GroupTask) -> Side:
    """sqrt((G - 1) / (G p (1 - p)))."""
    value = np.sqrt((task.size - 1) / task.size / task.success / task.failure)
    return Side(value, rounding(value, 2 * task.policy.size + 16))


def pair_factor(task: GroupTask) -> Side:
    """c_2(p), by the binomial law."""
    return factor(2, task.success, task.failure)


def one(task: GroupTask) -> Side:
    """1."""
    return Side(1.0)


SIZES = np.array([64.0, 128.0, 256.0, 512.0])


def factors(task: GroupTask) -> Side:
    """c_G(p) for G = 64, 128, 256, 512, by the binomial law."""
    found = [factor(int(size), task.success, task.failure) for size in SIZES]
    return Side([float(np.asarray(c.value)) for c in found], [float(np.asarray(c.error)) for c in found])


def limit(task: GroupTask) -> Side:
    """1 / sqrt(p (1 - p))."""
    value = 1 / np.sqrt(task.success * task.failure)
    return Side(value, rounding(value, 2 * task.policy.size + 12))


def slope_of_the_objective(task: GroupTask) -> Side:
    """Complex-step derivative of 2 arcsin sqrt p."""
    value = complex_step_gradient(lambda p: 2 * np.arcsin(np.sqrt(p)), np.asarray(task.success))
    return Side(value, rounding(value / task.failure, 24))


def silent_groups(task: GroupTask) -> Side:
    """Probability of equal rewards, all groups enumerated."""
    value = expectation_over_groups(lambda g: np.ptp(task.rewards[g], axis=1) == 0, task.policy, task.size)
    return Side(value, rounding(1.0, operations(task)))


def silence(task: GroupTask) -> Side:
    """p^G + (1 - p)^G."""
    return Side(task.success**task.size + task.failure**task.size, rounding(1.0, operations(task)))


def equal_records(task: GroupTask) -> Side:
    """Sum of the G-th powers of the probabilities of the records."""
    return Side((task.policy**task.size).sum(), rounding(1.0, operations(task)))


def equal_records_enumerated(task: GroupTask) -> Side:
    """Probability of equal records, all groups enumerated."""
    value = expectation_over_groups(lambda g: np.ptp(g, axis=1) == 0, task.policy, task.size)
    return Side(value, rounding(1.0, operations(task)))
