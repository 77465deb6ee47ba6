"""Greedy over random policies (Laidlaw, Russell, Dragan 2023): how many rollouts find the optimal actions.

Plan k actions, follow each plan with random play, average, and take the first action of the best plan.  If the k-step values
of random play separate optimal actions from the others, a number of rollouts that grows with the inverse square of the
separation makes the whole episode optimal half of the time.  It is not enough that greedy play for these values is optimal: an
estimate may take another optimal action, after which the values mislead, and then more rollouts do harm.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import ceil
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, AtLeast, Claim, Equal, Known, Side, rounding
from mdplab.enumeration import all_tuples, greedy_rollout_success
from mdplab.models import FiniteHorizonMDP
from mdplab.operators import lookahead_values
from proofs_check.distributional import exact_rollouts as exact
from proofs_check.distributional.exact_rollouts import FEW
from proofs_check.distributional.laidlaw2023_effective_horizon import greedy_values
from proofs_check.distributional.rollout_tasks import (
    CHAINS,
    CROSSROADS,
    FINES,
    TREES,
    RolloutTask,
    merged_task,
    paid_or_fined_task,
    rollout_task,
)

# --- routes ---------------------------------------------------------------------------------------------------------


def _success(mdp: FiniteHorizonMDP, steps: int, rollouts: int) -> Side:
    found = greedy_rollout_success(mdp, steps, rollouts)
    # all terms are positive: a relative error, of the sums of one law, of A^k of them, of T stages
    spread = mdp.horizon * float(np.ptp(mdp.reward)) + 1
    sums = rollouts * spread * (np.log2(rollouts) + 4)
    return Side(found, rounding(found, ceil(mdp.horizon * (mdp.n_actions**steps + 2) * sums)))


def _stacked(sides: list[Side]) -> Side:
    return Side(np.array([side.value for side in sides]), np.array([side.error for side in sides]))


def success(task: RolloutTask, *, constant: float = 8.0) -> Side:
    """Convolution powers by repeated squaring: probability that all actions are optimal, at the least number of rollouts"""
    return _success(task.mdp, task.steps, task.rollouts(constant))


def success_of_few(task: RolloutTask, *, mirrored: bool = False) -> Side:
    """Convolution powers by repeated squaring: probability that all actions are optimal, with 1, 2 and 5 rollouts"""
    mdp = task.mdp
    if mirrored:
        mdp = FiniteHorizonMDP(mdp.transition[:, ::-1], mdp.reward[:, ::-1], mdp.horizon, initial=mdp.initial)
    return _stacked([_success(mdp, task.steps, m) for m in FEW])


def success_of_few_by_frequencies(task: RolloutTask) -> Side:
    """Characteristic functions: probability that all actions are optimal, with 1, 2 and 5 rollouts"""
    return _stacked([_by_frequencies(task, m) for m in FEW])


def success_by_frequencies(task: RolloutTask) -> Side:
    """Characteristic functions: laws of the sums by Fourier transforms, and a forward sweep over the optimal paths"""
    return _by_frequencies(task, task.rollouts())


def _by_frequencies(task: RolloutTask, rollouts: int) -> Side:
    mdp = task.mdp
    reward = (mdp.reward - mdp.reward.min()).astype(int)
    successor = mdp.transition.argmax(axis=-1)
    size = rollouts * mdp.horizon * int(reward.max()) + 1
    circle = np.exp(-2j * np.pi * np.arange(size // 2 + 1) / size)
    step = circle[:, np.newaxis, np.newaxis] ** reward
    play = [np.ones((circle.size, mdp.n_states), dtype=complex)]
    for _ in range(mdp.horizon):
        play.insert(0, (step * play[0][:, successor]).mean(axis=-1))
    optimal = solvers.backward_induction(mdp)
    mass = np.asarray(mdp.initial, dtype=float)
    for h in range(mdp.horizon):
        moved = np.zeros_like(mass)
        for s in np.flatnonzero(mass):
            best: dict[int, FloatArray] = {}
            for plan in all_tuples(mdp.n_actions, min(task.steps, mdp.horizon - h)):
                here, waves = int(s), np.ones_like(circle)
                for a in plan:
                    waves, here = waves * step[:, here, a], int(successor[here, a])
                law = np.fft.irfft((waves * play[h + len(plan)][:, here]) ** rollouts, size)
                cumulative = np.minimum(np.cumsum(law), 1.0)
                best[int(plan[0])] = best.get(int(plan[0]), np.ones(size)) * cumulative
            for a in range(mdp.n_actions):
                if optimal.q[h, s, a] >= optimal.value[h, s] - 1e-9:
                    others = np.ones(size)
                    for b in range(mdp.n_actions):
                        below = np.append(0.0, best[b][:-1])
                        others *= 1.0 if b == a else below if b < a else best[b]
                    moved[successor[s, a]] += mass[s] * float(np.diff(best[a], prepend=0.0) @ others)
        mass = moved
    # a spectrum of error d gives sums of the law with error sqrt(n) d, by Parseval; both factors of a term have one
    spectrum = float(rounding(1.0, 8 * rollouts * (mdp.horizon + ceil(np.log2(size + 1)) + 8)))
    plans = mdp.n_actions**task.steps
    return Side(mass.sum(), 4 * mdp.horizon * plans * (np.sqrt(size) + 1) * spectrum)


def half(_: RolloutTask) -> Side:
    """One half"""
    return Side(0.5)


# --- the claim ------------------------------------------------------------------------------------------------------

GORP = Claim(
    "gorp-effective-horizon-bound",
    title="An explicit number of rollouts with which greedy over random policies is optimal half of the time",
    papers=("laidlaw2023bridging", "laidlaw2023stochastic"),
    provenance="our formalisation",
    statement=r"""
    In a deterministic model with integer rewards at least $0$ and horizon $T$, the planner runs, from the state reached at stage
    $t$ and for each sequence of $\min(k, T - t)$ actions, $m$ independent episodes that follow the sequence and then act
    uniformly at random, and takes the first action of the sequence with the largest mean reward-to-go (ties: the lowest).
    Let $Q^k$ be the values after $k - 1$ steps of value iteration from those of random play and $\Delta^k_t(s)$ the best of
    $Q^k_t(s, \cdot)$ over optimal actions less the best over the others. If $\Delta^k_t(s) > 0$ and
    $$m \ge 8 \max_{t, s} \frac{\max_a Q^k_t(s, a)\, V^*_t(s)}{\Delta^k_t(s)^2} \log(2 T A^k)$$
    over the $(t, s)$ that optimal actions reach from the start and that have an action that is not optimal, then all actions
    are optimal with probability at least $\frac12$. The probability itself is exact: sums over $m$ episodes have laws that are
    $m$-fold convolutions.

    *Proof.* The reward-to-go after a sequence has mean $q \le Q = \max_a Q^k$ and lies in $[0, V^*]$, so its variance is at most
    $V^* q$. A Chernoff bound for the best sequence of an optimal action and Bernstein's for each other make every comparison with the
    middle of the separation fail with probability at most $1 / (2 T A^k)$; there are $A^k$ sequences and $T$ stages. The form of the
    bound is the paper's, the constant ours. ∎
    """,
    assumptions=(
        Assumption(
            "A1",
            "deterministic transitions",
            DEFINITIONAL,
            lambda task: bool(np.all((task.mdp.transition == 0) | (task.mdp.transition == 1))),
        ),
        Assumption(
            "A2",
            "rewards at least 0",
            "negative rewards",
            lambda task: bool(task.mdp.reward.min() >= 0),
            wider=paid_or_fined_task,
        ),
        Assumption(
            "A3",
            r"$\Delta^k_t(s) > 0$ wherever optimal actions lead",
            "two steps on the tree",
            lambda task: task.separated,
            wider=merged_task,
        ),
    ),
    instance_family=rollout_task,
    witnesses=(*CHAINS, TREES[0], TREES[2]),
    instances=25,
)
LONG_SUMS = "sums of a law of up to tens of thousands of values, from characteristic functions to the power of the number of rollouts"

SHARED = {
    "backward_induction": "gives the number of rollouts, an input of both routes; the left one finds optimal actions by itself, in integers"
}

exact_part = GORP.part(
    "success",
    r"$\Pr(\text{all actions optimal})$ with $1$, $2$ and $5$ rollouts: convolutions against characteristic functions",
    Equal(success_of_few, success_of_few_by_frequencies),
    resolution=1e-9,
    reason="sums of a law of at most a hundred values",
    shared={"backward_induction": "the left route finds optimal actions by itself, in integers"},
    assumes=("A1",),
    exact=(exact.by_convolutions, exact.by_counting),
)
success_part = GORP.part(
    "bound",
    r"$\Pr(\text{all actions optimal}) \ge \frac12$ at the least number of rollouts of the formula",
    AtLeast(success, half),
    cross_left=success_by_frequencies,
    closed=("right",),
    resolution=1e-6,
    reason=LONG_SUMS,
    shared=SHARED,
    exact="the rational of a thousandfold convolution has tens of thousands of digits",
)
GORP.reading(
    "solvable-suffices",
    title="It is enough that greedy play for the values is optimal",
    statement="If every policy greedy for $Q^k$ is optimal, the number of rollouts of the formula gives success half of the time.",
    relation=AtLeast(success, half),
    counterexamples=(CROSSROADS,),
    repair=success_part,
    repair_instances=(RolloutTask(CROSSROADS.mdp, 3),),
    assumes=("A1", "A2"),
    resolution=1e-6,
    reason=LONG_SUMS,
    shared=SHARED,
    specified="0.4223934731",
    measure=lambda outcome: outcome.left,
)


def successes(task: RolloutTask, *rollouts: int) -> list[float]:
    """Probability of success at several numbers of rollouts."""
    return [greedy_rollout_success(task.mdp, task.steps, m) for m in rollouts]


def least_rollouts(task: RolloutTask) -> int:
    """Smallest number of rollouts with success at least one half, by scanning."""
    m = 1
    while greedy_rollout_success(task.mdp, task.steps, m) < 0.5:
        m += 1
    return m


@GORP.known(CHAINS)
def _(tasks: tuple[RolloutTask, ...]) -> Iterator[Known]:
    rows = ("0.125 0.640869140625 0.9899622984", "0.5 0.9375 0.9999847412", "1 1 1")
    bounds = ("79.51701279", "50.84886129", "30.96960809")
    for task, least, bound, row in zip(tasks, ("3", "1", "1"), bounds, rows, strict=True):
        name = f"chain, k = {task.steps}"
        yield Known(f"{name}: bound", bound, task.needed())
        yield Known(f"{name}: smallest m", least, least_rollouts(task))
        yield Known(f"{name}: success at m = 1, 4, 16", row, successes(task, 1, 4, 16), 1e-14)


@GORP.known(TREES)
def _(tasks: tuple[RolloutTask, ...]) -> Iterator[Known]:
    yield Known("tree, k = 1: bound", "1192.755192", tasks[0].needed())
    yield Known(
        "tree, k = 1: success at m = 1, 4, 16, 64, 256",
        "0.375 0.4478816986 0.6420475501 0.9114427906 0.9991594627",
        successes(tasks[0], 1, 4, 16, 64, 256),
    )
    yield Known("tree, k = 2: formula", "1779.71", tasks[1].needed())
    yield Known(
        "tree, k = 2: success at m = 1, 4, 16, 64, 256",
        "0.75 0.4252929688 0.1889249516 0.0279568641 0.0000524",
        successes(tasks[1], 1, 4, 16, 64, 256),
    )
    yield Known(
        "tree, k = 3: success at m = 1, 4, 16, 64", "1 1 1 1", successes(tasks[2], 1, 4, 16, 64), 1e-13
    )


@GORP.known(CROSSROADS)
def _(task: RolloutTask) -> Iterator[Known]:
    q, mdp = lookahead_values(task.mdp, 3), task.mdp
    yield Known("crossroads: Q* at the start", "24 24 24", q[2, 0, 0], 1e-13)
    yield Known("crossroads: Q^1 at the start", "14 13.7778 13.7778", q[0, 0, 0])
    yield Known("crossroads: Q^1 at 1 and 2", "24 9 9 8 16.6667 16.6667", q[0, 1, 1:3].ravel(), 1e-14)
    yield Known(
        "crossroads: 1-solvable",
        "24 24",
        [greedy_values(mdp)[0], solvers.backward_induction(mdp).value[0, 0]],
        1e-13,
    )
    yield Known("crossroads: formula", "123.14", task.needed())
    yield Known(
        "crossroads: success at m = 16, 64, 124, 512, 1024",
        "0.3569798894 0.3929705213 0.4223934731 0.5304857608 0.6165153778",
        successes(task, 16, 64, 124, 512, 1024),
    )


# --- what must fail -------------------------------------------------------------------------------------------------

exact_part.control(
    "ties to the highest action",
    kind="mutation",
    instance=TREES[0],
    left=partial(success_of_few, mirrored=True),
)
success_part.control("negative rewards", kind="assumption", drops="A2", instance=FINES)
success_part.control("two steps on the tree", kind="assumption", drops="A3", instance=TREES[1])
success_part.control(
    "one hundredth in the place of eight",
    kind="constant",
    instance=TREES[0],
    left=partial(success, constant=0.01),
)


# --- the figure -----------------------------------------------------------------------------------------------------


@GORP.figure(
    "Probability that greedy over random rollouts is optimal on the tree, against the number of rollouts. With $k = 1$ and $3$ it "
    "goes to one; with $k = 2$ the values mislead, and more rollouts do harm. Vertical lines: the number of the formula for $k = 1$ and $3$."
)
def _(ax: Any) -> None:
    counts = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256, 512]
    for number, (task, mark) in enumerate(zip(TREES, "os^", strict=True)):
        ax.plot(
            counts,
            successes(task, *counts),
            mark + "-",
            color=f"C{number}",
            markersize=3.5,
            label=f"$k={task.steps}$",
        )
        if task.separated:
            ax.axvline(task.rollouts(), color=f"C{number}", linewidth=1.0, linestyle="--")
    ax.axhline(0.5, color="black", linewidth=0.8, linestyle=":")
    ax.plot([], [], "--", color="0.35", linewidth=1.0, label="$m$ of the formula")
    ax.set(xscale="log", xlabel="rollouts $m$", ylabel="probability of optimal actions", ylim=(-0.03, 1.36))
    ax.legend(loc="upper left", ncols=2)
