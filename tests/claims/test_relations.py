"""The rule that turns two sides with error bounds into a verdict."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab.claims import AtLeast, AtMost, Equal, Rate, Separates, Side

NUMBERS = st.floats(-1e3, 1e3)
ERRORS = st.floats(0, 1e-3)


def unused(instance: Any) -> Side:
    raise AssertionError


def unused_too(instance: Any) -> Side:
    raise AssertionError


def compare(
    relation: type, left: Side, right: Side, resolution: Any = 1.0, floor: float = 1e-8, **options: Any
) -> Any:
    if relation is Separates:
        options.setdefault("margin", 1.0)
    return relation(unused, unused_too, **options).compare(left, right, resolution=resolution, floor=floor)


@given(NUMBERS, NUMBERS, ERRORS, ERRORS)
def test_equal_is_violated_iff_the_difference_exceeds_both_errors(
    l: float, r: float, le: float, re: float
) -> None:
    outcome = compare(Equal, Side([l], le), Side([r], re))
    assert outcome.verdict == ("violated" if abs(l - r) > le + re else "holds")
    assert outcome.violation == abs(l - r)


@given(NUMBERS, NUMBERS, ERRORS)
def test_at_most_and_at_least_mirror_each_other(l: float, r: float, e: float) -> None:
    most, least = compare(AtMost, Side([l], e), Side([r])), compare(AtLeast, Side([r]), Side([l], e))
    assert most.verdict == least.verdict == ("violated" if l - r > e else "holds")
    assert (most.violation, most.slack, most.tightness) == (least.violation, least.slack, least.tightness)


def test_errors_are_elementwise() -> None:
    assert compare(Equal, Side([1.0, 2.0], [0.5, 0.0]), Side([1.4, 2.0])).verdict == "holds"
    assert compare(Equal, Side([1.0, 2.0], [0.0, 0.5]), Side([1.4, 2.0])).verdict == "violated"


def test_the_share_of_the_resolution_is_taken_entry_by_entry() -> None:
    """The largest error and the tightest resolution stand in different entries."""
    resolution = np.array([4e-6, 1e-9, 0.0])
    for relation in (Equal, AtMost, AtLeast):
        outcome = compare(
            relation,
            Side(np.zeros(3), np.array([1e-6, 1e-10, 0.0])),
            Side(np.zeros(3)),
            resolution=resolution,
        )
        assert outcome.verdict == "holds"
        assert outcome.share == pytest.approx(0.25)


def test_a_bound_above_the_resolution_is_undecided_even_when_the_sides_differ() -> None:
    for right in (1.0, 5.0):
        outcome = compare(Equal, Side([1.0], 1e-3), Side([right]), resolution=1e-6)
        assert outcome.verdict == "undecided"
        assert "resolution" in outcome.message
        assert outcome.share == pytest.approx(1e3)
    assert compare(Equal, Side([1.0], np.inf), Side([1.0])).verdict == "undecided"


@pytest.mark.parametrize(
    ("left", "right", "message"),
    [
        (Side([np.nan, 1.0]), Side([1.0, 1.0]), r"left side is nan at \(0,\)"),
        (Side([1.0, 1.0]), Side([1.0, np.inf]), r"right side is inf at \(1,\)"),
        (Side([]), Side([]), "left side is empty"),
        (Side([1.0, 2.0]), Side([1.0]), "different shapes"),
        (Side([[1.0, 2.0]]), Side([1.0, 2.0]), "different shapes"),
        (Side([1.0 + 1j]), Side([1.0]), "complex"),
        (Side([1.0], np.nan), Side([1.0]), "negative or NaN"),
        (Side([1.0], -1.0), Side([1.0]), "negative or NaN"),
        (Side([1.0, 2.0], [1.0, 2.0, 3.0]), Side([1.0, 2.0]), "error bound of the left side has shape"),
        ([1.0], Side([1.0]), "expected a Side"),
    ],
)
@pytest.mark.parametrize("relation", [Equal, AtMost, AtLeast, Separates])
def test_what_cannot_be_compared_is_an_error(relation: type, left: Any, right: Any, message: str) -> None:
    import re

    outcome = compare(relation, left, right)
    assert outcome.verdict == "error"
    assert re.search(message, outcome.message)


def test_tightness_counts_only_right_sides_above_the_floor() -> None:
    outcome = compare(AtMost, Side([1e-12, 0.5]), Side([1e-13, 1.0]), floor=1e-8, resolution=1.0)
    assert outcome.tightness == 0.5
    assert compare(AtMost, Side([1e-12]), Side([1e-11])).tightness is None


def test_a_sign_has_no_tightness() -> None:
    found = compare(AtMost, Side([0.0, 0.0]), Side([2.0, 3.0]))
    assert (found.slack, found.tightness) == (2.0, None)
    assert compare(AtMost, Side([0.0, 1.0]), Side([2.0, 4.0])).tightness == 0.25


def test_two_vanishing_sides_are_degenerate() -> None:
    assert compare(Equal, Side([1e-10]), Side([1e-10])).degenerate
    assert not compare(Equal, Side([1e-10, 1.0]), Side([1e-10, 1.0])).degenerate


def test_separates_needs_the_margin_beyond_the_errors() -> None:
    assert compare(Separates, Side([1.0], 0.1), Side([2.0]), margin=0.8).verdict == "holds"
    assert compare(Separates, Side([1.0], 0.3), Side([2.0]), margin=0.8).verdict == "undecided"
    assert compare(Separates, Side([1.0], 0.1), Side([2.0]), margin=1.2).verdict == "violated"
    assert compare(Separates, Side([1.0]), Side([1.0]), margin=1e-9).verdict == "violated"


@pytest.mark.parametrize("margin", [0.0, -1.0, np.nan, np.inf])
def test_separates_needs_a_positive_margin(margin: float) -> None:
    with pytest.raises(ValueError, match="margin must be a positive number"):
        Separates(unused, unused_too, margin)


@pytest.mark.parametrize("relation", [Equal, AtMost, AtLeast, Separates])
@pytest.mark.parametrize("resolution", [np.nan, np.inf, -1.0, np.empty(0), [1.0, 2.0, 3.0]])
def test_a_resolution_that_is_none_is_an_error(relation: type, resolution: Any) -> None:
    outcome = compare(relation, Side([1.0, 2.0], 1e9), Side([5.0, 2.0]), resolution=resolution)
    assert outcome.verdict == "error"
    assert "resolution" in outcome.message


def test_one_function_is_not_two_routes() -> None:
    with pytest.raises(ValueError, match="two routes"):
        Equal(unused, unused)


def test_infinities_of_the_statement_are_compared_exactly() -> None:
    left = Side([np.inf, 1.0], infinities=True)
    assert compare(Equal, left, Side([np.inf, 1.0], infinities=True)).verdict == "holds"
    assert compare(Equal, left, Side([-np.inf, 1.0], infinities=True)).verdict == "violated"
    assert compare(Equal, left, Side([2.0, 1.0])).verdict == "violated"
    assert compare(AtMost, Side([2.0, 1.0]), left).verdict == "holds"
    assert compare(Equal, Side([np.nan], infinities=True), Side([1.0])).verdict == "error"


def test_a_violation_says_where_and_by_how_much() -> None:
    message = compare(Equal, Side([1.0, 2.0], 1e-3), Side([1.0, 2.5])).message
    assert "left 2, right 2.5 at (1,)" in message


def rate(errors: np.ndarray, parameter: np.ndarray, uncertainty: float = 0.0, **options: Any) -> Any:
    made = Rate(
        unused, unused_too, parameter=lambda instance: parameter, **({"window": (0.9, 1.1)} | options)
    )
    return made.compare(Side(errors, uncertainty), Side(0.0), resolution=0.05)


def test_rate_looks_at_every_pair_of_refinements() -> None:
    parameter = np.array([0.1, 0.05, 0.025])
    assert rate(3 * parameter, parameter).verdict == "holds"
    assert rate(3 * parameter**2, parameter).verdict == "violated"
    assert rate(np.array([0.1, 0.05, 0.05]), parameter).verdict == "violated"
    assert rate(3 * parameter**2, parameter, window=(1.9, 2.1)).verdict == "holds"


def test_rate_whose_errors_drown_is_not_a_rate() -> None:
    parameter = np.array([0.1, 0.05])
    assert rate(parameter, parameter, uncertainty=0.06).verdict == "error"
    assert rate(parameter, parameter, uncertainty=0.02).verdict == "undecided"


@pytest.mark.parametrize(
    "parameter", [[0.1, 0.1], [np.nan, np.nan], [-1.0, -2.0], [0.1, np.nan], [0.1, 0.0], [0.1, 0.2, 0.1]]
)
def test_refinements_must_be_positive_and_monotone(parameter: list[float]) -> None:
    outcome = rate(np.ones(len(parameter)), np.array(parameter))
    assert outcome.verdict == "error"
    assert "positive and monotone" in outcome.message


@pytest.mark.parametrize("window", [(np.nan, np.nan), (1.0, 1.0), (2.0, 1.0), (0.0, np.inf)])
def test_a_window_has_two_ends(window: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="two finite numbers"):
        Rate(unused, unused_too, parameter=lambda instance: np.ones(2), window=window)
