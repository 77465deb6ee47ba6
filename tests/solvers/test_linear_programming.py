"""Value and occupancy programs: printed values, rational optima, uniqueness."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from mdplab.models import MDP
from mdplab.operators import occupancy_residual
from mdplab.solution import Status
from mdplab.solvers import linear_programming, occupancy_program, value_program
from small_models import as_sparse, m2, random_mdp

VALUE = [7.9120879121, 9.0109890110]
OCCUPANCY = [[0.0, 0.1648351648], [0.0, 0.8351648352]]


@pytest.mark.parametrize("mdp", [m2(), as_sparse(m2())], ids=["dense", "csr"])
def test_printed_values(mdp: MDP) -> None:
    value, occupancy = value_program(mdp), occupancy_program(mdp)
    for solution in (value, occupancy):
        assert solution.status is Status.CONVERGED
        assert solution.objective == pytest.approx(0.8351648351648, abs=1e-13)
        assert solution.certificate.bound < 1e-12
        np.testing.assert_allclose(
            solution.multipliers["slack"].ravel(), [0.4923076923, 0.0, 1.0956043956, 0.0], atol=1e-10
        )
    np.testing.assert_allclose(value.primal, VALUE, atol=1e-10)
    np.testing.assert_allclose(occupancy.dual, VALUE, atol=1e-10)
    np.testing.assert_allclose(value.dual, OCCUPANCY, atol=1e-10)
    np.testing.assert_allclose(occupancy.primal, OCCUPANCY, atol=1e-10)


def without_a_full_start_law() -> MDP:
    kernel = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.0, 1.0], [0.0, 1.0]]])
    return MDP(kernel, m2().reward, 0.9, np.array([0.0, 1.0]))


def test_a_start_law_that_misses_a_state_leaves_its_value_open() -> None:
    solution = value_program(without_a_full_start_law())
    assert solution.status is Status.NOT_UNIQUE
    assert solution.objective == pytest.approx(1.0, abs=1e-14)
    raised = np.array([13.7804878049, 10.0])  # feasible with the same objective
    flow = raised[:, None] - 0.9 * without_a_full_start_law().expectation(raised)
    assert (flow >= m2().reward - 1e-9).all()
    full = MDP(without_a_full_start_law().transition, m2().reward, 0.9, np.array([0.5, 0.5]))
    assert value_program(full).status is Status.CONVERGED
    np.testing.assert_allclose(value_program(full).primal, [8.7804878049, 10.0], atol=1e-9)


def test_a_tie_leaves_the_occupancy_open() -> None:
    """Two copies of an action: V is unique, the occupancy is not."""
    kernel = m2().transition[:, [0, 1, 1]]
    tied = MDP(kernel, m2().reward[:, [0, 1, 1]], 0.9, np.array([0.6, 0.4]))
    assert occupancy_program(tied).status is Status.NOT_UNIQUE
    assert value_program(tied).status is Status.CONVERGED
    assert occupancy_program(tied).objective == pytest.approx(0.8351648351648, abs=1e-13)


def exact_return(mdp: MDP) -> Fraction:
    """``max (1 - gamma) mu_0 . V`` over deterministic policies, in rationals of the stored floats."""

    def solve(matrix: list[list[Fraction]], right: list[Fraction]) -> list[Fraction]:
        rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
        for k in range(len(rows)):
            pivot = next(i for i in range(k, len(rows)) if rows[i][k] != 0)
            rows[k], rows[pivot] = rows[pivot], rows[k]
            rows[k] = [x / rows[k][k] for x in rows[k]]
            for i in range(len(rows)):
                if i != k:
                    rows[i] = [x - rows[i][k] * y for x, y in zip(rows[i], rows[k], strict=True)]
        return [row[-1] for row in rows]

    discount = Fraction(mdp.discount)
    start = [Fraction(float(x)) for x in mdp.start_law()]
    best = None
    for actions in product(range(mdp.n_actions), repeat=mdp.n_states):
        if mdp.available is not None and not all(mdp.available[s, a] for s, a in enumerate(actions)):
            continue
        matrix = [
            [Fraction(int(s == t)) - discount * Fraction(float(p)) for t, p in enumerate(mdp.row(s, a))]
            for s, a in enumerate(actions)
        ]
        value = solve(matrix, [Fraction(float(mdp.reward[s, a])) for s, a in enumerate(actions)])
        total = (1 - discount) * sum(x * v for x, v in zip(start, value, strict=True))
        best = total if best is None or total > best else best
    assert best is not None
    return best


@pytest.mark.parametrize("seed", [s for s in range(40) if random_mdp(s).n_states <= 3][:12])
@pytest.mark.parametrize("masked", [False, True])
def test_certificates_hold_against_exact_optima(seed: int, masked: bool) -> None:
    mdp = random_mdp(seed, masked=masked)
    exact = exact_return(mdp)
    for solution in (value_program(mdp), occupancy_program(mdp)):
        assert solution.status.ok
        assert abs(Fraction(solution.objective) - exact) <= Fraction(solution.certificate.bound)
        assert Fraction(solution.lower) <= exact <= Fraction(solution.upper)
        assert solution.certificate.bound < 1e-10


@pytest.mark.parametrize("seed", range(8))
def test_complementary_slackness_and_basic_points(seed: int) -> None:
    mdp = random_mdp(seed)
    solution = occupancy_program(mdp)
    d, slack = solution.primal, solution.multipliers["slack"]
    assert np.abs(d * slack).max() <= 1e-10
    assert slack.min() >= -1e-9
    assert (np.count_nonzero(d > 1e-12, axis=1) <= 1).all()
    assert np.abs(occupancy_residual(mdp, d)).max() <= 1e-12


def test_a_start_law_is_needed() -> None:
    with pytest.raises(ValueError, match="initial"):
        value_program(MDP(m2().transition, m2().reward, 0.9))


def test_actions_tight_at_a_vertex_by_accident_do_not_determine_the_value() -> None:
    """The vertex found has V(1) = 85/9 > V*(1) = 8, where the action that is not optimal is tight."""
    mdp = MDP(
        [[[0.0, 1.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]], [[1.5, 1.0], [-1.0, -1.0]], 0.9, [1.0, 0.0]
    )
    found = value_program(mdp)
    assert found.objective == pytest.approx(1.0, abs=1e-14)
    if np.abs(found.primal - [10.0, 8.0]).max() > 1e-9:
        assert found.status is Status.NOT_UNIQUE
    assert value_program(mdp.replace(initial=[0.5, 0.5])).status is Status.CONVERGED


def two_states(discount: float, scale: float = 1.0) -> MDP:
    kernel = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.7, 0.3], [0.1, 0.9]]])
    return MDP(kernel, scale * np.array([[1.0, 0.0], [0.0, 2.0]]), discount, [0.5, 0.5])


@pytest.mark.parametrize("scale", [1e20, 1e-12, 1e300, 1e-300, 1e-310])
def test_rewards_in_other_units(scale: float) -> None:
    for solution in (value_program(two_states(0.9, scale)), occupancy_program(two_states(0.9, scale))):
        assert solution.status is Status.CONVERGED
        value = solution.primal if solution.primal.ndim == 1 else solution.dual
        np.testing.assert_allclose(value / scale, [15.82417582, 18.02197802], rtol=1e-9)
        exact = exact_return(two_states(0.9, scale))
        assert abs(Fraction(solution.objective) - exact) <= Fraction(solution.certificate.bound)
        assert Fraction(solution.lower) <= exact <= Fraction(solution.upper)
        assert solution.certificate.bound <= 1e-12 * scale


@pytest.mark.parametrize("gap", [1e-6, 1e-8, 1e-10, 1e-12, 1e-15])
def test_discounts_near_one_are_never_infeasible_or_unbounded(gap: float) -> None:
    mdp = two_states(1.0 - gap)
    exact = exact_return(mdp)
    for solution in (value_program(mdp), occupancy_program(mdp)):
        assert solution.status not in (Status.INFEASIBLE, Status.UNBOUNDED)
        assert solution.status is Status.UNCERTIFIED or np.isfinite(solution.certificate.bound)
        if solution.status is not Status.UNCERTIFIED:
            assert abs(Fraction(solution.objective) - exact) <= Fraction(solution.certificate.bound)


@pytest.mark.parametrize("above", [False, True])
@pytest.mark.parametrize("gap", [1e-1, 1e-3, 1e-5])
def test_bounds_allow_for_rows_that_do_not_sum_to_one(above: bool, gap: float) -> None:
    """Rows off by 10 ulp: masses sum to more than one, values exceed max |R| / (1 - gamma)."""
    kernel = np.array([[[0.5, 0.5], [0.3, 0.7]], [[0.25, 0.75], [0.6, 0.4]]])
    off = 10.0 * np.finfo(np.float64).eps
    kernel[..., 1] += off if above else -off
    mdp = MDP(kernel, [[1.0, 1.0], [1.0, 1.0]], 1.0 - gap, [0.5, 0.5])
    exact = exact_return(mdp)
    assert (exact > 1) is above
    for solution in (value_program(mdp), occupancy_program(mdp)):
        assert abs(Fraction(solution.objective) - exact) <= Fraction(solution.certificate.bound)
        assert Fraction(solution.lower) <= exact <= Fraction(solution.upper)


def test_bounds_on_optimal_points_cover_the_exact_ones() -> None:
    """One absorbing state whose row sums to 1 + 3 ulp: the mass and the value are known in rationals."""
    eps = np.finfo(np.float64).eps
    mdp = MDP([[[1.0 + 3.0 * eps]]], [[1.0]], 1.0 - 1e-7, [1.0])
    task = linear_programming._Task.of(mdp)
    exact = 1 / (1 - Fraction(mdp.discount) * Fraction(float(mdp.row(0, 0)[0])))
    assert exact > Fraction(1.0 / (1.0 - mdp.discount)) * (
        1 + Fraction(1, 10**9)
    )  # what a row sum of one allows
    assert Fraction(task.mass_bound) >= exact
    assert Fraction(task.value_bound) * Fraction(task.unit) >= exact


@pytest.mark.parametrize("program", [value_program, occupancy_program])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tol": -1.0}, "tol: -1.0"),
        ({"tol": np.nan}, "tol: nan"),
        ({"tie": np.nan}, "tie: nan"),
        ({"tol": "a"}, "tol"),
    ],
)
def test_tolerances_are_checked(program: object, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        program(m2(), **arguments)  # type: ignore[operator]
