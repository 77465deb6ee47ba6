r"""Repeated second-price auctions under a budget: values of bids, and the largest bid that is worth its price.

A bid ``a`` wins where the market price is at most ``a``, and then pays the market price.  With ``V`` the value of a budget
in the auctions that remain, winning a click rate :math:`\theta` at the price :math:`\delta` is worth
:math:`\theta+V(b-\delta)-V(b)`, which falls in :math:`\delta`: it is best to win at all prices up to the largest at which this
is not negative, whatever their law.

References
----------
H. Cai, K. Ren, W. Zhang, K. Malialis, J. Wang, Y. Yu, D. Guo, "Real-Time Bidding by Reinforcement Learning in Display
Advertising", WSDM 2017.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray, IntArray
from mdplab.operators import _check

__all__ = ["auction_action_values", "largest_worthwhile_bids"]


def auction_action_values(prices: ArrayLike, rates: ArrayLike, value: ArrayLike) -> FloatArray:
    """Values of all bids: the click rate and the budget that is left, in expectation over the market price.

    Parameters
    ----------
    prices : array_like (J, M + 1)
        Law of the integer market price 0, ..., M for each click rate.
    rates : array_like (J,)
        Click rates.
    value : array_like (B + 1,)
        Value of the budgets 0, ..., B in the auctions that remain.

    Returns
    -------
    ndarray (B + 1, J, M + 1)
        Values of the bids 0, ..., M, ``-inf`` where a bid exceeds the budget.

    Raises
    ------
    ValueError
        If shapes do not match, a row of the prices is no law, or a rate or value is not finite.
    """
    m, theta, v = (np.asarray(x, dtype=np.float64) for x in (prices, rates, value))
    if m.ndim != 2 or theta.shape != m.shape[:1] or v.ndim != 1 or not m.size or not v.size:
        raise ValueError(
            "prices, rates, value: expected shapes (J, M + 1), (J,) and (B + 1,), none empty, "
            f"got {m.shape}, {theta.shape} and {v.shape}"
        )
    _check.laws("prices", m, ("click rate",))
    _check_finite("rates", theta)
    _check_finite("value", v)
    budget, price = np.arange(len(v))[:, None], np.arange(m.shape[1])
    left = v[np.maximum(budget - price, 0)]  # what a bid above the budget pays does not matter
    won = np.cumsum(m * (theta[:, None] + left[:, None, :]), axis=2)
    lost = (1.0 - np.cumsum(m, axis=1)) * v[:, None, None]
    return np.where((price <= budget)[:, None, :], won + lost, -np.inf)


def largest_worthwhile_bids(
    rates: ArrayLike, value: ArrayLike, highest: int, *, tolerance: float = 0.0
) -> IntArray:
    """The largest affordable price ``a`` with ``rate + value[b - a] - value[b] >= 0``, an optimal bid.

    Parameters
    ----------
    rates : array_like (J,)
        Non-negative click rates.
    value : array_like (B + 1,)
        Value of the budgets 0, ..., B in the auctions that remain, non-decreasing.
    highest : int
        Highest market price M.
    tolerance : float, default 0
        How far below zero still counts as zero.

    Returns
    -------
    ndarray of int (B + 1, J)
        Bids between 0 and ``min(b, M)``.

    Raises
    ------
    ValueError
        If shapes are wrong, a rate is negative or not finite, the highest price or the tolerance is negative, or the value
        decreases by more than 1e-9.
    """
    theta, v = np.asarray(rates, dtype=np.float64), np.asarray(value, dtype=np.float64)
    if theta.ndim != 1 or v.ndim != 1 or not theta.size or not v.size:
        raise ValueError(
            f"rates, value: expected shapes (J,) and (B + 1,), none empty, got {theta.shape} and {v.shape}"
        )
    _check_finite("rates", theta)
    _check_finite("value", v)
    _check.count("highest", highest, 0)
    _check.non_negative("tolerance", tolerance)
    if np.any(theta < 0):
        j = int(np.argmin(theta))
        raise ValueError(f"rates: expected rates >= 0, got {theta[j]} at {j}")
    if np.any(steps := np.diff(v) < -1e-9):
        b = int(np.argmax(steps))
        raise ValueError(f"value: expected a non-decreasing value, got {v[b]} at {b} and {v[b + 1]} after it")
    budget, price = np.arange(len(v))[:, None], np.arange(highest + 1)
    worth = theta[:, None] + (v[np.maximum(budget - price, 0)] - v[budget])[:, None, :]
    kept = (worth >= -tolerance) & (price <= budget)[:, None, :]
    return np.asarray(np.where(kept, price, 0).max(axis=2))


def _check_finite(name: str, x: FloatArray) -> None:
    if not np.all(np.isfinite(x)):
        i = int(np.flatnonzero(~np.isfinite(x))[0])
        raise ValueError(f"{name}: expected finite numbers, got {x[i]} at {i}")
