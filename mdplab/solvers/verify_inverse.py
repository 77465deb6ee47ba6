"""Verification of inverse soft Q-learning: one Newton step in extended precision from where the solver ended.

The gradient is written out state by state, its derivative is taken by central differences in extended precision.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._typing import Array
from mdplab.models.tabular import MDP
from mdplab.solvers.inverse_soft_q import InverseSolution
from mdplab.solvers.verify import Check, Verification, _need, _need_claim, _need_shape, _verify
from mdplab.solvers.verify_algebra import DOUBLE, WIDE, solve_wide
from mdplab.solvers.verify_flow import Flow, same

__all__ = ["KINDS"]

KINDS = (InverseSolution,)
"""The kinds of solution that this module verifies."""

_STEP = 1e-6


def _soft(flow: Flow, q: Array) -> tuple[Array, Array]:
    """Policy on the pairs, and the soft values."""
    top = np.array([q[flow.state == s].max() for s in range(flow.start.size)])
    weights = np.exp(q - top[flow.state])
    total = flow.own.T @ weights
    return weights / total[flow.state], top + np.log(total)


def _gradient(flow: Flow, data: Array, weight: Any, q: Array) -> Array:
    policy, value = _soft(flow, q)
    x = q - flow.discount * (flow.kernel @ value)
    reached = flow.kernel.T @ (data * x)
    cloned = data - (flow.own.T @ data)[flow.state] * policy
    squares = data * x - flow.discount * policy * reached[flow.state]
    return np.asarray(cloned - 2 * weight * squares)


@_verify.register
def _(solution: InverseSolution, model: Any) -> Verification:
    _need(model, MDP, solution)
    _need_shape(solution, solution.q.shape, (model.n_states, model.n_actions))
    _need_claim(solution)
    flow = Flow(model)
    data, q, weight = flow.vector(solution.data), flow.vector(solution.q), WIDE(solution.weight)
    moves = WIDE(_STEP) * np.eye(q.size, dtype=WIDE)
    jacobian = np.array(
        [
            (_gradient(flow, data, weight, q + move) - _gradient(flow, data, weight, q - move)) / (2 * _STEP)
            for move in moves
        ]
    ).T
    step, error = solve_wide(jacobian, _gradient(flow, data, weight, q))
    policy, value = _soft(flow, q)
    x = q - flow.discount * (flow.kernel @ value)
    size = DOUBLE * (64 + 4 * q.size) * float(2 + 2 * np.abs(q).max())
    logs = np.log(data / (flow.own.T @ data)[flow.state])
    limit = logs + solution.potential.astype(WIDE)[flow.state]
    fit = flow.matrix.T @ (data * (logs + flow.matrix @ solution.potential.astype(WIDE)))
    value_error = solution.potential_error * float((flow.matrix.T**2 @ data).max() * len(value)) * 4
    objective = float(data @ (np.log(policy) - weight * x**2))
    moment = float(1 + weight * np.abs(x).max() * 2)
    checks = (
        Check(
            "a Newton step stays within certificate.bound",
            float(np.abs(step).max()),
            solution.certificate.bound * (1 + 1e-6) + error + 64 * DOUBLE * DOUBLE,
        ),
        same("policy is softmax(q)", flow.vector(solution.policy).astype(float), policy.astype(float), size),
        same("reward is implied by q", flow.vector(solution.reward).astype(float), x.astype(float), size * 4),
        same(
            "limit is log pi_E + V", flow.vector(solution.limit).astype(float), limit.astype(float), size * 4
        ),
        Check("potential is least squares", float(np.abs(fit).max()), value_error + size),
        Check("objective", abs(objective - solution.objective), size * moment * 4),
    )
    return Verification("a Newton step in extended precision", checks)
