"""Value and occupancy programs: printed values, rational optima, uniqueness."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from mdplab.models import MDP
from mdplab.operators import occupancy_residual
from mdplab.solution import Status
from mdplab.solvers import occupancy_program, value_program
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
