"""The occupancy polytope: restriction, repair, and bounds that enclose the exact optimum."""

from __future__ import annotations

import numpy as np
import pytest

from mdplab.convex import FlowPolytope
from mdplab.convex.support import data_law
from mdplab.divergences import (
    CHI_SQUARE,
    HELLINGER,
    JEFFREYS,
    KL,
    SWAPPED_KL,
    TOTAL_VARIATION,
    FDivergence,
    alpha_divergence,
)
from mdplab.models import MDP
from mdplab.operators import occupancy, occupancy_residual
from small_models import as_sparse, m2, random_mdp, random_policy

TABLE = [KL, SWAPPED_KL, JEFFREYS, CHI_SQUARE, TOTAL_VARIATION, HELLINGER, alpha_divergence(3.0)]


@pytest.mark.parametrize("seed", range(6))
def test_repair_is_the_occupancy_of_the_policy(seed: int) -> None:
    mdp = random_mdp(seed, masked=True)
    policy = random_policy(mdp, seed)
    for model in (mdp, as_sparse(mdp)):
        flow = FlowPolytope.of(model)
        exact = occupancy(mdp, policy)
        weights = flow.vector(policy * np.random.default_rng(seed).uniform(1.0, 2.0, (mdp.n_states, 1)))
        repaired = flow.repair(weights)
        np.testing.assert_allclose(flow.table(repaired), exact, atol=1e-13)
        assert (np.abs(repaired - flow.vector(exact)) <= flow.spread(repaired) + 1e-15).all()
        residual, rounding = flow.flow_residual(repaired)
        assert np.abs(residual).sum() + rounding < 1e-12
        np.testing.assert_allclose(residual, occupancy_residual(mdp, flow.table(repaired)), atol=1e-14)


def test_spread_bounds_a_damaged_occupancy() -> None:
    """A mass that violates the flow by 1e-6 is at most the spread away from the occupancy of its policy."""
    rng = np.random.default_rng(0)
    flow = FlowPolytope.of(m2())
    for _ in range(50):
        d = flow.repair(rng.dirichlet(np.ones(4)))
        damaged = d * (1.0 + 1e-6 * rng.normal(size=2)[flow.state])
        assert (np.abs(flow.repair(damaged) - damaged) <= flow.spread(damaged)).all()


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_every_policy_is_below_every_dual_point(row: FDivergence) -> None:
    rng = np.random.default_rng(1)
    flow = FlowPolytope.of(m2())
    data = rng.dirichlet(np.ones(4))
    lowers, uppers = [], []
    for _ in range(200):
        d = flow.repair(rng.dirichlet(np.full(4, 0.3)))
        value, lower = flow.feasible_bound(d, data, row, 0.2)
        assert lower <= value <= lower + 1e-11
        v = rng.uniform(0.0, 12.0, 2)
        if np.isfinite(row.domain_upper):
            v = flow.lift(v, (row.domain_upper - 1e-3) * 0.2)
        upper, rounding, residual = flow.dual_bound(v, data, row, 0.2)
        np.testing.assert_allclose(residual, flow.reward - flow.matrix @ v)
        assert 0.0 < rounding < 1e-9 * (1.0 + abs(upper))
        lowers.append(lower)
        uppers.append(upper)
    assert max(lowers) <= min(uppers)


def test_lift_brings_every_residual_below_the_bound() -> None:
    rng = np.random.default_rng(3)
    flow = FlowPolytope.of(m2())
    for scale in (1e-3, 1.0, 1e6):
        v = scale * rng.normal(size=2)
        lifted = flow.lift(v, 0.1)
        assert (flow.reward - flow.matrix @ lifted).max() < 0.1
        # no further than needed, and not at all where that is nowhere
        assert (flow.reward - flow.matrix @ lifted).max() > 0.1 - 0.2 * max(scale, 1.0)
        np.testing.assert_array_equal(flow.lift(lifted, 0.1), lifted)


def test_mass_without_data_has_a_price_that_no_reward_may_exceed() -> None:
    """Weak duality for a pair without data: the dual is infinite as soon as its reward exceeds the slope."""
    flow, data = FlowPolytope.of(m2()), np.array([0.5, 0.0, 0.25, 0.25])
    for row in (SWAPPED_KL, TOTAL_VARIATION, HELLINGER):
        inside = flow.lift(np.zeros(2), (row.domain_upper - 1e-6) * 0.2)
        assert np.isfinite(flow.dual_bound(inside, data, row, 0.2)[0])
        assert flow.dual_bound(inside - 10.0, data, row, 0.2)[0] == np.inf
    assert np.isfinite(flow.dual_bound(np.zeros(2) - 10.0, data, KL, 0.2)[0])


def chain_with_a_trap() -> MDP:
    """State 0 may stay or move to the trap 1; state 2 is entered by no one and leads to 0."""
    kernel = np.zeros((3, 2, 3))
    kernel[0, 0, 0] = kernel[0, 1, 1] = 1.0
    kernel[1, :, 1] = 1.0
    kernel[2, :, 0] = 1.0
    return MDP(kernel, np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]]), 0.9, np.array([1.0, 0.0, 0.0]))


def test_reachable_states() -> None:
    flow = FlowPolytope.of(chain_with_a_trap())
    np.testing.assert_array_equal(flow.reachable(), [True, True, False])


def test_restriction_closes_what_leads_out() -> None:
    flow = FlowPolytope.of(chain_with_a_trap())
    inside = flow.restrict(flow.state != 1)
    np.testing.assert_array_equal(inside.pair, [0, 4, 5])  # the move into the trap is closed as well
    assert inside.feasible
    assert not flow.restrict(np.array([False, True, False, False, True, True])).feasible


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.ones((2, 2)), "sums to 4.0"),
        (np.array([[0.5, 0.6], [-0.1, 0.0]]), r"entry \(state 1, action 0\)"),
        (np.full(4, 0.25), "shape"),
    ],
)
def test_bad_data(data: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        data_law(m2(), data)
