"""Rational laws: against loops over fractions and the laws of floats."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab import exact
from mdplab.exact import RationalLaw
from mdplab.laws import FiniteLaw
from mdplab.wasserstein import cramer, wasserstein

PAIRS = st.lists(st.tuples(st.integers(-6, 6), st.integers(1, 5)), min_size=1, max_size=5)


def law_of(pairs: list[tuple[int, int]]) -> RationalLaw:
    """Atoms in thirds, masses proportional to integers."""
    total = sum(weight for _, weight in pairs)
    return RationalLaw.from_atoms(
        [Fraction(atom, 3) for atom, _ in pairs], [Fraction(weight, total) for _, weight in pairs]
    )


LAWS = PAIRS.map(law_of)


def table(law: RationalLaw) -> dict[Fraction, Fraction]:
    return dict(zip(exact.fractions(law.atoms), exact.fractions(law.masses), strict=True))


@given(PAIRS)
def test_equal_atoms_merge_and_increase(pairs: list[tuple[int, int]]) -> None:
    expected: dict[Fraction, Fraction] = {}
    for atom, weight in pairs:
        place = Fraction(atom, 3)
        expected[place] = expected.get(place, Fraction(0)) + Fraction(weight, sum(w for _, w in pairs))
    assert list(table(law_of(pairs)).items()) == sorted(expected.items())


@given(LAWS, LAWS)
def test_sums_of_independent_variables(p: RationalLaw, q: RationalLaw) -> None:
    expected: dict[Fraction, Fraction] = {}
    for (x, a), (y, b) in product(table(p).items(), table(q).items()):
        expected[x + y] = expected.get(x + y, Fraction(0)) + a * b
    assert table(p.convolve(q)) == expected
    assert p.convolve(q).mean() == p.mean() + q.mean()
    assert p.convolve(q).variance() == p.variance() + q.variance()


def distribution(law: dict[Fraction, Fraction], x: Fraction) -> Fraction:
    return sum((m for atom, m in law.items() if atom <= x), Fraction(0))


@given(LAWS, LAWS)
def test_distances_by_their_integrals(p: RationalLaw, q: RationalLaw) -> None:
    """W_1 = int |F - G| dx and the Cramer distance, cell by cell; W_2 by equal quantiles on a common grid."""
    f, g = table(p), table(q)
    cells = sorted({*f, *g})
    first = square = Fraction(0)
    for x, y in pairwise(cells):
        gap = distribution(f, x) - distribution(g, x)
        first, square = first + abs(gap) * (y - x), square + gap**2 * (y - x)
    assert exact.fractions(exact.wasserstein_power(p, q, 1)) == first
    assert exact.fractions(exact.cramer_squared(p, q)) == square
    grid = np.lcm.reduce([int(m.denominator) for m in [*f.values(), *g.values()]])
    levels = [Fraction(2 * i + 1, 2 * int(grid)) for i in range(int(grid))]
    gaps = [abs(exact.fractions(p.quantile(u) - q.quantile(u))) for u in levels]
    assert exact.fractions(exact.wasserstein_power(p, q, 2)) == sum(x * x for x in gaps) / len(gaps)
    assert exact.fractions(exact.wasserstein_infinity(p, q)) == max(gaps)


@given(LAWS, LAWS)
def test_the_laws_of_floats_agree(p: RationalLaw, q: RationalLaw) -> None:
    def floats(law: RationalLaw) -> FiniteLaw:
        return FiniteLaw.from_atoms(exact.floats(law.atoms)[0], exact.floats(law.masses)[0])

    f, g = floats(p), floats(q)
    assert float(exact.wasserstein_power(p, q, 2)) == pytest.approx(wasserstein(f, g, 2) ** 2, abs=1e-12)
    assert float(exact.cramer_squared(p, q)) == pytest.approx(cramer(f, g) ** 2, abs=1e-12)
    for level in (0.1, 0.35, 1.0):
        assert float(p.cvar(level)) == pytest.approx(f.cvar(level), abs=1e-12)
        assert float(p.quantile(level)) == pytest.approx(f.quantile(level), abs=1e-12)
    assert float(p.variance()) == pytest.approx(f.variance(), abs=1e-12)


@given(PAIRS)
def test_a_law_survives_the_floats(pairs: list[tuple[int, int]]) -> None:
    """Thirds are read back; masses too where their floats sum to what was meant."""
    law = law_of([(atom, 1) for atom, _ in pairs[:4]])
    stored = FiniteLaw.from_atoms(exact.floats(law.atoms)[0], exact.floats(law.masses)[0])
    assert RationalLaw.of(stored) == law
    assert hash(RationalLaw.of(stored)) == hash(law)


def test_levels_are_reached_exactly() -> None:
    law = RationalLaw.from_atoms([1, 2, 3], [0.1, 0.2, 0.7])
    assert [law.quantile(u) for u in (0, 0.1, 0.3, Fraction(3, 10) + Fraction(1, 10**30), 1)] == [
        1,
        1,
        2,
        3,
        3,
    ]
    assert exact.fractions(law.cvar(0.3)) == Fraction(5, 3)
    assert law.cvar(1) == law.mean()
    assert law.cdf(2) == exact.rational(0.3)
    assert law.cdf(1.9) == exact.rational(0.1)


def test_transformations() -> None:
    law = RationalLaw.from_atoms([-1, 0, 1], [0.25, 0.5, 0.25])
    assert law.affine(-2, 1) == RationalLaw.from_atoms([3, 1, -1], [0.25, 0.5, 0.25])
    assert law.push(lambda x: x**2) == RationalLaw.from_atoms([0, 1], [0.5, 0.5])
    half = RationalLaw.from_atoms([-0.5, 0.5], [0.5, 0.5])
    assert half.convolution_power(2) == law
    assert half.convolution_power(0) == RationalLaw.from_atoms([0], [1])
    assert RationalLaw.mix([law, half], [0.5, 0.5]).mean() == 0
    moment = law.expectation(exact.exp)
    assert exact.overlap(moment, exact.rational(0.5) + (exact.exp(1) + exact.exp(-1)) / 4)
    assert repr(half) == "RationalLaw({-1/2: 1/2, 1/2: 1/2})"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda law: RationalLaw(law.atoms[::-1], law.masses), "atoms must increase"),
        (lambda law: RationalLaw(law.atoms, law.masses[:1]), "have the shapes"),
        (lambda law: RationalLaw(exact.log([1, 2]), law.masses), "atoms holds balls"),
        (lambda law: RationalLaw.from_atoms([1], [0.5, 0.5]), "have the lengths"),
        (lambda law: RationalLaw.mix([law], [0.5, 0.5]), "weights has shape"),
        (lambda law: law.quantile(2), "level is 2"),
        (lambda law: law.cvar(0), "level is 0"),
        (lambda law: law.convolution_power(-1), "count is -1"),
        (lambda law: exact.wasserstein_power(law, law, 0), "order is 0"),
    ],
)
def test_bad_input(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(RationalLaw.from_atoms([0, 1], [0.5, 0.5]))
