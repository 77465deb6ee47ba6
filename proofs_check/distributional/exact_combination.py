"""Exact routes of combined estimates: rational weights, quadratic forms and all samples from a law of four atoms."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array

if TYPE_CHECKING:
    from proofs_check.distributional.combination_tasks import Combination


def numbers(case: Combination) -> tuple[Array, Array]:
    """Variances and biases, as rationals."""
    return mdplab.exact.rational(case.variances), mdplab.exact.rational(case.bias)


def normalised(raw: Array) -> Array:
    """Weights that sum to one."""
    weights: Array = raw / raw.sum()
    return weights


def error(weights: Array, variances: Array, bias: Array) -> Any:
    """Mean squared error of a combination."""
    mean = (weights * bias).sum()
    return (weights * weights * variances).sum() + mean * mean


def bordered(matrix: Array) -> Array:
    """Weights and multiplier of the constrained minimum of a quadratic form."""
    n = len(matrix)
    system = np.full((n + 1, n + 1), mdplab.exact.rational(1), dtype=object)
    system[:n, :n], system[n, n] = matrix, mdplab.exact.rational(0)
    found = mdplab.exact.solve(system, mdplab.exact.rational([0] * n + [1]))
    found[n] = -found[n]
    return found


def diagonal(variances: Array) -> Array:
    return np.where(np.eye(len(variances), dtype=bool), variances, mdplab.exact.rational(0))


def inverse_variance(case: Combination) -> Array:
    """Inverse-variance weights and one over the sum of the inverses."""
    variances, _ = numbers(case)
    return np.append(normalised(1 / variances), 1 / (1 / variances).sum())


def least_variance(case: Combination) -> Array:
    """Bordered system of the variance."""
    return bordered(diagonal(numbers(case)[0]))


def biased_weights(case: Combination) -> Array:
    """Sherman-Morrison formula and the error of its weights."""
    variances, bias = numbers(case)
    tilt = (bias / variances).sum() / (1 + (bias * bias / variances).sum())
    weights = normalised((1 - tilt * bias) / variances)
    return np.append(weights, error(weights, variances, bias))


def least_error(case: Combination) -> Array:
    """Bordered system of the mean squared error."""
    variances, bias = numbers(case)
    return bordered(diagonal(variances) + np.multiply.outer(bias, bias))


def second_moment_weights(case: Combination) -> Array:
    """Inverse weights of variance plus squared bias, and their error."""
    variances, bias = numbers(case)
    weights = normalised(1 / (variances + bias * bias))
    return np.append(weights, error(weights, variances, bias))


def others(case: Combination) -> list[Array]:
    """The other weights, moved to the sum one."""
    rows = mdplab.exact.rational(case.directions)
    return [row + (1 - row.sum()) / len(row) for row in rows]


def inverse_sum(case: Combination) -> Array:
    """One over the sum of the inverse variances, for each of the other weights."""
    return np.repeat(inverse_variance(case)[-1:], len(case.directions))


def variances_of_others(case: Combination) -> list[Any]:
    """Variances of the other weights."""
    variances, bias = numbers(case)
    return [error(weights, variances, 0 * bias) for weights in others(case)]


def optimal_error(case: Combination) -> Array:
    """Error of the weights of the formula, for each of the other weights."""
    return np.repeat(biased_weights(case)[-1:], len(case.directions))


def errors_of_others(case: Combination) -> list[Any]:
    """Errors of the other weights."""
    return [error(weights, *numbers(case)) for weights in others(case)]


def sample_variance_enumerated(case: Combination) -> Any:
    """Variance of the sample variance over all samples."""
    atoms, masses = mdplab.exact.rational(case.law.atoms), mdplab.exact.laws(case.law.masses)
    n = case.sample_size
    first = second = mdplab.exact.rational(0)
    for sample in product(range(len(atoms)), repeat=n):
        drawn, chance = atoms[list(sample)], np.prod(masses[list(sample)])
        spread = ((drawn * drawn).sum() - drawn.sum() * drawn.sum() / n) / (n - 1)
        first, second = first + chance * spread, second + chance * spread * spread
    return second - first * first


def sample_variance_closed(case: Combination) -> Any:
    """The formula, from the second and fourth central moments."""
    atoms, masses = mdplab.exact.rational(case.law.atoms), mdplab.exact.laws(case.law.masses)
    n = case.sample_size
    squares = (atoms - (masses * atoms).sum()) ** 2
    variance, fourth = (masses * squares).sum(), (masses * squares * squares).sum()
    return (fourth - variance * variance * mdplab.exact.rational(n - 3) / (n - 1)) / n
