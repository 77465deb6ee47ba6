"""Lipschitz constants on the line: neighbours suffice, whatever the order of the states."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab.instances import SeededDraw
from mdplab.instances.line import line_mdps
from mdplab.laws import FiniteLaw
from mdplab.operators import kernel_lipschitz_constant, lipschitz_constant
from mdplab.wasserstein import wasserstein


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_neighbours_find_the_largest_slope_of_all_pairs(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    x, values, kernel = rng.normal(size=n), rng.normal(size=n), rng.dirichlet(np.ones(n), n)
    pairs = [(i, j) for i in range(n) for j in range(i)]
    laws = [FiniteLaw.from_atoms(x, row) for row in kernel]
    slope = max((abs(values[i] - values[j]) / abs(x[i] - x[j]) for i, j in pairs), default=0.0)
    steepest = max((wasserstein(laws[i], laws[j], 1) / abs(x[i] - x[j]) for i, j in pairs), default=0.0)
    assert lipschitz_constant(values, x) == pytest.approx(slope, rel=1e-12)
    assert kernel_lipschitz_constant(kernel, x) == pytest.approx(steepest, rel=1e-9, abs=1e-12)


def test_known_constants() -> None:
    assert lipschitz_constant([1.0, 0.0, 4.0], [0.0, 1.0, 3.0]) == 2.0
    expanding = np.eye(6)[[0, 2, 3, 4, 5, 5]]
    assert kernel_lipschitz_constant(expanding, [0.0, 1.0, 2.0, 4.0, 8.0, 16.0]) == 2.0


def test_one_constant_an_action() -> None:
    mdp, x = line_mdps(SeededDraw(3), states=(5, 5), actions=(3, 3), slope=0.5)
    rewards, kernels = lipschitz_constant(mdp.reward, x), kernel_lipschitz_constant(mdp.transition, x)
    assert np.shape(rewards) == np.shape(kernels) == (3,)
    assert np.all(np.asarray(rewards) <= 0.5 + 1e-12)
    for a in range(3):
        chain = np.asarray(mdp.transition)[:, a]
        assert np.asarray(kernels)[a] == pytest.approx(kernel_lipschitz_constant(chain, x), rel=1e-12)


@pytest.mark.parametrize("positions", [[0.0, 0.0], [0.0, np.nan], [[0.0, 1.0]], []])
def test_positions_are_distinct_and_finite(positions: list[float]) -> None:
    with pytest.raises(ValueError, match="positions"):
        lipschitz_constant([1.0, 2.0], positions)


def test_shapes_must_match() -> None:
    with pytest.raises(ValueError, match="values"):
        lipschitz_constant([1.0, 2.0, 3.0], [0.0, 1.0])
    with pytest.raises(ValueError, match="transition"):
        kernel_lipschitz_constant(np.eye(3), [0.0, 1.0])


def test_values_are_finite_and_rows_are_laws() -> None:
    with pytest.raises(ValueError, match=r"values\[1, 0\] is nan"):
        lipschitz_constant([[1.0], [np.nan]], [0.0, 1.0])
    with pytest.raises(ValueError, match=r"values\[0\] is inf"):
        lipschitz_constant([np.inf, np.inf], [0.0, 1.0])
    for row in ([2.0, 1.0], [2.0, -1.0], [np.nan, 1.0]):
        with pytest.raises(ValueError, match="transition"):
            kernel_lipschitz_constant([[0.5, 0.5], row], [0.0, 1.0])
