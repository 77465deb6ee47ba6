"""Outcome models: rewards that stay random, and their averages."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from mdplab.instances.textbook import two_state_outcome_mdp
from mdplab.models import MDP, OutcomeModel

RNG = np.random.default_rng(5)
LAW = RNG.dirichlet(np.ones(4), (2, 3))
GAIN = RNG.normal(size=(2, 3, 4))
NEXT = RNG.integers(0, 2, (2, 3, 4))


@pytest.mark.parametrize("gain", [GAIN, GAIN[0, 0]])
@pytest.mark.parametrize("states", [NEXT, NEXT[0, 0]])
def test_the_average_model_adds_up_outcomes(gain: np.ndarray, states: np.ndarray) -> None:
    model = OutcomeModel(LAW, gain, states, [0.5, 0.5])
    assert (model.n_states, model.n_actions, model.n_outcomes) == (2, 3, 4)
    kernel, reward = np.zeros((2, 3, 2)), np.zeros((2, 3))
    for s, a, o in np.ndindex(LAW.shape):
        t = states[o] if states.ndim == 1 else states[s, a, o]
        kernel[s, a, t] += LAW[s, a, o]
        reward[s, a] += LAW[s, a, o] * (gain[o] if gain.ndim == 1 else gain[s, a, o])
    mdp = model.to_mdp(0.9)
    np.testing.assert_allclose(mdp.transition, kernel, atol=1e-15)
    np.testing.assert_allclose(mdp.reward, reward, atol=1e-15)
    assert mdp.start_law().tolist() == [0.5, 0.5]
    assert model.rewards().shape == model.next_states().shape == LAW.shape
    assert not model.rewards().flags.writeable


def test_successors_as_outcomes() -> None:
    model = two_state_outcome_mdp()
    mdp = model.to_mdp(0.5)
    np.testing.assert_array_equal(mdp.transition, model.law)
    np.testing.assert_allclose(mdp.reward, MDP(model.law, model.outcome_reward, 0.5).reward, atol=1e-15)
    process = model.reward_process([1, 0], 0.5)
    np.testing.assert_array_equal(process.kernel, [[0.8, 0.2], [0.5, 0.5]])
    np.testing.assert_array_equal(process.reward, [[0, 2], [-2, 1]])


def test_vector_rewards_are_kept_and_not_averaged_silently() -> None:
    model = OutcomeModel(LAW, np.ones((4, 2)), NEXT)
    assert model.has_vector_rewards
    assert model.rewards().shape == (2, 3, 4, 2)
    with pytest.raises(ValueError, match="outcome_reward holds vectors"):
        model.to_mdp(0.5)
    both = OutcomeModel.from_transition_rewards(LAW[..., :1] * 0 + np.eye(2)[:, None], np.zeros((2, 3, 2, 5)))
    assert both.rewards().shape == (2, 3, 2, 5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"law": LAW * 0.5}, r"law row \(state 0, action 0\) sums to 0\.5"),
        ({"law": LAW[0]}, "law has shape"),
        ({"outcome_reward": GAIN[0]}, None),  # (3, 4): 3 is not the number of outcomes
        ({"outcome_reward": [0, 0, np.inf, 0]}, r"outcome_reward\[2\] is inf"),
        ({"next_state": [0, 1, 2, 0]}, r"next_state\[2\] is 2, expected an integer from 0 to 1"),
        ({"next_state": [0.0, 1.0, 1.0, 0.0]}, "next_state has dtype float64, expected integers"),
        ({"next_state": [0, 1]}, "next_state has shape"),
        ({"initial": [0.5, 0.4]}, r"initial sums to 0\.9"),
    ],
)
def test_bad_arguments_are_refused(changes: dict[str, Any], message: str | None) -> None:
    arguments: dict[str, Any] = {"law": LAW, "outcome_reward": GAIN, "next_state": NEXT}
    with pytest.raises(ValueError, match=message or "outcome_reward has shape"):
        OutcomeModel(**(arguments | changes))


def test_a_reward_process_needs_successors_as_outcomes() -> None:
    with pytest.raises(ValueError, match="outcomes that are the successors"):
        OutcomeModel(LAW, GAIN, NEXT).reward_process(0, 0.5)
    with pytest.raises(ValueError, match=r"actions\[0\] is 2"):
        two_state_outcome_mdp().reward_process(2, 0.5)
    with pytest.raises(ValueError, match=r"transition has shape \(2, 3, 4\), expected \(S, A, S\)"):
        OutcomeModel.from_transition_rewards(LAW, GAIN)
    with pytest.raises(ValueError, match="no start law"):
        two_state_outcome_mdp().start_law()


def test_plain_data_go_through_json() -> None:
    model = OutcomeModel(LAW, GAIN, NEXT)
    assert OutcomeModel.from_dict(json.loads(json.dumps(model.to_dict()))).to_dict() == model.to_dict()
