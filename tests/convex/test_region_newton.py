"""Newton's method on the conditions of optimality of a program over divergence balls."""

from __future__ import annotations

import numpy as np
import pytest

from mdplab.convex import RegionProgram
from mdplab.convex.region_newton import newton_region
from mdplab.operators import log_tilt, multi_reference_tilt
from mdplab.solvers import trust_region

X = np.array([1.0, 0.2, -0.4, 0.5])
LAWS = np.array([[0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4]])


def polish(
    program: RegionProgram, log_policy: np.ndarray, multipliers: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    found = newton_region(program, log_policy, multipliers)
    assert found is not None
    return found


def test_multipliers_of_two_balls_to_ten_digits() -> None:
    program = RegionProgram.of(X, np.log(LAWS), radii=[0.25, 0.3])
    start = np.log([[0.3629, 0.1861, 0.0986, 0.3524]])
    logs, prices = polish(program, start, np.array([0.1894, 0.5348]))
    np.testing.assert_allclose(prices, [0.1894512962, 0.5348121140], atol=1e-10)
    np.testing.assert_allclose(
        np.exp(logs[0]), [0.3629037785, 0.1860752486, 0.0985995766, 0.3524213964], atol=1e-10
    )
    np.testing.assert_allclose(program.divergences(logs)[0], [0.25, 0.3], atol=1e-15)


@pytest.mark.parametrize("seed", range(8))
def test_several_states_and_a_disturbed_start(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, weights = rng.normal(size=(3, 4)), np.array([0.9, 0.1, 1e-6])
    reference = log_tilt(rng.normal(size=(1, 3, 4)))
    found = trust_region(x, reference, radii=[0.05], weights=weights)
    start = log_tilt(found.log_policy + 1e-3 * rng.normal(size=(3, 4)))
    logs, prices = polish(found.program, start, found.multipliers * (1 + 1e-3))
    np.testing.assert_allclose(prices, found.multipliers, rtol=1e-12)
    np.testing.assert_allclose(logs, found.log_policy, atol=1e-11)


def test_probabilities_that_the_start_has_at_zero() -> None:
    program = RegionProgram.of([0.0, 1.0, 0.5], log_tilt(np.array([[0.0, -60.0, -40.0]])), penalties=[0.5])
    with np.errstate(divide="ignore"):
        logs, _ = polish(program, np.log([[1.0, 0.0, 0.0]]), np.zeros(1))
    exact = multi_reference_tilt([0.0, 1.0, 0.5], log_tilt(np.array([[0.0, -60.0, -40.0]])), [0.5])
    np.testing.assert_allclose(logs[0], exact, atol=1e-12)


def test_a_ball_that_does_not_bind_loses_its_price() -> None:
    program = RegionProgram.of(X, np.log(LAWS), radii=[0.05, 10.0])
    alone = trust_region(X, np.log(LAWS[:1]), radii=[0.05])
    _, prices = polish(program, alone.log_policy, np.array([alone.multipliers[0], 1e-9]))
    assert prices[1] == 0.0
    assert prices[0] == pytest.approx(alone.multipliers[0], rel=1e-12)


def test_without_any_price_there_is_nothing_to_solve() -> None:
    program = RegionProgram.of(X, np.log(LAWS), radii=[5.0, 5.0])
    assert newton_region(program, np.log([[0.97, 0.01, 0.01, 0.01]]), np.zeros(2)) is None


def test_a_singular_system_is_reported() -> None:
    twice = RegionProgram.of(X, np.log(LAWS[[0, 0]]), radii=[0.05, 0.05])
    price = trust_region(X, np.log(LAWS[:1]), radii=[0.05])
    found = newton_region(twice, price.log_policy, np.full(2, price.multipliers[0] / 2))
    assert found is None or found[1].sum() == pytest.approx(price.multipliers[0], rel=1e-6)
