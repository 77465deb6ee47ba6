"""Total reward: all proper policies in rationals, linear programs, closed forms, every kind of improper policy."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linprog

from mdplab.models import MDP, TotalRewardMDP
from mdplab.solution import ConvergenceWarning, Status
from mdplab.solvers import policy_evaluation, policy_iteration, total_reward
from rational_chains import INFINITY, best_totals, dense, proper_totals


def as_csr(model: TotalRewardMDP) -> TotalRewardMDP:
    kernel = sparse.csr_array(np.asarray(model.transition).reshape(-1, model.n_states))
    return TotalRewardMDP(kernel, model.reward, model.terminal, model.initial, available=model.available)


def random_model(seed: int) -> TotalRewardMDP:
    """Dyadic rows (their sums are exact), rewards with many zeros and both signs, 0 to 2 terminal states."""
    rng = np.random.default_rng([seed, 5])
    n, a = int(rng.integers(1, 6)), int(rng.integers(1, 4))
    weights = rng.multinomial((1, 2, 4)[seed % 3], np.full(n, 1 / n), (n, a))
    kernel = weights / weights.sum(axis=-1, keepdims=True)
    low, high = ((-8, 1), (-8, 3), (-1, 2), (-3, 1))[seed % 4]
    reward = rng.integers(low, high, (n, a)) / 4 * (rng.random((n, a)) < 0.8)
    terminal = rng.random(n) < 0.3
    available = None
    if seed % 2:
        available = rng.random((n, a)) < 0.7
        available[np.arange(n), rng.integers(0, a, n)] = True
    return TotalRewardMDP(kernel, reward, terminal, available=available)


@pytest.mark.parametrize("block", range(20))
def test_random_models_against_all_policies(block: int) -> None:
    for seed in range(25 * block, 25 * block + 25):
        model = random_model(seed)
        expected = best_totals(model)
        for variant in (model, as_csr(model)):
            solution = total_reward(variant)
            np.testing.assert_array_equal(solution.proper, [x != -INFINITY for x in expected])
            for s, exact in enumerate(expected):
                if isinstance(exact, float):
                    assert solution.value[s] == solution.lower[s] == solution.upper[s] == exact
                    continue
                assert math.isfinite(solution.value[s])
                assert Fraction(solution.lower[s]) <= exact
                assert solution.upper[s] == INFINITY or exact <= Fraction(solution.upper[s])
                assert float(abs(exact - Fraction(solution.value[s]))) <= solution.certificate.bound
                if solution.improper == "negative":
                    assert solution.upper[s] - solution.lower[s] < 1e-11
            # the policy attains its lower bound, and is proper where the value is finite
            own = proper_totals(variant, solution.policy.argmax(axis=1))
            for s in np.flatnonzero(np.isfinite(solution.value)):
                assert own[s] >= Fraction(solution.lower[s])
                assert own[s] == expected[s] or solution.improper != "negative"
            if solution.status is Status.UNCERTIFIED:
                assert solution.improper == "null"
            if solution.status is Status.UNBOUNDED:
                assert solution.gain > 0


def test_the_random_models_are_of_every_kind() -> None:
    found = [total_reward(random_model(seed)) for seed in range(500)]
    kinds = [(f.status.name, f.improper) for f in found]
    for kind in (("CONVERGED", "negative"), ("INFEASIBLE", "negative"), ("UNBOUNDED", "positive")):
        assert kinds.count(kind) >= 20
    assert sum(bool(f.idle.any()) for f in found) >= 50


@pytest.mark.parametrize("seed", range(40))
def test_against_the_linear_program(seed: int) -> None:
    """Transient models of up to 30 states: min sum V, V >= R + P V."""
    rng = np.random.default_rng([seed, 6])
    n, a = int(rng.integers(2, 31)), int(rng.integers(1, 5))
    kernel = rng.dirichlet(np.full(n, 0.3), (n, a))
    kernel = 0.97 * kernel + 0.03 * np.eye(n)[n - 1]
    kernel /= kernel.sum(axis=-1, keepdims=True)
    reward = rng.normal(size=(n, a))
    model = TotalRewardMDP(kernel, reward, np.arange(n) == n - 1)
    solution = total_reward(as_csr(model) if seed % 2 else model)
    assert solution.status is Status.CONVERGED
    assert solution.improper == "negative"
    inner = np.arange(n - 1)
    matrix = np.eye(n)[inner][:, None, inner] - kernel[inner][:, :, inner]
    program = linprog(
        np.ones(n - 1), A_ub=-matrix.reshape(-1, n - 1), b_ub=-reward[inner].ravel(), bounds=(None, None)
    )
    np.testing.assert_allclose(solution.value[inner], program.x, rtol=1e-7, atol=1e-7)
    assert solution.certificate.bound < 1e-9


def test_random_walk_between_two_ends() -> None:
    """A symmetric walk that pays 1 a step: -s (n - s), and its expected duration is s (n - s)."""
    n = 50
    kernel = np.zeros((n + 1, 1, n + 1))
    for s in range(1, n):
        kernel[s, 0, [s - 1, s + 1]] = 0.5
    model = TotalRewardMDP(kernel, np.full((n + 1, 1), -1.0), np.isin(np.arange(n + 1), (0, n)))
    solution = total_reward(model)
    s = np.arange(n + 1)
    np.testing.assert_allclose(solution.value, -s * (n - s), atol=solution.certificate.bound)
    np.testing.assert_allclose(solution.steps_to_stop, s * (n - s), atol=1e-9)
    assert solution.certificate.bound < 1e-7
    assert solution.status is (
        Status.CONVERGED if solution.certificate.bound <= 1e-8 else Status.PRECISION_LIMIT
    )


@pytest.mark.parametrize("p", [0.25, 0.4, 0.5, 0.6])
def test_gambler(p: float) -> None:
    """Reaching 8 before 0 by bold play at p <= 1/2, by timid play above: probabilities in closed form."""
    goal = 8
    kernel = np.zeros((goal + 1, goal // 2, goal + 1))
    available = np.zeros((goal + 1, goal // 2), dtype=bool)
    reward = np.zeros((goal + 1, goal // 2))
    for s in range(1, goal):
        for stake in range(1, min(s, goal - s) + 1):
            available[s, stake - 1] = True
            kernel[s, stake - 1, s + stake] = p
            kernel[s, stake - 1, s - stake] = 1 - p
            reward[s, stake - 1] = p * (s + stake == goal)
    ends = np.isin(np.arange(goal + 1), (0, goal))
    solution = total_reward(TotalRewardMDP(kernel, reward, ends, available=available))
    assert solution.status is Status.CONVERGED
    bold = {4: p, 2: p**2, 6: p + (1 - p) * p, 1: p**3}
    if p <= 0.5:
        for s, value in bold.items():
            assert solution.value[s] == pytest.approx(value, abs=1e-14)
    else:
        ratio = (1 - p) / p
        for s in range(1, goal):
            assert solution.value[s] == pytest.approx((1 - ratio**s) / (1 - ratio**goal), abs=1e-13)


def line(reward: list[list[float]], successor: list[list[int]], terminal: list[bool]) -> TotalRewardMDP:
    table = np.array(successor)
    kernel = np.eye(table.shape[0])[table]
    return TotalRewardMDP(kernel, np.array(reward), np.array(terminal))


def test_waiting_for_ever_is_idle_where_it_is_free() -> None:
    """Wait (0) or leave at a loss: waiting is best, and leaving has to be asked for by making it cost."""
    free = total_reward(line([[0.0, -1.0], [0.0, 0.0]], [[0, 1], [1, 1]], [False, True]))
    assert free.value.tolist() == [0.0, 0.0]
    assert free.idle.tolist() == [True, False]
    assert free.policy[0].tolist() == [1.0, 0.0]
    paid = total_reward(line([[-1e-9, -1.0], [0.0, 0.0]], [[0, 1], [1, 1]], [False, True]))
    assert paid.value[0] == -1.0
    assert paid.policy[0].tolist() == [0.0, 1.0]


def test_an_idle_ring_finds_its_exit() -> None:
    """A free ring whose only paying exit is at state 2: worth the same everywhere, and the policy gets there."""
    model = line(
        [[0.0, -1.0], [0.0, -1.0], [0.0, 3.0], [0.0, 0.0]],
        [[1, 3], [2, 3], [0, 3], [3, 3]],
        [False] * 3 + [True],
    )
    solution = total_reward(model)
    assert solution.value.tolist() == [3.0, 3.0, 3.0, 0.0]
    assert solution.status is Status.CONVERGED
    assert proper_totals(model, solution.policy.argmax(axis=1)) == dict(enumerate([3, 3, 3, 0]))


def test_a_paying_ring_is_unbounded_where_it_can_be_reached() -> None:
    model = line(
        [[1.0, 0.0], [-0.5, -0.5], [-2.0, -2.0], [0.0, 0.0]],
        [[1, 3], [0, 0], [3, 0], [3, 3]],
        [False] * 3 + [True],
    )
    solution = total_reward(model)
    assert solution.status is Status.UNBOUNDED
    assert solution.value.tolist() == [math.inf, math.inf, math.inf, 0.0]
    assert solution.gain == pytest.approx(0.25, abs=1e-12)
    assert solution.policy[2].tolist() == [0.0, 1.0]
    elsewhere = TotalRewardMDP(model.transition, model.reward, model.terminal, np.eye(4)[3])
    assert total_reward(elsewhere).status is Status.CONVERGED


def test_no_way_out_is_infeasible() -> None:
    model = line([[-1.0], [-1.0], [0.0]], [[0], [2], [2]], [False, False, True])
    solution = total_reward(model)
    assert solution.status is Status.INFEASIBLE
    assert solution.value.tolist() == [-math.inf, -1.0, 0.0]
    assert solution.proper.tolist() == [False, True, True]


def test_rewards_that_cancel_for_ever_are_told_apart() -> None:
    """+1, -1 round and round, or leave: the best proper value is attained, but nothing is certified from above."""
    model = line([[1.0, 0.0], [-1.0, 0.5], [0.0, 0.0]], [[1, 2], [0, 2], [2, 2]], [False, False, True])
    solution = total_reward(model)
    assert solution.improper == "null"
    assert solution.status is Status.UNCERTIFIED
    assert solution.value.tolist() == [1.5, 0.5, 0.0]
    assert (solution.lower <= [1.5, 0.5, 0.0]).all()


@pytest.mark.parametrize("seed", range(20))
def test_random_rings_that_cancel(seed: int) -> None:
    """Rewards that are differences of a potential on a ring: the bounds from below hold, those from above are open."""
    rng = np.random.default_rng([seed, 8])
    n = int(rng.integers(2, 6))
    potential = rng.permutation(np.arange(n)) / 4
    succeeding = np.append((np.arange(n) + 1) % n, n)
    reward = np.zeros((n + 1, 2))
    reward[:n, 0] = potential - potential[succeeding[:n]]
    reward[:n, 1] = rng.integers(-8, 9, n) / 4
    model = line(
        reward.tolist(), np.column_stack([succeeding, np.full(n + 1, n)]).tolist(), [False] * n + [True]
    )
    solution = total_reward(model)
    assert solution.status is Status.UNCERTIFIED
    assert solution.improper == "null"
    expected = best_totals(model)
    assert all(Fraction(low) <= x for low, x in zip(solution.lower, expected, strict=True))
    np.testing.assert_allclose(solution.value, np.array(expected, dtype=float), atol=1e-12)


def test_without_terminal_states_and_one_state() -> None:
    one = np.ones((1, 1, 1))
    assert total_reward(TotalRewardMDP(one, [[0.0]], [False])).value.tolist() == [0.0]
    assert total_reward(TotalRewardMDP(one, [[2.0]], [False])).status is Status.INFEASIBLE  # no proper policy
    assert total_reward(TotalRewardMDP(one, [[-2.0]], [False])).status is Status.INFEASIBLE
    ended = total_reward(TotalRewardMDP(one, [[7.0]], [True]))
    assert ended.value.tolist() == [0.0]
    assert ended.status is Status.CONVERGED


def test_a_nearly_endless_walk_says_how_precise_it_is() -> None:
    """Leaving with probability 1e-12: the bound grows with the duration and still holds."""
    q = 2.0**-40
    kernel = np.array([[[1 - q, q]], [[0.0, 1.0]]])
    solution = total_reward(TotalRewardMDP(kernel, [[-1.0], [0.0]], [False, True]))
    assert abs(solution.value[0] + 2.0**40) <= solution.certificate.bound
    assert solution.status is Status.PRECISION_LIMIT


def test_max_steps_and_callback() -> None:
    rng = np.random.default_rng(3)
    n = 30
    kernel = rng.dirichlet(np.full(n, 0.2), (n, 6))
    model = TotalRewardMDP(kernel, rng.normal(size=(n, 6)) - 3.0, np.arange(n) == 0)
    exact = total_reward(model)
    assert exact.steps > 2
    with pytest.warns(ConvergenceWarning):
        short = total_reward(model, max_steps=1)
    assert short.status is Status.MAX_STEPS
    assert (short.lower <= exact.upper).all()
    assert (short.upper >= exact.lower).all()
    calls: list[int] = []
    broken = total_reward(model, callback=lambda k, low, high: calls.append(k) or (low <= high).all())
    assert broken.status is Status.INTERRUPTED
    assert calls == [1]


@pytest.mark.parametrize("csr", [False, True])
def test_discounts_of_states_actions_and_transitions(csr: bool) -> None:
    rng = np.random.default_rng(11)
    n, a = 6, 3
    kernel = rng.dirichlet(np.ones(n), (n, a))
    given = sparse.csr_array(kernel.reshape(-1, n)) if csr else kernel
    reward = rng.normal(size=(n, a))
    same = total_reward(TotalRewardMDP.from_discounts(given, reward, np.full((n, a), 0.9)))
    plain = policy_iteration(MDP(kernel, reward, 0.9))
    np.testing.assert_allclose(same.value[:n], plain.value, atol=1e-12)
    ratio = rng.uniform(0.0, 1.0, (n, a, n))
    solution = total_reward(TotalRewardMDP.from_discounts(given, reward, ratio))
    v = np.zeros(n)
    for _ in range(5000):
        v = (reward + (ratio * kernel * v).sum(axis=-1)).max(axis=1)
    np.testing.assert_allclose(solution.value[:n], v, atol=1e-11)
    by_state = total_reward(TotalRewardMDP.from_discounts(given, reward, ratio[:, 0, 0]))
    v = np.zeros(n)
    for _ in range(5000):
        v = (reward + ratio[:, :1, 0] * (kernel @ v)).max(axis=1)
    np.testing.assert_allclose(by_state.value[:n], v, atol=1e-11)
    with pytest.raises(ValueError, match="discount"):
        TotalRewardMDP.from_discounts(given, reward, np.full((n, a), 1.1))


def test_the_policy_of_a_discounted_model_is_evaluated_alike() -> None:
    """Survival is a discount: the two solvers agree on a fixed policy."""
    rng = np.random.default_rng(12)
    kernel = rng.dirichlet(np.ones(5), (5, 1))
    reward = rng.normal(size=(5, 1))
    total = total_reward(TotalRewardMDP.from_discounts(kernel, reward, np.full((5, 1), 0.99)))
    plain = policy_evaluation(MDP(kernel, reward, 0.99), np.ones((5, 1)))
    np.testing.assert_allclose(total.value[:5], plain.value, atol=1e-10)


def test_model_checks() -> None:
    kernel = np.zeros((2, 1, 2))
    kernel[0, 0, 1] = 1.0
    model = TotalRewardMDP(kernel, [[1.0], [0.0]], [False, True])  # the terminal row is zero
    assert total_reward(model).value.tolist() == [1.0, 0.0]
    with pytest.raises(ValueError, match="transition"):
        TotalRewardMDP(kernel, [[1.0], [0.0]], [False, False])
    with pytest.raises(ValueError, match="no available action"):
        TotalRewardMDP(kernel, [[1.0], [0.0]], [False, True], available=[[False], [False]])
    assert TotalRewardMDP.from_dict(model.to_dict()).terminal.tolist() == [False, True]
    shared = TotalRewardMDP.from_mdp(MDP(np.ones((1, 1, 1)), [[0.0]], 0.5), [True])
    assert dense(shared).tolist() == [[[1.0]]]


def test_a_sparse_walk_of_ten_thousand_states() -> None:
    """A corridor: one step a state, and a slower way of equal total reward."""
    n = 10_000
    rows = np.arange(2 * n)
    ahead = np.minimum(np.repeat(np.arange(n), 2) + 1, n - 1)
    kernel = sparse.csr_array((np.ones(2 * n), (rows, ahead)), shape=(2 * n, n))
    model = TotalRewardMDP(kernel, np.tile([-1.0, -2.0], (n, 1)), np.arange(n) == n - 1)
    solution = total_reward(model, tol=1e-7)
    assert solution.status is Status.CONVERGED
    np.testing.assert_allclose(solution.value, -np.arange(n - 1, -1, -1.0), atol=solution.certificate.bound)
