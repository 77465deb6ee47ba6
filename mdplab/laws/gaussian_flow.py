r"""Normal laws carried along by affine fields, with proven error bounds.

A field :math:`v(t,x)=A(t)x+c(t)` with polynomial coefficients carries :math:`N(m_0,s_0^2)` to :math:`N(m(t),s(t)^2)`,

.. math::
    \dot m=Am+c,\qquad \dot s=As,\qquad\text{that is}\qquad m=m_0g+p,\quad s=s_0g,

with the growth :math:`\dot g=Ag,\ g(0)=1` and the particular solution :math:`\dot p=Ap+c,\ p(0)=0`.  Both are entire
functions of time; on each of :math:`n\ge\sum_j|A_j|` equal steps (:math:`n` a power of two, so that the grid is exact) they
are computed from their Taylor series, e.g. :math:`(k+1)g_{k+1}=\sum_ja_jg_{k-j}`, where :math:`a` are the coefficients in the
time of the step, :math:`\sum|a_j|\le1`.

*Error bounds.*  The recurrences in absolute values give majorants :math:`G_k\ge|g_k|`.  A coefficient takes
:math:`O(\deg A)` operations, so that a computed one is within :math:`\rho\,G_k` of the exact one by induction, with
:math:`\rho` the number of operations on the way times the unit roundoff.  Beyond the degree :math:`N` of the truncation,
:math:`G_{k+1}\le\max(G_k,\ldots,G_{k-\deg A})/(k+1)`, hence :math:`\sum_{k>N}G_k\le(\deg A+1)\max(G_N,\ldots)`.  Errors of a step are
carried through the next by its growth.

References
----------
.. [1] E. Hairer, S. P. Norsett and G. Wanner, *Solving Ordinary Differential Equations I*, 1993, section I.8 (power series).
.. [2] R. E. Moore, R. B. Kearfott and M. J. Cloud, *Introduction to Interval Analysis*, 2009, chapter 10.
"""

from __future__ import annotations

import math
import operator
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.laws.gaussian import Gaussian

__all__ = ["AffineField", "GaussianFlow", "flow_discrepancy", "gaussian_flow"]

_UNIT = float(np.finfo(np.float64).eps) / 2  # the unit roundoff
_TINY = 1e-300  # far above what underflow takes from a step
_STEEPEST = 2**14  # a step each; far above where growth by a constant drift leaves the doubles
_TERMS = 30  # and 20 for each coefficient of the drift: what is cut off is far below the rounding


@dataclass(frozen=True, eq=False)
class AffineField:
    """A field ``v(t, x) = A(t) x + c(t)`` on the line, for times from 0 to 1.

    Parameters
    ----------
    drift : ndarray, shape (p,)
        Coefficients of the polynomial A in increasing order, p >= 1, finite.
    shift : ndarray, shape (q,)
        Those of c, q >= 1.

    Raises
    ------
    ValueError
        If the coefficients are no finite vectors.
    """

    drift: FloatArray
    shift: FloatArray

    def __post_init__(self) -> None:
        for name in ("drift", "shift"):
            values = np.array(getattr(self, name), dtype=np.float64)
            if values.ndim != 1 or not values.size or not np.isfinite(values).all():
                raise ValueError(f"{name}: expected a finite vector of coefficients, got {values}")
            values.setflags(write=False)
            object.__setattr__(self, name, values)

    def coefficients(self, time: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Slope and shift of the field.

        Parameters
        ----------
        time : array_like
            Times.

        Returns
        -------
        slope, shift : ndarray
            ``A(t)`` and ``c(t)``, of the shape of ``time``.
        """
        values: Any = np.polynomial.polynomial.polyval  # its stubs know arrays of complex numbers only
        return np.asarray(values(time, self.drift)), np.asarray(values(time, self.shift))


class GaussianFlow(NamedTuple):
    """A law at time 1, with proven bounds on the errors of its parameters.

    Attributes
    ----------
    law : Gaussian
        The law.
    mean_error, deviation_error : float
        Bounds on ``abs(law.mean - exact)`` and ``abs(law.deviation - exact)``.
    """

    law: Gaussian
    mean_error: float
    deviation_error: float


class _Series(NamedTuple):
    """Taylor coefficients on one step, and a majorant of them that is a little too large."""

    value: FloatArray
    bound: FloatArray

    def plus(self, other: _Series) -> _Series:
        size = max(self.value.size, other.value.size)
        return _Series(*(_padded(x, size) + _padded(y, size) for x, y in zip(self, other, strict=True)))

    def times(self, other: _Series) -> _Series:
        return _Series(*(np.convolve(x, y) for x, y in zip(self, other, strict=True)))

    def scaled(self, factor: float) -> _Series:
        return _Series(factor * self.value, abs(factor) * self.bound)


def _difference(x: FloatArray, y: FloatArray) -> FloatArray:
    """Difference of two polynomials; each coefficient is rounded once, relative to itself."""
    size = max(x.size, y.size)
    return _padded(x, size) - _padded(y, size)


def _padded(x: FloatArray, size: int) -> FloatArray:
    return np.pad(x, (0, size - x.size))


class _Step(NamedTuple):
    """One step: mean and deviation as series in its own time 0..1, and how far they are off on it."""

    start: float
    length: float
    mean: _Series
    deviation: _Series
    mean_error: float
    deviation_error: float


def _on_step(polynomial: FloatArray, start: float, length: float) -> _Series:
    """Coefficients of a polynomial in the time of a step, by Horner's rule; those of its absolute values bound them."""
    place = np.array([start, length])
    value, bound = np.zeros(1), np.zeros(1)
    for coefficient in polynomial[::-1]:
        value, bound = np.convolve(value, place), np.convolve(bound, place)
        value[0] += coefficient
        bound[0] += abs(coefficient)
    return _Series(value[: polynomial.size], bound[: polynomial.size])


def _solution(slope: _Series, shift: _Series | None, initial: float, terms: int) -> _Series:
    """Series of ``y' = a y + c`` with ``y(0)`` given."""
    found = []
    none = np.zeros(1)
    for a, c, first in (
        (slope.value, none if shift is None else shift.value, initial),
        (slope.bound, none if shift is None else shift.bound, abs(initial)),
    ):
        factors, forced = a.tolist(), _padded(c, terms).tolist()
        y = [first]
        for k in range(terms - 1):
            recent = y[: -len(factors) - 1 : -1]
            y.append((sum(map(operator.mul, factors, recent)) + forced[k]) / (k + 1))
        found.append(np.array(y))
    return _Series(*found)


def _steps(start: Gaussian, field: AffineField) -> Iterator[_Step]:
    """The flow, step by step; see the module for the bounds."""
    p, q = field.drift.size, field.shift.size
    steepest = math.fsum(np.abs(field.drift))
    if steepest > _STEEPEST:
        raise ValueError(
            f"field: its drift has coefficients of absolute sum {steepest}, expected at most {_STEEPEST}"
        )
    count = 2 ** max(0, math.ceil(math.log2(max(1.0, steepest))))
    length, terms = 1.0 / count, _TERMS + 20 * p + q
    # operations on the way to a coefficient: those of the polynomials, then a few for each term of the recurrence
    relative = 1.02 * _UNIT * (terms * (5 * p + 8) + 4 * q + 8)
    mean, deviation, mean_error, deviation_error = start.mean, start.deviation, 0.0, 0.0
    for step in range(count):
        slope = _on_step(field.drift, step * length, length).scaled(length)
        shift = _on_step(field.shift, step * length, length).scaled(length)
        growth, particular = _solution(slope, None, 1.0, terms), _solution(slope, shift, 0.0, terms)
        off_growth, off_particular = (
            relative * float(series.bound.sum()) + 1.01 * p * float(series.bound[-p:].max())
            for series in (growth, particular)
        )
        # the largest growth on the step is at most the sum of the majorant
        carried = 1.01 * float(growth.bound.sum())
        off_mean = carried * mean_error + abs(mean) * off_growth + off_particular
        off_deviation = carried * deviation_error + deviation * off_growth
        means, deviations = growth.scaled(mean).plus(particular), growth.scaled(deviation)
        rounding = 2 * _UNIT * (terms + 4)
        off_mean += rounding * float(means.bound.sum()) + _TINY
        off_deviation += rounding * float(deviations.bound.sum()) + _TINY
        yield _Step(step * length, length, means, deviations, off_mean, off_deviation)
        end = float(growth.value.sum())
        off_end = off_growth + rounding * carried
        mean_error = (
            (abs(end) + off_end) * mean_error
            + abs(mean) * off_end
            + off_particular
            + rounding * float(means.bound.sum())
        )
        deviation_error = (abs(end) + off_end) * deviation_error + deviation * (
            off_end + 2 * _UNIT * abs(end)
        )
        mean, deviation = float(means.value.sum()), float(deviations.value.sum())


def gaussian_flow(start: Gaussian, field: AffineField) -> GaussianFlow:
    """Law at time 1 of a normal law that an affine field carries along.

    Parameters
    ----------
    start : Gaussian
        The law at time 0.
    field : AffineField
        The field.

    Returns
    -------
    GaussianFlow
        The law and proven error bounds; their size is about ``1e-13`` times that of the moments on the way.

    Raises
    ------
    ValueError
        If the law leaves the range of the doubles, or the drift is too steep for that many steps: its coefficients have an
        absolute sum above 16384.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        last = deque(_steps(start, field), maxlen=1).pop()
    mean, deviation = float(last.mean.value.sum()), float(last.deviation.value.sum())
    return GaussianFlow(Gaussian(mean, deviation), last.mean_error, last.deviation_error)


def flow_discrepancy(start: Gaussian, field: AffineField, other: AffineField) -> tuple[float, float]:
    r"""How far two fields are apart along the flow of the first: :math:`\int_0^1E_{p_t}|v-w|^2dt`.

    Parameters
    ----------
    start : Gaussian
        The law at time 0.
    field : AffineField
        The field :math:`v` of the flow :math:`p_t`, under which the expectation is taken.
    other : AffineField
        The field :math:`w`.

    Returns
    -------
    value, error : float
        The integral, and a proven bound on its error.

    Raises
    ------
    ValueError
        If the integral is beyond the doubles, or the drift of the first field too steep, as in :func:`gaussian_flow`.
    """
    total = error = 0.0
    drift, change = _difference(field.drift, other.drift), _difference(field.shift, other.shift)
    with np.errstate(over="ignore", invalid="ignore"):
        for step in _steps(start, field):
            slope, shift = (_on_step(x, step.start, step.length) for x in (drift, change))
            apart = (
                (slope.times(step.mean).plus(shift), step.mean_error),
                (slope.times(step.deviation), step.deviation_error),
            )
            steepest = 1.01 * float(slope.bound.sum())
            for series, off in apart:
                square = series.times(series)
                size, count = 1.01 * float(series.bound.sum()), square.value.size
                wrong = steepest * off + 4 * _UNIT * count * size
                total += step.length * float((square.value / np.arange(1, count + 1)).sum())
                error += step.length * (wrong * (2 * size + wrong) + 4 * _UNIT * count * size * size)
    found, bound = float(total), float(error + 4 * _UNIT * abs(total)) + _TINY
    if not math.isfinite(found + bound):
        raise ValueError(f"field, other: the integral of their difference is beyond the doubles, {found}")
    return found, bound
