r"""Verification of linear programs: weak duality of the recorded points in extended precision.

* Any linear program (``model`` is the :class:`~mdplab.convex.program.LinearProgram`): both points prove an interval for the
  optimum, whatever the solver did.
* The programs of a discounted model: the same in terms of the flow, and the optimum itself,
  :math:`(1-\gamma)\mu_0\cdot V^*`, by Newton's method on the optimality equation, which knows no program.
* The entropy-regularised program: its optimum is the soft optimum, by Newton's method again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from mdplab._typing import Array, FloatArray
from mdplab.convex.program import EntropyOccupancy, LinearProgram, ProgramSolution, RegularisedOccupancy
from mdplab.models.tabular import MDP
from mdplab.solvers.policy_iteration import policy_iteration
from mdplab.solvers.soft_policy_iteration import soft_policy_iteration
from mdplab.solvers.verify import Check, Verification, _need, _need_claim, _need_shape, _reward, _verify
from mdplab.solvers.verify_algebra import DOUBLE, EPS, WIDE
from mdplab.solvers.verify_bellman import _fixed_point, _optimality, _room
from mdplab.solvers.verify_flow import Flow, same
from mdplab.solvers.verify_occupancies import regularised_checks

__all__ = ["KINDS"]

KINDS = (ProgramSolution,)
"""The kinds that this module adds to :func:`mdplab.solvers.verify`."""


@_verify.register
def _(solution: ProgramSolution, model: Any) -> Verification:
    if isinstance(model, LinearProgram):
        _need_claim(solution)
        return Verification("weak duality in extended precision", tuple(_linear_checks(solution, model)))
    _need(model, MDP, solution)
    if isinstance(solution.problem, RegularisedOccupancy):
        checks = regularised_checks(solution, solution.problem, model)
        return Verification("weak duality in extended precision", tuple(checks))
    _need_claim(solution)
    if isinstance(solution.problem, EntropyOccupancy):
        checks = _entropy_checks(solution, solution.problem, model)
    else:
        checks = _flow_checks(solution, model)
    return Verification("weak duality and Newton's method in extended precision", tuple(checks))


def _interval_checks(solution: ProgramSolution, below: float, above: float, room: float) -> list[Check]:
    """The optimum lies between ``below`` and ``above``."""
    far = max(above - solution.objective, solution.objective - below)
    return [
        Check("lower is below the optimum", solution.lower - above, room),
        Check("upper is above the optimum", below - solution.upper, room),
        Check("objective within certificate.bound", far, solution.certificate.bound + room),
    ]


# any linear program


def _dense(constraint: tuple[Any, Any] | None, n: int) -> tuple[Array, Array]:
    if constraint is None:
        return np.zeros((0, n), dtype=WIDE), np.zeros(0, dtype=WIDE)
    given: Any = constraint[0] if sparse.issparse(constraint[0]) else np.atleast_2d(constraint[0])
    dense = sparse.csr_array(given).toarray().astype(WIDE)
    return dense, np.atleast_1d(np.asarray(constraint[1], dtype=float)).astype(WIDE)


def _linear_checks(solution: ProgramSolution, program: LinearProgram) -> list[Check]:
    cost = np.asarray(program.cost, dtype=float).astype(WIDE)
    n, sign = cost.size, WIDE(-1 if program.maximise else 1)
    _need_shape(solution, solution.primal.shape, cost.shape)
    x = solution.primal.astype(WIDE)
    low, high = (
        np.broadcast_to(np.asarray(end, dtype=float), (n,)) for end in (program.lower, program.upper)
    )
    # everything as a minimum with rows A x >= b, the multipliers of the first two groups non-negative
    groups = {name: _dense(getattr(program, name), n) for name in ("at_most", "at_least", "equal")}
    y = {name: solution.multipliers[name].astype(WIDE) for name in groups}
    direction: dict[str, Any] = {"at_most": -1, "at_least": 1, "equal": sign}
    z, size = sign * cost, np.abs(cost)
    dual: Any = WIDE(0)
    violations = sizes = dual
    largest, count = 0.0, n + 8
    for name, (matrix, right) in groups.items():
        _need_shape(solution, y[name].shape, right.shape)
        count += right.size
        z = z - direction[name] * (matrix.T @ y[name])
        size = size + np.abs(matrix).T @ np.abs(y[name])
        dual += direction[name] * (right @ y[name])
        sizes += np.abs(right) @ np.abs(y[name])
        excess = matrix @ x - right
        excess = {"at_most": excess, "at_least": -excess, "equal": np.abs(excess)}[name]
        violations += np.maximum(excess, 0).sum()
        largest = max(largest, float(excess.max(initial=0.0)))
        sizes += (np.abs(matrix) @ np.abs(x) + np.abs(right)).max(initial=0.0)
    box = WIDE(program.variable_bound)
    ends = np.where(z > 0, np.maximum(low, -box), np.minimum(high, box))
    dual += np.where(z == 0, 0, z * np.where(z == 0, 0, ends)).sum()
    value = sign * (cost @ x)
    charge = violations * WIDE(program.multiplier_bound) if violations > 0 else WIDE(0)
    room = float(8 * EPS * count * (sizes + size @ np.abs(x) + np.abs(np.where(z == 0, 0, z * ends)).sum()))
    unit = 4 * DOUBLE * count
    interval = sorted((float(sign * dual), float(sign * (value + charge))))
    bounds = np.concatenate([low - solution.primal, solution.primal - high])
    signs = [solution.multipliers[name] for name in ("at_most", "at_least", "lower", "upper")]
    reduced = solution.multipliers["lower"] - solution.multipliers["upper"]
    ordered = np.concatenate([solution.multipliers[name] for name in groups])
    return [
        *_interval_checks(solution, interval[0], interval[1], room),
        Check("both points prove lower", solution.lower - interval[0], room),
        Check("both points prove upper", interval[1] - solution.upper, room),
        Check(
            "objective at primal",
            abs(float(sign * value) - solution.objective),
            unit * float(size @ np.abs(x)),
        ),
        Check("primal within its bounds", float(bounds.max()), 0.0),
        Check("infeasibility", abs(largest - solution.infeasibility), unit * float(sizes)),
        Check("multipliers are non-negative", float(max((-s).max(initial=0.0) for s in signs)), 0.0),
        Check("reduced costs", float(np.abs(reduced - z).max()), unit * float(size.max())),
        same("dual joins the multipliers", solution.dual, ordered),
    ]


# the two programs of a discounted model


def _optimum(mdp: MDP, bonus: FloatArray | None, temperature: float) -> tuple[float, float]:
    """Normalised optimal start value by Newton's method, and its error."""
    if bonus is None:
        start = policy_iteration(mdp).value
    else:
        start = soft_policy_iteration(mdp, temperature=temperature, log_reference=bonus / temperature).value
    reward = _reward(mdp)
    value, error = _fixed_point(mdp, _optimality(mdp, reward, bonus, temperature), start)
    finite = np.zeros(1) if bonus is None else np.where(bonus > -np.inf, bonus, 0.0)
    scale = 1.0 - mdp.discount
    error = scale * error + 4 * _room(mdp, value, reward, finite, np.full(1, temperature))
    law = np.asarray(mdp.start_law()).astype(WIDE)
    found = float((1 - WIDE(mdp.discount)) * (law @ value))
    # the result is rounded to double precision
    return found, error + DOUBLE * abs(found)


def _flow_checks(solution: ProgramSolution, mdp: MDP) -> list[Check]:
    """The value program and the occupancy program, whose points are each other's multipliers."""
    flow = Flow(mdp)
    states = solution.primal.ndim == 1
    table, level = (solution.dual, solution.primal) if states else (solution.primal, solution.dual)
    _need_shape(solution, (*table.shape, *level.shape), (*mdp.reward.shape, mdp.n_states))
    d, value = flow.vector(table), level.astype(WIDE)
    slack, residual = flow.matrix @ value - flow.reward, flow.residual(d)
    # weak duality with the violations charged at bounds on the optimal points
    mass, largest = flow.start.sum() / flow.margin, np.abs(flow.reward).max() / flow.margin
    below = float(d @ flow.reward - np.abs(residual).sum() * largest)
    above = float(flow.start @ value + np.maximum(-slack, 0).sum() * mass)
    size = float(flow.start @ np.abs(value) + d @ np.abs(flow.reward))
    room = 8 * (EPS * d.size + DOUBLE) * (size + float(np.abs(value).max() + largest))
    optimum, error = _optimum(mdp, None, 0.0)
    terms = flow.start * value if states else d * flow.reward
    violated = np.maximum(-slack, 0).max() if states else np.abs(residual).max()
    doubt = flow.slack_rounding(value) if states else flow.residual_rounding(d)
    excess = np.full(mdp.reward.shape, np.nan)
    excess[flow.admitted] = slack.astype(float)
    copy = solution.multipliers["occupancy" if states else "value"]
    outside = np.where(flow.admitted, 0.0, table)
    off = abs(float(terms.sum()) - solution.objective)
    return [
        *_interval_checks(solution, optimum, optimum, error),
        Check("occupancy proves lower", solution.lower - below, room),
        Check("value proves upper", above - solution.upper, room),
        Check("objective at primal", off, 4 * DOUBLE * (d.size + 8) * float(np.abs(terms).sum())),
        Check("occupancy is non-negative", float(-d.min()), 0.0),
        Check("occupancy lives on available pairs", float(np.abs(outside).max()), 0.0),
        Check("infeasibility", abs(float(violated) - solution.infeasibility), doubt),
        same("slack", solution.multipliers["slack"], excess, flow.slack_rounding(value)),
        same("multipliers repeat dual", copy, solution.dual),
    ]


def _entropy_checks(solution: ProgramSolution, problem: EntropyOccupancy, mdp: MDP) -> list[Check]:
    flow = Flow(mdp)
    _need_shape(solution, solution.primal.shape, mdp.reward.shape)
    temperature = problem.kl_weight + problem.entropy_weight
    bonus = np.where(flow.admitted, 0.0, -np.inf)
    if problem.prior_log is not None:
        bonus = np.where(flow.admitted, problem.kl_weight * problem.prior_log, -np.inf)
    optimum, error = _optimum(mdp, bonus, temperature)
    d = flow.vector(solution.primal)
    mass = (flow.own.T @ d)[flow.state]
    taken = d > 0
    logs = np.log(np.where(taken, d, 1) / np.where(taken, mass, 1))
    terms = d * (flow.reward + flow.vector(np.where(flow.admitted, bonus, 0.0)) - WIDE(temperature) * logs)
    size = float(
        (d * (np.abs(flow.reward) + np.abs(bonus[flow.admitted]) + temperature * (np.abs(logs) + 1))).sum()
    )
    violated = float(np.abs(flow.residual(d)).max())
    return [
        *_interval_checks(solution, optimum, optimum, error),
        Check(
            "objective at primal",
            abs(float(terms.sum()) - solution.objective),
            4 * DOUBLE * (d.size + 8) * size,
        ),
        Check("occupancy is non-negative", float(-d.min()), 0.0),
        Check("infeasibility", abs(violated - solution.infeasibility), flow.residual_rounding(d)),
        same("multipliers repeat dual", solution.multipliers["flow"], solution.dual),
    ]
