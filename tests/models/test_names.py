"""Messages name states and actions as the model does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from mdplab import models, solvers
from mdplab.models import load, save
from mdplab.names import UNNAMED, Names

NAMES: dict[str, Any] = {"state_names": ["dry", "wet"], "action_names": ["wait", "go"]}
KERNEL = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]])
ZERO = np.zeros((2, 2))
MASK = np.array([[True, True], [True, False]])
MODEL = models.MDP(KERNEL, ZERO, 0.9, [1.0, 0.0], available=MASK, **NAMES)
STAGED = models.FiniteHorizonMDP(KERNEL, ZERO, 2, available=MASK, **NAMES)


def off(entry: float) -> np.ndarray:
    """The kernel with another entry at state 1, action 0, successor 1."""
    kernel = KERNEL.copy()
    kernel[1, 0, 1] = entry
    return kernel


WHERE = r"\(state 1 'wet', action 0 'wait'\)"

FAULTS: dict[str, tuple[Callable[[], Any], str]] = {
    "row sum": (lambda: models.MDP(off(0.5), ZERO, 0.9, **NAMES), f"row {WHERE} sums to 0.5"),
    "probability": (
        lambda: models.MDP(off(-1.0), ZERO, 0.9, **NAMES),
        rf"transition\[1, 0, 1\] {WHERE} is -1.0",
    ),
    "sparse probability": (
        lambda: models.MDP(sparse.csr_array(off(-1.0).reshape(4, 2)), ZERO, 0.9, **NAMES),
        rf"transition\[1, 0, 1\] {WHERE} is -1.0",
    ),
    "reward": (
        lambda: models.MDP(KERNEL, [[0, 0], [np.nan, 0]], 0.9, **NAMES),
        rf"reward\[1, 0\] {WHERE} is nan",
    ),
    "new reward": (
        lambda: MODEL.replace(reward=[[0, 0], [np.inf, 0]]),
        rf"reward\[1, 0\] {WHERE} is inf",
    ),
    "mask": (
        lambda: models.MDP(KERNEL, ZERO, 0.9, available=[[True, True], [False, False]], **NAMES),
        "state 1 'wet' has no available action",
    ),
    "weights": (
        lambda: models.MDP.from_weights([[[1, 0], [0, 1]], [[0, 0], [1, 0]]], ZERO, 0.9, **NAMES),
        f"weights row {WHERE} sums to 0",
    ),
    "total reward, row": (
        lambda: models.TotalRewardMDP(off(0.5), ZERO, [False, False], **NAMES),
        f"row {WHERE} sums to 0.5",
    ),
    "total reward, mask": (
        lambda: models.TotalRewardMDP(
            KERNEL, ZERO, [True, False], available=[[True, True], [False, False]], **NAMES
        ),
        "state 1 'wet' has no available action and is not terminal",
    ),
    "outcomes": (
        lambda: models.OutcomeModel(off(0.5), np.zeros(2), [0, 1], **NAMES),
        f"law row {WHERE} sums to 0.5",
    ),
    "transition rewards": (
        lambda: models.OutcomeModel.from_transition_rewards(off(0.5), np.zeros((2, 2, 2)), **NAMES),
        f"transition row {WHERE} sums to 0.5",
    ),
    "finite horizon": (
        lambda: models.FiniteHorizonMDP(np.stack([KERNEL, off(0.5)]), ZERO, **NAMES),
        r"row \(stage 1, state 1 'wet', action 0 'wait'\) sums to 0.5",
    ),
    "reward process": (
        lambda: models.RewardProcess([[1, 0], [0.5, 0]], [0, 0], 0.9, state_names=NAMES["state_names"]),
        r"kernel row \(state 1 'wet'\) sums to 0.5",
    ),
    "returns": (
        lambda: models.MultiObjectiveMDP(KERNEL, [ZERO], 0.9, [1.0, 0.0], available=MASK, **NAMES).returns(
            np.full((2, 2), 0.5)
        ),
        r"unavailable pair \(state 1 'wet', action 1 'go'\)",
    ),
    "overflow": (
        lambda: solvers.value_iteration(models.MDP(KERNEL, [[0, 0], [1e305, 0]], 0.9, **NAMES)),
        rf"reward\[1, 0\] {WHERE} is 1e\+305",
    ),
    "logs": (
        lambda: solvers.soft_value_iteration(MODEL, temperature=1.0, log_reference=[[0, 0], [np.inf, 0]]),
        "log_reference is inf at state 1 'wet', action 0 'wait'",
    ),
    "no weight": (
        lambda: solvers.soft_value_iteration(MODEL, temperature=1.0, log_reference=[[0, 0], [-np.inf, 0]]),
        "log_reference: state 1 'wet' gives no weight",
    ),
    "outside the reference": (
        lambda: solvers.policy_evaluation(
            MODEL, [[0.5, 0.5], [1, 0]], temperature=1.0, log_reference=[[0, 0], [-np.inf, 0]]
        ),
        "-inf at state 1 'wet', action 0 'wait', which the policy takes",
    ),
    "policy": (
        lambda: solvers.policy_evaluation(MODEL, [[0.5, 0.5], [0.9, 0.0]]),
        "policy at state 1 'wet' sums to 0.9",
    ),
    "negative policy": (
        lambda: solvers.policy_evaluation(MODEL, [[0.5, 0.5], [-1.0, 0.0]]),
        r"policy\[1, 0\] \(state 1 'wet'\) is -1.0",
    ),
    "unavailable": (
        lambda: solvers.policy_evaluation(MODEL, [[0.5, 0.5], [0.0, 1.0]]),
        r"unavailable pair \(state 1 'wet', action 1 'go'\)",
    ),
    "start": (
        lambda: solvers.policy_iteration(MODEL, start=[0, 1]),
        r"unavailable pair \(state 1 'wet', action 1 'go'\)",
    ),
    "stage policy": (
        lambda: solvers.stage_evaluation(STAGED, [[0.5, 0.5], [0.0, 1.0]]),
        r"unavailable pair \(stage 0, state 1 'wet', action 1 'go'\)",
    ),
    "stage logs": (
        lambda: solvers.backward_induction(STAGED, temperature=1.0, log_reference=[[0, 0], [np.inf, 0]]),
        "log_reference is inf at stage 0, state 1 'wet', action 0 'wait'",
    ),
    "stage reward": (
        lambda: solvers.residual_backward_induction(
            STAGED, [[0, 0], [np.inf, 0]], np.zeros((2, 2)), prior_weight=1.0, temperature=1.0
        ),
        "residual_reward is inf at stage 0, state 1 'wet', action 0 'wait'",
    ),
    "data": (
        lambda: solvers.dual_v(MODEL, [[0.5, 0.25], [0, 0.25]], divergence="chi-square", strength=1.0),
        r"data_occupancy: entry \(state 1 'wet', action 1 'go'\)",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_messages_use_the_names(fault: str) -> None:
    call, message = FAULTS[fault]
    with pytest.raises(ValueError, match=message):
        call()


def test_places_without_names_are_numbers() -> None:
    assert UNNAMED.place(("stage", "state"), (1, 2)) == "stage 1, state 2"
    assert UNNAMED.note(("state",), (2,)) == ""
    assert Names(action=("a", "b")).note(("state", "action"), (2, 1)) == " (state 2, action 1 'b')"
    with pytest.raises(ValueError, match=r"row \(state 1, action 0\) sums to 0.5"):
        models.MDP(off(0.5), ZERO, 0.9)


def test_conversions_keep_the_names(tmp_path: Any) -> None:
    """Of every model with names: files and dictionaries, and what is derived from it."""
    found = [
        MODEL,
        MODEL.to_sparse(),
        MODEL.replace(discount=0.5),
        models.TotalRewardMDP.from_mdp(MODEL, [False, True]),
        models.MultiObjectiveMDP(KERNEL, [ZERO], 0.9, [1.0, 0.0], **NAMES).objective(0),
        models.LinearMDP(
            np.eye(4).reshape(2, 2, 4), KERNEL.reshape(4, 2), np.zeros(4), 0.9, **NAMES
        ).to_mdp(),
        models.OutcomeModel(KERNEL, np.zeros(2), [0, 1], **NAMES).to_mdp(0.9),
        models.FiniteHorizonMDP(KERNEL, ZERO, 2, **NAMES),
        models.OutcomeModel.from_transition_rewards(KERNEL, np.zeros((2, 2, 2)), **NAMES),
    ]
    for model in found:
        assert model.names == Names(("dry", "wet"), ("wait", "go"))
        assert load(save(model, tmp_path / "model.npz")).names == model.names
        assert type(model).from_dict(model.to_dict()).names == model.names
    process = models.OutcomeModel(KERNEL, np.zeros(2), [0, 1], **NAMES).reward_process(0, 0.5)
    assert process.names.state == load(save(process, tmp_path / "model.npz")).names.state == ("dry", "wet")
    front = models.MultiObjectiveMDP(KERNEL, [ZERO], 0.9, [1.0, 0.0], objective_names=["time"])
    assert load(save(front, tmp_path / "model.npz")).names == Names(objective=("time",))
