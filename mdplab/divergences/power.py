"""The alpha family of f-divergences, whose generators are powers; the two KL divergences are its limits."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.divergences.laws import log_ratio
from mdplab.divergences.row import FDivergence

__all__ = ["alpha_divergence", "floats", "log", "power_terms"]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)
_NODES = 0.5 * (_NODES + 1.0)
_WEIGHTS = 0.5 * _WEIGHTS * (1.0 - _NODES)


def floats(x: ArrayLike) -> FloatArray:
    """An array of floats.

    Parameters
    ----------
    x : array_like
        Real numbers.

    Returns
    -------
    ndarray
    """
    return np.asarray(x, dtype=np.float64)


def log(x: ArrayLike) -> FloatArray:
    """Natural logarithm, ``-inf`` at 0.

    Parameters
    ----------
    x : array_like
        Real numbers, >= 0.

    Returns
    -------
    ndarray
    """
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(floats(x)))


def _expm1_over(a: float, t: FloatArray) -> FloatArray:
    """``(exp(a t) - 1) / a``, which is ``t`` at ``a = 0``."""
    with np.errstate(over="ignore"):
        return np.asarray(np.expm1(a * t) / a) if a != 0.0 else t


def power_terms(order: float) -> Callable[[FloatArray, FloatArray], FloatArray]:
    """``q f(p / q)`` of the alpha family, its limits at 0 and 1 included.

    Parameters
    ----------
    order : float
        ``a``.

    Returns
    -------
    callable
        Of two arrays ``p >= 0``, ``q > 0``.
    """

    def terms(p: FloatArray, q: FloatArray) -> FloatArray:
        difference = p - q
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            relative = difference / q
            near = np.abs(relative) <= 0.5
            step = np.where(near, relative, 0.0)
            close = difference * step * ((1.0 + step[..., None] * _NODES) ** (order - 2.0) @ _WEIGHTS)
            logs = log_ratio(p, q)
            # of the two ways to write the numerator the one whose limit is finite
            if order > 0.5:
                far = (p * _expm1_over(order - 1.0, logs) - difference) / order
            else:
                far = (q * _expm1_over(order, logs) - difference) / (order - 1.0)
            edge = q / order if order > 0.0 else np.full_like(q, np.inf)
        return np.where(near, close, np.where(p > 0.0, far, edge))

    return terms


def alpha_divergence(order: float) -> FDivergence:
    """A member of the alpha family, ``f(x) = (x^a - a x + a - 1) / (a (a - 1))``.

    Parameters
    ----------
    order : float
        ``a``, finite; at 0 and 1 the limits ``-log x + x - 1`` and ``x log x - x + 1``.

    Returns
    -------
    FDivergence

    Raises
    ------
    ValueError
        If the order is not finite.
    """
    order = float(order)
    if not math.isfinite(order):
        raise ValueError(f"order: {order!r}; expected a finite number")
    less = order - 1.0
    slope = -1.0 / less if less > 0.0 else -math.inf
    upper = -1.0 / less if less < 0.0 else math.inf

    def log_weight(y: ArrayLike) -> FloatArray:
        y = floats(y)
        if less == 0.0:
            return y
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            inner = np.log1p(np.maximum(less * y, -1.0)) / less
        return np.where(y > upper, np.nan, inner)

    def conjugate(y: ArrayLike) -> FloatArray:
        value = _expm1_over(order, log_weight(y))
        return np.where(np.isnan(value) & ~np.isnan(floats(y)), np.inf, value)

    def weight(y: ArrayLike) -> FloatArray:
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(log_weight(y)))

    def weight_derivative(y: ArrayLike) -> FloatArray:
        logs = log_weight(y)
        none = np.isneginf(logs)
        with np.errstate(over="ignore"):
            return np.where(none, 0.0, np.exp((2.0 - order) * np.where(none, 0.0, logs)))

    return FDivergence(
        name="alpha",
        terms=power_terms(order),
        derivative=lambda x: _expm1_over(less, log(x)),
        conjugate=conjugate,
        weight=weight,
        weight_derivative=weight_derivative,
        plain_conjugate=conjugate,
        plain_weight=weight,
        at_zero=1.0 / order if order > 0.0 else math.inf,
        slope_at_zero=slope,
        domain_upper=upper,
        modulus=1.0 if 1.0 <= order <= 2.0 else 0.0,
        order=order,
    )
