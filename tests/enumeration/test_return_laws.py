"""Achievable return laws: numbers of policies, laws of policies that are run, printed optima."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab.enumeration import deterministic_stage_policies, markov_return_laws, return_laws
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
    with pytest.raises(ValueError, match="steps must be an integer of at least 0"):
        return_laws(model, -1)
    with pytest.raises(ValueError, match="discount: expected a number in"):
        return_laws(model, 2, discount=0.0)
    with pytest.raises(ValueError, match="32768"):
        return_laws(model, 4, max_count=1000)
    with pytest.raises(ValueError, match="64"):
        markov_return_laws(model, 3, max_count=63)
    with pytest.raises(ValueError, match="discount: expected a number in"):
        markov_return_laws(model, 2, discount=1.5)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.sampled_from([1.0, 0.5]))
def test_markov_policies_have_the_laws_that_they_have_when_run(seed, steps, discount):
    model = outcome_models(SeededDraw(seed), states=(1, 2), actions=(1, 2), outcomes=(1, 2))
    policies = deterministic_stage_policies(steps, model.n_states, model.n_actions)
    tables = markov_return_laws(model, steps, discount=discount)
    states = np.arange(model.n_states)
    for i, policy in enumerate(policies):
        laws = [FiniteLaw.dirac(0.0)] * model.n_states
        for actions in policy[::-1]:
            reward, target = model.rewards()[states, actions], model.next_states()[states, actions]
            laws = [
                FiniteLaw.mix(
                    [laws[t].affine(discount, r) for r, t in zip(reward[s], target[s], strict=True)], row
                )
                for s, row in enumerate(model.law[states, actions])
            ]
        assert all(table.law(i).allclose(law) for table, law in zip(tables, laws, strict=True))
        assert [len(table) for table in tables] == [len(policies)] * model.n_states


def vector_model(seed):
    """Two states, each outcome a successor, rewards of integers in the plane."""
    rng = np.random.default_rng(seed)
    rewards = rng.integers(-2, 3, (2, 2, 2, 2)).astype(float)
    return OutcomeModel(rng.dirichlet([1.0, 1.0], (2, 2)), rewards, [0, 1])


@pytest.mark.parametrize("laws_of", [return_laws, markov_return_laws])
@pytest.mark.parametrize("seed", range(5))
def test_coordinates_of_vector_returns_are_scalar_returns(laws_of, seed):
    model = vector_model(seed)
    for k in range(2):
        scalar = OutcomeModel(model.law, model.rewards()[..., k], model.next_state)
        pairs = zip(laws_of(model, 3, discount=0.5), laws_of(scalar, 3, discount=0.5), strict=True)
        for vectors, numbers in pairs:
            assert vectors.atoms.shape[1:] == (2,)
            found = vectors.expectations(lambda x, k=k: np.tanh(x[:, k]), [0.5, 0.5])
            np.testing.assert_allclose(found, numbers.expectations(np.tanh, 0.5), atol=1e-14)


def test_vector_returns_that_are_equal_are_one_atom():
    model = OutcomeModel(np.full((1, 1, 2), 0.5), [[1.0, 0.0], [0.0, 1.0]], [0, 0])
    (table,) = return_laws(model, 2)
    np.testing.assert_array_equal(table.atoms, [[0, 2], [1, 1], [2, 0]])
    np.testing.assert_array_equal(table.masses, [[0.25, 0.5, 0.25]])
