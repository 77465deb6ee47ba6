"""Locks and lines with options: values in closed form, edges, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab import solvers
from mdplab.instances import combination_lock, option_chain


@pytest.mark.parametrize("length", [1, 4, 12])
@pytest.mark.parametrize("chance", [0.1, 1.0])
def test_a_lock_opens_with_the_power_of_the_right_action(length, chance):
    mdp = combination_lock(length)
    found = solvers.policy_evaluation(mdp, np.tile([1 - chance, chance], (mdp.n_states, 1)), tol=1e-14)
    assert found.value[0] == pytest.approx((chance * 0.95) ** length, rel=1e-12)
    assert mdp.start_law()[0] == 1.0
    assert mdp.action_names == ("wrong", "right")


def test_the_end_of_a_lock_pays_nothing():
    mdp = combination_lock(2, discount=0.5)
    assert solvers.policy_iteration(mdp).value.tolist() == [0.25, 0.5, 1.0, 0.0]


@given(st.integers(1, 25), st.integers(1, 9), st.data())
def test_distance_in_decisions(positions, longest, data):
    goal = data.draw(st.integers(0, positions - 1))
    mdp = option_chain(positions, goal, longest, discount=0.9)
    decisions = -(-np.abs(np.arange(positions) - goal) // longest)
    np.testing.assert_allclose(
        solvers.policy_iteration(mdp).value, -(1 - 0.9**decisions) / 0.1, rtol=0, atol=1e-12
    )
    assert mdp.is_sparse
    assert mdp.n_actions == 2 * longest


def test_a_slip_costs_a_decision():
    # v = -1 + gamma * slip * v one step from the goal
    mdp = option_chain(2, 1, 1, slip=0.25, discount=0.8)
    assert solvers.policy_iteration(mdp).value == pytest.approx([-1 / (1 - 0.8 * 0.25), 0.0], abs=1e-13)
    stuck = option_chain(3, 0, 2, slip=1.0, discount=0.5)
    assert solvers.policy_iteration(stuck).value == pytest.approx([0.0, -2.0, -2.0], abs=1e-13)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: combination_lock(0), "length is 0"),
        (lambda: option_chain(0, 0, 1), "positions is 0"),
        (lambda: option_chain(3, 3, 1), "goal is 3"),
        (lambda: option_chain(3, -1, 1), "goal is -1"),
        (lambda: option_chain(3, 0, 0), "longest is 0"),
        (lambda: option_chain(3, 0, 1, slip=1.5), "slip is 1.5"),
    ],
)
def test_sizes_out_of_range_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
