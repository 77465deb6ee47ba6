"""Potential shaping: what every policy and the optimum gain, published values of two turns, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab import solvers
from mdplab.instances import SeededDraw, horizon_mdps
from mdplab.models import FiniteHorizonMDP
from mdplab.operators import shaping_rewards, stage_laws

SEEDS = st.integers(0, 2**32 - 1)


def with_reward(model, reward, terminal):
    return FiniteHorizonMDP(
        model.transition,
        reward,
        model.horizon,
        model.discount,
        terminal,
        model.initial,
        available=model.available,
    )


@settings(deadline=None, max_examples=50)
@given(SEEDS)
def test_every_policy_gains_the_discounted_change_of_the_potential(seed):
    draw = SeededDraw(seed)
    model = horizon_mdps(draw, staged=True, discount=(0.3, 1.0))
    potential = draw.normal((model.horizon + 1, model.n_states))
    policy = draw.weights((model.horizon, model.n_states, model.n_actions))
    shaped = with_reward(model, shaping_rewards(model, potential), None)
    gained = model.initial @ solvers.stage_evaluation(shaped, policy).value[0]
    last = stage_laws(model, policy)[-1]
    expected = model.discount**model.horizon * (last @ potential[-1]) - model.initial @ potential[0]
    assert gained == pytest.approx(expected, rel=1e-12, abs=1e-12)


@settings(deadline=None, max_examples=50)
@given(SEEDS)
def test_a_potential_that_ends_at_zero_moves_values_and_keeps_policies(seed):
    draw = SeededDraw(seed)
    model = horizon_mdps(draw, discount=(0.3, 1.0), terminal=True, masked=True)
    potential = draw.normal((model.horizon + 1, model.n_states))
    potential[-1] = 0.0
    shaped = with_reward(model, model.reward + shaping_rewards(model, potential), model.terminal)
    plain, moved = solvers.backward_induction(model), solvers.backward_induction(shaped)
    np.testing.assert_allclose(moved.value, plain.value - potential, rtol=1e-12, atol=1e-12)
    unique = np.isfinite(plain.policy_error) and plain.policy_error == 0
    if unique and moved.policy_error == 0:
        np.testing.assert_array_equal(moved.policy, plain.policy)


def test_differences_in_a_discounted_problem_favour_early_gains():
    # two paths with the potentials .2, .7, .7 and .2, .3, .8; discount 1/2
    kernel = np.zeros((5, 2, 5))
    kernel[0, 0, 1] = kernel[0, 1, 3] = 1
    for here, there in ((1, 2), (2, 2), (3, 4), (4, 4)):
        kernel[here, :, there] = 1
    model = FiniteHorizonMDP(kernel, np.zeros((5, 2)), 2, 0.5)
    potential = np.array([0.2, 0.7, 0.7, 0.3, 0.8])
    for factor, gains in ((1.0, [0.5, 0.35]), (None, [-0.025, 0.0])):
        shaped = with_reward(model, shaping_rewards(model, potential, factor=factor), None)
        np.testing.assert_allclose(solvers.backward_induction(shaped).q[0, 0], gains, atol=1e-15)


def test_bad_input_is_named():
    model = FiniteHorizonMDP(np.ones((1, 1, 1)), np.zeros((1, 1)), 2)
    with pytest.raises(ValueError, match=r"potential must have shape \(H\+1, S\) = \(3, 1\)"):
        shaping_rewards(model, np.zeros((2, 1)))
    with pytest.raises(ValueError, match="potential must hold finite real numbers"):
        shaping_rewards(model, [np.inf])
    with pytest.raises(ValueError, match="factor must be"):
        shaping_rewards(model, [0.0], factor=-1.0)
    with pytest.raises(TypeError, match="FiniteHorizonMDP"):
        shaping_rewards(None, [0.0])
