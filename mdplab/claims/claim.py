"""Claims: a theorem as a list of parts, each with two routes, and everything that shows the check can fail.

A :class:`Claim` states a theorem, its assumptions, an instance family, known values and a figure.  A part
(:mod:`mdplab.claims.part`) holds one relation between two routes.  A control changes one named thing (a term, a
constant, an assumption) and must be seen as violated; undoing the change must hold.  A false reading is a
statement near the theorem that is wrong: a record of its own, refuted by a counterexample on which the corrected statement holds.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

from numpy.typing import ArrayLike

from mdplab.claims.methods import Method
from mdplab.claims.part import Control, InstanceFamily, KnownValues, Measure, Part, Reading, violation_of
from mdplab.claims.registry import register
from mdplab.claims.relations import AtLeast, AtMost, Relation

__all__ = ["DEFINITIONAL", "HARMLESS", "Assumption", "Claim", "Record"]

FigureFunction = TypeVar("FigureFunction", bound=Callable[..., None])
Provenance: TypeAlias = Literal["as in the paper", "our formalisation"]

HARMLESS = "harmless as far as searched"
"""What carries an assumption without which no violation was found."""

DEFINITIONAL = "definitional"
"""What carries an assumption without which the statement has no meaning."""

_WORDS = r"[a-z0-9]+(-[a-z0-9]+)*"


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
        Name of the control that drops it, or ``HARMLESS``, or ``DEFINITIONAL``.
    predicate : callable, optional
        Tests the assumption on an instance, where that is possible; returns a boolean.
    wider : callable, optional
        Instance family in which the assumption need not hold, where the claim's family keeps it by construction.
    """

    name: str
    text: str
    carried_by: str
    predicate: Callable[[Any], bool] | None = None
    wider: InstanceFamily | None = None


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
    assumptions : tuple of Assumption
        Named assumptions.
    instance_family : callable
        Function of a draw that returns one instance (a frozen dataclass of raw data).
    theorem : str or None
        Number or name of the theorem in the paper, if recorded.
    witnesses : tuple
        Named instances on which every part is checked too.
    instances : int
        Number of random instances of each part.
    methods : tuple of Method
        Published methods that the claim identifies.
    family : str, optional
        The family (folder) of the claim; by default the name of the package that declares it.

    Raises
    ------
    ValueError
        If the id is malformed or taken, or two assumptions share a name.
    """

    expect: Literal["holds"] = "holds"

    def __init__(
        self,
        id: str,
        *,
        title: str,
        papers: tuple[str, ...],
        statement: str,
        provenance: Provenance,
        assumptions: tuple[Assumption, ...],
        instance_family: InstanceFamily,
        theorem: str | None = None,
        witnesses: tuple[Any, ...] = (),
        instances: int = 100,
        methods: tuple[Method, ...] = (),
        family: str | None = None,
    ) -> None:
        if not re.fullmatch(_WORDS, id):
            raise ValueError(f"claim id {id!r}: expected lower-case words joined by hyphens")
        names = [assumption.name for assumption in assumptions]
        if len(set(names)) != len(names):
            raise ValueError(f"claim {id}: two assumptions share a name: {names}")
        module = sys._getframe(1).f_globals.get("__name__", "")
        if family is None:
            family = module.rpartition(".")[0].rpartition(".")[2] or module
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
        self.methods = methods
        self.family = family
        self.package = module.partition(".")[0]
        self.parts: list[Part] = []
        self.readings: list[Reading] = []
        self.figure_function: Callable[..., None] | None = None
        self.figure_caption = ""
        self.figure_panels = 0
        self._known: list[tuple[Any, KnownValues]] = []
        register(self)

    def _check_assumes(self, part: Part) -> None:
        unknown = set(part.assumes or ()) - {assumption.name for assumption in self.assumptions}
        if unknown:
            raise ValueError(
                f"claim {self.id}: part {part.name!r} assumes {sorted(unknown)}, which the claim does not name"
            )

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
        """Add a part.

        Parameters
        ----------
        name : str
            The name in the statement.
        text : str
            The statement in one line.
        relation : Relation
            The two routes and how they compare.
        resolution : float or callable
            Largest sum of error bounds that the part accepts.
        reason : str
            Where the resolution comes from.
        **options
            The other attributes of :class:`~mdplab.claims.part.Part`.

        Returns
        -------
        Part

        Raises
        ------
        ValueError
            If the name is taken, an assumption is unknown, or an ``exists`` part has no witnesses.
        """
        if any(part.name == name for part in self.parts):
            raise ValueError(f"claim {self.id}: part {name!r} is declared twice")
        made = Part(name, text, relation, resolution, reason, **options)
        if made.quantifier == "exists" and not (made.witnesses or self.witnesses):
            raise ValueError(f"claim {self.id}: part {name!r} says 'exists' but names no witness")
        self._check_assumes(made)
        self.parts.append(made)
        return made

    def known(self, instance: Any) -> Callable[[KnownValues], None]:
        """Declare known values: decorates a generator of :class:`~mdplab.claims.part.Known`.

        Parameters
        ----------
        instance : object
            The named instance that the generator is given.

        Returns
        -------
        callable
            The decorator.
        """

        def declare(values: KnownValues) -> None:
            self._known.append((instance, values))

        return declare

    @property
    def known_values(self) -> tuple[tuple[Any, KnownValues], ...]:
        """Named instances and the generators of their known values."""
        return tuple(self._known)

    def figure(self, caption: str, *, panels: int = 1) -> Callable[[FigureFunction], FigureFunction]:
        """Declare the figure: decorates a function that draws on a given axes.

        Parameters
        ----------
        caption : str
            What the figure shows (markdown).
        panels : int
            Number of panels; with more than one the function is given a list of axes.

        Returns
        -------
        callable
            The decorator.
        """

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
        measure: Measure = violation_of,
        repair_instances: tuple[Any, ...] | None = None,
        assumes: tuple[str, ...] | None = None,
        shared: Mapping[str, str] | None = None,
    ) -> Reading:
        """Add a false reading: a record ``<id>.<suffix>`` that must be refuted.

        Parameters
        ----------
        suffix : str
            Lower-case words joined by hyphens.
        title, statement : str
            What the reading says.
        relation : Relation
            The reading as a relation.
        counterexamples : tuple
            Named instances that refute it, each inside the assumptions.
        repair : Part
            The part that corrects it.
        resolution, reason
            As for a part.
        specified, measure
            As for a control, on the first counterexample.
        repair_instances : tuple, optional
            The counterexamples in the form that the repair takes, where it differs; one each.
        assumes : tuple of str, optional
            Assumptions that the reading makes, by default all of the claim.
        shared : mapping, optional
            As for a part.

        Returns
        -------
        Reading

        Raises
        ------
        ValueError
            If the suffix is malformed or taken, an assumption is unknown, there is no counterexample, or not one repair
            instance for each.
        """
        if not re.fullmatch(_WORDS, suffix) or any(reading.suffix == suffix for reading in self.readings):
            raise ValueError(
                f"reading {self.id}.{suffix}: the suffix is taken or not lower-case words joined by hyphens"
            )
        repaired = counterexamples if repair_instances is None else repair_instances
        if not counterexamples or len(repaired) != len(counterexamples):
            raise ValueError(
                f"reading {self.id}.{suffix}: needs a counterexample, and one repair instance for each"
            )
        part = Part(
            suffix,
            title,
            relation,
            resolution,
            reason,
            quantifier="exists",
            witnesses=counterexamples,
            assumes=assumes,
            shared=shared or {},
            # refuted by one side at its error bound: a second route could only refute the refutation
            closed=("left", "right") if isinstance(relation, (AtMost, AtLeast)) else (),
        )
        self._check_assumes(part)
        made = Reading(
            self, suffix, title, inspect.cleandoc(statement), part, repair, specified, measure, repaired
        )
        self.readings.append(made)
        return made

    @property
    def controls(self) -> tuple[Control, ...]:
        """All negative controls, part by part."""
        return tuple(control for part in self.parts for control in part.controls)

    def records(self) -> tuple[Record, ...]:
        """The claim and its false readings, in the order of the registry.

        Returns
        -------
        tuple of Claim and Reading
        """
        return (self, *self.readings)

    def problems(self) -> list[str]:
        """What is missing or contradictory in the finished declaration.

        Returns
        -------
        list of str
            Empty for a complete claim.
        """
        names = [control.name for control in self.controls]
        assumed = {assumption.name for assumption in self.assumptions}
        found = [
            f"control {name!r} is declared twice" for name in sorted({n for n in names if names.count(n) > 1})
        ]
        found += [] if self.parts else ["the claim has no parts"]
        found += [] if names else ["the claim has no control: a check that cannot fail says nothing"]
        found += [
            f"assumption {a.name} is carried by {a.carried_by!r}, which is no control of the claim"
            for a in self.assumptions
            if a.carried_by not in {*names, HARMLESS, DEFINITIONAL}
        ]
        found += [
            f"assumption {a.name} is carried by {a.carried_by!r}, which does not drop it: declare drops={a.name!r}"
            for a in self.assumptions
            for control in self.controls
            if control.name == a.carried_by and control.drops != a.name
        ]
        found += [
            f"control {control.name!r} drops {control.drops}, which the claim does not assume"
            for control in self.controls
            if control.drops and control.drops not in assumed
        ]
        return found


Record: TypeAlias = Claim | Reading
