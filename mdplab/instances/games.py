"""Random preference matrices, matrix games and comparison data."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mdplab._typing import FloatArray
from mdplab.instances.draw import Draw
from mdplab.instances.rewards import RewardLaw, random_reward
from mdplab.models import Comparisons, MatrixGame, PairWeights, PreferenceMatrix

__all__ = [
    "PREFERENCE_KINDS",
    "PreferenceKind",
    "comparison_data",
    "comparison_weights",
    "matrix_games",
    "preference_matrices",
    "random_preference",
    "symmetric_games",
]

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
    above, below = _upper_triangle(n, wins), _upper_triangle(n, 1.0 - wins)
    return PreferenceMatrix(above + below.T + 0.5 * np.eye(n))


def preference_matrices(
    draw: Draw,
    *,
    responses: tuple[int, int] = (2, 5),
    kind: PreferenceKind | tuple[PreferenceKind, ...] = PREFERENCE_KINDS,
) -> PreferenceMatrix:
    """Draw a preference matrix of any size and kind.

    Parameters
    ----------
    draw : Draw
        The engine.
    responses : tuple of int
        Smallest, at least 2, and largest number n of responses.
    kind : str or tuple of str
        Kinds of :func:`random_preference` to choose from.

    Returns
    -------
    PreferenceMatrix
    """
    n = draw.integer(*responses)
    return random_preference(draw, n, draw.choice((kind,) if isinstance(kind, str) else kind))


def matrix_games(
    draw: Draw,
    *,
    rows: tuple[int, int] = (1, 4),
    columns: tuple[int, int] = (1, 4),
    payoff: RewardLaw = "symmetric",
) -> MatrixGame:
    """Draw a zero-sum game with independent payoffs.

    Parameters
    ----------
    draw : Draw
        The engine.
    rows, columns : tuple of int
        Smallest and largest number of actions of the row player, who maximises, and of the column player.
    payoff : str
        Law of the payoffs, as in :func:`~mdplab.instances.random_reward`.

    Returns
    -------
    MatrixGame
    """
    shape = draw.integer(*rows), draw.integer(*columns)
    return MatrixGame(random_reward(draw, shape, payoff))


def symmetric_games(
    draw: Draw, *, actions: tuple[int, int] = (1, 4), payoff: RewardLaw = "symmetric"
) -> MatrixGame:
    """Draw a symmetric zero-sum game: an antisymmetric payoff, independent above the diagonal; its value is zero.

    Parameters
    ----------
    draw : Draw
        The engine.
    actions : tuple of int
        Smallest and largest number n of actions.
    payoff : str
        Law of the payoffs above the diagonal, as in :func:`~mdplab.instances.random_reward`.

    Returns
    -------
    MatrixGame
        Payoff ``(n, n)`` with ``payoff.T == -payoff``.
    """
    n = draw.integer(*actions)
    upper = _upper_triangle(n, random_reward(draw, n * (n - 1) // 2, payoff))
    return MatrixGame(upper - upper.T)


def comparison_data(
    draw: Draw, *, responses: tuple[int, int] = (2, 5), comparisons: tuple[int, int] = (1, 8)
) -> Comparisons:
    """Draw labelled pairs, winner first, each ordered pair of different responses equally likely.

    Parameters
    ----------
    draw : Draw
        The engine.
    responses, comparisons : tuple of int
        Smallest and largest number n of responses, at least 2, and N of comparisons.

    Returns
    -------
    Comparisons
    """
    n, count = draw.integer(*responses), draw.integer(*comparisons)
    winner = draw.integers(0, n - 1, count)
    loser = (winner + draw.integers(1, n - 1, count)) % n
    return Comparisons(np.column_stack([winner, loser]), n)


def comparison_weights(
    draw: Draw, *, responses: tuple[int, int] = (2, 5), largest: int = 5, connected: bool = True
) -> PairWeights:
    """Draw counts of wins.

    Parameters
    ----------
    draw : Draw
        The engine.
    responses : tuple of int
        Smallest and largest number n of responses, at least 2.
    largest : int, default 5
        Counts are uniform on ``0..largest``.
    connected : bool, default True
        Let each response win against the next at least once, in a cycle: the graph of wins is strongly connected, and
        the scores of a Bradley-Terry model have a maximum-likelihood estimate.

    Returns
    -------
    PairWeights
        Not all zero.
    """
    n = draw.integer(*responses)
    wins = draw.integers(0, largest, (n, n)) * (1 - np.eye(n, dtype=np.int64))
    if connected:
        wins = np.maximum(wins, np.roll(np.eye(n, dtype=np.int64), 1, axis=1))
    elif not wins.any():
        draw.reject("no comparison at all")
    return PairWeights(wins)


def _upper_triangle(n: int, above: FloatArray) -> FloatArray:
    """A matrix with the given entries above the diagonal, row by row, and zeros."""
    matrix = np.zeros((n, n))
    matrix[np.triu_indices(n, 1)] = above
    return matrix
