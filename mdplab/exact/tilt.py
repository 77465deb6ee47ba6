r"""Exponential tilts and partition functions in balls: the exact twins of :mod:`mdplab.operators.tilt`.

.. math::
    \mathrm{lse}_\tau(x)=\tau\log\sum_a\rho_ae^{x_a/\tau},\qquad
    \log\mathrm{tilt}_a=\log\rho_a+\frac{x_a-\mathrm{lse}_\tau(x)}\tau .

Entries of ``-inf`` (or None), in ``x`` or in the log-reference, are left out.  The largest midpoint of a row is removed
first, an exact number, so that temperatures near zero cost no accuracy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._typing import Array
from mdplab.exact._flint import arb
from mdplab.exact.elementary import exp, log
from mdplab.exact.numbers import ball, entries, rational

__all__ = ["log_sum_exp", "log_tilt", "regulariser", "softmax"]


def is_regularised(temperature: Any) -> bool:
    """Whether a temperature is positive; it must be that or exactly zero."""
    tau = rational(temperature)
    if tau == 0:
        return False
    if not tau > 0:
        raise ValueError(f"temperature is {temperature}, expected a non-negative number")
    return True


def _positive(temperature: Any) -> Any:
    tau = rational(temperature)
    if not np.all(entries(tau) > 0):
        raise ValueError(f"temperature is {temperature}, expected a positive number")
    return tau


def _largest_midpoint(row: Array) -> arb:
    middle = [x.mid() for x in row if x != arb("-inf")]
    if not middle:
        raise ValueError("a row of x has no finite entry (all -inf): nothing to normalise")
    return max(middle)


def _exponents(x: Any, tau: Any, log_reference: Any) -> tuple[Array, Array, Array]:
    """Log-weights of every row up to a shift, the log of their sum, and the shift in units of ``x``."""
    values = entries(ball(x))
    weights = entries(ball(0 if log_reference is None else log_reference))
    values, weights = np.broadcast_arrays(values, weights)
    left_out = (values == arb("-inf")) | (weights == arb("-inf"))
    values = np.where(left_out, arb("-inf"), values)
    top = np.empty((*values.shape[:-1], 1), dtype=object)
    for index in np.ndindex(values.shape[:-1]):
        top[index] = _largest_midpoint(values[index])
    exponents = (values - top) / tau + np.where(left_out, arb(0), weights)
    return exponents, log(exp(exponents).sum(axis=-1, keepdims=True)), top


def log_sum_exp(x: Any, *, temperature: Any = 1, log_reference: Any = None) -> Any:
    """Soft maximum ``temperature * log sum reference * exp(x / temperature)`` along the last axis.

    Parameters
    ----------
    x : array_like (..., n)
        Rationals or balls; ``-inf`` or None takes an entry out.
    temperature : number, default 1
        Positive.
    log_reference : array_like, optional
        Logarithm of the reference measure, broadcast against ``x``; default is the counting measure.

    Returns
    -------
    object array (...) of arb, or arb
        Enclosures.

    Raises
    ------
    ValueError
        If the temperature is not positive or a row has no entry left.
    """
    tau = _positive(temperature)
    _, log_sum, top = _exponents(x, tau, log_reference)
    return (top + tau * log_sum)[..., 0]


def log_tilt(x: Any, *, temperature: Any = 1, log_reference: Any = None) -> Array:
    """Log-probabilities proportional to ``reference * exp(x / temperature)`` along the last axis.

    Parameters
    ----------
    x : array_like (..., n)
        Rationals or balls; ``-inf`` or None takes an entry out.
    temperature : number, default 1
        Positive.
    log_reference : array_like, optional
        As for :func:`log_sum_exp`.

    Returns
    -------
    object array (..., n) of arb
        ``-inf`` where an entry is left out.

    Raises
    ------
    ValueError
        If the temperature is not positive or a row has no entry left.
    """
    exponents, log_sum, _ = _exponents(x, _positive(temperature), log_reference)
    result: Array = exponents - log_sum
    return result


def softmax(x: Any, *, temperature: Any = 1, log_reference: Any = None) -> Array:
    """Probabilities proportional to ``reference * exp(x / temperature)`` along the last axis.

    Parameters
    ----------
    x : array_like (..., n)
        Rationals or balls; ``-inf`` or None takes an entry out.
    temperature : number, default 1
        Positive.
    log_reference : array_like, optional
        As for :func:`log_sum_exp`.

    Returns
    -------
    object array (..., n) of arb
        A policy for the functions of this package: balls keep the relative accuracy of the smallest probabilities.
    """
    return exp(log_tilt(x, temperature=temperature, log_reference=log_reference))  # type: ignore[no-any-return]


def regulariser(policy: Any, *, temperature: Any = 1, log_reference: Any = None) -> Any:
    """Cost of a policy's randomness, ``temperature * sum_a policy (log policy - log reference)``, per row.

    Parameters
    ----------
    policy : array_like (..., A)
        Probabilities, rationals or balls.
    temperature : number, default 1
        Non-negative.
    log_reference : array_like (..., A), optional
        Log-weights of the reference; default is the counting measure (then this is minus the entropy).

    Returns
    -------
    object array (...) of arb, or arb
        To be subtracted from the reward.

    Raises
    ------
    ValueError
        If the policy leaves the support of the reference.
    """
    rows = entries(ball(policy))
    return rational(temperature) * (rows * log_ratio(rows, log_reference)).sum(axis=-1)


def log_weights(log_reference: Any, shape: tuple[int, ...]) -> Array:
    """Log-weights of a reference as balls of a shape; None is the counting measure."""
    weights = entries(ball(0 if log_reference is None else log_reference))
    try:
        return np.broadcast_to(weights, shape)
    except ValueError:
        raise ValueError(f"log_reference has shape {weights.shape}, expected {shape}") from None


def log_ratio(policy: Array, log_reference: Any) -> Array:
    """``log policy - log_reference`` where the policy is positive, 0 elsewhere."""
    weights = log_weights(log_reference, policy.shape)
    taken = ~(policy == 0)  # not surely zero
    if (taken & (weights == arb("-inf"))).any():
        raise ValueError("log_reference is -inf at an action that the policy takes")
    ratio: Array = log(np.where(taken, policy, 1)) - np.where(taken, weights, arb(0))
    return ratio
