"""Verification of ascent paths, stage evaluations and stage-wise mirror descent, honest and tampered with."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mdplab import solvers
from mdplab.models import FiniteHorizonMDP
from mdplab.solution import Solution
from mdplab.solvers import verify
from tests.small_models import (
    T3_KERNEL,
    T3_RESIDUAL_REWARD,
    T3_REWARD,
    T3_START,
    as_sparse,
    random_policy,
    t3,
)
from tests.solver_models import DISCOUNTS, model

HORIZON = FiniteHorizonMDP(T3_KERNEL, T3_REWARD, 5, 0.95, [1.0, 2.0, 3.0], T3_START)


def failures(mdp: object, solution: Solution) -> set[str]:
    return {check.name for check in verify(mdp, solution).failures}


@pytest.mark.parametrize("discount", DISCOUNTS)
@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4, 5, 11])
def test_honest_ascents_pass(seed: int, discount: float) -> None:
    mdp = model(seed, discount)
    logits = np.random.default_rng(seed).normal(size=mdp.reward.shape)
    for options in (
        {"step": 0.1, "temperature": (1e-2, 0.5, 30.0)[seed % 3], "log_reference": logits},
        {"step": 0.5, "normalised": True},
        {"reference_action": 0},
    ):
        for case in (mdp, as_sparse(mdp)):
            run = solvers.policy_gradient_ascent(case, steps=3, initial_logits=logits, **options)
            report = verify(case, run)
            assert report.passed, report.failures


@pytest.mark.parametrize("temperature", [0.0, 0.4])
def test_honest_stages_pass(temperature: float) -> None:
    prior = solvers.backward_induction(HORIZON, temperature=0.5).log_policy
    for solution in (
        solvers.stage_evaluation(HORIZON, random_policy(t3(), 1), temperature=temperature),
        solvers.stage_mirror_descent(HORIZON, step=2.0, steps=3, temperature=temperature),
        solvers.stage_mirror_descent(
            HORIZON, step=0.5, steps=3, temperature=temperature, log_reference=prior
        ),
        solvers.policy_gradient_ascent(HORIZON, step=0.5, steps=3, temperature=temperature),
        solvers.policy_gradient_ascent(
            HORIZON, step=0.5, steps=3, temperature=temperature, normalised=True, reference_action=1
        ),
        solvers.residual_backward_induction(
            HORIZON, T3_RESIDUAL_REWARD, prior, prior_weight=0.6, temperature=0.4, residual_terminal=T3_START
        ),
    ):
        report = verify(HORIZON, solution)
        assert report.passed, report.failures


def test_tampered_ascents_are_seen() -> None:
    for mdp in (t3(), HORIZON):
        run = solvers.policy_gradient_ascent(mdp, step=0.5, steps=2, temperature=0.3)
        for name, moved, expected in (
            ("values", run.values + 3 * run.certificate.bound, {f"value at t = {t}" for t in range(3)}),
            ("gradients", run.gradients[::-1], {"gradient at t = 0", "gradient at t = 2"}),
            ("start_values", run.start_values + 1e-9, {f"start value at t = {t}" for t in range(3)}),
            ("log_policies", run.log_policies[::-1], {"log-softmax of the logits at t = 0"}),
            ("step_sizes", 1.001 * run.step_sizes, {"the step from t = 0", "the step from t = 1"}),
        ):
            assert failures(mdp, dataclasses.replace(run, **{name: moved})) >= expected
        slight = dataclasses.replace(run, gradients=run.gradients * (1 + 1e-8))
        assert failures(mdp, slight) >= {f"gradient at t = {t}" for t in range(3)}


def test_tampered_stages_are_seen() -> None:
    found = solvers.stage_evaluation(HORIZON, random_policy(t3(), 2), temperature=0.3)
    moved = dataclasses.replace(found, value=found.value + 3 * found.certificate.bound)
    assert failures(HORIZON, moved) == {"stage values within value_errors"}
    shrunk = dataclasses.replace(found, upper=found.lower - found.certificate.bound)
    assert failures(HORIZON, shrunk) == {"values <= upper"}
    run = solvers.stage_mirror_descent(HORIZON, step=1.0, steps=2)
    swapped = dataclasses.replace(run, values=run.values[::-1])
    assert failures(HORIZON, swapped) == {
        "values of the policies at t = 0",
        "values of the policies at t = 2",
    }
    assert failures(HORIZON, dataclasses.replace(found, q=found.q + 5)) == {"q within q_error"}
    assert "action values at t = 1" in failures(HORIZON, dataclasses.replace(run, q=run.q + 5))
    zero = dataclasses.replace(run.certificate, bound=0.0)
    bold = dataclasses.replace(run, certificate=zero)
    assert failures(HORIZON, bold) == {"value_errors within certificate.bound"}
    longer = dataclasses.replace(run, step_sizes=run.step_sizes + 1e-6)
    assert failures(HORIZON, longer) == {"the step from t = 0", "the step from t = 1"}
    prior = solvers.backward_induction(HORIZON, temperature=0.5).log_policy
    residual = solvers.residual_backward_induction(
        HORIZON, T3_RESIDUAL_REWARD, prior, prior_weight=0.6, temperature=0.4
    )
    other = dataclasses.replace(residual, reward=residual.reward + 1e-9)
    assert failures(HORIZON, other) >= {"stage values within value_errors"}
    with_own = dataclasses.replace(residual, reward=None)
    assert failures(HORIZON, with_own) >= {"value of the last stage", "stage values within value_errors"}


def test_models_of_the_wrong_kind() -> None:
    found = solvers.stage_evaluation(HORIZON, random_policy(t3(), 2))
    with pytest.raises(TypeError, match="belongs to a FiniteHorizonMDP"):
        verify(t3(), found)
    with pytest.raises(TypeError, match="belongs to a MDP"):
        verify("model", solvers.policy_gradient_ascent(t3(), steps=0))
