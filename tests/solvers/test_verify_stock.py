"""verify() of plans with a stock and of the best value-at-risk: every field that is disturbed is seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mdplab.instances import SeededDraw, outcome_models
from mdplab.laws import FiniteLaw, expected_utility
from mdplab.models import OutcomeModel
from mdplab.solvers import cvar_control, stock_value_iteration, verify
from tests.verification import SHARED, assert_every_field_is_checked, failures, moved, shifted, with_bound

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
