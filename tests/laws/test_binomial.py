"""Binomial law in logarithms: against exact fractions, and where probabilities underflow."""

from __future__ import annotations

from fractions import Fraction
from math import comb, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab.laws import binomial_expectation, log_binomial


@given(st.integers(0, 40), st.integers(1, 63))
def test_against_exact_fractions(count, eighths):
    p = Fraction(eighths, 64)
    exact = [float(comb(count, k) * p**k * (1 - p) ** (count - k)) for k in range(count + 1)]
    np.testing.assert_allclose(np.exp(log_binomial(count, float(p))), exact, rtol=1e-13)


def test_probabilities_below_the_smallest_float():
    found = log_binomial(1000, 1e-3)
    assert found[1000] == pytest.approx(1000 * log(1e-3), rel=1e-14)
    assert np.exp(found).sum() == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(("probability", "sure"), [(0.0, 0), (1.0, 5)])
def test_certain_outcomes(probability, sure):
    found = log_binomial(5, probability)
    assert found[sure] == 0.0
    assert np.isneginf(np.delete(found, sure)).all()


def test_no_trial_has_no_success():
    assert log_binomial(0, 0.3).tolist() == [0.0]


@pytest.mark.parametrize(
    ("count", "probability", "name"),
    [
        (-1, 0.5, "count"),
        (1.5, 0.5, "count"),
        (np.inf, 0.5, "count"),
        (2, 1.5, "prob"),
        (2, np.nan, "prob"),
    ],
)
def test_bad_input_is_named(count, probability, name):
    with pytest.raises(ValueError, match=name):
        log_binomial(count, probability)


@given(st.integers(0, 30), st.integers(0, 64))
def test_moments(count, sixtyfourths):
    p, k = sixtyfourths / 64, np.arange(count + 1.0)
    assert binomial_expectation(np.ones(count + 1), p) == 1.0
    assert binomial_expectation(k, p) == pytest.approx(count * p, rel=1e-13, abs=1e-300)
    spread = binomial_expectation((k - count * p) ** 2, p)
    assert spread == pytest.approx(count * p * (1 - p), rel=1e-12, abs=1e-12)


def test_expectations_of_bad_values_are_refused():
    for wrong in ([], [[1.0]], [np.inf], [0.0, np.nan]):
        with pytest.raises(ValueError, match="values"):
            binomial_expectation(wrong, 0.5)
