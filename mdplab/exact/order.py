"""Comparisons of exact numbers that are true only where they are sure, and the largest of balls.

Balls that overlap may be equal, less or greater: no comparison of them is true.  Hence ``not surely_at_most(l, r)`` does
not say ``l > r``; ask :func:`surely_above`.  On rationals the comparisons are those of numbers.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from mdplab._typing import BoolArray, FloatArray
from mdplab.exact._flint import arb
from mdplab.exact.numbers import above, ball, entries, rational

__all__ = ["distance", "highest", "lowest", "overlap", "surely_above", "surely_at_most", "width"]


def surely_at_most(left: Any, right: Any) -> BoolArray:
    """Whether ``left <= right`` is proven, entry by entry.

    Parameters
    ----------
    left, right : array_like
        Rationals or balls, broadcast against each other; floats are read as by :func:`rational`.

    Returns
    -------
    ndarray of bool
    """
    return np.asarray(rational(left) <= rational(right), dtype=bool)


def surely_above(left: Any, right: Any) -> BoolArray:
    """Whether ``left > right`` is proven, entry by entry.

    Parameters
    ----------
    left, right : array_like
        As for :func:`surely_at_most`.

    Returns
    -------
    ndarray of bool
    """
    return np.asarray(rational(left) > rational(right), dtype=bool)


def overlap(left: Any, right: Any) -> BoolArray:
    """Whether the two may be equal: the balls share a number, the rationals are the same.

    Parameters
    ----------
    left, right : array_like
        As for :func:`surely_at_most`.

    Returns
    -------
    ndarray of bool
        False proves that they differ.
    """
    l, r = np.broadcast_arrays(entries(rational(left)), entries(rational(right)))
    found = np.empty(l.shape, dtype=bool)
    for index in np.ndindex(l.shape):
        pair = l[index], r[index]
        found[index] = (
            ball(pair[0]).overlaps(ball(pair[1]))
            if any(isinstance(x, arb) for x in pair)
            else pair[0] == pair[1]
        )
    return found


def width(x: Any) -> FloatArray:
    """Length of the interval that encloses each number, rounded up; 0 for rationals.

    Parameters
    ----------
    x : array_like
        Rationals or balls.

    Returns
    -------
    ndarray of float
    """
    array = entries(x)
    sizes = [above(2 * entry.rad()) if isinstance(entry, arb) else 0.0 for entry in array.flat]
    return np.array(sizes, dtype=np.float64).reshape(array.shape)


def distance(left: Any, right: Any) -> FloatArray:
    """Proven upper bound on ``abs(left - right)``; 0 exactly where identical rationals meet.

    Parameters
    ----------
    left, right : array_like
        As for :func:`surely_at_most`.

    Returns
    -------
    ndarray of float
        Rounded up.
    """
    difference = entries(abs(rational(left) - rational(right)))
    bounds = [above(d.abs_upper() if isinstance(d, arb) else d) for d in difference.flat]
    return np.array(bounds, dtype=np.float64).reshape(difference.shape)


def _largest(left: Any, right: Any) -> Any:
    if isinstance(left, arb) or isinstance(right, arb):
        return ball(left).max(ball(right))
    return max(left, right)


def highest(x: Any, axis: int | None = None) -> Any:
    """Enclosure of the largest entry, which ``x.max()`` is not where balls overlap.

    Parameters
    ----------
    x : array_like
        Rationals or balls, not empty along the axis.
    axis : int, optional
        Axis of the maximum; over all entries by default.

    Returns
    -------
    object array, or a number
        Without ``axis``.
    """
    array = entries(rational(x))
    rows = array.reshape(-1) if axis is None else np.moveaxis(array, axis, 0)
    return reduce(np.frompyfunc(_largest, 2, 1), rows)


def lowest(x: Any, axis: int | None = None) -> Any:
    """Enclosure of the smallest entry.

    Parameters
    ----------
    x : array_like
        Rationals or balls, not empty along the axis.
    axis : int, optional
        Axis of the minimum; over all entries by default.

    Returns
    -------
    object array, or a number
        Without ``axis``.
    """
    return -highest(-rational(x), axis)
