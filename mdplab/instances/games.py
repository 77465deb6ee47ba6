"""Random preference matrices."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mdplab.instances.draw import Draw
from mdplab.models import PreferenceMatrix

__all__ = ["PREFERENCE_KINDS", "PreferenceKind", "random_preference"]

PreferenceKind = Literal["uniform", "deterministic", "beta", "bradley-terry"]
PREFERENCE_KINDS: tuple[PreferenceKind, ...] = ("uniform", "deterministic", "beta", "bradley-terry")


def random_preference(draw: Draw, n: int, kind: PreferenceKind = "uniform") -> PreferenceMatrix:
    """Draw a preference matrix, independent above the diagonal or by a difference of scores.

    Parameters
    ----------
    draw : Draw
        The engine.
    n : int
        Number of responses, at least 2.
    kind : {"uniform", "deterministic", "beta", "bradley-terry"}
        Law of the winning probabilities above the diagonal: uniform on [0, 1]; 0 or 1 with equal odds (a tournament,
        which may be cyclic); Beta(.3, .3), mostly near 0 or 1; or Bradley-Terry with normal scores of variance 4.

    Returns
    -------
    PreferenceMatrix

    Raises
    ------
    ValueError
        If the kind is unknown or ``n < 2``.
    """
    if n < 2:
        raise ValueError(f"n: expected at least two responses, got {n}")
    pairs = n * (n - 1) // 2
    match kind:
        case "bradley-terry":
            return PreferenceMatrix.bradley_terry(draw.normal(n, scale=2.0))
        case "uniform":
            wins = draw.uniform(0.0, 1.0, pairs)
        case "deterministic":
            wins = draw.boolean(0.5, pairs).astype(float)
        case "beta":
            wins = draw.weights((pairs, 2), 0.3)[:, 0]
        case _:
            raise ValueError(f"kind {kind!r}: expected one of {', '.join(PREFERENCE_KINDS)}")
    probability = np.full((n, n), 0.5)
    upper = np.triu_indices(n, 1)
    probability[upper] = wins
    probability.T[upper] = 1.0 - wins
    return PreferenceMatrix(probability)
