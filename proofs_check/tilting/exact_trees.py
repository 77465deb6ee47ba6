"""Trees of histories in rationals: rewards added turn by turn from the leaves up, against expectations over leaves."""

from __future__ import annotations

from typing import Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.tilting.tree_instances import TreeTask


def potentials(task: TreeTask) -> list[Array]:
    """``Phi`` of the histories of each length."""
    return [mdplab.exact.rational(phi) for phi in task.potentials]


def observations(task: TreeTask) -> list[Array]:
    """Laws of the observations, rows that sum to exactly one."""
    return [mdplab.exact.laws(task.observations[place]) for place in task.places[:-1]]


def policies(task: TreeTask) -> list[Array]:
    """The given policy."""
    return [mdplab.exact.laws(task.policy[place]) for place in task.places[:-1]]


def outcome(task: TreeTask) -> Array:
    """Expected outcome of the leaves."""
    return np.asarray(mdplab.exact.rational(task.outcome))


def discount(task: TreeTask) -> Any:
    """The discount."""
    return mdplab.exact.rational(task.discount)


def along(task: TreeTask, t: int) -> Array:
    """Potential of the history of t turns that each leaf goes through."""
    phi = mdplab.exact.rational(task.potentials[t])
    return np.repeat(phi, task.outcome.size // phi.size)


def backward(
    task: TreeTask,
    gamma: Any,
    factor: Any,
    end: Array,
    *,
    fixed: list[Array] | None = None,
    last: bool = True,
) -> tuple[Any, list[Array]]:
    """Value and policies of ``factor Phi(next) - Phi(here)`` a turn and ``end`` at the leaves: fixed, or the best."""
    drift = mdplab.exact.rational(task.drift)
    phi = [p + drift * int(t > 0) for t, p in enumerate(potentials(task))]
    observed, value = observations(task), end
    rows: list[Array] = []
    for t in reversed(range(task.turns)):
        gains = factor * phi[t + 1].reshape(observed[t].shape) - phi[t][:, np.newaxis, np.newaxis]
        if not last and t == task.turns - 1:
            gains = 0 * gains
        if task.stopped is not None and t > 0:
            over = np.repeat(task.stopped, phi[t].size // task.stopped.size)
            gains = np.where(over[:, np.newaxis, np.newaxis], 0 * gains, gains)
        q = (observed[t] * (gains + gamma * value.reshape(observed[t].shape))).sum(axis=2)
        best = np.equal(np.arange(q.shape[1]), q.argmax(axis=1)[:, np.newaxis])
        rows.append(mdplab.exact.rational(best.astype(int)) if fixed is None else fixed[t])
        value = (rows[-1] * q).sum(axis=1)
    return value[0], rows[::-1]


def leaf_law(task: TreeTask, rows: list[Array]) -> Array:
    """Probabilities of the leaves."""
    law = mdplab.exact.rational(np.ones(1, dtype=int))
    for taken, observed in zip(rows, observations(task), strict=True):
        law = (law[:, np.newaxis, np.newaxis] * taken[:, :, np.newaxis] * observed).ravel()
    return np.asarray(law)


def best_leaf(task: TreeTask, leaves: Array) -> Any:
    """Largest expectation of a function of the leaves."""
    value = leaves
    for observed in observations(task)[::-1]:
        value = (observed * value.reshape(observed.shape)).sum(axis=2).max(axis=1)
    return value[0]


def nothing(task: TreeTask) -> Array:
    """Zero at all leaves."""
    return np.asarray(mdplab.exact.rational(np.zeros(task.outcome.size, dtype=int)))


def _optimum(
    task: TreeTask, worth: Array, gamma: Any, factor: Any, end: Array, *, last: bool = True
) -> list[Any]:
    value, rows = backward(task, gamma, factor, end, last=last)
    return [value, leaf_law(task, rows) @ worth]


def turn_gain(task: TreeTask) -> Any:
    """(a): differences of the potential, turn by turn."""
    return backward(task, 1, 1, nothing(task), fixed=policies(task))[0]


def potential_change(task: TreeTask) -> Any:
    """(a): expected potential of the end, less that of the start."""
    phi = potentials(task)
    return leaf_law(task, policies(task)) @ phi[-1] - phi[0][0]


def turn_optima(task: TreeTask) -> Array:
    """(a): optima of outcome plus differences, and what they reach."""
    end = outcome(task)
    return np.array(
        [
            _optimum(task, end + along(task, task.turns), 1, 1, end),
            _optimum(task, end + along(task, task.turns - 1), 1, 1, end, last=False),
        ]
    )


def telescoped_optima(task: TreeTask) -> Array:
    """(a): best outcome plus potential, less that of the start and as it is."""
    start = potentials(task)[0][0]
    best = [best_leaf(task, outcome(task) + along(task, t)) for t in (task.turns, task.turns - 1)]
    return np.array([[value - start, value] for value in best])


def calibrated_optimum(task: TreeTask) -> Array:
    """(b): optimum of outcome plus differences, and the outcome that it reaches."""
    return np.array(_optimum(task, outcome(task), 1, 1, outcome(task)))


def calibrated_values(task: TreeTask) -> Array:
    """(b): twice the best potential less that of the start, and the best outcome."""
    phi = potentials(task)
    return np.array([2 * best_leaf(task, phi[-1]) - phi[0][0], best_leaf(task, outcome(task))])


def zero_end_optimum(task: TreeTask) -> Array:
    """(b): the optimum with the potential of the leaves taken back, and the outcome that it reaches."""
    return np.array(_optimum(task, outcome(task), 1, 1, outcome(task) - along(task, task.turns)))


def zero_end_values(task: TreeTask) -> Array:
    """(b): the best outcome, less the potential of the start and as it is."""
    best = best_leaf(task, outcome(task))
    return np.array([best - potentials(task)[0][0], best])


def early_leaves(task: TreeTask) -> Array:
    """(c): ``gamma^(T-1) Phi_T - Phi_0`` and the bonus for early potentials."""
    d, last = discount(task), task.turns
    early = sum((d ** (t - 1) * along(task, t) for t in range(1, last)), start=nothing(task))
    return np.asarray(d ** (last - 1) * along(task, last) - along(task, 0) + (1 - d) * early)


def discounted_gain(task: TreeTask) -> Any:
    """(c): discounted differences, turn by turn."""
    return backward(task, discount(task), 1, nothing(task), fixed=policies(task))[0]


def discounted_leaves(task: TreeTask) -> Any:
    """(c): expectation over the leaves."""
    return leaf_law(task, policies(task)) @ early_leaves(task)


def discounted_optimum(task: TreeTask) -> Any:
    """(c): optimum of the discounted differences."""
    return backward(task, discount(task), 1, nothing(task))[0]


def best_early_leaf(task: TreeTask) -> Any:
    """(c): best expectation over the leaves."""
    return best_leaf(task, early_leaves(task))


def shaped_gain(task: TreeTask) -> Array:
    """(d): given policy, optimum, and the potential that it reaches."""
    d, phi = discount(task), along(task, task.turns)
    given = backward(task, d, d, nothing(task), fixed=policies(task))[0]
    return np.array([given, *_optimum(task, phi, d, d, nothing(task))])


def shaped_leaves(task: TreeTask) -> Array:
    """(d): gamma^T Phi_T - Phi_0, expected and best, and the best Phi_T."""
    phi, scale = potentials(task), discount(task) ** task.turns
    best, mean = best_leaf(task, phi[-1]), leaf_law(task, policies(task)) @ phi[-1]
    return np.array([scale * mean - phi[0][0], scale * best - phi[0][0], best])
