"""Dual-V on bad data: states that no occupancy reaches, actions without data, no occupancy at all, no data at all."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mdplab.convex import FlowPolytope, conic_occupancy_program
from mdplab.divergences import FDivergence, alpha_divergence, f_divergence
from mdplab.models import MDP
from mdplab.operators import occupancy_residual
from mdplab.solution import Status
from mdplab.solvers import dual_v, policy_iteration, verify
from small_models import as_sparse, m2

NAMES = ["kl", "swapped-kl", "jeffreys", "chi-square", "total-variation", "hellinger"]
ROWS = [
    *(f_divergence(name) for name in NAMES),
    *(alpha_divergence(order) for order in (-1.0, 0.3, 1.5, 3.0)),
]
CLOSING = [row for row in ROWS if math.isinf(row.domain_upper)]
LEAVING = [row for row in ROWS if math.isfinite(row.domain_upper)]


def label(row: FDivergence) -> str:
    return row.name if row.name != "alpha" else f"alpha({row.order:g})"


def each(rows: list[FDivergence]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", rows, ids=label)


def missing_start() -> MDP:
    """State 1 is absorbing and carries all the mass; state 0 is never reached."""
    kernel = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.0, 1.0], [0.0, 1.0]]])
    return MDP(kernel, m2().reward, 0.9, np.array([0.0, 1.0]), state_names=["dry", "wet"])


@each(ROWS)
def test_data_on_unreachable_states(row: FDivergence) -> None:
    data = np.array([[0.1, 0.2], [0.3, 0.4]])
    solution = dual_v(missing_start(), data, divergence=row, strength=0.3)
    cone = conic_occupancy_program(missing_start(), data, divergence=row, strength=0.3)
    if math.isinf(row.at_zero):
        for found in (solution, cone):
            assert (found.status, found.objective) == (Status.INFEASIBLE, -np.inf)
            assert "no occupancy has mass at state 0 'dry', action 0" in found.certificate.theorem
        return
    # the cone solver's zeros are 1e-10, whose powers are not small
    assert abs(solution.objective - cone.objective) <= cone.certificate.bound + solution.certificate.bound
    assert solution.gap < 1e-12
    assert (solution.occupancy[0] == 0.0).all()
    if math.isinf(row.slope_at_zero):
        assert solution.status is Status.NOT_ATTAINED
        assert solution.value[0] == np.inf
        assert (solution.residual[0] == -np.inf).all()
    else:
        assert solution.status is Status.NOT_UNIQUE
        assert np.isfinite(solution.value).all()
        flow = FlowPolytope.of(missing_start())
        again, _, _ = flow.dual_bound(solution.value, data.ravel(), row, 0.3)
        assert again == pytest.approx(solution.objective, abs=1e-11)


@each(ROWS)
def test_unreachable_states_without_data(row: FDivergence) -> None:
    """They change nothing: the objective is that of the model without them."""
    data = np.array([[0.0, 0.0], [0.3, 0.7]])
    solution = dual_v(missing_start(), data, divergence=row, strength=0.3)
    alone = MDP([[[1.0], [1.0]]], m2().reward[1:], 0.9, [1.0])
    assert solution.status in (Status.NOT_ATTAINED, Status.NOT_UNIQUE)
    assert solution.objective == pytest.approx(
        dual_v(alone, data[1:], divergence=row, strength=0.3).objective, abs=1e-12
    )
    assert solution.gap < 1e-11
    assert not np.isnan(solution.value).any()


@each(ROWS)
@pytest.mark.parametrize("form", [lambda mdp: mdp, as_sparse], ids=["dense", "csr"])
def test_start_off_the_support_of_the_data(row: FDivergence, form: object) -> None:
    """From state 0 mass leaks to state 1, where the data have no action."""
    mdp = MDP(
        m2().transition, m2().reward, 0.9, np.array([1.0, 0.0]), state_names=["dry", "wet"], action_names=["a", "b"]
    )  # fmt: skip
    data = [[0.5, 0.5], [0.0, 0.0]]
    mdp = form(mdp)  # type: ignore[operator]
    solution = dual_v(mdp, data, divergence=row, strength=0.3)
    cone = conic_occupancy_program(mdp, data, divergence=row, strength=0.3)
    if math.isinf(row.domain_upper):
        for found in (solution, cone):
            assert (found.status, found.objective) == (Status.INFEASIBLE, -np.inf)
            assert "no action at state 1" in found.certificate.theorem
            assert (" 'wet'" in found.certificate.theorem) == (mdp.state_names is not None)
        assert (solution.lower, solution.upper) == (-np.inf, -np.inf)
        return
    # a finite price: mass leaves the data
    assert solution.status is Status.CONVERGED
    assert solution.occupancy[1].sum() > 0.1
    assert solution.objective == pytest.approx(cone.objective, abs=1e-8)
    assert np.abs(occupancy_residual(mdp, solution.feasible_occupancy)).max() < 1e-12


def test_the_state_that_is_named_is_reached_and_has_no_data() -> None:
    """0 -> 1 -> 2, where 2 has no data; 3 has none either, but nothing leads there."""
    kernel = np.zeros((4, 1, 4))
    kernel[0, 0, 1] = kernel[1, 0, 2] = kernel[2, 0, 2] = kernel[3, 0, 3] = 1.0
    mdp = MDP(kernel, np.zeros((4, 1)), 0.9, [1.0, 0.0, 0.0, 0.0])
    found = dual_v(mdp, [[0.5], [0.5], [0.0], [0.0]], divergence="kl", strength=1.0)
    assert found.status is Status.INFEASIBLE
    assert found.certificate.theorem.endswith("state 2")


@each(CLOSING)
def test_an_action_without_data_is_closed(row: FDivergence) -> None:
    data = np.array([[0.4, 0.0], [0.3, 0.3]])
    solution = dual_v(m2(), data, divergence=row, strength=0.3)
    cone = conic_occupancy_program(m2(), data, divergence=row, strength=0.3)
    assert solution.status is Status.CONVERGED
    assert solution.occupancy[0, 1] == solution.policy[0, 1] == 0.0
    assert solution.objective == pytest.approx(cone.objective, abs=1e-7)


@each(LEAVING)
@pytest.mark.parametrize("strength", [0.003, 0.05, 0.3, 100.0])
def test_mass_leaves_the_data_where_that_pays(row: FDivergence, strength: float) -> None:
    """For a small strength the optimal actions are played although there are no data; for a large one they are not."""
    data = np.array([[1.0, 0.0], [0.0, 0.0]])
    mdp = m2()
    solution = dual_v(mdp, data, divergence=row, strength=strength)
    cone = conic_occupancy_program(mdp, data, divergence=row, strength=strength)
    assert solution.status is Status.CONVERGED
    assert abs(solution.objective - cone.objective) <= cone.certificate.bound + solution.certificate.bound
    assert solution.gap <= 1e-9 * max(1.0, abs(solution.objective))
    best = policy_iteration(mdp)
    if strength == 0.003 and math.isfinite(row.at_zero):
        assert (solution.policy[:, 1] > 0.99).all()
        assert solution.normalised_return == pytest.approx(
            0.1 * float(mdp.start_law() @ best.value), abs=2e-3
        )
    if strength == 100.0:
        assert solution.policy[0, 1] < 1e-6


@each(ROWS)
def test_empty_data(row: FDivergence) -> None:
    with pytest.raises(ValueError, match="data_occupancy: empty"):
        dual_v(m2(), np.zeros((2, 2)), divergence=row, strength=0.3)
    with pytest.raises(ValueError, match="data_occupancy: empty"):
        conic_occupancy_program(m2(), np.zeros((2, 2)), divergence=row, strength=0.3)


@each(ROWS)
@pytest.mark.parametrize("scale", [1e-30, 1e-13, 1e-8])
def test_tiny_data(row: FDivergence, scale: float) -> None:
    """A pair with next to no data is no worse than one with none."""
    data = np.array([[0.5 - scale, scale], [0.25, 0.25]])
    solution = dual_v(m2(), data, divergence=row, strength=0.3)
    assert solution.status is Status.CONVERGED
    assert solution.gap <= 1e-9
    assert verify(m2(), solution).passed


def test_unavailable_actions() -> None:
    masked = MDP(
        m2().transition, m2().reward, 0.9, m2().initial, available=np.array([[True, False], [True, True]])
    )
    data = np.array([[0.4, 0.0], [0.3, 0.3]])
    for row in ROWS:
        solution = dual_v(masked, data, divergence=row, strength=0.3)
        if row in CLOSING:
            closed = dual_v(m2(), data, divergence=row, strength=0.3)
            assert solution.objective == pytest.approx(closed.objective, abs=1e-13)
        assert np.isnan(solution.residual[0, 1])
        with pytest.raises(ValueError, match="state 0, action 1"):
            dual_v(masked, np.full((2, 2), 0.25), divergence=row, strength=0.3)
