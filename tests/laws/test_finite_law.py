"""Arithmetic of finite laws against sums over their atoms."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab.laws import FiniteLaw, common_support


@st.composite
def laws(draw: st.DrawFn, max_atoms: int = 6) -> FiniteLaw:
    pairs = draw(st.lists(st.tuples(st.integers(-20, 20), st.integers(1, 9)), min_size=1, max_size=max_atoms))
    weights = np.array([w for _, w in pairs], dtype=float)
    return FiniteLaw.from_atoms([x / 4 for x, _ in pairs], weights / weights.sum())


def as_dict(law: FiniteLaw) -> dict[float, float]:
    return dict(law)


def test_from_atoms_sorts_merges_and_drops() -> None:
    law = FiniteLaw.from_atoms([3, 1, 3, 2], [0.25, 0.5, 0.25, 0.0])
    assert as_dict(law) == {1.0: 0.5, 3.0: 0.5}


def test_near_atoms_merge_only_on_request() -> None:
    near = [0.3, 0.1 + 0.2]
    assert FiniteLaw.from_atoms(near, [0.5, 0.5]).n_atoms == 2
    assert FiniteLaw.from_atoms(near, [0.5, 0.5], merge=1e-12).n_atoms == 1


def test_laws_are_frozen_and_hashable() -> None:
    source = np.array([0.0, 1.0])
    law = FiniteLaw(source, np.array([0.5, 0.5]))
    source[0] = -7.0
    assert law.atoms[0] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        law.atoms[0] = 1.0
    assert len({law, FiniteLaw.from_atoms([1, 0], [0.5, 0.5])}) == 1
    assert law != FiniteLaw.dirac(0.0)


@pytest.mark.parametrize(("atoms", "masses"), [([1.0, 0.0], [0.5, 0.5]), ([0.0, 0.0], [0.5, 0.5])])
def test_constructor_wants_increasing_atoms(atoms: list[float], masses: list[float]) -> None:
    with pytest.raises(ValueError, match="strictly increasing"):
        FiniteLaw(np.array(atoms), np.array(masses))


def test_constructor_wants_positive_masses() -> None:
    with pytest.raises(ValueError, match="entry 0 is 0"):
        FiniteLaw(np.array([0.0, 1.0]), np.array([0.0, 1.0]))


@given(laws(), st.integers(-6, 6), st.integers(-6, 6))
def test_affine_moves_mean_and_variance(law: FiniteLaw, scale: int, shift: int) -> None:
    moved = law.affine(scale / 2, shift / 4)
    assert np.all(np.diff(moved.atoms) > 0)
    np.testing.assert_allclose(moved.mean(), scale / 2 * law.mean() + shift / 4, atol=1e-12)
    np.testing.assert_allclose(moved.variance(), (scale / 2) ** 2 * law.variance(), atol=1e-12)
    assert moved.allclose(law.scale(scale / 2).shift(shift / 4))
    assert moved.allclose(law.push(lambda x: scale / 2 * x + shift / 4))


@given(laws(), laws())
def test_convolution_is_the_law_of_the_sum(p: FiniteLaw, q: FiniteLaw) -> None:
    table: dict[float, float] = {}
    for (x, m), (y, w) in product(p, q):
        table[x + y] = table.get(x + y, 0.0) + m * w
    total = p.convolve(q)
    assert total.atoms.tolist() == sorted(table)
    np.testing.assert_allclose(total.masses, [table[x] for x in sorted(table)], rtol=1e-13)
    np.testing.assert_allclose(total.variance(), p.variance() + q.variance(), atol=1e-11)


def test_convolution_power_is_binomial() -> None:
    coin = FiniteLaw.from_atoms([0, 1], [0.75, 0.25])
    np.testing.assert_allclose(
        coin.convolution_power(3).masses, [27 / 64, 27 / 64, 9 / 64, 1 / 64], rtol=1e-14
    )
    assert coin.convolution_power(0) == FiniteLaw.dirac(0.0)
    with pytest.raises(ValueError, match="count"):
        coin.convolution_power(-1)


@given(laws(), laws(), st.integers(0, 8))
def test_mixture_is_linear_in_expectations(p: FiniteLaw, q: FiniteLaw, eighths: int) -> None:
    w = eighths / 8
    mixed = FiniteLaw.mix([p, q], [w, 1 - w])
    for utility in (np.abs, np.square, lambda x: np.minimum(x, 0.0)):
        expected = w * p.expectation(utility) + (1 - w) * q.expectation(utility)
        np.testing.assert_allclose(mixed.expectation(utility), expected, atol=1e-12)
    grid = np.linspace(-6, 6, 49)
    np.testing.assert_allclose(mixed.cdf(grid), w * p.cdf(grid) + (1 - w) * q.cdf(grid), atol=1e-14)


def test_mixture_checks_its_weights() -> None:
    with pytest.raises(ValueError, match="weights: expected shape"):
        FiniteLaw.mix([FiniteLaw.dirac(0)], [0.5, 0.5])
    with pytest.raises(ValueError, match="weights: expected the sum 1"):
        FiniteLaw.mix([FiniteLaw.dirac(0)], [0.5])


@given(laws(), st.integers(0, 64))
def test_quantile_is_the_left_continuous_inverse(law: FiniteLaw, numerator: int) -> None:
    level = numerator / 64
    q = law.quantile(level)
    assert law.cdf(q) >= level - 1e-12
    below = law.atoms[law.atoms < q]
    if below.size:
        assert law.cdf(below[-1]) < level - 1e-12


def test_quantile_forgives_rounded_sums() -> None:
    law = FiniteLaw.from_atoms([0, 1, 2], [0.1, 0.2, 0.7])
    assert 0.1 + 0.2 > 0.3
    assert law.quantile(0.3) == 1.0
    assert law.quantile(0.1 + 0.2) == 1.0
    assert FiniteLaw.from_atoms([0, 1], [0.7 + 0.1, 0.2]).quantile(0.8) == 0.0
    assert law.quantile([0.0, 1.0]).tolist() == [0.0, 2.0]
    with pytest.raises(ValueError, match="level"):
        law.quantile(1.5)


@given(
    st.lists(
        st.tuples(st.integers(-9, 9), st.integers(1, 5)), min_size=1, max_size=6, unique_by=lambda t: t[0]
    ),
    st.integers(1, 20),
)
def test_cvar_against_rationals(pairs: list[tuple[int, int]], twentieths: int) -> None:
    total = sum(w for _, w in pairs)
    law = FiniteLaw.from_atoms([x for x, _ in pairs], [w / total for _, w in pairs])
    level = remaining = Fraction(twentieths, 20)
    integral = Fraction(0)
    for x, w in sorted(pairs):
        taken = min(remaining, Fraction(w, total))
        integral, remaining = integral + taken * x, remaining - taken
    np.testing.assert_allclose(law.cvar(float(level)), float(integral / level), atol=1e-12)


def test_cvar_of_vectors_and_its_range() -> None:
    law = FiniteLaw.from_atoms([-7, -5, -2, 0, 2, 4], [0.028, 0.012, 0.016, 0.144, 0.512, 0.288])
    np.testing.assert_allclose(law.cvar([0.25, 1.0]), [-0.752, law.mean()], rtol=0, atol=1e-14)
    with pytest.raises(ValueError, match="level"):
        law.cvar(0.0)


def test_cdf_is_right_continuous_and_reaches_one() -> None:
    law = FiniteLaw.from_atoms(np.arange(10), np.full(10, 0.1))
    assert law.cdf(-1e-9) == 0.0
    assert law.cdf(0.0) == 0.1
    assert law.cdf(9.0) == 1.0
    assert law.cumulative[-1] == 1.0


def test_allclose_identifies_split_atoms_and_sees_moved_mass() -> None:
    one = FiniteLaw.from_atoms([0.0, 1.0], [0.5, 0.5])
    split = FiniteLaw.from_atoms([0.0, 1e-14, 1.0], [0.25, 0.25, 0.5])
    assert one.allclose(split)
    assert split.allclose(one)
    assert not one.allclose(split, atol=0.0)
    assert not one.allclose(FiniteLaw.from_atoms([0.0, 1.0], [0.5 + 1e-9, 0.5 - 1e-9]))
    assert not one.allclose(one.shift(1e-9))


def test_common_support_holds_every_law() -> None:
    atoms, masses = common_support([FiniteLaw.dirac(1.0), FiniteLaw.from_atoms([0, 1], [0.25, 0.75])])
    assert atoms.tolist() == [0.0, 1.0]
    assert masses.tolist() == [[0.0, 1.0], [0.25, 0.75]]


def test_utilities_must_keep_the_shape() -> None:
    with pytest.raises(ValueError, match="utility"):
        FiniteLaw.dirac(0.0).expectation(lambda x: np.zeros(2))
    with pytest.raises(ValueError, match="function"):
        FiniteLaw.dirac(0.0).push(lambda x: np.full(1, np.nan))
