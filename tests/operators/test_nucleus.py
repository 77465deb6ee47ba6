"""Nucleus masks and restricted policies: smallest sets, ties, projections, edges."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab.divergences import kl, total_variation
from mdplab.operators import nucleus, restricted_policy

ROW = np.array([0.1, 0.4, 0.05, 0.25, 0.2])


@st.composite
def policies(draw):
    shape = draw(st.integers(1, 3)), draw(st.integers(1, 5))
    weights = np.array(
        draw(st.lists(st.integers(0, 9), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))
    )
    rows = weights.reshape(shape) + 1.0 * (weights.reshape(shape).sum(axis=1, keepdims=True) == 0)
    return rows / rows.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("level", "kept"),
    [(0.3, [1]), (0.5, [1, 3]), (0.65, [1, 3]), (0.9, [0, 1, 3, 4]), (1.0, [0, 1, 2, 3, 4])],
)
def test_shortest_prefix_by_decreasing_probability(level, kept):
    assert np.flatnonzero(nucleus(ROW, level)).tolist() == kept


def test_the_rounded_sum_of_the_level_is_enough():
    assert 0.7 + 0.2 < 0.9  # in floats
    assert nucleus([0.7, 0.2, 0.1], 0.9).tolist() == [True, True, False]
    assert nucleus([0.7, 0.2, 0.1], 0.9, tol=0.0).all()


def test_ties_are_taken_by_index():
    assert nucleus(np.full((2, 4), 0.25), 0.5).tolist() == [[True, True, False, False]] * 2


def test_zero_probabilities_are_never_needed():
    assert nucleus([0.0, 1.0, 0.0], 1.0).tolist() == [False, True, False]


@given(policies(), st.floats(0.01, 1.0))
def test_no_set_with_fewer_actions_has_the_mass(policy, level):
    for row, mask in zip(policy, nucleus(policy, level), strict=True):
        assert row[mask].sum() >= level - 1.001e-12
        fewer = combinations(range(row.size), int(mask.sum()) - 1)
        assert all(row[list(chosen)].sum() < level - 0.999e-12 for chosen in fewer)


@given(policies(), st.floats(0.01, 1.0))
def test_divergences_of_the_restriction(policy, level):
    mask = nucleus(policy, level)
    mass = np.where(mask, policy, 0.0).sum(axis=1)
    restricted = restricted_policy(policy, mask)
    np.testing.assert_allclose(kl(restricted, policy), -np.log(mass), atol=1e-14)
    np.testing.assert_allclose(total_variation(restricted, policy), 1 - mass, atol=1e-14)
    assert (restricted[~mask] == 0).all()


def test_restriction_keeps_ratios_of_tiny_masses():
    restricted = restricted_policy([1.0, 3e-320, 1e-320], [False, True, True])
    np.testing.assert_allclose(restricted, [0.0, 0.75, 0.25], rtol=1e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nucleus([0.5, 0.4], 0.5), "sums to 0.9"),
        (lambda: nucleus([0.5, 0.5], 0.0), "level is 0"),
        (lambda: nucleus([0.5, 0.5], 1.5), "level must be"),
        (lambda: nucleus([0.5, 0.5], 0.5, tol=-1.0), "tol must be"),
        (lambda: nucleus([0.5 + 0j, 0.5], 0.5), "policy must be real"),
        (lambda: restricted_policy([0.5, 0.5], [1, 0]), "mask must be boolean"),
        (
            lambda: restricted_policy([[0.5, 0.5], [1.0, 0.0]], [[True, True], [False, True]]),
            r"mask\[1\] retains no mass",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
