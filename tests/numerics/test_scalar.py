"""Roots with enclosures, the answer "no root", maxima."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab.numerics import bisect_rows, maximum, monotone_root
from mdplab.solution import Status


@given(st.floats(-1e6, 1e6), st.floats(0.01, 10), st.sampled_from([1, -1]))
def test_widening_finds_far_roots(target: float, width: float, sign: int) -> None:
    found = monotone_root(lambda x: sign * (x - target), 0.0, width)
    assert found.found
    assert found.lower <= target <= found.upper
    assert found.lower <= found.root <= found.upper
    assert abs(found.root - target) <= found.certificate.bound
    assert found.certificate.bound <= 1e-14 * max(abs(target), 1e-200) + 1e-290


@given(st.floats(-60, 60))
def test_log_variable_reaches_every_scale(exponent: float) -> None:
    target = math.exp(exponent)
    found = monotone_root(lambda x: math.log(x) - exponent, 1.0, 2.0, bounds=(0.0, math.inf), log=True)
    assert found.found
    # The computed logarithm is only accurate to an ulp of its value, so the relative error scales with it.
    assert found.root == pytest.approx(target, rel=1e-14 * (1 + abs(exponent)))


def test_slack_constraint_is_an_answer() -> None:
    """KL-like budget: the constraint holds with room at multiplier 0, so there is no positive root."""
    slack = monotone_root(lambda x: -1.0 - x, 1.0, 2.0, bounds=(0.0, math.inf))
    assert slack.status is Status.SLACK
    assert not slack.found
    assert (slack.root, slack.value) == (0.0, -1.0)
    active = monotone_root(lambda x: 1.0 - x, 2.0, 3.0, bounds=(0.0, math.inf))
    assert active.root == 1.0


def test_limit_that_is_never_reached() -> None:
    answer = monotone_root(lambda x: -1.0 / (1.0 + x), 1.0, 2.0, bounds=(0.0, math.inf), max_widenings=40)
    assert answer.status is Status.NOT_ATTAINED
    assert answer.upper > 1e9


def test_tiny_values_keep_their_sign() -> None:
    """The product of two values may underflow; their signs do not."""
    found = monotone_root(lambda x: 1e-200 * (x - 40.0), 0.0, 1.0)
    assert found.root == pytest.approx(40.0, rel=1e-15)


def test_root_at_a_bound_and_at_the_bracket() -> None:
    assert monotone_root(lambda x: x, 1.0, 2.0, bounds=(0.0, 5.0)).root == 0.0
    exact = monotone_root(lambda x: x - 1.0, 1.0, 2.0)
    assert (exact.root, exact.certificate.bound) == (1.0, 0.0)


def test_infinite_ends_have_a_sign() -> None:
    found = monotone_root(lambda x: math.log(x) if x > 0 else -math.inf, 0.0, 7.0, bounds=(0.0, math.inf))
    assert found.root == pytest.approx(1.0, rel=1e-15)


def test_steps_are_enclosed() -> None:
    """A jump has no zero; the enclosure still contains it."""
    found = monotone_root(lambda x: -1.0 if x < math.pi else 1.0, 0.0, 1.0)
    assert found.lower <= math.pi <= found.upper
    assert found.upper - found.lower < 1e-13


def test_tolerance_is_respected() -> None:
    calls = []

    def fn(x: float) -> float:
        calls.append(x)
        return x**3 - 2.0

    rough = monotone_root(fn, 0.0, 2.0, xtol=1e-3)
    count = len(calls)
    fine = monotone_root(fn, 0.0, 2.0)
    assert rough.steps == count
    assert count < len(calls) - count
    assert abs(rough.root - 2 ** (1 / 3)) <= rough.certificate.bound <= 1e-2
    assert fine.root == pytest.approx(2 ** (1 / 3), rel=1e-15)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lower": 1.0, "upper": 1.0}, "lower, upper"),
        ({"lower": -1.0, "upper": 1.0, "bounds": (0.0, 2.0)}, "lower, upper"),
        ({"lower": 0.0, "upper": 1.0, "log": True}, "log"),
    ],
)
def test_bad_brackets_are_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        monotone_root(lambda x: x, **arguments)  # type: ignore[arg-type]


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        monotone_root(lambda x: math.nan, 0.0, 1.0)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=6), st.sampled_from([1.0, -1.0]))
def test_rows_are_bisected_to_neighbours(targets: list[float], sign: float) -> None:
    t = np.array(targets)
    lower, upper = bisect_rows(lambda x: sign * (x - t), np.full(t.shape, -6.0), np.full(t.shape, 7.0))
    assert np.all((lower <= t) & (t <= upper))
    assert np.all(upper <= np.nextafter(lower, np.inf))


def test_rows_without_a_sign_change_are_named() -> None:
    with pytest.raises(ValueError, match="row 1"):
        bisect_rows(lambda x: x - np.array([0.5, 3.0]), np.zeros(2), np.ones(2))


@pytest.mark.parametrize(
    ("fn", "point", "value"),
    [
        (lambda x: -((x - 0.3) ** 2), 0.3, 0.0),
        (lambda x: x, 1.0, 1.0),
        (lambda x: -x, 0.0, 0.0),
        (lambda x: math.sin(40 * x) + x, (12.5 * math.pi + math.asin(1 / 40)) / 40, None),
    ],
)
def test_maxima(fn, point, value) -> None:  # type: ignore[no-untyped-def]
    found = maximum(fn, 0.0, 1.0)
    assert found.status is Status.UNCERTIFIED
    assert found.point == pytest.approx(point, abs=1e-7)
    assert found.value == pytest.approx(fn(point) if value is None else value, abs=1e-13)


def test_maximum_names_bad_intervals() -> None:
    with pytest.raises(ValueError, match="lower, upper"):
        maximum(lambda x: x, 1.0, 0.0)
