"""Reward-weighted refitting that returns to an anchor in every round (Fan et al. 2025, regularisation against collapse).

With a share ``a`` of the anchor the rounds contract, in logarithms exactly by ``1 - a``, to the tilt of the anchor at temperature ``a``.
A penalty of the samples that does not know the iterate is only another weight: it moves the point of collapse.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import Assumption, AtMost, Claim, Equal, Known, Outcome, Side, right_side
from proofs_check.tilting import anchor_routes as by
from proofs_check.tilting import exact_refit as exact
from proofs_check.tilting import refit_instances as instances
from proofs_check.tilting import refit_routes as plain
from proofs_check.tilting.chain_routes import LOG_SPACE, within
from proofs_check.tilting.refit_instances import AnchorTask

# --- the claim ------------------------------------------------------------------------------------------------------

REFERENCE, WEIGHT = np.array([0.4, 0.3, 0.1, 0.2]), np.log([1.0, 0.6, 2.0, 1.7])
PENALTY = np.array([0.0, 0.0, 0.3, 0.1])
HALF = AnchorTask(REFERENCE, REFERENCE, WEIGHT, 0.5, PENALTY)
TENTH = AnchorTask(REFERENCE, REFERENCE, WEIGHT, 0.1, PENALTY, rounds=20)
LONG = replace(HALF, rounds=200)
COIN = AnchorTask(np.full(2, 0.5), np.array([0.01, 0.99]), np.zeros(2), 0.5, np.array([0.1, 0.0]))
SHARP = AnchorTask(np.array([1 - 3e-9, 1e-9, 1e-9, 1e-9]), REFERENCE, 3 * WEIGHT, 1e-3, PENALTY)
COLD = AnchorTask(np.array([1 - 3e-9, 1e-9, 1e-9, 1e-9]), REFERENCE, 1e3 * WEIGHT, 0.3, PENALTY)
HOT = AnchorTask(REFERENCE, np.array([1e-9, 1e-9, 1e-9, 1 - 3e-9]), 1e-3 * WEIGHT, 0.7, 1e-3 * PENALTY)

ANCHOR = Claim(
    "anchored-reward-weighting",
    title="An anchor in every round of reward-weighted refitting gives a geometric limit; a fixed penalty moves the collapse",
    papers=("fan2025orwcfm",),
    provenance="our formalisation",
    statement=r"""
    Let $q_{n+1} \propto q_n^{1 - a}\, q_{\rm ref}^{\,a}\, w$ on a finite set, $a \in (0, 1]$. Then

    (a) the unique fixed point is $q^* \propto q_{\rm ref}\, w^{1/a}$, and the rounds tend to it from every $q_0$;

    (b) $\mathrm{range}(\log q_{n+1} - \log q^*) = (1 - a)\, \mathrm{range}(\log q_n - \log q^*)$;

    (c) $\mathrm{KL}(q^* \| q_{n+1}) \le (1 - a)\, \mathrm{KL}(q^* \| q_n)$.

    (d) With a penalty $D(x)$ that does not depend on the iterate, $q_{n+1} \propto q_n w e^{-D}$ gives $q_n \propto q_0 (w e^{-D})^n$,
    which still collapses, on the maximisers of $\log w - D$.
    """,
    assumptions=(
        Assumption(
            "A1",
            "full support of $q_{\\rm ref}$ and $q_0$",
            "a first law that misses an entry",
            lambda task: bool(np.all(task.reference > 0) and np.all(task.start > 0)),
            wider=instances.without_support,
        ),
    ),
    instance_family=instances.anchor_task,
    witnesses=(HALF, TENTH, COIN, SHARP, COLD, HOT),
    instances=100,
)

fixed_part = ANCHOR.part(
    "(a)",
    r"a round from $q_{\rm ref} w^{1/a}$, normalised, returns it, in logarithms",
    Equal(by.one_round, by.fixed_point),
    resolution=within(by.fixed_point),
    reason=LOG_SPACE,
    exact=(exact.one_round, exact.log_fixed_point),
)
limit_part = ANCHOR.part(
    "(a, limit)",
    r"the rounds tend to $q_{\rm ref} w^{1/a}$ from every $q_0$",
    Equal(by.limit_of_the_rounds, by.tilted_anchor),
    resolution=1e-10,
    reason="1e-15 of the range is left; roundings of the rounds, a geometric series",
    witnesses=(HALF, TENTH, COIN, COLD, HOT),
    exact="a limit, taken where the range is below the rounding",
)
range_part = ANCHOR.part(
    "(b)",
    r"$\mathrm{range}(\log q_k - \log q^*) = (1 - a)^k\, \mathrm{range}(\log q_0 - \log q^*)$",
    Equal(by.ranges, by.shares_of_the_range),
    resolution=lambda task: 1e-11 + 1e-9 * float(np.max(by.shares_of_the_range(task).value)),
    reason=LOG_SPACE,
    exact=(exact.ranges, exact.powers_of_the_share),
)
divergence_part = ANCHOR.part(
    "(c)",
    r"$\mathrm{KL}(q^* \| q_{k+1}) \le (1 - a)\, \mathrm{KL}(q^* \| q_k)$",
    AtMost(by.divergence_after, by.share_of_the_divergence),
    resolution=lambda task: 1e-10 + 1e-9 * float(np.max(by.divergences(task).value)),
    reason=LOG_SPACE,
    cross_left=by.divergence_after_by_moments,
    cross_right=by.share_of_the_divergence_by_moments,
    specified_tightness="0.806",
    exact=(exact.anchored_after, exact.share_of_anchored_before),
)
penalty_part = ANCHOR.part(
    "(d)",
    r"$q_n \propto q_0 (w e^{-D})^n$, in logarithms",
    Equal(by.penalised_rounds, by.penalised_powers),
    resolution=within(by.penalised_powers),
    reason=LOG_SPACE,
    witnesses=(HALF, LONG, COIN, COLD, HOT),
    exact=(exact.penalised, exact.powers_of_the_penalised),
)
collapse_part = ANCHOR.part(
    "(d, collapse)",
    r"the limit is $q_0$ conditioned on the maximisers of $\log w - D$",
    Equal(by.penalised_limit, by.best_after_the_penalty),
    resolution=1e-12,
    reason="e^{-60} of the rest of the mass is left; rounding of a tilt",
    exact="a limit, taken where the rest is below the rounding",
)


@ANCHOR.known(HALF)
def _(task: AnchorTask) -> Iterator[Known]:
    fixed = "0.269179004038 0.07267833109 0.269179004038 0.388963660834"
    yield Known("fixed point, a = .5", fixed, by.tilted_anchor(task).value)
    found = np.asarray(by.divergences(task).value)
    yield Known("KL(q* || q_n), n = 0, 1, 5", "0.31561169566 0.07309055999 0.00025812839", found[[0, 1, 5]])
    law = "0.275161744404 0.076703885672 0.263495789164 0.384638580759"
    yield Known("q_5", law, np.exp(task.log_iterates[5]))
    start = plain.range_of(by.first_apart(task))
    yield Known("range at n = 0", "2.40794560865", start)
    yield Known("log w - D", "0 -0.510825624 0.393147181 0.430628251", task.log_weight - task.penalty)
    unanchored = plain_divergences(replace(task, rounds=2))
    yield Known("KL(q* || q_2) without an anchor", "0", unanchored[2], 1e-14)


@ANCHOR.known(TENTH)
def _(task: AnchorTask) -> Iterator[Known]:
    fixed = "0.002794824421 0.000012674426 0.715475051847 0.281717449306"
    yield Known("fixed point, a = .1", fixed, by.tilted_anchor(task).value)
    yield Known("KL(q* || q_20)", "0.00520236852", np.asarray(by.divergences(task).value)[20])


@ANCHOR.known(LONG)
def _(task: AnchorTask) -> Iterator[Known]:
    law = np.exp(task.penalised.log_iterates[200])
    yield Known("q_200 with the penalty, at entry 3", "0.999722486", law[3])


# --- what must fail -------------------------------------------------------------------------------------------------


def unanchored(task: AnchorTask) -> AnchorTask:
    """The task without penalty: its penalised rounds are those without an anchor."""
    return replace(task, penalty=np.zeros(task.penalty.size))


def plain_divergences(task: AnchorTask) -> FloatArray:
    """``KL(q* || q_n)`` of the rounds in which the iterate is its own anchor."""
    logs = by.log_fixed_point(task)
    return np.asarray((np.exp(logs) * (logs - unanchored(task).penalised.log_iterates)).sum(axis=1))


def without_an_anchor(task: AnchorTask) -> Side:
    """KL(q* || q_n) of the rounds in which the iterate is its own anchor."""
    return Side(plain_divergences(task)[1:], by.divergence_after(task).error)


def round_without_an_anchor(task: AnchorTask) -> Side:
    """A round from the closed form in which the iterate is its own anchor."""
    itself = replace(unanchored(task), start=np.exp(by.log_fixed_point(task)), rounds=1)
    return Side(itself.penalised.log_iterates[1], by.one_round(task).error)


def square_of_the_share(task: AnchorTask) -> Side:
    """(1 - a)^{2k} times the first range."""
    side = by.shares_of_the_range(task)
    return Side(by.shares(task)[1:] * np.asarray(side.value), side.error)


def square_of_the_share_of_the_divergence(task: AnchorTask) -> Side:
    """(1 - a)^2 KL(q* || q_k)."""
    return by.share_of(task, by.divergences(task), (1 - task.pull) ** 2)


def without_the_penalty(task: AnchorTask) -> Side:
    """Powers of w alone."""
    return by.penalised_powers(unanchored(task))


def best_before_the_penalty(task: AnchorTask) -> Side:
    """q_0 conditioned on the largest w."""
    return by.best_after_the_penalty(unanchored(task))


def rounds_5_and_20(outcome: Outcome) -> FloatArray:
    return outcome.left[[4, 19]]


def first_on_the_left(outcome: Outcome) -> FloatArray:
    return outcome.left[:1]


def before_and_after(outcome: Outcome) -> FloatArray:
    return np.array([4 * outcome.right[0], outcome.left[0]])


divergence_part.control(
    "the iterate as its own anchor: divergence from the fixed point",
    kind="mutation",
    instance=replace(HALF, rounds=20),
    left=without_an_anchor,
    specified="0.40246269556 4.83363856863",  # the specification has ...887; balls enclose 4.8336385686289
    measure=rounds_5_and_20,
)
fixed_part.control(
    "the iterate as its own anchor", kind="mutation", instance=HALF, left=round_without_an_anchor
)
range_part.control(
    "the rate (1 - a)^2",
    kind="constant",
    instance=HALF,
    right=square_of_the_share,
    specified="1.20397280433",
    measure=first_on_the_left,
)
divergence_part.control(
    "the rate (1 - a)^2 for divergences",
    kind="constant",
    instance=COIN,
    right=square_of_the_share_of_the_divergence,
    specified="1.61446308036 0.55140084014",
    measure=before_and_after,
)
limit_part.control(
    "a first law that misses an entry",
    kind="assumption",
    drops="A1",
    instance=replace(HALF, start=np.array([0.5, 0.3, 0.0, 0.2])),
)
penalty_part.control("no penalty", kind="mutation", instance=HALF, right=without_the_penalty)
collapse_part.control(
    "collapse on the largest weight",
    kind="mutation",
    instance=HALF,
    right=best_before_the_penalty,
    specified="0 0 1 0",
    measure=right_side,
)


# --- the figure -----------------------------------------------------------------------------------------------------


@ANCHOR.figure(
    r"Range of $\log q_n - \log q^*$ from one first law, for several shares $a$ of the anchor: straight lines of slope $\log(1 - a)$ "
    "(dashed) on a logarithmic scale."
)
def _(ax: Any) -> None:
    for number, pull in enumerate((0.05, 0.1, 0.2, 0.5)):
        task = replace(HALF, pull=pull, rounds=30)
        rounds = np.arange(1, task.rounds + 1)
        line, found = (np.asarray(route(task).value) for route in (by.shares_of_the_range, by.ranges))
        shown = line > 1e-4
        ax.plot(rounds[shown], found[shown], ".", color=f"C{number}", label=f"$a = {pull}$")
        ax.plot(rounds[shown], line[shown], "--", color=f"C{number}", linewidth=1)
    ax.set(xlabel="round $n$", ylabel=r"range of $\log q_n - \log q^*$", yscale="log")
    ax.legend(loc="lower left", bbox_to_anchor=(0.5, 0.0))
