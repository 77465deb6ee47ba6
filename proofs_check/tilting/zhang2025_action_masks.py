"""What an action mask costs (after Zhang et al. 2025 and Ramamurthy et al. 2023, who mask the actions of large problems).

A masked problem is the same problem with fewer policies.  Its loss is what the performance difference lemma says: the
discounted sum of the gaps of a masked optimal policy.  Nothing is lost where a retained optimal policy never leaves the
states in which it is retained; what other policies could reach does not matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mdplab._typing import BoolArray, FloatArray
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
    rounding,
)
from mdplab.instances import SeededDraw, random_mask
from mdplab.models import MDP
from mdplab.operators import largest_invariant_set
from mdplab.solvers import ControlSolution
from proofs_check.tilting import exact_masks as exact
from proofs_check.tilting.mask_instances import MaskTask, dense_mdp, mask_task, occupancies, three_state_task

# --- the routes -----------------------------------------------------------------------------------------------------

ZERO = 1e-9
"""A loss or gap is taken for positive above this, and for zero within its error bound; between, it is undecided."""


def loss_of(optimum: ControlSolution, masked: ControlSolution) -> Side:
    error = optimum.certificate.bound + masked.certificate.bound
    return Side(optimum.value - masked.value, error + rounding(np.abs(optimum.value).max(), 2))


def pair_gaps(optimum: ControlSolution) -> tuple[FloatArray, float]:
    """``V* - Q*`` of all pairs, and a bound on the errors: the best value of a state is its best action value."""
    error = 2 * optimum.q_error + float(rounding(np.abs(optimum.q).max(), 2))
    return optimum.q.max(axis=1, keepdims=True) - optimum.q, error


def gap_of(task: MaskTask, optimum: ControlSolution) -> Side:
    gaps, error = pair_gaps(optimum)
    return Side(np.where(task.mask, gaps, np.inf).min(axis=1), error)


def losses(task: MaskTask) -> Side:
    """Loss V* - V_M in every state, both by policy iteration."""
    return loss_of(task.optimum, task.masked_optimum)


def losses_by_sweeps(task: MaskTask) -> Side:
    """Loss V* - V_M in every state, both by value iteration."""
    return loss_of(task.swept, task.masked_swept)


def gaps(task: MaskTask) -> Side:
    """Gap g of every state, from value iteration on the unmasked problem."""
    return gap_of(task, task.swept)


def gaps_by_solves(task: MaskTask) -> Side:
    """Gap g of every state, from policy iteration on the unmasked problem."""
    return gap_of(task, task.optimum)


def vanishes(side: Side) -> Side:
    """1 where a number is zero, -1 where it is positive, with an error of 2 where that cannot be told."""
    value, noise = np.asarray(side.value), float(np.max(side.error))
    return Side(
        np.where(value <= noise, 1.0, -1.0), 2.0 * ((value > noise) & (value <= ZERO) | (noise > ZERO))
    )


def largest(side: Side) -> Side:
    return Side(np.max(np.asarray(side.value)), np.max(side.error))


def nothing_is_lost(task: MaskTask) -> Side:
    """Whether V_M = V* in all states, by policy iteration on both problems."""
    return vanishes(largest(losses(task)))


def no_gap(task: MaskTask) -> Side:
    """Whether g vanishes in all states, by value iteration on the unmasked problem."""
    return vanishes(largest(gaps(task)))


def states_without_loss(task: MaskTask) -> Side:
    """Whether V_M(s) = V*(s), state by state, by policy iteration on both problems."""
    return vanishes(losses(task))


def states_without_gap(task: MaskTask) -> Side:
    """Whether g(s) = 0, state by state, by value iteration on the unmasked problem."""
    return vanishes(gaps(task))


def region(task: MaskTask) -> Side:
    """Membership in C, by removing states that no retained optimal action keeps inside."""
    found, error = pair_gaps(task.swept)
    surely, possibly = (
        largest_invariant_set(task.mdp, task.mask & (found <= limit)) for limit in (error, max(error, ZERO))
    )
    return Side(np.where(surely, 1.0, -1.0), 2.0 * (surely != possibly))


def closed_region(task: MaskTask, bad: BoolArray) -> BoolArray:
    """States from which no sequence of retained actions reaches a bad state, by removing states until none leads out."""
    steps = (np.asarray(task.mdp.transition) > 0) & task.mask[:, :, np.newaxis]
    inside = ~bad
    while True:
        after = inside & ~(steps & ~inside).any(axis=(1, 2))
        if np.array_equal(after, inside):
            return inside
        inside = after


def reachable_states_keep(task: MaskTask) -> Side:
    """Whether every state reachable under the mask keeps an optimal action, by the powers of the graph."""
    kept = vanishes(gaps(task))
    lost = exact.reachable(task) & (np.asarray(kept.value) < 0)
    return Side(np.where(lost.any(axis=1), -1.0, 1.0), np.max(kept.error))


def no_lost_state_is_reachable(task: MaskTask) -> Side:
    """Whether every state reachable under the mask keeps an optimal action, by removing those that lead to another."""
    kept = vanishes(gaps_by_solves(task))
    inside = closed_region(task, np.asarray(kept.value) < 0)
    return Side(np.where(inside, 1.0, -1.0), np.max(kept.error))


def discounted_gaps(task: MaskTask) -> Side:
    """Occupancies of a masked optimal policy times its gaps, both from value iteration."""
    policy = task.masked_swept.policy
    visits, visits_error = occupancies(task.mdp, policy)
    found, error = pair_gaps(task.swept)
    chosen = (policy * found).sum(axis=1)
    horizon = 1 / (1 - task.mdp.discount)
    error = visits_error * float(chosen.max()) + horizon * error + task.masked_swept.suboptimality
    return Side(visits @ chosen, error + rounding(horizon * chosen.max(), task.mdp.n_states + 2))


def largest_gap(task: MaskTask) -> Side:
    """max g / (1 - gamma) in every state, from value iteration."""
    return over_horizon(task, gaps(task))


def largest_gap_by_solves(task: MaskTask) -> Side:
    """max g / (1 - gamma) in every state, from policy iteration."""
    return over_horizon(task, gaps_by_solves(task))


def over_horizon(task: MaskTask, side: Side) -> Side:
    horizon = 1 / (1 - task.mdp.discount)
    value = np.full(task.mdp.n_states, np.max(np.asarray(side.value)) * horizon)
    return Side(value, np.asarray(side.error) * horizon + rounding(value, 4))


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
    $Q^*(s,a) = V^*(s)$ and all successors in $C$. That every state reachable under the mask keeps an optimal action is
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
    witnesses=(T3, ONE_STEP),
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
    Equal(nothing_is_lost, no_gap),
    resolution=0.5,
    reason=TELL,
    exact=(exact.nothing_is_lost, exact.no_gap),
)
local = MASK.part(
    "(b)",
    r"$V_M(s_0) = V^*(s_0)$ iff $s_0 \in C$, for every $s_0$",
    Equal(states_without_loss, region),
    resolution=0.5,
    reason=TELL,
    exact=(exact.states_without_loss, exact.region),
)
MASK.part(
    "(b, sufficient)",
    r"if every state reachable under the mask keeps an optimal action, then $V_M(s_0) = V^*(s_0)$",
    AtMost(reachable_states_keep, states_without_loss),
    resolution=0.5,
    reason=TELL,
    cross_left=no_lost_state_is_reachable,
    cross_right=region,
    exact=(exact.reachable_states_keep, exact.states_without_loss),
)
MASK.part(
    "(c)",
    r"$V^*(s_0) - V_M(s_0) = \sum_s d(s)\,(V^*(s) - Q^*(s,\pi_M(s)))$ for every $s_0$",
    Equal(losses, discounted_gaps),
    resolution=scale,
    reason=ROUNDING,
    exact=(exact.losses, exact.discounted_gaps),
)
MASK.part(
    "(d, lower)",
    r"$g(s) \le V^*(s) - V_M(s)$",
    AtLeast(losses, gaps),
    resolution=scale,
    reason=ROUNDING,
    cross_left=losses_by_sweeps,
    cross_right=gaps_by_solves,
    exact=(exact.losses, exact.gaps),
)
upper = MASK.part(
    "(d, upper)",
    r"$V^*(s) - V_M(s) \le \max g/(1-\gamma)$",
    AtMost(losses, largest_gap),
    resolution=scale,
    reason=ROUNDING,
    cross_left=losses_by_sweeps,
    cross_right=largest_gap_by_solves,
    specified_tightness="1.000",
    exact=(exact.losses, exact.largest_gap),
)


@MASK.known(T3)
def _(task: MaskTask) -> Iterator[Known]:
    yield Known("V*", "16.7 18 20", task.optimum.value)
    yield Known("Q*", "16.03 16.7 17 18 20 15.03", task.optimum.q.ravel())
    yield Known("gaps", "0 1 0", gaps(task).value)
    yield Known("V_M", "10 8 20", task.masked_optimum.value)
    yield Known("losses of states 1 and 0", "10 6.7", np.asarray(losses(task).value)[[1, 0]])
    yield Known("upper bound", "10", np.asarray(largest_gap(task).value)[1])
    yield Known("gap of state 0", "0", np.asarray(gaps(task).value)[0])
    yield Known("membership in C", "-1 -1 1", region(task).value)
    yield Known(
        "whether the states reachable under the mask keep", "-1 -1 -1", reachable_states_keep(task).value
    )


# --- what must fail -------------------------------------------------------------------------------------------------


def place_of_the_error(outcome: Outcome) -> FloatArray:
    """The states in which the two sides differ, by their numbers."""
    return np.flatnonzero(outcome.left != outcome.right).astype(float)


def without_the_horizon(task: MaskTask) -> Side:
    """max g, without 1 / (1 - gamma)."""
    side = gaps(task)
    return Side(np.full(task.mdp.n_states, np.max(np.asarray(side.value))), side.error)


def normalised(task: MaskTask) -> Side:
    """Normalised occupancies in the place of the unnormalised ones."""
    side = discounted_gaps(task)
    return Side((1 - task.mdp.discount) * np.asarray(side.value), side.error)


local.control(
    "g(s_0) = 0 taken for sufficient",
    kind="mutation",
    instance=T3,
    right=states_without_gap,
    specified="0",
    measure=place_of_the_error,
)
local.control(
    "the condition on all states reachable under the mask taken for necessary",
    kind="mutation",
    instance=T3,
    right=reachable_states_keep,
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
    "reachable-states",
    title="A mask costs nothing from a state only if every state it can reach keeps an optimal action",
    statement=r"""
    $V_M(s_0) = V^*(s_0)$ iff every state reachable from $s_0$ by actions of the mask keeps an optimal action. (The condition
    is sufficient only: a retained optimal policy need not visit what the mask can reach.)
    """,
    relation=Equal(states_without_loss, reachable_states_keep),
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
            points.append((np.max(largest_gap(task).value), np.max(losses(task).value)))
        shown = np.array([point for point in points if point[0] > ZERO])
        ax.loglog(*shown.T, marker, markersize=3.5, alpha=0.7, label=name)
    ax.loglog(10, 10, "k*", markersize=11, label="three-state example")
    ends = np.array([0.2, 100.0])
    ax.loglog(ends, ends, "k-", linewidth=1, label=r"$\max g/(1-\gamma)$")
    ax.loglog(ends, 0.1 * ends, "k--", linewidth=1, label=r"$\max g$")
    ax.set(xlabel=r"$\max g/(1-\gamma)$", ylabel=r"largest loss $V^* - V_M$", xlim=ends, ylim=(0.02, 100))
    ax.legend(loc="lower right", fontsize=8)
