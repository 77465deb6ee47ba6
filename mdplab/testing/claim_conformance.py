"""What every claim must do: a suite for the claims of this package and for those of other people.

A claim that holds says something only if its check can fail.  The suite disturbs one route of a part and asks that the
part is violated, hands in what cannot be compared and asks for an error, and records which solvers each route enters.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy as np

from mdplab import solvers
from mdplab.claims.check import draw_instance
from mdplab.claims.citations import cite
from mdplab.claims.claim import Claim
from mdplab.claims.evaluate import inside
from mdplab.claims.instance_data import fresh
from mdplab.claims.part import Part, routes
from mdplab.claims.relations import AtMost, Rate, Separates
from mdplab.claims.sides import Side, SideFunction
from mdplab.instances.draw import Rejected
from mdplab.testing._report import fail

__all__ = ["check_claim", "check_part", "disturbances", "some_instance", "undeclared_solvers"]


def check_claim(claim: Claim) -> None:
    """Check that a claim is completely declared and that each of its parts can fail.

    Parameters
    ----------
    claim : Claim
        The claim.

    Raises
    ------
    AssertionError
        If something is missing (also known values, papers, reasons, the docstring of a route), a disturbed route is not
        violated, what cannot be compared is not an error, or both routes enter a solver that is not declared as shared.

    See Also
    --------
    mdplab.claims.check : runs the claim itself, with its controls.
    """
    problems = claim.problems()
    if not claim.known_values:
        problems.append("the claim has no known values")
    problems += [
        f"part {part.name} has no {what}"
        for part in claim.parts
        for what in ("reason", "text")
        if not getattr(part, what)
    ]
    if problems:
        fail([f"claim {claim.id} is not complete:", *problems])
    cite(claim.papers)
    for part in (*claim.parts, *(reading.part for reading in claim.readings)):
        check_part(claim, part, disturbed=part in claim.parts)


def check_part(claim: Claim, part: Part, *, disturbed: bool = True) -> None:
    """Check one part of a claim, or of a false reading.

    Parameters
    ----------
    claim : Claim
        The claim.
    part : Part
        One of its parts, or the part of a reading.
    disturbed : bool, default True
        Whether the part holds, and must be violated once a route is disturbed (a reading is violated anyway).

    Raises
    ------
    AssertionError
        If the part does not keep what :func:`check_claim` lists.
    """
    name = f"claim {claim.id}, part {part.name}"
    for route in routes(part):
        inner = getattr(route, "func", route)  # functools.partial
        if not inspect.getdoc(inner):
            fail(
                [
                    f"{name}: the route {getattr(inner, '__name__', inner)} has no docstring; the report shows its first line"
                ]
            )
    instance = some_instance(claim, part)
    if disturbed:
        outcome = part.evaluate(instance)
        if outcome.verdict != "holds":
            fail([f"{name}: {outcome.verdict} on an instance inside the assumptions", outcome.message])
        for what, sides in disturbances(part, instance):
            verdict = part.evaluate(instance, **sides).verdict
            if verdict != "violated":
                fail(
                    [
                        f"{name}: with {what} the verdict is {verdict}, expected violated: the check cannot fail"
                    ]
                )
    for side in ("left", "right"):
        shape = np.shape(getattr(part.relation, side)(fresh(instance)).value)
        for what, wrong in (
            ("NaN", np.full(shape, np.nan)),
            ("an empty array", np.empty((0,))),
            ("an array of another shape", np.zeros((*shape, 7))),
            ("infinity", np.full(shape, np.inf)),
        ):
            given: dict[str, Any] = {side: lambda _, wrong=wrong: Side(wrong)}
            verdict = part.evaluate(instance, **given).verdict
            if verdict != "error":
                fail([f"{name}: {what} as the {side} side gives {verdict}, expected error"])
    shared = undeclared_solvers(part, instance)
    if shared:
        fail(
            [
                f"{name}: both routes enter {', '.join(sorted(shared))}; declare it with shared=, or take another route"
            ]
        )


def some_instance(claim: Claim, part: Part) -> Any:
    """A random instance of a part inside its assumptions, or its first witness.

    Parameters
    ----------
    claim : Claim
        The claim.
    part : Part
        One of its parts.

    Returns
    -------
    object
    """
    if part.quantifier != "exists":
        for attempt in range(50):
            try:
                instance = draw_instance(claim, part, 0, attempt=attempt)
            except Rejected:
                continue
            if inside(claim, part, instance):
                return instance
    witnesses = claim.witnesses if part.witnesses is None else part.witnesses
    if not witnesses:
        fail([f"claim {claim.id}, part {part.name}: 50 draws gave no instance inside the assumptions"])
    return fresh(witnesses[0])


def _shifted(route: SideFunction, amount: Any) -> SideFunction:
    def disturbed(instance: Any) -> Side:
        side = route(instance)
        return Side(np.asarray(side.value, dtype=float) + amount, side.error)

    return disturbed


def disturbances(part: Part, instance: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Sides of a part that are wrong by a hundred times their error (for an inequality, past its bound).

    Parameters
    ----------
    part : Part
        The part; it holds on the instance.
    instance : object
        An instance.

    Yields
    ------
    what : str
        What was changed.
    sides : dict
        For :meth:`~mdplab.claims.Part.evaluate`.
    """
    outcome, relation = part.evaluate(instance), part.relation
    left, right = relation.left, relation.right
    beyond = 100 * max(outcome.error, 1e-13 * (1 + np.abs(outcome.left).max()))
    if isinstance(relation, Rate):
        largest = float(np.max(np.abs(np.asarray(left(instance).value))))
        yield "the errors raised", {"left": _shifted(left, 1e3 * (1 + largest))}
    elif isinstance(relation, Separates):
        yield "the right side on the left", {"left": right}
        yield "the left side on the right", {"right": left}
    elif outcome.slack is not None:
        amount = (1 if isinstance(relation, AtMost) else -1) * (outcome.slack + beyond)
        yield "the left side moved past the bound", {"left": _shifted(left, amount)}
        yield "the right side moved past the bound", {"right": _shifted(right, -amount)}
    else:
        for amount in (beyond, -beyond):
            yield f"the left side off by {amount:.3g}", {"left": _shifted(left, amount)}
            yield f"the right side off by {amount:.3g}", {"right": _shifted(right, amount)}


def undeclared_solvers(part: Part, instance: Any) -> set[str]:
    """Solvers of :mod:`mdplab.solvers` that both routes of a part enter without its saying so.

    Parameters
    ----------
    part : Part
        The part; its routes call solvers through the module.
    instance : object
        An instance.

    Returns
    -------
    set of str
    """
    entered: set[str] = set()

    def recorded(name: str, solver: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            entered.add(name)
            return solver(*args, **options)

        return run

    def solvers_of(route: SideFunction | None) -> set[str]:
        entered.clear()
        if route is not None:
            route(fresh(instance))
        return set(entered)

    relation = part.relation
    pairs = [(relation.left, part.cross_left), (relation.right, part.cross_right)]
    if part.cross_left is None and part.cross_right is None:
        pairs = [(relation.left, relation.right)]
    functions = {name: getattr(solvers, name) for name in solvers.__all__}
    spies: dict[str, Any] = {
        name: recorded(name, f) for name, f in functions.items() if inspect.isfunction(f)
    }
    with mock.patch.multiple(solvers, **spies):
        both = [solvers_of(first) & solvers_of(second) for first, second in pairs if second is not None]
    return set().union(*both) - set(part.shared)
