"""The optimal linear feedback of a plant with quadratic cost, by the discrete algebraic Riccati equation.

For ``x' = A x + B u`` and the cost ``sum x^T Q x + u^T R u`` the optimal cost from x is ``x^T P x`` with

    P = Q + A^T P A - A^T P B (R + B^T P B)^{-1} B^T P A,

attained by ``u = K x``, ``K = -(R + B^T P B)^{-1} B^T P A``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray

__all__ = ["Regulator", "linear_regulator"]


class Regulator(NamedTuple):
    """An optimal linear feedback.

    Attributes
    ----------
    gain : ndarray, shape (m, n)
        K: the input is ``K x``.
    cost : ndarray, shape (n, n)
        P, symmetric: the optimal cost from x is ``x^T P x``.
    """

    gain: FloatArray
    cost: FloatArray


def linear_regulator(
    plant: ArrayLike, inputs: ArrayLike, state_cost: ArrayLike, input_cost: ArrayLike
) -> Regulator:
    """Optimal linear feedback of a plant with quadratic cost and infinite horizon.

    Parameters
    ----------
    plant : array_like, shape (n, n)
        A.
    inputs : array_like, shape (n, m)
        B.
    state_cost : array_like, shape (n, n)
        Q, symmetric and positive semi-definite.
    input_cost : array_like, shape (m, m)
        R, symmetric and positive definite.

    Returns
    -------
    Regulator

    Raises
    ------
    ValueError
        If the shapes do not match, an entry is not finite, a cost is not symmetric or that of the inputs not positive
        definite, or no feedback with a finite cost is found (the plant cannot be stabilised).

    References
    ----------
    B. D. O. Anderson, J. B. Moore, *Optimal Control: Linear Quadratic Methods*, Prentice-Hall 1990.
    """
    from scipy.linalg import solve_discrete_are

    a, b, q, r = (np.asarray(x, dtype=np.float64) for x in (plant, inputs, state_cost, input_cost))
    if a.ndim != 2 or a.shape[0] != a.shape[1] or not a.size:
        raise ValueError(f"plant: expected a square matrix, got shape {a.shape}")
    if b.ndim != 2 or b.shape[0] != a.shape[0] or not b.size:
        raise ValueError(f"inputs: expected shape ({a.shape[0]}, m), got {b.shape}")
    if q.shape != a.shape:
        raise ValueError(f"state_cost: expected shape {a.shape}, got {q.shape}")
    if r.shape != (b.shape[1], b.shape[1]):
        raise ValueError(f"input_cost: expected shape ({b.shape[1]}, {b.shape[1]}), got {r.shape}")
    for name, matrix in (("plant", a), ("inputs", b), ("state_cost", q), ("input_cost", r)):
        if not np.isfinite(matrix).all():
            raise ValueError(f"{name}: expected finite numbers, got {matrix.tolist()}")
    for name, matrix in (("state_cost", q), ("input_cost", r)):
        if np.abs(matrix - matrix.T).max() > 1e-12 * np.abs(matrix).max():
            raise ValueError(f"{name}: expected a symmetric matrix, got {matrix.tolist()}")
    if not np.linalg.eigvalsh(r)[0] > 0:
        raise ValueError(f"input_cost: expected a positive definite matrix, got {r.tolist()}")
    try:
        p = np.asarray(solve_discrete_are(a, b, q, r), dtype=np.float64)
    except np.linalg.LinAlgError as problem:
        raise ValueError(f"plant: no feedback with a finite cost was found ({problem})") from problem
    gain = np.asarray(-np.linalg.solve(r + b.T @ p @ b, b.T @ p @ a), dtype=np.float64)
    return Regulator(gain, (p + p.T) / 2)
