r"""Proven error bounds for the computed solution of a square linear system.

Let :math:`R` be any approximate inverse of :math:`A`, :math:`G=I-RA` and :math:`\|G\|_\infty\le\alpha<1`.  Then
:math:`A` is regular and, for any :math:`\hat x` with residual :math:`r=b-A\hat x`,

.. math::
    \|\hat x-x\|_\infty\le\frac{\big\|\,|R|\,|r|\,\big\|_\infty}{1-\alpha}.

Both :math:`\alpha` and the residual are evaluated with a priori bounds of their rounding (a sum of :math:`k` products errs
by at most :math:`ku/(1-ku)` times the sum of the moduli), and with the errors that the caller knows of the entries of
:math:`A` and :math:`b`.  If no bound is proven the answer is infinite; nothing is assumed of the condition number.

References
----------
.. [1] S. M. Rump, "Verification methods: rigorous results using floating-point arithmetic", Acta Numerica 19, 2010,
   section 10.
.. [2] N. J. Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd edition, 2002, chapters 3 and 7.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray

__all__ = ["UNIT_ROUNDOFF", "solution_error", "solve_refined"]

UNIT_ROUNDOFF = 2.0**-53
"""Largest relative error of one rounded operation of doubles."""
_SAFETY = 1.01


def solution_error(
    matrix: ArrayLike,
    solution: ArrayLike,
    right: ArrayLike,
    *,
    matrix_error: ArrayLike = 0.0,
    right_error: ArrayLike = 0.0,
) -> float:
    """Upper bound on the largest error of the entries of a computed solution.

    Parameters
    ----------
    matrix : array_like (n, n)
        Coefficients as computed.
    solution : array_like (n,) or (n, k)
        Computed solution(s).
    right : array_like (n,) or (n, k)
        Right-hand side(s) as computed.
    matrix_error, right_error : array_like, default 0
        Bounds on the errors of the entries of ``matrix`` and ``right``, of their shapes or scalar.

    Returns
    -------
    float
        Bound on ``max |solution - exact|`` for the exact coefficients; ``inf`` if regularity is not proven.
    """
    a, x, b = (np.asarray(value, dtype=np.float64) for value in (matrix, solution, right))
    n = a.shape[0]
    columns = x.reshape(n, -1)
    rights = b.reshape(n, -1)
    doubt = np.broadcast_to(np.asarray(matrix_error, dtype=np.float64), a.shape)
    right_doubt = np.asarray(right_error, dtype=np.float64)
    right_doubt = np.broadcast_to(
        right_doubt if right_doubt.ndim == 0 else right_doubt.reshape(n, -1), rights.shape
    )
    try:
        inverse = np.linalg.inv(a)
    except np.linalg.LinAlgError:
        return math.inf
    if not np.isfinite(inverse).all():
        return math.inf
    size = np.abs(inverse)
    unit = (n + 2) * UNIT_ROUNDOFF
    defect = np.abs(np.eye(n) - inverse @ a) + unit * (size @ np.abs(a) + np.eye(n)) + size @ doubt
    alpha = float(_SAFETY * defect.sum(axis=1).max())
    if not alpha < 1.0:
        return math.inf
    residual = np.abs(rights - a @ columns)
    residual = residual + unit * (np.abs(a) @ np.abs(columns) + np.abs(rights))
    residual = residual + doubt @ np.abs(columns) + right_doubt
    return float(_SAFETY * (size @ residual).max() / (1.0 - alpha))


def solve_refined(matrix: FloatArray, right: FloatArray, *, refinements: int = 2) -> FloatArray:
    """Solve a square system with steps of refinement; least squares of minimum norm where it is singular.

    Parameters
    ----------
    matrix : ndarray (n, n)
        Coefficients.
    right : ndarray (n,) or (n, k)
        Right-hand side(s).
    refinements : int, default 2
        Number of steps; a step that does not lower the residual is taken back.

    Returns
    -------
    ndarray (n,) or (n, k)
        The solution, without certificate; see :func:`solution_error`.
    """
    try:
        inverse = np.linalg.inv(matrix)
        if not np.isfinite(inverse).all():
            raise np.linalg.LinAlgError
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.lstsq(matrix, right, rcond=None)[0], dtype=np.float64)
    x = np.asarray(np.linalg.solve(matrix, right), dtype=np.float64)
    residual = right - matrix @ x
    for _ in range(refinements):
        following = x + inverse @ residual
        next_residual = right - matrix @ following
        if not np.abs(next_residual).max() < np.abs(residual).max():
            break
        x, residual = np.asarray(following, dtype=np.float64), next_residual
    return x
