"""Budgeted second-price auctions: instances, the recursion, fixed rules and the linear program."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from mdplab._typing import FloatArray, IntArray
from mdplab.claims import Side, Undecided, rounding
from mdplab.instances import Draw
from mdplab.operators import auction_action_values, largest_worthwhile_bids

TIE = 1e-12
"""How far below zero a worth still counts as zero."""


@dataclass(frozen=True)
class Auction:
    """Auctions that remain, and the budget for them.

    Attributes
    ----------
    prices : ndarray, shape (J, M + 1)
        Law of the integer market price, for each click rate.
    rates, rate_law : ndarray, shape (J,)
        Click rates and their law.
    budget, horizon : int
        Largest budget B and number of auctions T, at least 1.
    slope : float
        The linear rule bids ``floor(slope * rate / mean rate)``, as far as the budget and the highest price allow.
    first_price : bool
        Whether the winner pays the bid, not the market price.
    """

    prices: FloatArray
    rates: FloatArray
    rate_law: FloatArray
    budget: int
    horizon: int
    slope: float = 3.0
    first_price: bool = False

    @property
    def highest(self) -> int:
        """The highest market price."""
        return int(self.prices.shape[1]) - 1

    @property
    def average(self) -> Auction:
        """The auction of the mean rate and the law of all prices."""
        return replace(
            self,
            prices=(self.rate_law @ self.prices)[None, :] / self.rate_law.sum(),
            rates=np.array([self.rate_law @ self.rates]),
            rate_law=np.ones(1),
        )

    @property
    def linear_bids(self) -> IntArray:
        """Linear bids, shape (B + 1, J); floors of exact quotients of the decimal numbers."""
        rates = [Fraction(repr(float(rate))) for rate in self.rates]
        law = [Fraction(repr(float(p))) for p in self.rate_law]
        mean = sum((p * rate for p, rate in zip(law, rates, strict=True)), Fraction(0)) / sum(law)
        slope = Fraction(repr(float(self.slope)))
        bids = [int(slope * rate / mean) if mean else 0 for rate in rates]
        budgets = np.minimum(np.arange(self.budget + 1), self.highest)
        return np.asarray(np.minimum(np.array(bids), budgets[:, None]))

    @property
    def rate_grid(self) -> FloatArray:
        """The click rates between 0 and 1, sorted."""
        return np.unique(np.concatenate(([0.0, 1.0], self.rates)))


def auction(draw: Draw, *, related: bool = False) -> Auction:
    """Highest price 2 to 5, Dirichlet(1) laws, 1 to 3 click rates U(0, 1), 3 to 5 auctions, budget 5 to 10."""
    highest, n = draw.integer(2, 5), draw.integer(1, 3)
    if related:
        prices = draw.weights((n, highest + 1))
    else:
        prices = np.tile(draw.weights(highest + 1), (n, 1))
    return Auction(
        prices,
        draw.uniform(0.0, 1.0, n),
        draw.weights(n),
        draw.integer(5, 10),
        draw.integer(3, 5),
        draw.number(0.0, 3.0 * highest),
    )


def related_auction(draw: Draw) -> Auction:
    """As :func:`auction`, with a law of prices for each click rate."""
    return auction(draw, related=True)


def any_auction(draw: Draw) -> Auction:
    """As :func:`auction`, the winner paying the bid or the market price."""
    return replace(auction(draw), first_price=bool(draw.boolean()))


# --- the recursion --------------------------------------------------------------------------------------------------


def action_values(case: Auction, value: FloatArray) -> FloatArray:
    """Values of all bids, shape (B + 1, J, M + 1)."""
    if not case.first_price:
        return auction_action_values(case.prices, case.rates, value)
    budget, price = np.arange(case.budget + 1)[:, None], np.arange(case.highest + 1)
    won = np.cumsum(case.prices, axis=1)
    left = value[np.maximum(budget - price, 0)][:, None, :]
    found = won * (case.rates[:, None] + left) + (1 - won) * value[:, None, None]
    return np.where((price <= budget)[:, None, :], found, -np.inf)


def error_of(case: Auction) -> float:
    """Rounding of a value: T steps of sums over prices and rates, values at most T."""
    return float(rounding(case.horizon**2, 4 * (case.highest + len(case.rates)) + 16))


def optimal_values(case: Auction) -> Side:
    """Recursion that maximises over all bids: values of 0, ..., T auctions and all budgets"""
    values = np.zeros((case.horizon + 1, case.budget + 1))
    for t in range(case.horizon):
        values[t + 1] = action_values(case, values[t]).max(axis=2) @ case.rate_law
    return Side(values, error_of(case))


def rule_values(case: Auction, *, margin: float = 0.0) -> Side:
    """Evaluation of the rule of the largest worthwhile price, price by price"""
    values = np.zeros((case.horizon + 1, case.budget + 1))
    for t in range(case.horizon):
        bids = largest_worthwhile_bids(case.rates + margin, values[t], case.highest, tolerance=TIE)
        values[t + 1] = evaluated(case, bids, values[t])
    # a bid that a tie within the tolerance admits loses no more than the tolerance
    return Side(values, error_of(case) + case.horizon * TIE)


def evaluated(case: Auction, bids: IntArray, value: FloatArray) -> FloatArray:
    """One step of a rule, as a sum over prices: rewards and the budgets that follow."""
    gain, kernel = step(case, bids)
    return np.asarray(gain + kernel @ value)


def step(case: Auction, bids: IntArray) -> tuple[FloatArray, FloatArray]:
    """Expected clicks ``(B + 1,)`` and law of the next budget ``(B + 1, B + 1)`` under given bids."""
    gain, kernel = np.zeros(case.budget + 1), np.zeros((case.budget + 1, case.budget + 1))
    for (b, j), bid in np.ndenumerate(bids):
        for price, chance in enumerate(case.prices[j]):
            weight = case.rate_law[j] * chance
            if price <= bid:
                gain[b] += weight * case.rates[j]
                kernel[b, b - (bid if case.first_price else price)] += weight
            else:
                kernel[b, b] += weight
    return gain, kernel


def linear_values(case: Auction) -> Side:
    """Backward evaluation of the linear bids"""
    value, bids = np.zeros(case.budget + 1), case.linear_bids
    for _ in range(case.horizon):
        value = evaluated(case, bids, value)
    return Side(value, error_of(case))


def linear_clicks(case: Auction) -> Side:
    """Forward laws of the budget under the linear bids, and the clicks in each auction"""
    gain, kernel = step(case, case.linear_bids)
    law, total = np.eye(case.budget + 1), np.zeros(case.budget + 1)
    for _ in range(case.horizon):
        total = total + law @ gain
        law = law @ kernel
    return Side(total, error_of(case) + rounding(case.horizon**2, 2 * case.budget + 8))


def program_values(case: Auction) -> Side:
    """Linear program: the least values that no bid exceeds"""
    from scipy.optimize import linprog

    budgets, n, steps = case.budget + 1, len(case.rates), case.horizon
    per = budgets * (1 + n)
    rows: list[dict[int, float]] = []
    rights: list[float] = []

    def place(t: int, b: int) -> int:
        return t * per + b

    for t, b in np.ndindex(steps, budgets):  # V(t + 1, b) at place(t, b), z(t + 1, b, j) behind the values
        row = {place(t, b): -1.0}
        row |= {t * per + budgets * (1 + j) + b: float(case.rate_law[j]) for j in range(n)}
        rows.append(row)
        rights.append(0.0)
        for j in range(n):
            for bid in range(min(b, case.highest) + 1):
                row, won = {t * per + budgets * (1 + j) + b: -1.0}, float(case.prices[j, : bid + 1].sum())
                if t:
                    row[place(t - 1, b)] = float(case.prices[j, bid + 1 :].sum())
                    for price in range(bid + 1):
                        at = place(t - 1, b - price)
                        row[at] = row.get(at, 0.0) + float(case.prices[j, price])
                rows.append(row)
                rights.append(-won * float(case.rates[j]))
    matrix = np.zeros((len(rows), steps * per))
    for i, row in enumerate(rows):
        matrix[i, list(row)] = list(row.values())
    found = linprog(np.ones(steps * per), matrix, np.array(rights), bounds=(None, None), method="highs")
    if found.status != 0 or found.x is None:
        raise Undecided(f"linear program: {found.message}")
    values = np.zeros((steps + 1, budgets))
    values[1:] = found.x.reshape(steps, per)[:, :budgets]
    # one step of the recursion does not expand differences: the errors are at most the sum of its residuals
    backed = np.array([action_values(case, v).max(axis=2) @ case.rate_law for v in values[:-1]])
    residual = np.abs(values[1:] - backed).max(axis=1)
    return Side(values, float(residual.sum()) + error_of(case))
