r"""Verification of policies within divergence balls: both bounds in extended precision.

The dual function is summed from normalised references, and divergences plainly as ``sum p log(p / q)``; the solver sums
another form of them, and tilts in double precision.  Lower bounds are attained by policies that the solution does not keep:
they are held against the dual function.
"""

from __future__ import annotations

import numpy as np

from mdplab._typing import Array, FloatArray
from mdplab.convex.region import RegionProgram, RegionSolution
from mdplab.solution import Status
from mdplab.solvers.verify import Check, Verification, _need, _need_claim, _need_shape, _verify
from mdplab.solvers.verify_algebra import DOUBLE, WIDE
from mdplab.solvers.verify_flow import same
from mdplab.solvers.verify_games import normalise

__all__ = ["KINDS"]

KINDS = (RegionSolution,)
"""The kinds that this module adds to :func:`mdplab.solvers.verify`."""


def _dual(
    program: RegionProgram, logs: Array, multipliers: FloatArray, gradient: Array
) -> tuple[Array, float]:
    """The dual function at multipliers, and the size of its terms."""
    total = (program.penalties + multipliers).astype(WIDE)
    size, weights = total.sum(), program.weights.astype(WIDE)
    priced = multipliers[multipliers > 0].astype(WIDE) @ program.radii[multipliers > 0].astype(WIDE)
    if not size > 0:
        return weights @ gradient.max(axis=1) + priced, float(weights @ np.abs(gradient).max(axis=1) + priced)
    exponents = (gradient + np.einsum("i,isa->sa", total, logs)) / size
    top = exponents.max(axis=1)
    rows = size * (top + np.log(np.exp(exponents - top[:, np.newaxis]).sum(axis=1)))
    terms = np.abs(gradient).max(axis=1) + np.einsum("i,isa->sa", total, np.abs(logs)).max(axis=1) + size
    return weights @ rows + priced, float(weights @ terms + priced)


@_verify.register
def _(solution: RegionSolution, model: RegionProgram) -> Verification:
    _need(model, RegionProgram, solution)
    _need_shape(solution, solution.log_policy.shape, model.gradient.shape)
    logs = np.apply_along_axis(normalise, -1, model.log_references)
    gradient, route = (
        model.gradient.astype(WIDE),
        "the dual function and plain divergences in extended precision",
    )
    if solution.farkas is not None:
        value, size = _dual(model, logs, solution.farkas, np.zeros_like(gradient))
        nothing = np.array([solution.lower, solution.upper, solution.objective])
        checks = [
            Check("farkas is non-negative", float(-solution.farkas.min()), 0.0),
            Check("mean radius below the least mean divergence", float(value), 64 * DOUBLE * size),
            same("there is no value", nothing, np.full(3, -np.inf)),
        ]
        return Verification(route, tuple(checks))
    _need_claim(solution)
    upper, size = _dual(model, logs, solution.multipliers, gradient)
    policy = np.exp(np.apply_along_axis(normalise, -1, solution.log_policy))
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(policy > 0, policy * (np.log(policy) - logs), 0)
    weights = model.weights.astype(WIDE)
    found = np.einsum("s,isa->i", weights, terms)
    attained = weights @ (policy * gradient).sum(axis=1) - model.penalties @ found
    room = 64 * DOUBLE * size
    doubt = 64 * DOUBLE * float((np.abs(terms).sum(axis=(1, 2)) * weights.max()).max() + 1)
    off = float(np.abs(found - solution.divergences).max())
    bound = solution.certificate.bound
    checks = [
        Check("multipliers are non-negative", float((-solution.multipliers).max()), 0.0),
        Check("objective is that of the policy", abs(float(attained) - solution.objective), room),
        Check("divergences are those of the policy", off, doubt),
        Check(
            "radii are kept up to infeasibility",
            float((found - model.radii).max()),
            solution.infeasibility + doubt,
        ),
        Check("upper is the dual function", abs(float(upper) - solution.upper), room),
        Check("lower is below the dual function", solution.lower - float(upper), room),
        Check("objective within certificate.bound", float(upper) - solution.objective, bound + room),
        Check(
            "objective above lower within certificate.bound",
            solution.objective - solution.lower,
            bound + room,
        ),
    ]
    if solution.status is Status.SLACK:
        checks.append(Check("no ball has a price", float(solution.multipliers.max()), 0.0))
    return Verification(route, tuple(checks))
