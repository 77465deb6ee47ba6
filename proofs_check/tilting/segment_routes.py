"""Both sides of what is said of segments and subgoals, with their errors.

Soft values come from backward induction, weights of segments from products of matrices in logarithms, everything else from
an enumeration of all action strings.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import Side, rounding
from mdplab.divergences import entropy, kl
from mdplab.enumeration import enumerate_trajectories
from mdplab.models import FiniteHorizonMDP
from mdplab.operators import log_sum_exp, segment_log_weights
from proofs_check.tilting.log_enumeration import UNDERFLOW, log_summed
from proofs_check.tilting.segment_instances import SegmentTask

__all__ = [
    "best_and_cheapest",
    "best_through",
    "best_through_by_posterior",
    "by_segment",
    "conditional_penalty",
    "conditioned_objectives",
    "conditioned_objectives_by_divergence",
    "count_bound",
    "entropy_gap",
    "global_optimum",
    "log_products",
    "loss_of_the_best",
    "loss_of_the_best_by_enumeration",
    "mixture_divergence",
    "penalty_gap",
    "segmentwise",
    "sequence_values",
    "sequence_values_by_enumeration",
    "soft_value",
    "whole",
]


# --- policies, whole and by segment ---------------------------------------------------------------------------------


def whole(task: SegmentTask) -> Side:
    """Backward evaluation: J of the policy on the whole horizon"""
    found = solvers.stage_evaluation(
        task.model, task.policy, temperature=task.temperature, log_reference=task.log_reference, tol=1e-3
    )
    return Side(found.value[0, 0], found.certificate.bound + task.temperature * task.log_error)


def by_segment(task: SegmentTask, *, likeliest_only: bool = False) -> Side:
    """Enumeration: objectives J_i of the segments from each subgoal, averaged over the subgoals that precede them"""
    value, size, begin, law = 0.0, 0.0, 0, np.eye(len(task.reward))[0]
    for length in task.lengths:
        model = FiniteHorizonMDP(task.transition, task.reward, length)
        after = np.zeros_like(law)
        for state in np.flatnonzero(law):
            found = enumerate_trajectories(
                model, task.policy[begin : begin + length], initial=np.eye(law.size)[state]
            )
            cost = (found.action_log_probability - found.policy_log_probability(task.reference)).sum(axis=1)
            worth = found.returns - task.temperature * cost
            value += law[state] * float(found.probability @ worth)
            size += law[state] * float(
                found.probability
                @ (np.abs(found.rewards).sum(axis=1) + task.temperature * (1 + np.abs(cost)))
            )
            after += law[state] * np.bincount(found.states[:, -1], found.probability, law.size)
        law, begin = after, begin + length
        if likeliest_only:
            law = np.eye(law.size)[law.argmax()]
    policy_size = 1 - float(np.log(task.policy.min()))
    error = (begin + 1) * float(rounding(1 + policy_size, 8)) + float(
        rounding(1.0, task.strings.n_trajectories + 16)
    )
    return Side(value, error * (1 + size) + task.temperature * task.log_error)


def segmentwise(task: SegmentTask, *, continuation: bool = True) -> Side:
    """Segments solved from the last to the first, each paid the optimum of what follows: J, first law, law of strings"""
    after, policies, inherited, relative = np.zeros(len(task.reward)), [], 0.0, 0.0
    for length in task.lengths[::-1]:
        model = FiniteHorizonMDP(task.transition, task.reward, length, terminal=after)
        part = solvers.backward_induction(
            model, temperature=task.temperature, log_reference=task.log_reference, tol=1e-3
        )
        policies.append(part.policy)
        own = part.log_policy_error + 2 * inherited / task.temperature + 2 * task.log_error
        relative += 1.01 * length * own
        after = part.value[0] if continuation else after
        inherited += float(part.value_errors.max())
    policy = np.concatenate(policies[::-1])
    worth = solvers.stage_evaluation(
        task.model, policy, temperature=task.temperature, log_reference=task.log_reference, tol=1e-3
    )
    with np.errstate(divide="ignore"):  # probabilities below the doubles
        law = np.exp(task.strings.policy_log_probability(policy).sum(axis=1))
    first = policy[0, 0]
    # near its maximum J loses alpha KL, and KL at most the square of the relative error
    error = worth.certificate.bound + task.temperature * (task.log_error + relative**2)
    value = np.concatenate(([worth.value[0, 0]], first, law))
    return Side(value, np.concatenate(([error], relative * np.append(first, law) + UNDERFLOW)))


def global_optimum(task: SegmentTask) -> Side:
    """Enumeration of strings: alpha log of the sum of weights, law of the first action, law of all strings"""
    partition = float(log_sum_exp(task.log_weights))
    law = np.exp(task.log_weights - partition)
    first = np.bincount(task.strings.actions[:, 0], law, task.reward.shape[1])
    alpha, relative = task.temperature, task.relative
    value = np.concatenate(([alpha * partition], first, law))
    error = alpha * (task.log_error + float(rounding(1 + abs(partition), 4)))
    return Side(value, np.concatenate(([error], relative * np.append(first, law) + UNDERFLOW)))


# --- subgoals -------------------------------------------------------------------------------------------------------


def soft_value(task: SegmentTask) -> Side:
    """Backward induction: the soft value of the start"""
    return Side(task.solution.value[0, 0], task.solver_error)


def _sums(task: SegmentTask) -> FloatArray:
    """``sum_i M_{L_i}(g_{i-1}, g_i)`` of all sequences."""
    ends = np.append(0, task.cuts)
    before = np.zeros(len(task.all_sequences), dtype=int)
    total = np.zeros(before.size)
    for i, (first, last) in enumerate(pairwise(ends)):
        table = segment_log_weights(
            task.model, task.reference, temperature=task.temperature, first=int(first), last=int(last)
        )
        total += table[before, task.all_sequences[:, i]]
        before = task.all_sequences[:, i]
    return total


def log_products(task: SegmentTask) -> Side:
    """Products of matrices in logarithms: alpha lse of the sums of M over all subgoal sequences"""
    value = task.temperature * float(log_sum_exp(_sums(task)))
    return Side(value, 2 * task.temperature * task.log_error + float(rounding(value, 4)))


def sequence_values(task: SegmentTask) -> Side:
    """Products of matrices in logarithms: alpha times the sum of M, of each sequence that can be passed, twice"""
    value = task.temperature * _sums(task)[task.reached]
    return Side(np.tile(value, (2, 1)), 2 * task.temperature * task.log_error + rounding(value, 4))


def _conditioned(task: SegmentTask, log_law: FloatArray) -> FloatArray:
    """Logarithms of a measure on the strings, conditioned on each string's own sequence."""
    totals = log_summed(log_law, task.sequences, len(task.all_sequences))
    return np.asarray(log_law - totals[task.sequences])


def _objectives(task: SegmentTask, log_law: FloatArray, relative: float) -> Side:
    """``E R - alpha KL`` of a law given each sequence."""
    law, base = np.exp(log_law), task.strings.log_probability
    terms = task.strings.returns - task.temperature * (log_law - base)
    sizes = np.abs(task.strings.returns) + task.temperature * (1 + np.abs(log_law) + np.abs(base))
    count = len(task.all_sequences)
    value = np.bincount(task.sequences, law * terms, count)[task.reached]
    size = np.bincount(task.sequences, law * sizes, count)[task.reached]
    return Side(value, (relative + float(rounding(1.0, law.size + 16))) * (size + task.temperature))


def sequence_values_by_enumeration(task: SegmentTask) -> Side:
    """Of each sequence: J of the optimal strings given it, by enumeration; V_0(0) + alpha log q*, by backward induction"""
    inside = _objectives(task, _conditioned(task, task.log_weights), task.relative)
    found, optimum = task.strings, task.solution
    logs = sum(
        optimum.log_policy[h, found.states[:, h], found.actions[:, h]] for h in range(int(task.cuts[-1]))
    )
    log_q = log_summed(np.asarray(logs), task.sequences, len(task.all_sequences))[task.reached]
    value = optimum.value[0, 0] + task.temperature * log_q
    error = task.solver_error + task.temperature * (
        task.solver_relative + float(rounding(1.0 + np.abs(log_q).max(), 8))
    )
    return Side([inside.value, value], np.array([inside.error, np.full(value.size, error)]))


def best_and_cheapest(task: SegmentTask) -> Side:
    """Products of matrices in logarithms: alpha times the largest sum of M over the sequences"""
    value = task.temperature * float(_sums(task).max())
    return Side(value, 2 * task.temperature * task.log_error + float(rounding(value, 4)))


def of_several(task: SegmentTask, side: Side) -> Side:
    """The numbers of the sequences that several strings pass, after a zero; of one string nothing can be chosen."""
    value, error = np.broadcast_arrays(np.asarray(side.value), np.asarray(side.error))
    return Side(np.append(0.0, value[task.several]), np.append(0.0, error[task.several]))


def best_through(task: SegmentTask) -> Side:
    """Products of matrices in logarithms: alpha times the sum of M, of sequences that several strings pass, after a zero"""
    side = sequence_values(task)
    return of_several(task, Side(np.asarray(side.value)[0], side.error))


def best_through_by_posterior(task: SegmentTask) -> Side:
    """Backward induction: V_0(0) + alpha log q*(g), of the same sequences"""
    side = sequence_values_by_enumeration(task)
    return of_several(task, Side(np.asarray(side.value)[1], np.asarray(side.error)[1]))


def conditioned_objectives(task: SegmentTask) -> Side:
    """Enumeration: J of the given policy's strings, conditioned on each sequence that several pass, after a zero"""
    log_law = task.strings.policy_log_probability(task.policy).sum(axis=1)
    return of_several(task, _objectives(task, _conditioned(task, log_law), _policy_relative(task)))


def _policy_relative(task: SegmentTask) -> float:
    size = 1 - float(np.log(task.policy.min()))
    steps = int(task.cuts[-1])
    return 3 * steps * float(rounding(1 + steps * size, 4)) + task.relative


def conditioned_objectives_by_divergence(task: SegmentTask) -> Side:
    """Enumeration: alpha log of each sequence's weight, less alpha KL from its optimal strings"""
    log_law = _conditioned(task, task.strings.policy_log_probability(task.policy).sum(axis=1))
    best = _conditioned(task, task.log_weights)
    count, law = len(task.all_sequences), np.exp(log_law)
    lost = np.bincount(task.sequences, law * (log_law - best), count)[task.reached]
    size = np.bincount(task.sequences, law * (1 + np.abs(log_law) + np.abs(best)), count)[task.reached]
    totals = log_summed(task.log_weights, task.sequences, count)[task.reached]
    error = (_policy_relative(task) + task.relative) * (1 + size) + float(
        rounding(1 + np.abs(totals).max(), 8)
    )
    return of_several(task, Side(task.temperature * (totals - lost), task.temperature * error))


def loss_of_the_best(task: SegmentTask) -> Side:
    """Backward induction and products of matrices: V_0(0) less the value of the best sequence"""
    best = best_and_cheapest(task)
    return Side(
        task.solution.value[0, 0] - np.asarray(best.value), task.solver_error + np.asarray(best.error)
    )


def loss_of_the_best_by_enumeration(task: SegmentTask) -> Side:
    """Enumeration: minus alpha log of the largest probability of a sequence"""
    sums = log_summed(task.log_weights, task.sequences, len(task.all_sequences))
    value = task.temperature * float(log_sum_exp(task.log_weights) - sums.max())
    return Side(value, 2 * task.temperature * task.log_error)


def count_bound(task: SegmentTask, *, factor: float = 1.0) -> Side:
    """alpha log of the number of sequences that can be passed"""
    value = factor * task.temperature * float(np.log(task.reached.size))
    return Side(value, rounding(value, 4))


# --- mixed policies -------------------------------------------------------------------------------------------------


def _mixture(task: SegmentTask) -> FloatArray:
    return np.asarray(np.tensordot(task.weights, task.mixed, axes=1))


def _divergence_error(task: SegmentTask) -> float:
    """Rounding of a mean of divergences, at the size of the largest logarithm."""
    used = [table[table > 0].min() for table in (task.mixed, task.reference, _mixture(task))]
    return float(rounding(2 - np.log(used).sum(), 2 * task.reference.shape[1] + 24))


def penalty_gap(task: SegmentTask) -> Side:
    """Mean divergence of the mixed policies from the reference, less that of their mixture, state by state"""
    value = task.weights @ kl(task.mixed, task.reference) - kl(_mixture(task), task.reference)
    return Side(value, _divergence_error(task))


def mixture_divergence(task: SegmentTask) -> Side:
    """Mean divergence of the mixed policies from their mixture, state by state"""
    with np.errstate(divide="ignore", invalid="ignore"):
        rows = kl(task.mixed, _mixture(task))
    return Side(task.weights @ np.where(task.weights[:, np.newaxis] > 0, rows, 0.0), _divergence_error(task))


def conditional_penalty(task: SegmentTask) -> Side:
    """Mean divergence of the mixture from the mixed policies"""
    value = task.weights @ kl(np.broadcast_to(_mixture(task), task.mixed.shape), task.mixed)
    return Side(value, _divergence_error(task))


def entropy_gap(task: SegmentTask) -> Side:
    """Entropy of the mixture less the mean entropy of the mixed policies"""
    value = entropy(_mixture(task)) - task.weights @ entropy(task.mixed)
    return Side(value, _divergence_error(task))
