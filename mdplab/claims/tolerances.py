"""The one table of accuracies: where a tolerance comes from, with its reason.

A solver that certifies its answer brings its own bound (``solution.certificate.bound``).  This table holds the rest:
rounding of closed forms, and the accuracy of routes that certify nothing (finite differences).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.numerics.linear_system import UNIT_ROUNDOFF

__all__ = [
    "UNIT_ROUNDOFF",
    "central_difference_error",
    "complex_step_error",
    "rounding",
]


def rounding(magnitude: ArrayLike, operations: int = 16) -> FloatArray:
    """Rounding bound of a closed form, ``operations * u * |magnitude|`` elementwise.

    Parameters
    ----------
    magnitude : array_like
        Largest intermediate magnitude of each entry (not of the result, where terms cancel).
    operations : int
        Number of rounded operations on the way to one entry; a library function (exp, log) counts for two.

    Returns
    -------
    ndarray
        An upper bound of the absolute error (Higham 2002, section 3.1, for ``operations * u <= 0.01``).
    """
    return np.asarray(1.01 * operations * UNIT_ROUNDOFF * np.abs(np.asarray(magnitude, dtype=float)))


def complex_step_error(derivative: Any, operations: int, condition: float = 1.0) -> FloatArray:
    """Error of a complex-step derivative with step 1e-30: no truncation, rounding only.

    Parameters
    ----------
    derivative : array_like
        The derivative found.
    operations : int
        Operations of the function's evaluation.
    condition : float
        Amplification of rounding, e.g. ``1 / (1 - discount)`` for one solve with a discounted kernel.

    Returns
    -------
    ndarray
        ``operations * condition * u * max|derivative|`` (one bound for all entries, which share their intermediates).
    """
    return rounding(condition * np.max(np.abs(derivative), initial=0.0), operations)


def central_difference_error(value: float, third_derivative: float, step: float, operations: int) -> float:
    """Error of ``(f(x+h) - f(x-h)) / 2h``: truncation ``h^2 |f'''| / 6`` plus rounding of two values over ``2h``.

    Parameters
    ----------
    value : float
        Magnitude of ``f`` near ``x``.
    third_derivative : float
        Bound on the third derivative on the stencil.
    step : float
        The step ``h``.
    operations : int
        Operations of one evaluation of ``f``.

    Returns
    -------
    float
    """
    return step**2 * abs(third_derivative) / 6.0 + float(rounding(value, operations)) / step
