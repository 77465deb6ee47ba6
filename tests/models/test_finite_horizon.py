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
NEVER = np.array([[True, True], [True, False], [True, True]])
LATE = np.array([NEVER, NEVER, NEVER, np.ones((3, 2), bool)])
SOMETIMES_ZERO = np.where(NEVER[..., None], STAGED[0], 0.0)


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
        ({"horizon": None}, "horizon is missing: none of transition, reward and available has a stage axis"),
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
        ({"available": np.ones((3, 3), bool)}, "available has shape"),
        ({"available": np.ones((3, 2))}, "available has dtype float64, expected booleans"),
        ({"available": np.ones((3, 3, 2), bool)}, r"disagree \(horizon: 4, available: 3\)"),
        (
            {"available": [[True, True], [False, False], [True, True]]},
            r"available\[1\] is False throughout: state 1 has no available action",
        ),
        (
            {"available": np.arange(4)[:, None, None] != np.full((3, 2), 2)},
            r"available\[2, 0\] is False throughout: stage 2, state 0 has no available action",
        ),
        (
            {"transition": SOMETIMES_ZERO, "available": LATE},
            r"transition row \(state 1, action 1\) sums to 0\.0",
        ),
        (
            {"reward": np.where(NEVER, REWARDS[0], np.inf), "available": NEVER},
            r"reward\[1, 1\] is inf, expected a finite number also where the pair is unavailable: write 0",
        ),
        (
            {"reward": np.where(LATE, REWARDS, np.nan), "available": LATE},
            r"reward\[0, 1, 1\] is nan, expected a finite number also where the pair is unavailable",
        ),
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


def test_rows_that_no_stage_reads_may_be_zero() -> None:
    model = FiniteHorizonMDP(SOMETIMES_ZERO, REWARDS[0], 4, available=NEVER)
    assert model.row_deviation < 1e-14
    np.testing.assert_array_equal(model.available, NEVER)
    np.testing.assert_array_equal(model.stage_available(2), NEVER)
    by_stage = np.where(LATE[..., None], STAGED, 0.0)
    model = FiniteHorizonMDP(by_stage, REWARDS, available=LATE)
    assert model.expectation(0, np.ones(3))[1, 1] == 0.0
    assert model.stage_available(3).all()
    assert not model.stage_available(0)[1, 1]
    with pytest.raises(ValueError, match=r"transition row \(stage 3, state 1, action 1\) sums to 0"):
        FiniteHorizonMDP(np.where(NEVER[..., None], STAGED, 0.0), REWARDS, available=LATE)
    with pytest.raises(ValueError, match="h is 4"):
        model.stage_available(4)
    assert FiniteHorizonMDP(STAGED, REWARDS).stage_available(0).all()


def test_a_mask_by_stage_sets_the_horizon_and_goes_through_json() -> None:
    model = FiniteHorizonMDP(STAGED[0], REWARDS[0], available=LATE)
    assert model.horizon == 4
    copy = FiniteHorizonMDP.from_dict(json.loads(json.dumps(model.to_dict())))
    np.testing.assert_array_equal(copy.available, LATE)
