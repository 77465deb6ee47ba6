"""The residual backup: its fixed point on T3, and conjugacy with the backup that knows the reward."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab.models.tabular import MDP
from mdplab.operators import (
    residual_backup,
    residual_policy_log,
    residual_value,
    soft_backup,
    soft_policy_log,
)
from mdplab.operators.soft import soft_value
from small_models import T3_RESIDUAL_REWARD, as_sparse, random_mdp, t3

CALM = settings(deadline=None, max_examples=40)
ALPHA, OMEGA, ALPHA_HAT = 0.5, 1.2, 0.4


def iterate(backup, q, rounds=450):
    for _ in range(rounds):
        q = backup(q)
    return q


@pytest.mark.parametrize("convert", [lambda m: m, as_sparse])
def test_customised_policy_of_the_three_state_model(convert):
    mdp = convert(t3())
    zero = np.zeros((3, 2))
    prior = soft_policy_log(
        iterate(lambda q: soft_backup(mdp, q, temperature=ALPHA), zero), temperature=ALPHA
    )
    blind = mdp.replace(reward=np.full((3, 2), 1e6))  # the reward must not be read
    options = {"log_prior": prior, "prior_weight": OMEGA * ALPHA, "temperature": ALPHA_HAT}

    def backup(q):
        return residual_backup(blind, q, residual_reward=T3_RESIDUAL_REWARD, **options)

    q = iterate(backup, zero)
    expected = [[0.9316275960, 1.6149332931], [1.3714350083, 1.2687095423], [0.8807475663, 1.5459949934]]
    np.testing.assert_allclose(q, expected, rtol=0, atol=1e-9)
    policy = np.exp(residual_policy_log(q, **options))
    np.testing.assert_allclose(policy[:, 0], [0.8838504080, 0.3867625957, 0.0104812146], rtol=0, atol=1e-10)
    full = np.array([11.9350520483, 11.5611767564, 12.0618940085])
    alone = np.array([9.1681223111, 8.6551786198, 8.8279483543])
    np.testing.assert_allclose(residual_value(q, **options), full - OMEGA * alone, rtol=0, atol=1e-8)
    # sup distance to the fixed point along the iteration from zero
    errors = [np.abs(iterate(backup, zero, k) - q).max() for k in (0, 1, 2, 10)]
    np.testing.assert_allclose(errors, [1.6149332931, 1.3354587488, 1.0992747516, 0.4485252516], atol=1e-9)


@CALM
@given(st.integers(0, 2**32 - 1))
def test_conjugate_to_the_informed_backup(seed):
    # with log prior = (Q - V) / alpha for ANY fixed point Q of the prior's backup the two backups are conjugate
    mdp = random_mdp(seed, masked=True)
    mdp = mdp.replace(discount=min(mdp.discount, 0.9))
    rng = np.random.default_rng(seed)
    alpha, alpha_hat, omega = rng.uniform(0.3, 2), rng.uniform(0.3, 2), rng.uniform(0, 2)
    q_prior = iterate(lambda q: soft_backup(mdp, q, temperature=alpha), np.zeros(mdp.reward.shape), 400)
    prior = soft_policy_log(q_prior, temperature=alpha, available=mdp.available)
    addition, q = rng.normal(size=(2, *mdp.reward.shape))
    full = mdp.replace(reward=omega * mdp.reward + addition)
    informed = soft_backup(full, q + omega * q_prior, temperature=alpha_hat)
    for model in (mdp, as_sparse(mdp)):
        blind = residual_backup(
            model,
            q,
            residual_reward=addition,
            log_prior=prior,
            prior_weight=omega * alpha,
            temperature=alpha_hat,
        )
        np.testing.assert_allclose(blind, informed - omega * q_prior, rtol=0, atol=1e-9)


def test_zero_weight_drops_the_prior_and_its_zeros():
    mdp, q = t3(), np.arange(6.0).reshape(3, 2)
    prior = np.array([[0.0, -np.inf]] * 3)
    found = residual_backup(
        mdp, q, residual_reward=mdp.reward, log_prior=prior, prior_weight=0.0, temperature=0.7
    )
    np.testing.assert_array_equal(found, soft_backup(mdp, q, temperature=0.7))
    masked = MDP(mdp.transition, mdp.reward, 0.9, available=np.array([[True, False]] * 3))
    found = residual_backup(
        masked, q, residual_reward=mdp.reward, log_prior=prior, prior_weight=0.0, temperature=0.7
    )
    np.testing.assert_array_equal(found, soft_backup(masked, q, temperature=0.7))
    value = residual_value(q, log_prior=prior, prior_weight=0.5, temperature=0.7)
    np.testing.assert_array_equal(value, q[:, 0])


def test_stages_share_or_have_their_prior():
    rng = np.random.default_rng(0)
    q, prior = rng.normal(size=(4, 3, 2)), soft_policy_log(rng.normal(size=(4, 3, 2)), temperature=1.0)
    whole = residual_value(q, log_prior=prior, prior_weight=0.3, temperature=0.5)
    for h in range(4):
        one = soft_value(q[h] + 0.3 * prior[h], temperature=0.5)
        np.testing.assert_array_equal(whole[h], one)
    shared = residual_value(q, log_prior=prior[0], prior_weight=0.3, temperature=0.5)
    np.testing.assert_array_equal(shared[0], whole[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"log_prior": np.zeros((2, 2))}, "log_prior must have"),
        ({"log_prior": np.full((3, 2), 0.7)}, "at most 0"),
        ({"log_prior": np.full((3, 2), 0.5)}, "log_prior has rows .* these are probabilities"),
        ({"prior_weight": np.inf}, "prior_weight must be finite"),
        ({"prior_weight": -1.0, "log_prior": np.array([[0.0, -np.inf]] * 3)}, "needs a positive prior"),
        ({"temperature": -1.0}, "temperature must be positive"),
    ],
)
def test_bad_input(options, message):
    arguments = {"log_prior": np.full((3, 2), -np.log(2)), "prior_weight": 1.0, "temperature": 1.0} | options
    with pytest.raises(ValueError, match=message):
        residual_value(np.zeros((3, 2)), **arguments)
