"""Reachability values in rationals: iterations that end, and sets by removal of states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array, BoolArray
from mdplab.operators import largest_invariant_set, survival_time

if TYPE_CHECKING:
    from proofs_check.dual_rl.instances import SafetyTask


def either(mask: BoolArray, x: Any, y: Any) -> Array:
    """``x`` where the mask is true, else ``y``."""
    return np.asarray(np.where(mask, x, y))


def cost(task: SafetyTask) -> Array:
    """The constraint ``h``."""
    return either(task.unsafe, mdplab.exact.rational(task.margin), mdplab.exact.rational(-1))


def iterated(task: SafetyTask, discount: Any) -> Array:
    """The fixed point of the operator: from ``h`` each value is final after as many steps as the state survives."""
    h = value = cost(task)
    for _ in range(h.size + 1):
        last, value = value, (1 - discount) * h + discount * np.maximum(h, value[task.successors].min(axis=1))
        if (last == value).all():
            return np.asarray(value)
    raise ValueError("the iteration does not end")


def reachability_value(task: SafetyTask) -> Array:
    """``V_h``, iterated upward from ``h``."""
    return iterated(task, mdplab.exact.rational(1))


def discounted_value(task: SafetyTask) -> Array:
    """The fixed point of the discounted operator."""
    return iterated(task, mdplab.exact.rational(task.discount))


def signs(members: BoolArray) -> Array:
    """1 for the members of a set, -1 for the others."""
    return either(members, 1, -1)


def value_region(task: SafetyTask) -> Array:
    """``{V_h <= 0}``."""
    return signs(reachability_value(task) <= 0)


def invariant_set(task: SafetyTask) -> BoolArray:
    return np.asarray(largest_invariant_set(task.successors, ~task.unsafe))


def invariant_region(task: SafetyTask) -> Array:
    """Largest controlled-invariant subset of the safe states (combinatorial)."""
    return signs(invariant_set(task))


def greedy_violation(task: SafetyTask) -> Array:
    """Largest ``h`` along the path of the greedy policy of ``V_h``, rolled out from each state."""
    options = reachability_value(task)[task.successors]
    following = task.successors[np.arange(len(options)), options.argmin(axis=1)]
    here = np.arange(len(options))
    worst = h = cost(task)
    for _ in range(h.size):
        here = following[here]
        worst = np.maximum(worst, h[here])
    return worst


def invariant_violation(task: SafetyTask) -> Array:
    """-1 on the largest controlled-invariant subset, M elsewhere."""
    return either(invariant_set(task), mdplab.exact.rational(-1), mdplab.exact.rational(task.margin))


def powers(task: SafetyTask) -> Array:
    """``(M + 1) gamma^k``, 0 where the survival time is infinite."""
    times = survival_time(task.successors, ~task.unsafe)
    margin, discount = mdplab.exact.rational(task.margin), mdplab.exact.rational(task.discount)
    return np.array([(margin + 1) * discount ** int(k) if np.isfinite(k) else 0 * margin for k in times])


def closed_form(task: SafetyTask) -> Array:
    """``-1 + (M + 1) gamma^k``."""
    return powers(task) - 1


def discounted_region(task: SafetyTask) -> Array:
    """``{V_gamma <= 0}``."""
    return signs(discounted_value(task) <= 0)


def enlarged_region(task: SafetyTask) -> Array:
    """The invariant subset and the states with ``(M + 1) gamma^k <= 1``: the bound on k without logarithms."""
    return signs(invariant_set(task) | (powers(task) <= 1))
