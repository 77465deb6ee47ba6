"""Every registered claim: its declaration, its routes, and that disturbing a route is seen."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from mdplab import solvers
from mdplab.claims import AtMost, Claim, Part, Rate, Separates, Side, draw_instance, records
from mdplab.claims.check import inside
from mdplab.claims.citations import cite
from mdplab.claims.instance_data import fresh
from mdplab.claims.part import routes
from mdplab.instances.draw import Rejected

CLAIMS = [record for record in records().values() if isinstance(record, Claim)]
PARTS = [(claim, part) for claim in CLAIMS for part in claim.parts]
READINGS = [(claim, reading.part) for claim in CLAIMS for reading in claim.readings]
each_claim = pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
each_part = pytest.mark.parametrize(
    ("claim", "part"), PARTS, ids=[f"{claim.id}-{part.name}" for claim, part in PARTS]
)
each_part_and_reading = pytest.mark.parametrize(
    ("claim", "part"), PARTS + READINGS, ids=[f"{claim.id}-{part.name}" for claim, part in PARTS + READINGS]
)


def some_instance(claim: Claim, part: Part) -> Any:
    """A random instance of the part inside its assumptions, or its first witness."""
    if part.quantifier != "exists":
        for attempt in range(50):
            try:
                instance = draw_instance(claim, part, 0, attempt=attempt)
            except Rejected:
                continue
            if inside(claim, part, instance):
                return instance
    return fresh((claim.witnesses if part.witnesses is None else part.witnesses)[0])


@each_claim
def test_the_declaration_is_complete(claim: Claim) -> None:
    assert claim.problems() == []
    assert claim.known_values
    assert all(part.reason and part.text for part in claim.parts)
    assert cite(claim.papers)


@each_part_and_reading
def test_every_route_says_what_it_is(claim: Claim, part: Part) -> None:
    for route in routes(part):
        inner = getattr(route, "func", route)
        assert inspect.getdoc(inner), f"{inner} has no docstring: the report shows its first line"


def shifted(route: Callable[[Any], Side], amount: float) -> Callable[[Any], Side]:
    def disturbed(instance: Any) -> Side:
        side = route(instance)
        return Side(np.asarray(side.value, dtype=float) + amount, side.error)

    return disturbed


def disturbances(part: Part, instance: Any) -> Iterator[dict[str, Any]]:
    """Sides of the part that are wrong by a hundred times their error (for an inequality, past its bound)."""
    outcome = part.evaluate(instance)
    relation = part.relation
    beyond = 100 * max(outcome.error, 1e-13 * (1 + np.abs(outcome.left).max()))
    if isinstance(relation, Rate):
        largest = float(np.max(np.abs(np.asarray(relation.left(instance).value))))
        yield {"left": shifted(relation.left, 1e3 * (1 + largest))}
    elif isinstance(relation, Separates):
        yield {"left": relation.right}
        yield {"right": relation.left}
    elif outcome.slack is not None:
        sign = 1 if isinstance(relation, AtMost) else -1
        yield {"left": shifted(relation.left, sign * (outcome.slack + beyond))}
        yield {"right": shifted(relation.right, -sign * (outcome.slack + beyond))}
    else:
        for amount in (beyond, -beyond):
            yield {"left": shifted(relation.left, amount)}
            yield {"right": shifted(relation.right, amount)}


@each_part
def test_a_disturbed_route_is_violated(claim: Claim, part: Part) -> None:
    instance = some_instance(claim, part)
    assert part.evaluate(instance).verdict == "holds"
    for sides in disturbances(part, instance):
        assert part.evaluate(instance, **sides).verdict == "violated", sides


@each_part_and_reading
@pytest.mark.parametrize("side", ["left", "right"])
def test_what_cannot_be_compared_is_an_error(claim: Claim, part: Part, side: str) -> None:
    instance = some_instance(claim, part)
    shape = np.shape(getattr(part.relation, side)(instance).value)
    for wrong in (np.full(shape, np.nan), np.empty((0,)), np.zeros((*shape, 7)), np.full(shape, np.inf)):
        outcome = part.evaluate(instance, **{side: lambda i, wrong=wrong: Side(wrong)})
        assert outcome.verdict == "error"


@each_part_and_reading
def test_the_two_routes_share_no_undeclared_solver(
    claim: Claim, part: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered: set[str] = set()
    for name in solvers.__all__:
        solver = getattr(solvers, name)
        if inspect.isfunction(solver):

            def recorded(*args: Any, _name: str = name, _solver: Any = solver, **options: Any) -> Any:
                entered.add(_name)
                return _solver(*args, **options)

            monkeypatch.setattr(solvers, name, recorded)
    instance = some_instance(claim, part)

    def solvers_of(route: Callable[[Any], Side] | None) -> set[str]:
        entered.clear()
        if route is not None:
            route(fresh(instance))
        return set(entered)

    relation = part.relation
    if part.cross_left is None and part.cross_right is None:
        pairs = [(relation.left, relation.right)]
    else:  # an inequality: each side against its own second route
        pairs = [(relation.left, part.cross_left), (relation.right, part.cross_right)]
    for first, second in pairs:
        if second is not None:
            assert solvers_of(first) & solvers_of(second) <= set(part.shared)
