r"""Verification of constrained and multi-objective solutions: scalarised optima in extended precision.

For any weights the scalarised optimum comes from Newton's method in extended precision, started by value iteration (the
solvers use policy iteration).  It gives the Lagrangian bound of the multipliers, Farkas' proof of infeasibility, the value
at the corners of a front and at random weights; the returns of policies come from one linear solve in extended precision.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array, FloatArray
from mdplab.models.multi_objective import MultiObjectiveMDP
from mdplab.solution import Status
from mdplab.solvers.constrained import ConstrainedSolution
from mdplab.solvers.multi_objective import FrontSolution
from mdplab.solvers.value_iteration import value_iteration
from mdplab.solvers.verify import Check, Verification, _need, _need_claim, _need_shape, _reward, _verify
from mdplab.solvers.verify_algebra import DOUBLE, EPS, WIDE
from mdplab.solvers.verify_bellman import _fixed_point, _optimality, _room
from mdplab.solvers.verify_flow import Flow, same

__all__ = ["KINDS"]

KINDS = (ConstrainedSolution, FrontSolution)
"""The kinds that this module adds to :func:`mdplab.solvers.verify`."""

_PROGRAM = 1e-7
"""Relative accuracy granted to the point of a linear program."""


def _best(model: MultiObjectiveMDP, weights: ArrayLike) -> tuple[float, float]:
    """Largest scalarised start value, and its error."""
    w = np.asarray(weights, dtype=float)
    mdp = model.scalarise(w)
    reward = _reward(mdp)
    start = value_iteration(mdp, tol=1e-6 * (1.0 + float(np.abs(reward).max()))).value
    value, error = _fixed_point(mdp, _optimality(mdp, reward, None, 0.0), start)
    # the scalarised reward was rounded: m products and sums
    size = float((np.abs(w)[:, np.newaxis, np.newaxis] * np.abs(model.rewards)).sum(axis=0).max())
    doubt = 2 * (w.size + 1) * DOUBLE * size + 2 * _room(mdp, value, reward)
    found = float(model.initial.astype(WIDE) @ value)
    return found, error + doubt / (1.0 - model.discount) + DOUBLE * abs(found)


def _returns(model: MultiObjectiveMDP, policy: FloatArray) -> tuple[Array, Array]:
    """Start values of a policy in extended precision, its occupancy on the admitted pairs, both from one solve."""
    flow = Flow(model.base)
    d, error = flow.occupancy(flow.vector(policy))
    gains = np.array([flow.vector(reward) for reward in model.rewards])
    room = (error + d.size * EPS) * np.abs(gains).sum(axis=1)
    return np.stack([gains @ d, room]) / (1 - flow.discount), d


@_verify.register
def _(solution: ConstrainedSolution, model: MultiObjectiveMDP) -> Verification:
    _need(model, MultiObjectiveMDP, solution)
    _need_shape(solution, solution.returns.shape, (model.n_objectives,))
    live = np.isfinite(solution.thresholds)
    if solution.farkas is not None:
        return Verification(
            "the weights of Farkas in extended precision", tuple(_farkas_checks(solution, model))
        )
    if not np.isfinite(solution.objective):
        _need_claim(solution)
    best, error = _best(model, np.concatenate([[1.0], solution.multipliers]))
    upper = best - float(solution.multipliers[live] @ solution.thresholds[live])
    (returns, doubt), d = _returns(model, solution.policy)
    room = error + float(doubt.max()) + 8 * DOUBLE * (1.0 + float(np.abs(returns).max()) + abs(best))
    off = float((np.abs(returns - solution.returns) - solution.return_errors).max())
    short = float((solution.thresholds - returns[1:]).max(initial=0.0))
    flow = Flow(model.base)
    distance = float(np.abs(flow.vector(solution.occupancy) - d).max())
    checks = [
        Check("upper is the Lagrangian at the multipliers", upper - solution.upper, room),
        Check("lower is below the Lagrangian", solution.lower - upper, room),
        Check(
            "objective within certificate.bound",
            upper - solution.objective,
            solution.certificate.bound + room,
        ),
        Check("objective is the first return", abs(solution.objective - solution.returns[0]), 0.0),
        Check("returns within return_errors", off, room),
        Check("thresholds are kept up to infeasibility", short, solution.infeasibility + room),
        Check("multipliers are non-negative", float((-solution.multipliers).max(initial=0.0)), 0.0),
        Check("occupancy is that of policy", distance, _PROGRAM),
    ]
    # no margin is larger than what any weights allow
    for weights in (*np.eye(live.size)[live], live / max(int(live.sum()), 1)):
        most, error = _best(model, np.concatenate([[0.0], weights]))
        allowed = most - float(weights[live] @ solution.thresholds[live])
        found = solution.margin if live.any() else 0.0
        checks.append(
            Check("margin below what weights allow", found - allowed, error + 8 * DOUBLE * (1 + abs(most)))
        )
    if solution.status is Status.SLACK:
        largest = float(solution.multipliers.max(initial=0.0))
        size = max(1.0, float(np.abs(model.rewards).max()))
        checks.append(Check("no threshold has a price", largest, 1e-6 * size))
    return Verification("scalarised optima and returns in extended precision", tuple(checks))


def _farkas_checks(solution: ConstrainedSolution, model: MultiObjectiveMDP) -> list[Check]:
    """No policy reaches the weighted thresholds."""
    assert solution.farkas is not None
    weights = solution.farkas
    live = weights > 0
    best, error = _best(model, np.concatenate([[0.0], weights]))
    above = best - float(weights[live] @ solution.thresholds[live])
    size = abs(best) + float(np.abs(weights[live] * solution.thresholds[live]).sum())
    nothing = np.array([solution.lower, solution.upper, solution.objective])
    return [
        Check("farkas is non-negative", float(-weights.min()), 0.0),
        Check("farkas sums to 1", abs(float(weights.sum()) - 1.0), 4 * weights.size * DOUBLE),
        Check(
            "returns stay below the thresholds by -margin", above, solution.margin + error + 8 * DOUBLE * size
        ),
        Check("margin is negative", float(not solution.margin < 0), 0.0),
        same("there is no value", nothing, np.full(3, -np.inf)),
    ]


@_verify.register
def _(solution: FrontSolution, model: MultiObjectiveMDP) -> Verification:
    _need(model, MultiObjectiveMDP, solution)
    m = model.n_objectives
    _need_shape(solution, solution.returns.shape[1:], (m,))
    size = 1.0 + float(np.abs(solution.returns).max())
    bound = solution.certificate.bound
    checks = []
    for i, policy in enumerate(solution.policies):
        (returns, doubt), _ = _returns(model, policy)
        excess = np.abs(returns - solution.returns[i]) - solution.return_errors[i] - doubt
        checks.append(Check(f"returns of vertex {i}", float(excess.max()), DOUBLE * size))
        corners = solution.cells[i]
        lead = (solution.returns @ corners.T).max(axis=0) - corners @ solution.returns[i]
        # cells are cut a little too large, vertices left out are not better by more than the bound
        checks += [
            Check(f"vertex {i} is best in its cell", float(lead.max()), bound + 1e-12 * size),
            Check(f"cell {i} lies in the simplex", float(np.abs(corners.sum(axis=1) - 1).max()), 1e-12),
        ]
    for weights, claimed in zip(solution.corners, solution.corner_values, strict=True):
        best, error = _best(model, weights)
        checks.append(Check("corner_values is above the optimum", best - float(claimed), error))
    for weights in (*np.eye(m), *np.random.default_rng(0).dirichlet(np.ones(m), 20)):
        best, error = _best(model, weights)
        room = error + float(solution.return_errors.max()) + 8 * DOUBLE * size
        checks.append(Check("loss at a weight", abs(best - solution.value(weights)), bound + room))
    return Verification("scalarised optima and returns in extended precision", tuple(checks))
