"""Categorical and quantile projections: known values, cells and quantiles by another route, what they do not expand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab.laws import FiniteLaw
from mdplab.operators import categorical_projection, quantile_projection
from mdplab.wasserstein import cramer, wasserstein

KNOWN = FiniteLaw.from_atoms([0, 1, 4], [0.2, 0.5, 0.3])


def random_law(rng: np.random.Generator, atoms: int = 6) -> FiniteLaw:
    return FiniteLaw.from_atoms(rng.normal(size=atoms), rng.dirichlet(np.ones(atoms)))


def test_a_mass_is_split_between_its_neighbours_or_clipped() -> None:
    law = FiniteLaw.from_atoms([-5, 0.25, 1, 9], [0.1, 0.4, 0.2, 0.3])
    got = categorical_projection(law, [-1, 0, 1, 3])
    assert got.allclose(FiniteLaw.from_atoms([-1, 0, 1, 3], [0.1, 0.3, 0.3, 0.3]), atol=0)


def test_laws_on_the_grid_stay() -> None:
    assert categorical_projection(KNOWN, KNOWN.atoms) == KNOWN


@given(st.integers(0, 10**6), st.integers(2, 7))
def test_the_distribution_function_becomes_its_mean_over_cells(seed: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    law, grid = random_law(rng), np.sort(rng.normal(size=m))
    got = categorical_projection(law, grid)
    low, high = grid[:-1], grid[1:]
    covered = np.clip(high - law.atoms[:, None], 0, high - low) / (high - low)
    np.testing.assert_allclose(got.cdf(low), law.masses @ covered, atol=1e-12)
    assert got.mean() == pytest.approx(law.push(lambda x: np.clip(x, grid[0], grid[-1])).mean(), abs=1e-12)


@given(st.integers(0, 10**6), st.integers(2, 7))
def test_it_expands_neither_cramer_nor_w1(seed: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    p, q, grid = random_law(rng), random_law(rng), np.sort(rng.normal(size=m))
    first, second = (categorical_projection(law, grid) for law in (p, q))
    assert cramer(first, second) <= cramer(p, q) + 1e-12
    assert wasserstein(first, second, 1) <= wasserstein(p, q, 1) + 1e-12


def test_it_expands_w2() -> None:
    first, second = (categorical_projection(FiniteLaw.dirac(x), [0, 1]) for x in (0.0, 0.01))
    assert wasserstein(first, second, 2) == pytest.approx(0.1, abs=1e-15)


@pytest.mark.parametrize(
    "grid", [[1.0], [[0.0, 1.0]], [0.0, 0.0], [1.0, 0.0], [0.0, math.inf], [math.nan, 1.0]]
)
def test_a_bad_grid_is_named(grid: list[float]) -> None:
    with pytest.raises(ValueError, match="grid: expected at least two finite, strictly increasing atoms"):
        categorical_projection(KNOWN, grid)


@pytest.mark.parametrize(
    ("count", "atoms", "masses", "distance"),
    [(1, [1], [1], 1.1), (2, [1, 4], [0.5, 0.5], 0.8), (4, [0, 1, 4], [0.25, 0.5, 0.25], 0.2)],
)
def test_known_quantiles(count: int, atoms: list[float], masses: list[float], distance: float) -> None:
    got = quantile_projection(KNOWN, count)
    assert got.allclose(FiniteLaw.from_atoms(atoms, masses), atol=0)
    assert wasserstein(got, KNOWN, 1) == pytest.approx(distance, abs=1e-15)


@given(st.integers(0, 10**6), st.integers(1, 3))
def test_no_law_of_equal_masses_is_nearer(seed: int, count: int) -> None:
    law = random_law(np.random.default_rng(seed))
    tuples = itertools.combinations_with_replacement(law.atoms, count)
    nearest = min(wasserstein(FiniteLaw.from_atoms(a, np.full(count, 1 / count)), law, 1) for a in tuples)
    assert wasserstein(quantile_projection(law, count), law, 1) == pytest.approx(nearest, abs=1e-12)


@given(st.integers(0, 10**6), st.integers(1, 9))
def test_it_does_not_expand_w_infinity(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    p, q = random_law(rng), random_law(rng)
    first, second = (quantile_projection(law, count) for law in (p, q))
    assert wasserstein(first, second, math.inf) <= wasserstein(p, q, math.inf) + 1e-12


@pytest.mark.parametrize("count", [0, -1, 2.0, True])
def test_a_bad_count_is_named(count: int) -> None:
    with pytest.raises(ValueError, match="count must be an integer of at least 1"):
        quantile_projection(KNOWN, count)
