r"""Nodes of dynamic programming with a stock: the graph of (steps to go, state, stock), and laws of returns on it.

*Stocks* are keys: they are rounded to 12 decimals, and atoms within ``merge`` become one.  With integer rewards and
discounts 1 or 1/2 both are exact.  A key decides what a policy does, not what it earns: the laws are those of the policy up
to

.. math:: e_h = \gamma e_{h-1} + \text{merge} + \text{rounding}

in :math:`w_1` with h steps to go, because the backup of laws contracts it by :math:`\gamma`.  That is the certificate; an
objective with the Lipschitz constant L inherits L times the bound.

*Memory.*  Laws of sums have as many atoms as there are sums.  ``max_atoms`` caps the atoms of all laws together, a node
counting as 32 more, and is checked before they are made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from mdplab._typing import FloatArray, IntArray
from mdplab.laws import FiniteLaw
from mdplab.laws.atoms import check_max_atoms
from mdplab.models import OutcomeModel
from mdplab.operators import _check
from mdplab.operators.distributional import Mixture, mixed_laws
from mdplab.solution import Certificate, Layout, Solution, Status

__all__ = ["MERGE", "NODE_ATOMS", "Node", "NodeProcess", "Objectives", "StockPlan"]

Node: TypeAlias = tuple[int, int, float]
"""Steps to go, state, stock."""

Objective: TypeAlias = Callable[[FiniteLaw], float]
Objectives: TypeAlias = Objective | Sequence[Objective]

MERGE = 1e-12
_BLOCK = 1_000_000
"""Atoms that are mixed at a time, unless one node needs more."""
NODE_ATOMS = 32
"""Atoms that fit into the memory of a node."""
_EPS = float(np.finfo(np.float64).eps)
_THEOREM = "the backup of laws contracts w_1 by the discount (Bellemare, Dabney, Munos 2017, lemma 3)"


@dataclass(frozen=True, kw_only=True, eq=False)
class StockPlan(Solution):
    """A policy on nodes, with what it earns; its table has a row for each node with steps to go.

    Attributes
    ----------
    actions : mapping from Node to int
        What is done at each node with steps to go.
    laws : mapping from Node to FiniteLaw
        Law of the discounted return from the node on; ``dirac(0)`` with no steps to go.  ``certificate.bound`` bounds the
        distance in w_1 to the exact law of the policy, at every node.
    values : mapping from Node to float
        The objective at the law of stock plus return.
    discount : float
        The discount.
    """

    actions: Mapping[Node, int]
    laws: Mapping[Node, FiniteLaw]
    values: Mapping[Node, float]
    discount: float

    def _layout(self) -> Layout:
        steps, states, stocks = np.array([*self.actions], dtype=np.float64).reshape(-1, 3).T
        return ("node",), {
            "steps": steps.astype(np.int64),
            "state": self.names.of("state", states.astype(np.int64)),
            "stock": stocks,
            "action": self.names.of("action", np.array([*self.actions.values()], dtype=np.int64)),
            "value": np.array([self.values[node] for node in self.actions]),
            "mean": np.array([self.laws[node].mean() for node in self.actions]),
            "atoms": np.array([self.laws[node].n_atoms for node in self.actions]),
        }


Choice: TypeAlias = tuple[int, FiniteLaw, float]
"""An action, its law and its value."""


class NodeProcess:
    """The nodes below the starts, deepest last, and one-step laws."""

    def __init__(
        self,
        model: OutcomeModel,
        objective: Objectives,
        starts: Iterable[tuple[int, float]],
        steps: int,
        discount: float,
        merge: float,
        max_atoms: int,
    ) -> None:
        _check.model(model, OutcomeModel)
        _check.count("steps", steps, 0)
        _check.count("max_atoms", max_atoms)
        _check.non_negative("merge", merge)
        if not 0.0 < discount <= 1.0:
            raise ValueError(f"discount: expected a number in (0, 1], got {discount!r}")
        if model.has_vector_rewards:
            raise ValueError("model: expected scalar rewards, got vectors")
        self.discount, self.merge, self.max_atoms = discount, merge, max_atoms
        self.objectives = [objective] * (steps + 1) if callable(objective) else list(objective)
        if len(self.objectives) != steps + 1:
            raise ValueError(
                f"objective: expected one functional or {steps + 1}, one a depth, got {len(self.objectives)}"
            )
        self.model, self.steps = model, steps
        self.branches = _branches(model)
        self.layers = [list(dict.fromkeys(_node(steps, s, c, model.n_states) for s, c in starts))]
        count = len(self.layers[0])
        check_max_atoms(
            NODE_ATOMS * count, max_atoms, f"for {count} nodes of {NODE_ATOMS} atoms' memory each"
        )
        for depth in range(steps):
            below: dict[Node, None] = {}
            for node in self.layers[-1]:
                for a in self.actions(node):
                    below.update(dict.fromkeys(self.step(node, a)))
                total = count + len(below)
                check_max_atoms(
                    NODE_ATOMS * total,
                    max_atoms,
                    f"for {total} nodes to depth {depth + 1}, of {NODE_ATOMS} atoms' memory each,",
                )
            count += len(below)
            self.layers.append(list(below))

    def actions(self, node: Node) -> range:
        """All actions at a node."""
        return range(len(self.branches[node[1]]))

    def step(self, node: Node, action: int) -> list[Node]:
        """The next node of every outcome."""
        h, s, c = node
        _, gains, targets = self.branches[s][action]
        with np.errstate(over="ignore"):
            stocks = (c + gains) / self.discount
        if not np.all(np.isfinite(stocks)):
            raise ValueError(f"discount: stocks overflow below node {node} at discount {self.discount}")
        return [
            (h - 1, t, round(x, 12) + 0.0) for t, x in zip(targets.tolist(), stocks.tolist(), strict=True)
        ]

    def found(
        self, depth: int, wanted: Callable[[Node], Iterable[int]], laws: Mapping[Node, FiniteLaw]
    ) -> Iterator[tuple[Node, list[FiniteLaw]]]:
        """Laws of ``R + discount G'`` of the wanted actions of every node of a layer, in blocks of bounded size."""
        places = {node: i for i, node in enumerate(self.layers[depth + 1])}
        successors = [laws[node] for node in places]
        block: list[tuple[Node, list[Mixture]]] = []
        size = 0
        for node in self.layers[depth]:
            mixtures, created = [], 0
            for a in wanted(node):
                weights, gains, _ = self.branches[node[1]][a]
                where = np.array([places[n] for n in self.step(node, a)])
                atoms = sum(successors[i].n_atoms for i in where)
                check_max_atoms(atoms, self.max_atoms, f"atoms of the law of node {node}")
                mixtures.append((where, weights, gains))
                created += atoms
            if block and size + created > _BLOCK:
                yield from self._mixed(block, successors)
                block, size = [], 0
            block.append((node, mixtures))
            size += created
        yield from self._mixed(block, successors)

    def _mixed(
        self, block: list[tuple[Node, list[Mixture]]], successors: list[FiniteLaw]
    ) -> Iterator[tuple[Node, list[FiniteLaw]]]:
        if block:
            mixtures = [mixture for _, mixtures in block for mixture in mixtures]
            laws = iter(mixed_laws(mixtures, self.discount, successors, self.merge))
            yield from [(node, [next(laws) for _ in mixtures]) for node, mixtures in block]

    def value(self, node: Node, law: FiniteLaw) -> float:
        """The objective at the law of stock plus return."""
        value = float(self.objectives[self.steps - node[0]](law.shift(node[2])))
        if np.isnan(value):
            raise ValueError(f"objective: expected a number, got NaN at node {node}")
        return value

    def swept(
        self,
        wanted: Callable[[Node], Sequence[int]],
        choose: Callable[[Node, list[FiniteLaw]], Choice],
        tol: float,
    ) -> StockPlan:
        """Backward sweep: of the laws of the wanted actions the action, law and value of every node."""
        laws = {node: FiniteLaw.dirac(0.0) for node in self.layers[-1]}
        values = {node: self.value(node, law) for node, law in laws.items()}
        actions: dict[Node, int] = {}
        kept = NODE_ATOMS * sum(map(len, self.layers))
        error = bound = 0.0
        for depth in range(self.steps - 1, -1, -1):
            for node, found in self.found(depth, wanted, laws):
                actions[node], laws[node], values[node] = choose(node, found)
                kept += laws[node].n_atoms
                check_max_atoms(kept, self.max_atoms, "atoms of all laws")
            error = (self.discount * error + self.backup_error(depth, laws)) * (1 + 4 * _EPS)
            bound = max(bound, error)
        return StockPlan(
            status=Status.CONVERGED if bound <= tol else Status.PRECISION_LIMIT,
            certificate=Certificate(
                "sup over nodes of w_1(law, law of the return of the policy)", bound, _THEOREM, bound
            ),
            steps=self.steps,
            names=self.model.names,
            actions=actions,
            laws=laws,
            values=values,
            discount=self.discount,
        )

    def backup_error(self, depth: int, laws: Mapping[Node, FiniteLaw]) -> float:
        """Bound on w_1 between computed laws of a layer and the exact backup of the laws below, masses over their sums."""
        above, below = ([laws[node] for node in self.layers[d]] for d in (depth, depth + 1))
        if not above:
            return 0.0
        reward = np.abs(self.model.rewards()[self.model.law > 0.0]).max()
        reach = float(reward) + self.discount * max(float(np.abs(law.atoms[[0, -1]]).max()) for law in below)
        # r + gamma x, and the place of a group: a few roundings each
        moved = self.merge + 8 * _EPS * reach
        created = self.model.n_outcomes * max(law.n_atoms for law in below)
        astray = (
            self.model.row_deviation
            + max(abs(float(law.masses.sum()) - 1.0) + 2 * law.n_atoms * _EPS for law in (*above, *below))
            + (created + self.model.n_outcomes + 6) * _EPS
        )
        return moved + 2 * astray * (2 * reach + 2 * moved)

    def best(self, node: Node, found: list[FiniteLaw], tie_tolerance: float, kept: int = 0) -> Choice:
        """The action of the largest value; ``kept`` where it is within the tolerance, else the lowest index that is."""
        values = [self.value(node, law) for law in found]
        least = max(values) - tie_tolerance
        a = kept if values[kept] >= least else next(i for i, v in enumerate(values) if v >= least)
        return a, found[a], values[a]

    def evaluated(self, policy: Mapping[Node, int] | Callable[[Node], int], tol: float) -> StockPlan:
        """The plan of a policy."""
        chosen: dict[Node, int] = {}
        for layer in self.layers[:-1]:
            for node in layer:
                a = policy(node) if callable(policy) else policy.get(node)
                if a is None or not 0 <= a < len(self.actions(node)):
                    raise ValueError(f"policy: expected an action at node {node}, got {a!r}")
                chosen[node] = int(a)
        return self.swept(
            lambda node: [chosen[node]],
            lambda node, found: (chosen[node], found[0], self.value(node, found[0])),
            tol,
        )


def _node(steps: int, state: int, stock: float, n_states: int) -> Node:
    if not 0 <= state < n_states or not np.isfinite(stock):
        raise ValueError(
            f"starts: expected states below {n_states} with finite stocks, got {(state, stock)!r}"
        )
    return steps, int(state), round(float(stock), 12) + 0.0


def _branches(model: OutcomeModel) -> list[list[tuple[FloatArray, FloatArray, IntArray]]]:
    """Probabilities, rewards and next states of the outcomes of positive probability, by state and action."""
    reward, target = model.rewards(), model.next_states()
    return [
        [
            (row[o], reward[s, a, o], target[s, a, o])
            for a, row in enumerate(rows)
            for o in [np.flatnonzero(row)]
        ]
        for s, rows in enumerate(model.law)
    ]
