"""Routes of the claim about two flows: power series with proven bounds, and quadrature of the variation of constants.

The law at time 1 has the mean ``e^{F(1)} m_0 + int_0^1 e^{F(1) - F(u)} c(u) du`` and the deviation ``e^{F(1)} s_0``, with ``F`` the
integral of the slope.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from mdplab import laws
from mdplab._typing import FloatArray
from mdplab.claims import Side, rounding
from mdplab.laws import AffineField, Gaussian
from mdplab.numerics import gauss_legendre
from proofs_check.tilting.normal_flow_instances import FlowTask

ORDER = 48
EVALUATION = 120
"""Operations of one evaluation of fields of degree up to 40, an exponential of their integral among them."""


def largest_slope(field: AffineField) -> float:
    """One-sided Lipschitz constant of a field whose drift is linear in time: its slope at an end."""
    return float(np.max(field.coefficients([0.0, 1.0])[0]))


def lipschitz(field: AffineField) -> float:
    """Lipschitz constant of such a field."""
    return float(np.max(np.abs(field.coefficients([0.0, 1.0])[0])))


def gronwall(slope: float) -> float:
    """``(e^{2 l} - 1) / (2 l)``, 1 at 0."""
    return math.expm1(2 * slope) / (2 * slope) if slope else 1.0


# --- power series ---------------------------------------------------------------------------------------------------


def squared_distance(task: FlowTask) -> Side:
    """Power series of both flows: squared distance of their laws at time 1"""
    first = laws.gaussian_flow(task.start, task.first)
    second = laws.gaussian_flow(task.other_start, task.second)
    distance = laws.gaussian_wasserstein(first.law, second.law)
    size = math.hypot(abs(first.law.mean) + abs(second.law.mean), first.law.deviation + second.law.deviation)
    off = math.hypot(
        first.mean_error + second.mean_error, first.deviation_error + second.deviation_error
    ) + float(rounding(size, 4))
    return Side(distance**2, off * (2 * distance + off) + float(rounding(distance**2, 4)))


def discrepancy(task: FlowTask) -> tuple[float, float]:
    """``I`` by power series, and its error."""
    return laws.flow_discrepancy(task.start, task.first, task.second)


def times_discrepancy(task: FlowTask, factor: float) -> Side:
    """A factor times the discrepancy of the fields."""
    value, error = discrepancy(task)
    return Side(factor * value, factor * error + float(rounding(factor * value, 12)))


def sharp_bound(task: FlowTask) -> Side:
    """Power series of the first flow: I, times (e^{2 l} - 1) / (2 l) with the largest slope l of the second field"""
    return times_discrepancy(task, gronwall(largest_slope(task.second)))


def lipschitz_bound(task: FlowTask) -> Side:
    """Power series of the first flow: I, times e^{2 L} with the Lipschitz constant L of the second field"""
    return times_discrepancy(task, math.exp(2 * lipschitz(task.second)))


# --- quadrature -----------------------------------------------------------------------------------------------------


class Moments(NamedTuple):
    """Mean and deviation at some times, with estimates of their errors."""

    mean: FloatArray
    deviation: FloatArray
    mean_error: FloatArray
    deviation_error: FloatArray


def moments(start: Gaussian, field: AffineField, times: FloatArray) -> Moments:
    """Mean and deviation at given times by the variation of constants."""
    integral = AffineField(field.drift, np.append(0.0, field.drift / np.arange(1, field.drift.size + 1)))

    def exponent(time: FloatArray) -> FloatArray:
        return integral.coefficients(time)[1]

    total = exponent(times)

    def carried(share: FloatArray) -> FloatArray:
        when = times[:, np.newaxis] * share
        growth = np.exp(total[:, np.newaxis] - exponent(when))
        given = times[:, np.newaxis] * growth * field.coefficients(when)[1]
        return np.stack((given, np.abs(given)))

    (gathered, size), (gathered_error, _) = gauss_legendre(carried, 0.0, 1.0, order=ORDER)
    growth = np.exp(total)
    off = rounding(1.0 + float(np.abs(field.drift).sum()), EVALUATION)
    return Moments(
        growth * start.mean + gathered,
        growth * start.deviation,
        off * growth * abs(start.mean) + gathered_error + off * size,
        off * growth * start.deviation,
    )


def squared_distance_by_quadrature(task: FlowTask) -> Side:
    """Variation of constants by Gauss-Legendre quadrature: squared differences of means and deviations at time 1"""
    end = np.ones(1)
    first, second = (
        moments(start, field, end)
        for start, field in ((task.start, task.first), (task.other_start, task.second))
    )
    mean, deviation = first.mean - second.mean, first.deviation - second.deviation
    off = np.hypot(
        first.mean_error + second.mean_error, first.deviation_error + second.deviation_error
    ) + rounding(np.abs(first.mean) + np.abs(second.mean) + first.deviation + second.deviation, 4)
    distance = np.hypot(mean, deviation)
    return Side(float((distance**2)[0]), float((off * (2 * distance + off))[0] + rounding(distance**2, 4)[0]))


def discrepancy_by_quadrature(task: FlowTask) -> tuple[float, float]:
    """``I`` by quadrature in time of moments that are themselves found by quadrature."""

    def integrand(times: FloatArray) -> FloatArray:
        found = moments(task.start, task.first, times)
        (slope, shift), (other_slope, other_shift) = (
            field.coefficients(times) for field in (task.first, task.second)
        )
        change, apart = slope - other_slope, shift - other_shift
        difference = change * found.mean + apart
        off = np.abs(change) * np.hypot(found.mean_error, found.deviation_error) + rounding(
            np.abs(change * found.mean) + np.abs(shift) + np.abs(other_shift), EVALUATION
        )
        size = np.abs(difference) + np.abs(change) * found.deviation
        return np.stack((difference**2 + (change * found.deviation) ** 2, 2 * off * (2 * size + off)))

    (value, off), (error, _) = gauss_legendre(integrand, 0.0, 1.0, order=ORDER)
    return float(value), float(error + off)


def sharp_bound_by_quadrature(task: FlowTask) -> Side:
    """Nested Gauss-Legendre quadrature: the sharp bound"""
    value, error = discrepancy_by_quadrature(task)
    factor = gronwall(largest_slope(task.second))
    return Side(factor * value, factor * error + float(rounding(factor * value, 12)))


def lipschitz_bound_by_quadrature(task: FlowTask) -> Side:
    """Nested Gauss-Legendre quadrature: the bound with the Lipschitz constant"""
    value, error = discrepancy_by_quadrature(task)
    factor = math.exp(2 * lipschitz(task.second))
    return Side(factor * value, factor * error + float(rounding(factor * value, 12)))


# --- the constants, and where the bound is attained -----------------------------------------------------------------


def sharp_factor(task: FlowTask) -> Side:
    """(e^{2 l} - 1) / (2 l)"""
    return Side(gronwall(largest_slope(task.second)), rounding(gronwall(largest_slope(task.second)), 12))


def lipschitz_factor(task: FlowTask) -> Side:
    """e^{2 L}"""
    return Side(math.exp(2 * lipschitz(task.second)), rounding(math.exp(2 * lipschitz(task.second)), 12))


def distance_and_bound(task: FlowTask) -> Side:
    """Power series: squared distance at time 1, and the sharp bound"""
    distance, bound = squared_distance(task), sharp_bound(task)
    return Side(np.array([distance.value, bound.value]), np.array([distance.error, bound.error]))


def attained(task: FlowTask) -> Side:
    """The squared difference of the shifts at time 1 times ((e^{2 l} - 1) / (2 l))^2, twice"""
    change = task.first.coefficients(1.0)[1] - task.second.coefficients(1.0)[1]
    value = float(change**2) * gronwall(largest_slope(task.second)) ** 2
    size = float(np.abs(task.first.shift).sum() + np.abs(task.second.shift).sum()) ** 2
    # the coefficients of the field are rounded: a relative error of its difference everywhere
    return Side(np.full(2, value), rounding(size * gronwall(largest_slope(task.second)) ** 2, 2 * EVALUATION))
