"""Quadrature on the half line in the logarithm."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab.numerics import half_line_quadrature


@given(st.floats(0.4, 8.0), st.sampled_from([0, 2, 4]))
def test_moments_of_stretched_exponentials(shape: float, power: int) -> None:
    found = half_line_quadrature(
        lambda x: x**power * np.exp(-(x**shape)), lower=1e-20, upper=60.0 ** (1 / shape)
    )
    wanted = math.gamma((power + 1) / shape) / shape
    assert abs(found.value - wanted) <= found.error + 1e-13 * wanted
    assert found.error <= 1e-12 * wanted


@pytest.mark.parametrize("frequency", [0.5, 3.0, 12.0])
def test_transform_of_the_exponential(frequency: float) -> None:
    found = half_line_quadrature(lambda x: np.exp(-x) * np.cos(frequency * x), lower=1e-18, upper=45.0)
    assert abs(found.value - 1 / (1 + frequency**2)) <= found.error + 1e-15
    assert found.error < 1e-12


def test_batches_and_complex_values() -> None:
    rates = np.array([1.0, 2.0 + 1.0j])
    found = half_line_quadrature(lambda x: np.exp(-rates[:, None] * x), lower=1e-18, upper=45.0)
    np.testing.assert_allclose(found.value, 1 / rates, rtol=1e-14)


def test_the_error_says_that_the_halvings_were_used_up() -> None:
    found = half_line_quadrature(
        lambda x: np.exp(-x) * np.cos(12 * x), lower=1e-18, upper=45.0, max_halvings=2
    )
    assert abs(found.value - 1 / 145) <= found.error
    assert found.error > 1e-4


@pytest.mark.parametrize(
    "wrong", [{"lower": 0.0}, {"upper": np.inf}, {"upper": 1e-9}, {"tol": 0.0}, {"max_halvings": 0}]
)
def test_bad_input(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="lower, upper, tol, max_halvings"):
        half_line_quadrature(np.exp, **{"lower": 1e-6, "upper": 1.0, **wrong})  # type: ignore[arg-type]


def test_values_are_finite() -> None:
    with pytest.raises(ValueError, match=r"fn: expected finite values, got nan at 0\.00"):
        half_line_quadrature(lambda x: np.where(x < 0.002, np.nan, np.exp(-x)), lower=1e-3, upper=50.0)
