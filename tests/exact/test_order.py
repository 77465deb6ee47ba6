"""Comparisons that are true only where they are sure."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab import exact

NUMBERS = st.floats(-4, 4).map(exact.rational)


def around(middle: object, radius: float) -> object:
    """The ball of a radius around a number."""
    return (exact.ball(middle) - exact.rational(radius)).union(exact.ball(middle) + exact.rational(radius))


def test_overlapping_balls_are_not_compared() -> None:
    wide, inside = around(1, 0.5), exact.rational(1)
    for left, right in ((wide, inside), (inside, wide), (wide, wide)):
        assert not exact.surely_above(left, right)
        assert not exact.surely_at_most(left, right)
        assert exact.overlap(left, right)
    assert exact.surely_above(wide, 0)
    assert exact.surely_at_most(wide, 2)
    assert not exact.overlap(wide, 2)
    assert exact.surely_at_most(inside, 1)
    assert not exact.surely_above(inside, 1)


def test_rationals_are_compared_entry_by_entry() -> None:
    assert exact.surely_at_most([0.1, 0.3], [exact.rational(1) / 10, 0.2]).tolist() == [True, False]
    assert exact.overlap([0.1, 0.1], 0.1).tolist() == [True, True]
    assert exact.distance([0.1, 1], [0.1, 0.75]).tolist() == [0.0, 0.25]


def test_widths_and_distances_are_bounds() -> None:
    assert exact.width(around(3, 0.25)) >= 0.5
    assert exact.width(around(3, 0.25)) == pytest.approx(0.5, abs=1e-8)
    assert exact.width([1, 0.1]).tolist() == [0.0, 0.0]
    assert exact.distance(around(3, 0.25), 4) >= 1.25
    assert exact.distance(exact.log(0), exact.log(0)) == np.inf  # the difference of infinities is anything


@given(st.lists(st.tuples(NUMBERS, st.floats(0, 1)), min_size=1, max_size=6))
def test_the_largest_of_balls_is_enclosed(parts: list[tuple[object, float]]) -> None:
    middle = np.array([m for m, _ in parts], dtype=object)
    balls = np.array([around(m, r) for m, r in parts], dtype=object)
    for move in (-1, 0, 1):  # numbers inside the balls
        chosen = middle + move * exact.rational([r for _, r in parts])
        assert exact.highest(balls).contains(max(chosen))
        assert exact.lowest(balls).contains(min(chosen))
    assert exact.highest(middle) == max(middle)
    assert exact.lowest(middle) == min(middle)


def test_largest_along_an_axis() -> None:
    table = exact.rational([[1, 5], [3, 2]])
    assert exact.fractions(exact.highest(table, axis=1)).tolist() == [5, 3]
    assert exact.fractions(exact.lowest(table, axis=0)).tolist() == [1, 2]
