r"""The f-divergences in extended precision, for :func:`mdplab.solvers.verify`; no code of :mod:`mdplab.divergences` is used.

Each row gives the price of a pair ``q f(d/q)``, the conjugate of ``f`` on ``x >= 0``, its derivatives and ``f'``.  That
of the Jeffreys divergence needs the root of ``u + log u = 1 - y``, found by Newton's method on ``log u``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from mdplab._typing import Array
from mdplab.solvers.verify_algebra import EPS, WIDE

__all__ = ["WideDivergence", "wide_divergence"]

_Map: TypeAlias = Callable[[Array], Array]


@dataclass(frozen=True, eq=False)
class WideDivergence:
    """One divergence; the functions take and return extended precision.

    Attributes
    ----------
    parts : callable
        Of ``d > 0`` and ``q > 0``: the positive and the negative part of ``q f(d/q)``.
    conjugate, weight, curvature, slope : callable
        The corrected conjugate and its two derivatives, inside the domain and at ``-inf``; ``f'`` on ``x > 0``.
    price : float
        ``f(0)``.
    upper : float
        Slope of ``f`` at infinity, the edge of the domain of the conjugate.
    modulus : float
        Strong convexity in the 1-norm, 0 where none is known.
    """

    parts: Callable[[Array, Array], tuple[Array, Array]]
    conjugate: _Map
    weight: _Map
    curvature: _Map
    slope: _Map
    price: float
    upper: float
    modulus: float = 0.0

    def inside(self, function: _Map, y: Array, beyond: float) -> Array:
        """A function of the argument with another value beyond the domain (by more than rounding)."""
        within = y <= self.upper + 1e3 * EPS * (1.0 if self.upper < math.inf else 0.0)
        level = np.where(within, np.minimum(y, WIDE(self.upper)), 0)
        with np.errstate(divide="ignore", over="ignore"):
            return np.where(within, function(level), beyond)


def _root(y: Array) -> Array:
    """``u`` with ``u + log u = 1 - y``."""
    z = 1 - y
    s = np.where(z > 1, np.log(np.maximum(z, 1)), z)
    for _ in range(12):
        s = s - (np.exp(s) + s - z) / (np.exp(s) + 1)
    return np.asarray(np.exp(s))


def _signed(*terms: Array) -> tuple[Array, Array]:
    """Sums of the positive and of the negative terms."""
    stack = np.stack(terms)
    return np.maximum(stack, 0).sum(axis=0), np.maximum(-stack, 0).sum(axis=0)


def _bounded(y: Array, least: float) -> Array:
    return np.maximum(y, WIDE(least))


def _jeffreys_conjugate(y: Array) -> Array:
    u = _root(_bounded(y, -1e300))
    return np.asarray(1 / u - 1 - np.log(u))


def _alpha(order: float) -> WideDivergence:
    a = WIDE(order)
    corner = -1.0 / (order - 1.0) if order > 1.0 else -math.inf

    def logs(y: Array) -> Array:
        return np.asarray(np.log1p(np.maximum((a - 1) * _bounded(y, -1e300), -1)) / (a - 1))

    def conjugate(y: Array) -> Array:
        active = y > corner
        return np.where(active, np.expm1(a * logs(np.where(active, y, 0))) / a, -1 / a)

    def curvature(y: Array) -> Array:
        active = y > corner
        return np.where(active, np.exp((2 - a) * logs(np.where(active, y, 0))), 0)

    def weight(y: Array) -> Array:
        active = y > corner
        return np.where(active, np.exp(logs(np.where(active, y, 0))), 0)

    def parts(d: Array, q: Array) -> tuple[Array, Array]:
        return _signed(q * (d / q) ** a / (a * (a - 1)), -d / (a - 1), q / a)

    return WideDivergence(
        parts,
        conjugate,
        weight,
        curvature,
        slope=lambda x: np.asarray((x ** (a - 1) - 1) / (a - 1)),
        price=1.0 / order if order > 0.0 else math.inf,
        upper=1.0 / (1.0 - order) if order < 1.0 else math.inf,
        modulus=1.0 if 1.0 <= order <= 2.0 else 0.0,
    )


_ROWS = {
    "kl": WideDivergence(
        lambda d, q: _signed(d * np.log(d / q), -d, q),
        np.expm1,
        np.exp,
        np.exp,
        np.log,
        price=1.0,
        upper=math.inf,
        modulus=1.0,
    ),
    "swapped-kl": WideDivergence(
        lambda d, q: _signed(q * np.log(q / d), d, -q),
        lambda y: -np.log1p(-y),
        lambda y: 1 / (1 - y),
        lambda y: 1 / (1 - y) ** 2,
        lambda x: 1 - 1 / x,
        price=math.inf,
        upper=1.0,
    ),
    "jeffreys": WideDivergence(
        lambda d, q: _signed((d - q) * np.log(d / q)),
        _jeffreys_conjugate,
        lambda y: 1 / _root(_bounded(y, -1e300)),
        lambda y: 1 / (_root(_bounded(y, -1e300)) * (1 + _root(_bounded(y, -1e300)))),
        lambda x: np.log(x) + 1 - 1 / x,
        price=math.inf,
        upper=math.inf,
        modulus=1.0,
    ),
    "chi-square": WideDivergence(
        lambda d, q: _signed((d - q) ** 2 / q),
        lambda y: np.square(_bounded(y, -2)) / 4 + _bounded(y, -2),
        lambda y: 1 + _bounded(y, -2) / 2,
        lambda y: np.where(y > -2, WIDE(0.5), 0),
        lambda x: 2 * (x - 1),
        price=1.0,
        upper=math.inf,
        modulus=2.0,
    ),
    "total-variation": WideDivergence(
        lambda d, q: _signed(np.abs(d - q) / 2),
        lambda y: _bounded(y, -0.5),
        lambda y: np.where(y < -0.5, 0, 1).astype(WIDE),
        lambda y: np.zeros(y.shape, dtype=WIDE),
        lambda x: np.sign(x - 1) / 2,
        price=0.5,
        upper=0.5,
    ),
    "hellinger": WideDivergence(
        lambda d, q: _signed((np.sqrt(d) - np.sqrt(q)) ** 2),
        lambda y: -1 + 1 / (1 - y),
        lambda y: 1 / (1 - y) ** 2,
        lambda y: 2 / (1 - y) ** 3,
        lambda x: 1 - 1 / np.sqrt(x),
        price=1.0,
        upper=1.0,
    ),
}


def wide_divergence(name: str, order: float) -> WideDivergence:
    """The formulas of a divergence.

    Parameters
    ----------
    name : str
        Of a row of the table in :mod:`mdplab.divergences`.
    order : float
        Of the alpha family.

    Returns
    -------
    WideDivergence

    Raises
    ------
    ValueError
        If its formulas are not known.
    """
    if name == "alpha":
        return _ROWS["kl"] if order == 1.0 else _ROWS["swapped-kl"] if order == 0.0 else _alpha(order)
    if name not in _ROWS:
        raise ValueError(
            f"the divergence {name!r} is not one of {', '.join(_ROWS)}, alpha, whose formulas are known"
        )
    return _ROWS[name]
