"""Weighted logistic losses of pairs, with margins that are affine in the parameters.

``l(h) = log(1 + exp(-h))``; a pair carries a weight for each of its two labels.  The Hessian depends on the sum of
the two weights alone, so that the loss is convex although one of them may be negative (de-biased labels).

References
----------
R. Bradley, M. Terry (1952), Rank analysis of incomplete block designs, Biometrika 39.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdplab._typing import FloatArray

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


def _sigmoid(h: FloatArray) -> tuple[FloatArray, FloatArray]:
    """``sigma(h)`` and ``sigma(-h)``, both to full relative accuracy."""
    small = np.exp(-np.abs(h))
    large, tail = 1.0 / (1.0 + small), small / (1.0 + small)
    return np.where(h >= 0.0, large, tail), np.where(h >= 0.0, tail, large)
