r"""Feasible regions by reachability values (Zheng et al. 2024, FISOR).

The undiscounted reachability value finds the largest set of states that can stay safe for ever.  The discounted
operator, which contracts, forgives a violation that lies far enough ahead: its region contains doomed states, and a
closed form tells which.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._typing import BoolArray, FloatArray, IntArray
from mdplab.claims import DEFINITIONAL, Assumption, Claim, Equal, Known, Side
from mdplab.claims.tolerances import rounding
from mdplab.operators import largest_invariant_set, reachability_backup, survival_time
from proofs_check.dual_rl import exact_safety as exact
from proofs_check.dual_rl.instances import SafetyTask, safety_task, survival_task

# --- the routes -----------------------------------------------------------------------------------------------------


def reachability_value(task: SafetyTask) -> FloatArray:
    """``V_h``, iterated upward from ``h``; every value is one of h's, so the iteration ends."""
    value = task.cost
    while True:
        after = reachability_backup(task.successors, value, task.cost)
        if np.array_equal(after, value):
            return value
        value = after


def signs(members: BoolArray) -> FloatArray:
    """A set as a side: 1 for its members, -1 for the others."""
    return np.where(members, 1.0, -1.0)


def value_region(task: SafetyTask) -> Side:
    """Region {V_h <= 0} of the reachability value, iterated upward from h."""
    return Side(signs(reachability_value(task) <= 0))


def invariant_region(task: SafetyTask) -> Side:
    """Largest controlled-invariant subset of {h <= 0}, by removing states that no action keeps inside."""
    return Side(signs(largest_invariant_set(task.successors, task.cost <= 0)))


def greedy_actions(task: SafetyTask, value: FloatArray) -> IntArray:
    """Greedy policy arg min_a V(n(s, a)), shape (S,)."""
    return np.asarray(value[task.successors].argmin(axis=1))


def rolled(task: SafetyTask, actions: IntArray) -> FloatArray:
    """Largest ``h`` along the path of a deterministic policy from each state; S steps visit all that it ever visits."""
    here = np.arange(task.unsafe.size)
    worst = task.cost
    for _ in range(task.unsafe.size):
        here = task.successors[here, actions[here]]
        worst = np.maximum(worst, task.cost[here])
    return worst


def greedy_violation(task: SafetyTask) -> Side:
    """Largest h along the path of the greedy policy of V_h, rolled out from each state."""
    return Side(rolled(task, greedy_actions(task, reachability_value(task))))


def invariant_violation(task: SafetyTask) -> Side:
    """-1 on the largest controlled-invariant subset, M elsewhere."""
    members = largest_invariant_set(task.successors, task.cost <= 0)
    return Side(np.where(members, -1.0, task.margin))


def fixed_point(task: SafetyTask) -> Side:
    """Fixed point of the discounted operator, iterated from h."""
    value = task.cost
    for _ in range(100_000):
        after = reachability_backup(task.successors, value, task.cost, discount=task.discount)
        change = float(np.abs(after - value).max())
        value = after
        if change <= 1e-15 * (1 + task.margin):
            break
    # a gamma-contraction: the distance to the fixed point is at most gamma/(1-gamma) times the last change
    error = task.discount * change + float(rounding(1 + task.margin, 6))
    return Side(value, error / (1 - task.discount))


def closed_form(task: SafetyTask) -> Side:
    """-1 + (M + 1) gamma^k with the longest survival time k (-1 where it is infinite)."""
    value = -1 + (task.margin + 1) * task.discount ** survival_time(task.successors, ~task.unsafe)
    return Side(value, rounding(1 + task.margin, 24))


def discounted_region(task: SafetyTask) -> Side:
    """Region {V_gamma <= 0} of the discounted fixed point."""
    found = fixed_point(task)
    value = np.asarray(found.value)
    return Side(signs(value <= 0), 2.0 * (np.abs(value) <= found.error))


def critical_time(task: SafetyTask) -> float:
    """Survival time log(M + 1) / log(1 / gamma) from which a doomed state counts as feasible."""
    return float(np.log1p(task.margin) / -np.log(task.discount))


def enlarged_region(task: SafetyTask) -> Side:
    """Invariant subset, with the states whose survival time is at least log(M + 1) / log(1 / gamma)."""
    members = largest_invariant_set(task.successors, task.cost <= 0)
    times = survival_time(task.successors, ~task.unsafe)
    near = np.abs(times - critical_time(task)) <= rounding(critical_time(task), 12)
    return Side(signs(members | (times >= critical_time(task))), 2.0 * near)


# --- the claim ------------------------------------------------------------------------------------------------------

SHORT, LONG = survival_task(0.5), survival_task(0.9)

FISOR = Claim(
    "fisor-largest-feasible-region",
    title="Reachability values find the largest safe region; the discounted operator makes it too large",
    papers=("zheng2024fisor",),
    provenance="as in the paper",
    theorem="feasible value function",
    statement=r"""
    Let $n(s,a)$ be deterministic transitions, $h(s) = -1$ on safe and $h(s) = M > 0$ on unsafe states, and $K$ the
    largest controlled-invariant subset of $\{h \le 0\}$. Then

    (i) $V_h = \max(h, \min_a V_h(n(s,a)))$, iterated upward from $h$, has $\{V_h \le 0\} = K$;

    (ii) from $K$ the greedy policy $\arg\min_a V_h(n(s,a))$ never violates the constraint (and from elsewhere every policy
    does, at some time);

    (iii) the fixed point of $(1-\gamma)h + \gamma \max(h, \min_a V(n))$ is $V_\gamma(s) = -1$ on $K$ and
    $-1 + (M+1)\gamma^{k(s)}$ off $K$, with $k(s)$ the longest survival time ($k = 0$ if unsafe, else
    $k(s) = 1 + \max_a k(n(s,a))$).

    Hence $\{V_\gamma \le 0\} = K \cup \{s : k(s) \ge \log(M+1)/\log(1/\gamma)\}$ (our addition): for $\gamma < 1$ the region
    can be too large.
    """,
    assumptions=(
        Assumption("A1", "deterministic transitions", DEFINITIONAL),
        Assumption("A2", "finitely many states and actions", DEFINITIONAL),
        Assumption(
            "A3", r"$h$ takes the values $-1$ and $M > 0$, and $0 < \gamma < 1$", DEFINITIONAL,
            lambda task: task.margin > 0 and 0 < task.discount < 1,
        ),
    ),
    instance_family=safety_task,
    witnesses=(SHORT, LONG),
    instances=200,
)  # fmt: skip

region = FISOR.part(
    "(i)",
    r"$\{V_h \le 0\} = K$",
    Equal(value_region, invariant_region),
    resolution=0.5,
    reason="sets: the iteration only copies values of h, nothing is rounded",
    exact=(exact.value_region, exact.invariant_region),
)
safe = FISOR.part(
    "(ii)",
    "the greedy policy of $V_h$ never violates from $K$, and violates from elsewhere",
    Equal(greedy_violation, invariant_violation),
    resolution=1e-12,
    reason="values of h, nothing is rounded",
    exact=(exact.greedy_violation, exact.invariant_violation),
)
form = FISOR.part(
    "(iii)",
    r"$V_\gamma = -1$ on $K$ and $-1 + (M+1)\gamma^{k}$ off $K$",
    Equal(fixed_point, closed_form),
    resolution=1e-12,
    reason="rounding of one backup over 1 - gamma: 1e-12",
    exact=(exact.discounted_value, exact.closed_form),
)
threshold = FISOR.part(
    "(iii, region)",
    r"$\{V_\gamma \le 0\} = K \cup \{k \ge \log(M+1)/\log(1/\gamma)\}$",
    Equal(discounted_region, enlarged_region),
    resolution=0.5,
    reason="sets; undecided where a value is within its error of zero",
    exact=(exact.discounted_region, exact.enlarged_region),
)


@FISOR.known(SHORT)
def _(task: SafetyTask) -> Any:
    yield Known("V_h", "-1 -1 5 5 5 5 5", reachability_value(task))
    yield Known("V at discount .5", "-1 -1 -0.625 -0.25 0.5 2 5", fixed_point(task).value, 1e-14)
    yield Known("critical survival time at discount .5", "2.5849625007", critical_time(task))
    yield Known(
        "survival times of the states 2 and 3", "4 3", survival_time(task.successors, ~task.unsafe)[2:4]
    )


@FISOR.known(LONG)
def _(task: SafetyTask) -> Any:
    yield Known("V at discount .9", "-1 -1 2.9366 3.374 3.86 4.4 5", fixed_point(task).value, 1e-13)
    yield Known("critical survival time at discount .9", "17.0059861424", critical_time(task))


# --- what must fail -------------------------------------------------------------------------------------------------


def worst_action_region(task: SafetyTask) -> Side:
    """Region of the value that takes the worst action in the place of the best."""
    value = task.cost
    for _ in range(value.size):
        value = np.maximum(task.cost, value[task.successors].max(axis=1))
    return Side(signs(value <= 0))


def reckless_violation(task: SafetyTask) -> Side:
    """Largest h along the path of the policy arg max_a V_h(n(s, a))."""
    return Side(rolled(task, greedy_actions(task, -reachability_value(task))))


def without_the_unit(task: SafetyTask) -> Side:
    """-1 + M gamma^k."""
    return Side(-1 + task.margin * task.discount ** survival_time(task.successors, ~task.unsafe), 1e-14)


def differing(outcome: Any) -> Any:
    """States on which the two sides differ."""
    return np.flatnonzero(outcome.left != outcome.right)


region.control(
    "the worst action in the place of the best", kind="mutation", instance=SHORT, left=worst_action_region
)
safe.control("the policy takes the worst action", kind="mutation", instance=SHORT, left=reckless_violation)
form.control("M in the place of M + 1", kind="constant", instance=SHORT, right=without_the_unit)
threshold.control(
    "the invariant set in the place of the enlarged region",
    kind="mutation",
    instance=SHORT,
    right=invariant_region,
    specified="2 3",
    measure=differing,
)

FISOR.reading(
    "discounted-region",
    title="The discounted reachability value finds the largest safe region",
    statement=r"""
    The fixed point of the discounted operator has $\{V_\gamma \le 0\} = K$. It does not: a state that survives for
    $k(s) \ge \log(M+1)/\log(1/\gamma)$ steps is declared feasible although every policy ends in violation. In the chain
    of seven states with $M = 5$, $\gamma = 0.5$ these are the states 2 and 3.
    """,
    relation=Equal(discounted_region, invariant_region),
    counterexamples=(SHORT,),
    repair=threshold,
    resolution=0.5,
    reason="sets; undecided where a value is within its error of zero",
    specified="2 3",
    measure=differing,
)


# --- the figure -----------------------------------------------------------------------------------------------------


@FISOR.figure(
    "Discounted reachability value along the chain in which states 0 and 1 can stay safe and states 2 to 5 march into "
    "the unsafe state 6 (margin 5). States on or below the zero line count as feasible: at small discounts doomed "
    "states do (filled markers); without discounting (crosses) none."
)
def _(ax: Any) -> None:
    ax.axhspan(-1.6, 0.0, color="0.93", linewidth=0)
    ax.axhline(0.0, color="0.3", linewidth=0.8)
    places = np.arange(7)
    for k, discount in enumerate((0.5, 0.7, 0.9)):
        task = survival_task(discount)
        value = np.asarray(fixed_point(task).value)
        ax.plot(places, value, color=f"C{k}", label=rf"$\gamma = {discount}$")
        wrong = (value <= 0) & (reachability_value(task) > 0)
        ax.plot(places[wrong], value[wrong], "o", color=f"C{k}")
        ax.plot(places[~wrong], value[~wrong], "o", color=f"C{k}", markerfacecolor="white")
    ax.plot(places, reachability_value(SHORT), "x", color="black", label=r"$V_h$ (no discount)")
    ax.annotate("counts as feasible", (5.95, -1.35), ha="right", color="0.35")
    ax.set(xlabel="state", ylabel=r"$V_\gamma(s)$", xticks=places, ylim=(-1.6, 7.6))
    ax.legend(fontsize="small", loc="upper left", ncols=2)
