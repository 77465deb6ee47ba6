"""Hypervolume: inclusion and exclusion, slabs in any order, points that add nothing."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mdplab.numerics import hypervolume

shapes = st.tuples(st.integers(0, 5), st.integers(1, 3))
points = arrays(float, shapes, elements=st.integers(-4, 8).map(lambda k: k / 4))


def by_inclusion(v, r):
    """Alternating sum over the intersections of the boxes."""
    boxes = [x for x in v if (x > r).all()]
    return sum(
        (-1) ** (k + 1) * np.prod(np.min(chosen, axis=0) - r)
        for k in range(1, len(boxes) + 1)
        for chosen in combinations(boxes, k)
    )


@given(points)
def test_inclusion_and_exclusion(v):
    reference = np.full(v.shape[1], -0.25)
    assert hypervolume(v, reference) == pytest.approx(by_inclusion(v, reference), abs=1e-12)


@given(points, st.randoms(use_true_random=False))
def test_the_order_of_points_and_objectives_does_not_matter(v, random):
    rows, columns = list(range(v.shape[0])), list(range(v.shape[1]))
    random.shuffle(rows)
    random.shuffle(columns)
    moved = v[rows][:, columns]
    assert hypervolume(moved, np.zeros(len(columns))) == pytest.approx(hypervolume(v, np.zeros(len(columns))))


def test_a_dominated_point_adds_nothing_and_another_does():
    corner = [[1.0, 1.0, 1.0]]
    assert hypervolume(corner, np.zeros(3)) == 1.0
    assert hypervolume([*corner, [0.5, 1.0, 0.2], [9.0, 9.0, 0.0]], np.zeros(3)) == 1.0
    assert hypervolume([*corner, [2.0, 0.5, 0.5]], np.zeros(3)) == 1.25
    assert hypervolume(np.zeros((0, 2)), [0.0, 0.0]) == 0.0


@pytest.mark.parametrize(
    ("v", "r", "message"),
    [
        ([1.0], [0.0], r"expected shapes \(n, m\) and \(m,\)"),
        ([[1.0, 2.0]], [0.0], "got"),
        ([[np.inf]], [0.0], "points: expected finite"),
        ([[1.0]], [np.nan], "reference: expected finite"),
    ],
)
def test_bad_input_is_named(v, r, message):
    with pytest.raises(ValueError, match=message):
        hypervolume(v, r)
