"""All deterministic policies of a small problem, stationary or by stage.

Policies are arrays of actions; :func:`one_hot` turns a block of them into probabilities, which the caller evaluates
as a batch.
"""

from __future__ import annotations

from math import prod

import numpy as np

from mdplab._typing import BoolArray, FloatArray, IntArray
from mdplab.enumeration.combinatorics import MAX_COUNT, all_tuples, check_count

__all__ = ["deterministic_policies", "deterministic_stage_policies", "one_hot"]


def deterministic_policies(
    n_states: int, n_actions: int, *, available: BoolArray | None = None, max_count: int = MAX_COUNT
) -> IntArray:
    """All deterministic stationary policies.

    Parameters
    ----------
    n_states, n_actions : int
        Sizes, >= 1.
    available : ndarray of bool, shape (S, A), optional
        Admitted actions; default all.
    max_count : int, default 1_000_000
        Hard cap on the number of policies.

    Returns
    -------
    ndarray of int, shape (N, S)
        Action of each state, lexicographic; ``N = A ** S`` without ``available``.

    Raises
    ------
    ValueError
        If a size is below 1, a state has no admitted action, or the cap is exceeded.
    """
    if n_states < 1 or n_actions < 1:
        raise ValueError(f"n_states, n_actions: expected sizes >= 1, got {n_states} and {n_actions}")
    if available is None:
        check_count(n_actions**n_states, max_count, "policies")
        return all_tuples(n_actions, n_states, max_count=max_count)
    mask = np.asarray(available, dtype=np.bool_)
    if mask.shape != (n_states, n_actions):
        raise ValueError(f"available: expected shape ({n_states}, {n_actions}), got {mask.shape}")
    if not mask.any(axis=1).all():
        raise ValueError(f"available: state {int(np.argmin(mask.any(axis=1)))} has no admitted action")
    return _admitted_tuples(mask, max_count)


def _admitted_tuples(mask: BoolArray, max_count: int) -> IntArray:
    """All tuples that take one admitted action in each row, lexicographic: digits of a number of mixed radix."""
    sizes = mask.sum(axis=1)
    count = prod(int(size) for size in sizes)
    check_count(count, max_count, "policies")
    number = np.arange(count)
    result = np.empty((count, sizes.size), dtype=np.int64)
    for i in range(sizes.size - 1, -1, -1):
        result[:, i] = np.flatnonzero(mask[i])[number % sizes[i]]
        number //= sizes[i]
    return result


def deterministic_stage_policies(
    horizon: int,
    n_states: int,
    n_actions: int,
    *,
    available: BoolArray | None = None,
    max_count: int = MAX_COUNT,
) -> IntArray:
    """All deterministic Markov stage policies.

    Parameters
    ----------
    horizon, n_states, n_actions : int
        Sizes, >= 1.
    available : ndarray of bool, shape (S, A) or (H, S, A), optional
        Admitted actions; default all.
    max_count : int, default 1_000_000
        Hard cap on the number of policies.

    Returns
    -------
    ndarray of int, shape (N, H, S)
        Action of each stage and state, lexicographic; ``N = A ** (H S)`` without ``available``.

    Raises
    ------
    ValueError
        If a size is below 1, a state has no admitted action at some stage, or the cap is exceeded.
    """
    if min(horizon, n_states, n_actions) < 1:
        raise ValueError(
            f"horizon, n_states, n_actions: expected sizes >= 1, got {(horizon, n_states, n_actions)}"
        )
    if available is None:
        check_count(n_actions ** (horizon * n_states), max_count, "policies")
        flat = all_tuples(n_actions, horizon * n_states, max_count=max_count)
    else:
        mask = np.asarray(available, dtype=np.bool_)
        shape = (horizon, n_states, n_actions)
        if mask.shape not in (shape, shape[1:]):
            raise ValueError(f"available: expected shape {shape[1:]} or {shape}, got {mask.shape}")
        mask = np.broadcast_to(mask, shape)
        if not mask.any(axis=2).all():
            stage, state = (int(i) for i in np.argwhere(~mask.any(axis=2))[0])
            raise ValueError(f"available: stage {stage}, state {state} has no admitted action")
        flat = _admitted_tuples(mask.reshape(-1, n_actions), max_count)
    return flat.reshape(-1, horizon, n_states)


def one_hot(actions: IntArray, n_actions: int) -> FloatArray:
    """Probabilities of deterministic policies.

    Parameters
    ----------
    actions : ndarray of int, shape (..., S)
        Actions, 0 to ``n_actions - 1``.
    n_actions : int
        Number of actions.

    Returns
    -------
    ndarray, shape (..., S, A)
        Zeros and ones.
    """
    return np.asarray(np.asarray(actions)[..., None] == np.arange(n_actions), dtype=np.float64)
