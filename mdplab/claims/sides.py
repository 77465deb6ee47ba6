"""Sides of a relation, what came out of comparing them, and the rule that turns error bounds into a verdict.

With ``e`` the sum of both sides' error bounds and ``resolution`` the largest ``e`` that a part accepts, an entry with
``e > resolution`` is undecided.  Every comparison is written so that a NaN anywhere cannot come out as *holds*.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray

__all__ = [
    "Outcome",
    "Side",
    "SideFunction",
    "Undecided",
    "Verdict",
    "accepted_errors",
    "both_sides",
    "entry_text",
    "failed",
    "judge",
    "largest_share",
    "left_side",
    "numbers",
    "right_side",
]

Verdict: TypeAlias = Literal["holds", "undecided", "violated", "error"]


class Undecided(Exception):
    """Raised by a side whose solver did not converge: the instance is undecided, for the reason given."""


@dataclass(frozen=True)
class Side:
    """One side of a relation: numbers with a bound on their error.

    Parameters
    ----------
    value : array_like
        The numbers; booleans and integers are read as floats.
    error : array_like
        Bound on the absolute error, a scalar or an array that broadcasts against ``value``.
    infinities : bool
        Whether the statement has infinite entries: they are then compared exactly.
    """

    value: ArrayLike
    error: ArrayLike = 0.0
    infinities: bool = False


SideFunction: TypeAlias = Callable[[Any], Side]


@dataclass(frozen=True)
class Outcome:
    """What a relation gave on one instance.

    Attributes
    ----------
    verdict : {"holds", "undecided", "violated", "error"}
    violation : float
        Largest ``|l - r|`` (equalities) or ``l - r`` (inequalities, negative where there is slack); NaN on error.
    excess : float
        Largest violation beyond its error bound; positive iff violated.
    error : float
        Largest ``e``, the sum of both sides' error bounds.
    resolution : float
        Largest error that the part accepts, at its tightest entry.
    share : float
        Largest error bound of an entry, as a share of what the part accepts there; above 1 iff undecided.
    slack : float or None
        Smallest ``r - l`` of an inequality.
    tightness : float or None
        Largest ``l / r`` of an inequality over entries with ``r`` above the floor.
    degenerate : bool
        Both sides vanish (at most the floor): the instance says nothing.
    left, right : ndarray
        The two sides.
    message : str
        What is wrong, unless the relation holds.
    """

    verdict: Verdict
    violation: float = float("nan")
    excess: float = float("nan")
    error: float = float("nan")
    resolution: float = float("nan")
    share: float = float("nan")
    slack: float | None = None
    tightness: float | None = None
    degenerate: bool = False
    left: FloatArray = field(default_factory=lambda: np.empty(0))
    right: FloatArray = field(default_factory=lambda: np.empty(0))
    message: str = ""


def both_sides(outcome: Outcome) -> FloatArray:
    """First entries of the two sides, the left one first: what a control may be specified by.

    Parameters
    ----------
    outcome : Outcome
        What came out.

    Returns
    -------
    ndarray (2,)
    """
    return np.array([outcome.left.flat[0], outcome.right.flat[0]])


def left_side(outcome: Outcome) -> FloatArray:
    """The left side.

    Parameters
    ----------
    outcome : Outcome
        What came out.

    Returns
    -------
    ndarray
    """
    return outcome.left


def right_side(outcome: Outcome) -> FloatArray:
    """The right side.

    Parameters
    ----------
    outcome : Outcome
        What came out.

    Returns
    -------
    ndarray
    """
    return outcome.right


def numbers(side: Side, name: str) -> tuple[FloatArray, FloatArray]:
    """Value and broadcast error of a side.

    Parameters
    ----------
    side : Side
        What a route returned.
    name : str
        What messages call it.

    Returns
    -------
    value, error : ndarray
        Of one shape.

    Raises
    ------
    ValueError
        If they cannot be compared: another type, complex, empty, NaN, an infinity that the statement does not have, an
        error bound that is negative or of another shape.
    """
    if not isinstance(side, Side):
        raise ValueError(f"the {name} side returned {type(side).__name__}, expected a Side")
    value = np.asarray(side.value)
    if np.iscomplexobj(value):
        raise ValueError(f"the {name} side is complex")
    value = value.astype(float)
    if value.size == 0:
        raise ValueError(f"the {name} side is empty")
    wrong = np.isnan(value) if side.infinities else ~np.isfinite(value)
    if np.any(wrong):
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(f"the {name} side is {value[place]} at {place}")
    error = np.asarray(side.error, dtype=float)
    if not np.all(error >= 0):
        raise ValueError(f"the error bound of the {name} side is negative or NaN")
    try:
        return value, np.broadcast_to(error, value.shape)
    except ValueError:
        raise ValueError(
            f"the error bound of the {name} side has shape {error.shape}, its value {value.shape}"
        ) from None


def accepted_errors(resolution: ArrayLike, shape: tuple[int, ...]) -> FloatArray:
    """The resolution, entry by entry.

    Parameters
    ----------
    resolution : array_like
        Largest sum of error bounds that a part accepts.
    shape : tuple of int
        Shape of the sides.

    Returns
    -------
    ndarray

    Raises
    ------
    ValueError
        If it is not finite and non-negative, or does not broadcast.
    """
    limit = np.asarray(resolution, dtype=float)
    if not (limit.size and np.all(np.isfinite(limit)) and np.all(limit >= 0)):
        raise ValueError(f"the resolution is not a finite number >= 0: {limit}")
    try:
        return np.broadcast_to(limit, shape)
    except ValueError:
        raise ValueError(f"the resolution has shape {limit.shape}, the sides {shape}") from None


def largest_share(e: FloatArray, limit: FloatArray) -> float:
    """Error bounds as a share of the resolution, at the worst entry.

    Parameters
    ----------
    e : ndarray
        Sums of both sides' error bounds, non-negative.
    limit : ndarray
        The resolution, of the same shape.

    Returns
    -------
    float
        Infinite where an entry without resolution has an error.
    """
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 / 0 is taken out
        return float(np.where(e > 0, e / limit, 0.0).max())


def failed(problem: Exception) -> Outcome:
    """The outcome of sides that cannot be compared.

    Parameters
    ----------
    problem : Exception
        Why.

    Returns
    -------
    Outcome
        Its verdict is *error*.
    """
    return Outcome("error", message=f"{type(problem).__name__}: {problem}")


def entry_text(place: int, left: FloatArray, right: FloatArray, e: FloatArray) -> str:
    """The two sides at an entry, for a message.

    Parameters
    ----------
    place : int
        Flat index.
    left, right, e : ndarray
        The sides and the sum of their error bounds.

    Returns
    -------
    str
    """
    index = tuple(int(i) for i in np.unravel_index(place, left.shape))
    where = f" at {index}" if index else ""
    return f"left {left.flat[place]:.12g}, right {right.flat[place]:.12g}{where}, error bound {e.flat[place]:.3g}"


def judge(
    excess: FloatArray, e: FloatArray, limit: FloatArray, left: FloatArray, right: FloatArray
) -> tuple[Verdict, str]:
    """Verdict and message from the excess of each entry; NaN is an error.

    Parameters
    ----------
    excess : ndarray
        How far each entry is from the relation beyond its error bound.
    e : ndarray
        Sum of the error bounds.
    limit : ndarray
        The resolution.
    left, right : ndarray
        The sides, for the message.

    Returns
    -------
    verdict, message : str
    """
    if not np.all(e <= limit):
        place = int(np.argmax(np.where(np.isfinite(e), e - limit, np.inf)))
        return "undecided", f"error bound {e.flat[place]:.3g} exceeds the resolution {limit.flat[place]:.3g}"
    if np.any(np.isnan(excess)):
        return "error", "the difference of the sides is NaN"
    if np.all(excess <= 0):
        return "holds", ""
    return "violated", entry_text(int(np.argmax(excess)), left, right, e)
