"""Relations between two sides, and the rule that turns two numbers with error bounds into a verdict.

Each side of a relation is a function of an instance that returns a :class:`Side`: numbers together with a bound on
their error.  With ``e`` the sum of both bounds and ``resolution`` the largest ``e`` that a part accepts,

* ``e > resolution`` is *undecided*: the solvers were not accurate enough to tell;
* ``Equal`` is *violated* iff ``|l - r| > e``, ``AtMost`` iff ``l - r > e`` (elementwise); all else *holds*;
* NaN, infinities, empty arrays and sides of different shape are an *error*, never *holds*.

The sides stay functions until the check runs, so that a control can replace one of them and a test can disturb it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray

__all__ = ["AtLeast", "AtMost", "Equal", "Outcome", "Rate", "Relation", "Separates", "Side", "SideFunction"]

PartVerdict: TypeAlias = Literal["holds", "undecided", "violated", "error"]


@dataclass(frozen=True)
class Side:
    """One side of a relation: numbers with a bound on their error.

    Parameters
    ----------
    value : array_like
        The numbers; booleans and integers are read as floats.
    error : array_like
        Bound on the absolute error, a scalar or an array that broadcasts against ``value``.
    """

    value: ArrayLike
    error: ArrayLike = 0.0


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
    slack : float or None
        Smallest ``r - l`` of an inequality.
    tightness : float or None
        Largest ``l / r`` of an inequality over entries with ``r`` above the floor.
    degenerate : bool
        Both sides vanish (at most the floor): the instance says nothing.
    left, right : ndarray
        The two sides.
    message : str
        Reason of an error or of an undecided outcome.
    """

    verdict: PartVerdict
    violation: float = float("nan")
    excess: float = float("nan")
    error: float = float("nan")
    slack: float | None = None
    tightness: float | None = None
    degenerate: bool = False
    left: FloatArray = field(default_factory=lambda: np.empty(0))
    right: FloatArray = field(default_factory=lambda: np.empty(0))
    message: str = ""


def _numbers(side: Side, name: str) -> tuple[FloatArray, FloatArray]:
    """Return value and broadcast error of a side; raise ValueError where they cannot be compared."""
    if not isinstance(side, Side):
        raise ValueError(f"the {name} side returned {type(side).__name__}, expected a Side")
    value = np.asarray(side.value)
    if np.iscomplexobj(value):
        raise ValueError(f"the {name} side is complex")
    value = value.astype(float)
    if value.size == 0:
        raise ValueError(f"the {name} side is empty")
    if not np.all(np.isfinite(value)):
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(value))[0])
        raise ValueError(f"the {name} side is {value[place]} at {place}")
    error = np.asarray(side.error, dtype=float)
    if np.any(np.isnan(error)) or np.any(error < 0):
        raise ValueError(f"the error bound of the {name} side is negative or NaN")
    try:
        error = np.broadcast_to(error, value.shape)
    except ValueError:
        raise ValueError(
            f"the error bound of the {name} side has shape {error.shape}, its value {value.shape}"
        ) from None
    return value, error


def _failed(problem: Exception) -> Outcome:
    return Outcome(
        "error", message=f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__
    )


def _pair(left: Side, right: Side) -> tuple[FloatArray, FloatArray, FloatArray]:
    (lv, le), (rv, re) = _numbers(left, "left"), _numbers(right, "right")
    if lv.shape != rv.shape:
        raise ValueError(f"the sides have different shapes: left {lv.shape}, right {rv.shape}")
    return lv, rv, np.asarray(le + re)


@dataclass(frozen=True)
class _TwoSided:
    """Two routes to numbers of one shape."""

    left: SideFunction
    right: SideFunction

    def compare(self, left: Side, right: Side, *, resolution: ArrayLike, floor: float) -> Outcome:
        """Turn two sides into an outcome by the rule of the module.

        Parameters
        ----------
        left, right : Side
            The two sides.
        resolution : array_like
            Largest sum of error bounds that is accepted.
        floor : float
            Largest size of a side that counts as vanishing.

        Returns
        -------
        Outcome
        """
        try:
            lv, rv, e = _pair(left, right)
            limit = np.broadcast_to(np.asarray(resolution, dtype=float), lv.shape)
        except ValueError as problem:
            return _failed(problem)
        difference = self._difference(lv, rv)
        excess = difference - e
        worst = int(np.argmax(excess))
        verdict: PartVerdict = "violated" if excess.flat[worst] > 0 else "holds"
        message = ""
        if np.any(e > limit):
            at = int(np.argmax(e - limit))
            verdict, message = (
                "undecided",
                f"error bound {e.flat[at]:.3g} exceeds the resolution {limit.flat[at]:.3g}",
            )
        slack, tightness = self._tightness(lv, rv, floor)
        return Outcome(
            verdict,
            violation=float(difference.max()),
            excess=float(excess.flat[worst]),
            error=float(e.max()),
            slack=slack,
            tightness=tightness,
            degenerate=bool(max(np.abs(lv).max(), np.abs(rv).max()) <= floor),
            left=lv,
            right=rv,
            message=message,
        )

    def _difference(self, left: FloatArray, right: FloatArray) -> FloatArray:
        raise TypeError("use one of the public relations")

    def _tightness(
        self, left: FloatArray, right: FloatArray, floor: float
    ) -> tuple[float | None, float | None]:
        return None, None


@dataclass(frozen=True)
class Equal(_TwoSided):
    """``left == right``; the two sides are the two routes.

    Parameters
    ----------
    left, right : callable
        From an instance to a :class:`Side`.
    """

    def _difference(self, left: FloatArray, right: FloatArray) -> FloatArray:
        return np.asarray(np.abs(left - right))


@dataclass(frozen=True)
class AtMost(_TwoSided):
    """``left <= right``, elementwise.

    Parameters
    ----------
    left, right : callable
        From an instance to a :class:`Side`.
    """

    def _difference(self, left: FloatArray, right: FloatArray) -> FloatArray:
        return np.asarray(left - right)

    def _tightness(
        self, left: FloatArray, right: FloatArray, floor: float
    ) -> tuple[float | None, float | None]:
        counted = right > floor  # where both sides vanish, rounding makes the ratio anything
        ratio = float(np.max(left[counted] / right[counted])) if np.any(counted) else None
        return float(np.min(right - left)), ratio


@dataclass(frozen=True)
class AtLeast(AtMost):
    """``left >= right``, elementwise.

    Parameters
    ----------
    left, right : callable
        From an instance to a :class:`Side`.
    """

    def _difference(self, left: FloatArray, right: FloatArray) -> FloatArray:
        return np.asarray(right - left)

    def _tightness(
        self, left: FloatArray, right: FloatArray, floor: float
    ) -> tuple[float | None, float | None]:
        return super()._tightness(right, left, floor)


@dataclass(frozen=True)
class Separates(_TwoSided):
    """The sides differ by at least ``margin`` somewhere: an *exists* statement on named witnesses.

    Parameters
    ----------
    left, right : callable
        From an instance to a :class:`Side`.
    margin : float
        Least difference, positive.
    """

    margin: float = 0.0

    def compare(self, left: Side, right: Side, *, resolution: ArrayLike, floor: float) -> Outcome:
        """Turn two sides into an outcome: holds iff the largest difference exceeds the margin by more than ``e``.

        Parameters
        ----------
        left, right : Side
            The two sides.
        resolution : array_like
            Largest sum of error bounds that is accepted.
        floor : float
            Largest size of a side that counts as vanishing.

        Returns
        -------
        Outcome
        """
        try:
            lv, rv, e = _pair(left, right)
        except ValueError as problem:
            return _failed(problem)
        distance = np.abs(lv - rv)
        at = int(np.argmax(distance - e))
        short = self.margin - float((distance - e).flat[at])
        undecided = bool(np.any(e > np.asarray(resolution, dtype=float)))
        return Outcome(
            "undecided" if undecided else ("violated" if short > 0 else "holds"),
            violation=self.margin - float(distance.flat[at]),
            excess=short,
            error=float(e.max()),
            slack=float(distance.flat[at]) - self.margin,
            left=lv,
            right=rv,
            message="error bound exceeds the resolution" if undecided else "",
        )


@dataclass(frozen=True)
class Rate(_TwoSided):
    """``max|left_n - right|`` falls with ``parameter_n`` at a rate inside ``window``: never certified.

    The left side has shape ``(n, ...)``, one entry a refinement; the right side is the limit, shape ``(...)``.  The
    slope of log error against log parameter between successive refinements must lie in the window, for each pair.

    Parameters
    ----------
    left, right : callable
        From an instance to a :class:`Side`.
    parameter : callable
        From an instance to the refinements, shape ``(n,)``, positive.
    order : float
        The slope that the statement names.
    window : tuple of float
        Smallest and largest accepted slope.
    """

    parameter: Callable[[Any], FloatArray] = lambda instance: np.empty(0)
    order: float = 1.0
    window: tuple[float, float] = (0.9, 1.1)

    def slopes(self, left: Side, right: Side, parameter: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Slopes between successive refinements, and bounds on their error.

        Parameters
        ----------
        left, right : Side
            The refined numbers ``(n, ...)`` and their limit ``(...)``.
        parameter : ndarray, shape (n,)
            The refinements.

        Returns
        -------
        slopes, errors : ndarray, shape (n - 1,)

        Raises
        ------
        ValueError
            If the shapes do not fit or an error is not above its own error bound.
        """
        (lv, le), (rv, re) = _numbers(left, "left"), _numbers(right, "right")
        if lv.shape[1:] != rv.shape or lv.shape[0] != parameter.size or parameter.size < 2:
            raise ValueError(
                f"a rate needs sides of shape (n, ...) and (...), n >= 2, got {lv.shape} and {rv.shape}"
            )
        flat = (parameter.size, -1)
        distance = np.abs(lv - rv).reshape(flat).max(axis=1)
        uncertainty = (le + re).reshape(flat).max(axis=1)
        if np.any(distance <= uncertainty):
            raise ValueError("an error of the rate is not above its own error bound: the slope is undefined")
        gauge = np.abs(np.diff(np.log(parameter)))
        relative = -np.log1p(-uncertainty / distance)
        return np.diff(np.log(distance)) / np.diff(np.log(parameter)), (relative[1:] + relative[:-1]) / gauge

    def compare_rate(
        self, left: Side, right: Side, parameter: FloatArray, *, resolution: ArrayLike
    ) -> Outcome:
        """Turn two sides into an outcome: each slope inside the window, within its own error bound.

        Parameters
        ----------
        left, right : Side
            The refined numbers and their limit.
        parameter : ndarray, shape (n,)
            The refinements.
        resolution : array_like
            Largest error of a slope that is accepted.

        Returns
        -------
        Outcome
            ``left`` holds the slopes.
        """
        try:
            slopes, e = self.slopes(left, right, np.asarray(parameter, dtype=float))
        except ValueError as problem:
            return _failed(problem)
        low, high = self.window
        outside = np.maximum(low - slopes, slopes - high)
        undecided = bool(np.any(e > np.asarray(resolution, dtype=float)))
        excess = float(np.max(outside - e))
        return Outcome(
            "undecided" if undecided else ("violated" if excess > 0 else "holds"),
            violation=float(outside.max()),
            excess=excess,
            error=float(e.max()),
            slack=float(-outside.max()),
            left=slopes,
            right=np.full(slopes.shape, self.order),
            message="error bound of a slope exceeds the resolution" if undecided else "",
        )


Relation: TypeAlias = Equal | AtMost | AtLeast | Separates | Rate
