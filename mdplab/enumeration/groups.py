"""Best of n by enumerating every tuple of draws: the slow twin of :func:`mdplab.laws.best_of_n`.

Each of the ``|Y|^n`` ordered tuples has the product probability; its mass is shared equally by the draws of highest
score in it (a draw, not a value: an item drawn twice has two shares).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.enumeration.combinatorics import MAX_COUNT, iid_groups

__all__ = ["best_of_n_enumerated"]


def best_of_n_enumerated(
    probability: ArrayLike, score: ArrayLike, n_draws: int, *, max_count: int = MAX_COUNT
) -> FloatArray:
    """Law of the best of ``n_draws`` independent draws, ties broken uniformly among the draws.

    Parameters
    ----------
    probability : array_like, shape (n,)
        Law of one draw.
    score : array_like, shape (n,)
        Scores; equal floats are ties.
    n_draws : int
        Number of draws, >= 1.
    max_count : int, default 1_000_000
        Hard cap on ``n ** n_draws``.

    Returns
    -------
    ndarray, shape (n,)
        Probability that each item is kept.

    Raises
    ------
    ValueError
        If shapes differ, ``n_draws < 1`` or the cap is exceeded.
    """
    r = np.asarray(score, dtype=np.float64)
    if n_draws < 1 or r.shape != np.shape(probability):
        raise ValueError(
            f"n_draws, score: expected n_draws >= 1 and score of shape {np.shape(probability)}, "
            f"got {n_draws} and {r.shape}"
        )
    groups, weight = iid_groups(probability, n_draws, max_count=max_count)
    drawn = r[groups]
    best = drawn == drawn.max(axis=1, keepdims=True)
    share = best * (weight / best.sum(axis=1))[:, None]
    kept = np.bincount(groups.ravel(), weights=share.ravel(), minlength=r.shape[0])
    return np.asarray(kept, dtype=np.float64)
