"""Verification of total-reward solutions: the linear program over the states of finite value, and the policy's chain.

The program shares no code with policy iteration, its decomposition or its bounds; its tolerance is granted.  The policy is
evaluated by a solve in extended precision.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from mdplab.convex.linear import linear_program
from mdplab.models.tabular import MDP
from mdplab.models.total_reward import TotalRewardMDP
from mdplab.solvers.average_reward_program import average_reward_program
from mdplab.solvers.total_reward import TotalRewardSolution
from mdplab.solvers.total_reward_evaluation import TotalRewardEvaluation
from mdplab.solvers.verify import Check, Verification, _need, _need_shape, _verify
from mdplab.solvers.verify_algebra import DOUBLE, WIDE, solve_wide
from mdplab.solvers.verify_flow import same

__all__ = ["KINDS"]

KINDS = (TotalRewardSolution, TotalRewardEvaluation)
"""The kinds that this module adds to :func:`mdplab.solvers.verify`."""

_PROGRAM = 1e-7
"""Relative accuracy granted to a linear program."""


@_verify.register
def _(solution: TotalRewardSolution, model: Any) -> Verification:
    _need(model, TotalRewardMDP, solution)
    _need_shape(solution, solution.q.shape, model.reward.shape)
    value = solution.value
    states = np.flatnonzero(np.isfinite(value) & ~model.terminal)
    checks = []
    if states.size:
        n, a = model.n_states, model.n_actions
        kernel: Any = sparse.csr_array(
            model.transition if model.is_sparse else model.transition.reshape(n * a, n)
        )
        rows = (states[:, np.newaxis] * a + np.arange(a)).ravel()
        # no pair that the program may use leads to a state of infinite value
        allowed = solution.q.ravel()[rows] > -np.inf
        rows = rows[allowed]
        own = sparse.csr_array((np.ones(rows.size), (np.arange(rows.size), rows // a)), shape=(rows.size, n))
        matrix = sparse.csr_array((own - kernel[rows])[:, states])
        # idle states may stop with 0; the bounds keep the program from drifting where constants change nothing
        size = 1 + 2 * float(np.abs(value[states]).max())
        least = np.where(solution.idle[states], 0.0, -size)
        program = linear_program(
            np.ones(states.size), at_least=(matrix, model.reward.ravel()[rows]), lower=least, upper=size
        )
        room = _PROGRAM * size * (1 + float(np.max(solution.steps_to_stop[states])))
        difference = float(np.abs(program.primal - value[states]).max())
        checks.append(Check("value within certificate.bound", difference, solution.certificate.bound + room))
        below = float((solution.lower[states] - program.primal).max())
        above = float((program.primal - solution.upper[states]).max())
        checks += [Check("lower <= optimum", below, room), Check("optimum <= upper", above, room)]
        moving = states[~solution.idle[states]]
        choice = moving * a + solution.policy[moving].argmax(axis=1)
        inner = np.eye(moving.size) - kernel[choice][:, moving].toarray()
        # an idle place may be left again; its value and steps are taken as they are
        resting = solution.idle & np.isfinite(value)
        settled = np.where(resting, [value, solution.steps_to_stop], 0.0).T
        right = (
            np.column_stack([model.reward.ravel()[choice], np.ones(choice.size)]) + kernel[choice] @ settled
        )
        (own_value, stops), error = _columns(inner, right)
        short = float((value[moving] - own_value).max(initial=0.0))
        checks.append(
            Check("policy loses at most suboptimality", short, min(solution.suboptimality, 1e300) + room)
        )
        low = float((solution.lower[moving] - own_value).max(initial=0.0))
        checks.append(Check("lower <= value of the policy", low, error + 8 * DOUBLE * size))
        # a solve in double precision multiplies its rounding by the number of steps
        slack = 64 * DOUBLE * n * float(stops.max(initial=1.0)) ** 2 + error
        off = float(np.abs(solution.steps_to_stop[moving] - stops).max(initial=0.0))
        checks.append(Check("steps_to_stop", off, slack))
    order = bool(np.all(solution.lower <= value)) and bool(np.all(value <= solution.upper))
    checks.append(Check("lower <= value <= upper", 0.0 if order else 1.0, 0.0))
    checks += _total_checks(solution, model)
    return Verification("linear program over the states of finite value", tuple(checks))


@_verify.register
def _(solution: TotalRewardEvaluation, model: Any) -> Verification:
    _need(model, TotalRewardMDP, solution)
    n, actions = model.n_states, model.n_actions
    taken = np.where(model.terminal[:, np.newaxis], 0.0, solution.policy)
    excluded = np.zeros((n, actions), dtype=bool) if model.available is None else ~model.available
    checks = [Check("policy takes available actions", float(np.where(excluded, taken, 0.0).max()), 0.0)]
    inside = np.flatnonzero(solution.proper & (solution.steps_to_stop > 0))
    if inside.size:
        dense = model.transition.toarray() if model.is_sparse else model.transition
        pairs = np.where(taken[..., np.newaxis] > 0, dense.reshape(n, actions, n), 0.0)[inside]
        rows = taken[inside].astype(np.longdouble)
        kernel = (rows[..., np.newaxis] * pairs[:, :, inside]).sum(axis=1)
        gain = (rows * np.where(rows > 0, model.reward[inside], 0.0)).sum(axis=1)
        system = (np.eye(inside.size) - kernel).astype(float)
        found = []
        for right in (gain, np.ones(inside.size, dtype=np.longdouble)):
            x = np.zeros(inside.size, dtype=np.longdouble)
            for _ in range(4):  # refinement: the residual in extended precision, the solve in double
                x = x + np.linalg.solve(system, (right + kernel @ x - x).astype(float))
            found.append((x, right + kernel @ x - x))
        (value, residual), (steps, _) = found
        drop = float((kernel @ steps - steps).max())
        checks.append(Check("the expected time decreases: the policy ends", drop, -0.5))
        longest = float(steps.max())
        room = (
            2 * longest * (float(np.abs(residual).max()) + 1e-18 * n * actions * float(np.abs(value).max()))
        )
        off = float(np.abs(value - solution.value[inside]).max())
        above = float((solution.lower[inside] - value).max())
        below = float((value - solution.upper[inside]).max())
        relative = float(np.abs(steps / solution.steps_to_stop[inside] - 1).max())
        checks += [
            Check("value within certificate.bound", off, solution.certificate.bound + room),
            Check("lower <= value <= upper", max(above, below), room),
            Check("expected steps", relative, 1e-9 * longest),
        ]
    return Verification("linear system of the policy's chain in extended precision", tuple(checks))


def _columns(matrix: Any, right: Any) -> tuple[Any, float]:
    if not matrix.size:
        return np.zeros((right.shape[1], 0)), 0.0
    found, error = solve_wide(np.asarray(matrix, dtype=WIDE), right.astype(WIDE))
    return found.T, error


def _total_checks(solution: TotalRewardSolution, model: TotalRewardMDP) -> list[Check]:
    """Action values, proper and idle states, and the average reward that makes a problem unbounded."""
    n, a = model.reward.shape
    kernel: Any = model.transition.toarray() if model.is_sparse else model.transition.reshape(n * a, n)
    alive = np.repeat(~model.terminal, a)
    alive = alive if model.available is None else alive & model.available.ravel()
    leads = (kernel > 0) & alive[:, np.newaxis]
    finite = np.isfinite(solution.value)
    level = np.where(finite, solution.value, 0.0).astype(WIDE)
    reward = np.where(alive, model.reward.ravel(), 0.0).astype(WIDE)
    q = reward + np.where(leads, kernel, 0.0).astype(WIDE) @ level
    q = np.where(leads @ (solution.value == np.inf), np.inf, q)
    q = np.where(leads @ (solution.value == -np.inf), -np.inf, q)
    open_ended = np.repeat(model.terminal, a)
    q = np.where(alive, q, np.where(open_ended, 0, -np.inf))
    size = float(np.abs(level).max() + np.abs(reward).max())
    # states that can stay on pairs of reward 0 for ever: the largest such set
    free = alive & (reward == 0)
    idle = ~model.terminal
    for _ in range(n):
        idle = (free & ~(leads @ ~idle)).reshape(n, a).any(axis=1)
    # where the policy stays among idle states for ever it has stopped
    taken = leads[np.arange(n) * a + solution.policy.argmax(axis=1)]
    rests = solution.idle & np.isfinite(solution.value)
    for _ in range(n):
        rests = rests & ~(taken @ ~rests)
    counted = float(np.abs(solution.steps_to_stop[rests]).max(initial=0.0))
    checks = [
        Check("no steps where the policy idles", counted, 0.0),
        same("q", solution.q, q.reshape(n, a), 4 * (n + 4) * DOUBLE * size),
        Check(
            "proper where the value is not -inf",
            float((solution.proper != (solution.value > -np.inf)).any()),
            0.0,
        ),
        Check("idle states can stay at reward 0", float((solution.idle & ~idle).any()), 0.0),
    ]
    if solution.gain > 0 or (solution.value == np.inf).any():
        # terminal states stay where they are and earn nothing
        looped = np.where(
            np.repeat(model.terminal, a)[:, np.newaxis], np.repeat(np.eye(n), a, axis=0), kernel
        )
        everlasting = MDP(
            looped.reshape(n, a, n),
            np.where(model.terminal[:, np.newaxis], 0.0, model.reward),
            0.0,
            available=None if model.available is None else model.available | model.terminal[:, np.newaxis],
        )
        most = float(average_reward_program(everlasting).upper.max())
        checks += [
            Check("gain is an average reward", solution.gain - most, 1e-12 * (1.0 + size)),
            Check("gain is positive where the value is infinite", float(not solution.gain > 0), 0.0),
        ]
    return checks
