"""The scalar formulas of the bounds, compiled and as Python, against plain statements of them."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from mdplab._kernels import enclosures

FORMS = pytest.mark.parametrize("form", [lambda f: f, lambda f: f.py_func], ids=["compiled", "python"])


@FORMS
@pytest.mark.parametrize("seed", range(20))
def test_enclosure(form: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    low, high = sorted(rng.normal(size=2).tolist())
    least, most, error = -3.0, 3.0, 1e-15
    discount = float(rng.choice([0.0, 0.9, 0.999999]))
    delta = float(rng.choice([0.0, 1e-16]))
    overlap = float(rng.choice([0.0, 0.4]))
    found = form(enclosures.enclosure)(low, high, least, most, 2.0, error, discount, delta, 0.0, overlap, 0.0)
    centre, bound, rounding, half, slack, gap, outer, span_error, backward, drift = found
    # MacQueen and Porteus in rationals: without rounding the bound is half the span over 1 - discount.
    plain = Fraction(high - low) / 2 / (1 - Fraction(discount))
    assert Fraction(bound) >= plain
    assert bound <= float(plain) * (1 + 1e-6) + 2 * rounding
    assert centre == pytest.approx(0.5 * (low + high) / (1 - discount))
    assert half == 0.5 * (high - low)
    assert slack >= error + drift
    assert 0 < gap <= 1 - discount
    assert outer >= 2**-53 * abs(centre)
    assert span_error <= 2 * bound * (1 + 1e-12)
    if overlap:
        assert span_error <= (high - low + 1e-9) / (1 - discount * 0.6) * (1 + 1e-9)
    assert half <= backward <= half + slack + 2 * outer + 1e-12


@FORMS
def test_no_contraction_no_bound(form: Any) -> None:
    found = form(enclosures.enclosure)(0.0, 1.0, -1.0, 1.0, 1.0, 0.0, 0.999999, 1e-3, 0.0, 0.0, 0.0)
    assert found[1] == math.inf
    found = form(enclosures.enclosure)(0.0, math.inf, -1.0, 1.0, 1.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0)
    assert found[1] == math.inf
    assert form(enclosures.greedy_loss)(1.0, 0.0, 0.0, 0.0) == math.inf


@FORMS
def test_small_formulas(form: Any) -> None:
    unit = 2.0**-53
    assert form(enclosures.lookahead_error)(3.0, 5.0, 4, 0.9, 0.0) == pytest.approx(
        1.01 * unit * (6 * 0.9 * 3 + 5)
    )
    assert form(enclosures.greedy_loss)(1.0, 0.5, 0.1, 0.2) == pytest.approx(32.0)
    assert form(enclosures.row_spread)(0.9, 0.25, 0.0, 2.0, 7.0, 0.5) == pytest.approx(0.9 * 0.75 * 2 + 1)
    assert form(enclosures.q_error)(1.0, 2.0, 0.0, 0.0, 0.5, 0.0, 8.0) == pytest.approx(7.0)
    # A lookahead that is coarse against the temperature is not averaged.
    coarse = form(enclosures.soft_error)(1.0, 1.0, 1e20, 1.0, 1.0, 2, 1)
    assert coarse > 1e20 * unit
    fine = form(enclosures.soft_error)(0.0, 1.0, 1.0, 1.0, 1.0, 2, 1)
    assert 5 * unit < fine < 100 * unit
    assert fine < form(enclosures.soft_error)(0.0, 1.0, 1.0, 1.0, 1.0, 2, 7)


@FORMS
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("given", [False, True])
def test_greedy_rows(form: Any, seed: int, given: bool) -> None:
    rng = np.random.default_rng(seed)
    q = rng.integers(-3, 4, (6, 1 + seed % 4)).astype(float)
    q[rng.random(q.shape) < 0.2] = -np.inf
    q[:, 0] = 1.0
    actions = np.zeros(6, dtype=np.int64)
    numbers = np.empty(3)
    form(enclosures.greedy_rows)(q, given, actions, numbers)
    chosen = np.zeros(6, dtype=int) if given else q.argmax(axis=1)
    np.testing.assert_array_equal(actions, chosen)
    own = q[np.arange(6), chosen]
    others = q.copy()
    others[np.arange(6), chosen] = -np.inf
    np.testing.assert_array_equal(
        numbers, [(own - others.max(axis=1)).min(), (q.max(axis=1) - own).max(), np.abs(q[q > -np.inf]).max()]
    )
