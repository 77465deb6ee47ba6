r"""Evaluating an Ornstein-Uhlenbeck process by linear features: moments and orthogonality systems, no simulation.

The process :math:`dX = -aX\,dt + \sigma\,dW`, :math:`X_0 \sim N(0, v_0)`, pays the running reward :math:`x^2` until
the horizon :math:`T`.  Every feature is quadratic, :math:`\phi_i(t, x) = c_i(t) x^2 + b_i(t)`, so every expectation
that a method of temporal differences asks for is a sum of the Gaussian moments

.. math:: E X_t^2 = v(t), \qquad E X_s^2 X_t^2 = v(s) v(t) + 2 e^{-2a|t-s|} v(\min)^2,
          \qquad v(t) = v_0 e^{-2at} + \tfrac{\sigma^2}{2a} (1 - e^{-2at}),

and every method is a linear system in the weights.  On the grid :math:`t_k = k\Delta` the transitions are exact and
the target is :math:`G_k = \sum_{i \ge k} \Delta X_i^2`; its value is :math:`A_k x^2 + B_k`, in the limit
:math:`A(t) x^2 + B(t)`.

Each system carries the sum of the magnitudes of its terms, so that its solution comes with a rounding bound.

References
----------
Y. Jia, X. Y. Zhou, *Policy evaluation and temporal-difference learning in continuous time and space: a martingale
approach*, Journal of Machine Learning Research 23 (2022), arXiv:2108.06655.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.claims import rounding
from mdplab.instances.draw import Draw
from mdplab.numerics import gauss_legendre

__all__ = [
    "OU",
    "Features",
    "LinearSystem",
    "OrnsteinUhlenbeck",
    "exact_features",
    "limit_martingale_loss",
    "limit_td0",
    "martingale_loss",
    "mean_square_td",
    "mean_square_td_error",
    "power_features",
    "projection",
    "random_process",
    "td0",
    "td1",
]


@dataclass(frozen=True)
class OrnsteinUhlenbeck:
    """The process and its horizon.

    Attributes
    ----------
    reversion : float
        Rate ``a > 0`` of the reversion to the mean.
    volatility : float
        ``sigma >= 0``.
    start_variance : float
        ``v_0 >= 0``.
    horizon : float
        ``T > 0``.
    """

    reversion: float
    volatility: float
    start_variance: float
    horizon: float

    def variance(self, t: ArrayLike) -> FloatArray:
        """``v(t) = E X_t^2``."""
        decay = np.exp(-2 * self.reversion * np.asarray(t, dtype=float))
        return np.asarray(
            self.start_variance * decay + self.volatility**2 / (2 * self.reversion) * (1 - decay)
        )

    def value(self, t: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """``A(t)`` and ``B(t)`` of the value ``A(t) x^2 + B(t)`` in continuous time."""
        left = self.horizon - np.asarray(t, dtype=float)
        square = -np.expm1(-2 * self.reversion * left) / (2 * self.reversion)
        return np.asarray(square), np.asarray(self.volatility**2 / (2 * self.reversion) * (left - square))

    def grid(self, n_steps: int) -> FloatArray:
        """Times ``t_0, ..., t_N``."""
        return np.linspace(0.0, self.horizon, n_steps + 1)

    def grid_value(self, n_steps: int) -> tuple[FloatArray, FloatArray]:
        """``A_k`` and ``B_k`` of the value of the sum ``sum_{i >= k} step X_i^2``, each of shape (N+1,)."""
        step = self.horizon / n_steps
        left = np.arange(n_steps, -1, -1)
        rate = 2 * self.reversion * step
        square = step * np.expm1(-rate * left) / np.expm1(-rate)
        return square, self.volatility**2 / (2 * self.reversion) * (step * left - square)


OU = OrnsteinUhlenbeck(reversion=1.0, volatility=0.8, start_variance=0.5, horizon=1.0)


def random_process(draw: Draw) -> OrnsteinUhlenbeck:
    """Reversion and volatility in (.3, 1.5), start variance in (.1, 1), horizon in (.5, 1.5), all uniform."""
    return OrnsteinUhlenbeck(
        draw.number(0.3, 1.5), draw.number(0.3, 1.5), draw.number(0.1, 1.0), draw.number(0.5, 1.5)
    )


class Features(NamedTuple):
    """Features ``c_i(t_k) x^2 + b_i(t_k)`` on a grid: two arrays of shape (N+1, m)."""

    square: FloatArray
    constant: FloatArray


def power_features(
    process: OrnsteinUhlenbeck, n_steps: int, exponents: tuple[float, float] = (1.0, 2.0)
) -> Features:
    """``((T-t)^p x^2, (T-t)^q)`` on the grid; (1, 2) are the polynomial features."""
    left = (process.horizon - process.grid(n_steps))[:, None]
    return Features(
        np.hstack((left ** exponents[0], np.zeros_like(left))),
        np.hstack((np.zeros_like(left), left ** exponents[1])),
    )


def exact_features(process: OrnsteinUhlenbeck, n_steps: int) -> Features:
    """``(A_k x^2, B_k)``: the value has the weights (1, 1)."""
    square, constant = process.grid_value(n_steps)
    zero = np.zeros_like(square)
    return Features(np.stack((square, zero), axis=1), np.stack((zero, constant), axis=1))


@dataclass(frozen=True, eq=False)
class LinearSystem:
    """``matrix @ weights = right`` with bounds on the rounding errors of its entries.

    Attributes
    ----------
    matrix, right : ndarray, shapes (m, m) and (m,)
        The system.
    matrix_error, right_error : ndarray
        Entrywise error bounds.
    """

    matrix: FloatArray
    right: FloatArray
    matrix_error: FloatArray
    right_error: FloatArray

    def solve(self) -> tuple[FloatArray, FloatArray]:
        """The weights and a bound on their error.

        From ``dM`` and ``db`` and the residual ``r`` of the computed weights ``w``,
        ``|w - exact| <= |M^-1| (|dM||w| + |db| + |r|) / (1 - norm(|M^-1| dM))`` in the largest norm.
        """
        weights = np.linalg.solve(self.matrix, self.right)
        inverse = np.abs(np.linalg.inv(self.matrix))
        size = np.abs(self.matrix) @ np.abs(weights) + np.abs(self.right)
        residual = np.abs(self.matrix @ weights - self.right) + rounding(size, 8)
        change = inverse @ (self.matrix_error @ np.abs(weights) + self.right_error + residual)
        growth = float(np.max(inverse @ self.matrix_error.sum(axis=1)))
        if growth >= 0.1:
            raise ValueError("matrix: singular within its rounding error")
        return np.asarray(weights), np.full(weights.shape, 1.2 * float(change.max()))


def _moment(
    process: OrnsteinUhlenbeck, left: Features, right: Features, t_left: FloatArray, t_right: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """``sum_k E left_k right_k^T`` for features at times ``t_left <= t_right``, and the sum of the magnitudes."""
    v, w = process.variance(t_left), process.variance(t_right)
    fourth = v * w + 2 * np.exp(-2 * process.reversion * (t_right - t_left)) * v**2
    pieces = (
        (left.square, fourth, right.square),
        (left.square, v, right.constant),
        (left.constant, w, right.square),
        (left.constant, np.ones_like(v), right.constant),
    )
    products = [_rows(a)[:, None] * (m * _rows(b))[None] for a, m, b in pieces]
    return np.asarray(sum(x.sum(axis=-1) for x in products)), np.asarray(
        sum(np.abs(x).sum(axis=-1) for x in products)
    )


def _rows(features: FloatArray) -> FloatArray:
    """Time along the last, contiguous axis: its sums are pairwise, of at most ``_PAIRWISE`` successive additions."""
    return np.ascontiguousarray(features.T)


_PAIRWISE = 40  # blocks of 128 in 8 accumulators, then halves: 19 + log2(N / 128) for N terms


def _at(features: Features, part: slice) -> Features:
    return Features(features.square[part], features.constant[part])


_NOW, _NEXT = slice(None, -1), slice(1, None)


def _reward(n_steps: int) -> Features:
    """``x^2`` as one feature."""
    return Features(np.ones((n_steps, 1)), np.zeros((n_steps, 1)))


def _system(
    matrix: FloatArray, right: FloatArray, matrix_size: FloatArray, right_size: FloatArray, terms: int
) -> LinearSystem:
    operations = terms + 40  # `terms` successive additions of products of exponentials
    return LinearSystem(
        matrix, right.ravel(), rounding(matrix_size, operations), rounding(right_size, operations).ravel()
    )


def td0(process: OrnsteinUhlenbeck, features: Features) -> LinearSystem:
    """``sum_k E phi_k delta_k(w) = 0`` with ``delta_k = w.(phi_{k+1} - phi_k) + step X_k^2``."""
    n_steps = features.square.shape[0] - 1
    t, now = process.grid(n_steps), _at(features, _NOW)
    ahead, ahead_size = _moment(process, now, _at(features, _NEXT), t[_NOW], t[_NEXT])
    here, here_size = _moment(process, now, now, t[_NOW], t[_NOW])
    reward, reward_size = _moment(process, now, _reward(n_steps), t[_NOW], t[_NOW])
    step = process.horizon / n_steps
    return _system(ahead - here, -step * reward, ahead_size + here_size, step * reward_size, n_steps)


def td1(process: OrnsteinUhlenbeck, features: Features) -> LinearSystem:
    """``sum_k E xi_k delta_k(w) = 0`` with the accumulated features ``xi_k = step sum_{j <= k} phi_j``."""
    n_steps = features.square.shape[0] - 1
    t, step = process.grid(n_steps), process.horizon / n_steps
    v = process.variance(t)[:, None]
    growth = np.exp(2 * process.reversion * t)[:, None]
    square, constant = features.square[_NOW], features.constant[_NOW]
    # E xi_k X_l^2 and E xi_k for l >= k: sums over j <= k of E X_j^2 X_l^2 = v_j v_l + 2 e^{2a(t_j - t_l)} v_j^2
    plain = step * np.cumsum(square * v[_NOW] + constant, axis=0)
    joint = step * np.cumsum(2 * square * v[_NOW] ** 2 * growth[_NOW], axis=0)

    def against(c: FloatArray, b: FloatArray, at: slice) -> tuple[FloatArray, FloatArray]:
        moment = plain * v[at] + joint / growth[at]
        return moment.T @ c + plain.T @ b, np.abs(moment).T @ np.abs(c) + np.abs(plain).T @ np.abs(b)

    ahead, ahead_size = against(*_at(features, _NEXT), _NEXT)
    here, here_size = against(square, constant, _NOW)
    reward, reward_size = against(*_reward(n_steps), _NOW)
    return _system(ahead - here, -step * reward, ahead_size + here_size, step * reward_size, 2 * n_steps)


def martingale_loss(process: OrnsteinUhlenbeck, features: Features) -> LinearSystem:
    """Normal equations of ``step sum_k E (G_k - w.phi_k)^2``, from the moments of ``X_k^2 X_i^2`` alone."""
    n_steps = features.square.shape[0] - 1
    t, step, now = process.grid(n_steps), process.horizon / n_steps, _at(features, _NOW)
    gram, gram_size = _moment(process, now, now, t[_NOW], t[_NOW])
    v, decay = process.variance(t)[_NOW], np.exp(-2 * process.reversion * t[_NOW])
    mean = step * np.cumsum(v[::-1])[::-1]  # E G_k
    joint = v * mean + step * 2 * v**2 * np.cumsum(decay[::-1])[::-1] / decay  # E X_k^2 G_k
    right = now.square.T @ joint + now.constant.T @ mean
    size = np.abs(now.square).T @ joint + np.abs(now.constant).T @ mean
    return _system(step * gram, step * right, step * gram_size, step * size, 2 * n_steps)


def projection(process: OrnsteinUhlenbeck, features: Features) -> LinearSystem:
    """Normal equations of ``step sum_k E (V_k - w.phi_k)^2`` with the value ``V_k = A_k x^2 + B_k``."""
    n_steps = features.square.shape[0] - 1
    t, step, now = process.grid(n_steps), process.horizon / n_steps, _at(features, _NOW)
    square, constant = process.grid_value(n_steps)
    target = Features(square[_NOW, None], constant[_NOW, None])
    gram, gram_size = _moment(process, now, now, t[_NOW], t[_NOW])
    right, size = _moment(process, now, target, t[_NOW], t[_NOW])
    return _system(step * gram, step * right, step * gram_size, step * size, n_steps)


def mean_square_td(process: OrnsteinUhlenbeck, features: Features) -> LinearSystem:
    """Normal equations of the mean-square TD error ``sum_k E delta_k(w)^2``."""
    ahead, ahead_size, cross, cross_size, _ = _differences(process, features)
    return _system(ahead, -cross, ahead_size, cross_size, _PAIRWISE)


def mean_square_td_error(process: OrnsteinUhlenbeck, features: Features, weights: ArrayLike) -> float:
    """``sum_k E delta_k(weights)^2``."""
    w = np.asarray(weights, dtype=float)
    gram, _, cross, _, reward = _differences(process, features)
    return float(w @ gram @ w + 2 * w @ cross + reward)


def _differences(
    process: OrnsteinUhlenbeck, features: Features
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, float]:
    """Moments of ``D_k = phi_{k+1} - phi_k`` and of ``step X_k^2``: of D D^T and of D with the reward (each with the
    sum of magnitudes), and of the squared reward."""
    n_steps = features.square.shape[0] - 1
    t, step = process.grid(n_steps), process.horizon / n_steps
    now, after = _at(features, _NOW), _at(features, _NEXT)
    here, here_size = _moment(process, now, now, t[_NOW], t[_NOW])
    there, there_size = _moment(process, after, after, t[_NEXT], t[_NEXT])
    across, across_size = _moment(process, now, after, t[_NOW], t[_NEXT])
    reward = _reward(n_steps)
    now_reward, now_size = _moment(process, now, reward, t[_NOW], t[_NOW])
    reward_after, after_size = _moment(process, reward, after, t[_NOW], t[_NEXT])
    squared, _ = _moment(process, reward, reward, t[_NOW], t[_NOW])
    return (
        here + there - across - across.T,
        here_size + there_size + across_size + across_size.T,
        step * (reward_after.ravel() - now_reward.ravel()),
        step * (after_size.ravel() + now_size.ravel()),
        float(step**2 * squared[0, 0]),
    )


# --- the limits in continuous time, by quadrature -------------------------------------------------------------------


def _limit(
    process: OrnsteinUhlenbeck, exponents: tuple[float, float], target: str, *, ito: bool
) -> LinearSystem:
    """Integrate ``E phi g^T`` and ``E phi r`` over time; ``s = T - t = T u^4`` tames powers of s below one."""
    a, sigma, horizon = process.reversion, process.volatility, process.horizon
    p, q = exponents

    def entries(u: FloatArray) -> FloatArray:
        s = horizon * u**4
        v = process.variance(horizon - s)
        phi = ((s**p, np.zeros_like(s)), (np.zeros_like(s), s**q))  # coefficients of x^2 and of 1
        if target == "generator":  # d/dt phi + L phi, with d/dt = -d/ds
            against = (
                (-p * s ** (p - 1) - 2 * a * s**p, sigma**2 * s**p * ito),
                (np.zeros_like(s), -q * s ** (q - 1)),
                (-np.ones_like(s), np.zeros_like(s)),
            )
        else:
            square, constant = process.value(horizon - s)
            against = (*phi, (square, constant))
        rows = [[3 * c * e * v**2 + (c * f + b * e) * v + b * f for e, f in against] for c, b in phi]
        return np.asarray(rows) * 4 * horizon * u**3

    found = gauss_legendre(entries, 0.0, 1.0, order=40)
    return LinearSystem(found.value[:, :2], found.value[:, 2], found.error[:, :2], found.error[:, 2])


def limit_td0(
    process: OrnsteinUhlenbeck, exponents: tuple[float, float] = (1.0, 2.0), *, ito: bool = True
) -> LinearSystem:
    """``E int phi (d_t phi + L phi).w + phi X^2 dt = 0``; ``ito=False`` drops the second-order term of L."""
    return _limit(process, exponents, "generator", ito=ito)


def limit_martingale_loss(
    process: OrnsteinUhlenbeck, exponents: tuple[float, float] = (1.0, 2.0)
) -> LinearSystem:
    """Mean-square projection of the value ``A(t) x^2 + B(t)`` on the features."""
    return _limit(process, exponents, "value", ito=True)
