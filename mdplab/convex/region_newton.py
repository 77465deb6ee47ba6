r"""Newton's method on the conditions of optimality of a program over policies within divergence balls.

At the optimum, with the names of :mod:`mdplab.convex.region` and :math:`y=\log p`,

.. math::
    x_s-\sum_i(\beta_i+\lambda_i)(y_s-\log\pi_{i,s})=\nu_s,\qquad \sum_ae^{y_{sa}}=1,\qquad D_i(p)=\epsilon_i\ (\lambda_i>0).

The unknowns are :math:`(y,\nu,\lambda)`; every step solves the linearised equations as one dense system.  The first group is
linear in :math:`y` at given multipliers, so that probabilities far below the accuracy of an interior-point method come right
at once.  Started at the point of a cone solver, which leaves about ``1e-9`` on values and its root on policies, a few steps
lead to the floor of rounding.  Which balls bind is read off the start: those whose price exceeds what they have left.

References
----------
S. Boyd, L. Vandenberghe (2004), Convex Optimization, section 10.2.
"""

from __future__ import annotations

import numpy as np

from mdplab._typing import FloatArray
from mdplab.convex.region import RegionProgram
from mdplab.operators.tilt import log_tilt

__all__ = ["newton_region"]

_SMALLEST = -80.0  # where the logarithm of a probability that is zero begins
_STEPS = 12
_SETTLED = 1e-13


def newton_region(
    program: RegionProgram, log_policy: FloatArray, multipliers: FloatArray
) -> tuple[FloatArray, FloatArray] | None:
    """Policy and multipliers that solve the conditions of optimality, from near ones.

    Parameters
    ----------
    program : RegionProgram
        The data.
    log_policy : ndarray (S, A)
        Log-probabilities; ``-inf`` for zero.
    multipliers : ndarray (n,)
        Non-negative.

    Returns
    -------
    log_policy, multipliers : ndarray (S, A), ndarray (n,)
        The last iterate; None if nothing has a price, a system is singular or a price would turn negative.
    """
    found, _ = program.divergences(log_policy)
    unit = float(np.ptp(program.gradient, axis=1) @ program.weights) or 1.0
    binding = np.flatnonzero(multipliers / unit > np.abs(program.radii - found))
    prices = np.zeros_like(multipliers)
    prices[binding] = multipliers[binding]
    logs = np.asarray(log_tilt(np.maximum(log_policy, _SMALLEST)))
    for _ in range(_STEPS):
        if not (program.penalties + prices).sum() > 0.0:
            return None
        try:
            change, priced = _step(program, logs, prices, binding)
        except np.linalg.LinAlgError:
            return None
        size = float((np.exp(logs) * np.abs(change)).max() + np.abs(priced).max(initial=0.0))
        if not np.isfinite(size) or (priced <= -1.0).any():
            return None
        logs = np.asarray(log_tilt(logs + change))
        prices[binding] *= 1.0 + priced
        if size < _SETTLED:
            break
    return logs, prices


def _step(
    program: RegionProgram,
    logs: FloatArray,
    prices: FloatArray,
    binding: np.ndarray[tuple[int], np.dtype[np.intp]],
) -> tuple[FloatArray, FloatArray]:
    """Changes of the log-probabilities, and relative ones of the prices that are not zero."""
    states, actions = logs.shape
    total = program.penalties + prices
    ratios = logs - program.log_references
    pairs, balls = states * actions, len(binding)
    slopes = prices[binding, None] * ratios[binding].reshape(balls, pairs)
    # the rows of a policy, as sums over pairs
    rows = np.repeat(np.eye(states), actions, axis=1)
    policy = np.exp(logs).ravel()
    left = program.gradient - np.einsum("i,isa->sa", total, ratios)
    found, _ = program.divergences(logs)
    weighted = np.repeat(program.weights, actions) * policy
    matrix = np.block(
        [
            [total.sum() * np.eye(pairs), rows.T, slopes.T],
            [rows * policy, np.zeros((states, states + balls))],
            [ratios[binding].reshape(balls, pairs) * weighted, np.zeros((balls, states + balls))],
        ]
    )
    right = np.concatenate([left.ravel(), np.zeros(states), (program.radii - found)[binding]])
    solution = np.linalg.solve(matrix, right)
    return solution[:pairs].reshape(states, actions), solution[pairs + states :]
