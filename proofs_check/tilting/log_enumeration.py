"""Sums over paths, strings and trajectories in logarithms: what a weight beyond the doubles would make of a plain sum."""

from __future__ import annotations

import numpy as np

from mdplab._typing import FloatArray, IntArray

__all__ = ["UNDERFLOW", "log_summed"]

UNDERFLOW = 1e-300
"""Absolute error of probabilities that fall below the doubles' range, where relative errors mean nothing."""


def log_summed(log_weights: FloatArray, keys: IntArray, n: int) -> FloatArray:
    """Logarithm of the sum of the weights of each key.

    Parameters
    ----------
    log_weights : ndarray, shape (N,)
        Logarithms of the weights.
    keys : ndarray of int, shape (N,)
        In 0..n-1.
    n : int
        Number of keys.

    Returns
    -------
    ndarray, shape (n,)
        ``-inf`` for a key that does not occur.
    """
    top = np.full(n, -np.inf)
    np.maximum.at(top, keys, log_weights)
    found = top > -np.inf
    height = np.where(found, top, 0.0)
    totals = np.bincount(keys, np.exp(log_weights - height[keys]), n)
    return np.where(found, height + np.log(np.where(found, totals, 1.0)), -np.inf)
