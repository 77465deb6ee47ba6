"""Gradients of residual losses: against differences, published values, the step that they make, bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab.instances import SeededDraw, mdps, two_state_behaviour, two_state_mdp
from mdplab.models import MDP
from mdplab.numerics import central_difference_gradient
from mdplab.operators import dice_gradient, occupancy
from small_models import as_sparse, random_mdp

SEEDS = st.integers(0, 2**32 - 1)
CALM = settings(deadline=None, max_examples=40)


@CALM
@given(SEEDS, st.sampled_from(["kl", "chi-square", "jeffreys", "hellinger"]), st.booleans())
def test_both_parts_sum_to_the_gradient(seed, divergence, linear):
    mdp = random_mdp(seed)
    rng = np.random.default_rng(seed)
    data = rng.dirichlet(np.ones(mdp.reward.size)).reshape(mdp.reward.shape)
    features = rng.normal(size=(mdp.n_states, 3)) if linear else None
    point = 0.1 * rng.normal(size=3 if linear else mdp.n_states)
    strength = 4.0 * (1 + np.abs(mdp.reward).max())
    options = {"divergence": divergence, "strength": strength, "features": features}
    found = dice_gradient(mdp, data, point, **options)
    slope = central_difference_gradient(lambda x: dice_gradient(mdp, data, x, **options).loss, point)
    np.testing.assert_allclose(found.full, slope.value, rtol=0, atol=1e-8)
    sparse = dice_gradient(as_sparse(mdp), data, point, **options)
    np.testing.assert_allclose(sparse.backward, found.backward, rtol=0, atol=1e-14)


@CALM
@given(SEEDS)
def test_tabular_gradients_conflict_and_the_projection_does_not(seed):
    draw = SeededDraw(seed)
    mdp = mdps(draw)
    data = draw.weights(mdp.reward.size).reshape(mdp.reward.shape)
    if mdp.available is not None:
        data = data * mdp.available
    found = dice_gradient(mdp, data, draw.normal(mdp.n_states), divergence="chi-square", strength=5.0)
    assert found.forward @ found.backward <= 0
    assert (found.forward <= 0).all()
    assert (found.backward >= 0).all()
    if found.forward.any():
        size = 1e-14 * np.abs(found.forward).sum() ** 2
        assert abs(found.orthogonal @ found.forward) <= size
        assert -found.direction(2.0) @ found.forward == pytest.approx(found.forward @ found.forward)


def test_published_values():
    mdp = two_state_mdp()
    data = occupancy(mdp, two_state_behaviour())
    found = dice_gradient(mdp, data, [5.0, 6.0], divergence="chi-square", strength=1.0)
    near = {"rtol": 0, "atol": 5.1e-11}
    np.testing.assert_allclose(found.forward, [-0.5126671533, -0.3897854015], **near)
    np.testing.assert_allclose(found.backward, [0.4011175182, 0.4110897810], **near)
    np.testing.assert_allclose(found.orthogonal, [-0.0511266196, 0.0672445362], **near)
    assert found.loss == pytest.approx(-0.1452636496, abs=5.1e-11)
    assert found.threshold == 0.0


def test_one_feature_leaves_no_scale_that_descends():
    mdp = MDP([[[0.0, 1.0]], [[0.0, 1.0]]], [[1.0], [0.0]], 0.9)
    options = {"divergence": "chi-square", "strength": 1.0, "features": [[1.0], [2.0]]}
    found = dice_gradient(mdp, [[1.0], [0.0]], [0.0], **options)
    assert found.forward.tolist() == [-1.5]
    assert found.backward.tolist() == [2.7]
    assert found.threshold == math.inf


def test_the_threshold_is_where_the_slope_changes_its_sign():
    mdp = MDP([[[0.0, 1.0]], [[0.0, 1.0]]], [[1.0], [0.0]], 0.9)
    options = {"divergence": "chi-square", "strength": 1.0, "features": [[1.0, 0.0], [2.0, 1.0]]}
    found = dice_gradient(mdp, [[1.0], [0.0]], [0.0, 0.0], **options)
    assert 0 < found.threshold < math.inf
    assert found.full @ found.direction(1.001 * found.threshold) < 0
    assert found.full @ found.direction(0.999 * found.threshold) > 0


def test_without_mass_there_is_no_coefficient():
    mdp = two_state_mdp()
    found = dice_gradient(mdp, np.zeros((2, 2)), [0.0, 0.0], divergence="kl", strength=1.0)
    assert math.isnan(found.coefficient)


def test_bad_input_is_named():
    mdp, data = two_state_mdp(), np.full((2, 2), 0.25)
    options = {"divergence": "kl", "strength": 1.0}
    with pytest.raises(ValueError, match=r"data_occupancy\[0, 0\] is -0\.25, expected a weight >= 0"):
        dice_gradient(mdp, -data, [0.0, 0.0], **options)
    with pytest.raises(ValueError, match=r"features must have shape \(S, n\) with S = 2"):
        dice_gradient(mdp, data, [0.0], features=[[1.0]], **options)
    with pytest.raises(ValueError, match=r"parameters has shape"):
        dice_gradient(mdp, data, [0.0], **options)
    with pytest.raises(ValueError, match=r"a residual exceeds strength times 0\.5"):
        dice_gradient(mdp, data, [-9.0, -9.0], divergence="total-variation", strength=1.0)
    with pytest.raises(ValueError, match=r"parameters\[1\] is inf, expected a finite number"):
        dice_gradient(mdp, data, [0.0, np.inf], **options)
    with pytest.raises(ValueError, match=r"features\[0, 0\] is nan, expected a finite number"):
        dice_gradient(mdp, data, [0.0], features=[[np.nan], [1.0]], **options)
    with pytest.raises(ValueError, match="data_occupancy has dtype complex128"):
        dice_gradient(mdp, data * 1j, [0.0, 0.0], **options)
    with pytest.raises(ValueError, match="strength must be positive"):
        dice_gradient(mdp, data, [0.0, 0.0], divergence="kl", strength=0.0)
