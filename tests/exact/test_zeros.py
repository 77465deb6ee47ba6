"""Zeros of smooth systems in balls."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab import exact
from mdplab._typing import Array


def circle_and_line(point: Array) -> tuple[Array, Array]:
    x, y = point
    return np.array([x * x + y * y - 2, x - y]), np.array([[2 * x, 2 * y], [1 + 0 * x, 0 * y - 1]])


def logarithm(point: Array) -> tuple[Array, Array]:
    value = exact.exp(point)
    return value - exact.rational(3), np.diag(value)


def test_the_zero_of_circle_and_line_is_one_and_one() -> None:
    found = exact.enclose_zero(circle_and_line, [1.3, 0.6])
    assert exact.overlap(found, [1, 1]).all()
    assert exact.width(found).max() < 1e-60


@given(st.integers(1, 10**6), st.fractions(-1, 1, max_denominator=50))
def test_a_zero_is_proven_where_the_residual_is_more_accurate_than_the_last_place_of_the_point(
    slope: int, right: Fraction
) -> None:
    """The difference cancels: Newton's last move is shorter than the rounding at the size of the point."""
    shift, r = exact.rational(Fraction(3, 2)), exact.rational(right)
    found = exact.enclose_zero(lambda x: (slope * (x - shift) - r, slope * exact.identity(1)), [1.5])
    assert exact.overlap(found, [shift + r / slope]).all()
    assert exact.width(found).max() < 1e-75


def test_the_start_chooses_the_zero() -> None:
    assert exact.overlap(exact.enclose_zero(circle_and_line, [-3.0, -0.5]), [-1, -1]).all()


@given(st.floats(-2.0, 3.0))
def test_the_zero_of_the_exponential_is_a_logarithm(start: float) -> None:
    found = exact.enclose_zero(logarithm, [start])
    assert exact.distance(found[0], exact.log(3)) < 1e-60


@given(st.fractions(0, 1, max_denominator=50), st.fractions(0, 1, max_denominator=50))
def test_wide_data_give_a_box_around_the_zeros_of_all_of_them(low: float, high: float) -> None:
    ends = exact.ball([1 + low / 1000, 1 + high / 1000])
    right = ends[0].union(ends[1])
    found = exact.enclose_zero(lambda x: (x * x - right, np.diag(2 * x)), [1.0])
    for end in ends:
        assert exact.overlap(found[0], exact.sqrt(end))


@pytest.mark.parametrize(("start", "message"), [(0.0, "Jacobian is singular"), (0.5, "does not converge")])
def test_a_double_zero_is_not_proven(start: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        exact.enclose_zero(lambda x: (x * x, np.diag(2 * x)), [start])


def test_data_that_admit_a_double_zero_prove_nothing() -> None:
    right = exact.ball(-1).union(exact.ball(2))
    with pytest.raises(ValueError, match="no zero is proven"):
        exact.enclose_zero(lambda x: (x * x - right, np.diag(2 * x)), [1.0])


def test_a_system_without_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="does not converge"):
        exact.enclose_zero(lambda x: (x * x + 1, np.diag(2 * x)), [0.7])
