"""Verification of a constrained model with entropy bonus: the Lagrangian and the policy in extended precision.

The soft optimum at the multiplier comes from Newton's method in extended precision, started by soft value iteration (the solver
uses policy iteration); returns and entropy of the policy from its occupancy, by one linear solve in extended precision.
"""

from __future__ import annotations

import numpy as np

from mdplab.models.multi_objective import MultiObjectiveMDP
from mdplab.solution import Status
from mdplab.solvers.soft_constrained import SoftConstrainedSolution
from mdplab.solvers.soft_value_iteration import soft_value_iteration
from mdplab.solvers.verify import Check, Verification, _need, _need_claim, _need_shape, _reward, _verify
from mdplab.solvers.verify_algebra import DOUBLE, WIDE
from mdplab.solvers.verify_bellman import _fixed_point, _optimality, _room
from mdplab.solvers.verify_flow import Flow, same
from mdplab.solvers.verify_objectives import _best, _returns

__all__ = ["KINDS"]

KINDS = (SoftConstrainedSolution,)
"""The kinds that this module adds to :func:`mdplab.solvers.verify`."""


@_verify.register
def _(solution: SoftConstrainedSolution, model: MultiObjectiveMDP) -> Verification:
    _need(model, MultiObjectiveMDP, solution)
    _need_shape(solution, solution.log_policy.shape, (model.n_states, model.n_actions))
    route = "Newton's method on the Lagrangian and the occupancy of the policy in extended precision"
    if solution.status is Status.INFEASIBLE:
        most, error = _best(model, [0.0, 1.0])
        nothing = np.array([solution.lower, solution.upper, solution.objective])
        checks = [
            Check("the best return lies below the threshold", most - solution.threshold, error),
            same("there is no value", nothing, np.full(3, -np.inf)),
        ]
        return Verification(route, tuple(checks))
    _need_claim(solution)
    price, temperature = solution.multiplier, solution.temperature
    mdp = model.scalarise([1.0, price])
    reward = _reward(mdp)
    bonus = np.where(np.ones(reward.shape, bool) if mdp.available is None else mdp.available, 0.0, -np.inf)
    start = soft_value_iteration(mdp, temperature=temperature, tol=1e-6 * (1 + np.abs(reward).max())).value
    value, error = _fixed_point(mdp, _optimality(mdp, reward, bonus, temperature), start)
    size = float(np.abs(model.available_rewards[0]).max() + price * np.abs(model.available_rewards[1]).max())
    doubt = (8 * DOUBLE * size + 2 * _room(mdp, value, reward)) / (1 - model.discount)
    upper = float(model.initial.astype(WIDE) @ value) - price * solution.threshold
    (returns, away), d = _returns(model, solution.policy)
    logs = Flow(model.base).vector(solution.log_policy)
    entropy = -(d @ np.where(d > 0, logs, 0.0)) / (1 - model.discount)
    room = error + doubt + 16 * DOUBLE * (1 + abs(upper) + abs(price * solution.threshold))
    sharp = float(away.max()) * (1 + temperature) + 64 * DOUBLE * (
        1 + float(np.abs(returns).max()) + temperature * float(entropy)
    )
    attained = float(returns[0] + temperature * entropy)
    bound = solution.certificate.bound
    off = np.abs(returns - solution.returns) - solution.return_errors
    checks = [
        Check("multiplier is non-negative", -price, 0.0),
        Check("upper is the Lagrangian at the multiplier", abs(upper - solution.upper), 2 * room + bound),
        Check("upper is not below the Lagrangian", upper - solution.upper, room),
        Check("lower is below the Lagrangian", solution.lower - upper, room),
        Check("objective is that of the policy", abs(attained - solution.objective), sharp + bound),
        Check("objective within certificate.bound", upper - attained, bound + room + sharp),
        Check("returns within return_errors", float(off.max()), float(away.max())),
        Check(
            "threshold is kept up to infeasibility",
            solution.threshold - float(returns[1]),
            solution.infeasibility + float(away.max()),
        ),
    ]
    if solution.status is Status.SLACK:
        checks.append(Check("the threshold has no price", price, 0.0))
    return Verification(route, tuple(checks))
