r"""The unconstrained dual of an f-regularised linear program, with gradient and Hessian.

.. math::
    \phi(x) = c\cdot x + \alpha\sum_i q_i f^*\big((r_i - (Mx)_i)/\alpha\big), \qquad
    \nabla\phi = c - M^\top m,\quad m_i = q_i (f^*)'\big((r_i - (Mx)_i)/\alpha\big).

A stationary point makes ``m`` feasible for ``M' m = c`` and hence optimal for the primal; convexity is that of the
conjugate, so Newton's method applies wherever the conjugate is differentiable.

References
----------
O. Nachum, B. Dai (2020), Reinforcement learning via Fenchel-Rockafellar duality, arXiv 2001.01866.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from mdplab._typing import FloatArray
from mdplab.divergences import FDivergence

__all__ = ["ConjugateDual"]

_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class ConjugateDual:
    """``linear . x + strength sum weights f*((reward - matrix x) / strength)`` with its derivatives.

    The form of dual-V (``matrix`` the flow matrix, ``linear = (1 - gamma) mu_0``), of dual-Q (the flow matrix of the
    pairs under a policy) and, with other linear terms and weights, of their mixture versions.

    Attributes
    ----------
    matrix : csr_array or ndarray, shape (N, n)
        Operator.
    linear : ndarray, shape (n,)
        Coefficients of the linear term.
    weights, reward : ndarray, shape (N,)
        ``q >= 0`` and ``R``.
    divergence : FDivergence
        A row of the table with a differentiable conjugate.
    strength : float
        ``alpha > 0``.
    plain : bool
        Plain instead of corrected conjugate.
    """

    matrix: Any
    linear: FloatArray
    weights: FloatArray
    reward: FloatArray
    divergence: FDivergence
    strength: float
    plain: bool = False

    def residual(self, x: FloatArray) -> FloatArray:
        """``reward - matrix x``, shape (N,)."""
        return np.asarray(self.reward - self.matrix @ x)

    def mass(self, x: FloatArray) -> FloatArray:
        """Recovered mass ``q w(residual / strength)``, shape (N,)."""
        weight = self.divergence.plain_weight if self.plain else self.divergence.weight
        return self.weights * weight(self.residual(x) / self.strength)

    def objective(self, x: FloatArray) -> float:
        """Value of the dual."""
        conjugate = self.divergence.plain_conjugate if self.plain else self.divergence.conjugate
        terms = self.weights * conjugate(self.residual(x) / self.strength)
        return float(self.linear @ x) + self.strength * float(terms.sum())

    def gradient(self, x: FloatArray) -> FloatArray:
        """``linear - matrix' mass``, shape (n,)."""
        return np.asarray(self.linear - self.matrix.T @ self.mass(x))

    def hessian(self, x: FloatArray) -> FloatArray:
        """``matrix' diag(q w') matrix / strength``, shape (n, n), dense."""
        y = self.residual(x) / self.strength
        if self.plain and self.divergence.name == "chi-square":
            curvature = 0.5 * self.weights
        else:
            curvature = self.weights * self.divergence.weight_derivative(y)
        return self._gram(curvature)

    def newton_bound(self, x: FloatArray) -> tuple[float, float]:
        """Proven bounds on the Euclidean error of ``x`` and on the 1-norm error of ``mass(x)``.

        Let ``g`` bound the gradient (rounding included), ``lam`` the smallest eigenvalue of the Hessian from below,
        ``r_i`` be the norm of the ``i``-th row of ``matrix / strength``.  KL: ``w' = w`` makes the curvature lose at
        most the factor ``exp(-nu)`` while the arguments move by ``nu``; with ``q = max r g / lam < 1`` the minimiser
        lies within ``(g / lam) nu / (1 - exp(-nu))``, ``nu = -log(1 - q)``.  Chi-square: the same with the pairs that
        stay active on a ball of twice the first estimate, and no loss of curvature there.

        Parameters
        ----------
        x : ndarray, shape (n,)
            A nearly stationary point.

        Returns
        -------
        point_error, mass_error : float
            ``inf`` where the curvature is too small for the gradient that rounding left.

        References
        ----------
        F. Bach (2010), Self-concordant analysis for logistic regression, Electronic J. Statistics 4.
        """
        size = abs(self.matrix)
        norms = np.sqrt(np.asarray((size * size).sum(axis=1)).ravel()) / self.strength
        y = self.residual(x) / self.strength
        width = 2.0 * _EPS * ((x.size + 3.0) * (size @ np.abs(x)) + np.abs(self.reward)) / self.strength
        mass = self.mass(x)
        # the derivative of w is at most w for KL, 1/2 for chi-square
        steep = 0.5 * self.weights if self.divergence.name == "chi-square" else 1.01 * mass
        slack = size.T @ (steep * width + _EPS * (mass.size + 8.0) * np.abs(mass)) + 4.0 * _EPS * np.abs(
            self.linear
        )
        gradient = float(np.linalg.norm(self.gradient(x))) + float(np.linalg.norm(slack))
        if self.divergence.name == "chi-square":
            keep = np.full(y.size, self.plain)
            first = self._curvature(0.5 * self.weights * (keep | (y > -2.0)))
            if not first > 0.0:
                return np.inf, np.inf
            radius = 2.0 * gradient / first
            least = self._curvature(0.5 * self.weights * (keep | (y + 2.0 > norms * radius + width)))
            if not least * radius >= gradient:
                return np.inf, np.inf
            error = gradient / least
            return error, float((0.5 * self.weights * (norms * error + width)).sum()) * (1.0 + 1e-9)
        least = self._curvature(mass)
        if self.divergence.name != "kl" or not float(norms.max()) * gradient < least:
            return np.inf, np.inf
        nu = -float(np.log1p(-norms.max() * gradient / least))
        error = gradient / least * (1.0 if nu < 1e-12 else -nu / float(np.expm1(-nu))) * (1.0 + 1e-9)
        return error, float((mass * np.expm1(norms * error + width)).sum()) * (1.0 + 1e-9)

    def _curvature(self, weights: FloatArray) -> float:
        """Lower bound on the smallest eigenvalue of ``matrix' diag(weights) matrix / strength``."""
        dense = self._gram(weights)
        n = int(dense.shape[0])
        least, largest = float(np.linalg.eigvalsh(dense)[0]), float(np.abs(dense).max())
        return least - 8.0 * n * (n + 8.0) * _EPS * largest

    def _gram(self, weights: FloatArray) -> FloatArray:
        """``matrix' diag(weights) matrix / strength`` as a dense array."""
        product: Any = self.matrix.T @ (sparse.diags_array(weights / self.strength) @ self.matrix)
        return np.asarray(product.toarray() if hasattr(product, "toarray") else product)
