"""One f-divergence: its generator, conjugates and weights, and what happens at zero and at infinity."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.divergences.laws import probabilities

__all__ = ["FDivergence"]

_Map: TypeAlias = Callable[[ArrayLike], FloatArray]


@dataclass(frozen=True)
class FDivergence:
    """One row of the table: a generator with its derivative, conjugates and weights (all elementwise).

    Attributes
    ----------
    name : str
        Key for :func:`f_divergence`; ``"alpha"`` for the rows of :func:`alpha_divergence`.
    terms : callable
        ``q f(p / q)`` of two arrays ``p >= 0``, ``q > 0``, elementwise.
    derivative : callable
        ``f'`` on ``x >= 0`` (the total variation: the sign of ``x - 1`` times 1/2, 0 at 1).
    conjugate, weight, weight_derivative : callable
        The corrected conjugate, its derivative ``w`` and ``w'``.  At a kink the weight is one element of the
        subdifferential (total variation: 1 on the closed interval [-1/2, 1/2]).  Beyond the domain the conjugate
        is ``inf`` and the others are NaN; on its edge they may be ``inf``.
    plain_conjugate, plain_weight : callable
        ``f*`` and its derivative ``(f')^{-1}``, which may be negative.  The alpha family has no continuation to
        negative ``x``: there the corrected ones stand.
    at_zero, slope_at_zero : float
        ``f(0)`` and ``f'(0)``, each possibly infinite.
    domain_upper : float
        ``lim f(x)/x`` at infinity; the corrected conjugate is infinite for ``y > domain_upper``.
    smooth : bool
        Whether the corrected conjugate is differentiable inside its domain.
    modulus : float
        ``m`` with ``D_f`` strongly convex in its first argument: the Bregman divergence of ``D_f(. || q)``
        between distributions is at least ``m/2`` times the squared 1-norm, whatever ``q``; 0 where there is none.
    order : float
        ``a`` of the alpha family, NaN for other rows.
    """

    name: str
    terms: Callable[[FloatArray, FloatArray], FloatArray]
    derivative: _Map
    conjugate: _Map
    weight: _Map
    weight_derivative: _Map
    plain_conjugate: _Map
    plain_weight: _Map
    at_zero: float
    slope_at_zero: float
    domain_upper: float
    smooth: bool = True
    modulus: float = 0.0
    order: float = math.nan

    def generator(self, x: ArrayLike) -> FloatArray:
        """``f(x)`` for ``x >= 0``, elementwise."""
        x = np.asarray(x, dtype=np.float64)
        return self.terms(x, np.ones_like(x))

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
        p, q = np.broadcast_arrays(probabilities("p", p), probabilities("q", q))
        inside = q > 0.0
        inner = self.terms(np.where(inside, p, 1.0), np.where(inside, q, 1.0))
        with np.errstate(invalid="ignore", over="ignore"):
            outside = np.where(p > 0.0, p * self.domain_upper, 0.0)
            return np.asarray(np.where(inside, inner, outside).sum(axis=-1))
