"""Exact routes of budgeted auctions: backward recursion in rationals over all bids and under fixed rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array

if TYPE_CHECKING:
    from proofs_check.distributional.auctions import Auction

Backed = Callable[[int, int, Array], Any]
"""From a budget, the number of a click rate and the values of the auctions that remain to a value."""


@dataclass(frozen=True)
class Numbers:
    """Prices, click rates and their law in rationals."""

    prices: Array
    rates: Array
    law: Array

    def steps(self, b: int, j: int, value: Array) -> Iterator[Any]:
        """What winning at each affordable price adds to the value."""
        for cost, chance in enumerate(self.prices[j][: b + 1]):
            yield chance * (self.rates[j] + value[b - cost] - value[b])

    def best(self, b: int, j: int, value: Array) -> Any:
        """Largest value of a bid."""
        return value[b] + max(accumulate(self.steps(b, j, value)))

    def worth(self, b: int, j: int, bid: int, value: Array) -> Any:
        """Value of a bid, a sum over prices."""
        costs = enumerate(self.prices[j])
        return sum(p * (self.rates[j] + value[b - cost] if cost <= bid else value[b]) for cost, p in costs)

    def recursion(self, case: Auction, backed: Backed) -> Array:
        """Values after 0, ..., T auctions."""
        values = [mdplab.exact.rational([0] * (case.budget + 1))]
        for _ in range(case.horizon):
            row = [
                sum(p * backed(b, j, values[-1]) for j, p in enumerate(self.law))
                for b in range(case.budget + 1)
            ]
            values.append(np.array(row, dtype=object))
        return np.array(values, dtype=object)


def numbers(case: Auction) -> Numbers:
    return Numbers(
        mdplab.exact.laws(case.prices), mdplab.exact.rational(case.rates), mdplab.exact.laws(case.rate_law)
    )


def optimal(case: Auction) -> Array:
    """Maximum over all bids."""
    read = numbers(case)
    return read.recursion(case, read.best)


def largest(case: Auction, b: int, rate: Any, value: Array) -> int:
    affordable = range(min(b, case.highest) + 1)
    return max(a for a in affordable if rate + value[b - a] - value[b] >= 0)


def by_rule(case: Auction) -> Array:
    """The largest worthwhile price is bid."""
    read = numbers(case)
    return read.recursion(case, lambda b, j, v: read.worth(b, j, largest(case, b, read.rates[j], v), v))


def linear(case: Auction) -> Array:
    """Last values of the linear bids."""
    read, bids = numbers(case), case.linear_bids
    values: Array = read.recursion(case, lambda b, j, v: read.worth(b, j, int(bids[b, j]), v))[-1]
    return values


def averaged(case: Auction) -> Array:
    """Maximum over all bids at the mean rate and the law of all prices."""
    read = numbers(case)
    mean = Numbers(
        (read.law @ read.prices)[None, :],
        np.array([(read.law * read.rates).sum()]),
        mdplab.exact.rational([1]),
    )
    return mean.recursion(case, mean.best)


def earlier(case: Auction) -> Array:
    """Values of fewer auctions, and of smaller budgets."""
    values = by_rule(case)
    return np.concatenate((values[:-1].ravel(), values[:, :-1].ravel()))


def later(case: Auction) -> Array:
    """Values of one more auction, and of one more unit."""
    values = optimal(case)
    return np.concatenate((values[1:].ravel(), values[:, 1:].ravel()))


def all_bids(case: Auction) -> Array:
    """Bids for the rates of the grid, with T auctions to go."""
    value = optimal(case)[-2]
    found = [
        [largest(case, b, rate, value) for rate in mdplab.exact.rational(case.rate_grid)]
        for b in range(case.budget + 1)
    ]
    return np.asarray(mdplab.exact.rational(np.array(found)))
