"""verify() of plans with a stock and of the best value-at-risk: every field that is disturbed is seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mdplab.instances import SeededDraw, outcome_models
from mdplab.laws import FiniteLaw, expected_utility
from mdplab.models import OutcomeModel
from mdplab.solvers import cvar_control, homogeneous_stock_iteration, stock_value_iteration, verify
from tests.verification import SHARED, assert_every_field_is_checked, failures, moved, shifted, with_bound

UTILITIES = {
    "l2": (1.0, 2**0.5, lambda x: -np.sqrt((x**2).sum(axis=1))),
    "largest": (1.0, 1.0, lambda x: -np.abs(x).max(axis=1)),
    "square": (2.0, 4.0, lambda x: -(x**2).sum(axis=1)),
}
LOSS = expected_utility(lambda x: np.minimum(x, 0.0), homogeneous=True, lipschitz=1.0)
NODE = (3, 0, 0.5)


def model_of(seed):
    return outcome_models(SeededDraw(seed), states=(2, 3), actions=(2, 3), outcomes=(2, 3))


def plan_of(seed, discount=0.5):
    model = model_of(seed)
    return model, stock_value_iteration(model, LOSS, [NODE[1:]], 3, discount=discount)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("discount", [1.0, 0.5, 0.9])
def test_plans_pass_and_other_laws_fail(seed, discount):
    model, plan = plan_of(seed, discount)
    report = verify(model, plan)
    assert report.passed, report.failures
    law = plan.laws[NODE]
    by = 1e-6
    shifted_law = {**plan.laws, NODE: law.shift(by)}
    assert "means within certificate.bound" in failures(model, plan, laws=shifted_law)
    split = FiniteLaw.mix([law.shift(-1e-3), law.shift(1e-3)], [0.5, 0.5])
    assert failures(model, plan, laws={**plan.laws, NODE: split}) >= {
        "second moments within certificate.bound"
    }


def test_other_fields_of_plans():
    model, plan = plan_of(2)
    assert {*vars(plan)} == {"actions", "laws", "values", "discount", *SHARED}
    assert failures(model, plan, actions={**plan.actions, NODE: 1 - plan.actions[NODE]})
    assert failures(model, plan, discount=0.25)
    missing = {node: law for node, law in plan.laws.items() if node[0]}
    assert failures(model, plan, laws=missing) >= {"every node has an action and its successors"}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("discount", [1.0, 0.9])
def test_value_at_risk(seed, discount):
    model = model_of(seed)
    found = cvar_control(model, 0.3, 0, 4, discount=discount)
    report = verify(model, found)
    assert report.passed, report.failures
    coarse = cvar_control(model, 0.3, 0, 4, discount=discount, merge=0.1)
    report = verify(model, coarse)
    assert report.passed, report.failures


@pytest.mark.parametrize("seed", range(16))
def test_extremes(seed):
    """Nearly certain outcomes, tiny and huge rewards, discounts near 0 and 1, wide merging, one state, no steps."""
    rng = np.random.default_rng([seed, 77])
    states, actions, outcomes = (int(n) for n in rng.integers(1, 3, 3))
    law = rng.dirichlet(np.full(outcomes, 0.05), (states, actions)) + 1e-12
    law /= law.sum(axis=-1, keepdims=True)
    scale = float(rng.choice([1e-6, 1.0, 1e6]))
    reward = rng.normal(size=law.shape) * scale
    model = OutcomeModel(law, reward, rng.integers(0, states, law.shape))
    options = {
        "discount": float(rng.choice([1e-3, 0.9, 0.999, 1.0])),
        "merge": float(rng.choice([0, 1e-12, scale / 2])),
    }
    plan = stock_value_iteration(model, LOSS, [(0, -scale)], seed % 4, **options)
    found = cvar_control(model, float(rng.choice([1e-6, 0.1, 1.0])), 0, seed % 3, **options)
    for solution in (plan, found):
        report = verify(model, solution)
        assert report.passed, report.failures


def test_every_field_of_value_at_risk():
    model = model_of(1)
    found = cvar_control(model, 0.3, 0, 4)
    # an action that the policy takes, and that matters
    other = [array.copy() for array in found.actions]
    other[0][0] = 1 - np.minimum(other[0][0], 1)
    assert_every_field_is_checked(
        model,
        found,
        {
            "value": shifted(1e-6),
            "lower": shifted(1e-6),
            "upper": shifted(1e-6),
            "threshold": shifted(1.0),
            "law": lambda law: law.shift(1e-6),
            "thresholds": moved(1e-6),
            "outer": moved(1e-6),
            "stocks": lambda stocks: (*stocks[:-1], stocks[-1] + 1e-6),
            "actions": lambda actions: tuple(other),
            "level": shifted(0.01),
            "discount": shifted(-0.01),
            "start": lambda start: 1 - start,
        },
    )
    assert failures(model, found, certificate=with_bound(found, 0.0)) == {"their width"}
    few = replace(found, thresholds=found.thresholds[:-1], outer=found.outer[:-1])
    with pytest.raises(ValueError, match="tables of shape"):
        verify(model, few)


def regulated(seed, discount=0.5, scale=1.0, steps=3, name="l2", rounded=True):
    """A model with rewards in the plane and its plan."""
    rng = np.random.default_rng([seed, 5])
    law = rng.dirichlet([0.5, 0.5], (2, 2)) + 1e-12
    reward = scale * (rng.normal(size=(2, 2, 2, 2)) if rounded else rng.integers(-2, 3, (2, 2, 2, 2)))
    model = OutcomeModel(law / law.sum(axis=-1, keepdims=True), reward, [0, 1])
    degree, lipschitz, utility = UTILITIES[name]
    plan = homogeneous_stock_iteration(
        model,
        utility,
        [(0, (scale, -0.25 * scale)), (1, (0.0, 0.0))],
        steps,
        degree=degree,
        discount=discount,
        lipschitz=lipschitz if rounded else np.inf,
    )
    return model, plan


@pytest.mark.parametrize("name", UTILITIES)
@pytest.mark.parametrize("discount", [1e-3, 0.5, 0.9, 0.999, 1.0])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_homogeneous_utilities(scale, discount, name):
    for steps in (0, 1, 3):
        report = verify(*regulated(steps, discount, scale, steps, name))
        assert report.passed, report.failures


def test_every_field_of_homogeneous_utilities():
    for rounded in (True, False):
        model, plan = regulated(1, rounded=rounded)
        node = next(iter(plan.actions))
        assert_every_field_is_checked(
            model,
            plan,
            {
                "values": lambda values, node=node: {**values, node: values[node] + 1e-9},
                "actions": lambda actions, node=node: {**actions, node: 1 - actions[node]},
                "utility": lambda utility: lambda x: utility(x) * (1 + 1e-9),
                "degree": shifted(1e-9),
                "discount": shifted(-0.01),
            },
            inputs=("lipschitz",),
        )
        for end in (node, next(place for place in plan.values if place[0] == 0)):
            without = {place: value for place, value in plan.values.items() if place != end}
            assert failures(model, plan, values=without)
        assert failures(model, plan, actions={**plan.actions, node: 2})
        assert failures(model, plan, values={**plan.values, (2, 0, (77.0, 0.0)): 0.0})
        value = plan.values[3, 0, (1.0, -0.25)]
        off = {**plan.values, (3, 0, (1.0, -0.25)): value * (1 - 1e-9)}
        assert failures(model, plan, values=off) == {
            "values within certificate.bound",
            "the policy attains values",
        }


def test_a_utility_that_is_not_homogeneous_is_seen():
    model, _ = regulated(0)
    plan = homogeneous_stock_iteration(
        model,
        lambda x: -np.abs(x - 1.0).sum(axis=1),
        [(0, (0.0, 0.0))],
        3,
        degree=1,
        discount=0.5,
        lipschitz=2.0,
    )
    assert {check.name for check in verify(model, plan).failures} == {
        "values within certificate.bound",
        "the policy attains values",
    }


def test_without_a_bound_there_is_nothing_to_check():
    model, plan = regulated(0, discount=0.9)
    unknown = homogeneous_stock_iteration(model, plan.utility, [(0, (1.0, 0.0))], 2, degree=1.0, discount=0.9)
    with pytest.raises(ValueError, match="UNCERTIFIED claims nothing"):
        verify(model, unknown)
    with pytest.raises(ValueError, match="tables of shape"):
        verify(model_of(0), plan)
