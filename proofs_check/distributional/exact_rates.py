"""Values of n steps in rationals: over partial sums, by planning with a stock, and the bounds on their distances."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.distributional.exact_stock import UTILITIES, Planner, objective
from proofs_check.distributional.exact_stock import best_values as best_of_all
from proofs_check.distributional.stock_tasks import StockTask

if TYPE_CHECKING:
    from proofs_check.distributional.rate_tasks import RateTask

COMPARED = 9


def values(task: RateTask, steps: int) -> Array:
    """``f_n(s, c)``, shape (S, C): the best expected utility over partial sums, which stay whole numbers of units."""
    law, reward = mdplab.exact.laws(task.model.law), task.model.rewards().astype(int)
    most, n_states = int(reward.max()), task.model.n_states
    unit = mdplab.exact.rational(2) / 2**steps
    sums = [unit * j for j in range(most * (2**steps - 1) + 1)]
    found = []
    for c in mdplab.exact.rational(task.stocks):
        value = np.tile(UTILITIES[task.objective](c + np.array(sums, dtype=object)), (n_states, 1))
        for t in range(steps - 1, -1, -1):
            j = np.arange(most * (2**t - 1) + 1)
            rows = []
            for s in range(n_states):
                actions = [
                    sum(law[s, a, u] * value[u, 2 * j + reward[s, a, u]] for u in range(n_states))
                    for a in range(task.model.n_actions)
                ]
                rows.append(mdplab.exact.highest(np.array(actions), axis=0))
            value = np.array(rows)
        found.append(value[:, 0])
    return np.array(found).T


def gaps(task: RateTask) -> Array:
    """``|f_n - f_N|``."""
    last = values(task, task.last)
    return np.array([abs(values(task, n) - last) for n in range(COMPARED)])


def uniform_bounds(task: RateTask) -> Array:
    """``gamma^n r (1 - gamma^(N - n)) / (1 - gamma)``."""
    half = mdplab.exact.rational(1) / 2
    most = mdplab.exact.rational(task.bound)
    rows = [2 * most * (half**n - half**task.last) for n in range(COMPARED)]
    return np.broadcast_to(np.array(rows)[:, None, None], shape(task))


def distance_bounds(task: RateTask) -> Array:
    """``gamma^n`` times the largest expected return of N - n steps."""
    law, half = mdplab.exact.laws(task.model.law), mdplab.exact.rational(1) / 2
    mean = (law * mdplab.exact.rational(task.model.rewards())).sum(axis=-1)
    value = np.array([0 * half] * task.model.n_states)
    largest = [value.max()]
    for _ in range(task.last):
        value = (mean + half * (law @ value)).max(axis=1)
        largest.append(value.max())
    rows = [half**n * largest[task.last - n] for n in range(COMPARED)]
    return np.broadcast_to(np.array(rows)[:, None, None], shape(task))


def shape(task: RateTask) -> tuple[int, int, int]:
    return COMPARED, task.model.n_states, len(task.stocks)


def limit_gaps(task: RateTask) -> Array:
    """``|f_n - f_*|`` of the loop, whose return is twice the reward."""
    whole = 2 * mdplab.exact.rational(task.model.rewards()[0, 0, 0])
    limit = UTILITIES[task.objective](mdplab.exact.rational(task.stocks) + whole)
    return np.array([abs(values(task, n)[0] - limit) for n in range(COMPARED)])


def limit_bounds(task: RateTask) -> Array:
    """``gamma^n r / (1 - gamma)``."""
    rows = [2 * mdplab.exact.rational(task.bound) / 2**n for n in range(COMPARED)]
    return np.broadcast_to(np.array(rows)[:, None], (COMPARED, len(task.stocks)))


def planned_values(task: RateTask, counts: range) -> Array:
    """Value iteration with a stock."""
    value = objective(task.objective)
    planner, found = Planner(task, value), []
    for n in counts:
        for s, c in task.starts:
            stock = mdplab.exact.rational(c)
            found.append(value(planner.law(n, s, stock).affine(1, stock)))
    return np.array(found)


def best_values(task: RateTask, counts: range) -> Array:
    """The best expected utility over partial sums; other objectives by enumeration."""
    if task.objective in UTILITIES:
        return np.concatenate([values(task, n).ravel() for n in counts])
    return np.concatenate([enumerated(task, n) for n in counts])


def enumerated(task: RateTask, steps: int) -> Array:
    """The largest objective over all history-dependent policies of n steps."""
    return best_of_all(StockTask(task.model, steps, task.discount, task.objective, task.stocks))
