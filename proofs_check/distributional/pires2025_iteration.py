r"""Policy iteration with a stock (Pires et al. 2025): every improvement helps everywhere, and the gap closes from behind.

What is greedy for the laws of a policy is better from every node, if the objective is indifferent to mixtures.  After n
improvements the first n choices cannot be bettered unless by what comes after them: the gap to the optimum is at most the
distance of the laws n steps later, scaled by :math:`\gamma^n`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import Assumption, AtMost, Claim, Equal, Known, Outcome, Side
from mdplab.models import OutcomeModel
from mdplab.wasserstein import wasserstein, wasserstein_on_positions
from proofs_check.distributional import exact_iteration as exact
from proofs_check.distributional.iteration_tasks import (
    IterationTask,
    curved_iteration_task,
    iteration_task,
    path_law,
    path_value,
    risky_iteration_task,
    square_iteration_task,
    two_payments,
)
from proofs_check.distributional.stock_tasks import M2, M3, delayed_coin

# --- the routes -----------------------------------------------------------------------------------------------------


def node_errors(task: IterationTask) -> FloatArray:
    """Rounding of the value at every node, whose scale grows with the depth."""
    return np.array(
        [task.utility_error / task.discount**t for t, layer in enumerate(task.nodes) for _ in layer]
    )


def improvements(task: IterationTask) -> range:
    """Improvements to look at; the policy itself again where it was the best already."""
    return range(max(1, len(task.plans) - 1))


def values_of(task: IterationTask, shift: int, *, by_paths: bool = False) -> Side:
    """Values at all nodes, policy by policy, the start first."""
    nodes = [node for layer in task.nodes for node in layer]
    plans = [task.policy(k + shift) for k in improvements(task)]
    if by_paths:
        found = [[path_value(task, plan.actions, node) for node in nodes] for plan in plans]
    else:
        found = [[plan.values[node] for node in nodes] for plan in plans]
    return Side(np.concatenate(found), np.tile(node_errors(task), len(plans)))


def values_before(task: IterationTask) -> Side:
    """Values at all reachable nodes before each improvement, by laws carried backward"""
    return values_of(task, 0)


def values_before_by_paths(task: IterationTask) -> Side:
    """Values at all reachable nodes before each improvement, over all paths"""
    return values_of(task, 0, by_paths=True)


def values_after(task: IterationTask) -> Side:
    """Values at all reachable nodes after each improvement, by laws carried backward"""
    return values_of(task, 1)


def values_after_by_paths(task: IterationTask) -> Side:
    """Values at all reachable nodes after each improvement, over all paths"""
    return values_of(task, 1, by_paths=True)


def last_value(task: IterationTask) -> Side:
    """Value at the start after H improvements, and of value iteration"""
    found = [task.policy(task.steps).values[task.start], task.best.values[task.start]]
    return Side(found, task.planning_error)


def best_value(task: IterationTask) -> Side:
    """Enumeration of the laws of all history-dependent policies: the largest objective, twice"""
    return Side([task.achieved(0, task.stocks[0]).max()] * 2, task.utility_error)


def gaps(task: IterationTask) -> Side:
    """Value of value iteration less that of the n-th policy, n = 0, ..., H - 1, by laws carried backward"""
    values = [task.policy(n).values[task.start] for n in range(task.steps)]
    return Side(task.best.values[task.start] - np.array(values), task.planning_error + task.utility_error)


def gaps_by_paths(task: IterationTask) -> Side:
    """The same, over all paths"""
    values = [path_value(task, task.policy(n).actions, task.start) for n in range(task.steps)]
    best = path_value(task, task.best.actions, task.start)
    return Side(best - np.array(values), task.planning_error + task.utility_error)


def distance_bounds(task: IterationTask) -> Side:
    """gamma^n times the largest distance of laws of the first and the best policy at depth n, by quantiles"""
    found = []
    for n, layer in enumerate(task.nodes[:-1]):
        distances = [wasserstein(task.policy(0).laws[node], task.best.laws[node], 1) for node in layer]
        found.append(task.discount**n * max(distances))
    return Side(found, task.law_error)


def distance_bounds_by_paths(task: IterationTask) -> Side:
    """The same, laws over all paths and distances by cumulative masses"""
    found = []
    for n, layer in enumerate(task.nodes[:-1]):
        distances = []
        for node in layer:
            first, best = (path_law(task, plan.actions, node) for plan in (task.policy(0), task.best))
            atoms = sorted({*first, *best})
            p, q = ([law.get(x, 0.0) for x in atoms] for law in (first, best))
            distances.append(wasserstein_on_positions(p, q, atoms))
        found.append(task.discount**n * max(distances))
    return Side(found, task.law_error)


# --- the claim ------------------------------------------------------------------------------------------------------

DISTANCE = IterationTask(M2, 4, 0.5, "-|x|", (-1.0,))
RISKY = IterationTask(M3, 3, 1.0, "CVaR at 1/4", (0.0,))
SPREAD = IterationTask(M2, 3, 1.0, "mean less half the variance", (0.0,))
PAYMENTS = two_payments()

ITERATION = Claim(
    "dist-dpi-monotone-rate",
    title="Distributional policy iteration improves monotonically and its gap is at most L gamma^n times a distance of laws",
    papers=("pires2025return",),
    provenance="our formalisation",
    statement=r"""
    Let policies choose by steps to go $h$, state and stock, on what is reachable from $(s_0, c_0)$ in $H$ steps, let
    $\eta^\pi_h(s, c)$ be the law of the return of $\pi$, and let $\pi_{k+1}$ be greedy for $K$ and $\eta^{\pi_k}$, where it
    keeps the action of $\pi_k$ unless another is strictly better. Then, with $f^\pi$ the value and $f_*$ the best one,

    (i) $K(c + \eta^{\pi_{k+1}}) \ge K(c + \eta^{\pi_k})$ at every reachable node;

    (ii) $\pi_k$ is optimal for $k \ge H$;

    (iii) $f_*(s_0, c_0) - f^{\pi_n}(s_0, c_0) \le L \gamma^n \max w_1(\eta^{\pi_0}_{H-n}(s, c), \eta^*_{H-n}(s, c))$ over
    the nodes at depth $n < H$, for $K = Eu$ with $u$ $L$-Lipschitz (here $L = 1$).
    """,
    assumptions=(
        Assumption(
            "A1",
            "$K$ is indifferent to mixtures",
            "the value-at-risk passes the optimum and leaves it",
            lambda task: task.functional.mixtures,
            wider=risky_iteration_task,
        ),
        Assumption(
            "A2",
            r"$K$ is indifferent to $\gamma$",
            "exponential utility with a discount",
            lambda task: task.discount == 1.0 or task.functional.scaling,
            wider=curved_iteration_task,
        ),
        Assumption(
            "A3",
            "$K$ is 1-Lipschitz in $w_1$",
            "the square of the distance, which is not Lipschitz",
            lambda task: task.functional.lipschitz <= 1.0,
            wider=square_iteration_task,
        ),
    ),
    instance_family=iteration_task,
    witnesses=(DISTANCE, PAYMENTS),
    instances=12,
)
ROUNDED = (
    "ties of width 1e-12 at each of four steps and rounding, sixteen times as large at the deepest stocks"
)

SAME_POLICIES = (
    "the statement is about these policies and nodes; what they earn is found again over all paths"
)
monotone_part = ITERATION.part(
    "(i)",
    r"$K(c + \eta^{\pi_{k+1}}) \ge K(c + \eta^{\pi_k})$ at every reachable node",
    AtMost(values_before, values_after),
    resolution=1e-10,
    reason=ROUNDED,
    assumes=("A1", "A2"),
    cross_left=values_before_by_paths,
    cross_right=values_after_by_paths,
    shared=dict.fromkeys(("reachable_nodes", "stock_policy_iteration"), SAME_POLICIES),
    exact=(exact.values_before, exact.values_after),
)
optimal_part = ITERATION.part(
    "(ii)",
    "optimal after at most $H$ improvements",
    Equal(last_value, best_value),
    resolution=1e-10,
    reason=ROUNDED,
    assumes=("A1", "A2"),
    instances=6,
    exact=(exact.last_values, exact.best_values),
)
rate_part = ITERATION.part(
    "(iii)",
    r"$f_* - f^{\pi_n} \le L\gamma^n \max w_1(\eta^{\pi_0}_{H-n}, \eta^*_{H-n})$ over the nodes at depth $n$",
    AtMost(gaps, distance_bounds),
    resolution=1e-10,
    reason=ROUNDED,
    cross_left=gaps_by_paths,
    cross_right=distance_bounds_by_paths,
    shared=dict.fromkeys(
        ("reachable_nodes", "stock_policy_iteration", "stock_value_iteration"), SAME_POLICIES
    ),
    exact=(exact.gaps, exact.distance_bounds),
)


def sequence(task: IterationTask) -> list[float]:
    """Values at the start, policy by policy."""
    return [plan.values[task.start] for plan in task.plans]


@ITERATION.known(DISTANCE)
def _(task: IterationTask) -> Iterator[Known]:
    yield Known("values at the start", "-1.867775 -0.702625", sequence(task), 1e-13)
    yield Known("the best of all policies", "-0.702625", task.achieved(0, -1.0).max(), 1e-13)


@ITERATION.known(PAYMENTS)
def _(task: IterationTask) -> Iterator[Known]:
    yield Known("first and best value", "-10 -8.125", [sequence(task)[0], task.best.values[task.start]])
    yield Known("distance of their laws", "1.875", np.asarray(distance_bounds(task).value)[0])


@ITERATION.known(SPREAD)
def _(task: IterationTask) -> Iterator[Known]:
    yield Known("mean less half the variance: values", "-3.469862 0.348232", sequence(task), 1e-13)
    yield Known("the best of all policies", "0.376888", task.achieved(0, 0.0).max(), 1e-13)
    yield Known("value iteration", "0.348232", task.best.values[task.start], 1e-13)


@ITERATION.known(RISKY)
def _(task: IterationTask) -> Iterator[Known]:
    yield Known("the best value-at-risk of all policies", "-0.752", task.achieved(0, 0.0).max(), 1e-13)
    yield Known("value iteration", "-1.872", task.best.values[task.start], 1e-13)


# --- what must fail -------------------------------------------------------------------------------------------------


def values_at_the_start(outcome: Outcome) -> FloatArray:
    """Of the three policies of two improvements."""
    second = outcome.left.size // 2
    return np.array([outcome.left[0], outcome.left[second], outcome.right[second]])


def later_bounds(task: IterationTask) -> Side:
    """gamma^(n + 1) in the place of gamma^n"""
    found = distance_bounds(task)
    return Side(task.discount * np.asarray(found.value), found.error)


monotone_part.control(
    "the value-at-risk passes the optimum and leaves it",
    kind="assumption",
    drops="A1",
    instance=RISKY,
    specified="-1.184 -0.752 -1.872",
    measure=values_at_the_start,
)
optimal_part.control(
    "mean less half the variance rests short of the optimum",
    kind="assumption",
    drops="A1",
    instance=SPREAD,
    specified="0.348232 0.376888",
    measure=lambda outcome: np.array([outcome.left[0], outcome.right[0]]),
)
optimal_part.control(
    "exponential utility with a discount",
    kind="assumption",
    drops="A2",
    instance=IterationTask(delayed_coin(), 2, 0.5, "-exp(-x)", (0.0,)),
    specified="-1.0 -0.9907961771991038",
    measure=lambda outcome: np.array([outcome.left[0], outcome.right[0]]),
)
rate_part.control(
    "the square of the distance, which is not Lipschitz",
    kind="assumption",
    drops="A3",
    instance=IterationTask(PAYMENTS.model, 4, 0.5, "-x^2", (-10.0,)),
    specified="33.984375 1.875",
    measure=lambda outcome: np.array([outcome.left[0], outcome.right[0]]),
)
rate_part.control(
    "one power of the discount more",
    kind="constant",
    instance=PAYMENTS,
    right=later_bounds,
    specified="1.875 0.9375",
    measure=lambda outcome: np.array([outcome.left[0], outcome.right[0]]),
)


# --- the figure -----------------------------------------------------------------------------------------------------


SLOW = IterationTask(
    OutcomeModel.from_transition_rewards(
        [[[0.3, 0.7], [0.7, 0.3]], [[0.1, 0.9], [0.6, 0.4]]], [[[0, 2], [-2, 2]], [[-2, 1], [0, 2]]]
    ),
    4,
    0.5,
    "-|x|",
    (-1.0,),
)


def worst_gap(task: IterationTask, number: int) -> float:
    """Largest gap over the reachable nodes, at the scale of the start."""
    plan = task.policy(number)
    return max(
        task.discount**t * (task.best.values[node] - plan.values[node])
        for t, layer in enumerate(task.nodes)
        for node in layer
    )


@ITERATION.figure(
    r"Policy iteration for $-E|c + G|$ in a model of two states that needs two improvements: value at the start, the optimum "
    "(line), the gap at the start, the worst gap over all reachable nodes (at the scale of the start), and the bound of (iii)."
)
def _(ax: Any) -> None:
    steps = list(range(SLOW.steps))
    ax.axhline(SLOW.best.values[SLOW.start], color="0.5", linewidth=0.8)
    values = [SLOW.policy(n).values[SLOW.start] for n in steps]
    ax.plot(steps, values, "o-", color="C0", label="value at the start")
    ax.plot(steps, np.asarray(distance_bounds(SLOW).value), "s--", color="black", label="bound (iii)")
    ax.plot(steps, [worst_gap(SLOW, n) for n in steps], "^:", color="C2", label="worst reachable gap")
    ax.plot(steps, np.asarray(gaps(SLOW).value), "D-", color="C1", label="gap at the start")
    ax.set(xlabel="improvements $n$", ylabel="value and gap")
    ax.set_xticks(range(4))
    ax.legend(loc="center", bbox_to_anchor=(0.6, 0.4))
