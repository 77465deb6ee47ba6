"""All tuples, arrangements and 0/1 masks, with the probabilities of independent draws.

The n^k tuples are listed in lexicographic order (the last entry runs fastest), so that index i of a list is the number
with the digits ``tuples[i]`` in base n.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations_with_replacement, permutations
from math import comb, factorial, log, perm

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array, BoolArray, FloatArray, IntArray
from mdplab.laws.atoms import check_masses

__all__ = [
    "all_tuples",
    "arrangements",
    "binary_masks",
    "check_count",
    "expectation_over_groups",
    "iid_counts",
    "iid_groups",
]

MAX_COUNT = 1_000_000
_LARGEST_FACTORIAL = 170  # that a float holds


def check_count(count: int, max_count: int, what: str) -> None:
    """Raise when an enumeration would exceed its cap.

    Parameters
    ----------
    count : int
        Number of objects.
    max_count : int
        The cap.
    what : str
        What they are, for the message.

    Raises
    ------
    ValueError
        If ``count > max_count``.
    """
    if count > max_count:
        raise ValueError(
            f"max_count: {count} {what} to enumerate, more than the cap {max_count}; raise max_count"
        )


def all_tuples(n_values: int, length: int, *, max_count: int = MAX_COUNT) -> IntArray:
    """All ``n_values ** length`` tuples over ``0..n_values-1``, lexicographic.

    Parameters
    ----------
    n_values : int
        Size of the alphabet, >= 1.
    length : int
        Length of the tuples, >= 0 (one empty tuple).
    max_count : int, default 1_000_000
        Hard cap on the number of tuples.

    Returns
    -------
    ndarray of int, shape (n_values ** length, length)

    Raises
    ------
    ValueError
        If an argument is out of range or the cap is exceeded.
    """
    if n_values < 1 or length < 0:
        raise ValueError(
            f"n_values, length: expected n_values >= 1 and length >= 0, got {n_values} and {length}"
        )
    count = n_values**length
    check_count(count, max_count, "tuples")
    place = n_values ** np.arange(length - 1, -1, -1, dtype=np.int64)
    return np.arange(count, dtype=np.int64)[:, None] // place % n_values


def _law(probability: ArrayLike) -> FloatArray:
    p = np.asarray(probability, dtype=np.float64)
    if p.ndim != 1 or p.shape[0] == 0:
        raise ValueError(f"probability: expected shape (n,), n >= 1, got {p.shape}")
    check_masses(p, "probability")
    return p


def iid_groups(
    probability: ArrayLike, size: int, *, max_count: int = MAX_COUNT
) -> tuple[IntArray, FloatArray]:
    """All groups of ``size`` independent draws, with their probabilities.

    Parameters
    ----------
    probability : array_like, shape (n,)
        Law of one draw; entries >= 0 with sum 1.
    size : int
        Draws in a group, >= 0.
    max_count : int, default 1_000_000
        Hard cap on ``n ** size``.

    Returns
    -------
    groups : ndarray of int, shape (n ** size, size)
        Ordered groups, lexicographic.
    probability : ndarray, shape (n ** size,)
        Products of the probabilities; sum 1 up to rounding.

    Raises
    ------
    ValueError
        If the probability is not a law or the cap is exceeded.
    """
    p = _law(probability)
    groups = all_tuples(p.shape[0], size, max_count=max_count)
    return groups, np.asarray(p[groups].prod(axis=1))


def iid_counts(
    probability: ArrayLike, size: int, *, max_count: int = MAX_COUNT
) -> tuple[IntArray, FloatArray]:
    """All multisets of ``size`` independent draws as counts, with their (multinomial) probabilities.

    Parameters
    ----------
    probability : array_like, shape (n,)
        Law of one draw; entries >= 0 with sum 1.
    size : int
        Draws in a multiset, >= 0.
    max_count : int, default 1_000_000
        Hard cap on the number ``binomial(n + size - 1, size)`` of multisets.

    Returns
    -------
    counts : ndarray of int, shape (M, n)
        How often each value is drawn; every row sums to ``size``.
    probability : ndarray, shape (M,)
        Their probabilities; sum 1 up to rounding.

    Raises
    ------
    ValueError
        If the probability is not a law, the size is negative or the cap is exceeded.
    """
    p = _law(probability)
    if size < 0:
        raise ValueError(f"size: expected a number >= 0, got {size}")
    check_count(comb(p.size + size - 1, size), max_count, "multisets")
    draws = np.array(list(combinations_with_replacement(range(p.size), size)), dtype=np.int64)
    counts = np.zeros((len(draws), p.size), dtype=np.int64)
    for column in draws.T:
        counts[np.arange(len(draws)), column] += 1
    if size > _LARGEST_FACTORIAL:
        logs = np.array([log(factorial(k)) for k in range(size + 1)])
        with np.errstate(divide="ignore", invalid="ignore"):
            chances = np.where(counts > 0, counts * np.log(p), 0.0).sum(axis=1)
        return counts, np.exp(logs[size] - logs[counts].sum(axis=1) + chances)
    orders = np.array([factorial(k) for k in range(size + 1)], dtype=np.float64)
    weight = orders[size] / orders[counts].prod(axis=1) * (p**counts).prod(axis=1)
    return counts, np.asarray(weight)


def expectation_over_groups(
    function: Callable[[IntArray], Array], probability: ArrayLike, size: int, *, max_count: int = MAX_COUNT
) -> Array:
    """Exact expectation of a batched function of ``size`` independent draws.

    Parameters
    ----------
    function : callable
        Maps groups ``(N, size)`` to values ``(N, ...)``.
    probability : array_like, shape (n,)
        Law of one draw.
    size, max_count : int
        As in :func:`iid_groups`.

    Returns
    -------
    ndarray, shape (...)
    """
    groups, weight = iid_groups(probability, size, max_count=max_count)
    values = np.asarray(function(groups))
    if values.shape[:1] != weight.shape:
        raise ValueError(f"function: expected values of shape ({weight.shape[0]}, ...), got {values.shape}")
    return np.asarray(np.tensordot(weight, values, axes=1))


def arrangements(n_values: int, length: int, *, max_count: int = MAX_COUNT) -> IntArray:
    """All ordered tuples of distinct values of ``0..n_values-1``, lexicographic.

    Parameters
    ----------
    n_values : int
        Size of the alphabet.
    length : int
        Length of the tuples, 0 to ``n_values``.
    max_count : int, default 1_000_000
        Hard cap on the number of tuples.

    Returns
    -------
    ndarray of int, shape (n_values! / (n_values - length)!, length)

    Raises
    ------
    ValueError
        If the length is out of range or the cap is exceeded.
    """
    if not 0 <= length <= n_values:
        raise ValueError(f"length: expected 0 <= length <= {n_values}, got {length}")
    count = perm(n_values, length)
    check_count(count, max_count, "arrangements")
    return np.array(list(permutations(range(n_values), length)), dtype=np.int64).reshape(count, length)


def binary_masks(length: int, *, max_count: int = MAX_COUNT) -> BoolArray:
    """All subsets of ``length`` things as masks.

    Parameters
    ----------
    length : int
        Number of things, >= 0.
    max_count : int, default 1_000_000
        Hard cap on the number of masks.

    Returns
    -------
    ndarray of bool, shape (2 ** length, length)
        Row 0 is empty, the last one full.
    """
    return all_tuples(2, length, max_count=max_count).astype(np.bool_)
