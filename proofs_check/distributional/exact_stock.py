"""Stocks in rationals: value iteration, and the laws that all history-dependent policies achieve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

import mdplab
from mdplab._typing import Array

if TYPE_CHECKING:
    from mdplab.exact import RationalLaw
    from proofs_check.distributional.rate_tasks import RateTask
    from proofs_check.distributional.stock_tasks import ReturnTask, RiskTask, StockTask

Branches: TypeAlias = list[list[list[tuple[Any, Any, int]]]]
Objective: TypeAlias = "Callable[[RationalLaw], Any]"


def hyperbolic_tangent(x: Any) -> Any:
    rising, falling = mdplab.exact.exp(x), mdplab.exact.exp(-x)
    return (rising - falling) / (rising + falling)


UTILITIES: dict[str, Callable[[Array], Any]] = {
    "x": lambda x: x,
    "min(x, 0)": lambda x: np.minimum(x, 0),
    "max(x, 0)": lambda x: np.maximum(x, 0),
    "-|x|": lambda x: -abs(x),
    "-x^2": lambda x: -(x**2),
    "x^3": lambda x: x**3,
    "1{x >= 0}": lambda x: np.where(x >= 0, mdplab.exact.rational(1), mdplab.exact.rational(0)),
    "-exp(-0.7 x)": lambda x: -mdplab.exact.exp(-x * 7 / 10),
    "-exp(-x)": lambda x: -mdplab.exact.exp(-x),
    "tanh x": hyperbolic_tangent,
    "-|x - 1|": lambda x: -abs(x - 1),
    "-sqrt|x|": lambda x: -mdplab.exact.sqrt(abs(x)),
}


OTHERS: dict[str, Objective] = {
    "CVaR at 1/4": lambda law: law.cvar(0.25),
    "CVaR at 3/4": lambda law: law.cvar(0.75),
    "mean less half the variance": lambda law: law.mean() - law.variance() / 2,
}


def objective(name: str) -> Objective:
    """The functional of this name."""
    return OTHERS.get(name) or (lambda law: law.expectation(UTILITIES[name]))


def branches(task: ReturnTask | RateTask) -> Branches:
    """Probability, reward and next state of the outcomes of positive probability, by state and action."""
    law = mdplab.exact.laws(task.model.law)
    reward, target = mdplab.exact.rational(task.model.rewards()), task.model.next_states()
    return [
        [
            [(row[o], reward[s, a, o], int(target[s, a, o])) for o in np.flatnonzero(row != 0)]
            for a, row in enumerate(rows)
        ]
        for s, rows in enumerate(law)
    ]


class Planner:
    """Value iteration by recursion on (steps, state, stock), remembered."""

    def __init__(self, task: ReturnTask | RateTask, value: Objective) -> None:
        self.branches, self.value = branches(task), value
        self.discount = mdplab.exact.rational(task.discount)
        self.known: dict[Any, RationalLaw] = {}

    def law(self, steps: int, state: int, stock: Any) -> RationalLaw:
        """Law of the return of the action that the objective prefers."""
        key = steps, state, stock
        if key not in self.known:
            self.known[key] = (
                self.chosen(steps, state, stock) if steps else mdplab.exact.RationalLaw.from_atoms([0], [1])
            )
        return self.known[key]

    def chosen(self, steps: int, state: int, stock: Any) -> RationalLaw:
        best: tuple[Any, RationalLaw] | None = None
        for outcomes in self.branches[state]:
            parts = [
                self.law(steps - 1, t, (stock + r) / self.discount).affine(self.discount, r)
                for _, r, t in outcomes
            ]
            law = mdplab.exact.RationalLaw.mix(parts, [p for p, _, _ in outcomes])
            value = self.value(law.affine(1, stock))
            if best is None or value > best[0]:
                best = value, law
        assert best is not None
        return best[1]


def tables(task: ReturnTask) -> list[tuple[Array, Array]]:
    """Common atoms (n,) and masses (N, n) of the laws of all policies, by start state."""
    discount, zero = mdplab.exact.rational(task.discount), mdplab.exact.rational(0)
    found = [(np.array([zero]), np.array([[zero + 1]]))] * task.model.n_states
    rows = branches(task)
    for _ in range(task.steps):
        found = [joined([mixtures(outcomes, discount, found) for outcomes in choices]) for choices in rows]
    return found


def mixtures(
    outcomes: Sequence[tuple[Any, Any, int]], discount: Any, found: list[tuple[Array, Array]]
) -> tuple[Array, Array]:
    """One law of the successor for every outcome, in all combinations."""
    moved = [r + discount * found[t][0] for _, r, t in outcomes]
    atoms, zero = union(moved), 0 * discount
    masses = np.full((1, len(atoms)), zero)
    for (p, _, t), places in zip(outcomes, moved, strict=True):
        part = np.full((len(found[t][1]), len(atoms)), zero)
        part[:, np.searchsorted(atoms, places)] = p * found[t][1]
        masses = (masses[:, None] + part).reshape(-1, len(atoms))
    return atoms, masses


def joined(blocks: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    """All laws on the union of the atoms."""
    atoms = union([block[0] for block in blocks])
    masses = [np.full((len(block[1]), len(atoms)), 0 * atoms[0]) for block in blocks]
    for wide, (places, narrow) in zip(masses, blocks, strict=True):
        wide[:, np.searchsorted(atoms, places)] = narrow
    return atoms, np.concatenate(masses)


def union(arrays: Sequence[Array]) -> Array:
    return np.array(sorted({atom for array in arrays for atom in array}), dtype=object)


# --- the best of all policies ---------------------------------------------------------------------------------------


def planned_values(task: StockTask) -> Array:
    """Value iteration: the objective at each start."""
    value = objective(task.objective)
    planner, found = Planner(task, value), []
    for s, c in task.starts:
        stock = mdplab.exact.rational(c)
        found.append(value(planner.law(task.steps, s, stock).affine(1, stock)))
    return np.array(found)


def best_values(task: StockTask) -> Array:
    """Enumeration: the largest objective at each start."""
    achieved, found = tables(task), []
    for s, c in task.starts:
        atoms, masses = achieved[s]
        stocked = mdplab.exact.rational(c) + atoms
        if task.objective in OTHERS:
            laws = [mdplab.exact.RationalLaw.from_atoms(stocked, row) for row in masses]
            values = [OTHERS[task.objective](law) for law in laws]
        else:
            values = masses @ UTILITIES[task.objective](stocked)
        found.append(mdplab.exact.highest(values))
    return np.array(found)


# --- conditional value-at-risk --------------------------------------------------------------------------------------


def best_risks(task: RiskTask) -> Array:
    """Enumeration: the largest value-at-risk at each level."""
    atoms, masses = tables(task)[task.state]
    laws = [mdplab.exact.RationalLaw.from_atoms(atoms, row) for row in masses]
    return np.array([max(law.cvar(level) for law in laws) for level in task.levels])


def searched(task: RiskTask) -> list[tuple[Any, RationalLaw]]:
    """For each level the largest value over start stocks, and the law planned at the smallest stock that has it."""
    planner, loss = Planner(task, objective("min(x, 0)")), UTILITIES["min(x, 0)"]
    points = tables(task)[task.state][0][:: 4 if task.coarse else 1]
    laws = {b: planner.law(task.steps, task.state, -b) for b in points}
    losses = {b: law.affine(1, -b).expectation(loss) for b, law in laws.items()}
    found = []
    for level in mdplab.exact.rational(task.levels):
        values = {b: b + shortfall / level for b, shortfall in losses.items()}
        best = max(values, key=lambda b: values[b])
        found.append((values[best], laws[best]))
    return found


def searched_risks(task: RiskTask) -> Array:
    """Value iteration from every atom as a negative stock."""
    return np.array([value for value, _ in searched(task)])


def planned_risks(task: RiskTask) -> Array:
    """Value-at-risk of the law planned at a maximising stock."""
    return np.array([law.cvar(level) for (_, law), level in zip(searched(task), task.levels, strict=True)])
