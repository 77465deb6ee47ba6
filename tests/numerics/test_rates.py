"""Fitted orders."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab.numerics import dyadic_envelope, fit_rate, local_slopes


@given(st.floats(-3, 3), st.floats(0.1, 10))
def test_power_laws_are_recovered(order: float, constant: float) -> None:
    x = np.array([0.1, 0.2, 0.4, 0.9])
    fit = fit_rate(x, constant * x**order)
    assert fit.slope == pytest.approx(order, abs=1e-12)
    assert np.exp(fit.intercept) == pytest.approx(constant, rel=1e-12)
    assert fit.deviation < 1e-12
    np.testing.assert_allclose(fit.local, order, atol=1e-12)


def test_local_slopes_show_what_the_average_hides() -> None:
    n = np.array([10.0, 20.0, 40.0, 80.0])
    error = 1 / n + 30 / n**2
    slopes = local_slopes(n, error)
    assert np.all(np.diff(slopes) > 0)
    assert -2 < slopes[0] < fit_rate(n, error).slope < slopes[-1] < -1
    lines = np.polyfit(np.log(n), np.log(error), 1)
    assert fit_rate(n, error).slope == pytest.approx(lines[0], abs=1e-12)


def test_envelope_of_an_oscillation() -> None:
    n = np.arange(1, 101)
    starts, envelope = dyadic_envelope(np.abs(np.cos(n)) / n)
    assert starts.tolist() == [1, 2, 4, 8, 16, 32]
    for start, top in zip(starts.astype(int), envelope, strict=True):
        assert top == max(abs(np.cos(k)) / k for k in range(start, 2 * start))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([1.0], [1.0], "n >= 2"),
        ([1.0, 2.0], [1.0, 0.0], "error: entry 1"),
        ([-1.0, 2.0], [1.0, 1.0], "parameter: entry 0"),
        ([1.0, 3.0, 2.0], [1.0, 1.0, 1.0], "monotone"),
    ],
)
def test_bad_arguments_are_named(x: list[float], y: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_rate(x, y)
