"""Stacks of models: each bound holds, and single solves agree."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from mdplab.models import MDP
from mdplab.solution import Status
from mdplab.solvers import policy_evaluation, policy_iteration, soft_policy_iteration, solve, solve_batch
from tests import naive


def stack(seed: int, count: int = 30, states: int = 4, actions: int = 3) -> tuple[np.ndarray, ...]:
    """Kernels (some with zeros, some deterministic), rewards, masks, policies."""
    rng = np.random.default_rng([seed, 11])
    kernel = rng.dirichlet(np.ones(states), (count, states, actions))
    kernel[1::3] *= rng.random(kernel[1::3].shape) < 0.5
    kernel[1::3, ..., 0] += kernel[1::3].sum(axis=-1) == 0
    kernel[2::3] = np.eye(states)[rng.integers(0, states, kernel[2::3].shape[:3])]
    kernel /= kernel.sum(axis=-1, keepdims=True)
    mask = rng.random((count, states, actions)) < 0.7
    mask[..., 1] = True
    policy = rng.dirichlet(np.ones(actions), (count, states)) * mask
    policy /= policy.sum(axis=-1, keepdims=True)
    return kernel, rng.normal(size=(count, states, actions)), mask, policy


@pytest.mark.parametrize("discount", [0.0, 0.9, 0.999, 0.999999])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("tol", [0.0, 1e-6])
def test_hard_bounds_hold(discount: float, masked: bool, tol: float) -> None:
    kernel, reward, mask, _ = stack(0)
    available = mask if masked else None
    found = solve_batch(kernel, reward, discount, available=available, tol=tol)
    for b in range(len(kernel)):
        mdp = MDP(kernel[b], reward[b], discount, available=mask[b] if masked else None)
        rows, gain = naive.exact_rows(mdp), naive.fractions_of(reward[b])
        value = naive.exact_optimum(rows, gain, Fraction(discount))
        assert naive.largest_error(found.value[b], value) <= found.bound[b]
        assert found.bound[b] <= 10 * max(tol, found.rounding[b])
        q = naive.exact_lookahead(rows, gain, Fraction(discount), value)
        assert naive.largest_error(found.q[b], q) <= found.q_error[b]
        own = naive.exact_evaluation(rows, gain, Fraction(discount), naive.fractions_of(found.policy[b]))
        assert max(float(v - w) for v, w in zip(value, own, strict=True)) <= found.suboptimality[b]
        lower, upper = naive.fractions_of(found.lower[b]), naive.fractions_of(found.upper[b])
        assert all(x <= v <= y for x, v, y in zip(lower, value, upper, strict=True))
    worst = found.bound.max()
    assert found.certificate.bound == worst
    assert found.status is (Status.CONVERGED if worst <= tol else Status.PRECISION_LIMIT)


@pytest.mark.parametrize("temperature", [0.0, 0.7])
@pytest.mark.parametrize("discount", [0.0, 0.9, 0.9999])
def test_evaluation(temperature: float, discount: float) -> None:
    kernel, reward, mask, policy = stack(1)
    logs = np.random.default_rng(0).normal(size=policy.shape[1:])
    found = solve_batch(
        kernel,
        reward,
        discount,
        policy=policy,
        temperature=temperature,
        log_reference=logs if temperature else None,
        available=mask,
    )
    for b in range(len(kernel)):
        mdp = MDP(kernel[b], reward[b], discount, available=mask[b])
        one = policy_evaluation(
            mdp, policy[b], temperature=temperature, log_reference=logs if temperature else None
        )
        assert np.abs(one.value - found.value[b]).max() <= one.certificate.bound + found.bound[b]
        if temperature == 0:
            exact = naive.exact_evaluation(
                naive.exact_rows(mdp),
                naive.fractions_of(reward[b]),
                Fraction(discount),
                naive.fractions_of(policy[b]),
            )
            assert naive.largest_error(found.value[b], exact) <= found.bound[b]
    assert np.all(found.bound <= 10 * np.maximum(1e-8, found.rounding))
    assert found.certificate.bound < 1e-6
    assert np.isnan(found.suboptimality).all()
    np.testing.assert_array_equal(found.policy, policy)


@pytest.mark.parametrize("temperature", [0.02, 1.0])
@pytest.mark.parametrize("discount", [0.0, 0.9, 0.999])
def test_soft(temperature: float, discount: float) -> None:
    kernel, reward, mask, policy = stack(2)
    with np.errstate(divide="ignore"):
        logs = np.log(policy)
    found = solve_batch(
        kernel, reward, discount, temperature=temperature, log_reference=logs, available=mask, tol=1e-9
    )
    assert found.status in (Status.CONVERGED, Status.PRECISION_LIMIT)
    for b in range(len(kernel)):
        mdp = MDP(kernel[b], reward[b], discount, available=mask[b])
        one = soft_policy_iteration(mdp, temperature=temperature, log_reference=logs[b])
        assert np.abs(one.value - found.value[b]).max() <= one.certificate.bound + found.bound[b]
        assert found.bound[b] <= 10 * max(1e-9, found.rounding[b])
        np.testing.assert_allclose(found.policy[b], one.policy, atol=4e-8 / temperature)
        lost = (
            one.value
            - policy_evaluation(
                mdp,
                found.policy[b] / found.policy[b].sum(1, keepdims=True),
                temperature=temperature,
                log_reference=logs[b],
            ).value
        )
        assert lost.max() <= found.suboptimality[b] + 2 * one.certificate.bound + 1e-12


def test_one_state_one_action_and_ties() -> None:
    found = solve_batch(np.ones((3, 1, 2, 1)), np.full((3, 1, 2), 0.1), [0.0, 0.9, 0.999999])
    np.testing.assert_allclose(found.value[:, 0], [0.1, 1.0, 1e5], rtol=1e-9)
    np.testing.assert_array_equal(found.policy[:, 0], [[1, 0]] * 3)


def test_long_chains_need_newton() -> None:
    states = 50
    step = np.minimum(np.arange(states) + 1, states - 1)
    kernel = np.stack([np.eye(states), np.eye(states)[step]], axis=1)[np.newaxis]
    reward = np.zeros((states, 2))
    reward[-1], reward[:, 0] = 1.0, 1e-6
    found = solve_batch(kernel, reward, 0.999, tol=1e-8)
    one = policy_iteration(MDP(kernel[0], reward, 0.999))
    assert found.status is Status.CONVERGED
    assert np.abs(found.value[0] - one.value).max() <= found.bound[0] + one.certificate.bound


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"transition": np.ones((2, 2, 2, 3))}, "transition has shape"),
        ({"transition": np.full((2, 2, 2, 2), 0.6)}, r"transition\[0, 0, 0\] sums to"),
        ({"transition": np.tile([1.5, -0.5], (2, 2, 2, 1))}, "no probability"),
        ({"reward": np.zeros((3, 2, 2))}, "reward has shape"),
        ({"reward": np.array([[0.0, np.nan], [0, 0]])}, r"reward\[0, 0, 1\] is nan"),
        ({"discount": 1.0}, "discount of model 0"),
        ({"temperature": -1.0}, "temperature"),
        ({"tol": -1.0}, "tol"),
        ({"available": np.zeros((2, 2), bool)}, "model 0, state 0 has no action"),
        ({"available": np.zeros((2, 2))}, "dtype"),
        ({"policy": np.full((2, 2), 0.6)}, r"policy\[0, 0\] sums"),
        ({"policy": np.tile([1.5, -0.5], (2, 1))}, r"policy\[0, 0, 1\] is -0.5"),
        ({"temperature": 1.0, "log_reference": np.full((2, 2), -np.inf)}, "gives no weight"),
        ({"temperature": 1.0, "log_reference": np.full((2, 2), np.nan)}, "log_reference"),
    ],
)
def test_bad_input_is_named(change: dict, message: str) -> None:
    arguments = {"transition": np.full((2, 2, 2, 2), 0.5), "reward": np.zeros((2, 2)), "discount": 0.9}
    with pytest.raises(ValueError, match=message):
        solve_batch(**(arguments | change))


@pytest.mark.parametrize("weight", [-1e12, -1e15, -1e30, -1e200, -1e308, float(np.finfo(float).min)])
def test_huge_negative_log_weights_exclude_as_in_large_models(weight: float) -> None:
    kernel = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.7, 0.3], [0.1, 0.9]]])
    reward, logs = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[0, weight], [0, 0]])
    for temperature in (0.5, 3.0):
        found = solve_batch(
            kernel[np.newaxis], reward, 0.95, temperature=temperature, log_reference=logs, tol=1e-10
        )
        single = soft_policy_iteration(
            MDP(kernel, reward, 0.95), temperature=temperature, log_reference=logs, tol=1e-10
        )
        assert found.status is single.status is Status.CONVERGED
        np.testing.assert_allclose(found.value[0], single.value, atol=2e-10, rtol=0)
        assert found.suboptimality[0] < 1e-9
        assert found.policy[0, 0].tolist() == [1.0, 0.0]


def test_huge_positive_log_weights_keep_an_honest_bound() -> None:
    """The rounding of what dominates is not left out: weights of 1e15 cost their units."""
    kernel, logs = np.full((1, 1, 2, 1), 1.0), np.array([[1e15, 1e15 + 1]])
    found = solve_batch(kernel, np.array([[0.3, 0.0]]), 0.5, temperature=1.0, log_reference=logs)
    single = soft_policy_iteration(MDP(kernel[0], [[0.3, 0.0]], 0.5), temperature=1.0, log_reference=logs)
    assert found.status is single.status is Status.PRECISION_LIMIT
    assert found.bound[0] > 0.05
    assert found.bound[0] == pytest.approx(single.certificate.bound, rel=0.5)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("size", [1e302, -1e308])
def test_rewards_whose_values_overflow_are_refused_as_in_large_models(
    temperature: float, size: float
) -> None:
    kernel = np.full((2, 2, 1, 2), 0.5)
    reward = np.array([[[0.0], [1.0]], [[1.0], [size]]])
    place = rf"is {size!r}: at discount 0.9 values would overflow".replace("+", r"\+")
    with pytest.raises(ValueError, match=rf"reward\[1, 1, 0\] {place}"):
        solve_batch(kernel, reward, 0.9, temperature=temperature)
    with pytest.raises(ValueError, match=rf"reward\[1, 0\] {place}"):
        solve(MDP(kernel[1], reward[1], 0.9))
    with pytest.raises(ValueError, match=rf"reward\[1, 1, 0\] {place}"):
        solve_batch(kernel, reward, 0.9, policy=np.ones((2, 2, 1)))
    mask = np.array([[[True, True]] * 2, [[True, True], [True, False]]])
    wide, gain = np.repeat(kernel, 2, axis=2), np.dstack([np.zeros((2, 2)), reward[..., 0]])
    unread = solve_batch(wide, gain, 0.9, temperature=temperature, available=mask)
    assert unread.bound.max() < 1e-8


def test_log_weights_that_overflow_are_refused() -> None:
    with pytest.raises(ValueError, match=r"log_reference\[0, 0, 1\] times 10.0 overflows"):
        solve_batch(
            np.ones((1, 1, 2, 1)), np.zeros((1, 1, 2)), 0.5, temperature=10.0, log_reference=[[0.0, 1e308]]
        )
