"""Nucleus (top-p) masks of policies (Ramamurthy et al. 2023: masks from the nucleus of a periodically copied policy).

A policy restricted to a set of mass ``m`` is at the divergence ``-log m``, whatever the set; the nucleus is the smallest
set with a given mass.  The bound ``log 1/p`` holds for the policy whose nucleus it is.  The nucleus of an *old* policy keeps
the mass ``p`` less the drift, and after that any divergence is possible.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mdplab.claims import DEFINITIONAL, Assumption, AtLeast, AtMost, Claim, Equal, Known, Side, both_sides
from mdplab.instances import SeededDraw
from mdplab.models import MDP
from mdplab.operators import nucleus, restricted_policy
from proofs_check.tilting import exact_nucleus as exact
from proofs_check.tilting import nucleus_routes as by
from proofs_check.tilting.mask_instances import NucleusTask, drifted_task, nucleus_task, stale_task

# --- the claim ------------------------------------------------------------------------------------------------------


def one_state(policy: list[float], level: float, reward: list[float]) -> NucleusTask:
    """One state with discount .9; the old policy is uniform."""
    row, uniform = np.array([policy]), np.full((1, len(policy)), 1 / len(policy))
    mdp = MDP(np.ones((1, len(policy), 1)), np.array([reward]), 0.9, np.ones(1))
    return NucleusTask(mdp, row, level, uniform, uniform, 3)


FIVE, NINETY = (one_state([0.4, 0.25, 0.2, 0.1, 0.05], p, [1.0, 0.0, 2.0, -1.0, 0.5]) for p in (0.5, 0.9))
STALE = stale_task(np.array([[0.05, 0.15, 0.8]]))
COIN = one_state([0.5, 0.5], 0.5, [1.0, 0.0])
SEVEN = one_state([1 / 7] * 7, 0.5, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])

NUCLEUS = Claim(
    "top-p-mask",
    title="A nucleus mask costs exactly -log m in divergence; the mask of an old policy protects only up to the drift",
    papers=("ramamurthy2022rl4lms",),
    provenance="our formalisation",
    statement=r"""
    For a policy $\pi$ and a level $p \in (0,1]$ let $M(s)$ be the shortest prefix of the actions, sorted by decreasing
    probability, with mass $m(s) \ge p$, and $q = \pi 1_M / m$. Then

    (a) $\mathrm{KL}(q\|\pi) = -\log m \le \log\frac1p$, $\mathrm{TV}(q,\pi) = 1 - m \le 1 - p$, and
    $\mathrm{KL}(\pi\|q) = \infty$ unless $m = 1$;

    (b) $q$ is the projection of $\pi$ on the policies $r$ supported in $M$:
    $\mathrm{KL}(r\|\pi) = \mathrm{KL}(r\|q) + \mathrm{KL}(q\|\pi)$; no set with fewer actions has the mass $p$;

    (c) trajectories of $H$ steps are at the divergence $\sum_{h<H} E_q[-\log m(s_h)] \le H \log\frac1p$;

    (d) $\rho \cdot (V^q - V^\pi) = \sum_s d_q(s) \sum_a (q-\pi)(a|s)\, Q^\pi(s,a)$, hence
    $\|V^q - V^\pi\|_\infty \le \frac{1-p}{1-\gamma} \max_s \mathrm{range}\, Q^\pi(s,\cdot)$;

    (e) the nucleus of an old policy keeps the mass $p - \mathrm{TV}(\pi, \pi_{\mathrm{old}})$ of $\pi$ at least, and nothing
    better: with the mass $\varepsilon$ kept the divergence is $\log\frac1\varepsilon$, which is not bounded.
    """,
    assumptions=(
        Assumption(
            "A1",
            "for (e): the old nucleus has positive mass under the policy",
            DEFINITIONAL,
            lambda t: bool((np.where(t.stale_mask, t.policy, 0.0).sum(axis=1) > 0).all()),
        ),
    ),
    instance_family=nucleus_task,
    witnesses=(FIVE, NINETY, STALE, COIN),
    instances=100,
)


def scale(task: NucleusTask) -> float:
    """1e-11 at the size of the rewards over (1 - gamma)^2."""
    return 1e-11 * (1 + float(np.abs(task.mdp.reward).max())) / (1 - task.mdp.discount) ** 2


SUMS = "rounding of sums over the actions, a quotient by the mass and a logarithm"
LEVEL = "the tolerance 1e-12 of the comparison of masses, over p, and rounding of sums"
SOLVES = "rounding of linear solves over 1 - gamma: 1e-11 at the size of the rewards over (1 - gamma)^2"

NUCLEUS.part(
    "(a)",
    r"$\mathrm{KL}(q\|\pi) = -\log m$ and $\mathrm{TV}(q,\pi) = 1 - m$",
    Equal(by.divergences, by.from_the_mass),
    resolution=1e-12,
    reason=SUMS,
    assumes=(),
    exact=(exact.divergences, exact.from_the_mass),
)
bounds = NUCLEUS.part(
    "(a, bounds)",
    r"$\mathrm{KL}(q\|\pi) \le \log\frac1p$ and $\mathrm{TV}(q,\pi) \le 1 - p$",
    AtMost(by.divergences, by.from_the_level),
    resolution=1e-10,
    reason=LEVEL,
    assumes=(),
    cross_left=by.from_the_mass,
    closed=("right",),
    exact=(exact.divergences, exact.from_the_level),
)
NUCLEUS.part(
    "(a, reverse)",
    r"$\mathrm{KL}(\pi\|q) = \infty$ iff $m < 1$",
    Equal(by.reverse_is_infinite, by.mass_is_lost),
    resolution=0.5,
    reason="supports, which floats tell",
    assumes=(),
    exact=(exact.reverse_is_infinite, exact.mass_is_lost),
)
projection = NUCLEUS.part(
    "(b)",
    r"$\mathrm{KL}(r\|\pi) = \mathrm{KL}(r\|q) + \mathrm{KL}(q\|\pi)$ for $r$ supported in $M$",
    Equal(by.comparator_divergence, by.comparator_by_projection),
    resolution=1e-11,
    reason=SUMS,
    assumes=(),
    exact=(exact.comparator_divergence, exact.comparator_by_projection),
)
smallest = NUCLEUS.part(
    "(b, smallest)",
    r"no set with fewer actions than $M$ has the mass $p$",
    Equal(by.sizes, by.smallest_sizes),
    resolution=0.5,
    reason="whole numbers; undecided where the mass of a set is within rounding of the level",
    assumes=(),
    exact=(exact.sizes, exact.smallest_sizes),
)
paths = NUCLEUS.part(
    "(c)",
    r"$\mathrm{KL}$ of trajectory laws is $\sum_{h<H} E_q[-\log m(s_h)]$",
    Equal(by.trajectory_divergence, by.stage_divergence),
    resolution=1e-11,
    reason="rounding of logarithms of probabilities, times the divergence",
    assumes=(),
    exact=(exact.trajectory_divergence, exact.stage_divergence),
)
NUCLEUS.part(
    "(c, bound)",
    r"$\mathrm{KL}$ of trajectory laws is at most $H \log\frac1p$",
    AtMost(by.trajectory_divergence, by.horizon_bound),
    resolution=1e-10,
    reason=LEVEL,
    assumes=(),
    cross_left=by.stage_divergence,
    closed=("right",),
    exact=(exact.trajectory_divergence, exact.horizon_bound),
)
NUCLEUS.part(
    "(d)",
    r"$\rho \cdot (V^q - V^\pi) = \sum_s d_q(s) \sum_a (q-\pi)(a|s)\,Q^\pi(s,a)$",
    Equal(by.value_change, by.discounted_change),
    resolution=scale,
    reason=SOLVES,
    assumes=(),
    exact=(exact.value_change, exact.discounted_change),
)
change = NUCLEUS.part(
    "(d, bound)",
    r"$\|V^q - V^\pi\|_\infty \le \frac{1-p}{1-\gamma} \max_s \mathrm{range}\,Q^\pi(s,\cdot)$",
    AtMost(by.largest_change, by.range_bound),
    resolution=scale,
    reason=SOLVES,
    assumes=(),
    cross_left=by.largest_change_by_solves,
    cross_right=by.range_bound_by_solve,
    specified_tightness="0.656",
    exact=(exact.largest_change, exact.range_bound),
)
drift = NUCLEUS.part(
    "(e)",
    r"the old nucleus keeps the mass $p - \mathrm{TV}(\pi,\pi_{\mathrm{old}})$ at least",
    AtLeast(by.stale_mass, by.level_less_drift),
    resolution=1e-11,
    reason=LEVEL,
    cross_left=by.stale_mass_by_distance,
    closed=("right",),
    exact=(exact.stale_mass, exact.level_less_drift),
)
NUCLEUS.part(
    "(e, unbounded)",
    r"with the mass $\varepsilon$ kept the divergence is $\log\frac1\varepsilon$",
    Equal(by.stale_divergence, by.log_inverse_mass),
    resolution=1e-10,
    reason=SUMS,
    family=drifted_task,
    witnesses=(STALE,),
    exact=(exact.stale_divergence, exact.log_inverse_mass),
)


@NUCLEUS.known(FIVE)
def _(task: NucleusTask) -> Iterator[Known]:
    yield Known("retained actions at p = .5", "2", by.sizes(task).value)
    yield Known("kept mass", ".65", np.where(task.mask, task.policy, 0.0).sum())
    yield Known("restricted policy", "0.615384615385 0.384615384615 0 0 0", task.restricted[0])
    yield Known("KL and TV", "0.430782916092 .35", by.divergences(task).value)


@NUCLEUS.known(NINETY)
def _(task: NucleusTask) -> Iterator[Known]:
    yield Known("retained actions at p = .9", "4", by.sizes(task).value)
    yield Known("kept mass", ".95", np.where(task.mask, task.policy, 0.0).sum())
    yield Known("KL", "0.0512932943876", np.asarray(by.divergences(task).value)[0])


@NUCLEUS.known(STALE)
def _(task: NucleusTask) -> Iterator[Known]:
    yield Known("actions of the old nucleus", "0 1", np.flatnonzero(task.stale_mask[0]))
    yield Known(
        "kept mass, and the bound",
        ".2 .2",
        np.append(by.stale_mass(task).value, by.level_less_drift(task).value),
    )
    yield Known("drift", ".7", task.level - np.asarray(by.level_less_drift(task).value))
    yield Known("KL of the masked policy", "1.609437912434", by.stale_divergence(task).value)
    yield Known("bound of a fresh mask", "0.105360515658", np.asarray(by.from_the_level(task).value)[0])


# --- what must fail -------------------------------------------------------------------------------------------------


def stale_divergences(task: NucleusTask) -> Side:
    """KL and TV of the policy restricted to the nucleus of the old one."""
    return by.divergence_side(task, restricted_policy(task.policy, task.stale_mask))


def top_one(task: NucleusTask) -> Side:
    """KL and TV of the policy restricted to its most probable action."""
    best = np.eye(task.mdp.n_actions, dtype=bool)[task.policy.argmax(axis=1)]
    return by.divergence_side(task, restricted_policy(task.policy, best))


def without_the_mass(task: NucleusTask) -> Side:
    """KL(r || q), without -log m."""
    side = by.comparator_by_projection(task)
    return Side(np.asarray(side.value) - by.minus_log_mass(task.policy, task.mask), side.error)


def with_one_action_less(task: NucleusTask) -> Side:
    """Number of retained actions, less one."""
    return Side(np.asarray(by.sizes(task).value) - 1)


def of_one_step(task: NucleusTask) -> Side:
    """Divergence of the first step alone."""
    side = by.stage_divergence(replace(task, horizon=1))
    return Side(side.value, side.error)


def without_the_horizon(task: NucleusTask) -> Side:
    """(1 - p) times the largest range of Q^pi, without 1 / (1 - gamma)."""
    side = by.range_bound(task)
    return Side((1 - task.mdp.discount) * np.asarray(side.value), side.error)


def level_alone(task: NucleusTask) -> Side:
    """p, without the drift."""
    side = by.level_less_drift(task)
    return Side(np.full(task.mdp.n_states, task.level), side.error)


bounds.control(
    "the nucleus of an old policy",
    kind="mutation",
    instance=STALE,
    left=stale_divergences,
    specified="1.609437912434 0.105360515658",
    measure=both_sides,
)
bounds.control(  # log 7: k = 1 on a uniform policy over 7 actions
    "a mask of the k most probable actions, k = 1",
    kind="mutation",
    instance=SEVEN,
    left=top_one,
    specified="1.945910149055",
    measure=lambda outcome: outcome.left[0],
)
projection.control("the divergence of r from q alone", kind="mutation", instance=FIVE, right=without_the_mass)
smallest.control("one action less", kind="constant", instance=FIVE, left=with_one_action_less, specified="1")
paths.control("the first step alone", kind="mutation", instance=FIVE, right=of_one_step)
change.control(
    "no 1 / (1 - gamma)", kind="constant", instance=COIN, right=without_the_horizon, specified="4.5"
)
drift.control("no drift", kind="mutation", instance=STALE, right=level_alone, specified="0.7")


# --- the figure -----------------------------------------------------------------------------------------------------


@NUCLEUS.figure(
    r"Left: divergence of a policy restricted to its nucleus, over the level, with the bound $\log\frac1p$. Middle: largest change "
    r"of the value on a random problem, with the bound of (d). Right: mass that the nucleus of an old policy at $p = .9$ keeps of a "
    "new one, over their total variation; the line is the bound, attained by the three-action example (star).",
    panels=3,
)
def _(axes: Any) -> None:
    levels = np.linspace(0.1, 1, 181)
    five = [replace(FIVE, level=float(p)) for p in levels]
    axes[0].step(levels, [np.asarray(by.divergences(t).value)[0] for t in five], "C0-", label=r"$-\log m$")
    axes[0].plot(levels, -np.log(levels), "k--", linewidth=1, label=r"$\log(1/p)$")
    axes[0].set(xlabel="level $p$", ylabel=r"$\mathrm{KL}(q\,\Vert\,\pi)$ (nats)")
    task = nucleus_task(SeededDraw(5))
    tasks = [replace(task, level=float(p)) for p in levels]
    axes[1].step(levels, [float(np.max(by.largest_change(t).value)) for t in tasks], "C0-", label="change")
    axes[1].plot(
        levels, [float(np.max(by.range_bound(t).value)) for t in tasks], "k--", linewidth=1, label="bound"
    )
    axes[1].set(xlabel="level $p$", ylabel=r"$\Vert V^q - V^\pi\Vert_\infty$")
    draw = SeededDraw(0)
    old = draw.weights((300, 4))
    mixed = draw.uniform(0, 1, (300, 1))
    new = mixed * draw.weights((300, 4), 0.3) + (1 - mixed) * old
    kept = np.where(nucleus(old, 0.9), new, 0.0).sum(axis=1)
    axes[2].plot(
        0.5 * np.abs(new - old).sum(axis=1), kept, "o", markersize=3, alpha=0.6, label="random pairs"
    )
    axes[2].plot([0, 0.9], [0.9, 0], "k--", linewidth=1, label=r"$p - \mathrm{TV}$")
    axes[2].plot(0.7, 0.2, "k*", markersize=11)
    axes[2].set(
        xlabel=r"$\mathrm{TV}(\pi, \pi_{\mathrm{old}})$", ylabel="kept mass", ylim=(0, 1.03), xlim=(0, 1)
    )
    for ax in axes:
        ax.legend()
