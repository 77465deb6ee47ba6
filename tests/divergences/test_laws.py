"""Divergences of finite laws: known values, conventions at zero, accuracy."""

from __future__ import annotations

import numpy as np
import pytest

from mdplab.divergences import (
    CHI_SQUARE,
    KL,
    entropy,
    jeffreys,
    kl,
    kl_from_logs,
    total_variation,
)


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
