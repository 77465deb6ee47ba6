"""Expected divergence from smoothed frequencies: against all samples, limits and bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab.divergences import kl
from mdplab.enumeration import iid_counts
from mdplab.laws import expected_smoothed_kl


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=3).filter(any),
    st.integers(0, 4),
    st.integers(0, 8),
    st.sampled_from([0.1, 0.5, 1.0, 3.0]),
)
def test_mean_over_all_samples(weights, count, eighths, smoothing):
    p, visit = np.array(weights) / sum(weights), eighths / 8
    counts, chance = iid_counts(np.append(p * visit, 1.0 - visit), count)  # the last value: no visit
    added = counts[:, :-1] + smoothing
    mean = chance @ kl(p, added / added.sum(axis=1, keepdims=True))
    found = expected_smoothed_kl(p, count, probability=visit, smoothing=smoothing)
    assert found == pytest.approx(mean, abs=1e-13)


@given(
    st.lists(st.integers(0, 9), min_size=2, max_size=4).filter(any), st.integers(0, 200), st.integers(1, 8)
)
def test_add_one_is_within_its_bound(weights, count, eighths):
    found = expected_smoothed_kl(np.array(weights) / sum(weights), count, probability=eighths / 8)
    assert found >= -1e-13
    assert found <= (len(weights) - 1) / ((count + 1) * eighths / 8) + 1e-13


def test_limits_of_many_samples():
    assert 400 * expected_smoothed_kl([0.5, 0.2, 0.3], 400) == pytest.approx(1.0, abs=0.02)  # (A - 1) / 2
    assert 400 * expected_smoothed_kl([0.0, 1.0, 0.0], 400) == pytest.approx(2.0, abs=0.02)  # A - 1


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (([], 2), "law"),
        (([0.5, 0.6], 2), "law"),
        (([1.0], -1), "count"),
        (([1.0], 1.5), "count"),
        (([1.0], np.nan), "count"),
        (([1.0], 2, 1.5), "probability"),
        (([1.0], 2, 1.0, 0.0), "smoothing"),
        (([1.0], 2, 1.0, np.inf), "smoothing"),
    ],
)
def test_bad_input_is_named(arguments, name):
    law, count, *others = arguments
    with pytest.raises(ValueError, match=name):
        expected_smoothed_kl(law, count, **dict(zip(("probability", "smoothing"), others, strict=False)))
