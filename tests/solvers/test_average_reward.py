"""Average reward: all policies in rationals, three routes, closed forms, periodic and multichain structure."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from scipy import sparse

from mdplab.models import MDP
from mdplab.solution import ConvergenceWarning, Status
from mdplab.solvers import average_reward, average_reward_program, relative_value_iteration, value_iteration
from mdplab.solvers.chain_value import evaluate_chain
from mdplab.solvers.gain_bounds import bound_gain
from mdplab.solvers.undiscounted import pair_model
from rational_chains import best_gains, gains
from small_models import as_sparse, random_mdp


def random_model(seed: int) -> MDP:
    """Dyadic rows of one to three successors: multichain, periodic, with transient states, ties and masks."""
    rng = np.random.default_rng([seed, 9])
    n, a = int(rng.integers(1, 6)), int(rng.integers(1, 4))
    weights = rng.multinomial((1, 2, 4)[seed % 3], np.full(n, 1 / n), (n, a))
    kernel = weights / weights.sum(axis=-1, keepdims=True)
    if seed % 4 == 1:  # blocks without a way between them
        half = np.arange(n) < (n + 1) // 2
        kernel = np.where(half[:, None, None] == half, kernel, 0.0)
        kernel[np.arange(n), :, np.arange(n)] += 1 - kernel.sum(axis=-1)
    reward = rng.integers(-3, 4, (n, a)) / 4 if seed % 5 else np.ones((n, a))
    available = None
    if seed % 2:
        available = rng.random((n, a)) < 0.7
        available[np.arange(n), rng.integers(0, a, n)] = True
    return MDP(kernel, reward, 0.9, available=available)


@pytest.mark.parametrize("block", range(20))
def test_random_models_against_all_policies(block: int) -> None:
    for seed in range(20 * block, 20 * block + 20):
        model = random_model(seed)
        expected = best_gains(model)
        for variant in (model, as_sparse(model)):
            for solver in (average_reward, average_reward_program):
                solution = solver(variant)
                assert solution.status is Status.CONVERGED
                assert solution.certificate.bound < (1e-12 if solver is average_reward else 1e-8)
                own = gains(variant, [int(a) for a in solution.policy.argmax(axis=1)])
                for s, exact in enumerate(expected):
                    assert Fraction(solution.lower[s]) <= own[s] == exact <= Fraction(solution.upper[s])
                    error = abs(Fraction(solution.gain[s]) - exact)
                    assert error <= Fraction(solution.certificate.bound)
                if solver is average_reward:
                    assert solution.gain_residual < 1e-13
                    assert solution.bias_residual < 1e-12


def test_the_random_models_are_of_every_kind() -> None:
    found = [average_reward(random_model(seed)) for seed in range(400)]
    assert sum(np.ptp(f.gain) > 1e-9 for f in found) >= 60
    assert sum(not f.unichain for f in found) >= 80
    assert sum(f.constant for f in found) >= 80
    assert sum((f.component < 0).any() for f in found) >= 80


@pytest.mark.parametrize("seed", range(60))
def test_relative_value_iteration(seed: int) -> None:
    """Its bounds hold in every model; they meet where the gain is constant."""
    model = random_model(seed)
    expected = best_gains(model)
    if len(set(expected)) == 1:
        solution = relative_value_iteration(as_sparse(model) if seed % 2 else model, tol=1e-9)
        assert solution.status is Status.CONVERGED
        assert solution.certificate.bound <= 1e-9
    else:
        with pytest.warns(ConvergenceWarning):
            solution = relative_value_iteration(model, max_steps=300)
        assert solution.status is Status.MAX_STEPS
    own = gains(model, [int(a) for a in solution.policy.argmax(axis=1)])
    for s, exact in enumerate(expected):
        assert Fraction(solution.lower[s]) <= own[s] <= exact <= Fraction(solution.upper[s])


@pytest.mark.parametrize("seed", range(40))
def test_three_routes_on_larger_models(seed: int) -> None:
    rng = np.random.default_rng([seed, 10])
    n, a = int(rng.integers(2, 51)), int(rng.integers(1, 6))
    kernel = rng.dirichlet(np.full(n, 0.1), (n, a))
    if seed % 3 == 0:
        kernel = np.where(kernel > 0.05, kernel, 0.0)
        kernel[..., 0] += kernel.sum(axis=-1) == 0
        kernel /= kernel.sum(axis=-1, keepdims=True)
    model = MDP(kernel, rng.normal(size=(n, a)) * (1.0, 1e3, 1e-3)[seed % 3], 0.5)
    solution = average_reward(model)
    assert solution.certificate.bound < 1e-11 * max(1.0, float(np.abs(model.reward).max()))
    program = average_reward_program(model)
    scale = float(np.ptp(model.reward))
    np.testing.assert_allclose(program.gain, solution.gain, rtol=0, atol=1e-6 * scale)
    assert program.objective == pytest.approx(solution.gain.mean(), abs=1e-6 * scale)
    assert (
        np.abs(program.gain - solution.gain) <= program.certificate.bound + solution.certificate.bound
    ).all()
    assert (program.lower <= solution.upper).all()
    assert (program.upper >= solution.lower).all()
    if solution.constant:
        iterated = relative_value_iteration(model, tol=1e-8 * max(1.0, float(np.abs(model.reward).max())))
        np.testing.assert_allclose(iterated.gain, solution.gain, atol=2 * iterated.certificate.bound)


def test_two_states_in_closed_form() -> None:
    """Leave with p and come back with q: gain (q r0 + p r1) / (p + q), bias difference (r0 - r1) / (p + q)."""
    p, q, r = 0.3, 0.2, (5.0, -1.0)
    model = MDP([[[1 - p, p]], [[q, 1 - q]]], [[r[0]], [r[1]]], 0.9)
    solution = average_reward(model)
    np.testing.assert_allclose(solution.gain, (q * r[0] + p * r[1]) / (p + q), rtol=1e-14)
    assert solution.bias[0] - solution.bias[1] == pytest.approx((r[0] - r[1]) / (p + q), rel=1e-14)
    assert q * solution.bias[0] + p * solution.bias[1] == pytest.approx(0, abs=1e-14)
    program = average_reward_program(model)
    np.testing.assert_allclose(program.stationary.ravel(), [q / (p + q), p / (p + q)], atol=1e-12)


def test_howards_taxicab() -> None:
    """Howard (1960), three towns: always the cab stand (action 1); gain 13.34454, relative values as printed."""
    kernel = np.array(
        [
            [[1 / 2, 1 / 4, 1 / 4], [1 / 16, 3 / 4, 3 / 16], [1 / 4, 1 / 8, 5 / 8]],
            [[1 / 2, 0, 1 / 2], [1 / 16, 7 / 8, 1 / 16], [1 / 16, 7 / 8, 1 / 16]],
            [[1 / 4, 1 / 4, 1 / 2], [1 / 8, 3 / 4, 1 / 8], [3 / 4, 1 / 16, 3 / 16]],
        ]
    )
    fares = np.array(
        [
            [[10, 4, 8], [8, 2, 4], [4, 6, 4]],
            [[14, 0, 18], [8, 16, 8], [8, 16, 8]],
            [[10, 2, 8], [6, 4, 2], [4, 0, 8]],
        ],
        dtype=float,
    )
    available = np.array([[True] * 3, [True, True, False], [True] * 3])
    solution = average_reward(MDP(kernel, fares, 0.9, available=available))
    assert solution.policy.argmax(axis=1).tolist() == [1, 1, 1]
    np.testing.assert_allclose(solution.gain, 13.34454, atol=5e-6)
    np.testing.assert_allclose(solution.bias - solution.bias[2], [-1.17647, 12.65546, 0.0], atol=5e-6)


def test_periodic_ring() -> None:
    """A ring of k states: the mean of the rewards, whatever the period; the bias is the Cesaro one."""
    for k in (1, 2, 3, 7):
        reward = np.arange(k, dtype=float)[:, None]
        model = MDP(np.eye(k)[(np.arange(k) + 1) % k][:, None], reward, 0.9)
        for solution in (average_reward(model), relative_value_iteration(model, tol=1e-10)):
            assert solution.status is Status.CONVERGED
            np.testing.assert_allclose(solution.gain, reward.mean(), atol=1e-10)
            assert solution.unichain
        bias = average_reward(model).bias
        np.testing.assert_allclose(bias.sum(), 0, atol=1e-12)
        np.testing.assert_allclose(bias, reward[:, 0] - reward.mean() + np.roll(bias, -1), atol=1e-12)


def test_multichain_with_a_gamble() -> None:
    """From the middle one may go to two prisons of gains 1 and 3, by two lotteries, or stay at 1.5."""
    kernel = np.zeros((3, 3, 3))
    kernel[0, 0, [1, 2]] = 0.5
    kernel[0, 1, [1, 2]] = 0.25, 0.75
    kernel[0, 2, 0] = 1.0
    kernel[1, :, 1] = kernel[2, :, 2] = 1.0
    reward = np.array([[100.0, -100.0, 1.5], [1.0, 1.0, 1.0], [3.0, 3.0, 3.0]])
    solution = average_reward(MDP(kernel, reward, 0.9))
    np.testing.assert_allclose(solution.gain, [2.5, 1.0, 3.0], atol=1e-15)
    assert solution.component.tolist() == [-1, 0, 1]
    assert solution.policy[0].tolist() == [0.0, 1.0, 0.0]
    assert not solution.unichain
    assert not solution.constant
    assert solution.bias[0] == pytest.approx(-100 - 2.5)


def test_communicating_models_need_not_be_unichain() -> None:
    """Two states, stay or move: staying everywhere is multichain, the optimal gain is constant all the same."""
    model = MDP([[[1, 0], [0, 1]], [[0, 1], [1, 0]]], [[1.0, 0.0], [2.0, 0.0]], 0.9)
    solution = average_reward(model)
    assert solution.gain.tolist() == [2.0, 2.0]
    assert solution.constant
    assert solution.bias.tolist() == [-2.0, 0.0]


def test_the_bounds_hold_for_any_point() -> None:
    """Whatever gain, bias and policy are offered, what is proven about them is true."""
    rng = np.random.default_rng(0)
    for seed in range(60):
        model = random_model(seed)
        expected = best_gains(model)
        pairs = pair_model(model)
        starts = np.searchsorted(pairs.owner, np.arange(model.n_states))
        counts = np.bincount(pairs.owner)
        choice = starts + rng.integers(0, counts)
        bounds = bound_gain(pairs, rng.normal(size=model.n_states), rng.normal(size=model.n_states), choice)
        own = gains(model, [int(i) for i in pairs.pair[choice] % model.n_actions])
        for s, exact in enumerate(expected):
            assert Fraction(bounds.lower[s]) <= own[s]
            assert bounds.upper[s] == np.inf or exact <= Fraction(bounds.upper[s])


def test_discounted_values_approach_gain_and_bias() -> None:
    """(1 - gamma) V -> g and V - g / (1 - gamma) -> h of a Blackwell-optimal policy (Laurent expansion)."""
    model = random_mdp(5)
    solution = average_reward(model)
    limit = value_iteration(model.replace(discount=0.9999), tol=1e-4).value
    np.testing.assert_allclose((1 - 0.9999) * limit, solution.gain, atol=1e-3)
    np.testing.assert_allclose(limit - solution.gain / (1 - 0.9999), solution.bias, atol=1e-2)


def test_slow_mixing_is_told() -> None:
    """Two rooms joined by a door of probability 2^-30: the bound grows with the bias, and holds."""
    q = 2.0**-30
    model = MDP([[[1 - q, q]], [[q / 2, 1 - q / 2]]], [[1.0], [0.0]], 0.9)
    solution = average_reward(model)
    assert abs(solution.gain[0] - 1 / 3) <= solution.certificate.bound
    assert 1e-12 < solution.certificate.bound < 1e-4


def test_stationary_law_and_limits_of_a_chain() -> None:
    rng = np.random.default_rng(1)
    kernel = rng.dirichlet(np.full(30, 0.2), 30)
    chain = evaluate_chain(sparse.csr_array(kernel), rng.normal(size=30))
    np.testing.assert_allclose(chain.stationary @ kernel, chain.stationary, atol=1e-14)
    np.testing.assert_allclose(chain.stationary @ chain.bias, 0, atol=1e-12)


def test_max_steps_callback_and_checks() -> None:
    rng = np.random.default_rng(2)
    model = MDP(rng.dirichlet(np.full(30, 0.2), (30, 5)), rng.normal(size=(30, 5)), 0.9)
    exact = average_reward(model)
    assert exact.steps >= 2
    with pytest.warns(ConvergenceWarning):
        short = average_reward(model, max_steps=1)
    assert short.status is Status.MAX_STEPS
    assert (short.lower <= exact.upper).all()
    assert (short.upper >= exact.lower).all()
    for solver in (average_reward, relative_value_iteration):
        broken = solver(model, callback=lambda k, low, high: True)
        assert broken.status is Status.INTERRUPTED
        assert broken.steps == 1
        assert (broken.lower <= exact.gain).all()
        assert (broken.upper >= exact.gain).all()
    with pytest.raises(ValueError, match="aperiodicity"):
        relative_value_iteration(model, aperiodicity=1.0)
    assert list(exact.to_frame().columns)[:2] == ["gain", "lower"]


def test_a_sparse_queue_of_two_thousand_states() -> None:
    """A birth-and-death chain with one action: gain by its geometric stationary law."""
    n, up, down = 2000, 0.3, 0.4
    s = np.arange(n)
    rows = np.concatenate([s, s, s])
    columns = np.concatenate([np.minimum(s + 1, n - 1), np.maximum(s - 1, 0), s])
    data = np.concatenate([np.full(n, up), np.full(n, down), np.full(n, 1 - up - down)])
    kernel = sparse.coo_array((data, (rows, columns)), shape=(n, n)).tocsr()
    kernel.sum_duplicates()
    law = (up / down) ** s
    solution = average_reward(MDP(kernel, -np.minimum(s, 50.0)[:, None], 0.9))
    np.testing.assert_allclose(
        solution.gain, -(law @ np.minimum(s, 50)) / law.sum(), atol=solution.certificate.bound
    )
    assert solution.certificate.bound < 1e-9
