"""Dynamic programming with a stock: against all history-dependent policies, and where it must lose to them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab.enumeration import return_laws
from mdplab.instances import SeededDraw, outcome_models
from mdplab.instances.textbook import two_state_outcome_mdp as two_state_returns
from mdplab.laws import FiniteLaw, conditional_value_at_risk, expected_utility
from mdplab.models import OutcomeModel
from mdplab.solution import Status
from mdplab.solvers import (
    reachable_nodes,
    stock_policy_evaluation,
    stock_policy_iteration,
    stock_value_iteration,
)
from mdplab.wasserstein import wasserstein

DISTANCE = expected_utility(lambda x: -np.abs(x), homogeneous=True, lipschitz=1.0)
UTILITIES = [DISTANCE, expected_utility(lambda x: np.minimum(x, 0.0)), expected_utility(lambda x: -(x**2))]
STARTS = [(s, c) for s in range(2) for c in (-1.0, -0.5, 2.0)]


def small_model(seed):
    return outcome_models(SeededDraw(seed), states=(2, 2), actions=(1, 2), outcomes=(1, 2))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(0, 3), st.sampled_from([1.0, 0.5]), st.sampled_from(UTILITIES))
def test_value_iteration_attains_the_best_of_all_policies(seed, steps, discount, utility):
    model = small_model(seed)
    plan = stock_value_iteration(model, utility, STARTS, steps, discount=discount)
    tables = return_laws(model, steps, discount=discount)
    for s, c in STARTS:
        assert plan.values[steps, s, c] == pytest.approx(tables[s].values(utility, c).max(), abs=1e-10)
        assert utility(plan.laws[steps, s, c].shift(c)) == plan.values[steps, s, c]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1.0, 0.5]))
def test_policies_of_the_stock_earn_an_achievable_law(seed, discount):
    model = small_model(seed)
    rng = np.random.default_rng(seed)
    nodes = [node for layer in reachable_nodes(model, [(0, 0.5)], 3, discount=discount) for node in layer]
    policy = {node: int(rng.integers(model.n_actions)) for node in nodes}
    plan = stock_policy_evaluation(model, DISTANCE, policy, [(0, 0.5)], 3, discount=discount)
    table = return_laws(model, 3, discount=discount)[0]
    assert any(plan.laws[3, 0, 0.5].allclose(table.law(i)) for i in range(len(table)))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1.0, 0.5]))
def test_policy_iteration_improves_everywhere_and_ends_at_the_optimum(seed, discount):
    model = small_model(seed)
    plans = stock_policy_iteration(model, DISTANCE, lambda node: 0, STARTS, 3, discount=discount)
    best = stock_value_iteration(model, DISTANCE, STARTS, 3, discount=discount)
    assert len(plans) <= 4
    for before, after in itertools.pairwise(plans):
        assert all(after.values[node] >= value - 1e-10 for node, value in before.values.items())
    assert all(plans[-1].values[node] == pytest.approx(v, abs=1e-10) for node, v in best.values.items())


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1.0, 0.5, 0.9, 1e-3]), st.sampled_from([1e-12, 0.3, 2.0]))
def test_laws_are_within_the_bound_of_those_of_the_policy(seed, discount, merge):
    model = small_model(seed)
    rough = stock_value_iteration(model, DISTANCE, STARTS, 3, discount=discount, merge=merge)
    exact = stock_policy_evaluation(model, DISTANCE, rough.actions, STARTS, 3, discount=discount, merge=0.0)
    assert (rough.status is Status.CONVERGED) == (rough.certificate.bound <= 1e-8)
    for node, law in exact.laws.items():
        distance = wasserstein(law, rough.laws[node], 1)
        assert distance <= rough.certificate.bound + exact.certificate.bound
        # an objective with Lipschitz constant 1 inherits the bound
        gap = abs(exact.values[node] - rough.values[node])
        assert gap <= rough.certificate.bound + exact.certificate.bound + 1e-12


def test_improvements_that_are_cut_off_say_so():
    plans = stock_policy_iteration(
        two_state_returns(), DISTANCE, lambda node: 0, [(0, -1.0)], 4, discount=0.5, max_steps=0
    )
    assert [plan.status for plan in plans] == [Status.MAX_STEPS]
    whole = stock_policy_iteration(
        two_state_returns(), DISTANCE, lambda node: 0, [(0, -1.0)], 4, discount=0.5
    )
    assert {plan.status for plan in whole} == {Status.CONVERGED}


def test_an_objective_that_is_no_number_is_named():
    with pytest.raises(ValueError, match="objective: expected a number, got NaN at node"):
        stock_value_iteration(two_state_returns(), lambda law: np.nan, [(0, 0.0)], 1)
    with pytest.raises(ValueError, match="stocks overflow below node"):
        stock_value_iteration(two_state_returns(), DISTANCE, [(0, 1e300)], 3, discount=1e-9)


def test_the_stock_is_what_was_earned_over_the_discount():
    layers = reachable_nodes(two_state_returns(), [(0, -1.0)], 2, discount=0.5)
    assert layers[0] == [(2, 0, -1.0)]
    assert set(layers[1]) == {(1, 0, 0.0), (1, 1, -4.0), (1, 0, -2.0), (1, 1, 2.0)}
    assert {node[0] for node in layers[2]} == {0}


def test_ties_go_to_the_lowest_index_and_to_the_action_kept():
    model = OutcomeModel(np.ones((1, 3, 1)), [0.0], [0])
    assert stock_value_iteration(model, DISTANCE, [(0, 0.0)], 1).actions == {(1, 0, 0.0): 0}
    assert len(stock_policy_iteration(model, DISTANCE, lambda node: 2, [(0, 0.0)], 1)) == 1


def test_an_objective_that_is_not_indifferent_to_mixtures_is_not_optimised():
    """From 0 to X or Y; in X a sure 1, or 4 and 0 by a coin; Y pays -10."""
    law = np.zeros((4, 2, 4))
    reward = np.zeros((4, 2, 4))
    law[0, :, 1:3] = law[1, 1, 2:] = 0.5
    law[1, 0, 3] = law[2, :, 3] = law[3, :, 3] = 1.0
    reward[1, :, 3] = [1.0, 4.0]
    reward[2, :, 3] = -10.0
    model = OutcomeModel.from_transition_rewards(law, reward)
    functional = conditional_value_at_risk(0.75)
    plan = stock_value_iteration(model, functional, [(0, 0.0)], 2)
    assert plan.values[2, 0, 0.0] == pytest.approx(-20 / 3, rel=1e-14)
    assert return_laws(model, 2)[0].values(functional).max() == pytest.approx(-19 / 3, rel=1e-14)


def test_a_functional_for_each_depth_repairs_an_objective_that_is_not_indifferent_to_scaling():
    """Then -1 or 2.2 by a coin, or 0: the exponential utility refuses the coin now and wants half of it."""
    law = np.zeros((4, 2, 4))
    reward = np.zeros((4, 2, 4))
    law[0, :, 1] = law[1, 0, 2] = 1.0
    law[1, 1, 2:] = 0.5
    law[2, :, 2] = law[3, :, 3] = 1.0
    reward[1, 1, 2:] = [2.2, -1.0]
    model = OutcomeModel.from_transition_rewards(law, reward)
    utility = expected_utility(lambda x: -np.exp(-x))
    scaled = [lambda law, t=t: utility(law.scale(0.5**t)) for t in range(3)]
    same, indexed = (
        stock_value_iteration(model, objective, [(0, 0.0)], 2, discount=0.5)
        for objective in (utility, scaled)
    )
    assert same.values[2, 0, 0.0] == -1.0
    assert indexed.values[2, 0, 0.0] == pytest.approx(-0.9907961771991038, rel=1e-14)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": -1}, "steps"),
        ({"discount": 1.5}, r"discount: expected a number in \(0, 1\]"),
        ({"starts": [(2, 0.0)]}, "starts: expected states below 2"),
        ({"starts": [(0, np.nan)]}, "starts: expected states below 2 with finite stocks"),
        ({"objective": [FiniteLaw.mean]}, "objective: expected one functional or 3"),
        ({"tie_tolerance": -1.0}, "tie_tolerance"),
        ({"model": OutcomeModel(np.ones((1, 1, 1)), np.zeros((1, 2)), [0])}, "model: expected scalar"),
    ],
)
def test_bad_input(change, message):
    arguments = {"model": two_state_returns(), "objective": DISTANCE, "starts": [(0, 0.0)], "steps": 2}
    with pytest.raises(ValueError, match=message):
        stock_value_iteration(**(arguments | change))


def test_a_policy_must_name_an_action():
    with pytest.raises(ValueError, match=r"policy: expected an action at node \(1, 0, "):
        stock_policy_evaluation(two_state_returns(), DISTANCE, lambda node: 2, [(0, 0.0)], 1)
