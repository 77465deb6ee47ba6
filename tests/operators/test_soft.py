"""Soft operators: contraction, derivative, references, masks; the soft optimum of T3."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab.models.tabular import MDP
from mdplab.operators import (
    gibbs_gap,
    pair_kernel,
    regulariser,
    soft_advantage,
    soft_backup,
    soft_policy_backup,
    soft_policy_log,
    soft_value,
)
from small_models import as_sparse, random_mdp, random_policy, t3

SEEDS = st.integers(0, 2**32 - 1)
CALM = settings(deadline=None, max_examples=60)


def naive_soft_backup(mdp, q, temperature, reference):
    v = np.zeros(mdp.n_states)
    for s in range(mdp.n_states):
        terms = [
            reference[s, a] * np.exp(q[s, a] / temperature)
            for a in range(mdp.n_actions)
            if mdp.available is None or mdp.available[s, a]
        ]
        v[s] = temperature * np.log(sum(terms))
    return np.array(
        [
            [mdp.reward[s, a] + mdp.discount * sum(mdp.transition[s, a] * v) for a in range(mdp.n_actions)]
            for s in range(mdp.n_states)
        ]
    )


@CALM
@given(SEEDS, st.booleans())
def test_backup_against_loops_dense_and_sparse(seed, masked):
    mdp = random_mdp(seed, masked=masked)
    rng = np.random.default_rng(seed)
    q, tau = rng.normal(size=(mdp.n_states, mdp.n_actions)), rng.uniform(0.2, 3)
    reference = random_policy(mdp, seed)
    with np.errstate(divide="ignore"):
        log_reference = np.log(reference)
    for model in (mdp, as_sparse(mdp)):
        expected = naive_soft_backup(mdp, q, tau, np.ones_like(q))
        np.testing.assert_allclose(soft_backup(model, q, temperature=tau), expected, rtol=1e-12, atol=1e-13)
        expected = naive_soft_backup(mdp, q, tau, reference)
        found = soft_backup(model, q, temperature=tau, log_reference=log_reference)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


@CALM
@given(SEEDS, st.floats(1e-3, 1e3))
def test_backup_is_a_contraction(seed, temperature):
    mdp = random_mdp(seed, masked=True)
    q, other = 10 * np.random.default_rng(seed).normal(size=(2, mdp.n_states, mdp.n_actions))
    moved = np.abs(
        soft_backup(mdp, q, temperature=temperature) - soft_backup(mdp, other, temperature=temperature)
    )
    distance = np.abs(q - other)[mdp.available].max()
    assert moved.max() <= mdp.discount * distance * (1 + 1e-12) + 1e-15 * (1 + temperature)


@CALM
@given(SEEDS)
def test_derivative_is_the_discounted_pair_kernel(seed):
    mdp = random_mdp(seed, masked=True)
    rng = np.random.default_rng(seed)
    q, direction = rng.normal(size=(2, mdp.n_states, mdp.n_actions))
    tau = rng.uniform(0.2, 3)
    policy = np.exp(soft_policy_log(q, temperature=tau, available=mdp.available))
    expected = mdp.discount * (pair_kernel(mdp, policy) @ direction.ravel())
    for model in (mdp, as_sparse(mdp)):
        found = soft_backup(model, q + 1e-30j * direction, temperature=tau).imag / 1e-30
        np.testing.assert_allclose(found.ravel(), expected, rtol=1e-11, atol=1e-13)


@CALM
@given(SEEDS)
def test_uniform_reference_lowers_the_value_and_keeps_the_policy(seed):
    rng = np.random.default_rng(seed)
    q, tau = rng.normal(size=(2, 3, 4)), rng.uniform(0.2, 3)
    uniform = np.full((3, 4), -np.log(4))
    plain, lowered = soft_value(q, temperature=tau), soft_value(q, temperature=tau, log_reference=uniform)
    np.testing.assert_allclose(lowered, plain - tau * np.log(4), rtol=0, atol=1e-13)
    logs = soft_policy_log(q, temperature=tau)
    np.testing.assert_allclose(logs, (q - plain[..., None]) / tau, rtol=0, atol=1e-13)
    np.testing.assert_allclose(soft_policy_log(q, temperature=tau, log_reference=uniform), logs, atol=1e-14)


def test_soft_optimum_of_the_three_state_model():
    # max-ent optimum of T3 at temperature .5
    mdp, tau = t3(), 0.5
    q = np.zeros((3, 2))
    for _ in range(400):
        q = soft_backup(mdp, q, temperature=tau)
    v = soft_value(q, temperature=tau)
    np.testing.assert_allclose(v, [9.1681223111, 8.6551786198, 8.8279483543], rtol=0, atol=1e-9)
    logs = soft_policy_log(q, temperature=tau)
    np.testing.assert_allclose(
        np.exp(logs[:, 0]), [0.9235637016, 0.3826056426, 0.1275262428], rtol=0, atol=1e-10
    )
    # the optimum is its own soft evaluation, and its soft advantage vanishes
    np.testing.assert_allclose(soft_policy_backup(mdp, logs, v, temperature=tau), v, rtol=0, atol=1e-12)
    np.testing.assert_allclose(soft_advantage(q, v, logs, temperature=tau), 0.0, atol=1e-12)


@CALM
@given(SEEDS)
def test_evaluation_backup_loses_the_gibbs_gap(seed):
    mdp = random_mdp(seed, masked=True)
    rng = np.random.default_rng(seed)
    tau, v, reference = rng.uniform(0.2, 3), rng.normal(size=mdp.n_states), random_policy(mdp, seed + 1)
    policy = random_policy(mdp, seed)
    with np.errstate(divide="ignore"):
        logs, log_reference = np.log(policy), np.log(reference)
    q = mdp.reward + mdp.discount * mdp.expectation(v)
    best = soft_value(q, temperature=tau, log_reference=log_reference, available=mdp.available)
    evaluated = soft_policy_backup(mdp, logs, v, temperature=tau, log_reference=log_reference)
    np.testing.assert_allclose(
        best - evaluated, gibbs_gap(policy, q, tau, log_reference), rtol=1e-8, atol=1e-12
    )
    found = soft_advantage(q, evaluated, logs, temperature=tau, log_reference=log_reference)
    np.testing.assert_allclose((policy * found).sum(1), 0.0, atol=1e-12)


def test_regulariser():
    logs = np.log([[0.25, 0.75], [0.5, 0.5]])
    entropy = -(np.exp(logs) * logs).sum(1)
    np.testing.assert_allclose(regulariser(logs, temperature=2.0), -2.0 * entropy, rtol=1e-15)
    np.testing.assert_array_equal(regulariser([0.0, -np.inf]), 0.0)
    np.testing.assert_array_equal(
        regulariser(logs, temperature=0.0, log_reference=[0.0, -np.inf]), [0.0, 0.0]
    )
    np.testing.assert_array_equal(regulariser(logs, log_reference=[0.0, -np.inf]), [np.inf, np.inf])
    # d/dpi of the cost in the direction of a perturbation of the logs
    direction = np.array([0.75, -0.25])
    moved = regulariser(logs[0] + 1e-30j * direction).imag / 1e-30
    policy = np.exp(logs[0])
    assert moved == pytest.approx((policy * direction * (logs[0] + 1)).sum(), rel=1e-13)


def test_bad_input():
    mdp = t3()
    with pytest.raises(ValueError, match=r"q must have shape \(S, A\) = \(3, 2\)"):
        soft_backup(mdp, np.zeros((2, 3)), temperature=1.0)
    with pytest.raises(ValueError, match=r"log_reference must have shape"):
        soft_backup(mdp, np.zeros((3, 2)), temperature=1.0, log_reference=np.zeros(2))
    with pytest.raises(ValueError, match="temperature must be positive"):
        soft_backup(mdp, np.zeros((3, 2)), temperature=0.0)
    with pytest.raises(ValueError, match="available must be boolean"):
        soft_value(np.zeros((3, 2)), temperature=1.0, available=np.ones(3, dtype=bool))
    forbidden = np.array([[0.0, 0.0], [-np.inf, -np.inf], [0.0, 0.0]])
    with pytest.raises(ValueError, match="row 1 of x has no finite entry"):
        soft_backup(mdp, np.zeros((3, 2)), temperature=1.0, log_reference=forbidden)
    with pytest.raises(ValueError, match="soft advantage is infinite"):
        soft_advantage(
            np.zeros((1, 2)), [0.0], np.log([[0.5, 0.5]]), temperature=1.0, log_reference=[0.0, -np.inf]
        )


def test_mask_of_the_model_enters_the_backup():
    kernel = np.ones((1, 2, 1))
    mdp = MDP(kernel, np.array([[1.0, 50.0]]), 0.5, available=np.array([[True, False]]))
    np.testing.assert_allclose(soft_backup(mdp, np.array([[2.0, 99.0]]), temperature=1.0)[0, 0], 2.0)
