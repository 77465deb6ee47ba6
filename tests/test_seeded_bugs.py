"""The testing kit on a foreign module: it passes as it is, and each of six bugs is found."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings

from mdplab.models import MDP
from mdplab.strategies import mdps
from mdplab.testing import (
    assert_equivariant,
    assert_expected_update,
    assert_is_optimal,
    assert_is_policy,
    assert_soft_optimal,
)
from tests import tabular_rl

STEP = 0.25
TAU = 0.5
SHORT = {"max_states": 3, "max_actions": 3}


def learns_from_terminals(mdp: MDP, bug: str) -> None:
    update = partial(tabular_rl.q_learning, step=STEP, discount=mdp.discount, bug=bug)
    assert_expected_update(mdp, update, lambda q: q.max(axis=1), step=STEP)


def evaluates(mdp: MDP, bug: str) -> None:
    policy = np.full(mdp.reward.shape, 1 / mdp.n_actions)
    update = partial(tabular_rl.td0, step=STEP, discount=mdp.discount, bug=bug)
    assert_expected_update(mdp, update, lambda v: v, step=STEP, policy=policy, per_action=False)


def soft_actor_critic(mdp: MDP, bug: str) -> tuple[Any, Any]:
    admitted = np.ones(mdp.reward.shape, dtype=bool) if mdp.available is None else mdp.available
    return tabular_rl.soft_actor_critic(
        mdp.transition, mdp.reward, mdp.discount, admitted, temperature=TAU, sweeps=200, bug=bug
    )


def regularises(mdp: MDP, bug: str) -> None:
    policy, q = soft_actor_critic(mdp, bug)
    assert_soft_optimal(mdp, temperature=TAU, q=q, policy=policy)


def normalises(mdp: MDP, bug: str) -> None:
    assert_is_policy(mdp, soft_actor_critic(mdp, bug)[0])


def keeps_its_target_fresh(mdp: MDP, bug: str) -> None:
    learner = tabular_rl.TargetLearner(mdp.reward.shape, step=STEP, discount=mdp.discount, bug=bug)
    assert_expected_update(mdp, learner.update, lambda q: q.max(axis=1), step=STEP)


def treats_ties_alike(mdp: MDP, bug: str) -> None:
    def policy(model: MDP) -> Any:
        return tabular_rl.expected_sarsa_policy(
            model.transition, model.reward, model.discount, 0.25, sweeps=3, bug=bug
        )

    assert_equivariant(mdp, policy)


CASES: dict[str, tuple[Callable[[MDP, str], None], dict[str, Any], str]] = {
    "bootstraps at terminals": (
        learns_from_terminals,
        {"absorbing": True, "min_states": 2},
        "bootstraps from terminal states",
    ),
    "one discount too many": (evaluates, {}, r"E\[new\] .*, exact .*, gap"),
    "entropy with the wrong sign": (regularises, {"discounts": (0.0, 0.8)}, "taken off|plus the constant"),
    "normalised before masking": (normalises, {"masked": True}, "normalised before they were masked|sum is"),
    "stale target": (keeps_its_target_fresh, {}, "an older copy|does not bootstrap"),
    "ties go to the first": (treats_ties_alike, {"discounts": (0.0, 0.9)}, "ties broken"),
}


def test_there_is_a_case_for_every_bug() -> None:
    assert tuple(CASES) == tabular_rl.BUGS


@pytest.mark.parametrize("bug", CASES)
def test_the_correct_code_passes(bug: str) -> None:
    check, options, _ = CASES[bug]

    @settings(max_examples=50, deadline=None)
    @given(mdps(**SHORT, **options))
    def run(mdp: MDP) -> None:
        check(mdp, "")

    run()


@pytest.mark.parametrize("bug", CASES)
def test_the_bug_is_found_and_named(bug: str) -> None:
    check, options, message = CASES[bug]

    @settings(max_examples=200, derandomize=True, deadline=None, phases=[Phase.generate, Phase.shrink])
    @given(mdps(**SHORT, **options))
    def run(mdp: MDP) -> None:
        check(mdp, bug)

    with pytest.raises(AssertionError, match=message):
        run()


@settings(max_examples=50, deadline=None)
@given(mdps(**SHORT))
def test_sarsa_and_policy_iteration_pass(mdp: MDP) -> None:
    policy = np.full(mdp.reward.shape, 1 / mdp.n_actions)
    update = partial(tabular_rl.sarsa, step=STEP, discount=mdp.discount)
    assert_expected_update(mdp, update, lambda q: (policy * q).sum(axis=1), step=STEP, policy=policy)
    rows, value = tabular_rl.policy_iteration(mdp.transition, mdp.reward, mdp.discount)
    assert_is_optimal(mdp, policy=rows, value=value)
