"""The global minimum of a function on an interval, enclosed by a bound on its curvature.

Where ``|f''| <= M``, a function lies above its chord over ``[a, b]`` lowered by ``M (b - a)^2 / 8``: the difference to the
chord vanishes at both ends and has the same second derivative.  So ``min(f(a), f(b)) - M (b - a)^2 / 8`` bounds f on the
cell from below.  Cells whose bound exceeds the least value found hold no minimiser; the others are halved.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mdplab._typing import FloatArray

__all__ = ["MinimumEnclosure", "enclosed_minimum"]


class MinimumEnclosure(NamedTuple):
    """A global minimum: ``value - error <= min f <= value``, but for the rounding of f itself.

    Where the values of f err by at most d, ``value - error - d <= min f <= value + d``.

    Attributes
    ----------
    point : float
        Where the least value was found.
    value : float
        The least value found.
    error : float
        How far the minimum may lie below it.
    """

    point: float
    value: float
    error: float


def enclosed_minimum(
    fn: Callable[[FloatArray], FloatArray],
    lower: float,
    upper: float,
    *,
    curvature: float,
    tol: float = 1e-12,
    max_cells: int = 100_000,
) -> MinimumEnclosure:
    """Global minimum of a function on an interval, end points included.

    Parameters
    ----------
    fn : callable
        From points (n,) to values (n,), twice differentiable.
    lower, upper : float
        The interval, ``lower < upper``, finite.
    curvature : float
        Bound on the absolute second derivative on the interval, non-negative and finite.
    tol : float, default 1e-12
        Error at which to stop, positive.
    max_cells : int, default 100_000
        Largest number of cells kept; where more would be needed the error reached is returned.

    Returns
    -------
    MinimumEnclosure

    Raises
    ------
    ValueError
        If the interval is empty or not finite, the curvature or the tolerance is out of range, or the function returns
        another shape or a value that is not finite.

    References
    ----------
    L. Breiman, A. Cutler, *A deterministic algorithm for global optimization*, Mathematical Programming 58, 1993.
    """
    if not (lower < upper and math.isfinite(upper - lower)):
        raise ValueError(f"lower, upper: expected finite lower < upper, got {lower!r} and {upper!r}")
    if not (curvature >= 0 and math.isfinite(curvature)):
        raise ValueError(f"curvature: expected a finite number >= 0, got {curvature!r}")
    if not tol > 0:
        raise ValueError(f"tol: expected a positive number, got {tol!r}")
    points = np.linspace(lower, upper, 65)
    values = _values(fn, points)
    best = int(np.argmin(values))
    point, value, width = float(points[best]), float(values[best]), (upper - lower) / 64
    left, right = points[:-1], points[1:]
    at_left, at_right = values[:-1], values[1:]
    while True:
        floors = np.minimum(at_left, at_right) - curvature * width**2 / 8
        error = max(0.0, value - float(floors.min()))
        kept = floors <= value
        if error <= tol or 2 * int(kept.sum()) > max_cells:
            return MinimumEnclosure(point, value, error)
        left, right, at_left, at_right = left[kept], right[kept], at_left[kept], at_right[kept]
        middle = (left + right) / 2
        at_middle = _values(fn, middle)
        best = int(np.argmin(at_middle))
        if at_middle[best] < value:
            point, value = float(middle[best]), float(at_middle[best])
        left, right = np.concatenate((left, middle)), np.concatenate((middle, right))
        at_left, at_right = np.concatenate((at_left, at_middle)), np.concatenate((at_middle, at_right))
        width /= 2


def _values(fn: Callable[[FloatArray], FloatArray], points: FloatArray) -> FloatArray:
    values = np.asarray(fn(points), dtype=np.float64)
    if values.shape != points.shape:
        raise ValueError(f"fn: expected values of shape {points.shape}, got {values.shape}")
    if not np.isfinite(values).all():
        where = int(np.argmin(np.isfinite(values)))
        raise ValueError(f"fn: expected finite values, got {values[where]} at {points[where]}")
    return values
