r"""Divergences between finite distributions, and the f-divergences with their conjugates.

Every function works along the last axis and broadcasts over the others.  With the convention
``0 log 0 = 0`` and ``p log(p / 0) = inf`` for ``p > 0``:

- ``kl(p, q)``              ``sum p log(p / q)``
- ``jeffreys(p, q)``        ``sum (p - q)(log p - log q) = kl(p, q) + kl(q, p)``
- ``entropy(p)``            ``-sum p log p``
- ``total_variation(p, q)`` ``1/2 sum |p - q|`` (the factor 1/2 is part of it)

An f-divergence is ``D_f(p || q) = sum q f(p / q)`` with a convex generator ``f`` on ``x >= 0``, ``f(1) = 0``.
Its *plain* conjugate is ``sup_x (x y - f(x))`` over the whole line (``f`` continued by the same formula); its
*corrected* conjugate is the supremum over ``x >= 0``, which is what the constraint ``d >= 0`` of an occupancy
asks for.  The maximiser of the corrected one is the weight ``w(y) = max(0, (f')^{-1}(y))``:

===============  ==============  ================  ======================================  =================
name             ``f(x)``        plain ``f*(y)``   corrected ``f*_p(y)``                   weight ``w(y)``
===============  ==============  ================  ======================================  =================
kl               x log x - x + 1 exp(y) - 1        the same                                exp(y)
chi-square       (x - 1)^2       y + y^2/4         y + y^2/4 for y >= -2, otherwise -1     max(0, 1 + y/2)
total-variation  |x - 1| / 2     y, |y| <= 1/2     max(y, -1/2) for y <= 1/2               0 below -1/2, else 1
===============  ==============  ================  ======================================  =================

The generator of the KL divergence is ``x log x - x + 1``, so that ``f(1) = f'(1) = 0``; the chi-square has no 1/2.
Beyond ``domain_upper`` (1/2 for the total variation) the conjugates are ``+inf``; the same number is the
recession slope ``lim f(x)/x``, the price of a unit of mass where ``q = 0``.

The module needs NumPy alone.

References
----------
I. Csiszar (1967), Information-type measures of difference of probability distributions.
H. Sikchi, Q. Zheng, A. Zhang, S. Niekum (2023), Dual RL, arXiv 2302.08560 (the corrected conjugates).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray

__all__ = [
    "CHI_SQUARE",
    "KL",
    "TOTAL_VARIATION",
    "FDivergence",
    "entropy",
    "f_divergence",
    "jeffreys",
    "kl",
    "kl_from_logs",
    "total_variation",
]


def _probabilities(name: str, p: ArrayLike) -> FloatArray:
    """Check that an array is finite and non-negative and return it as float64."""
    array = np.asarray(p, dtype=np.float64)
    bad = ~(np.isfinite(array) & (array >= 0.0))
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(np.atleast_1d(bad))[0])
        raise ValueError(
            f"{name}: entry {place} is {float(np.atleast_1d(array)[place])!r}; expected finite and >= 0"
        )
    return array


def kl(p: ArrayLike, q: ArrayLike) -> FloatArray:
    """Kullback-Leibler divergence ``sum p log(p / q)`` along the last axis.

    Parameters
    ----------
    p, q : array_like, shape (..., n)
        Non-negative; broadcast against each other.  Nothing is normalised.

    Returns
    -------
    ndarray, shape (...)
        ``inf`` where some ``p > 0`` meets ``q = 0``.

    Raises
    ------
    ValueError
        If an entry is negative or not finite.
    """
    p, q = np.broadcast_arrays(_probabilities("p", p), _probabilities("q", q))
    return np.asarray(_p_log_ratio(p, q).sum(axis=-1))


def _p_log_ratio(p: FloatArray, q: FloatArray) -> FloatArray:
    """``p log(p / q)`` elementwise, 0 where ``p = 0``."""
    with np.errstate(all="ignore"):
        # one logarithm of the ratio keeps the relative accuracy near p = q, unless the ratio over- or underflows
        ratio = p / q
        logs = np.where((ratio > 0.0) & np.isfinite(ratio), np.log(ratio), np.log(p) - np.log(q))
        return np.where(p > 0.0, p * logs, 0.0)


def kl_from_logs(log_p: ArrayLike, log_q: ArrayLike) -> FloatArray:
    """``kl`` from log-probabilities, for laws with masses below the smallest float.

    Parameters
    ----------
    log_p, log_q : array_like, shape (..., n)
        Logarithms of probabilities; ``-inf`` is a mass of zero.

    Returns
    -------
    ndarray, shape (...)
        ``sum exp(log_p) (log_p - log_q)``.

    Raises
    ------
    ValueError
        If an entry is NaN or ``+inf``.
    """
    log_p, log_q = np.broadcast_arrays(_logs("log_p", log_p), _logs("log_q", log_q))
    with np.errstate(invalid="ignore"):
        terms = np.where(log_p > -np.inf, np.exp(log_p) * (log_p - log_q), 0.0)
    return np.asarray(terms.sum(axis=-1))


def _logs(name: str, log_p: ArrayLike) -> FloatArray:
    array = np.asarray(log_p, dtype=np.float64)
    if np.isnan(array).any() or (array == np.inf).any():
        raise ValueError(f"{name}: entries must be finite or -inf")
    return array


def jeffreys(p: ArrayLike, q: ArrayLike) -> FloatArray:
    """Jeffreys divergence ``sum (p - q)(log p - log q)`` along the last axis.

    Every term is non-negative, so that the sum keeps its relative accuracy where ``p`` is close to ``q``;
    the sum of two Kullback-Leibler divergences would cancel there.

    Parameters
    ----------
    p, q : array_like, shape (..., n)
        Non-negative; broadcast against each other.

    Returns
    -------
    ndarray, shape (...)
        ``inf`` where exactly one of the two masses is zero.

    Raises
    ------
    ValueError
        If an entry is negative or not finite.
    """
    p, q = np.broadcast_arrays(_probabilities("p", p), _probabilities("q", q))
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p == q, 0.0, (p - q) * (np.log(p) - np.log(q)))
    return np.asarray(terms.sum(axis=-1))


def entropy(p: ArrayLike) -> FloatArray:
    """Shannon entropy ``-sum p log p`` in nats along the last axis.

    Parameters
    ----------
    p : array_like, shape (..., n)
        Non-negative.

    Returns
    -------
    ndarray, shape (...)

    Raises
    ------
    ValueError
        If an entry is negative or not finite.
    """
    p = _probabilities("p", p)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0.0, -p * np.log(p), 0.0)
    return np.asarray(terms.sum(axis=-1))


def total_variation(p: ArrayLike, q: ArrayLike) -> FloatArray:
    """Total variation ``1/2 sum |p - q|`` along the last axis.

    Parameters
    ----------
    p, q : array_like, shape (..., n)
        Non-negative; broadcast against each other.

    Returns
    -------
    ndarray, shape (...)
        In [0, 1] for distributions.

    Raises
    ------
    ValueError
        If an entry is negative or not finite.
    """
    p, q = _probabilities("p", p), _probabilities("q", q)
    return np.asarray(0.5 * np.abs(p - q).sum(axis=-1))


@dataclass(frozen=True)
class FDivergence:
    """One row of the table: a generator with its derivative, conjugates and weights (all elementwise).

    Attributes
    ----------
    name : str
        Key for :func:`f_divergence`.
    generator, derivative : callable
        ``f`` and ``f'`` on ``x >= 0`` (the total variation: the sign of ``x - 1`` times 1/2, 0 at 1).
    plain_conjugate, plain_weight : callable
        ``f*`` and its derivative ``(f')^{-1}``, which may be negative.
    conjugate, weight, weight_derivative : callable
        The corrected conjugate, its derivative ``w`` and ``w'``.  At a kink the weight is one element of the
        subdifferential (total variation: 1 on the closed interval [-1/2, 1/2]); NaN outside the domain.
    domain_upper : float
        The corrected conjugate is finite for ``y <= domain_upper``.
    smooth : bool
        Whether the corrected conjugate is differentiable with a finite domain everywhere.
    modulus : float
        ``m`` with ``D_f`` strongly convex in its first argument: the Bregman divergence of ``D_f(. || q)``
        between distributions is at least ``m/2`` times the squared 1-norm; 0 for the total variation.
    """

    name: str
    generator: Callable[[FloatArray], FloatArray]
    derivative: Callable[[FloatArray], FloatArray]
    plain_conjugate: Callable[[FloatArray], FloatArray]
    plain_weight: Callable[[FloatArray], FloatArray]
    conjugate: Callable[[FloatArray], FloatArray]
    weight: Callable[[FloatArray], FloatArray]
    weight_derivative: Callable[[FloatArray], FloatArray]
    domain_upper: float
    smooth: bool
    modulus: float

    def divergence(self, p: ArrayLike, q: ArrayLike) -> FloatArray:
        """``D_f(p || q) = sum q f(p / q)`` along the last axis; mass where ``q = 0`` costs ``domain_upper`` a unit.

        Parameters
        ----------
        p, q : array_like, shape (..., n)
            Non-negative; broadcast against each other.

        Returns
        -------
        ndarray, shape (...)

        Raises
        ------
        ValueError
            If an entry is negative or not finite.
        """
        p, q = np.broadcast_arrays(_probabilities("p", p), _probabilities("q", q))
        with np.errstate(over="ignore", invalid="ignore"):
            inside = q > 0.0
            if self.name == "kl":
                # q f(p/q) without the ratio, which may overflow; terms close to zero are better by the generator
                ratio = np.divide(p, q, out=np.ones_like(p), where=inside)
                near = np.abs(ratio - 1.0) < 0.5
                inner = np.where(
                    near, q * self.generator(np.where(near, ratio, 1.0)), _p_log_ratio(p, q) - (p - q)
                )
            else:
                inner = q * self.generator(np.divide(p, q, out=np.ones_like(p), where=inside))
            terms = np.where(inside, inner, np.where(p > 0.0, p * self.domain_upper, 0.0))
        return np.asarray(terms.sum(axis=-1))


def _xlogx(x: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(x > 0.0, x * np.log(x), 0.0)


def _log(x: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(x))


def _exp(y: FloatArray) -> FloatArray:
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(y))


def _expm1(y: FloatArray) -> FloatArray:
    with np.errstate(over="ignore"):
        return np.asarray(np.expm1(y))


KL = FDivergence(
    name="kl",
    generator=lambda x: _xlogx(np.asarray(x)) - (np.asarray(x) - 1.0),
    derivative=_log,
    plain_conjugate=_expm1,
    plain_weight=_exp,
    conjugate=_expm1,
    weight=_exp,
    weight_derivative=_exp,
    domain_upper=np.inf,
    smooth=True,
    modulus=1.0,  # Pinsker's inequality
)

CHI_SQUARE = FDivergence(
    name="chi-square",
    generator=lambda x: (np.asarray(x) - 1.0) ** 2,
    derivative=lambda x: 2.0 * (np.asarray(x) - 1.0),
    plain_conjugate=lambda y: y + np.square(y) / 4.0,
    plain_weight=lambda y: 1.0 + np.asarray(y) / 2.0,
    conjugate=lambda y: np.where(np.asarray(y) >= -2.0, y + np.square(y) / 4.0, -1.0),
    weight=lambda y: np.maximum(0.0, 1.0 + np.asarray(y) / 2.0),
    weight_derivative=lambda y: np.where(np.asarray(y) > -2.0, 0.5, 0.0),
    domain_upper=np.inf,
    smooth=True,
    modulus=2.0,  # Cauchy-Schwarz: sum (p - p')^2 / q >= (sum |p - p'|)^2
)

TOTAL_VARIATION = FDivergence(
    name="total-variation",
    generator=lambda x: 0.5 * np.abs(np.asarray(x) - 1.0),
    derivative=lambda x: 0.5 * np.sign(np.asarray(x) - 1.0),
    plain_conjugate=lambda y: np.where(np.abs(y) <= 0.5, y, np.inf),
    plain_weight=lambda y: np.where(np.abs(y) <= 0.5, 1.0, np.nan),
    conjugate=lambda y: np.where(np.asarray(y) <= 0.5, np.maximum(y, -0.5), np.inf),
    weight=lambda y: np.where(np.asarray(y) <= 0.5, np.where(np.asarray(y) < -0.5, 0.0, 1.0), np.nan),
    weight_derivative=lambda y: np.where(np.asarray(y) <= 0.5, 0.0, np.nan),
    domain_upper=0.5,
    smooth=False,
    modulus=0.0,
)

_TABLE = {row.name: row for row in (KL, CHI_SQUARE, TOTAL_VARIATION)}


def f_divergence(name: str | FDivergence) -> FDivergence:
    """The row of the table with this name; a row is returned as it is.

    Parameters
    ----------
    name : {"kl", "chi-square", "total-variation"} or FDivergence
        Which divergence.

    Returns
    -------
    FDivergence

    Raises
    ------
    ValueError
        If the name is not in the table.
    """
    if isinstance(name, FDivergence):
        return name
    try:
        return _TABLE[name]
    except (KeyError, TypeError):
        known = ", ".join(repr(key) for key in _TABLE)
        raise ValueError(f"divergence: unknown name {name!r}; expected one of {known}") from None
