"""The best value-at-risk: against all policies that remember, against its own policy rolled out, and its bound."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab.enumeration import return_laws
from mdplab.instances import SeededDraw, outcome_models
from mdplab.laws import FiniteLaw, conditional_value_at_risk, expected_utility
from mdplab.models import OutcomeModel
from mdplab.solution import Status
from mdplab.solvers import cvar_control, stock_value_iteration

KNOWN = OutcomeModel.from_transition_rewards(
    [[[0.2, 0.8], [0.7, 0.3]], [[0.9, 0.1], [0.2, 0.8]]], [[[-3, 0], [-1, 1]], [[3, 1], [-1, 1]]]
)


def small_model(seed: int) -> OutcomeModel:
    return outcome_models(SeededDraw(seed), states=(1, 2), actions=(1, 2), outcomes=(1, 2))


def rolled_out(model: OutcomeModel, solution: object, steps: int, discount: float) -> FiniteLaw:
    """Law of the return of the policy, path by path."""
    paths = [(solution.start, 0.0, 1.0)]
    for t in range(steps):
        after = []
        for s, earned, mass in paths:
            a = solution.action(t, s, earned)
            for o in np.flatnonzero(model.law[s, a]):
                gain = discount**t * model.rewards()[s, a, o]
                after.append((int(model.next_states()[s, a, o]), earned + gain, mass * model.law[s, a, o]))
        paths = after
    return FiniteLaw.from_atoms([x for _, x, _ in paths], [m for *_, m in paths])


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 3),
    st.sampled_from([1.0, 0.5, 0.9, 1e-3]),
    st.sampled_from([1e-9, 0.1, 0.25, 0.7, 1.0]),
    st.sampled_from([0.0, 1e-12, 0.05]),
)
def test_no_policy_that_remembers_does_better(seed, steps, discount, level, merge):
    model = small_model(seed)
    found = cvar_control(model, level, 0, steps, discount=discount, merge=merge)
    best = return_laws(model, steps, discount=discount)[0].values(conditional_value_at_risk(level)).max()
    room = 1e-14 / level
    assert abs(found.value - best) <= found.certificate.bound + room
    own = rolled_out(model, found, steps, discount).cvar(level)
    assert found.lower - room <= own <= best + room
    assert (found.status is Status.CONVERGED) == (found.certificate.bound <= 1e-8)


def test_known_values():
    for level, value in (
        (0.1, Fraction(-72, 25)),
        (0.25, Fraction(-94, 125)),
        (0.5, Fraction(78, 125)),
        (0.9, Fraction(76, 45)),
    ):
        found = cvar_control(KNOWN, level, 0, 3)
        assert found.value == pytest.approx(float(value), abs=1e-13)
        assert found.law.cvar(level) == pytest.approx(float(value), abs=1e-13)
    law = cvar_control(KNOWN, 0.25, 0, 3).law
    np.testing.assert_array_equal(law.atoms, [-7, -5, -2, 0, 2, 4])
    np.testing.assert_allclose(law.masses, [0.028, 0.012, 0.016, 0.144, 0.512, 0.288], rtol=1e-13)


def test_the_general_solver_agrees_where_laws_are_too_many_to_enumerate():
    rng = np.random.default_rng(7)
    model = OutcomeModel.from_transition_rewards(
        rng.dirichlet(np.ones(3), (3, 2)), rng.integers(-2, 3, (3, 2, 3))
    )
    found = cvar_control(model, 0.2, 1, 6)
    starts = [(1, float(c)) for c in found.stocks[0]]
    loss = expected_utility(lambda x: np.minimum(x, 0.0), homogeneous=True)
    plan = stock_value_iteration(model, loss, starts, 6)
    outer = [-c + plan.values[6, 1, c] / 0.2 for _, c in starts][::-1]
    np.testing.assert_allclose(found.outer, outer, atol=1e-12)


def test_level_one_is_the_mean_and_a_small_level_the_worst_case():
    model = small_model(3)
    laws = return_laws(model, 3)[0]
    means, least = laws.values(FiniteLaw.mean), laws.values(lambda law: law.atoms[0])
    assert cvar_control(model, 1.0, 0, 3).value == pytest.approx(means.max(), abs=1e-13)
    assert cvar_control(model, 1e-12, 0, 3).value == pytest.approx(least.max(), abs=1e-2)


def test_one_action_one_state_and_no_steps():
    coin = OutcomeModel([[[0.5, 0.5]]], [0.0, 1.0], [0, 0])
    assert cvar_control(coin, 0.5, 0, 2).value == 0.5  # the worse half of {0: 1/4, 1: 1/2, 2: 1/4}
    empty = cvar_control(coin, 0.5, 0, 0)
    assert (empty.value, empty.law) == (0.0, FiniteLaw.dirac(0.0))


def test_bad_input():
    with pytest.raises(ValueError, match="start must be a state below 2"):
        cvar_control(KNOWN, 0.5, 2, 1)
    vectors = OutcomeModel(np.ones((1, 1, 1)), np.zeros((1, 2)), [0])
    with pytest.raises(ValueError, match="model: expected scalar rewards"):
        cvar_control(vectors, 0.5, 0, 1)
    with pytest.raises(TypeError, match="expected an OutcomeModel"):
        cvar_control(KNOWN.to_mdp(0.9), 0.5, 0, 1)
