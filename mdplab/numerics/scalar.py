"""Roots and maxima of functions of one real variable.

*Root of a monotone function.*  A bracket is widened geometrically within given bounds until the signs at its ends
differ; Brent's method then shrinks it, and the answer is an interval at whose ends the computed signs really differ.
If the signs never differ there is no root: for a constraint ``fn(multiplier) = 0`` with ``multiplier >= 0`` that
means a slack constraint, which is an answer and not an error (status SLACK at a finite bound, NOT_ATTAINED where the
search was stopped on an unbounded side).

*Maximum.*  Brent's parabolic search on an interval, with both ends compared.  The argument of a smooth maximum is
determined by values to about ``sqrt(eps)`` only; no bound is proven, so the status is UNCERTIFIED.

References
----------
R. P. Brent, *Algorithms for Minimization without Derivatives*, Prentice-Hall 1973, chapters 4 and 5.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mdplab._typing import FloatArray
from mdplab.solution import Certificate, Solution, Status

__all__ = ["MaximumSolution", "RootSolution", "bisect_rows", "maximum", "monotone_root"]

_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, kw_only=True, eq=False)
class RootSolution(Solution):
    """A root, or the statement that there is none.

    Attributes
    ----------
    root : float
        The root; without one, the searched point where ``abs(fn)`` was smallest (an end of the bracket).
    lower, upper : float
        Interval at whose ends the signs differ; without a root, the interval searched.
    value : float
        ``fn(root)``.
    """

    root: float
    lower: float
    upper: float
    value: float

    @property
    def found(self) -> bool:
        """Whether there is a root."""
        return self.status is Status.CONVERGED


@dataclass(frozen=True, kw_only=True, eq=False)
class MaximumSolution(Solution):
    """A maximum on an interval.

    Attributes
    ----------
    point : float
        Where the largest value was found (an end of the interval is possible).
    value : float
        The largest value found, a lower bound of the maximum.
    """

    point: float
    value: float


def monotone_root(
    fn: Callable[[float], float],
    lower: float,
    upper: float,
    *,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    xtol: float = 0.0,
    log: bool = False,
    max_widenings: int = 200,
) -> RootSolution:
    """Root of a monotone function (increasing or decreasing), the bracket widened as needed.

    Parameters
    ----------
    fn : callable
        Monotone and real; may return infinities of the right sign, not NaN.
    lower, upper : float
        First bracket, ``bounds[0] <= lower < upper <= bounds[1]``.
    bounds : tuple of float, default (-inf, inf)
        The domain; the bracket is never widened beyond it, and finite bounds are evaluated.
    xtol : float, default 0
        Absolute tolerance added to the relative one of ``4 eps``.
    log : bool, default False
        Widen and solve in ``log x``; the bracket must be positive, and a bound 0 is not reached.
    max_widenings : int, default 200
        Doublings of the width of the bracket.

    Returns
    -------
    RootSolution
        CONVERGED with ``lower <= root <= upper`` and different signs at both; SLACK if ``fn`` has one sign on the whole
        of its finite side (``root`` is the bound with the smaller ``abs(fn)``); NOT_ATTAINED if the widening ended
        first.

    Raises
    ------
    ValueError
        If the bracket is not ordered within the bounds, or ``fn`` returns NaN.
    """
    low, high = float(lower), float(upper)
    floor, ceiling = float(bounds[0]), float(bounds[1])
    if not (floor <= low < high <= ceiling and math.isfinite(low) and math.isfinite(high)):
        raise ValueError(
            f"lower, upper: expected bounds[0] <= lower < upper <= bounds[1], got {low}, {high} in {bounds}"
        )
    if log and not low > 0.0:
        raise ValueError(f"lower: expected a number > 0 when log is set, got {low}")
    evaluations = 0

    def evaluate(x: float) -> float:
        nonlocal evaluations
        evaluations += 1
        value = float(fn(x))
        if math.isnan(value):
            raise ValueError(f"fn: returned NaN at {x!r}")
        return value

    at_low, at_high = evaluate(low), evaluate(high)
    widenings = 0
    while _same_sign(at_low, at_high) and widenings < max_widenings:
        # A monotone function with one sign has its root on the side where it is nearer to zero.
        downwards, upwards = low > floor, high < ceiling
        if abs(at_low) != abs(at_high):
            towards_low = abs(at_low) < abs(at_high)
            downwards, upwards = downwards and towards_low, upwards and not towards_low
        if not (downwards or upwards):
            break
        new_low, new_high = _widened(low, high, floor, ceiling, log)
        if downwards and new_low < low:
            low, at_low = new_low, evaluate(new_low)
        if upwards and new_high > high and _same_sign(at_low, at_high):
            high, at_high = new_high, evaluate(new_high)
        widenings += 1
    if _same_sign(at_low, at_high):
        root, value = (low, at_low) if abs(at_low) <= abs(at_high) else (high, at_high)
        status = Status.SLACK if root in (floor, ceiling) else Status.NOT_ATTAINED
        certificate = Certificate(
            "absolute error of the root", math.inf, "no sign change on the searched interval", 0.0
        )
        return RootSolution(
            status=status,
            certificate=certificate,
            steps=evaluations,
            root=root,
            lower=low,
            upper=high,
            value=value,
        )
    root, low, high = _enclose(evaluate, low, high, at_low, at_high, xtol, log)
    value = evaluate(root)
    certificate = Certificate(
        "absolute error of the root (of the computed function)",
        math.nextafter(max(high - root, root - low), math.inf) if high > low else 0.0,
        "intermediate value theorem: the signs at lower and upper differ",
        0.0,
    )
    return RootSolution(
        status=Status.CONVERGED,
        certificate=certificate,
        steps=evaluations,
        root=root,
        lower=low,
        upper=high,
        value=value,
    )


def _same_sign(a: float, b: float) -> bool:
    # Not by a product, which may underflow to 0.
    return (a > 0.0 and b > 0.0) or (a < 0.0 and b < 0.0)


def _widened(low: float, high: float, floor: float, ceiling: float, log: bool) -> tuple[float, float]:
    if log:
        ratio = min(high / low, 1e150)
        new_low, new_high = low / ratio, high * ratio
        return max(new_low, floor, np.finfo(np.float64).tiny), min(
            new_high, ceiling, np.finfo(np.float64).max
        )
    width = high - low
    return max(low - width, floor, -1e300), min(high + width, ceiling, 1e300)


def _enclose(
    evaluate: Callable[[float], float],
    low: float,
    high: float,
    at_low: float,
    at_high: float,
    xtol: float,
    log: bool,
) -> tuple[float, float, float]:
    """Root by Brent's method and the smallest tried interval around it with a verified change of sign."""
    if at_low == 0.0:
        return low, low, low
    if at_high == 0.0:
        return high, high, high
    from scipy.optimize import brentq

    sign = math.copysign(1.0, at_high)
    # Infinite values have a sign but no interpolation: bisect until both ends are finite.
    while math.isinf(at_low) or math.isinf(at_high):
        middle = math.sqrt(low) * math.sqrt(high) if log else 0.5 * low + 0.5 * high
        if not low < middle < high:
            return low, low, high
        at_middle = evaluate(middle)
        if at_middle == 0.0:
            return middle, middle, middle
        if at_middle * sign > 0.0:
            high, at_high = middle, at_middle
        else:
            low, at_low = middle, at_middle

    def clipped(t: float) -> float:
        return min(max(evaluate(math.exp(t) if log else t), -1e300), 1e300)

    left, right = (math.log(low), math.log(high)) if log else (low, high)
    if _same_sign(clipped(left), clipped(right)):
        # exp(log(x)) missed the root at an end by rounding.
        return (low, low, high) if abs(at_low) < abs(at_high) else (high, low, high)
    found = float(brentq(clipped, left, right, xtol=max(xtol, 1e-300), rtol=4 * _EPS, maxiter=500))
    root = min(max(math.exp(found) if log else found, low), high)
    width = max(xtol, 4 * _EPS * abs(root), 5e-324)
    while True:
        below, above = max(root - width, low), min(root + width, high)
        if evaluate(below) * sign <= 0.0 <= evaluate(above) * sign:
            return root, below, above
        if below == low and above == high:
            return root, low, high
        width *= 4.0


def bisect_rows(
    fn: Callable[[FloatArray], FloatArray], lower: FloatArray, upper: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Bisect many monotone functions at once, to neighbouring floats.

    Parameters
    ----------
    fn : callable
        Maps ``(m,)`` arguments to ``(m,)`` values, row by row; each row monotone.
    lower, upper : ndarray, shape (m,)
        Brackets; the signs at the two ends must differ in every row (a zero counts as either).

    Returns
    -------
    lower, upper : ndarray, shape (m,)
        Enclosures of one ulp; ``0.5 * (lower + upper)`` is the root up to rounding.

    Raises
    ------
    ValueError
        If a bracket has no sign change; the message names the row.
    """
    low, high = np.array(lower, dtype=np.float64), np.array(upper, dtype=np.float64)
    at_low, at_high = fn(low), fn(high)
    bad = np.flatnonzero(~(np.sign(at_low) * np.sign(at_high) <= 0.0))
    if bad.size:
        i = int(bad[0])
        raise ValueError(f"lower, upper: no change of sign in row {i}: {at_low[i]!r} and {at_high[i]!r}")
    # Orientation from whichever end is not a zero: rows are turned into increasing ones.
    sign = np.where(at_high != 0.0, np.sign(at_high), -np.sign(at_low))
    for _ in range(2200):
        middle = 0.5 * low + 0.5 * high
        open_ = (low < middle) & (middle < high)
        if not open_.any():
            break
        positive = fn(middle) * sign >= 0.0
        high = np.where(open_ & positive, middle, high)
        low = np.where(open_ & ~positive, middle, low)
    return low, high


def maximum(
    fn: Callable[[float], float], lower: float, upper: float, *, xtol: float = 1e-10, grid: int = 33
) -> MaximumSolution:
    """Maximum of a function on an interval, end points included.

    Parameters
    ----------
    fn : callable
        Real and continuous; unimodal between neighbours of the best grid point.
    lower, upper : float
        The interval, ``lower < upper``, finite.
    xtol : float, default 1e-10
        Absolute tolerance of the argument (values determine it to about 1e-8 relative at best).
    grid : int, default 33
        Points of the first scan, >= 3; guards against several local maxima.

    Returns
    -------
    MaximumSolution
        Status UNCERTIFIED: the value found is a lower bound of the maximum.

    Raises
    ------
    ValueError
        If the interval is empty or the grid too small.
    """
    if not (lower < upper and math.isfinite(lower) and math.isfinite(upper)):
        raise ValueError(f"lower, upper: expected finite lower < upper, got {lower!r} and {upper!r}")
    if grid < 3:
        raise ValueError(f"grid: expected at least 3 points, got {grid}")
    from scipy.optimize import minimize_scalar

    points = np.linspace(lower, upper, grid)
    values = np.array([float(fn(float(x))) for x in points])
    best = int(np.argmax(values))
    left, right = float(points[max(best - 1, 0)]), float(points[min(best + 1, grid - 1)])
    inner = minimize_scalar(
        lambda x: -float(fn(x)), bounds=(left, right), method="bounded", options={"xatol": xtol}
    )
    point, value = float(points[best]), float(values[best])
    if -float(inner.fun) > value:
        point, value = float(inner.x), -float(inner.fun)
    certificate = Certificate(
        "error of the maximum", math.inf, "none: the largest of the values evaluated", 0.0
    )
    return MaximumSolution(
        status=Status.UNCERTIFIED,
        certificate=certificate,
        steps=grid + int(inner.nfev),
        point=point,
        value=value,
    )
