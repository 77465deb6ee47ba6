"""verify() of regularised occupancy programs, from their duals and from cones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mdplab.convex import conic_occupancy_program
from mdplab.divergences import KL, FDivergence, alpha_divergence
from mdplab.models import MDP
from mdplab.solution import Status
from mdplab.solvers import dual_v, verify
from tests.small_models import random_mdp
from tests.verification import assert_every_field_is_checked, failures, moved, shifted, with_bound

NAMES: list[str | FDivergence] = [
    *("kl", "swapped-kl", "jeffreys", "chi-square", "total-variation", "hellinger"),
    *(alpha_divergence(order) for order in (-1.0, 0.3, 3.0)),
]


def label(row: str | FDivergence) -> str:
    return row if isinstance(row, str) else f"alpha({row.order:g})"


def problem(seed: int) -> tuple[MDP, np.ndarray, float]:
    """A model with a law of data, some of it without support everywhere, and a strength."""
    rng = np.random.default_rng([seed, 103])
    base = random_mdp(seed, masked=seed % 2 == 1, deterministic=seed % 5 == 0)
    start = rng.dirichlet(np.ones(base.n_states)) if seed % 3 else np.eye(base.n_states)[0]
    discount = (0.0, 0.5, 0.9, 0.99)[seed % 4]
    mdp = MDP(base.transition, base.reward, discount, start, available=base.available)
    mask = np.ones(mdp.reward.shape, dtype=bool) if mdp.available is None else mdp.available
    data = rng.dirichlet(np.ones(mask.size)).reshape(mask.shape) * mask
    if seed % 7 < 2:
        data = data * (rng.random(mask.shape) < 0.6)
        data[0] += 0.1 * mask[0]
    strength = float(10.0 ** rng.uniform(-1.0, 0.5) * (np.abs(mdp.reward[mask]).max() + 0.1))
    return mdp, data / data.sum(), strength


@pytest.mark.parametrize("name", NAMES, ids=label)
def test_random_duals_pass(name: str | FDivergence) -> None:
    seen = set()
    for seed in range(40 if name == "kl" else 12):
        mdp, data, strength = problem(seed)
        solution = dual_v(mdp, data, divergence=name, strength=strength)
        seen.add(solution.status)
        report = verify(mdp, solution)
        assert report.passed, (seed, report.failures)
    assert Status.CONVERGED in seen
    assert len(seen) > 1  # not unique, not attained or infeasible


def test_random_plain_duals_pass() -> None:
    for seed in range(30):
        mdp, data, strength = problem(seed)
        if (data[mdp.available if mdp.available is not None else slice(None)] > 0).all():
            solution = dual_v(mdp, data, divergence="chi-square", strength=strength, conjugate="plain")
            report = verify(mdp, solution)
            assert report.passed, (seed, report.failures)


@pytest.mark.parametrize("name", NAMES, ids=label)
def test_random_cone_programs_pass(name: str | FDivergence) -> None:
    for seed in range(4):
        mdp, data, strength = problem(seed)
        report = verify(mdp, conic_occupancy_program(mdp, data, divergence=name, strength=strength))
        assert report.passed, (seed, report.failures)


def changes_of(solution: Any) -> dict[str, Any]:
    bound = 10 * solution.certificate.bound
    return {
        "value": moved(max(bound, 10 * solution.value_error) if np.isfinite(solution.value_error) else 1e-3),
        "objective": shifted(bound),
        "occupancy": moved(1e-6),
        "primal_objective": shifted(1e-9),
        "normalised_return": shifted(1e-9),
        "residual": moved(1e-9),
        "lower": shifted(bound),
        "upper": shifted(-bound),
        "flow_residual": shifted(1e-9),
    }


@pytest.mark.parametrize("name", NAMES, ids=label)
def test_every_field_of_a_dual(name: str | FDivergence) -> None:
    mdp, data, strength = problem(2)
    solution = dual_v(mdp, data, divergence=name, strength=strength)
    changes = changes_of(solution) | {
        "policy": lambda x: np.roll(x, 1, axis=1),
        "feasible_occupancy": moved(1e-6),
        "problem": lambda p: replace(p, strength=p.strength * (1 + 1e-6)),
    }
    assert_every_field_is_checked(mdp, solution, changes, inputs=("value_error", "occupancy_error"))
    wide = with_bound(solution, 20 * solution.certificate.bound)
    assert "objective within certificate.bound" not in failures(
        mdp, solution, objective=changes["objective"](solution.objective), certificate=wide
    )


def test_error_bounds_of_an_unfinished_dual() -> None:
    mdp, data, strength = problem(2)
    solution = dual_v(mdp, data, divergence="kl", strength=strength, tol=1.0, max_steps=4)
    assert verify(mdp, solution).passed
    assert failures(mdp, solution, occupancy_error=0.0) == {"feasible_occupancy within occupancy_error"}
    assert np.isfinite(solution.value_error)
    assert failures(mdp, solution, value_error=0.0) == {"value within value_error"}


def test_every_field_of_a_plain_dual() -> None:
    mdp, data, strength = problem(2)
    solution = dual_v(mdp, data, divergence="chi-square", strength=strength, conjugate="plain")
    changes = changes_of(solution) | {
        "policy": lambda _: np.zeros(data.shape),
        "feasible_occupancy": lambda _: data,
        "problem": lambda p: replace(p, strength=p.strength * (1 + 1e-6)),
    }
    assert_every_field_is_checked(mdp, solution, changes, inputs=("value_error", "occupancy_error"))


def test_every_field_of_a_cone_program() -> None:
    mdp, data, strength = problem(2)
    solution = conic_occupancy_program(mdp, data, divergence="kl", strength=strength)
    bound = 10 * solution.certificate.bound
    changes = {
        "objective": shifted(bound),
        "primal": moved(1e-3),
        "dual": moved(1.0),
        "lower": shifted(bound),
        "upper": shifted(-bound),
        "infeasibility": shifted(1e-6),
        "multipliers": lambda groups: {"flow": groups["flow"] + 1.0},
        "problem": lambda p: replace(p, strength=p.strength * 1.01),
    }
    assert_every_field_is_checked(mdp, solution, changes)


def test_infeasibility_is_decided_on_the_graph() -> None:
    # the only pair with data leads to a state without any
    mdp = MDP([[[0.0, 1.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]], np.zeros((2, 2)), 0.9, [1.0, 0.0])
    data = np.array([[1.0, 0.0], [0.0, 0.0]])
    for solution in (
        dual_v(mdp, data, divergence="kl", strength=1.0),
        conic_occupancy_program(mdp, data, divergence="kl", strength=1.0),
    ):
        assert solution.status is Status.INFEASIBLE
        assert verify(mdp, solution).passed
        assert solution.problem is not None
        wrong = replace(solution.problem, data=data[:, ::-1])  # type: ignore[type-var]
        assert failures(mdp, solution, problem=wrong) == {"every occupancy has an infinite price"}


def test_infinite_values_belong_where_no_mass_arrives() -> None:
    mdp = MDP([[[1.0, 0.0]], [[0.0, 1.0]]], [[1.0], [2.0]], 0.9, [1.0, 0.0])
    solution = dual_v(mdp, [[0.5], [0.5]], divergence="kl", strength=1.0)
    assert solution.status is Status.NOT_ATTAINED
    assert verify(mdp, solution).passed
    other = mdp.replace(initial=[0.5, 0.5])
    assert "infinite values belong to states without mass" in {
        c.name for c in verify(other, solution).failures
    }


def test_other_divergences_are_refused() -> None:
    mdp, data, strength = problem(2)
    solution = dual_v(mdp, data, divergence="kl", strength=strength)
    unknown = replace(solution, problem=replace(solution.problem, divergence=replace(KL, name="mine")))
    with pytest.raises(ValueError, match="whose formulas are known"):
        verify(mdp, unknown)
