"""Exact twins of undiscounted problems: chains of rationals, all deterministic policies, by plain loops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np

INFINITY = float("inf")
Rows = list[list[Fraction]]


def solve(matrix: Rows, right: Sequence[Fraction]) -> list[Fraction]:
    """Gauss-Jordan elimination of rationals; the matrix is regular."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for k in range(len(rows)):
        pivot = next(i for i in range(k, len(rows)) if rows[i][k] != 0)
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [x / rows[k][k] for x in rows[k]]
        for i in range(len(rows)):
            if i != k and rows[i][k] != 0:
                rows[i] = [x - rows[i][k] * y for x, y in zip(rows[i], rows[k], strict=True)]
    return [row[-1] for row in rows]


def dense(model: Any) -> np.ndarray:
    """The kernel as a dense array."""
    kernel = model.transition
    return np.asarray(kernel.toarray() if model.is_sparse else kernel).reshape(
        model.n_states, -1, model.n_states
    )


def chain(model: Any, actions: Sequence[int]) -> tuple[Rows, list[Fraction]]:
    """Kernel and rewards of a deterministic policy, rows divided by their sums."""
    kernel = dense(model)
    rows = []
    for s, a in enumerate(actions):
        row = [Fraction(float(p)) for p in kernel[s, a]]
        total = sum(row) or Fraction(1)
        rows.append([p / total for p in row])
    return rows, [Fraction(float(model.reward[s, a])) for s, a in enumerate(actions)]


def reachable(rows: Rows, s: int) -> set[int]:
    """States that can follow ``s``, itself included."""
    seen, todo = {s}, [s]
    while todo:
        for t, p in enumerate(rows[todo.pop()]):
            if p > 0 and t not in seen:
                seen.add(t)
                todo.append(t)
    return seen


def classes(rows: Rows) -> list[set[int]]:
    """Recurrent classes."""
    follow = [reachable(rows, s) for s in range(len(rows))]
    found: list[set[int]] = []
    for s, members in enumerate(follow):
        if all(s in follow[t] for t in members) and members not in found:
            found.append(members)
    return found


def class_gain(rows: Rows, reward: Sequence[Fraction], members: set[int]) -> Fraction:
    """Average reward of a recurrent class by its stationary law."""
    states = sorted(members)
    matrix = [[(rows[t][s] - (s == t)) for t in states] for s in states]
    matrix[0] = [Fraction(1)] * len(states)
    law = solve(matrix, [Fraction(int(i == 0)) for i in range(len(states))])
    return sum((p * reward[s] for p, s in zip(law, states, strict=True)), Fraction(0))


def absorbed(rows: Rows, reward: Sequence[Fraction], ends: dict[int, Fraction]) -> dict[int, Fraction]:
    """Total reward until ``ends`` plus the value there, of the states from which they are reached surely."""
    inner = [s for s in range(len(rows)) if s not in ends]
    matrix = [[Fraction(int(s == t)) - rows[s][t] for t in inner] for s in inner]
    right = [reward[s] + sum((rows[s][t] * x for t, x in ends.items()), Fraction(0)) for s in inner]
    return {**ends, **dict(zip(inner, solve(matrix, right), strict=True))}


def policies(model: Any, options: list[list[int]] | None = None) -> Iterator[tuple[int, ...]]:
    """All deterministic policies."""
    mask = (
        np.ones((model.n_states, model.n_actions), dtype=bool) if model.available is None else model.available
    )
    if options is None:
        options = [[int(a) for a in np.flatnonzero(row)] or [0] for row in mask]
    yield from product(*options)


def gains(model: Any, actions: Sequence[int]) -> list[Fraction]:
    """Average reward of a policy from every state."""
    rows, reward = chain(model, actions)
    ends = {s: class_gain(rows, reward, members) for members in classes(rows) for s in members}
    value = absorbed(rows, [Fraction(0)] * len(rows), ends)
    return [value[s] for s in range(len(rows))]


def best_gains(model: Any) -> list[Fraction]:
    """Largest average reward from every state, over all deterministic policies."""
    return [max(column) for column in zip(*(gains(model, p) for p in policies(model)), strict=True)]


def proper_totals(model: Any, actions: Sequence[int]) -> dict[int, Fraction]:
    """Total reward of a policy from the states where it almost surely terminates or collects 0 for ever."""
    rows, reward = chain(model, actions)
    for s in np.flatnonzero(model.terminal):
        rows[s] = [Fraction(int(s == t)) for t in range(len(rows))]
        reward[s] = Fraction(0)
    ends: dict[int, Fraction] = {}
    wrong: set[int] = set()
    for members in classes(rows):
        if all(reward[s] == 0 for s in members):
            ends.update(dict.fromkeys(members, Fraction(0)))
        else:
            wrong |= members
    good = [s for s in range(len(rows)) if not reachable(rows, s) & wrong]
    number = {s: i for i, s in enumerate(good)}
    sub = [[rows[s][t] for t in good] for s in good]
    value = absorbed(sub, [reward[s] for s in good], {number[s]: x for s, x in ends.items()})
    return {s: value[number[s]] for s in good}


def best_totals(model: Any) -> list[float | Fraction]:
    """Supremum over proper policies: ``-inf`` where there is none, ``inf`` where it is unbounded."""
    best: list[float | Fraction] = [-INFINITY] * model.n_states
    for actions in policies(model):
        for s, x in proper_totals(model, actions).items():
            best[s] = max(best[s], x)
    kernel = dense(model)
    bad = [s for s in range(model.n_states) if best[s] == -INFINITY]
    options: list[list[int]] = []
    for s in range(model.n_states):
        admitted = range(model.n_actions) if model.available is None else np.flatnonzero(model.available[s])
        safe = [int(a) for a in admitted if not kernel[s, a, bad].any()]
        options.append(safe if s not in bad and not model.terminal[s] else [0])
    for actions in policies(model, options):
        rows, reward = chain(model, actions)
        for s in np.flatnonzero(model.terminal | np.isin(np.arange(model.n_states), bad)):
            rows[s] = [Fraction(int(s == t)) for t in range(len(rows))]
            reward[s] = Fraction(0)
        rich = set().union(*(m for m in classes(rows) if class_gain(rows, reward, m) > 0))
        for s in range(model.n_states):
            if best[s] != -INFINITY and reachable(rows, s) & rich:
                best[s] = INFINITY
    return best
