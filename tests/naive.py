"""Slow twins of the package's routines: a few lines each, plain loops or exact numbers, one section a package.

Append only, under your own section.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np

# --- solvers and kernels -----------------------------------------------------------------------------------------
# Exact twins: rationals for hard problems, 50-digit decimals for soft ones.  They take the doubles of a model as they
# stand; ``normalise=True`` divides each row by its sum.  ``rows[s][a]`` lists (successor, probability).


def exact_rows(mdp, number=Fraction, *, normalise=False):
    """The kernel as numbers of a type, by pairs; None at unavailable pairs."""
    dense = np.array([[mdp.row(s, a) for a in range(mdp.n_actions)] for s in range(mdp.n_states)])
    table = []
    for s in range(mdp.n_states):
        table.append([])
        for a in range(mdp.n_actions):
            row = None
            if mdp.available is None or mdp.available[s, a]:
                row = [(int(t), number(float(dense[s, a, t]))) for t in np.flatnonzero(dense[s, a])]
                if normalise:
                    total = sum(p for _, p in row)
                    row = [(t, p / total) for t, p in row]
            table[-1].append(row)
    return table


def solve_exactly(matrix, right):
    """Gauss-Jordan elimination with the largest pivot, for any exact type."""
    n = len(right)
    work = [[*row, b] for row, b in zip(matrix, right, strict=True)]
    for i in range(n):
        pivot = max(range(i, n), key=lambda k: abs(work[k][i]))
        work[i], work[pivot] = work[pivot], work[i]
        work[i] = [x / work[i][i] for x in work[i]]
        for k in range(n):
            if k != i and work[k][i] != 0:
                work[k] = [x - work[k][i] * y for x, y in zip(work[k], work[i], strict=True)]
    return [row[-1] for row in work]


def exact_lookahead(rows, reward, discount, v):
    """Action values as lists; None at unavailable pairs."""
    return [
        [
            None if row is None else r + discount * sum(p * v[t] for t, p in row)
            for row, r in zip(*pair, strict=True)
        ]
        for pair in zip(rows, reward, strict=True)
    ]


def exact_evaluation(rows, reward, discount, policy):
    """Value of a stochastic policy (rows used as they stand)."""
    n, kind = len(rows), type(discount)
    matrix = [[kind(int(s == t)) for t in range(n)] for s in range(n)]
    right = [kind(0)] * n
    for s in range(n):
        for a, weight in enumerate(policy[s]):
            if weight:
                right[s] += weight * reward[s][a]
                for t, p in rows[s][a]:
                    matrix[s][t] -= discount * weight * p
    return solve_exactly(matrix, right)


def exact_optimum(rows, reward, discount):
    """Optimal value by policy iteration in exact arithmetic."""
    actions = [next(a for a, row in enumerate(pairs) if row is not None) for pairs in rows]
    while True:
        policy = [[discount * 0 + int(a == b) for b in range(len(rows[0]))] for a in actions]
        v = exact_evaluation(rows, reward, discount, policy)
        q = exact_lookahead(rows, reward, discount, v)
        best = [max((a for a in range(len(row)) if row[a] is not None), key=row.__getitem__) for row in q]
        following = [
            b if q[s][b] > q[s][a] else a for s, (a, b) in enumerate(zip(actions, best, strict=True))
        ]
        if following == actions:
            return v
        actions = following


def exact_soft_backup(rows, reward, discount, bonus, temperature, v):
    """Soft backup in decimals and the policy it averages with; ``bonus`` is None at excluded actions."""
    values, policy = [], []
    for q, b in zip(exact_lookahead(rows, reward, discount, v), bonus, strict=True):
        y = [None if x is None or e is None else x + e for x, e in zip(q, b, strict=True)]
        top = max(x for x in y if x is not None)
        weights = [Decimal(0) if x is None else ((x - top) / temperature).exp() for x in y]
        total = sum(weights)
        values.append(top + temperature * total.ln())
        policy.append([w / total for w in weights])
    return values, policy


def exact_soft_optimum(rows, reward, discount, bonus, temperature, start):
    """Soft optimal value, action values and policy in decimals: Newton from a good start until nothing moves."""
    v = start
    for _ in range(60):
        backup, policy = exact_soft_backup(rows, reward, discount, bonus, temperature, v)
        residual = [x - y for x, y in zip(backup, v, strict=True)]
        if max(abs(r) for r in residual) < Decimal(10) ** -44 * (1 + max(abs(x) for x in v)):
            return v, exact_lookahead(rows, reward, discount, v), policy
        zero = [[Decimal(0)] * len(policy[0]) for _ in policy]
        # (I - discount P_pi) step = residual: an evaluation with the residual as reward of every action.
        gain = [[r] * len(row) for r, row in zip(residual, zero, strict=True)]
        v = [x + y for x, y in zip(v, exact_evaluation(rows, gain, discount, policy), strict=True)]
    raise AssertionError("the decimal Newton iteration has not converged")


def decimals(array):
    """An array of doubles as nested lists of decimals, exactly; None for -inf."""
    if np.ndim(array) == 0:
        return None if array == -np.inf else Decimal(float(array))
    return [decimals(entry) for entry in array]


def fractions_of(array):
    """An array of doubles as nested lists of fractions, exactly."""
    if np.ndim(array) == 0:
        return Fraction(float(array))
    return [fractions_of(entry) for entry in array]


def largest_error(found, exact):
    """Largest ``|found - exact|`` over nested lists, computed exactly; pairs with None are left out."""
    if exact is None:
        return 0.0
    if isinstance(exact, list):
        return max(largest_error(x, y) for x, y in zip(found, exact, strict=True))
    return float(abs(type(exact)(float(found)) - exact))


def naive_sweep(rows, reward, discount, w, aggregate):
    """One relative sweep with plain loops: centre taken off, lookahead, aggregate."""
    centre = 0.5 * (min(w) + max(w))
    value = np.array([x - centre for x in w])
    q = np.array(
        [
            [
                reward[s, a] + discount * sum(p * value[t] for t, p in rows[s][a])
                for a in range(reward.shape[1])
            ]
            for s in range(reward.shape[0])
        ]
    )
    return value, q, np.array([aggregate(s, q[s]) for s in range(reward.shape[0])]), centre
