"""Linear programs: signs of multipliers, statuses, and bounds that hold against exact rational optima."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest

from mdplab.convex import linear_program
from mdplab.solution import Status

# max 3x + 5y, x <= 4, 2y <= 12, 3x + 2y <= 18 (Hillier and Lieberman): optimum 36 at (2, 6), shadow prices 0, 3/2, 1
A, B, C = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 2.0]]), np.array([4.0, 12.0, 18.0]), np.array([3.0, 5.0])


def test_textbook_multipliers_of_a_maximum() -> None:
    solution = linear_program(C, at_most=(A, B), maximise=True, variable_bound=6.0, multiplier_bound=5.0)
    assert solution.status is Status.CONVERGED
    assert solution.objective == pytest.approx(36.0, abs=solution.certificate.bound)
    np.testing.assert_allclose(solution.primal, [2.0, 6.0], atol=1e-12)
    np.testing.assert_allclose(solution.multipliers["at_most"], [0.0, 1.5, 1.0], atol=1e-12)
    np.testing.assert_array_equal(solution.dual, solution.multipliers["at_most"])
    assert solution.lower <= 36.0 <= solution.upper


def test_the_dual_program_has_the_same_multipliers() -> None:
    solution = linear_program(B, at_least=(A.T, C))
    np.testing.assert_allclose(solution.primal, [0.0, 1.5, 1.0], atol=1e-12)
    np.testing.assert_allclose(solution.multipliers["at_least"], [2.0, 6.0], atol=1e-12)


@pytest.mark.parametrize("maximise", [False, True])
def test_multipliers_are_derivatives_of_the_optimal_value(maximise: bool) -> None:
    """Equalities: derivative of the stated objective; inequalities: gain for each unit of relaxation, >= 0."""
    rng = np.random.default_rng(3)
    cost, row = rng.normal(size=4), np.abs(rng.normal(size=(1, 4))) + 0.5
    matrices = {"at_most": row, "at_least": rng.normal(size=(1, 4)), "equal": rng.normal(size=(1, 4))}
    middle = {
        name: float(matrix.sum()) / 4.0 for name, matrix in matrices.items()
    }  # x = 1/4 is strictly inside
    base = {
        "at_most": [middle["at_most"] + 0.1],
        "at_least": [middle["at_least"] - 0.05],
        "equal": [middle["equal"]],
    }

    def optimum(**change: float) -> float:
        constraints = {
            name: (matrices[name], [base[name][0] + change.get(name, 0.0)])
            for name in ("at_most", "at_least", "equal")
        }
        return linear_program(cost, maximise=maximise, **constraints).objective  # type: ignore[arg-type]

    solution = linear_program(cost, maximise=maximise, **{k: (matrices[k], base[k]) for k in base})  # type: ignore[arg-type]
    better = 1.0 if maximise else -1.0
    for name, relax in (("at_most", better), ("at_least", -better), ("equal", 1.0)):
        slope = (optimum(**{name: 1e-6}) - optimum(**{name: -1e-6})) / 2e-6
        assert relax * slope == pytest.approx(solution.multipliers[name][0], abs=1e-7)
        assert abs(solution.multipliers[name][0]) > 1e-3 or name != "equal"
        if name != "equal":
            assert solution.multipliers[name][0] >= 0.0


def exact_minimum(cost: np.ndarray, matrix: np.ndarray, right: np.ndarray) -> Fraction:
    """Least ``cost . x`` over ``matrix x >= right``, ``x >= 0`` in the plane, by its vertices, in rationals."""
    rows = [[Fraction(float(v)) for v in row] for row in np.vstack([matrix, np.eye(2)])]
    ends = [Fraction(float(v)) for v in np.append(right, [0.0, 0.0])]
    values = []
    for i, j in combinations(range(len(rows)), 2):
        (a, b), (c, d) = rows[i], rows[j]
        determinant = a * d - b * c
        if determinant == 0:
            continue
        x = ((ends[i] * d - b * ends[j]) / determinant, (a * ends[j] - c * ends[i]) / determinant)
        if all(r[0] * x[0] + r[1] * x[1] >= e for r, e in zip(rows, ends, strict=True)):
            values.append(Fraction(float(cost[0])) * x[0] + Fraction(float(cost[1])) * x[1])
    return min(values)


def test_the_bound_holds_against_rational_optima() -> None:
    rng = np.random.default_rng(4)
    for _ in range(60):
        cost, matrix = rng.uniform(0.1, 1.0, 2), rng.uniform(0.1, 1.0, (4, 2))
        right = rng.uniform(0.1, 1.0, 4)
        solution = linear_program(
            cost, at_least=(matrix, right), variable_bound=100.0, multiplier_bound=100.0
        )
        exact = exact_minimum(cost, matrix, right)
        assert abs(Fraction(solution.objective) - exact) <= Fraction(solution.certificate.bound)
        assert Fraction(solution.lower) <= exact <= Fraction(solution.upper)
        assert solution.certificate.bound < 1e-11


def test_without_bounds_on_optimal_points_the_certificate_says_so() -> None:
    """A free variable with a reduced cost that is only nearly zero proves nothing."""
    cost = np.array([0.1, 0.2, 0.3])
    matrix = np.array([[0.3, 0.1, 0.7], [0.2, 0.9, 0.4], [0.6, 0.5, 0.1]])
    free = linear_program(cost @ matrix, at_least=(matrix, cost), lower=-np.inf)
    assert free.status is Status.UNCERTIFIED
    assert free.certificate.bound == np.inf
    boxed = linear_program(
        cost @ matrix, at_least=(matrix, cost), lower=-np.inf, variable_bound=10, multiplier_bound=1
    )
    assert boxed.status is Status.CONVERGED


def test_infeasible_and_unbounded() -> None:
    infeasible = linear_program([1.0], at_most=([[1.0]], [-1.0]))
    assert (infeasible.status, infeasible.objective) == (Status.INFEASIBLE, np.inf)
    assert np.isnan(infeasible.primal).all()
    unbounded = linear_program([1.0, 1.0], at_least=([[1.0, -1.0]], [0.0]), maximise=True)
    assert (unbounded.status, unbounded.objective) == (Status.UNBOUNDED, np.inf)
    unbounded = linear_program([1.0], lower=-np.inf)
    assert (unbounded.status, unbounded.objective) == (Status.UNBOUNDED, -np.inf)


def test_the_point_is_basic() -> None:
    """A face of optimal points: the answer is one of its vertices."""
    solution = linear_program(np.ones(5), equal=(np.ones((1, 5)), [1.0]))
    assert np.count_nonzero(solution.primal) == 1
    assert solution.objective == 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"at_most": ([[1.0, 2.0]], [1.0, 2.0])}, "at_most: matrix of shape"),
        ({"equal": ([[1.0, np.nan]], [1.0])}, "equal: entries must be finite"),
        ({"lower": np.nan}, "NaN is not a bound"),
        ({"tol": np.nan}, "tol: nan"),
        ({"tol": -1.0}, "tol: -1.0"),
        ({"tol": "a"}, "tol: 'a'"),
    ],
)
def test_bad_input(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        linear_program([1.0, 1.0], **arguments)  # type: ignore[arg-type]
