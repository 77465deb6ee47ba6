"""Exact routes: what floats with error bounds found to hold is *certified* where exact arithmetic proves it.

An equality is certified by identical rationals, or by balls that enclose the difference of both sides below 1e-30; an
inequality by rationals or disjoint balls.  Balls that overlap prove nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np

__all__ = ["CLOSE", "ExactSide", "Proof", "prove"]

ExactSide: TypeAlias = Callable[[Any], Any]
"""From an instance to rationals or balls of :mod:`mdplab.exact`, a number or an object array."""

Proof: TypeAlias = Literal["holds", "violated", "open"]

CLOSE = 1e-30
"""Balls that enclose a difference below this certify an equality."""


def prove(kind: str, left: Any, right: Any) -> Proof:
    """What exact arithmetic says about two sides.

    Parameters
    ----------
    kind : {"Equal", "AtMost", "AtLeast"}
        The relation, entry by entry.
    left, right : object
        Rationals or balls of one shape.

    Returns
    -------
    {"holds", "violated", "open"}
        Violated if an entry surely is, holds if all entries surely do.

    Raises
    ------
    ValueError
        If the sides have different shapes or are empty, or the relation is another.
    """
    from mdplab.exact import distance, rational, surely_above, surely_at_most

    left, right = (np.asarray(rational(side), dtype=object) for side in (left, right))
    if left.shape != right.shape or not left.size:
        raise ValueError(
            f"the exact sides have the shapes {left.shape} and {right.shape}, expected one and not empty"
        )
    if kind == "AtLeast":
        left, right = right, left
    elif kind not in ("AtMost", "Equal"):
        raise ValueError(f"a {kind} has no exact routes")
    if surely_above(left, right).any() or (kind == "Equal" and surely_above(right, left).any()):
        return "violated"
    if kind == "Equal":
        return "holds" if bool(np.all(distance(left, right) < CLOSE)) else "open"
    return "holds" if bool(surely_at_most(left, right).all()) else "open"
