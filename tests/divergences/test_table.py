"""The table of f-divergences: conjugacy, inverses, boundaries, accuracy against 60 digits, limits of the alpha family."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from mdplab.divergences import (
    CHI_SQUARE,
    HELLINGER,
    JEFFREYS,
    KL,
    SWAPPED_KL,
    TOTAL_VARIATION,
    FDivergence,
    alpha_divergence,
    f_divergence,
    jeffreys,
    kl,
    total_variation,
)

NAMED = (KL, SWAPPED_KL, JEFFREYS, CHI_SQUARE, TOTAL_VARIATION, HELLINGER)
ORDERS = (-1.0, -1e-9, 0.3, 1.0 - 1e-9, 1.5, 3.0)
TABLE = NAMED + tuple(alpha_divergence(order) for order in ORDERS)
SMOOTH = tuple(row for row in TABLE if row.smooth)
masses = st.floats(0.0, 1e3, allow_subnormal=False)
slopes = st.floats(-20.0, 20.0)


def label(row: FDivergence) -> str:
    return row.name if row.name != "alpha" else f"alpha({row.order:.10g})"


def each(rows: tuple[FDivergence, ...]) -> Any:
    return pytest.mark.parametrize("row", rows, ids=label)


def exact_generator(row: FDivergence, x: Any) -> Any:
    """``f(x)`` in mpmath, by the formula of the table."""
    order = {"kl": 1, "swapped-kl": 0}.get(row.name, None if row.name != "alpha" else mpmath.mpf(row.order))
    if row.name == "jeffreys":
        return (x - 1) * mpmath.log(x)
    if row.name == "chi-square":
        return (x - 1) ** 2
    if row.name == "total-variation":
        return abs(x - 1) / 2
    if row.name == "hellinger":
        return (mpmath.sqrt(x) - 1) ** 2
    if order == 1:
        return x * mpmath.log(x) - x + 1
    if order == 0:
        return -mpmath.log(x) + x - 1
    return (x**order - order * x + order - 1) / (order * (order - 1))


def exact_weight(row: FDivergence, y: Any) -> Any:
    """The maximiser of ``x y - f(x)`` over ``x >= 0`` in mpmath."""
    if row.name == "jeffreys":
        return 1 / mpmath.lambertw(mpmath.exp(1 - y)).real
    if row.name == "chi-square":
        return max(mpmath.mpf(0), 1 + y / 2)
    if row.name == "total-variation":
        return mpmath.mpf(0 if y < -0.5 else 1)
    if row.name == "hellinger":
        return 1 / (1 - y) ** 2
    less = {"kl": 1, "swapped-kl": 0}.get(row.name, mpmath.mpf(row.order)) - 1
    if less == 0:
        return mpmath.exp(y)
    return max(1 + less * y, mpmath.mpf(0)) ** (1 / less)


def exact_conjugate(row: FDivergence, y: Any) -> Any:
    x = exact_weight(row, y)
    return -mpmath.mpf(row.at_zero) if x == 0 else x * y - exact_generator(row, x)


RATIOS = [
    1e-300,
    1e-20,
    1e-3,
    0.5,
    0.7,
    1 - 1e-4,
    1 - 1e-9,
    1 + 1e-15,
    1 + 1e-7,
    1.01,
    1.5,
    2.0,
    40.0,
    1e6,
    1e90,
]


@each(TABLE)
def test_generators_against_many_digits(row: FDivergence) -> None:
    for x in RATIOS:
        check_generator(row, x)


def check_generator(row: FDivergence, x: float) -> None:
    with mpmath.workdps(60 if row.order not in (-1e-9, 1 - 1e-9) else 120):
        exact = exact_generator(row, mpmath.mpf(x))
        if exact > 1e308:
            assert row.generator(x) == math.inf
            return
        assert abs(float(row.generator(x)) / exact - 1) < 3e-13 * (1 + abs(math.log(x)))


ARGUMENTS = [
    -1e300,
    -1e12,
    -700.0,
    -30.0,
    -3.0,
    -1.0,
    -0.3,
    -1e-8,
    1e-15,
    1e-6,
    0.1,
    0.4,
    0.9,
    1 - 1e-9,
    5.0,
    30.0,
    600.0,
]


@each(TABLE)
def test_conjugates_against_many_digits(row: FDivergence) -> None:
    for y in ARGUMENTS:
        check_conjugate(row, y)


def check_conjugate(row: FDivergence, y: float) -> None:
    if y >= row.domain_upper:
        beyond = np.nextafter(max(y, row.domain_upper), np.inf)
        assert row.conjugate(beyond) == math.inf
        assert np.isnan(row.weight(beyond))
        return
    with mpmath.workdps(900):  # the formula for Jeffreys cancels by exp(-600)
        point = mpmath.mpf(y)
        conjugate, weight = exact_conjugate(row, point), exact_weight(row, point)
        if weight > 1e308 or conjugate > 1e308:
            assert row.weight(y) == math.inf or row.conjugate(y) == math.inf
            return
        # rounding of y moves a value by the condition number y w / f*, and that of the distance from the edge
        distance = 1 + abs(y) if math.isinf(row.domain_upper) else 1 + abs(y) + 1 / (row.domain_upper - y)
        room = 2e-13 * (1.0 if abs(y) > 1e100 else distance)
        assert abs(float(row.conjugate(y)) - conjugate) <= room * abs(conjugate) + 1e-300
        assert abs(float(row.weight(y)) - weight) <= room * weight + 1e-300


@each(TABLE)
@given(x=masses, y=slopes)
def test_fenchel_young(row: FDivergence, x: float, y: float) -> None:
    """``x y <= f(x) + f*_p(y)`` for all ``x >= 0``, with equality at ``x = w(y)``; the plain one is larger."""
    bound = float(row.generator(x) + row.conjugate(y))
    assert x * y <= bound + 1e-12 * (1.0 + abs(x * y) + abs(bound))
    if y < row.domain_upper:
        w = row.weight(y)
        assert w >= 0.0
        if w > 0.0 or np.isfinite(row.at_zero):
            value = float(row.generator(w) + row.conjugate(y))
            assert value == pytest.approx(float(w * y), rel=1e-9, abs=1e-12)
    elif y > row.domain_upper:
        assert row.conjugate(y) == np.inf
    assert row.plain_conjugate(y) >= row.conjugate(y) - 1e-12


@each(TABLE)
@given(y=st.floats(-15.0, 3.0))
def test_corrected_conjugate_is_the_supremum(row: FDivergence, y: float) -> None:
    """By bounded scalar maximisation over ``log x``, which knows nothing of weights."""
    assume(y < row.domain_upper - 0.05)
    best = -row.at_zero
    for low, high in ((-40.0, 0.0), (0.0, 40.0)):
        found = minimize_scalar(
            lambda t: float(row.generator(math.exp(t))) - math.exp(t) * y, bounds=(low, high), method="bounded",
            options={"xatol": 1e-10},
        )  # fmt: skip
        best = max(best, -float(found.fun))
    assert float(row.conjugate(y)) == pytest.approx(best, rel=1e-8, abs=1e-9)


@each(SMOOTH)
@given(y=slopes)
def test_derivatives(row: FDivergence, y: float) -> None:
    assume(y < row.domain_upper - 1e-2)
    step = 1e-5 * min(1.0 + abs(y), row.domain_upper - y)
    assume(abs(y - row.slope_at_zero) > 0.05)
    for function, derivative in ((row.conjugate, row.weight), (row.weight, row.weight_derivative)):
        slope = float((function(y + step) - function(y - step)) / (2.0 * step))
        expected = float(derivative(y))
        assert slope == pytest.approx(expected, rel=1e-5, abs=1e-7 * (1.0 + abs(expected)) + 1e-9)


@each(SMOOTH)
@given(x=st.floats(1e-3, 50.0))
def test_weights_invert_the_derivative(row: FDivergence, x: float) -> None:
    y = float(row.derivative(x))
    assert y > row.slope_at_zero
    # far out on a finite domain the argument is known to eps of the edge only
    room = 1e-12 if math.isinf(row.domain_upper) else 1e-12 + 1e-14 / (row.domain_upper - y)
    assert float(row.weight(y)) == pytest.approx(x, rel=room)
    assert float(row.plain_weight(y)) == pytest.approx(x, rel=room)
    slope = float(row.generator(x * 1.0001) - row.generator(x * 0.9999)) / (0.0002 * x)
    assert slope == pytest.approx(y, rel=1e-4, abs=1e-4)


@each(TABLE)
@given(x=masses, y=masses, t=st.floats(0.0, 1.0))
def test_generators_are_convex(row: FDivergence, x: float, y: float, t: float) -> None:
    f = row.generator
    assume(0.0 < t < 1.0 or np.isfinite(f(x) + f(y)))  # not 0 times infinity
    chord = t * float(f(x)) + (1.0 - t) * float(f(y))
    assert float(f(t * x + (1.0 - t) * y)) <= chord + 1e-9 * (1.0 + abs(chord))


@each(TABLE)
def test_boundaries(row: FDivergence) -> None:
    assert row.generator(1.0) == 0.0
    assert row.derivative(1.0) == 0.0
    assert row.generator(0.0) == row.at_zero
    assert row.derivative(0.0) == pytest.approx(row.slope_at_zero)
    # at 1e300 the quotient has come within 1e-90 of a finite slope unless the order is near one
    quotient = float(row.generator(1e150)) / 1e150
    if math.isinf(row.domain_upper):
        assert quotient > 300.0
        assert row.conjugate(1e6) > 1e6
    elif row.order != 1.0 - 1e-9:
        assert quotient == pytest.approx(row.domain_upper, rel=1e-9)
    if math.isfinite(row.slope_at_zero):
        below = row.slope_at_zero - 1.0
        assert row.weight(below) == 0.0
        assert row.conjugate(below) == pytest.approx(-row.at_zero)
    else:
        assert row.weight(-100.0) > 0.0


@each(TABLE)
def test_divergence_of_laws(row: FDivergence) -> None:
    rng = np.random.default_rng(1)
    p, q = rng.dirichlet(np.ones(5), 20), rng.dirichlet(np.ones(5), 20)
    np.testing.assert_array_equal(row.divergence(p, p), 0.0)
    with mpmath.workdps(60):
        exact = [
            sum(mpmath.mpf(b) * exact_generator(row, mpmath.mpf(a) / mpmath.mpf(b)) for a, b in zip(*pair, strict=True))
            for pair in zip(p, q, strict=True)
        ]  # fmt: skip
        np.testing.assert_allclose(row.divergence(p, q), np.array([float(x) for x in exact]), rtol=1e-13)
    # near equality every divergence with f'' is f''(1)/2 times the chi-square
    if row.smooth:
        bent = q * (1.0 + 1e-7 * (rng.uniform(-1.0, 1.0, q.shape)))
        curvature = {"jeffreys": 2.0, "chi-square": 2.0, "hellinger": 0.5}.get(row.name, 1.0)
        near = 0.5 * curvature * CHI_SQUARE.divergence(bent, q)
        np.testing.assert_allclose(row.divergence(bent, q), near, rtol=1e-6)


def test_named_rows_are_the_divergences_of_their_names() -> None:
    rng = np.random.default_rng(2)
    p, q = rng.dirichlet(np.ones(4), 30), rng.dirichlet(np.ones(4), 30)
    np.testing.assert_allclose(KL.divergence(p, q), kl(p, q), rtol=1e-10)
    np.testing.assert_allclose(SWAPPED_KL.divergence(p, q), kl(q, p), rtol=1e-10)
    np.testing.assert_allclose(JEFFREYS.divergence(p, q), jeffreys(p, q), rtol=1e-12)
    np.testing.assert_allclose(TOTAL_VARIATION.divergence(p, q), total_variation(p, q), rtol=1e-12)
    np.testing.assert_allclose(HELLINGER.divergence(p, q), 2.0 - 2.0 * np.sqrt(p * q).sum(-1), rtol=1e-10)
    np.testing.assert_allclose(CHI_SQUARE.divergence(p, q), (p**2 / q).sum(-1) - 1.0, rtol=1e-10)


@given(
    order=st.floats(1e-15, 1e-3),
    y=st.floats(-5.0, 0.9),
    x=st.floats(1e-3, 50.0),
    at=st.sampled_from([0.0, 1.0]),
)
def test_alpha_tends_to_the_two_kls(order: float, y: float, x: float, at: float) -> None:
    """The distance from the limit is of the size of the distance of the orders: no cancellation on the way."""
    limit = SWAPPED_KL if at == 0.0 else KL
    for sign in (-1.0, 1.0):
        row = alpha_divergence(at + sign * order)
        step = abs(row.order - at)
        scale = step * (1.0 + abs(math.log(x))) ** 2 + 1e-13
        assert float(row.generator(x)) == pytest.approx(float(limit.generator(x)), rel=10.0 * scale)
        room = 500.0 * step + 1e-12
        assert float(row.conjugate(y)) == pytest.approx(float(limit.conjugate(y)), rel=room, abs=1e-15)
        assert float(row.weight(y)) == pytest.approx(float(limit.weight(y)), rel=room)
        assert float(row.weight_derivative(y)) == pytest.approx(float(limit.weight_derivative(y)), rel=room)


@pytest.mark.parametrize(
    ("order", "row", "factor"),
    [(0.0, SWAPPED_KL, 1.0), (1.0, KL, 1.0), (2.0, CHI_SQUARE, 2.0), (0.5, HELLINGER, 0.5)],
)
def test_members_of_the_alpha_family(order: float, row: FDivergence, factor: float) -> None:
    """``f = factor f_a`` has conjugate ``factor f_a*(y / factor)``."""
    alpha = alpha_divergence(order)
    x, y = np.geomspace(1e-6, 1e6, 60), np.linspace(-8.0, 0.95, 80)
    np.testing.assert_allclose(row.generator(x), factor * alpha.generator(x), rtol=1e-12)
    np.testing.assert_allclose(row.derivative(x), factor * alpha.derivative(x), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(row.conjugate(y), factor * alpha.conjugate(y / factor), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(row.weight(y), alpha.weight(y / factor), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(
        row.weight_derivative(y), alpha.weight_derivative(y / factor) / factor, rtol=1e-12
    )
    assert row.at_zero == pytest.approx(factor * alpha.at_zero)
    assert row.domain_upper == pytest.approx(factor * alpha.domain_upper)
    assert row.slope_at_zero == pytest.approx(factor * alpha.slope_at_zero)


@each(TABLE)
def test_zeros_of_either_law(row: FDivergence) -> None:
    half = np.array([0.5, 0.5])
    off = float(row.divergence(half, [1.0, 0.0]))
    assert off == pytest.approx(float(row.generator(0.5)) + 0.5 * row.domain_upper)
    missing = float(row.divergence([1.0, 0.0], half))
    assert missing == pytest.approx(0.5 * float(row.generator(2.0)) + 0.5 * row.at_zero)
    assert row.divergence([1.0, 0.0], [1.0, 0.0]) == 0.0


@each(TABLE)
def test_nothing_overflows_aloud(row: FDivergence) -> None:
    """Warnings are errors here: extreme masses and arguments give numbers or infinities, never NaN."""
    sizes = np.array([0.0, 5e-324, 1e-300, 1e-8, 1.0, 1e8, 1e300])
    p, q = (a.ravel() for a in np.meshgrid(sizes, sizes))
    assert not np.isnan(row.divergence(p[:, None], q[:, None])).any()
    assert not np.isnan(row.generator(sizes)).any()
    y = np.concatenate([-np.geomspace(1e308, 1e-320, 200), [0.0], np.geomspace(1e-320, 1e308, 200)])
    y = y[y < row.domain_upper]
    for function in (row.conjugate, row.weight, row.weight_derivative):
        assert not np.isnan(function(y)).any()
    for function in (row.conjugate, row.weight):
        assert (function(y)[1:] >= function(y)[:-1] * (1.0 - 1e-14 * np.sign(function(y)[:-1]))).all()


def test_masses_below_the_smallest_float() -> None:
    assert KL.divergence([1.0, 0.0], [5e-324, 1.0]) == pytest.approx(-np.log(5e-324))
    assert SWAPPED_KL.divergence([5e-324, 1.0], [1.0, 0.0]) == pytest.approx(-np.log(5e-324) - 1.0 + 1.0)


@each((KL, CHI_SQUARE, JEFFREYS, alpha_divergence(1.5)))
def test_modulus_of_strong_convexity(row: FDivergence) -> None:
    """The Bregman divergence of ``D_f(. || q)`` is at least ``m/2`` times the squared 1-norm; 2 m fails."""
    rng = np.random.default_rng(2)
    q, p = rng.dirichlet([0.3, 0.3], 8000) + 1e-9, rng.dirichlet([0.3, 0.3], 8000) + 1e-9
    z = p + rng.uniform(-0.05, 0.05, (8000, 1)) * np.array([1.0, -1.0]) * p.min(1, keepdims=True)
    bregman = row.divergence(z, q) - row.divergence(p, q) - (row.derivative(p / q) * (z - p)).sum(1)
    size = np.abs(z - p).sum(1)
    ratios = (bregman / (0.5 * size**2))[size > 1e-4]
    assert min(ratios) >= row.modulus * (1.0 - 1e-3)
    if row is not JEFFREYS:  # its bound is approached for ever larger ratios only
        assert min(ratios) <= row.modulus * 1.3


def test_the_plain_chi_square_has_no_corner() -> None:
    np.testing.assert_allclose(CHI_SQUARE.plain_weight(np.array([-4.0, 0.0, 2.0])), [-1.0, 1.0, 2.0])
    assert CHI_SQUARE.plain_conjugate(-6.0) == 3.0
    assert CHI_SQUARE.conjugate(-6.0) == -1.0


def test_unknown_name() -> None:
    for row in NAMED:
        assert f_divergence(row.name) is row
        assert f_divergence(row) is row
    with pytest.raises(ValueError, match=r"'renyi'.*'kl', 'swapped-kl', 'jeffreys', 'chi-square'"):
        f_divergence("renyi")
    with pytest.raises(ValueError, match="order: inf"):
        alpha_divergence(np.inf)
