"""Interventions, restart laws and the regret of guided roll-outs: known values, identities, edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab import instances, solvers
from mdplab.operators import guided_regret, interventions, restart_law, state_occupancy
from small_models import random_mdp, random_policy

M2 = instances.two_state_mdp()
GUIDE, UNIFORM = instances.two_state_behaviour(), np.full((2, 2), 0.5)


def test_an_expert_steps_in_where_its_action_is_better_by_more_than_the_margin():
    q = [[1.0, 1.5, 2.0], [0.0, -np.inf, 0.25]]
    assert interventions(q, [2, 2]).tolist() == [[True, True, False], [True, True, False]]
    assert interventions(q, [2, 2], margin=0.5).tolist() == [[True, False, False], [False, True, False]]
    assert not interventions([[1.0, 2.0]], [0], margin=3.0).any()


def test_a_difference_that_rounding_makes_is_tolerated():
    q = [[0.1 + 0.2, 0.3]]
    assert not interventions(q, [0]).any()
    assert interventions(q, [0], tol=0.0).tolist() == [[False, True]]


@pytest.mark.parametrize(
    ("q", "expert", "options", "message"),
    [
        ([1.0, 2.0], [0], {}, "q must be real numbers of shape"),
        ([[1j, 2.0]], [0], {}, "q must be real numbers of shape"),
        ([[np.nan, 2.0]], [0], {}, r"q\[0, 0\] is nan, expected a number"),
        ([[-np.inf, 2.0]], [0], {}, "q is -inf at an action of the expert"),
        ([[1.0, 2.0]], [0.0], {}, "expert must be integers"),
        ([[1.0, 2.0]], [0, 1], {}, "expert must be integers"),
        ([[1.0, 2.0]], [2], {}, "actions outside 0..1"),
        ([[1.0, 2.0]], [0], {"margin": -1.0}, "margin must be"),
        ([[1.0, 2.0]], [0], {"tol": np.nan}, "tol must be"),
    ],
)
def test_bad_interventions_are_named(q, expert, options, message):
    with pytest.raises(ValueError, match=message):
        interventions(q, expert, **options)


def test_restart_law_lies_between_the_start_and_the_guide():
    law = restart_law(M2, GUIDE, share=0.25)
    np.testing.assert_allclose(
        law, 0.75 * np.array([0.6, 0.4]) + 0.25 * state_occupancy(M2, GUIDE), rtol=1e-15
    )
    assert restart_law(M2, GUIDE, share=0.0, initial=[1.0, 0.0]).tolist() == [1.0, 0.0]
    np.testing.assert_array_equal(
        restart_law(M2, GUIDE, share=1.0, initial=[0.0, 1.0]), state_occupancy(M2, GUIDE, initial=[0.0, 1.0])
    )


@pytest.mark.parametrize("share", [-0.1, 1.1, np.nan])
def test_a_share_is_a_probability(share):
    with pytest.raises(ValueError, match="share must be"):
        restart_law(M2, GUIDE, share=share)
    with pytest.raises(ValueError, match="guide_share must be"):
        guided_regret(
            UNIFORM, q=GUIDE, guide_q=GUIDE, guide_share=share, state_occupancy=[0.5, 0.5], discount=0.9
        )


def regret(mdp, policy, guide, share):
    return guided_regret(
        policy,
        q=solvers.policy_evaluation(mdp, policy).q,
        guide_q=solvers.policy_evaluation(mdp, guide).q,
        guide_share=share,
        state_occupancy=state_occupancy(mdp, policy),
        discount=mdp.discount,
    )


def test_regret_has_the_printed_value():
    assert regret(M2, UNIFORM, GUIDE, 0.5) == pytest.approx(3.1892775925, abs=5e-11)


def test_regret_vanishes_at_the_optimum_with_an_optimal_guide():
    best = solvers.policy_iteration(M2).policy
    assert regret(M2, best, best, 0.3) == pytest.approx(0.0, abs=1e-13)


def test_pairs_that_are_not_available_do_not_count():
    q = np.array([[1.0, -np.inf], [2.0, 3.0]])
    policy = np.array([[1.0, 0.0], [0.25, 0.75]])
    found = guided_regret(policy, q=q, guide_q=q, guide_share=0.5, state_occupancy=[0.5, 0.5], discount=0.5)
    assert found == 0.25


def test_bad_regrets_are_named():
    given_rightly = {
        "q": GUIDE,
        "guide_q": GUIDE,
        "guide_share": 0.5,
        "state_occupancy": [0.5, 0.5],
        "discount": 0.9,
    }
    for name, wrong, message in (
        ("q", GUIDE + 0j, "q must be real"),
        ("q", GUIDE[0], "q must be real numbers of shape"),
        ("guide_q", GUIDE + 0j, "guide_q must be real"),
        ("guide_q", GUIDE[:1], "guide_q must have shape"),
        ("q", [[np.nan, 0.0], [0.0, 0.0]], r"q\[0, 0\] is nan"),
        ("guide_q", [[0.0, 0.0], [0.0, np.inf]], r"guide_q\[1, 1\] is inf, expected a finite number or -inf"),
        ("state_occupancy", [1.0], "state_occupancy has shape"),
        ("state_occupancy", [0.3, 0.3], r"state_occupancy sums to 0\.6"),
        ("discount", 1.0, "discount must lie"),
    ):
        with pytest.raises(ValueError, match=message):
            guided_regret(UNIFORM, **{**given_rightly, name: wrong})
    with pytest.raises(ValueError, match="policy has shape"):
        guided_regret(UNIFORM[0], **given_rightly)
    with pytest.raises(ValueError, match="policy at state 0 sums to 2"):
        guided_regret(2 * UNIFORM, **given_rightly)
    with pytest.raises(ValueError, match=r"guide\[0, 0\] is -1"):
        restart_law(M2, [[-1.0, 2.0], [0.5, 0.5]])


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.floats(0.0, 1.0))
def test_regret_bounds_the_loss_against_the_guide_and_the_local_regret(seed, masked, share):
    mdp = random_mdp(seed, masked=masked)
    policy, guide = random_policy(mdp, seed), random_policy(mdp, seed + 1)
    own, guided = (solvers.policy_evaluation(mdp, p) for p in (policy, guide))
    weights = state_occupancy(mdp, policy)
    loss = mdp.start_law() @ (guided.value - own.value)
    local = weights @ (own.q.max(axis=1) - own.value) / (1 - mdp.discount)
    rounding = 1e-12 * (1 + np.abs(own.value).max() + np.abs(guided.value).max()) / (1 - mdp.discount)
    assert regret(mdp, policy, guide, 0.0) == pytest.approx(local, abs=rounding)
    bound = regret(mdp, policy, guide, share)
    assert bound >= share * loss + (1 - share) * local - rounding
    slack = weights @ (guided.q.max(axis=1) - guided.value) / (1 - mdp.discount)
    assert bound - share * loss - (1 - share) * local == pytest.approx(share * slack, abs=rounding)
