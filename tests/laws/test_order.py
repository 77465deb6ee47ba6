"""Law of the best of n: known values, rationals and enumeration."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab.enumeration import best_of_n_enumerated
from mdplab.laws import best_of_n, log_best_of_n, win_rate, worst_of_n

BASE = np.array([0.1, 0.2, 0.3, 0.25, 0.15])
SCORE = np.array([0.0, 0.2, 0.5, 0.7, 1.0])


def divergence(q: np.ndarray, p: np.ndarray) -> float:
    kept = q > 0
    return float(q[kept] @ np.log(q[kept] / p[kept]))


@pytest.mark.parametrize(
    ("n", "kl", "bound", "mean"),
    [
        (2, 0.1806293553, 0.1931471806, 0.68225),
        (4, 0.5946261496, 0.6362943611, 0.815028125),
        (16, 1.592786481, 1.835088722, 0.9776682506),
    ],
)
def test_known_values(n: int, kl: float, bound: float, mean: float) -> None:
    best = best_of_n(BASE, SCORE, n)
    assert divergence(best, BASE) == pytest.approx(kl, abs=6e-10)
    assert np.log(n) - (n - 1) / n == pytest.approx(bound, abs=6e-10)
    assert best @ SCORE == pytest.approx(mean, abs=6e-11)
    assert win_rate(best, BASE, SCORE) <= n / (n + 1)


def test_known_values_of_uniform_laws() -> None:
    uniform = np.full(2000, 1 / 2000)
    assert divergence(best_of_n(uniform, np.arange(2000.0), 4), uniform) == pytest.approx(
        0.6362941736, abs=6e-11
    )
    half = np.full(2, 0.5)
    assert divergence(best_of_n(half, [0.0, 1.0], 4), half) == pytest.approx(0.4593555219, abs=6e-11)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), min_size=1, max_size=4).filter(
        lambda pairs: any(w for w, _ in pairs)
    ),
    st.integers(1, 4),
)
def test_against_enumeration(pairs: list[tuple[int, int]], n: int) -> None:
    weights = np.array([w for w, _ in pairs], dtype=float)
    probability = weights / weights.sum()
    score = np.array([r for _, r in pairs], dtype=float)
    best = best_of_n(probability, score, n)
    np.testing.assert_allclose(best, best_of_n_enumerated(probability, score, n), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(
        worst_of_n(probability, score, n),
        best_of_n_enumerated(probability, -score, n),
        rtol=1e-12,
        atol=1e-15,
    )
    assert best.sum() == pytest.approx(1.0, abs=1e-13)


@pytest.mark.parametrize("n", [1, 7, 1000, 10**6])
def test_large_n_against_rationals(n: int) -> None:
    """Small classes next to large ones: the direct difference of powers keeps no digit here."""
    exact = [Fraction(1, 2), Fraction(1, 2**50), Fraction(1, 2**20), Fraction(0)]
    exact[3] = 1 - sum(exact)
    p = np.array([float(x) for x in exact])
    got = log_best_of_n(p, [1.0, 3.0, 2.0, 0.0], n)
    order = [3, 0, 2, 1]
    below = Fraction(0)
    for i in order:
        upto = below + exact[i]
        if n <= 1000:
            want = upto**n - below**n
            logarithm = np.log(float(want)) if want > Fraction(1, 10**300) else None
        else:
            # log(U^n - L^n) by expansions in high precision: the factors are far from cancelling.
            logarithm = _log_difference(upto, below, n)
        if logarithm is not None:
            assert got[i] == pytest.approx(logarithm, rel=1e-10, abs=1e-10)
        below = upto


def _log_difference(upto: Fraction, below: Fraction, n: int) -> float:
    from decimal import Decimal, localcontext

    with localcontext() as context:
        context.prec = 60
        u = Decimal(upto.numerator) / Decimal(upto.denominator)
        low = Decimal(below.numerator) / Decimal(below.denominator)
        ratio = (low / u).ln() * n if low else None
        factor = Decimal(1) if ratio is None or ratio < -400 else 1 - ratio.exp()
        return float(u.ln() * n + factor.ln())


def test_one_draw_is_the_base_law() -> None:
    np.testing.assert_allclose(best_of_n(BASE, [0, 0, 1, 1, 1], 1), BASE, rtol=1e-14)


def test_win_rate_is_antisymmetric() -> None:
    other = np.array([0.3, 0.3, 0.2, 0.1, 0.1])
    ties = np.array([0.0, 0.0, 1.0, 1.0, 2.0])
    naive = sum(
        BASE[i] * other[j] * (float(ties[i] > ties[j]) + 0.5 * float(ties[i] == ties[j]))
        for i in range(5)
        for j in range(5)
    )
    assert win_rate(BASE, other, ties) == pytest.approx(naive, abs=1e-15)
    assert win_rate(BASE, other, ties) + win_rate(other, BASE, ties) == pytest.approx(1.0, abs=1e-15)


@pytest.mark.parametrize(
    ("probability", "score", "n", "message"),
    [
        ([0.5, 0.6], [0.0, 1.0], 2, "probability: expected the sum 1"),
        ([0.5, 0.5], [0.0, np.nan], 2, "score: entry 1"),
        ([0.5, 0.5], [0.0], 2, "one shape"),
        ([0.5, 0.5], [0.0, 1.0], 0, "n_draws"),
    ],
)
def test_bad_arguments_are_named(probability: list[float], score: list[float], n: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        best_of_n(probability, score, n)
