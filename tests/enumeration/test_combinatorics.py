"""Tuples, arrangements, masks, groups of draws and deterministic policies."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab.enumeration import (
    all_tuples,
    arrangements,
    best_of_n_enumerated,
    binary_masks,
    deterministic_policies,
    deterministic_stage_policies,
    expectation_over_groups,
    iid_counts,
    iid_groups,
    one_hot,
)


@given(st.integers(1, 5), st.integers(0, 4))
def test_tuples_are_the_product_in_order(n: int, length: int) -> None:
    assert [tuple(row) for row in all_tuples(n, length)] == list(product(range(n), repeat=length))


@given(st.integers(0, 5), st.integers(0, 5))
def test_arrangements_and_masks(n: int, length: int) -> None:
    if length <= n:
        assert [tuple(row) for row in arrangements(n, length)] == list(permutations(range(n), length))
    else:
        with pytest.raises(ValueError, match="length"):
            arrangements(n, length)
    masks = binary_masks(n)
    assert masks.shape == (2**n, n)
    assert masks.dtype == np.bool_
    assert len({row.tobytes() for row in masks}) == 2**n


@given(st.lists(st.integers(0, 5), min_size=1, max_size=4).filter(any), st.integers(1, 4))
def test_groups_are_independent_draws(weights: list[int], size: int) -> None:
    p = np.array(weights) / sum(weights)
    groups, probability = iid_groups(p, size)
    assert probability.sum() == pytest.approx(1.0, abs=1e-13)
    for k in range(size):
        np.testing.assert_allclose(
            np.bincount(groups[:, k], weights=probability, minlength=p.size), p, atol=1e-13
        )
    mean = expectation_over_groups(lambda g: np.stack([g.sum(axis=1), g.prod(axis=1)], axis=1), p, size)
    first = p @ np.arange(p.size)
    np.testing.assert_allclose(mean, [size * first, first**size], atol=1e-12)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=4).filter(any), st.integers(0, 4))
def test_counts_are_groups_without_their_order(weights: list[int], size: int) -> None:
    p = np.array(weights) / sum(weights)
    groups, of_group = iid_groups(p, size)
    counts, probability = iid_counts(p, size)
    of_counts = {tuple(row): chance for row, chance in zip(counts.tolist(), probability, strict=True)}
    assert len(of_counts) == len(counts)
    summed = dict.fromkeys(of_counts, 0.0)
    for group, chance in zip(groups, of_group, strict=True):
        summed[tuple(np.bincount(group, minlength=p.size).tolist())] += chance
    assert of_counts == pytest.approx(summed, abs=1e-14)


def test_counts_of_many_draws_are_binomial() -> None:
    counts, probability = iid_counts([0.3, 0.7], 400)
    successes = counts[:, 0]
    mean = float(probability @ successes)
    assert probability.sum() == pytest.approx(1.0, rel=1e-11)
    assert mean == pytest.approx(120.0, rel=1e-11)
    assert probability @ (successes - mean) ** 2 == pytest.approx(84.0, rel=1e-11)
    assert iid_counts([0.0, 1.0], 200)[1].tolist() == [pytest.approx(1.0, rel=1e-12), *([0.0] * 200)][::-1]


def test_counts_refuse_bad_input() -> None:
    for arguments, name in ((([0.5, 0.6], 2), "probability"), (([1.0], -1), "size")):
        with pytest.raises(ValueError, match=name):
            iid_counts(*arguments)
    with pytest.raises(ValueError, match="max_count: 10 multisets"):
        iid_counts([0.2, 0.3, 0.5], 3, max_count=9)


def test_best_of_two_by_hand() -> None:
    """p = (1/2, 1/4, 1/4), the last two tied on top: 1/4 of the pairs keep item 0, the rest is shared."""
    np.testing.assert_allclose(
        best_of_n_enumerated([0.5, 0.25, 0.25], [0.0, 1.0, 1.0], 2), [0.25, 0.375, 0.375]
    )


def test_caps_are_checked_before_memory_is_taken() -> None:
    with pytest.raises(ValueError, match="more than the cap"):
        all_tuples(10, 100)
    with pytest.raises(ValueError, match="more than the cap"):
        iid_groups([0.5, 0.5], 5, max_count=31)
    assert iid_groups([0.5, 0.5], 5, max_count=32)[0].shape == (32, 5)
    with pytest.raises(ValueError, match="more than the cap"):
        deterministic_policies(40, 4)
    with pytest.raises(ValueError, match="more than the cap"):
        deterministic_stage_policies(20, 20, 2)
    with pytest.raises(ValueError, match="more than the cap"):
        arrangements(30, 15)


def test_policies() -> None:
    assert [tuple(row) for row in deterministic_policies(3, 2)] == list(product(range(2), repeat=3))
    mask = np.array([[True, False, True], [False, True, False]])
    assert deterministic_policies(2, 3, available=mask).tolist() == [[0, 1], [2, 1]]
    with pytest.raises(ValueError, match="state 1"):
        deterministic_policies(2, 2, available=np.array([[True, True], [False, False]]))
    stage = deterministic_stage_policies(2, 2, 2)
    assert stage.shape == (16, 2, 2)
    assert len({row.tobytes() for row in stage}) == 16
    probability = one_hot(stage, 2)
    assert probability.shape == (16, 2, 2, 2)
    np.testing.assert_array_equal(probability.argmax(axis=-1), stage)
    np.testing.assert_array_equal(probability.sum(axis=-1), 1.0)


def test_masked_policies() -> None:
    mask = np.array([[[True, True], [True, False]], [[False, True], [True, True]]])
    found = deterministic_stage_policies(2, 2, 2, available=mask)
    assert found.tolist() == [[[a, 0], [1, b]] for a in range(2) for b in range(2)]
    assert deterministic_stage_policies(2, 2, 2, available=mask[0]).shape == (4, 2, 2)
    many = np.zeros((100, 2), dtype=bool)  # more states than an array has axes
    many[:, 1] = many[-1, 0] = True
    assert deterministic_policies(100, 2, available=many)[:, -1].tolist() == [0, 1]
    with pytest.raises(ValueError, match="more than the cap"):
        deterministic_stage_policies(20, 3, 2, available=np.ones((3, 2), dtype=bool))
    mask[1, 0, 1] = False
    with pytest.raises(ValueError, match="stage 1, state 0 has no admitted action"):
        deterministic_stage_policies(2, 2, 2, available=mask)
    with pytest.raises(ValueError, match=r"available: expected shape \(2, 2\) or \(3, 2, 2\)"):
        deterministic_stage_policies(3, 2, 2, available=mask)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="n_values"):
        all_tuples(0, 2)
    with pytest.raises(ValueError, match="probability"):
        iid_groups([0.5, 0.4], 2)
    with pytest.raises(ValueError, match="n_draws"):
        best_of_n_enumerated([0.5, 0.5], [0.0, 1.0], 0)
    with pytest.raises(ValueError, match="function"):
        expectation_over_groups(lambda g: g.sum(), [0.5, 0.5], 2)
    with pytest.raises(ValueError, match="available"):
        deterministic_policies(2, 2, available=np.ones((2, 3), dtype=bool))
    with pytest.raises(ValueError, match="horizon"):
        deterministic_stage_policies(0, 2, 2)
