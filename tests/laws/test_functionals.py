"""Functionals: their values, and the properties that they declare."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab.laws import (
    FiniteLaw,
    conditional_value_at_risk,
    entropic_risk,
    expected_utility,
    mean_variance,
    quantile_functional,
)
from mdplab.wasserstein import wasserstein

LOSS = expected_utility(lambda x: np.minimum(x, 0.0), homogeneous=True, lipschitz=1.0)
ALL = [
    LOSS,
    expected_utility(np.tanh, lipschitz=1.0),
    expected_utility(lambda x: -(x**2), homogeneous=True),
    conditional_value_at_risk(0.75),
    conditional_value_at_risk(1.0),
    entropic_risk(0.7),
    entropic_risk(-0.3),
    mean_variance(0.5),
    quantile_functional(0.0),
    quantile_functional(0.5),
]
laws = st.builds(
    lambda atoms, counts: FiniteLaw.from_atoms(
        atoms[: len(counts)], np.array(counts[: len(atoms)]) / sum(counts[: len(atoms)])
    ),
    st.lists(st.integers(-5, 5).map(float), min_size=3, max_size=3),
    st.lists(st.integers(1, 4), min_size=3, max_size=3),
)
SLACK = 1e-9


def test_values():
    law = FiniteLaw.from_atoms([-1.0, 0.0, 3.0], [0.25, 0.5, 0.25])
    assert LOSS(law) == -0.25
    assert conditional_value_at_risk(0.5)(law) == -0.5
    assert quantile_functional(0.5)(law) == 0.0
    assert mean_variance(2.0)(law) == 0.5 - 2 * 2.25
    expected = -math.log(0.25 * math.e + 0.5 + 0.25 * math.exp(-3))
    assert entropic_risk(1.0)(law) == pytest.approx(expected, rel=1e-14)
    assert entropic_risk(1e3)(law) == pytest.approx(-1 - math.log(0.25) / 1e3, rel=1e-12)


@pytest.mark.parametrize("functional", ALL, ids=lambda f: f.name)
@settings(deadline=None, max_examples=40)
@given(laws, laws, laws, st.integers(1, 4), st.sampled_from([0.25, 0.5]))
def test_declared_properties_hold(functional, first, second, common, part, factor):
    better, worse = sorted((first, second), key=functional, reverse=True)
    if functional.mixtures:
        weights = [part / 5, 1 - part / 5]
        mixed = [functional(FiniteLaw.mix([law, common], weights)) for law in (better, worse)]
        assert mixed[0] >= mixed[1] - SLACK * (1 + abs(mixed[0]))
    if functional.scaling:
        assert functional(better.scale(factor)) >= functional(worse.scale(factor)) - SLACK
    if math.isfinite(functional.lipschitz):
        gap = abs(functional(first) - functional(second))
        assert gap <= functional.lipschitz * wasserstein(first, second, 1) + SLACK


def two(low, high):
    return FiniteLaw.from_atoms([low, high], [0.5, 0.5])


def test_the_value_at_risk_is_not_indifferent_to_mixtures():
    """The two laws exchange their order when a bad outcome is mixed in."""
    functional, bad = conditional_value_at_risk(0.75), FiniteLaw.dirac(-10.0)
    sure, coin = FiniteLaw.dirac(1.0), two(0.0, 4.0)
    assert functional(sure) == 1.0
    assert functional(coin) == pytest.approx(4 / 3)
    mixed = [functional(FiniteLaw.mix([law, bad], [0.5, 0.5])) for law in (sure, coin)]
    assert mixed == pytest.approx([-19 / 3, -20 / 3])


def test_exponential_utility_is_not_indifferent_to_scaling():
    functional, zero, coin = entropic_risk(1.0), FiniteLaw.dirac(0.0), two(-1.0, 2.2)
    assert functional(coin) < functional(zero)
    assert functional(coin.scale(0.5)) > functional(zero)


@pytest.mark.parametrize(
    ("make", "value", "message"),
    [
        (conditional_value_at_risk, 0.0, r"level: expected a number in \(0, 1\]"),
        (quantile_functional, 1.5, r"level: expected a number in \[0, 1\]"),
        (entropic_risk, 0.0, "aversion: expected a finite number other than 0"),
        (mean_variance, math.inf, "weight: expected a finite number > 0"),
        (lambda c: expected_utility(np.tanh, lipschitz=c), -1.0, "lipschitz: expected a number >= 0"),
    ],
)
def test_bad_input(make, value, message):
    with pytest.raises(ValueError, match=message):
        make(value)
