r"""Newton steps with the Hessian ``M' D M`` of a sparse matrix ``M``, which is not formed unless it has to be.

Rule.  Conjugate gradients with the diagonal as preconditioner, on products with ``M`` and ``M'`` alone, to a relative
residual of ``min(0.1, sqrt |g|)`` (superlinear convergence of Newton's method; the gradients of the duals of occupancy
programs are differences of masses, hence of order one); if it takes more than 2000 iterations, a sparse LU factorisation
of ``M' D M``, with a ridge that grows by factors of 100 until the step is one of descent.  Conjugate gradients win
where chains mix (the products fill the Hessian, but its eigenvalues cluster), the factorisation where they do not and
the graph is like a grid.

References
----------
J. Nocedal, S. Wright (2006), Numerical Optimization, section 7.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, cg, splu

from mdplab._typing import FloatArray

__all__ = ["GramMatrix"]

_MOST_ITERATIONS = 2000
_RIDGE = 1e-13


@dataclass(frozen=True, eq=False)
class GramMatrix:
    """``matrix' diag(weights) matrix`` as an operator.

    Attributes
    ----------
    matrix, transposed, squared : csr_array
        ``M`` of shape (N, n), ``M'``, and the squares of the entries of ``M'``.
    weights : ndarray, shape (N,)
        Non-negative.
    """

    matrix: Any
    transposed: Any
    squared: Any
    weights: FloatArray

    def step(self, g: FloatArray) -> tuple[FloatArray, float]:
        """Newton step ``-H^{-1} g``, inexact, and the ridge that it needed.

        Parameters
        ----------
        g : ndarray, shape (n,)
            Gradient.

        Returns
        -------
        step : ndarray, shape (n,)
        ridge : float
            Relative to the diagonal; 0 where conjugate gradients converged.
        """
        diagonal = self.squared @ self.weights
        scale = float(diagonal.max()) or 1.0
        diagonal = np.maximum(diagonal, 1e-8 * scale)
        shape = (g.size, g.size)
        product = LinearOperator(
            shape, matvec=lambda x: self.transposed @ (self.weights * (self.matrix @ x)), dtype=np.float64
        )
        inverse = LinearOperator(shape, matvec=lambda x: x / diagonal, dtype=np.float64)
        accuracy = min(0.1, float(np.sqrt(np.linalg.norm(g))))
        with np.errstate(all="ignore"):
            found, info = cg(product, -g, rtol=max(accuracy, 1e-10), maxiter=_MOST_ITERATIONS, M=inverse)
        if info == 0 and np.isfinite(found).all() and float(found @ g) < 0.0:
            return np.asarray(found), 0.0
        whole: Any = self.transposed @ (sparse.diags_array(self.weights) @ self.matrix)
        ridge = _RIDGE
        while ridge < 1e16:
            try:
                factor = splu(sparse.csc_array(whole + sparse.diags_array(ridge * diagonal)))
                found = -factor.solve(g)
            except RuntimeError:  # exactly singular
                found = np.full(g.size, np.nan)
            if np.isfinite(found).all() and float(found @ g) < 0.0:
                return np.asarray(found), ridge
            ridge *= 100.0
        return -g, ridge
