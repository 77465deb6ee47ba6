"""Policies and their parametrisations."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab.models import Policy

PI = np.array([[0.6, 0.4], [0.3, 0.7], [1.0, 0.0]])


def test_given_probabilities_are_kept_bit_by_bit() -> None:
    policy = Policy.from_probability(PI)
    assert np.shares_memory(policy.probability, PI)
    assert policy.log_probability[2].tolist() == [0.0, -np.inf]
    assert policy.support.tolist() == (PI > 0).tolist()
    assert (policy.n_states, policy.n_actions, policy.horizon) == (3, 2, None)
    np.testing.assert_array_equal(np.asarray(policy), PI)
    np.testing.assert_array_equal(np.asarray(policy) @ np.ones(2), 1.0)
    assert PI.flags.writeable


@given(st.lists(st.lists(st.floats(-1e4, 1e4), min_size=3, max_size=3), min_size=1, max_size=4))
def test_softmax_in_log_space(logits: list[list[float]]) -> None:
    z = np.array(logits)
    policy = Policy.from_logits(z)
    np.testing.assert_allclose(policy.probability.sum(axis=1), 1.0, atol=1e-12)
    difference = policy.log_probability[:, 1] - policy.log_probability[:, 0]
    np.testing.assert_allclose(difference, z[:, 1] - z[:, 0], atol=1e-11)
    assert policy.support.all()  # no underflow of the logs


def test_small_probabilities_survive_in_the_logs() -> None:
    policy = Policy.from_logits([[0.0, -1e4]])
    assert policy.probability[0, 1] == 0.0
    assert policy.log_probability[0, 1] == -1e4
    copy = Policy.from_dict(json.loads(json.dumps(policy.to_dict(), allow_nan=False)))
    np.testing.assert_array_equal(copy.log_probability, policy.log_probability)


def test_parametrisations_agree_with_the_plain_softmax() -> None:
    z = np.array([[0.3, -0.2, 0.0], [1.0, 2.0, 0.0]])
    expected = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(Policy.from_logits(z).probability, expected, rtol=1e-14)
    np.testing.assert_allclose(Policy.from_reference_logits(z[:, :2]).probability, expected, rtol=1e-14)
    features = np.stack([z, np.ones_like(z)], axis=-1)
    np.testing.assert_allclose(Policy.log_linear([1.0, 5.0], features).probability, expected, rtol=1e-14)
    masked = Policy.from_logits(z, [[True, True, False], [False, True, False]])
    np.testing.assert_allclose(masked.probability[0, :2], expected[0, :2] / expected[0, :2].sum(), rtol=1e-14)
    assert masked.probability[1].tolist() == [0, 1, 0]
    staged = Policy.from_logits(np.stack([z, -z]))
    assert staged.horizon == 2
    np.testing.assert_allclose(staged.probability[0], expected, rtol=1e-14)
    by_stage = np.array([np.ones((2, 3), bool), [[True, True, False], [False, True, False]]])
    for logits in (z, np.stack([z, z])):
        masked_by_stage = Policy.from_logits(logits, by_stage).probability
        np.testing.assert_allclose(masked_by_stage, [expected, masked.probability], rtol=1e-14)
    with pytest.raises(ValueError, match="available has shape"):
        Policy.from_logits(np.stack([z] * 3), by_stage)


def test_deterministic_uniform_and_greedy() -> None:
    policy = Policy.deterministic([1, 0, 1], 2)
    assert policy.probability.tolist() == [[0, 1], [1, 0], [0, 1]]
    assert policy.is_deterministic
    assert policy.actions().tolist() == [1, 0, 1]
    assert Policy.deterministic([[0, 1], [1, 1]], 3).horizon == 2
    assert Policy.uniform(2, 4).probability.tolist() == [[0.25] * 4] * 2
    assert not Policy.uniform(2, 4).is_deterministic
    assert Policy.uniform(1, 3, [[True, False, True]]).probability.tolist() == [[0.5, 0.0, 0.5]]
    np.testing.assert_allclose(policy.epsilon_greedy(0.1).probability[0], [0.05, 0.95])
    assert Policy.from_probability([[0.5, 0.5]]).actions().tolist() == [0]  # lowest index of ties


def test_mixtures_are_state_by_state() -> None:
    other = np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]])
    np.testing.assert_allclose(
        Policy.mixture([0.25, 0.75], [PI, other]).probability, 0.25 * PI + 0.75 * other
    )
    w = np.array([[1, 0], [0, 1], [0.5, 0.5]])
    mixed = Policy.mixture(w, [Policy.from_probability(PI), other])
    np.testing.assert_allclose(mixed.probability, w[:, :1] * PI + w[:, 1:] * other)
    with pytest.raises(ValueError, match="expected one or more of one shape"):
        Policy.mixture([0.5, 0.5], [PI, PI[:2]])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Policy.from_probability([[0.5, 0.6]]),
            r"probability row \(state 0\) sums to 1\.1, expected 1 within 1e-09",
        ),
        (lambda: Policy.from_probability([[1.5, -0.5]]), r"probability\[0, 1\] is -0\.5"),
        (
            lambda: Policy.from_probability([[[0.5, 0.5]], [[0.5, 0.4]]]),
            r"row \(stage 1, state 0\) sums to 0\.9",
        ),
        (lambda: Policy.from_probability([0.5, 0.5]), "probability has shape"),
        (
            lambda: Policy(np.log(PI[:2]) + 0.1),
            r"log_probability: the exponential of row \(state 0\) sums to 1\.1",
        ),
        (lambda: Policy([[np.nan, 0.0]]), r"log_probability\[0, 0\] is nan"),
        (lambda: Policy([[1.0, -np.inf]]), r"log_probability\[0, 0\] is 1\.0"),
        (lambda: Policy.from_logits([[0.0, np.inf]]), r"logits\[0, 1\] is inf"),
        (
            lambda: Policy.from_logits([[0.0, 0.0], [-np.inf, -np.inf]]),
            r"logits leave no action at \(state 1\)",
        ),
        (lambda: Policy.deterministic([0, 2], 2), r"actions\[1\] is 2, expected an integer from 0 to 1"),
        (lambda: Policy.deterministic([0.0], 2), "actions has dtype float64, expected integers"),
        (lambda: Policy.uniform(2, 2).epsilon_greedy(1.5), r"epsilon is 1\.5"),
    ],
)
def test_bad_policies_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_frozen_and_picklable() -> None:
    policy = Policy.from_probability(PI)
    with pytest.raises(AttributeError):
        policy.log_probability = PI  # type: ignore[misc]
    copy = pickle.loads(pickle.dumps(policy))
    np.testing.assert_array_equal(copy.probability, PI)
    assert not copy.probability.flags.writeable
    assert repr(copy) == "Policy(S=3, A=2)"
