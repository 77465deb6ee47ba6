"""Generalised Gaussian laws: instances, moments by Gamma functions and by quadrature, and the Fourier transform.

The density is proportional to ``exp(-|x/alpha|^beta)``; both its moments and its transform are integrals over the half
line, which the trapezoidal rule in ``log x`` sums.  The transform has a second route on a ray that is turned away
from the real axis, where nothing oscillates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

import mdplab
from mdplab._typing import Array, FloatArray
from mdplab.claims import Side, rounding
from mdplab.instances import Draw
from mdplab.numerics import half_line_quadrature, monotone_root

NEGLIGIBLE = 1e-20
"""Lower end of the quadratures; the integrands are at most one there."""


@cache
def minimum() -> float:
    """The shape at which the variance is least: the root of ``3 digamma(3/beta) = digamma(1/beta)``."""
    from scipy.special import digamma

    return monotone_root(lambda beta: float(3 * digamma(3 / beta) - digamma(1 / beta)), 8.0, 10.0).root


FREQUENCIES = np.linspace(0.5, 12.0, 60)


@dataclass(frozen=True)
class Shapes:
    """Generalised Gaussian laws in the order of their shapes.

    Attributes
    ----------
    shapes : ndarray, shape (n,)
        Positive, ascending.
    scales : ndarray, shape (n,)
        Positive.
    """

    shapes: FloatArray
    scales: FloatArray


def constant(shapes: FloatArray, scale: float = 1.0) -> Shapes:
    """Laws of one scale."""
    return Shapes(shapes, np.full(len(shapes), scale))


def between(low: float, high: float, draw: Draw, *, count: int = 12) -> Shapes:
    """Twelve sorted shapes, uniform between two ends, of one scale U(.1, 10)."""
    return constant(np.sort(draw.uniform(low, high, count)), draw.number(0.1, 10.0))


def moderate(draw: Draw) -> Shapes:
    """Shapes U(.5, 8)."""
    return between(0.5, 8.0, draw)


def all_shapes(draw: Draw) -> Shapes:
    """Shapes U(.3, 30)."""
    return between(0.3, 30.0, draw)


def below(draw: Draw) -> Shapes:
    """Shapes between .3 and that of the least variance."""
    return between(0.3, minimum(), draw)


def beyond(draw: Draw) -> Shapes:
    """Shapes between that of the least variance and 30."""
    return between(minimum(), 30.0, draw)


def any_scales(draw: Draw) -> Shapes:
    """Shapes between .3 and that of the least variance, each with a scale U(.1, 10)."""
    case = below(draw)
    return Shapes(case.shapes, draw.uniform(0.1, 10.0, case.shapes.shape))


@dataclass(frozen=True)
class Bump:
    """The function ``exp(-|x|^beta)``.

    Attributes
    ----------
    shape : float
        The exponent beta, at least .1.
    """

    shape: float


def flat(draw: Draw) -> Bump:
    """Shape U(.6, 2)."""
    return Bump(draw.number(0.6, 2.0))


def steep(draw: Draw) -> Bump:
    """Shape U(2.05, 8)."""
    return Bump(draw.number(2.05, 8.0))


def any_bump(draw: Draw) -> Bump:
    """Shape U(.6, 8)."""
    return Bump(draw.number(0.6, 8.0))


# --- moments --------------------------------------------------------------------------------------------------------


def gammas(argument: FloatArray) -> FloatArray:
    return np.array([math.gamma(x) for x in argument])


def gamma_rounding(case: Shapes) -> FloatArray:
    """Relative error of a product of six Gamma functions at up to 5/beta, whose arguments are rounded."""
    # |x digamma(x)| <= 1 + x log(1 + x) + x for positive x
    largest = 5 / case.shapes
    return rounding(80 + 6 * (1 + largest * np.log1p(largest) + largest), 2)


def variance_by_gammas(case: Shapes) -> Side:
    """Closed form: alpha^2 Gamma(3/beta) / Gamma(1/beta)."""
    u = 1 / case.shapes
    value = case.scales**2 * gammas(3 * u) / gammas(u)
    return Side(value, gamma_rounding(case) * value)


def kurtosis_by_gammas(case: Shapes) -> Side:
    """Closed form: Gamma(5/beta) Gamma(1/beta) / Gamma(3/beta)^2."""
    u = 1 / case.shapes
    value = gammas(5 * u) * gammas(u) / gammas(3 * u) ** 2
    return Side(value, gamma_rounding(case) * value)


def _weighted_density(shape: float, powers: FloatArray, x: FloatArray) -> FloatArray:
    return np.asarray(x**powers * np.exp(-(x**shape)))


def moments(case: Shapes) -> tuple[FloatArray, FloatArray]:
    """Integrals of ``x^k exp(-x^beta)``, k = 0, 2, 4, over the half line, and their relative errors, shape (n, 3)."""
    powers = np.array([0.0, 2.0, 4.0])[:, None]
    value, error = np.empty((2, len(case.shapes), 3))
    for i, shape in enumerate(case.shapes):
        # beyond 80^(1/beta) the integrand is below e^-80 times a power that is at most 80^10
        weighted = partial(_weighted_density, float(shape), powers)
        value[i], error[i] = half_line_quadrature(weighted, lower=NEGLIGIBLE, upper=80 ** (1 / shape))
    # x^beta <= 80 is off by its rounding, (2 + beta) units: so is its exponential
    relative = error / value + rounding(1, 16) * (2 + 10 * case.shapes[:, None])
    return value, np.asarray(relative)


def variance_by_quadrature(case: Shapes) -> Side:
    """Quadrature: second moment over the mass of the density."""
    value, relative = moments(case)
    found = case.scales**2 * value[:, 1] / value[:, 0]
    return Side(found, found * (relative[:, 0] + relative[:, 1]) * 1.1 + rounding(found, 4))


def kurtosis_by_quadrature(case: Shapes) -> Side:
    """Quadrature: fourth moment times the mass over the square of the second moment."""
    value, relative = moments(case)
    found = value[:, 2] * value[:, 0] / value[:, 1] ** 2
    return Side(found, found * (relative.sum(axis=1) + relative[:, 1]) * 1.1 + rounding(found, 5))


# --- the transform --------------------------------------------------------------------------------------------------


def tail(shape: float) -> float:
    """Bound on the integral of ``exp(-x^beta)`` where ``x^beta > 45``, an incomplete Gamma function at 1/beta <= 10."""
    return 1.25 * math.pow(45, 1 / shape - 1) * math.exp(-45) / shape


def transform(case: Bump) -> Side:
    """Quadrature along the real axis: the cosine transform."""
    shape = case.shape
    value, error = half_line_quadrature(
        lambda x: np.exp(-(x**shape)) * np.cos(FREQUENCIES[:, None] * x),
        lower=NEGLIGIBLE,
        upper=45 ** (1 / shape),
        tol=1e-15,
    )
    # arguments of the cosine, and x^beta and its exponential, are off by a few units of themselves
    moved = rounding(
        FREQUENCIES * math.gamma(2 / shape) / shape + (1 + shape) * math.gamma(1 + 1 / shape), 16
    )
    return Side(2 * value, 2 * (error + moved + 2 * NEGLIGIBLE + tail(shape)))


def transform_on_a_ray(case: Bump) -> Side:
    """Quadrature along a ray at the angle pi / (2 beta + 2), where the integrand decays without oscillating much."""
    shape = case.shape
    angle = math.pi / (2 * shape + 2)
    turn, power = np.exp(1j * angle), np.exp(1j * angle * shape)
    slow = math.cos(angle * shape)  # the modulus is exp(-slow y^beta - sin(angle) omega y)
    value, error = half_line_quadrature(
        lambda y: turn * np.exp(-power * y**shape + 1j * turn * FREQUENCIES[:, None] * y),
        lower=NEGLIGIBLE,
        upper=(45 / slow) ** (1 / shape),
        tol=1e-15,
    )
    size = math.gamma(1 + 1 / shape) * slow ** (-1 / shape)
    moved = rounding(FREQUENCIES * size**2 + (2 + shape) * size / slow, 16)
    beyond_end = tail(shape) * slow ** (-1 / shape)
    return Side(2 * value.real, 2 * (error + moved + 2 * NEGLIGIBLE + beyond_end))


# --- routes: neighbours, limits, signs ------------------------------------------------------------------------------


def part_of(side: Side, which: slice) -> Side:
    return Side(np.asarray(side.value)[which], np.asarray(side.error)[which])


EARLIER, LATER = slice(None, -1), slice(1, None)


def earlier_kurtosis(case: Shapes) -> Side:
    """Gamma functions: kurtosis at all shapes but the last."""
    return part_of(kurtosis_by_gammas(case), EARLIER)


def later_kurtosis(case: Shapes) -> Side:
    """Gamma functions: kurtosis at all shapes but the first."""
    return part_of(kurtosis_by_gammas(case), LATER)


def earlier_variance(case: Shapes) -> Side:
    """Gamma functions: variance at all shapes but the last."""
    return part_of(variance_by_gammas(case), EARLIER)


def later_variance(case: Shapes) -> Side:
    """Gamma functions: variance at all shapes but the first."""
    return part_of(variance_by_gammas(case), LATER)


def nine_fifths(case: Shapes) -> Side:
    """Closed form: 9/5."""
    return Side(np.full(case.shapes.shape, 1.8), 1e-15)


def uniform_kurtosis(_: Shapes) -> Side:
    """Closed form: 9/5, the kurtosis of the uniform law."""
    return Side(1.8, 1e-15)


def uniform_variance(case: Shapes) -> Side:
    """Closed form: alpha^2 / 3."""
    return Side(case.scales**2 / 3, 1e-15 * case.scales**2)


def limit_variance(case: Shapes) -> Side:
    """Closed form: alpha^2 / 3 of the common scale."""
    return Side(case.scales[0] ** 2 / 3, 1e-15 * case.scales[0] ** 2)


def nothing(_: Bump) -> Side:
    """Closed form: 0."""
    return Side(np.zeros(60))


def zero(_: Bump) -> Side:
    """Closed form: 0."""
    return Side(0.0)


def least(side: Side) -> Side:
    return Side(np.min(side.value), float(np.max(side.error)))


def least_transform(case: Bump) -> Side:
    """Quadrature along the real axis: least value of the cosine transform."""
    return least(transform(case))


def least_transform_on_a_ray(case: Bump) -> Side:
    """Quadrature along a ray: least value of the cosine transform."""
    return least(transform_on_a_ray(case))


# --- exact routes ---------------------------------------------------------------------------------------------------


def ball_gamma(factor: int, case: Shapes) -> Array:
    found = np.empty(case.shapes.shape, dtype=object)
    found[:] = [(factor / mdplab.exact.ball(float(shape))).gamma() for shape in case.shapes]
    return found


def exact_variance(case: Shapes) -> Array:
    """Gamma functions of balls: variance."""
    scales = mdplab.exact.ball(case.scales)
    found: Array = scales * scales * ball_gamma(3, case) / ball_gamma(1, case)
    return found


def exact_kurtosis(case: Shapes) -> Array:
    """Gamma functions of balls: kurtosis."""
    third = ball_gamma(3, case)
    found: Array = ball_gamma(5, case) * ball_gamma(1, case) / (third * third)
    return found
