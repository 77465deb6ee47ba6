"""Advantages standardised within a group of rollouts (Wang et al. 2025, on the collapse of group-relative advantages).

For binary rewards the expected update is the gradient times an explicit function of the success rate: standardising turns
the objective ``p`` into one close to ``2 arcsin sqrt p``.  For other rewards it is not even parallel to the gradient.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mdplab.claims import (
    DEFINITIONAL,
    Assumption,
    AtMost,
    Claim,
    Equal,
    Known,
    Rate,
    Side,
    left_side,
    rounding,
)
from proofs_check.tilting import exact_groups as exact
from proofs_check.tilting import group_routes as by
from proofs_check.tilting.group_instances import (
    GroupTask,
    coin_task,
    graded_task,
    group_task,
    limit_task,
    real_task,
)

# --- the claim ------------------------------------------------------------------------------------------------------


def coin(success: float, size: int) -> GroupTask:
    """A failure and a success."""
    return GroupTask(np.array([1 - success, success]), np.array([0.0, 1.0]), size)


EIGHTS = {success: coin(success, 8) for success in (0.1, 0.5, 0.01)}
THREE = GroupTask(np.array([0.5, 0.3, 0.2]), np.array([0.0, 1.0, 1.0]), 4)
TEN = GroupTask(np.array([0.5, 0.3, 0.2]), np.array([0.0, 1.0, 10.0]), 4)

GROUPS = Claim(
    "group-normalised-gradient",
    title="Standardising rewards within groups multiplies the gradient by an explicit function, for binary rewards only",
    papers=("wang2025igpo",),
    provenance="our formalisation",
    statement=r"""
    A softmax policy with one state has the success probability $p$; in groups of $G$ independent rollouts the advantage is
    $A_i = (r_i - \bar r)/\mathrm{std}$ with the population standard deviation, zero where that vanishes, and the expected
    update is $u = E\big[\frac1G \sum_i A_i \nabla \log \pi(a_i)\big]$. Then

    (a) $u = c_G(p)\, \nabla p$ with $c_G(p) = \frac{E\sqrt{k(G-k)}}{G\,p(1-p)}$, $k \sim \mathrm{Bin}(G, p)$; with the mean
    subtracted but no division $u = \frac{G-1}{G} \nabla E r$ for any rewards;

    (b) $c_G(p) \le \sqrt{\frac{G-1}{G\,p(1-p)}}$, $c_2 = 1$, and $c_G \to 1/\sqrt{p(1-p)}$ like $1/G$: the limit objective is
    $2\arcsin\sqrt p$;

    (c) a group carries no signal with probability $p^G + (1-p)^G$; if rollouts carry a richer record $z$ with the law $\mu$ that
    determines the outcome, all records of a group coincide with probability $\sum_z \mu(z)^G \le p^G + (1-p)^G$.
    """,
    assumptions=(
        Assumption("A1", "independent rollouts of one policy", "rollouts in identical pairs"),
        Assumption(
            "A2",
            "binary rewards, for (a) and (b)",
            "rewards 0, 1, 10",
            lambda t: bool(np.isin(t.rewards, (0.0, 1.0)).all()),
            wider=graded_task,
        ),
        Assumption(
            "A3",
            "neither success nor failure is certain",
            DEFINITIONAL,
            lambda t: bool(np.ptp(t.rewards[t.policy > 0]) > 0),
        ),
    ),
    instance_family=group_task,
    witnesses=(THREE, *EIGHTS.values()),
    instances=100,
)

ENUMERATED = "rounding of sums over at most 4096 groups"

scaled = GROUPS.part(
    "(a)",
    r"$u = c_G(p)\,\nabla p$",
    Equal(by.standardised_update, by.scaled_gradient),
    resolution=1e-12,
    reason=ENUMERATED,
    exact=(exact.standardised_update, exact.scaled_gradient),
)
centred = GROUPS.part(
    "(a, mean only)",
    r"without the division $u = \frac{G-1}{G}\nabla E r$, for any rewards",
    Equal(by.centred_update, by.share_of_the_gradient),
    resolution=lambda task: 1e-12 * (1 + float(np.abs(task.rewards).max())),
    reason=ENUMERATED,
    family=real_task,
    witnesses=(THREE, TEN),
    assumes=("A1", "A3"),
    exact=(exact.centred_update, exact.share_of_the_gradient),
)
bound = GROUPS.part(
    "(b)",
    r"$c_G(p) \le \sqrt{\frac{G-1}{G\,p(1-p)}}$",
    AtMost(by.binomial_factor, by.jensen),
    resolution=lambda task: 1e-11 * (1 + float(np.asarray(by.jensen(task).value))),
    reason="relative rounding of a sum of positive terms, times the largest logarithm",
    family=coin_task,
    cross_left=by.enumerated_factor,
    closed=("right",),
    specified_tightness="0.964",
    exact=(exact.factor, exact.jensen),
)
pairs = GROUPS.part(
    "(b, pairs)",
    "$c_2(p) = 1$",
    Equal(by.pair_factor, by.one),
    resolution=1e-11,
    reason="relative rounding of one term, times the largest logarithm",
    family=coin_task,
    exact=(exact.pair_factor, exact.one),
)
GROUPS.part(
    "(b, limit)",
    r"$|c_G(p) - 1/\sqrt{p(1-p)}|$ falls like $1/G$",
    Rate(by.factors, by.limit, parameter=lambda task: by.SIZES, window=(-1.15, -0.95)),
    resolution=1e-5,
    reason="relative rounding of the factors over the distance to the limit",
    quantifier="limit",
    family=limit_task,
    witnesses=(EIGHTS[0.5],),
    instances=20,
    exact="a fitted slope",
)
GROUPS.part(
    "(b, objective)",
    r"the derivative of $2\arcsin\sqrt p$ is $1/\sqrt{p(1-p)}$",
    Equal(by.slope_of_the_objective, by.limit),
    resolution=1e-12,
    reason="rounding of a complex step and of a closed form, p between .2 and .8",
    family=limit_task,
    witnesses=(EIGHTS[0.5],),
    exact="a derivative by a complex step",
)
silent = GROUPS.part(
    "(c)",
    "a group has equal rewards with probability $p^G + (1-p)^G$",
    Equal(by.silent_groups, by.silence),
    resolution=1e-12,
    reason=ENUMERATED,
    assumes=("A1", "A2"),
    exact=(exact.silent_groups, exact.silence),
)
records = GROUPS.part(
    "(c, records)",
    r"$\sum_z \mu(z)^G \le p^G + (1-p)^G$",
    AtMost(by.equal_records, by.silence),
    resolution=1e-12,
    reason=ENUMERATED,
    assumes=("A1", "A2"),
    cross_left=by.equal_records_enumerated,
    closed=("right",),
    exact=(exact.equal_records, exact.silence),
)

PRINTED = {
    0.1: "2.3276890521 3.1180478223 0.43046722",
    0.5: "1.8556559496 1.8708286934 0.0078125",
    0.01: "2.6088622435 9.4012679136 0.9227446944",
}


def known(success: float) -> None:
    """Factor, bound and probability of no signal at G = 8."""

    @GROUPS.known(EIGHTS[success])
    def _(task: GroupTask) -> Iterator[Known]:
        found = [
            float(np.asarray(route(task).value)) for route in (by.binomial_factor, by.jensen, by.silence)
        ]
        yield Known(
            f"c_8({success}), its bound and the probability of no signal", PRINTED[success], found, 1e-15
        )
        yield Known(f"c_2({success})", "1", by.pair_factor(task).value, 1e-14)


for printed_success in PRINTED:
    known(printed_success)


@GROUPS.known(TEN)
def _(task: GroupTask) -> Iterator[Known]:
    yield Known("gradient of the expected reward", "-1.15 -0.39 1.54", task.gradient)
    yield Known(
        "standardised update",
        "-0.334694132379 0.070151191679 0.264542940700",
        by.standardised_update(task).value,
    )
    yield Known("centred update", "-0.8625 -0.2925 1.155", by.centred_update(task).value)


# --- what must fail -------------------------------------------------------------------------------------------------


def nearest_multiple(task: GroupTask) -> Side:
    """The multiple of the gradient that is nearest to the update."""
    side, gradient = by.standardised_update(task), task.gradient
    return Side(gradient * (gradient @ np.asarray(side.value)) / (gradient @ gradient), side.error)


def in_identical_pairs(task: GroupTask) -> Side:
    """Expected update of groups in which each rollout occurs twice."""
    return by.expected_update(task, standardised=True, repeats=2)


def by_the_sample_deviation(task: GroupTask) -> Side:
    """Expected update with the sample standard deviation."""
    side = by.standardised_update(task)
    return Side(np.sqrt((task.size - 1) / task.size) * np.asarray(side.value), side.error)


def whole_gradient(task: GroupTask) -> Side:
    """The gradient, without (G - 1) / G."""
    side = by.share_of_the_gradient(task)
    return Side(task.gradient, side.error)


def without_the_variance(task: GroupTask) -> Side:
    """sqrt((G - 1) / G)."""
    return Side(np.sqrt((task.size - 1) / task.size), rounding(1.0, 8))


def all_succeed(task: GroupTask) -> Side:
    """p^G alone."""
    return Side(task.success**task.size, rounding(1.0, by.operations(task)))


def factor_of_the_group(task: GroupTask) -> Side:
    """c_G in the place of c_2."""
    return by.binomial_factor(task)


scaled.control(
    "rewards 0, 1, 10",
    kind="assumption",
    drops="A2",
    instance=TEN,
    right=nearest_multiple,
    specified="-0.334694132379 0.070151191679 0.264542940700",
    measure=left_side,
)
scaled.control(
    "rollouts in identical pairs", kind="assumption", drops="A1", instance=THREE, left=in_identical_pairs
)
scaled.control("the sample standard deviation", kind="constant", instance=THREE, left=by_the_sample_deviation)
centred.control(
    "the gradient without (G - 1) / G", kind="constant", instance=TEN, right=whole_gradient, specified="0.385"
)
bound.control("no p (1 - p) in the bound", kind="constant", instance=EIGHTS[0.5], right=without_the_variance)
pairs.control(
    "groups of eight",
    kind="constant",
    instance=EIGHTS[0.5],
    left=factor_of_the_group,
    specified="0.8556559496",
)
silent.control("p^G alone", kind="mutation", instance=EIGHTS[0.1], right=all_succeed, specified="0.43046721")
records.control(
    "p^G alone as a bound for the records", kind="mutation", instance=EIGHTS[0.1], right=all_succeed
)


# --- the figure -----------------------------------------------------------------------------------------------------


@GROUPS.figure(
    r"Left: factor $c_G(p)$ between the expected update and the gradient of the success rate, with its limit $1/\sqrt{p(1-p)}$ "
    "(dashed): hard and easy problems weigh more. Right: probability that all rewards of a group are equal, so that it carries no "
    "signal.",
    panels=2,
)
def _(axes: Any) -> None:
    rates = np.linspace(0.002, 0.998, 250)
    for number, size in enumerate((2, 4, 8, 64)):
        tasks = [replace(EIGHTS[0.5], policy=np.array([1 - p, p]), size=size) for p in rates]
        name = f"$G = {size}$"
        axes[0].plot(
            rates, [by.binomial_factor(task).value for task in tasks], color=f"C{number}", label=name
        )
        axes[1].plot(
            rates, [task.success**size + task.failure**size for task in tasks], color=f"C{number}", label=name
        )
    axes[0].plot(rates, 1 / np.sqrt(rates * (1 - rates)), "k--", linewidth=1, label="limit")
    axes[0].set(xlabel="success rate $p$", ylabel="factor $c_G(p)$", ylim=(0, 8))
    axes[1].set(xlabel="success rate $p$", ylabel="probability of no signal", ylim=(0, 1))
    for ax in axes:
        ax.legend(loc="upper center")
