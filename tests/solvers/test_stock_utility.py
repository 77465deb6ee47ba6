"""Homogeneous utilities of a stock: against all history-dependent policies, against laws, and printed optima."""

from __future__ import annotations

from fractions import Fraction
from operator import mul

import numpy as np
import pytest

from mdplab.enumeration import return_laws
from mdplab.instances.textbook import two_state_outcome_mdp
from mdplab.laws import expected_utility
from mdplab.models import OutcomeModel
from mdplab.solution import Status
from mdplab.solvers import homogeneous_stock_iteration, stock_value_iteration

NORMS = {
    "euclidean": (1, lambda x: -np.linalg.norm(x, axis=1)),
    "largest": (1, lambda x: -np.abs(x).max(axis=1)),
    "square": (2, lambda x: -(x**2).sum(axis=1)),
    "positive": (0, lambda x: 1.0 * (x >= 0).all(axis=1)),
}
LIPSCHITZ = {"euclidean": 2**0.5, "largest": 1.0, "square": 4.0}
"""With respect to the largest coordinate, of two."""


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
        assert abs(plan.values[3, s, c] - best) <= plan.certificate.bound + 1e-14 * abs(best)
    # stocks are exact: a bound without a Lipschitz constant, for the step function too
    assert plan.status is Status.CONVERGED
    assert plan.certificate.bound < 1e-11


@pytest.mark.parametrize("name", ["euclidean", "largest", "square"])
@pytest.mark.parametrize("discount", [1.0, 0.9, 1e-3])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_rounded_stocks_are_within_the_bound(scale, discount, name):
    """Against the laws of all policies, whose returns are not rounded to 12 decimals."""
    degree, utility = NORMS[name]
    rng = np.random.default_rng(3)
    model = OutcomeModel(rng.dirichlet([1.0, 1.0], (2, 2)), scale * rng.normal(size=(2, 2, 2, 2)), [0, 1])
    c = (round(scale / 3, 12), round(-scale / 7, 12))
    plan = homogeneous_stock_iteration(
        model, utility, [(0, c)], 3, degree=degree, discount=discount, lipschitz=LIPSCHITZ[name]
    )
    best = return_laws(model, 3, discount=discount)[0].expectations(utility, c).max()
    bound = plan.certificate.bound
    assert abs(plan.values[3, 0, c] - best) <= bound + 1e-14 * abs(best)
    # the parts of the bound: keys of 12 decimals, which move end points no farther than 3 of their roundings, and 53 bits
    radius = 30 * scale
    assert (
        bound <= LIPSCHITZ[name] * radius ** (degree - 1) * (2e-12 + 1e-14 * radius) + 1e-13 * radius**degree
    )
    assert plan.status is (Status.CONVERGED if bound <= 1e-8 else Status.PRECISION_LIMIT)


RATIONAL = {
    "largest": lambda x: -max(map(abs, x)),
    "square": lambda x: -sum(v * v for v in x),
}


@pytest.mark.parametrize("seed", range(24))
def test_all_nodes_are_within_the_bound_in_rationals(seed):
    rng = np.random.default_rng([seed, 9])
    scale = float(rng.choice([1e-12, 1e-6, 1.0, 1e6]))
    discount = float(rng.choice([1e-3, 0.25, 1 / 3, 0.9, 0.999, 1.0]))
    law, targets = rng.dirichlet([0.3, 0.3], (2, 2)) + 1e-12, rng.integers(0, 2, (2, 2, 2))
    model = OutcomeModel(
        law / law.sum(axis=-1, keepdims=True), scale * rng.normal(size=(2, 2, 2, 2)), targets
    )
    name = ("largest", "square")[seed % 2]
    (degree, utility), exact = NORMS[name], RATIONAL[name]
    start = (float(scale * rng.normal()), 0.0)
    plan = homogeneous_stock_iteration(
        model, utility, [(0, start)], 2, degree=degree, discount=discount, lipschitz=LIPSCHITZ[name]
    )
    gamma = Fraction(discount)

    def best(h, s, c):
        if h == 0:
            return exact(c)
        means = []
        for row, gains, successors in zip(model.law[s], model.rewards()[s], targets[s], strict=True):
            weights = [Fraction(p) for p in row.tolist()]
            below = [
                best(h - 1, int(t), [(x + Fraction(r)) / gamma for x, r in zip(c, gain, strict=True)])
                for gain, t in zip(gains.tolist(), successors, strict=True)
            ]
            means.append(sum(map(mul, weights, below)) / sum(weights))
        return gamma**degree * max(means)

    for (h, s, c), value in plan.values.items():
        error = abs(Fraction(value) - best(h, s, [Fraction(x) for x in c])) * gamma ** (degree * (2 - h))
        assert error <= plan.certificate.bound


def test_the_bound_is_attained_by_the_rounding_of_keys():
    """One step whose stock lies between two keys: the error is the displacement, discounted, and the bound knows it."""
    model = OutcomeModel(np.ones((1, 1, 1)), [[4e-13]], [0])
    plan = homogeneous_stock_iteration(
        model, NORMS["euclidean"][1], [(0, (0.0,))], 1, degree=1, discount=0.5, lipschitz=1.0
    )
    error = abs(plan.values[1, 0, (0.0,)] + 4e-13)
    assert error == pytest.approx(1e-13, rel=1e-9)
    assert error <= plan.certificate.bound <= 1.001 * error


def test_rounded_stocks_without_a_lipschitz_constant_have_no_bound():
    """A step at zero, of which a stock is on the other side for its rounding."""
    model = OutcomeModel(np.ones((1, 1, 1)), [[-1e-13]], [0])
    plan = homogeneous_stock_iteration(model, NORMS["positive"][1], [(0, (0.0,))], 1, degree=0, discount=0.9)
    assert plan.values[1, 0, (0.0,)] == 1.0  # the return is negative, so 0 is right
    assert plan.status is Status.UNCERTIFIED
    assert plan.certificate.bound == np.inf
    constant = homogeneous_stock_iteration(
        model, lambda x: np.ones(len(x)), [(0, (0.0,))], 1, degree=0, discount=0.9, lipschitz=0.0
    )
    assert constant.status is Status.CONVERGED


def test_no_steps_and_no_starts():
    model = vector_model(0)
    plan = homogeneous_stock_iteration(model, NORMS["euclidean"][1], [(1, (3.0, 4.0))], 0, degree=1)
    assert plan.values == {(0, 1, (3.0, 4.0)): -5.0}
    assert plan.actions == {}
    assert plan.certificate.bound < 1e-13
    assert len(plan.to_frame()) == 0
    empty = homogeneous_stock_iteration(model, NORMS["euclidean"][1], [], 2, degree=1)
    assert (dict(empty.values), empty.status) == ({}, Status.CONVERGED)


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
        model=model,
        utility=NORMS["square"][1],
        starts=((0, (0.0, 0.0)),),
        steps=1,
        degree=2,
        discount=0.5,
        **options,
    ):
        return homogeneous_stock_iteration(
            model, utility, starts, steps, degree=degree, discount=discount, **options
        )

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
    with pytest.raises(ValueError, match="utility: expected finite numbers, got -inf at stock"):
        run(utility=lambda x: np.where(x[:, 0] > 0, 0.0, -np.inf))
    with pytest.raises(ValueError, match="degree"):
        run(degree=-1)
    with pytest.raises(ValueError, match=r"degree: discount \*\* degree underflows"):
        run(degree=2000)
    with pytest.raises(ValueError, match="lipschitz: no utility of a degree below 1"):
        run(degree=0.5, lipschitz=1.0)
    with pytest.raises(ValueError, match="lipschitz must be"):
        run(lipschitz=-1.0)
    with pytest.raises(ValueError, match="tol must be"):
        run(tol=0.0)
    with pytest.raises(ValueError, match="discount: stocks overflow below node"):
        run(discount=1e-307, starts=[(0, (100.0, 0.0))], degree=1)
    with pytest.raises(ValueError, match="discount: expected a number in"):
        run(discount=0.0)
    with pytest.raises(ValueError, match="steps"):
        run(steps=-1)
