r"""The unconstrained dual of an f-regularised linear program, with gradient and Hessian.

.. math::
    \phi(x) = c\cdot x + \alpha\sum_i q_i f^*\big((r_i - (Mx)_i)/\alpha\big), \qquad
    \nabla\phi = c - M^\top m,\quad m_i = q_i (f^*)'\big((r_i - (Mx)_i)/\alpha\big).

A stationary point makes ``m`` feasible for ``M' m = c`` and hence optimal for the primal; convexity is that of the
conjugate, so Newton's method applies wherever the conjugate is differentiable.

Where ``q_i = 0`` the corrected conjugate of a divergence with a finite slope ``u`` at infinity is the constraint
``(r_i - (Mx)_i)/alpha <= u``, whose multiplier is the mass; it enters as the barrier ``-b log(u - y)``, which leaves a
duality gap of ``alpha b`` each.  With an infinite slope such a row has no mass and no term.

Many unknowns.  A dense Hessian is used for at most :data:`DENSE` unknowns; beyond them it is never formed unless
conjugate gradients fail (:mod:`mdplab.convex.gram`).

References
----------
O. Nachum, B. Dai (2020), Reinforcement learning via Fenchel-Rockafellar duality, arXiv 2001.01866.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from mdplab._typing import BoolArray, FloatArray, IntArray
from mdplab.convex.gram import GramMatrix
from mdplab.divergences import FDivergence

__all__ = ["DENSE", "ConjugateDual"]

_EPS = float(np.finfo(np.float64).eps)

DENSE = 400
"""The largest number of unknowns for which matrices are dense."""


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
    barrier : float
        ``b >= 0``, for the rows of weight zero of a divergence with a finite slope at infinity.
    """

    matrix: Any
    linear: FloatArray
    weights: FloatArray
    reward: FloatArray
    divergence: FDivergence
    strength: float
    plain: bool = False
    barrier: float = 0.0

    @cached_property
    def _bounded(self) -> BoolArray:
        """Rows that are constraints."""
        free = self.plain or not np.isfinite(self.divergence.domain_upper)
        return np.zeros(self.weights.size, dtype=bool) if free else self.weights == 0.0

    def residual(self, x: FloatArray) -> FloatArray:
        """``reward - matrix x``, shape (N,)."""
        return np.asarray(self.reward - self.matrix @ x)

    def mass(self, x: FloatArray) -> FloatArray:
        """Recovered mass ``q w(residual / strength)``, and ``b / (u - y)`` of constraints, shape (N,)."""
        y = self.residual(x) / self.strength
        weight = self.divergence.plain_weight if self.plain else self.divergence.weight
        with np.errstate(invalid="ignore"):
            mass = np.where(self.weights > 0.0, self.weights * weight(y), 0.0)
        return (
            mass if not self._bounded.any() else np.where(self._bounded, self.barrier / self._slack(y), mass)
        )

    def _slack(self, y: FloatArray) -> FloatArray:
        """Distance from the edge of the domain; 1 where no barrier is, NaN beyond."""
        slack = np.where(self._bounded, self.divergence.domain_upper - y, 1.0)
        return np.where(slack > 0.0, slack, np.nan)

    def objective(self, x: FloatArray) -> float:
        """Value of the dual, the barrier included; infinite outside the domain."""
        y = self.residual(x) / self.strength
        conjugate = self.divergence.plain_conjugate if self.plain else self.divergence.conjugate
        with np.errstate(invalid="ignore"):
            terms = np.where(self.weights > 0.0, self.weights * conjugate(y), 0.0)
        total = float(self.linear @ x) + self.strength * float(terms.sum())
        if self._bounded.any():
            total -= self.strength * self.barrier * float(np.log(self._slack(y)).sum())
        return np.inf if np.isnan(total) else total

    def gradient(self, x: FloatArray) -> FloatArray:
        """``linear - matrix' mass``, shape (n,)."""
        return np.asarray(self.linear - self.matrix.T @ self.mass(x))

    def curvature(self, x: FloatArray) -> FloatArray:
        """Derivative of the mass in the argument ``residual / strength``, shape (N,)."""
        y = self.residual(x) / self.strength
        if self.plain and self.divergence.name == "chi-square":
            return np.asarray(0.5 * self.weights)
        with np.errstate(invalid="ignore"):
            out = np.where(self.weights > 0.0, self.weights * self.divergence.weight_derivative(y), 0.0)
        return (
            out
            if not self._bounded.any()
            else np.where(self._bounded, self.barrier / self._slack(y) ** 2, out)
        )

    def hessian(self, x: FloatArray) -> FloatArray:
        """``matrix' diag(q w') matrix / strength``, shape (n, n), dense."""
        return self._gram(self.curvature(x))

    def newton_matrix(self, x: FloatArray) -> FloatArray | GramMatrix:
        """The Hessian for :func:`~mdplab.convex.smooth.minimise_smooth`: dense, or a product for many unknowns."""
        if x.size <= DENSE:
            return self.hessian(x)
        return GramMatrix(*self._parts, self.curvature(x) / self.strength)

    @cached_property
    def _parts(self) -> tuple[Any, Any, Any]:
        matrix = sparse.csr_array(self.matrix)
        return matrix, sparse.csr_array(matrix.T), sparse.csr_array(matrix.multiply(matrix).T)

    def newton_bound(self, x: FloatArray) -> tuple[float, float]:
        """Proven bounds on the Euclidean error of ``x`` and on the 1-norm error of ``mass(x)``.

        Let ``g`` bound the gradient (rounding included) and ``r_i`` be the norm of the ``i``-th row of ``matrix /
        strength``.  On a ball of radius ``rho`` around ``x`` the ``i``-th argument of ``w'`` moves by at most ``r_i
        rho``, and ``w'`` is at least the smaller of its values at the two ends (it is monotone, or zero up to the
        corner ``f'(0)`` and decreasing from there).  Let ``lam`` bound the smallest eigenvalue of the Hessian with
        these weights from below.  If ``g <= lam rho``, the gradient points outwards on the sphere, so that the
        minimiser lies in the ball, and within ``g / lam``.

        The mass of a row moves by at most the larger value ``h_i`` of ``q_i w'`` at the ends, times the movement
        ``u_i`` of its argument, and ``u_i <= r_i g / lam``.  With the smaller values ``l_i`` the sum ``alpha sum l_i
        u_i^2`` is at most the scalar product of the gradient and the displacement, hence ``g^2 / lam``; by Cauchy and
        Schwarz ``sum h_i u_i <= (sum h_i^2 / l_i)^{1/2} g / (alpha lam)^{1/2}`` over rows with ``l_i > 0``.  This
        grows with the root of the condition only.

        Parameters
        ----------
        x : ndarray, shape (n,)
            A nearly stationary point.

        Returns
        -------
        point_error, mass_error : float
            ``inf`` where the curvature is too small for the gradient that rounding left, and where barriers are.

        References
        ----------
        S. Boyd, L. Vandenberghe (2004), Convex Optimization, section 9.1.2.
        """
        if self._bounded.any():
            return np.inf, np.inf
        size = abs(self.matrix)
        norms = np.sqrt(np.asarray((size * size).sum(axis=1)).ravel()) / self.strength
        y = self.residual(x) / self.strength
        # entries of a flow matrix are differences from one: their rounding is not relative to their size
        scale = (x.size + 4.0) * (size @ np.abs(x)) + 2.0 * float(np.abs(x).max()) + np.abs(self.reward)
        width = _EPS * scale / self.strength
        mass = self.mass(x)
        with np.errstate(invalid="ignore", over="ignore"):
            steep = self._ends(y, width)[1] * width
            slack = size.T @ (steep + _EPS * (mass.size + 8.0) * np.abs(mass))
            slack += _EPS * (4.0 * np.abs(self.linear) + 2.0 * float(np.abs(mass).sum()))
        gradient = float(np.linalg.norm(self.gradient(x))) + float(np.linalg.norm(slack))
        first = self._least_curvature(self._ends(y, width)[0])
        if not (first > 0.0 and np.isfinite(gradient)):
            return np.inf, np.inf
        for factor in (1.01, 2.0, 3.0):
            radius = factor * gradient / first
            low = self._ends(y, norms * radius + width)[0]
            least = self._least_curvature(low)
            if least * radius >= gradient:
                break
        else:
            return np.inf, np.inf
        error = gradient / least * (1.0 + 1e-9)
        moved = norms * error + width
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            high, curved = self._ends(y, moved)[1], low > 0.0
            far = high * norms * error
            energy = np.sqrt((high[curved] * (high[curved] / low[curved])).sum() / (self.strength * least))
            mass_error = float(far[~curved].sum()) + min(float(far[curved].sum()), float(energy) * gradient)
            return error, (mass_error + float((high * width).sum())) * (1.0 + 1e-9)

    def _ends(self, y: FloatArray, off: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Least and largest value of ``q w'`` on ``y - off``, ``y + off``, an infinite one beyond the domain."""
        if self.plain and self.divergence.name == "chi-square":
            return 0.5 * self.weights, 0.5 * self.weights
        row = self.divergence
        with np.errstate(invalid="ignore", over="ignore"):
            low, high = (np.nan_to_num(row.weight_derivative(z), nan=np.inf) for z in (y - off, y + off))
            largest = np.maximum(low, high)
            if np.isfinite(row.slope_at_zero) and row.order > 2.0:  # infinite at the corner
                largest = np.where(np.abs(y - row.slope_at_zero) <= off, np.inf, largest)
            inside = self.weights > 0.0
            return (
                np.where(inside, self.weights * np.minimum(low, high), 0.0),
                np.where(inside, self.weights * largest, 0.0),
            )

    def _least_curvature(self, weights: FloatArray) -> float:
        """Lower bound on the smallest eigenvalue of ``matrix' diag(weights) matrix / strength``.

        For many unknowns by dominance: if ``|M_ij| - sum of the other |M_ik| = m_i > 0``, then ``|(Mx)_i| >= m_i
        |x|_inf`` where ``j`` is the largest entry of ``x``, and ``|x|_inf^2 >= |x|_2^2 / n``.
        """
        weights = np.minimum(weights, 1e300)
        if self.linear.size <= DENSE:
            dense = self._gram(weights)
            n = int(dense.shape[0])
            least, largest = float(np.linalg.eigvalsh(dense)[0]), float(np.abs(dense).max())
            return least - 8.0 * n * (n + 8.0) * _EPS * largest
        own, margin = self._dominance
        groups = np.bincount(own, weights * margin**2, minlength=self.linear.size)
        return float(groups.min()) / self.strength / self.linear.size * (1.0 - 1e-9)

    @cached_property
    def _dominance(self) -> tuple[IntArray, FloatArray]:
        """For each row the place of its largest entry, and by how much that exceeds the sum of the others, or 0."""
        matrix = self._parts[0]
        size, row = np.abs(matrix.data), np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        most, own = np.zeros(matrix.shape[0]), np.zeros(matrix.shape[0], dtype=np.int64)
        np.maximum.at(most, row, size)
        largest = size == most[row]
        own[row[largest]] = matrix.indices[largest]
        total = np.bincount(row, size, matrix.shape[0]) * (1.0 + 4.0 * _EPS * self.linear.size)
        return own, np.maximum(2.0 * most - total, 0.0)

    def _gram(self, weights: FloatArray) -> FloatArray:
        """``matrix' diag(weights) matrix / strength`` as a dense array."""
        if isinstance(self.matrix, np.ndarray):
            return np.asarray(self.matrix.T @ ((weights / self.strength)[:, np.newaxis] * self.matrix))
        product: Any = self.matrix.T @ (sparse.diags_array(weights / self.strength) @ self.matrix)
        return np.asarray(product.toarray() if hasattr(product, "toarray") else product)
