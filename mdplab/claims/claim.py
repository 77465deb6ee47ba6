"""Claims: a theorem as a list of parts, each with two routes, and everything that shows the check can fail.

A :class:`Claim` states a theorem, its assumptions, an instance family, known values and a figure.  A :class:`Part`
holds one relation between two routes.  A :class:`Control` changes one named thing (a term, a constant, an assumption)
and must be seen as violated; undoing the change must hold.  A :class:`Reading` is a popular or printed statement that
is false: a record of its own, refuted by a counterexample on which the corrected statement holds.

The objects are declared at import; nothing is computed before a check asks for it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, TypeVar

from numpy.typing import ArrayLike

from mdplab.claims.registry import register
from mdplab.claims.relations import Equal, Outcome, Rate, Relation, Side, SideFunction
from mdplab.instances.draw import SeededDraw

__all__ = [
    "Assumption",
    "Claim",
    "Control",
    "ControlKind",
    "InstanceFamily",
    "Known",
    "Part",
    "Reading",
    "Record",
]

InstanceFamily: TypeAlias = Callable[[SeededDraw], Any]
ControlKind: TypeAlias = Literal["mutation", "constant", "assumption", "repair"]
Measure: TypeAlias = Callable[[Outcome], ArrayLike]
FigureFunction = TypeVar("FigureFunction", bound=Callable[..., None])

HARMLESS = "harmless as far as searched"
DEFINITIONAL = "definitional"


@dataclass(frozen=True)
class Assumption:
    """A named assumption of a claim.

    Parameters
    ----------
    name : str
        Its label in the statement, e.g. ``"A1"``.
    text : str
        What is assumed (markdown).
    carried_by : str
        Name of the control that drops it, or ``"harmless as far as searched"``, or ``"definitional"``.
    predicate : callable, optional
        Tests the assumption on an instance, where that is possible.
    """

    name: str
    text: str
    carried_by: str
    predicate: Callable[[Any], bool] | None = None


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
    """

    name: str
    printed: str
    computed: ArrayLike
    error: float = 0.0


@dataclass(frozen=True)
class Control:
    """One changed thing under which a part must be violated.

    Attributes
    ----------
    name : str
        What was changed.
    kind : {"mutation", "constant", "assumption", "repair"}
        A term of the formula, a constant, a dropped assumption; or (readings only) the corrected statement.
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
    left: SideFunction | None = None
    right: SideFunction | None = None
    specified: str = ""
    measure: Measure = lambda outcome: outcome.violation
    drops: str = ""


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
    witnesses : tuple
        Named instances of this part, by default the claim's.
    instances : int or None
        Number of random instances, by default the claim's.
    floor : float
        A side counts as non-degenerate above it.
    assumes : tuple of str or None
        Names of the assumptions the part needs, by default all.
    cross_left, cross_right : callable or None
        A second route to a side of an inequality.
    shared : mapping
        Solvers that both routes enter by declaration: name to the reason why that is no circle.
    exact : str
        Why the part has no exact route.
    controls : list of Control
    """

    name: str
    text: str
    relation: Relation
    resolution: ArrayLike | Callable[[Any], ArrayLike]
    reason: str
    quantifier: Literal["for_all", "exists", "limit"] = "for_all"
    family: InstanceFamily | None = None
    witnesses: tuple[Any, ...] | None = None
    instances: int | None = None
    floor: float = 1e-8
    assumes: tuple[str, ...] | None = None
    cross_left: SideFunction | None = None
    cross_right: SideFunction | None = None
    shared: Mapping[str, str] = field(default_factory=dict)
    exact: str = "no exact route is declared"
    controls: list[Control] = field(default_factory=list)

    def evaluate(
        self, instance: Any, *, left: SideFunction | None = None, right: SideFunction | None = None
    ) -> Outcome:
        """Compute both sides on an instance and compare them.

        Parameters
        ----------
        instance : object
            One instance of the family.
        left, right : callable, optional
            Sides that replace the part's own (controls, tests).

        Returns
        -------
        Outcome
        """
        relation = replace(self.relation, left=left or self.relation.left, right=right or self.relation.right)
        limit = self.resolution(instance) if callable(self.resolution) else self.resolution
        lhs, rhs = relation.left(instance), relation.right(instance)
        if isinstance(relation, Rate):
            return relation.compare_rate(lhs, rhs, relation.parameter(instance), resolution=limit)
        outcome = relation.compare(lhs, rhs, resolution=limit, floor=self.floor)
        if outcome.verdict != "holds":
            return outcome
        for side, given, other in (("left", lhs, self.cross_left), ("right", rhs, self.cross_right)):
            if other is None or (left if side == "left" else right) is not None:
                continue
            check = _AGREE.compare(given, other(instance), resolution=limit, floor=self.floor)
            if check.verdict != "holds":
                return replace(
                    check, message=f"the two routes of the {side} side disagree. {check.message}".strip()
                )
        return outcome

    def control(
        self,
        name: str,
        *,
        kind: Literal["mutation", "constant", "assumption"],
        instance: Any,
        left: SideFunction | None = None,
        right: SideFunction | None = None,
        specified: str = "",
        measure: Measure | None = None,
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
        specified : str
            Printed number(s) of the control.
        measure : callable, optional
            From the outcome to the printed number(s); the violation by default.
        drops : str
            Name of the dropped assumption; its predicate must be false on the instance.

        Returns
        -------
        Control

        Raises
        ------
        ValueError
            If nothing is changed, or ``drops`` and ``kind`` do not go together.
        """
        if (kind == "assumption") != bool(drops):
            raise ValueError(f"control {name!r}: kind 'assumption' and drops= go together")
        if kind != "assumption" and left is None and right is None:
            raise ValueError(f"control {name!r} changes nothing: give left= or right=")
        made = Control(name, kind, self, instance, left, right, specified, measure or _violation, drops)
        self.controls.append(made)
        return made


def _violation(outcome: Outcome) -> ArrayLike:
    return outcome.violation


def _unused(instance: Any) -> Side:
    raise AssertionError("placeholder side")


_AGREE = Equal(_unused, _unused)


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
        The reading as a relation; its witnesses are the counterexamples.
    repair : Part
        The part of the claim that corrects it and must hold on the same instances.
    specified : str
        Printed number(s) that ``measure`` must reproduce on the first counterexample.
    measure : callable
        From the outcome to the printed number(s).
    repair_instances : tuple
        The counterexamples in the form that the repair takes, where it differs.
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


class Claim:
    """A theorem with its parts, assumptions, instances, known values, controls and figure.

    Parameters
    ----------
    id : str
        Identifier: lower-case words joined by hyphens.
    title : str
        The statement in one line of plain words.
    papers : tuple of str
        Bibliography keys, the source first.
    statement : str
        The statement (markdown with ``$...$`` formulas).
    provenance : {"as in the paper", "our formalisation"}
        Whose statement it is.
    theorem : str or None
        Number or name of the theorem in the paper, if recorded.
    assumptions : tuple of Assumption
        Named assumptions.
    instance_family : callable
        Function of a draw that returns one instance (a frozen dataclass of raw data).
    witnesses : tuple
        Named instances on which every part is checked too.
    instances : int
        Number of random instances of each part.
    family : str, optional
        The family (folder) of the claim; by default the name of the package that declares it.

    Raises
    ------
    ValueError
        If the id is malformed, or two assumptions share a name.
    """

    def __init__(
        self,
        id: str,
        *,
        title: str,
        papers: tuple[str, ...],
        statement: str,
        provenance: Literal["as in the paper", "our formalisation"],
        assumptions: tuple[Assumption, ...],
        instance_family: InstanceFamily,
        theorem: str | None = None,
        witnesses: tuple[Any, ...] = (),
        instances: int = 100,
        family: str | None = None,
    ) -> None:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", id):
            raise ValueError(f"claim id {id!r}: expected lower-case words joined by hyphens")
        names = [assumption.name for assumption in assumptions]
        if len(set(names)) != len(names):
            raise ValueError(f"claim {id}: two assumptions share a name: {names}")
        if family is None:
            caller = inspect.stack()[1].frame.f_globals.get("__name__", "")
            family = caller.rpartition(".")[0].rpartition(".")[2] or caller
        self.id = id
        self.title = title
        self.papers = papers
        self.statement = inspect.cleandoc(statement)
        self.provenance = provenance
        self.theorem = theorem
        self.assumptions = assumptions
        self.instance_family = instance_family
        self.witnesses = witnesses
        self.instances = instances
        self.family = family
        self.parts: list[Part] = []
        self.readings: list[Reading] = []
        self.figure_function: Callable[..., None] | None = None
        self.figure_caption = ""
        self.figure_panels = 0
        self._known: list[tuple[Any, Callable[[Any], Iterator[Known]]]] = []
        register(self)

    expect: Literal["holds"] = "holds"

    def part(
        self,
        name: str,
        text: str,
        relation: Relation,
        *,
        resolution: ArrayLike | Callable[[Any], ArrayLike],
        reason: str,
        **options: Any,
    ) -> Part:
        """Add a part; see :class:`Part` for the options.

        Raises
        ------
        ValueError
            If the name is taken, or an ``exists`` part has no witnesses.
        """
        if any(part.name == name for part in self.parts):
            raise ValueError(f"claim {self.id}: part {name!r} is declared twice")
        made = Part(name, text, relation, resolution, reason, **options)
        if made.quantifier == "exists" and not (made.witnesses or self.witnesses):
            raise ValueError(f"claim {self.id}: part {name!r} says 'exists' but names no witness")
        self.parts.append(made)
        return made

    def known(self, instance: Any) -> Callable[[Callable[[Any], Iterator[Known]]], None]:
        """Declare known values: decorates a generator of :class:`Known` that takes the named instance."""

        def declare(values: Callable[[Any], Iterator[Known]]) -> None:
            self._known.append((instance, values))

        return declare

    @property
    def known_values(self) -> tuple[tuple[Any, Callable[[Any], Iterator[Known]]], ...]:
        """Named instances and the generators of their known values."""
        return tuple(self._known)

    def figure(self, caption: str, *, panels: int = 1) -> Callable[[FigureFunction], FigureFunction]:
        """Declare the figure: decorates a function that draws on a given axes (or on a list of ``panels`` axes)."""

        def declare(draw: FigureFunction) -> FigureFunction:
            self.figure_function, self.figure_caption, self.figure_panels = draw, caption, panels
            return draw

        return declare

    def reading(
        self,
        suffix: str,
        *,
        title: str,
        statement: str,
        relation: Relation,
        counterexamples: tuple[Any, ...],
        repair: Part,
        resolution: ArrayLike | Callable[[Any], ArrayLike],
        reason: str,
        specified: str = "",
        measure: Measure | None = None,
        repair_instances: tuple[Any, ...] | None = None,
        shared: Mapping[str, str] | None = None,
    ) -> Reading:
        """Add a false reading: a record ``<id>.<suffix>`` that must be refuted; see :class:`Reading`.

        Raises
        ------
        ValueError
            If no counterexample or no instance for the repair is given.
        """
        repaired = counterexamples if repair_instances is None else repair_instances
        if not counterexamples or not repaired:
            raise ValueError(
                f"reading {self.id}.{suffix}: a false reading needs a counterexample and a repair on it"
            )
        part = Part(
            suffix,
            title,
            relation,
            resolution,
            reason,
            quantifier="exists",
            witnesses=counterexamples,
            shared=shared or {},
        )
        made = Reading(
            self,
            suffix,
            title,
            inspect.cleandoc(statement),
            part,
            repair,
            specified,
            measure or _violation,
            repaired,
        )
        self.readings.append(made)
        return made

    @property
    def controls(self) -> tuple[Control, ...]:
        """All negative controls, part by part."""
        return tuple(control for part in self.parts for control in part.controls)

    def records(self) -> tuple[Record, ...]:
        """The claim and its false readings, in the order of the registry."""
        return (self, *self.readings)


Record: TypeAlias = Claim | Reading
