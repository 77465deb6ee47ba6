"""Off-policy estimators: hand-computed trajectories, unbiasedness and variances over all trajectories, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab.enumeration import enumerate_outcome_trajectories
from mdplab.instances import SeededDraw
from mdplab.models import LoggedDataset, OutcomeModel
from mdplab.operators import (
    direct_method,
    doubly_robust,
    doubly_robust_variance,
    importance_ratios,
    importance_sampling,
    marginal_importance_sampling,
    per_decision_importance_sampling,
    self_normalised,
)

TARGET, BEHAVIOUR = np.array([[0.75, 0.25], [0.5, 0.5]]), np.array([[0.5, 0.5], [0.25, 0.75]])
LOG = LoggedDataset(
    [[0, 1, 0], [1, 1, 0]], [[0, 1], [0, 0]], [[1.0, 2.0], [4.0, -1.0]], n_states=2, n_actions=2
)
Q = np.array([[[1.0, 2.0], [3.0, 5.0]], [[0.0, 1.0], [2.0, 4.0]]])


def test_two_trajectories_by_hand():
    # ratios 3/2, 3/2 * 2/3 = 1 and 2, 4
    np.testing.assert_allclose(importance_ratios(LOG, TARGET, BEHAVIOUR), [[1.5, 1.0], [2.0, 4.0]])
    found = importance_sampling(LOG, TARGET, BEHAVIOUR, discount=0.5)
    np.testing.assert_allclose(found, [1.0 * (1 + 1), 4.0 * (4 - 0.5)])
    found = per_decision_importance_sampling(LOG, TARGET, BEHAVIOUR, discount=0.5)
    np.testing.assert_allclose(found, [1.5 + 1.0, 8.0 - 2.0])
    np.testing.assert_allclose(direct_method(LOG, TARGET, Q), [0.75 + 0.5, 1.5 + 2.5])
    found = doubly_robust(LOG, TARGET, BEHAVIOUR, Q, discount=0.5)
    first = 1.5 * (1 - 1) + 1.25 + 0.5 * (1.0 * (2 - 4) + 1.5 * 3.0)
    second = 2.0 * (4 - 3) + 4.0 + 0.5 * (4.0 * (-1 - 2) + 2.0 * 3.0)
    np.testing.assert_allclose(found, [first, second])
    weights = np.array([[2.0, np.inf], [3.0, 1.0]])
    found = marginal_importance_sampling(LOG, weights, discount=0.5)  # the infinite pair is never seen
    np.testing.assert_allclose(found, [2.0 + 0.5 * 2.0, 12.0 - 0.5 * 3.0])


def random_case(seed):
    draw = SeededDraw(seed)
    model = OutcomeModel(
        draw.weights((2, 2, 3)), draw.normal((2, 2, 3)), draw.integers(0, 1, (2, 2, 3)), draw.weights(2)
    )
    target, behaviour = draw.weights((3, 2, 2)), 0.1 + 0.8 * draw.weights((3, 2, 2))
    return model, target, behaviour, draw.normal((3, 2, 2))


@given(st.integers(0, 10_000))
def test_stage_policies_are_evaluated_without_bias_and_the_variance_has_its_closed_form(seed):
    model, target, behaviour, q = random_case(seed)
    on_policy = enumerate_outcome_trajectories(model, target, 3, discount=0.9)
    log = enumerate_outcome_trajectories(model, behaviour, 3, discount=0.9)
    value = on_policy.expectation(on_policy.returns)
    for estimate in (
        importance_sampling(log, target, behaviour, discount=0.9),
        per_decision_importance_sampling(log, target, behaviour, discount=0.9),
        doubly_robust(log, target, behaviour, q, discount=0.9),
    ):
        np.testing.assert_allclose(log.expectation(estimate), value, atol=1e-12)
    np.testing.assert_allclose(log.expectation(importance_ratios(log, target, behaviour)), 1.0, rtol=1e-12)
    for control in (q, np.zeros_like(q)):
        estimate = doubly_robust(log, target, behaviour, control, discount=0.9)
        second = log.expectation((estimate - value) ** 2)
        found = doubly_robust_variance(model, target, behaviour, control, discount=0.9)
        np.testing.assert_allclose(found, second, rtol=1e-11)


def test_on_its_own_policy_every_ratio_is_one_and_the_estimates_are_returns():
    model, target, _, _ = random_case(3)
    log = enumerate_outcome_trajectories(model, target, 3)
    assert (importance_ratios(log, target, target) == 1).all()
    np.testing.assert_allclose(importance_sampling(log, target, target), log.returns)
    np.testing.assert_allclose(per_decision_importance_sampling(log, target, target), log.returns)


def test_a_true_q_leaves_only_the_noise_of_the_environment():
    model = OutcomeModel(np.eye(2)[[[0, 1], [1, 0]]], [1.0, 2.0], [0, 1], [1.0, 0.0])
    target, behaviour = np.array([[0.5, 0.5], [0.25, 0.75]]), np.array([[0.1, 0.9], [0.5, 0.5]])
    last = np.array([[1.0, 2.0], [2.0, 1.0]])
    value = (target * last).sum(axis=1)
    q = np.stack((last + 1.0 * value[[[0, 1], [1, 0]]], last))
    assert doubly_robust_variance(model, target, behaviour, q) < 1e-28
    assert doubly_robust_variance(model, target, behaviour, np.add(q, [[[1.0, 0.0], [0.0, 0.0]]])) > 0.01


def test_self_normalised_weights():
    np.testing.assert_allclose(
        self_normalised([[1.0, 3.0], [0.0, 0.0]], [[4.0, 8.0], [4.0, 8.0]]), [7.0, 6.0]
    )
    for scale in (1e-300, 1e300):
        np.testing.assert_allclose(self_normalised(scale * np.array([1.0, 3.0]), [4.0, 8.0]), 7.0)


def test_refusals():
    with pytest.raises(ValueError, match="trajectory 0 takes action 0 in state 0 at stage 0"):
        importance_ratios(LOG, TARGET, [[0.0, 1.0], [0.5, 0.5]])
    long = LoggedDataset(
        np.zeros((1, 401), int), np.zeros((1, 400), int), np.zeros((1, 400)), n_states=1, n_actions=2
    )
    with pytest.raises(ValueError, match="ratio of trajectory 0 overflows at stage 308"):
        importance_ratios(long, [[1.0, 0.0]], [[0.1, 0.9]])
    with pytest.raises(ValueError, match=r"target.*sums to"):
        importance_sampling(LOG, 2 * TARGET, BEHAVIOUR)
    with pytest.raises(ValueError, match="target has shape"):
        per_decision_importance_sampling(LOG, TARGET[0], BEHAVIOUR)
    for ratio in (np.inf, np.nan, -1.0):
        with pytest.raises(ValueError, match=rf"ratios: {ratio} at stage 0 of trajectory 0"):
            marginal_importance_sampling(LOG, [[ratio, 1.0], [1.0, 1.0]])
    with pytest.raises(ValueError, match="state or action beyond"):
        importance_ratios(LOG, TARGET[:1], BEHAVIOUR[:1])
    with pytest.raises(ValueError, match="state or action beyond"):
        direct_method(LOG, TARGET[:1], Q[:, :1])
    with pytest.raises(
        ValueError, match=r"behaviour has shape \(2, 2, 3\) over all stages, the target \(2, 2, 2\)"
    ):
        importance_ratios(LOG, TARGET, np.full((2, 3), 1 / 3))
    with pytest.raises(ValueError, match="discount"):
        importance_sampling(LOG, TARGET, BEHAVIOUR, discount=1.5)
    with pytest.raises(ValueError, match="q has shape"):
        doubly_robust(LOG, TARGET, BEHAVIOUR, np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"q\[0, 0\] is inf, expected a finite number"):
        direct_method(LOG, TARGET, np.full((2, 2), np.inf))
    for ratios in ([1.0, -1.0], [1.0, np.inf]):
        with pytest.raises(ValueError, match=r"ratios\[1\] is"):
            self_normalised(ratios, [1.0, 2.0])
    with pytest.raises(ValueError, match="n >= 1"):
        self_normalised([], [])
    model, target, behaviour, q = random_case(0)
    with pytest.raises(ValueError, match=r"q must have shape \(H, 2, 2\)"):
        doubly_robust_variance(model, target, behaviour, q[0])
    with pytest.raises(ValueError, match=r"behaviour.*is zero, at an action that the target takes"):
        doubly_robust_variance(model, target, np.broadcast_to([0.0, 1.0], (3, 2, 2)), q)
    with pytest.raises(ValueError, match="vector rewards"):
        doubly_robust_variance(OutcomeModel(model.law, np.ones((3, 2)), [0, 1, 1]), target, behaviour, q)
