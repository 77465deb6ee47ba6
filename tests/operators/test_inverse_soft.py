"""The inverse soft backup: it undoes soft control in both kinds of model, published values, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab import solvers
from mdplab.instances import SeededDraw, horizon_mdps, token_tree, two_state_mdp
from mdplab.models import FiniteHorizonMDP
from mdplab.operators import inverse_soft_backup, soft_backup
from small_models import as_sparse, random_mdp, random_policy

SEEDS = st.integers(0, 2**32 - 1)
CALM = settings(deadline=None, max_examples=40)


@CALM
@given(SEEDS, st.booleans())
def test_action_values_are_a_fixed_point_of_the_soft_backup_of_their_reward(seed, masked):
    mdp = random_mdp(seed, masked=masked)
    rng = np.random.default_rng(seed)
    q, tau = rng.normal(size=mdp.reward.shape), rng.uniform(0.2, 3)
    with np.errstate(divide="ignore"):
        options = {"temperature": tau, "log_reference": np.log(random_policy(mdp, seed))}
    mask = np.ones(q.shape, dtype=bool) if mdp.available is None else mdp.available
    for model in (mdp, as_sparse(mdp)):
        reward = inverse_soft_backup(model, q, **options)
        assert (reward[~mask] == 0).all()
        again = soft_backup(model.replace(reward=reward), q, **options)
        np.testing.assert_allclose(again[mask], q[mask], rtol=0, atol=1e-13)


@CALM
@given(SEEDS)
def test_backward_induction_recovers_the_action_values_of_all_stages(seed):
    draw = SeededDraw(seed)
    model = horizon_mdps(draw, staged=True, discount=(0.3, 1.0), terminal=True, masked=True)
    q = draw.normal((model.horizon, model.n_states, model.n_actions))
    reward = inverse_soft_backup(model, q, temperature=0.7)
    rewarded = FiniteHorizonMDP(
        model.transition,
        reward,
        discount=model.discount,
        terminal=model.terminal,
        available=model.available,
    )
    found = solvers.backward_induction(rewarded, temperature=0.7).q
    np.testing.assert_allclose(found[np.isfinite(found)], q[np.isfinite(found)], rtol=0, atol=1e-12)


def test_published_values():
    found = inverse_soft_backup(two_state_mdp(), [[1.0, 2.0], [3.0, 4.0]])
    expected = [[-1.2619355188, -1.5219355188], [0.0180644812, 0.2980644812]]
    np.testing.assert_allclose(found, expected, rtol=0, atol=5e-11)


def test_the_reward_of_the_last_token_is_its_action_value():
    tree = token_tree(2, 3)
    q = np.random.default_rng(0).normal(size=(3, 15, 2))
    reward = inverse_soft_backup(tree, q)
    np.testing.assert_array_equal(reward[2], q[2])
    np.testing.assert_allclose(reward[0, 0, 1], q[0, 0, 1] - np.logaddexp(*q[1, 2]), rtol=0, atol=1e-15)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"q must have shape \(S, A\) = \(2, 2\)"):
        inverse_soft_backup(two_state_mdp(), np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"q must have shape \(H, S, A\) = \(1, 3, 2\)"):
        inverse_soft_backup(token_tree(2, 1), np.zeros((2, 3, 2))[:, :2])
    with pytest.raises(ValueError, match="temperature must be positive"):
        inverse_soft_backup(two_state_mdp(), np.zeros((2, 2)), temperature=0.0)
    with pytest.raises(TypeError, match="expected an MDP, got None"):
        inverse_soft_backup(None, np.zeros((2, 2)))
