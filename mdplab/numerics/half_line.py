r"""Quadrature on the half line by the trapezoidal rule in the logarithm.

With :math:`x=e^s` the integral :math:`\int_0^\infty f(x)\,dx=\int_{-\infty}^\infty f(e^s)e^s\,ds` has an integrand that
vanishes at both ends.  Where it is analytic in a strip around the real line, the trapezoidal rule converges geometrically in
the number of nodes: halving the step squares the error, so that the difference of the last two rules over-estimates the
error of the finer one.  Powers of x, which spoil polynomial rules at 0, are harmless.

References
----------
L. N. Trefethen, J. A. C. Weideman, "The exponentially convergent trapezoidal rule", SIAM Review 56, 2014.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mdplab._typing import Array, FloatArray
from mdplab.numerics.estimate import Estimate

__all__ = ["half_line_quadrature"]

_EPS = float(np.finfo(np.float64).eps)
_ROUNDED = 64
"""Operations that bound the rounding of a pairwise sum of up to 2**40 terms, and of the terms' factors."""


def half_line_quadrature(
    fn: Callable[[FloatArray], Array],
    *,
    lower: float,
    upper: float,
    tol: float = 1e-14,
    max_halvings: int = 14,
) -> Estimate:
    """Integral over the positive numbers of a function that is analytic there.

    Parameters
    ----------
    fn : callable
        Maps nodes ``(n,)`` to real or complex values ``(..., n)``.
    lower, upper : float
        Positive ends beyond which ``fn`` contributes nothing; what is left out there is not part of the error.
    tol : float, default 1e-14
        Wanted error relative to the integral of ``abs(fn)``; the step is halved until two rules differ by no more.
    max_halvings : int, default 14
        Largest number of halvings of the first step, 1/4.

    Returns
    -------
    Estimate
        ``value`` of the finer rule and ``error``: the difference of the last two rules plus the rounding of the sum.  Where
        the halvings were used up the error exceeds what was wanted: compare them.

    Raises
    ------
    ValueError
        Unless ``0 < lower < upper < inf``, ``tol > 0`` and ``max_halvings >= 1``, or if a value is not finite.
    """
    if not (0.0 < lower < upper < np.inf and tol > 0.0 and max_halvings >= 1):
        raise ValueError(
            "lower, upper, tol, max_halvings: expected 0 < lower < upper < inf, tol > 0 and max_halvings >= 1, "
            f"got {lower}, {upper}, {tol} and {max_halvings}"
        )
    start, length = np.log(lower), np.log(upper) - np.log(lower)
    count = int(np.ceil(4 * length))
    step = length / count
    value, size = _sums(fn, np.exp(start + step * np.arange(count + 1)), step)
    difference: Any = np.inf
    for _ in range(max_halvings):
        middle, more = _sums(fn, np.exp(start + step * (np.arange(count) + 0.5)), step)
        finer, size = (value + middle) / 2, (size + more) / 2
        difference, value = np.abs(finer - value), finer
        step, count = step / 2, 2 * count
        if np.all(difference <= tol * size):
            break
    return Estimate(value, difference + _ROUNDED * _EPS * size)


def _sums(fn: Callable[[FloatArray], Array], nodes: FloatArray, step: float) -> tuple[Any, Any]:
    """Sums of the integrand and of its modulus; the ends have the full weight: the integrand vanishes there."""
    values = np.asarray(fn(nodes))
    if not np.isfinite(values).all():
        where = tuple(np.argwhere(~np.isfinite(values))[0])
        at = f" at {nodes[where[-1]]}" if where else ""
        raise ValueError(f"fn: expected finite values, got {values[where]}{at}")
    terms = step * nodes * values
    return terms.sum(axis=-1), np.abs(terms).sum(axis=-1)
