r"""Distributional dynamic programming with a stock: laws of returns for objectives other than the mean.

The stock c carries what was earned before: :math:`C' = (C + R)/\gamma`, so that :math:`c + G = \gamma (C' + G')` for the
return :math:`G = R + \gamma G'`.  A *node* is ``(steps to go, state, stock)``.  Value iteration stores at each node the
law of the return of the action that maximises K of the law of stock plus return; policy iteration evaluates a policy on the
nodes and improves it.

Where K is indifferent to mixtures, and to scaling unless the discount is 1, value iteration attains after H steps the best
that history-dependent policies attain, from every node, and policy iteration improves monotonically to it: replacing the
law of a successor by one that K prefers there cannot make the mixture worse.  With a functional for each depth,
:math:`K_t\nu=K(\gamma^tX_\nu)`, indifference to mixtures is enough.

*Stocks* are keys: they are rounded to 12 decimals, and atoms within 1e-12 are merged.  With integer rewards and discounts 1
or 1/2 both are exact.

References
----------
.. [1] B. A. Pires, M. Rowland, D. Borsa, Z. D. Guo, K. Khetarpal, A. Barreto, D. Abel, R. Munos and W. Dabney,
   *Optimizing return distributions with distributional dynamic programming*, 2025, arXiv:2501.13028.
.. [2] N. Baeuerle and J. Ott, *Markov decision processes with average-value-at-risk criteria*, Mathematical Methods of
   Operations Research 74, 2011 (the stock).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from mdplab._typing import FloatArray
from mdplab.laws import FiniteLaw
from mdplab.models import OutcomeModel
from mdplab.operators import _check

__all__ = [
    "Node",
    "StockPlan",
    "reachable_nodes",
    "stock_policy_evaluation",
    "stock_policy_iteration",
    "stock_value_iteration",
]

Node: TypeAlias = tuple[int, int, float]
"""Steps to go, state, stock."""

Objective: TypeAlias = Callable[[FiniteLaw], float]
Objectives: TypeAlias = Objective | Sequence[Objective]

_MERGE = 1e-12


@dataclass(frozen=True, eq=False)
class StockPlan:
    """A policy on nodes, with what it earns.

    Attributes
    ----------
    actions : mapping from Node to int
        What is done at each node with steps to go.
    laws : mapping from Node to FiniteLaw
        Law of the discounted return from the node on; ``dirac(0)`` with no steps to go.
    values : mapping from Node to float
        The objective at the law of stock plus return.
    """

    actions: Mapping[Node, int]
    laws: Mapping[Node, FiniteLaw]
    values: Mapping[Node, float]


class _Process:
    """The nodes below the starts, deepest last, and one-step laws."""

    def __init__(
        self,
        model: OutcomeModel,
        objective: Objectives,
        starts: Iterable[tuple[int, float]],
        steps: int,
        discount: float,
    ) -> None:
        _check.count("steps", steps, 0)
        if not 0.0 < discount <= 1.0:
            raise ValueError(f"discount: expected a number in (0, 1], got {discount!r}")
        if model.has_vector_rewards:
            raise ValueError("model: expected scalar rewards, got vectors")
        self.discount = discount
        self.objectives = [objective] * (steps + 1) if callable(objective) else list(objective)
        if len(self.objectives) != steps + 1:
            raise ValueError(
                f"objective: expected one functional or {steps + 1}, one a depth, got {len(self.objectives)}"
            )
        self.steps = steps
        self.branches = _branches(model)
        self.layers = [list(dict.fromkeys(_node(steps, s, c, model.n_states) for s, c in starts))]
        for _ in range(steps):
            below = (
                n for node in self.layers[-1] for a in self.actions(node) for _, _, n in self.step(node, a)
            )
            self.layers.append(list(dict.fromkeys(below)))

    def actions(self, node: Node) -> range:
        return range(len(self.branches[node[1]]))

    def step(self, node: Node, action: int) -> list[tuple[float, float, Node]]:
        """Probability, reward and next node of every outcome."""
        h, s, c = node
        return [
            (p, r, (h - 1, t, round((c + r) / self.discount, 12) + 0.0))
            for p, r, t in self.branches[s][action]
        ]

    def law(self, node: Node, action: int, laws: Mapping[Node, FiniteLaw]) -> FiniteLaw:
        """Law of ``R + discount G'`` where the successors have the given laws."""
        outcomes = self.step(node, action)
        atoms = np.concatenate([r + self.discount * laws[n].atoms for _, r, n in outcomes])
        masses: FloatArray = np.concatenate([p * laws[n].masses for p, _, n in outcomes])
        return FiniteLaw._merged(atoms, masses, _MERGE)

    def value(self, node: Node, law: FiniteLaw) -> float:
        return float(self.objectives[self.steps - node[0]](law.shift(node[2])))

    def swept(
        self, choose: Callable[[Node, Mapping[Node, FiniteLaw]], tuple[int, FiniteLaw, float]]
    ) -> StockPlan:
        """Backward sweep: from the laws below a node, its action, law and value."""
        laws = {node: FiniteLaw.dirac(0.0) for node in self.layers[-1]}
        values = {node: self.value(node, law) for node, law in laws.items()}
        actions: dict[Node, int] = {}
        for layer in self.layers[-2::-1]:
            for node in layer:
                actions[node], laws[node], values[node] = choose(node, laws)
        return StockPlan(actions, laws, values)

    def best(
        self, node: Node, laws: Mapping[Node, FiniteLaw], tie_tolerance: float, kept: int = 0
    ) -> tuple[int, FiniteLaw, float]:
        """The action of the largest value; ``kept`` where it is within the tolerance, else the lowest index that is."""
        found = [self.law(node, a, laws) for a in self.actions(node)]
        values = [self.value(node, law) for law in found]
        least = max(values) - tie_tolerance
        a = kept if values[kept] >= least else next(i for i, v in enumerate(values) if v >= least)
        return a, found[a], values[a]

    def evaluated(self, policy: Mapping[Node, int] | Callable[[Node], int]) -> StockPlan:
        def choose(node: Node, laws: Mapping[Node, FiniteLaw]) -> tuple[int, FiniteLaw, float]:
            a = policy(node) if callable(policy) else policy[node]
            if not 0 <= a < len(self.actions(node)):
                raise ValueError(f"policy: expected an action at node {node}, got {a!r}")
            law = self.law(node, a, laws)
            return a, law, self.value(node, law)

        return self.swept(choose)


def _node(steps: int, state: int, stock: float, n_states: int) -> Node:
    if not 0 <= state < n_states or not np.isfinite(stock):
        raise ValueError(
            f"starts: expected states below {n_states} with finite stocks, got {(state, stock)!r}"
        )
    return steps, int(state), round(float(stock), 12) + 0.0


def _branches(model: OutcomeModel) -> list[list[list[tuple[float, float, int]]]]:
    """Probability, reward and next state of the outcomes of positive probability, by state and action."""
    reward, target = model.rewards(), model.next_states()
    return [
        [
            [(float(row[o]), float(reward[s, a, o]), int(target[s, a, o])) for o in np.flatnonzero(row)]
            for a, row in enumerate(rows)
        ]
        for s, rows in enumerate(model.law)
    ]


def reachable_nodes(
    model: OutcomeModel, starts: Iterable[tuple[int, float]], steps: int, *, discount: float = 1.0
) -> list[list[Node]]:
    """Nodes that some policy reaches, by depth.

    Parameters
    ----------
    model : OutcomeModel
        Scalar rewards.
    starts : iterable of (int, float)
        Start states with their stocks.
    steps : int
        Number of steps to go at the start, >= 0.
    discount : float, default 1
        In (0, 1].

    Returns
    -------
    list of ``steps + 1`` lists of Node
        At depth t the nodes have ``steps - t`` steps to go.

    Raises
    ------
    ValueError
        If an argument is out of range or rewards are vectors.
    """
    return _Process(model, FiniteLaw.mean, starts, steps, discount).layers


def stock_value_iteration(
    model: OutcomeModel,
    objective: Objectives,
    starts: Iterable[tuple[int, float]],
    steps: int,
    *,
    discount: float = 1.0,
    tie_tolerance: float = _MERGE,
) -> StockPlan:
    """Distributional value iteration with a stock.

    Parameters
    ----------
    model : OutcomeModel
        Scalar rewards.
    objective : callable, or sequence of ``steps + 1`` callables
        K, from a :class:`~mdplab.laws.FiniteLaw` to a float; or one for each depth, the start first.
    starts : iterable of (int, float)
        Start states with their stocks.
    steps : int
        Number of steps H, >= 0.
    discount : float, default 1
        In (0, 1].
    tie_tolerance : float, default 1e-12
        Of the actions whose value is within this of the largest, the lowest index is taken.

    Returns
    -------
    StockPlan
        On all nodes below the starts.  Where K is indifferent to mixtures, and to scaling unless the discount is 1, no
        history-dependent policy has a larger value at any of them by more than H times the tolerance, rounding aside.

    Raises
    ------
    ValueError
        If an argument is out of range or rewards are vectors.
    """
    process = _Process(model, objective, starts, steps, discount)
    _check.non_negative("tie_tolerance", tie_tolerance)
    return process.swept(lambda node, laws: process.best(node, laws, tie_tolerance))


def stock_policy_evaluation(
    model: OutcomeModel,
    objective: Objectives,
    policy: Mapping[Node, int] | Callable[[Node], int],
    starts: Iterable[tuple[int, float]],
    steps: int,
    *,
    discount: float = 1.0,
) -> StockPlan:
    """Laws of the return of a policy with a stock.

    Parameters
    ----------
    model : OutcomeModel
        Scalar rewards.
    objective : callable, or sequence of ``steps + 1`` callables
        As for :func:`stock_value_iteration`.
    policy : mapping or callable
        From a node to an action.
    starts, steps, discount
        As for :func:`stock_value_iteration`.

    Returns
    -------
    StockPlan
        On all nodes that some policy reaches.

    Raises
    ------
    ValueError
        If an argument is out of range, rewards are vectors, or the policy names no action at a node.
    """
    return _Process(model, objective, starts, steps, discount).evaluated(policy)


def stock_policy_iteration(
    model: OutcomeModel,
    objective: Objectives,
    policy: Mapping[Node, int] | Callable[[Node], int],
    starts: Iterable[tuple[int, float]],
    steps: int,
    *,
    discount: float = 1.0,
    tie_tolerance: float = _MERGE,
    max_steps: int = 100,
) -> list[StockPlan]:
    """Distributional policy iteration with a stock.

    Parameters
    ----------
    model, objective
        As for :func:`stock_value_iteration`.
    policy : mapping or callable
        Where to begin: from a node to an action.
    starts, steps, discount
        As for :func:`stock_value_iteration`.
    tie_tolerance : float, default 1e-12
        An action is kept unless another is better by more than this.
    max_steps : int, default 100
        Largest number of improvements.  With an objective that is not indifferent to mixtures values may fall on the way.

    Returns
    -------
    list of StockPlan
        The policies one after another, the given one first; shorter than ``max_steps + 1`` if the last one is greedy for its
        own laws.

    Raises
    ------
    ValueError
        If an argument is out of range, rewards are vectors, or the policy names no action at a node.
    """
    process = _Process(model, objective, starts, steps, discount)
    _check.non_negative("tie_tolerance", tie_tolerance)
    _check.count("max_steps", max_steps, 0)
    plans = [process.evaluated(policy)]
    for _ in range(max_steps):
        plan = plans[-1]
        greedy = {
            node: process.best(node, plan.laws, tie_tolerance, kept)[0] for node, kept in plan.actions.items()
        }
        if greedy == plan.actions:
            break
        plans.append(process.evaluated(greedy))
    return plans
