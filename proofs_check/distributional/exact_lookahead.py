"""Value iteration from a random policy in rationals."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array
from mdplab.models import FiniteHorizonMDP

if TYPE_CHECKING:
    from mdplab.exact import ExactHorizon
    from proofs_check.distributional.laidlaw2023_fitted_values import FittedTask


def backup(twin: ExactHorizon, q: Array) -> Array:
    """``R + P max q`` of the next stage."""
    after = [*q[1:].max(axis=-1), twin.terminal]
    return np.array([twin.lookahead(h, value) for h, value in enumerate(after)], dtype=object)


def random_q(twin: ExactHorizon) -> Array:
    """Action values of the uniform policy."""
    n_actions = twin.reward.shape[-1]
    rows, value = np.empty_like(twin.reward), twin.terminal
    for h in reversed(range(twin.horizon)):
        rows[h] = twin.lookahead(h, value)
        value = rows[h].sum(axis=-1) / n_actions
    return rows


def last_lookahead(mdp: FiniteHorizonMDP) -> Array:
    """``Q^T_0``, and the value of the worst policy greedy for ``Q^T``."""
    twin = mdplab.exact.ExactHorizon.of(mdp)
    q = random_q(twin)
    for _ in range(twin.horizon - 1):
        q = backup(twin, q)
    value = twin.terminal
    for h in reversed(range(twin.horizon)):
        own = twin.lookahead(h, value)
        greedy = q[h] == q[h].max(axis=-1, keepdims=True)
        value = np.array([row[ties].min() for row, ties in zip(own, greedy, strict=True)], dtype=object)
    return np.append(q[0].ravel(), value[0])


def optimum(mdp: FiniteHorizonMDP) -> Array:
    """``Q*_0`` and ``V*_0``."""
    found = mdplab.exact.backward_induction(mdp)
    return np.append(found.q[0].ravel(), found.value[0, 0])


def _squared_norms(task: FittedTask, rows: Array) -> Any:
    """Squares of the norms of tables (T, S, A), stage by stage."""
    explored = mdplab.exact.laws(task.exploration)
    laws = mdplab.exact.stage_laws(task.mdp, explored)[:-1]
    return (laws[..., np.newaxis] * explored * rows**2).sum(axis=(1, 2))


def fitted_errors(task: FittedTask) -> Array:
    """Squared norms of the differences."""
    twin = mdplab.exact.ExactHorizon.of(task.mdp)
    noise = mdplab.exact.rational(task.errors)
    plain = random_q(twin)
    fitted, squares = plain + noise[0], []
    for k in range(1, twin.horizon + 1):
        if k > 1:
            plain, fitted = backup(twin, plain), backup(twin, fitted) + noise[k - 1]
        squares.extend(_squared_norms(task, fitted - plain)[: twin.horizon - k + 1])
    return np.array(squares, dtype=object)


def bounds(task: FittedTask) -> Array:
    """Squares of the sums of the norms with their factors: rational where one term is not zero."""
    noise, horizon, n_actions = mdplab.exact.rational(task.errors), task.mdp.horizon, task.mdp.n_actions
    squares = np.array([_squared_norms(task, rows) for rows in noise])
    found = []
    for k in range(1, horizon + 1):
        for t in range(horizon - k + 1):
            terms = [n_actions**j * squares[k - j - 1, t + j] for j in range(k)]
            mixed = [2 * mdplab.exact.sqrt(x * y) for x, y in combinations(terms, 2) if x * y != 0]
            found.append(sum(terms) + sum(mixed) if mixed else sum(terms))
    return np.array(found, dtype=object)
