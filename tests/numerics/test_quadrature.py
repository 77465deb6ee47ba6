"""Quadrature against closed forms; error estimates against true errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab.numerics import adaptive_quadrature, gauss_legendre, normal_expectation


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=8), st.floats(-2, 2), st.floats(-2, 2))
def test_polynomials_are_exact(coefficients: list[int], lower: float, upper: float) -> None:
    polynomial = np.polynomial.Polynomial(coefficients)
    exact = polynomial.integ()(upper) - polynomial.integ()(lower)
    estimate = gauss_legendre(polynomial, lower, upper, order=4)
    assert abs(estimate.value - exact) <= estimate.error + 1e-12
    assert estimate.error < 1e-10


def test_estimates_cover_slow_convergence() -> None:
    kink = gauss_legendre(np.abs, -1.0, 2.0, order=8)
    assert 1e-6 < abs(kink.value - 2.5) <= kink.error
    cut = gauss_legendre(np.abs, -1.0, 2.0, order=8, breaks=[0.0])
    assert abs(cut.value - 2.5) <= cut.error < 1e-13


def test_vector_values() -> None:
    estimate = gauss_legendre(lambda x: np.stack([np.sin(x), np.cos(x)]), 0.0, math.pi)
    np.testing.assert_allclose(estimate.value, [2.0, 0.0], atol=1e-14)
    assert estimate.error.shape == (2,)


@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (-0.5, 2.0), (1.0, 0.0)])
def test_normal_moments(mean: float, deviation: float) -> None:
    estimate = normal_expectation(lambda x: np.stack([x**4, np.exp(x)]), mean, deviation)
    fourth = mean**4 + 6 * mean**2 * deviation**2 + 3 * deviation**4
    np.testing.assert_allclose(estimate.value, [fourth, math.exp(mean + deviation**2 / 2)], rtol=1e-13)
    assert np.all(estimate.error < 1e-10)


def test_adaptive_with_infinite_ends() -> None:
    estimate = adaptive_quadrature(lambda x: math.exp(-x * x), -math.inf, math.inf)
    assert abs(estimate.value - math.sqrt(math.pi)) <= max(estimate.error, 1e-14)
    assert estimate.error < 1e-11


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="finite ends"):
        gauss_legendre(np.abs, 0.0, math.inf)
    with pytest.raises(ValueError, match="deviation"):
        normal_expectation(np.abs, 0.0, -1.0)
