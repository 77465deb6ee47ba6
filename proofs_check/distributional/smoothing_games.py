"""Games of two noisy observations that an adversary shifts: odds of success against shifts, watched or fixed in advance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from mdplab._typing import FloatArray
from mdplab.instances import Draw


def cdf(x: Any) -> Any:
    """Distribution function of the standard normal law."""
    from scipy.special import ndtr

    return ndtr(x)


def density(x: Any) -> Any:
    """Density of the standard normal law."""
    return np.exp(-np.square(x) / 2) / math.sqrt(2 * math.pi)


@dataclass(frozen=True)
class CellGame:
    """The first observation falls into a cell; the second must be on the cell's side of its threshold.

    Attributes
    ----------
    cuts : tuple of float, length k - 1
        Ends of the k cells of the first observation, increasing.
    signs : tuple of int, length k
        +1 or -1.
    thresholds : tuple of float, length k
        Success iff ``signs[i] * y2 >= thresholds[i]``.
    budget : float
        B, the largest root of the sum of squared shifts, positive.
    level : float
        The return adds one where ``y1 >= level``.
    """

    cuts: tuple[float, ...]
    signs: tuple[int, ...]
    thresholds: tuple[float, ...]
    budget: float
    level: float = 0.0

    @property
    def ends(self) -> FloatArray:
        return np.array([-np.inf, *self.cuts, np.inf])

    @property
    def breaks(self) -> tuple[float, ...]:
        """Where success or return jump in the first observation."""
        return (*self.cuts, self.level)

    def seen(self, observation: FloatArray, second: FloatArray) -> Any:
        """Odds of success given the first observation, under a second shift."""
        cell = np.searchsorted(self.cuts, observation, side="right")
        return cdf(np.array(self.signs)[cell] * second - np.array(self.thresholds)[cell])

    def attacked(self, angle: Any) -> Any:
        """Odds of success under the shift ``B sin(angle)``, then ``B cos(angle)`` against the sign of each cell."""
        return self.odds(self.budget * np.sin(angle), self.budget * np.cos(angle))

    def odds(self, first: Any, length: Any) -> Any:
        """Odds of success under shifts ``first``, then ``length`` against the sign of each cell."""
        cells = np.diff(cdf(self.ends - np.expand_dims(first, -1)), axis=-1)
        return np.sum(cells * cdf(-np.array(self.thresholds) - np.expand_dims(length, -1)), axis=-1)

    def fixed(self, first: Any, second: Any) -> Any:
        """Odds of success under shifts that are fixed in advance."""
        cells = np.diff(cdf(self.ends - np.expand_dims(first, -1)), axis=-1)
        shifts = np.expand_dims(second, -1) * np.array(self.signs)
        return np.sum(cells * cdf(shifts - np.array(self.thresholds)), axis=-1)

    @property
    def clean(self) -> float:
        """Odds of success without shifts."""
        return float(self.odds(0.0, 0.0))

    @property
    def clean_returns(self) -> tuple[float, float]:
        """Probabilities that the return is at least 1, and 2, without shifts."""
        below = np.diff(cdf(np.minimum(self.ends, self.level)))
        above = np.diff(cdf(np.maximum(self.ends, self.level)))
        thresholds = np.array(self.thresholds)
        return float(1.0 - below @ cdf(thresholds)), float(above @ cdf(-thresholds))


@dataclass(frozen=True)
class SumGame:
    """Success iff the sum of both observations reaches a threshold.

    Attributes
    ----------
    threshold : float
        The threshold.
    budget : float
        B, positive.
    """

    threshold: float
    budget: float

    @property
    def breaks(self) -> tuple[float, ...]:
        """Success does not jump in the first observation."""
        return ()

    def seen(self, observation: FloatArray, second: FloatArray) -> Any:
        """Odds of success given the first observation, under a second shift."""
        return cdf(observation + second - self.threshold)

    def attacked(self, angle: Any) -> Any:
        """Odds of success under the shift ``B sin(angle)``, then ``-B cos(angle)``."""
        shifts = self.budget * (np.sin(angle) - np.cos(angle))
        return cdf((shifts - self.threshold) / math.sqrt(2.0))

    @property
    def clean(self) -> float:
        """Odds of success without shifts."""
        return float(cdf(-self.threshold / math.sqrt(2.0)))


Game: TypeAlias = CellGame | SumGame


def watched(game: Game, angle: FloatArray, *, level: float = math.inf) -> FloatArray:
    """Odds of success, plus those that the first observation reaches a level, as an integral over this observation.

    The first shift is ``B sin(angle)``; whatever is seen then, the adversary takes the worst of five second shifts between
    ``-B cos(angle)`` and ``B cos(angle)``.  Gauss quadrature of 64 nodes between any two jumps; what lies beyond 11 is seen with
    odds below 1e-18 while the first shift is at most 2.
    """
    nodes, weights = np.polynomial.legendre.leggauss(64)
    ends = np.clip(np.sort([-11.0, *game.breaks, 11.0]), -11.0, 11.0)[:, np.newaxis]
    halves = np.diff(ends, axis=0) / 2
    seen, share = (ends[:-1] + halves * (1 + nodes)).ravel(), (halves * weights).ravel()
    first, length = (game.budget * f(angle)[:, np.newaxis] for f in (np.sin, np.cos))
    worst = np.min([game.seen(seen, part * length) for part in (-1.0, -0.5, 0.0, 0.5, 1.0)], axis=0)
    return np.asarray((density(seen - first) * (worst + (seen >= level))) @ share)


def cell_game(draw: Draw) -> CellGame:
    """One to four cells, cuts and thresholds standard normal, signs fair, budget uniform on [.1, 2]."""
    count = draw.integer(1, 4)
    cuts = np.sort(draw.normal(count - 1))
    signs = np.where(draw.boolean(0.5, count), 1, -1)
    return CellGame(
        tuple(map(float, cuts)),
        tuple(map(int, signs)),
        tuple(map(float, draw.normal(count))),
        draw.number(0.1, 2.0),
        float(draw.normal()),
    )
