"""Greedy over random rollouts: against all outcomes of few episodes, and against known probabilities of success."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab.enumeration import greedy_rollout_choice, greedy_rollout_success
from mdplab.instances import SeededDraw, horizon_mdps
from mdplab.models import FiniteHorizonMDP


def drawn(seed):
    return horizon_mdps(
        SeededDraw(seed),
        states=(2, 3),
        actions=(2, 2),
        horizon=(2, 2),
        kernel="deterministic",
        reward="integer",
        staged=True,
        terminal=True,
    )


def played(mdp, stage, state, actions):
    total = 0.0
    for h, a in enumerate(actions, start=stage):
        total += mdp.stage_reward(h)[state, a]
        state = mdp.stage_kernel(h)[state, a].argmax()
    return total + mdp.terminal[state]


def choice_by_listing(mdp, stage, state, steps, rollouts):
    """All episodes of all sequences, listed."""
    left = mdp.horizon - stage
    length = min(steps, left)
    planned = list(product(range(mdp.n_actions), repeat=length))
    tails = list(product(range(mdp.n_actions), repeat=left - length))
    sums = [
        [
            sum(played(mdp, stage, state, plan + tail) for tail in run)
            for run in product(tails, repeat=rollouts)
        ]
        for plan in planned
    ]
    chosen = np.zeros(mdp.n_actions)
    outcomes = list(product(*sums))
    for outcome in outcomes:
        chosen[planned[int(np.argmax(outcome))][0]] += 1 / len(outcomes)
    return chosen


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(1, 3))
def test_choices_are_those_of_listed_episodes(seed, steps, rollouts):
    mdp = drawn(seed)
    for stage, state in np.ndindex(mdp.horizon, mdp.n_states):
        np.testing.assert_allclose(
            greedy_rollout_choice(mdp, stage, state, steps, rollouts),
            choice_by_listing(mdp, stage, state, steps, rollouts),
            atol=1e-14,
        )


def chain():
    kernel = np.zeros((4, 2, 4))
    kernel[:, 0, 0] = 1.0
    kernel[np.arange(3), 1, np.arange(1, 4)] = 1.0
    kernel[3] = np.eye(4)[3]
    reward = np.zeros((4, 2))
    reward[2, 1] = 1.0
    return FiniteHorizonMDP(kernel, reward, 3, initial=np.eye(4)[0])


@pytest.mark.parametrize(
    ("steps", "expected"),
    [(1, (0.125, 0.640869140625)), (2, (0.5, 0.9375)), (3, (1.0, 1.0)), (9, (1.0, 1.0))],
)
def test_success_on_a_chain(steps, expected):
    found = [greedy_rollout_success(chain(), steps, rollouts) for rollouts in (1, 4)]
    assert found == pytest.approx(expected, abs=1e-14)


def test_a_constant_reward_a_step_changes_nothing():
    mdp = chain()
    moved = FiniteHorizonMDP(mdp.transition, mdp.reward - 2, 3, initial=mdp.initial)
    assert greedy_rollout_success(moved, 1, 4) == greedy_rollout_success(mdp, 1, 4)


def test_bad_input():
    mdp = chain()
    with pytest.raises(ValueError, match="rollouts is 0, expected an integer of at least 1"):
        greedy_rollout_success(mdp, 1, 0)
    with pytest.raises(ValueError, match="stage is 3, expected an integer from 0 to 2"):
        greedy_rollout_choice(mdp, 3, 0, 1, 1)
    with pytest.raises(TypeError, match="mdp must be a FiniteHorizonMDP; got ndarray"):
        greedy_rollout_success(mdp.transition, 1, 1)
    with pytest.raises(ValueError, match="integer rewards"):
        greedy_rollout_success(FiniteHorizonMDP(mdp.transition, mdp.reward / 2, 3, initial=mdp.initial), 1, 1)
    with pytest.raises(ValueError, match="deterministic"):
        greedy_rollout_success(
            FiniteHorizonMDP(np.full((2, 2, 2), 0.5), np.zeros((2, 2)), 1, initial=[1, 0]), 1, 1
        )
    with pytest.raises(ValueError, match="no start law"):
        greedy_rollout_success(FiniteHorizonMDP(mdp.transition, mdp.reward, 3), 1, 1)
    masked = FiniteHorizonMDP(
        mdp.transition, mdp.reward, 3, initial=mdp.initial, available=[[True, False]] * 4
    )
    with pytest.raises(ValueError, match="all actions"):
        greedy_rollout_success(masked, 1, 1)
    with pytest.raises(ValueError, match="values of a sum of rewards"):
        greedy_rollout_success(mdp, 1, 100, max_count=50)
