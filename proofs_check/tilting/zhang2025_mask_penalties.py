"""A penalty in the place of a mask (after Zhang et al. 2025 and Huang and Ontanon 2020): when is it the same?

The masked value stays optimal once no masked action is worth its penalty even against the *masked* value: that is a
threshold that one lookahead of the masked solution gives.  With an entropy bonus every action is taken with some
probability, so no penalty is exact, and the error falls exponentially.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, AtLeast, AtMost, Claim, Equal, Known, Outcome, Side
from mdplab.instances import SeededDraw
from mdplab.models import MDP
from proofs_check.tilting import exact_penalties as exact
from proofs_check.tilting import penalty_routes as by
from proofs_check.tilting.mask_instances import STEPS, MaskTask, PenaltyTask, penalty_task, three_state_task

# --- the claim ------------------------------------------------------------------------------------------------------

T3 = PenaltyTask(three_state_task(), fraction=0.5, temperature=0.5, soft_penalty=2.0)
LOOP = PenaltyTask(
    MaskTask(MDP(np.ones((1, 2, 1)), np.array([[0.0, 1.0]]), 0.9, np.ones(1)), np.array([[True, False]])),
    fraction=0.5,
    temperature=0.5,
    soft_penalty=2.0,
)

PENALTY = Claim(
    "mask-penalty-threshold",
    title="A penalty is an exact mask from a computable threshold on; with entropy it never is, but exponentially nearly",
    papers=("zhang2025palletization", "huang2020masking"),
    provenance="our formalisation",
    statement=r"""
    Let $V_M$ be the optimal value with the actions of a mask $M$ and $V_c$ that of all actions with the reward
    $R - c\,1\{(s,a) \notin M\}$; let
    $$c^* = \max_{(s,a) \notin M} \big[R(s,a) + \gamma P V_M - V_M(s)\big]_+ .$$

    (a) For $c \ge 0$: $V_c = V_M$ iff $c \ge c^*$. Below, $\max_s (V_c - V_M) \ge c^* - c$ (our addition).

    (b) For $0 \le c \le c^*$: $0 \le V_c - V_M \le \frac{c^* - c}{1-\gamma}$, which is attained.

    (c) With an entropy bonus at the temperature $\tau$ and $Q_M^\tau = R + \gamma P V_M^\tau$ for all actions,
    $$0 \le V_c^\tau - V_M^\tau \le \frac{\tau}{1-\gamma} \log\Big(1 + e^{-c/\tau} \max_s \sum_{a \notin M(s)}
      e^{(Q_M^\tau - V_M^\tau)(s,a)/\tau}\Big),$$
    and $V_c^\tau - V_M^\tau$ is at least the same expression of the state itself without $\frac{1}{1-\gamma}$ (our addition):
    strictly positive wherever an action is masked, so that no finite $c$ is exact.
    """,
    assumptions=(
        Assumption(
            "A1",
            "the mask keeps an action in each state",
            DEFINITIONAL,
            lambda t: bool(t.base.mask.any(axis=1).all()),
        ),
        Assumption(
            "A2",
            "for penalties below the threshold: $c^* > 0$",
            DEFINITIONAL,
            lambda t: by.threshold(t, t.base.masked_optimum)[0] > 1e-9,
        ),
    ),
    instance_family=penalty_task,
    witnesses=(T3, LOOP),
    instances=100,
)


def scale(task: PenaltyTask) -> float:
    """1e-11 at the size of the rewards over (1 - gamma)^2."""
    size = float(np.abs(task.base.mdp.reward).max()) + task.soft_penalty
    return 1e-11 * (1 + size) / (1 - task.base.mdp.discount) ** 2


SOLVED = "certificates of the values, over 1 - gamma: 1e-11 at the size of the rewards over (1 - gamma)^2"

exactness = PENALTY.part(
    "(a)",
    r"$V_c = V_M$ at $c = c^*$, $c^* + 10^{-3}$ and $c^* + 1$",
    Equal(by.penalised_values, by.masked_values),
    resolution=scale,
    reason=SOLVED,
    assumes=("A1",),
    exact=(exact.penalised_values, exact.masked_values),
)
PENALTY.part(
    "(a, only if)",
    r"$\max_s (V_c - V_M) \ge c^* - c$ for $c < c^*$, so that $V_c \ne V_M$",
    AtLeast(by.largest_gains, by.distances),
    resolution=scale,
    reason=SOLVED,
    cross_left=by.largest_gains_by_sweeps,
    cross_right=by.distances_by_sweeps,
    exact=(exact.largest_gains, exact.distances),
)
PENALTY.part(
    "(b, lower)",
    r"$V_c \ge V_M$ for $0 \le c \le c^*$",
    AtLeast(by.gains_below, by.nothing),
    resolution=scale,
    reason=SOLVED,
    cross_left=by.gains_below_by_sweeps,
    closed=("right",),
    exact=(exact.gains_below, exact.nothing),
)
upper = PENALTY.part(
    "(b)",
    r"$V_c - V_M \le \frac{c^* - c}{1-\gamma}$ for $0 \le c \le c^*$",
    AtMost(by.gains_below, by.discounted_distances),
    resolution=scale,
    reason=SOLVED,
    cross_left=by.gains_below_by_sweeps,
    cross_right=by.discounted_distances_by_sweeps,
    specified_tightness="1.000",
    exact=(exact.gains_below, exact.discounted_distances),
)
soft_upper = PENALTY.part(
    "(c)",
    r"$V_c^\tau - V_M^\tau \le \frac{\tau}{1-\gamma} \log(1 + e^{-c/\tau} \max_s \sum_{a \notin M(s)} e^{(Q_M^\tau-V_M^\tau)/\tau})$",
    AtMost(by.soft_gain, by.soft_bound),
    resolution=scale,
    reason=SOLVED,
    assumes=("A1",),
    floor=1e-10,
    cross_left=by.soft_gain_by_sweeps,
    cross_right=by.soft_bound_by_sweeps,
    exact=(exact.soft_gain, exact.soft_bound),
)
soft_lower = PENALTY.part(
    "(c, strict)",
    r"$V_c^\tau - V_M^\tau \ge \tau \log(1 + e^{-c/\tau} \sum_{a \notin M(s)} e^{(Q_M^\tau-V_M^\tau)/\tau})$, positive where an action is masked",
    AtLeast(by.soft_gain, by.one_step_gain),
    resolution=scale,
    reason=SOLVED,
    assumes=("A1",),
    floor=1e-10,
    cross_left=by.soft_gain_by_sweeps,
    cross_right=by.one_step_gain_by_sweeps,
    exact=(exact.soft_gain, exact.one_step_gain),
)


@PENALTY.known(T3)
def _(task: PenaltyTask) -> Iterator[Known]:
    masked = task.base.masked_optimum
    least, error = by.threshold(task, masked)
    yield Known("threshold", "10", least, error)
    yield Known("V_M", "10 8 20", masked.value, masked.certificate.bound)
    for penalty, printed in ((10.0, "10 8 20"), (9.0, "10 9 20"), (5.0, "12.2 13 20")):
        side = by.gains(task, [penalty])
        value, error = masked.value + np.asarray(side.value)[0], float(np.max(side.error))
        yield Known(f"V at c = {penalty:g}", printed, value, error)


# --- what must fail -------------------------------------------------------------------------------------------------


def first_row(outcome: Outcome) -> FloatArray:
    """V at the threshold that was tried."""
    return np.asarray(outcome.left[0])


def with_entropy(task: PenaltyTask) -> Side:
    """Soft V_c at the threshold and beyond it."""
    least = by.threshold(task, task.base.masked_optimum)[0]
    found = [by.soft(task, task.penalised(least + step)) for step in STEPS]
    return Side(np.array([solution.value for solution in found]), found[0].certificate.bound)


def with_entropy_masked(task: PenaltyTask) -> Side:
    """Soft V_M, a row each penalty."""
    found = by.soft(task, task.base.masked)
    return Side(np.tile(found.value, (len(STEPS), 1)), found.certificate.bound)


def without_the_horizon(task: PenaltyTask) -> Side:
    """c* - c, without 1 / (1 - gamma)."""
    side = by.discounted_distances(task)
    return Side((1 - task.base.mdp.discount) * np.asarray(side.value), side.error)


def soft_without_the_horizon(task: PenaltyTask) -> Side:
    """Largest one-step gain, without 1 / (1 - gamma)."""
    side = by.soft_bound(task)
    return Side((1 - task.base.mdp.discount) * np.asarray(side.value), side.error)


def without_the_penalty(task: PenaltyTask) -> Side:
    """One-step gain without the penalty."""
    return by.one_step_gain(replace(task, soft_penalty=0.0))


exactness.control(
    "the threshold of the unmasked advantage, 0",
    kind="mutation",
    instance=T3,
    left=partial(by.penalised_values, least=0.0),
    specified="16.7 18 20",
    measure=first_row,
)
exactness.control(
    "the range of the one-step reward as the threshold, 2",
    kind="mutation",
    instance=T3,
    left=partial(by.penalised_values, least=2.0),
    specified="14.9 16 20",
    measure=first_row,
)
exactness.control(
    "an entropy bonus",
    kind="mutation",
    instance=T3,
    left=with_entropy,
    right=with_entropy_masked,
    both="the bonus changes the problem, hence both of its values",
)
upper.control("no 1 / (1 - gamma)", kind="constant", instance=LOOP, right=without_the_horizon, specified="9")
soft_upper.control(
    "no 1 / (1 - gamma), with entropy", kind="constant", instance=LOOP, right=soft_without_the_horizon
)
soft_lower.control("no penalty in the bound", kind="mutation", instance=T3, right=without_the_penalty)


# --- the figure -----------------------------------------------------------------------------------------------------


@PENALTY.figure(
    r"Left: largest $V_c - V_M$ over the penalty on the three-state example (thick) and three random problems, both in units of "
    r"$c^*$: piecewise linear, and zero from the threshold on. Right: the same with entropy regularisation on the three-state example "
    "(solid) and its bound (dashed): never zero, falling like $e^{-c/\\tau}$.",
    panels=2,
)
def _(axes: Any) -> None:
    drawn = (penalty_task(SeededDraw(seed)) for seed in range(100))
    random = [task for task in drawn if by.threshold(task, task.base.masked_optimum)[0] > 1][:3]
    for number, (task, width) in enumerate([(T3, 3.0), *((task, 1.2) for task in random)]):
        least, fractions = by.threshold(task, task.base.masked_optimum)[0], np.linspace(0, 1.5, 61)
        found = by.best(by.gains(task, [float(f * least) for f in fractions])).value
        name = "three states" if task is T3 else "random problems" if number == 1 else ""
        look = "k-" if task is T3 else "C0-"
        axes[0].plot(fractions, np.asarray(found) / least, look, linewidth=width, label=name)
    axes[0].axvline(1, color="0.5", linestyle="dotted")
    axes[0].set(xlabel="penalty $c/c^*$", ylabel=r"$\max_s (V_c - V_M)/c^*$")
    penalties = np.linspace(0, 20, 81)
    for number, temperature in enumerate((0.5, 1.0, 2.0)):
        tasks = [replace(T3, temperature=temperature, soft_penalty=float(c)) for c in penalties]
        colour = f"C{number}"
        gain = [float(np.max(by.soft_gain(task).value)) for task in tasks]
        axes[1].semilogy(penalties, gain, color=colour, label=rf"$\tau = {temperature:g}$")
        bound = [float(np.max(by.soft_bound(task).value)) for task in tasks]
        axes[1].semilogy(penalties, bound, color=colour, linestyle="dashed", linewidth=1)
    axes[1].plot([], [], color="0.35", linestyle="dashed", linewidth=1, label="bounds")
    axes[1].axvline(10, color="0.5", linestyle="dotted")
    axes[1].set(xlabel="penalty $c$", ylabel=r"$\max_s (V_c^\tau - V_M^\tau)$")
    for ax in axes:
        ax.legend()
