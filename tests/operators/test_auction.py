"""Values of bids in budgeted second-price auctions, and the rule of the largest worthwhile price."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab._typing import FloatArray
from mdplab.operators import auction_action_values, largest_worthwhile_bids


def naive_value(price: FloatArray, rate: float, value: FloatArray, budget: int, bid: int) -> float:
    return float(
        sum(
            chance * (rate + value[budget - cost] if cost <= bid else value[budget])
            for cost, chance in enumerate(price)
        )
    )


@given(st.integers(0, 2**32 - 1))
def test_values_and_the_rule_agree_with_sums_over_prices(seed: int) -> None:
    rng = np.random.default_rng(seed)
    prices, rates = rng.dirichlet(np.ones(4), 2), rng.uniform(size=2)
    value = np.cumsum(rng.uniform(size=7))
    found, bids = auction_action_values(prices, rates, value), largest_worthwhile_bids(rates, value, 3)
    for b, j in np.ndindex(7, 2):
        wanted = [naive_value(prices[j], float(rates[j]), value, b, a) for a in range(min(b, 3) + 1)]
        np.testing.assert_allclose(found[b, j, : len(wanted)], wanted, rtol=0, atol=1e-14)
        assert np.all(found[b, j, len(wanted) :] == -np.inf)
        assert found[b, j, bids[b, j]] >= max(wanted) - 1e-14


def test_a_worthwhile_price_above_the_budget_is_not_bid() -> None:
    np.testing.assert_array_equal(largest_worthwhile_bids([1.0], np.zeros(4), 2), [[0], [1], [2], [2]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rates": [0.1, 0.2]}, r"expected shapes \(J, M \+ 1\)"),
        ({"prices": [[0.5, 0.4]]}, "prices at click rate 0 sums to 0.9"),
        ({"prices": [[1.5, -0.5]]}, r"prices.* is -0.5: probabilities must be >= 0"),
        ({"rates": [np.nan]}, "rates: expected finite numbers, got nan at 0"),
        ({"value": [0.0, np.inf]}, "value: expected finite numbers, got inf at 1"),
    ],
)
def test_bad_input_of_values(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        auction_action_values(**({"prices": [[0.5, 0.5]], "rates": [0.1], "value": [0.0, 1.0]} | change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rates": []}, "rates, value: expected shapes"),
        ({"rates": [0.1, -0.2]}, "rates: expected rates >= 0, got -0.2 at 1"),
        ({"rates": [np.nan]}, "rates: expected finite numbers"),
        ({"value": [1.0, 0.0]}, "value: expected a non-decreasing value, got 1.0 at 0 and 0.0 after it"),
        ({"value": [np.nan]}, "value: expected finite numbers"),
        ({"highest": -1}, "highest must be an integer of at least 0"),
        ({"tolerance": -1.0}, "tolerance must be a non-negative"),
    ],
)
def test_bad_input_of_bids(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        largest_worthwhile_bids(**({"rates": [0.1], "value": [0.0, 1.0], "highest": 1} | change))
