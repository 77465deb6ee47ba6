"""The finite-horizon model."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from mdplab.models import FiniteHorizonMDP

RNG = np.random.default_rng(3)
STAGED = RNG.dirichlet(np.ones(3), (4, 3, 2))
REWARDS = RNG.normal(size=(4, 3, 2))


@pytest.mark.parametrize("kernel", [STAGED, STAGED[0]])
@pytest.mark.parametrize("reward", [REWARDS, REWARDS[0]])
def test_stages_are_shared_or_their_own(kernel: np.ndarray, reward: np.ndarray) -> None:
    model = FiniteHorizonMDP(kernel, reward, 4, initial=[1, 0, 0])
    assert (model.horizon, model.n_states, model.n_actions, model.discount) == (4, 3, 2, 1.0)
    assert np.shares_memory(model.transition, kernel)
    assert model.terminal.tolist() == [0, 0, 0]
    x = RNG.normal(size=(3, 2)) + 1j
    for h in range(4):
        p = kernel[h] if kernel.ndim == 4 else kernel
        np.testing.assert_array_equal(model.stage_kernel(h), p)
        np.testing.assert_array_equal(model.stage_reward(h), reward[h] if reward.ndim == 3 else reward)
        np.testing.assert_allclose(model.expectation(h, x), np.einsum("sat,tk->sak", p, x), atol=1e-14)
    assert model.start_law().tolist() == [1, 0, 0]
    assert ("stationary" in repr(model)) == (kernel.ndim == 3 and reward.ndim == 2)


def test_the_horizon_is_inferred_from_a_stage_axis() -> None:
    assert FiniteHorizonMDP(STAGED, REWARDS[0]).horizon == 4
    assert FiniteHorizonMDP(STAGED[0], REWARDS).horizon == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"horizon": None}, "horizon is missing: neither transition nor reward has a stage axis"),
        ({"horizon": 3, "reward": REWARDS}, r"numbers of stages disagree \(horizon: 3, reward: 4\)"),
        ({"transition": STAGED[:3], "reward": REWARDS, "horizon": None}, "transition: 3, reward: 4"),
        ({"horizon": 0}, "horizon is 0, expected an integer of at least 1"),
        ({"horizon": 2.0}, r"horizon is 2\.0"),
        ({"discount": 0.0}, r"discount is 0\.0, expected a number in \(0, 1\]"),
        ({"discount": 1.1}, r"discount is 1\.1"),
        ({"terminal": [0, np.nan, 0]}, r"terminal\[1\] is nan"),
        ({"terminal": [0, 0]}, "terminal has shape"),
        (
            {"transition": STAGED * np.r_[1, 1, 1, 0.5][:, None, None, None]},
            r"transition row \(stage 3, state 0, action 0\)",
        ),
        ({"transition": STAGED[0] * 0.5}, r"transition row \(state 0, action 0\) sums to 0\."),
        ({"transition": STAGED[..., :2]}, r"expected \(S, A, S\) or \(H, S, A, S\)"),
        ({"reward": REWARDS[0].T}, "reward has shape"),
        ({"initial": [1, 1, 0]}, "initial sums to 2"),
        ({"state_names": ["x"]}, "state_names has 1 entries"),
    ],
)
def test_bad_arguments_are_refused(changes: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"transition": STAGED[0], "reward": REWARDS[0], "horizon": 4}
    with pytest.raises(ValueError, match=message):
        FiniteHorizonMDP(**(arguments | changes))


def test_stages_outside_the_horizon_are_refused() -> None:
    model = FiniteHorizonMDP(STAGED, REWARDS)
    for h in (-1, 4):
        with pytest.raises(ValueError, match=rf"h is {h}, expected a stage from 0 to 3"):
            model.stage_reward(h)
    with pytest.raises(ValueError, match="no start law"):
        model.start_law()
    with pytest.raises(ValueError, match=r"values has shape \(2,\)"):
        model.expectation(0, [1.0, 2.0])


def test_plain_data_go_through_json() -> None:
    model = FiniteHorizonMDP(STAGED, REWARDS[0], discount=0.5, terminal=[1, 2, 3], initial=[1, 0, 0])
    copy = FiniteHorizonMDP.from_dict(json.loads(json.dumps(model.to_dict())))
    assert copy.to_dict() == model.to_dict()
