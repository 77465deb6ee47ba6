"""Linear systems of rationals and balls."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from mdplab import exact
from tests import rational_chains

A = [[2, 1, 0], [1, 3, 1], [0, 1, 4]]


def test_systems_are_solved_as_by_elimination() -> None:
    right = [Fraction(1, 3), Fraction(2), Fraction(-1, 7)]
    expected = rational_chains.solve([[Fraction(x) for x in row] for row in A], right)
    assert list(exact.fractions(exact.solve(A, right))) == expected
    assert exact.solve(A, np.eye(3, dtype=int)).shape == (3, 3)


def test_inverse_and_determinant() -> None:
    inverse = exact.inverse(A)
    assert (exact.multiply(A, inverse) == exact.identity(3)).all()
    assert exact.determinant(A) == 2 * (12 - 1) - 4
    assert exact.overlap(exact.determinant(exact.ball(A)), 18)


def test_balls_enclose_the_solution() -> None:
    exact_solution = exact.solve(A, [1, 2, 3])
    enclosed = exact.solve(exact.ball(A), [1, 2, 3])
    assert exact.overlap(enclosed, exact_solution).all()
    assert (exact.width(enclosed) < 1e-70).all()
    moved = exact.solve(np.array(A) + exact.log(2), [1, 2, 3])
    assert not exact.overlap(moved, exact_solution).any()


def test_products_are_those_of_numpy() -> None:
    left = exact.rational(np.arange(24).reshape(2, 3, 4)) / 7
    for right in (exact.rational([1, 0.5, 0.1, 2]), exact.rational(np.arange(8).reshape(4, 2)) / 3):
        assert (exact.multiply(left, right) == left @ right).all()
    assert exact.overlap(
        exact.multiply(exact.ball(left), [1, 2, 3, 4]), left @ exact.rational([1, 2, 3, 4])
    ).all()


@pytest.mark.parametrize(
    ("matrix", "right", "message"),
    [
        ([[1, 2], [2, 4]], [1, 1], "singular"),
        ([[1, 2, 3]], [1], r"shape \(1, 3\), expected a square"),
        ([[1, 0], [0, 1]], [1, 2, 3], r"right has shape \(3,\)"),
    ],
)
def test_bad_systems(matrix: object, right: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        exact.solve(matrix, right)


def test_bad_products() -> None:
    with pytest.raises(ValueError, match="cannot be multiplied"):
        exact.multiply([[1, 2]], [1, 2, 3])
