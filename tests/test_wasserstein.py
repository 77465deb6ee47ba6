"""Wasserstein and Cramer distances: SciPy, a brute-force quantile grid, linear programming and known values."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import linprog

from mdplab.laws import FiniteLaw
from mdplab.wasserstein import (
    cramer,
    kantorovich_potential,
    quantile_coupling,
    sup_wasserstein,
    wasserstein,
    wasserstein_on_positions,
    wasserstein_with_error,
)

ORDERS = (1, 2, math.inf)
Pairs = list[tuple[int, int]]

# Atoms are quarters and masses are 64ths, so that every cumulative mass is exact.
dyadic = st.lists(st.integers(-20, 20), min_size=1, max_size=64).map(lambda xs: (xs * 64)[:64])


def dyadic_law(values: list[int]) -> FiniteLaw:
    return FiniteLaw.from_atoms([x / 4 for x in values], np.full(64, 1 / 64))


def naive(p: list[int], q: list[int], order: float) -> float:
    gaps = np.abs(np.sort(p) / 4 - np.sort(q) / 4)
    return float(gaps.max()) if order == math.inf else float(np.mean(gaps**order) ** (1 / order))


@given(dyadic, dyadic)
def test_against_the_sorted_sample(p: list[int], q: list[int]) -> None:
    for order in ORDERS:
        assert wasserstein(dyadic_law(p), dyadic_law(q), order) == pytest.approx(
            naive(p, q, order), abs=1e-13
        )


@st.composite
def laws(draw: st.DrawFn) -> FiniteLaw:
    atoms = draw(st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=5))
    weights = np.array(
        draw(st.lists(st.integers(1, 9), min_size=len(atoms), max_size=len(atoms))), dtype=float
    )
    return FiniteLaw.from_atoms(atoms, weights / weights.sum())


@given(laws(), laws())
def test_against_scipy_and_integrals_of_the_cdf(p: FiniteLaw, q: FiniteLaw) -> None:
    expected = stats.wasserstein_distance(p.atoms, q.atoms, p.masses, q.masses)
    distance, error = wasserstein_with_error(p, q, 1)
    assert abs(distance - expected) <= error + 1e-14 * (1 + expected)
    energy = stats.energy_distance(p.atoms, q.atoms, p.masses, q.masses)
    assert math.sqrt(2) * cramer(p, q) == pytest.approx(energy, abs=1e-7)


@given(laws(), laws(), laws())
def test_metric(p: FiniteLaw, q: FiniteLaw, r: FiniteLaw) -> None:
    for order in ORDERS:
        assert wasserstein(p, p, order) == 0.0
        assert wasserstein(p, q, order) == wasserstein(q, p, order)
        assert wasserstein(p, r, order) <= wasserstein(p, q, order) + wasserstein(q, r, order) + 1e-7
    w1, w2, w_inf = (wasserstein(p, q, order) for order in ORDERS)
    assert w1 <= w2 + 1e-12
    assert w2 <= w_inf + 1e-7
    assert abs(p.mean() - q.mean()) <= w1 + 1e-12


@given(laws(), laws(), st.sampled_from([-2.0, -0.5, 0.0, 0.5, 4.0]))
def test_scaling_shifting_mixing(p: FiniteLaw, q: FiniteLaw, factor: float) -> None:
    for order in ORDERS:
        plain = wasserstein(p, q, order)
        assert wasserstein(p.affine(factor, 1.0), q.affine(factor, 1.0), order) == pytest.approx(
            abs(factor) * plain, abs=1e-6
        )
        assert wasserstein(p, p.shift(0.75), order) == pytest.approx(0.75, abs=1e-12)
        common = FiniteLaw.dirac(0.0)
        mixed = wasserstein(
            FiniteLaw.mix([p, common], [0.5, 0.5]), FiniteLaw.mix([q, common], [0.5, 0.5]), order
        )
        assert mixed <= plain + 1e-7


@given(laws(), laws())
def test_coupling_has_the_marginals(p: FiniteLaw, q: FiniteLaw) -> None:
    x, y, mass = quantile_coupling(p, q)
    assert np.all(mass >= 0)
    assert np.all(np.diff(x) >= 0)
    assert np.all(np.diff(y) >= 0)
    for side, law in ((x, p), (y, q)):
        marginal = [float(mass[side == atom].sum()) for atom in law.atoms]
        np.testing.assert_allclose(marginal, law.masses, atol=1e-14)


def exact_moments(p: Pairs, q: Pairs) -> tuple[Fraction, Fraction]:
    """Rational w_1 and w_2 squared of laws given as (atom, weight)."""
    levels = sorted({_level(p, i) for i in range(len(p) + 1)} | {_level(q, i) for i in range(len(q) + 1)})
    first = second = Fraction(0)
    for left, right in pairwise(levels):
        gap = abs(_quantile(p, right) - _quantile(q, right))
        first, second = first + (right - left) * gap, second + (right - left) * gap * gap
    return first, second


def _level(pairs: Pairs, count: int) -> Fraction:
    return Fraction(sum(w for _, w in sorted(pairs)[:count]), sum(w for _, w in pairs))


def _quantile(pairs: Pairs, level: Fraction) -> int:
    return next(x for i, (x, _) in enumerate(sorted(pairs)) if _level(pairs, i + 1) >= level)


pairs = st.lists(st.tuples(st.integers(-9, 9), st.integers(1, 7)), min_size=1, max_size=5)


@given(pairs, pairs)
def test_error_bound_covers_the_rational_distance(p: Pairs, q: Pairs) -> None:
    """The masses are rounded quotients: up to 1 ulp more than the stored floats, hence the factor 2."""
    first, second = exact_moments(p, q)
    p_law, q_law = (
        FiniteLaw.from_atoms([x for x, _ in side], np.array([w for _, w in side]) / sum(w for _, w in side))
        for side in (p, q)
    )
    distance, error = wasserstein_with_error(p_law, q_law, 1)
    assert abs(distance - float(first)) <= 2 * error + 1e-15 * float(first)
    distance, error = wasserstein_with_error(p_law, q_law, 2)
    assert abs(distance - math.sqrt(second)) <= 2 * error + 1e-15 * math.sqrt(second)
    assert error < 1e-5


def test_levels_that_differ_by_rounding_are_one_level() -> None:
    p = FiniteLaw.from_atoms([0, 1, 5], [0.1, 0.2, 0.7])
    q = FiniteLaw.from_atoms([0, 5], [0.3, 0.7])
    assert wasserstein(p, q, math.inf) == 1.0
    assert wasserstein(p, q, math.inf, level_tolerance=0.0) == 4.0


def test_known_values() -> None:
    zero = [FiniteLaw.dirac(0.0)] * 2
    other = [FiniteLaw.from_atoms([-1, 3], [0.5, 0.5]), FiniteLaw.dirac(2.0)]
    assert sup_wasserstein(zero, other, 1) == pytest.approx(2.0, abs=1e-15)
    assert sup_wasserstein(zero, other, 2) == pytest.approx(2.23606797749979, abs=1e-14)
    assert sup_wasserstein(zero, other, math.inf) == 3.0


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=6))
def test_positions_potential_and_transport_programme(rows: list[tuple[int, int, int]]) -> None:
    x = np.array([r[0] for r in rows], dtype=float)
    p, q = (np.array([r[k] for r in rows], dtype=float) + 0.5 for k in (1, 2))
    p, q = p / p.sum(), q / q.sum()
    distance = wasserstein_on_positions(p, q, x)
    laws_distance = wasserstein(FiniteLaw.from_atoms(x, p), FiniteLaw.from_atoms(x, q), 1)
    assert distance == pytest.approx(laws_distance, abs=1e-13)
    f = kantorovich_potential(p, q, x)
    assert (p - q) @ f == pytest.approx(distance, abs=1e-13)
    gaps = np.abs(f[:, None] - f[None, :]) - np.abs(x[:, None] - x[None, :])
    assert gaps.max() <= 1e-14
    n = len(rows)
    cost = np.abs(x[:, None] - x[None, :]).ravel()
    rows_sum, columns_sum = np.kron(np.eye(n), np.ones(n)), np.kron(np.ones(n), np.eye(n))
    solved = linprog(cost, A_eq=np.vstack([rows_sum, columns_sum]), b_eq=np.concatenate([p, q]))
    assert distance == pytest.approx(solved.fun, abs=1e-9)


def test_positions_broadcast() -> None:
    p = np.eye(3)
    assert wasserstein_on_positions(p, p[0], [0.0, 2.0, 1.0]).tolist() == [0.0, 2.0, 1.0]


def test_bad_arguments_are_named() -> None:
    law = FiniteLaw.dirac(0.0)
    with pytest.raises(ValueError, match="order"):
        wasserstein(law, law, 3)
    with pytest.raises(ValueError, match="one length"):
        sup_wasserstein([law], [], 1)
    with pytest.raises(ValueError, match="positions"):
        wasserstein_on_positions([0.5, 0.5], [0.5, 0.5], [0.0])
