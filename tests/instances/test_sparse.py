"""Safety graphs: the drawn ranges, and the named chain."""

from __future__ import annotations

import numpy as np
import pytest

from mdplab.instances.draw import SeededDraw
from mdplab.instances.sparse import random_successors, safety_graph, survival_chain


def test_successors_fill_the_whole_range() -> None:
    table = random_successors(SeededDraw(3), states=(9, 9), actions=(3, 3))
    assert table.shape == (9, 3)
    pooled = np.concatenate([random_successors(SeededDraw(i), states=(5, 5)).ravel() for i in range(60)])
    assert set(pooled) == set(range(5))


def test_sizes_stay_in_their_ranges_and_reach_the_ends() -> None:
    shapes = [safety_graph(SeededDraw(i), states=(4, 6), actions=(2, 3))[0].shape for i in range(80)]
    assert {n for n, _ in shapes} == {4, 5, 6}
    assert {a for _, a in shapes} == {2, 3}


def test_share_of_unsafe_states() -> None:
    unsafe = np.concatenate([safety_graph(SeededDraw(i))[1] for i in range(300)])
    assert abs(unsafe.mean() - 0.4) < 0.04
    assert not safety_graph(SeededDraw(1), unsafe=0.0)[1].any()
    assert safety_graph(SeededDraw(1), unsafe=1.0)[1].all()


def test_a_probability_outside_the_unit_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="unsafe"):
        safety_graph(SeededDraw(1), unsafe=1.2)


def test_the_chain_ends_in_its_unsafe_state_unless_it_stays_left() -> None:
    successors, unsafe = survival_chain()
    here = np.arange(7)
    for _ in range(7):
        here = successors[here].max(axis=1)
    np.testing.assert_array_equal(unsafe[here], [False, True, True, True, True, True, True])
    assert (successors[[0, 1]].min(axis=1) == 0).all()
