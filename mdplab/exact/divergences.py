"""Divergences between finite laws in exact numbers; conventions and names are those of :mod:`mdplab.divergences`.

The total variation and the chi-square of rationals are rational; whatever has a logarithm is a ball.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._typing import Array
from mdplab.exact._flint import arb, fmpq
from mdplab.exact.elementary import exp, log, product, sqrt
from mdplab.exact.numbers import ball, entries, rational

__all__ = [
    "alpha_divergence",
    "chi_square",
    "entropy",
    "f_divergence",
    "hellinger",
    "jeffreys",
    "kl",
    "total_variation",
]


def _pair(p: Any, q: Any) -> tuple[Array, Array]:
    rows = np.broadcast_arrays(entries(rational(p)), entries(rational(q)))
    for name, array in zip("pq", rows, strict=True):
        if any(x < 0 for x in array.flat):
            raise ValueError(f"{name} has a negative entry, expected masses")
    return rows[0], rows[1]


def kl(p: Any, q: Any) -> Any:
    """Kullback-Leibler divergence ``sum p log(p / q)`` along the last axis.

    Parameters
    ----------
    p, q : array_like (..., n)
        Masses, rationals or balls; broadcast against each other.  Nothing is normalised.

    Returns
    -------
    object array (...) of arb, or arb
        ``inf`` where a positive ``p`` meets ``q = 0``.

    Raises
    ------
    ValueError
        If a mass is surely negative.
    """
    p, q = _pair(p, q)
    return product(p, log(p) - log(np.where(p == 0, fmpq(1), q))).sum(axis=-1)


def jeffreys(p: Any, q: Any) -> Any:
    """Jeffreys divergence ``sum (p - q)(log p - log q)`` along the last axis.

    Parameters
    ----------
    p, q : array_like (..., n)
        Masses, as for :func:`kl`.

    Returns
    -------
    object array (...) of arb, or arb
        ``inf`` where exactly one of the two is zero.
    """
    p, q = _pair(p, q)
    both = (p == 0) & (q == 0)
    return product(p - q, log(np.where(both, fmpq(1), p)) - log(np.where(both, fmpq(1), q))).sum(axis=-1)


def entropy(p: Any) -> Any:
    """Shannon entropy ``-sum p log p`` in nats along the last axis.

    Parameters
    ----------
    p : array_like (..., n)
        Masses, rationals or balls.

    Returns
    -------
    object array (...) of arb, or arb
    """
    p, _ = _pair(p, 0)
    return -product(p, log(p)).sum(axis=-1)


def total_variation(p: Any, q: Any) -> Any:
    """Total variation ``1/2 sum |p - q|`` along the last axis.

    Parameters
    ----------
    p, q : array_like (..., n)
        Masses, as for :func:`kl`.

    Returns
    -------
    object array (...), or a number
        Rational where both are.
    """
    p, q = _pair(p, q)
    return abs(p - q).sum(axis=-1) / 2


def chi_square(p: Any, q: Any) -> Any:
    """Chi-square divergence ``sum (p - q)**2 / q`` along the last axis, without a factor 1/2.

    Parameters
    ----------
    p, q : array_like (..., n)
        Masses, as for :func:`kl`.

    Returns
    -------
    object array (...), or a number
        Rational where both are; the ball of ``inf`` where a positive ``p`` meets ``q = 0``.
    """
    p, q = _pair(p, q)
    outside, gap = q == 0, p - q  # the power of a ball around 0 would be NaN
    terms = np.where(outside, fmpq(0), gap * gap / np.where(outside, fmpq(1), q))
    return np.where(outside & ~(p == 0), product(p, arb("inf")), terms).sum(axis=-1)


def hellinger(p: Any, q: Any) -> Any:
    """Squared Hellinger distance ``sum (sqrt p - sqrt q)**2`` along the last axis, without a factor 1/2.

    Parameters
    ----------
    p, q : array_like (..., n)
        Masses, as for :func:`kl`.

    Returns
    -------
    object array (...) of arb, or arb
    """
    p, q = _pair(p, q)
    return ((sqrt(p) - sqrt(q)) ** 2).sum(axis=-1)


def alpha_divergence(p: Any, q: Any, order: Any) -> Any:
    """Divergence of the alpha family, ``sum (p^a q^(1-a) - a p + (a - 1) q) / (a (a - 1))`` along the last axis.

    Parameters
    ----------
    p, q : array_like (..., n)
        Masses, as for :func:`kl`.
    order : number
        ``a``, rational; 0 and 1 are the limits ``kl(q, p)`` and ``kl(p, q)`` less the difference of the sums.

    Returns
    -------
    object array (...) of arb, or arb
        ``inf`` where a positive ``p`` meets ``q = 0`` and ``a >= 1``, or a positive ``q`` meets ``p = 0`` and ``a <= 0``.
    """
    p, q = _pair(p, q)
    a = rational(order)
    if a == 1:
        return kl(p, q) - ball((p - q).sum(axis=-1))
    if a == 0:
        return kl(q, p) - ball((q - p).sum(axis=-1))
    both = (p > 0) & (q > 0)
    safe_p, safe_q = np.where(both, p, fmpq(1)), np.where(both, q, fmpq(1))
    power = product(np.where(both, p, fmpq(0)), exp((1 - a) * (log(safe_q) - log(safe_p))))
    terms = (power - a * p + (a - 1) * q) / (a * (a - 1))
    lost = ((q == 0) & (p > 0) & (a >= 1)) | ((p == 0) & (q > 0) & (a <= 0))
    return np.where(lost, arb("inf"), terms).sum(axis=-1)


_BY_NAME = {
    "kl": lambda p, q: alpha_divergence(p, q, 1),
    "swapped-kl": lambda p, q: alpha_divergence(p, q, 0),
    "jeffreys": jeffreys,
    "chi-square": chi_square,
    "total-variation": total_variation,
    "hellinger": hellinger,
}


def f_divergence(p: Any, q: Any, name: str, order: Any = None) -> Any:
    """The divergence ``sum q f(p / q)`` of the table of :mod:`mdplab.divergences`.

    Parameters
    ----------
    p, q : array_like (..., n)
        Masses, as for :func:`kl`.
    name : {"kl", "swapped-kl", "jeffreys", "chi-square", "total-variation", "hellinger", "alpha"}
        The generator; that of the KL divergence is ``x log x - x + 1``.
    order : number, optional
        Of the alpha family.

    Returns
    -------
    object array (...), or a number

    Raises
    ------
    ValueError
        If the name is not in the table, or an order is given for another family or missing.
    """
    if (name == "alpha") != (order is not None):
        raise ValueError(f"order is {order!r} for {name!r}, expected a number for 'alpha' and nothing else")
    if name == "alpha":
        return alpha_divergence(p, q, order)
    if name not in _BY_NAME:
        raise ValueError(f"name is {name!r}, expected one of {', '.join(_BY_NAME)}, alpha")
    return _BY_NAME[name](p, q)
