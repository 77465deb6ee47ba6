"""Reward-weighted refitting of a generative model, round after round (Fan et al. 2025).

Every round fits the model to its own samples weighted by ``w``; fitted exactly, n rounds give ``q_0 w^n``. That is the optimum of
``E log w`` under a divergence from ``q_0`` of strength 1/n, which vanishes: the law collapses on the best samples, exponentially
on a finite set, like 1/n in the variance on the line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import (
    Assumption,
    AtMost,
    Claim,
    Equal,
    Known,
    Method,
    Outcome,
    Rate,
    Side,
    left_side,
    rounding,
)
from mdplab.divergences import kl
from mdplab.laws import Gaussian
from proofs_check.tilting import exact_refit as exact
from proofs_check.tilting import refit_instances as instances
from proofs_check.tilting import refit_routes as by
from proofs_check.tilting.chain_routes import LOG_SPACE, within
from proofs_check.tilting.refit_instances import NormalRefit, RefitTask

# --- the claim ------------------------------------------------------------------------------------------------------

EVEN = np.full(4, 0.25)
FORTY = RefitTask(np.array([0.4, 0.3, 0.1, 0.2]), np.log([1.0, 0.6, 2.0, 1.7]), 40, EVEN)
TIES = RefitTask(np.array([0.1, 0.3, 0.6]), np.log([2.0, 2.0, 1.0]), 5, np.full(3, 1 / 3))
COLD = RefitTask(np.array([1 - 3e-9, 1e-9, 1e-9, 1e-9]), 1e3 * np.array([0.0, 0.3, -1.0, 0.7]), 30, EVEN)
HOT = RefitTask(np.array([0.4, 0.3, 0.1, 0.2]), 1e-3 * np.array([0.0, 0.3, -1.0, 0.7]), 30, EVEN)
MISSING = RefitTask(np.array([0.4, 0.3, 0.0, 0.3]), FORTY.log_weight, 40, EVEN)
TEN, HUNDRED = (NormalRefit(Gaussian(0.0, 2.0), 3.0, 4.0, rounds) for rounds in (10, 100))
NARROW = NormalRefit(Gaussian(-1.0, 1e3), 2.0, 1e-3, 30)

REFIT = Claim(
    "reward-weighted-iteration",
    title="n rounds of reward-weighted refitting give q_0 w^n: an optimum at temperature 1/n that collapses on the best",
    papers=("fan2025orwcfm",),
    provenance="our formalisation",
    statement=r"""
    Let $q_0 > 0$ be a law on a finite set (or a density on the line), $w > 0$ and $q_{n+1} = q_n w / E_{q_n} w$. Then

    (a) $q_n \propto q_0 w^n$;

    (b) $E_{q_{n+1}} w - E_{q_n} w = \mathrm{Var}_{q_n}(w) / E_{q_n} w \ge 0$;

    (c) $q_n$ maximises $E_p \log w - \frac1n \mathrm{KL}(p \| q_0)$, and any $p$ loses $\frac1n \mathrm{KL}(p \| q_n)$;

    (d) $\mathrm{KL}(q_n \| q_0)$ does not fall; with a unique maximiser $i$ of $w$ and $g = \log w_i - \max_{j \ne i} \log w_j$,
    $1 - q_n(i) \le \frac{1 - q_0(i)}{q_0(i)} e^{-ng}$; with ties the limit is $q_0$ conditioned on the set of maximisers;

    (e) for $q_0 = N(m_0, s_0^2)$ and $w = e^{-(x - a)^2 / (2 b^2)}$, $q_n = N(m_n, v_n)$ with $1/v_n = 1/s_0^2 + n/b^2$ and $m_n = v_n (m_0 /
    s_0^2 + n a / b^2)$: the variance falls like $1/n$.
    """,
    assumptions=(
        Assumption(
            "A1",
            "$q_0 > 0$; $w > 0$ by its logarithm",
            "no mass at the best entry",
            lambda task: bool(np.all(task.reference > 0)),
            wider=instances.without_an_entry,
        ),
        Assumption(
            "A2",
            "every refit is exact",
            "refits that mix in a hundredth of the uniform law",
            lambda task: task.misfit == 0,
            wider=instances.misfitted_task,
        ),
    ),
    methods=(
        Method(
            "Reward-weighted fine-tuning",
            "tilt",
            "KL",
            "the model against the first one, less with every round",
        ),
    ),
    instance_family=instances.refit_task,
    witnesses=(FORTY, COLD, HOT, TIES),
    instances=100,
)

law_part = REFIT.part(
    "(a)",
    r"$q_n \propto q_0 w^n$, in logarithms",
    Equal(by.rounds_in_turn, by.powers_of_the_weight),
    resolution=within(by.powers_of_the_weight),
    reason=LOG_SPACE,
    exact=(exact.rounds_in_turn, exact.powers_of_the_weight),
)
gain_part = REFIT.part(
    "(b)",
    r"$E_{q_{n+1}} w - E_{q_n} w = \mathrm{Var}_{q_n}(w) / E_{q_n} w$, in units of the largest weight",
    Equal(by.gain_of_a_round, by.variance_over_mean),
    resolution=within(by.variance_over_mean),
    reason=LOG_SPACE,
    exact=(exact.gain_of_a_round, exact.variance_over_mean),
)
rising_part = REFIT.part(
    "(b, monotone)",
    r"$E_{q_n} w \le E_{q_{n+1}} w$",
    AtMost(by.expected_before, by.expected_after),
    resolution=1e-9,
    reason=LOG_SPACE,
    cross_left=by.expected_before_by_powers,
    cross_right=by.expected_after_by_powers,
    exact=(exact.expected_before, exact.expected_after),
)
gibbs_part = REFIT.part(
    "(c)",
    r"$\big(E \log w - \frac1n \mathrm{KL}(\cdot \| q_0)\big)(q_n)$ exceeds its value at any $p$ by $\frac1n \mathrm{KL}(p \| q_n)$",
    Equal(by.loss_of_the_rival, by.divergence_from_the_optimum),
    resolution=within(by.divergence_from_the_optimum),
    reason=LOG_SPACE,
    exact=(exact.loss_of_the_rival, exact.divergence_from_the_optimum),
)
drift_part = REFIT.part(
    "(d)",
    r"$\mathrm{KL}(q_n \| q_0) \le \mathrm{KL}(q_{n+1} \| q_0)$",
    AtMost(by.divergence_before, by.divergence_after),
    resolution=lambda task: 1e-9 * (1 + float(np.max(by.divergence_after(task).value))),
    reason=LOG_SPACE,
    cross_left=by.divergence_before_by_powers,
    cross_right=by.divergence_after_by_powers,
    exact=(exact.divergence_before, exact.divergence_after),
)
rate_part = REFIT.part(
    "(d, rate)",
    r"$e^{ng} (1 - q_n(i)) \le (1 - q_0(i)) / q_0(i)$",
    AtMost(by.scaled_miss, by.odds_against_the_best),
    resolution=lambda task: 1e-9 * (1 + float(np.max(by.odds_against_the_best(task).value))),
    reason=LOG_SPACE,
    cross_left=by.scaled_miss_by_powers,
    closed=("right",),
    exact=(exact.scaled_miss, exact.odds_against_the_best),
)
limit_part = REFIT.part(
    "(d, limit)",
    r"$q_n$ tends to $q_0$ conditioned on the maximisers of $w$",
    Equal(by.far_ahead, by.conditioned_on_the_best),
    resolution=1e-12,
    reason="e^{-60} of the rest of the mass is left; rounding of a tilt",
    family=instances.tied_task,
    witnesses=(FORTY, TIES, COLD, HOT),
    exact="a limit, taken where the rest is below the rounding",
)
normal_part = REFIT.part(
    "(e)",
    r"mean and variance of $q_n$ for normal $q_0$",
    Equal(by.rounds_of_tilts, by.precision_weighted),
    resolution=within(by.precision_weighted),
    reason="roundings of every round at the size of the means",
    family=instances.normal_refit,
    witnesses=(TEN, HUNDRED, NARROW),
    assumes=(),
    exact=(exact.rounds_of_tilts, exact.precision_weighted),
)
REFIT.part(
    "(e, quadrature)",
    r"they are those of the density $q_0 w^n$, normalised",
    Equal(by.precision_weighted, by.by_quadrature),
    resolution=within(by.by_quadrature),
    reason="rounding: the sums themselves are exact to e^{-90}",
    family=instances.normal_refit,
    witnesses=(TEN, HUNDRED, NARROW),
    assumes=(),
    exact="quadrature",
)
REFIT.part(
    "(e, rate)",
    "the variance falls like $1/n$",
    Rate(by.variances, by.nothing, parameter=by.counts, window=(-1.01, -0.98)),
    resolution=1e-9,
    reason="rounding of closed forms",
    quantifier="limit",
    family=instances.normal_refit,
    witnesses=(TEN,),
    instances=20,
    assumes=(),
    exact="a fitted slope",
)


@REFIT.known(FORTY)
def _(task: RefitTask) -> Iterator[Known]:
    laws, weight = np.exp(task.log_iterates), np.exp(task.log_weight)
    yield Known("q_1", "0.357142857143 0.160714285714 0.178571428571 0.303571428571", laws[1])
    yield Known("q_5", "0.061890360607 0.003609445831 0.495122884858 0.439377308704", laws[5])
    yield Known("expected weight under q_5", "1.80124322262", laws[5] @ weight)
    yield Known("KL(q_5 || q_0)", "1.00637613084", kl(laws[5], task.reference))
    yield Known("q_40 at the best entry", "0.99700439809", laws[40, 2])


@REFIT.known(TIES)
def _(task: RefitTask) -> Iterator[Known]:
    yield Known("limit with ties", "1/4 3/4 0", by.far_ahead(task).value, 1e-15)


@REFIT.known(TEN)
def _(task: NormalRefit) -> Iterator[Known]:
    yield Known("mean and variance, n = 10", "2.142857142857 1.142857142857", by.rounds_of_tilts(task).value)


@REFIT.known(HUNDRED)
def _(task: NormalRefit) -> Iterator[Known]:
    yield Known("mean and variance, n = 100", "2.884615384615 0.153846153846", by.rounds_of_tilts(task).value)


# --- what must fail -------------------------------------------------------------------------------------------------


def offline(task: RefitTask) -> Side:
    """Logarithms of q_0 w in every round."""
    once = by.rounds_in_turn(replace(task, rounds=1))
    return Side(np.repeat(np.asarray(once.value), task.rounds, axis=0), float(np.max(once.error)))


def variance_alone(task: RefitTask) -> Side:
    """Variance of the weight, not divided by its mean."""
    side = by.variance_over_mean(task)
    mean = np.asarray(by.expected_before_by_powers(task).value)
    return Side(np.asarray(side.value) * mean, side.error)


def expected_after_division(task: RefitTask) -> Side:
    """Expected weights after rounds that divide by the weight."""
    divided = replace(task, log_weight=-task.log_weight)
    return by.expected_weights(task, divided.log_iterates[1:], by.errors_in_turn(divided)[1:])


def divergence_without_its_strength(task: RefitTask) -> Side:
    """KL(p || q_n), without 1/n."""
    side = by.divergence_from_the_optimum(task)
    return Side(task.rounds * np.asarray(side.value), task.rounds * np.asarray(side.error))


def mass_that_misses_the_best(task: RefitTask) -> Side:
    """1 - q_0(i), not divided by q_0(i)."""
    best = int(np.argmax(task.log_weight))
    return Side(np.full(task.rounds, 1 - task.reference[best]), rounding(1.0, 4))


def divergence_the_other_way(task: RefitTask) -> Side:
    """KL(q_k || q_0) in the order of the rounds reversed."""
    side = by.divergence_after(task)
    return Side(np.asarray(side.value)[::-1], np.asarray(side.error)[::-1])


def evenly_on_the_best(task: RefitTask) -> Side:
    """The uniform law on the maximisers."""
    best = (task.log_weight == task.log_weight.max()).astype(float)
    return Side(best / best.sum(), rounding(1.0, 4))


def one_round_of_precision(task: NormalRefit) -> Side:
    """The closed form for one round."""
    return by.precision_weighted(replace(task, rounds=1))


def second_law(outcome: Outcome) -> FloatArray:
    return np.exp([outcome.right[1, 2], outcome.left[1, 2]])


law_part.control(
    "weights always applied to q_0",
    kind="mutation",
    instance=replace(FORTY, rounds=2),
    left=offline,
    specified="0.269179004 0.178571429",
    measure=second_law,
)
law_part.control(
    "refits that mix in a hundredth of the uniform law",
    kind="assumption",
    drops="A2",
    instance=replace(FORTY, misfit=0.01),
)
gain_part.control("variance alone", kind="mutation", instance=FORTY, right=variance_alone)
rising_part.control(
    "rounds that divide by the weight",
    kind="mutation",
    instance=FORTY,
    right=expected_after_division,
)
gibbs_part.control("no 1/n", kind="constant", instance=FORTY, right=divergence_without_its_strength)
drift_part.control("rounds in reverse", kind="mutation", instance=FORTY, right=divergence_the_other_way)
rate_part.control("1 - q_0(i) alone", kind="constant", instance=FORTY, right=mass_that_misses_the_best)
limit_part.control("ties shared evenly", kind="mutation", instance=TIES, right=evenly_on_the_best)
limit_part.control(
    "no mass at the best entry",
    kind="assumption",
    drops="A1",
    instance=MISSING,
    specified="0 0 0 1",
    measure=left_side,
)
normal_part.control(
    "one round in the place of n", kind="constant", instance=TEN, right=one_round_of_precision
)


# --- the figure -----------------------------------------------------------------------------------------------------


@REFIT.figure(
    r"Expected reward $\log w$ against the divergence from $q_0$: the rounds (dots) lie on the frontier $q_0 w^t$, $t \ge 0$ (line), below which "
    "all other laws lie (grey). The first rounds gain most; the last ones only move mass to the best entry."
)
def _(ax: Any) -> None:
    rivals = np.random.default_rng(0).dirichlet(np.full(4, 0.7), 400)
    fine = by.log_normalised(np.log(FORTY.reference) + np.linspace(0, 60, 400)[:, None] * FORTY.log_weight)
    frontier, rounds = np.exp(fine), np.exp(FORTY.log_iterates[:13])
    for laws, style, name in (
        (rivals, {"marker": ".", "linestyle": "", "color": "0.75", "markersize": 3}, "other laws"),
        (frontier, {"color": "C0"}, "$q_0 w^t$"),
        (rounds, {"marker": "o", "linestyle": "", "color": "C1", "markersize": 4}, "rounds 0 to 12"),
    ):
        ax.plot(kl(laws, FORTY.reference), laws @ FORTY.log_weight, label=name, **style)
    ax.set(
        xlabel=r"$\mathrm{KL}(q \,\|\, q_0)$ (nats)",
        ylabel=r"expected reward $E_q \log w$",
        xlim=(-0.05, 2.4),
    )
    ax.legend(loc="lower right")
