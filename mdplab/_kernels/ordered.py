r"""Modified policy iteration in place: every state sees what the states before it have just become.

Gauss-Seidel sweeps, up and down in turn.  Where a model leads somewhere (goals, drifts) a value passes through all
states that are numbered along the way in one sweep, where a sweep on a copy moves it by one step.  Staying put is
solved for: a state that goes back to itself with chance p under its action moves by :math:`1/(1-\gamma p)` times its
residual.

``shift`` is taken off every reward, which takes ``shift / (1 - discount)`` off the values.  With the least entry of
``T value - value`` as shift the value lies below its backup; from there the sweeps increase to the fixed point, and the
best actions spread with the values.  From above they do not: of two ways not yet known to be long each is as good as
the other.

Conventions as in :mod:`mdplab._kernels.modified`.  ``state`` holds the direction of the next optimality sweep (1 up, -1
down) and the policy sweeps done.  A call ends after the optimality sweep that changes nothing by more than ``target``,
after ``changes.size`` of them, or when about ``budget`` multiplications are done.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._kernels._jit import kernel

ONE = np.uint64(1)


@kernel
def _policy_sweep(gain: Any, data: Any, indices: Any, slots: Any, up: bool, value: Any) -> float:
    """``value = gain + rows value``, one state after the other; returns the largest change."""
    change = 0.0
    for i in range(value.size):
        s = i if up else value.size - 1 - i
        x = gain[s]
        k = np.uint64(slots[s])
        end = np.uint64(slots[s + 1])
        while k < end:
            x += data[k] * value[indices[k]]
            k += ONE
        change = max(change, abs(x - value[s]))
        value[s] = x
    return change


@kernel
def ordered_csr(
    data: Any,
    indices: Any,
    indptr: Any,
    reward: Any,
    discount: float,
    shift: float,
    target: float,
    theta: float,
    inner: int,
    budget: float,
    value: Any,
    actions: Any,
    gain: Any,
    scale: Any,
    slots: Any,
    own_data: Any,
    own_indices: Any,
    changes: Any,
    state: Any,
) -> int:
    """Optimality sweeps, each followed by sweeps of its policy until they move by ``theta`` times as little."""
    states, choices = reward.shape
    work = 0.0
    for n in range(changes.size):
        up = state[0] > 0
        change = 0.0
        for i in range(states):
            s = i if up else states - 1 - i
            best = -np.inf
            action = 0
            row = s * choices
            j = np.uint64(indptr[row])
            for a in range(choices):
                total = 0.0
                stop = np.uint64(indptr[row + a + 1])
                while j < stop:
                    total += data[j] * value[indices[j]]
                    j += ONE
                x = reward[s, a] + discount * total
                action = a if x > best else action
                best = max(best, x)
            if actions[s] != action:
                actions[s] = action
                j = np.uint64(indptr[row + action])
                stop = np.uint64(indptr[row + action + 1])
                stay = 0.0
                while j < stop:
                    stay += data[j] if indices[j] == s else 0.0
                    j += ONE
                factor = 1.0 / (1.0 - discount * min(stay, 1.0))
                scale[s] = factor
                gain[s] = (reward[s, action] - shift) * factor
                j = np.uint64(indptr[row + action])
                k = np.uint64(slots[s])
                while j < stop:
                    own_data[k] = 0.0 if indices[j] == s else discount * factor * data[j]
                    own_indices[k] = indices[j]
                    j += ONE
                    k += ONE
                end = np.uint64(slots[s + 1])
                while k < end:
                    own_data[k] = 0.0
                    own_indices[k] = 0
                    k += ONE
            # The new value solves x = best + discount * stay * (x - value); in this order only best has to be waited for.
            x = scale[s] * best + (value[s] * (1.0 - scale[s]) - shift * scale[s])
            change = max(change, abs(x - value[s]))
            value[s] = x
        changes[n] = change
        state[0] = -state[0]
        work += data.size
        if change <= target:
            return n + 1
        goal = max(theta * change, 0.25 * target)
        sweeps = 0
        moved = np.inf
        while sweeps < inner and moved > goal and work < budget:
            moved = _policy_sweep(gain, own_data, own_indices, slots, up == (sweeps % 2 == 1), value)
            sweeps += 1
            work += own_data.size
        state[1] += sweeps
        if work >= budget:
            return n + 1
    return int(changes.size)
