r"""Distributional dynamic programming with a stock: laws of returns for objectives other than the mean.

The stock c carries what was earned before: :math:`C' = (C + R)/\gamma`, so that :math:`c + G = \gamma (C' + G')` for the
return :math:`G = R + \gamma G'`.  A *node* is ``(steps to go, state, stock)``.  Value iteration stores at each node the
law of the return of the action that maximises K of the law of stock plus return; policy iteration evaluates a policy on the
nodes and improves it.

Where K is indifferent to mixtures, and to scaling unless the discount is 1, value iteration attains after H steps the best
that history-dependent policies attain, from every node, and policy iteration improves monotonically to it: replacing the
law of a successor by one that K prefers there cannot make the mixture worse.  With a functional for each depth,
:math:`K_t\nu=K(\gamma^tX_\nu)`, indifference to mixtures is enough.

Nodes, memory and the certificate: :mod:`mdplab.solvers.stock_nodes`.

References
----------
.. [1] B. A. Pires, M. Rowland, D. Borsa, Z. D. Guo, K. Khetarpal, A. Barreto, D. Abel, R. Munos and W. Dabney,
   *Optimizing return distributions with distributional dynamic programming*, 2025, arXiv:2501.13028.
.. [2] N. Baeuerle and J. Ott, *Markov decision processes with average-value-at-risk criteria*, Mathematical Methods of
   Operations Research 74, 2011 (the stock).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from mdplab.laws import FiniteLaw
from mdplab.laws.atoms import MAX_ATOMS
from mdplab.models import OutcomeModel
from mdplab.operators import _check
from mdplab.solution import Status
from mdplab.solvers.stock_nodes import MERGE, Node, NodeProcess, Objectives, StockPlan

__all__ = [
    "Node",
    "StockPlan",
    "reachable_nodes",
    "stock_policy_evaluation",
    "stock_policy_iteration",
    "stock_value_iteration",
]


def reachable_nodes(
    model: OutcomeModel,
    starts: Iterable[tuple[int, float]],
    steps: int,
    *,
    discount: float = 1.0,
    max_atoms: int = MAX_ATOMS,
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
    max_atoms : int, default 10_000_000
        Cap on the memory of the nodes, 32 atoms each.

    Returns
    -------
    list of ``steps + 1`` lists of Node
        At depth t the nodes have ``steps - t`` steps to go.

    Raises
    ------
    ValueError
        If an argument is out of range, rewards are vectors, or the cap is exceeded.
    """
    return NodeProcess(model, FiniteLaw.mean, starts, steps, discount, 0.0, max_atoms).layers


def stock_value_iteration(
    model: OutcomeModel,
    objective: Objectives,
    starts: Iterable[tuple[int, float]],
    steps: int,
    *,
    discount: float = 1.0,
    tie_tolerance: float = MERGE,
    merge: float = MERGE,
    max_atoms: int = MAX_ATOMS,
    tol: float = 1e-8,
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
    merge : float, default 1e-12
        Absolute width within which atoms are merged at each step; enters the bound.
    max_atoms : int, default 10_000_000
        Cap on the atoms of all laws together, a node counting as 32 more, checked before they are made.
    tol : float, default 1e-8
        Only decides the status.

    Returns
    -------
    StockPlan
        On all nodes below the starts; status CONVERGED or PRECISION_LIMIT.  Where K is indifferent to mixtures, and to scaling unless the discount is 1, no
        history-dependent policy has a larger value at any of them by more than H times the tolerance, rounding aside.

    Raises
    ------
    ValueError
        If an argument is out of range, rewards are vectors, the objective is NaN somewhere, or the cap is exceeded.
    """
    process = NodeProcess(model, objective, starts, steps, discount, merge, max_atoms)
    _check.non_negative("tie_tolerance", tie_tolerance)
    _check.non_negative("tol", tol, positive=True)
    return process.swept(process.actions, lambda node, laws: process.best(node, laws, tie_tolerance), tol)


def stock_policy_evaluation(
    model: OutcomeModel,
    objective: Objectives,
    policy: Mapping[Node, int] | Callable[[Node], int],
    starts: Iterable[tuple[int, float]],
    steps: int,
    *,
    discount: float = 1.0,
    merge: float = MERGE,
    max_atoms: int = MAX_ATOMS,
    tol: float = 1e-8,
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
    starts, steps, discount, merge, max_atoms, tol
        As for :func:`stock_value_iteration`.

    Returns
    -------
    StockPlan
        On all nodes that some policy reaches.

    Raises
    ------
    ValueError
        If an argument is out of range, rewards are vectors, the policy names no action at a node, the objective is NaN
        somewhere, or the cap is exceeded.
    """
    _check.non_negative("tol", tol, positive=True)
    return NodeProcess(model, objective, starts, steps, discount, merge, max_atoms).evaluated(policy, tol)


def stock_policy_iteration(
    model: OutcomeModel,
    objective: Objectives,
    policy: Mapping[Node, int] | Callable[[Node], int],
    starts: Iterable[tuple[int, float]],
    steps: int,
    *,
    discount: float = 1.0,
    tie_tolerance: float = MERGE,
    max_steps: int = 100,
    merge: float = MERGE,
    max_atoms: int = MAX_ATOMS,
    tol: float = 1e-8,
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
    merge, max_atoms, tol
        As for :func:`stock_value_iteration`; the cap is for each plan.

    Returns
    -------
    list of StockPlan
        The policies one after another, the given one first.  The last one is greedy for its own laws, or has the status
        MAX_STEPS.

    Raises
    ------
    ValueError
        If an argument is out of range, rewards are vectors, the policy names no action at a node, the objective is NaN
        somewhere, or the cap is exceeded.
    """
    process = NodeProcess(model, objective, starts, steps, discount, merge, max_atoms)
    _check.non_negative("tie_tolerance", tie_tolerance)
    _check.non_negative("tol", tol, positive=True)
    _check.count("max_steps", max_steps, 0)
    plans = [process.evaluated(policy, tol)]
    while True:
        plan = plans[-1]
        greedy = {
            node: process.best(node, found, tie_tolerance, plan.actions[node])[0]
            for depth in range(steps)
            for node, found in process.found(depth, process.actions, plan.laws)
        }
        if greedy == plan.actions:
            return plans
        if len(plans) > max_steps:
            return [*plans[:-1], replace(plan, status=Status.MAX_STEPS)]
        plans.append(process.evaluated(greedy, tol))
