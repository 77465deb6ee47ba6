"""Systems of temporal differences for an Ornstein-Uhlenbeck process in balls: all pairs of times, no recursion."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array

if TYPE_CHECKING:
    from proofs_check.distributional.ornstein_uhlenbeck import OrnsteinUhlenbeck


class ExactGrid:
    """Moments of the process at the times of a grid, and the features of an evaluation.

    Parameters
    ----------
    process : OrnsteinUhlenbeck
        Its numbers are read as rationals.
    n_steps : int
        N.
    """

    def __init__(self, process: OrnsteinUhlenbeck, n_steps: int) -> None:
        number = mdplab.exact.rational
        a, sigma, start, self.horizon = (
            number(x)
            for x in (process.reversion, process.volatility, process.start_variance, process.horizon)
        )
        self.n_steps, self.step, self.level = n_steps, self.horizon / n_steps, sigma**2 / (2 * a)
        rate = mdplab.exact.exp(-2 * a * self.step)
        self.decay = np.array([rate**k for k in range(n_steps + 1)], dtype=object)
        self.variance = start * self.decay + self.level * (1 - self.decay)
        times = np.arange(n_steps + 1)
        apart, first = np.abs(times[:, np.newaxis] - times), np.minimum(times[:, np.newaxis], times)
        v = self.variance
        self.fourth = v[:, np.newaxis] * v + 2 * self.decay[apart] * v[first] ** 2

    def value(self) -> tuple[Array, Array]:
        """``A_k`` and ``B_k`` by their closed form."""
        left = np.arange(self.n_steps, -1, -1)
        square = self.step * (1 - self.decay[left]) / (1 - self.decay[1])
        return square, self.level * (self.step * left - square)

    def power_features(self, offset: Any) -> Array:
        """``((T-t) x^2, offset + (T-t)^2)``: coefficients of x^2 and 1, shape (2, 2, N+1), features first."""
        left = np.array([self.horizon - k * self.step for k in range(self.n_steps + 1)], dtype=object)
        return np.array([[left, 0 * left], [0 * left, left**2 + offset]], dtype=object)

    def exact_features(self) -> Array:
        """``(A_k x^2, B_k)``, shape (2, 2, N+1)."""
        square, constant = self.value()
        return np.array([[square, 0 * square], [0 * square, constant]], dtype=object)

    def joint(self, one: Array, other: Array) -> Array:
        """``E f_i g_j`` for all pairs of times, shape (N+1, N+1), from coefficients (2, N+1)."""
        (c, b), (d, e), v = one[:, :, np.newaxis], other, self.variance
        return np.asarray(c * d * self.fourth + c * v[:, np.newaxis] * e + b * v * d + b * e)

    @cached_property
    def reward(self) -> Array:
        """``X_k^2`` as coefficients."""
        one = 0 * self.variance + 1
        return np.array([one, 0 * one], dtype=object)

    def orthogonal(self, features: Array, *, accumulated: bool) -> Array:
        """Weights of TD(0), or of TD(1) with accumulated features."""
        n = self.n_steps
        weight = (
            np.tri(n, dtype=int).T if accumulated else np.eye(n, dtype=int)
        )  # [j, k]: phi_j against delta_k

        def against(one: Array, other: Array, shift: int) -> Any:
            return (weight * self.joint(one, other)[:n, shift : n + shift]).sum()

        matrix = [[against(f, g, 1) - against(f, g, 0) for g in features] for f in features]
        right = [-self.step * against(f, self.reward, 0) for f in features]
        return mdplab.exact.solve(np.array(matrix, dtype=object), np.array(right, dtype=object))

    def fitted(self, features: Array, *, value: bool) -> Array:
        """Mean-square fit of the value, or of the sum of rewards to come."""
        n = self.n_steps
        gram = [[np.diagonal(self.joint(f, g))[:n].sum() for g in features] for f in features]
        if value:
            target = np.array(self.value(), dtype=object)
            right = [np.diagonal(self.joint(f, target))[:n].sum() for f in features]
        else:
            later = np.tri(n, dtype=int).T
            right = [self.step * (later * self.joint(f, self.reward)[:n, :n]).sum() for f in features]
        return mdplab.exact.solve(np.array(gram, dtype=object), np.array(right, dtype=object))
