"""Normal laws carried by affine fields: closed forms, exact power series, a Runge-Kutta pair, edges."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from mdplab.laws import AffineField, Gaussian, flow_discrepancy, gaussian_flow

START = Gaussian(0.5, 2.0)
thirds = st.integers(-6, 6).map(lambda n: Fraction(n, 3))


def series(drift, shift, initial, terms=120):
    """Exact power series of ``y' = A y + c`` at 1, cut off where it is below 1e-40."""
    y = [initial]
    for k in range(terms):
        total = sum((a * y[k - j] for j, a in enumerate(drift) if j <= k), Fraction(0))
        y.append((total + (shift[k] if k < len(shift) else 0)) / (k + 1))
    return sum(y)


@given(st.lists(thirds, min_size=1, max_size=3), st.lists(thirds, min_size=1, max_size=4))
@settings(max_examples=40)
def test_errors_stay_within_their_bounds(drift, shift):
    field = AffineField(np.array(drift, dtype=float), np.array(shift, dtype=float))
    found = gaussian_flow(START, field)
    exact = [Fraction(x) for x in field.drift], [Fraction(x) for x in field.shift]
    mean = series(*exact, Fraction(1, 2))
    deviation = series(exact[0], [], Fraction(2))
    assert abs(Fraction(found.law.mean) - mean) <= Fraction(found.mean_error)
    assert abs(Fraction(found.law.deviation) - deviation) <= Fraction(found.deviation_error)
    assert found.mean_error <= 1e-9 * (1 + abs(found.law.mean) + math.exp(sum(abs(float(a)) for a in drift)))


@pytest.mark.parametrize("slope", [0.0, 1e-9, 0.7, -2.0, 5.0])
def test_constant_fields_have_closed_forms(slope):
    growth, shift = math.exp(slope), 3.0
    found = gaussian_flow(START, AffineField(np.array([slope]), np.array([shift])))
    carried = shift * (math.expm1(slope) / slope if slope else 1.0)
    assert found.law.mean == pytest.approx(0.5 * growth + carried, rel=1e-14)
    assert found.law.deviation == pytest.approx(2.0 * growth, rel=1e-14)


@pytest.mark.parametrize("seed", range(4))
def test_a_runge_kutta_pair_agrees(seed):
    rng = np.random.default_rng(seed)
    field, other = (AffineField(3 * rng.normal(size=2), 3 * rng.normal(size=3)) for _ in range(2))

    def slopes(time, state):
        (a, c), (b, d) = field.coefficients(time), other.coefficients(time)
        apart = ((a - b) * state[0] + c - d) ** 2 + ((a - b) * state[1]) ** 2
        return [a * state[0] + c, a * state[1], apart]

    start = [START.mean, START.deviation, 0.0]
    reference = solve_ivp(slopes, (0, 1), start, method="DOP853", rtol=1e-13, atol=1e-13).y[:, -1]
    flow, (value, error) = gaussian_flow(START, field), flow_discrepancy(START, field, other)
    np.testing.assert_allclose([flow.law.mean, flow.law.deviation, value], reference, rtol=1e-10, atol=1e-10)
    assert error <= 1e-8 * (1 + value)


def test_fields_that_differ_by_a_constant():
    """``E|v - w|^2`` is the constant's square, whatever the flow."""
    field = AffineField(np.array([1.0, -2.0]), np.array([0.3]))
    value, error = flow_discrepancy(START, field, AffineField(field.drift, np.array([-1.7])))
    assert abs(value - 4.0) <= error <= 1e-10


def test_a_field_does_not_differ_from_itself():
    field = AffineField(np.array([1.0, -2.0]), np.array([0.3, 1.0, 2.0]))
    assert flow_discrepancy(START, field, field)[0] == 0.0


def test_coefficients_are_polynomials_in_time():
    slope, shift = AffineField(np.array([1.0, 2.0]), np.array([0.0, 0.0, 3.0])).coefficients([0.0, 0.5, 1.0])
    assert slope.tolist() == [1.0, 2.0, 3.0]
    assert shift.tolist() == [0.0, 0.75, 3.0]


@pytest.mark.parametrize("wrong", [np.array([]), np.array([[1.0]]), np.array([np.nan])])
def test_bad_input_is_named(wrong):
    with pytest.raises(ValueError, match="drift: expected a finite vector"):
        AffineField(wrong, np.array([1.0]))
    with pytest.raises(ValueError, match="shift: expected a finite vector"):
        AffineField(np.array([1.0]), wrong)


def test_what_leaves_the_doubles_is_named():
    steep, still = (
        AffineField(np.array([800.0]), np.array([1.0])),
        AffineField(np.array([0.0]), np.array([0.0])),
    )
    with pytest.raises(ValueError, match="expected a finite number"):
        gaussian_flow(START, steep)
    with pytest.raises(ValueError, match="beyond the doubles"):
        flow_discrepancy(START, steep, still)


@pytest.mark.parametrize("drift", [[1e300], [-1e5, 2e5]])
def test_a_drift_that_needs_too_many_steps_is_named(drift):
    field = AffineField(np.array(drift), np.array([1.0]))
    with pytest.raises(ValueError, match="field: its drift has coefficients of absolute sum"):
        gaussian_flow(START, field)
    with pytest.raises(ValueError, match="field: its drift has coefficients of absolute sum"):
        flow_discrepancy(START, field, field)


def test_a_law_that_nearly_vanishes():
    """The deviation is ``2 e^{-730}``, subnormal: what underflow takes is within the bound."""
    found = gaussian_flow(START, AffineField(np.array([-730.0]), np.array([0.0])))
    assert abs(found.law.deviation - 2 * math.exp(-730)) <= found.deviation_error
