"""Simple rationals near a float: what a small counterexample is written with."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache

import numpy as np

__all__ = ["complexity", "fraction_near", "fraction_of"]

LARGEST_DENOMINATOR = 10_000
_DENOMINATOR_NEAR = 1000


@lru_cache(maxsize=4096)
def fraction_of(number: float) -> Fraction | None:
    """The simple fraction that a float stands for.

    Parameters
    ----------
    number : float
        Finite.

    Returns
    -------
    Fraction or None
        With a denominator of at most 10,000 and rounded to ``number``; None where there is none.
    """
    nearest = Fraction(number).limit_denominator(LARGEST_DENOMINATOR)
    return nearest if float(nearest) == number else None


def fraction_near(number: float) -> Fraction | None:
    """The simple fraction that a float stands for, or misses by a few roundings.

    Parameters
    ----------
    number : float
        Finite.

    Returns
    -------
    Fraction or None
        As :func:`fraction_of`, or not zero, with a denominator of at most 1000, within four roundings of a number of this
        size or of 1.
    """
    exactly = fraction_of(number)
    if exactly is not None:
        return exactly
    nearest = Fraction(number).limit_denominator(_DENOMINATOR_NEAR)
    near = abs(float(nearest) - number) <= 4 * math.ulp(max(1.0, abs(number)))
    return nearest if nearest and near else None


def complexity(numbers: object) -> float:
    """How much there is to write: zeros and ones cost least, decimals most.

    Parameters
    ----------
    numbers : array_like
        Numbers of any kind.

    Returns
    -------
    float
        The sum over all numbers.
    """
    return sum(_cost(float(x)) for x in np.ravel(np.asarray(numbers, dtype=float)))


@lru_cache(maxsize=4096)
def _cost(x: float) -> float:
    if x == 0:
        return 0.0
    if not math.isfinite(x):
        return 1.0
    simple = fraction_of(x)
    if simple is None:
        return 40.0
    return 1.0 + 0.25 * (x < 0) + math.log2(abs(simple.numerator)) + 2 * math.log2(simple.denominator)
