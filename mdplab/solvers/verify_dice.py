"""Verification of fixed points of orthogonal-gradient updates: their flow in extended precision.

Masses are formed from the value; the flow with the effective discount from the policy is a linear solve refined in extended
precision, which does not know the gradients.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab.models.tabular import MDP
from mdplab.solvers.dice_fixed_point import DiceSolution
from mdplab.solvers.verify import Check, Verification, _need, _need_claim, _need_shape, _verify
from mdplab.solvers.verify_algebra import DOUBLE, WIDE, solve_wide
from mdplab.solvers.verify_flow import Flow, same

__all__ = ["KINDS"]

KINDS = (DiceSolution,)
"""The kinds of solution that this module verifies."""


@_verify.register
def _(solution: DiceSolution, model: Any) -> Verification:
    _need(model, MDP, solution)
    _need_shape(solution, solution.mass.shape, (model.n_states, model.n_actions))
    _need_claim(solution)
    flow, scale = Flow(model), WIDE(solution.scale)
    value, data = solution.value.astype(WIDE), flow.vector(solution.data)
    mass = data * np.exp((flow.reward - flow.matrix @ value) / WIDE(solution.strength))
    states, marginal = flow.own.T @ mass, flow.own.T @ data
    inflow = flow.discount * (flow.kernel.T @ mass)
    coefficient = -(states @ inflow) / (states @ states)
    price = 1 - scale * coefficient
    discount = scale * flow.discount / price
    policy = mass / states[flow.state]
    chain = (flow.own * policy[:, np.newaxis]).T @ flow.kernel
    meant, error = solve_wide(np.eye(value.size) - discount * chain.T, marginal / price)
    distance = float(np.abs(states - meant).sum())
    residual = float(np.abs(marginal + scale * inflow - price * states).sum())
    exponents = float(np.abs(flow.matrix @ value).max() + np.abs(flow.reward).max()) / solution.strength
    size = DOUBLE * (64 + 4 * data.size) * (2 + 2 * exponents)
    checks = (
        Check(
            "mass is that of its discounted flow", distance, solution.certificate.bound + value.size * error
        ),
        Check("stationarity", residual, solution.stationarity * (1 + 1e-9)),
        same("mass", flow.vector(solution.mass).astype(float), mass.astype(float), size * float(mass.sum())),
        same("policy", flow.vector(solution.policy).astype(float), policy.astype(float), size),
        Check(
            "coefficient",
            abs(float(coefficient) - solution.coefficient),
            4 * size * (1 + abs(float(coefficient))),
        ),
        Check("effective discount", abs(float(discount) - solution.effective_discount), 8 * size),
    )
    return Verification("the discounted flow of the policy in extended precision", checks)
