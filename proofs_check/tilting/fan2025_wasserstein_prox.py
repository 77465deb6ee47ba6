"""A reward under a Wasserstein penalty (Fan et al. 2025): the optimum moves each sample by a proximal map.

Over couplings the problem splits into one for each sample, which goes to the best point that is worth its way. So the optimum is a
push-forward and no tilt: it empties points, collapses on the best one at a finite strength, and returns to the first law, exactly, at
another; a divergence penalty does neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mdplab import operators
from mdplab.claims import DEFINITIONAL, Assumption, AtMost, Claim, Equal, Known, right_side
from mdplab.laws import Gaussian
from proofs_check.tilting import exact_prox as exact
from proofs_check.tilting import normal_prox_routes as normal
from proofs_check.tilting import prox_changes as changed
from proofs_check.tilting import prox_instances as instances
from proofs_check.tilting import prox_routes as by
from proofs_check.tilting.chain_routes import within
from proofs_check.tilting.prox_instances import NormalProx, ProxTask

# --- the claim ------------------------------------------------------------------------------------------------------

LINE, REWARD, LAW = np.arange(4.0), np.array([0.0, 0.5, 0.8, 1.5]), np.array([0.4, 0.3, 0.2, 0.1])
FOUR = {b: ProxTask(LINE, REWARD, LAW, b, np.full(4, 0.25)) for b in (0.2, 0.3, 0.6, 1.2, 2.0, 1e-3, 1e3)}
CERTAIN = replace(FOUR[0.3], reference=np.array([1e-7, 1e-7, 1 - 3e-7, 1e-7]))
MISSING = replace(FOUR[0.3], reference=np.array([0.0, 0.6, 0.3, 0.1]))
MISSING_END = replace(FOUR[2.0], reference=np.array([0.4, 0.4, 0.0, 0.2]))
SQUARE = replace(FOUR[0.3], positions=np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [2.0, 2.0]]))
NORMAL = NormalProx(Gaussian(0.0, 2.0), 3.0, 0.5, 1.0)
WEAK, STRONG = replace(NORMAL, strength=1e-3), replace(NORMAL, strength=1e3)

PROX = Claim(
    "w2-regularised-reward-prox",
    title="With a Wasserstein penalty the optimum is a push-forward by a proximal map and collapses at a finite strength",
    papers=("fan2025orwcfm",),
    provenance="our formalisation",
    statement=r"""
    For points $x_1, \dots, x_k$, a reward $r$ and a law $q_0$ on them let $F(q) = q \cdot r - \frac b2 W_2^2(q, q_0)$. Then

    (a) $\max_q F = \sum_x q_0(x) \max_y \{r(y) - \frac b2 |x - y|^2\}$, attained by moving each $x$ to its maximiser $T_b(x)$;

    (b) with $i$ the only best point, the unit mass on $x_i$ is optimal iff $b \le b_c = \min_{x, y:\, g > 0} \frac{2 (r_i - r_y)}{g}$,
    $g = |x - x_i|^2 - |x - y|^2$, and the only optimum iff $b < b_c$;

    (c) $q_0$ itself is optimal iff $b \ge \max_{x \ne y} \frac{2 (r_y - r_x)}{|x - y|^2}$, and the only optimum where this is strict;

    (d) on the line with $r = -\frac c2 (x - a)^2$ and $q_0 = N(m_0, s_0^2)$ the optimum is $N\big(\frac{ca + bm_0}{c + b}, \frac{b^2
    s_0^2}{(c + b)^2}\big)$; with $b\,\mathrm{KL}(q \| q_0)$ in the place of the transport it is $N\big(\frac{bm_0 / s_0^2 + ca}{b / s_0^2 +
    c}, \frac{b}{b / s_0^2 + c}\big)$.
    """,
    assumptions=(
        Assumption("A1", "$b > 0$", DEFINITIONAL, lambda task: task.strength > 0),
        Assumption(
            "A2",
            "one best point, for (b)",
            DEFINITIONAL,
            lambda task: bool((task.reward == task.reward.max()).sum() == 1),
        ),
        Assumption(
            "A3",
            "$q_0 > 0$ on all points, for (b) and (c)",
            "no mass where the threshold of collapse is attained",
            lambda task: bool(np.all(task.reference > 0)),
            wider=instances.missing_point,
        ),
    ),
    instance_family=instances.prox_task,
    witnesses=(*FOUR.values(), CERTAIN),
    instances=30,
)
PROGRAM = "certified error of linear programs with costs of size one; rounding of sums"
MOVES = "the error of the value over the least margin between two targets"
EDGES = "the error of values over the least slope in the strength; the specified test is at a thousandth on either side"

value_part = PROX.part(
    "(a)",
    r"$\max_q F = \sum_x q_0(x) \max_y \{r(y) - \frac b2 |x - y|^2\}$",
    Equal(by.best_coupling, by.moved_to_the_best),
    resolution=by.sized(1e-11),
    reason=PROGRAM,
    assumes=("A1",),
    exact=(exact.best_coupling, exact.moved_to_the_best),
)
PROX.part(
    "(a, plane)",
    "the same in the plane",
    Equal(by.best_coupling, by.moved_to_the_best),
    resolution=by.sized(1e-11),
    reason=PROGRAM,
    family=instances.plane_task,
    witnesses=(SQUARE,),
    assumes=("A1",),
    exact=(exact.best_coupling, exact.moved_to_the_best),
)
law_part = PROX.part(
    "(a, law)",
    r"where every maximiser is unique, the optimum is the push-forward of $q_0$ by $T_b$",
    Equal(by.best_second_marginal, by.push_forward),
    resolution=1e-6,
    reason=MOVES,
    witnesses=(*(FOUR[b] for b in (0.2, 0.3, 1.2, 2.0, 1e-3, 1e3)), CERTAIN),
    assumes=("A1",),
    exact=(exact.best_second_marginal, exact.push_forward),
)
attained_part = PROX.part(
    "(a, attained)",
    r"$F$ at the push-forward is $\sum_x q_0(x) \max_y \{r(y) - \frac b2 |x - y|^2\}$",
    Equal(by.worth_of_the_push_forward, by.moved_to_the_best),
    resolution=by.sized(1e-11),
    reason="rounded levels of the quantiles; rounding of sums",
    assumes=("A1",),
    exact=(exact.worth_of_the_push_forward, exact.moved_to_the_best),
)
rival_part = PROX.part(
    "(a, rivals)",
    r"$F(q) \le \sum_x q_0(x) \max_y \{r(y) - \frac b2 |x - y|^2\}$ for every $q$",
    AtMost(by.worth_of_the_rival, by.moved_to_the_best),
    resolution=by.sized(1e-10),
    reason=PROGRAM,
    cross_left=by.worth_of_the_rival_by_couplings,
    cross_right=by.best_coupling,
    assumes=("A1",),
    exact=(exact.worth_of_the_rival, exact.moved_to_the_best),
)
collapse_part = PROX.part(
    "(b)",
    r"the unit mass on $x_i$ is optimal up to the strength $b_c$, and no further",
    Equal(by.collapse_by_programs, by.collapse_threshold),
    resolution=by.relative(by.collapse_threshold, 1e-4),
    reason=EDGES,
    exact=(exact.collapse_by_programs, exact.collapse_threshold),
)
below_part = PROX.part(
    "(b, below)",
    r"at $.999\, b_c$ the unit mass has the largest value",
    Equal(by.best_below, by.collapsed_below),
    resolution=by.relative(by.collapsed_below, 1e-11),
    reason=PROGRAM,
    exact=(exact.best_below, exact.collapsed_below),
)
only_part = PROX.part(
    "(b, only)",
    r"at $.999\, b_c$ a law with at most half of its mass on $x_i$ loses at least half of the least margin",
    AtMost(by.half_elsewhere, by.collapse_less_the_margin),
    resolution=by.relative(by.collapse_less_the_margin, 1e-9),
    reason=PROGRAM,
    cross_left=by.half_elsewhere_by_margins,
    closed=("right",),
    exact="the capped program has no exact twin",
)
tie_part = PROX.part(
    "(b, tie)",
    r"at $b_c$ another law has the same value",
    Equal(by.worth_of_the_tied_law, by.collapsed_at),
    resolution=by.relative(by.collapsed_at, 1e-11),
    reason="rounded levels of the quantiles; error of the threshold",
    exact=(exact.worth_of_the_tied_law, exact.collapsed_at),
)
rest_part = PROX.part(
    "(c)",
    r"$q_0$ is optimal from the strength $\max_{x \ne y} 2 (r_y - r_x) / |x - y|^2$ on, and not before",
    Equal(by.rest_by_programs, by.rest_threshold),
    resolution=by.relative(by.rest_threshold, 1e-4),
    reason=EDGES,
    exact=(exact.rest_by_programs, exact.rest_threshold),
)
PROX.part(
    "(c, above)",
    "at 1.001 of this threshold $q_0$ has the largest value",
    Equal(by.best_above, by.worth_of_rest),
    resolution=by.relative(by.rest_threshold, 1e-11),
    reason=PROGRAM,
    exact=(exact.best_above, exact.worth_of_rest),
)
still_part = PROX.part(
    "(c, only)",
    "there, to move half of the mass loses at least half of the least margin",
    AtMost(by.half_moved, by.rest_less_the_margin),
    resolution=by.relative(by.rest_threshold, 1e-9),
    reason=PROGRAM,
    cross_left=by.half_moved_by_margins,
    closed=("right",),
    exact="the capped program has no exact twin",
)
CLOSED: dict[str, Any] = {
    "family": instances.normal_prox,
    "witnesses": (NORMAL, WEAK, STRONG),
    "assumes": ("A1",),
    "reason": "rounding of closed forms, of roots and of short quadrature rules",
}
moved_part = PROX.part(
    "(d)",
    r"the proximal map carries $q_0$ to $N\big(\frac{ca + bm_0}{c + b}, \frac{b^2 s_0^2}{(c + b)^2}\big)$",
    Equal(normal.law_of_moved_points, normal.transported_law),
    resolution=within(normal.transported_law),
    exact=(exact.law_of_moved_points, exact.transported_law),
    **CLOSED,
)
duality_part = PROX.part(
    "(d, optimal)",
    "its value is the mean of the envelope, which bounds all others",
    Equal(normal.worth_of_the_transported_law, normal.mean_of_the_envelope),
    resolution=within(normal.mean_of_the_envelope),
    exact=(exact.worth_of_the_transported_law, exact.mean_of_the_envelope),
    **CLOSED,
)
PROX.part(
    "(d, KL)",
    r"with a divergence penalty: mean and variance of $q_0 e^{r/b}$",
    Equal(normal.tilted_law, normal.density_by_quadrature),
    resolution=within(normal.tilted_law),
    exact="quadrature",
    **CLOSED,
)
gibbs_part = PROX.part(
    "(d, KL optimal)",
    r"its value is $b \log E_{q_0} e^{r/b}$, which bounds all others",
    Equal(normal.worth_of_the_tilt, normal.log_mean_weight),
    resolution=within(normal.log_mean_weight),
    exact="quadrature",
    **CLOSED,
)


# --- known values ---------------------------------------------------------------------------------------------------

OPTIMA = {
    0.2: "0 0 0 1 1",
    0.3: "0 2/5 0 3/5 83/100",
    0.6: "0 7/10 0 3/10 31/50",  # another law is as good: point 1 may move to 2
    1.2: "2/5 3/10 0 3/10 12/25",
    2.0: "2/5 3/10 1/5 1/10 23/50",
}


def known(strength: float) -> None:
    """Optimum and value at a strength."""

    @PROX.known(FOUR[strength])
    def _(task: ProxTask) -> Iterator[Known]:
        found = np.append(by.image(task, strength), by.moved_to_the_best(task).value)
        yield Known(f"optimum and value at b = {strength}", OPTIMA[strength], found, 1e-15)


for printed_strength in OPTIMA:
    known(printed_strength)


@PROX.known(FOUR[0.3])
def _(task: ProxTask) -> Iterator[Known]:
    yield Known("threshold of collapse", "1/4", by.collapse_threshold(task).value, 1e-15)
    yield Known("threshold of rest", "7/5", by.rest_threshold(task).value, 1e-15)
    target = operators.transport_prox(task.reward, task.positions, strength=0.3).target
    yield Known("T at b = .3", "1 3 3 3", target)
    yield Known("worth of collapse at the threshold", "7/8", by.collapsed_at(task).value, 1e-15)
    yield Known("worth of the law that ties", "7/8", by.worth_of_the_tied_law(task).value, 1e-15)
    yield Known("the law that ties", "0 2/5 0 3/5", by.tied_law(task), 1e-15)
    yield Known("two rounds of T at b = .3", "0 0 0 1", by.image(task, 0.3, rounds=2), 1e-15)
    yield Known("five rounds of T at b = .6", "0 7/10 0 3/10", by.image(task, 0.6, rounds=5), 1e-15)


@PROX.known(NORMAL)
def _(task: NormalProx) -> Iterator[Known]:
    tilted = normal.tilted(task)
    yield Known("mean and deviation, transport", "1 4/3", normal.transported_law(task).value, 1e-15)
    yield Known("the same, divergence", "2 1.1547005384", [tilted.mean, tilted.deviation], 1e-15)


# --- what must fail -------------------------------------------------------------------------------------------------


law_part.control(
    "the tilt of q_0",
    kind="mutation",
    instance=FOUR[0.3],
    right=changed.tilted_law,
    specified="0.020296279 0.080593835 0.146051171 0.753058715",
    measure=right_side,
)
law_part.control(
    "penalty on the distance from the last iterate, two rounds",
    kind="mutation",
    instance=FOUR[0.3],
    right=changed.second_round,
    specified="0 0 0 1",
    measure=right_side,
)
attained_part.control("F at the tilt", kind="mutation", instance=FOUR[0.3], left=changed.worth_of_the_tilt)
value_part.control("half of the penalty", kind="constant", instance=FOUR[0.3], right=changed.half_the_charge)
rival_part.control(
    "the values of collapse and of the push-forward exchanged",
    kind="mutation",
    instance=FOUR[0.3],
    left=by.worth_of_the_push_forward,
    right=changed.collapsed,
    both="the push-forward is a law like any other, and collapse is not optimal at this strength",
)
collapse_part.control(
    "no mass where the threshold of collapse is attained",
    kind="assumption",
    drops="A3",
    instance=MISSING,
)
collapse_part.control(
    "only the points themselves are compared", kind="mutation", instance=FOUR[0.3], right=changed.lone_gain
)
below_part.control(
    "1.01 of the threshold",
    kind="constant",
    instance=FOUR[0.3],
    left=changed.best_beyond,
    right=changed.collapsed_beyond,
    both="the strength enters both values",
)
only_part.control(
    "the largest margin",
    kind="constant",
    instance=FOUR[0.3],
    right=changed.collapse_less_the_largest_margin,
)
tie_part.control(
    "the law that ties, at .9 of the threshold",
    kind="constant",
    instance=FOUR[0.3],
    left=changed.tied_before,
    right=changed.collapsed_before,
    both="the strength enters both values",
)
rest_part.control(
    "the threshold without its 2", kind="constant", instance=FOUR[0.3], right=changed.without_the_half
)
rest_part.control(
    "no mass where the threshold of rest is attained",
    kind="assumption",
    drops="A3",
    instance=MISSING_END,
)
still_part.control(
    "the largest margin at rest",
    kind="constant",
    instance=FOUR[0.3],
    right=changed.rest_less_the_largest_margin,
)
moved_part.control(
    "the divergence in the place of the transport",
    kind="mutation",
    instance=NORMAL,
    right=changed.divergence_in_the_place_of_transport,
    specified="2 1.1547005384",
    measure=right_side,
)
duality_part.control(
    "the value at the tilt", kind="mutation", instance=NORMAL, left=changed.worth_at_the_tilt
)
gibbs_part.control(
    "the divergence of the start from the law",
    kind="mutation",
    instance=NORMAL,
    left=changed.other_divergence,
)


# --- the figure -----------------------------------------------------------------------------------------------------


@PROX.figure(
    "Mass of each of four points (rewards 0, .5, .8, 1.5 from left to right on the line) at the optimum against the strength of the penalty. "
    "Left: transport; the law jumps from one to the next, is collapsed below the first dashed line and at rest above the second. Middle: "
    "divergence; smooth, and neither. Right: transport from the last iterate, four rounds, which collapse at strengths at which "
    "the optimum does not.",
    panels=3,
)
def _(axes: Any) -> None:
    task, strengths = FOUR[0.3], np.geomspace(0.1, 3.0, 500)
    rounds = [by.image(task, b, rounds=4) for b in strengths]
    laws = ([by.image(task, b) for b in strengths], [changed.tilt(task, b) for b in strengths], rounds)
    names = ("transport", "divergence", "four rounds")
    for ax, series, name in zip(axes, laws, names, strict=True):
        ax.stackplot(
            strengths, np.array(series).T, colors=["0.85", "C0", "C2", "C1"], labels=["0", "1", "2", "3"]
        )
        ax.set(xlabel="strength $b$", xscale="log", xlim=(0.1, 3.0), ylim=(0, 1), title=name)
        ax.set_xticks([0.1, 0.3, 1, 3], ["0.1", "0.3", "1", "3"])
        ax.set_xticks([], minor=True)
    for threshold in (by.collapse_threshold(task), by.rest_threshold(task)):
        axes[0].axvline(float(np.asarray(threshold.value)), color="k", linestyle="--", linewidth=1)
    axes[0].set_ylabel("mass of the points")
    axes[2].legend(loc="center left", title="point", frameon=True)
