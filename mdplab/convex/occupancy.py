r"""Regularised occupancy programs as cone programs (cvxpy with Clarabel).

Two concave programs over the normalised occupancies ``d >= 0``, ``B' d = (1 - gamma) mu_0``:

- :func:`conic_occupancy_program`: ``max <d, R> - strength D_f(d || d_O)``; the KL divergences and Jeffreys by
  relative-entropy cones, the chi-square and Hellinger by second-order cones, the total variation by absolute values,
  the alpha family by power cones.  It is the primal of
  :func:`mdplab.solvers.dual_v`, which solves the dual by Newton's method and never calls a cone solver.
- :func:`conic_entropy_occupancy_program`: ``max <d, R + beta log prior> - (beta + eta) sum d log(d / d_s)``, where
  ``d_s = sum_a d(s, a)``: the return regularised by ``beta KL(. || prior)`` and an entropy bonus ``eta``.

Both report the solver's own point; the certified interval around the optimal value comes from weak duality at that
point (:mod:`mdplab.convex.flow`).  An interior-point method leaves about ``1e-8`` on values and ``1e-5`` on points.

References
----------
H. Sikchi, Q. Zheng, A. Zhang, S. Niekum (2023), Dual RL, arXiv 2302.08560.
P. Goulart, Y. Chen (2024), Clarabel: an interior-point solver for conic programs, arXiv 2405.12762.
"""

from __future__ import annotations

import warnings
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.convex.flow import FlowPolytope
from mdplab.convex.program import EntropyOccupancy, ProgramSolution, RegularisedOccupancy, check_limits
from mdplab.convex.support import data_law, obstacle
from mdplab.divergences import FDivergence, f_divergence
from mdplab.models import MDP
from mdplab.solution import Certificate, Status

__all__ = ["conic_entropy_occupancy_program", "conic_occupancy_program"]

_Task: TypeAlias = RegularisedOccupancy | EntropyOccupancy

_EPS = float(np.finfo(np.float64).eps)
_SETTINGS = {"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12, "max_iter": 500}


def conic_occupancy_program(
    mdp: MDP,
    data_occupancy: ArrayLike,
    *,
    divergence: str | FDivergence,
    strength: float,
    tol: float = 1e-6,
) -> ProgramSolution:
    """Maximise ``<d, R> - strength D_f(d || d_O)`` over occupancies by an interior-point method.

    Parameters
    ----------
    mdp : MDP
        Discounted model with a start law.
    data_occupancy : array_like, shape (S, A)
        ``d_O``, a law on pairs (not necessarily an occupancy).  For a divergence with infinite slope at infinity
        the mass of ``d`` is confined to its support.
    divergence : {"kl", "swapped-kl", "jeffreys", "chi-square", "total-variation", "hellinger"} or FDivergence
        Which divergence; :func:`~mdplab.divergences.alpha_divergence` makes more.
    strength : float
        Weight of the divergence, > 0.
    tol : float
        The status is ``CONVERGED`` if the certified error of the objective is at most ``tol * max(1, |objective|)``.

    Returns
    -------
    ProgramSolution
        ``primal`` (S, A) is ``d``, ``dual`` (S,) the multipliers of the flow constraint (the dual variable ``V``, up
        to the solver's accuracy).  Status ``INFEASIBLE`` with objective ``-inf`` when every occupancy has an infinite
        price; this is decided by the graph and not by the solver.

    Raises
    ------
    ValueError
        If an argument is out of its range.
    """
    row = f_divergence(divergence)
    _positive("strength", strength)
    check_limits(tol=tol)
    data_table = data_law(mdp, data_occupancy)
    task = RegularisedOccupancy(data_table, row, float(strength))
    whole = FlowPolytope.of(mdp)
    flow = whole
    if not np.isfinite(row.domain_upper):
        flow = whole.restrict(whole.vector(data_table) > 0.0)
    reason = obstacle(whole, whole.vector(data_table), row)
    if reason:
        return _infeasible(flow, task, reason)
    data = flow.vector(data_table)
    # data on pairs that carry no mass cost f(0) each
    closed = ~np.isin(whole.pair, flow.pair)
    outside = float(whole.vector(data_table)[closed].sum())
    constant = strength * outside * row.at_zero if outside > 0.0 else 0.0

    import cvxpy as cp

    d = cp.Variable(flow.reward.size, nonneg=True)
    cost = _cost(d, data, row)
    constraint = flow.matrix.T @ d == flow.start
    problem = cp.Problem(cp.Maximize(flow.reward @ d - strength * cost), [constraint])
    status = _solve(problem)
    if d.value is None:
        return _failed(flow, task, status)
    point = np.maximum(np.asarray(d.value, dtype=np.float64), 0.0)
    value = _multipliers(constraint)
    objective = float(point @ flow.reward) - strength * float(row.divergence(point, data)) - constant

    _, lower = flow.feasible_bound(flow.repair(point), data, row, strength)
    if np.isfinite(row.domain_upper):
        value = flow.lift(value, row.domain_upper * strength)
    upper, rounding, _ = flow.dual_bound(value, data, row, strength)
    below, above = lower - constant, upper + rounding - constant
    return _certified(flow, task, status, objective, point, value, below, above, rounding, tol)


def _cost(d: Any, data: FloatArray, row: FDivergence) -> Any:
    """``D_f(d || data)`` as a convex expression; mass without data costs the slope at infinity."""
    import cvxpy as cp

    inside, off = np.flatnonzero(data > 0.0), np.flatnonzero(data == 0.0)
    p, q = d[inside], data[inside]
    order = {"kl": 1.0, "swapped-kl": 0.0}.get(row.name, row.order)
    if order == 1.0:
        cost = cp.sum(cp.kl_div(p, q))
    elif order == 0.0:
        cost = cp.sum(cp.kl_div(q, p))
    elif row.name == "jeffreys":
        cost = cp.sum(cp.kl_div(p, q)) + cp.sum(cp.kl_div(q, p))
    elif row.name == "chi-square":
        cost = cp.sum_squares(cp.multiply(1.0 / np.sqrt(q), p - q))
    elif row.name == "total-variation":
        cost = 0.5 * cp.norm1(p - q)
    elif row.name == "hellinger":
        cost = cp.sum(p) + q.sum() - 2.0 * cp.sum(cp.multiply(np.sqrt(q), cp.sqrt(p)))
    elif row.name == "alpha":
        power = cp.sum(cp.multiply(q ** (1.0 - order), cp.power(p, order, approx=False)))
        cost = (power - order * cp.sum(p) + (order - 1.0) * q.sum()) / (order * (order - 1.0))
    else:
        raise ValueError(f"divergence: {row.name!r} has no cone form")
    return cost + row.domain_upper * cp.sum(d[off]) if off.size else cost


def conic_entropy_occupancy_program(
    mdp: MDP,
    *,
    prior_log: ArrayLike | None = None,
    kl_weight: float = 0.0,
    entropy_weight: float = 0.0,
    tol: float = 1e-6,
) -> ProgramSolution:
    """Maximise the return less ``kl_weight KL(. || prior)`` plus ``entropy_weight H`` over occupancies.

    In terms of ``d`` the objective is ``<d, R + kl_weight log prior> - (kl_weight + entropy_weight) sum d log(d /
    d_s)``, concave when the sum of the weights is positive; both regularisers are discounted like the reward.

    Parameters
    ----------
    mdp : MDP
        Discounted model with a start law.
    prior_log : array_like, shape (S, A), optional
        Log-probabilities of the prior, finite at the admitted pairs; needed when ``kl_weight`` is not 0.
    kl_weight : float
        ``beta >= 0``.
    entropy_weight : float
        ``eta`` of either sign with ``beta + eta > 0``.
    tol : float
        The status is ``CONVERGED`` if the certified error of the objective is at most ``tol * max(1, |objective|)``.

    Returns
    -------
    ProgramSolution
        ``objective`` is normalised, ``(1 - gamma)`` times the regularised start value; ``primal`` (S, A), ``dual``
        (S,) the multipliers of the flow constraint (the regularised value).

    Raises
    ------
    ValueError
        If an argument is out of its range.
    """
    temperature = kl_weight + entropy_weight
    _positive("kl_weight + entropy_weight", temperature)
    check_limits(tol=tol)
    if not (np.isfinite(kl_weight) and kl_weight >= 0.0):
        raise ValueError(f"kl_weight: {kl_weight!r}; expected a finite number >= 0")
    flow = FlowPolytope.of(mdp)
    reward = flow.reward
    if prior_log is not None:
        logs = np.asarray(prior_log, dtype=np.float64)
        if logs.shape != flow.shape or not np.isfinite(flow.vector(logs)).all():
            raise ValueError(f"prior_log: expected finite log-probabilities of shape {flow.shape}")
        reward = reward + kl_weight * flow.vector(logs)
    elif kl_weight != 0.0:
        raise ValueError("prior_log: missing, but kl_weight is not 0")
    task = EntropyOccupancy(None if prior_log is None else logs, float(kl_weight), float(entropy_weight))

    import cvxpy as cp

    d = cp.Variable(reward.size, nonneg=True)
    indicator = (flow.state[:, None] == np.arange(flow.shape[0])[None, :]).astype(np.float64)
    mass = indicator @ (indicator.T @ d)
    constraint = flow.matrix.T @ d == flow.start
    problem = cp.Problem(cp.Maximize(reward @ d - temperature * cp.sum(cp.rel_entr(d, mass))), [constraint])
    status = _solve(problem)
    if d.value is None:
        return _failed(flow, task, status)
    point = np.maximum(np.asarray(d.value, dtype=np.float64), 0.0)
    objective = float(point @ reward) - temperature * _conditional_entropy_loss(flow, point)
    lower, upper, rounding = _soft_bounds(flow, reward, temperature, flow.repair(point))
    value = _multipliers(constraint)
    return _certified(flow, task, status, objective, point, value, lower, upper, rounding, tol)


def _conditional_entropy_loss(flow: FlowPolytope, d: FloatArray) -> float:
    """``sum d log(d / d_s)``."""
    policy = flow.policy(d)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.where(d > 0.0, d * np.log(policy), 0.0).sum())


def _soft_bounds(
    flow: FlowPolytope, reward: FloatArray, temperature: float, d: FloatArray
) -> tuple[float, float, float]:
    """Interval of the soft optimum from the policy of ``d``: its own value, and one backup of that value.

    With ``v`` any function and ``k >= max (Tv - v)`` the soft optimum is at most ``start . v + k``
    (normalised), since ``v + k/(1 - gamma)`` dominates its own backup.
    """
    n_states = flow.shape[0]
    policy = flow.policy(d)
    with np.errstate(divide="ignore"):
        running = np.where(policy > 0.0, reward - temperature * np.log(policy), 0.0)
    mean = np.bincount(flow.state, policy * running, n_states)
    off = flow.spread(d)
    finite = bool(np.isfinite(off).all())
    lower = float(d @ running) - float(off @ np.abs(running)) if finite else -np.inf
    rounding = _EPS * (d.size + 16.0) * float((d * (np.abs(running) + temperature)).sum())

    system = np.zeros((n_states, n_states))
    np.add.at(system, flow.state, policy[:, None] * flow.matrix.toarray())
    v = np.linalg.solve(system, mean)
    q = reward - flow.matrix @ v + v[flow.state]
    top = np.full(n_states, -np.inf)
    np.maximum.at(top, flow.state, q)
    soft = top + temperature * np.log(
        np.bincount(flow.state, np.exp((q - top[flow.state]) / temperature), n_states)
    )
    scale = float(np.abs(v).max() + np.abs(reward).max() + temperature)
    slack = _EPS * (8.0 * n_states + 32.0) * scale
    upper = float(flow.start @ v) + float((soft - v).max()) + 2.0 * slack
    rounding += 3.0 * slack
    return lower - rounding, upper + rounding, rounding


def _positive(name: str, number: float) -> None:
    if not (np.isfinite(number) and number > 0.0):
        raise ValueError(f"{name}: {number!r}; expected a finite number > 0")


def _solve(problem: Any) -> str:
    """Run Clarabel at the tightest tolerances; what it cannot reach shows in our own bound."""
    import cvxpy as cp

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "solution may be inaccurate": the certificate decides
        try:
            problem.solve(solver=cp.CLARABEL, **_SETTINGS)
        except cp.error.SolverError:
            problem.solve(solver=cp.CLARABEL)
    return str(problem.status)


def _multipliers(constraint: Any) -> FloatArray:
    """Shadow prices of the flow constraint: cvxpy's dual of ``lhs == rhs`` in a maximum has the other sign."""
    return np.asarray(constraint.dual_value, dtype=np.float64)


def _certified(
    flow: FlowPolytope,
    task: _Task,
    solver_status: str,
    objective: float,
    point: FloatArray,
    value: FloatArray,
    lower: float,
    upper: float,
    rounding: float,
    tol: float,
) -> ProgramSolution:
    """Assemble a solution whose certificate is the distance of its objective from the proven interval's ends."""
    error = max(upper - objective, objective - lower, 0.0)
    if error <= tol * max(1.0, abs(objective)):
        status = Status.CONVERGED
    elif np.isfinite(error):
        status = Status.PRECISION_LIMIT if solver_status.startswith("optimal") else Status.MAX_STEPS
    else:
        status = Status.UNCERTIFIED
    residual, _ = flow.flow_residual(point)
    return ProgramSolution(
        status=status,
        certificate=Certificate(
            "error of the objective", error, "weak duality at a repaired point", rounding
        ),
        objective=objective,
        primal=flow.table(point),
        dual=value,
        lower=lower,
        upper=upper,
        infeasibility=float(np.abs(residual).max()),
        multipliers={"flow": value},
        problem=task,
        names=flow.names,
    )


def _infeasible(flow: FlowPolytope, task: _Task, reason: str) -> ProgramSolution:
    """Every occupancy has an infinite price: found on the graph, hence exact."""
    empty = np.full(flow.shape[0], np.nan)
    return ProgramSolution(
        status=Status.INFEASIBLE,
        certificate=Certificate("error of the objective", 0.0, reason, 0.0),
        objective=-np.inf,
        primal=np.full(flow.shape, np.nan),
        dual=empty,
        lower=-np.inf,
        upper=-np.inf,
        infeasibility=np.inf,
        multipliers={"flow": empty},
        problem=task,
        names=flow.names,
    )


def _failed(flow: FlowPolytope, task: _Task, solver_status: str) -> ProgramSolution:
    """The solver returned no point."""
    empty = np.full(flow.shape[0], np.nan)
    infeasible = solver_status.startswith("infeasible")
    return ProgramSolution(
        status=Status.INFEASIBLE if infeasible else Status.UNCERTIFIED,
        certificate=Certificate("error of the objective", np.inf, "none: the solver's own verdict", 0.0),
        objective=-np.inf if infeasible else np.nan,
        primal=np.full(flow.shape, np.nan),
        dual=empty,
        infeasibility=np.inf,
        multipliers={"flow": empty},
        problem=task,
        names=flow.names,
    )
