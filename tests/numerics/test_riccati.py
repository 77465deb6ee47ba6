"""Optimal linear feedback: the scalar closed form, the Riccati equation, and no better gain nearby."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab.numerics import linear_regulator


def test_the_golden_ratio() -> None:
    """At a = b = q = r = 1 the cost solves p^2 = p + 1."""
    found = linear_regulator([[1.0]], [[1.0]], [[1.0]], [[1.0]])
    golden = (1 + np.sqrt(5)) / 2
    assert found.cost[0, 0] == pytest.approx(golden, rel=1e-12)
    assert found.gain[0, 0] == pytest.approx(-golden / (1 + golden), rel=1e-12)


@given(st.integers(0, 2**32 - 1))
def test_the_cost_is_that_of_the_gain_and_no_gain_nearby_is_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 2)), rng.normal(size=(2, 1)) + np.array([[1.0], [0.0]])
    gain, cost = linear_regulator(a, b, np.eye(2), np.eye(1))

    def spent(k: np.ndarray) -> float:
        """The trace of the cost of a gain, by a Lyapunov equation as one linear system."""
        closed = a + b @ k
        matrix = np.eye(4) - np.kron(closed.T, closed.T)
        return float(np.linalg.solve(matrix, (np.eye(2) + k.T @ k).ravel()).reshape(2, 2).trace())

    assert np.abs(np.linalg.eigvals(a + b @ gain)).max() < 1
    best = spent(gain)
    assert best == pytest.approx(cost.trace(), rel=1e-6)
    for change in (np.array([[1e-3, 0.0]]), np.array([[0.0, 1e-3]])):
        assert min(spent(gain + change), spent(gain - change)) >= best * (1 - 1e-9)


def test_a_plant_that_cannot_be_stabilised_is_refused() -> None:
    with pytest.raises(ValueError, match="plant"):
        linear_regulator([[2.0, 0.0], [0.0, 2.0]], [[1.0], [0.0]], np.eye(2), np.eye(1))


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((2, 3), (2, 1), (2, 2), (1, 1)), "plant"),
        (((2, 2), (3, 1), (2, 2), (1, 1)), "inputs"),
        (((2, 2), (2, 1), (3, 3), (1, 1)), "state_cost"),
        (((2, 2), (2, 1), (2, 2), (2, 2)), "input_cost"),
    ],
)
def test_shapes_must_match(shapes: tuple[tuple[int, int], ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        linear_regulator(*(np.ones(shape) for shape in shapes))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"plant": [[np.nan, 0.0], [0.0, 0.5]]}, "plant: expected finite"),
        ({"plant": np.zeros((0, 0))}, "plant: expected a square"),
        ({"inputs": [[np.inf], [0.0]]}, "inputs: expected finite"),
        ({"inputs": np.zeros((2, 0))}, "inputs: expected shape"),
        ({"state_cost": [[1.0, 2.0], [0.0, 1.0]]}, "state_cost: expected a symmetric"),
        ({"input_cost": [[0.0]]}, "input_cost: expected a positive definite"),
        ({"input_cost": [[-1.0]]}, "input_cost: expected a positive definite"),
    ],
)
def test_matrices_are_finite_symmetric_and_definite(changed: dict[str, Any], message: str) -> None:
    matrices = {
        "plant": 0.5 * np.eye(2),
        "inputs": [[1.0], [0.0]],
        "state_cost": np.eye(2),
        "input_cost": np.eye(1),
    }
    with pytest.raises(ValueError, match=message):
        linear_regulator(**{**matrices, **changed})
