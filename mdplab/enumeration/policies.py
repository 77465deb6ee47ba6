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
    choices = [np.flatnonzero(row) for row in mask]
    empty = [s for s, row in enumerate(choices) if row.size == 0]
    if empty:
        raise ValueError(f"available: state {empty[0]} has no admitted action")
    check_count(prod(row.size for row in choices), max_count, "policies")
    grids = np.meshgrid(*choices, indexing="ij")
    return np.stack([grid.ravel() for grid in grids], axis=1).astype(np.int64)


def deterministic_stage_policies(
    horizon: int, n_states: int, n_actions: int, *, max_count: int = MAX_COUNT
) -> IntArray:
    """All deterministic Markov stage policies.

    Parameters
    ----------
    horizon, n_states, n_actions : int
        Sizes, >= 1.
    max_count : int, default 1_000_000
        Hard cap on the number of policies.

    Returns
    -------
    ndarray of int, shape (A ** (H S), H, S)
        Action of each stage and state, lexicographic.

    Raises
    ------
    ValueError
        If a size is below 1 or the cap is exceeded.
    """
    if min(horizon, n_states, n_actions) < 1:
        raise ValueError(
            f"horizon, n_states, n_actions: expected sizes >= 1, got {(horizon, n_states, n_actions)}"
        )
    check_count(n_actions ** (horizon * n_states), max_count, "policies")
    flat = all_tuples(n_actions, horizon * n_states, max_count=max_count)
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
