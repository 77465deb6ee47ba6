r"""Linear systems in extended precision, for :func:`mdplab.solvers.verify`.

An approximate inverse :math:`R` in double precision refines a solution whose residual is formed in extended precision; the
error is bounded by :math:`\||R||b-Ax|\|_\infty/(1-\|I-RA\|_\infty)`, with the rounding of the residual included.

References
----------
.. [1] S. M. Rump, "Verification methods: rigorous results using floating-point arithmetic", Acta Numerica 19, 2010.
"""

from __future__ import annotations

import numpy as np

from mdplab._typing import Array

__all__ = ["DOUBLE", "EPS", "WIDE", "solve_wide"]

WIDE = np.longdouble
EPS = float(np.finfo(WIDE).eps)
DOUBLE = float(np.finfo(float).eps)
_REFINEMENTS = 20


def solve_wide(matrix: Array, right: Array) -> tuple[Array, float]:
    """Solve a square system in extended precision.

    Parameters
    ----------
    matrix : ndarray (n, n)
        Coefficients, in extended precision.
    right : ndarray (n,) or (n, k)
        Right-hand side(s).

    Returns
    -------
    solution : ndarray, the shape of ``right``
        In extended precision.
    error : float
        Bound on the largest error of an entry; ``inf`` where the matrix is not proven regular.
    """
    a, b = matrix.astype(WIDE), right.astype(WIDE)
    n = a.shape[0]
    try:
        inverse = np.linalg.inv(a.astype(float)).astype(WIDE)
    except np.linalg.LinAlgError:
        return np.zeros_like(b), np.inf
    size = np.abs(inverse)
    defect = np.abs(np.eye(n) - inverse @ a) + (n + 2) * EPS * (size @ np.abs(a) + np.eye(n))
    alpha = float(defect.sum(axis=1).max())
    x = inverse @ b
    if not alpha < 1.0:
        return x, np.inf
    best = np.inf
    for _ in range(_REFINEMENTS):
        residual = b - a @ x
        if not float(np.abs(residual).max()) < 0.5 * best:
            break
        best = float(np.abs(residual).max())
        x = x + inverse @ residual
    residual = np.abs(b - a @ x) + (n + 3) * EPS * (np.abs(a) @ np.abs(x) + np.abs(b))
    return x, float((size @ residual).max()) / (1.0 - alpha) * (1.0 + 1e-9)
