"""Derivatives against analytic ones, and error estimates against true errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mdplab.numerics import (
    central_difference_gradient,
    central_difference_hessian,
    complex_step_gradient,
    complex_step_hessian,
)

points = st.lists(st.floats(-2, 2, width=32), min_size=3, max_size=3).map(np.array)


def log_sum(x: Any) -> Any:
    return np.log(np.sum(np.exp(x)))


def softmax(x: np.ndarray) -> np.ndarray:
    weights = np.exp(x - x.max())
    return weights / weights.sum()


@given(points)
def test_complex_step_is_analytic_to_rounding(x: np.ndarray) -> None:
    np.testing.assert_allclose(complex_step_gradient(log_sum, x), softmax(x), rtol=1e-14, atol=1e-15)


@given(points)
def test_complex_step_through_a_solve(x: np.ndarray) -> None:
    """d/dx of e_0' (I - .5 diag(x) / 2)^{-1} 1 is known entry by entry."""

    def value(z: Any) -> Any:
        return np.linalg.solve(np.eye(3) - np.diag(z) / 4, np.ones(3))

    expected = np.diag(0.25 / (1 - x / 4) ** 2)
    np.testing.assert_allclose(complex_step_gradient(value, x), expected, rtol=1e-13, atol=1e-15)


def test_shapes_of_jacobians() -> None:
    x = np.arange(6.0).reshape(2, 3)
    jacobian = complex_step_gradient(lambda z: (z**2).sum(axis=0), x)
    assert jacobian.shape == (3, 2, 3)
    for k in range(3):
        expected = np.zeros((2, 3))
        expected[:, k] = 2 * x[:, k]
        np.testing.assert_allclose(jacobian[k], expected, atol=1e-14)
    differences = central_difference_gradient(lambda z: (z**2).sum(axis=0), x)
    assert differences.value.shape == differences.error.shape == (3, 2, 3)
    np.testing.assert_allclose(differences.value, jacobian, atol=1e-8)
    assert complex_step_gradient(np.sin, 0.0).shape == ()
    assert complex_step_gradient(np.sin, 0.0) == 1.0


@pytest.mark.parametrize("bad", [np.real, np.abs])
def test_a_lost_imaginary_part_is_seen(bad: Any) -> None:
    with pytest.raises(ValueError, match="cast"):
        complex_step_gradient(lambda z: np.sum(bad(z)), np.ones(2))


@given(points, st.sampled_from([1e-2, 1e-4, 6e-6, 1e-8]))
def test_error_of_differences_is_covered(x: np.ndarray, step: float) -> None:
    estimate = central_difference_gradient(log_sum, x, step=step)
    # A factor 2 where higher orders of the step count (1e-2).
    assert np.all(np.abs(estimate.value - softmax(x)) <= 2 * estimate.error)


def test_differences_have_order_two() -> None:
    x = np.array([0.3, -0.2])
    errors = [
        np.abs(central_difference_gradient(log_sum, x, step=h).value - softmax(x)).max() for h in (1e-2, 1e-3)
    ]
    assert errors[0] / errors[1] == pytest.approx(100, rel=0.01)


@given(points)
@example(np.array([-1.875, -1.1875, -0.59375]))  # log-sum-exp near 0: rounding is not relative to the value
def test_hessians(x: np.ndarray) -> None:
    p = softmax(x)
    expected = np.diag(p) - np.outer(p, p)
    mixed = complex_step_hessian(log_sum, x)
    assert np.all(np.abs(mixed.value - expected) <= 2 * mixed.error)
    assert mixed.error.max() < 1e-8
    plain = central_difference_hessian(log_sum, x)
    assert np.all(np.abs(plain.value - expected) <= 2 * plain.error)
    assert plain.error.max() < 1e-5
    np.testing.assert_array_equal(plain.value, plain.value.T)


def test_bad_arguments_are_named() -> None:
    for function in (complex_step_gradient, central_difference_gradient, central_difference_hessian):
        with pytest.raises(ValueError, match="step"):
            function(np.sum, np.ones(2), step=0.0)
    with pytest.raises(ValueError, match="x: expected"):
        complex_step_hessian(np.sum, np.ones((2, 2)))
