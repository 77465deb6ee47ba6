"""Global minima on an interval: the enclosure holds the minimum, and nothing below it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab.numerics import enclosed_minimum


@given(st.floats(-3, 3), st.floats(0.5, 4), st.floats(-1, 1))
def test_the_minimum_of_a_tilted_wave_is_enclosed(phase: float, frequency: float, slope: float) -> None:
    def wave(x: np.ndarray) -> np.ndarray:
        return np.sin(frequency * x + phase) + slope * x

    found = enclosed_minimum(wave, -5.0, 5.0, curvature=frequency**2)
    dense = float(wave(np.linspace(-5.0, 5.0, 20_001)).min())
    assert found.value == wave(np.array(found.point))
    assert found.error <= 1e-12
    assert found.value - found.error <= dense <= found.value + 1e-5


def test_a_minimum_in_the_middle_of_a_coarse_cell_is_not_lost() -> None:
    """The chord of the deepest cell lies above the minimum of another: only the whole M h^2 / 8 keeps it."""
    width, centre = 1 / 64, 10.5 / 64

    def dented(x: np.ndarray) -> np.ndarray:
        # a parabola of curvature 2 about the middle of a cell, and a lower plateau edge at the right end
        dent = (x - centre) ** 2 - (width / 2) ** 2
        inside = np.abs(x - centre) <= width / 2
        return np.where(inside, dent, np.where(x == 1.0, -0.9 * (width / 2) ** 2, 0.0))

    found = enclosed_minimum(dented, 0.0, 1.0, curvature=2.0, tol=1e-15)
    assert found.point == pytest.approx(centre, abs=1e-7)
    assert found.value == pytest.approx(-((width / 2) ** 2), rel=1e-9)


def test_a_function_that_needs_too_many_cells_returns_the_error_reached() -> None:
    found = enclosed_minimum(np.zeros_like, 0.0, 1.0, curvature=1.0, max_cells=1_000)
    assert found.value == 0.0
    assert 1e-12 < found.error <= 1e-6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1.0, 1.0, 1.0, 1e-9), "lower, upper"),
        ((0.0, np.inf, 1.0, 1e-9), "lower, upper"),
        ((0.0, 1.0, -1.0, 1e-9), "curvature"),
        ((0.0, 1.0, 1.0, 0.0), "tol"),
    ],
)
def test_bad_input_is_refused(arguments: tuple[float, ...], message: str) -> None:
    lower, upper, curvature, tol = arguments
    with pytest.raises(ValueError, match=message):
        enclosed_minimum(np.sin, lower, upper, curvature=curvature, tol=tol)


@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (lambda x: np.where(x > 0.9, np.nan, x), "fn: expected finite values, got nan"),
        # only a cell that is halved meets it
        (lambda x: np.where(np.abs(x - 1 / 128) < 1e-3, np.nan, (x - 0.01) ** 2), "got nan at 0.0078125"),
        (lambda x: np.where(x == 0.0, -np.inf, x), "got -inf at 0.0"),
        (lambda x: x[:, np.newaxis], "fn: expected values of shape"),
        (lambda x: 1.0, "fn: expected values of shape"),
    ],
)
def test_a_function_without_a_finite_value_at_each_point_is_refused(fn: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        enclosed_minimum(fn, 0.0, 1.0, curvature=2.0)
