"""Parts of a claim, the controls that must fail, known values, and false readings.

Declarations only: nothing is computed before a check asks for it.  What can be wrong with a declaration is refused here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from numpy.typing import ArrayLike

from mdplab.claims.certify import ExactSide
from mdplab.claims.relations import AtLeast, AtMost, Equal, Relation, Separates
from mdplab.claims.sides import Outcome, SideFunction
from mdplab.instances.draw import Draw

if TYPE_CHECKING:
    from mdplab.claims.claim import Claim

__all__ = [
    "Control",
    "ControlKind",
    "InstanceFamily",
    "Known",
    "Part",
    "Quantifier",
    "Reading",
    "describe",
    "routes",
]

InstanceFamily: TypeAlias = Callable[[Draw], Any]
ControlKind: TypeAlias = Literal["mutation", "constant", "assumption"]
Quantifier: TypeAlias = Literal["for_all", "exists", "limit"]
SideName: TypeAlias = Literal["left", "right"]
Measure: TypeAlias = Callable[[Outcome], ArrayLike]


@dataclass(frozen=True)
class Known:
    """A printed number (or several) to be reproduced.

    Parameters
    ----------
    name : str
        What the numbers are.
    printed : str
        The numbers as printed, separated by white space; each passes within half a unit of its last digit.
    computed : array_like
        The same numbers, computed, in the same order.
    error : float
        Bound on the error of the computed numbers, added to the half unit.

    Raises
    ------
    ValueError
        If nothing is printed.
    """

    name: str
    printed: str
    computed: ArrayLike
    error: float = 0.0

    def __post_init__(self) -> None:
        if not self.printed.split():
            raise ValueError(f"known value {self.name!r}: printed is empty")


@dataclass(frozen=True, eq=False)
class Control:
    """One changed thing under which a part must be violated.

    Attributes
    ----------
    name : str
        What was changed.
    kind : {"mutation", "constant", "assumption"}
        A term of the formula, a constant, or a dropped assumption.
    part : Part
        The part that the control runs through.
    instance : object
        The named instance on which it runs.
    left, right : callable or None
        Side that replaces the part's own.
    specified : str
        Printed number(s) that ``measure`` must reproduce; empty where none is printed.
    measure : callable
        From the outcome to the printed number(s); by default the violation.
    drops : str
        Name of the assumption that is dropped (kind ``"assumption"``).
    """

    name: str
    kind: ControlKind
    part: Part
    instance: Any
    left: SideFunction | None
    right: SideFunction | None
    specified: str
    measure: Measure
    drops: str


def violation_of(outcome: Outcome) -> ArrayLike:
    """The default measure of a control: the largest violation.

    Parameters
    ----------
    outcome : Outcome
        Of the changed part.

    Returns
    -------
    float
    """
    return outcome.violation


@dataclass(eq=False)
class Part:
    """One named statement of a claim: a relation between two routes.

    Attributes
    ----------
    name : str
        The name in the statement: ``"(i)"``, ``"(a)"``, ...
    text : str
        The statement in one line (markdown with formulas).
    relation : Relation
        The two routes and how they compare.
    resolution : float or callable
        Largest sum of error bounds that the part accepts; may depend on the instance.
    reason : str
        Where the resolution comes from.
    quantifier : {"for_all", "exists", "limit"}
        Random instances and witnesses, or witnesses alone (``exists``).
    family : callable or None
        Instance family of this part, by default the claim's.
    witnesses : tuple or None
        Named instances of this part, by default the claim's.
    instances : int or None
        Number of random instances, by default the claim's.
    floor : float
        A side counts as non-degenerate above it.
    assumes : tuple of str or None
        Names of the assumptions the part needs, by default all.
    cross_left, cross_right : callable or None
        A second route to a side of an inequality.
    closed : tuple of {"left", "right"}
        Sides of an inequality that are closed forms and need no second route.
    specified_tightness : str
        Tightest ratio that the source of the claim reports, as printed.
    shared : mapping
        Solvers that both routes enter by declaration: name to the reason why that is no circle.
    exact : tuple of callables or str
        Both sides in exact arithmetic (:mod:`mdplab.exact`), by different routes where the sides are no closed forms; or
        why the part has no exact routes.
    controls : list of Control
        Changes under which the part must be violated.

    Raises
    ------
    ValueError
        If the quantifier is unknown, a side of an inequality is neither closed nor crossed, or another relation than an
        inequality has a second route.
    """

    name: str
    text: str
    relation: Relation
    resolution: ArrayLike | Callable[[Any], ArrayLike]
    reason: str
    quantifier: Quantifier = "for_all"
    family: InstanceFamily | None = None
    witnesses: tuple[Any, ...] | None = None
    instances: int | None = None
    floor: float = 1e-8
    assumes: tuple[str, ...] | None = None
    cross_left: SideFunction | None = None
    cross_right: SideFunction | None = None
    closed: tuple[SideName, ...] = ()
    specified_tightness: str = ""
    shared: Mapping[str, str] = field(default_factory=dict)
    exact: tuple[ExactSide, ExactSide] | str = "no exact route is declared"
    controls: list[Control] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.quantifier not in get_args(Quantifier):
            raise ValueError(
                f"part {self.name!r}: quantifier {self.quantifier!r}, expected one of {get_args(Quantifier)}"
            )
        if isinstance(self.relation, Separates) and self.quantifier != "exists":
            raise ValueError(f"part {self.name!r}: a separation is an 'exists' statement on named witnesses")
        if not isinstance(self.exact, str) and not isinstance(self.relation, (Equal, AtMost, AtLeast)):
            raise ValueError(f"part {self.name!r}: a {type(self.relation).__name__} has no exact routes")
        crossed = {"left": self.cross_left, "right": self.cross_right}
        if isinstance(self.relation, (AtMost, AtLeast)):
            for side, route in crossed.items():
                if (route is None) == (side not in self.closed):
                    raise ValueError(
                        f"part {self.name!r}: the {side} side of an inequality needs a second route (cross_{side}=) or, "
                        f"if it is a closed form, closed=({side!r},); exactly one of the two"
                    )
        elif self.closed or any(route is not None for route in crossed.values()):
            raise ValueError(f"part {self.name!r}: only inequalities have second routes or closed sides")

    def evaluate(
        self,
        instance: Any,
        *,
        left: SideFunction | None = None,
        right: SideFunction | None = None,
        cross_checked: bool = True,
    ) -> Outcome:
        """Compute both sides on an instance and compare them.

        Parameters
        ----------
        instance : object
            One instance of the family.
        left, right : callable, optional
            Sides that replace the part's own (controls, tests).
        cross_checked : bool
            Whether the second routes of an inequality must agree with the sides they belong to.

        Returns
        -------
        Outcome
            A disagreement of two routes to one side is a violation whose message says so.
        """
        limit = self.resolution(instance) if callable(self.resolution) else self.resolution
        lhs, rhs = (left or self.relation.left)(instance), (right or self.relation.right)(instance)
        outcome = self.relation.compare(lhs, rhs, resolution=limit, floor=self.floor, instance=instance)
        if outcome.verdict != "holds" or not cross_checked:
            return outcome
        for side, given, other in (("left", lhs, self.cross_left), ("right", rhs, self.cross_right)):
            if other is None or (left if side == "left" else right) is not None:
                continue
            check = Equal(self.relation.left, other).compare(
                given, other(instance), resolution=limit, floor=self.floor
            )
            if check.verdict != "holds":
                return replace(check, message=f"the two routes of the {side} side disagree: {check.message}")
        return outcome

    def control(
        self,
        name: str,
        *,
        kind: ControlKind,
        instance: Any,
        left: SideFunction | None = None,
        right: SideFunction | None = None,
        both: str = "",
        specified: str = "",
        measure: Measure = violation_of,
        drops: str = "",
    ) -> Control:
        """Add a negative control to this part.

        Parameters
        ----------
        name : str
            What is changed.
        kind : {"mutation", "constant", "assumption"}
            What sort of thing it is.
        instance : object
            Named instance on which the changed part must be violated and (unless an assumption is dropped) the
            unchanged part must hold.
        left, right : callable, optional
            The changed side; required unless an assumption is dropped.
        both : str
            Why one change shows on both sides; required where both are replaced.
        specified : str
            Printed number(s) of the control.
        measure : callable
            From the outcome to the printed number(s); the violation by default.
        drops : str
            Name of the dropped assumption.  Its predicate must be false on the instance; where it has none, a side must
            be replaced, and the unchanged part must hold.

        Returns
        -------
        Control

        Raises
        ------
        ValueError
            If nothing is changed, both sides without a reason, the name is taken, or ``drops`` and ``kind`` do not go
            together.
        """
        if kind not in get_args(ControlKind):
            raise ValueError(f"control {name!r}: kind {kind!r}, expected one of {get_args(ControlKind)}")
        if (kind == "assumption") != bool(drops):
            raise ValueError(f"control {name!r}: kind 'assumption' and drops= go together")
        if kind != "assumption" and left is None and right is None:
            raise ValueError(f"control {name!r} changes nothing: give left= or right=")
        if (left is not None and right is not None) != bool(both):
            raise ValueError(
                f"control {name!r}: both= says why one change shows on both sides, and only then"
            )
        if any(control.name == name for control in self.controls):
            raise ValueError(f"control {name!r} is declared twice")
        made = Control(name, kind, self, instance, left, right, specified, measure, drops)
        self.controls.append(made)
        return made


@dataclass(frozen=True, eq=False)
class Reading:
    """A false reading of a claim: expected to be refuted by its counterexamples.

    Attributes
    ----------
    claim : Claim
        The claim it misreads.
    suffix : str
        The record's id is ``<claim id>.<suffix>``.
    title, statement : str
        What the reading says.
    part : Part
        The reading as a relation; its witnesses are the counterexamples, each inside the assumptions that it names.
    repair : Part
        The part of the claim that corrects it and must hold on the same instances.
    specified : str
        Printed number(s) that ``measure`` must reproduce on the first counterexample.
    measure : callable
        From the outcome to the printed number(s).
    repair_instances : tuple
        The counterexamples in the form that the repair takes, one each.
    """

    claim: Claim
    suffix: str
    title: str
    statement: str
    part: Part
    repair: Part
    specified: str
    measure: Measure
    repair_instances: tuple[Any, ...]

    @property
    def id(self) -> str:
        """Identifier of the record."""
        return f"{self.claim.id}.{self.suffix}"

    @property
    def family(self) -> str:
        """Family of the claim."""
        return self.claim.family

    @property
    def papers(self) -> tuple[str, ...]:
        """Papers of the claim."""
        return self.claim.papers

    @property
    def expect(self) -> Literal["refuted"]:
        """A reading is expected to be refuted."""
        return "refuted"


KnownValues: TypeAlias = Callable[[Any], Iterator[Known]]


def describe(route: Callable[..., Any]) -> str:
    """First line of a route's docstring, or its name.

    Parameters
    ----------
    route : callable
        A side; a ``functools.partial`` is described by its function.

    Returns
    -------
    str
    """
    inner = getattr(route, "func", route)  # functools.partial
    text = (inner.__doc__ or "").strip()
    return text.splitlines()[0].rstrip(".") if text else getattr(inner, "__name__", "route").replace("_", " ")


def routes(part: Part) -> list[SideFunction]:
    """The routes of a part: left, right, then the second routes of an inequality.

    Parameters
    ----------
    part : Part
        The part.

    Returns
    -------
    list of callable
    """
    found = [part.relation.left, part.relation.right, part.cross_left, part.cross_right]
    return [route for route in found if route is not None]
