"""Damped Newton: reaches the floor, survives singular Hessians, keeps gauges, reports unboundedness."""

from __future__ import annotations

import numpy as np
import pytest

from mdplab.convex import minimise_smooth
from mdplab.solution import Status


def log_sum(x: np.ndarray) -> float:
    """``log sum exp(+-x_i)``: flat Hessian far out, where an undamped Newton step overshoots."""
    z = np.concatenate([x, -x])
    return float(z.max() + np.log(np.exp(z - z.max()).sum()))


def log_sum_parts(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    z = np.concatenate([x, -x])
    p = np.exp(z - z.max())
    p /= p.sum()
    n = x.size
    g = p[:n] - p[n:]
    return g, np.diag(p[:n] + p[n:]) - np.outer(g, g)


def test_damping() -> None:
    start = np.array([3.0, -20.0, 7.0])
    solution = minimise_smooth(log_sum, lambda x: log_sum_parts(x)[0], lambda x: log_sum_parts(x)[1], start)
    assert solution.status is Status.CONVERGED
    np.testing.assert_allclose(solution.point, 0.0, atol=1e-10)
    assert solution.gradient_norm == solution.certificate.bound <= 1e-10
    assert solution.residuals[-1] == solution.gradient_norm


def test_a_quadratic_takes_one_step() -> None:
    h = np.array([[2.0, 1.0], [1.0, 3.0]])
    b = np.array([1.0, -1.0])
    solution = minimise_smooth(
        lambda x: float(0.5 * x @ h @ x - b @ x), lambda x: h @ x - b, lambda x: h, np.zeros(2)
    )
    np.testing.assert_allclose(solution.point, np.linalg.solve(h, b), rtol=1e-14)
    assert solution.ridge == 0.0


def test_a_singular_hessian_gets_a_ridge() -> None:
    solution = minimise_smooth(
        lambda x: float((x[0] + x[1] - 1.0) ** 2),
        lambda x: 2.0 * (x.sum() - 1.0) * np.ones(2),
        lambda x: 2.0 * np.ones((2, 2)),
        np.zeros(2),
    )
    assert solution.status is Status.CONVERGED
    assert solution.point.sum() == pytest.approx(1.0, abs=1e-10)
    assert solution.ridge > 0.0


def test_a_gauge_keeps_the_component_of_the_start() -> None:
    solution = minimise_smooth(
        lambda x: float((x[0] - x[1] - 1.0) ** 2),
        lambda x: 2.0 * (x[0] - x[1] - 1.0) * np.array([1.0, -1.0]),
        lambda x: 2.0 * np.array([[1.0, -1.0], [-1.0, 1.0]]),
        np.array([5.0, 5.0]),
        gauge=np.ones(2),
    )
    np.testing.assert_allclose(solution.point, [5.5, 4.5], rtol=1e-13)
    assert solution.ridge == 0.0


def test_unbounded() -> None:
    solution = minimise_smooth(
        lambda x: float(-x[0]), lambda x: -np.ones(1), lambda x: np.zeros((1, 1)), [0.0]
    )
    assert solution.status is Status.UNBOUNDED


def test_few_steps() -> None:
    solution = minimise_smooth(
        log_sum,
        lambda x: log_sum_parts(x)[0],
        lambda x: log_sum_parts(x)[1],
        np.array([3.0, -20.0]),
        max_steps=1,
    )
    assert solution.status is Status.MAX_STEPS
    assert solution.gradient_norm > 1e-10


def test_bad_start() -> None:
    with pytest.raises(ValueError, match="start: the objective is inf"):
        minimise_smooth(lambda x: np.inf, lambda x: x, lambda x: np.eye(1), [0.0])
