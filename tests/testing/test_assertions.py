"""Assertions pass on what is right, fail on what is not, and say where, by how much and why."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab import solvers
from mdplab.models import MDP, Policy
from mdplab.strategies import mdps, policies
from mdplab.testing import (
    assert_equivariant,
    assert_is_optimal,
    assert_is_policy,
    assert_policies_equal_up_to_ties,
    assert_q_of_policy,
    assert_soft_optimal,
    assert_solution_certified,
    assert_value_of_policy,
    renamed,
)

SETTINGS = settings(max_examples=30, deadline=None)
KERNEL = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.7, 0.3], [0.1, 0.9]]])
NAMED = MDP(
    KERNEL,
    [[1.0, 0.0], [0.0, 2.0]],
    0.9,
    state_names=["dry", "wet"],
    action_names=["wait", "go"],
)
MASKED = MDP(KERNEL, NAMED.reward, 0.9, available=[[True, True], [False, True]])
TIED = MDP(np.full((2, 3, 2), 0.5), [[1.0, 1.0, 0.0], [0.0, 2.0, 2.0]], 0.5)
UNIFORM = np.full((2, 2), 0.5)
VALUE = solvers.policy_evaluation(NAMED, UNIFORM).value
BEST = solvers.policy_iteration(NAMED)
SOFT = solvers.soft_policy_iteration(NAMED, temperature=0.5)


@SETTINGS
@given(st.data())
def test_what_is_right_passes(data: st.DataObject) -> None:
    mdp = data.draw(mdps(masked=None, sparse=None))
    policy = data.draw(policies(mdp))
    own = solvers.policy_evaluation(mdp, policy)
    assert_is_policy(mdp, policy)
    assert_value_of_policy(mdp, policy, own.value)
    assert_q_of_policy(mdp, policy, own.q)
    best = solvers.value_iteration(mdp)
    assert_is_optimal(mdp, policy=best.policy, value=best.value, q=best.q)
    assert_policies_equal_up_to_ties(mdp, best.policy, solvers.solve(mdp).policy)
    assert_solution_certified(mdp, best)
    soft = solvers.soft_value_iteration(mdp, temperature=0.3)
    assert_soft_optimal(mdp, temperature=0.3, policy=soft.policy, value=soft.value, q=soft.q)
    critic = solvers.policy_evaluation(mdp, soft.policy, temperature=0.3)
    assert_q_of_policy(mdp, soft.policy, critic.q, temperature=0.3)
    assert_value_of_policy(mdp, soft.policy, critic.value, temperature=0.3)
    assert_equivariant(mdp, lambda m: solvers.solve(m).value)


@SETTINGS
@given(st.data(), st.floats(1e-3, 10.0), st.booleans())
def test_an_error_anywhere_is_seen(data: st.DataObject, size: float, below: bool) -> None:
    mdp = data.draw(mdps(min_actions=2))
    pair = data.draw(st.integers(0, mdp.reward.size - 1))
    policy = data.draw(policies(mdp))
    own, best = solvers.policy_evaluation(mdp, policy), solvers.solve(mdp)
    off = np.zeros(mdp.reward.shape)
    off.flat[pair] = -size if below else size
    state = pair // mdp.n_actions
    place = f"worst at state {state}: value|worst at state {state}, action {pair % mdp.n_actions}: q"
    for wrong in (
        lambda: assert_value_of_policy(mdp, policy, own.value + off.sum(axis=1)),
        lambda: assert_q_of_policy(mdp, policy, own.q + off),
        lambda: assert_is_optimal(mdp, value=best.value + off.sum(axis=1)),
        lambda: assert_is_optimal(mdp, q=best.q + off),
    ):
        with pytest.raises(AssertionError, match=place):
            wrong()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            lambda: assert_value_of_policy(NAMED, UNIFORM, VALUE + np.array([0.0, 0.5])),
            r"value is not the value of the policy: 1 of 2 states .*\n.*state 1 'wet': value .*, exact .*, gap 0\.5",
        ),
        (lambda: assert_value_of_policy(NAMED, UNIFORM, 0.9 * VALUE), "discounted one step too often"),
        (lambda: assert_value_of_policy(NAMED, UNIFORM, VALUE / 0.9), "discounted one step too rarely"),
        (lambda: assert_value_of_policy(NAMED, UNIFORM, 0.1 * VALUE), "it is normalised"),
        (lambda: assert_value_of_policy(NAMED, UNIFORM, -VALUE), "opposite sign: costs"),
        (lambda: assert_value_of_policy(NAMED, UNIFORM, 0 * VALUE), "zero everywhere"),
        (lambda: assert_value_of_policy(NAMED, UNIFORM, VALUE + 2.0), "plus the constant 2"),
        (lambda: assert_value_of_policy(NAMED, UNIFORM, [np.nan, 0.0]), "value is not finite"),
        (
            lambda: assert_value_of_policy(NAMED, UNIFORM, [1.0]),
            r"value has shape \(1,\), expected \(S,\) = \(2,\)",
        ),
        (lambda: assert_value_of_policy(NAMED, UNIFORM, ["a", "b"]), "value has dtype"),
        (
            lambda: assert_q_of_policy(NAMED, UNIFORM, BEST.q),
            r"action values of the policy: 4 of 4 state-action pairs",
        ),
        (
            lambda: assert_soft_optimal(
                NAMED, temperature=0.5, value=SOFT.value - 0.5 * np.log(2) / (1 - NAMED.discount)
            ),
            "measured from the uniform",
        ),
        (
            lambda: assert_soft_optimal(NAMED, temperature=0.5, value=SOFT.value - np.log(2) * 0.9 / 0.1),
            "twice the largest entropy in each step, beginning with the second step: it is taken off",
        ),
        (
            lambda: assert_soft_optimal(NAMED, temperature=0.5, policy=BEST.policy),
            "is not the soft-optimal policy.*\n.*\n.*check the temperature",
        ),
        (lambda: assert_is_policy(NAMED, [[0.5, 0.6], [1, 0]]), r"state 0 'dry': the sum is 1\.1, gap 0\.1"),
        (lambda: assert_is_policy(NAMED, [[0.5, 0.5], [1.5, -0.5]]), "state 1 'wet', action 1 'go' is -0.5"),
        (lambda: assert_is_policy(NAMED, [[0.5, np.nan], [1, 0]]), "action 1 'go' is nan"),
        (lambda: assert_is_policy(NAMED, [[0.6, 0.6], [0.4, 0.8]]), "all rows have the same sum"),
        (
            lambda: assert_is_policy(MASKED, [[0.5, 0.5], [0.5, 0.5]]),
            "state 1, action 0 is 0.5, but the action is unav",
        ),
        (lambda: assert_is_policy(MASKED, [[0.5, 0.5], [0.0, 0.5]]), "normalised before they were masked"),
        (
            lambda: assert_is_optimal(NAMED, policy=[[1.0, 0.0], [0.0, 1.0]]),
            r"state 0 'dry': value .*, optimal .*, gap -.*\n  to blame is state 0 'dry': it takes action 0 'wait' \(q .*\) "
            r"with probability 1; better is action 1 'go'",
        ),
        (
            lambda: assert_policies_equal_up_to_ties(TIED, [[1, 0, 0], [0, 1, 0]], [[0, 1, 0], [1, 0, 0]]),
            "in 1 of 2 states\n  worst at state 1: distance 2; first",
        ),
        (
            lambda: assert_equivariant(NAMED, lambda m: np.eye(2)[:, 0]),
            "order of states and actions matters at state 0 'dry'",
        ),
        (
            lambda: assert_equivariant(TIED, lambda m: np.eye(3)[solvers.solve(m).q.argmax(axis=1)]),
            "are ties broken",
        ),
        (
            lambda: assert_solution_certified(NAMED, dataclasses.replace(BEST, value=BEST.value + 1.0)),
            "refuted by another route .*\n  value within certificate.bound: found 1",
        ),
    ],
)
def test_failures_say_what_is_wrong(wrong: Callable[[], None], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        wrong()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: assert_is_optimal(NAMED), "nothing to check: give at least one of policy, value, q"),
        (lambda: assert_is_optimal(NAMED, value=BEST.value, tol=-1.0), "tol must be"),
        (lambda: assert_is_optimal(NAMED, value=BEST.value, tol=0.0), "known within .* only: raise tol"),
        (lambda: assert_value_of_policy(NAMED, UNIFORM, VALUE, tol=1e-18), "known within .* only: raise tol"),
    ],
)
def test_misuse_of_the_assertions_is_no_failure_of_the_code(wrong: Callable[[], None], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong()


def test_ties_do_not_count() -> None:
    first, second = np.eye(3)[[0, 1]], np.array([[0.25, 0.75, 0.0], [0.0, 0.0, 1.0]])
    assert_policies_equal_up_to_ties(TIED, first, second)
    assert_is_optimal(TIED, policy=first)
    assert_is_optimal(TIED, policy=second)


def test_a_loss_at_the_tolerance_passes_and_beyond_it_fails() -> None:
    epsilon = 1e-3
    slip = Policy.from_probability(BEST.policy).epsilon_greedy(epsilon)
    loss = float((BEST.value - solvers.policy_evaluation(NAMED, slip).value).max())
    assert_is_optimal(NAMED, policy=slip, tol=loss * 1.001)
    with pytest.raises(AssertionError):
        assert_is_optimal(NAMED, policy=slip, tol=loss * 0.999)


def test_single_precision_policies_are_accepted() -> None:
    rows = np.array([[0.3, 0.7], [0.9, 0.1]], dtype=np.float32)
    exact = solvers.policy_evaluation(NAMED, rows / rows.sum(axis=1, keepdims=True, dtype=np.float64))
    assert_value_of_policy(NAMED, rows, exact.value)


@SETTINGS
@given(mdps(masked=None, sparse=None))
def test_renaming_twice_is_the_identity(mdp: MDP) -> None:
    states, actions = np.arange(mdp.n_states)[::-1], np.arange(mdp.n_actions)[::-1]
    back: Any = renamed(renamed(mdp, states, actions), states, actions)
    np.testing.assert_array_equal(back.to_dense().transition, mdp.to_dense().transition)
    np.testing.assert_array_equal(back.reward, mdp.reward)


def test_renaming_takes_the_names_along() -> None:
    other = renamed(NAMED, [1, 0], [0, 1])
    assert other.state_names == ("wet", "dry")
    np.testing.assert_array_equal(other.transition[1, 0], NAMED.transition[0, 0][::-1])
