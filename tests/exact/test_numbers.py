"""Reading floats as rationals and balls, and the way back."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab import Policy, exact

FINITE = st.floats(allow_nan=False, allow_infinity=False)
SHORT = st.integers(1, 2**26 - 1)
# The first digits of log 2.
LOG_2 = Fraction(693147180559945309417232121458176568075500134360255254120680, 10**60)


def test_decimals_and_quotients_come_back_as_meant() -> None:
    read = exact.fractions(exact.rational([0.1, 1 / 3, -2 / 7, 0.0, 5.0, 0.542026]))
    meant = [
        Fraction(1, 10),
        Fraction(1, 3),
        Fraction(-2, 7),
        Fraction(0),
        Fraction(5),
        Fraction(542026, 10**6),
    ]
    assert list(read) == meant


@given(SHORT, SHORT)
def test_short_quotients_come_back(p: int, q: int) -> None:
    assert exact.fractions(p / q) == Fraction(p, q)


@given(FINITE)
def test_the_reading_rounds_to_the_float(x: float) -> None:
    simplest, stored = exact.fractions(exact.rational(x)), exact.fractions(exact.dyadic(x))
    assert simplest.numerator / simplest.denominator == x
    assert stored == Fraction(x)
    assert simplest.denominator <= stored.denominator
    value, error = exact.floats(exact.rational(x))
    assert value == x
    assert Fraction(float(error)) >= abs(simplest - stored)


@given(st.floats(1e-3, 1e3))
def test_no_simpler_rational_rounds_to_the_float(x: float) -> None:
    read = exact.fractions(x)
    nearby = [read.limit_denominator(n) for n in range(1, min(read.denominator, 200))]
    assert all(near.numerator / near.denominator != x for near in nearby)


def test_numbers_of_all_kinds() -> None:
    read = exact.rational(
        np.array([True, np.int64(3), np.float32(0.5), Fraction(1, 7), exact.rational(2)], dtype=object)
    )
    assert list(exact.fractions(read)) == [1, 3, Fraction(1, 2), Fraction(1, 7), 2]
    assert exact.rational(np.array(0.5)) == exact.rational(Fraction(1, 2))


@pytest.mark.parametrize(
    ("bad", "message"), [([1.0, math.nan], r"x\[1\]: nan"), ([[1, "a"]], r"x\[0, 1\]"), (math.inf, "x: inf")]
)
def test_what_is_no_number_is_refused(bad: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        exact.rational(np.array(bad, dtype=object))


def test_rows_that_were_meant_to_be_laws() -> None:
    rows = exact.laws([[0.1, 0.2, 0.7], [1 / 3, 1 / 3, 1 / 3]])
    assert exact.fractions(rows).tolist() == [
        [Fraction(1, 10), Fraction(1, 5), Fraction(7, 10)],
        [Fraction(1, 3)] * 3,
    ]


@given(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=6))
def test_every_float_row_becomes_a_law(weights: list[float]) -> None:
    row = np.array(weights) / sum(weights)
    for stored in (False, True):
        law = exact.fractions(exact.laws(row, stored=stored))
        assert sum(law) == 1
        assert all(abs(p - Fraction(float(x))) <= 1e-15 for p, x in zip(law, row, strict=True))
    total = sum(map(Fraction, row.tolist()))
    assert list(exact.fractions(exact.laws(row, stored=True))) == [Fraction(x) / total for x in row.tolist()]


def test_a_policy_is_read_by_its_probabilities() -> None:
    assert (exact.laws(Policy.deterministic([1, 0], 2)) == exact.rational([[0, 1], [1, 0]])).all()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[0.5, 0.5], [0.5, 0.6]], r"row\[1\] sums to"),
        ([1, 2], "sums to 3"),
        ([Fraction(1, 2), Fraction(1, 3)], "sums to 5/6"),
        ([1.5, -0.5], r"row\[1\] is -0.5"),
        (1.0, "rows of probabilities"),
    ],
)
def test_what_is_no_law_is_refused(rows: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        exact.laws(rows)


def test_balls_enclose_at_the_working_precision() -> None:
    assert exact.distance(exact.log(2), LOG_2) <= 1e-59
    with exact.precision(64):
        coarse = exact.log(2)
        assert 1e-20 < exact.width(coarse) < 1e-18
        assert exact.width(exact.ball(0.1) * 3) > 1e-20  # plain expressions too
    assert exact.overlap(coarse, exact.log(2))
    assert exact.width(exact.log(2)) < 1e-76
    with pytest.raises(ValueError, match="bits is 1"), exact.precision(1):
        pass


@given(FINITE)
def test_floats_of_balls_are_within_their_error(x: float) -> None:
    third = exact.ball(exact.dyadic(x)) / 3
    value, error = exact.floats(third)
    assert (
        abs(Fraction(float(value)) - Fraction(x) / 3)
        <= Fraction(float(error))
        <= max(abs(x) * 2.0**-53, 5e-324)
    )


def test_infinities() -> None:
    assert exact.floats(exact.ball([-math.inf, None]))[0].tolist() == [-math.inf] * 2
    assert exact.floats([None])[1].tolist() == [0.0]
    value, error = exact.floats(exact.sqrt(exact.ball(2) - 3))  # not a number
    assert math.isnan(value)
    assert error == math.inf
    with pytest.raises(ValueError, match="no rational"):
        exact.fractions(exact.ball(1))


def test_traps_are_loud() -> None:
    with pytest.raises(TypeError):
        exact.rational([0.1, 0.2]) * np.array([0.5, 0.5])
