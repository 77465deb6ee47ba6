"""Homogeneous utilities of a stock: against all history-dependent policies, against laws, and printed optima."""

from __future__ import annotations

import numpy as np
import pytest

from mdplab.enumeration import return_laws
from mdplab.instances.textbook import two_state_outcome_mdp
from mdplab.laws import expected_utility
from mdplab.models import OutcomeModel
from mdplab.solvers import homogeneous_stock_iteration, stock_value_iteration

NORMS = {
    "euclidean": (1, lambda x: -np.linalg.norm(x, axis=1)),
    "largest": (1, lambda x: -np.abs(x).max(axis=1)),
    "square": (2, lambda x: -(x**2).sum(axis=1)),
    "positive": (0, lambda x: 1.0 * (x >= 0).all(axis=1)),
}


def vector_model(seed):
    """Two states with a reward vector of integers on each transition."""
    rng = np.random.default_rng(seed)
    return OutcomeModel(
        rng.dirichlet([1.0, 1.0], (2, 2)), rng.integers(-2, 3, (2, 2, 2, 2)).astype(float), [0, 1]
    )


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("discount", [1.0, 0.5])
@pytest.mark.parametrize("seed", range(4))
def test_best_of_all_history_dependent_policies(seed, discount, name):
    degree, utility = NORMS[name]
    model = vector_model(seed)
    starts = [(s, c) for s in range(2) for c in ((-1.0, 0.5), (0.0, 0.0))]
    plan = homogeneous_stock_iteration(model, utility, starts, 3, degree=degree, discount=discount)
    tables = return_laws(model, 3, discount=discount)
    for s, c in starts:
        best = tables[s].expectations(utility, c).max()
        assert plan.values[3, s, c] == pytest.approx(best, rel=1e-13, abs=1e-13)


def test_without_discount_the_utility_may_be_any():
    model = vector_model(7)
    plan = homogeneous_stock_iteration(
        model, lambda x: np.tanh(x).sum(axis=1), [(0, (0.0, 1.0))], 3, degree=5
    )
    best = return_laws(model, 3)[0].expectations(lambda x: np.tanh(x).sum(axis=1), (0.0, 1.0)).max()
    assert plan.values[3, 0, (0.0, 1.0)] == pytest.approx(best, abs=1e-13)


def test_one_coordinate_is_a_scalar_stock():
    scalar = two_state_outcome_mdp()
    model = OutcomeModel(scalar.law, scalar.rewards()[..., None], [0, 1])
    plan = homogeneous_stock_iteration(
        model, lambda x: -np.abs(x[:, 0]), [(0, [-1.0])], 4, degree=1, discount=0.5
    )
    other = stock_value_iteration(
        scalar, expected_utility(lambda x: -np.abs(x)), [(0, -1.0)], 4, discount=0.5
    )
    assert plan.values[4, 0, (-1.0,)] == pytest.approx(-0.702625, abs=1e-13)
    assert {(h, s, (c,)): a for (h, s, c), a in other.actions.items()} == plan.actions


def test_ties_go_to_the_lowest_index_and_stocks_are_rescaled():
    model = OutcomeModel(np.ones((1, 3, 1)), [[1.0, -1.0]], [0])
    plan = homogeneous_stock_iteration(
        model, NORMS["square"][1], [(0, (0.0, 0.0))], 2, degree=2, discount=0.5
    )
    assert plan.actions == {(2, 0, (0.0, 0.0)): 0, (1, 0, (2.0, -2.0)): 0}
    assert plan.values == {(2, 0, (0.0, 0.0)): -4.5, (1, 0, (2.0, -2.0)): -18.0, (0, 0, (6.0, -6.0)): -72.0}


def test_bad_input():
    model = vector_model(0)

    def run(
        model=model, utility=NORMS["square"][1], starts=((0, (0.0, 0.0)),), steps=1, degree=2, discount=0.5
    ):
        return homogeneous_stock_iteration(model, utility, starts, steps, degree=degree, discount=discount)

    with pytest.raises(ValueError, match="model: expected vector rewards"):
        run(model=two_state_outcome_mdp())
    with pytest.raises(ValueError, match="starts: expected states below 2"):
        run(starts=[(2, (0.0, 0.0))])
    with pytest.raises(ValueError, match="finite stocks of shape"):
        run(starts=[(0, (0.0,))])
    with pytest.raises(ValueError, match="finite stocks of shape"):
        run(starts=[(0, (0.0, np.nan))])
    with pytest.raises(ValueError, match="utility: expected one number for each"):
        run(utility=lambda x: x)
    with pytest.raises(ValueError, match="degree"):
        run(degree=-1)
    with pytest.raises(ValueError, match="discount: expected a number in"):
        run(discount=0.0)
    with pytest.raises(ValueError, match="steps"):
        run(steps=-1)
