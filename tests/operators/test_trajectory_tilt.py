"""Tilted laws of trajectories: against all trajectories, published values, deterministic dynamics, extremes, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab import solvers
from mdplab.enumeration import enumerate_trajectories
from mdplab.instances import SeededDraw, horizon_mdps
from mdplab.models import FiniteHorizonMDP
from mdplab.operators import log_sum_exp, segment_log_weights, tilted_trajectories

SEEDS = st.integers(0, 2**32 - 1)
KERNEL = [[[0.8, 0.2], [0.3, 0.7]], [[0.5, 0.5], [0.1, 0.9]]]
BEHAVIOUR, TARGET = [[0.7, 0.3], [0.5, 0.5]], np.array([[0.2, 0.8], [0.6, 0.4]])


def log_law(model, tilt, found):
    """Log-probabilities of the trajectories under the tilted start, policy and dynamics."""
    logs = tilt.log_initial[found.states[:, 0]]
    for h in range(model.horizon):
        here, a = found.states[:, h], found.actions[:, h]
        logs = logs + tilt.log_policy[h, here, a] + tilt.log_transition[h, here, a, found.states[:, h + 1]]
    return logs


@settings(deadline=None, max_examples=60)
@given(SEEDS, st.sampled_from([1e-3, 0.2, 1.0, 1e3]))
def test_the_markov_law_is_the_weighed_law_of_all_trajectories(seed, temperature):
    draw = SeededDraw(seed)
    model = horizon_mdps(draw, states=(1, 3), staged=True, terminal=True, masked=True)
    reference = draw.weights((model.horizon, model.n_states, model.n_actions))
    if model.available is not None:
        reference = np.where(model.available, reference + 0.1, 0.0)
        reference /= reference.sum(axis=-1, keepdims=True)
    tilt = tilted_trajectories(model, reference, temperature=temperature)
    found = enumerate_trajectories(model, reference)
    weights = found.log_probability + found.returns / temperature
    total = log_sum_exp(weights)
    assert tilt.optimum == pytest.approx(temperature * total, rel=1e-12, abs=1e-12)
    np.testing.assert_allclose(
        np.exp(log_law(model, tilt, found)), np.exp(weights - total), rtol=1e-9, atol=1e-300
    )


def test_published_values():
    model = FiniteHorizonMDP(KERNEL, np.log(TARGET), 2, initial=[1, 0])
    tilt = tilted_trajectories(model, BEHAVIOUR)
    assert tilt.value[0, 0] == pytest.approx(-1.7842676035, abs=5e-11)
    np.testing.assert_allclose(tilt.value[1], [-0.967584026262, -0.693147180560], atol=5e-13)
    np.testing.assert_allclose(np.exp(tilt.log_policy[0, 0]), [0.336827060505, 0.663172939495], atol=5e-13)
    np.testing.assert_allclose(
        np.exp(tilt.log_transition[0, 0, 0]), [0.752475247525, 0.247524752475], atol=5e-13
    )


@settings(deadline=None, max_examples=30)
@given(SEEDS)
def test_deterministic_dynamics_are_left_alone_and_the_policy_is_the_soft_optimum(seed):
    draw = SeededDraw(seed)
    model = horizon_mdps(draw, kernel="deterministic", terminal=True)
    reference = draw.weights((model.n_states, model.n_actions), positive=True)
    tilt = tilted_trajectories(model, reference, temperature=0.5)
    soft = solvers.backward_induction(model, temperature=0.5, log_reference=np.log(reference))
    np.testing.assert_array_equal(np.exp(tilt.log_transition), np.stack([model.transition] * model.horizon))
    np.testing.assert_allclose(tilt.value, soft.value, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(np.exp(tilt.log_policy), soft.policy, rtol=1e-11)


def test_a_free_next_state_gains_over_a_controller():
    model = FiniteHorizonMDP([[[0.5, 0.5]], [[0.0, 1.0]]], [[0.0], [1.0]], 2, initial=[1, 0])
    free = tilted_trajectories(model, [[1], [1]])
    assert free.optimum == pytest.approx(np.log((1 + np.e) / 2))
    assert free.optimum > solvers.backward_induction(model, temperature=1.0).value[0, 0] == 0.5


@settings(deadline=None, max_examples=40)
@given(SEEDS, st.sampled_from([1e-3, 0.2, 1.0, 1e3]))
def test_sums_between_two_stages_are_those_of_all_pieces(seed, temperature):
    draw = SeededDraw(seed)
    model = horizon_mdps(draw, states=(1, 3), staged=True, horizon=(2, 3))
    reference = draw.weights((model.horizon, model.n_states, model.n_actions))
    found = enumerate_trajectories(model, reference, initial=np.eye(model.n_states)[0])
    weights = found.log_probability + found.rewards.sum(axis=1) / temperature
    table = segment_log_weights(model, reference, temperature=temperature)
    for end in range(model.n_states):
        through = weights[found.states[:, -1] == end]
        expected = log_sum_exp(through) if through.size else -np.inf
        assert table[0, end] == pytest.approx(expected, rel=1e-12, abs=1e-12)
    pieces = [
        segment_log_weights(model, reference, temperature=temperature, first=a, last=b)
        for a, b in ((0, 1), (1, model.horizon))
    ]
    joined = np.logaddexp.reduce(pieces[0][:, :, np.newaxis] + pieces[1], axis=1)
    np.testing.assert_allclose(joined, table, rtol=1e-12, atol=1e-12)


def test_bad_input_is_named():
    model = FiniteHorizonMDP(KERNEL, np.zeros((2, 2)), 2, initial=[1, 0])
    with pytest.raises(ValueError, match="temperature must be positive"):
        tilted_trajectories(model, BEHAVIOUR, temperature=0.0)
    with pytest.raises(ValueError, match=r"reference at .* sums to"):
        tilted_trajectories(model, [[0.7, 0.7], [0.5, 0.5]])
    with pytest.raises(ValueError, match=r"mdp.discount is 0\.9"):
        tilted_trajectories(FiniteHorizonMDP(KERNEL, np.zeros((2, 2)), 2, 0.9, initial=[1, 0]), BEHAVIOUR)
    with pytest.raises(ValueError, match="start"):
        tilted_trajectories(FiniteHorizonMDP(KERNEL, np.zeros((2, 2)), 2), BEHAVIOUR)
    with pytest.raises(ValueError, match="first, last"):
        segment_log_weights(model, BEHAVIOUR, first=2, last=1)
    with pytest.raises(ValueError, match="first must be an integer of at least 0"):
        segment_log_weights(model, BEHAVIOUR, first=0.5)
    with pytest.raises(TypeError, match="FiniteHorizonMDP"):
        tilted_trajectories(None, BEHAVIOUR)
