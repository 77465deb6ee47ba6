"""Random preference matrices."""

from __future__ import annotations

import numpy as np
import pytest

from mdplab.instances.draw import SeededDraw
from mdplab.instances.games import PREFERENCE_KINDS, random_preference


@pytest.mark.parametrize("kind", PREFERENCE_KINDS)
def test_the_kinds_follow_their_laws(kind) -> None:
    draw = SeededDraw(3)
    upper = np.triu_indices(6, 1)
    wins = np.concatenate([random_preference(draw, 6, kind).probability[upper] for _ in range(400)])
    assert abs(wins.mean() - 0.5) < 0.03
    # variance of the uniform law 1/12, of a coin 1/4, of Beta(a, a) 1/(4 (2a + 1)); of the fourth only a range
    low, high = {
        "uniform": (0.080, 0.087),
        "deterministic": (0.2499, 0.2501),
        "beta": (0.150, 0.163),
        "bradley-terry": (0.10, 0.15),
    }[kind]
    assert low < wins.var() < high


def test_a_score_model_is_transitive_and_a_tournament_need_not_be() -> None:
    ranked = random_preference(SeededDraw(5), 5, "bradley-terry").probability
    order = np.argsort(-ranked.sum(axis=1))
    assert np.all(ranked[np.ix_(order, order)][np.triu_indices(5, 1)] >= 0.5)
    draw = SeededDraw(5)
    wins = [random_preference(draw, 3, "deterministic").probability.sum(axis=1) for _ in range(50)]
    assert any(np.ptp(w) == 0 for w in wins)  # everybody wins once: a cycle


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="kind"):
        random_preference(SeededDraw(1), 3, "normal")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="n:"):
        random_preference(SeededDraw(1), 1)
