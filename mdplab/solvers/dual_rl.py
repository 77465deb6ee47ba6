r"""Dual reinforcement learning: regularised occupancy programs by their unconstrained duals.

For data ``q = d_O`` on state-action pairs, an f-divergence and a strength ``alpha > 0`` the program

.. math::
    \max_{d\ge0,\;B^\top d=(1-\gamma)\mu_0}\ \langle d,R\rangle-\alpha D_f(d\|q)
    \;=\;\min_{V}\ (1-\gamma)\mu_0\cdot V+\alpha\sum_{s,a} q\,f^*_p\!\big((R-BV)/\alpha\big)

has a convex dual in ``V`` (S unknowns), with the corrected conjugate of :mod:`mdplab.divergences`.  Its gradient is
the flow residual ``(1 - gamma) mu_0 - B' d`` of the recovered mass ``d = q w((R - BV)/alpha)``, so that a stationary
point yields the primal solution.  The plain conjugate drops ``d >= 0``: its minimum is never smaller, and larger as
soon as the relaxed solution has negative mass.

Methods.  KL: damped Newton from the constant ``max R / (1 - gamma)``, where all residuals are non-positive and no
exponential overflows.  Chi-square: damped Newton from ``V = 0`` with a small ridge where too few pairs are active.
Total variation: a linear program, with the explicit bound ``R - BV <= alpha/2`` of the domain of its conjugate.

Reachability.  States that no occupancy reaches are taken out, with the price ``alpha q f(0)`` of their data: for KL
their ``V`` tends to ``+inf`` and the minimum is ``NOT_ATTAINED`` (the infimum is still certified); for the others any
large ``V`` will do and the point is ``NOT_UNIQUE``.  Pairs without data are closed for KL and chi-square; where no
policy avoids them the primal is ``INFEASIBLE``.

Certificate.  ``upper`` is the dual objective at the ``V`` found, a bound by weak duality whatever ``V`` is; ``lower``
is the primal objective at the exact occupancy of the recovered policy (one linear solve, whose residual is charged
by :meth:`~mdplab.convex.flow.FlowPolytope.feasible_bound`).  The optimal value lies between them.  Strong convexity
of the divergence turns the gap into a bound on the occupancy:
``|d_feasible - d*|_1 <= sqrt(2 gap / (alpha m))`` with ``m = 1`` for KL (Pinsker) and ``m = 2`` for chi-square; where
the dual is strictly convex at its minimum the bound of
:meth:`~mdplab.convex.conjugate_dual.ConjugateDual.newton_bound` is linear in the gradient, hence far smaller.

References
----------
H. Sikchi, Q. Zheng, A. Zhang, S. Niekum (2023), Dual RL, arXiv 2302.08560.
O. Nachum, B. Dai (2020), Reinforcement learning via Fenchel-Rockafellar duality, arXiv 2001.01866.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from mdplab._typing import FloatArray, IntArray
from mdplab.convex.conjugate_dual import ConjugateDual
from mdplab.convex.flow import FlowPolytope, data_law
from mdplab.convex.linear import linear_program
from mdplab.convex.program import RegularisedOccupancy, check_limits, power_of_two
from mdplab.convex.smooth import minimise_smooth
from mdplab.divergences import FDivergence, f_divergence
from mdplab.interrupts import interruptible
from mdplab.models import MDP
from mdplab.operators import _check
from mdplab.solution import Certificate, Layout, Solution, Status
from mdplab.solvers.discounted import warn_max_steps

__all__ = ["ConjugateDual", "DualSolution", "dual_v"]

_EPS = float(np.finfo(np.float64).eps)
_CUT_SHORT = (Status.MAX_STEPS, Status.INTERRUPTED)
_THEOREM = "weak duality: dual value at V, primal value at the occupancy of the recovered policy"


@dataclass(frozen=True, kw_only=True, eq=False)
class DualSolution(Solution):
    """Solution of a regularised occupancy program through its dual; its table has a row a state.

    The certificate bounds ``|objective - optimal value|``.

    Attributes
    ----------
    value : ndarray, shape (S,)
        The dual minimiser ``V``.  Where it is not attained: ``inf`` on states that no occupancy reaches, ``-inf`` on
        states that have no pair with data.
    objective : float
        Dual objective at ``value``.
    occupancy : ndarray, shape (S, A)
        Recovered mass ``d_O w((R - BV) / strength)``, for the total variation the multipliers of the program.
    policy : ndarray, shape (S, A)
        ``occupancy / sum_a occupancy``; uniform on admitted actions in states without mass.
    feasible_occupancy : ndarray, shape (S, A)
        Occupancy of ``policy`` by a linear solve.
    primal_objective : float
        Primal objective there.
    normalised_return : float
        ``<feasible_occupancy, R>``.
    residual : ndarray, shape (S, A)
        ``R - BV``; ``-inf`` where a pair leaves or leads to an infinite ``V``, NaN at unavailable pairs.
    lower, upper : float
        Proven bounds on the optimal value.
    value_error : float
        Proven bound on the Euclidean distance from ``value`` to the dual minimiser; ``inf`` where none is known
        (total variation, too few active pairs, not attained).
    occupancy_error : float
        Proven bound on the 1-norm distance from ``feasible_occupancy`` (plain conjugate: ``occupancy``) to the
        optimum; ``inf`` for the total variation, whose optimum need not be unique.
    flow_residual : float
        Largest entry of ``|B' occupancy - (1 - gamma) mu_0|``.
    problem : RegularisedOccupancy
        What was asked for.
    """

    value: FloatArray
    objective: float
    occupancy: FloatArray
    policy: FloatArray
    feasible_occupancy: FloatArray
    primal_objective: float
    normalised_return: float
    residual: FloatArray
    lower: float
    upper: float
    value_error: float
    occupancy_error: float
    flow_residual: float
    problem: RegularisedOccupancy = field(repr=False)

    def _layout(self) -> Layout:
        return ("state",), {"value": self.value, "occupancy": self.occupancy, "policy": self.policy}

    @property
    def gap(self) -> float:
        """Width of the certified interval for the optimal value."""
        return 0.0 if self.lower == self.upper else self.upper - self.lower


class _Inner(NamedTuple):
    """Outcome on the states that carry mass: V, recovered mass, gradient norms, what ended the method, bounds."""

    value: FloatArray
    mass: FloatArray
    residuals: FloatArray
    ended: Status
    value_error: float
    mass_error: float


@interruptible
def dual_v(
    mdp: MDP,
    data_occupancy: ArrayLike,
    *,
    divergence: str | FDivergence,
    strength: float,
    conjugate: str = "corrected",
    tol: float = 1e-9,
    max_steps: int = 500,
) -> DualSolution:
    """Solve ``max <d, R> - strength D_f(d || d_O)`` over occupancies by its dual in ``V``.

    Parameters
    ----------
    mdp : MDP
        Discounted model with a start law.
    data_occupancy : array_like, shape (S, A)
        ``d_O``, a law on pairs; it need not be an occupancy.
    divergence : {"kl", "chi-square", "total-variation"} or FDivergence
        Which divergence.
    strength : float
        Weight of the divergence, > 0.
    conjugate : {"corrected", "plain"}
        ``"plain"`` drops the constraint ``d >= 0`` (KL: no difference; not for the total variation).
    tol : float
        Accuracy of the objective, relative to ``max(1, |objective|)``.
    max_steps : int
        Largest number of Newton steps.

    Returns
    -------
    DualSolution
        ``residuals`` are the gradient norms, that is the flow residuals of the iterates.  With the plain conjugate
        ``occupancy`` may be negative, and ``policy``, ``feasible_occupancy``, ``lower`` belong to the relaxed
        program (the first two are NaN).

    Raises
    ------
    ValueError
        If an argument is out of its range.

    References
    ----------
    H. Sikchi, Q. Zheng, A. Zhang, S. Niekum (2023), Dual RL, arXiv 2302.08560.
    """
    row = f_divergence(divergence)
    _check.non_negative("strength", strength, positive=True)
    if conjugate not in ("corrected", "plain"):
        raise ValueError(f"conjugate: {conjugate!r}; expected 'corrected' or 'plain'")
    check_limits(tol=tol, max_steps=max_steps)
    table = data_law(mdp, data_occupancy)
    flow = FlowPolytope.of(mdp)
    plain = conjugate == "plain" and row.name != "kl"
    if plain and row.name != "chi-square":
        raise ValueError("conjugate: 'plain' is defined for 'kl' and 'chi-square'")
    problem = RegularisedOccupancy(table, row, float(strength), "plain" if plain else "corrected")
    found = (_plain if plain else _corrected)(flow, problem, tol, max_steps)
    warn_max_steps("dual_v", found.status, found.steps, found.certificate.bound, tol)
    return replace(found, names=mdp.names)


def _corrected(flow: FlowPolytope, problem: RegularisedOccupancy, tol: float, max_steps: int) -> DualSolution:
    """The dual with ``d >= 0``, on the pairs that can carry mass."""
    data, row, strength = flow.vector(problem.data), problem.divergence, problem.strength
    open_pairs = flow.restrict(data > 0.0) if not np.isfinite(row.domain_upper) else flow
    if not open_pairs.feasible:
        return _infeasible(flow, problem)
    reached = open_pairs.reachable()
    inner = open_pairs.restrict(reached[open_pairs.state])
    chosen = np.isin(flow.pair, inner.pair)
    # pairs that cannot carry mass keep the price f(0) of their data
    constant = strength * float(data[~chosen].sum()) * float(row.generator(np.zeros(1))[0])
    columns = np.flatnonzero(reached)
    solve = _newton if row.smooth else _total_variation
    part = solve(inner, columns, data[chosen], problem, max_steps)
    value = np.zeros(flow.shape[0])
    value[columns] = part.value
    objective, rounding, _ = inner.dual_bound(value, data[chosen], row, strength)
    objective, rounding = objective - constant, rounding + 4.0 * _EPS * constant

    occupancy, feasible = np.zeros(data.size), np.zeros(data.size)
    occupancy[chosen] = part.mass
    feasible[chosen] = inner.repair(part.mass)
    primal, lower = inner.feasible_bound(feasible[chosen], data[chosen], row, strength)
    primal, lower = primal - constant, lower - constant - 4.0 * _EPS * constant
    upper = objective + rounding

    attained = bool(reached.all())
    dead = np.bincount(open_pairs.state, minlength=flow.shape[0]) == 0
    limit = row.name == "kl" or bool(dead.any())
    if not attained and limit:
        # V may be as large as we please where no mass arrives (KL never gets enough), as small where none may arrive
        value[~reached] = np.inf
        value[dead] = -np.inf
    elif not attained:
        # large enough for all residuals there to be at most -2 strength
        size = float(np.abs(value).max()) + float(np.abs(flow.reward).max()) + 2.0 * strength
        value[~reached] = 2.0 * size / (1.0 - flow.discount)
    finite = np.isfinite(value)
    residual = flow.reward - flow.matrix @ np.where(finite, value, 0.0)
    residual[np.abs(flow.matrix) @ ~finite > 0.0] = -np.inf
    known = bool(np.isfinite([objective, rounding, lower]).all())
    error = max(upper - objective, objective - lower, 0.0) if known else np.inf
    if not known:  # discounts so near one that rounding leaves no bound
        lower, upper, rounding = -np.inf, np.inf, np.inf
        status = Status.UNCERTIFIED
    elif error > tol * max(1.0, abs(objective)):
        status = part.ended if part.ended in _CUT_SHORT else Status.PRECISION_LIMIT
    elif attained:
        status = Status.CONVERGED
    else:
        status = Status.NOT_ATTAINED if limit else Status.NOT_UNIQUE
    width = max(upper - lower, 0.0)
    distance = float(np.sqrt(2.0 * width / (strength * row.modulus))) if row.modulus > 0.0 else np.inf
    distance += float(inner.spread(feasible[chosen]).sum())
    distance = min(distance, part.mass_error + float(np.abs(feasible - occupancy).sum()))
    return DualSolution(
        status=status,
        certificate=Certificate("error of the objective", error, _THEOREM, rounding),
        steps=part.residuals.size,
        residuals=part.residuals,
        value=value,
        objective=objective,
        occupancy=flow.table(occupancy),
        policy=flow.table(flow.policy(occupancy)),
        feasible_occupancy=flow.table(feasible),
        primal_objective=primal,
        normalised_return=float(feasible @ flow.reward),
        residual=flow.table(residual, fill=np.nan),
        lower=lower,
        upper=upper,
        value_error=part.value_error if attained else np.inf,
        occupancy_error=distance,
        flow_residual=float(np.abs(flow.flow_residual(occupancy)[0]).max()),
        problem=problem,
    )


def _newton(
    flow: FlowPolytope, columns: IntArray, data: FloatArray, problem: RegularisedOccupancy, max_steps: int
) -> _Inner:
    """Minimise a smooth dual on the reached states."""
    row, matrix = problem.divergence, sparse.csr_array(flow.matrix[:, columns])
    dual = ConjugateDual(matrix, flow.start[columns], data, flow.reward, row, problem.strength)
    level = float(flow.reward.max()) / (1.0 - flow.discount) if row.name == "kl" else 0.0
    start = np.full(columns.size, level)
    minimum = minimise_smooth(
        dual.objective, dual.gradient, dual.hessian, start, tol=1e-13, max_steps=max_steps
    )
    errors = dual.newton_bound(minimum.point)
    return _Inner(minimum.point, dual.mass(minimum.point), minimum.residuals, minimum.status, *errors)


def _total_variation(
    flow: FlowPolytope, columns: IntArray, data: FloatArray, problem: RegularisedOccupancy, max_steps: int
) -> _Inner:
    """``min start . V + data . u`` with ``u >= R - BV``, ``u >= -alpha/2``, ``R - BV <= alpha/2``.

    The solver's tolerances are absolute, so that rewards, strength and ``V`` are divided by a common power of two.
    """
    n, pairs = columns.size, data.size
    matrix, identity = sparse.csr_array(flow.matrix[:, columns]), sparse.eye_array(pairs)
    upper = problem.divergence.domain_upper * problem.strength
    unit = power_of_two(max(float(np.abs(flow.reward).max()), problem.strength))
    program = linear_program(
        np.concatenate([flow.start[columns], data]),
        at_least=(
            sparse.block_array([[matrix, identity], [matrix, None]], format="csr"),
            np.concatenate([flow.reward, flow.reward - upper]) / unit,
        ),
        lower=np.concatenate([np.full(n, -np.inf), np.full(pairs, -upper / unit)]),
    )
    value, multipliers = unit * program.primal[:n], program.multipliers["at_least"]
    if not np.isfinite(value).all():  # the solver failed: any V proves something
        value, multipliers = np.zeros(n), np.concatenate([data, np.zeros(pairs)])
    # the domain of the conjugate is a hard constraint: a constant lowers every residual by (1 - gamma) of itself
    excess = float((flow.reward - matrix @ value).max()) - upper
    margin = flow.margin if flow.margin > 0.0 else 1.0
    size = float(np.abs(value).max() + np.abs(flow.reward).max()) + max(excess, 0.0) / margin
    value = value + max(excess + 64.0 * _EPS * size, 0.0) / margin
    mass = multipliers[:pairs] + multipliers[pairs:]
    return _Inner(value, mass, np.zeros(0), program.status, np.inf, np.inf)


def _plain(flow: FlowPolytope, problem: RegularisedOccupancy, tol: float, max_steps: int) -> DualSolution:
    """The chi-square dual with the plain conjugate: a quadratic, one Newton step and refinements."""
    data, row, strength = flow.vector(problem.data), problem.divergence, problem.strength
    if not (data > 0.0).all():
        raise ValueError("data_occupancy: the plain conjugate asks for positive data on every admitted pair")
    dual = ConjugateDual(flow.matrix, flow.start, data, flow.reward, row, strength, plain=True)
    minimum = minimise_smooth(
        dual.objective, dual.gradient, dual.hessian, np.zeros(flow.shape[0]), tol=1e-13, max_steps=max_steps
    )
    objective, rounding, residual = flow.dual_bound(minimum.point, data, row, strength, plain=True)
    mass = dual.mass(minimum.point)
    value_error, mass_error = dual.newton_bound(minimum.point)
    gradient, slack = flow.flow_residual(mass)
    # mass carries the rounding of the residual, in proportion to the size of its terms
    size = np.abs(flow.matrix) @ np.abs(minimum.point) + np.abs(flow.reward)
    slack += 8.0 * _EPS * flow.shape[0] * float((data * (1.0 + size / strength)).sum())
    # |BV| >= (1 - gamma) |V| in the sup norm bounds the least curvature from below
    curvature = float(data.min()) * (1.0 - flow.discount) ** 2 / (2.0 * strength * flow.shape[0])
    excess = (float(np.abs(gradient).sum()) + slack) ** 2 / (2.0 * curvature)
    error = excess + rounding
    nothing = np.full(flow.shape, np.nan)
    missed = minimum.status if minimum.status in _CUT_SHORT else Status.PRECISION_LIMIT
    return DualSolution(
        status=Status.CONVERGED if error <= tol * max(1.0, abs(objective)) else missed,
        certificate=Certificate(
            "error of the objective", error, "strong convexity of the plain dual", rounding
        ),
        steps=minimum.steps,
        residuals=minimum.residuals,
        value=minimum.point,
        objective=objective,
        occupancy=flow.table(mass),
        policy=nothing,
        feasible_occupancy=nothing,
        primal_objective=objective,
        normalised_return=float(mass @ flow.reward),
        residual=flow.table(residual, fill=np.nan),
        lower=objective - error,
        upper=objective + rounding,
        value_error=value_error,
        occupancy_error=mass_error,
        flow_residual=float(np.abs(gradient).max()),
        problem=problem,
    )


def _infeasible(flow: FlowPolytope, problem: RegularisedOccupancy) -> DualSolution:
    """No occupancy lives on the support of the data (decided on the graph): the dual is unbounded below."""
    nothing = np.full(flow.shape, np.nan)
    return DualSolution(
        status=Status.INFEASIBLE,
        certificate=Certificate(
            "error of the objective", 0.0, "no policy stays on the support of the data", 0.0
        ),
        value=np.full(flow.shape[0], np.nan),
        objective=-np.inf,
        occupancy=nothing,
        policy=nothing,
        feasible_occupancy=nothing,
        primal_objective=-np.inf,
        normalised_return=np.nan,
        residual=nothing,
        lower=-np.inf,
        upper=-np.inf,
        value_error=np.inf,
        occupancy_error=np.inf,
        flow_residual=np.inf,
        problem=problem,
    )
