"""Verification accepts what the solvers return and rejects what was tampered with."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from mdplab import solvers
from mdplab.models import FiniteHorizonMDP
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
    assert {c.name for c in verify(mdp, swapped).failures} == {"policy loses at most suboptimality"}
    run = solvers.mirror_descent(mdp, step=1.0, steps=2)
    assert [c.passed for c in verify(mdp, dataclasses.replace(run, values=run.values[::-1])).checks] == [
        False,
        True,
        False,
    ]


def test_unknown_kinds_are_type_errors() -> None:
    with pytest.raises(TypeError, match="does not know solutions of type Solution"):
        verify(t3(), Solution(status=Status.CONVERGED, certificate=Certificate("x", 0.0, "y")))
    with pytest.raises(TypeError, match="belongs to a MDP"):
        verify("model", solvers.policy_iteration(t3()))
