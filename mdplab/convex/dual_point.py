r"""Minimisers of the dual of a regularised occupancy program, by Newton's method or as a linear program.

Smooth conjugates.  Newton's method starts from the constant ``V`` at which the recovered mass is one.  Pairs without
data are, for a divergence with a finite slope ``u`` at infinity, constraints ``R - BV <= alpha u``; their barrier is
lowered in five stages to a gap of ``1e-10 alpha``.  Then the constraints whose mass exceeds their slack are made
equalities, and Newton's method on the conditions of optimality

.. math::
    (1-\gamma)\mu_0 - B^\top m(V) - B_A^\top m_A = 0, \qquad R_A - B_A V = \alpha u

leads on to the floor of rounding (as long as matrices are dense).

Thin data.  A pair whose mass ``q w(y)`` stays below one up to the last ``y`` that is distinguished from the edge of the
domain is treated like one without data: its mass is the multiplier there, and ``q w(y)`` inside.

References
----------
J. Nocedal, S. Wright (2006), Numerical Optimization, sections 16.4 and 19.6.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from mdplab._typing import FloatArray, IntArray
from mdplab.convex.conjugate_dual import DENSE, ConjugateDual
from mdplab.convex.flow import FlowPolytope
from mdplab.convex.linear import linear_program
from mdplab.convex.program import RegularisedOccupancy, power_of_two
from mdplab.convex.smooth import minimise_smooth
from mdplab.solution import Status

__all__ = ["DualPoint", "linear_point", "newton_point"]

_EPS = float(np.finfo(np.float64).eps)
_STAGES = tuple(10.0 ** (-2 * k) for k in range(1, 6))
_POLISH = 20
_SMALL = 10_000  # entries up to which products with a dense matrix are the faster ones


class DualPoint(NamedTuple):
    """Outcome on the states that carry mass: V, recovered mass, gradient norms, what ended the method, error bounds."""

    value: FloatArray
    mass: FloatArray
    residuals: FloatArray
    ended: Status
    value_error: float = np.inf
    mass_error: float = np.inf


def newton_point(
    flow: FlowPolytope, columns: IntArray, data: FloatArray, problem: RegularisedOccupancy, max_steps: int
) -> DualPoint:
    """Minimise a smooth dual.

    Parameters
    ----------
    flow : FlowPolytope
        Of the pairs that can carry mass.
    columns : ndarray of int, shape (n,)
        The states that can.
    data : ndarray, shape (N,)
        ``d_O`` on the pairs of ``flow``.
    problem : RegularisedOccupancy
        Its divergence and strength are used.
    max_steps : int
        Largest number of Newton steps, over all stages of the barrier.

    Returns
    -------
    DualPoint
    """
    row = problem.divergence
    matrix: Any = sparse.csr_array(flow.matrix[:, columns])
    if matrix.shape[0] * matrix.shape[1] <= _SMALL:
        matrix = matrix.toarray()
    # the distance from the edge of the domain that the rounding of V leaves
    large = float(np.abs(flow.reward).max()) / (1.0 - flow.discount) / problem.strength
    edge = row.domain_upper * (1.0 - 64.0 * _EPS) - 64.0 * _EPS * large
    thin = (
        (data > 0.0) & ~(data * row.weight(edge) >= 1.0) if np.isfinite(edge) else np.zeros(data.size, bool)
    )
    solid = np.where(thin, 0.0, data)
    off_data = int((solid == 0.0).sum())
    dual = ConjugateDual(matrix, flow.start[columns], solid, flow.reward, row, problem.strength)
    stages = [0.0] if off_data == 0 else [stage / off_data for stage in _STAGES]
    point: FloatArray | None = None
    residuals: list[FloatArray] = []
    left = max_steps
    for barrier in stages:
        dual = replace(dual, barrier=barrier)
        if point is None:
            point = np.full(columns.size, _level(dual) / (1.0 - flow.discount))
            if not np.isfinite(dual.objective(point)):  # a discount of one within rounding: any V will do
                return DualPoint(point, data, np.zeros(0), Status.PRECISION_LIMIT)
        minimum = minimise_smooth(
            dual.objective, dual.gradient, dual.newton_matrix, point, tol=1e-13, max_steps=left
        )
        point = minimum.point
        residuals.append(minimum.residuals)
        left -= minimum.steps
        ended = Status.MAX_STEPS if left <= 0 and barrier != stages[-1] else minimum.status
        if ended in (Status.MAX_STEPS, Status.INTERRUPTED):
            break
    assert point is not None
    found = DualPoint(point, dual.mass(point), np.concatenate(residuals), ended, *dual.newton_bound(point))
    if off_data and ended not in (Status.MAX_STEPS, Status.INTERRUPTED) and columns.size <= DENSE:
        found = _polish(dual, found)
    if not np.isfinite(row.domain_upper):
        return found
    whole = np.zeros(flow.shape[0])
    whole[columns] = found.value
    value = flow.lift(whole, row.domain_upper * problem.strength)[columns]
    whole_dual = ConjugateDual(matrix, flow.start[columns], data, flow.reward, row, problem.strength)
    touching = (data == 0.0) | (thin & (whole_dual.residual(value) / problem.strength > edge))
    return found._replace(value=value, mass=np.where(touching, found.mass, whole_dual.mass(value)))


def _level(dual: ConjugateDual) -> float:
    """The number whose subtraction from the rewards makes the recovered mass one, or a little less (by bisection)."""
    top = float(dual.reward.max())
    shifted = replace(dual, matrix=np.zeros((dual.reward.size, 0)))

    def too_much(level: float) -> bool:
        mass = replace(shifted, reward=dual.reward - level).mass(np.zeros(0))
        return not float(mass.sum()) <= 1.0

    step = dual.strength
    while not too_much(top - step) and step < 1e6 * dual.strength:
        step *= 2.0
    low = top - step
    for _ in range(60):
        middle = 0.5 * (low + top)
        low, top = (middle, top) if too_much(middle) else (low, middle)
    return top


def _polish(dual: ConjugateDual, found: DualPoint) -> DualPoint:
    """Newton's method with the constraints that carry mass as equalities; the point itself where it does not help."""
    bound = dual.strength * dual.divergence.domain_upper
    bounded = dual.weights == 0.0
    active = bounded & (found.mass > (bound - dual.residual(found.value)) / dual.strength)
    inside = replace(
        dual, matrix=dual.matrix[~bounded], weights=dual.weights[~bounded], reward=dual.reward[~bounded]
    )
    rows, goal = sparse.csr_array(dual.matrix)[active].toarray(), dual.reward[active] - bound
    x, held = found.value, found.mass[active]
    n = x.size

    def conditions(x: FloatArray, held: FloatArray) -> FloatArray:
        return np.concatenate([inside.gradient(x) - rows.T @ held, (goal - rows @ x) / dual.strength])

    residual = conditions(x, held)
    for _ in range(_POLISH):
        system = np.block([[inside.hessian(x), -rows.T], [-rows / dual.strength, np.zeros((held.size,) * 2)]])
        step = np.linalg.lstsq(system, -residual, rcond=1e-14)[0]
        trial, multipliers = x + step[:n], held + step[n:]
        after = conditions(trial, multipliers)
        if not np.linalg.norm(after) < np.linalg.norm(residual):
            break
        x, held, residual = trial, multipliers, after
    free = dual.residual(x)[bounded & ~active]
    if (held < 0.0).any() or (free > bound).any() or not np.linalg.norm(residual) < 1e-11:
        return found
    mass = np.zeros(dual.weights.size)
    mass[~bounded], mass[active] = inside.mass(x), held
    return found._replace(value=x, mass=mass)


def linear_point(
    flow: FlowPolytope, columns: IntArray, data: FloatArray, problem: RegularisedOccupancy, max_steps: int
) -> DualPoint:
    """``min start . V + data . u`` with ``u >= R - BV``, ``u >= -alpha/2``, ``R - BV <= alpha/2``: the total variation.

    The solver's tolerances are absolute, so that rewards, strength and ``V`` are divided by a common power of two.

    Parameters
    ----------
    flow, columns, data, problem
        As for :func:`newton_point`.
    max_steps : int
        Not used: the simplex method ends by itself.

    Returns
    -------
    DualPoint
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
    whole = np.zeros(flow.shape[0])
    whole[columns] = value
    mass = multipliers[:pairs] + multipliers[pairs:]
    return DualPoint(flow.lift(whole, upper)[columns], mass, np.zeros(0), program.status)
