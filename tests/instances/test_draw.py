"""The seeded engine of instance families."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab.instances.draw import Rejected, SeededDraw


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


@settings(max_examples=30)
@given(st.integers(0, 2**32))
def test_ranges_are_kept(seed: int) -> None:
    draw = SeededDraw(seed)
    assert set(np.unique(draw.integers(2, 4, 200))) <= {2, 3, 4}
    assert np.all((draw.uniform(-1, 2, 200) >= -1) & (draw.uniform(-1, 2, 200) < 2))
    low = draw.log_uniform(1e-3, 1e3, 200)
    assert np.all((low >= 1e-3) & (low <= 1e3))
    assert draw.choice("abc") in "abc"


def test_both_ends_of_an_integer_range_occur() -> None:
    assert set(np.unique(SeededDraw(0).integers(2, 4, 200))) == {2, 3, 4}


def test_the_tape_records_questions_and_answers() -> None:
    draw = SeededDraw([1, 2])
    n = draw.integer(2, 5)
    weights = draw.weights(n, 0.3)
    option = draw.choice(["x", "y"])
    kinds = [entry.kind for entry in draw.tape]
    assert kinds == ["integers", "weights", "choice"]
    assert int(draw.tape[0].value) == n
    np.testing.assert_array_equal(draw.tape[1].value, weights)
    assert ["x", "y"][int(draw.tape[2].value)] == option
    again = SeededDraw([1, 2])
    again.integer(2, 5)
    np.testing.assert_array_equal(again.weights(n, 0.3), weights)


def test_impossible_ranges_are_named() -> None:
    with pytest.raises(ValueError, match="low 3 exceeds high 2"):
        SeededDraw(0).integers(3, 2)
    with pytest.raises(ValueError, match="low must be positive"):
        SeededDraw(0).log_uniform(0.0, 1.0)
    with pytest.raises(Rejected, match="no good"):
        SeededDraw(0).reject("no good")
