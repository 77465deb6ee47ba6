"""Policies within divergence balls as cone programs (cvxpy with Clarabel).

The relative entropies share one negative entropy, whose epigraph is a set of exponential cones; what remains is linear in the
log-references, so that references near a corner of the simplex do no harm.  The proven interval comes from weak duality at the
solver's multipliers (:mod:`mdplab.convex.region`) and from the policy found, moved towards an interior one where it
leaves a ball by the tolerance of the solver.  An interior-point method leaves about ``1e-9`` on values and ``1e-5`` on policies;
Newton's method on the conditions of optimality (:mod:`mdplab.convex.region_newton`) goes on from there, and of the two points
the one with the better proven bound is returned.

References
----------
P. Goulart, Y. Chen (2024), Clarabel: an interior-point solver for conic programs, arXiv 2405.12762.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.convex.occupancy import _solve
from mdplab.convex.program import ProgramSolution, check_limits
from mdplab.convex.region import RegionProgram, RegionSolution, certified_region
from mdplab.convex.region_newton import newton_region
from mdplab.operators.tilt import log_tilt
from mdplab.solution import Certificate, Status

__all__ = ["conic_divergence_centre", "conic_region_program"]


def conic_region_program(
    gradient: ArrayLike,
    log_references: ArrayLike,
    *,
    radii: ArrayLike | None = None,
    penalties: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    interior: ArrayLike | None = None,
    tol: float = 1e-6,
) -> RegionSolution:
    """Maximise ``<x, p>`` less penalties on divergences within divergence balls by an interior-point method and Newton's.

    Parameters
    ----------
    gradient, log_references, radii, penalties, weights : array_like
        As for :meth:`RegionProgram.of`.
    interior : array_like, the shape of the gradient, optional
        Log-probabilities of a policy strictly within all balls, for the lower bound; default is the reference, which will do
        for a single ball.
    tol : float
        The status is ``CONVERGED`` if the certified error of the objective is at most ``tol * max(1, |objective|)``.

    Returns
    -------
    RegionSolution
        Status ``UNCERTIFIED`` without finite bounds: infeasible, as the solver says, or no interior policy is known.

    Raises
    ------
    ValueError
        If an argument is out of its range.
    """
    program = RegionProgram.of(gradient, log_references, radii=radii, penalties=penalties, weights=weights)
    check_limits(tol=tol)
    inside = (
        program.log_references[0] if interior is None else np.atleast_2d(np.asarray(interior, np.float64))
    )
    if inside.shape != program.gradient.shape or np.isnan(inside).any():
        raise ValueError(
            f"interior must have shape {program.gradient.shape} and no NaN; got shape {inside.shape}"
        )
    import cvxpy as cp

    p = cp.Variable(program.gradient.shape, nonneg=True)
    mass = program.weights[:, None]
    disorder = cp.sum(cp.multiply(mass, cp.entr(p)))
    negative = cp.Variable()
    total = float(program.penalties.sum())
    slopes = mass * (program.gradient + np.einsum("i,isa->sa", program.penalties, program.log_references))
    balls = np.isfinite(program.radii)
    kept = [
        negative - cp.sum(cp.multiply(mass * logs, p)) <= radius
        for logs, radius in zip(program.log_references[balls], program.radii[balls], strict=True)
    ]
    rows = cp.sum(p, axis=1) == 1
    goal = cp.Maximize(cp.sum(cp.multiply(slopes, p)) - total * negative)
    _solve(cp.Problem(goal, [rows, negative >= -disorder, *kept]))
    multipliers = np.zeros(len(balls))
    if p.value is None:
        return _without_point(program)
    multipliers[balls] = [max(float(constraint.dual_value), 0.0) for constraint in kept]
    log_policy = _log_rows(p.value)
    solution = certified_region(program, log_policy, multipliers, inside, tol)
    sharper = newton_region(program, log_policy, multipliers)
    if sharper is not None:
        polished = certified_region(program, *sharper, inside, tol)
        if polished.certificate.bound <= solution.certificate.bound + polished.certificate.rounding:
            return polished
    return solution


def conic_divergence_centre(log_laws: ArrayLike, *, tol: float = 1e-6) -> ProgramSolution:
    """The smallest common radius for which the divergence balls ``KL(p || law_i) <= radius`` meet, by an interior-point method.

    Parameters
    ----------
    log_laws : array_like (n, A)
        Finite log-probabilities of the laws.
    tol : float
        The status is ``CONVERGED`` if the certified error of the radius is at most ``tol``.

    Returns
    -------
    ProgramSolution
        ``objective`` is the radius, ``primal`` (A,) the common point, ``dual`` (n,) the weights of the laws, of sum one.  The
        largest divergence of the point bounds the radius from above, ``-log sum_a prod_i law_i(a) ** dual[i]`` from below.

    Raises
    ------
    ValueError
        If an argument is out of its range.
    """
    logs = np.asarray(log_laws, dtype=np.float64)
    if logs.ndim != 2:
        raise ValueError(f"log_laws must have shape (n, A); got {logs.shape}")
    program = RegionProgram.of(np.zeros(logs.shape[-1]), logs)
    check_limits(tol=tol)
    import cvxpy as cp

    p, negative, radius = cp.Variable(program.gradient.size, nonneg=True), cp.Variable(), cp.Variable()
    balls = [negative - row @ p <= radius for row in logs]
    _solve(cp.Problem(cp.Minimize(radius), [cp.sum(p) == 1, negative >= -cp.sum(cp.entr(p)), *balls]))
    log_point = _log_rows(p.value[None])
    found, errors = program.divergences(log_point)
    prices = np.maximum([float(ball.dual_value) for ball in balls], 0.0)
    prices = prices / prices.sum()
    value, doubt = replace(program, penalties=prices).dual(np.zeros(len(logs)))
    lower, upper = -value - doubt, float((found + errors).max())
    objective = float(found.max())
    bound = max(upper - objective, objective - lower, 0.0)
    return ProgramSolution(
        status=Status.CONVERGED if bound <= tol else Status.PRECISION_LIMIT,
        certificate=Certificate(
            "error of the radius", bound, "weak duality at the weights", doubt + float(errors.max())
        ),
        objective=objective,
        primal=np.exp(log_point[0]),
        dual=prices,
        lower=lower,
        upper=upper,
        multipliers={"balls": prices},
    )


def _log_rows(point: FloatArray) -> FloatArray:
    """Log-probabilities of the rows of a solver's point, normalised."""
    with np.errstate(divide="ignore"):
        return np.asarray(log_tilt(np.log(np.maximum(point, 0.0))))


def _without_point(program: RegionProgram) -> RegionSolution:
    """The solver returned no point: nothing is proven."""
    n = len(program.radii)
    return RegionSolution(
        status=Status.UNCERTIFIED,
        certificate=Certificate("error of the objective", np.inf, "none: the solver's own verdict", 0.0),
        log_policy=np.full(program.gradient.shape, np.nan),
        multipliers=np.full(n, np.nan),
        objective=np.nan,
        lower=-np.inf,
        upper=np.inf,
        divergences=np.full(n, np.nan),
        infeasibility=np.inf,
        program=program,
    )
