"""Chernoff information: known values, symmetry, the point where the balls meet, extremes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab.divergences import chernoff_information, kl
from mdplab.operators import log_mixture


def test_known_values() -> None:
    mirrored = chernoff_information(np.log([0.4, 0.3, 0.2, 0.1]), np.log([0.1, 0.2, 0.3, 0.4]))
    assert mirrored[0] == pytest.approx(0.1166484874, abs=1e-10)
    assert mirrored[1] == pytest.approx(0.5, abs=1e-15)
    assert chernoff_information(np.log([0.3, 0.7]), np.log([0.3, 0.7]))[0] == pytest.approx(0.0, abs=1e-15)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 30.0))
def test_the_balls_meet_there_and_not_before(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    logits = scale * rng.normal(size=(2, 3, 4))
    logs = (
        logits
        - np.log(np.exp(logits - logits.max(-1, keepdims=True)).sum(-1, keepdims=True))
        - logits.max(-1, keepdims=True)
    )
    information, weight = chernoff_information(logs[0], logs[1])
    other, share = chernoff_information(logs[1], logs[0])
    np.testing.assert_allclose(other, information, atol=1e-13 * scale)
    np.testing.assert_allclose(share, 1 - weight, atol=1e-6)
    for row in range(3):
        shares = [weight[row], 1 - weight[row]]
        centre = np.exp(log_mixture(logs[:, row], shares))
        meeting = kl(centre, np.exp(logs[:, row]))
        np.testing.assert_allclose(meeting, information[row], atol=1e-10 * scale)
        rivals = rng.dirichlet(np.ones(4), 20)
        largest = np.maximum(*(kl(rivals, np.exp(law)) for law in logs[:, row]))
        assert np.all(largest >= information[row] - 1e-12 * scale)


@pytest.mark.parametrize(
    ("log_p", "log_q", "message"),
    [
        (np.log([0.5, 0.5]), [0.0, -np.inf], r"log_q: entries must be finite; entry \(1,\) is -inf"),
        (np.log([[0.5, 0.5], [0.5, 0.6]]), np.log([0.5, 0.5]), r"log_p: row \(1,\) is not a law"),
        ([0.5, 0.5], np.log([0.5, 0.5]), "log_p: row .* is not a law; expected log-probabilities"),
        (0.0, np.log([0.5, 0.5]), "log_p: expected shape"),
        ([], [], "log_p: expected shape"),
        (np.log([0.5, 0.5]), np.log([0.2, 0.3, 0.5]), "log_p and log_q do not fit"),
    ],
)
def test_bad_input(log_p: object, log_q: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        chernoff_information(log_p, log_q)  # type: ignore[arg-type]
