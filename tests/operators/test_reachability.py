"""Invariant sets, survival times, reachability backups: loops, brute force over subsets, published values."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab.models.tabular import MDP
from mdplab.operators import largest_invariant_set, reachability_backup, staying_actions, survival_time
from small_models import as_sparse, random_mdp

SEEDS = st.integers(0, 2**32 - 1)
CALM = settings(deadline=None, max_examples=60)
TABLE = np.array([[0, 0], [0, 2], [3, 3], [4, 4], [5, 5], [6, 6], [6, 6]])
SAFE = np.array([True] * 6 + [False])


def naive_times(mdp, pairs):
    """Removal rounds by repeated scans of all states."""
    times = [np.inf if pairs[s].any() else 0.0 for s in range(mdp.n_states)]
    for now in range(1, mdp.n_states + 1):
        removed = {s for s in range(mdp.n_states) if times[s] < now}
        for s in range(mdp.n_states):
            stays = [
                pairs[s, a]
                and not any(mdp.transition[s, a, t] > 0 and t in removed for t in range(mdp.n_states))
                for a in range(mdp.n_actions)
            ]
            if np.isinf(times[s]) and not any(stays):
                times[s] = now
    return np.array(times)


@CALM
@given(SEEDS, st.booleans(), st.booleans(), st.booleans())
def test_against_scans_and_brute_force(seed, deterministic, masked, of_pairs):
    mdp = random_mdp(seed, masked=masked, deterministic=deterministic)
    rng = np.random.default_rng(seed)
    shape = (mdp.n_states, mdp.n_actions) if of_pairs else (mdp.n_states,)
    allowed = rng.random(shape) < 0.7
    pairs = allowed if of_pairs else np.repeat(allowed[:, None], mdp.n_actions, axis=1)
    pairs = pairs if mdp.available is None else pairs & mdp.available
    expected = naive_times(mdp, pairs)
    # brute force: the union of all invariant subsets
    union = np.zeros(mdp.n_states, dtype=bool)
    for subset in itertools.product([False, True], repeat=mdp.n_states):
        inside = np.array(subset)
        stays = pairs & ((mdp.transition > 0) <= inside).all(axis=-1)
        if (~inside | stays.any(axis=1)).all():
            union |= inside
    for model in (mdp, as_sparse(mdp)):
        np.testing.assert_array_equal(survival_time(model, allowed), expected)
        np.testing.assert_array_equal(largest_invariant_set(model, allowed), union)
        stays = ((mdp.transition > 0) <= union).all(axis=-1)
        stays = stays if mdp.available is None else stays & mdp.available
        np.testing.assert_array_equal(staying_actions(model, union), stays)


@CALM
@given(SEEDS)
def test_values_classify_and_have_their_closed_form(seed):
    rng = np.random.default_rng(seed)
    n_states, n_actions = int(rng.integers(4, 15)), int(rng.integers(2, 4))
    table = rng.integers(0, n_states, (n_states, n_actions))
    safe, violation = rng.random(n_states) < 0.6, rng.uniform(0.5, 8)
    cost = np.where(safe, -1.0, violation)
    members, times = largest_invariant_set(table, safe), survival_time(table, safe)
    v = cost
    for _ in range(n_states):
        v = reachability_backup(table, v, cost)
    np.testing.assert_array_equal(reachability_backup(table, v, cost), v)
    np.testing.assert_array_equal(v <= 0, members)
    # the greedy action never leaves the set
    greedy = v[table].argmin(axis=1)
    assert members[table[np.arange(n_states), greedy]][members].all()
    for discount in (0.5, 0.9):
        expected = -1 + (violation + 1) * np.where(members, 0.0, discount ** np.where(members, 0.0, times))
        backed = reachability_backup(table, expected, cost, discount=discount)
        np.testing.assert_allclose(backed, expected, rtol=0, atol=1e-14)


@CALM
@given(SEEDS)
def test_backup_takes_the_worst_successor_of_the_best_action(seed):
    mdp = random_mdp(seed, masked=True)
    v, cost = np.random.default_rng(seed).normal(size=(2, mdp.n_states))
    best = [
        min(
            max(v[t] for t in range(mdp.n_states) if mdp.transition[s, a, t] > 0)
            for a in range(mdp.n_actions)
            if mdp.available[s, a]
        )
        for s in range(mdp.n_states)
    ]
    expected = np.maximum(cost, best)
    for model in (mdp, as_sparse(mdp)):
        np.testing.assert_array_equal(reachability_backup(model, v, cost), expected)
        discounted = reachability_backup(model, v, cost, discount=0.75)
        np.testing.assert_allclose(discounted, 0.25 * cost + 0.75 * expected, rtol=1e-13, atol=1e-15)


def test_known_values_of_the_seven_state_chain():
    cost = np.where(SAFE, -1.0, 5.0)
    np.testing.assert_array_equal(largest_invariant_set(TABLE, SAFE), [True, True] + [False] * 5)
    np.testing.assert_array_equal(survival_time(TABLE, SAFE), [np.inf, np.inf, 4, 3, 2, 1, 0])
    expected = {
        1.0: [-1, -1, 5, 5, 5, 5, 5],
        0.9: [-1, -1, 2.9366, 3.374, 3.86, 4.4, 5],
        0.5: [-1, -1, -0.625, -0.25, 0.5, 2, 5],
    }
    for discount, values in expected.items():
        v = cost
        for _ in range(400):
            v = reachability_backup(TABLE, v, cost, discount=discount)
        np.testing.assert_allclose(v, values, rtol=0, atol=1e-12)


def test_model_and_table_agree_and_unavailable_successors_are_ignored():
    available = np.ones((7, 2), dtype=bool)
    available[1, 0] = False
    table = np.where(available, TABLE, -1)
    mdp = MDP.from_successors(table, np.zeros((7, 2)), 0.9, available=available)
    cost = np.where(SAFE, -1.0, 5.0)
    for model in (mdp, as_sparse(mdp), table):
        np.testing.assert_array_equal(survival_time(model, SAFE), [np.inf, 5, 4, 3, 2, 1, 0])
        backed = reachability_backup(model, np.arange(7.0), cost)
        np.testing.assert_array_equal(backed, [0, 2, 3, 4, 5, 6, 6])


def test_all_safe_and_none_safe():
    assert largest_invariant_set(TABLE, np.ones(7, dtype=bool)).all()
    np.testing.assert_array_equal(survival_time(TABLE, np.zeros(7, dtype=bool)), np.zeros(7))


@pytest.mark.parametrize(
    ("model", "allowed", "message"),
    [
        (TABLE, np.ones(6, dtype=bool), r"allowed must be boolean of shape \(S,\) = \(7,\)"),
        (TABLE, np.ones(7), "allowed must be boolean"),
        (np.array([[7]]), np.ones(1, dtype=bool), r"successors\[0, 0\] is 7, expected a state from 0 to 0"),
        (TABLE + 0.5, SAFE, "successors must be integers"),
    ],
)
def test_bad_input(model, allowed, message):
    with pytest.raises(ValueError, match=message):
        survival_time(model, allowed)


def test_bad_backup_arguments():
    with pytest.raises(ValueError, match=r"cost must have shape \(S,\)"):
        reachability_backup(TABLE, np.zeros(7), np.zeros(6))
    with pytest.raises(ValueError, match="discount must be"):
        reachability_backup(TABLE, np.zeros(7), np.zeros(7), discount=1.5)
