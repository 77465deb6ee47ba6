"""Occupancies: flow equations, total mass, inversion, power series, stages, dense against CSR, complex steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab.models.finite_horizon import FiniteHorizonMDP
from mdplab.models.tabular import MDP
from mdplab.operators import (
    density_ratio,
    flow_matrix,
    induced,
    occupancy,
    occupancy_residual,
    pair_flow_matrix,
    policy_of_occupancy,
    stage_laws,
    stage_occupancy,
    state_occupancy,
)
from small_models import as_sparse, m2, random_mdp, random_policy, t3

SEEDS = st.integers(0, 2**32 - 1)
CALM = settings(deadline=None, max_examples=60)


@CALM
@given(SEEDS, st.booleans(), st.booleans())
def test_flow_equations_mass_and_inversion(seed, masked, sparse):
    dense = random_mdp(seed, masked=masked)
    mdp, policy = (as_sparse(dense) if sparse else dense), random_policy(dense, seed)
    d = occupancy(mdp, policy)
    assert (d >= 0).all()
    assert d.sum() == pytest.approx(1.0, abs=1e-13)
    flow = flow_matrix(mdp).T @ d.ravel()
    np.testing.assert_allclose(flow, (1 - mdp.discount) * mdp.initial, rtol=0, atol=1e-14)
    np.testing.assert_allclose(occupancy_residual(mdp, d), 0.0, atol=1e-14)
    np.testing.assert_allclose(policy_of_occupancy(d, default=policy), policy, rtol=1e-13, atol=1e-16)
    unnormalised = occupancy(mdp, policy, normalised=False)
    np.testing.assert_allclose((1 - mdp.discount) * unnormalised, d, rtol=1e-13, atol=1e-16)
    residual = occupancy_residual(mdp, unnormalised, normalised=False)
    np.testing.assert_allclose(residual, 0.0, atol=1e-12)


@CALM
@given(SEEDS)
def test_against_the_power_series_and_the_value(seed):
    mdp = random_mdp(seed)
    mdp = mdp.replace(discount=min(mdp.discount, 0.8))
    policy, start = random_policy(mdp, seed), np.random.default_rng(seed).dirichlet(np.ones(mdp.n_states))
    kernel, reward = induced(mdp, policy)
    law, total = start, np.zeros(mdp.n_states)
    for k in range(250):
        total += (1 - mdp.discount) * mdp.discount**k * law
        law = law @ kernel
    for model in (mdp, as_sparse(mdp)):
        found = state_occupancy(model, policy, initial=start)
        np.testing.assert_allclose(found, total, rtol=0, atol=1e-13)
        d = occupancy(model, policy, initial=start)
        value = np.linalg.solve(np.eye(mdp.n_states) - mdp.discount * kernel, reward)
        assert (d * mdp.reward).sum() == pytest.approx((1 - mdp.discount) * start @ value, abs=1e-12)


def test_known_occupancy_of_the_two_state_model():
    d = occupancy(m2(), [[0.7, 0.3], [0.6, 0.4]])
    expected = [[0.374014598540, 0.160291970803], [0.279416058394, 0.186277372263]]
    np.testing.assert_allclose(d, expected, rtol=0, atol=1e-12)
    best = occupancy(m2(), [[0.0, 1.0], [0.0, 1.0]])
    np.testing.assert_allclose(best, [[0, 0.1648351648], [0, 0.8351648352]], rtol=0, atol=1e-10)


@CALM
@given(SEEDS)
def test_complex_steps_pass_dense_and_sparse(seed):
    mdp = random_mdp(seed, masked=True)
    policy = random_policy(mdp, seed)
    rng = np.random.default_rng(seed)
    direction = policy * rng.normal(size=policy.shape)
    shift = rng.normal(size=mdp.n_states)
    kernel, _ = induced(mdp, policy)
    moved_kernel = np.einsum("sa,sat->st", direction, mdp.transition)
    d = state_occupancy(mdp, policy)
    system = np.eye(mdp.n_states) - mdp.discount * kernel.T
    expected = np.linalg.solve(system, mdp.discount * moved_kernel.T @ d)
    from_start = np.linalg.solve(system, (1 - mdp.discount) * shift)
    for model in (mdp, as_sparse(mdp)):
        found = state_occupancy(model, policy + 1e-30j * direction).imag / 1e-30
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)
        found = state_occupancy(model, policy, initial=mdp.initial + 1e-30j * shift).imag / 1e-30
        np.testing.assert_allclose(found, from_start, rtol=1e-9, atol=1e-11)


def test_unreachable_states_and_a_long_sparse_chain():
    n = 400
    table = np.stack([np.minimum(np.arange(n) + 1, n - 1), np.arange(n)], axis=1)
    start = np.zeros(n)
    start[n // 2] = 1.0
    mdp = MDP.from_successors(table, np.zeros((n, 2)), 0.99, start, sparse=True)
    d = state_occupancy(mdp, np.tile([1.0, 0.0], (n, 1)))
    expected = np.where(np.arange(n) < n // 2, 0.0, 0.01 * 0.99 ** (np.arange(n) - n // 2))
    expected[-1] = 0.99 ** (n - 1 - n // 2)
    np.testing.assert_allclose(d, expected, rtol=1e-12)
    assert (d[: n // 2] == 0).all()


def test_flow_and_pair_matrices_entrywise():
    mdp, policy = t3(), random_policy(t3(), 1)
    flow, pair = np.zeros((6, 3)), np.eye(6)
    for s in range(3):
        for a in range(2):
            flow[2 * s + a] = np.eye(3)[s] - 0.9 * mdp.transition[s, a]
            for t in range(3):
                for b in range(2):
                    pair[2 * s + a, 2 * t + b] -= 0.9 * mdp.transition[s, a, t] * policy[t, b]
    for model in (mdp, as_sparse(mdp)):
        np.testing.assert_allclose(flow_matrix(model).toarray(), flow, rtol=0, atol=1e-16)
        np.testing.assert_allclose(pair_flow_matrix(model, policy).toarray(), pair, rtol=0, atol=3e-16)


def test_policy_of_occupancy_off_the_support():
    d = np.array([[0.2, 0.6], [0.0, 0.0], [5e-324, 5e-324]])
    np.testing.assert_allclose(policy_of_occupancy(d), [[0.25, 0.75], [0.5, 0.5], [0.5, 0.5]], rtol=1e-15)
    behaviour = np.array([[0.1, 0.9]] * 3)
    np.testing.assert_array_equal(policy_of_occupancy(d, default=behaviour)[1], [0.1, 0.9])
    np.testing.assert_array_equal(policy_of_occupancy([[1.0, -1e-18]]), [[1.0, 0.0]])
    with pytest.raises(ValueError, match=r"d is -0.5 at \(0, 1\)"):
        policy_of_occupancy([[1.0, -0.5]])
    with pytest.raises(ValueError, match="default must have shape"):
        policy_of_occupancy(d, default=np.ones((2, 2)))


def test_density_ratio():
    np.testing.assert_array_equal(density_ratio([0.0, 0.5, 0.5], [0.0, 0.25, 0.0]), [0.0, 2.0, np.inf])


@CALM
@given(SEEDS, st.booleans())
def test_stages_against_enumeration(seed, staged):
    rng = np.random.default_rng(seed)
    horizon, n_states, n_actions = 3, 3, 2
    shape = (horizon, n_states, n_actions) if staged else (n_states, n_actions)
    kernel = rng.dirichlet(np.ones(n_states), shape)
    policy = rng.dirichlet(np.ones(n_actions), (horizon, n_states))
    start = rng.dirichlet(np.ones(n_states))
    options = {} if staged else {"horizon": horizon}
    mdp = FiniteHorizonMDP(kernel, np.zeros(shape), initial=start, **options)
    kernels = kernel if staged else np.stack([kernel] * horizon)
    expected, laws = np.zeros((horizon, n_states, n_actions)), np.zeros((horizon + 1, n_states))

    def walk(h, state, probability):
        laws[h, state] += probability
        if h == horizon:
            return
        for a in range(n_actions):
            expected[h, state, a] += probability * policy[h, state, a]
            for t in range(n_states):
                walk(h + 1, t, probability * policy[h, state, a] * kernels[h, state, a, t])

    for s in range(n_states):
        walk(0, s, start[s])
    np.testing.assert_allclose(stage_occupancy(mdp, policy), expected, rtol=1e-13)
    np.testing.assert_allclose(stage_laws(mdp, policy), laws, rtol=1e-13)
    repeated = np.broadcast_to(policy[0], policy.shape)
    np.testing.assert_array_equal(stage_laws(mdp, policy[0]), stage_laws(mdp, repeated))


def test_bad_input():
    mdp = t3()
    policy = np.full((3, 2), 0.5)
    with pytest.raises(ValueError, match=r"initial sums to 0\.9"):
        occupancy(mdp, policy, initial=[0.5, 0.4, 0.0])
    with pytest.raises(ValueError, match=r"initial must have shape \(S,\) = \(3,\)"):
        occupancy(mdp, policy, initial=[0.5, 0.5])
    with pytest.raises(ValueError, match="initial"):
        occupancy(MDP(mdp.transition, mdp.reward, 0.9), policy)
    with pytest.raises(ValueError, match=r"d must have shape"):
        occupancy_residual(mdp, np.zeros(6))
    staged = FiniteHorizonMDP(np.full((2, 2, 2), 0.5), np.zeros((2, 2)), horizon=3, initial=[0.5, 0.5])
    rows = np.full((3, 2, 2), 0.5)
    rows[1, 0] = 0.6
    with pytest.raises(ValueError, match="policy at stage 1, state 0 sums to"):
        stage_occupancy(staged, rows)
