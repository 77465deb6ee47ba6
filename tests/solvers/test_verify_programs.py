"""verify() of linear and cone programs: random ones pass, each disturbed field fails, a verdict without proof is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from mdplab.convex import LinearProgram, conic_entropy_occupancy_program, linear_program
from mdplab.models import MDP
from mdplab.solution import Status
from mdplab.solvers import occupancy_program, value_program, verify
from tests.small_models import random_mdp
from tests.verification import assert_every_field_is_checked, failures, moved, shifted, with_bound


def planning(seed: int) -> MDP:
    """Dense and sparse models, masked and not, start laws of full support and of one state."""
    rng = np.random.default_rng([seed, 101])
    base = random_mdp(seed, masked=seed % 2 == 1, deterministic=seed % 5 == 0)
    start = rng.dirichlet(np.ones(base.n_states)) if seed % 3 else np.eye(base.n_states)[0]
    reward = base.reward * 10.0 ** rng.integers(-2, 3)
    discount = (0.0, 0.5, 0.9, 0.99)[seed % 4]
    mdp = MDP(base.transition, reward, discount, start, available=base.available)
    return mdp.to_sparse() if seed % 4 == 1 else mdp


def program(seed: int) -> tuple[np.ndarray, dict[str, Any]]:
    """A feasible program with rows of all kinds; bounds on the points make it certified."""
    rng = np.random.default_rng([seed, 102])
    n, m = int(rng.integers(1, 6)), int(rng.integers(1, 6))
    rows, point = rng.normal(size=(m, n)), rng.uniform(size=n)
    asked: dict[str, Any] = {"at_most": (rows, rows @ point + rng.uniform(size=m)), "upper": 3.0}
    if seed % 2:
        asked["at_least"] = (sparse.csr_array(-rows[:1]), -rows[:1] @ point - 0.1)
    if seed % 3 == 0:
        row = rng.normal(size=(1, n))
        asked["equal"] = (row, row @ point)
    return rng.normal(size=n), {**asked, "maximise": seed % 4 < 2, "multiplier_bound": 1e6}


@pytest.mark.parametrize("seed", range(30))
def test_random_programs_pass(seed: int) -> None:
    mdp = planning(seed)
    for solution in (value_program(mdp), occupancy_program(mdp)):
        report = verify(mdp, solution)
        assert report.passed, report.failures
    cost, asked = program(seed)
    report = verify(LinearProgram(cost, **asked), linear_program(cost, **asked))
    assert report.passed, report.failures


@pytest.mark.parametrize("seed", range(3))
def test_soft_programs_pass(seed: int) -> None:
    mdp = planning(3 * seed + 2)
    prior = np.log(np.random.default_rng(seed).dirichlet(np.ones(mdp.n_actions), mdp.n_states))
    for asked in ({"entropy_weight": 0.3}, {"prior_log": prior, "kl_weight": 0.7, "entropy_weight": -0.2}):
        report = verify(mdp, conic_entropy_occupancy_program(mdp, **asked))  # type: ignore[arg-type]
        assert report.passed, report.failures


def scaled(name: str, by: float) -> Any:
    """One group of multipliers moved."""
    return lambda groups: {**groups, name: moved(by)(groups[name])}


def test_every_field_of_a_linear_program() -> None:
    cost, asked = program(3)
    problem, solution = LinearProgram(cost, **asked), linear_program(cost, **asked)
    bound = 10 * solution.certificate.bound + 1e-12
    changes = {
        "objective": shifted(bound),
        "primal": moved(-1e-6),
        "dual": moved(1e-12),
        "lower": shifted(bound),
        "upper": shifted(-bound),
        "infeasibility": shifted(1e-9),
        "multipliers": scaled("equal", 1e-6),
    }
    assert_every_field_is_checked(problem, solution, changes, inputs=("problem",))
    names = failures(problem, solution, multipliers=scaled("at_most", -1.0)(solution.multipliers))
    assert "multipliers are non-negative" in names
    assert "reduced costs" in failures(
        problem, solution, multipliers=scaled("upper", 1.0)(solution.multipliers)
    )
    wide = with_bound(solution, 20 * bound)
    assert "objective within certificate.bound" not in failures(
        problem, solution, objective=solution.objective + bound, certificate=wide
    )


@pytest.mark.parametrize("solver", [value_program, occupancy_program])
def test_every_field_of_the_programs_of_a_model(solver: Any) -> None:
    mdp = planning(2)
    solution = solver(mdp)
    bound = 10 * solution.certificate.bound
    changes = {
        "objective": shifted(bound),
        "primal": moved(1e-6),
        "dual": moved(1e-6),
        "lower": shifted(bound),
        "upper": shifted(-bound),
        "infeasibility": shifted(1e-6),
        "multipliers": scaled("slack", 1e-6),
    }
    assert_every_field_is_checked(mdp, solution, changes, inputs=("problem",))
    # a point that is no better than allowed does not prove the interval
    table = "dual" if solution.primal.ndim == 1 else "primal"
    assert failures(mdp, solution, **{table: 0.5 * getattr(solution, table)}) >= {"occupancy proves lower"}


def test_every_field_of_a_soft_program() -> None:
    mdp = planning(2)
    solution = conic_entropy_occupancy_program(mdp, entropy_weight=0.3)
    bound = 10 * solution.certificate.bound
    changes = {
        "objective": shifted(bound),
        "primal": moved(1e-3),
        "dual": moved(1.0),
        "lower": shifted(bound),
        "upper": shifted(-bound),
        "infeasibility": shifted(1e-6),
        "multipliers": scaled("flow", 1.0),
    }
    assert_every_field_is_checked(mdp, solution, changes, inputs=("problem",))


def test_verdicts_without_proof_are_refused() -> None:
    for asked, status in (
        ({"at_most": ([[1.0]], [-1.0])}, Status.INFEASIBLE),
        ({"maximise": True}, Status.UNBOUNDED),
    ):
        solution = linear_program([1.0], **asked)  # type: ignore[arg-type]
        assert solution.status is status
        with pytest.raises(ValueError, match=f"status {status.name} claims nothing that could be checked"):
            verify(LinearProgram([1.0], **asked), solution)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="belongs to a MDP"):
        verify(np.eye(2), value_program(planning(2)))
    with pytest.raises(ValueError, match="another model was solved"):
        verify(LinearProgram(np.ones(9)), linear_program(np.ones(2), upper=1.0))
