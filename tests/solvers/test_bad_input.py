"""What solvers refuse, and how they say it: models of another kind, wrong numbers, probabilities in place of logs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from mdplab import solvers
from mdplab.models import MDP, FiniteHorizonMDP, Policy

KERNEL = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.7, 0.3], [0.1, 0.9]]])
REWARD = np.array([[1.0, 0.0], [0.0, 2.0]])
PLAIN = MDP(KERNEL, REWARD, 0.9, [0.5, 0.5])
STAGES = FiniteHorizonMDP(KERNEL, REWARD, 4, 0.9)
POLICY = Policy.from_probability([[0.3, 0.7], [0.6, 0.4]])


def soft_answers(logs: Any) -> list[Any]:
    """Every solver with a reference or prior, at the same logs."""
    rows = np.full((2, 2), 0.5)
    options: dict[str, Any] = {"temperature": 0.5, "log_reference": logs}
    residual: dict[str, Any] = {"prior_weight": 0.3, "temperature": 0.5}
    return [
        solvers.soft_value_iteration(PLAIN, **options).value,
        solvers.soft_policy_iteration(PLAIN, **options).value,
        solvers.residual_q_learning(PLAIN, REWARD, logs, **residual).value,
        solvers.policy_evaluation(PLAIN, rows, **options).value,
        solvers.mirror_descent(PLAIN, step=1.0, steps=2, **options).values,
        solvers.mirror_descent(PLAIN, step=1.0, steps=2, initial_log_policy=logs).values,
        solvers.policy_gradient_ascent(PLAIN, step=0.1, steps=1, **options).values,
        solvers.backward_induction(STAGES, **options).value,
        solvers.stage_evaluation(STAGES, rows, **options).value,
        solvers.stage_mirror_descent(STAGES, step=1.0, steps=2, **options).values,
        solvers.residual_backward_induction(STAGES, REWARD, logs, **residual).value,
    ]


def test_a_policy_stands_for_its_log_probabilities() -> None:
    for given, logs in zip(soft_answers(POLICY), soft_answers(POLICY.log_probability), strict=True):
        np.testing.assert_array_equal(given, logs)


@pytest.mark.parametrize("name", ["log_reference", "log_prior", "initial_log_policy"])
def test_probabilities_in_place_of_logs(name: str) -> None:
    rows = POLICY.probability
    calls: dict[str, list[Callable[[], Any]]] = {
        "log_reference": [
            lambda: solvers.soft_policy_iteration(PLAIN, temperature=0.5, log_reference=rows),
            lambda: solvers.policy_evaluation(PLAIN, rows, temperature=0.5, log_reference=rows),
            lambda: solvers.backward_induction(STAGES, temperature=0.5, log_reference=rows),
        ],
        "log_prior": [
            lambda: solvers.residual_q_learning(PLAIN, REWARD, rows, prior_weight=1.0, temperature=1.0),
        ],
        "initial_log_policy": [
            lambda: solvers.mirror_descent(PLAIN, step=1.0, steps=1, initial_log_policy=rows),
        ],
    }
    for call in calls[name]:
        with pytest.raises(ValueError, match=f"^{name} has rows .* these are probabilities"):
            call()


def test_zeros_are_logarithms() -> None:
    one = MDP([[[1.0]]], [[1.0]], 0.5)
    found = solvers.soft_policy_iteration(one, temperature=1.0, log_reference=[[0.0]])
    assert found.value == pytest.approx([2.0])
    weights = solvers.soft_policy_iteration(PLAIN, temperature=1.0, log_reference=[[0.0, 1.0], [0.5, 2.0]])
    assert weights.status.ok  # log-weights may be positive


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: solvers.policy_iteration(STAGES), "expected an MDP, got a FiniteHorizonMDP; use backward_i"),
        (lambda: solvers.policy_iteration(None), "expected an MDP, got None"),
        (
            lambda: solvers.soft_value_iteration(STAGES, temperature=1.0),
            "an MDP, got a FiniteHorizonMDP; use backward_induction",
        ),
        (lambda: solvers.backward_induction(PLAIN), "expected a FiniteHorizonMDP, got an MDP; use solve"),
        (lambda: solvers.stage_evaluation(PLAIN, POLICY), "expected a FiniteHorizonMDP, got an MDP"),
        (lambda: solvers.stage_mirror_descent(PLAIN, step=1.0, steps=1), "expected a FiniteHorizonMDP"),
        (
            lambda: solvers.residual_backward_induction(
                PLAIN, REWARD, np.log(POLICY), prior_weight=1.0, temperature=1.0
            ),
            "expected a FiniteHorizonMDP, got an MDP",
        ),
    ],
)
def test_models_of_another_kind(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: solvers.policy_iteration(PLAIN, max_steps=1.5),
            "max_steps must be an integer of at least 1",
        ),
        (lambda: solvers.value_iteration(PLAIN, max_steps=1.5), "max_steps must be an integer.*1.5"),
        (
            lambda: solvers.value_iteration(PLAIN, tol="a"),
            "tol must be a non-negative finite number; got 'a'",
        ),
        (lambda: solvers.policy_iteration(PLAIN, tol=-1), "tol must be a non-negative finite number; got -1"),
        (lambda: solvers.policy_iteration(PLAIN, tol=np.nan), "tol must be .*; got nan"),
        (lambda: solvers.soft_value_iteration(PLAIN, temperature="1"), "temperature must be positive.*'1'"),
        (lambda: solvers.policy_evaluation(PLAIN, POLICY, temperature="1"), "temperature must be .*'1'"),
        (lambda: solvers.backward_induction(STAGES, temperature="1"), "temperature must be .*; got '1'"),
        (
            lambda: solvers.mirror_descent(PLAIN, step=1.0, steps=1.5),
            "steps must be an integer of at least 0",
        ),
        (
            lambda: solvers.residual_q_learning(PLAIN, REWARD, POLICY, prior_weight="1", temperature=1.0),
            "prior_weight must be .*; got '1'",
        ),
        (
            lambda: solvers.backward_induction(STAGES, temperature=1.0, log_reference=1j * REWARD),
            "log_reference must be real",
        ),
        (
            lambda: solvers.backward_induction(STAGES, temperature=1.0, log_reference=[[0, np.inf], [0, 0]]),
            "log_reference is inf at stage 0, state 0, action 1",
        ),
        (
            lambda: solvers.policy_evaluation(
                PLAIN, POLICY, temperature=1.0, log_reference=[[0, 0], [np.inf, 0]]
            ),
            r"log_reference is inf at state 1, action 0",
        ),
    ],
)
def test_wrong_numbers(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_numbers_of_other_types_pass() -> None:
    found = solvers.value_iteration(PLAIN, tol=np.float32(1e-3), max_steps=np.int64(1000))
    assert found.status.ok
    assert solvers.soft_value_iteration(PLAIN, temperature=1, tol=1).status.ok


@pytest.mark.parametrize("solver", [solvers.policy_iteration, solvers.value_iteration])
def test_rewards_whose_values_overflow(solver: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r"reward\[1, 1\] is 1e\+308: at discount 0.5 values would overflow"):
        solver(MDP(KERNEL, REWARD * 5e307, 0.5))
    # a reward that is not admitted does not count
    masked = MDP(KERNEL, REWARD * [1, 1e300], 0.5, available=[[True, False], [True, False]])
    assert solver(masked).status.ok
    assert np.isfinite(solver(MDP(KERNEL, REWARD * 1e280, 0.5), tol=1e270).certificate.bound)
    with pytest.raises(ValueError, match="reward and terminal: values of 4 stages"):
        solvers.backward_induction(FiniteHorizonMDP(KERNEL, REWARD * 5e307, 4))


def test_arrays_changed_after_the_model_was_made() -> None:
    for dense in (True, False):
        data = KERNEL.copy()
        matrix: Any = data if dense else sparse.csr_array(data.reshape(4, 2))
        mdp = MDP(matrix, REWARD, 0.9)
        (matrix if dense else matrix.data)[...] = np.nan
        if dense or np.isnan(mdp.transition.data).any():  # type: ignore[union-attr]
            for solver in (solvers.policy_iteration, solvers.modified_policy_iteration):
                with pytest.raises(ValueError, match="changed after the model was made"):
                    solver(mdp)
    reward = REWARD.copy()
    mdp = MDP(KERNEL, reward, 0.9)
    reward[1, 0] = np.nan
    with pytest.raises(ValueError, match="reward is nan at state 1, action 0"):
        solvers.policy_iteration(mdp)
