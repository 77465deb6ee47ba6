"""Policy iteration with a stock: tasks, values and laws of policies by recursions of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mdplab import solvers
from mdplab.claims import Undecided, rounding
from mdplab.instances import Draw
from mdplab.models import OutcomeModel
from mdplab.solvers import StockPlan
from mdplab.solvers.stock import Node
from proofs_check.distributional.stock_tasks import CURVED, UTILITIES, StockTask, two_state_model

Actions = Mapping[Node, int]


@dataclass(frozen=True, eq=False)
class IterationTask(StockTask):
    """One start, at state 0 with the first of the stocks; the first policy always takes action 0."""

    @property
    def starts(self) -> list[tuple[int, float]]:
        """The start."""
        return [(0, self.stocks[0])]

    @property
    def start(self) -> Node:
        """The node of the start."""
        return self.steps, 0, self.stocks[0]

    @cached_property
    def nodes(self) -> list[list[Node]]:
        """What some policy reaches, by depth."""
        return solvers.reachable_nodes(self.model, self.starts, self.steps, discount=self.discount)

    @cached_property
    def plans(self) -> list[StockPlan]:
        """The policies of the iteration."""
        return solvers.stock_policy_iteration(
            self.model,
            self.functional,
            lambda node: 0,
            self.starts,
            self.steps,
            discount=self.discount,
            max_steps=self.steps + 2,
        )

    @cached_property
    def best(self) -> StockPlan:
        """Value iteration."""
        return solvers.stock_value_iteration(
            self.model, self.functional, self.starts, self.steps, discount=self.discount
        )

    def policy(self, number: int) -> StockPlan:
        """A policy of the iteration; the last one stays."""
        return self.plans[min(number, len(self.plans) - 1)]

    @property
    def law_error(self) -> float:
        """Rounding of distances and expectations of returns."""
        return float(rounding(2 * self.largest_return + 1.0, 1024))


def branches(model: OutcomeModel, state: int, action: int) -> list[tuple[float, float, int]]:
    """Probability, reward and next state."""
    row, reward, target = model.law[state, action], model.rewards(), model.next_states()
    return [
        (float(row[o]), float(reward[state, action, o]), int(target[state, action, o]))
        for o in np.flatnonzero(row)
    ]


def path_law(task: IterationTask, actions: Actions, node: Node) -> dict[float, float]:
    """Law of the return from a node, by following all paths forward."""
    law: dict[float, float] = {}

    def follow(node: Node, factor: float, earned: float, probability: float) -> None:
        steps, state, stock = node
        if not steps:
            law[earned] = law.get(earned, 0.0) + probability
            return
        for p, r, t in branches(task.model, state, actions[node]):
            below = steps - 1, t, round((stock + r) / task.discount, 12) + 0.0
            follow(below, factor * task.discount, earned + factor * r, probability * p)

    follow(node, 1.0, 0.0, 1.0)
    return law


def path_value(task: IterationTask, actions: Actions, node: Node) -> float:
    """Expected utility of stock plus return from a node, by following all paths."""
    if task.objective not in UTILITIES:
        raise Undecided("paths are averaged for expected utilities only")
    law = path_law(task, actions, node)
    utility: Callable[..., np.ndarray] = UTILITIES[task.objective]
    return float(np.array(list(law.values())) @ utility(node[2] + np.array(list(law))))


def drawn(draw: Draw, steps: int, discount: float, names: tuple[str, ...]) -> IterationTask:
    """Rewards from -2 to 2, a whole or half start stock from -2 to 2."""
    stock = draw.integer(-4, 4) / 2
    return IterationTask(two_state_model(draw, 2), steps, discount, draw.choice(names), (stock,))


def iteration_task(draw: Draw) -> IterationTask:
    """Four steps, homogeneous and Lipschitz utilities."""
    return drawn(draw, 4, 0.5, ("-|x|", "min(x, 0)"))


def risky_iteration_task(draw: Draw) -> IterationTask:
    """Objectives that are not indifferent to mixtures, three steps without discount."""
    return drawn(draw, 3, 1.0, ("CVaR at 1/4", "CVaR at 3/4", "mean less half the variance"))


def curved_iteration_task(draw: Draw) -> IterationTask:
    """Utilities that are not homogeneous."""
    return drawn(draw, 3, 0.5, tuple(CURVED))


def square_iteration_task(draw: Draw) -> IterationTask:
    """A utility that is not Lipschitz."""
    return drawn(draw, 3, 0.5, ("-x^2",))


def two_payments() -> IterationTask:
    """One state, actions that pay 0 and 1, far below zero."""
    model = OutcomeModel(np.ones((1, 2, 1)), np.array([[[0.0], [1.0]]]), [0])
    return IterationTask(model, 4, 0.5, "min(x, 0)", (-10.0,))
