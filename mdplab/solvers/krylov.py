r"""Krylov solution of the evaluation equation of a sparse policy, modulo constants, with a direct solve in reserve.

The solvers of this package need :math:`x=(I-\gamma P)^{-1}r` up to a constant only.  The constants are the slowest
direction of any iteration (eigenvalue :math:`1-\gamma`), and since :math:`P1=1` they can be taken out: with a law
:math:`\mu` (here uniform) the solution of

.. math::
    \big(I-\gamma P+\gamma 1\mu^\top\big)x=r

differs from :math:`(I-\gamma P)^{-1}r` by the constant :math:`\gamma\mu^\top x/(1-\gamma)`, and its matrix has 1 in the
place of :math:`1-\gamma`, all other eigenvalues unchanged (deflation; Brauer 1952).  BiCGSTAB proposes; it can diverge,
so that its true residual decides, then that of restarted GMRES, and if both fail the matrix is factorised.  What comes
out is a proposal in any case: the residual of the *evaluation backup* is the certificate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator, bicgstab, gmres

from mdplab._typing import FloatArray

__all__ = ["krylov_solver"]

_REDUCTION = 1e-6
"""Reduction of the residual asked of one solve; refinement squares it."""


def krylov_solver(
    kernel: Any,
    discount: float,
    *,
    direct: Callable[[Any, float], Callable[[FloatArray], FloatArray]] | None = None,
    max_steps: int = 400,
) -> Callable[[FloatArray], FloatArray]:
    """A solver of ``(I - discount * kernel) x = right`` up to a constant.

    Parameters
    ----------
    kernel : csr_array (S, S)
        Transition matrix of a policy.
    discount : float
        In [0, 1).
    direct : callable, optional
        The factorisation in reserve; default :func:`mdplab.solvers.policy_evaluation.factorise`.
    max_steps : int, default 400
        Most steps of each Krylov method.

    Returns
    -------
    callable
        Maps a right-hand side to a solution modulo constants; once it had to factorise it keeps the factors.

    References
    ----------
    .. [1] H. A. van der Vorst, "Bi-CGSTAB", SIAM Journal on Scientific and Statistical Computing 13, 1992.
    .. [2] A. Brauer, "Limits for the characteristic roots of a matrix IV", Duke Mathematical Journal 19, 1952.
    """
    states = kernel.shape[0]

    def product(x: FloatArray) -> FloatArray:
        x = np.ravel(x)
        result: FloatArray = x - discount * (kernel @ x) + discount * float(x.mean())
        return result

    operator: Any = LinearOperator((states, states), matvec=product, dtype=float)
    methods: tuple[tuple[Any, dict[str, int]], ...] = (
        (bicgstab, {"maxiter": max_steps}),
        (gmres, {"restart": 40, "maxiter": max(1, max_steps // 40)}),
    )
    factors: list[Callable[[FloatArray], FloatArray]] = []

    def solve(right: FloatArray) -> FloatArray:
        size = float(np.linalg.norm(right))
        if factors or size == 0.0:
            return factors[0](right) if factors else np.zeros(states)
        with np.errstate(all="ignore"):
            for method, options in methods:
                x: FloatArray = np.asarray(
                    method(operator, right, rtol=_REDUCTION, atol=0.0, **options)[0], dtype=float
                )
                # Its own residual may have drifted from the true one.
                if float(np.linalg.norm(product(x) - right)) <= 100 * _REDUCTION * size:
                    return x
        if direct is None:
            from mdplab.solvers.policy_evaluation import factorise

            factors.append(factorise(kernel, discount))
        else:
            factors.append(direct(kernel, discount))
        return factors[0](right)

    return solve
