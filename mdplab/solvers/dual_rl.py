r"""Dual reinforcement learning: regularised occupancy programs by their unconstrained duals.

For data ``q = d_O`` on state-action pairs, an f-divergence and a strength ``alpha > 0`` the program

.. math::
    \max_{d\ge0,\;B^\top d=(1-\gamma)\mu_0}\ \langle d,R\rangle-\alpha D_f(d\|q)
    \;=\;\min_{V}\ (1-\gamma)\mu_0\cdot V+\alpha\sum_{s,a} q\,f^*_p\!\big((R-BV)/\alpha\big)

has a convex dual in ``V`` (S unknowns), with the corrected conjugate of :mod:`mdplab.divergences`.  Its gradient is
the flow residual ``(1 - gamma) mu_0 - B' d`` of the recovered mass ``d = q w((R - BV)/alpha)``, so that a stationary
point yields the primal solution.  The plain conjugate drops ``d >= 0``: its minimum is never smaller, and larger as
soon as the relaxed solution has negative mass.

Methods.  Smooth conjugates: damped Newton from the constant ``V`` at which the recovered mass is one, so that no
weight overflows, pairs are active, and all arguments lie inside the domain; the line search keeps them there.  Up to
400 reached states the Hessian is dense, beyond that it is a product (:mod:`mdplab.convex.gram`).  Total variation:
a linear program, with the explicit bound ``R - BV <= alpha/2`` of the domain of its conjugate.

Pairs without data.  A divergence with infinite slope at infinity (KL, Jeffreys, chi-square, alpha >= 1) closes them;
where no policy avoids them the primal is ``INFEASIBLE``, and the certificate names a state without data that the start
law leads to.  With a finite slope ``u`` (swapped KL, Hellinger, total variation, alpha < 1) mass may leave the data at
the price ``alpha u`` a unit: the pair is a constraint ``R - BV <= alpha u``, whose multiplier is the mass.  A
logarithmic barrier leads to the constraints that carry mass, which are then made equalities
(:mod:`mdplab.convex.dual_point`).

Reachability.  States that no occupancy reaches are taken out, with the price ``alpha q f(0)`` of their data.  Where
that is infinite (swapped KL, Jeffreys, alpha <= 0) the program is ``INFEASIBLE``, and the certificate names the pair.
Else, with ``f'(0) = -inf`` (KL, Hellinger, alpha <= 1) their ``V`` tends to ``+inf`` and the minimum is
``NOT_ATTAINED`` (the infimum is still certified); for the others any large ``V`` will do and the point is
``NOT_UNIQUE``.

Certificate.  ``upper`` is the dual objective at the ``V`` found, a bound by weak duality whatever ``V`` is; ``lower``
is the primal objective at the exact occupancy of the recovered policy (one linear solve, whose residual is charged
by :meth:`~mdplab.convex.flow.FlowPolytope.feasible_bound`).  The optimal value lies between them.  Strong convexity
of the divergence turns the gap into a bound on the occupancy:
``|d_feasible - d*|_1 <= sqrt(2 gap / (alpha m))`` with the modulus ``m`` of the table, where it has one; where
the dual is strictly convex at its minimum the bound of
:meth:`~mdplab.convex.conjugate_dual.ConjugateDual.newton_bound` is linear in the gradient, hence far smaller.

References
----------
H. Sikchi, Q. Zheng, A. Zhang, S. Niekum (2023), Dual RL, arXiv 2302.08560.
O. Nachum, B. Dai (2020), Reinforcement learning via Fenchel-Rockafellar duality, arXiv 2001.01866.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.convex.conjugate_dual import ConjugateDual
from mdplab.convex.dual_point import linear_point, newton_point
from mdplab.convex.flow import FlowPolytope
from mdplab.convex.program import RegularisedOccupancy, check_limits
from mdplab.convex.smooth import minimise_smooth
from mdplab.convex.support import data_law, obstacle
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
        Recovered mass ``d_O w((R - BV) / strength)``; multipliers for the total variation and off the data.
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
        (total variation, too few active pairs, mass off the data, not attained).
    occupancy_error : float
        Proven bound on the 1-norm distance from ``feasible_occupancy`` (plain conjugate: ``occupancy``) to the
        optimum; ``inf`` for the total variation, whose optimum need not be unique, and where none is known.
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
    divergence : {"kl", "swapped-kl", "jeffreys", "chi-square", "total-variation", "hellinger"} or FDivergence
        Which divergence; :func:`~mdplab.divergences.alpha_divergence` makes more.
    strength : float
        Weight of the divergence, > 0.
    conjugate : {"corrected", "plain"}
        ``"plain"`` drops the constraint ``d >= 0``: the chi-square; no difference where weights are positive
        (``f'(0) = -inf``); not defined for the others.
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
    plain = conjugate == "plain" and np.isfinite(row.slope_at_zero)
    if plain and row.name != "chi-square":
        raise ValueError(f"conjugate: 'plain' is not defined for {row.name!r}, expected 'corrected'")
    problem = RegularisedOccupancy(table, row, float(strength), "plain" if plain else "corrected")
    found = (_plain if plain else _corrected)(flow, problem, tol, max_steps)
    warn_max_steps("dual_v", found.status, found.steps, found.certificate.bound, tol)
    return replace(found, names=mdp.names)


def _corrected(flow: FlowPolytope, problem: RegularisedOccupancy, tol: float, max_steps: int) -> DualSolution:
    """The dual with ``d >= 0``, on the pairs that can carry mass."""
    data, row, strength = flow.vector(problem.data), problem.divergence, problem.strength
    reason = obstacle(flow, data, row)
    if reason:
        return _infeasible(flow, problem, reason)
    open_pairs = flow.restrict(data > 0.0) if not np.isfinite(row.domain_upper) else flow
    reached = open_pairs.reachable()
    inner = open_pairs.restrict(reached[open_pairs.state])
    chosen = np.isin(flow.pair, inner.pair)
    # pairs that cannot carry mass keep the price f(0) of their data
    outside = float(data[~chosen].sum())
    constant = strength * outside * row.at_zero if outside > 0.0 else 0.0
    columns = np.flatnonzero(reached)
    solve = newton_point if row.smooth else linear_point
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
    limit = (outside > 0.0 and np.isinf(row.slope_at_zero)) or bool(dead.any())
    if not attained and limit:
        # V may be as large as we please where no mass arrives (positive weights never have enough), as small where
        # none may arrive
        value[~reached] = np.inf
        value[dead] = -np.inf
    elif not attained:
        # large enough for all weights there to vanish
        depth = 1.0 + max(-row.slope_at_zero, 0.0) if np.isfinite(row.slope_at_zero) else 1.0
        size = float(np.abs(value).max()) + float(np.abs(flow.reward).max()) + depth * strength
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
    distance += float(np.bincount(inner.state, inner.spread(feasible[chosen])).max())
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


def _infeasible(flow: FlowPolytope, problem: RegularisedOccupancy, reason: str) -> DualSolution:
    """Every occupancy has an infinite price (decided on the graph): the dual is unbounded below."""
    nothing = np.full(flow.shape, np.nan)
    return DualSolution(
        status=Status.INFEASIBLE,
        certificate=Certificate("error of the objective", 0.0, reason, 0.0),
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
