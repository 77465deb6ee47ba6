"""The engines of instance families: seeded, grid of rationals, replay of a tape."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab.instances import Draw, LatticeDraw, Rejected, ReplayDraw, SeededDraw
from mdplab.instances.draw import TapeEntry

ENGINES = (SeededDraw, LatticeDraw)
each_engine = pytest.mark.parametrize("engine", ENGINES)


def everything(draw: Draw) -> list[Any]:
    """One question of every kind; shapes depend on the first answer."""
    n = draw.integer(1, 5)
    return [
        n,
        draw.uniform(-1.0, 2.0, n),
        draw.log_uniform(1e-3, 1e3, n),
        draw.normal((n, 2), 1.5),
        draw.weights((2, n), 0.3),
        draw.weights(n, positive=True),
        draw.distinct(3, min(n, 2), n),
        draw.boolean(0.3, n),
        draw.choice("abc"),
    ]


# --- every engine keeps what is asked for ---------------------------------------------------------------------------


def replayed(engine: Callable[[int], Draw], seed: int) -> Draw:
    """A replay of a tape whose answers were moved, cut or put in another order."""
    source = engine(seed)
    everything(source)
    rng = np.random.default_rng(seed)
    tape = [
        TapeEntry(entry.kind, entry.parameters, np.asarray(entry.value + rng.integers(-3, 4)))
        if entry.kind != "boolean"
        else entry
        for entry in source.tape
    ]
    if seed % 3 == 1:
        tape = tape[: rng.integers(0, len(tape) + 1)]
    if seed % 3 == 2:
        tape = [tape[i] for i in rng.permutation(len(tape))]
    return ReplayDraw(tape, dropped=int(rng.integers(0, 3)))


@each_engine
@pytest.mark.parametrize("again", [False, True], ids=["drawn", "replayed"])
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_every_answer_is_in_its_range(engine: Callable[[int], Draw], again: bool, seed: int) -> None:
    draw = replayed(engine, seed) if again else engine(seed)
    n, uniform, log_uniform, normal, weights, positive, distinct, boolean, choice = everything(draw)
    assert 1 <= n <= 5
    assert uniform.shape == (n,)
    assert np.all((uniform >= -1.0) & (uniform <= 2.0))
    assert np.all((log_uniform >= 1e-3) & (log_uniform <= 1e3))
    assert normal.shape == (n, 2)
    assert np.all(np.isfinite(normal))
    assert weights.shape == (2, n)
    for law in (weights, positive):
        assert np.all(law >= 0.0)
        np.testing.assert_allclose(law.sum(axis=-1), 1.0, rtol=0, atol=8 * np.finfo(float).eps * n)
    assert np.all(positive > 0.0)
    assert np.all((distinct >= 0) & (distinct < n))
    assert np.all(np.diff(distinct, axis=1) > 0)
    assert boolean.dtype == bool
    assert choice in "abc"


@each_engine
def test_both_ends_of_an_integer_range_occur(engine: Callable[[int], Draw]) -> None:
    assert set(np.unique(engine(0).integers(2, 4, 200))) == {2, 3, 4}
    assert {engine(seed).choice("xyz") for seed in range(40)} == set("xyz")


@each_engine
def test_the_tape_records_questions_and_answers(engine: Callable[[Any], Draw]) -> None:
    draw = engine([1, 2])
    answers = everything(draw)
    kinds = [
        "integers",
        "uniform",
        "log_uniform",
        "normal",
        "weights",
        "weights",
        "distinct",
        "boolean",
        "choice",
    ]
    assert [entry.kind for entry in draw.tape] == kinds
    for entry, answer in zip(draw.tape[:-1], answers[:-1], strict=True):
        np.testing.assert_array_equal(entry.value, answer)
    assert "abc"[int(draw.tape[-1].value)] == answers[-1]
    assert draw.tape[4].parameters == {"concentration": 0.3, "positive": False}
    for first, second in zip(answers, everything(engine([1, 2])), strict=True):
        np.testing.assert_array_equal(first, second)


def test_impossible_questions_are_named() -> None:
    with pytest.raises(ValueError, match="low 3 exceeds high 2"):
        SeededDraw(0).integers(3, 2)
    with pytest.raises(ValueError, match="low 3 exceeds high 2"):
        SeededDraw(0).uniform(3, 2)
    with pytest.raises(ValueError, match="low must be positive"):
        SeededDraw(0).log_uniform(0.0, 1.0)
    with pytest.raises(ValueError, match="low 2 exceeds high 1"):
        SeededDraw(0).log_uniform(2, 1)
    with pytest.raises(ValueError, match="4 distinct numbers below 3"):
        SeededDraw(0).distinct(1, 4, 3)
    with pytest.raises(Rejected, match="no good"):
        SeededDraw(0).reject("no good")


# --- the seeded engine ----------------------------------------------------------------------------------------------


@given(st.integers(0, 2**32), st.floats(0.01, 10), st.integers(1, 8))
def test_weights_are_probability_vectors_at_any_concentration(
    seed: int, concentration: float, n: int
) -> None:
    weights = SeededDraw(seed).weights((3, n), concentration)
    assert np.all(weights >= 0)
    np.testing.assert_allclose(weights.sum(axis=-1), 1.0, rtol=0, atol=8 * np.finfo(float).eps * n)


@pytest.mark.parametrize("concentration", [0.1, 1.0, 5.0])
def test_weights_follow_the_dirichlet_law(concentration: float) -> None:
    n, rows = 3, 40_000
    weights = SeededDraw(7).weights((rows, n), concentration)
    variance = (n - 1) / (n**2 * (n * concentration + 1))
    np.testing.assert_allclose(weights.mean(axis=0), 1 / n, atol=5 * np.sqrt(variance / rows))
    np.testing.assert_allclose(weights.var(axis=0), variance, rtol=0.05)


def test_the_question_of_positive_weights_does_not_change_the_seeded_law() -> None:
    free, positive = SeededDraw(3).weights((50, 4), 0.5), SeededDraw(3).weights((50, 4), 0.5, positive=True)
    np.testing.assert_array_equal(free, positive)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_every_set_of_distinct_numbers_is_equally_likely(count: int) -> None:
    rows = SeededDraw(11).distinct(20_000, count, 4)
    sets, times = np.unique(rows, axis=0, return_counts=True)
    expected = {1: 4, 2: 6, 4: 1}[count]
    assert len(sets) == expected
    share = 1 / expected
    np.testing.assert_allclose(times / len(rows), share, atol=5 * np.sqrt(share * (1 - share) / len(rows)))


# --- the grid -------------------------------------------------------------------------------------------------------


def test_the_grid_reaches_vertices_ties_and_ends() -> None:
    draws = [LatticeDraw(seed) for seed in range(200)]
    laws = np.concatenate([draw.weights((4, 3)) for draw in draws])
    assert {int(np.argmax(law)) for law in laws if law.max() == 1.0} == {0, 1, 2}
    assert np.any(np.all(laws == laws[:, :1], axis=1))  # the uniform law
    numbers = np.array([draw.uniform(-1.0, 2.0, 4) for draw in draws])
    assert {-1.0, 0.0, 2.0} <= set(numbers.ravel())
    assert np.any(np.ptp(numbers, axis=1) == 0.0)
    scales = np.concatenate([draw.log_uniform(0.08, 1.6, 4) for draw in draws])
    assert {0.08, 0.1, 1.0, 1.6} <= set(scales)
    normals = np.concatenate([draw.normal(4, 2.0) for draw in draws])
    assert {-6.0, 0.0, 6.0} <= set(normals)


@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_the_grid_consists_of_simple_rationals(seed: int) -> None:
    draw = LatticeDraw(seed)
    for number in draw.uniform(0.3, 0.97, 5):
        parts = (Fraction(str(number)).limit_denominator(10**4) - Fraction(3, 10)) / Fraction(67, 100)
        assert abs(float(Fraction(3, 10) + parts * Fraction(67, 100)) - number) < 1e-15
        assert parts.limit_denominator(10).denominator <= 10
    for law in draw.weights((3, 3)):
        assert sum(Fraction(float(p)).limit_denominator(27) for p in law) == 1


def test_weights_that_must_be_positive_are_on_no_face() -> None:
    assert min(LatticeDraw(seed).weights((3, 4), positive=True).min() for seed in range(100)) >= 1 / 31


def test_sets_of_the_grid_are_all_reached() -> None:
    seen = {tuple(row) for seed in range(40) for row in LatticeDraw(seed).distinct(3, 2, 4)}
    assert len(seen) == 6


# --- replay ---------------------------------------------------------------------------------------------------------


@each_engine
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_replay_of_an_unchanged_tape_gives_every_bit_back(engine: Callable[[int], Draw], seed: int) -> None:
    draw = engine(seed)
    first = everything(draw)
    replay = ReplayDraw(draw.tape)
    for one, other in zip(first, everything(replay), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(draw.tape, replay.tape, strict=True):
        assert (one.kind, one.parameters) == (other.kind, other.parameters)
        np.testing.assert_array_equal(one.value, other.value)


def test_behind_the_end_of_a_tape_come_the_simplest_answers() -> None:
    n, uniform, log_uniform, normal, weights, positive, distinct, boolean, choice = everything(ReplayDraw([]))
    assert (n, choice) == (1, "a")
    assert uniform.tolist() == [0.0]
    assert log_uniform.tolist() == [1.0]
    assert normal.tolist() == [[0.0, 0.0]]
    assert weights.tolist() == [[1.0], [1.0]]
    assert positive.tolist() == [1.0]
    assert distinct.tolist() == [[0], [0], [0]]
    assert boolean.tolist() == [False]
    assert ReplayDraw([]).number(2.0, 3.0) == 2.0
    assert ReplayDraw([]).integer(-5, -2) == -2
    assert ReplayDraw([]).weights(3).tolist() == [1.0, 0.0, 0.0]


def entry(kind: str, value: Any) -> TapeEntry:
    return TapeEntry(kind, {}, np.asarray(value))


def test_answers_of_another_shape_are_cut_and_filled() -> None:
    law = entry("weights", [[0.25, 0.25, 0.5], [0.5, 0.25, 0.25]])
    assert ReplayDraw([law]).weights((1, 2)).tolist() == [[0.5, 0.5]]
    assert ReplayDraw([law], dropped=0).weights((2, 2)).tolist() == [
        [1 / 3, 2 / 3],
        [0.5, 0.5],
    ]
    assert ReplayDraw([law]).weights((3, 3))[2].tolist() == [1.0, 0.0, 0.0]
    numbers = entry("normal", [1.0, 2.0, 3.0])
    assert ReplayDraw([numbers], dropped=1).normal(2).tolist() == [1.0, 3.0]
    assert ReplayDraw([numbers]).normal(2).tolist() == [1.0, 2.0]
    assert ReplayDraw([numbers]).normal(4).tolist() == [1.0, 2.0, 3.0, 0.0]


def test_answers_move_into_the_range_that_is_asked_for() -> None:
    assert ReplayDraw([entry("integers", 7)]).integer(1, 3) == 3
    assert ReplayDraw([entry("uniform", -7.0)]).number(-1.0, 3.0) == -1.0
    assert ReplayDraw([entry("choice", 5)]).choice("ab") == "b"
    assert ReplayDraw([entry("distinct", [[3, 3, 9]])]).distinct(1, 3, 5).tolist() == [[2, 3, 4]]
    law = ReplayDraw([entry("weights", [-1.0, 0.0, 3.0])]).weights(3, positive=True)
    assert law.min() > 0.0
    assert law.sum() == pytest.approx(1.0, abs=1e-15)
    assert ReplayDraw([entry("weights", [0.0, 0.0])]).weights(2).tolist() == [1.0, 0.0]


def test_a_tape_with_a_lower_size_gives_a_smaller_instance() -> None:
    draw = next(draw for draw in map(LatticeDraw, range(100)) if everything(draw)[0] == 5)
    lowered = [entry("integers", 4), *draw.tape[1:]]
    uniform, normal = draw.tape[1].value, draw.tape[3].value
    smaller = everything(ReplayDraw(lowered, dropped=2))
    assert smaller[0] == 4
    np.testing.assert_array_equal(smaller[1], np.delete(uniform, 2))
    np.testing.assert_array_equal(smaller[3], np.delete(normal, 2, axis=0))
