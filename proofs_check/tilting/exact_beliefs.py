"""Bayes' rule and plans of queries in rationals."""

from __future__ import annotations

from typing import Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.tilting.belief_instances import BeliefTask, HintTask


def prior(task: BeliefTask) -> Array:
    """``p``."""
    return np.asarray(mdplab.exact.laws(task.prior))


def likelihood(task: BeliefTask) -> Array:
    """``L``."""
    return np.asarray(mdplab.exact.laws(task.likelihood))


def posterior(task: BeliefTask) -> Array:
    """``p(a | o)`` of the beliefs; the prior where an observation is impossible for them."""
    p, rows = prior(task), mdplab.exact.laws(task.likelihood if task.believed is None else task.believed)
    joint = p[:, np.newaxis] * rows
    evidence = joint.sum(axis=0)
    columns = [p if total == 0 else column / total for column, total in zip(joint.T, evidence, strict=True)]
    return np.array(columns, dtype=object).T


def evidence(task: BeliefTask) -> Array:
    """``L-bar``."""
    return np.asarray(prior(task) @ likelihood(task))


def gains(task: BeliefTask) -> Array:
    """(a): expected posterior of the truth less its prior."""
    return np.asarray((likelihood(task) * posterior(task)).sum(axis=1) - prior(task))


def scaled_chi_square(task: BeliefTask) -> Array:
    """(a): prior times chi-square."""
    rows = [mdplab.exact.chi_square(row, evidence(task)) for row in likelihood(task)]
    return np.asarray(prior(task) * np.array(rows, dtype=object))


def nothing(task: BeliefTask) -> Array:
    """Zero."""
    return np.asarray(mdplab.exact.rational(np.zeros(task.prior.size, dtype=int)))


def log_gains(task: BeliefTask) -> Array:
    """(b): expected logarithm of posterior over prior."""
    rows, ratio = likelihood(task), posterior(task) / prior(task)[:, np.newaxis]
    logs = mdplab.exact.log(np.where(rows == 0, rows + 1, ratio))
    return np.asarray((rows * logs).sum(axis=1))


def divergences(task: BeliefTask) -> Array:
    """(b): KL from the evidence."""
    return np.array([mdplab.exact.kl(row, evidence(task)) for row in likelihood(task)], dtype=object)


def mean_log_gain(task: BeliefTask) -> Any:
    """(b): average over the truths."""
    return prior(task) @ log_gains(task)


def information(task: BeliefTask) -> Any:
    """(b): entropy of the observation less its mean entropy given the label."""
    inner = np.array([mdplab.exact.entropy(row) for row in likelihood(task)], dtype=object)
    return mdplab.exact.entropy(evidence(task)) - prior(task) @ inner


def mean_posterior(task: BeliefTask) -> Array:
    """(c): posterior averaged over the observations."""
    return np.asarray(posterior(task) @ evidence(task))


# --- plans ----------------------------------------------------------------------------------------------------------


def confidence(task: HintTask, joint: Array) -> Any:
    """Expected posterior of the true label, times the probability of the answers so far."""
    weights = mdplab.exact.rational(task.labels) @ joint
    total = weights.sum()
    return total if total == 0 else (weights * weights).sum() / total


def after(task: HintTask, joint: Array, query: int) -> list[Array]:
    """Joint weights of the worlds and each answer to a query."""
    half, edge = mdplab.exact.rational(1) / 2, mdplab.exact.rational(task.edge)
    ones = mdplab.exact.rational(np.array([[0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 1, 0]]))[query]
    ones = half + edge * (2 * ones - 1) if query == 2 else ones
    return [joint * (1 - ones), joint * ones]


def start() -> Array:
    """Four equally likely worlds."""
    return np.asarray(mdplab.exact.rational(np.ones(4, dtype=int)) / 4)


def best_gain(task: HintTask, joint: Array, turns: int) -> Any:
    """Expected confidence of the best adaptive plan."""
    if not turns:
        return confidence(task, joint)
    return max(
        sum(best_gain(task, part, turns - 1) for part in after(task, joint, query)) for query in range(3)
    )


def greedy_gain(task: HintTask, joint: Array, turns: int) -> Any:
    """Expected confidence where each turn takes the query with the largest immediate gain."""
    if not turns:
        return confidence(task, joint)
    worth = [sum(confidence(task, part) for part in after(task, joint, query)) for query in range(3)]
    chosen = after(task, joint, max(range(3), key=worth.__getitem__))
    return sum(greedy_gain(task, part, turns - 1) for part in chosen)


def greedy_and_best(task: HintTask) -> Array:
    """(d): gains of two greedy turns and of the best two turns."""
    found = [plan(task, start(), 2) - mdplab.exact.rational(1) / 2 for plan in (greedy_gain, best_gain)]
    return np.array(found, dtype=object)


def closed_gains(task: HintTask) -> Array:
    """(d): ``4 e^2 / (1 + 4 e^2)`` and 1/2."""
    square = 4 * mdplab.exact.rational(task.edge) ** 2
    return np.array([square / (1 + square), mdplab.exact.rational(1) / 2], dtype=object)
