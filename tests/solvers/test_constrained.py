"""Constrained models against mixtures of all deterministic policies, closed forms, and every status."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import linprog

from mdplab.models import MultiObjectiveMDP
from mdplab.solution import Status
from mdplab.solvers import constrained, policy_evaluation, policy_iteration
from multi_objective_models import all_returns, random_model


def mixture(points: np.ndarray, thresholds: np.ndarray) -> float:
    """The best mixture of policies that keeps the thresholds; -inf if there is none."""
    result = linprog(
        -points[:, 0],
        A_ub=-points[:, 1:].T,
        b_ub=-thresholds,
        A_eq=np.ones((1, len(points))),
        b_eq=[1.0],
        bounds=(0, None),
    )
    return -result.fun if result.status == 0 else -math.inf


@pytest.mark.parametrize("seed", range(120))
def test_random_models_against_mixtures(seed: int) -> None:
    model = random_model(seed, csr=seed % 4 == 1)
    points = all_returns(model)
    rng = np.random.default_rng([seed, 22])
    inside = rng.dirichlet(np.ones(len(points))) @ points
    thresholds = inside[1:] - (0.1, 0.01, 1.0)[seed % 3]
    best = mixture(points, thresholds)
    solution = constrained(model, thresholds)
    assert solution.status.ok
    assert solution.lower - 1e-7 <= best <= solution.upper + 1e-7
    assert solution.gap <= 2e-8 * max(1.0, abs(best))
    returns = model.returns(solution.policy)
    np.testing.assert_allclose(returns, solution.returns, atol=1e-10)
    assert (returns[1:] >= thresholds - solution.infeasibility - 1e-12).all()
    assert solution.infeasibility < 1e-8
    assert (solution.multipliers >= 0).all()
    assert (np.abs(solution.multipliers * (returns[1:] - thresholds)) < 1e-6).all()
    if solution.status is Status.SLACK:
        free = policy_iteration(model.objective(0))
        assert solution.objective == pytest.approx(float(model.initial @ free.value), abs=1e-8)
    # not more random choices than active thresholds, from a basic solution
    mass = solution.occupancy.sum(axis=1) > 1e-12
    assert ((solution.occupancy[mass] > 1e-12).sum(axis=1) - 1).sum() <= (solution.multipliers > 0).sum() + 2


@pytest.mark.parametrize("seed", range(40))
def test_multipliers_are_prices(seed: int) -> None:
    """The optimal value as a function of the thresholds has -multipliers among its supergradients."""
    model = random_model(seed)
    points = all_returns(model)
    rng = np.random.default_rng([seed, 23])
    thresholds = (rng.dirichlet(np.ones(len(points))) @ points)[1:] - 0.05
    solution = constrained(model, thresholds)
    for _ in range(6):
        moved = thresholds + rng.normal(size=2) * 0.2
        assert mixture(points, moved) <= solution.upper - solution.multipliers @ (moved - thresholds) + 1e-7


@pytest.mark.parametrize("seed", range(40))
def test_infeasible_thresholds_are_proven_so(seed: int) -> None:
    model = random_model(seed)
    points = all_returns(model)
    solution = constrained(model, [points[:, 1].max() + 1e-6 * (1 + abs(points[:, 1].max())), -math.inf])
    assert solution.status is Status.INFEASIBLE
    assert solution.objective == solution.upper == -math.inf
    assert solution.margin < 0
    jointly = points[:, 1:].sum(axis=1).max()  # neither alone is out of reach
    share = points[(points[:, 1:].sum(axis=1)).argmax(), 1:]
    both = constrained(model, share + 1e-3)
    assert share.sum() == pytest.approx(jointly)
    assert both.status is Status.INFEASIBLE


def test_one_state_in_closed_form() -> None:
    """Earn 1 or comply: complying a share c (1 - gamma) of the time, at the price 1."""
    for discount, c in ((0.0, 0.25), (0.9, 4.0), (0.99, 30.0)):
        model = MultiObjectiveMDP(np.ones((1, 2, 1)), [[[1.0, 0.0]], [[0.0, 1.0]]], discount, [1.0])
        solution = constrained(model, [c])
        share = c * (1 - discount)
        assert solution.status is Status.CONVERGED
        np.testing.assert_allclose(solution.policy, [[1 - share, share]], atol=1e-9)
        assert solution.objective == pytest.approx((1 - share) / (1 - discount), rel=1e-9)
        assert solution.multipliers[0] == pytest.approx(1.0, abs=1e-9)


def test_tabular_example_with_two_states() -> None:
    """Work (income 2, comfort 0) or rest (0, 1): value, policy and price by hand.

    From state 0 action 1 leads to state 1 for ever, where income is 0 and comfort 1; action 0 stays with income 2.
    With discount g leaving at once gives comfort g / (1 - g); leaving with probability p each step gives comfort
    g p / ((1 - g) (1 - g + g p)) and income 2 (1 - p) / (1 - g + g p), so income = 2 (1 - comfort (1 - g) / g) / (1 - g).
    """
    g = 0.8
    kernel = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]])
    rewards = np.array([[[2.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [1.0, 1.0]]])
    model = MultiObjectiveMDP(kernel, rewards, g, [1.0, 0.0])
    solution = constrained(model, [1.0])
    assert solution.objective == pytest.approx(2 * (1 - 1.0 * (1 - g) / g) / (1 - g), abs=1e-9)
    assert solution.multipliers[0] == pytest.approx(2 / g, abs=1e-9)
    comfort = policy_evaluation(model.objective(1), solution.policy).value[0]
    assert comfort == pytest.approx(1.0, abs=1e-9)


def test_slack_and_no_constraints() -> None:
    model = random_model(1)
    solution = constrained(model, [-math.inf, -math.inf])
    assert solution.status is Status.SLACK
    assert (solution.multipliers == 0).all()
    assert solution.infeasibility == 0.0
    assert constrained(model, [-1e3, -1e3]).status is Status.SLACK


def test_two_copies_of_an_action_are_not_unique() -> None:
    model = MultiObjectiveMDP(np.ones((1, 3, 1)), [[[1.0, 0.0, 0.0]], [[0.0, 1.0, 1.0]]], 0.5, [1.0])
    solution = constrained(model, [1.0])
    assert solution.status is Status.NOT_UNIQUE
    assert solution.objective == pytest.approx(1.0, abs=1e-9)


def test_a_threshold_that_can_just_be_kept_is_not_certified() -> None:
    """At the largest possible comfort no policy has a margin: feasibility hangs on the last bit, and that is said."""
    model = MultiObjectiveMDP(np.ones((1, 2, 1)), [[[1.0, 0.0]], [[0.1, 0.3]]], 0.9, [1.0])
    solution = constrained(model, [0.3 / (1 - 0.9)])
    assert solution.status in (Status.UNCERTIFIED, Status.INFEASIBLE)


def test_checks() -> None:
    model = random_model(2)
    for wrong in ([0.0], [np.nan, 0.0], [np.inf, 0.0]):
        with pytest.raises(ValueError, match="thresholds"):
            constrained(model, wrong)
    with pytest.raises(ValueError, match="initial"):
        MultiObjectiveMDP(np.ones((1, 1, 1)), [[[0.0]]], 0.5, None)
    with pytest.raises(ValueError, match="objective"):
        model.objective(3)
    again = MultiObjectiveMDP.from_dict(model.to_dict())
    np.testing.assert_array_equal(again.rewards, model.rewards)
    weights = np.array([0.2, -1.0, 3.0])
    np.testing.assert_allclose(
        model.scalarise(weights).reward, np.einsum("k,ksa->sa", weights, model.rewards)
    )
