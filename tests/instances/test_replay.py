"""Replay of a tape that no longer fits its questions: what is near is kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mdplab.instances import Draw, LatticeDraw, ReplayDraw, SeededDraw, preference_matrices, random_policy


def policy(draw: Draw) -> np.ndarray:
    return random_policy(draw, 2, 3)


@pytest.mark.parametrize("kind", [2, 3])
def test_another_kind_of_policy_keeps_the_probabilities(kind: int) -> None:
    """Logits become their softmax, actions their vertex, when Dirichlet rows are asked for instead."""
    for seed in range(100):
        draw = SeededDraw(seed)
        before = policy(draw)
        if int(draw.tape[0].value) == kind:
            break
    changed = [replace(draw.tape[0], value=np.asarray(0)), *draw.tape[1:]]
    np.testing.assert_allclose(policy(ReplayDraw(changed)), before, rtol=1e-14)


def test_a_question_that_nothing_fits_leaves_the_tape_as_it_is() -> None:
    first = SeededDraw(1)
    weights = first.weights((2, 3))
    again = ReplayDraw(first.tape)
    assert again.choice((7, 8)) == 7
    np.testing.assert_array_equal(again.weights((2, 3)), weights)


@pytest.mark.parametrize("dropped", range(4))
def test_a_response_that_is_left_out_takes_its_pairs_along(dropped: int) -> None:
    drawn = (
        (draw, preference_matrices(draw, responses=(3, 4), kind="uniform"))
        for draw in map(SeededDraw, range(50))
    )
    first, before = next((draw, found.probability) for draw, found in drawn if len(found.probability) == 4)
    smaller = [replace(first.tape[0], value=np.asarray(3)), *first.tape[1:]]
    after = preference_matrices(ReplayDraw(smaller, dropped=dropped), responses=(3, 4), kind="uniform")
    left = np.delete(np.arange(4), dropped)
    np.testing.assert_array_equal(after.probability, before[np.ix_(left, left)])


@pytest.mark.parametrize("engine", [LatticeDraw, SeededDraw])
def test_a_generator_as_seed_goes_on(engine: type[LatticeDraw] | type[SeededDraw]) -> None:
    rng = np.random.default_rng(4)
    first, second = (engine(rng).uniform(0.0, 1.0, 8) for _ in range(2))
    assert (first != second).any()
    np.testing.assert_array_equal(engine(np.random.default_rng(4)).uniform(0.0, 1.0, 8), first)
