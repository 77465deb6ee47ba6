"""Divergences between finite laws in exact numbers; conventions and names are those of :mod:`mdplab.divergences`.

The total variation and the chi-square of rationals are rational; whatever has a logarithm is a ball.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._typing import Array
from mdplab.exact._flint import arb, fmpq
from mdplab.exact.elementary import log, product
from mdplab.exact.numbers import ball, entries, rational

__all__ = ["chi_square", "entropy", "f_divergence", "jeffreys", "kl", "total_variation"]


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


_BY_NAME = {
    "kl": lambda p, q: kl(p, q) - ball((entries(rational(p)) - entries(rational(q))).sum(axis=-1)),
    "chi-square": chi_square,
    "total-variation": total_variation,
}


def f_divergence(p: Any, q: Any, name: str) -> Any:
    """The divergence ``sum q f(p / q)`` of the table of :mod:`mdplab.divergences`.

    Parameters
    ----------
    p, q : array_like (..., n)
        Masses, as for :func:`kl`.
    name : {"kl", "chi-square", "total-variation"}
        The generator; that of the KL divergence is ``x log x - x + 1``.

    Returns
    -------
    object array (...), or a number

    Raises
    ------
    ValueError
        If the name is not in the table.
    """
    if name not in _BY_NAME:
        raise ValueError(f"name is {name!r}, expected one of {', '.join(_BY_NAME)}")
    return _BY_NAME[name](p, q)
