"""Log-space tilts: against the plain formulas, their identities, extreme temperatures, complex steps, bad input."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mdplab.operators import gibbs_gap, log_mixture, log_sum_exp, log_tilt

ROWS = arrays(np.float64, (3, 4), elements=st.floats(-50, 50))
TEMPERATURES = st.floats(1e-3, 1e3)
SEEDS = st.integers(0, 2**32 - 1)
CALM = settings(deadline=None, max_examples=60)


def plain_lse(x, temperature, reference):
    return temperature * np.log((reference * np.exp(x / temperature)).sum(axis=-1))


def plain_tilt(x, temperature, reference):
    weights = reference * np.exp(x / temperature)
    return weights / weights.sum(axis=-1, keepdims=True)


@CALM
@given(SEEDS)
def test_agrees_with_the_plain_formula(seed):
    rng = np.random.default_rng(seed)
    x, reference, tau = rng.normal(size=(2, 3, 4)), rng.dirichlet(np.ones(4), 3), rng.uniform(0.2, 3)
    for measure, logs in ((np.ones((3, 4)), None), (reference, np.log(reference))):
        value = log_sum_exp(x, temperature=tau, log_reference=logs)
        np.testing.assert_allclose(value, plain_lse(x, tau, measure), rtol=1e-13, atol=1e-13)
        policy = np.exp(log_tilt(x, temperature=tau, log_reference=logs))
        np.testing.assert_allclose(policy, plain_tilt(x, tau, measure), rtol=1e-13)


@CALM
@given(ROWS, TEMPERATURES)
def test_normalises(x, temperature):
    logs = log_tilt(x, temperature=temperature)
    assert (logs <= 0).all()
    np.testing.assert_allclose(np.exp(logs).sum(axis=-1), 1.0, rtol=0, atol=8 * 4 * 2.0**-52)


@CALM
@given(ROWS, TEMPERATURES, st.integers(-(2**20), 2**20))
def test_shift_invariance(x, temperature, shift):
    x = np.round(x * 2**20) / 2**20  # so that the shift itself is exact
    moved = log_tilt(x + shift, temperature=temperature)
    np.testing.assert_array_equal(moved, log_tilt(x, temperature=temperature))
    value = log_sum_exp(x + shift, temperature=temperature)
    np.testing.assert_allclose(value, log_sum_exp(x, temperature=temperature) + shift, rtol=1e-15, atol=1e-9)


@CALM
@given(ROWS, TEMPERATURES)
def test_between_maximum_and_maximum_plus_log_n(x, temperature):
    excess = log_sum_exp(x, temperature=temperature) - x.max(axis=-1)
    assert (excess >= 0).all()
    assert (excess <= temperature * math.log(4) * (1 + 1e-12) + 1e-12).all()


@pytest.mark.parametrize("temperature", [1e-3, 1.0, 1e3])
def test_exact_to_rounding_at_extreme_temperatures(temperature):
    # two entries: tau log(e^{a/tau} + e^{b/tau}) = a + tau log1p(e^{-(a-b)/tau}), with an exactly representable a-b
    gap = 10 * temperature
    x = np.array([1e5 * temperature, 1e5 * temperature - gap])
    gap = float(Fraction(x[0]) - Fraction(x[1]))
    expected = x[0] + temperature * math.log1p(math.exp(-gap / temperature))
    assert log_sum_exp(x, temperature=temperature) == pytest.approx(expected, rel=4e-16, abs=0)
    logs = log_tilt(x, temperature=temperature)
    tail = math.log1p(math.exp(-gap / temperature))
    assert logs[0] == pytest.approx(-tail, rel=1e-13, abs=0)
    assert logs[1] == pytest.approx(-gap / temperature - tail, rel=1e-15, abs=0)


def test_nearly_certain_entry_keeps_relative_accuracy():
    logs = log_tilt([0.0, -100.0])
    assert logs[0] == pytest.approx(-math.exp(-100.0), rel=1e-14, abs=0)
    assert log_tilt([1e300, 0.0], temperature=1e-3)[1] == -1e303


def test_no_overflow_from_a_range_beyond_the_doubles():
    assert log_tilt([1e308, 0.0], temperature=1e-3).tolist() == [0.0, -np.inf]


def test_reference_far_below_the_best_value_decides():
    # the largest x has next to no reference mass: weights e^{1000} e^{-2000} against 1
    logs = log_tilt([1000.0, 0.0], log_reference=[-2000.0, 0.0])
    assert logs[1] == pytest.approx(0.0, abs=1e-300)
    assert logs[0] == pytest.approx(-1000.0, rel=1e-15)
    assert log_sum_exp([1000.0, 0.0], log_reference=[-2000.0, 0.0]) == pytest.approx(0.0, abs=1e-12)


def test_minus_infinity_takes_entries_out_and_hides_what_x_holds_there():
    expected = log_tilt([1.0, 2.0])
    for x, reference in (
        ([1.0, -np.inf, 2.0], None),
        ([1.0, 7.0, 2.0], [0.0, -np.inf, 0.0]),
        ([1.0, np.nan, 2.0], [0.0, -np.inf, 0.0]),
        ([1.0, np.inf, 2.0], [0.0, -np.inf, 0.0]),
    ):
        logs = log_tilt(x, log_reference=reference)
        assert logs[1] == -np.inf
        np.testing.assert_array_equal(logs[[0, 2]], expected)
        assert log_sum_exp(x, log_reference=reference) == log_sum_exp([1.0, 2.0])
    complex_logs = log_tilt(np.array([1.0, -np.inf, 2.0]) + 0j)
    np.testing.assert_array_equal(complex_logs[[0, 2]].real, expected)
    assert complex_logs[1] == -np.inf


def test_axis_and_temperature_per_row():
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    np.testing.assert_array_equal(log_tilt(x, axis=1), np.moveaxis(log_tilt(np.moveaxis(x, 1, -1)), -1, 1))
    temperatures = np.array([0.1, 1.0, 10.0])
    both = log_sum_exp(x, temperature=temperatures)
    for row, tau in enumerate(temperatures):
        np.testing.assert_array_equal(both[:, row], log_sum_exp(x[:, row], temperature=tau))
        logs = log_tilt(x, temperature=temperatures)[:, row]
        np.testing.assert_array_equal(logs, log_tilt(x[:, row], temperature=tau))


@CALM
@given(SEEDS)
def test_complex_steps_give_the_derivatives(seed):
    rng = np.random.default_rng(seed)
    x, direction, logs = rng.normal(size=(3, 5))
    tau = rng.uniform(0.1, 5)
    policy = np.exp(log_tilt(x, temperature=tau, log_reference=logs))
    # derivative of lse is the tilt; of the log tilt: (direction - its mean) / tau
    mean = policy @ direction
    step = 1e-30j
    moved = log_sum_exp(x + step * direction, temperature=tau, log_reference=logs)
    assert moved.imag / 1e-30 == pytest.approx(mean, rel=1e-12, abs=1e-12)
    moved = log_tilt(x + step * direction, temperature=tau, log_reference=logs)
    np.testing.assert_allclose(moved.imag / 1e-30, (direction - mean) / tau, rtol=1e-12, atol=1e-12)
    moved = log_sum_exp(x, temperature=tau, log_reference=logs + step * direction)
    assert moved.imag / 1e-30 == pytest.approx(tau * mean, rel=1e-12, abs=1e-12)
    moved = log_sum_exp(x, temperature=tau + step)
    softmax = np.exp(log_tilt(x, temperature=tau))
    assert moved.imag / 1e-30 == pytest.approx(-softmax @ np.log(softmax), rel=1e-12)  # d/dtau lse = entropy


@CALM
@given(SEEDS)
def test_gibbs_gap_is_what_the_law_loses(seed):
    rng = np.random.default_rng(seed)
    p, reference = rng.dirichlet(np.ones(5), 2)
    x, tau = rng.normal(size=5), rng.uniform(0.1, 5)
    attained = p @ x - tau * p @ np.log(p / reference)
    best = log_sum_exp(x, temperature=tau, log_reference=np.log(reference))
    gap = gibbs_gap(p, x, tau, np.log(reference))
    assert gap == pytest.approx(best - attained, rel=1e-9, abs=1e-12)
    assert gap >= 0
    tilt = np.exp(log_tilt(x, temperature=tau, log_reference=np.log(reference)))
    assert gibbs_gap(tilt, x, tau, np.log(reference)) == pytest.approx(0.0, abs=1e-14)


def test_gibbs_gap_at_zeros():
    assert gibbs_gap([1.0, 0.0], [0.0, 0.0]) == pytest.approx(math.log(2))
    assert gibbs_gap([0.5, 0.5], [0.0, -np.inf]) == np.inf
    assert gibbs_gap([1.0, 0.0], [0.0, -np.inf]) == 0.0


@CALM
@given(SEEDS)
def test_mixture_against_the_plain_product(seed):
    rng = np.random.default_rng(seed)
    laws, weights = rng.dirichlet(np.ones(4), (3, 2)), rng.uniform(-1, 2, size=3)
    product = np.prod(laws ** weights[:, None, None], axis=0)
    product /= product.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(np.exp(log_mixture(np.log(laws), weights)), product, rtol=1e-10)


def test_mixture_zeros():
    half, sure = np.log([0.5, 0.5]), np.array([0.0, -np.inf])
    np.testing.assert_allclose(log_mixture([half, sure], [1.0, 0.0]), half)
    assert log_mixture([half, sure], [1.0, 0.5]).tolist() == [0.0, -np.inf]
    with pytest.raises(ValueError, match="negative weight"):
        log_mixture([half, sure], [1.5, -0.5])
    with pytest.raises(ValueError, match="all -inf"):
        log_mixture([[-np.inf, 0.0], sure], [0.5, 0.5])


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        ([[0.0, 1.0], [-np.inf, -np.inf]], {}, "row 1 of x has no finite entry"),
        ([0.0, np.nan], {}, "the row of x contains nan"),
        ([[0.0, np.inf]], {}, "row 0 of x contains inf"),
        ([0.0, 1.0], {"log_reference": [-np.inf, -np.inf]}, "no finite entry"),
        ([0.0, 1.0], {"log_reference": [0.0, np.nan]}, "log_reference contains nan"),
        ([0.0, 1.0], {"log_reference": [0.0, 0.0, 0.0]}, "does not broadcast"),
        ([0.0, 1.0], {"temperature": 0.0}, "temperature must be positive"),
        ([0.0, 1.0], {"temperature": -1.0}, "temperature must be positive"),
        ([0.0, 1.0], {"temperature": np.nan}, "temperature must be positive"),
        ([], {}, "no entries along axis"),
        (1.0, {}, "no entries along axis"),
        (["a"], {}, "numbers"),
    ],
)
def test_bad_input(x, options, message):
    for function in (log_sum_exp, log_tilt):
        with pytest.raises(ValueError, match=message):
            function(x, **options)


@pytest.mark.parametrize(
    ("p", "message"), [([0.5, 0.6], "sums to 1.1"), ([1.5, -0.5], "-0.5: prob"), ([0.2] * 5, "broadcast")]
)
def test_gibbs_gap_refuses_what_is_no_law(p, message):
    with pytest.raises(ValueError, match=message):
        gibbs_gap(p, [0.0, 0.0])
