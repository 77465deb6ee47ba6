"""Fixed points to forty digits at up to fifty states: Newton's method, solves in doubles, residuals in 60-digit decimals.

Plain loops over numbers; the models come as arrays (kernel ``(S, A, S)``), so that nothing of the package is used.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any

import numpy as np

DIGITS = 60
Decimals = list[Decimal]


def decimals(array: Any) -> Any:
    """Nested lists; None for an excluded entry."""
    if np.ndim(array) == 0:
        return None if array == -np.inf else Decimal(float(array))
    return [decimals(entry) for entry in array]


def rows_of(kernel: Any, available: Any, normalise: bool) -> list[list[list[tuple[int, Decimal]] | None]]:
    """Successors and probabilities of each pair; None where unavailable.  ``normalise`` divides rows by their sums."""
    table: list[list[list[tuple[int, Decimal]] | None]] = []
    for s in range(kernel.shape[0]):
        table.append([])
        for a in range(kernel.shape[1]):
            row = None
            if available is None or available[s, a]:
                row = [(int(t), Decimal(float(kernel[s, a, t]))) for t in np.flatnonzero(kernel[s, a])]
                if normalise and row:
                    total = sum(p for _, p in row)
                    row = [(t, p / total) for t, p in row]
            table[-1].append(row)
    return table


def lookahead(rows: Any, reward: Any, discount: Decimal, v: Decimals) -> list[list[Decimal | None]]:
    """``R + discount P v``."""
    return [
        [
            None if row is None else r + discount * sum((p * v[t] for t, p in row), Decimal(0))
            for row, r in zip(*pair, strict=True)
        ]
        for pair in zip(rows, reward, strict=True)
    ]


def aggregate(q: Any, bonus: Any, temperature: Decimal) -> tuple[Decimals, np.ndarray]:
    """Maximum or weighted log-sum-exp of each row, and the policy that attains it."""
    values, policy = [], np.zeros((len(q), len(q[0])))
    for s, (entries, extra) in enumerate(zip(q, bonus, strict=True)):
        y = [None if x is None or e is None else x + e for x, e in zip(entries, extra, strict=True)]
        top = max(x for x in y if x is not None)
        if not temperature:
            policy[s, y.index(top)] = 1.0
            values.append(top)
            continue
        weights = [Decimal(0) if x is None else ((x - top) / temperature).exp() for x in y]
        total = sum(weights)
        policy[s] = [float(w / total) for w in weights]
        values.append(top + temperature * total.ln())
    return values, policy


def optimum(
    kernel: np.ndarray,
    reward: np.ndarray,
    discount: float,
    available: np.ndarray | None = None,
    *,
    bonus: np.ndarray | None = None,
    temperature: float = 0.0,
    policy: np.ndarray | None = None,
    average: bool = False,
    normalise: bool = False,
) -> tuple[Any, Any]:
    """Value and action values of the optimum, or of a deterministic or random ``policy`` (rows as they stand).

    ``average``: bias and gain in the place of the value, the bias of state 0 being 0 (unichain models).
    """
    with localcontext(prec=DIGITS):
        rows, gain, gamma = rows_of(kernel, available, normalise), decimals(reward), Decimal(discount)
        n, tau = reward.shape[0], Decimal(temperature)
        extra = decimals(np.zeros(reward.shape) if bonus is None else bonus)
        given = None if policy is None else decimals(policy)
        v, g = [Decimal(0)] * n, Decimal(0)
        for _ in range(400):
            q = lookahead(rows, gain, gamma, v)
            if given is None:
                backup, taken = aggregate(q, extra, tau)
            else:
                assert policy is not None
                taken = policy
                backup = [
                    sum((p * x for p, x in zip(*pair, strict=True) if p), Decimal(0))
                    for pair in zip(given, q, strict=True)
                ]
            residual = [b - x - g for b, x in zip(backup, v, strict=True)]
            worst = max(abs(r) for r in residual)
            if worst <= Decimal(10) ** -40 * (1 + max(abs(x) for x in v)):
                return (v, g) if average else (v, q)
            system = np.eye(n) - discount * np.einsum("sa,sat->st", taken, kernel)
            scale = worst or Decimal(1)
            right = np.array([float(r / scale) for r in residual])
            if average:
                system = np.block([[system, np.ones((n, 1))], [np.eye(1, n), np.zeros((1, 1))]])
                right = np.append(right, 0.0)
            step = np.linalg.solve(system, right)
            v = [x + scale * Decimal(float(d)) for x, d in zip(v, step[:n], strict=True)]
            g += scale * Decimal(float(step[n])) if average else 0
        raise AssertionError("the refinement has not converged")


def largest(found: Any, exact: Any) -> float:
    """Largest ``|found - exact|`` over nested lists, without rounding of its own; None entries are left out."""
    if exact is None:
        return 0.0
    if isinstance(exact, list):
        return max(largest(x, y) for x, y in zip(found, exact, strict=True))
    with localcontext(prec=DIGITS):
        return float(abs(Decimal(float(found)) - exact))
