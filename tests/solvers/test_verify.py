"""Verification accepts what the solvers return and rejects what was tampered with."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from mdplab import solvers
from mdplab.models import MDP, FiniteHorizonMDP
from mdplab.solution import Certificate, Solution, Status
from mdplab.solvers import verify
from tests.small_models import as_sparse, random_policy, t3
from tests.solver_models import DISCOUNTS, model


def all_solutions(mdp: Any, temperature: float) -> list[Solution]:
    logs = np.log(
        random_policy(mdp, 1), where=random_policy(mdp, 1) > 0, out=np.full(mdp.reward.shape, -np.inf)
    )
    policy = random_policy(mdp, 2)
    return [
        solvers.policy_iteration(mdp),
        solvers.value_iteration(mdp, tol=1e-4),
        solvers.soft_value_iteration(mdp, temperature=temperature, tol=1e-5),
        solvers.soft_policy_iteration(mdp, temperature=temperature, log_reference=logs),
        solvers.residual_q_learning(
            mdp, mdp.reward, logs, prior_weight=0.3, temperature=temperature, tol=0.0
        ),
        solvers.policy_evaluation(mdp, policy),
        solvers.policy_evaluation(mdp, policy, temperature=temperature, log_reference=logs),
        solvers.mirror_descent(mdp, step=1.0 / temperature, steps=3, temperature=temperature),
        solvers.mirror_descent(mdp, step=2.0, steps=3),
    ]


@pytest.mark.parametrize("discount", DISCOUNTS)
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("sparse", [False, True])
def test_honest_solutions_pass(seed: int, discount: float, sparse: bool) -> None:
    mdp = model(seed, discount)
    mdp = as_sparse(mdp) if sparse else mdp
    for solution in all_solutions(mdp, (1e-2, 0.5, 30.0)[seed % 3]):
        report = verify(mdp, solution)
        assert report.passed, report.failures


@pytest.mark.parametrize("temperature", [0.0, 0.4])
def test_horizon_solutions(temperature: float) -> None:
    mdp = FiniteHorizonMDP(t3().transition, t3().reward, 15, 0.95, [1.0, 2.0, 3.0])
    solution = solvers.backward_induction(mdp, temperature=temperature)
    assert verify(mdp, solution).passed
    moved = dataclasses.replace(solution, value=solution.value + 1e-12)
    assert not verify(mdp, moved).passed
    other = dataclasses.replace(solution, policy=np.roll(solution.policy, 1, axis=2))
    assert not verify(mdp, other).passed


def test_tampering_is_seen() -> None:
    mdp = t3()
    for solution in all_solutions(mdp, 0.5)[:7]:
        bound = solution.certificate.bound  # type: ignore[attr-defined]
        moved = dataclasses.replace(solution, value=solution.value + 3 * bound)  # type: ignore[attr-defined]
        assert {c.name for c in verify(mdp, moved).failures} >= {"value within certificate.bound"}
        shrunk = dataclasses.replace(solution, upper=solution.lower - bound)  # type: ignore[attr-defined]
        assert {c.name for c in verify(mdp, shrunk).failures} == {"fixed point <= upper"}
    soft = solvers.soft_policy_iteration(mdp, temperature=0.5)
    other = solvers.soft_policy_iteration(mdp, temperature=0.6)
    swapped = dataclasses.replace(soft, policy=other.policy, log_policy=other.log_policy)
    assert {c.name for c in verify(mdp, swapped).failures} == {
        "log_policy within log_policy_error",
        "policy loses at most suboptimality",
        "policy within policy_error",
    }
    run = solvers.mirror_descent(mdp, step=1.0, steps=2)
    swapped_values = dataclasses.replace(run, values=run.values[::-1])
    assert names(mdp, swapped_values) >= {"value of the policy at t = 0", "value of the policy at t = 2"}
    assert "value of the policy at t = 1" not in names(mdp, swapped_values)


def names(mdp: Any, solution: Any, **changes: Any) -> set[str]:
    """Names of the checks that fail after a change."""
    return {check.name for check in verify(mdp, dataclasses.replace(solution, **changes)).failures}


def test_solutions_of_another_model_fail() -> None:
    mdp = t3()
    other = mdp.replace(reward=7 * mdp.reward)
    soft = solvers.soft_value_iteration(mdp, temperature=0.5)
    for solution in (solvers.policy_iteration(mdp), soft):
        assert names(mdp, solution) == set()
        assert "reward is the model's" in names(other, solution)
    available = np.ones(mdp.reward.shape, dtype=bool)
    available[0, 1] = False
    masked = MDP(mdp.transition, mdp.reward, mdp.discount, available=available)
    assert "bonus excludes unavailable actions" in names(masked, soft)
    assert "policy takes available actions" in names(masked, soft)
    run = solvers.mirror_descent(mdp, step=1.0, steps=2)
    assert "bonus excludes unavailable actions" in names(masked, run)
    bigger = MDP(np.full((4, 2, 4), 0.25), np.zeros((4, 2)), 0.9)
    with pytest.raises(ValueError, match="another model was solved"):
        verify(bigger, soft)
    # an add-on reward is declared, and only then admitted
    residual = solvers.residual_q_learning(
        mdp, 2 * mdp.reward, soft.log_policy, prior_weight=0.3, temperature=0.5
    )
    assert residual.residual
    assert names(mdp, residual) == set()
    assert names(mdp, residual, residual=False) == {"reward is the model's"}


def test_every_field_of_control_is_checked() -> None:
    mdp = t3()
    for solution in (solvers.policy_iteration(mdp), solvers.soft_policy_iteration(mdp, temperature=0.5)):
        assert names(mdp, solution, q=solution.q + 100) == {"q within q_error"}
        assert names(mdp, solution, status=Status.INFEASIBLE) == {"status is one of solved problems"}
        assert "lower <= fixed point" in names(mdp, solution, lower=solution.lower + 5)
    coarse = solvers.soft_value_iteration(mdp, temperature=0.5, tol=1e-3)
    assert names(mdp, coarse, q_error=0.0) == {"q within q_error"}
    assert names(mdp, coarse, policy_error=0.0) == {"policy within policy_error"}
    assert names(mdp, coarse, log_policy_error=0.0) == {"log_policy within log_policy_error"}
    hard = solvers.policy_iteration(mdp)
    rolled = np.roll(hard.policy, 1, axis=1)
    with np.errstate(divide="ignore"):
        swapped = {"policy": rolled, "log_policy": np.log(rolled)}
    assert hard.policy_error == 0.0
    assert names(mdp, hard, **swapped, suboptimality=1e9) == {"policy within policy_error"}


def test_every_field_of_evaluations_is_checked() -> None:
    mdp = t3()
    found = solvers.policy_evaluation(mdp, random_policy(mdp, 2))
    assert names(mdp, found, q=found.q + 5) == {"q within q_error"}
    assert "no cost without temperature" in names(mdp, found, cost=found.cost + 1)
    assert names(mdp, found, status=Status.UNBOUNDED) == {"status is one of solved problems"}


@pytest.mark.parametrize("temperature", [0.0, 0.4])
def test_every_field_of_horizons_is_checked(temperature: float) -> None:
    mdp = FiniteHorizonMDP(t3().transition, t3().reward, 5, 0.95, [1.0, 2.0, 3.0])
    found = solvers.backward_induction(mdp, temperature=temperature)
    last = found.value.copy()
    last[-1] += 7
    zero = Certificate("x", 0.0, "y")
    for changes, expected in (
        ({"q": found.q + 5}, "q within q_error"),
        ({"lower": found.lower + 5}, "lower <= values <= upper"),
        ({"upper": found.upper - 9}, "lower <= values <= upper"),
        ({"value": last}, "value of the last stage"),
        ({"log_policy": np.zeros_like(found.log_policy)}, "policy = exp(log_policy)"),
        ({"certificate": zero}, "value_errors within certificate.bound"),
        ({"status": Status.INFEASIBLE}, "status is one of solved problems"),
        ({"policy": np.roll(found.policy, 1, axis=2), "suboptimality": 1e9}, "policy within policy_error"),
    ):
        assert expected in names(mdp, found, **changes), changes  # type: ignore[arg-type]


def test_every_field_of_mirror_descent_is_checked() -> None:
    mdp = t3()
    logs = np.log(random_policy(mdp, 4))
    for options in ({}, {"temperature": 0.5}, {"temperature": 0.5, "log_reference": logs}):
        run = solvers.mirror_descent(mdp, step=0.5, steps=3, initial_policy=random_policy(mdp, 3), **options)  # type: ignore[arg-type]
        assert names(mdp, run) == set()
        assert "q at t = 1" in names(mdp, run, q=run.q + 5)
        one = run.q.copy()
        one[2, 0, 1] += 1e-9
        assert "span of the error of q at t = 2" in names(mdp, run, q=one)
        zero = Certificate("x", 0.0, "y")
        assert names(mdp, run, certificate=zero) == {"value_errors within certificate.bound"}
        steps = {f"the step from t = {t}" for t in range(3)}
        assert names(mdp, run, step_sizes=3 * run.step_sizes) >= steps
        first = {
            name: np.repeat(getattr(run, name)[:1], 4, axis=0)
            for name in ("log_policies", "values", "q", "value_errors", "q_span_errors")
        }
        assert names(mdp, run, **first) == steps


def test_unknown_kinds_are_type_errors() -> None:
    with pytest.raises(TypeError, match="does not know solutions of type Solution"):
        verify(t3(), Solution(status=Status.CONVERGED, certificate=Certificate("x", 0.0, "y")))
    with pytest.raises(TypeError, match="belongs to a MDP"):
        verify("model", solvers.policy_iteration(t3()))
