"""All paths of a finite Markov chain.

A chain with K states and T steps has ``K^{T+1}`` paths; path x has the log-probability
``log initial(x_0) + sum_t log P_t(x_t, x_{t+1})``.  All index tuples are listed, the impossible ones with ``-inf``,
so that the lists of two chains of one shape agree row by row and path laws can be compared entry by entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mdplab._typing import FloatArray, IntArray
from mdplab.enumeration.combinatorics import all_tuples

if TYPE_CHECKING:
    from mdplab.models.chain import MarkovChain

__all__ = ["Paths", "enumerate_paths", "path_log_probability"]


@dataclass(frozen=True, eq=False)
class Paths:
    """All paths of a chain.

    Attributes
    ----------
    states : ndarray of int, shape (N, T+1)
        Paths in lexicographic order.
    log_probability : ndarray, shape (N,)
        Their log-probabilities; ``-inf`` for impossible paths.
    """

    states: IntArray
    log_probability: FloatArray

    @property
    def probability(self) -> FloatArray:
        """Probabilities of the paths, shape (N,)."""
        return np.asarray(np.exp(self.log_probability))


def enumerate_paths(chain: MarkovChain, *, max_count: int = 100_000) -> Paths:
    """List all ``K^{T+1}`` paths of a chain with their log-probabilities.

    Parameters
    ----------
    chain : MarkovChain
        Initial law ``(K,)`` and kernels ``(T, K, K)``.
    max_count : int, default 100_000
        Hard cap on the number of paths.

    Returns
    -------
    Paths

    Raises
    ------
    ValueError
        If there are more than ``max_count`` paths.
    """
    n_states, n_steps = np.shape(chain.initial)[0], np.shape(chain.kernels)[0]
    states = all_tuples(n_states, n_steps + 1, max_count=max_count)
    return Paths(states, path_log_probability(chain, states))


def path_log_probability(chain: MarkovChain, states: IntArray) -> FloatArray:
    """Log-probability of given paths under a chain.

    Parameters
    ----------
    chain : MarkovChain
        Initial law ``(K,)`` and kernels ``(T, K, K)``.
    states : ndarray of int, shape (N, T+1)
        Paths.

    Returns
    -------
    ndarray, shape (N,)
        ``-inf`` for impossible paths.

    Raises
    ------
    ValueError
        If the length of the paths is not T + 1.
    """
    kernels = np.asarray(chain.kernels)
    if states.ndim != 2 or states.shape[1] != kernels.shape[0] + 1:
        raise ValueError(f"states: expected shape (N, {kernels.shape[0] + 1}), got {states.shape}")
    with np.errstate(divide="ignore"):
        log_initial, log_kernels = np.log(np.asarray(chain.initial)), np.log(kernels)
    result: FloatArray = log_initial[states[:, 0]]
    for t, table in enumerate(log_kernels):
        result = result + table[states[:, t], states[:, t + 1]]
    return result
