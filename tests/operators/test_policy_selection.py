"""Regret and Sharpe ratio of the chosen candidates: by hand, invariances, undefined ratios, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab.operators import regret_at, sharpe_ratio_at

VALUES = [1.0, 0.9, 0.8, 0.2, 0.1]
FIRST, SECOND = [1.0, 1.3, 0.3, 0.4, 0.1], [0.4, 0.1, 1.1, -0.1, -0.2]


def test_known_values():
    assert regret_at(FIRST, VALUES, 1) == pytest.approx(0.1)
    assert regret_at(SECOND, VALUES, 1) == pytest.approx(0.2)
    assert regret_at(SECOND, VALUES, 2) == 0.0
    assert sharpe_ratio_at(FIRST, VALUES, 3, baseline=0.5) == pytest.approx(1.404878717372541, rel=1e-14)
    assert sharpe_ratio_at(SECOND, VALUES, 3, baseline=0.5) == pytest.approx(6.123724356957947, rel=1e-14)


def test_ties_go_to_the_lower_number():
    assert regret_at([1.0, 1.0], [0.0, 5.0], 1) == 5.0
    assert sharpe_ratio_at([0.0, 0.0, 0.0], [1.0, 3.0, 100.0], 2, baseline=0.0) == 3.0


def test_equal_values_have_no_ratio():
    assert np.isnan(sharpe_ratio_at([1.0, 2.0], [0.1, 0.1], 2, baseline=0.0))
    assert np.isnan(sharpe_ratio_at([1.0, 2.0], [0.1, 0.7], 1, baseline=0.0))


def test_values_that_nearly_coincide():
    above = np.nextafter(0.3, 1.0)
    found = sharpe_ratio_at([1.0, 2.0, 3.0], [above, 0.3, 0.3], 3, baseline=0.0)
    assert found == pytest.approx(above / (above - 0.3) / (np.sqrt(2) / 3), rel=1e-12)
    assert sharpe_ratio_at([1.0, 2.0], [0.0, 1e-200], 2, baseline=-1.0) == pytest.approx(2e200)


@given(st.permutations(range(6)), st.integers(2, 6), st.floats(-3, 3), st.floats(0.1, 10))
def test_only_the_order_of_the_estimates_and_relative_values_matter(order, k, shift, scale):
    estimates, values = np.array(order, dtype=float), np.arange(6.0) ** 2
    found = sharpe_ratio_at(estimates, values, k, baseline=1.0)
    assert sharpe_ratio_at(np.exp(estimates), values, k, baseline=1.0) == found
    moved = sharpe_ratio_at(estimates, scale * values + shift, k, baseline=scale + shift)
    assert moved == pytest.approx(found, rel=1e-12, abs=1e-13)
    regrets = [regret_at(estimates, values, size) for size in range(1, 7)]
    assert regrets == sorted(regrets, reverse=True)
    assert regrets[-1] == 0.0


def test_refusals():
    with pytest.raises(ValueError, match="k must be at most"):
        regret_at([1.0, 2.0], [1.0, 2.0], 3)
    with pytest.raises(ValueError, match="k must be an integer"):
        regret_at([1.0, 2.0], [1.0, 2.0], 0)
    with pytest.raises(ValueError, match=r"estimates\[1\] is inf, expected a finite number"):
        regret_at([1.0, np.inf], [1.0, 2.0], 1)
    with pytest.raises(ValueError, match=r"values has shape \(1, 2\)"):
        regret_at([1.0, 2.0], [[1.0, 2.0]], 1)
    with pytest.raises(ValueError, match=r"estimates has shape \(2,\), expected \(3,\)"):
        sharpe_ratio_at([1.0, 2.0], [1.0, 2.0, 3.0], 1, baseline=0.0)
    with pytest.raises(ValueError, match="baseline"):
        sharpe_ratio_at([1.0, 2.0], [1.0, 2.0], 1, baseline=np.nan)
