r"""Whole solves of small dense models, one after the other in one call: hard and soft control, and evaluation.

All three are Newton's method on :math:`Tw-w` up to constants: the derivative of the backup is :math:`\gamma P_\pi`
with :math:`\pi` the greedy policy, the soft policy, or the policy that is evaluated, so a step solves
:math:`(I-\gamma P_\pi)x=Tw-w-m` (policy iteration, soft policy iteration, iterative refinement).  Hard control starts
with sweeps of modified policy iteration, which most models need nothing more than.  Steps end when the bound of
:func:`mdplab._kernels.enclosures.enclosure` meets the tolerance, when rounding explains the residual, or when it stops
falling.

``kind`` is 0 (hard), 1 (soft) or 2 (evaluation).  ``extra (S, A)`` is what is added to ``q`` inside the log-sum-exp
(soft; ``-inf`` excludes), or taken off ``q`` under the policy (evaluation).  Hard control has ``-inf`` in ``reward`` at
unavailable pairs.  ``numbers`` receives one row a model, see the constants below.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._kernels import enclosures as formulas
from mdplab._kernels._jit import kernel
from mdplab._kernels.small_steps import (
    backup_small,
    centred,
    near_extremes_small,
    newton_small,
    policy_sweeps_small,
    row_statistics_small,
)

HARD, SOFT, EVALUATION = 0, 1, 2

BOUND, ROUNDING, STEPS, FAULT, BACKWARD, Q_ERROR, LOSS, UNIQUE, RESIDUAL = range(9)
"""Columns of ``numbers``; FAULT is 0, 1 + the row of the kernel that is no law, or -1 where values may overflow."""

COLUMNS = 9

_SWEEPS = 30
_NEWTON = 200
_PATIENCE = 12
_FLOOR = 0.125


@kernel
def _rounding(
    kind: int,
    lookahead: float,
    q: Any,
    extra: Any,
    cost_error: Any,
    policy: Any,
    temperature: float,
    largest_q: float,
    largest_b: float,
    largest_extra: float,
) -> float:
    """Rounding error of the backup; the formulas of :mod:`mdplab.solvers.certificate`."""
    if kind == 0:
        return lookahead
    states, choices = q.shape
    if kind == 1:
        if lookahead + formulas.UNIT * (2 * largest_extra + largest_q) > 0.005 * temperature:
            largest_q, largest_extra = near_extremes_small(q, extra, lookahead, temperature)
        return float(
            formulas.soft_error(lookahead, largest_q, largest_extra, largest_b, temperature, choices, 1)
        )
    worst = 0.0
    for s in range(states):
        total = 0.0
        size = 0.0
        count = 0
        for a in range(choices):
            if policy[s, a] > 0:
                entry = abs(q[s, a] - extra[s, a])
                total += policy[s, a] * (cost_error[s, a] + formulas.UNIT * entry)
                size += policy[s, a] * entry
                count += 1
        worst = max(worst, total + (count + 1) * formulas.UNIT * size)
    return float(formulas.SAFETY * (formulas.SAFETY * lookahead + worst))


@kernel
def solve_small(
    kind: int,
    matrix: Any,
    reward: Any,
    extra: Any,
    cost_error: Any,
    discount: float,
    temperature: float,
    tol: float,
    max_steps: int,
    data_rounding: float,
    value: Any,
    q: Any,
    policy: Any,
    numbers: Any,
) -> None:
    """Solve one model; ``matrix (S*A, S)``, ``policy`` in for evaluation, out for control (deterministic or soft)."""
    states, choices = reward.shape
    work = np.empty((4, states))
    w, backup, best_w, other = work[0], work[1], work[2], work[3]
    actions = np.zeros(states, np.int64)
    former = np.zeros(states, np.int64)
    admitted = extra.reshape(-1) if kind == 1 else reward.reshape(-1)
    delta, successors, overlap, fault = row_statistics_small(matrix, admitted, w)
    numbers[FAULT] = fault
    if fault:
        return
    deviation = 0.0
    if kind == 2:
        # One rounding an addition, and sums of more than 4096 entries do not come here.
        for s in range(states):
            total = 0.0
            for a in range(choices):
                total += policy[s, a]
            exact = (total == 1.0) and np.max(policy[s]) == 1.0
            if not exact:
                deviation = max(deviation, abs(total - 1.0) + choices * 2 * formulas.UNIT)
    largest_extra = 0.0
    size = 0.0
    for s in range(states):
        w[s] = 0.0
        for a in range(choices):
            if kind == 1 and extra[s, a] > -np.inf:
                largest_extra = max(largest_extra, abs(extra[s, a]))
            if reward[s, a] > -np.inf:
                size = max(size, abs(reward[s, a]))
    if size > formulas.HEADROOM * (1.0 - discount):
        numbers[FAULT] = -1
        return
    record = np.inf
    stalled = 0
    steps = 0
    found = formulas.enclosure(0.0, np.inf, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    while True:
        low, high, largest_q, largest_b = backup_small(
            kind, matrix, reward, extra, discount, temperature, w, q, backup, policy, actions
        )
        steps += 1
        least = np.min(w)
        most = np.max(w)
        lookahead = formulas.lookahead_error(max(-least, most), largest_q, successors, discount, delta)
        error = _rounding(
            kind,
            lookahead,
            q,
            extra,
            cost_error,
            policy,
            temperature,
            largest_q,
            largest_b,
            largest_extra,
        )
        now = formulas.enclosure(
            low, high, least, most, size, error, discount, delta, deviation, overlap, data_rounding
        )
        half, slack = now[3], now[4]
        newton = kind != 0 or steps > _SWEEPS
        # Policy iteration may change states one by one with the residual unmoved: that is no standstill.
        moved = kind == 0 and np.any(actions != former)
        stalled = stalled + 1 if newton and half > 0.5 * record and not moved else 0
        former[:] = actions
        if half < record:
            record = half
            best_w[:] = w
            found = now
        # A Newton step may rise once before it falls for good; rounding makes it wander.
        done = now[1] <= tol or half <= _FLOOR * slack or steps >= max_steps
        if done or (newton and stalled >= (4 if kind == 2 else _PATIENCE)) or steps > _SWEEPS + _NEWTON:
            break
        if newton:
            newton_small(kind, matrix, choices, discount, policy, actions, w, backup)
        else:
            goal = max(0.3 * half, 0.25 * tol * (1.0 - discount))
            policy_sweeps_small(matrix, reward, discount, actions, goal, backup, other)
        centred(backup, w)
    if half > record or not half <= record:
        w[:] = best_w
        low, high, largest_q, largest_b = backup_small(
            kind, matrix, reward, extra, discount, temperature, w, q, backup, policy, actions
        )
        lookahead = formulas.lookahead_error(
            max(-np.min(w), np.max(w)), largest_q, successors, discount, delta
        )
        error = _rounding(
            kind,
            lookahead,
            q,
            extra,
            cost_error,
            policy,
            temperature,
            largest_q,
            largest_b,
            largest_extra,
        )
    centre, bound, slack, gap = found[0], found[1], found[4], found[5]
    shift = discount * centre
    lead = np.inf
    largest = 0.0
    for s in range(states):
        value[s] = w[s] + centre
        second = -np.inf
        for a in range(choices):
            if kind == 0 and a != actions[s]:
                second = max(second, q[s, a])
        lead = min(lead, q[s, actions[s]] - second)
        for a in range(choices):
            if kind == 0:
                policy[s, a] = 1.0 if a == actions[s] else 0.0
            q[s, a] = -np.inf if kind == 1 and extra[s, a] == -np.inf else q[s, a] + shift
            largest = max(largest, abs(q[s, a]) if q[s, a] > -np.inf else 0.0)
    numbers[BOUND] = bound
    numbers[ROUNDING] = found[2]
    numbers[STEPS] = steps
    numbers[BACKWARD] = found[8]
    numbers[RESIDUAL] = found[3]
    numbers[Q_ERROR] = formulas.q_error(lookahead, found[9], shift, largest, discount, delta, bound)
    numbers[UNIQUE] = 0.0
    if kind == 0:
        spread = formulas.row_spread(discount, overlap, delta, found[7], bound, found[9])
        numbers[UNIQUE] = 1.0 if lead > 2 * lookahead + spread else 0.0
        numbers[LOSS] = formulas.greedy_loss(found[3], slack, gap, 2 * lookahead)
        if numbers[UNIQUE] == 1.0:
            numbers[LOSS] = 0.0
    else:
        # The law proportional to the rounded soft policy: entries err by `relative`, their divergence by its square.
        relative = 2 * error / max(temperature, 1e-300) + 64 * formulas.UNIT * choices
        numbers[LOSS] = formulas.greedy_loss(found[3], slack, gap, 2 * temperature * relative)


@kernel
def solve_stack(
    kind: int,
    transition: Any,
    reward: Any,
    extra: Any,
    cost_error: Any,
    discount: Any,
    temperature: float,
    tol: float,
    max_steps: int,
    first: int,
    last: int,
    value: Any,
    q: Any,
    policy: Any,
    numbers: Any,
) -> None:
    """Solve the models ``first`` to ``last - 1`` of a stack."""
    for b in range(first, last):
        solve_small(
            kind,
            transition[b],
            reward[b],
            extra[b],
            cost_error[b],
            discount[b],
            temperature,
            tol,
            max_steps,
            0.0,
            value[b],
            q[b],
            policy[b],
            numbers[b],
        )


@kernel
def solve_one(
    transition: Any,
    reward: Any,
    discount: float,
    tol: float,
    data_rounding: float,
    value: Any,
    q: Any,
    policy: Any,
    log_policy: Any,
    numbers: Any,
) -> None:
    """Hard control of one model ``(S, A, S)``, with the logarithm of its policy."""
    states, choices = reward.shape
    matrix = transition.reshape(states * choices, states)
    solve_small(
        0, matrix, reward, reward, reward, discount, 0.0, tol, 1000, data_rounding, value, q, policy, numbers
    )
    for s in range(states):
        for a in range(choices):
            log_policy[s, a] = 0.0 if policy[s, a] > 0 else -np.inf
