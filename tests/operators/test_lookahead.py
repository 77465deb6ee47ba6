"""Value iteration from a random policy: the first table, the last one, and the worst of the greedy policies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab.enumeration import deterministic_stage_policies, enumerate_trajectories, one_hot
from mdplab.instances import SeededDraw, horizon_mdps
from mdplab.models import FiniteHorizonMDP
from mdplab.operators import lookahead_backup, lookahead_values, worst_greedy_value
from mdplab.solvers import backward_induction

CALM = settings(deadline=None, max_examples=40)
CALMER = settings(deadline=None, max_examples=8)


def drawn(seed, masked=True):
    return horizon_mdps(
        SeededDraw(seed),
        states=(2, 3),
        actions=(2, 2),
        horizon=(2, 3),
        discount=(0.5, 1.0),
        staged=True,
        terminal=True,
        masked=masked,
        reward="integer",
    )


def available(mdp):
    return np.array([mdp.stage_available(h) for h in range(mdp.horizon)])


@CALM
@given(st.integers(0, 10_000))
def test_first_table_is_the_random_policys_and_the_last_optimal(seed):
    mdp = drawn(seed)
    mask = available(mdp)
    tables = lookahead_values(mdp, mdp.horizon + 1)
    uniform = mask / mask.sum(axis=-1, keepdims=True)
    for s in range(mdp.n_states):
        played = enumerate_trajectories(mdp, uniform, initial=np.eye(mdp.n_states)[s])
        value = uniform[0, s, mask[0, s]] @ tables[0, 0, s, mask[0, s]]
        assert value == pytest.approx(played.expectation(played.returns), abs=1e-12)
    best = backward_induction(mdp)
    for table in tables[-2:]:
        np.testing.assert_allclose(table, best.q, atol=1e-12)
    np.testing.assert_array_equal(lookahead_backup(mdp, tables[0]), tables[1])


@CALMER
@given(st.integers(0, 10_000))
def test_worst_greedy_value_is_the_least_over_the_greedy_policies(seed):
    mdp = drawn(seed, masked=False)
    q = np.random.default_rng(seed).integers(0, 2, (mdp.horizon, mdp.n_states, mdp.n_actions)).astype(float)
    least = np.full(mdp.n_states, np.inf)
    for chosen in deterministic_stage_policies(mdp.horizon, mdp.n_states, mdp.n_actions):
        taken = np.take_along_axis(q, chosen[..., np.newaxis], axis=-1)[..., 0]
        if np.all(taken == q.max(axis=-1)):
            policy = one_hot(chosen, mdp.n_actions)
            for s in range(mdp.n_states):
                played = enumerate_trajectories(mdp, policy, initial=np.eye(mdp.n_states)[s])
                least[s] = min(least[s], played.expectation(played.returns))
    np.testing.assert_allclose(worst_greedy_value(mdp, q)[0], least, atol=1e-12)


def test_a_tolerance_admits_what_is_almost_greedy():
    mdp = FiniteHorizonMDP(np.ones((1, 2, 1)), np.array([[1.0, 0.0]]), 1)
    assert worst_greedy_value(mdp, [[[1.0, 0.9]]])[0, 0] == 1.0
    assert worst_greedy_value(mdp, [[[1.0, 0.9]]], tol=0.2)[0, 0] == 0.0


def test_bad_input():
    mdp = drawn(0, masked=False)
    with pytest.raises(ValueError, match=r"q has shape \(3,\)"):
        lookahead_backup(mdp, np.zeros(3))
    q = np.zeros((mdp.horizon, mdp.n_states, mdp.n_actions))
    q[1, 0, 1] = np.nan
    with pytest.raises(ValueError, match=r"q\[1, 0, 1\] is nan"):
        worst_greedy_value(mdp, q)
    with pytest.raises(ValueError, match="tol"):
        worst_greedy_value(mdp, np.zeros_like(q), -1.0)
    with pytest.raises(TypeError, match="expected a FiniteHorizonMDP"):
        lookahead_values(q, 1)
    with pytest.raises(ValueError, match="steps must be an integer"):
        lookahead_values(mdp, 0)
