"""Huber's location: its zeros, its limits, its robustness, and exact flats."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab.numerics import huber_location

numbers = st.integers(-40, 40).map(lambda k: k / 10)
samples = st.lists(numbers, min_size=1, max_size=12)
thresholds = st.integers(1, 50).map(lambda k: k / 10)


def score(values, threshold, place, weights=None):
    """The score in rationals."""
    w = [1] * len(values) if weights is None else [Fraction(x) for x in weights]
    reach = Fraction(threshold)
    return sum(s * min(max(Fraction(x) - place, -reach), reach) for s, x in zip(w, values, strict=True))


@given(samples, thresholds)
def test_the_ends_bracket_all_zeros_of_the_score(values, threshold):
    lower, upper = huber_location(values, threshold)
    assert min(values) <= lower <= upper <= max(values)
    below, above = (Fraction(np.nextafter(x, s)) for x, s in ((lower, -np.inf), (upper, np.inf)))
    assert score(values, threshold, below) > 0 > score(values, threshold, above)
    if lower < upper:
        assert score(values, threshold, (Fraction(lower) + Fraction(upper)) / 2) == 0


@given(samples, thresholds, st.data())
def test_whole_weights_are_repetitions(values, threshold, data):
    weights = data.draw(st.lists(st.integers(0, 3), min_size=len(values), max_size=len(values)).filter(any))
    repeated = list(itertools.chain(*([x] * k for x, k in zip(values, weights, strict=True))))
    assert huber_location(values, threshold, weights=weights) == huber_location(repeated, threshold)


@given(samples, thresholds)
def test_reflection_exchanges_the_ends(values, threshold):
    lower, upper = huber_location(values, threshold)
    assert huber_location([-x for x in values], threshold) == (-upper, -lower)


@given(samples)
def test_limits_are_the_mean_and_the_medians(values):
    mean = float(sum(map(Fraction, values)) / len(values))
    assert huber_location(values, 100.0) == (mean, mean)
    ordered = sorted(values)
    medians = ordered[(len(values) - 1) // 2], ordered[len(values) // 2]
    assert huber_location(values, 1e-9) == pytest.approx(medians, abs=1e-8)


def test_equal_pulls_cancel_where_rounded_sums_do_not():
    assert 0.1 + 0.1 + 0.1 - 0.3 != 0.0  # six targets, three on either side
    assert huber_location([0.0, 0.0, 0.0, 1.0, 1.0, 1.0], 0.1) == (0.1, 0.9)


def test_extreme_sizes():
    assert huber_location([-1e308, 1e308, 5e-324], 1e-300) == (5e-324, 5e-324)
    assert huber_location([1e-320, 3e-320], 1e300) == (2e-320, 2e-320)
    assert huber_location([7.0], 0.5, weights=[1e-320]) == (7.0, 7.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: huber_location([], 1.0), "values: expected finite numbers of shape"),
        (lambda: huber_location([[1.0]], 1.0), "values: expected finite numbers of shape"),
        (lambda: huber_location([np.nan], 1.0), "values: expected finite numbers"),
        (lambda: huber_location([1.0], 0.0), "threshold: expected a finite positive number, got 0.0"),
        (lambda: huber_location([1.0], np.inf), "threshold: expected a finite positive number"),
        (lambda: huber_location([1.0], 1.0, weights=[-1.0]), "weights: expected 1 numbers >= 0"),
        (lambda: huber_location([1.0], 1.0, weights=[0.0]), "one of them positive"),
        (lambda: huber_location([1.0], 1.0, weights=[1.0, 1.0]), "weights: expected 1 numbers"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
