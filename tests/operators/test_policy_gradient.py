"""Policy gradients against complex steps through the linear solve, published values, Fisher matrices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab.models.tabular import MDP
from mdplab.operators import (
    chain_to_features,
    compatible_fit,
    fisher_information,
    induced,
    log_tilt,
    regulariser,
    score,
    softmax_policy_gradient,
    state_occupancy,
)
from small_models import T3_LOGITS, T3_START, as_sparse, random_mdp, random_policy, t3

SEEDS = st.integers(0, 2**32 - 1)
CALM = settings(deadline=None, max_examples=60)


def masked_logs(mdp, logits):
    return log_tilt(logits if mdp.available is None else np.where(mdp.available, logits, -np.inf))


def evaluate(mdp, logs, temperature=0.0, log_reference=None):
    """Value and action values of a policy at a temperature, by one solve (dense or CSR, real or complex)."""
    kernel, reward = induced(mdp, np.exp(logs))
    kernel = kernel.toarray() if mdp.is_sparse else kernel
    cost = regulariser(logs, temperature=temperature, log_reference=log_reference)
    value = np.linalg.solve(np.eye(mdp.n_states) - mdp.discount * kernel, reward - cost)
    return value, mdp.reward + mdp.discount * mdp.expectation(value)


def gradient_by_complex_steps(mdp, logits, temperature, log_reference=None):
    gradient = np.zeros(logits.shape)
    for index in np.ndindex(*logits.shape):
        moved = logits + np.zeros(logits.shape, dtype=complex)
        moved[index] += 1e-30j
        logs = masked_logs(mdp, moved)
        gradient[index] = (mdp.initial @ evaluate(mdp, logs, temperature, log_reference)[0]).imag / 1e-30
    return gradient


def gradient(mdp, logits, temperature, log_reference=None):
    logs = masked_logs(mdp, logits)
    policy = np.exp(logs)
    return softmax_policy_gradient(
        policy,
        q=evaluate(mdp, logs, temperature, log_reference)[1],
        state_occupancy=state_occupancy(mdp, policy),
        discount=mdp.discount,
        temperature=temperature,
        log_policy=logs,
        log_reference=log_reference,
    )


@CALM
@given(SEEDS, st.booleans(), st.sampled_from([0.0, 0.3, 1.7]), st.booleans())
def test_against_complex_steps(seed, masked, temperature, referred):
    mdp = random_mdp(seed, masked=masked)
    mdp = mdp.replace(discount=min(mdp.discount, 0.9))
    logits = np.random.default_rng(seed).normal(size=mdp.reward.shape)
    reference = masked_logs(mdp, logits[::-1]) if referred else None
    expected = gradient_by_complex_steps(mdp, logits, temperature, reference)
    for model in (mdp, as_sparse(mdp)):
        found = gradient(model, logits, temperature, reference)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)
    if masked:
        assert (found[~mdp.available] == 0).all()


def test_soft_gradient_of_the_three_state_model():
    logs = log_tilt(T3_LOGITS)
    assert T3_START @ evaluate(t3(), logs, 0.5)[0] == pytest.approx(7.9287231253, abs=1e-9)
    first = np.array([0.7001964674, 0.1141751520, -0.7369361496])
    np.testing.assert_allclose(
        gradient(t3(), T3_LOGITS, 0.5), np.stack([first, -first], 1), rtol=0, atol=1e-9
    )
    # the regulariser of the current action must enter: without it the sign in state 1 is wrong
    policy = np.exp(logs)
    without = softmax_policy_gradient(
        policy,
        q=evaluate(t3(), logs, 0.5)[1],
        state_occupancy=state_occupancy(t3(), policy),
        discount=0.9,
    )
    np.testing.assert_allclose(without[:, 0], [0.8912614672, -0.1290044400, -0.9788845628], rtol=0, atol=1e-9)


def test_pure_entropy_gradient_sees_the_future():
    # state 0 moves to 1 or 2, both absorbing; no reward
    kernel = np.zeros((3, 2, 3))
    kernel[0, 0, 1] = kernel[0, 1, 2] = kernel[1, :, 1] = kernel[2, :, 2] = 1.0
    mdp = MDP(kernel, np.zeros((3, 2)), 0.9, np.array([1.0, 0.0, 0.0]))
    logits = np.log([[0.4, 0.6], [0.99, 0.01], [0.5, 0.5]])
    assert gradient(mdp, logits, 1.0)[0, 0] == pytest.approx(-1.2789229699, abs=1e-9)


def test_masked_gradient_known_values():
    kernel = np.array([[[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]], [[0.3, 0.7], [0.6, 0.4], [1.0, 0.0]]])
    available = np.array([[True, True, False], [True, False, True]])
    mdp = MDP(kernel, [[1.0, 0, -1], [0, 0.5, 2]], 0.9, [0.5, 0.5], available=available)
    logits = np.array([[0.2, -0.1, 0.4], [0.0, 0.3, -0.5]])
    expected = [[1.245453497284, -1.245453497284, 0.0], [-1.868743616975, 0.0, 1.868743616975]]
    np.testing.assert_allclose(gradient(mdp, logits, 0.0), expected, rtol=0, atol=1e-11)


def test_trajectory_form_with_stages():
    # horizon 4, one set of logits for all stages, discount .9, temperature .5: stages summed
    mdp, horizon, discount, temperature = t3(), 4, 0.9, 0.5
    logs = log_tilt(T3_LOGITS)
    policy = np.exp(logs)
    kernel, reward = induced(mdp, policy)
    q, value = np.zeros((horizon, 3, 2)), np.zeros(3)
    for h in range(horizon - 1, -1, -1):
        q[h] = mdp.reward + discount * mdp.expectation(value)
        value = reward - regulariser(logs, temperature=temperature) + discount * kernel @ value
    weights = np.array([discount**h * T3_START @ np.linalg.matrix_power(kernel, h) for h in range(horizon)])
    found = softmax_policy_gradient(
        np.stack([policy] * horizon), q=q, state_occupancy=weights, discount=0.0, temperature=temperature
    ).sum(axis=0)
    np.testing.assert_allclose(found[:, 0], [0.2597454286, 0.0395554976, -0.2280365800], rtol=0, atol=1e-9)


@CALM
@given(SEEDS)
def test_log_linear_chain_rule(seed):
    mdp = random_mdp(seed)
    mdp = mdp.replace(discount=min(mdp.discount, 0.9))
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(*mdp.reward.shape, 2))
    weights = rng.normal(size=2)
    found = chain_to_features(gradient(mdp, features @ weights, 0.4), features)
    for i in range(2):
        moved = weights + 1e-30j * np.eye(2)[i]
        exact = (mdp.initial @ evaluate(mdp, log_tilt(features @ moved), 0.4)[0]).imag / 1e-30
        assert found[i] == pytest.approx(exact, rel=1e-8, abs=1e-10)
        scores = log_tilt(features @ moved).imag / 1e-30
        policy = np.exp(log_tilt(features @ weights))
        np.testing.assert_allclose(score(policy, features)[..., i], scores, rtol=1e-12, atol=1e-14)


@CALM
@given(SEEDS)
def test_fisher_information_forms(seed):
    mdp = random_mdp(seed, masked=True)
    policy = random_policy(mdp, seed)
    d = state_occupancy(mdp, policy)
    n_states, n_actions = policy.shape
    expected = np.zeros((policy.size, policy.size))
    for s in range(n_states):
        for a in range(n_actions):
            gradient_of_log = np.zeros((n_states, n_actions))
            gradient_of_log[s] = np.eye(n_actions)[a] - policy[s]
            expected += d[s] * policy[s, a] * np.outer(gradient_of_log, gradient_of_log)
    whole = fisher_information(policy, state_occupancy=d, dense=True)
    np.testing.assert_allclose(whole, expected, rtol=0, atol=1e-15)
    blocks = fisher_information(policy, state_occupancy=d)
    for s in range(n_states):
        rows = slice(s * n_actions, (s + 1) * n_actions)
        np.testing.assert_array_equal(blocks[s], whole[rows, rows])
    features = np.eye(policy.size).reshape(n_states, n_actions, -1)
    by_features = fisher_information(policy, state_occupancy=d, features=features)
    np.testing.assert_allclose(by_features, expected, rtol=0, atol=1e-15)


@CALM
@given(SEEDS)
def test_compatible_fit_is_the_natural_gradient(seed):
    mdp = random_mdp(seed)
    mdp = mdp.replace(discount=min(mdp.discount, 0.9))
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(*mdp.reward.shape, 3))
    logs = log_tilt(features @ rng.normal(size=3))
    policy = np.exp(logs)
    value, q = evaluate(mdp, logs)
    d = state_occupancy(mdp, policy)
    weights, error = compatible_fit(
        policy, advantage=q - value[:, None], state_occupancy=d, features=features
    )
    fisher = fisher_information(policy, state_occupancy=d, features=features)
    slope = chain_to_features(gradient(mdp, logs, 0.0), features)
    np.testing.assert_allclose(fisher @ weights, (1 - mdp.discount) * slope, rtol=0, atol=1e-11)
    residual = q - value[:, None] - score(policy, features) @ weights
    assert error == pytest.approx((d[:, None] * policy * residual**2).sum(), abs=1e-13)


def test_tabular_features_are_compatible():
    logs = log_tilt(T3_LOGITS)
    value, q = evaluate(t3(), logs)
    features = np.eye(6).reshape(3, 2, 6)
    d = state_occupancy(t3(), np.exp(logs))
    assert (
        compatible_fit(np.exp(logs), advantage=q - value[:, None], state_occupancy=d, features=features)[1]
        < 1e-28
    )


def test_bad_input():
    policy, q, d = np.full((2, 2), 0.5), np.zeros((2, 2)), np.array([0.5, 0.5])
    with pytest.raises(ValueError, match=r"q must have shape"):
        softmax_policy_gradient(policy, q=np.zeros((2, 3)), state_occupancy=d, discount=0.9)
    with pytest.raises(ValueError, match=r"state_occupancy must have shape"):
        softmax_policy_gradient(policy, q=q, state_occupancy=np.ones(3), discount=0.9)
    with pytest.raises(ValueError, match=r"discount must lie in \[0, 1\)"):
        softmax_policy_gradient(policy, q=q, state_occupancy=d, discount=1.0)
    with pytest.raises(ValueError, match="temperature must be"):
        softmax_policy_gradient(policy, q=q, state_occupancy=d, discount=0.5, temperature=-1.0)
    with pytest.raises(ValueError, match="log_reference is -inf"):
        softmax_policy_gradient(
            policy, q=q, state_occupancy=d, discount=0.5, temperature=1.0, log_reference=[0.0, -np.inf]
        )
    with pytest.raises(ValueError, match="features must have shape"):
        fisher_information(policy, state_occupancy=d, features=np.zeros((2, 3, 1)))
