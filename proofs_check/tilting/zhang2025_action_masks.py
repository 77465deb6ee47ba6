"""What an action mask costs (after Zhang et al. 2025 and Ramamurthy et al. 2023, who mask the actions of large problems).

A masked problem is the same problem with fewer policies.  Its loss is what the performance difference lemma says: the
discounted sum of the gaps of a masked optimal policy.  Nothing is lost where a retained optimal policy never leaves the
states in which it is retained; what other policies could reach does not matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import (
    DEFINITIONAL,
    Assumption,
    AtLeast,
    AtMost,
    Claim,
    Equal,
    Known,
    Outcome,
    Side,
)
from mdplab.instances import SeededDraw, random_mask
from mdplab.models import MDP
from proofs_check.tilting import exact_masks as exact
from proofs_check.tilting import mask_routes as by
from proofs_check.tilting.mask_instances import MaskTask, dense_mdp, mask_task, three_state_task

# --- the claim ------------------------------------------------------------------------------------------------------

T3 = three_state_task()
ONE_STEP = MaskTask(
    MDP(
        np.array([[[0, 1.0], [0, 1.0]], [[0, 1.0], [0, 1.0]]]),
        np.array([[1.0, 0.0], [0.0, 0.0]]),
        0.5,
        np.eye(2)[0],
    ),
    np.array([[False, True], [True, True]]),
)

MYOPIC = MaskTask(
    ONE_STEP.mdp.replace(discount=0.0, reward=[[1.0, 1.0], [1.0, 0.0]]),
    np.array([[True, True], [False, True]]),
)

MASK = Claim(
    "mask-optimal-value",
    title="A mask costs nothing exactly where a retained optimal policy never leaves the states that retain one",
    papers=("zhang2025palletization", "ramamurthy2022rl4lms"),
    provenance="our formalisation",
    statement=r"""
    Let a mask $M$ keep at least one action in each state of $(P, R, \gamma)$; $V^*, Q^*$ are the unmasked optimal values,
    $V_M$ the optimal value with actions in $M$, $\pi_M$ an optimal masked policy, and
    $g(s) = \min_{a \in M(s)} (V^*(s) - Q^*(s,a)) \ge 0$ the gap of a state. Then

    (a) $V_M = V^*$ in all states iff $g = 0$ in all states;

    (b) $V_M(s_0) = V^*(s_0)$ iff $s_0 \in C$, the largest set such that each $s \in C$ has some $a \in M(s)$ with
    $Q^*(s,a) = V^*(s)$ and, if $\gamma > 0$, all successors in $C$. That every state reachable under the mask keeps an optimal action is
    sufficient, not necessary;

    (c) $V^*(s_0) - V_M(s_0) = \sum_s d(s)\, (V^*(s) - Q^*(s, \pi_M(s)))$ with the unnormalised discounted occupancy $d$ of
    $\pi_M$ from $s_0$;

    (d) $g(s) \le V^*(s) - V_M(s) \le \max g / (1 - \gamma)$ in every state, and both are attained.
    """,
    assumptions=(
        Assumption(
            "A1",
            "the mask keeps an action in each state",
            DEFINITIONAL,
            lambda t: bool(t.mask.any(axis=1).all()),
        ),
        Assumption("A2", r"$\gamma < 1$", DEFINITIONAL, lambda t: t.mdp.discount < 1),
    ),
    instance_family=mask_task,
    witnesses=(T3, ONE_STEP, MYOPIC),
    instances=200,
)

TELL = "a loss or gap is zero within its error bound or above 1e-9; between, the instance is undecided"


def scale(task: MaskTask) -> float:
    """1e-11 at the size of the values over 1 - gamma."""
    return 1e-11 * (1 + float(np.abs(task.mdp.reward).max())) / (1 - task.mdp.discount) ** 2


ROUNDING = "certificates of the values, over 1 - gamma: 1e-11 at the size of the rewards over (1 - gamma)^2"

MASK.part(
    "(a)",
    r"$V_M = V^*$ everywhere iff $g = 0$ everywhere",
    Equal(by.nothing_is_lost, by.no_gap),
    resolution=0.5,
    reason=TELL,
    exact=(exact.nothing_is_lost, exact.no_gap),
)
local = MASK.part(
    "(b)",
    r"$V_M(s_0) = V^*(s_0)$ iff $s_0 \in C$, for every $s_0$",
    Equal(by.states_without_loss, by.region),
    resolution=0.5,
    reason=TELL,
    exact=(exact.states_without_loss, exact.region),
)
MASK.part(
    "(b, sufficient)",
    r"if every state reachable under the mask keeps an optimal action, then $V_M(s_0) = V^*(s_0)$",
    AtMost(by.reachable_states_keep, by.states_without_loss),
    resolution=0.5,
    reason=TELL,
    cross_left=by.no_lost_state_is_reachable,
    cross_right=by.region,
    exact=(exact.reachable_states_keep, exact.states_without_loss),
)
MASK.part(
    "(c)",
    r"$V^*(s_0) - V_M(s_0) = \sum_s d(s)\,(V^*(s) - Q^*(s,\pi_M(s)))$ for every $s_0$",
    Equal(by.losses, by.discounted_gaps),
    resolution=scale,
    reason=ROUNDING,
    exact=(exact.losses, exact.discounted_gaps),
)
MASK.part(
    "(d, lower)",
    r"$g(s) \le V^*(s) - V_M(s)$",
    AtLeast(by.losses, by.gaps),
    resolution=scale,
    reason=ROUNDING,
    cross_left=by.losses_by_sweeps,
    cross_right=by.gaps_by_solves,
    exact=(exact.losses, exact.gaps),
)
upper = MASK.part(
    "(d, upper)",
    r"$V^*(s) - V_M(s) \le \max g/(1-\gamma)$",
    AtMost(by.losses, by.largest_gap),
    resolution=scale,
    reason=ROUNDING,
    cross_left=by.losses_by_sweeps,
    cross_right=by.largest_gap_by_solves,
    specified_tightness="1.000",
    exact=(exact.losses, exact.largest_gap),
)


@MASK.known(T3)
def _(task: MaskTask) -> Iterator[Known]:
    yield Known("V*", "16.7 18 20", task.optimum.value)
    yield Known("Q*", "16.03 16.7 17 18 20 15.03", task.optimum.q.ravel())
    yield Known("gaps", "0 1 0", by.gaps(task).value)
    yield Known("V_M", "10 8 20", task.masked_optimum.value)
    yield Known("losses of states 1 and 0", "10 6.7", np.asarray(by.losses(task).value)[[1, 0]])
    yield Known("upper bound", "10", np.asarray(by.largest_gap(task).value)[1])
    yield Known("gap of state 0", "0", np.asarray(by.gaps(task).value)[0])
    yield Known("membership in C", "-1 -1 1", by.region(task).value)
    yield Known(
        "whether the states reachable under the mask keep", "-1 -1 -1", by.reachable_states_keep(task).value
    )


# --- what must fail -------------------------------------------------------------------------------------------------


def place_of_the_error(outcome: Outcome) -> FloatArray:
    """The states in which the two sides differ, by their numbers."""
    return np.flatnonzero(outcome.left != outcome.right).astype(float)


def without_the_horizon(task: MaskTask) -> Side:
    """max g, without 1 / (1 - gamma)."""
    side = by.gaps(task)
    return Side(np.full(task.mdp.n_states, np.max(np.asarray(side.value))), side.error)


def normalised(task: MaskTask) -> Side:
    """Normalised occupancies in the place of the unnormalised ones."""
    side = by.discounted_gaps(task)
    return Side((1 - task.mdp.discount) * np.asarray(side.value), side.error)


local.control(
    "g(s_0) = 0 taken for sufficient",
    kind="mutation",
    instance=T3,
    right=by.states_without_gap,
    specified="0",
    measure=place_of_the_error,
)
local.control(
    "the condition on all states reachable under the mask taken for necessary",
    kind="mutation",
    instance=T3,
    right=by.reachable_states_keep,
    specified="2",
    measure=place_of_the_error,
)
upper.control(
    "max g as a bound on the loss", kind="constant", instance=T3, right=without_the_horizon, specified="9"
)
MASK.parts[3].control(
    "the normalised occupancy", kind="constant", instance=T3, right=normalised, specified="9"
)

MASK.reading(
    "as-specified",
    title="A mask costs nothing exactly where a retained optimal policy never leaves its states, with discount 0, too",
    statement=r"""
    $V_M(s_0) = V^*(s_0)$ iff $s_0 \in C$, the largest set such that each $s \in C$ has some $a \in M(s)$ with
    $Q^*(s,a) = V^*(s)$ and all successors in $C$, for every $\gamma < 1$. (With $\gamma = 0$ nothing is lost in later states.)
    """,
    relation=Equal(by.states_without_loss, by.region_of_any_discount),
    counterexamples=(MYOPIC,),
    repair=local,
    resolution=0.5,
    reason=TELL,
    specified="0",
    measure=place_of_the_error,
)
MASK.reading(
    "reachable-states",
    title="A mask costs nothing from a state only if every state it can reach keeps an optimal action",
    statement=r"""
    $V_M(s_0) = V^*(s_0)$ iff every state reachable from $s_0$ by actions of the mask keeps an optimal action. (The condition
    is sufficient only: a retained optimal policy need not visit what the mask can reach.)
    """,
    relation=Equal(by.states_without_loss, by.reachable_states_keep),
    counterexamples=(T3,),
    repair=local,
    resolution=0.5,
    reason=TELL,
    specified="2",
    measure=place_of_the_error,
)


# --- the figure -----------------------------------------------------------------------------------------------------


@MASK.figure(
    r"Largest loss against $\max g/(1-\gamma)$ on random masks of random problems with $\gamma = 0.9$ (dense and sparse rows) "
    r"and on the three-state example. The bounds of (d) are the two lines: the loss is at least $\max g$ and at most "
    r"$\max g/(1-\gamma)$."
)
def _(ax: Any) -> None:
    for name, marker, family in (
        ("dense rows", "o", dense_mdp),
        ("sparse rows", "s", lambda d: mask_task(d).mdp),
    ):
        points = []
        for seed in range(150):
            draw = SeededDraw(seed)
            mdp = family(draw).replace(discount=0.9)
            task = MaskTask(mdp, random_mask(draw, mdp.n_states, mdp.n_actions))
            points.append((np.max(by.largest_gap(task).value), np.max(by.losses(task).value)))
        shown = np.array([point for point in points if point[0] > by.ZERO])
        ax.loglog(*shown.T, marker, markersize=3.5, alpha=0.7, label=name)
    ax.loglog(10, 10, "k*", markersize=11, label="three-state example")
    ends = np.array([0.2, 100.0])
    ax.loglog(ends, ends, "k-", linewidth=1, label=r"$\max g/(1-\gamma)$")
    ax.loglog(ends, 0.1 * ends, "k--", linewidth=1, label=r"$\max g$")
    ax.set(xlabel=r"$\max g/(1-\gamma)$", ylabel=r"largest loss $V^* - V_M$", xlim=ends, ylim=(0.02, 100))
    ax.legend(loc="lower right", fontsize=8)
