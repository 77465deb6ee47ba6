"""The exact expectation of sampled updates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab.models import MDP
from mdplab.strategies import mdps, policies
from mdplab.testing import Transition, assert_expected_update, transitions

GOAL = MDP([[[0.5, 0.5]], [[0.0, 1.0]]], [[1.0], [0.0]], 0.9, state_names=["far", "goal"])
STEP = 0.5


def greedy(q: Any) -> Any:
    return q.max(axis=1)


def learner(change: Callable[[float, Transition, Any], float]) -> Callable[[Any, Transition], None]:
    """Q-learning whose target is changed."""

    def update(q: Any, transition: Transition) -> None:
        s, a, r, t, terminal, _ = transition
        target = r + 0.9 * (0.0 if terminal else q[t].max())
        q[s, a] += STEP * (change(target, transition, q) - q[s, a])

    return update


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_transitions_are_a_law(data: st.DataObject) -> None:
    mdp = data.draw(mdps(sparse=None, masked=None))
    policy = data.draw(policies(mdp))
    steps = list(transitions(mdp, 0, 0, policy=policy))
    assert sum(probability for probability, _ in steps) == pytest.approx(1.0)
    assert len({(step.next_state, step.next_action) for _, step in steps}) == len(steps)
    assert all(step.reward == mdp.reward[0, 0] for _, step in steps)


def test_terminal_states_are_absorbing_ones_without_reward() -> None:
    assert [step.terminal for _, step in transitions(GOAL, 0, 0)] == [False, True]
    assert [step.terminal for _, step in transitions(GOAL, 0, 0, terminal=[True, False])] == [True, False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda target, step, q: step.reward + 0.9 * q[step.next_state].max(),
            "bootstraps from terminal states",
        ),
        (lambda target, step, q: (target - step.reward) / 0.9 + step.reward, "discount is missing"),
        (lambda target, step, q: (target - step.reward) * 0.9 + step.reward, "discount is applied twice"),
        (lambda target, step, q: target - 0.1 * step.reward, "reward is discounted too"),
        (lambda target, step, q: target - step.reward, "reward is missing"),
        (lambda target, step, q: step.reward, "does not bootstrap"),
        (lambda target, step, q: target - 2 * step.reward, "reward has the opposite sign"),
        (lambda target, step, q: target + 0.123, "step size"),
    ],
)
def test_known_mistakes_are_named(change: Callable[[float, Transition, Any], float], message: str) -> None:
    assert_expected_update(GOAL, learner(lambda target, step, q: target), greedy, step=STEP)
    with pytest.raises(AssertionError, match=f"off at state 0 'far', action 0\n.*E.new.*\n.*\n.*{message}"):
        assert_expected_update(GOAL, learner(change), greedy, step=STEP)


def test_other_entries_must_stay() -> None:
    def update(q: Any, transition: Transition) -> Any:
        return q + 1.0

    with pytest.raises(
        AssertionError, match="update of state 0 'far', action 0 also changes state 1 'goal', action 0"
    ):
        assert_expected_update(GOAL, update, greedy, step=STEP)


def test_a_new_table_may_be_returned_and_must_have_its_shape() -> None:
    def update(q: Any, transition: Transition) -> Any:
        new = q.copy()
        learner(lambda target, step, q: target)(new, transition)
        return new

    assert_expected_update(GOAL, update, greedy, step=STEP)
    with pytest.raises(AssertionError, match=r"update returned shape \(1,\), expected \(2, 1\)"):
        assert_expected_update(GOAL, lambda q, step: np.zeros(1), greedy, step=STEP)


def test_the_table_given_is_used_and_kept() -> None:
    table = np.array([[2.0], [3.0]])
    seen = []

    def update(q: Any, transition: Transition) -> None:
        seen.append(q.copy())
        learner(lambda target, step, q: target)(q, transition)

    assert_expected_update(GOAL, update, greedy, step=STEP, table=table)
    assert all(np.array_equal(q, table) for q in seen)
    assert table.tolist() == [[2.0], [3.0]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step": 0.0}, r"step must lie in \(0, 1\]; got 0"),
        ({"step": 0.5, "table": [1.0]}, r"table has shape \(1,\), expected \(2, 1\)"),
        ({"step": 0.5, "per_action": False}, "policy is missing"),
        ({"step": 0.5, "terminal": [True]}, "terminal"),
    ],
)
def test_misuse_is_a_value_error(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        assert_expected_update(GOAL, learner(lambda target, step, q: target), greedy, **options)


def test_a_bootstrap_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"bootstrap returned shape \(2, 1\), expected \(S,\)"):
        assert_expected_update(GOAL, learner(lambda target, step, q: target), lambda q: q, step=STEP)
