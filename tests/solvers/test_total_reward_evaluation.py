"""Total reward of policies, and models whose discount depends on state, action and successor, end to end."""

from __future__ import annotations

import dataclasses
import doctest
import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from mdplab.models import MDP, TotalRewardMDP
from mdplab.models import total_reward as total_reward_model
from mdplab.solution import Status
from mdplab.solvers import policy_evaluation, total_reward, total_reward_evaluation, verify
from tests import naive
from tests.small_models import random_mdp, random_policy

CALM = settings(deadline=None, max_examples=60)


def discounted(seed: int, *, leaky: bool) -> tuple[MDP, np.ndarray]:
    """A small masked or unmasked model, and discounts of one of three shapes, 0 and (if not ``leaky``) 1 among them."""
    rng = np.random.default_rng([seed, 61])
    base = random_mdp(seed, masked=seed % 2 == 1, deterministic=seed % 5 == 4)
    n, a = base.reward.shape
    shape = [(n,), (n, a), (n, a, n)][seed % 3]
    ratio = rng.choice([0.0, 0.3, 0.9, 0.999, 1 - 1e-9 if leaky else 1.0, rng.random()], shape)
    reward = rng.choice([0.0, 1.0, -1.0, rng.normal()], (n, a))
    if base.available is not None:
        reward[~base.available] = 1e9
    return base.replace(reward=reward), ratio


def survivors(base: MDP, ratio: np.ndarray) -> list:
    """Rows ``discount * P`` as rationals, None at unavailable pairs."""
    full = np.broadcast_to(ratio.reshape(*ratio.shape, *(1,) * (3 - ratio.ndim)), base.transition.shape)
    return [
        [
            row if row is None else [(t, p * Fraction(float(full[s, a, t]))) for t, p in row if full[s, a, t]]
            for a, row in enumerate(pairs)
        ]
        for s, pairs in enumerate(naive.exact_rows(base))
    ]


def encloses(solution, exact: list) -> bool:
    return all(
        Fraction(float(low)) <= x <= Fraction(float(high))
        for low, x, high in zip(solution.lower[:-1], exact, solution.upper[:-1], strict=True)
    )


@CALM
@given(st.integers(0, 2**32), st.booleans())
def test_control_with_discounts_encloses_the_rationals(seed: int, csr: bool) -> None:
    base, ratio = discounted(seed, leaky=True)
    kernel = base.to_sparse().transition if csr else base.transition
    model = TotalRewardMDP.from_discounts(kernel, base.reward, ratio, available=base.available)
    found = total_reward(model)
    exact = naive.exact_optimum(survivors(base, ratio), naive.fractions_of(base.reward), Fraction(1))
    if not found.idle[:-1].any():  # an idle state may stop at 0, which a discount of 1 - 1e-9 does not
        assert encloses(found, exact)
        assert naive.largest_error(found.value[:-1], exact) <= found.certificate.bound
    if found.steps_to_stop.max() < 1e5:  # the linear program of the check is lost beyond
        report = verify(model, found)
        assert report.passed, report.failures


@CALM
@given(st.integers(0, 2**32), st.booleans())
def test_evaluation_with_discounts_encloses_the_rationals(seed: int, csr: bool) -> None:
    base, ratio = discounted(seed, leaky=True)
    kernel = base.to_sparse().transition if csr else base.transition
    model = TotalRewardMDP.from_discounts(kernel, base.reward, ratio, available=base.available)
    policy = random_policy(base, seed)
    policy[::2] = np.eye(base.n_actions)[policy[::2].argmax(axis=1)]
    found = total_reward_evaluation(model, np.vstack([policy, np.zeros(base.n_actions)]))
    exact = naive.exact_evaluation(
        survivors(base, ratio), naive.fractions_of(base.reward), Fraction(1), naive.fractions_of(policy)
    )
    assert found.proper.all()
    assert encloses(found, exact)
    assert naive.largest_error(found.value[:-1], exact) <= found.certificate.bound
    assert found.certificate.bound <= 1e-13 * (1 + found.steps_to_stop.max()) * (
        1 + np.abs(found.value).max()
    )
    report = verify(model, found)
    assert report.passed, report.failures


@CALM
@given(st.integers(0, 2**32))
def test_where_nothing_is_lost_the_graph_decides(seed: int) -> None:
    """Discounts of 1 among the rest: control against all deterministic policies, each by its own evaluation."""
    base, ratio = discounted(seed, leaky=False)
    model = TotalRewardMDP.from_discounts(base.transition, base.reward, ratio, available=base.available)
    best = total_reward(model)
    choices = [np.flatnonzero(row) for row in model.available] if model.available is not None else None
    if choices is None:
        choices = [np.arange(base.n_actions)] * base.n_states
    if np.prod([len(c) for c in choices[: base.n_states]]) > 100:
        return
    # the best of the proper policies: the supremum of nothing is -inf
    highest = np.full(base.n_states, -np.inf)
    for actions in itertools.product(*choices[: base.n_states]):
        own = total_reward_evaluation(model, np.eye(base.n_actions)[[*actions, 0]])
        assert verify(model, own).passed
        reached = np.where(own.proper[:-1], own.value[:-1], -np.inf)
        highest = np.maximum(highest, reached)
    calm = best.value[:-1] < np.inf
    np.testing.assert_allclose(highest[calm], best.value[:-1][calm], rtol=1e-9, atol=1e-9)


def test_the_example_of_the_docstring() -> None:
    runner = doctest.DocTestRunner()
    for test in doctest.DocTestFinder(recurse=True).find(total_reward_model, "total_reward"):
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0
    assert runner.tries > 5


def test_constant_discounts_are_those_of_the_discounted_model() -> None:
    for seed in range(8):
        mdp = random_mdp(seed, masked=True)
        policy = random_policy(mdp, seed)
        model = TotalRewardMDP.from_discounts(
            mdp.transition, mdp.reward, np.full(mdp.n_states, mdp.discount), available=mdp.available
        )
        found = total_reward_evaluation(model, np.vstack([policy, policy[:1]]))
        np.testing.assert_allclose(found.value[:-1], policy_evaluation(mdp, policy).value, atol=1e-11)


def chain(kernel: list, reward: list, terminal: list, **options) -> TotalRewardMDP:
    n = len(reward)
    return TotalRewardMDP(
        np.array(kernel, dtype=float).reshape(n, 1, n),
        np.array(reward, dtype=float)[:, None],
        terminal,
        **options,
    )


def test_ends_of_chains() -> None:
    # a coin sends to a loop of +1, a loop of -1, two states that cancel, a loop of 0 or the end
    n = 10
    kernel = np.zeros((n, n))
    kernel[0, [5, 9]] = 0.5  # start of the harmless ones
    kernel[1, [6, 0]] = 0.5
    kernel[2, [7, 0]] = 0.5
    kernel[3, [6, 7]] = 0.5
    kernel[4, [8, 0]] = 0.5
    kernel[5, 5] = kernel[6, 6] = kernel[7, 7] = 1.0
    kernel[8, 8], kernel[8, 9], kernel[9, 9] = 0.5, 0.5, 0.0
    reward = [2.0, 0, 0, 0, 0, 0.0, 1.0, -1.0, 3.0, 0]
    model = chain(kernel, reward, [False] * 9 + [True])
    found = total_reward_evaluation(model, np.ones((n, 1)))
    np.testing.assert_allclose(
        found.value, [2.0, np.inf, -np.inf, np.nan, 4.0, 0.0, np.inf, -np.inf, 6.0, 0.0], rtol=1e-14
    )
    assert found.proper.tolist() == np.isfinite(found.value).tolist()
    np.testing.assert_allclose(found.steps_to_stop[[0, 4, 5, 8, 9]], [1.0, 2.5, 0.0, 2.0, 0.0], rtol=1e-14)
    assert found.steps_to_stop[1] == np.inf
    assert found.status is Status.UNCERTIFIED
    assert verify(model, found).passed
    for start, status in ((0, Status.CONVERGED), (1, Status.UNBOUNDED), (3, Status.UNCERTIFIED)):
        law = np.eye(n)[start]
        asked = chain(kernel, reward, [False] * 9 + [True], initial=law)
        assert total_reward_evaluation(asked, np.ones((n, 1))).status is status


def test_rewards_that_cancel_have_no_total() -> None:
    model = chain([[0, 1], [1, 0]], [1.0, -1.0], [False, False])
    found = total_reward_evaluation(model, np.ones((2, 1)))
    assert np.isnan(found.value).all()
    assert found.status is Status.UNCERTIFIED


def test_tampering_is_seen() -> None:
    model = chain([[0.5, 0.5], [0, 1]], [1.0, 0.0], [False, True])
    found = total_reward_evaluation(model, np.ones((2, 1)))
    assert verify(model, found).passed
    for change in (
        {"value": found.value + 3 * found.certificate.bound + 1e-13},
        {"upper": found.lower - 1e-12},
        {"steps_to_stop": found.steps_to_stop * 1.01},
    ):
        assert not verify(model, dataclasses.replace(found, **change)).passed


def test_everything_may_be_terminal_or_large() -> None:
    model = chain([[1, 0], [0, 1]], [1.0, 2.0], [True, True])
    assert total_reward_evaluation(model, np.ones((2, 1))).value.tolist() == [0.0, 0.0]
    n = 3000
    rows = np.minimum(np.arange(n) + 1, n - 1)
    kernel = sparse.csr_array((np.ones(n), (np.arange(n), rows)), shape=(n, n))
    long = TotalRewardMDP(kernel, np.full((n, 1), -1.0), np.arange(n) == n - 1)
    found = total_reward_evaluation(long, np.ones((n, 1)))
    np.testing.assert_allclose(found.value, -np.arange(n - 1, -1, -1.0), atol=found.certificate.bound)
    assert found.certificate.bound < 1e-6


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (np.ones((2, 2)), r"policy at state 0 sums to 2\.0"),
        (np.full((2, 3), 1 / 3), "policy must have shape"),
        ([[0.0, 1.0], [0.0, 1.0]], r"policy takes the unavailable pair \(state 0, action 1\)"),
        (np.full((2, 2), 0.5 + 0j), "policy must be real"),
    ],
)
def test_bad_policies_are_named(policy: np.ndarray, message: str) -> None:
    kernel = np.zeros((2, 2, 2))
    kernel[..., 1] = 1.0
    model = TotalRewardMDP(kernel, np.zeros((2, 2)), [False, True], available=[[True, False], [False, False]])
    with pytest.raises(ValueError, match=message):
        total_reward_evaluation(model, policy)
