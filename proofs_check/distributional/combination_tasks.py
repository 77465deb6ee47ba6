"""Estimates to be combined: variances, biases, weights to compare with, and a law of four atoms."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from mdplab._typing import FloatArray
from mdplab.instances import Draw, random_law
from mdplab.laws import FiniteLaw


def thirds(chance: float = 1 / 3) -> FiniteLaw:
    """The symmetric law on -1, 0, 1 with the kurtosis one over ``chance``."""
    return FiniteLaw.from_atoms([-1.0, 0.0, 1.0], [chance / 2, 1 - chance, chance / 2])


@dataclass(frozen=True)
class Combination:
    """Estimates to be combined, and a law to be sampled.

    Attributes
    ----------
    variances, bias : ndarray, shape (n,)
        Of the estimates; variances positive.
    directions : ndarray, shape (k, n)
        Any numbers; moved along the diagonal to the sum one they are weights to compare with.
    law : FiniteLaw
        A law whose variance is estimated.
    sample_size : int
        Draws in a sample, at least 2.
    correlation : float
        Common correlation of the estimates, in [0, 1).
    supposed : ndarray, shape (n,), or None
        Variances from which the weights are computed, where they are not the true ones.
    """

    variances: FloatArray
    bias: FloatArray
    directions: FloatArray
    law: FiniteLaw = field(default_factory=thirds)
    sample_size: int = 5
    correlation: float = 0.0
    supposed: FloatArray | None = None

    @property
    def weighing(self) -> FloatArray:
        """The variances from which weights are computed."""
        return self.variances if self.supposed is None else self.supposed

    @property
    def covariance(self) -> FloatArray:
        """Covariance of the estimates."""
        deviations = np.sqrt(self.variances)
        covariance = self.correlation * np.outer(deviations, deviations)
        np.fill_diagonal(covariance, self.variances)
        return np.asarray(covariance)

    @property
    def others(self) -> FloatArray:
        """The weights to compare with."""
        excess = 1.0 - self.directions.sum(axis=1, keepdims=True)
        return np.asarray(self.directions + excess / self.directions.shape[1])


def combination(draw: Draw, *, biased: int | None = None) -> Combination:
    """2 to 6 estimates, variances U(.1, 4), normal biases, simplex and signed weights; a law of four atoms."""
    n = draw.integer(2, 6)
    variances, bias = draw.uniform(0.1, 4.0, n), draw.normal(n)
    directions = np.concatenate((draw.weights((4, n)), draw.normal((4, n))))
    bias = bias if biased is None else np.where(np.arange(n) < biased, bias, 0.0)
    return Combination(variances, bias, directions, random_law(draw, 4))


def one_biased(draw: Draw) -> Combination:
    """As :func:`combination`, with one biased estimate."""
    return combination(draw, biased=1)


def correlated(draw: Draw) -> Combination:
    """As :func:`one_biased`, with a common correlation U(0, .9)."""
    return replace(one_biased(draw), correlation=draw.number(0.0, 0.9))


def misjudged(draw: Draw) -> Combination:
    """As :func:`one_biased`, with weights computed from other variances U(.1, 4)."""
    case = one_biased(draw)
    return replace(case, supposed=draw.uniform(0.1, 4.0, case.variances.shape))
