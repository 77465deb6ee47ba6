r"""The table of f-divergences: generators, conjugates, weights, and what happens at zero and at infinity.

An f-divergence is ``D_f(p || q) = sum q f(p / q)`` with a convex generator ``f`` on ``x >= 0``, ``f(1) = 0``.
Its *plain* conjugate is ``sup_x (x y - f(x))`` over the whole line (``f`` continued by the same formula); its
*corrected* conjugate is the supremum over ``x >= 0``, which is what the constraint ``d >= 0`` of an occupancy
asks for.  The maximiser of the corrected one is the weight ``w(y) = max(0, (f')^{-1}(y))``, and ``w' = 1 / f''(w)``:

===============  ==========================  =====================================  ================  =====  ==========
name             ``f(x)``                    corrected ``f*_p(y)``                  weight ``w(y)``   f(0)   slope at
                                                                                                             infinity
===============  ==========================  =====================================  ================  =====  ==========
kl               x log x - x + 1             exp(y) - 1                             exp(y)            1      inf
swapped-kl       -log x + x - 1              -log(1 - y), y < 1                     1/(1 - y)         inf    1
jeffreys         (x - 1) log x               y + (1 - u)^2/u, u + log u = 1 - y     1/u               inf    inf
chi-square       (x - 1)^2                   y + y^2/4, -1 for y < -2               max(0, 1 + y/2)   1      inf
total-variation  abs(x - 1)/2                max(y, -1/2), y <= 1/2                 0 or 1            1/2    1/2
hellinger        (sqrt x - 1)^2              y/(1 - y), y < 1                       1/(1 - y)^2       1      1
alpha            (x^a - a x + a - 1)         (exp(a t) - 1)/a,                      exp(t)            1/a,   1/(1 - a),
                 / (a (a - 1))               t = log(1 + (a - 1) y)/(a - 1)                           inf    inf
===============  ==========================  =====================================  ================  =====  ==========

``kl`` is ``sum p log(p/q)`` and ``swapped-kl`` is ``sum q log(q/p)``, for laws ``p`` and ``q``; Jeffreys is their
sum.  The words "forward" and "reverse" are used both ways in the literature and not at all here.  All generators but
that of the total variation have ``f'(1) = 0``.  The chi-square has no 1/2, nor has the squared Hellinger distance
``sum (sqrt p - sqrt q)^2``.  The alpha family (Cressie and Read) is normalised by ``f''(1) = 1``: ``a = 1`` is ``kl``,
``a = 0`` is ``swapped-kl``, ``a = 2`` half of the chi-square, ``a = 1/2`` twice Hellinger, ``a = -1`` half of Neyman's
chi-square; ``f(0)`` is ``1/a`` for ``a > 0`` and infinite otherwise, the slope at infinity is infinite for ``a >= 1``.

The slope at infinity ``lim f(x)/x`` is the price of a unit of mass where ``q = 0``, and the same number
(``domain_upper``) is the edge beyond which the conjugates are ``+inf``.  ``f(0)`` is the price of a unit of ``q``
where ``p = 0``.  ``f'(0)`` is the argument below which the weight is zero; where it is ``-inf`` (the KLs, Jeffreys,
Hellinger, ``a <= 1``) weights are positive, and the two conjugates agree.

Strong convexity.  The second derivative of ``D_f(. || q)`` along ``h`` is ``sum f''(p/q) h^2/q``, at least
``(sum |h|)^2 / sum q/f''(p/q)`` by Cauchy and Schwarz.  With ``f''(x) = x^(a-2)`` the denominator is
``sum q^(a-1) p^(2-a) <= 1`` for ``1 <= a <= 2`` (Jensen), whence the modulus 1 (Pinsker's inequality is ``a = 1``); it is
unbounded for other ``a``, for which there is none that holds for all ``q``.

Accuracy.  Near ``x = 1`` the formulas for ``f`` cancel: there ``f(x) = (x-1)^2 int_0^1 (1-s) f''(1 + s(x-1)) ds`` is
evaluated by Gauss and Legendre, whose integrand has one sign; for ``|x - 1| <= 1/2`` twelve nodes leave ``1e-16``.

References
----------
I. Csiszar (1967), Information-type measures of difference of probability distributions.
N. Cressie, T. Read (1984), Multinomial goodness-of-fit tests, J. Royal Statistical Society B 46.
H. Sikchi, Q. Zheng, A. Zhang, S. Niekum (2023), Dual RL, arXiv 2302.08560 (the corrected conjugates).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.divergences.laws import log_ratio
from mdplab.divergences.power import floats, log, power_terms
from mdplab.divergences.row import FDivergence

__all__ = [
    "CHI_SQUARE",
    "HELLINGER",
    "JEFFREYS",
    "KL",
    "SWAPPED_KL",
    "TOTAL_VARIATION",
    "f_divergence",
]


def _exp(y: ArrayLike) -> FloatArray:
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(floats(y)))


def _expm1(y: ArrayLike) -> FloatArray:
    with np.errstate(over="ignore"):
        return np.asarray(np.expm1(floats(y)))


def _below_one(y: ArrayLike, function: Callable[[FloatArray], FloatArray], beyond: float) -> FloatArray:
    """A function of ``1 - y`` for ``y <= 1``, another number beyond."""
    rest = 1.0 - floats(y)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        return np.where(rest < 0.0, beyond, function(np.maximum(rest, 0.0)))


def _swapped_conjugate(y: ArrayLike) -> FloatArray:
    y = floats(y)
    with np.errstate(divide="ignore"):
        return np.where(y > 1.0, np.inf, -np.log1p(-np.minimum(y, 1.0)))


def _hellinger_conjugate(y: ArrayLike) -> FloatArray:
    y = np.maximum(floats(y), -1e300)
    return _below_one(y, lambda rest: np.where(rest > 0.0, y / rest, np.inf), np.inf)


def _jeffreys_derivative(x: ArrayLike) -> FloatArray:
    x = floats(x)
    with np.errstate(divide="ignore", invalid="ignore"):
        near = log_ratio(x, np.ones_like(x)) + (x - 1.0) / x
    return np.where(x > 0.0, near, -np.inf)


def _jeffreys_inverse_weight(y: ArrayLike) -> FloatArray:
    """``u = 1/w``: the root of ``u + log u = 1 - y``."""
    from scipy.special import wrightomega

    return np.asarray(wrightomega(1.0 - floats(y)))


def _jeffreys_conjugate(y: ArrayLike) -> FloatArray:
    y, u = floats(y), _jeffreys_inverse_weight(y)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        # the first cancels for large u, the second near u = 1
        return np.where(y > -1.0, y + (1.0 - u) * ((1.0 - u) / u), 1.0 / u - 1.0 - np.log(u))


def _jeffreys_weight(y: ArrayLike) -> FloatArray:
    with np.errstate(divide="ignore", over="ignore"):
        return np.asarray(1.0 / _jeffreys_inverse_weight(y))


def _jeffreys_weight_derivative(y: ArrayLike) -> FloatArray:
    u = _jeffreys_inverse_weight(y)
    with np.errstate(divide="ignore", over="ignore"):
        return np.asarray(1.0 / u / (1.0 + u))


def _jeffreys_terms(p: FloatArray, q: FloatArray) -> FloatArray:
    with np.errstate(over="ignore"):
        return (p - q) * log_ratio(p, q)


def _chi_square_terms(p: FloatArray, q: FloatArray) -> FloatArray:
    with np.errstate(over="ignore"):
        return np.asarray((p - q) * ((p - q) / q))


def _chi_square_conjugate(y: ArrayLike) -> FloatArray:
    with np.errstate(over="ignore"):
        return floats(y) + np.square(floats(y)) / 4.0


def _hellinger_terms(p: FloatArray, q: FloatArray) -> FloatArray:
    # the difference of the roots is that of the masses over their sum
    roots = np.sqrt(p) + np.sqrt(q)
    return np.asarray(np.square((p - q) / roots))


def _hellinger_derivative(x: ArrayLike) -> FloatArray:
    root = np.sqrt(floats(x))
    with np.errstate(divide="ignore"):
        return np.asarray((floats(x) - 1.0) / (root * (root + 1.0)))


def _swapped_derivative(x: ArrayLike) -> FloatArray:
    with np.errstate(divide="ignore"):
        return np.asarray((floats(x) - 1.0) / floats(x))


KL = FDivergence(
    name="kl",
    terms=power_terms(1.0),
    derivative=log,
    conjugate=_expm1,
    weight=_exp,
    weight_derivative=_exp,
    plain_conjugate=_expm1,
    plain_weight=_exp,
    at_zero=1.0,
    slope_at_zero=-math.inf,
    domain_upper=math.inf,
    modulus=1.0,  # Pinsker's inequality
)

SWAPPED_KL = FDivergence(
    name="swapped-kl",
    terms=power_terms(0.0),
    derivative=_swapped_derivative,
    conjugate=_swapped_conjugate,
    weight=lambda y: _below_one(y, lambda rest: 1.0 / rest, math.nan),
    weight_derivative=lambda y: _below_one(y, lambda rest: 1.0 / np.square(rest), math.nan),
    plain_conjugate=_swapped_conjugate,
    plain_weight=lambda y: _below_one(y, lambda rest: 1.0 / rest, math.nan),
    at_zero=math.inf,
    slope_at_zero=-math.inf,
    domain_upper=1.0,
)

JEFFREYS = FDivergence(
    name="jeffreys",
    terms=_jeffreys_terms,
    derivative=_jeffreys_derivative,
    conjugate=_jeffreys_conjugate,
    weight=_jeffreys_weight,
    weight_derivative=_jeffreys_weight_derivative,
    plain_conjugate=_jeffreys_conjugate,
    plain_weight=_jeffreys_weight,
    at_zero=math.inf,
    slope_at_zero=-math.inf,
    domain_upper=math.inf,
    modulus=1.0,  # that of its first part
)

CHI_SQUARE = FDivergence(
    name="chi-square",
    terms=_chi_square_terms,
    derivative=lambda x: 2.0 * (floats(x) - 1.0),
    conjugate=lambda y: _chi_square_conjugate(np.maximum(y, -2.0)),
    weight=lambda y: np.maximum(0.0, 1.0 + floats(y) / 2.0),
    weight_derivative=lambda y: np.where(floats(y) > -2.0, 0.5, 0.0),
    plain_conjugate=_chi_square_conjugate,
    plain_weight=lambda y: 1.0 + floats(y) / 2.0,
    at_zero=1.0,
    slope_at_zero=-2.0,
    domain_upper=math.inf,
    modulus=2.0,  # Cauchy-Schwarz: sum (p - p')^2 / q >= (sum |p - p'|)^2
)

TOTAL_VARIATION = FDivergence(
    name="total-variation",
    terms=lambda p, q: 0.5 * np.abs(p - q),
    derivative=lambda x: 0.5 * np.sign(floats(x) - 1.0),
    conjugate=lambda y: np.where(floats(y) <= 0.5, np.maximum(y, -0.5), np.inf),
    weight=lambda y: np.where(floats(y) <= 0.5, np.where(floats(y) < -0.5, 0.0, 1.0), np.nan),
    weight_derivative=lambda y: np.where(floats(y) <= 0.5, 0.0, np.nan),
    plain_conjugate=lambda y: np.where(np.abs(y) <= 0.5, y, np.inf),
    plain_weight=lambda y: np.where(np.abs(y) <= 0.5, 1.0, np.nan),
    at_zero=0.5,
    slope_at_zero=-0.5,
    domain_upper=0.5,
    smooth=False,
)

HELLINGER = FDivergence(
    name="hellinger",
    terms=_hellinger_terms,
    derivative=_hellinger_derivative,
    conjugate=_hellinger_conjugate,
    weight=lambda y: _below_one(y, lambda rest: 1.0 / np.square(rest), math.nan),
    weight_derivative=lambda y: _below_one(y, lambda rest: 2.0 / rest**3, math.nan),
    plain_conjugate=_hellinger_conjugate,
    plain_weight=lambda y: _below_one(y, lambda rest: 1.0 / np.square(rest), math.nan),
    at_zero=1.0,
    slope_at_zero=-math.inf,
    domain_upper=1.0,
)

_TABLE = {row.name: row for row in (KL, SWAPPED_KL, JEFFREYS, CHI_SQUARE, TOTAL_VARIATION, HELLINGER)}


def f_divergence(name: str | FDivergence) -> FDivergence:
    """The row of the table with this name; a row is returned as it is.

    Parameters
    ----------
    name : {"kl", "swapped-kl", "jeffreys", "chi-square", "total-variation", "hellinger"} or FDivergence
        Which divergence; rows of the alpha family come from :func:`alpha_divergence`.

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
