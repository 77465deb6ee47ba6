"""Verdicts, controls, known values and false readings of a small claim."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from mdplab.claims import (
    Assumption,
    AtMost,
    Claim,
    Equal,
    Known,
    Side,
    Undecided,
    as_expected,
    check,
    draw_instance,
    registry,
)
from mdplab.claims.printed import compare_printed, half_unit
from mdplab.instances.draw import SeededDraw
from toy import Pair, by_squares, exactly_twice, product, small_claim, square_of_sum, sum_of_squares

pytestmark = pytest.mark.usefixtures("empty_registry")


def test_a_true_claim_holds_and_its_record_is_plain_json() -> None:
    record = check(small_claim())
    assert record["verdict"] == "holds"
    assert as_expected(record)
    assert [part["name"] for part in record["parts"]] == ["(i)", "(ii)"]
    assert record["parts"][1]["instances"] == 21
    assert 0.5 < record["parts"][1]["tightness"] <= 1.0 + 1e-12
    assert record["known_values_passed"] == record["known_values_total"] == 2
    assert record["worst_instance"]["data"].keys() == {"a", "b"}
    json.dumps(record, allow_nan=False)


def test_the_same_seed_gives_the_same_record() -> None:
    claim = small_claim()
    first, second = check(claim), check(claim)
    for record in (first, second):
        record.pop("seconds")
    assert json.dumps(first) == json.dumps(second)
    assert draw_instance(claim, claim.parts[0], 0, seed=0) != draw_instance(claim, claim.parts[0], 0, seed=1)


def test_more_instances_begin_with_the_same_ones() -> None:
    claim = small_claim()
    assert draw_instance(claim, claim.parts[0], 3) == draw_instance(claim, claim.parts[0], 3)
    assert check(claim, instances=5)["parts"][0]["instances"] == 6


@pytest.mark.parametrize(
    ("side", "verdict"),
    [
        (lambda i: Side(np.nan), "error"),
        (lambda i: Side([]), "error"),
        (lambda i: Side([1.0, 2.0]), "error"),
        (lambda i: Side(4 * i.a * i.b + 1e-6), "violated"),
        (lambda i: Side(4 * i.a * i.b, 1e-3), "undecided"),
    ],
)
def test_a_wrong_side_is_seen(side: Any, verdict: str) -> None:
    claim = small_claim()
    claim.parts[0].relation = Equal(side, claim.parts[0].relation.right)
    record = check(claim)
    assert record["verdict"] == verdict
    assert "part (i)" in record["message"]
    assert not as_expected(record)


def test_an_exception_in_a_route_is_an_error_with_its_text() -> None:
    def broken(instance: Pair) -> Side:
        raise ZeroDivisionError("no such number")

    claim = small_claim()
    claim.parts[0].relation = Equal(broken, product)
    record = check(claim)
    assert record["verdict"] == "error"
    assert "ZeroDivisionError: no such number" in record["message"]


def test_mostly_degenerate_instances_are_an_error() -> None:
    claim = small_claim(instance_family=lambda draw: Pair(0.0, draw.number(0.0, 1.0)))
    record = check(claim)
    assert record["verdict"] == "error"
    assert "degenerate" in record["message"]


def test_instances_outside_the_assumptions_are_skipped_and_too_few_are_an_error() -> None:
    half = small_claim(instance_family=lambda draw: Pair(draw.number(-1.0, 1.0), 1.0))
    record = check(half)
    assert record["verdict"] == "holds"
    assert record["parts"][0]["skipped"] > 0
    assert record["parts"][0]["instances"] == 21
    registry._claims.clear()
    none = small_claim(
        instance_family=lambda draw: Pair(-1.0, draw.number(0.0, 1.0)), witnesses=(Pair(1.0, 1.0),) * 30
    )
    record = check(none)
    assert record["verdict"] == "error"
    assert "inside the assumptions" in record["message"]


def test_a_witness_outside_the_assumptions_is_an_error() -> None:
    record = check(small_claim(witnesses=(Pair(-1.0, 1.0),)))
    assert record["verdict"] == "error"
    assert "witness 0 is outside the assumptions" in record["message"]


def test_fewer_than_one_instance_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        check(small_claim(), instances=0)


def test_a_rejected_draw_counts_as_skipped() -> None:
    def family(draw: SeededDraw) -> Pair:
        a = draw.number(0.0, 1.0)
        return Pair(a, 1.0) if a > 0.5 else draw.reject("too small")

    record = check(small_claim(instance_family=family))
    assert record["verdict"] == "holds"
    assert record["parts"][0]["skipped"] > 0


def test_a_control_that_is_not_violated_is_unexpected() -> None:
    claim = small_claim()
    claim.parts[1].control("nothing wrong", kind="mutation", instance=Pair(1.0, 2.0), right=sum_of_squares)
    record = check(claim)
    assert record["verdict"] == "holds"
    assert not as_expected(record)
    assert "not violated" in record["controls"][-1]["message"]


def test_a_control_must_reproduce_its_printed_number() -> None:
    claim = small_claim()
    claim.parts[1].control(
        "as printed", kind="constant", instance=Pair(1.0, 1.0), right=exactly_twice, specified="2.01"
    )
    assert "computed as 2.0" in check(claim)["controls"][-1]["message"]


def test_a_control_is_paired_with_the_unchanged_part() -> None:
    claim = small_claim()
    claim.parts[1].relation = AtMost(square_of_sum, exactly_twice)
    control = check(claim)["controls"][1]
    assert not control["as_expected"]
    assert "with the change undone: violated" in control["message"]


def test_a_broken_predicate_or_measure_is_an_error_of_its_record() -> None:
    def broken(instance: Any) -> bool:
        raise AttributeError("no such field")

    claim = small_claim(assumptions=(Assumption("A1", "", "definitional", broken),))
    record = check(claim)
    assert record["verdict"] == "error"
    assert "no such field" in record["message"]
    assert "no such field" in record["controls"][0]["message"]
    reading = check(claim.readings[0])
    assert reading["verdict"] == "error"
    registry._claims.clear()
    claim = small_claim(assumptions=(Assumption("A1", "", "definitional", lambda i: float("nan")),))  # type: ignore
    assert "expected a boolean" in check(claim)["message"]


def test_a_control_violated_by_its_second_route_alone_does_not_count() -> None:
    claim = small_claim()
    part = claim.part(
        "(iii)",
        "crossed",
        AtMost(square_of_sum, sum_of_squares),
        cross_left=by_squares,
        closed=("right",),
        resolution=1e-12,
        reason="rounding",
    )
    part.control(
        "only the second route fails", kind="mutation", instance=Pair(1.0, 2.0), right=lambda i: Side(50.0)
    )
    assert "not violated" in check(claim)["controls"][-1]["message"]


def test_an_unconverged_solver_is_undecided() -> None:
    def gives_up(instance: Pair) -> Side:
        raise Undecided("ten steps were not enough")

    claim = small_claim()
    claim.parts[0].relation = Equal(gives_up, product)
    record = check(claim)
    assert record["verdict"] == "undecided"
    assert "ten steps were not enough" in record["message"]


def test_the_worst_part_and_its_worst_instance_are_reported() -> None:
    claim = small_claim()
    claim.parts[0].relation = Equal(lambda i: Side(0.0, 1.0), product)  # undecided
    claim.parts[1].relation = AtMost(square_of_sum, lambda i: Side(0.0))  # violated, most for the largest sum
    record = check(claim)
    assert record["verdict"] == "violated"
    worst = record["worst_instance"]
    assert worst["part"] == "(ii)"
    assert (worst["data"]["a"] + worst["data"]["b"]) ** 2 == pytest.approx(
        record["parts"][1]["worst_violation"]
    )


def test_an_incomplete_declaration_is_an_error() -> None:
    claim = small_claim()
    for part in claim.parts:
        part.controls.clear()
    assert "no control" in check(claim)["message"]
    registry._claims.clear()
    claim = small_claim(assumptions=(Assumption("A1", "", "a control that is not there"),))
    assert "no control of the claim" in check(claim)["message"]


def test_reordering_the_parts_keeps_their_instances() -> None:
    claim = small_claim()
    last = claim.parts[1]
    before = draw_instance(claim, last, 0)
    claim.parts.reverse()
    assert draw_instance(claim, last, 0) == before


@dataclasses.dataclass(frozen=True)
class Tagged(Pair):
    """A pair with something that is no data."""

    tag: object


def test_an_instance_that_cannot_be_written_is_an_error() -> None:
    claim = small_claim(
        witnesses=(), instance_family=lambda draw: Tagged(draw.number(1.0, 2.0), 1.0, object())
    )
    record = check(claim)
    assert record["verdict"] == "error"
    assert "cannot be written as data" in record["message"]


def test_a_dropped_assumption_must_be_false_on_its_instance() -> None:
    claim = small_claim()
    bound = claim.part(
        "(iii)",
        "sum",
        AtMost(lambda i: Side(abs(i.a) + abs(i.b)), lambda i: Side(i.a + i.b)),
        resolution=1e-12,
        reason="rounding",
        closed=("left", "right"),
    )
    bound.control("negative a", kind="assumption", instance=Pair(-1.0, 2.0), drops="A1", specified="2.0")
    record = check(claim)
    assert record["controls"][-1]["as_expected"]
    bound.control("still positive", kind="assumption", instance=Pair(1.0, 2.0), drops="A1")
    assert "is true on the instance" in check(claim)["controls"][-1]["message"]
    bound.control("cannot be tested", kind="assumption", instance=Pair(-1.0, 2.0), drops="A2")
    assert "outside another assumption" in check(claim)["controls"][-1]["message"]
    bound.control("nor shown", kind="assumption", instance=Pair(1.0, 2.0), drops="A2")
    assert "a side must show" in check(claim)["controls"][-1]["message"]
    bound.control(
        "unknown", kind="assumption", instance=Pair(1.0, 2.0), right=lambda i: Side(0.0), drops="A7"
    )
    assert "drops A7, which the claim does not assume" in check(claim)["message"]


def test_the_control_that_carries_an_assumption_must_drop_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def carried(by: str) -> Claim:
        monkeypatch.setattr(registry, "_claims", {})
        return small_claim(
            assumptions=(Assumption("A1", "$a, b \\ge 0$", by, lambda i: i.a >= 0 and i.b >= 0),)
        )

    claim = carried("a sign")
    assert "'a sign', which does not drop it" in check(claim)["message"]
    claim = carried("the sum")
    assert "'the sum', which is no control" in check(claim)["message"]
    claim.parts[0].control(
        "the sum", kind="assumption", drops="A1", instance=Pair(-1.0, 2.0), right=square_of_sum
    )
    assert claim.problems() == []


def test_controls_that_change_nothing_are_refused() -> None:
    part = small_claim().parts[0]
    with pytest.raises(ValueError, match="changes nothing"):
        part.control("nothing", kind="mutation", instance=Pair(1.0, 1.0))
    with pytest.raises(ValueError, match="go together"):
        part.control("nothing", kind="assumption", instance=Pair(1.0, 1.0))
    with pytest.raises(ValueError, match="both="):
        part.control("everything", kind="mutation", instance=Pair(1.0, 1.0), left=product, right=by_squares)
    with pytest.raises(ValueError, match="declared twice"):
        part.control("a sign", kind="mutation", instance=Pair(1.0, 1.0), left=product)


def test_a_wrong_known_value_is_unexpected() -> None:
    claim = small_claim()

    @claim.known(Pair(1.0, 1.0))
    def _(instance: Pair) -> Any:
        yield Known("wrong", "3.1416", 3.1415)

    record = check(claim)
    assert record["known_values_total"] == 3
    assert record["known_values_passed"] == 2
    assert not as_expected(record)


@pytest.mark.parametrize(
    ("printed", "half"),
    [("1.25", 0.005), ("10", 0.0), ("1/3", 0.0), ("9.3e-12", 0.05e-12), (".5", 0.05), ("-2.000", 5e-4)],
)
def test_half_a_unit_of_the_last_printed_digit(printed: str, half: float) -> None:
    assert half_unit(printed) == pytest.approx(half, rel=1e-12)


def test_an_error_bound_that_swamps_the_digits_confirms_nothing() -> None:
    row = compare_printed("x", "3.14159", -40.0, 1e3)[0]
    assert not row["passed"]
    assert "too large to confirm" in row["message"]
    assert compare_printed("x", "3.14159", 3.1416, 1e-5)[0]["passed"]
    assert not compare_printed("x", "1 2", [1.0], 0.0)[0]["passed"]
    with pytest.raises(ValueError, match="printed is empty"):
        Known("nothing", " ", [])


def test_a_false_reading_is_refuted_and_repaired() -> None:
    reading = small_claim().readings[0]
    record = check(reading)
    assert reading.id == record["id"] == "mean-inequality.equality"
    assert record["verdict"] == record["expect"] == "refuted"
    assert record["controls"][0]["kind"] == "repair"
    assert as_expected(record)


def test_a_reading_that_is_true_or_outside_the_assumptions_is_an_error() -> None:
    claim = small_claim()
    options: dict[str, Any] = {
        "title": "t",
        "statement": "s",
        "relation": Equal(square_of_sum, sum_of_squares),
        "repair": claim.parts[1],
        "resolution": 1e-12,
        "reason": "rounding",
    }
    true = check(claim.reading("true", counterexamples=(Pair(1.0, 1.0),), **options))
    assert true["verdict"] == "error"
    outside = check(claim.reading("outside", counterexamples=(Pair(-1.0, 1.0),), **options))
    assert outside["verdict"] == "error"
    assert "outside the assumptions" in outside["message"]
    elsewhere = claim.reading(
        "elsewhere", counterexamples=(Pair(-1.0, 1.0),), repair_instances=(Pair(1.0, 1.0),), **options
    )
    assert check(elsewhere)["verdict"] == "error"
    allowed = claim.reading(
        "allowed",
        counterexamples=(Pair(-1.0, 1.0),),
        repair_instances=(Pair(1.0, 1.0),),
        assumes=(),
        **options,
    )
    assert check(allowed)["verdict"] == "refuted"
    misprinted = check(
        claim.reading("misprinted", counterexamples=(Pair(1.0, 2.0),), specified="1.5", **options)
    )
    assert misprinted["verdict"] == "error"


def test_disagreeing_cross_checks_violate_an_inequality() -> None:
    claim = small_claim()
    claim.part(
        "(iii)",
        "bound with a wrong second route",
        AtMost(square_of_sum, sum_of_squares),
        cross_right=exactly_twice,
        closed=("left",),
        resolution=1e-12,
        reason="rounding",
    )
    record = check(claim)
    assert record["verdict"] == "violated"
    assert "two routes of the right side disagree" in record["message"]


def test_declarations_are_validated() -> None:
    with pytest.raises(ValueError, match="lower-case words"):
        Claim(
            "Not An Id",
            title="",
            papers=(),
            provenance="our formalisation",
            statement="",
            assumptions=(),
            instance_family=id,
        )
    claim = small_claim()
    with pytest.raises(ValueError, match="declared twice"):
        claim.part("(i)", "", Equal(product, by_squares), resolution=1, reason="")
    with pytest.raises(ValueError, match="registered twice"):
        small_claim()
    registry._claims.clear()
    with pytest.raises(ValueError, match="share a name"):
        small_claim(assumptions=(Assumption("A1", "", ""), Assumption("A1", "", "")))
    registry._claims.clear()
    bare = small_claim(witnesses=())
    with pytest.raises(ValueError, match="names no witness"):
        bare.part("(x)", "", Equal(product, by_squares), resolution=1, reason="", quantifier="exists")
    with pytest.raises(ValueError, match=r"assumes \['A77'\]"):
        bare.part("(x)", "", Equal(product, by_squares), resolution=1, reason="", assumes=("A77",))
    with pytest.raises(ValueError, match="quantifier 'forall'"):
        bare.part("(x)", "", Equal(product, by_squares), resolution=1, reason="", quantifier="forall")
    with pytest.raises(ValueError, match="needs a second route"):
        bare.part("(x)", "", AtMost(product, by_squares), resolution=1, reason="", closed=("left",))
    with pytest.raises(ValueError, match="only inequalities"):
        bare.part("(x)", "", Equal(product, by_squares), resolution=1, reason="", cross_left=square_of_sum)
    options: dict[str, Any] = {
        "title": "t",
        "statement": "s",
        "relation": Equal(square_of_sum, sum_of_squares),
        "repair": bare.parts[1],
        "resolution": 1e-12,
        "reason": "rounding",
    }
    for suffix in ("equality", "Not A Suffix"):
        with pytest.raises(ValueError, match="the suffix is taken or not"):
            bare.reading(suffix, counterexamples=(Pair(1.0, 2.0),), **options)
    with pytest.raises(ValueError, match="one repair instance for each"):
        bare.reading("short", counterexamples=(Pair(1.0, 2.0),), repair_instances=(), **options)


def test_unknown_ids_offer_the_nearest() -> None:
    small_claim()
    with pytest.raises(registry.UnknownRecord, match="nearest: mean-inequality"):
        registry.find("mean-inequalty")
