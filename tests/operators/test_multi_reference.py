"""Tilts with several references: the variational problem, one reference as a tilt, extremes, bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab.divergences import kl, kl_from_logs
from mdplab.operators import log_sum_exp, log_tilt, multi_reference_tilt, multi_reference_value

SEEDS = st.integers(0, 2**32 - 1)
CALM = settings(deadline=None, max_examples=60)


@CALM
@given(SEEDS, st.floats(1e-2, 1e2))
def test_any_other_law_loses_the_divergence_times_the_sum_of_the_weights(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    n, actions = rng.integers(1, 5), rng.integers(2, 6)
    x, laws = rng.normal(size=(3, actions)), rng.dirichlet(np.ones(actions), (n, 3)) + 1e-6
    laws /= laws.sum(axis=-1, keepdims=True)
    weights, rival = scale * rng.uniform(0, 1, n), rng.dirichlet(np.ones(actions), 3)
    log_best = multi_reference_tilt(x, np.log(laws), weights)
    best = np.exp(log_best)
    value = multi_reference_value(x, np.log(laws), weights)
    attained = [(p * x).sum(axis=1) - weights @ kl(p, laws) for p in (best, rival)]
    np.testing.assert_allclose(attained[0], value, atol=1e-12 * (1 + scale))
    away = kl_from_logs(np.log(rival), log_best)  # a probability of the best may underflow
    np.testing.assert_allclose(value - attained[1], weights.sum() * away, atol=1e-11 * (1 + scale))


@CALM
@given(SEEDS, st.floats(1e-3, 1e3))
def test_one_reference_is_a_tilt(seed: int, weight: float) -> None:
    rng = np.random.default_rng(seed)
    x, logs = rng.normal(size=4), log_tilt(10 * rng.normal(size=4))
    tilt = log_tilt(x, temperature=weight, log_reference=logs)
    np.testing.assert_array_equal(multi_reference_tilt(x, logs[None], [weight]), tilt)
    value = log_sum_exp(x, temperature=weight, log_reference=logs)
    np.testing.assert_array_equal(multi_reference_value(x, logs[None], [weight]), value)


def test_a_reference_of_weight_zero_does_not_count() -> None:
    half, sure = np.log([0.5, 0.5]), np.array([0.0, -np.inf])
    np.testing.assert_allclose(multi_reference_tilt([0.0, 0.0], [half, sure], [2.0, 0.0]), half)
    assert multi_reference_tilt([0.0, 9.0], [half, sure], [1.0, 0.5]).tolist() == [0.0, -np.inf]


@pytest.mark.parametrize("weights", [[-1.0, 2.0], [0.0, 0.0], [np.nan, 1.0], [1.0], [1j, 1.0]])
def test_bad_weights(weights: Any) -> None:
    with pytest.raises(ValueError, match="weights"):
        multi_reference_tilt([0.0, 1.0], np.log([[0.5, 0.5], [0.2, 0.8]]), weights)
