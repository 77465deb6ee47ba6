"""Lipschitz constants on the line: of values, of rewards and of kernels in the Wasserstein-1 distance.

Between two positions the difference of a function is at most the sum of its differences over the cells between them, and a
Wasserstein distance at most the sum of the distances.  So the largest slope over all pairs is the largest over neighbours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array, FloatArray
from mdplab.models._validate import first, place
from mdplab.operators import _check
from mdplab.wasserstein import wasserstein_on_positions

__all__ = ["kernel_lipschitz_constant", "lipschitz_constant"]


def lipschitz_constant(values: ArrayLike, positions: ArrayLike) -> float | FloatArray:
    """Lipschitz constant of functions on points of the line.

    Parameters
    ----------
    values : array_like, shape (S, ...)
        One function along the first axis for each entry of the others, e.g. values (S,) or rewards (S, A).
    positions : array_like, shape (S,)
        Distinct points, in any order.

    Returns
    -------
    float or ndarray, shape (...)
        The largest slope between two points, 0 if there is one point; a float for one function.

    Raises
    ------
    ValueError
        If the shapes do not match, a value is not finite, or the positions are not distinct and finite.
    """
    order, cells = _cells(positions)
    table = np.asarray(values, dtype=np.float64)
    if table.shape[:1] != order.shape:
        raise ValueError(f"values: expected shape ({order.size}, ...) to match positions, got {table.shape}")
    if not np.isfinite(table).all():
        where = first(~np.isfinite(table))
        raise ValueError(f"{place('values', where)} is {table[where]}, expected a finite number")
    slopes = np.abs(np.diff(table[order], axis=0)) / cells.reshape(-1, *(1,) * (table.ndim - 1))
    found = slopes.max(axis=0, initial=0.0)
    return float(found) if found.ndim == 0 else np.asarray(found)


def kernel_lipschitz_constant(transition: ArrayLike, positions: ArrayLike) -> float | FloatArray:
    """Lipschitz constant of rows of a kernel in the Wasserstein-1 distance, states at points of the line.

    Parameters
    ----------
    transition : array_like, shape (S, ..., S)
        ``P[s, ..., s']``, e.g. a chain (S, S) or the kernel of an MDP (S, A, S); each row is a law.
    positions : array_like, shape (S,)
        Distinct points, in any order.

    Returns
    -------
    float or ndarray, shape (...)
        ``max w_1(P[s], P[t]) / |x_s - x_t|``, 0 if there is one point; a float for a chain.

    Raises
    ------
    ValueError
        If the shapes do not match, a row is not a law, or the positions are not distinct and finite.
    """
    order, cells = _cells(positions)
    rows = np.asarray(transition, dtype=np.float64)
    if rows.ndim < 2 or rows.shape[:1] != order.shape or rows.shape[-1:] != order.shape:
        raise ValueError(
            f"transition: expected shape ({order.size}, ..., {order.size}) to match positions, got {rows.shape}"
        )
    _check.laws("transition", rows)
    rows = rows[order]
    distances = np.asarray(wasserstein_on_positions(rows[1:], rows[:-1], positions))
    slopes = distances / cells.reshape(-1, *(1,) * (distances.ndim - 1))
    found = slopes.max(axis=0, initial=0.0)
    return float(found) if found.ndim == 0 else np.asarray(found)


def _cells(positions: ArrayLike) -> tuple[Array, FloatArray]:
    x = np.asarray(positions, dtype=np.float64)
    if x.ndim != 1 or not x.size or not np.all(np.isfinite(x)):
        raise ValueError(f"positions: expected finite numbers of shape (S,), S >= 1, got shape {x.shape}")
    order = np.argsort(x, kind="stable")
    cells = np.diff(x[order])
    if not np.all(cells > 0):
        first = int(np.argmin(cells > 0))
        raise ValueError(
            f"positions: expected distinct numbers, states {order[first]} and {order[first + 1]} share one"
        )
    return order, cells
