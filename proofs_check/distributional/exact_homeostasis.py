"""Vector stocks in rationals, Euclidean norms as balls: the recursion, and the laws of all policies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.distributional.homeostasis_tasks import degree

if TYPE_CHECKING:
    from proofs_check.distributional.homeostasis_tasks import HomeostasisTask

Point: TypeAlias = tuple[Any, Any]
Law: TypeAlias = dict[Point, Any]


UTILITIES: dict[str, Callable[[Any, Any], Any]] = {
    "l2": lambda x, y: -mdplab.exact.sqrt(x * x + y * y),
    "l1": lambda x, y: -abs(x) - abs(y),
    "linf": lambda x, y: -max(abs(x), abs(y)),
    "square": lambda x, y: -(x * x + y * y),
    "l1 from (1, 1)": lambda x, y: -abs(x - 1) - abs(y - 1),
}


def branches(task: HomeostasisTask) -> list[list[list[tuple[Any, Point, int]]]]:
    """Probability, reward and next state of the outcomes of positive probability, by state and action."""
    law, reward = mdplab.exact.laws(task.model.law), mdplab.exact.rational(task.model.rewards())
    target = task.model.next_states()
    return [
        [
            [(row[o], tuple(reward[s, a, o]), int(target[s, a, o])) for o in np.flatnonzero(row != 0)]
            for a, row in enumerate(rows)
        ]
        for s, rows in enumerate(law)
    ]


def recursion_values(task: HomeostasisTask) -> Array:
    """The recursion of numbers at stocks, for each utility and start."""
    rows, discount = branches(task), mdplab.exact.rational(task.discount)

    def value(name: str) -> list[Any]:
        @cache
        def best(steps: int, state: int, stock: Point) -> Any:
            if steps == 0:
                return UTILITIES[name](*stock)
            found = [
                sum(
                    p * best(steps - 1, t, ((stock[0] + r[0]) / discount, (stock[1] + r[1]) / discount))
                    for p, r, t in outcomes
                )
                for outcomes in rows[state]
            ]
            return discount ** degree(name) * mdplab.exact.highest(found)

        return [best(task.steps, s, tuple(mdplab.exact.rational(c))) for s, c in task.starts]

    return np.array([value(name) for name in task.utilities], dtype=object)


def laws(task: HomeostasisTask) -> list[list[Law]]:
    """Laws of the return of all policies, by start state."""
    rows, discount = branches(task), mdplab.exact.rational(task.discount)
    zero = 0 * discount
    found: list[list[Law]] = [[{(zero, zero): zero + 1}]] * task.model.n_states

    def mixed(outcomes: list[tuple[Any, Point, int]]) -> Iterator[Law]:
        for chosen in product(*(found[t] for _, _, t in outcomes)):
            law: Law = defaultdict(lambda: zero)
            for (p, r, _), later in zip(outcomes, chosen, strict=True):
                for x, mass in later.items():
                    law[r[0] + discount * x[0], r[1] + discount * x[1]] += p * mass
            yield law

    for _ in range(task.steps):
        found = [[law for outcomes in choices for law in mixed(outcomes)] for choices in rows]
    return found


def best_values(task: HomeostasisTask) -> Array:
    """The largest expected utility of all achievable laws, for each utility and start."""
    achieved = laws(task)

    def best(name: str, state: int, stock: Any) -> Any:
        c = mdplab.exact.rational(stock)
        worth = {
            x: UTILITIES[name](c[0] + x[0], c[1] + x[1]) for x in {x for law in achieved[state] for x in law}
        }
        return mdplab.exact.highest([sum(p * worth[x] for x, p in law.items()) for law in achieved[state]])

    return np.array([[best(name, s, c) for s, c in task.starts] for name in task.utilities], dtype=object)
