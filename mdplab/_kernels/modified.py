r"""Modified policy iteration in relative values: optimality sweeps, and sweeps of the greedy policy between them.

An optimality sweep computes ``backup = T value`` with the span of its residual.  Then the greedy policy is iterated
on rows of its own, copied together so that a sweep reads them in order (only rows whose action changed are copied
again), until its residual is ``theta`` times the last optimality residual, or ``inner`` times.  The next value is the
result with about its midrange taken off.

*States that are passed over.*  Let the best action of state s lead the others by :math:`g` when its rows were last
read, at :math:`w_0`.  Looking ahead of :math:`w` instead moves the difference of two actions by at most
:math:`\gamma\,\mathrm{span}(w-w_0)`.  While the spans of all changes since then sum to less than :math:`g/\gamma` the
same action is the best, and one row, that of the policy, gives the maximum.  This is elimination for the time being
(Hastings and van Nunen 1977), without the factor :math:`1/(1-\gamma)` of elimination for good; it leaves the backup
exact.  ``margin`` (relative to the largest magnitude) is taken off the lead, so that rounding cannot make it wrong.

Conventions as in :mod:`mdplab._kernels.backups`.  ``threshold`` starts at ``-inf`` (nothing known), ``actions`` at
-1, ``state`` at zeros: ``state`` holds the summed spans of changes, whether an evaluation is due, the last half-span,
and the policy sweeps and states read so far.  A call ends after the sweep that reaches ``target`` or its rounding
level, after ``spans.shape[0]`` sweeps, or when about ``budget`` multiplications are done; the next call goes on.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._kernels._jit import kernel

ONE, TWO = np.uint64(1), np.uint64(2)


@kernel
def _recentred(source: Any, value: Any, extremes: Any) -> Any:
    """``value = source - c`` in one pass, c the midrange at the places where the last extremes were.

    Any constant will do; this one keeps the values small.  ``extremes`` holds the two places and is brought up to date.
    Returns the span of the change and the largest modulus.
    """
    middle = 0.5 * source[extremes[0]] + 0.5 * source[extremes[1]]
    low = np.inf
    high = -np.inf
    least = np.inf
    most = -np.inf
    first = 0
    last = 0
    for s in range(value.size):
        x = source[s] - middle
        low = min(low, x - value[s])
        high = max(high, x - value[s])
        value[s] = x
        first = s if x < least else first
        least = min(least, x)
        last = s if x > most else last
        most = max(most, x)
    extremes[0] = first
    extremes[1] = last
    return (high - low) * (1 + 1e-12), max(-least, most)


@kernel
def _extremes(value: Any, extremes: Any) -> float:
    """The first places of the least and the largest entry; returns the largest modulus."""
    for s in range(value.size):
        extremes[0] = s if value[s] < value[extremes[0]] else extremes[0]
        extremes[1] = s if value[s] > value[extremes[1]] else extremes[1]
    return float(max(-value[extremes[0]], value[extremes[1]]))


@kernel
def _policy_sweep_csr(
    gain: Any, data: Any, indices: Any, slots: Any, discount: float, source: Any, target: Any
) -> float:
    """``target = gain + discount * P_pi source``; returns half the span of the change."""
    low = np.inf
    high = -np.inf
    k = np.uint64(0)
    for s in range(source.size):
        total = 0.0
        end = np.uint64(slots[s + 1])
        while k < end:
            total += data[k] * source[indices[k]]
            k += ONE
        x = gain[s] + discount * total
        target[s] = x
        low = min(low, x - source[s])
        high = max(high, x - source[s])
    return 0.5 * (high - low)


@kernel
def _policy_sweep_dense(gain: Any, rows: Any, discount: float, source: Any, target: Any) -> float:
    """The same with dense rows, by BLAS."""
    np.dot(rows, source, target)
    low = np.inf
    high = -np.inf
    for s in range(source.size):
        x = gain[s] + discount * target[s]
        target[s] = x
        low = min(low, x - source[s])
        high = max(high, x - source[s])
    return 0.5 * (high - low)


@kernel
def modified_csr(
    data: Any,
    indices: Any,
    indptr: Any,
    reward: Any,
    discount: float,
    target: float,
    theta: float,
    inner: int,
    budget: float,
    margin: float,
    value: Any,
    backup: Any,
    other: Any,
    threshold: Any,
    actions: Any,
    gain: Any,
    slots: Any,
    own_data: Any,
    own_indices: Any,
    spans: Any,
    state: Any,
) -> int:
    """Sweeps on CSR rows; row s of the policy lies in ``slots[s]`` to ``slots[s + 1]``, padded with zeros."""
    states, choices = reward.shape
    work = 0.0
    scale = 1.0 / max(discount, 1e-300)
    extremes = np.zeros(2, np.int64)
    per_state = data.size / states
    largest_value = _extremes(value, extremes)
    for n in range(spans.shape[0]):
        if state[1] > 0:
            goal = max(theta * state[2], 0.25 * target)
            sweeps = 0
            half = np.inf
            while sweeps < inner and half > goal and work < budget:
                if sweeps % 2 == 0:
                    half = _policy_sweep_csr(gain, own_data, own_indices, slots, discount, backup, other)
                else:
                    half = _policy_sweep_csr(gain, own_data, own_indices, slots, discount, other, backup)
                sweeps += 1
                work += own_data.size
            state[3] += sweeps
            change, largest_value = _recentred(other if sweeps % 2 == 1 else backup, value, extremes)
            state[0] += change
        travelled = state[0]
        read = 0
        low = np.inf
        high = -np.inf
        for s in range(states):
            k = np.uint64(slots[s])
            end = np.uint64(slots[s + 1])
            if travelled < threshold[s]:
                total = 0.0
                while k < end:
                    total += own_data[k] * value[own_indices[k]]
                    k += ONE
                best = gain[s] + discount * total
            else:
                read += 1
                best = -np.inf
                second = -np.inf
                action = 0
                row = s * choices
                j = np.uint64(indptr[row])
                for a in range(choices):
                    total = 0.0
                    stop = np.uint64(indptr[row + a + 1])
                    if stop - j == np.uint64(3):  # straight code: a loop of three turns costs as much again
                        total = data[j] * value[indices[j]]
                        total += data[j + ONE] * value[indices[j + ONE]]
                        total += data[j + TWO] * value[indices[j + TWO]]
                        j = stop
                    while j < stop:
                        total += data[j] * value[indices[j]]
                        j += ONE
                    x = reward[s, a] + discount * total
                    # Selections, not branches: which action wins is unpredictable.
                    second = max(second, min(best, x))
                    action = a if x > best else action
                    best = max(best, x)
                lead = best - second - margin * (abs(best) + largest_value)
                threshold[s] = travelled + lead * scale
                if actions[s] != action:
                    actions[s] = action
                    gain[s] = reward[s, action]
                    j = np.uint64(indptr[row + action])
                    stop = np.uint64(indptr[row + action + 1])
                    while j < stop:
                        own_data[k] = data[j]
                        own_indices[k] = indices[j]
                        j += ONE
                        k += ONE
                    while k < end:
                        own_data[k] = 0.0
                        own_indices[k] = 0
                        k += ONE
            backup[s] = best
            low = min(low, best - value[s])
            high = max(high, best - value[s])
        work += own_data.size + per_state * read
        half = 0.5 * (high - low)
        spans[n, 0] = low
        spans[n, 1] = high
        state[1] = 1.0
        state[4] += read
        state[2] = half
        if (
            half <= max(target, 0.1 * margin * (2 * largest_value + max(abs(low), abs(high))))
            or work >= budget
        ):
            return n + 1
    return int(spans.shape[0])


@kernel
def modified_dense(
    matrix: Any,
    reward: Any,
    discount: float,
    target: float,
    theta: float,
    inner: int,
    budget: float,
    margin: float,
    value: Any,
    backup: Any,
    other: Any,
    threshold: Any,
    actions: Any,
    gain: Any,
    rows: Any,
    q: Any,
    spans: Any,
    state: Any,
) -> int:
    """Sweeps on dense rows by BLAS: all of them at once, or state by state where most are passed over."""
    states, choices = reward.shape
    flat = q.reshape(states * choices)
    work = 0.0
    scale = 1.0 / max(discount, 1e-300)
    extremes = np.zeros(2, np.int64)
    largest_value = _extremes(value, extremes)
    for n in range(spans.shape[0]):
        if state[1] > 0:
            goal = max(theta * state[2], 0.25 * target)
            sweeps = 0
            half = np.inf
            while sweeps < inner and half > goal and work < budget:
                if sweeps % 2 == 0:
                    half = _policy_sweep_dense(gain, rows, discount, backup, other)
                else:
                    half = _policy_sweep_dense(gain, rows, discount, other, backup)
                sweeps += 1
                work += rows.size
            state[3] += sweeps
            change, largest_value = _recentred(other if sweeps % 2 == 1 else backup, value, extremes)
            state[0] += change
        travelled = state[0]
        read = 0
        active = 0
        for s in range(states):
            active += not travelled < threshold[s]
        whole = 2 * active > states
        if whole:
            np.dot(matrix, value, flat)
            work += matrix.size
        if active < states:
            np.dot(rows, value, backup)
            work += rows.size
        low = np.inf
        high = -np.inf
        largest = 0.0
        for s in range(states):
            if travelled < threshold[s]:
                best = gain[s] + discount * backup[s]
            else:
                read += 1
                row = s * choices
                if not whole:
                    np.dot(matrix[row : row + choices], value, q[s])
                    work += choices * states
                best = -np.inf
                second = -np.inf
                action = 0
                for a in range(choices):
                    x = reward[s, a] + discount * q[s, a]
                    second = max(second, min(best, x))
                    action = a if x > best else action
                    best = max(best, x)
                lead = best - second - margin * (abs(best) + largest_value)
                threshold[s] = travelled + lead * scale
                if actions[s] != action:
                    actions[s] = action
                    gain[s] = reward[s, action]
                    for t in range(states):
                        rows[s, t] = matrix[row + action, t]
            backup[s] = best
            low = min(low, best - value[s])
            high = max(high, best - value[s])
            largest = max(largest, abs(best))
        half = 0.5 * (high - low)
        spans[n, 0] = low
        spans[n, 1] = high
        state[1] = 1.0
        state[4] += read
        state[2] = half
        if half <= max(target, 0.1 * margin * (largest + largest_value)) or work >= budget:
            return n + 1
    return int(spans.shape[0])
