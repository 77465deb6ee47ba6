"""Regression against exact rationals, closed forms and the definition of each object."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab.numerics.linear_system import solution_error, solve_refined
from mdplab.numerics.regression import (
    elliptical_norm,
    gram_matrix,
    hat_matrix,
    least_squares,
    log_determinant,
    rank_one_update,
    ridge_regression,
    spectral_regression,
)
from mdplab.solution import Status
from tests.naive import fractions_of, solve_exactly


def problem(seed: int, n: int = 12, d: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng([seed, 5])
    return rng.normal(size=(n, d)), rng.normal(size=n), rng.uniform(0.1, 2.0, size=n)


def exact_fit(x: np.ndarray, y: np.ndarray, w: np.ndarray, ridge: float) -> list[Fraction]:
    xs, ys, ws = fractions_of(x), fractions_of(y), fractions_of(w)
    d = x.shape[1]
    rows = range(len(xs))
    gram = [[sum(ws[i] * xs[i][j] * xs[i][k] for i in rows) for k in range(d)] for j in range(d)]
    for j in range(d):
        gram[j][j] += Fraction(ridge)
    return list(solve_exactly(gram, [sum(ws[i] * xs[i][j] * ys[i] for i in rows) for j in range(d)]))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("ridge", [0.0, 1e-6, 0.3])
def test_bound_contains_the_exact_fit(seed: int, ridge: float) -> None:
    x, y, w = problem(seed)
    if seed % 3 == 0:
        x[:, 2] = x[:, 1] + 1e-3 * x[:, 2]  # nearly dependent
    found = ridge_regression(x, y, ridge=ridge, weights=w) if ridge else least_squares(x, y, weights=w)
    exact = exact_fit(x, y, w, ridge)
    error = max(abs(Fraction(float(a)) - b) for a, b in zip(found.coefficients, exact, strict=True))
    assert error <= found.certificate.bound < 1e-3
    assert found.rank == 3
    if seed % 3:
        assert found.status is Status.CONVERGED
        assert found.certificate.bound < 1e-11


def test_several_targets_at_once() -> None:
    x, y, w = problem(1)
    both = ridge_regression(x, np.stack([y, 2 * y], axis=1), ridge=0.5, weights=w)
    one = ridge_regression(x, y, ridge=0.5, weights=w)
    np.testing.assert_allclose(
        both.coefficients, np.stack([one.coefficients, 2 * one.coefficients], 1), rtol=1e-12
    )


def test_dependent_features_give_the_minimum_norm_and_no_certificate() -> None:
    x, y, _ = problem(2)
    x[:, 2] = x[:, 0]
    found = least_squares(x, y)
    assert found.status is Status.UNCERTIFIED
    assert found.rank == 2
    np.testing.assert_allclose(found.coefficients, np.linalg.pinv(x) @ y, atol=1e-13)
    assert found.coefficients[0] == pytest.approx(found.coefficients[2])


def test_weights_are_repetitions() -> None:
    x, y, _ = problem(3, n=5)
    counts = np.array([1, 2, 3, 1, 4])
    repeated = least_squares(np.repeat(x, counts, axis=0), np.repeat(y, counts))
    np.testing.assert_allclose(
        least_squares(x, y, weights=counts).coefficients, repeated.coefficients, rtol=1e-12
    )


@given(seed=st.integers(0, 10**6), ridge=st.floats(0.01, 10.0))
@settings(max_examples=30, deadline=None)
def test_rank_one_updates_follow_the_gram_matrix(seed: int, ridge: float) -> None:
    x, _, w = problem(seed, n=6)
    inverse, total = np.eye(3) / ridge, 3 * np.log(ridge)
    for row, weight in zip(x, w, strict=True):
        width = elliptical_norm(row, np.linalg.inv(inverse))
        inverse, gain = rank_one_update(inverse, row, weight=float(weight))
        assert gain == pytest.approx(np.log1p(weight * width**2), rel=1e-9)
        total += gain
    gram = gram_matrix(x, ridge=ridge, weights=w)
    np.testing.assert_allclose(inverse @ gram, np.eye(3), atol=1e-9)
    assert log_determinant(gram) == pytest.approx(total, abs=1e-9)
    assert np.linalg.slogdet(gram)[1] == pytest.approx(total, abs=1e-9)


def test_removing_more_than_there_is_is_refused() -> None:
    with pytest.raises(ValueError, match="no positive definite"):
        rank_one_update(np.eye(2), [1.0, 0.0], weight=-1.0)


def test_elliptical_norm_is_the_quadratic_form() -> None:
    x, _, w = problem(4)
    gram = gram_matrix(x, ridge=0.1, weights=w)
    phi = np.random.default_rng(0).normal(size=(4, 2, 3))
    direct = np.sqrt(np.einsum("sai,ij,saj->sa", phi, np.linalg.inv(gram), phi))
    np.testing.assert_allclose(elliptical_norm(phi, gram), direct, rtol=1e-12)
    with pytest.raises(ValueError, match="not positive definite"):
        elliptical_norm(phi, np.zeros((3, 3)))


@pytest.mark.parametrize("ridge", [0.0, 0.7])
def test_hat_matrix_fits(ridge: float) -> None:
    x, y, w = problem(5)
    hat = hat_matrix(x, ridge=ridge, weights=w)
    fit = ridge_regression(x, y, ridge=ridge, weights=w) if ridge else least_squares(x, y, weights=w)
    np.testing.assert_allclose(hat @ y, fit.fitted, rtol=1e-11, atol=1e-13)
    if not ridge:
        np.testing.assert_allclose(hat @ hat, hat, atol=1e-13)
        assert np.trace(hat) == pytest.approx(3.0)


def test_filters_are_ridge_and_gradient_descent() -> None:
    x, y, _ = problem(6)
    ridge = spectral_regression(x, y, lambda s: s**2 / (s**2 + 0.3))
    np.testing.assert_allclose(ridge, ridge_regression(x, y, ridge=0.3).coefficients, rtol=1e-11)
    theta, step = np.zeros(3), 0.01
    for _ in range(7):
        theta = theta + step * x.T @ (y - x @ theta)
    np.testing.assert_allclose(
        spectral_regression(x, y, lambda s: 1 - (1 - step * s**2) ** 7), theta, rtol=1e-11
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": np.ones(3)}, r"features has shape \(3,\)"),
        ({"targets": np.ones(5)}, r"targets has shape \(5,\)"),
        ({"weights": -np.ones(4)}, r"weights\[0\] is -1.0"),
        ({"ridge": 0.0}, "ridge is 0.0"),
        ({"targets": [1.0, np.nan, 0.0, 0.0]}, "targets must be finite"),
    ],
)
def test_bad_input_is_named(changes: dict[str, object], message: str) -> None:
    arguments = {"features": np.ones((4, 2)), "targets": np.ones(4), "ridge": 1.0} | changes
    with pytest.raises(ValueError, match=message):
        ridge_regression(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(10))
def test_solution_error_contains_the_truth(seed: int) -> None:
    rng = np.random.default_rng([seed, 9])
    a = rng.normal(size=(4, 4))
    a[3] = a[2] + 10.0 ** -(seed % 5) * a[3]
    b = rng.normal(size=4)
    x = solve_refined(a, b)
    bound = solution_error(a, x, b)
    exact = solve_exactly(fractions_of(a), fractions_of(b))
    error = max(abs(Fraction(float(p)) - q) for p, q in zip(x, exact, strict=True))
    assert error <= bound < 1e-3
    # An error of the matrix that the caller declares is covered too.
    moved = solve_refined(a * (1 + 1e-10), b)
    assert np.abs(moved - x).max() <= solution_error(a, x, b, matrix_error=1e-10 * np.abs(a))


def test_singular_systems_have_no_bound() -> None:
    a = np.ones((2, 2))
    assert solution_error(a, [0.5, 0.5], [1.0, 1.0]) == np.inf
    np.testing.assert_allclose(solve_refined(a, np.array([1.0, 1.0])), [0.5, 0.5])
