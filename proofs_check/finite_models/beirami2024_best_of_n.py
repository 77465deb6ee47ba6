"""Best of n: its law, its divergence from the base, its win rate, and what exponential tilting does better.

Draw n items independently from a base law and keep the one of highest score.  The law of the kept item depends on the
scores through their order alone; its KL divergence from the base is at most ``log n - (n-1)/n`` whatever the base is
(Beirami et al. 2024), but *equal* to it only where no item has positive mass.  Among all laws at that divergence the
exponential tilt has the highest mean score.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import HARMLESS, Assumption, AtMost, Claim, Equal, Known, Side, both_sides, rounding
from mdplab.divergences import kl
from mdplab.laws.order import win_rate
from mdplab.numerics import maximum, monotone_root
from mdplab.operators.tilt import log_sum_exp, log_tilt
from proofs_check.finite_models import exact_best_of_n as exact
from proofs_check.finite_models.instances import (
    Ranking,
    ranking,
    small_ranking,
    small_tilted_ranking,
    with_empty_items,
)

# --- named instances ------------------------------------------------------------------------------------------------

FIVE = Ranking(np.array([0.1, 0.2, 0.3, 0.25, 0.15]), np.array([0.0, 0.2, 0.5, 0.7, 1.0]), 4)
TWO = Ranking(np.array([0.5, 0.5]), np.array([0.0, 1.0]), 4)
TIED = Ranking(np.array([0.3, 0.2, 0.5]), np.array([1.0, 1.0, 0.0]), 2)


def uniform(items: int, n_draws: int) -> Ranking:
    """Equal masses on distinct scores."""
    return Ranking(np.full(items, 1 / items), np.arange(items) / items, n_draws)


# --- routes ---------------------------------------------------------------------------------------------------------


def law_by_formula(case: Ranking) -> Side:
    """Formula p(y) ((L+E)^n - L^n) / E, in logarithms."""
    return Side(case.law, case.relative_error * case.law)


def law_by_enumeration(case: Ranking) -> Side:
    """Enumeration of all tuples of draws, ties shared among the draws."""
    law = case.second_law
    return Side(law, rounding(law, 4 * case.n_draws + case.probability.size**case.n_draws))


def divergence(case: Ranking, law: FloatArray) -> Side:
    """``kl(law, p)`` for a law of the stated relative error: it moves by that times ``sum law (|log| + 1)``."""
    taken = law > 0
    logs = np.abs(np.log(np.where(taken, law, 1.0) / np.where(taken, case.probability, 1.0)))
    error = case.relative_error * float(law @ (logs + 1)) + float(rounding(law @ logs, law.size + 4))
    return Side(float(kl(law, case.probability)), error)


def kl_of_formula(case: Ranking) -> Side:
    """KL divergence of the law by its formula."""
    return divergence(case, case.law)


def kl_of_enumeration(case: Ranking) -> Side:
    """KL divergence of the law by enumeration (many items: by powers of the distribution function)."""
    return divergence(case, case.second_law)


def kl_bound(case: Ranking) -> Side:
    """Closed form log n - (n-1)/n."""
    n = case.n_draws
    return Side(np.log(n) - (n - 1) / n, rounding(np.log(n) + 1, 4))


def win_rate_of_formula(case: Ranking) -> Side:
    """Win rate of the law by its formula, cumulative masses."""
    return Side(win_rate(case.law, case.probability, case.score), 2 * case.relative_error)


def win_rate_of_enumeration(case: Ranking) -> Side:
    """Win rate of the law by enumeration, over all pairs of items."""
    r = case.score
    wins = np.greater.outer(r, r) + 0.5 * np.equal.outer(r, r)
    return Side(float(case.second_law @ wins @ case.probability), 2 * case.relative_error)


def win_rate_bound(case: Ranking) -> Side:
    """Closed form n/(n+1)."""
    return Side(case.n_draws / (case.n_draws + 1), rounding(1, 2))


def mean_of_formula(case: Ranking) -> Side:
    """Mean score of the law by its formula."""
    return Side(float(case.law @ case.score), 2 * case.relative_error * float(np.abs(case.score).max()))


def mean_of_enumeration(case: Ranking) -> Side:
    """Mean score of the law by enumeration."""
    return Side(
        float(case.second_law @ case.score), 2 * case.relative_error * float(np.abs(case.score).max())
    )


def mean_of_tilt(case: Ranking, *, n_draws: int | None = None) -> Side:
    """Mean score of the tilt p exp(lambda r) whose KL, by root finding in lambda, is that of best-of-n."""
    matched = case if n_draws is None else replace(case, n_draws=n_draws)
    target = kl_of_formula(matched)
    log_p = np.log(case.probability)

    def excess(slope: float) -> float:
        tilt = np.exp(log_tilt(slope * case.score, log_reference=log_p))
        return float(kl(tilt, case.probability)) - float(np.asarray(target.value))

    root = monotone_root(excess, 0.0, 1.0, bounds=(0.0, np.inf))
    if not root.found:
        raise ValueError(f"the tilt does not reach the divergence: {root.status.value}")
    mean, low, high = (
        float(np.exp(log_tilt(slope * case.score, log_reference=log_p)) @ case.score)
        for slope in (root.root, root.lower, root.upper)
    )
    # the mean moves by d KL / lambda (both_sides derivatives in lambda are the variance, one times lambda)
    divergence_error = (
        float(np.max(target.error))
        + abs(root.value)
        + 1e-15 * (1 + float(np.abs(log_p[np.isfinite(log_p)]).max()))
    )
    return Side(mean, abs(high - low) + 2 * divergence_error / root.lower + float(rounding(1, 40)))


def mean_by_duality(case: Ranking) -> Side:
    """Largest mean score at that KL: minimum of (kl + log sum p exp(lambda r)) / lambda over lambda."""
    radius = float(np.asarray(kl_of_enumeration(case).value))
    log_p = np.log(case.probability)

    def lagrangian(log_slope: float) -> float:
        temperature = np.exp(-log_slope)
        soft_maximum = log_sum_exp(case.score, temperature=temperature, log_reference=log_p)
        return -float(temperature * radius + soft_maximum)

    return Side(-maximum(lagrangian, -4.0, 7.0, grid=111).value, 1e-10)


# --- the claim ------------------------------------------------------------------------------------------------------

BEST_OF_N = Claim(
    "best-of-n-kl",
    title="Law of best-of-n, its KL bound, its win rate, and its dominance by exponential tilting",
    papers=("beirami2024bestofn", "sun2024easytohard", "zeng2024roadmap"),
    provenance="our formalisation",
    statement=r"""
    Let $p$ be a law on a finite set with scores $r$; draw $n$ times independently and keep the best, ties broken
    uniformly among the draws. With $L_y = p(r < r(y))$ and $E_y = p(r = r(y))$:

    (a) the law of the kept item is $$p_n(y) = p(y)\, \frac{(L_y + E_y)^n - L_y^n}{E_y};$$

    (b) $\mathrm{KL}(p_n \| p) \le \log n - \frac{n-1}{n}$, for $n \ge 2$ with equality only in the atomless limit;

    (c) the win rate against one draw of $p$ (a tie counts one half) is at most $\frac{n}{n+1}$;

    (d) the tilt $q \propto p\, e^{\lambda r}$ with $\mathrm{KL}(q \| p) = \mathrm{KL}(p_n \| p)$ has at least the
    mean score of $p_n$.
    """,
    assumptions=(
        Assumption("A1", r"$n \ge 1$ independent draws", "two draws without replacement"),
        Assumption(
            "A2",
            r"$p(y) > 0$ for all $y$",
            HARMLESS,
            lambda case: bool(np.all(case.probability > 0)),
            wider=with_empty_items,
        ),
    ),
    instance_family=ranking,
    witnesses=(FIVE, TWO, TIED),
    instances=200,
)
SUMS = "rounding of sums of powers, below the 1e-9 of the statement"

law_part = BEST_OF_N.part(
    "(a)",
    r"$p_n(y) = p(y)((L_y+E_y)^n - L_y^n)/E_y$",
    Equal(law_by_formula, law_by_enumeration),
    resolution=1e-11,
    reason=SUMS,
    family=small_ranking,
    exact=(exact.law_by_powers, exact.law_by_tuples),
)
kl_part = BEST_OF_N.part(
    "(b)",
    r"$\mathrm{KL}(p_n\|p) \le \log n - \frac{n-1}{n}$",
    AtMost(kl_of_formula, kl_bound),
    resolution=1e-9,
    reason=SUMS,
    cross_left=kl_of_enumeration,
    closed=("right",),
    witnesses=(FIVE, TWO, TIED, uniform(2000, 4)),
    specified_tightness=".99910",
    exact=(exact.divergence, exact.divergence_bound),
)
win_part = BEST_OF_N.part(
    "(c)",
    r"win rate $\le \frac{n}{n+1}$",
    AtMost(win_rate_of_formula, win_rate_bound),
    resolution=1e-9,
    reason=SUMS,
    cross_left=win_rate_of_enumeration,
    closed=("right",),
    exact=(exact.win_rate, exact.win_rate_bound),
)
tilt_part = BEST_OF_N.part(
    "(d)",
    r"$\mathbb{E}_{p_n} r \le \mathbb{E}_q r$ for the tilt $q$ of equal KL",
    AtMost(mean_of_formula, mean_of_tilt),
    resolution=1e-9,
    reason="bisection to neighbouring floats; the dual minimum is flat, 1e-10 covers its search",
    cross_left=mean_of_enumeration,
    cross_right=mean_by_duality,
    family=small_tilted_ranking,
    exact=(exact.mean, exact.mean_of_tilt),
)


@BEST_OF_N.known(FIVE)
def _(case: Ranking) -> Iterator[Known]:
    for n, printed in (
        (2, "0.1806293553 0.1931471806 0.68225"),
        (4, "0.5946261496 0.6362943611 0.815028125"),
        (16, "1.592786481 1.835088722 0.9776682506"),
    ):
        some = replace(case, n_draws=n)
        computed = [np.asarray(route(some).value) for route in (kl_of_formula, kl_bound, mean_of_formula)]
        yield Known(f"n = {n}: KL, bound, mean score", printed, np.array(computed), 1e-14)
    yield Known(
        "KL of 2000 equal masses, n = 4", "0.6362941736", kl_of_formula(uniform(2000, 4)).value, 1e-13
    )


# --- what must fail -------------------------------------------------------------------------------------------------


def one_item_takes_the_ties(case: Ranking) -> Side:
    """The formula with all ties going to the first of the tied items."""
    p, r, n = case.probability, case.score, case.n_draws
    order = np.lexsort((-np.arange(p.size), r))
    upto = np.cumsum(p[order])
    law = np.empty_like(p)
    law[order] = upto**n - np.concatenate(([0.0], upto[:-1])) ** n
    return Side(law, rounding(1, 40))


def without_the_fraction(case: Ranking) -> Side:
    """log n - 1 in the place of log n - (n-1)/n."""
    return Side(np.log(case.n_draws) - 1, rounding(np.log(case.n_draws) + 1, 4))


def without_replacement(case: Ranking) -> Side:
    """KL divergence of the best of two draws without replacement from two items."""
    return divergence(case, np.array([0.0, 1.0]))


def ties_won(case: Ranking) -> Side:
    """Win rate with every tie counted as a win."""
    return Side(float(case.law @ np.greater_equal.outer(case.score, case.score) @ case.probability), 1e-13)


def fewer_draws(case: Ranking) -> Side:
    """(n-1)/n in the place of n/(n+1)."""
    return Side((case.n_draws - 1) / case.n_draws, rounding(1, 2))


law_part.control(
    "ties go to the first of the tied items", kind="mutation", instance=TIED, left=one_item_takes_the_ties
)
kl_part.control(
    "log n - 1 in the place of log n - (n-1)/n",
    kind="constant",
    instance=uniform(2000, 4),
    right=without_the_fraction,
    specified="0.6362941736 0.3862943611",
    measure=both_sides,
)
kl_part.control(
    "two draws without replacement",
    kind="assumption",
    drops="A1",
    instance=replace(TWO, n_draws=2),
    left=without_replacement,
)
win_part.control("a tie counts as a win", kind="mutation", instance=TWO, left=ties_won)
win_part.control(
    "(n-1)/n in the place of n/(n+1)", kind="constant", instance=uniform(50, 4), right=fewer_draws
)
tilt_part.control(
    "the tilt at the KL of one draw fewer",
    kind="mutation",
    instance=FIVE,
    right=partial(mean_of_tilt, n_draws=3),
)

BEST_OF_N.reading(
    "equality",
    title="The KL divergence of best-of-n equals log n - (n-1)/n",
    statement=r"""
    $\mathrm{KL}(p_n \| p) = \log n - \frac{n-1}{n}$ for every base law: the formula that is commonly used for the
    divergence of best-of-$n$.
    """,
    relation=Equal(kl_of_formula, kl_bound),
    counterexamples=(TWO, FIVE),
    repair=kl_part,
    resolution=1e-9,
    reason=SUMS,
    specified="0.4593555219 0.6362943611",
    measure=both_sides,
)


# --- the figure -----------------------------------------------------------------------------------------------------


@BEST_OF_N.figure(
    r"KL divergence of best-of-$n$ from a base of $m$ equally likely items with distinct scores, and the bound "
    r"$\log n - (n-1)/n$. The divergence cannot exceed $\log m$: the bound is an equality for atomless laws alone."
)
def _(ax: Any) -> None:
    draws = np.unique(np.geomspace(1, 1024, 60).astype(int))
    ax.plot(draws, np.log(draws) - (draws - 1) / draws, "k--", zorder=3, label="bound")
    for number, m in enumerate((2, 5, 20, 2000)):
        values = [float(np.asarray(kl_of_formula(uniform(m, int(n))).value)) for n in draws]
        ax.plot(draws, values, color=f"C{number}", label=f"$m = {m}$")
    ax.set_xscale("log", base=2)
    ax.set(xlabel="number of draws $n$", ylabel=r"$\mathrm{KL}(p_n\,\|\,p)$ (nats)")
    ax.legend()
