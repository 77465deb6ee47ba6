"""The steps of whole solves of small dense models: statistics of the rows, one backup, policy sweeps, a Newton step.

Conventions as in :mod:`mdplab._kernels.small`, which puts them together.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._kernels import enclosures as formulas
from mdplab._kernels._jit import kernel

_INNER = 8


@kernel
def row_statistics_small(matrix: Any, admitted: Any, shared: Any) -> Any:
    """Row deviation, most successors, shared mass, and 1 + the first row that is no law (0 if all are)."""
    rows, states = matrix.shape
    shared[:] = np.inf
    deviation = 0.0
    most = 0
    for i in range(rows):
        if admitted[i] == -np.inf:
            continue
        high = 0.0
        low = 0.0
        least = 0.0
        count = 0
        for t in range(states):
            p = matrix[i, t]
            shared[t] = min(shared[t], p)
            least = min(least, p)
            count += p != 0.0
            total = high + p
            part = total - high
            low += (high - (total - part)) + (p - part)
            high = total
        off = abs((high - 1.0) + low)
        if not (off <= 16 * formulas.UNIT * states and least >= 0.0):
            return deviation, most, 0.0, i + 1
        deviation = max(deviation, off)
        most = max(most, count)
    deviation = deviation * (1 + 4 * formulas.UNIT) + 2 * (most * formulas.UNIT) ** 2
    overlap = 0.0
    for t in range(states):
        overlap += shared[t]
    overlap = overlap * (1 - 2 * states * formulas.UNIT) - deviation
    return deviation, most, min(1.0, max(0.0, overlap)), 0


@kernel
def backup_small(
    kind: int,
    matrix: Any,
    reward: Any,
    extra: Any,
    discount: float,
    temperature: float,
    w: Any,
    q: Any,
    backup: Any,
    policy: Any,
    actions: Any,
) -> Any:
    """One backup; returns the extremes of the residual and the largest |q| and |backup|."""
    states, choices = reward.shape
    low = np.inf
    high = -np.inf
    largest_q = 0.0
    largest_b = 0.0
    i = 0
    for s in range(states):
        best = -np.inf
        action = 0
        for a in range(choices):
            total = 0.0
            for t in range(states):
                total += matrix[i, t] * w[t]
            i += 1
            x = reward[s, a] + discount * total
            q[s, a] = x
            if kind == 1:
                if extra[s, a] > -np.inf:
                    largest_q = max(largest_q, abs(x))
                x += extra[s, a]
            else:
                largest_q = max(largest_q, abs(x) if x > -np.inf else 0.0)
            action = a if x > best else action
            best = max(best, x)
        actions[s] = action
        if kind == 1:
            total = 0.0
            for a in range(choices):
                z = np.exp((q[s, a] + extra[s, a] - best) / temperature)
                policy[s, a] = z
                total += z
            for a in range(choices):
                policy[s, a] /= total
            best += temperature * np.log(total)
        elif kind == 2:
            best = 0.0
            for a in range(choices):
                if policy[s, a] > 0:
                    best += policy[s, a] * (q[s, a] - extra[s, a])
        backup[s] = best
        largest_b = max(largest_b, abs(best))
        low = min(low, best - w[s])
        high = max(high, best - w[s])
    return low, high, largest_q, largest_b


@kernel
def near_extremes_small(q: Any, extra: Any, lookahead: float, temperature: float) -> Any:
    """Largest |q| and |extra| of the entries whose weight is not proven to be below exp(-100) of the row's largest."""
    states, choices = q.shape
    largest_q = 0.0
    largest_extra = 0.0
    for s in range(states):
        best = -np.inf
        for a in range(choices):
            if extra[s, a] > -np.inf:
                y = q[s, a] + extra[s, a]
                entry = lookahead + (formulas.UNIT * abs(extra[s, a]) + formulas.UNIT * abs(y))
                best = max(best, y - formulas.SAFETY * entry)
        for a in range(choices):
            if extra[s, a] > -np.inf:
                y = q[s, a] + extra[s, a]
                entry = lookahead + (formulas.UNIT * abs(extra[s, a]) + formulas.UNIT * abs(y))
                if y + formulas.SAFETY * entry >= best - 100 * temperature:
                    largest_q = max(largest_q, abs(q[s, a]))
                    largest_extra = max(largest_extra, abs(extra[s, a]))
    return largest_q, largest_extra


@kernel
def centred(source: Any, w: Any) -> None:
    low = np.inf
    high = -np.inf
    for s in range(w.size):
        low = min(low, source[s])
        high = max(high, source[s])
    middle = 0.5 * low + 0.5 * high
    for s in range(w.size):
        w[s] = source[s] - middle


@kernel
def policy_sweeps_small(
    matrix: Any, reward: Any, discount: float, actions: Any, goal: float, source: Any, other: Any
) -> None:
    """Sweeps of a deterministic policy until half the span of the change is at the goal."""
    states, choices = reward.shape
    for _ in range(_INNER // 2):
        for turn in range(2):
            x = source if turn == 0 else other
            y = other if turn == 0 else source
            low = np.inf
            high = -np.inf
            for s in range(states):
                i = s * choices + actions[s]
                total = 0.0
                for t in range(states):
                    total += matrix[i, t] * x[t]
                total = reward[s, actions[s]] + discount * total
                y[s] = total
                low = min(low, total - x[s])
                high = max(high, total - x[s])
        if 0.5 * (high - low) <= goal:
            return


@kernel
def newton_small(
    kind: int, matrix: Any, choices: int, discount: float, policy: Any, actions: Any, w: Any, backup: Any
) -> None:
    """``w + (I - discount P_pi)^{-1} (backup - w - midrange)`` into ``backup``."""
    states = w.size
    system = np.zeros((states, states))
    for s in range(states):
        if kind == 0:
            for t in range(states):
                system[s, t] = -discount * matrix[s * choices + actions[s], t]
        else:
            for a in range(choices):
                weight = discount * policy[s, a]
                if weight != 0.0:
                    for t in range(states):
                        system[s, t] -= weight * matrix[s * choices + a, t]
        system[s, s] += 1.0
    low = np.inf
    high = -np.inf
    for s in range(states):
        low = min(low, backup[s] - w[s])
        high = max(high, backup[s] - w[s])
    right = np.empty(states)
    for s in range(states):
        right[s] = backup[s] - w[s] - (0.5 * low + 0.5 * high)
    step = np.linalg.solve(system, right)
    for s in range(states):
        backup[s] = w[s] + step[s]
