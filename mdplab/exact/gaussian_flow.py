r"""Normal laws carried by affine fields, enclosed in balls: the exact twins of :mod:`mdplab.laws.gaussian_flow`.

Mean and deviation are entire functions of time.  One Taylor series on [0, 1] is enough here, where cancellation costs digits
that are there to spend: with :math:`a=\sum_j|A_j|` the coefficients of degree :math:`k+1` are at most :math:`a/(k+1)` times
the largest of the :math:`p` before them, so that from :math:`k\ge2a` on the rest of a series is at most :math:`p` times the
largest of its last :math:`p` majorants.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mdplab._typing import Array
from mdplab.exact._flint import arb
from mdplab.exact.numbers import ball, rational
from mdplab.laws import AffineField, Gaussian

__all__ = ["flow_discrepancy", "gaussian_flow"]


class _Flow(NamedTuple):
    """Series of mean and deviation on [0, 1], and bounds on what is cut off."""

    mean: Array
    deviation: Array
    mean_rest: Any
    deviation_rest: Any


def _zeros(count: int) -> Array:
    return np.full(count, arb(0), dtype=object)


def _solution(slope: Array, shift: Array, initial: Any, terms: int) -> tuple[Array, Any]:
    """Series of ``y' = a y + c``, ``y(0)`` given, and a bound on the sum of what is cut off."""
    both = []
    for a, c, first in ((slope, shift, initial), (abs(slope), abs(shift), abs(initial))):
        y = _zeros(terms)
        y[0] = first
        for k in range(terms - 1):
            count = min(k + 1, a.size)
            total = (a[:count] * y[k - count + 1 : k + 1][::-1]).sum()
            y[k + 1] = (total + (c[k] if k < c.size else 0)) / (k + 1)
        both.append(y)
    return both[0], slope.size * both[1][-slope.size :].sum()


def _flow(start: Gaussian, field: AffineField) -> _Flow:
    slope, shift = np.asarray(ball(field.drift)), np.asarray(ball(field.shift))
    size = float(np.abs(field.drift).sum())
    terms = 110 + 20 * slope.size + shift.size + int(8 * size)  # above 2 a, and past the shift
    mean, mean_rest = _solution(slope, shift, ball(start.mean), terms)
    deviation, deviation_rest = _solution(slope, _zeros(1), ball(start.deviation), terms)
    return _Flow(mean, deviation, mean_rest, deviation_rest)


def _around(x: Any, radius: Any) -> Any:
    """The ball of all numbers within a radius of those of a ball."""
    return x + arb(0, 1) * abs(radius)


def gaussian_flow(start: Gaussian, field: AffineField) -> Array:
    """Mean and deviation at time 1 of a normal law that an affine field carries along.

    Parameters
    ----------
    start : Gaussian
        The law at time 0, its numbers read as by :func:`mdplab.exact.rational`, here and below.
    field : AffineField
        The field.

    Returns
    -------
    object array (2,) of arb
        Enclosures.
    """
    flow = _flow(start, field)
    ends = _around(flow.mean.sum(), flow.mean_rest), _around(flow.deviation.sum(), flow.deviation_rest)
    return np.array(ends, dtype=object)


def flow_discrepancy(start: Gaussian, field: AffineField, other: AffineField) -> Any:
    """How far two fields are apart along the flow of the first, the integral of ``E|v - w|^2`` over time.

    Parameters
    ----------
    start : Gaussian
        The law at time 0.
    field : AffineField
        The field of the flow.
    other : AffineField
        The other field.

    Returns
    -------
    arb
        An enclosure.
    """
    flow = _flow(start, field)
    slope, shift = _difference(field.drift, other.drift), _difference(field.shift, other.shift)
    steepest, total = abs(slope).sum(), arb(0)
    series = (
        (_sum(np.convolve(slope, flow.mean), shift), steepest * flow.mean_rest),
        (np.convolve(slope, flow.deviation), steepest * flow.deviation_rest),
    )
    for apart, rest in series:
        square = np.convolve(apart, apart)
        integral = (square / np.arange(1, square.size + 1).astype(object)).sum()
        total = total + _around(integral, rest * (2 * abs(apart).sum() + rest))
    return total


def _difference(x: Any, y: Any) -> Array:
    return _sum(np.asarray(ball(rational(x))), -np.asarray(ball(rational(y))))


def _sum(x: Array, y: Array) -> Array:
    total = _zeros(max(x.size, y.size))
    total[: x.size] += x
    total[: y.size] += y
    return total
