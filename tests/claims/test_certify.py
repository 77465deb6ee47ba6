"""Exact routes: what they certify, what they settle, and what they find wrong."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from mdplab import exact
from mdplab.claims import AtMost, Equal, Rate, Side
from mdplab.claims.certify import prove
from mdplab.claims.check import check
from toy import Pair, small_claim

pytestmark = pytest.mark.usefixtures("empty_registry")

THIRD = Fraction(1, 3)


@pytest.mark.parametrize(
    ("kind", "left", "right", "proof"),
    [
        ("Equal", [THIRD], [Fraction(2, 6)], "holds"),
        ("Equal", [THIRD], [Fraction(1, 3) + Fraction(1, 10**40)], "violated"),
        ("AtMost", [THIRD, 0], [THIRD, 1], "holds"),
        ("AtMost", [THIRD, 0], [THIRD, Fraction(-1, 10**40)], "violated"),
        ("AtLeast", [1, 0], [0, 0], "holds"),
        ("AtLeast", [1, -1], [0, 0], "violated"),
    ],
)
def test_rationals_are_always_decided(kind: str, left: list[Any], right: list[Any], proof: str) -> None:
    assert prove(kind, left, right) == proof


def test_balls_decide_as_far_as_they_are_thin() -> None:
    two = exact.ball(2)
    assert prove("Equal", exact.sqrt(two) * exact.sqrt(two), two) == "holds"
    assert prove("AtMost", exact.sqrt(two) * exact.sqrt(two), two) == "open"  # the balls overlap
    assert prove("AtMost", exact.log(two), Fraction(7, 10)) == "holds"
    assert prove("AtMost", exact.log(two), Fraction(69, 100)) == "violated"
    with exact.precision(20):
        assert prove("Equal", exact.exp(exact.log(two)), two) == "open"


def test_sides_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ValueError, match="shapes"):
        prove("Equal", [1, 2], [1])
    with pytest.raises(ValueError, match="not empty"):
        prove("Equal", [], [])
    with pytest.raises(ValueError, match="a Rate has no exact routes"):
        prove("Rate", [1], [1])


def value(shift: Fraction) -> Callable[[Pair], Any]:
    return lambda pair: exact.rational(pair.a) + exact.rational(shift)


def certified_claim(shift: Fraction, *, error: float = 0.0, relation: Any = Equal) -> Any:
    claim = small_claim()
    closed = {} if relation is Equal else {"closed": ("left", "right")}
    claim.part(
        "(exact)",
        "a = a",
        relation(lambda pair: Side(pair.a, error), lambda pair: Side(pair.a)),
        resolution=1e-9,
        reason="none",
        exact=(value(Fraction(0)), value(shift)),
        **closed,
    )
    return claim


def part_of(record: dict[str, Any]) -> dict[str, Any]:
    return next(part for part in record["parts"] if part["name"] == "(exact)")


def test_what_holds_becomes_certified_on_request_only() -> None:
    claim = certified_claim(Fraction(0))
    part = part_of(check(claim, instances=5, exact=True))
    assert part["verdict"] == "holds"
    assert part["certified"] == {"instances": part["instances"], "of": part["instances"], "to": "1e-30"}
    assert part_of(check(claim, instances=5))["certified"] is None


def test_an_undecided_part_is_settled() -> None:
    claim = certified_claim(Fraction(0), error=1.0)
    assert part_of(check(claim, instances=5))["verdict"] == "undecided"
    assert part_of(check(claim, instances=5, exact=True))["verdict"] == "holds"


@pytest.mark.parametrize("relation", [Equal, AtMost])
def test_a_violation_below_the_floats_is_seen(relation: Any) -> None:
    claim = certified_claim(Fraction(-1, 10**25), relation=relation)
    assert part_of(check(claim, instances=5))["verdict"] == "holds"
    part = part_of(check(claim, instances=5, exact=True))
    assert part["verdict"] == "violated"
    assert part["certified"] is None


def test_a_broken_exact_route_is_an_error() -> None:
    claim = small_claim()
    claim.part(
        "(exact)",
        "a = a",
        Equal(lambda pair: Side(pair.a), lambda pair: Side(pair.a)),
        resolution=1e-9,
        reason="none",
        exact=(lambda pair: 1 / 0, lambda pair: 1),
    )
    record = check(claim, instances=5, exact=True)
    assert record["verdict"] == "error"
    assert "exact routes: ZeroDivisionError" in record["message"]


def test_a_rate_cannot_have_exact_routes() -> None:
    rate = Rate(lambda x: Side(x), lambda x: Side(0.0), parameter=lambda x: x, window=(0.0, 1.0))
    with pytest.raises(ValueError, match="a Rate has no exact routes"):
        small_claim().part("(r)", "", rate, resolution=1.0, reason="", exact=(abs, abs))
