"""Quadrature on intervals and under the normal law, with error estimates.

Gauss-Legendre with n nodes is exact for polynomials of degree 2n-1 and converges geometrically for analytic functions;
the error of the finer of two rules is over-estimated by their difference.  Gauss-Hermite does the same for
expectations under a normal law, but slowly for functions with poles near the real axis.  For integrands with kinks
use pieces that end at the kinks, or the adaptive rule.

References
----------
P. J. Davis, P. Rabinowitz, *Methods of Numerical Integration*, 2nd ed., Academic Press 1984.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from mdplab._typing import Array, FloatArray
from mdplab.numerics.estimate import Estimate

__all__ = ["adaptive_quadrature", "gauss_legendre", "normal_expectation"]

_EPS = float(np.finfo(np.float64).eps)


def gauss_legendre(
    fn: Callable[[FloatArray], Array],
    lower: float,
    upper: float,
    *,
    order: int = 32,
    breaks: Sequence[float] = (),
) -> Estimate:
    """Integral over an interval by Gauss-Legendre rules of ``order`` and ``2 order`` nodes.

    Parameters
    ----------
    fn : callable
        Maps nodes ``(n,)`` to values ``(..., n)``.
    lower, upper : float
        Finite ends; exchanged ends change the sign.
    order : int, default 32
        Nodes of the coarser rule on each piece, >= 1.
    breaks : sequence of float, optional
        Interior points (kinks) at which the interval is cut, in the order of integration.

    Returns
    -------
    Estimate
        ``value`` of the finer rule and ``error``: the difference of the rules plus the rounding of the sum.

    Raises
    ------
    ValueError
        If an end is not finite or ``order < 1``.
    """
    ends = np.array([lower, *breaks, upper], dtype=np.float64)
    if not np.all(np.isfinite(ends)) or order < 1:
        raise ValueError(
            f"lower, upper, order: expected finite ends and order >= 1, got {lower}, {upper}, {order}"
        )
    coarse, _ = _legendre_sum(fn, ends, order)
    fine, size = _legendre_sum(fn, ends, 2 * order)
    return Estimate(fine, np.abs(fine - coarse) + 2 * order * _EPS * size)


def _legendre_sum(fn: Callable[[FloatArray], Array], ends: FloatArray, order: int) -> tuple[Any, Any]:
    nodes, weights = _legendre(order)
    total: Any = 0.0
    size: Any = 0.0
    for left, right in pairwise(ends):
        half = 0.5 * (right - left)
        values = np.asarray(fn(0.5 * (left + right) + half * nodes))
        total = total + half * (values @ weights)
        size = size + abs(half) * (np.abs(values) @ weights)
    return total, size


@lru_cache(maxsize=32)
def _legendre(order: int) -> tuple[FloatArray, FloatArray]:
    nodes, weights = np.polynomial.legendre.leggauss(order)
    return nodes, weights


@lru_cache(maxsize=32)
def _hermite(order: int) -> tuple[FloatArray, FloatArray]:
    nodes, weights = np.polynomial.hermite_e.hermegauss(order)
    return nodes, weights / weights.sum()


def normal_expectation(
    fn: Callable[[FloatArray], Array], mean: float = 0.0, deviation: float = 1.0, *, order: int = 64
) -> Estimate:
    """Expectation of ``fn(X)``, X normal, by Gauss-Hermite rules of ``order`` and ``order + 16`` nodes.

    Parameters
    ----------
    fn : callable
        Maps nodes ``(n,)`` to values ``(..., n)``.
    mean, deviation : float
        Parameters of the normal law, ``deviation >= 0``.
    order : int, default 64
        Nodes of the coarser rule, 1 to 180 (beyond, the weights underflow).

    Returns
    -------
    Estimate
        ``value`` of the finer rule and ``error``: the difference of the rules plus rounding.

    Raises
    ------
    ValueError
        If the deviation is negative or the order out of range.
    """
    if not deviation >= 0.0 or not 1 <= order <= 180:
        raise ValueError(
            f"deviation, order: expected deviation >= 0 and 1 <= order <= 180, got {deviation}, {order}"
        )
    sums = []
    size: Any = 0.0
    for count in (order, order + 16):
        nodes, weights = _hermite(count)
        values = np.asarray(fn(mean + deviation * nodes))
        sums.append(values @ weights)
        size = np.abs(values) @ weights
    return Estimate(sums[1], np.abs(sums[1] - sums[0]) + 2 * order * _EPS * size)


def adaptive_quadrature(
    fn: Callable[[float], Any],
    lower: float,
    upper: float,
    *,
    tol: float = 1e-12,
    points: Sequence[float] | None = None,
    limit: int = 10_000,
) -> Estimate:
    """Integral by adaptive Gauss-Kronrod quadrature (``scipy.integrate.quad_vec``).

    Parameters
    ----------
    fn : callable
        Maps a float to a float or an array.
    lower, upper : float
        Ends, infinite ones admitted.
    tol : float, default 1e-12
        Wanted absolute and relative error.
    points : sequence of float, optional
        Places of kinks or peaks.
    limit : int, default 10_000
        Largest number of subintervals.

    Returns
    -------
    Estimate
        ``value`` and SciPy's error estimate (in the max norm for arrays), which may exceed ``tol``: compare them.
    """
    from scipy.integrate import quad_vec

    value, error = quad_vec(fn, lower, upper, epsabs=tol, epsrel=tol, norm="max", limit=limit, points=points)[
        :2
    ]
    return Estimate(value, float(error))
