"""Instances of the family: items with a base law and scores, with the laws of their best draws as cached properties."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import rounding
from mdplab.enumeration import best_of_n_enumerated
from mdplab.instances import Draw
from mdplab.laws.order import best_of_n

__all__ = ["Ranking", "ranking", "small_ranking", "small_tilted_ranking", "with_empty_items"]


@dataclass(frozen=True, eq=False)
class Ranking:
    """Items with a base law and scores, and a number of draws.

    Attributes
    ----------
    probability : ndarray, shape (m,)
        The base law ``p``.
    score : ndarray, shape (m,)
        The scores ``r``; equal floats are ties.
    n_draws : int
        The number n of draws.
    """

    probability: FloatArray
    score: FloatArray
    n_draws: int

    @cached_property
    def law(self) -> FloatArray:
        """The law ``p_n`` of the best draw."""
        return best_of_n(self.probability, self.score, self.n_draws)

    @cached_property
    def second_law(self) -> FloatArray:
        """The same law from all tuples of draws; with too many tuples, from powers of the distribution function."""
        p, r, n = self.probability, self.score, self.n_draws
        if p.size**n <= 1000:
            return best_of_n_enumerated(p, r, n)
        below, tied = p @ np.less.outer(r, r), p @ np.equal.outer(r, r)
        upto = below + tied
        return np.asarray(p * (upto**n - below**n) / tied)

    @property
    def relative_error(self) -> float:
        """Relative error of a probability of ``p_n``: n times that of a sum of m masses, with a few operations."""
        return float(rounding(1, 8 * (self.n_draws + 1) * (self.probability.size + 8)))


def small_ranking(draw: Draw) -> Ranking:
    """2 to 4 items, 1 to 4 draws, Dirichlet(1) base; scores normal, or on three levels so that ties are common."""
    m, n = draw.integer(2, 4), draw.integer(1, 4)
    score = draw.integers(0, 2, m) / 2.0 if draw.boolean() else draw.normal(m)
    return Ranking(draw.weights(m), score, n)


def ranking(draw: Draw) -> Ranking:
    """Half of the time as above with at least 2 draws; otherwise 5 to 60 items of Dirichlet(1 or 30), 2 to 16 draws."""
    if draw.boolean():
        drawn = small_ranking(draw)
        return replace(drawn, n_draws=max(2, drawn.n_draws))
    m = draw.integer(5, 60)
    score = draw.integers(0, m, m) / m if draw.boolean() else draw.normal(m)
    return Ranking(draw.weights(m, draw.choice((1.0, 30.0))), score, draw.integer(2, 16))


def small_tilted_ranking(draw: Draw) -> Ranking:
    """2 to 4 items, 2 to 4 draws, scores on the levels 0, 1/4, ..., 1, not all equal."""
    m, n = draw.integer(2, 4), draw.integer(2, 4)
    score = draw.integers(0, 4, m) / 4.0
    if np.ptp(score) == 0:
        draw.reject("all scores are equal")
    return Ranking(draw.weights(m), score, n)


def with_empty_items(draw: Draw) -> Ranking:
    """A small ranking with at least 2 draws in which some items have no mass."""
    drawn = small_ranking(draw)
    kept = drawn.probability * draw.boolean(0.6, drawn.probability.size)
    if not 0 < np.count_nonzero(kept) < kept.size:
        draw.reject("no item has mass, or all have")
    return replace(drawn, probability=kept / kept.sum(), n_draws=max(2, drawn.n_draws))
