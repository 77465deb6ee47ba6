"""Stacks of instances: copies of a tape that are changed stay inside the questions, and come apart into tapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mdplab import falsify
from mdplab.falsifier import Conjecture
from mdplab.falsifier.stack import CopiesDraw, StackDraw
from mdplab.instances import Draw, LatticeDraw, ReplayDraw, SeededDraw

SIZE = 400


def family(draw: Draw) -> tuple[Any, ...]:
    n, flag = draw.integer(2, 4), draw.boolean()
    return (
        n,
        flag,
        draw.weights((n, 3), positive=True),
        draw.uniform(-1.0, 2.0, n),
        draw.log_number(0.1, 10.0),
        draw.normal(n),
        draw.integers(0, 5, n),
        draw.distinct(1, 2, n + 1),
        draw.boolean(0.5, n),
    )


@pytest.fixture
def copies() -> tuple[tuple[Any, ...], tuple[Any, ...], CopiesDraw]:
    first = SeededDraw(3)
    original = family(first)
    draw = CopiesDraw(first.tape, np.random.default_rng(0), SIZE)
    return original, family(draw), draw


def test_copies_stay_inside_their_questions(copies: Any) -> None:
    original, (n, flag, weights, uniform, log, _, integers, distinct, _), _ = copies
    assert (n, flag) == original[:2]  # shared
    assert weights.shape == (SIZE, n, 3)
    assert weights.min() > 0
    np.testing.assert_allclose(weights.sum(axis=-1), 1.0, rtol=1e-14)
    assert -1.0 <= uniform.min() <= uniform.max() <= 2.0
    assert 0.1 <= log.min() <= log.max() <= 10.0
    assert set(integers.ravel()) <= set(range(6))
    assert (np.diff(distinct, axis=-1) > 0).all()


def test_each_copy_is_changed_in_few_places(copies: Any) -> None:
    original, changed, _ = copies
    different = np.zeros(SIZE)
    for before, after in zip(original[2:], changed[2:], strict=True):
        different += (after != before).reshape(SIZE, -1).any(axis=1)
    assert 0.5 < different.mean() < 2.5
    assert all((after != before).any() for before, after in zip(original[2:], changed[2:], strict=True))


@pytest.mark.parametrize("engine", [LatticeDraw, SeededDraw])
def test_an_instance_of_a_stack_is_built_again_from_its_tape(engine: Any, copies: Any) -> None:
    draw = StackDraw(engine(5), 7)
    for stack, source in ((family(draw), draw), copies[1:]):
        again = family(ReplayDraw(source.tape_of(4)))
        assert again[:2] == stack[:2]
        for one, many in zip(again[2:], stack[2:], strict=True):
            np.testing.assert_array_equal(one, many[4])


def test_a_climb_of_stacks_arrives_where_single_draws_do_not() -> None:
    """The smallest of six numbers comes near 1 only by steps."""

    def raw(draw: Draw) -> Any:
        return draw.uniform(0.0, 1.0, 6), draw.uniform(0.0, 0.999, 6)

    def sides(pair: Any) -> tuple[Any, Any]:
        return np.minimum(*pair).min(axis=-1), 0.99 + 0.0 * pair[0].sum(axis=-1)

    found = falsify(Conjecture(sides, stacked=(raw, sides)), raw, evaluations=60_000)
    assert found.verdict == "refuted"
