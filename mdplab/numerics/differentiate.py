"""Derivatives by the complex step and by differences.

*Complex step.*  For a function that is real-analytic and computed by complex arithmetic,
``f(x + i h e_k) = f(x) + i h f_k(x) - h^2 f_kk(x)/2 - ...``, so ``Im f(x + i h e_k) / h = f_k(x) + O(h^2)`` without
any subtraction: with ``h = 1e-30`` the truncation error is below 1e-60 relative and what remains is the rounding of one
evaluation, a few ulp times the condition of the computation.  The function must not use ``abs``, ``max``, comparisons
or casts to real, nor conjugating products (``np.vdot``, ``.conj()``); solves, exponentials and logarithms are fine.

*Differences.*  ``(f(x+h) - f(x-h)) / 2h`` has the truncation error ``h^2 f'''/6`` and, over h, the rounding error of an
evaluation.  The first is estimated from the step 2h: ``(D(2h) - D(h)) / 3``.  For the second an evaluation is
taken to be exact but for relative perturbations ``noise`` of the result and of the arguments,

    noise (|f| + sum_k max(1, |x_k|) |f_k|) :

the second term counts where f itself is near a zero, as a log-sum-exp near 0, and the first alone would promise digits
that are not there.  The value returned is the plain difference at the stated step.

References
----------
W. Squire, G. Trapp, *Using complex variables to estimate derivatives of real functions*, SIAM Review 40 (1998).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.numerics.estimate import Estimate

__all__ = [
    "central_difference_gradient",
    "central_difference_hessian",
    "complex_step_gradient",
    "complex_step_hessian",
]

_EPS = float(np.finfo(np.float64).eps)
_NOISE = 8 * _EPS

Function = Callable[[Any], Any]


def complex_step_gradient(fn: Function, x: ArrayLike, step: float = 1e-30) -> FloatArray:
    """Gradient (or Jacobian) by the complex step.

    Parameters
    ----------
    fn : callable
        Maps a complex array of the shape of ``x`` to a complex scalar or array; analytic (see the module).
    x : array_like, any shape
        Real point.
    step : float, default 1e-30
        Imaginary step, > 0.

    Returns
    -------
    ndarray, shape ``shape(fn(x)) + shape(x)``
        Error: a few ulp times the condition of ``fn``; truncation of order ``step ** 2``.

    Raises
    ------
    ValueError
        If ``fn`` returns a real array: then somewhere the imaginary part was thrown away.
    """
    if not step > 0.0:
        raise ValueError(f"step: expected a number > 0, got {step!r}")
    point = np.asarray(x, dtype=np.complex128)
    columns = []
    for index in np.ndindex(point.shape):
        moved = point.copy()
        moved[index] += 1j * step
        value = np.asarray(fn(moved))
        if not np.iscomplexobj(value):
            raise ValueError(
                "fn: returned real values at a complex point, so a derivative was lost in a cast"
            )
        columns.append(value.imag / step)
    return _assemble(columns, point.shape)


def complex_step_hessian(fn: Function, x: ArrayLike, *, step: float = 1e-5) -> Estimate:
    """Hessian by central differences of the complex-step gradient, symmetrised.

    Parameters
    ----------
    fn : callable
        Maps a complex array of shape ``(n,)`` to a complex scalar; analytic.
    x : array_like, shape (n,)
        Real point.
    step : float, default 1e-5
        Real step of the differences, relative to ``max(1, abs(x_k))``.

    Returns
    -------
    Estimate
        ``value`` and ``error``, shape (n, n); the error is of order ``step ** 2 + eps / step`` (about 1e-10).  Rounding
        is judged by the size of the gradient: near a stationary point, where the gradient's terms cancel, add the
        rounding of those terms over ``step``.
    """
    point = _vector(x)

    def gradient(at: Any) -> FloatArray:
        return complex_step_gradient(fn, at)

    jacobian = central_difference_gradient(gradient, point, step=step)
    value = 0.5 * (jacobian.value + jacobian.value.T)
    # The asymmetry of the differences is itself a measure of their error.
    asymmetry = 0.5 * np.abs(jacobian.value - jacobian.value.T)
    return Estimate(value, np.maximum(np.maximum(jacobian.error, jacobian.error.T), asymmetry))


def central_difference_gradient(
    fn: Function, x: ArrayLike, *, step: float = 6e-6, noise: float = _NOISE
) -> Estimate:
    """Gradient (or Jacobian) by central differences, with an error estimate.

    Parameters
    ----------
    fn : callable
        Maps a real array of the shape of ``x`` to a real scalar or array.
    x : array_like, any shape
        Real point.
    step : float, default 6e-6 (cube root of eps)
        Relative to ``max(1, abs(x_k))``.
    noise : float, default 8 eps
        Relative perturbation of result and arguments that explains the rounding of one evaluation.

    Returns
    -------
    Estimate
        ``value`` (the difference at ``step``) and ``error``, both of shape ``shape(fn(x)) + shape(x)``; the error is
        the truncation seen between ``2 step`` and ``step`` plus the rounding of both evaluations.
    """
    point = _positive_step(x, step)
    values, errors, scales, widths = [], [], [], []
    for index in np.ndindex(point.shape):
        size = step * max(1.0, abs(float(point[index])))
        fine, scale, width = _difference(fn, point, index, size)
        coarse, _, _ = _difference(fn, point, index, 2.0 * size)
        values.append(fine)
        errors.append(np.abs(coarse - fine) / 3.0)
        scales.append(scale)
        widths.append(width)
    sensitivity = sum(
        np.abs(value) * max(1.0, abs(float(coordinate)))
        for value, coordinate in zip(values, point.ravel(), strict=True)
    )
    errors = [
        error + 2.0 * noise * (scale + sensitivity) / width
        for error, scale, width in zip(errors, scales, widths, strict=True)
    ]
    return Estimate(_assemble(values, point.shape), _assemble(errors, point.shape))


def central_difference_hessian(
    fn: Function, x: ArrayLike, *, step: float = 1e-4, noise: float = _NOISE
) -> Estimate:
    """Hessian of a real function by second differences, with an error estimate.

    Parameters
    ----------
    fn : callable
        Maps a real array of shape ``(n,)`` to a real scalar.
    x : array_like, shape (n,)
        Real point.
    step : float, default 1e-4 (about the fourth root of eps)
        Relative to ``max(1, abs(x_k))``.
    noise : float, default 8 eps
        Relative perturbation of result and arguments that explains the rounding of one evaluation.

    Returns
    -------
    Estimate
        ``value`` and ``error``, shape (n, n), symmetric; about 1e-7 relative is the best to hope for.
    """
    point = _vector(_positive_step(x, step))
    sizes = step * np.maximum(1.0, np.abs(point))
    fine, scale = _second_differences(fn, point, sizes)
    coarse, _ = _second_differences(fn, point, 2.0 * sizes)
    rounding = 4.0 * noise * scale / np.multiply.outer(sizes, sizes)
    return Estimate(fine, np.abs(coarse - fine) / 3.0 + rounding)


def _difference(
    fn: Function, point: FloatArray, index: tuple[int, ...], size: float
) -> tuple[Any, Any, float]:
    """Central difference along one coordinate, the size of the values, and the exact distance of the points."""
    above, below = point.copy(), point.copy()
    above[index] += size
    below[index] -= size
    width = float(above[index] - below[index])
    upper, lower = np.asarray(fn(above), dtype=np.float64), np.asarray(fn(below), dtype=np.float64)
    return (upper - lower) / width, np.maximum(np.abs(upper), np.abs(lower)), width


def _second_differences(fn: Function, point: FloatArray, sizes: FloatArray) -> tuple[FloatArray, float]:
    """Matrix of second differences, and the scale of rounding ``|f| + sum_k max(1, |x_k|) |f_k|``."""
    n = point.shape[0]
    steps = np.diag(sizes)
    scale = sensitivity = 0.0

    def at(shift: FloatArray) -> float:
        nonlocal scale
        value = float(fn(point + shift))
        scale = max(scale, abs(value))
        return value

    result = np.empty((n, n))
    centre = at(np.zeros(n))
    for i in range(n):
        above, below = at(steps[i]), at(-steps[i])
        result[i, i] = (above - 2.0 * centre + below) / sizes[i] ** 2
        sensitivity += max(1.0, abs(float(point[i]))) * abs(above - below) / (2.0 * float(sizes[i]))
        for j in range(i):
            mixed = (
                at(steps[i] + steps[j])
                - at(steps[i] - steps[j])
                - at(steps[j] - steps[i])
                + at(-steps[i] - steps[j])
            )
            result[i, j] = result[j, i] = mixed / (4.0 * sizes[i] * sizes[j])
    return result, scale + sensitivity


def _assemble(columns: list[Any], shape: tuple[int, ...]) -> FloatArray:
    """Stack derivatives along the coordinates (first axis) and move the coordinates to the end."""
    table = np.stack(columns, axis=-1)
    return np.asarray(table.reshape(table.shape[:-1] + shape))


def _vector(x: ArrayLike) -> FloatArray:
    point = np.asarray(x, dtype=np.float64)
    if point.ndim != 1:
        raise ValueError(f"x: expected shape (n,), got {point.shape}; flatten it and reshape inside fn")
    return point


def _positive_step(x: ArrayLike, step: float) -> FloatArray:
    if not step > 0.0:
        raise ValueError(f"step: expected a number > 0, got {step!r}")
    return np.asarray(x, dtype=np.float64)
