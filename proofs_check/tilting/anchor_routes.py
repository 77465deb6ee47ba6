"""Routes of the claim about refitting with an anchor: rounds of mirror steps, and the closed form of their limit."""

from __future__ import annotations

import math

import numpy as np

from mdplab import operators
from mdplab._typing import FloatArray
from mdplab.claims import Side, rounding
from proofs_check.tilting import refit_routes as plain
from proofs_check.tilting.refit_instances import AnchorTask

LEFT = 1e-15
"""What is left of the range from the fixed point where the limit is taken."""


def log_fixed_point(task: AnchorTask) -> FloatArray:
    """``log q_ref + log w / a``, normalised."""
    return plain.log_normalised(
        np.log(task.reference) + (task.log_weight - task.log_weight.max()) / task.pull
    )


def sizes(task: AnchorTask) -> FloatArray:
    """Largest logarithms that enter an entry, in a round or in the closed form."""
    gaps = (task.log_weight.max() - task.log_weight) / task.pull
    return np.asarray(1.0 + gaps + np.abs(np.log(task.reference)) + np.abs(log_fixed_point(task)))


def fixed_point_error(task: AnchorTask) -> FloatArray:
    """Errors of the logarithms of the closed form."""
    return plain.passed_on(log_fixed_point(task), rounding(sizes(task), task.reference.size + 24))


def errors_in_turn(task: AnchorTask) -> FloatArray:
    """Errors of the logarithms of the iterates: a round keeps the share ``1 - a`` of what the exponents had."""
    own = rounding(sizes(task) + np.abs(task.log_iterates), task.reference.size + 32)
    total = [own[0]]
    for fresh in own[1:]:
        total.append((1 - task.pull) * total[-1] + fresh)
    return plain.passed_on(task.log_iterates, np.array(total))


# --- (a): the fixed point --------------------------------------------------------------------------------------------


def one_round(task: AnchorTask) -> Side:
    """Mirror step with a magnet, from the closed form: logarithms"""
    return Side(task.after(log_fixed_point(task)), 4 * fixed_point_error(task))


def fixed_point(task: AnchorTask) -> Side:
    """q_ref w^{1/a}, normalised: logarithms"""
    return Side(log_fixed_point(task), fixed_point_error(task))


def limit_of_the_rounds(task: AnchorTask) -> Side:
    """Mirror steps with a magnet from q_0, until 1e-15 of the range is left"""
    charged = task.start > 0
    with np.errstate(divide="ignore"):
        log_law = np.log(task.start)
    distance = plain.range_of(log_law[charged] - log_fixed_point(task)[charged])
    count = 1 if task.pull == 1 else math.ceil(math.log(LEFT / max(1.0, distance)) / math.log1p(-task.pull))
    for _ in range(max(1, count)):
        log_law = task.after(log_law)
    law = np.exp(log_law)
    # roundings of the rounds: a geometric series of those of one
    own = rounding(sizes(task), task.reference.size + 32) / task.pull
    error = np.exp(log_fixed_point(task)) * plain.passed_on(log_fixed_point(task), own) + 2 * LEFT * law
    return Side(law, 1.01 * error + LEFT)


def tilted_anchor(task: AnchorTask) -> Side:
    """Tilt of q_ref by log w at the temperature a"""
    logs = operators.log_tilt(task.log_weight, temperature=task.pull, log_reference=np.log(task.reference))
    return Side(np.exp(logs), np.exp(logs) * fixed_point_error(task) * 1.01 + rounding(1.0, 4))


# --- (b): the range --------------------------------------------------------------------------------------------------


def ranges(task: AnchorTask) -> Side:
    """Mirror steps with a magnet: range of log q_k - log q*, k = 1, 2, ..."""
    apart = task.log_iterates[1:] - log_fixed_point(task)
    error = errors_in_turn(task)[1:] + fixed_point_error(task)
    return Side(np.ptp(apart, axis=1), 2 * error.max(axis=1))


def first_apart(task: AnchorTask) -> FloatArray:
    """``log q_0 - log q_ref - log w / a``: log q_0/q* up to a constant."""
    return np.asarray(np.log(task.start) - np.log(task.reference) - task.log_weight / task.pull)


def shares(task: AnchorTask) -> FloatArray:
    """``(1 - a)^k`` for ``k = 0, 1, ..., rounds``."""
    return np.asarray((1 - task.pull) ** np.arange(task.rounds + 1))


def shares_of_the_range(task: AnchorTask) -> Side:
    """(1 - a)^k times the range of log q_0 - log q_ref - log w / a"""
    value = shares(task)[1:] * plain.range_of(first_apart(task))
    size = (
        float(np.abs(np.log(task.start)).max())
        + float((sizes(task)).max())
        + float(np.abs(task.log_weight).max()) / task.pull
    )
    return Side(value, rounding(size, 2 * task.rounds + 24))


# --- (c): the divergence ---------------------------------------------------------------------------------------------


def divergences(task: AnchorTask) -> Side:
    """``KL(q* || q_k)`` for ``k = 0, 1, ...`` by mirror steps."""
    logs = log_fixed_point(task)
    law, apart = np.exp(logs), logs - task.log_iterates
    error = (law * (fixed_point_error(task) * (1 + np.abs(apart)) + errors_in_turn(task))).sum(axis=1)
    size = (law * (1 + np.abs(logs) + np.abs(task.log_iterates))).sum(axis=1)
    return Side((law * apart).sum(axis=1), 1.01 * error + rounding(size, law.size + 16))


def divergences_by_moments(task: AnchorTask) -> Side:
    """``log E e^{r d} - r E d``, ``d = log q_0/q*``, ``r = (1 - a)^k``, expectations under ``q*``."""
    logs, own = log_fixed_point(task), fixed_point_error(task)
    law, d = np.exp(logs), np.log(task.start) - logs
    raised = shares(task)[:, np.newaxis] * d
    weighted = raised + logs
    top = weighted.max(axis=1)
    value = top + np.log(np.exp(weighted - top[:, np.newaxis]).sum(axis=1)) - raised @ law
    # an error of the logarithm of q* enters the first term under the law q* e^{r d}, the second through q* and through d
    tilted = np.exp(plain.log_normalised(weighted))
    off = own + rounding(1 + np.abs(d) + np.abs(logs), law.size + 24)
    error = 2 * tilted @ off + (off * (1 + np.abs(raised))) @ law
    error += rounding(1 + np.abs(top) + np.abs(raised) @ law, 8)
    return Side(value, 1.01 * error)


def divergence_after(task: AnchorTask) -> Side:
    """Mirror steps with a magnet: KL(q* || q_{k+1})"""
    return plain.split(divergences(task), first=False)


def divergence_after_by_moments(task: AnchorTask) -> Side:
    """log E (q_0/q*)^r - r E log q_0/q* under q*, with r = (1 - a)^{k+1}"""
    return plain.split(divergences_by_moments(task), first=False)


def share_of(task: AnchorTask, side: Side, share: float) -> Side:
    """A share of all divergences but the last."""
    before = plain.split(side, first=True)
    return Side(share * np.asarray(before.value), np.asarray(before.error) + rounding(before.value, 2))


def share_of_the_divergence(task: AnchorTask) -> Side:
    """Mirror steps with a magnet: (1 - a) KL(q* || q_k)"""
    return share_of(task, divergences(task), 1 - task.pull)


def share_of_the_divergence_by_moments(task: AnchorTask) -> Side:
    """1 - a times log E (q_0/q*)^r - r E log q_0/q* under q*, with r = (1 - a)^k"""
    return share_of(task, divergences_by_moments(task), 1 - task.pull)


# --- (d): a penalty that does not depend on the iterate ------------------------------------------------------------------


def penalised_rounds(task: AnchorTask) -> Side:
    """Mirror steps with log w - D: logarithms of q_1, q_2, ..."""
    return plain.rounds_in_turn(task.penalised)


def penalised_powers(task: AnchorTask) -> Side:
    """log q_0 + n (log w - D), normalised"""
    return plain.powers_of_the_weight(task.penalised)


def penalised_limit(task: AnchorTask) -> Side:
    """Tilt of q_0 by log w - D at the temperature of so many rounds that e^{-60} is left of the rest"""
    return plain.far_ahead(task.penalised)


def best_after_the_penalty(task: AnchorTask) -> Side:
    """q_0 conditioned on the largest log w - D"""
    return plain.conditioned_on_the_best(task.penalised)
