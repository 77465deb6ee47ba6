"""Achievable return laws: numbers of policies, laws of policies that are run, printed optima."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab.enumeration import return_laws
from mdplab.instances import SeededDraw, outcome_models
from mdplab.instances.textbook import two_state_outcome_mdp as two_state_returns
from mdplab.laws import FiniteLaw
from mdplab.models import OutcomeModel


def laws_by_recursion(model, steps, discount, state):
    """The slow twin: one law object after another."""
    if steps == 0:
        return [FiniteLaw.dirac(0.0)]
    found = []
    for a, row in enumerate(model.law[state]):
        partial = [([], [])]
        for o in np.flatnonzero(row):
            reward, target = model.rewards()[state, a, o], int(model.next_states()[state, a, o])
            partial = [
                ([*laws, law.affine(discount, reward)], [*weights, row[o]])
                for laws, weights in partial
                for law in laws_by_recursion(model, steps - 1, discount, target)
            ]
        found += [FiniteLaw.mix(laws, weights) for laws, weights in partial]
    return found


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2), st.sampled_from([1.0, 0.5]))
def test_tables_hold_the_laws_of_all_policies(seed, steps, discount):
    model = outcome_models(SeededDraw(seed), states=(1, 2), actions=(1, 2), outcomes=(1, 2))
    for state, table in enumerate(return_laws(model, steps, discount=discount)):
        expected = laws_by_recursion(model, steps, discount, state)
        assert len(table) == len(expected)
        assert all(table.law(i).allclose(law) for i, law in enumerate(expected))


def test_numbers_of_laws_of_two_states_with_two_actions():
    assert [len(return_laws(two_state_returns(), h)[0]) for h in range(4)] == [1, 2, 8, 128]


def test_optima_over_all_policies():
    table = return_laws(two_state_returns(), 4, discount=0.5)[0]
    values = table.expectations(lambda x: -np.abs(x), -1.0)
    assert len(table) == 32768
    assert [values.max(), values.min()] == pytest.approx([-0.702625, -1.8951125], abs=1e-13)
    some = return_laws(two_state_returns(), 2)[1]
    np.testing.assert_allclose(
        some.values(lambda law: law.expectation(np.tanh), 0.5), some.expectations(np.tanh, 0.5)
    )


def test_bad_input():
    model = two_state_returns()
    with pytest.raises(ValueError, match="steps: expected an integer >= 0"):
        return_laws(model, -1)
    with pytest.raises(ValueError, match="discount: expected a number in"):
        return_laws(model, 2, discount=0.0)
    with pytest.raises(ValueError, match="32768"):
        return_laws(model, 4, max_count=1000)
    vectors = OutcomeModel(np.ones((1, 1, 1)), np.zeros((1, 2)), [0])
    with pytest.raises(ValueError, match="model: expected scalar rewards"):
        return_laws(vectors, 1)
