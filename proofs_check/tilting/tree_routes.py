"""Both sides of what turn rewards amount to: turn by turn, and at the leaves.

The turn rewards are solved and evaluated as a finite-horizon model whose states are histories; what they telescope to is an
expectation over leaves, or a sweep of maxima from the leaves up, in which no turn pays anything.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import Side, rounding
from proofs_check.tilting.tree_instances import TreeTask

__all__ = [
    "best_early_leaf",
    "best_leaf",
    "best_outcome",
    "best_reach",
    "calibrated_optimum",
    "calibrated_values",
    "discounted_gain",
    "discounted_leaves",
    "discounted_optimum",
    "early_leaves",
    "first_action_values",
    "outcome_of_gainers",
    "potential_change",
    "reach_of_early_gainers",
    "shaped_gain",
    "shaped_leaves",
    "telescoped_optima",
    "turn_gain",
    "turn_optima",
    "zero_end_optimum",
    "zero_end_values",
]

# --- turn by turn ---------------------------------------------------------------------------------------------------

ROUNDING = float(rounding(4.0, 400))
"""Of sums of at most 216 leaves and three turns, all numbers at most 4."""


def _gain(task: TreeTask, **options: Any) -> Side:
    """Expected turn rewards of the given policy."""
    n_actions = task.policy.shape[1]
    leaves = np.full((task.outcome.size, n_actions), 1.0 / n_actions)
    found = solvers.stage_evaluation(task.model(**options), np.concatenate((task.policy, leaves)))
    return Side(found.value[0, 0], found.certificate.bound + ROUNDING)


def _optimum(task: TreeTask, worth: FloatArray, *, scale: float = 1.0, **options: Any) -> Side:
    """Optimum of the turn rewards, and the expectation of a worth of the leaves under its policy.

    The rewards add up to ``scale`` times the worth, so that a loss of the computed policy counts that much more.
    """
    found = solvers.backward_induction(task.model(**options))
    policy = np.concatenate([found.policy[t, task.places[t]] for t in range(task.turns)])
    error = found.certificate.bound + ROUNDING
    lost = (found.suboptimality + 2 * error) / scale
    return Side([found.value[0, 0], float(task.leaf_law(policy) @ worth)], [error, lost + ROUNDING])


def first_action_values(task: TreeTask, **options: Any) -> FloatArray:
    """Optimal value of each first action.

    Parameters
    ----------
    task : TreeTask
        The tree.
    **options
        Of its model.

    Returns
    -------
    ndarray, shape (A,)
    """
    return np.asarray(solvers.backward_induction(task.model(**options)).q[0, 0])


def turn_gain(task: TreeTask) -> Side:
    """Backward evaluation: expected differences of the potential, added turn by turn"""
    return _gain(task)


def turn_optima(task: TreeTask) -> Side:
    """Backward induction: optima of outcome plus differences, of all turns and of all but the last, and what they reach"""
    before = task.along(task.turns - 1)
    sides = [
        _optimum(task, task.outcome + task.along(task.turns), pays=True),
        _optimum(task, task.outcome + before, pays=True, last=False),
    ]
    return Side(np.array([s.value for s in sides]), np.array([s.error for s in sides]))


def calibrated_optimum(task: TreeTask) -> Side:
    """Backward induction: optimum of outcome plus differences, and the outcome that its policy reaches"""
    return _optimum(task, task.outcome, pays=True)


def zero_end_optimum(task: TreeTask, *, zero_end: bool = True) -> Side:
    """Backward induction: the same with the potential of the leaves taken as zero"""
    return _optimum(task, task.outcome, pays=True, zero_end=zero_end)


def discounted_gain(task: TreeTask) -> Side:
    """Backward evaluation: expected discounted differences"""
    return _gain(task, discount=task.discount)


def discounted_optimum(task: TreeTask) -> Side:
    """Backward induction: optimum of the discounted differences alone"""
    side = _optimum(task, task.outcome, discount=task.discount)
    return Side(np.asarray(side.value)[0], np.asarray(side.error)[0])


def shaped_gain(task: TreeTask, *, factor: float | None = None) -> Side:
    """Backward evaluation and induction: gamma Phi(next) - Phi(here), discounted: given policy, optimum, and Phi it reaches"""
    used = task.discount if factor is None else factor
    sides = [
        _gain(task, discount=task.discount, factor=used),
        _optimum(
            task, task.potentials[-1], scale=task.discount**task.turns, discount=task.discount, factor=used
        ),
    ]
    return Side(
        np.concatenate([np.ravel(s.value) for s in sides]), np.concatenate([np.ravel(s.error) for s in sides])
    )


# --- at the leaves --------------------------------------------------------------------------------------------------


def best_leaf(task: TreeTask, leaves: FloatArray) -> float:
    """Largest expectation of a function of the leaves, by maxima from the leaves up."""
    value = leaves
    for place in task.places[-2::-1]:
        observed = task.observations[place]
        value = (observed * value.reshape(observed.shape)).sum(axis=2).max(axis=1)
    return float(value[0])


def potential_change(task: TreeTask) -> Side:
    """Leaves: expected potential of the end, less that of the start"""
    return Side(task.leaf_law() @ task.potentials[-1] - task.potential[0], ROUNDING)


def telescoped_optima(task: TreeTask, *, outcome_only: bool = False) -> Side:
    """Leaves up: best O + Phi(h_T), and best O + Phi(h_{T-1}); less Phi(h_0) and as they are"""
    values = []
    for t in (task.turns, task.turns - 1):
        best = best_leaf(task, task.outcome + (0.0 if outcome_only else task.along(t)))
        values.append([best - task.potential[0], best])
    return Side(values, ROUNDING)


def calibrated_values(task: TreeTask) -> Side:
    """Leaves up: twice the best potential, less that of the start, and the best outcome"""
    best = 2 * best_leaf(task, task.potentials[-1]) - task.potential[0]
    return Side([best, best_leaf(task, task.outcome)], ROUNDING)


def zero_end_values(task: TreeTask) -> Side:
    """Leaves up: the best outcome, less the potential of the start and as it is"""
    best = best_leaf(task, task.outcome)
    return Side([best - task.potential[0], best], ROUNDING)


def early_leaves(task: TreeTask, *, bonus: bool = True) -> FloatArray:
    """``gamma^(T-1) Phi_T - Phi_0 + (1 - gamma) sum_{0<t<T} gamma^(t-1) Phi_t`` of all leaves."""
    d, last = task.discount, task.turns
    early = sum((d ** (t - 1) * task.along(t) for t in range(1, last)), start=np.zeros(task.outcome.size))
    return np.asarray(d ** (last - 1) * task.along(last) - task.potential[0] + bonus * (1 - d) * early)


def discounted_leaves(task: TreeTask, *, bonus: bool = True) -> Side:
    """Leaves: expectation of gamma^(T-1) Phi_T - Phi_0 plus the bonus for early potentials"""
    return Side(task.leaf_law() @ early_leaves(task, bonus=bonus), ROUNDING)


def best_early_leaf(task: TreeTask, *, bonus: bool = True) -> Side:
    """Leaves up: best of gamma^(T-1) Phi_T - Phi_0 plus the bonus for early potentials"""
    return Side(best_leaf(task, early_leaves(task, bonus=bonus)), ROUNDING)


def shaped_leaves(task: TreeTask) -> Side:
    """Leaves: gamma^T Phi_T - Phi_0, expected and best, and the best Phi_T"""
    scale, start = task.discount**task.turns, task.potential[0]
    best = best_leaf(task, task.potentials[-1])
    mean = task.leaf_law() @ task.potentials[-1]
    return Side([scale * mean - start, scale * best - start, best], ROUNDING / scale)


# --- what optimisers reach ------------------------------------------------------------------------------------------


def outcome_of_gainers(task: TreeTask) -> Side:
    """Backward induction: outcome that the optimiser of outcome plus differences reaches"""
    side = calibrated_optimum(task)
    return Side(np.asarray(side.value)[1], np.asarray(side.error)[1])


def best_outcome(task: TreeTask) -> Side:
    """Leaves up: the best outcome"""
    return Side(best_leaf(task, task.outcome), ROUNDING)


def reach_of_early_gainers(task: TreeTask) -> Side:
    """Backward induction: potential of the end that the optimiser of the discounted differences reaches"""
    side = _optimum(task, task.potentials[-1], discount=task.discount)
    return Side(np.asarray(side.value)[1], np.asarray(side.error)[1])


def best_reach(task: TreeTask) -> Side:
    """Leaves up: the best potential of the end"""
    return Side(best_leaf(task, task.potentials[-1]), ROUNDING)
