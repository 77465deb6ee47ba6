r"""A conjecture: an inequality or an equality about an instance, and how far an instance is from breaking it.

The *score* of an instance is scale-free: with the sides :math:`l\le r`, their error bound :math:`e` and
:math:`m=\max(|l|,|r|)`, it is the largest :math:`(l-r-e)/m` over the entries with :math:`m` above the floor.  It is positive
iff the instance breaks the conjecture beyond its error bounds, and 0 where the conjecture is tight; where both sides
vanish it says nothing, because rounding would decide.  The *tightness* is one plus the score, for positive sides the
ratio :math:`l/r`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from mdplab._typing import Array, FloatArray
from mdplab.claims.certify import ExactSide, prove
from mdplab.claims.claim import Claim
from mdplab.claims.evaluate import inside
from mdplab.claims.instance_data import fresh
from mdplab.claims.part import Part
from mdplab.claims.relations import AtLeast, AtMost, Equal, Relation
from mdplab.claims.sides import Outcome, Side, Undecided

__all__ = ["Conjecture", "Kind", "Measured", "as_conjecture", "of_part"]

Kind = Literal["at most", "at least", "equal"]
Sides = Callable[[Any], tuple[Any, Any]]

UNSTATED = (1e-9, 1e-14)
"""Relative and absolute error that are taken for a side that states none."""

_ANY_ERROR = 1e300
_SIGNS = {"at most": "<=", "at least": ">=", "equal": "=="}


def _always(instance: Any) -> bool:
    return True


@dataclass(frozen=True, eq=False)
class Conjecture:
    """A statement ``left <= right`` (or ``>=``, ``==``) for all instances of a family.

    Parameters
    ----------
    sides : callable
        From an instance to the pair ``(left, right)``: numbers or arrays of one shape, or :class:`~mdplab.claims.Side` with
        their error bounds.  Sides without bounds are taken to err by ``1e-9`` of their size and ``1e-14``.
    kind : {"at most", "at least", "equal"}
        The relation, entry by entry.
    name : str
        By default the name of ``sides``.
    assumes : callable
        Tests an instance against the assumptions; instances outside are skipped.
    exact : callable, optional
        From an instance to the pair of sides in exact arithmetic: rationals, or balls whose comparisons are certain
        (:mod:`mdplab.exact`).  What the floats find broken is then believed only if these confirm it.
    floor : float
        Entries whose sides are both at most this large say nothing.
    stacked : tuple of callables, optional
        ``(raw, sides)`` for many instances at once: ``raw`` asks its draw what the family asks, in the same order, and
        returns its arrays, which then have an axis of instances in front; ``sides`` turns them into two arrays of shape
        ``(B,)`` or ``(B, ...)``.

    Raises
    ------
    ValueError
        If the kind is unknown or the floor is not positive.
    """

    sides: Sides
    kind: Kind = "at most"
    name: str = ""
    assumes: Callable[[Any], bool] = _always
    exact: Sides | None = None
    floor: float = 1e-8
    stacked: tuple[Callable[[Any], Any], Sides] | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"kind is {self.kind!r}, expected one of {get_args(Kind)}")
        if not (math.isfinite(self.floor) and self.floor > 0):
            raise ValueError(f"floor is {self.floor!r}, expected a positive number")
        if not self.name:
            inner = getattr(self.sides, "func", self.sides)
            object.__setattr__(self, "name", getattr(inner, "__name__", type(inner).__name__))

    @property
    def statement(self) -> str:
        """The relation in a word: ``left <= right``."""
        return f"left {_SIGNS[self.kind]} right"

    def check(self, instance: Any) -> Outcome:
        """Compare both sides on an instance.

        Parameters
        ----------
        instance : object
            An instance of the family.

        Returns
        -------
        Outcome
            Its verdict is ``"violated"`` where the instance breaks the conjecture beyond the error bounds.
        """
        try:
            with np.errstate(all="ignore"):  # what is not a number is judged below
                pair = self.sides(instance)
            left, right = (side if isinstance(side, Side) else _unstated(side) for side in _pair(pair))
        except Undecided as reason:
            return Outcome("undecided", message=str(reason))
        return _COMPARED[self.kind].compare(left, right, resolution=_ANY_ERROR, floor=self.floor)

    def measure(self, instance: Any) -> Measured:
        """Both sides on an instance, and how far it is from breaking the conjecture.

        Parameters
        ----------
        instance : object
            An instance of the family.

        Returns
        -------
        Measured

        Raises
        ------
        Undecided
            If a solver did not converge.
        ValueError
            If a side is not a number, or both have different shapes.
        """
        with np.errstate(all="ignore"):  # what is not a number is refused below
            sides = _pair(self.sides(instance))
        (left, left_error), (right, right_error) = (
            _numbers(side, name) for side, name in zip(sides, ("left", "right"), strict=True)
        )
        if left.shape != right.shape:
            raise ValueError(f"the sides have different shapes: left {left.shape}, right {right.shape}")
        score = float(self.scores(left, right, left_error + right_error).max())
        return Measured(left, right, score, all(isinstance(side, Side) for side in sides))

    def scores(self, left: Array, right: Array, error: Any = 0.0) -> Array:
        """Scores of all entries, in [-2, 2]; ``-inf`` where both sides are at most the floor, or one is infinite."""
        small, large = (right, left) if self.kind == "at least" else (left, right)
        size = np.maximum(np.abs(small), np.abs(large))
        counts = (size > self.floor) & (size < np.inf)
        if not counts.all():
            small, large, error = (np.where(counts, x, 0.0) for x in (small, large, error))
            size = np.where(counts, size, 1.0)
        gap = np.abs(small - large) if self.kind == "equal" else small - large
        return np.where(counts, (gap - error) / size, -np.inf)

    def surely_violated(self, instance: Any) -> bool | None:
        """What exact arithmetic says of an instance.

        Parameters
        ----------
        instance : object
            An instance of the family.

        Returns
        -------
        bool or None
            True or False where it is certain, None where balls overlap.

        Raises
        ------
        ValueError
            If the conjecture has no exact sides, or they have different shapes.
        """
        if self.exact is None:
            raise ValueError(f"conjecture {self.name!r} has no exact sides")
        proof = prove(_RELATIONS[self.kind].__name__, *self.exact(instance))
        return None if proof == "open" else proof == "violated"


def _pair(answer: Any) -> tuple[Any, Any]:
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise ValueError(f"the sides are {type(answer).__name__}, expected a pair (left, right)")
    return answer


class Measured(NamedTuple):
    """What a conjecture gives on an instance.

    Attributes
    ----------
    left, right : ndarray
        The two sides.
    score : float
        See the module; ``-inf`` where nothing can be said.
    stated : bool
        Whether both sides state a bound on their error.
    """

    left: FloatArray
    right: FloatArray
    score: float
    stated: bool


def _numbers(side: Any, name: str) -> tuple[FloatArray, FloatArray]:
    """Value and error bound of a side; a ValueError where it is not a number."""
    if not isinstance(side, Side):
        side = _unstated(side)
    value = np.asarray(side.value, dtype=float)
    if not value.size:
        raise ValueError(f"the {name} side is empty")
    good = np.isfinite(value)
    if not good.all() and not (side.infinities and not np.isnan(value).any()):
        raise ValueError(f"the {name} side is {value[~good][0]}")
    return value, np.asarray(side.error, dtype=float)


def _unstated(side: Any) -> Side:
    value = np.asarray(side, dtype=float)
    size = np.abs(value)
    infinite = not bool((size < np.inf).all())
    if infinite:
        size = np.where(size < np.inf, size, 0.0)
    return Side(value, UNSTATED[0] * size + UNSTATED[1], infinities=infinite)


def _left(instance: Any) -> Side:
    return Side(instance)


def _right(instance: Any) -> Side:
    return Side(instance)


_RELATIONS: dict[str, type[Equal | AtMost | AtLeast]] = {
    "at most": AtMost,
    "at least": AtLeast,
    "equal": Equal,
}
_COMPARED = {kind: relation(_left, _right) for kind, relation in _RELATIONS.items()}


def _kind(relation: Relation) -> Kind:
    for kind in get_args(Kind):
        if isinstance(relation, _RELATIONS[kind]):
            return kind  # type: ignore[no-any-return]
    raise TypeError(
        f"a {type(relation).__name__} says nothing of a single instance: only AtMost, AtLeast and Equal can be falsified"
    )


def as_conjecture(statement: Conjecture | Relation | Sides) -> Conjecture:
    """A conjecture from what :func:`mdplab.falsify` takes.

    Parameters
    ----------
    statement : Conjecture, AtMost, AtLeast, Equal or callable
        A callable returns the pair ``(left, right)`` of ``left <= right``.

    Returns
    -------
    Conjecture

    Raises
    ------
    TypeError
        If it is something else, or a relation that is no statement about a single instance.
    """
    if isinstance(statement, Conjecture):
        return statement
    if isinstance(statement, get_args(Relation)):
        kind = _kind(statement)
        name = getattr(getattr(statement.left, "func", statement.left), "__name__", "conjecture")
        return Conjecture(_Routes(statement), kind, name=name)
    if callable(statement):
        return Conjecture(statement)
    raise TypeError(
        f"conjecture is a {type(statement).__name__}, expected a Conjecture, a relation or a function"
    )


@dataclass(frozen=True)
class _Routes:
    """The two routes of a relation as one function."""

    relation: Relation

    def __call__(self, instance: Any) -> tuple[Any, Any]:
        return self.relation.left(instance), self.relation.right(instance)


@dataclass(frozen=True, eq=False)
class _PartSides:
    """The two routes of a part on a fresh copy of the instance."""

    part: Part

    def __call__(self, instance: Any) -> tuple[Any, Any]:
        instance = fresh(instance)
        return self.part.relation.left(instance), self.part.relation.right(instance)


@dataclass(frozen=True)
class _ExactSides:
    """Both exact routes of a part as one function."""

    left: ExactSide
    right: ExactSide

    def __call__(self, instance: Any) -> tuple[Any, Any]:
        instance = fresh(instance)
        return self.left(instance), self.right(instance)


def of_part(claim: Claim, part: Part, *, without: str = "") -> Conjecture:
    """A part of a claim as a conjecture about the instances inside its assumptions.

    Parameters
    ----------
    claim : Claim
        The claim.
    part : Part
        One of its parts, or the relation of one of its readings.
    without : str
        Name of an assumption that is dropped: then only instances on which it is false are taken, as far as it can be
        tested.

    Returns
    -------
    Conjecture

    Raises
    ------
    TypeError
        If the relation is no statement about a single instance.
    """
    return Conjecture(
        _PartSides(part),
        _kind(part.relation),
        name=f"{claim.id} {part.name}",
        assumes=partial(_inside, claim, part, without),
        exact=None if isinstance(part.exact, str) else _ExactSides(*part.exact),
        floor=part.floor,
    )


def _inside(claim: Claim, part: Part, without: str, instance: Any) -> bool:
    if not inside(claim, part, instance, without=without):
        return False
    dropped = next((a.predicate for a in claim.assumptions if a.name == without), None)
    return dropped is None or not dropped(instance)
