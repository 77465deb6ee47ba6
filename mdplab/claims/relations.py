"""Relations between two sides, and the rule that turns two numbers with error bounds into a verdict.

Each side of a relation is a function of an instance that returns a :class:`~mdplab.claims.sides.Side`: numbers
together with a bound on their error.  With ``e`` the sum of both bounds and ``resolution`` the largest ``e`` that a part accepts,

* ``e > resolution`` is *undecided*: the solvers were not accurate enough to tell;
* ``Equal`` is *violated* iff ``|l - r| > e``, ``AtMost`` iff ``l - r > e`` (elementwise); all else *holds*;
* NaN, infinities that the statement does not have, empty arrays and sides of different shape are an *error*, never
  *holds*.

Every comparison is written so that a NaN anywhere cannot come out as *holds*.  The sides stay functions until the
check runs, so that a control can replace one of them and a test can disturb it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.claims.sides import (
    Outcome,
    Side,
    SideFunction,
    Verdict,
    accepted_errors,
    entry_text,
    failed,
    judge,
    largest_share,
    numbers,
)

__all__ = ["AtLeast", "AtMost", "Equal", "Rate", "Relation", "Separates"]


@dataclass(frozen=True)
class _TwoRoutes:
    """Two routes; what the relations share."""

    left: SideFunction
    right: SideFunction

    def __post_init__(self) -> None:
        if self.left is self.right:
            raise ValueError("a relation needs two routes: left and right are one function")

    def _difference(self, left: FloatArray, right: FloatArray) -> FloatArray:
        """How far each entry is from satisfying the relation; at most 0 where it does."""
        return np.asarray(left - right)

    def _tightness(
        self, left: FloatArray, right: FloatArray, floor: float
    ) -> tuple[float | None, float | None]:
        return None, None

    def compare(
        self, left: Side, right: Side, *, resolution: ArrayLike, floor: float = 1e-8, instance: Any = None
    ) -> Outcome:
        """Turn two sides into an outcome by the rule of the module.

        Parameters
        ----------
        left, right : Side
            The two sides.
        resolution : array_like
            Largest sum of error bounds that is accepted, finite.
        floor : float
            Largest size of a side that counts as vanishing.
        instance : object
            The instance (a rate asks it for its refinements).

        Returns
        -------
        Outcome
        """
        try:
            (lv, le), (rv, re) = numbers(left, "left"), numbers(right, "right")
            if lv.shape != rv.shape:
                raise ValueError(f"the sides have different shapes: left {lv.shape}, right {rv.shape}")
            limit = accepted_errors(resolution, lv.shape)
        except ValueError as problem:
            return failed(problem)
        e = np.asarray(le + re)
        with np.errstate(invalid="ignore"):  # inf - inf is repaired in the next line
            difference = np.where(lv == rv, 0.0, self._difference(lv, rv))
        excess = difference - e
        verdict, message = judge(excess, e, limit, lv, rv)
        slack, tightness = self._tightness(lv, rv, floor)
        return Outcome(
            verdict,
            violation=float(difference.max()),
            excess=float(excess.max()),
            error=float(e.max()),
            resolution=float(limit.min()),
            share=largest_share(e, limit),
            slack=slack,
            tightness=tightness,
            degenerate=bool(max(np.abs(lv).max(), np.abs(rv).max()) <= floor),
            left=lv,
            right=rv,
            message=message,
        )


@dataclass(frozen=True)
class Equal(_TwoRoutes):
    """``left == right``; the two sides are the two routes.

    Parameters
    ----------
    left, right : callable
        From an instance to a :class:`Side`.
    """

    def _difference(self, left: FloatArray, right: FloatArray) -> FloatArray:
        return np.asarray(np.abs(left - right))


def _slack_and_ratio(small: FloatArray, large: FloatArray, floor: float) -> tuple[float | None, float | None]:
    """Smallest slack, and largest ratio where the larger side does not vanish (there rounding makes it anything).

    A sign, zero on the smaller side, has no ratio.
    """
    counted = (large > floor) & np.isfinite(large)
    ratio = float(np.max(small[counted] / large[counted])) if np.any(small[counted]) else None
    finite = np.isfinite(small) & np.isfinite(large)
    return (float(np.min((large - small)[finite])) if np.any(finite) else None), ratio


@dataclass(frozen=True)
class AtMost(_TwoRoutes):
    """``left <= right``, elementwise.

    Parameters
    ----------
    left, right : callable
        From an instance to a :class:`Side`.
    """

    def _tightness(
        self, left: FloatArray, right: FloatArray, floor: float
    ) -> tuple[float | None, float | None]:
        return _slack_and_ratio(left, right, floor)


@dataclass(frozen=True)
class AtLeast(_TwoRoutes):
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
        return _slack_and_ratio(right, left, floor)


@dataclass(frozen=True)
class Separates(_TwoRoutes):
    """The sides differ by at least ``margin`` somewhere: an *exists* statement on named witnesses.

    It holds if some entry differs by the margin even after its error, is violated if none could, and is undecided
    between.

    Parameters
    ----------
    left, right : callable
        From an instance to a :class:`Side`.
    margin : float
        Least difference, positive.
    """

    margin: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.margin) and self.margin > 0):
            raise ValueError(f"margin must be a positive number, got {self.margin}")

    def compare(
        self, left: Side, right: Side, *, resolution: ArrayLike, floor: float = 1e-8, instance: Any = None
    ) -> Outcome:
        """Turn two sides into an outcome; see the class, and :meth:`Equal.compare` for the parameters."""
        outcome = Equal.compare(Equal(self.left, self.right), left, right, resolution=resolution, floor=floor)
        if outcome.verdict in ("error", "undecided"):
            return outcome
        lv, rv = outcome.left, outcome.right
        e = numbers(left, "left")[1] + numbers(right, "right")[1]
        distance = np.abs(lv - rv)
        surely, possibly = float((distance - e).max()), float((distance + e).max())
        verdict: Verdict = (
            "holds" if surely >= self.margin else "violated" if possibly < self.margin else "undecided"
        )
        return Outcome(
            verdict,
            violation=self.margin - float(distance.max()),
            excess=self.margin - possibly,
            error=outcome.error,
            resolution=outcome.resolution,
            share=outcome.share,
            slack=float(distance.max()) - self.margin,
            left=lv,
            right=rv,
            message="" if verdict == "holds" else entry_text(int(np.argmax(distance)), lv, rv, np.asarray(e)),
        )


@dataclass(frozen=True)
class Rate(_TwoRoutes):
    """``max|left_n - right|`` falls with ``parameter_n`` at a rate inside ``window``: never certified.

    The left side has shape ``(n, ...)``, one entry a refinement; the right side is the limit, shape ``(...)``.  The
    slope of log error against log parameter between successive refinements must lie in the window, for each pair.

    Parameters
    ----------
    left, right : callable
        From an instance to a :class:`Side`.
    parameter : callable
        From an instance to the refinements, shape ``(n,)``, positive, increasing or decreasing.
    window : tuple of float
        Smallest and largest accepted slope.
    """

    parameter: Callable[[Any], FloatArray]
    window: tuple[float, float]

    def __post_init__(self) -> None:
        super().__post_init__()
        low, high = self.window
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"window must be two finite numbers, the smaller first, got {self.window}")

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
            If the shapes do not fit, the refinements are not positive and monotone, or an error is not above its own
            error bound.
        """
        (lv, le), (rv, re) = numbers(left, "left"), numbers(right, "right")
        if lv.ndim == 0 or lv.shape[1:] != rv.shape or parameter.shape != lv.shape[:1] or parameter.size < 2:
            raise ValueError(
                f"a rate needs sides of shape (n, ...) and (...), n >= 2, got {lv.shape} and {rv.shape}"
            )
        steps = np.diff(parameter)
        if not (
            np.all(np.isfinite(parameter))
            and np.all(parameter > 0)
            and (np.all(steps > 0) or np.all(steps < 0))
        ):
            raise ValueError(f"the refinements of a rate must be positive and monotone, got {parameter}")
        flat = (parameter.size, -1)
        distance = np.abs(lv - rv).reshape(flat).max(axis=1)
        uncertainty = (le + re).reshape(flat).max(axis=1)
        if not np.all(distance > uncertainty):
            raise ValueError("an error of the rate is not above its own error bound: the slope is undefined")
        relative = -np.log1p(-uncertainty / distance)
        gauge = np.diff(np.log(parameter))
        return np.diff(np.log(distance)) / gauge, (relative[1:] + relative[:-1]) / np.abs(gauge)

    def compare(
        self, left: Side, right: Side, *, resolution: ArrayLike, floor: float = 1e-8, instance: Any = None
    ) -> Outcome:
        """Turn two sides into an outcome: each slope inside the window, within its own error bound.

        The parameters are those of :meth:`Equal.compare`; ``resolution`` bounds the error of a slope, and ``left`` of the
        outcome holds the slopes, ``right`` the nearer end of the window.
        """
        try:
            slopes, e = self.slopes(left, right, np.asarray(self.parameter(instance), dtype=float))
            limit = accepted_errors(resolution, slopes.shape)
        except ValueError as problem:
            return failed(problem)
        low, high = self.window
        outside = np.maximum(low - slopes, slopes - high)
        nearer = np.where(slopes - low < high - slopes, low, high)
        verdict, message = judge(outside - e, e, limit, slopes, nearer)
        return Outcome(
            verdict,
            violation=float(outside.max()),
            excess=float((outside - e).max()),
            error=float(e.max()),
            resolution=float(limit.min()),
            share=largest_share(e, limit),
            slack=float(-outside.max()),
            left=slopes,
            right=nearer,
            message=message,
        )


Relation: TypeAlias = Equal | AtMost | AtLeast | Separates | Rate
