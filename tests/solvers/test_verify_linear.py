"""verify() of linear MDPs in feature space: random models pass, each disturbed field fails."""

from __future__ import annotations

import numpy as np
import pytest

from mdplab.instances.draw import SeededDraw
from mdplab.instances.linear import random_linear_mdp
from mdplab.models import LinearMDP
from mdplab.solvers import (
    linear_backward_induction,
    linear_policy_evaluation,
    linear_policy_iteration,
    verify,
)
from tests.small_models import t3
from tests.verification import assert_every_field_is_checked, failures, moved, shifted, with_bound


def discounted(seed: int) -> tuple[LinearMDP, np.ndarray]:
    draw = SeededDraw([seed, 96])
    model = random_linear_mdp(draw, signed=seed % 2 == 1, discount=(0.0, 0.999))
    return model, draw.weights((model.n_states, model.n_actions), 0.3)


@pytest.mark.parametrize("seed", range(20))
def test_random_models_pass(seed: int) -> None:
    model, policy = discounted(seed)
    for solution in (linear_policy_iteration(model), linear_policy_evaluation(model, policy)):
        report = verify(model, solution)
        assert report.passed, report.failures
    staged = random_linear_mdp(SeededDraw([seed, 97]), signed=seed % 2 == 1, horizon=(1, 6))
    assert verify(staged, linear_backward_induction(staged)).passed
    assert verify(model, linear_backward_induction(model, horizon=4)).passed


def test_every_field_of_control() -> None:
    model, _ = discounted(4)
    solution = linear_policy_iteration(model)
    bound = 10 * solution.certificate.bound
    assert solution.policy_error == solution.suboptimality == 0.0
    rolled = np.roll(solution.policy, 1, axis=1)
    with np.errstate(divide="ignore"):
        logs = np.log(rolled)
    changes = {
        "value": moved(bound),
        "q": moved(bound),
        "policy": lambda _: rolled,
        "log_policy": lambda _: logs,
        "lower": shifted(bound),
        "upper": shifted(-bound),
        "reward": moved(1e-12),
        "weights": moved(bound),
    }
    others = ("suboptimality", "backward_error", "q_error", "policy_error", "log_policy_error", "temperature")
    others += ("bonus", "iterates", "residual", "method", "rule")
    assert_every_field_is_checked(model, solution, changes, inputs=others)
    worse = failures(
        model, solution, policy=rolled, log_policy=logs, policy_error=1.0, log_policy_error=np.inf
    )
    assert worse == {"policy loses at most suboptimality"}
    wide = with_bound(solution, 2 * bound)
    assert not failures(
        model, solution, value=moved(bound)(solution.value), certificate=wide, backward_error=bound * 3
    )


def test_every_field_of_evaluations() -> None:
    model, policy = discounted(5)
    solution = linear_policy_evaluation(model, policy)
    bound = 10 * solution.certificate.bound
    changes = {
        "value": moved(bound),
        "q": moved(10 * solution.q_error),
        "lower": shifted(bound),
        "upper": shifted(-bound),
        "policy": lambda x: np.roll(x, 1, axis=0),
        "cost": moved(1.0),
        "weights": moved(bound),
        "backward_error": lambda _: 0.0,
    }
    assert_every_field_is_checked(model, solution, changes, inputs=("q_error", "temperature"))


def test_every_field_of_horizons() -> None:
    model = random_linear_mdp(SeededDraw([8, 97]), horizon=(4, 4))
    solution = linear_backward_induction(model)
    bound = 10 * solution.certificate.bound
    rolled = np.roll(solution.policy, 1, axis=2)
    with np.errstate(divide="ignore"):
        logs = np.log(rolled)
    changes = {
        "value": moved(bound),
        "q": moved(bound),
        "policy": lambda _: rolled,
        "log_policy": lambda _: logs,
        "lower": shifted(bound),
        "upper": shifted(-bound),
        "value_errors": shifted(-bound),
        "weights": moved(bound),
    }
    others = (
        "q_error",
        "suboptimality",
        "policy_error",
        "log_policy_error",
        "temperature",
        "bonus",
        "available",
    )
    assert_every_field_is_checked(model, solution, changes, inputs=(*others, "reward"))
    worse = failures(
        model, solution, policy=rolled, log_policy=logs, policy_error=1.0, log_policy_error=np.inf
    )
    assert worse == {"policy loses at most suboptimality"}


def test_every_field_of_regularised_horizons() -> None:
    draw = SeededDraw([9, 97])
    model = random_linear_mdp(draw, horizon=(3, 3))
    logs = np.log(draw.weights((3, model.n_states, model.n_actions)))
    solution = linear_backward_induction(model, temperature=0.4, log_reference=logs)
    assert verify(model, solution).passed
    bound = 10 * solution.certificate.bound
    rolled = np.roll(solution.log_policy, 1, axis=2)
    changes = {
        "value": moved(bound),
        "q": moved(bound),
        "policy": lambda _: np.exp(rolled),
        "log_policy": lambda _: rolled,
        "lower": shifted(bound),
        "upper": shifted(-bound),
        "value_errors": shifted(-bound),
        "weights": moved(bound),
        "temperature": lambda _: 0.41,
        "bonus": moved(1e-6),
    }
    others = ("q_error", "suboptimality", "policy_error", "log_policy_error", "available")
    assert_every_field_is_checked(model, solution, changes, inputs=(*others, "reward"))
    worse = failures(
        model,
        solution,
        log_policy=rolled,
        policy=np.exp(rolled),
        policy_error=1.0,
        log_policy_error=np.inf,
    )
    assert worse == {"policy loses at most suboptimality"}


def test_another_model_is_refused() -> None:
    model, policy = discounted(5)
    with pytest.raises(ValueError, match="another model was solved"):
        verify(t3(), linear_policy_evaluation(model, policy))
    with pytest.raises(TypeError, match="belongs to a MDP"):
        verify(policy, linear_policy_iteration(model))
