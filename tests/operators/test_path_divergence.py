"""Divergence of path laws: against all paths, known values, masses below the floats, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab.enumeration import enumerate_trajectories
from mdplab.instances import SeededDraw, horizon_mdps, random_policy
from mdplab.models import FiniteHorizonMDP
from mdplab.operators import path_kl

LOOP = FiniteHorizonMDP(np.ones((1, 2, 1)), np.zeros((1, 2)), 5, initial=[1.0])


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_chain_rule_is_the_sum_over_all_paths(seed, staged):
    draw = SeededDraw(seed)
    mdp = horizon_mdps(draw, staged=staged)
    shape = (mdp.n_states, mdp.n_actions)
    stages = mdp.horizon if staged else None
    policy, reference = (random_policy(draw, *shape, stages=stages) for _ in range(2))
    with np.errstate(divide="ignore"):
        found = path_kl(mdp, np.log(policy), np.log(reference))
    paths = enumerate_trajectories(mdp, policy)
    ratio = paths.action_log_probability - paths.policy_log_probability(reference)
    assert found == pytest.approx(paths.expectation(ratio.sum(axis=1)), rel=1e-12, abs=1e-13)


def test_stages_add_and_order_matters():
    one, two = np.log([[0.5, 0.5]]), np.log([[0.9, 0.1]])
    assert path_kl(LOOP, one, two) == pytest.approx(5 * np.log(5 / 3), rel=1e-14)
    assert path_kl(LOOP, two, one) == pytest.approx(5 * (0.9 * np.log(1.8) + 0.1 * np.log(0.2)), rel=1e-14)


def test_masses_below_the_floats_and_excluded_actions():
    sure, tiny = np.array([[0.0, -np.inf]]), np.array([[-1000.0, 0.0]])
    assert path_kl(LOOP, sure, tiny) == 5000.0
    assert path_kl(LOOP, tiny, sure) == np.inf
    assert path_kl(LOOP, sure, sure) == 0.0


def test_what_is_never_reached_does_not_count():
    mdp = FiniteHorizonMDP(
        np.eye(2)[:, np.newaxis].repeat(2, axis=1), np.zeros((2, 2)), 2, initial=[1.0, 0.0]
    )
    policy, reference = np.log([[0.5, 0.5], [0.5, 0.5]]), np.array([[-1.0, -1.0], [0.0, -np.inf]])
    assert path_kl(mdp, policy, reference) == pytest.approx(2 * (1 - np.log(2)), rel=1e-14)
    assert path_kl(mdp, policy, reference, initial=[0.0, 1.0]) == np.inf


@pytest.mark.parametrize(
    ("policy", "reference", "message"),
    [
        (np.zeros((2, 2)), np.zeros((1, 2)), "log_policy must be real of shape"),
        (np.log([[0.5, 0.6]]), np.zeros((1, 2)), "log_policy|policy"),
        (np.log([[0.5, 0.5]]), np.array([[np.nan, 0.0]]), "log_reference is nan"),
        (np.log([[0.5, 0.5]]), np.array([[0.0, np.inf]]), "log_reference is inf"),
        (np.log([[0.5, 0.5]]), np.array([[0.5, 0.5]]), "probabilities"),
    ],
)
def test_bad_input_is_named(policy, reference, message):
    with pytest.raises(ValueError, match=message):
        path_kl(LOOP, policy, reference)
