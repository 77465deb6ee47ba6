"""Policy iteration with a stock in rationals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.distributional.exact_stock import best_values as enumerated
from proofs_check.distributional.exact_stock import branches, objective, planned_values

if TYPE_CHECKING:
    from mdplab.exact import RationalLaw
    from proofs_check.distributional.iteration_tasks import IterationTask

Node: TypeAlias = tuple[int, int, Any]
Laws: TypeAlias = "Mapping[Node, RationalLaw]"


class Plan(NamedTuple):
    """A policy on nodes with its laws and values."""

    actions: dict[Node, int]
    laws: dict[Node, RationalLaw]
    values: dict[Node, Any]


class Iteration:
    """The nodes below the start, by depth, and what policies earn there."""

    def __init__(self, task: IterationTask) -> None:
        self.task, self.branches, self.value = task, branches(task), objective(task.objective)
        self.discount = mdplab.exact.rational(task.discount)
        self.start: Node = (task.steps, 0, mdplab.exact.rational(task.stocks[0]))
        self.layers: list[list[Node]] = [[self.start]]
        for _ in range(task.steps):
            below = (
                self.below(node, r, t)
                for node in self.layers[-1]
                for outcomes in self.branches[node[1]]
                for _, r, t in outcomes
            )
            self.layers.append(list(dict.fromkeys(below)))

    def below(self, node: Node, reward: Any, state: int) -> Node:
        return node[0] - 1, state, (node[2] + reward) / self.discount

    def law(self, node: Node, action: int, laws: Laws) -> RationalLaw:
        outcomes = self.branches[node[1]][action]
        parts = [laws[self.below(node, r, t)].affine(self.discount, r) for _, r, t in outcomes]
        return mdplab.exact.RationalLaw.mix(parts, [p for p, _, _ in outcomes])

    def best(self, node: Node, laws: Laws, kept: int = 0) -> int:
        """The action kept unless another is better, the lowest of those."""
        found = [self.law(node, a, laws).affine(1, node[2]) for a in range(len(self.branches[node[1]]))]
        values = [self.value(law) for law in found]
        best = kept
        for a, value in enumerate(values):
            if value > values[best]:
                best = a
        return best

    def swept(self, choose: Callable[[Node, Laws], int]) -> Plan:
        plan = Plan({}, {node: mdplab.exact.RationalLaw.from_atoms([0], [1]) for node in self.layers[-1]}, {})
        for layer in self.layers[-2::-1]:
            for node in layer:
                plan.actions[node] = choose(node, plan.laws)
                plan.laws[node] = self.law(node, plan.actions[node], plan.laws)
        plan.values.update((node, self.value(law.affine(1, node[2]))) for node, law in plan.laws.items())
        return plan

    def plans(self) -> list[Plan]:
        """The policies, at most H + 2 improvements."""
        found = [self.swept(lambda node, laws: 0)]
        for _ in range(self.task.steps + 2):
            last = found[-1]
            greedy = {node: self.best(node, last.laws, kept) for node, kept in last.actions.items()}
            if greedy == last.actions:
                break
            found.append(self.swept(lambda node, laws, greedy=greedy: greedy[node]))  # type: ignore[misc]
        return found


def at(plans: list[Plan], number: int) -> Plan:
    return plans[min(number, len(plans) - 1)]


def values_before(task: IterationTask) -> Array:
    """Values at all nodes before each improvement."""
    return values_of(task, 0)


def values_after(task: IterationTask) -> Array:
    """Values at all nodes after each improvement."""
    return values_of(task, 1)


def values_of(task: IterationTask, shift: int) -> Array:
    iteration = Iteration(task)
    plans = iteration.plans()
    nodes = [node for layer in iteration.layers for node in layer]
    pairs = range(max(1, len(plans) - 1))
    return np.array([at(plans, k + shift).values[node] for k in pairs for node in nodes])


def last_values(task: IterationTask) -> Array:
    """Value at the start after H improvements, and of value iteration."""
    iteration = Iteration(task)
    return np.array([at(iteration.plans(), task.steps).values[iteration.start], planned_values(task)[0]])


def best_values(task: IterationTask) -> Array:
    """Enumeration of all laws, twice."""
    return np.repeat(enumerated(task), 2)


def gaps(task: IterationTask) -> Array:
    """The optimum less the value of the n-th policy."""
    iteration = Iteration(task)
    plans, best = iteration.plans(), planned_values(task)[0]
    return np.array([best - at(plans, n).values[iteration.start] for n in range(task.steps)])


def distance_bounds(task: IterationTask) -> Array:
    """``gamma^n`` times the largest distance of laws of the first and the best policy, n steps later."""
    iteration = Iteration(task)
    first, best = iteration.plans()[0], iteration.swept(iteration.best)
    found = []
    for n, layer in enumerate(iteration.layers[:-1]):
        distances = [mdplab.exact.wasserstein_power(first.laws[node], best.laws[node], 1) for node in layer]
        found.append(iteration.discount**n * max(distances))
    return np.array(found)
