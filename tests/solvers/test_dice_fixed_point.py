"""Fixed points of orthogonal-gradient updates: published values, the flow, the derivative, masks, outcomes, bad input."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mdplab.instances import SeededDraw, dirichlet_mdp, two_state_behaviour, two_state_mdp
from mdplab.models import MDP
from mdplab.operators import dice_gradient, occupancy, state_occupancy
from mdplab.solution import Status
from mdplab.solvers import dice_fixed_point, soft_value_iteration, verify

M2 = two_state_mdp()
DATA = occupancy(M2, two_state_behaviour())


def random_task(seed):
    draw = SeededDraw(seed)
    mdp = dirichlet_mdp(draw)
    return mdp, draw.weights(mdp.reward.size, positive=True).reshape(mdp.reward.shape)


@pytest.mark.parametrize(
    ("scale", "states", "coefficient", "discount"),
    [
        (0.5, [0.4830452362, 0.5138789833], -0.9061705403, 0.3096858865),
        (1.0, [0.4526303434, 0.5348181230], -0.9127110771, 0.4705363036),
        (2.0, [0.4187447925, 0.5531723077], -0.9144471683, 0.6362909978),
    ],
)
def test_published_values(scale, states, coefficient, discount):
    found = dice_fixed_point(M2, DATA, strength=0.5, scale=scale)
    np.testing.assert_allclose(found.mass.sum(axis=1), states, rtol=0, atol=6e-11)
    assert found.coefficient == pytest.approx(coefficient, abs=6e-11)
    assert found.effective_discount == pytest.approx(discount, abs=6e-11)
    assert verify(M2, found).passed


@pytest.mark.parametrize("scale", [0.1, 3.0, 100.0])
@pytest.mark.parametrize("seed", range(4))
def test_the_update_vanishes_and_masses_are_a_discounted_flow(seed, scale):
    mdp, data = random_task(seed)
    found = dice_fixed_point(mdp, data, strength=0.5, scale=scale)
    assert found.status is Status.CONVERGED
    gradient = dice_gradient(mdp, data, found.value, divergence="kl", strength=0.5)
    np.testing.assert_allclose(gradient.direction(scale), data.sum(axis=1), rtol=0, atol=1e-12)
    flow = state_occupancy(
        mdp.replace(discount=found.effective_discount),
        found.policy,
        initial=data.sum(axis=1),
        normalised=False,
    )
    expected = flow / (1 - scale * found.coefficient)
    assert np.abs(found.mass.sum(axis=1) - expected).sum() <= found.certificate.bound + 1e-13
    total = scale * found.mass.sum()
    assert found.effective_discount == pytest.approx(mdp.discount / (mdp.discount + 1 / total), rel=1e-11)
    assert verify(mdp, found).passed


@pytest.mark.parametrize("seed", range(3))
def test_scale_zero_is_the_soft_optimum_relative_to_the_behaviour(seed):
    mdp, data = random_task(seed)
    found = dice_fixed_point(mdp, data, strength=0.3, scale=0.0)
    reference = np.log(data / data.sum(axis=1, keepdims=True))
    soft = soft_value_iteration(mdp, temperature=0.3, log_reference=reference, tol=1e-12)
    np.testing.assert_allclose(found.value, soft.value, rtol=0, atol=1e-10)
    assert found.effective_discount == 0.0
    assert verify(mdp, found).passed


def test_an_action_that_is_unavailable_is_as_if_it_were_not_there():
    mask = np.array([[True, True, False], [True, True, False]])
    kernel = np.concatenate([M2.transition, np.eye(2)[:, np.newaxis]], axis=1)
    reward = np.concatenate([M2.reward, np.full((2, 1), 9.0)], axis=1)
    mdp = MDP(kernel, reward, M2.discount, M2.initial, available=mask)
    data = np.concatenate([DATA, np.zeros((2, 1))], axis=1)
    found = dice_fixed_point(mdp, data, strength=0.5, scale=1.0)
    plain = dice_fixed_point(M2, DATA, strength=0.5, scale=1.0)
    np.testing.assert_allclose(found.mass[:, :2], plain.mass, rtol=0, atol=1e-13)
    assert verify(mdp, found).passed


def test_a_disturbed_solution_is_refused():
    found = dice_fixed_point(M2, DATA, strength=0.5, scale=1.0)
    for name in ("value", "mass", "policy", "coefficient", "effective_discount"):
        off = dataclasses.replace(found, **{name: getattr(found, name) + 1e-6})
        assert not verify(M2, off).passed, name


def test_outcomes_say_how_it_ended():
    with pytest.warns(match="dice_fixed_point: 1 steps"):
        short = dice_fixed_point(M2, DATA, strength=0.5, scale=50.0, max_steps=1)
    assert short.status is Status.MAX_STEPS
    assert dice_fixed_point(M2, DATA, strength=0.5, scale=50.0, tol=0.0).status is Status.PRECISION_LIMIT


@pytest.mark.parametrize("seed", [3, 6])
def test_a_strength_lost_in_rounding_ends_at_once(seed):
    mdp, data = random_task(seed)
    found = dice_fixed_point(mdp, data, strength=1e-9, scale=0.0, tol=0.0)
    assert found.status is Status.PRECISION_LIMIT
    assert found.steps <= 50


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="scale must be a non-negative finite number"):
        dice_fixed_point(M2, DATA, strength=0.5, scale=-1.0)
    with pytest.raises(ValueError, match="strength must be positive"):
        dice_fixed_point(M2, DATA, strength=0.0, scale=1.0)
    with pytest.raises(ValueError, match="data_occupancy has no weight in state 1"):
        dice_fixed_point(M2, [[0.5, 0.5], [0.0, 0.0]], strength=0.5, scale=1.0)


def test_the_table_has_a_row_a_state():
    table = dice_fixed_point(M2, DATA, strength=0.5, scale=1.0).to_frame()
    assert table.columns.tolist() == ["value", "mass_0", "mass_1", "policy_0", "policy_1"]
    assert table.index.name == "state"
