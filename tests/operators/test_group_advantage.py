"""Group-relative advantages: moments, invariances, groups without spread."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mdplab.enumeration import expectation_over_groups
from mdplab.operators import group_advantages

GROUPS = arrays(
    float, st.tuples(st.integers(1, 4), st.integers(2, 6)), elements=st.integers(-5, 5).map(float)
)


@given(GROUPS)
def test_mean_zero_and_unit_population_spread(rewards):
    found = group_advantages(rewards)
    np.testing.assert_allclose(found.mean(axis=1), 0.0, atol=1e-14)
    np.testing.assert_allclose(found.std(axis=1), np.ptp(rewards, axis=1) > 0, atol=1e-14)


@given(GROUPS, st.sampled_from([1e-200, 1e-3, 7.0, 1e200]))
def test_shift_and_scale_do_not_matter(rewards, scale):
    found = group_advantages(rewards)
    np.testing.assert_allclose(group_advantages(scale * rewards), found, atol=1e-14)
    np.testing.assert_allclose(group_advantages(rewards + 3.0), found, atol=1e-14)


def test_equal_rewards_give_exact_zeros():
    assert (group_advantages(np.full((2, 3), 0.1)) == 0).all()
    assert (group_advantages(np.full(3, 0.1), standardised=False) == 0).all()


def test_centred_rewards_give_the_gradient_less_one_share():
    policy, rewards, size = np.array([0.5, 0.3, 0.2]), np.array([0.0, 1.0, 10.0]), 4

    def update(groups):
        scores = np.eye(3)[groups] - policy
        return (group_advantages(rewards[groups], standardised=False)[..., None] * scores).mean(axis=1)

    gradient = policy * (rewards - policy @ rewards)
    np.testing.assert_allclose(expectation_over_groups(update, policy, size), 0.75 * gradient, rtol=1e-13)


@pytest.mark.parametrize(
    ("rewards", "message"),
    [
        ([1.0, np.nan], "real and finite"),
        ([1j, 0], "real and finite"),
        (1.0, r"\(..., G\)"),
        ([[]], r"\(..., G\)"),
    ],
)
def test_bad_input_is_named(rewards, message):
    with pytest.raises(ValueError, match=message):
        group_advantages(rewards)
