r"""Linear programs and matrix games in rationals: optimal values as fractions, with the pair of points that proves them.

The program is to maximise :math:`c\cdot x` subject to :math:`Ax\le b`, :math:`Ex=e` and :math:`x\ge0` (or :math:`x` free).  Its
dual is to minimise :math:`b\cdot y+e\cdot z` subject to :math:`y\ge0` and :math:`A^\top y+E^\top z\ge c` (``=`` where x is free).
Feasible points with :math:`c\cdot x=b\cdot y+e\cdot z` are optimal, both.

The simplex method ends, because no step that gains comes back to a basis and after one that gains nothing Bland's rule holds,
which does not cycle; in rationals it ends at the optimum.  Where a float solution is at hand (``near=``), the first basis takes its largest variables first: at a vertex that is its support, the
basis is optimal as a rule, and all that is left to do is one elimination, which decides what the float solver could not.

References
----------
.. [1] R. G. Bland, "New finite pivoting rules for the simplex method", Mathematics of Operations Research 2, 1977.
.. [2] V. Chvatal, *Linear Programming*, 1983, chapters 3 and 8.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mdplab._typing import Array
from mdplab.exact._flint import fmpq, fmpq_mat
from mdplab.exact.linear import identity, multiply
from mdplab.exact.models import require_rational
from mdplab.exact.numbers import entries, rational
from mdplab.solution import Status

__all__ = ["Game", "Program", "is_optimal_program_pair", "linear_program", "matrix_game"]


class Program(NamedTuple):
    """Exact solution of a linear program.

    Attributes
    ----------
    status : Status
        CONVERGED, INFEASIBLE or UNBOUNDED.
    value : fmpq or None
        Optimal value.
    primal : object array (n,) or None
        An optimal vertex.
    dual : object array (m,) or None
        Multipliers of ``at_most`` (non-negative) and of ``equal``, concatenated.
    """

    status: Status
    value: fmpq | None = None
    primal: Array | None = None
    dual: Array | None = None


class Game(NamedTuple):
    """Exact equilibrium of a zero-sum matrix game.

    Attributes
    ----------
    value : fmpq
        What the row player gets.
    row, column : object array (n,), (m,)
        Optimal strategies; they need not be the only ones.
    """

    value: fmpq
    row: Array
    column: Array


def _constraint(name: str, constraint: Any, n: int) -> tuple[Array, Array]:
    if constraint is None:
        return np.empty((0, n), dtype=object), np.empty(0, dtype=object)
    matrix, right = (entries(rational(part)) for part in constraint)
    if matrix.ndim != 2 or matrix.shape[1] != n or right.shape != matrix.shape[:1]:
        raise ValueError(
            f"{name} has the shapes {matrix.shape} and {right.shape}, expected (m, {n}) and (m,)"
        )
    require_rational(name, matrix)
    require_rational(name, right)
    return matrix, right


def _read(cost: Any, at_most: Any, equal: Any) -> tuple[Array, Array, Array, int]:
    """Objective, rows and right sides of both kinds of constraint, and the number of inequalities."""
    c = entries(rational(cost))
    if c.ndim != 1:
        raise ValueError(f"cost has shape {c.shape}, expected (n,)")
    require_rational("cost", c)
    (a, b), (e, f) = _constraint("at_most", at_most, c.size), _constraint("equal", equal, c.size)
    return c, np.concatenate([a, e]), np.concatenate([b, f]), b.size


def _echelon(matrix: Array) -> tuple[Array, list[int]]:
    """Reduced row echelon form without its zero rows, and its pivot columns."""
    reduced, rank = fmpq_mat(matrix.tolist()).rref()
    rows = np.array(reduced.tolist(), dtype=object).reshape(matrix.shape)[:rank]
    return rows, [int((row != 0).argmax()) for row in rows]


def _pivot(table: Array, basis: list[int], row: int, column: int) -> None:
    table[row] /= table[row, column]
    others = np.flatnonzero(table[:, column] != 0)
    others = others[others != row]
    table[others] -= table[others, column][:, np.newaxis] * table[row]
    basis[row] = column


def _simplex(table: Array, basis: list[int], cost: Array) -> bool:
    """Maximise from a feasible basis, in place; False if the program is unbounded."""
    stands = False
    while True:
        reduced = cost - cost[basis] @ table[:, :-1]
        rising = np.flatnonzero(reduced > 0)
        if not rising.size:
            return True
        column = int(rising[0] if stands else reduced.argmax())
        rows = np.flatnonzero(table[:, column] > 0)
        if not rows.size:
            return False
        ratios = table[rows, -1] / table[rows, column]
        tied = rows[ratios == ratios.min()]
        stands = ratios.min() == 0
        _pivot(table, basis, int(min(tied, key=lambda i: basis[i])), column)


def _feasible(table: Array, basis: list[int]) -> Array | None:
    """A table with a feasible basis, which is updated in place; None if there is no feasible point."""
    worst = int(table[:, -1].argmin())
    if table[worst, -1] >= 0:
        return table
    # One artificial variable, subtracted from all rows, repairs them; then it is driven to zero.
    artificial = table.shape[1] - 1
    extra = np.full((len(table), 1), fmpq(-1), dtype=object)
    table = np.concatenate([table[:, :-1], extra, table[:, -1:]], axis=1)
    _pivot(table, basis, worst, artificial)
    cost = np.full(artificial + 1, fmpq(0), dtype=object)
    cost[artificial] = fmpq(-1)
    _simplex(table, basis, cost)
    if artificial in basis:
        row = basis.index(artificial)
        if table[row, -1] != 0:
            return None
        _pivot(table, basis, row, int((table[row, :artificial] != 0).argmax()))
    return np.delete(table, artificial, axis=1)


def linear_program(
    cost: Any, *, at_most: Any = None, equal: Any = None, free: bool = False, near: Any = None
) -> Program:
    """Maximise ``cost @ x`` exactly.

    Parameters
    ----------
    cost : array_like (n,)
        Objective; floats are read as by :func:`mdplab.exact.rational`, here and below.
    at_most, equal : (array_like (m, n), array_like (m,)), optional
        Constraints ``A x <= b`` and ``E x = e``.
    free : bool, default False
        Whether the variables may have any sign; otherwise ``x >= 0``.
    near : array_like (n,), optional
        A float solution, which saves steps and decides nothing.

    Returns
    -------
    Program
        ``primal`` and ``dual`` are feasible and have the same objective.

    Raises
    ------
    ValueError
        If shapes do not match or an entry is no rational number.
    """
    c, rows, right, n_at_most = _read(cost, at_most, equal)
    n = c.size
    guess = None if near is None else np.asarray(near, dtype=np.float64)
    if guess is not None and guess.shape != (n,):
        raise ValueError(f"near has shape {guess.shape}, expected ({n},)")
    matrix = np.concatenate([rows, -rows], axis=1) if free else rows
    slack = identity(len(rows))[:, :n_at_most]
    system = np.concatenate([matrix, slack, right[:, np.newaxis]], axis=1)
    if guess is None:
        size = np.concatenate([np.zeros(matrix.shape[1]), np.ones(n_at_most)])  # the slacks first
    else:
        left = np.array([float(x) for x in (right - rows @ rational(guess))[:n_at_most]])
        size = np.concatenate([guess, -guess, left] if free else [guess, left])
    order = np.argsort(-size, kind="stable")
    if not len(rows):
        system = np.full((1, system.shape[1]), fmpq(0), dtype=object)
    table, pivots = _echelon(system[:, [*order, -1]])
    if pivots and pivots[-1] == order.size:
        return Program(Status.INFEASIBLE)  # the equations contradict each other
    table[:, order] = table[:, :-1].copy()
    basis = [int(order[j]) for j in pivots]
    objective = np.concatenate([c, -c] if free else [c])
    objective = np.concatenate([objective, np.full(n_at_most, fmpq(0), dtype=object)])
    if len(table):
        start = _feasible(table, basis)
        if start is None:
            return Program(Status.INFEASIBLE)
        table = start
    if not _simplex(table, basis, objective):
        return Program(Status.UNBOUNDED)
    x = np.full(objective.size, fmpq(0), dtype=object)
    x[basis] = table[:, -1]
    primal = x[:n] - x[n : 2 * n] if free else x[:n]
    dual = np.full(len(rows), fmpq(0), dtype=object)
    if basis and len(rows):  # multipliers of the basic columns; redundant equations get zero
        columns = np.concatenate([system[:, basis].T, objective[basis][:, np.newaxis]], axis=1)
        solved, found = _echelon(columns)
        dual[found] = solved[:, -1]
    return Program(Status.CONVERGED, c @ primal, primal, dual)


def is_optimal_program_pair(
    cost: Any, primal: Any, dual: Any, *, at_most: Any = None, equal: Any = None, free: bool = False
) -> bool:
    """Whether two points are feasible and prove each other optimal, exactly.

    Parameters
    ----------
    cost : array_like (n,)
        Objective, maximised.
    primal : array_like (n,)
        A point of the program.
    dual : array_like (m,)
        Multipliers of ``at_most`` and ``equal``, concatenated.
    at_most, equal : (array_like (m, n), array_like (m,)), optional
        Constraints, as for :func:`linear_program`.
    free : bool, default False
        As for :func:`linear_program`.

    Returns
    -------
    bool
    """
    c, rows, right, n_at_most = _read(cost, at_most, equal)
    x, y = entries(rational(primal)), entries(rational(dual))
    if x.shape != c.shape or y.shape != right.shape:
        raise ValueError(
            f"primal and dual have the shapes {x.shape} and {y.shape}, expected {c.shape} and {right.shape}"
        )
    slack = right - (multiply(rows, x) if len(rows) else right)
    prices = (multiply(rows.T, y) if len(rows) else c * 0) - c
    feasible = (
        (slack[:n_at_most] >= 0).all() and (slack[n_at_most:] == 0).all() and (y[:n_at_most] >= 0).all()
    )
    priced = (prices == 0).all() if free else (prices >= 0).all() and (x >= 0).all()
    return bool(feasible and priced and (c * x).sum() == (right * y).sum())


def matrix_game(game: Any, *, near: Any = None) -> Game:
    """Value and optimal strategies of a zero-sum game.

    Parameters
    ----------
    game : MatrixGame or array_like (n, m)
        Payoff of the row player, who maximises.
    near : array_like (m,), optional
        The column strategy of a float solution, which saves steps and decides nothing.

    Returns
    -------
    Game
        ``(row @ payoff).min() == value == (payoff @ column).max()``, exactly.

    Raises
    ------
    ValueError
        If the payoff is no matrix of rationals.
    """
    payoff = entries(rational(getattr(game, "payoff", game)))
    if payoff.ndim != 2 or 0 in payoff.shape:
        raise ValueError(f"game has shape {payoff.shape}, expected (n, m)")
    require_rational("game", payoff)
    lift = 1 - payoff.min()  # payoffs of at least 1: the value is positive
    ones = [1] * payoff.shape[0]
    if near is not None:
        guess = np.asarray(near, dtype=np.float64)
        near = guess / (np.asarray(payoff + lift, dtype=np.float64) @ guess).max()
    found = linear_program([1] * payoff.shape[1], at_most=(payoff + lift, ones), near=near)
    assert found.value is not None  # feasible (at 0) and bounded, because all entries are positive
    assert found.primal is not None
    assert found.dual is not None
    value = 1 / found.value
    return Game(value - lift, found.dual * value, found.primal * value)
