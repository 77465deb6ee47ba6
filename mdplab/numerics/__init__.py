"""Derivatives, scalar roots and maxima, rate fits and quadrature; each answer with an error estimate or an enclosure.

The module-level imports are NumPy alone; SciPy is imported inside the functions that use it.
"""

from __future__ import annotations

from mdplab.numerics.differentiate import (
    central_difference_gradient,
    central_difference_hessian,
    complex_step_gradient,
    complex_step_hessian,
)
from mdplab.numerics.estimate import Estimate
from mdplab.numerics.global_minimum import MinimumEnclosure, enclosed_minimum
from mdplab.numerics.half_line import half_line_quadrature
from mdplab.numerics.huber import huber_location
from mdplab.numerics.hypervolume import hypervolume
from mdplab.numerics.linear_system import solution_error, solve_refined
from mdplab.numerics.quadrature import adaptive_quadrature, gauss_legendre, normal_expectation
from mdplab.numerics.rates import RateFit, dyadic_envelope, fit_rate, local_slopes
from mdplab.numerics.regression import (
    RegressionSolution,
    elliptical_norm,
    gram_matrix,
    hat_matrix,
    least_squares,
    log_determinant,
    rank_one_update,
    ridge_regression,
    spectral_regression,
)
from mdplab.numerics.riccati import Regulator, linear_regulator
from mdplab.numerics.scalar import MaximumSolution, RootSolution, bisect_rows, maximum, monotone_root

__all__ = [
    "Estimate",
    "MaximumSolution",
    "MinimumEnclosure",
    "RateFit",
    "RegressionSolution",
    "Regulator",
    "RootSolution",
    "adaptive_quadrature",
    "bisect_rows",
    "central_difference_gradient",
    "central_difference_hessian",
    "complex_step_gradient",
    "complex_step_hessian",
    "dyadic_envelope",
    "elliptical_norm",
    "enclosed_minimum",
    "fit_rate",
    "gauss_legendre",
    "gram_matrix",
    "half_line_quadrature",
    "hat_matrix",
    "huber_location",
    "hypervolume",
    "least_squares",
    "linear_regulator",
    "local_slopes",
    "log_determinant",
    "maximum",
    "monotone_root",
    "normal_expectation",
    "rank_one_update",
    "ridge_regression",
    "solution_error",
    "solve_refined",
    "spectral_regression",
]
