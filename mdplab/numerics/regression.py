r"""Linear regression: ridge, weighted and minimum-norm least squares, elliptical norms and what updates them.

With features :math:`X\in\mathbb R^{n\times d}`, weights :math:`W=\mathrm{diag}(w)` and a ridge :math:`\lambda`, the Gram
matrix is :math:`\Lambda=\lambda I+X^\top WX`; the fit :math:`\theta=\Lambda^{-1}X^\top Wy` minimises
:math:`\sum_iw_i(y_i-x_i\cdot\theta)^2+\lambda|\theta|^2`.  The width of a feature vector is the elliptical norm
:math:`\|\phi\|_{\Lambda^{-1}}=\sqrt{\phi^\top\Lambda^{-1}\phi}`, and adding one observation multiplies the determinant by
:math:`1+w\|x\|^2_{\Lambda^{-1}}` (elliptical potential).

*Weights* :math:`w_i\ge0` multiply squared errors (they are not their square roots) and are never normalised, nor is the
Gram matrix divided by n.

*Certificates.*  The bound on the error of the coefficients is that of :mod:`mdplab.numerics.linear_system`, with the
rounding of the Gram matrix included; with a positive ridge also the residual over the ridge, since
:math:`\Lambda\succeq\lambda I`.  Where the Gram matrix is not proven regular the status is UNCERTIFIED.

References
----------
.. [1] Y. Abbasi-Yadkori, D. Pal, C. Szepesvari, "Improved algorithms for linear stochastic bandits", NIPS 2011.
.. [2] A. Bjorck, *Numerical Methods for Least Squares Problems*, SIAM 1996.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.numerics.linear_system import UNIT_ROUNDOFF, solution_error
from mdplab.solution import Certificate, Layout, Solution, Status

__all__ = [
    "RegressionSolution",
    "elliptical_norm",
    "gram_matrix",
    "hat_matrix",
    "least_squares",
    "log_determinant",
    "rank_one_update",
    "ridge_regression",
    "spectral_regression",
]

_THEOREM = (
    "|x - x*| <= |R| |b - A x| / (1 - |I - R A|) for any approximate inverse R (Rump 2010), rounding included"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class RegressionSolution(Solution):
    """A linear fit with a proven error bound; its table has a row a feature.

    Attributes
    ----------
    coefficients : ndarray (d,) or (d, k)
        The fit; ``certificate.bound`` is the largest error of an entry.
    fitted : ndarray (n,) or (n, k)
        ``features @ coefficients``.
    rank : int
        Numerical rank of the weighted features.
    gradient_norm : float
        Largest entry of the gradient of half the objective, as computed.
    """

    coefficients: FloatArray
    fitted: FloatArray
    rank: int
    gradient_norm: float

    _across = "output"

    def _layout(self) -> Layout:
        return ("feature",), {"coefficient": self.coefficients}


def _data(
    features: ArrayLike, targets: ArrayLike | None, weights: ArrayLike | None
) -> tuple[FloatArray, FloatArray | None, FloatArray]:
    """Features, targets and weights as float arrays of fitting shapes."""
    x = np.asarray(features, dtype=np.float64)
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"features has shape {x.shape}, expected (n, d)")
    y = None if targets is None else np.asarray(targets, dtype=np.float64)
    if y is not None and (y.ndim not in (1, 2) or y.shape[0] != x.shape[0]):
        raise ValueError(f"targets has shape {y.shape}, expected (n,) or (n, k) with n = {x.shape[0]}")
    w = np.ones(x.shape[0]) if weights is None else np.asarray(weights, dtype=np.float64)
    if w.shape != (x.shape[0],):
        raise ValueError(f"weights has shape {w.shape}, expected (n,) = ({x.shape[0]},)")
    for name, array in (("features", x), ("targets", y), ("weights", w)):
        if array is not None and not np.isfinite(array).all():
            raise ValueError(
                f"{name} must be finite; entry {np.argwhere(~np.isfinite(array))[0].tolist()} is not"
            )
    if w.min() < 0.0:
        raise ValueError(f"weights[{int(w.argmin())}] is {float(w.min())!r}, expected a weight >= 0")
    return x, y, w


def _ridge(ridge: float, *, positive: bool = False) -> float:
    if not (math.isfinite(ridge) and ridge >= 0.0) or (positive and ridge == 0.0):
        raise ValueError(f"ridge is {ridge!r}, expected a finite number {'> 0' if positive else '>= 0'}")
    return float(ridge)


def gram_matrix(features: ArrayLike, *, ridge: float = 0.0, weights: ArrayLike | None = None) -> FloatArray:
    """``ridge * I + X^T W X``.

    Parameters
    ----------
    features : array_like (n, d)
        Rows are observations.
    ridge : float, default 0
        Non-negative.
    weights : array_like (n,), optional
        Non-negative weights of the observations; ones by default.

    Returns
    -------
    ndarray (d, d)
        Symmetric.
    """
    x, _, w = _data(features, None, weights)
    gram = x.T @ (w[:, np.newaxis] * x)
    gram = 0.5 * (gram + gram.T)
    gram.flat[:: gram.shape[0] + 1] += _ridge(ridge)
    return gram


def _factor(gram: ArrayLike) -> FloatArray:
    """Lower Cholesky factor of a positive definite matrix."""
    matrix = np.asarray(gram, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"gram has shape {matrix.shape}, expected (d, d)")
    try:
        return np.asarray(np.linalg.cholesky(matrix))
    except np.linalg.LinAlgError:
        raise ValueError(
            "gram is not positive definite: add a ridge, or features that span the space"
        ) from None


def elliptical_norm(features: ArrayLike, gram: ArrayLike) -> FloatArray:
    """Widths ``sqrt(phi^T gram^{-1} phi)``.

    Parameters
    ----------
    features : array_like (..., d)
        Feature vectors.
    gram : array_like (d, d)
        Positive definite.

    Returns
    -------
    ndarray (...)
        Non-negative.

    Raises
    ------
    ValueError
        If ``gram`` is not positive definite.
    """
    from scipy.linalg import solve_triangular

    phi = np.asarray(features, dtype=np.float64)
    factor = _factor(gram)
    if phi.shape[-1:] != factor.shape[:1]:
        raise ValueError(f"features has shape {phi.shape}, expected (..., d) with d = {factor.shape[0]}")
    # |L^{-1} phi|: a sum of squares cannot become negative by rounding
    half = solve_triangular(factor, phi.reshape(-1, factor.shape[0]).T, lower=True, check_finite=False)
    result: FloatArray = np.sqrt(np.einsum("ij,ij->j", half, half)).reshape(phi.shape[:-1])
    return result


def log_determinant(gram: ArrayLike) -> float:
    """Logarithm of the determinant of a positive definite matrix.

    Parameters
    ----------
    gram : array_like (d, d)
        Positive definite.

    Returns
    -------
    float
        By the Cholesky factor, so that nothing overflows.

    Raises
    ------
    ValueError
        If ``gram`` is not positive definite.
    """
    return float(2.0 * np.log(np.diag(_factor(gram))).sum())


def rank_one_update(
    inverse: ArrayLike, vector: ArrayLike, *, weight: float = 1.0
) -> tuple[FloatArray, float]:
    """Inverse of ``gram + weight * x x^T`` from that of ``gram`` (Sherman and Morrison), in d^2 operations.

    Parameters
    ----------
    inverse : array_like (d, d)
        Inverse of the Gram matrix, symmetric.
    vector : array_like (d,)
        The observation x.
    weight : float, default 1
        Its weight; a negative one takes an observation away.

    Returns
    -------
    inverse : ndarray (d, d)
        Symmetric.
    log_gain : float
        Increase of the log-determinant, ``log(1 + weight * |x|^2)`` in the elliptical norm.

    Raises
    ------
    ValueError
        If the updated matrix is not positive definite.
    """
    old, x = np.asarray(inverse, dtype=np.float64), np.asarray(vector, dtype=np.float64)
    if old.ndim != 2 or x.shape != old.shape[:1] or old.shape[0] != old.shape[1]:
        raise ValueError(f"vector has shape {x.shape} and inverse {old.shape}, expected (d,) and (d, d)")
    image = old @ x
    gain = weight * float(x @ image)
    if not gain > -1.0:
        raise ValueError(
            f"weight {weight!r} leaves no positive definite matrix (determinant times {1 + gain:.3g})"
        )
    new = old - np.outer(image, image) * (weight / (1.0 + gain))
    return 0.5 * (new + new.T), math.log1p(gain)


def ridge_regression(
    features: ArrayLike,
    targets: ArrayLike,
    *,
    ridge: float,
    weights: ArrayLike | None = None,
    tol: float = 1e-8,
) -> RegressionSolution:
    """Weighted ridge regression.

    Parameters
    ----------
    features : array_like (n, d)
        Rows are observations.
    targets : array_like (n,) or (n, k)
        What is fitted.
    ridge : float
        Positive; :func:`least_squares` is the limit 0.
    weights : array_like (n,), optional
        Non-negative weights; ones by default.
    tol : float, default 1e-8
        Decides the status only.

    Returns
    -------
    RegressionSolution
        Status CONVERGED, PRECISION_LIMIT or UNCERTIFIED.

    Raises
    ------
    ValueError
        If shapes do not fit or an argument is out of range.
    """
    return _fit(features, targets, weights, _ridge(ridge, positive=True), tol)


def least_squares(
    features: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None, tol: float = 1e-8
) -> RegressionSolution:
    """Weighted least squares; the solution of minimum norm where it is not unique.

    Parameters
    ----------
    features : array_like (n, d)
        Rows are observations.
    targets : array_like (n,) or (n, k)
        What is fitted.
    weights : array_like (n,), optional
        Non-negative weights; ones by default.
    tol : float, default 1e-8
        Decides the status only.

    Returns
    -------
    RegressionSolution
        Status CONVERGED, PRECISION_LIMIT, or UNCERTIFIED where the features are not proven independent.

    Raises
    ------
    ValueError
        If shapes do not fit or an argument is out of range.
    """
    return _fit(features, targets, weights, 0.0, tol)


def _fit(
    features: ArrayLike, targets: ArrayLike, weights: ArrayLike | None, ridge: float, tol: float
) -> RegressionSolution:
    x, y, w = _data(features, targets, weights)
    assert y is not None
    n, d = x.shape
    root = np.sqrt(w)
    scaled = root[:, np.newaxis] * x
    aim = (root if y.ndim == 1 else root[:, np.newaxis]) * y
    rank = int(np.linalg.matrix_rank(scaled))
    if ridge > 0.0:  # one QR of the stacked problem, not the squared condition of the normal equations
        stacked = np.vstack([scaled, math.sqrt(ridge) * np.eye(d)])
        below = np.vstack([aim.reshape(n, -1), np.zeros((d, aim.reshape(n, -1).shape[1]))])
        coefficients = np.linalg.lstsq(stacked, below, rcond=None)[0].reshape((d, *y.shape[1:]))
    else:
        coefficients = np.linalg.lstsq(scaled, aim, rcond=None)[0]
    gram = gram_matrix(x, ridge=ridge, weights=w)
    size, moduli = np.abs(x), w[:, np.newaxis] * np.abs(x)
    gram_error = 1.01 * (n + 4) * UNIT_ROUNDOFF * (size.T @ moduli + ridge * np.eye(d))
    right = (w[:, np.newaxis] * x).T @ y
    right_error = 1.01 * (n + 3) * UNIT_ROUNDOFF * (moduli.T @ np.abs(y))
    if rank == d or ridge > 0.0:
        bound = solution_error(gram, coefficients, right, matrix_error=gram_error, right_error=right_error)
    else:
        bound = math.inf
    gradient = gram @ coefficients - right
    if ridge > 0.0:  # |error| <= |gradient| / ridge, per column in the Euclidean norm
        extra = (d + 2) * UNIT_ROUNDOFF * (np.abs(gram) @ np.abs(coefficients) + np.abs(right))
        extra = extra + gram_error @ np.abs(coefficients) + right_error
        norms = np.sqrt(((np.abs(gradient) + extra) ** 2).reshape(d, -1).sum(axis=0))
        bound = min(bound, 1.01 * float(norms.max()) / ridge)
    status = Status.UNCERTIFIED if math.isinf(bound) else Status.CONVERGED
    if math.isfinite(bound) and bound > tol:
        status = Status.PRECISION_LIMIT
    return RegressionSolution(
        status=status,
        certificate=Certificate("largest error of a coefficient", bound, _THEOREM, bound),
        steps=1,
        coefficients=coefficients,
        fitted=x @ coefficients,
        rank=rank,
        gradient_norm=float(np.abs(gradient).max()),
    )


def hat_matrix(features: ArrayLike, *, ridge: float = 0.0, weights: ArrayLike | None = None) -> FloatArray:
    """The matrix that maps targets to fitted values, ``X (ridge I + X^T W X)^{-1} X^T W``.

    Parameters
    ----------
    features : array_like (n, d)
        Rows are observations.
    ridge : float, default 0
        Non-negative; 0 gives the projection onto the columns, orthogonal in the weighted product, of any rank.
    weights : array_like (n,), optional
        Non-negative weights; ones by default.

    Returns
    -------
    ndarray (n, n)
        Its trace is the effective number of parameters.
    """
    x, _, w = _data(features, None, weights)
    left, singular, right = np.linalg.svd(np.sqrt(w)[:, np.newaxis] * x, full_matrices=False)
    keep = singular > singular.max(initial=0.0) * max(x.shape) * 2 * UNIT_ROUNDOFF
    factor = np.where(keep, singular / np.where(keep, singular**2 + _ridge(ridge), 1.0), 0.0)
    coefficients = (right.T * factor) @ left.T
    result: FloatArray = x @ (coefficients * np.sqrt(w))
    return result


def spectral_regression(
    features: ArrayLike, targets: ArrayLike, spectral_filter: Callable[[FloatArray], FloatArray]
) -> FloatArray:
    r"""Regression by a filter of the singular values, :math:`\theta=\sum_if(\sigma_i)\,\sigma_i^{-1}(u_i\cdot y)v_i`.

    Parameters
    ----------
    features : array_like (n, d)
        Rows are observations.
    targets : array_like (n,) or (n, k)
        What is fitted.
    spectral_filter : callable
        Maps the positive singular values to the factors f: ones are least squares, ``s**2 / (s**2 + ridge)`` ridge
        regression, ``1 - (1 - step * s**2)**t`` gradient descent from 0 after t steps.

    Returns
    -------
    ndarray (d,) or (d, k)
        The coefficients.
    """
    x, y, _ = _data(features, targets, None)
    assert y is not None
    left, singular, right = np.linalg.svd(x, full_matrices=False)
    keep = singular > singular.max(initial=0.0) * max(x.shape) * 2 * UNIT_ROUNDOFF
    singular, left, right = singular[keep], left[:, keep], right[keep]
    factor = np.asarray(spectral_filter(singular), dtype=np.float64) / singular
    result: FloatArray = (right.T * factor) @ (left.T @ y)
    return result
