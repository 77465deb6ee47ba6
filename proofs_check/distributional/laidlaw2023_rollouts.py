"""Greedy over random policies (Laidlaw, Russell, Dragan 2023): how many rollouts find the optimal actions.

Plan k actions, follow each plan with random play, average, and take the first action of the best plan.  If the k-step values
of random play separate optimal actions from the others, a number of rollouts that grows with the inverse square of the
separation makes the whole episode optimal half of the time.  It is not enough that greedy play for these values is optimal: an
estimate may take another optimal action, after which the values mislead, and then more rollouts do harm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from math import ceil, log
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import BoolArray, FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, AtLeast, Claim, Known, Side, rounding
from mdplab.enumeration import all_tuples, greedy_rollout_success
from mdplab.instances import Draw
from mdplab.models import FiniteHorizonMDP
from mdplab.operators import lookahead_values
from proofs_check.distributional.laidlaw2023_effective_horizon import TREE, greedy_values, start

MOST_ROLLOUTS = 1000
"""Random instances for which the formula asks for more rollouts are left out."""

# --- instances ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class RolloutTask:
    """A deterministic model and the number of planned actions.

    Attributes
    ----------
    mdp : FiniteHorizonMDP
        Integer rewards of the pair.
    steps : int
        k.
    """

    mdp: FiniteHorizonMDP
    steps: int

    def separations(self) -> Iterator[tuple[float, float, float]]:
        """Largest ``Q^k``, ``V*`` and ``Delta`` where optimal actions lead and some action is not optimal."""
        mdp = self.mdp
        best = solvers.backward_induction(mdp)
        q = lookahead_values(mdp, self.steps)[-1]
        reached: BoolArray = np.asarray(mdp.initial) > 0
        for h in range(mdp.horizon):
            optimal = best.q[h] >= best.value[h][:, np.newaxis] - 1e-9
            for s in np.flatnonzero(reached & ~optimal.all(axis=1)):
                apart = q[h, s, optimal[s]].max() - q[h, s, ~optimal[s]].max()
                yield float(q[h, s].max()), float(best.value[h, s]), float(apart)
            led = (mdp.stage_kernel(h) > 0) & (reached[:, np.newaxis] & optimal)[..., np.newaxis]
            reached = led.any(axis=(0, 1))

    @property
    def separated(self) -> bool:
        """Whether every separation is positive."""
        return all(apart > 1e-9 for _, _, apart in self.separations())

    def needed(self, constant: float = 8.0) -> float:
        """Number of rollouts of the formula."""
        mdp = self.mdp
        ratio = max((q * v / apart**2 for q, v, apart in self.separations()), default=0.0)
        return constant * ratio * log(2 * mdp.horizon * mdp.n_actions**self.steps)

    def rollouts(self, constant: float = 8.0) -> int:
        """The least number of rollouts that is not below the formula, rounding included, and at least one."""
        return max(1, ceil(self.needed(constant) * (1 + 1e-12)))


def _drawn(draw: Draw, least: int) -> RolloutTask:
    n_actions = draw.integer(2, 3)
    kernel = np.eye(4)[draw.integers(0, 3, (4, n_actions))]
    reward = draw.integers(least, 2, (4, n_actions)).astype(float)
    return RolloutTask(FiniteHorizonMDP(kernel, reward, 3, initial=start()), draw.integer(1, 3))


def rollout_task(draw: Draw) -> RolloutTask:
    """S = 4, A in 2..3, T = 3, random successors, rewards 0..2, k in 1..3; separated, at most 1000 rollouts needed."""
    task = _drawn(draw, 0)
    if not task.separated or task.rollouts() > MOST_ROLLOUTS:
        draw.reject("not separated, or too many rollouts")
    return task


def merged_task(draw: Draw) -> RolloutTask:
    """As the rollout tasks, separated or not."""
    task = _drawn(draw, 0)
    if any(abs(apart) <= 1e-9 for *_, apart in task.separations()) or task.rollouts() > MOST_ROLLOUTS:
        draw.reject("no separation at all, or too many rollouts")
    return task


def paid_or_fined_task(draw: Draw) -> RolloutTask:
    """As the rollout tasks, rewards -2..2."""
    task = _drawn(draw, -2)
    if not task.separated or task.rollouts() > MOST_ROLLOUTS:
        draw.reject("not separated, or too many rollouts")
    return task


def chain() -> FiniteHorizonMDP:
    """Action 0 leads back to state 0, action 1 on to 1, 2, 3, where both stay; 1 is paid for action 1 in state 2."""
    successor = [[0, 1], [0, 2], [0, 3], [3, 3]]
    reward = np.zeros((4, 2))
    reward[2, 1] = 1.0
    return FiniteHorizonMDP(np.eye(4)[successor], reward, 3, initial=start())


def crossroads() -> FiniteHorizonMDP:
    """All three actions at the start are optimal; greedy play takes the one after which random play is a good guide."""
    successor = [[1, 2, 2], [6, 7, 7], [4, 5, 5], *([s] * 3 for s in range(3, 8))]
    reward = np.zeros((8, 3))
    reward[4:] = [[24, 0, 0], [17, 17, 16], [24, 24, 24], [9, 9, 9]]
    return FiniteHorizonMDP(np.eye(8)[successor], reward, 3, initial=np.eye(8)[0])


def fines() -> FiniteHorizonMDP:
    """Action 0 leads to a last step with fines (0, 4, 4), the others to one with a fine of 3: the best return is 0."""
    successor = [[1, 2, 2], [1, 1, 1], [2, 2, 2]]
    reward = [[0, 0, 0], [0, -4, -4], [-3, -3, -3]]
    return FiniteHorizonMDP(np.eye(3)[successor], reward, 2, initial=[1.0, 0.0, 0.0])


CHAINS = tuple(RolloutTask(chain(), k) for k in (1, 2, 3))
TREES = tuple(RolloutTask(TREE, k) for k in (1, 2, 3))
CROSSROADS = RolloutTask(crossroads(), 1)
FINES = RolloutTask(fines(), 1)

# --- routes ---------------------------------------------------------------------------------------------------------


def _spread(task: RolloutTask) -> float:
    """Largest range of a return."""
    return task.mdp.horizon * float(np.ptp(task.mdp.reward)) + 1


def success(task: RolloutTask, *, constant: float = 8.0) -> Side:
    """Convolution powers by repeated squaring: probability that all actions are optimal, at the least number of rollouts"""
    rollouts = task.rollouts(constant)
    found = greedy_rollout_success(task.mdp, task.steps, rollouts)
    # all terms are positive: a relative error, of the sums of one law, of A^k of them, of T stages
    sums = rollouts * _spread(task) * (np.log2(rollouts) + 4)
    plans = task.mdp.n_actions**task.steps
    return Side(found, rounding(found, ceil(task.mdp.horizon * (plans + 2) * sums)))


def success_by_frequencies(task: RolloutTask) -> Side:
    """Characteristic functions: laws of the sums by Fourier transforms, and a forward sweep over the optimal paths"""
    mdp, rollouts = task.mdp, task.rollouts()
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
    are optimal with probability at least $\frac12$.

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
    ax.set(xscale="log", xlabel="rollouts $m$", ylabel="probability of optimal actions", ylim=(-0.03, 1.05))
    ax.legend(loc=(0.55, 0.55))
