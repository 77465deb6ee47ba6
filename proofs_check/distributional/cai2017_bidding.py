"""Bidding under a budget (Cai et al. 2017): win at every price that is worth its budget, and what is not monotone.

In a second-price auction a bid decides at which prices one wins, not what one pays.  With a budget the best bid is the
largest affordable price at which the click rate covers the value of the budget that it costs.  More auctions, more budget and
a better click all help; but prices are lumps, so that value need not be concave in the budget, nor the bid monotone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import Assumption, AtMost, Claim, Equal, Known, Separates, Side
from mdplab.operators import largest_worthwhile_bids
from proofs_check.distributional import exact_auctions as exact
from proofs_check.distributional.auctions import (
    TIE,
    Auction,
    any_auction,
    auction,
    linear_clicks,
    linear_values,
    optimal_values,
    program_values,
    related_auction,
    rule_values,
)

# --- routes ---------------------------------------------------------------------------------------------------------


def bids(case: Auction, rates: FloatArray, left: int | None = None) -> FloatArray:
    """Bids of the rule with ``left`` auctions to go (by default T), shape (B + 1, rates)."""
    value = np.asarray(optimal_values(case).value)[(left or case.horizon) - 1]
    return np.asarray(largest_worthwhile_bids(rates, value, case.highest, tolerance=TIE), dtype=float)


def neighbours(side: Side, *, after: bool) -> Side:
    values = np.asarray(side.value)
    first, second = (values[1:], values[:, 1:]) if after else (values[:-1], values[:, :-1])
    return Side(np.concatenate((first.ravel(), second.ravel())), side.error)


def last(side: Side) -> Side:
    return Side(np.asarray(side.value)[-1], side.error)


def fewer(case: Auction) -> Side:
    """Evaluation of the rule: value of one auction less, and of one unit less"""
    return neighbours(rule_values(case), after=False)


def fewer_optimal(case: Auction) -> Side:
    """Recursion: value of one auction less, and of one unit less"""
    return neighbours(optimal_values(case), after=False)


def more(case: Auction) -> Side:
    """Recursion: value of one auction more, and of one unit more"""
    return neighbours(optimal_values(case), after=True)


def more_by_rule(case: Auction) -> Side:
    """Evaluation of the rule: value of one auction more, and of one unit more"""
    return neighbours(rule_values(case), after=True)


def bids_for_less(case: Auction) -> Side:
    """Rule: bids for all click rates of the grid but the largest"""
    return Side(bids(case, case.rate_grid)[:, :-1])


def bids_for_more(case: Auction) -> Side:
    """Rule: bids for all click rates of the grid but the smallest"""
    return Side(bids(case, case.rate_grid)[:, 1:])


def final_values(case: Auction) -> Side:
    """Recursion: value of all budgets with T auctions to go"""
    return last(optimal_values(case))


def final_rule_values(case: Auction) -> Side:
    """Evaluation of the rule: value of all budgets with T auctions to go"""
    return last(rule_values(case))


def averaged_values(case: Auction) -> Side:
    """Recursion at the mean click rate"""
    return optimal_values(case.average)


def averaged_rule_values(case: Auction) -> Side:
    """Evaluation of the rule at the mean click rate"""
    return rule_values(case.average)


def concave_envelope(case: Auction) -> Side:
    """Least concave function above the value of T auctions: the largest chord over each budget"""
    value = np.asarray(final_values(case).value)
    found = value.copy()
    for b in range(len(value)):
        for low in range(b):
            for high in range(b + 1, len(value)):
                chord = ((high - b) * value[low] + (b - low) * value[high]) / (high - low)
                found[b] = max(found[b], chord)
    return Side(found, 1e-14)


def bids_by_budget(case: Auction) -> Side:
    """Rule: bids for the first click rate by budget"""
    return Side(bids(case, case.rates[:1])[:, 0])


def running_largest_bids(case: Auction) -> Side:
    """Rule: largest bid for the first click rate at this budget or a smaller one"""
    return Side(np.maximum.accumulate(bids(case, case.rates[:1])[:, 0]))


# --- the claim ------------------------------------------------------------------------------------------------------


def one_law(prices: list[float], rates: list[float], law: list[float], budget: int, horizon: int) -> Auction:
    """An auction with prices that do not depend on the click rate."""
    return Auction(np.tile(prices, (len(rates), 1)), np.array(rates), np.array(law), budget, horizon)


PRINTED = one_law([0.1, 0.2, 0.3, 0.25, 0.15], [0.1, 0.3, 0.8], [0.5, 0.3, 0.2], 5, 4)
JUMPY = one_law([0.0, 0.2, 0.5, 0.3], [0.2, 0.6], [0.5, 0.5], 6, 3)
LUMPY = one_law([0.2, 0.0, 0.0, 0.8], [0.5], [1.0], 6, 3)
DEAR_CLICKS = Auction(
    np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]), np.array([0.0, 1.0]), np.array([0.5, 0.5]), 1, 1
)

BIDDING = Claim(
    "rtb-optimal-bid-and-budget-monotonicity",
    title="Bidding under a budget: the largest affordable price that is worth it, what is monotone and what is not",
    papers=("cai2017rtb",),
    provenance="our formalisation",
    statement=r"""
    With $t$ auctions and the budget $b$ left, a click rate $\theta_j$ comes with probability $p_j$, a bid
    $a \le \min(b, M)$ wins if the market price $\delta \sim m$ on $\{0, \dots, M\}$ is at most $a$ and then pays $\delta$:
    $V(0, b) = 0$ and
    $$V(t, b) = \sum_j p_j \max_a \big[ \sum_{\delta \le a} m(\delta) (\theta_j + V(t-1, b-\delta))
      + \sum_{\delta > a} m(\delta) V(t-1, b) \big].$$

    (i) $a^* = \max\{a \le \min(b, M) : \theta_j + V(t-1, b-a) - V(t-1, b) \ge 0\}$ is optimal;

    (ii) $V$ is non-decreasing in $t$ and $b$, and $a^*$ in $\theta$; (iii) a linear bid $\lfloor b_0 \theta / \bar\theta
    \rfloor$, capped, earns at most $V$; (iv) the recursion with the mean click rate in the place of $\theta_j$ gives at
    most $V$; (v) $V$ need not be concave in $b$, and $a^*$ need not be monotone in $b$.
    """,
    assumptions=(
        Assumption(
            "A1",
            "for (iv): the market price is independent of the click rate",
            "clicks that cost more",
            lambda case: bool(np.all(case.prices == case.prices[0])),
            wider=related_auction,
        ),
        Assumption(
            "A2",
            "for (i): the winner pays the market price",
            "the winner pays the bid",
            lambda case: not case.first_price,
            wider=any_auction,
        ),
    ),
    instance_family=auction,
    witnesses=(PRINTED, JUMPY, LUMPY),
    instances=30,
)
SUMS = "rounding of at most five steps of sums over six prices, ties within 1e-12"

rule_part = BIDDING.part(
    "(i)",
    r"the largest affordable $a$ with $\theta_j + V(t-1,b-a) - V(t-1,b) \ge 0$ is optimal",
    Equal(rule_values, optimal_values),
    resolution=1e-9,
    reason=SUMS,
    exact=(exact.by_rule, exact.optimal),
)
BIDDING.part(
    "(i, program)",
    "the recursion solves the linear program",
    Equal(program_values, optimal_values),
    resolution=1e-9,
    reason=SUMS + "; residuals of the solution of the program",
    exact="(i) proves the values of the recursion; the program is solved in floats",
)
more_part = BIDDING.part(
    "(ii, value)",
    "the value is non-decreasing in the number of auctions and in the budget",
    AtMost(fewer, more),
    resolution=1e-9,
    reason=SUMS,
    cross_left=fewer_optimal,
    cross_right=more_by_rule,
    exact=(exact.earlier, exact.later),
)
BIDDING.part(
    "(ii, bid)",
    "the bid is non-decreasing in the click rate",
    AtMost(bids_for_less, bids_for_more),
    resolution=0.0,
    reason="integers",
    closed=("left", "right"),
    exact=(lambda case: exact.all_bids(case)[:, :-1], lambda case: exact.all_bids(case)[:, 1:]),
)
linear_part = BIDDING.part(
    "(iii)",
    "linear bids earn at most the value",
    AtMost(linear_values, final_values),
    resolution=1e-9,
    reason=SUMS,
    cross_left=linear_clicks,
    cross_right=final_rule_values,
    exact=(exact.linear, lambda case: exact.optimal(case)[-1]),
)
average_part = BIDDING.part(
    "(iv)",
    "the recursion with the mean click rate gives at most the value",
    AtMost(averaged_values, optimal_values),
    resolution=1e-9,
    reason=SUMS,
    cross_left=averaged_rule_values,
    cross_right=rule_values,
    exact=(exact.averaged, exact.optimal),
)
BIDDING.part(
    "(v, value)",
    "the value need not be concave in the budget",
    Separates(final_values, concave_envelope, margin=0.1),
    resolution=1e-9,
    reason=SUMS,
    quantifier="exists",
    witnesses=(LUMPY,),
    exact="a separation: the printed values of the witness are finite decimals",
)
BIDDING.part(
    "(v, bid)",
    "the bid need not be monotone in the budget",
    Separates(bids_by_budget, running_largest_bids, margin=1.0),
    resolution=0.0,
    reason="integers",
    quantifier="exists",
    witnesses=(JUMPY,),
    exact="a separation of integers",
)


@BIDDING.known(PRINTED)
def _(case: Auction) -> Iterator[Known]:
    yield Known(
        "V(4, 0..5)", ".12 .30248 .500827 .657320625 .78345485 .8783156", final_values(case).value, 1e-14
    )
    yield Known("bids at t = 4, b = 5", "1 2 4", bids(case, case.rates)[5])
    yield Known("bids for the rate .3 at t = 4 by budget", "0 1 1 1 2 2", bids(case, case.rates)[:, 1])
    averaged = last(averaged_values(case)).value
    yield Known("V_avg(4, 0..5)", ".12 .29712 .44433 .5691525 .68064 .77866125", averaged, 1e-14)
    slopes = np.arange(81) / 4
    earned = np.array([np.asarray(linear_values(replace(case, slope=s)).value)[-1] for s in slopes])
    yield Known("best linear bid at (4, 5)", ".8512383023125", earned.max(), 1e-14)
    best = slopes[earned >= earned.max() - 1e-12]
    yield Known("its slopes, from and to", "3 3.75", best[[0, -1]])
    yield Known("its bids", "1 3 4", replace(case, slope=3.0).linear_bids[5])


@BIDDING.known(JUMPY)
def _(case: Auction) -> Iterator[Known]:
    yield Known("bids for the rate .2 at t = 3 by budget", "0 1 0 1 1 1 2", bids(case, case.rates)[:, 0])


@BIDDING.known(LUMPY)
def _(case: Auction) -> Iterator[Known]:
    yield Known("V(3, 0..6)", ".3 .3 .3 .796 .796 .796 1.244", final_values(case).value, 1e-14)


# --- what must fail -------------------------------------------------------------------------------------------------


linear_part.control(
    "the mean click rate in the place of the click rates",
    kind="mutation",
    instance=PRINTED,
    right=lambda case: last(averaged_values(case)),
)
rule_part.control(
    "a worth one tenth too high: the rule bids for more",
    kind="constant",
    instance=PRINTED,
    left=partial(rule_values, margin=0.1),
)
average_part.control("clicks that cost more", kind="assumption", drops="A1", instance=DEAR_CLICKS)
rule_part.control(
    "the winner pays the bid", kind="assumption", drops="A2", instance=replace(PRINTED, first_price=True)
)


# --- the figure -----------------------------------------------------------------------------------------------------


@BIDDING.figure(
    "Left: bids for the click rate .2 by auctions and budget left (prices 1, 2, 3 with probabilities .2, .5, .3): they are not "
    "monotone in the budget. Right: value of the budget with prices 0 and 3 (probabilities .2, .8), three auctions left, and "
    "its concave envelope.",
    panels=2,
)
def _(axes: Any) -> None:
    table = np.array([bids(JUMPY, JUMPY.rates[:1], left)[:, 0] for left in range(1, JUMPY.horizon + 1)])
    axes[0].imshow(table, cmap="Blues", vmin=0, vmax=4, origin="lower", aspect="auto")
    for (t, b), bid in np.ndenumerate(table):
        axes[0].text(b, t, f"{bid:.0f}", ha="center", va="center", color="white" if bid > 2 else "black")
    axes[0].set_yticks(range(JUMPY.horizon), [str(t + 1) for t in range(JUMPY.horizon)])
    axes[0].set(xlabel="budget $b$", ylabel="auctions left $t$", title="bid $a^*$")
    value, envelope = (np.asarray(route(LUMPY).value) for route in (final_values, concave_envelope))
    axes[1].plot(envelope, "--C1", label="concave envelope")
    axes[1].plot(value, "oC0", label="value")
    axes[1].set(xlabel="budget $b$", ylabel="$V(3, b)$", ylim=(0, 1.4))
    axes[1].legend(loc="upper left")
