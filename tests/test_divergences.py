"""Divergences: known values, conventions at zero, Fenchel-Young and derivative checks of the table."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab.divergences import (
    CHI_SQUARE,
    KL,
    TOTAL_VARIATION,
    FDivergence,
    entropy,
    f_divergence,
    jeffreys,
    kl,
    kl_from_logs,
    total_variation,
)

TABLE = (KL, CHI_SQUARE, TOTAL_VARIATION)
masses = st.floats(0.0, 1e3, allow_subnormal=False)
slopes = st.floats(-20.0, 20.0)


def test_printed_value() -> None:
    pi = np.array([0.5012456339, 0.1963810938, 0.3023732722])
    assert kl(pi, [0.5, 0.3, 0.2]) == pytest.approx(0.04301998357, abs=1e-9)


def test_conventions_at_zero() -> None:
    assert kl([0.0, 1.0], [0.5, 0.5]) == np.log(2.0)
    assert kl([0.5, 0.5], [0.0, 1.0]) == np.inf
    assert kl_from_logs([-np.inf, 0.0], [-np.inf, 0.0]) == 0.0
    assert jeffreys([0.0, 1.0], [0.0, 1.0]) == 0.0
    assert jeffreys([0.0, 1.0], [0.5, 0.5]) == np.inf
    assert entropy([0.0, 1.0]) == 0.0
    assert total_variation([0.0, 1.0], [1.0, 0.0]) == 1.0


def test_masses_below_the_smallest_float() -> None:
    """From logs the divergence of laws that underflow is finite; the ratio of tiny masses does not overflow."""
    assert kl_from_logs([-800.0, 0.0], [-900.0, 0.0]) == 0.0
    assert kl_from_logs([np.log(0.5)] * 2, [-900.0, 0.0]) == pytest.approx(450.0 - np.log(2.0))
    assert kl([1.0, 0.0], [5e-324, 1.0]) == pytest.approx(-np.log(5e-324))
    assert KL.divergence([1.0, 0.0], [5e-324, 1.0]) == pytest.approx(-np.log(5e-324))


def test_jeffreys_keeps_its_accuracy_near_equality() -> None:
    p = np.array([0.5, 0.5])
    q = p + np.array([1e-9, -1e-9])
    assert jeffreys(p, q) == pytest.approx(4e-18, rel=1e-6)


def test_last_axis_and_broadcasting() -> None:
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(4), (3, 2)), rng.dirichlet(np.ones(4))
    for function in (kl, jeffreys, total_variation, CHI_SQUARE.divergence):
        rows = [[function(p[i, j], q) for j in range(2)] for i in range(3)]
        np.testing.assert_allclose(function(p, q), rows, rtol=1e-14)
    np.testing.assert_allclose(jeffreys(p, q), kl(p, q) + kl(q, p), rtol=1e-12)


@pytest.mark.parametrize("function", [kl, jeffreys, total_variation, KL.divergence])
def test_negative_mass_is_refused(function: object) -> None:
    with pytest.raises(ValueError, match="q: entry"):
        function([0.5, 0.5], [-0.1, 1.1])  # type: ignore[operator]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_divergences_of_the_table(row: FDivergence) -> None:
    rng = np.random.default_rng(1)
    p, q = rng.dirichlet(np.ones(5), 20), rng.dirichlet(np.ones(5), 20)
    naive = {
        "kl": (p * np.log(p / q)).sum(-1),
        "chi-square": ((p - q) ** 2 / q).sum(-1),
        "total-variation": 0.5 * np.abs(p - q).sum(-1),
    }
    np.testing.assert_allclose(row.divergence(p, q), naive[row.name], rtol=1e-10)
    np.testing.assert_array_equal(row.divergence(p, p), 0.0)
    assert f_divergence(row.name) is row
    assert f_divergence(row) is row


def test_mass_outside_the_support() -> None:
    assert TOTAL_VARIATION.divergence([0.5, 0.5], [1.0, 0.0]) == total_variation([0.5, 0.5], [1.0, 0.0])
    assert KL.divergence([0.5, 0.5], [1.0, 0.0]) == np.inf
    assert CHI_SQUARE.divergence([1.0, 0.0], [1.0, 0.0]) == 0.0


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
@given(x=masses, y=slopes)
def test_fenchel_young(row: FDivergence, x: float, y: float) -> None:
    """``x y <= f(x) + f*_p(y)`` for all ``x >= 0``, with equality at ``x = w(y)``; the plain one is larger."""
    bound = float(row.generator(np.array(x)) + row.conjugate(np.array(y)))
    assert x * y <= bound + 1e-12 * (1.0 + abs(x * y) + abs(bound))
    if y <= row.domain_upper:
        w = row.weight(np.array(y))
        assert w >= 0.0
        value = float(row.generator(w) + row.conjugate(np.array(y)))
        assert value == pytest.approx(float(w * y), rel=1e-9, abs=1e-12)
    else:
        assert row.conjugate(np.array(y)) == np.inf
    assert row.plain_conjugate(np.array(y)) >= row.conjugate(np.array(y)) - 1e-12


@pytest.mark.parametrize("row", [KL, CHI_SQUARE], ids=lambda row: row.name)
@given(y=slopes.filter(lambda y: abs(y + 2.0) > 1e-3))
def test_derivatives(row: FDivergence, y: float) -> None:
    step = 1e-5 * (1.0 + abs(y))
    low, high = np.array(y - step), np.array(y + step)
    if (y - step + 2.0) * (y + step + 2.0) <= 0.0:
        return
    for function, derivative in (
        (row.conjugate, row.weight),
        (row.weight, row.weight_derivative),
        (row.plain_conjugate, row.plain_weight),
    ):
        slope = float((function(high) - function(low)) / (2.0 * step))
        expected = float(derivative(np.array(y)))
        assert slope == pytest.approx(expected, rel=1e-6, abs=1e-7 * (1.0 + abs(expected)) + 1e-9)


@pytest.mark.parametrize("row", [KL, CHI_SQUARE], ids=lambda row: row.name)
def test_weights_invert_the_derivative(row: FDivergence) -> None:
    x = np.array([1e-3, 0.2, 1.0, 3.0, 50.0])
    np.testing.assert_allclose(row.weight(row.derivative(x)), x, rtol=1e-12)
    np.testing.assert_allclose(row.plain_weight(row.derivative(x)), x, rtol=1e-12)
    assert row.generator(np.ones(1)) == 0.0
    assert row.derivative(np.ones(1)) == 0.0


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
@given(x=masses, y=masses, t=st.floats(0.0, 1.0))
def test_generators_are_convex(row: FDivergence, x: float, y: float, t: float) -> None:
    f = row.generator
    chord = t * float(f(np.array(x))) + (1.0 - t) * float(f(np.array(y)))
    assert float(f(np.array(t * x + (1.0 - t) * y))) <= chord + 1e-9 * (1.0 + abs(chord))


@pytest.mark.parametrize("row", [KL, CHI_SQUARE], ids=lambda row: row.name)
def test_modulus_of_strong_convexity(row: FDivergence) -> None:
    """The Bregman divergence of ``D_f(. || q)`` is at least ``m/2`` times the squared 1-norm; 2 m fails."""
    rng = np.random.default_rng(2)
    ratios = []
    for _ in range(2000):
        q, p = rng.dirichlet([1.0, 1.0]), rng.dirichlet([1.0, 1.0])
        z = p + rng.uniform(-0.05, 0.05) * np.array([1.0, -1.0]) * p.min()
        bregman = row.divergence(z, q) - row.divergence(p, q) - row.derivative(p / q) @ (z - p)
        ratios.append(float(bregman) / (0.5 * np.abs(z - p).sum() ** 2))
    assert min(ratios) >= row.modulus * (1.0 - 1e-3)
    assert min(ratios) <= row.modulus * 1.2


def test_unknown_name() -> None:
    with pytest.raises(ValueError, match=r"'hellinger'.*'kl', 'chi-square', 'total-variation'"):
        f_divergence("hellinger")
