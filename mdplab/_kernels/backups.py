r"""Fused sweeps of the hard, soft and residual optimality backups, dense and CSR, and statistics of kernel rows.

Every ``*_sweeps_*`` kernel runs relative value iteration.  One sweep is

.. math::
    w \leftarrow b - \tfrac12(\min b + \max b), \qquad q = R + \gamma P w, \qquad b = \mathrm{agg}_a\, q(\cdot, a),

with the maximum (hard) or a weighted log-sum-exp (soft, residual) as aggregate.  Taking off the midrange changes
neither the policies nor the span of the residual :math:`b - w`, and keeps all magnitudes at the size of the span of
the value function instead of :math:`1/(1-\gamma)` times the reward.  The sweep loop ends when half the span of the
residual reaches ``target``.  The arrays that come out belong together: ``backup`` is the backup of ``value`` and
``q`` lies between them.

Conventions: ``transition`` is ``(S*A, S)``; CSR indices are unsigned (signed ones cost a wrap-around test in every
gather); unavailable actions have ``-inf`` in ``reward`` (hard) or in ``bonus`` (soft, residual) and a finite reward.
``spans (n, 3)`` receives the least and the largest residual and the centre taken off, sweep by sweep; its length is
the largest number of sweeps.  The return value is the number of sweeps done.
"""

from __future__ import annotations

# The annotations say what the arrays are; kernels are typed by Numba.
from typing import Any

import numpy as np

from mdplab._kernels._jit import kernel


@kernel
def row_statistics_dense(transition: Any, admitted: Any, statistics: Any) -> None:
    """Largest deviation of a row sum from 1, most successors, and the mass that all admitted rows share."""
    rows, states = transition.shape
    shared = np.full(states, np.inf)
    deviation = 0.0
    most = 0
    for i in range(rows):
        if not admitted[i]:
            continue
        high = 0.0
        low = 0.0
        count = 0
        for t in range(states):
            p = transition[i, t]
            shared[t] = min(shared[t], p)
            if p != 0.0:
                count += 1
                total = high + p  # Knuth's TwoSum: high + low is the sum to twice the working precision
                part = total - high
                low += (high - (total - part)) + (p - part)
                high = total
        deviation = max(deviation, abs((high - 1.0) + low))
        most = max(most, count)
    statistics[0] = deviation
    statistics[1] = most
    statistics[2] = np.sum(shared)


@kernel
def row_statistics_csr(data: Any, indices: Any, indptr: Any, admitted: Any, statistics: Any) -> None:
    """The same of CSR rows; ``statistics`` has three places and one more for each state, as working space."""
    shared = statistics[3:]
    hits = np.zeros(shared.size, np.int64)
    shared[:] = np.inf
    deviation = 0.0
    most = 0
    number = 0
    alive = shared.size
    for i in range(admitted.size):
        if not admitted[i]:
            continue
        high = 0.0
        low = 0.0
        for k in range(indptr[i], indptr[i + 1]):
            p = data[k]
            total = high + p
            part = total - high
            low += (high - (total - part)) + (p - part)
            high = total
        deviation = max(deviation, abs((high - 1.0) + low))
        most = max(most, indptr[i + 1] - indptr[i])
        if alive > 0:  # states that every row so far can reach; few rows use them up in a sparse model
            alive = 0
            for k in range(indptr[i], indptr[i + 1]):
                t = indices[k]
                if hits[t] == number:
                    hits[t] += 1
                    alive += 1
                if hits[t] > number:
                    shared[t] = min(shared[t], data[k])
            number += 1
    overlap = 0.0
    if alive > 0:
        for t in range(shared.size):
            if hits[t] == number:
                overlap += shared[t]
    statistics[0] = deviation
    statistics[1] = most
    statistics[2] = overlap


@kernel
def _recentre(backup: Any, value: Any) -> float:
    """``value = backup - midrange(backup)``; returns the midrange."""
    low = np.inf
    high = -np.inf
    for s in range(backup.size):
        low = min(low, backup[s])
        high = max(high, backup[s])
    middle = 0.5 * low + 0.5 * high
    for s in range(backup.size):
        value[s] = backup[s] - middle
    return middle


@kernel
def _lookahead_csr(
    data: Any, indices: Any, indptr: Any, reward: Any, discount: float, s: int, value: Any, q: Any
) -> None:
    """Row ``s`` of ``q = reward + discount * P value``."""
    row = s * reward.shape[1]
    k = np.uint64(indptr[row])
    for a in range(reward.shape[1]):
        total = 0.0
        end = np.uint64(indptr[row + a + 1])
        while k < end:  # one unsigned counter runs through all rows
            total += data[k] * value[indices[k]]
            k += np.uint64(1)
        q[s, a] = reward[s, a] + discount * total


@kernel
def _largest(q: Any, s: int) -> float:
    best = -np.inf
    for a in range(q.shape[1]):
        best = max(best, q[s, a])
    return best


@kernel
def _soft(q: Any, bonus: Any, temperature: float, s: int) -> float:
    """``temperature * log sum_a exp((q + bonus) / temperature)`` in two passes: maximum, then sum."""
    top = -np.inf
    for a in range(q.shape[1]):
        top = max(top, q[s, a] + bonus[s, a])
    total = 0.0
    for a in range(q.shape[1]):
        total += np.exp((q[s, a] + bonus[s, a] - top) / temperature)
    return float(top + temperature * np.log(total))


@kernel
def _streamed(q: Any, bonus: Any, temperature: float, s: int) -> float:
    """The same quantity in one pass: the sum is rescaled whenever a larger exponent comes along."""
    top = -np.inf
    total = 0.0
    for a in range(q.shape[1]):
        exponent = (q[s, a] + bonus[s, a]) / temperature
        if exponent > top:
            total = total * np.exp(top - exponent) + 1.0
            top = exponent
        elif exponent > -np.inf:
            total += np.exp(exponent - top)
    return float(temperature * (top + np.log(total)))


@kernel
def hard_sweeps_dense(
    transition: Any, reward: Any, discount: float, target: float, value: Any, q: Any, backup: Any, spans: Any
) -> int:
    """Sweeps of the maximum backup."""
    states, actions = reward.shape
    flat = q.reshape(states * actions)
    for n in range(spans.shape[0]):
        spans[n, 2] = _recentre(backup, value)
        np.dot(transition, value, flat)
        low = np.inf
        high = -np.inf
        for s in range(states):
            for a in range(actions):
                q[s, a] = reward[s, a] + discount * q[s, a]
            backup[s] = _largest(q, s)
            low = min(low, backup[s] - value[s])
            high = max(high, backup[s] - value[s])
        spans[n, 0] = low
        spans[n, 1] = high
        if 0.5 * (high - low) <= target:
            return n + 1
    return int(spans.shape[0])


@kernel
def hard_sweeps_csr(
    data: Any,
    indices: Any,
    indptr: Any,
    reward: Any,
    discount: float,
    target: float,
    value: Any,
    q: Any,
    backup: Any,
    spans: Any,
) -> int:
    """Sweeps of the maximum backup, one pass over the CSR each."""
    for n in range(spans.shape[0]):
        spans[n, 2] = _recentre(backup, value)
        low = np.inf
        high = -np.inf
        for s in range(reward.shape[0]):
            _lookahead_csr(data, indices, indptr, reward, discount, s, value, q)
            backup[s] = _largest(q, s)
            low = min(low, backup[s] - value[s])
            high = max(high, backup[s] - value[s])
        spans[n, 0] = low
        spans[n, 1] = high
        if 0.5 * (high - low) <= target:
            return n + 1
    return int(spans.shape[0])


@kernel
def soft_sweeps_dense(
    transition: Any,
    reward: Any,
    bonus: Any,
    discount: float,
    temperature: float,
    target: float,
    value: Any,
    q: Any,
    backup: Any,
    spans: Any,
) -> int:
    """Sweeps of the soft backup; ``bonus = temperature * log_reference``."""
    states, actions = reward.shape
    flat = q.reshape(states * actions)
    for n in range(spans.shape[0]):
        spans[n, 2] = _recentre(backup, value)
        np.dot(transition, value, flat)
        low = np.inf
        high = -np.inf
        for s in range(states):
            for a in range(actions):
                q[s, a] = reward[s, a] + discount * q[s, a]
            backup[s] = _soft(q, bonus, temperature, s)
            low = min(low, backup[s] - value[s])
            high = max(high, backup[s] - value[s])
        spans[n, 0] = low
        spans[n, 1] = high
        if 0.5 * (high - low) <= target:
            return n + 1
    return int(spans.shape[0])


@kernel
def soft_sweeps_csr(
    data: Any,
    indices: Any,
    indptr: Any,
    reward: Any,
    bonus: Any,
    discount: float,
    temperature: float,
    target: float,
    value: Any,
    q: Any,
    backup: Any,
    spans: Any,
) -> int:
    """Sweeps of the soft backup, one pass over the CSR each."""
    for n in range(spans.shape[0]):
        spans[n, 2] = _recentre(backup, value)
        low = np.inf
        high = -np.inf
        for s in range(reward.shape[0]):
            _lookahead_csr(data, indices, indptr, reward, discount, s, value, q)
            backup[s] = _soft(q, bonus, temperature, s)
            low = min(low, backup[s] - value[s])
            high = max(high, backup[s] - value[s])
        spans[n, 0] = low
        spans[n, 1] = high
        if 0.5 * (high - low) <= target:
            return n + 1
    return int(spans.shape[0])


@kernel
def residual_sweeps_dense(
    transition: Any,
    residual_reward: Any,
    bonus: Any,
    discount: float,
    temperature: float,
    target: float,
    value: Any,
    q: Any,
    backup: Any,
    spans: Any,
) -> int:
    """Sweeps of the residual backup; ``bonus = prior_weight * log_prior``; the aggregate is the one-pass sum."""
    states, actions = residual_reward.shape
    for n in range(spans.shape[0]):
        spans[n, 2] = _recentre(backup, value)
        low = np.inf
        high = -np.inf
        for s in range(states):
            for a in range(actions):
                total = 0.0
                for t in range(states):
                    total += transition[s * actions + a, t] * value[t]
                q[s, a] = residual_reward[s, a] + discount * total
            backup[s] = _streamed(q, bonus, temperature, s)
            low = min(low, backup[s] - value[s])
            high = max(high, backup[s] - value[s])
        spans[n, 0] = low
        spans[n, 1] = high
        if 0.5 * (high - low) <= target:
            return n + 1
    return int(spans.shape[0])


@kernel
def residual_sweeps_csr(
    data: Any,
    indices: Any,
    indptr: Any,
    residual_reward: Any,
    bonus: Any,
    discount: float,
    temperature: float,
    target: float,
    value: Any,
    q: Any,
    backup: Any,
    spans: Any,
) -> int:
    """Sweeps of the residual backup, one pass over the CSR each."""
    for n in range(spans.shape[0]):
        spans[n, 2] = _recentre(backup, value)
        low = np.inf
        high = -np.inf
        for s in range(residual_reward.shape[0]):
            _lookahead_csr(data, indices, indptr, residual_reward, discount, s, value, q)
            backup[s] = _streamed(q, bonus, temperature, s)
            low = min(low, backup[s] - value[s])
            high = max(high, backup[s] - value[s])
        spans[n, 0] = low
        spans[n, 1] = high
        if 0.5 * (high - low) <= target:
            return n + 1
    return int(spans.shape[0])
