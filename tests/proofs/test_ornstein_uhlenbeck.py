"""Orthogonality systems of the Ornstein-Uhlenbeck process against printed numbers and against slow sums."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mdplab._typing import FloatArray
from mdplab.instances.draw import SeededDraw
from proofs_check.distributional.ornstein_uhlenbeck import (
    OU,
    Features,
    LinearSystem,
    OrnsteinUhlenbeck,
    exact_features,
    limit_martingale_loss,
    martingale_loss,
    mean_square_td,
    mean_square_td_error,
    power_features,
    projection,
    random_process,
    td0,
    td1,
)

Method = Callable[[OrnsteinUhlenbeck, Features], LinearSystem]
PROJECTED = (0.5302574307797333, 0.1799992345677310)
PRINTED = [
    (martingale_loss, PROJECTED),
    (projection, PROJECTED),
    (td1, PROJECTED),
    (td0, (0.4326696356272466, 0.1130417978082873)),
    (mean_square_td, (0.0456548147461587, 0.2988178461077231)),
]


@pytest.mark.parametrize(("method", "printed"), PRINTED)
def test_weights_on_forty_steps(method: Method, printed: tuple[float, float]) -> None:
    weights, error = method(OU, power_features(OU, 40)).solve()
    assert np.all(np.abs(weights - printed) <= error + 1e-15)
    assert error.max() < 1e-11


@pytest.mark.parametrize("method", [td0, td1, martingale_loss, projection])
def test_exact_features_have_the_weights_one(method: Method) -> None:
    for seed in range(5):
        process = random_process(SeededDraw(seed))
        weights, error = method(process, exact_features(process, 17)).solve()
        assert np.all(np.abs(weights - 1) <= error)


@pytest.mark.parametrize(("n_steps", "printed"), [(10, 0.09407706662691712), (160, 0.10275426030342735)])
def test_mean_square_td_error_at_the_truth(n_steps: int, printed: float) -> None:
    assert mean_square_td_error(OU, exact_features(OU, n_steps), (1, 1)) == pytest.approx(printed, abs=1e-12)


def fourth_moments(process: OrnsteinUhlenbeck, times: FloatArray) -> tuple[FloatArray, FloatArray]:
    """``E X_i^2 X_j^2`` for all pairs from the covariance matrix, and the variances."""
    v = process.variance(times)
    covariance = np.empty((times.size, times.size))
    for i in range(times.size):
        for j in range(times.size):
            covariance[i, j] = np.exp(-process.reversion * abs(times[i] - times[j])) * v[min(i, j)]
    return np.outer(v, v) + 2 * covariance**2, v


@pytest.mark.parametrize("name", ["td0", "td1", "martingale_loss", "mean_square_td"])
def test_systems_against_slow_sums(name: str) -> None:
    process, n = random_process(SeededDraw(3)), 7
    f, step = power_features(process, n, (1.5, 1.0)), process.horizon / n
    fourth, v = fourth_moments(process, process.grid(n))

    def moment(c: FloatArray, b: FloatArray, i: int, d: FloatArray, e: FloatArray, j: int) -> FloatArray:
        """``E (c X_i^2 + b)(d X_j^2 + e)^T``."""
        total: FloatArray = np.outer(c, d) * fourth[i, j] + np.outer(c, e) * v[i]
        total += np.outer(b, d) * v[j] + np.outer(b, e)
        return total

    one, zero = np.ones(1), np.zeros(1)
    matrix, right = np.zeros((2, 2)), np.zeros((2, 1))
    for k in range(n):
        now, after = (f.square[k], f.constant[k], k), (f.square[k + 1], f.constant[k + 1], k + 1)
        if name == "martingale_loss":
            matrix += step * moment(*now, *now)
            right += sum(step**2 * moment(*now, one, zero, i) for i in range(k, n))
            continue
        tests = {"td0": [now], "td1": [(f.square[j], f.constant[j], j) for j in range(k + 1)]}.get(name, [])
        for test in tests:
            scale = step if name == "td1" else 1.0
            matrix += scale * (moment(*test, *after) - moment(*test, *now))
            right -= scale * step * moment(*test, one, zero, k)
        if name == "mean_square_td":
            for left, sign in ((after, 1), (now, -1)):
                matrix += sign * (moment(*left, *after) - moment(*left, *now))
                right -= sign * step * moment(*left, one, zero, k)
    method = {"td0": td0, "td1": td1, "martingale_loss": martingale_loss, "mean_square_td": mean_square_td}[
        name
    ]
    system = method(process, f)
    np.testing.assert_allclose(system.matrix, matrix, rtol=0, atol=1e-13)
    np.testing.assert_allclose(system.right, right.ravel(), rtol=0, atol=1e-13)


def test_a_singular_system_is_refused() -> None:
    features = power_features(OU, 5)
    doubled = Features(features.square[:, [0, 0]], features.constant[:, [0, 0]])
    with pytest.raises((ValueError, np.linalg.LinAlgError)):
        projection(OU, doubled).solve()


def test_the_limit_is_that_of_fine_grids() -> None:
    limit, _ = limit_martingale_loss(OU).solve()
    coarse, fine = (projection(OU, power_features(OU, n)).solve()[0] for n in (4000, 8000))
    np.testing.assert_allclose(2 * fine - coarse, limit, atol=1e-7)  # one step of extrapolation
