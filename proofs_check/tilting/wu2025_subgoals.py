"""Subgoals in a regularised decision problem (Wu et al. 2025): what splits exactly over segments, and what one subgoal costs.

With deterministic dynamics the optimum near a reference policy is a sum over action strings.  Cut in segments it is a sum over
sequences of subgoals of products over segments: the bound for one sequence of subgoals is the whole objective plus the
temperature times the log-probability that the optimal policy passes that sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, AtLeast, AtMost, Claim, Equal, Known, Outcome, Side
from mdplab.instances import SeededDraw
from proofs_check.tilting import exact_segments as exact
from proofs_check.tilting.chain_routes import LOG_SPACE
from proofs_check.tilting.segment_instances import (
    SegmentTask,
    coin_task,
    near_certain_segments,
    segment_task,
    stochastic_task,
    three_state_segments,
)
from proofs_check.tilting.segment_routes import (
    best_and_cheapest,
    best_through,
    best_through_by_posterior,
    by_segment,
    conditional_penalty,
    conditioned_objectives,
    conditioned_objectives_by_divergence,
    count_bound,
    entropy_gap,
    global_optimum,
    log_products,
    loss_of_the_best,
    loss_of_the_best_by_enumeration,
    mixture_divergence,
    penalty_gap,
    segmentwise,
    sequence_values,
    sequence_values_by_enumeration,
    soft_value,
    whole,
)

# --- the claim ------------------------------------------------------------------------------------------------------

K = three_state_segments()
COLD, HOT = near_certain_segments(1e-3), near_certain_segments(1e3)

SUBGOALS = Claim(
    "subgoal-elbo",
    title="The objective splits over subgoal segments; one sequence of subgoals costs minus the log of its posterior probability",
    papers=("wu2025vscrl",),
    provenance="our formalisation",
    statement=r"""
    Let the dynamics $s' = f(s, a)$ be deterministic, $\pi_{\mathrm{ref}}$ a reference policy, $\alpha > 0$, and
    $J(\pi) = E_\pi \sum_t R(s_t, a_t) - \alpha\, \mathrm{KL}(\pi\|\pi_{\mathrm{ref}})$ along paths of $T$ steps from $g_0$. Cut
    the horizon into segments of lengths $L_i$; the subgoal $g_i$ is the state at the end of segment $i$. Let $V_t$ be the soft
    values, $M_L(s, g) = \log \sum \pi_{\mathrm{ref}}(\mathrm{string})\, e^{R(\mathrm{string})/\alpha}$ over the action strings of
    length $L$ from $s$ to $g$, and $q^*(g)$ the probability that the optimal policy passes $g = (g_1, ..., g_m)$. Then

    (a) for every policy $J = \sum_i E[J_i]$, with $J_i$ the same objective on segment $i$ from its start;

    (b) $\max J$ is found segment by segment, each with the optimal value of what follows as terminal reward;

    (c) $\max_\pi J = \alpha\,\mathrm{lse}_{g_1, ..., g_m} \sum_i M_{L_i}(g_{i-1}, g_i)$;

    (d) the best policy that surely passes $g$ has the value $\alpha \sum_i M_{L_i}(g_{i-1}, g_i) = \max J + \alpha \log q^*(g)$;
    the best sequence loses at most $\alpha$ times the log of the number of sequences that can be passed;

    (e) for a mixture $\pi = \sum_k \rho_k \pi_k$ in a state, $\sum_k \rho_k \mathrm{KL}(\pi_k\|\pi_{\mathrm{ref}}) -
    \mathrm{KL}(\pi\|\pi_{\mathrm{ref}}) = \sum_k \rho_k \mathrm{KL}(\pi_k\|\pi) \ge 0$.
    """,
    assumptions=(
        Assumption(
            "A1",
            "deterministic dynamics (in (b) to (d))",
            "a coin decides",
            lambda task: bool(np.all((task.transition == 0) | (task.transition == 1))),
            wider=stochastic_task,
        ),
        Assumption(
            "A2",
            r"$\pi_{\mathrm{ref}} > 0$",
            DEFINITIONAL,
            lambda task: bool(np.all(task.reference > 0)),
        ),
    ),
    instance_family=segment_task,
    witnesses=(K, COLD, HOT),
    instances=30,
)


def at_the_temperature(right: Callable[[SegmentTask], Side]) -> Callable[[SegmentTask], FloatArray]:
    """1e-9 relative, plus 1e-11 of the temperature where that is larger than 1."""
    return lambda task: 1e-11 * max(1.0, task.temperature) + 1e-9 * np.abs(np.asarray(right(task).value))


split_part = SUBGOALS.part(
    "(a)",
    r"$J = \sum_i E[J_i]$ for every policy",
    Equal(whole, by_segment),
    resolution=at_the_temperature(by_segment),
    reason=LOG_SPACE,
    assumes=("A2",),
    exact=(exact.whole, exact.by_segment),
)
backward_part = SUBGOALS.part(
    "(b)",
    r"segments with the optimal value of what follows as terminal reward give $\max J$ and the optimal strings",
    Equal(segmentwise, global_optimum),
    resolution=at_the_temperature(global_optimum),
    reason=LOG_SPACE,
    exact=(exact.segmentwise, exact.global_optimum),
)
sum_part = SUBGOALS.part(
    "(c)",
    r"$\max J = \alpha\,\mathrm{lse}_g\sum_iM_{L_i}(g_{i-1},g_i)$",
    Equal(soft_value, log_products),
    resolution=at_the_temperature(log_products),
    reason=LOG_SPACE,
    exact=(exact.soft_value, exact.log_products),
)
sequence_part = SUBGOALS.part(
    "(d)",
    r"the optimal strings through $g$ have $J = \alpha\sum_iM_{L_i}(g_{i-1},g_i) = \max J+\alpha\log q^*(g)$",
    Equal(sequence_values_by_enumeration, sequence_values),
    resolution=at_the_temperature(sequence_values),
    reason=LOG_SPACE,
    exact=(exact.sequence_values_by_posterior, exact.sequence_values),
)
through_part = SUBGOALS.part(
    "(d, best)",
    r"no law of strings through $g$ has more than $\alpha\sum_iM_{L_i}(g_{i-1},g_i)$",
    AtMost(conditioned_objectives, best_through),
    resolution=lambda task: 1e-9 * (max(1.0, task.temperature) + np.abs(conditioned_objectives(task).value)),
    reason=LOG_SPACE,
    cross_left=conditioned_objectives_by_divergence,
    cross_right=best_through_by_posterior,
    exact=(exact.conditioned_objectives, exact.best_through),
)
loss_part = SUBGOALS.part(
    "(d, loss)",
    r"the best sequence loses at most $\alpha\log\#\{g\}$",
    AtMost(loss_of_the_best, count_bound),
    resolution=lambda task: 1e-9 * max(1.0, task.temperature) * (1 + np.asarray(count_bound(task).value)),
    reason=LOG_SPACE,
    cross_left=loss_of_the_best_by_enumeration,
    closed=("right",),
    exact=(exact.loss_of_the_best, exact.count_bound),
)
mixture_part = SUBGOALS.part(
    "(e)",
    r"$\sum_k\rho_k\mathrm{KL}(\pi_k\|\pi_{\mathrm{ref}})-\mathrm{KL}(\pi\|\pi_{\mathrm{ref}}) = \sum_k\rho_k\mathrm{KL}(\pi_k\|\pi)$",
    Equal(penalty_gap, mixture_divergence),
    resolution=1e-11,
    reason="rounding of a few logarithms, at the size of the largest one",
    assumes=("A2",),
    exact=(exact.penalty_gap, exact.mixture_divergence),
)


def nothing(task: SegmentTask) -> Side:
    """Zero, in every state"""
    return Side(np.zeros(len(task.reward)))


sign_part = SUBGOALS.part(
    "(e, sign)",
    "the subgoal-conditioned penalty is no smaller than that of the mixture",
    AtLeast(penalty_gap, nothing),
    resolution=1e-11,
    reason="rounding of a few logarithms, at the size of the largest one",
    cross_left=entropy_gap,
    closed=("right",),
    assumes=("A2",),
    exact=(exact.mixture_divergence, exact.nothing),
)


@SUBGOALS.known(K)
def _(task: SegmentTask) -> Iterator[Known]:
    found = task.solution
    yield Known("V_0", "1.348395182872 0.799041980948 2.799758484247", found.value[0])
    yield Known("V_1", "0.787778558826 0.310057253479 1.400897144528", found.value[1])
    yield Known("optimal policy at 0", "0.555714012789 0.444285987211", found.policy[0, 0])
    values = np.asarray(sequence_values(task).value)[0]
    yield Known(
        "values of (1, 0), (1, 1), (2, 0), (2, 2)",
        "0.39801359784 0.89801359784 -1.63648283791 0.93986823190",
        values,
    )
    q = np.exp((values - found.value[0, 0]) / task.temperature)
    yield Known(
        "their probabilities", "0.149454516475 0.406259496314 0.002554864624 0.441731122588", q, 1e-15
    )
    one = task.temperature * np.logaddexp.reduce(values.reshape(2, 2) / task.temperature, axis=1)
    yield Known("through 1, and through 2, the second subgoal free", "1.0546444416 0.9427517786", one)
    posterior = found.value[0, 0] + task.temperature * np.log(found.policy[0, 0])
    yield Known("the same from the policy", "1.0546444416 0.9427517786", posterior)


# --- what must fail -------------------------------------------------------------------------------------------------


def policy_and_value(outcome: Outcome) -> FloatArray:
    return outcome.left[[1, 2, 0]]


LONG = replace(K, lengths=(2, 1), policy=np.concatenate((K.policy, K.policy[:1])))


def anywhere(task: SegmentTask) -> Side:
    """The soft value, of all strings, for each sequence that several strings pass, after a zero"""
    return Side(np.append(0.0, np.full(task.several.sum(), task.solution.value[0, 0])))


split_part.control(
    "segments from the likeliest subgoal alone",
    kind="mutation",
    instance=K,
    right=partial(by_segment, likeliest_only=True),
)
backward_part.control(
    "segments without a continuation value",
    kind="mutation",
    instance=K,
    left=partial(segmentwise, continuation=False),
    specified="0.917243097104 0.082756902896 1.1881103432",
    measure=policy_and_value,
)
sum_part.control(
    "a coin decides",
    kind="assumption",
    drops="A1",
    instance=coin_task(),
    specified="0.5 0.7168904152",
    measure=lambda outcome: np.append(outcome.left, outcome.right),
)
sequence_part.control(
    "one sequence for all of them",
    kind="mutation",
    instance=K,
    left=lambda task: Side(np.full((2, 4), task.solution.value[0, 0])),
)
through_part.control(
    "strings that need not pass the sequence",
    kind="mutation",
    instance=LONG,
    left=anywhere,
)
loss_part.control(
    "half the logarithm of the number", kind="constant", instance=K, right=partial(count_bound, factor=0.5)
)
mixture_part.control(
    "the divergences in the other direction", kind="mutation", instance=K, right=conditional_penalty
)
sign_part.control(
    "the penalty of the mixture less that of its parts",
    kind="mutation",
    instance=K,
    left=lambda task: Side(-np.asarray(penalty_gap(task).value), penalty_gap(task).error),
)

SUBGOALS.reading(
    "one-sequence",
    title="The bound for the best sequence of subgoals is the original objective",
    statement=r"$\max_g \alpha \sum_i M_{L_i}(g_{i-1}, g_i) = \max_\pi J$: nothing is lost by fixing the right subgoals.",
    relation=Equal(best_and_cheapest, soft_value),
    counterexamples=(K,),
    repair=sequence_part,
    resolution=1e-11,
    reason=LOG_SPACE,
    specified="0.93986823190 1.348395182872",
    measure=lambda outcome: np.append(outcome.left, outcome.right),
)


# --- the figure -----------------------------------------------------------------------------------------------------


@SUBGOALS.figure(
    "What the best sequence of subgoals loses, over the temperature, against its probability under the optimal policy: 150 random "
    r"problems are on the curve $-\log q^*(g)$."
)
def _(ax: Any) -> None:
    tasks = [segment_task(SeededDraw(seed)) for seed in range(150)]
    losses = [np.asarray(loss_of_the_best(task).value) / task.temperature for task in tasks]
    likeliest = []
    for task in tasks:
        law = np.exp(task.strings.policy_log_probability(task.solution.policy).sum(axis=1))
        likeliest.append(np.bincount(task.sequences, law).max())
    across = np.linspace(min(likeliest), 1, 200)
    ax.plot(across, -np.log(across), color="0.3", label=r"$-\log q^*(g)$")
    ax.plot(likeliest, losses, "o", markersize=3.5, alpha=0.7, label="best sequence")
    ax.set(
        xlabel=r"posterior probability $q^*(g)$ of the best sequence",
        ylabel=r"loss$\,/\,\alpha$",
        ylim=(0, None),
    )
    ax.grid(True)
    ax.legend()
