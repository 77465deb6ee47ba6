"""Weighted logistic losses of pairs, with margins that are affine in the parameters.

``l(h) = log(1 + exp(-h))``; a pair carries a weight for each of its two labels.  The Hessian depends on the sum of
the two weights alone, so that the loss is convex although one of them may be negative (de-biased labels).

References
----------
R. Bradley, M. Terry (1952), Rank analysis of incomplete block designs, Biometrika 39.
F. Bach (2010), Self-concordant analysis for logistic regression, Electronic J. Statistics 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdplab._typing import FloatArray
from mdplab.convex.linear import linear_program

__all__ = ["PairLoss"]

_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class PairLoss:
    """``sum_k win_k l(h_k) + lose_k l(-h_k)`` over unordered pairs, ``h = design theta + offset``.

    Attributes
    ----------
    design : ndarray, shape (K, p)
        Gradient of each pair's margin.
    offset : ndarray, shape (K,)
        Margins at ``theta = 0``.
    win, lose : ndarray, shape (K,)
        Weights of the two labels; each may be negative, their sum not.
    """

    design: FloatArray
    offset: FloatArray
    win: FloatArray
    lose: FloatArray

    def margin(self, theta: FloatArray) -> FloatArray:
        """Margins ``h``, shape (K,)."""
        return np.asarray(self.design @ theta + self.offset)

    def value(self, theta: FloatArray) -> float:
        """The loss at ``theta``."""
        h = self.margin(theta)
        # l(h) = l(-h) - h: one logarithm of the larger side, and weights that may be negative
        return float(((self.win + self.lose) * np.log1p(np.exp(-np.abs(h)))).sum()) + float(
            (self.win * np.maximum(-h, 0.0) + self.lose * np.maximum(h, 0.0)).sum()
        )

    def gradient(self, theta: FloatArray) -> FloatArray:
        """Gradient, shape (p,)."""
        right, wrong = _sigmoid(self.margin(theta))
        return np.asarray(self.design.T @ (self.lose * right - self.win * wrong))

    def hessian(self, theta: FloatArray) -> FloatArray:
        """Hessian, shape (p, p); the same for every splitting of the weights into the two labels."""
        right, wrong = _sigmoid(self.margin(theta))
        return np.asarray(self.design.T @ (((self.win + self.lose) * right * wrong)[:, None] * self.design))

    def rounding(self, theta: FloatArray) -> float:
        """Bound on the Euclidean norm of the rounding of the gradient."""
        size = np.abs(self.design)
        h_error = _EPS * ((theta.size + 3.0) * (size @ np.abs(theta)) + 2.0 * np.abs(self.offset))
        right, wrong = _sigmoid(self.margin(theta))
        weight = np.abs(self.lose) * right + np.abs(self.win) * wrong
        each = (self.win + self.lose) * right * wrong * h_error * 1.01 + _EPS * (
            self.win.size + 10.0
        ) * weight
        return float(np.linalg.norm(size.T @ each)) * (1.0 + 1e-12)

    def recession(self) -> float:
        """Least slope of the loss at infinity over directions with ``|v| <= 1`` (a linear program)."""
        pairs, size = self.design.shape
        # win max(0, -h) + lose max(0, h) = lose h + (win + lose) max(0, -h)
        cost = np.concatenate([self.design.T @ self.lose, self.win + self.lose])
        program = linear_program(
            cost,
            at_least=(np.hstack([self.design, np.eye(pairs)]), np.zeros(pairs)),
            lower=np.concatenate([-np.ones(size), np.zeros(pairs)]),
            upper=np.concatenate([np.ones(size), np.full(pairs, np.inf)]),
        )
        return program.objective

    def error_bound(self, theta: FloatArray, gauge: FloatArray | None) -> tuple[float, float, float]:
        """Bound on the distance of the minimiser from ``theta``, by generalised self-concordance.

        ``|l'''| <= l''`` makes the Hessian along a direction lose at most the factor ``exp(-nu)`` while margins move by
        ``nu``; see :mod:`mdplab.solvers.preference_fit`.

        Parameters
        ----------
        theta : ndarray, shape (p,)
            The point.
        gauge : ndarray, shape (k, p), or None
            Directions that change no margin; the distance is taken on their complement.

        Returns
        -------
        bound, curvature, rounding : float
            The bound on the Euclidean distance (infinite where none is proven), the lower bound on the eigenvalues of
            the Hessian that it rests on, and its rounding part.
        """
        h = self.hessian(theta)
        size = float(np.abs(h).sum()) or 1.0
        if gauge is not None:
            flat = np.linalg.qr(gauge.T)[0].T
            h = h + size * flat.T @ flat
        slack = 8.0 * theta.size * (theta.size + self.win.size) * _EPS * size
        curvature = float(np.linalg.eigvalsh(h)[0]) - slack
        gradient = self.gradient(theta)
        if gauge is not None:
            gradient = gradient - flat.T @ (flat @ gradient)
        rounding = self.rounding(theta)
        norm = float(np.linalg.norm(gradient)) + rounding
        reach = float(np.linalg.norm(self.design, axis=1).max(initial=0.0))
        if not curvature > 0.0 or not reach * norm < curvature:
            return np.inf, max(curvature, 0.0), rounding
        nu = -np.log1p(-reach * norm / curvature)
        factor = 1.0 if nu < 1e-12 else float(nu / -np.expm1(-nu))
        return norm / curvature * factor * (1.0 + 1e-9), curvature, rounding / curvature


def _sigmoid(h: FloatArray) -> tuple[FloatArray, FloatArray]:
    """``sigma(h)`` and ``sigma(-h)``, both to full relative accuracy."""
    small = np.exp(-np.abs(h))
    large, tail = 1.0 / (1.0 + small), small / (1.0 + small)
    return np.where(h >= 0.0, large, tail), np.where(h >= 0.0, tail, large)
