"""Step schedules: printed numbers, and the guarantees on random models."""

from __future__ import annotations

import numpy as np
import pytest

from mdplab.models import MDP, FiniteHorizonMDP
from mdplab.operators import greedy_policy, state_occupancy
from mdplab.solvers import (
    adaptive_steps,
    backward_induction,
    constant_steps,
    geometric_steps,
    mirror_descent,
    policy_evaluation,
    policy_iteration,
    regularised_steps,
    soft_policy_iteration,
    stage_mirror_descent,
)
from mdplab.solvers.step_rules import LARGEST_STEP
from tests.small_models import random_mdp, t3

M3 = t3().replace(reward=np.array([[1.0, 0.0], [0.2, 0.5], [0.0, 0.8]]))
LOOP = MDP(np.ones((1, 2, 1)), [[1.0, 0.0]], 0.5, [1.0])


def mismatch_and_divergence(mdp: MDP, log_policy: np.ndarray) -> tuple[float, float]:
    best = policy_iteration(mdp).policy
    law = state_occupancy(mdp, best)
    divergence = -(np.where(best > 0, log_policy, 0.0)).sum(axis=1)
    return float((law / mdp.initial).max() / (1 - mdp.discount)), float(law @ divergence)


def geometric_bound(mdp: MDP, gap: float, theta: float, divergence: float, first: float, k: int) -> float:
    return (1 - 1 / theta) ** k * (gap + divergence / ((1 - mdp.discount) * first * (theta - 1)))


def start_gaps(mdp: MDP, values: np.ndarray) -> np.ndarray:
    return (policy_iteration(mdp).value - values) @ mdp.initial


def test_geometric_steps_on_m3() -> None:
    theta, divergence = mismatch_and_divergence(M3, np.full((3, 2), -np.log(2.0)))
    assert theta == pytest.approx(20.7697582719, abs=6e-11)
    assert divergence == pytest.approx(np.log(2.0))
    run = mirror_descent(M3, step=geometric_steps(0.01, 0.9, mismatch=theta), steps=100)
    np.testing.assert_allclose(run.step_sizes[1:] / run.step_sizes[:-1], theta / (theta - 1), rtol=1e-13)
    gaps = start_gaps(M3, run.values)
    marks = [0, 1, 10, 50, 100]
    expected = [3.7405211777, 3.7247910479, 3.5412097534, 0.9998849351, 0.0006951961]
    np.testing.assert_allclose(gaps[marks], expected, rtol=0, atol=6e-11)
    bounds = [geometric_bound(M3, gaps[0], theta, divergence, 0.01, k) for k in marks]
    expected = [38.8015052841, 36.9333321077, 23.6890554914, 3.2911253959, 0.2791517054]
    np.testing.assert_allclose(bounds, expected, rtol=0, atol=6e-11)


def test_geometric_steps_on_the_loop() -> None:
    run = mirror_descent(LOOP, step=geometric_steps(0.05, 0.5, mismatch=2.0), steps=20)
    default = mirror_descent(LOOP, step=geometric_steps(0.05, 0.5), steps=20)
    np.testing.assert_array_equal(run.values, default.values)
    gaps = start_gaps(LOOP, run.values)
    np.testing.assert_allclose(gaps[[1, 5]], [0.9750052070, 0.3501725363], rtol=0, atol=6e-11)
    bounds = [geometric_bound(LOOP, gaps[0], 2.0, np.log(2.0), 0.05, k) for k in (1, 5, 10, 20)]
    np.testing.assert_allclose(bounds[:3], [14.3629436112, 0.8976839757, 0.0280526242], rtol=0, atol=6e-11)
    assert bounds[3] == pytest.approx(2.7395e-5, abs=6e-10)
    constant = mirror_descent(LOOP, step=constant_steps(0.05), steps=10)
    assert start_gaps(LOOP, constant.values)[10] == pytest.approx(0.7550813376, abs=6e-11)


@pytest.mark.parametrize("seed", range(25))
def test_geometric_guarantee(seed: int) -> None:
    rng = np.random.default_rng([seed, 1])
    base = random_mdp(seed, masked=bool(seed % 2)).replace(discount=float(rng.uniform(0.3, 0.95)))
    mdp = base.replace(initial=0.9 * base.initial + 0.1 / base.n_states)
    first = float(np.exp(rng.uniform(-6, 0)))
    start = mirror_descent(mdp, step=1.0, steps=0)
    theta, divergence = mismatch_and_divergence(mdp, start.log_policies[0])
    for mismatch in (theta, None):
        run = mirror_descent(mdp, step=geometric_steps(first, mdp.discount, mismatch=mismatch), steps=60)
        gaps = start_gaps(mdp, run.values)
        for k in range(61):
            assert gaps[k] <= geometric_bound(mdp, gaps[0], theta, divergence, first, k) + 1e-10


def adaptive_bound(discount: float, gap: float, scale: float, k: int) -> float:
    slacks = [scale * discount ** (2 * i) for i in range(1, k + 1)]
    return discount**k * (gap + sum(discount**-i * c for i, c in enumerate(slacks, start=1)))


def test_adaptive_steps_on_m3() -> None:
    run = mirror_descent(M3, step=adaptive_steps(1.0, 0.9), steps=5)
    gaps = np.abs(policy_iteration(M3).value - run.values).max(axis=1)
    marks = [0, 1, 2, 3, 5]
    expected = [3.9877304375, 2.5734120662, 1.3916668350, 0.7504616084, 0.3326266437]
    np.testing.assert_allclose(gaps[marks], expected, rtol=0, atol=6e-11)
    expected = [3.9877304375, 4.3989573937, 4.6151616544, 4.6850864889, 4.5310189851]
    bounds = [adaptive_bound(0.9, gaps[0], 1.0, k) for k in marks]
    np.testing.assert_allclose(bounds, expected, rtol=0, atol=6e-11)


def test_a_constant_step_misses_the_adaptive_bound() -> None:
    run = mirror_descent(LOOP, step=constant_steps(0.1), steps=10)
    assert start_gaps(LOOP, run.values)[10] == pytest.approx(0.5378828427, abs=6e-11)
    assert adaptive_bound(0.5, 1.0, 0.1, 10) == pytest.approx(0.0010741234, abs=6e-11)
    adaptive = mirror_descent(LOOP, step=adaptive_steps(0.1, 0.5), steps=10)
    assert start_gaps(LOOP, adaptive.values)[10] <= 0.0010741234


@pytest.mark.parametrize("seed", range(25))
def test_adaptive_guarantee(seed: int) -> None:
    rng = np.random.default_rng([seed, 2])
    mdp = random_mdp(seed, masked=bool(seed % 2)).replace(discount=float(rng.uniform(0.3, 0.95)))
    scale = float(np.exp(rng.uniform(-3, 2)))
    rule = adaptive_steps(scale, mdp.discount)
    run = mirror_descent(mdp, step=rule, steps=25)
    gaps = np.abs(policy_iteration(mdp).value - run.values).max(axis=1)
    for k in range(26):
        assert gaps[k] <= adaptive_bound(mdp.discount, gaps[0], scale, k) + 1e-10
    for k in range(25):
        greedy = greedy_policy(mdp, run.q[k])
        needed = -np.where(greedy > 0, run.log_policies[k], 0.0).sum(axis=1).min()
        allowed = scale * mdp.discount ** (2 * (k + 1))
        assert run.step_sizes[k, 0] >= needed / allowed * (1 - 1e-12)
        assert run.step_sizes[k, 0] <= max(needed, 2.0**-51) / allowed * (1 + 1e-12)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("discount", [1.0, 0.8])
def test_adaptive_guarantee_by_stages(seed: int, discount: float) -> None:
    rng = np.random.default_rng([seed, 3])
    horizon, states, actions = (int(rng.integers(1, 6)), int(rng.integers(1, 5)), int(rng.integers(1, 4)))
    mdp = FiniteHorizonMDP(
        rng.dirichlet(np.ones(states), (horizon, states, actions)),
        rng.normal(size=(horizon, states, actions)),
        discount=discount,
        terminal=rng.normal(size=states),
    )
    scale = float(np.exp(rng.uniform(-4, 2)))
    decay = float(rng.uniform(0.5, 1.0))
    run = stage_mirror_descent(mdp, step=adaptive_steps(scale, decay), steps=10)
    best = backward_induction(mdp).value
    slacks = [scale * decay ** (2 * (i + 1)) for i in range(10)]
    for k in range(11):
        for h in range(max(horizon - k, 0), horizon):
            allowed = sum(discount**i * slacks[k - 1 - i] for i in range(horizon - h))
            assert np.abs(best[h] - run.values[k, h]).max() <= allowed + 1e-11


def test_regularised_steps_on_m3() -> None:
    best = soft_policy_iteration(M3, temperature=0.5, tol=1e-12)
    for eta, constant, errors in (
        (0.02, 3.0120414296, {1: 1.0888958145, 2: 0.8627332950, 10: 0.1243026824, 20: 0.0122226176}),
        (0.1, 2.2803798954, {1: 0.3015197930, 2: 0.0641969445, 10: 7.5963640e-7}),
        (0.2, 1.3658029776, {1: 0.0104246208, 2: 4.8525765e-7}),
    ):
        fraction = eta * 0.5 / (1 - 0.9)
        run = mirror_descent(M3, step=regularised_steps(0.5, min(fraction, 1.0)), steps=40, temperature=0.5)
        distances = np.abs(run.q - best.q).max(axis=(1, 2))
        policies = np.abs(run.log_policies - best.log_policy).max(axis=(1, 2))
        c = distances[0] + 2 * 0.5 * (1 - fraction) * policies[0]
        assert c == pytest.approx(constant, abs=6e-11)
        for t, error in errors.items():
            assert distances[t] == pytest.approx(error, abs=6e-11)
        for t in range(40):
            rate = (1 - eta * 0.5) ** t
            assert distances[t + 1] <= c * 0.9 * rate + 1e-10
            assert policies[t + 1] <= 2 * c / 0.5 * rate + 1e-10
        assert np.all(np.diff(run.values, axis=0) >= -1e-12)


@pytest.mark.parametrize("seed", range(12))
def test_regularised_guarantee(seed: int) -> None:
    rng = np.random.default_rng([seed, 4])
    mdp = random_mdp(seed).replace(discount=float(rng.uniform(0.3, 0.95)))
    tau, fraction = (
        float(np.exp(rng.uniform(-3, 1))),
        (0.05, 0.5, 1.0, float(rng.uniform(0.0, 1.0)))[seed % 4],
    )
    first = rng.normal(size=mdp.reward.shape)
    first = first - np.log(np.exp(first).sum(axis=1, keepdims=True))
    run = mirror_descent(
        mdp, step=regularised_steps(tau, fraction), steps=40, temperature=tau, initial_log_policy=first
    )
    best = soft_policy_iteration(mdp, temperature=tau, tol=1e-12)
    distances = np.abs(run.q - best.q).max(axis=(1, 2))
    policies = np.abs(run.log_policies - best.log_policy).max(axis=(1, 2))
    c = distances[0] + 2 * tau * (1 - fraction) * policies[0]
    for t in range(40):
        rate = (1 - (1 - mdp.discount) * fraction) ** t
        assert distances[t + 1] <= c * mdp.discount * rate + 1e-9 * (1 + 1 / tau)
        assert policies[t + 1] <= 2 * c / tau * rate + 1e-9 * (1 + 1 / tau)


def test_constant_guarantee_on_m3() -> None:
    for eta, bounds in ((0.01, {1: 169.31471806, 10: 16.931471806, 100: 1.6931471806}), (0.1, {})):
        run = mirror_descent(M3, step=constant_steps(eta / (1 - 0.9)), steps=100)
        gaps = start_gaps(M3, run.values)
        for t in range(1, 101):
            bound = (np.log(2.0) / eta + 1 / (1 - 0.9) ** 2) / t
            assert gaps[t] <= bound
            assert t not in bounds or bound == pytest.approx(bounds[t], rel=1e-10)
    policy = mirror_descent(M3, step=constant_steps(2.0), steps=1).policies[1]
    other = mirror_descent(M3, step=2.0, steps=1).policies[1]
    np.testing.assert_array_equal(policy, other)
    assert (policy_evaluation(M3, policy).value >= run.values[0]).all()


def test_growing_steps_stop_at_the_largest() -> None:
    run = mirror_descent(LOOP, step=geometric_steps(1.0, 0.5), steps=1100)
    assert run.step_sizes[-1, 0] == LARGEST_STEP
    assert np.all(np.diff(run.step_sizes[:, 0]) >= 0)
    assert abs(start_gaps(LOOP, run.values)[-1]) <= 1e-12
    adaptive = mirror_descent(LOOP, step=adaptive_steps(1.0, 0.5), steps=600)
    assert adaptive.step_sizes.max() <= LARGEST_STEP
    assert abs(start_gaps(LOOP, adaptive.values)[-1]) <= 1e-12


def test_ties_count_together() -> None:
    rule = adaptive_steps(1.0, 1.0)
    q = np.array([[1.0, 1.0, 0.0]])
    assert rule(0, np.log([[0.25, 0.25, 0.5]]), q) == pytest.approx(np.log(2.0))
    with pytest.raises(ValueError, match="excludes a greedy action at t = 3"):
        rule(3, np.array([[-np.inf, -np.inf, 0.0]]), q)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: constant_steps(0.0), "step"),
        (lambda: geometric_steps(np.inf, 0.9), "first"),
        (lambda: geometric_steps(1.0, 0.0), "discount"),
        (lambda: geometric_steps(1.0, 0.9, mismatch=9.0), "mismatch"),
        (lambda: adaptive_steps(-1.0, 0.9), "scale"),
        (lambda: adaptive_steps(1.0, 1.1), "discount"),
        (lambda: regularised_steps(0.0), "temperature"),
        (lambda: regularised_steps(1.0, 1.5), "fraction"),
    ],
)
def test_bad_input_is_named(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
