"""Bellman operators against loops, dense against CSR, masks, complex policies, contraction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab.models.tabular import MDP
from mdplab.operators import (
    action_values,
    advantage,
    gap,
    greedy_policy,
    induced,
    maximisers,
    optimality_backup,
    pair_kernel,
    performance_difference,
    policy_backup,
    state_occupancy,
)
from small_models import as_sparse, m2, random_mdp, random_policy, t3

SEEDS = st.integers(0, 2**32 - 1)
CALM = settings(deadline=None, max_examples=60)


def naive_induced(mdp, policy):
    kernel = np.zeros((mdp.n_states, mdp.n_states), dtype=policy.dtype)
    reward = np.zeros(mdp.n_states, dtype=policy.dtype)
    for s in range(mdp.n_states):
        for a in range(mdp.n_actions):
            reward[s] += policy[s, a] * mdp.reward[s, a]
            for t in range(mdp.n_states):
                kernel[s, t] += policy[s, a] * mdp.transition[s, a, t]
    return kernel, reward


def dense(matrix):
    return matrix if isinstance(matrix, np.ndarray) else matrix.toarray()


@CALM
@given(SEEDS, st.booleans(), st.booleans())
def test_induced_chain_against_loops_dense_and_sparse(seed, masked, complex_policy):
    mdp = random_mdp(seed, masked=masked)
    policy = random_policy(mdp, seed)
    if complex_policy:
        policy = policy * (1 + 1e-3j * np.random.default_rng(seed).normal(size=policy.shape))
    kernel, reward = naive_induced(mdp, policy)
    for model in (mdp, as_sparse(mdp)):
        found = induced(model, policy)
        assert isinstance(found[0], np.ndarray) is not model.is_sparse
        assert np.iscomplexobj(dense(found[0])) == complex_policy
        np.testing.assert_allclose(dense(found[0]), kernel, rtol=1e-14, atol=1e-16)
        np.testing.assert_allclose(found[1], reward, rtol=1e-13, atol=1e-15)


@CALM
@given(SEEDS)
def test_lookahead_and_backups_against_loops(seed):
    mdp = random_mdp(seed, masked=True)
    policy = random_policy(mdp, seed)
    v = np.random.default_rng(seed).normal(size=mdp.n_states)
    q = np.array(
        [
            [mdp.reward[s, a] + mdp.discount * sum(mdp.transition[s, a] * v) for a in range(mdp.n_actions)]
            for s in range(mdp.n_states)
        ]
    )
    best = [max(q[s, a] for a in range(mdp.n_actions) if mdp.available[s, a]) for s in range(mdp.n_states)]
    for model in (mdp, as_sparse(mdp)):
        np.testing.assert_allclose(action_values(model, v), q, rtol=1e-13, atol=1e-14)
        np.testing.assert_allclose(optimality_backup(model, v), best, rtol=1e-13, atol=1e-14)
        np.testing.assert_allclose(
            policy_backup(model, policy, v), (policy * q).sum(1), rtol=1e-12, atol=1e-14
        )
        complex_values = action_values(model, v + 1e-30j * v)
        expected = mdp.discount * np.asarray(mdp.transition) @ v
        np.testing.assert_allclose(complex_values.imag / 1e-30, expected, rtol=1e-12, atol=1e-14)


@CALM
@given(SEEDS)
def test_optimality_backup_contracts_and_is_monotone(seed):
    mdp = random_mdp(seed, masked=True)
    v, w = 10 * np.random.default_rng(seed).normal(size=(2, mdp.n_states))
    moved = np.abs(optimality_backup(mdp, v) - optimality_backup(mdp, w)).max()
    assert moved <= mdp.discount * np.abs(v - w).max() * (1 + 1e-12) + 1e-14
    assert (optimality_backup(mdp, np.maximum(v, w)) >= optimality_backup(mdp, v) - 1e-14).all()


@CALM
@given(SEEDS)
def test_pair_kernel(seed):
    mdp = random_mdp(seed)
    policy = random_policy(mdp, seed)
    expected = np.einsum("sat,tb->satb", mdp.transition, policy).reshape(policy.size, policy.size)
    for model in (mdp, as_sparse(mdp)):
        np.testing.assert_allclose(pair_kernel(model, policy).toarray(), expected, rtol=1e-15)


def test_value_of_the_optimal_policy_is_a_fixed_point():
    # known optimum of the two-state model
    mdp, optimum = m2(), np.array([7.9120879121, 9.0109890110])
    np.testing.assert_allclose(optimality_backup(mdp, optimum), optimum, atol=1e-10)
    q = action_values(mdp, optimum)
    np.testing.assert_array_equal(greedy_policy(mdp, q), [[0, 1], [0, 1]])
    np.testing.assert_allclose(gap(q, optimum).ravel(), [0.4923076923, 0, 1.0956043956, 0], atol=1e-9)
    np.testing.assert_array_equal(gap(q, optimum), -advantage(q, optimum))


def test_ties_go_to_the_lowest_available_index():
    kernel = np.tile(np.eye(2)[0], (2, 3, 1))
    available = np.array([[True, True, True], [False, True, True]])
    mdp = MDP(kernel, np.zeros((2, 3)), 0.5, available=available)
    q = np.array([[1.0, 1.0 + 1e-12, 0.0], [9.0, 2.0, 2.0]])
    np.testing.assert_array_equal(greedy_policy(mdp, q), [[0, 1, 0], [0, 1, 0]])
    np.testing.assert_array_equal(greedy_policy(mdp, q, tol=1e-9), [[1, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(maximisers(mdp, q, tol=1e-9), [[True, True, False], [False, True, True]])


@CALM
@given(SEEDS)
def test_performance_difference(seed):
    mdp = random_mdp(seed, masked=True)
    policy, comparator = random_policy(mdp, seed), random_policy(mdp, seed + 1)

    def value(rows):
        kernel, reward = induced(mdp, rows)
        return np.linalg.solve(np.eye(mdp.n_states) - mdp.discount * kernel, reward)

    difference = performance_difference(
        policy,
        comparator,
        q=np.where(mdp.available, action_values(mdp, value(comparator)), -np.inf),
        state_occupancy=state_occupancy(mdp, policy),
        discount=mdp.discount,
    )
    expected = mdp.initial @ (value(policy) - value(comparator))
    assert difference == pytest.approx(expected, rel=1e-9, abs=1e-11)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (np.full((3, 3), 1 / 3), r"policy must have shape \(S, A\) = \(3, 2\); got \(3, 3\)"),
        ([[0.5, 0.5], [0.5, 0.6], [0.5, 0.5]], "policy at state 1 sums to 1.1"),
        ([[0.5, 0.5], [0.5, 0.5], [1.5, -0.5]], r"policy\[2, 1\] is -0.5"),
        ([[0.5, 0.5], [np.nan, 0.5], [0.5, 0.5]], r"policy\[1, 0\] is nan"),
    ],
)
def test_bad_policies(policy, message):
    with pytest.raises(ValueError, match=message):
        induced(t3(), policy)


def test_bad_values_and_unavailable_actions():
    kernel = np.tile(np.eye(2)[0], (2, 2, 1))
    mdp = MDP(kernel, np.zeros((2, 2)), 0.5, available=np.array([[True, True], [False, True]]))
    with pytest.raises(ValueError, match=r"policy takes the unavailable pair \(state 1, action 0\)"):
        induced(mdp, np.full((2, 2), 0.5))
    with pytest.raises(ValueError, match=r"v must have shape \(S,\)"):
        action_values(mdp, np.zeros(3))
    with pytest.raises(ValueError, match="v must be real"):
        optimality_backup(mdp, np.zeros(2) + 0j)
    with pytest.raises(ValueError, match="tol must be"):
        maximisers(mdp, np.zeros((2, 2)), tol=-1.0)
    with pytest.raises(ValueError, match=r"v must have shape \(..., S\)"):
        advantage(np.zeros((2, 2)), np.zeros(3))
