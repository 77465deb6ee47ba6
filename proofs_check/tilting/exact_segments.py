"""Segments in balls: recursions in logarithms against products of matrices of weights, not logarithms."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import mdplab
from mdplab._typing import Array, IntArray
from proofs_check.tilting.exact_chain import summed
from proofs_check.tilting.segment_instances import SegmentTask


class Data(NamedTuple):
    """Rational reference and temperature, rewards over the temperature, weights ``pi_ref e^{R/alpha}``, successors."""

    reference: Array
    temperature: Any
    scaled: Array
    weights: Array
    successor: Array


def read(task: SegmentTask) -> Data:
    """Rows that sum to exactly one."""
    reference, alpha = mdplab.exact.laws(task.reference), mdplab.exact.rational(task.temperature)
    scaled = mdplab.exact.rational(task.reward) / alpha
    return Data(
        reference, alpha, scaled, reference * mdplab.exact.exp(scaled), task.transition.argmax(axis=2)
    )


def policies(task: SegmentTask) -> Array:
    """The given policy, rational."""
    return np.asarray(mdplab.exact.laws(task.policy))


def soft(data: Data, length: int, after: Array) -> tuple[Array, list[Array]]:
    """Values over alpha before ``length`` steps, and their policies, in logarithms."""
    logs, value, found = mdplab.exact.log(data.reference), after, []
    for _ in range(length):
        q = data.scaled + value[data.successor]
        found.append(mdplab.exact.softmax(q, log_reference=logs))
        value = mdplab.exact.log_sum_exp(q, log_reference=logs)
    return value, found[::-1]


def nothing_after(task: SegmentTask) -> Array:
    """A terminal reward of zero."""
    return np.asarray(mdplab.exact.ball(np.zeros(len(task.reward), dtype=int)))


def matrix(task: SegmentTask, weights: Array, length: int) -> Array:
    """Sums of products of weights (S, A) over the strings of a length, between any two states."""
    n, successor = len(task.reward), read(task).successor
    step = mdplab.exact.ball(np.zeros((n, n), dtype=int))
    for s, a in np.ndindex(*successor.shape):
        step[s, successor[s, a]] = step[s, successor[s, a]] + weights[s, a]
    total = mdplab.exact.ball(np.eye(n, dtype=int))
    for _ in range(length):
        total = total @ step
    return np.asarray(total)


def sequence_weights(task: SegmentTask) -> Array:
    """Products of the segments' weights along each sequence that can be passed."""
    data, before, total = read(task), np.zeros(task.reached.size, dtype=int), None
    for length, goals in zip(task.lengths, task.all_sequences[task.reached].T, strict=True):
        factor = matrix(task, data.weights, length)[before, goals]
        total, before = factor if total is None else total * factor, goals
    return np.asarray(total)


# --- the parts ------------------------------------------------------------------------------------------------------


def whole(task: SegmentTask) -> Any:
    """(a): J of the policy, backwards."""
    data, value = read(task), mdplab.exact.ball(np.zeros(len(task.reward), dtype=int))
    kernel = mdplab.exact.laws(task.transition)
    for rows in policies(task)[::-1]:
        gains = data.temperature * (data.scaled - mdplab.exact.log(rows / data.reference))
        value = (rows * (gains + kernel @ value)).sum(axis=1)
    return value[0]


def by_segment(task: SegmentTask) -> Any:
    """(a): the segments' rewards less divergences under the laws of the states, forwards."""
    data, law, total = read(task), mdplab.exact.rational(np.eye(len(task.reward), dtype=int)[0]), 0
    kernel = mdplab.exact.laws(task.transition)
    for rows in policies(task):
        cost = mdplab.exact.kl(rows, data.reference)
        total = total + law @ (data.temperature * ((rows * data.scaled).sum(axis=1) - cost))
        law = np.einsum("s,sa,sat->t", law, rows, kernel, optimize=False)
    return total


def segmentwise(task: SegmentTask) -> Array:
    """(b): soft value of the start, first law and law of all strings, segment by segment, in logarithms."""
    data, after = read(task), nothing_after(task)
    found: list[Array] = []
    for length in task.lengths[::-1]:
        after, part = soft(data, length, after)
        found = part + found
    return np.concatenate(([data.temperature * after[0]], found[0][0], along_strings(task, found)))


def global_optimum(task: SegmentTask) -> Array:
    """(b): the same from the weights of all strings."""
    data = read(task)
    weights = along_strings(task, [data.weights] * int(task.cuts[-1]))
    total, actions = weights.sum(), task.strings.actions[:, 0]
    first = summed(weights, actions, task.reward.shape[1])
    value = data.temperature * mdplab.exact.log(total)
    return np.concatenate(([value], first / total, weights / total))


def soft_value(task: SegmentTask) -> Any:
    """(c): soft value of the start, in logarithms."""
    data = read(task)
    return data.temperature * soft(data, int(task.cuts[-1]), nothing_after(task))[0][0]


def log_products(task: SegmentTask) -> Any:
    """(c): alpha log of the sum over subgoal sequences."""
    return read(task).temperature * mdplab.exact.log(sequence_weights(task).sum())


def sequence_values(task: SegmentTask) -> Array:
    """(d): alpha log of each sequence's weight, twice."""
    found = read(task).temperature * mdplab.exact.log(sequence_weights(task))
    return np.array([found, found])


def sequence_values_by_posterior(task: SegmentTask) -> Array:
    """(d): J of the optimal strings given each sequence; the soft value plus alpha log q*(g), from the policies' kernels."""
    data = read(task)
    value, found = soft(data, int(task.cuts[-1]), nothing_after(task))
    before, q, time = np.zeros(task.reached.size, dtype=int), None, 0
    for length, goals in zip(task.lengths, task.all_sequences[task.reached].T, strict=True):
        total = mdplab.exact.ball(np.eye(len(task.reward), dtype=int))
        for rows in found[time : time + length]:
            total = total @ matrix(task, rows, 1)
        factor = total[before, goals]
        q, before, time = factor if q is None else q * factor, goals, time + length
    inside = objectives(task, along_strings(task, found), task.reached)
    return np.array([inside, data.temperature * (value[0] + mdplab.exact.log(q))])


def along_strings(task: SegmentTask, rows: Any) -> Any:
    """Products of the policies' probabilities along all strings."""
    found, total = task.strings, mdplab.exact.rational(np.ones(len(task.sequences), dtype=int))
    for table, state, action in zip(rows, found.states.T, found.actions.T, strict=False):
        total = total * table[state, action]
    return total


def objectives(task: SegmentTask, law: Any, sequences: IntArray) -> Array:
    """J of a law of strings, conditioned on sequences."""
    data, found = read(task), task.strings
    gains = data.scaled + mdplab.exact.log(data.reference)  # with log pi_ref
    worth: Any = mdplab.exact.rational(np.zeros(len(task.sequences), dtype=int))
    for state, action in zip(found.states.T, found.actions.T, strict=False):
        worth = worth + gains[state, action]
    values = []
    for number in sequences:
        inside = task.sequences == number
        given = law[inside] / law[inside].sum()
        values.append(data.temperature * (given @ (worth[inside] - mdplab.exact.log(given))))
    return np.array(values, dtype=object)


def conditioned_objectives(task: SegmentTask) -> Array:
    """(d): J of the given policy's strings, conditioned on each sequence that several strings pass, after a zero."""
    found = objectives(task, along_strings(task, policies(task)), task.reached[task.several])
    return np.append(mdplab.exact.rational(0), found)


def best_through(task: SegmentTask) -> Array:
    """(d): alpha log of the weight of each sequence that several strings pass, after a zero."""
    found = read(task).temperature * mdplab.exact.log(sequence_weights(task))
    return np.append(mdplab.exact.rational(0), found[task.several])


def loss_of_the_best(task: SegmentTask) -> Any:
    """(d): soft value less the largest value of a sequence; nothing is lost where there is one sequence, by (c)."""
    if task.reached.size == 1:
        return mdplab.exact.rational(0)
    return soft_value(task) - mdplab.exact.highest(sequence_values(task)[0])


def count_bound(task: SegmentTask) -> Any:
    """(d): alpha log of the number of sequences."""
    if task.reached.size == 1:
        return mdplab.exact.rational(0)
    return read(task).temperature * mdplab.exact.log(task.reached.size)


class Mixed(NamedTuple):
    """Rational weights and policies that are mixed, their mixture, and the reference."""

    weights: Array
    rows: Array
    mixture: Array
    reference: Array


def mixed(task: SegmentTask) -> Mixed:
    """Rows that sum to exactly one."""
    weights, rows = mdplab.exact.laws(task.weights), mdplab.exact.laws(task.mixed)
    return Mixed(weights, rows, (weights[:, np.newaxis, np.newaxis] * rows).sum(axis=0), read(task).reference)


def penalty_gap(task: SegmentTask) -> Array:
    """(e): mean divergence from the reference, less that of the mixture."""
    m = mixed(task)
    total = (m.weights[:, np.newaxis] * mdplab.exact.kl(m.rows, m.reference)).sum(axis=0)
    return np.asarray(total - mdplab.exact.kl(m.mixture, m.reference))


def mixture_divergence(task: SegmentTask) -> Array:
    """(e): mean divergence from the mixture."""
    m = mixed(task)
    used = [k for k in range(len(m.weights)) if m.weights[k] != 0]
    return np.asarray(sum(m.weights[k] * mdplab.exact.kl(m.rows[k], m.mixture) for k in used))


def nothing(task: SegmentTask) -> Array:
    """(e): zeros."""
    return np.asarray(mdplab.exact.rational(np.zeros(len(task.reward), dtype=int)))
