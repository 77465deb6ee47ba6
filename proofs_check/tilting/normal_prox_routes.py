"""Routes of the claim about transport penalties with normal laws: moved points, closed forms, quadrature."""

from __future__ import annotations

import math

import numpy as np

from mdplab import numerics
from mdplab._typing import FloatArray
from mdplab.claims import Side, rounding
from mdplab.laws import Gaussian, gaussian_kl, gaussian_wasserstein
from proofs_check.tilting import refit_routes
from proofs_check.tilting.prox_instances import NormalProx
from proofs_check.tilting.refit_instances import NormalRefit


def moved_point(task: NormalProx, x: float) -> float:
    """Maximiser of ``-c/2 (y - a)^2 - b/2 (x - y)^2`` in y, from the sign of the derivative."""
    low, high = min(x, task.centre), max(x, task.centre)

    def slope(y: float) -> float:
        return task.curvature * (task.centre - y) + task.strength * (x - y)

    return numerics.monotone_root(slope, low - 1.0, high + 1.0).root


def law_of_moved_points(task: NormalProx) -> Side:
    """Roots of the first-order condition at two points of q_0: mean and deviation of their affine map"""
    start = task.start
    right = moved_point(task, start.mean + start.deviation)
    left = moved_point(task, start.mean - start.deviation)
    size = 1.0 + abs(start.mean) + start.deviation + abs(task.centre)
    return Side(np.array([0.5 * (right + left), 0.5 * (right - left)]), rounding(size, 64))


def transported(task: NormalProx) -> Gaussian:
    """``N((c a + b m_0) / (c + b), b^2 s_0^2 / (c + b)^2)``."""
    total = task.curvature + task.strength
    mean = (task.curvature * task.centre + task.strength * task.start.mean) / total
    return Gaussian(mean, task.strength * task.start.deviation / total)


def transported_law(task: NormalProx) -> Side:
    """(c a + b m_0) / (c + b) and b s_0 / (c + b)"""
    law = transported(task)
    size = abs(task.start.mean) + abs(task.centre) + law.deviation
    return Side(np.array([law.mean, law.deviation]), rounding(size, 12))


def worth_of_the_transported_law(task: NormalProx) -> Side:
    """E r - b/2 W_2^2 at that law"""
    law = transported(task)
    paid = 0.5 * task.curvature * law.mean_square(task.centre)
    charged = 0.5 * task.strength * gaussian_wasserstein(law, task.start) ** 2
    size = paid + charged + (task.curvature + task.strength) * size_of(task) * 4
    return Side(-paid - charged, rounding(size, 32))


def size_of(task: NormalProx) -> float:
    """Size of the squares that enter: of the means and of the deviation."""
    return (abs(task.start.mean) + abs(task.centre)) ** 2 + task.start.variance


def mean_of_the_envelope(task: NormalProx) -> Side:
    """Gauss-Hermite rule (exact for quadratics): mean under q_0 of what the moved points are worth"""

    def envelope(places: FloatArray) -> FloatArray:
        moved = np.array([moved_point(task, float(x)) for x in places])
        return np.asarray(
            -0.5 * task.curvature * (moved - task.centre) ** 2 - 0.5 * task.strength * (places - moved) ** 2
        )

    found = numerics.normal_expectation(envelope, task.start.mean, task.start.deviation, order=3)
    size = (task.curvature + task.strength) * 4 * size_of(task) + abs(found.value)
    return Side(found.value, found.error + float(rounding(size, 64)))


def tilted(task: NormalProx) -> Gaussian:
    """``N((b m_0/s_0^2 + c a) / (b/s_0^2 + c), b / (b/s_0^2 + c))``."""
    own = task.strength / task.start.variance
    mean = (own * task.start.mean + task.curvature * task.centre) / (own + task.curvature)
    return Gaussian(mean, math.sqrt(task.strength / (own + task.curvature)))


def tilted_law(task: NormalProx) -> Side:
    """(b m_0/s_0^2 + c a) / (b/s_0^2 + c) and b / (b/s_0^2 + c)"""
    law = tilted(task)
    size = abs(task.start.mean) + abs(task.centre)
    return Side(np.array([law.mean, law.variance]), rounding(np.array([size, law.variance]), 16))


def as_refit(task: NormalProx) -> NormalRefit:
    """One refit whose weight is ``e^{r/b}``."""
    return NormalRefit(task.start, task.centre, math.sqrt(task.strength / task.curvature), 1)


def density_by_quadrature(task: NormalProx) -> Side:
    """Trapezoidal sums of q_0 e^{r/b}: mean and variance"""
    return refit_routes.by_quadrature(as_refit(task))


def worth_of_the_tilt(task: NormalProx) -> Side:
    """E r - b KL(. || q_0) at that law"""
    law = tilted(task)
    paid = 0.5 * task.curvature * law.mean_square(task.centre)
    charged = task.strength * gaussian_kl(law, task.start)
    size = paid + charged + 2 * task.strength + 4 * task.curvature * size_of(task)
    return Side(-paid - charged, rounding(size, 48))


def log_mean_weight(task: NormalProx) -> Side:
    """Trapezoidal sums: b log of the mean of e^{r/b} under q_0, which no law exceeds (Gibbs)"""
    sums = refit_routes.trapezoidal(as_refit(task))
    value = task.strength * sums.log_total
    return Side(value, 1.01 * task.strength * sums.error + float(rounding(abs(value) + task.strength, 8)))
