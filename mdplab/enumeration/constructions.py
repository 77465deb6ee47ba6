"""All constructions of a flow network: paths from the source to an object, stopped there.

A construction is listed by its nodes; the rest of its row is -1.  Its forward probability is the product of the policy
along it and of stopping at its end, its backward probability given the object the product of the backward policy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray, IntArray
from mdplab.enumeration.combinatorics import check_count

if TYPE_CHECKING:
    from mdplab.models.flow_network import FlowNetwork

__all__ = ["Constructions", "construction_log_probability", "enumerate_constructions", "trajectory_balance"]


@dataclass(frozen=True, eq=False)
class Constructions:
    """All constructions of a network.

    Attributes
    ----------
    nodes : ndarray of int, shape (M, L)
        Nodes of the constructions in lexicographic order, -1 after the end.
    ends : ndarray of int, shape (M,)
        The objects that they build.
    log_backward : ndarray, shape (M,)
        Logarithm of their backward probability given the object; ``-inf`` where it is zero.
    """

    nodes: IntArray
    ends: IntArray
    log_backward: FloatArray


def enumerate_constructions(network: FlowNetwork, *, max_count: int = 100_000) -> Constructions:
    """List all paths from node 0 to an object.

    Parameters
    ----------
    network : FlowNetwork
        The network.
    max_count : int, default 100_000
        Hard cap on the number of constructions.

    Returns
    -------
    Constructions

    Raises
    ------
    ValueError
        If there are more than ``max_count``, or none.
    """
    objects, children = network.objects, [np.flatnonzero(row).tolist() for row in network.edges]
    total = sum(count for count, built in zip(network.path_counts, objects, strict=True) if built)
    check_count(total, max_count, "constructions")
    if not total:
        raise ValueError("network: no path leads from node 0 to an object")
    found: list[list[int]] = []
    open_paths = [[0]]
    while open_paths:
        path = open_paths.pop()
        if objects[path[-1]]:
            found.append(path)
        open_paths.extend([*path, t] for t in reversed(children[path[-1]]))
    nodes = np.full((len(found), max(map(len, found))), -1, dtype=np.int64)
    for row, path in zip(nodes, found, strict=True):
        row[: len(path)] = path
    ends = np.array([path[-1] for path in found])
    with np.errstate(divide="ignore"):
        log_backward = np.log(network.backward)
    return Constructions(nodes, ends, _along(nodes, log_backward.T))


def _along(nodes: IntArray, table: FloatArray) -> FloatArray:
    """Sums of a table over the edges of each path."""
    here, there = nodes[:, :-1], nodes[:, 1:]
    return np.asarray(np.where(there >= 0, table[here, there], 0.0).sum(axis=1))


def construction_log_probability(constructions: Constructions, log_policy: ArrayLike) -> FloatArray:
    """Log-probability of constructions under a forward policy, stopping included.

    Parameters
    ----------
    constructions : Constructions
        Of a network with N nodes.
    log_policy : array_like (N, N+1)
        Log-probabilities of the steps and, last, of stopping.

    Returns
    -------
    ndarray, shape (M,)
        ``-inf`` for impossible constructions; complex where ``log_policy`` is.

    Raises
    ------
    ValueError
        If ``log_policy`` has no such shape, or no rows for some nodes of the constructions.
    """
    table = np.asarray(log_policy)
    least = int(constructions.nodes.max()) + 1
    if table.ndim != 2 or table.shape[1] != table.shape[0] + 1 or table.shape[0] < least:
        raise ValueError(f"log_policy: expected shape (N, N+1) with N >= {least}, got {table.shape}")
    return np.asarray(_along(constructions.nodes, table[:, :-1]) + table[constructions.ends, -1])


def trajectory_balance(
    network: FlowNetwork, constructions: Constructions, log_policy: ArrayLike, log_partition: float
) -> FloatArray:
    """Residuals ``log Z + log P_F(tau) - log R(x) - log P_B(tau | x)`` of trajectory balance.

    Parameters
    ----------
    network : FlowNetwork
        The network, with a positive backward policy on its edges.
    constructions : Constructions
        Its constructions.
    log_policy : array_like (N, N+1)
        Log-probabilities of a forward policy, finite on all steps.
    log_partition : float
        ``log Z``, any number.

    Returns
    -------
    ndarray, shape (M,)
        Zero for all constructions if and only if the policy is that of the flows and ``Z`` the sum of the rewards that
        are reached; ``inf`` where the backward policy is zero.

    Raises
    ------
    ValueError
        If ``log_policy`` has not the shape of the network or is not finite at a step, ``log_partition`` is not finite, or the
        constructions are of a network with more nodes.
    """
    table, steps = np.asarray(log_policy), network.steps
    if table.shape != steps.shape:
        raise ValueError(f"log_policy: expected shape {steps.shape}, got {table.shape}")
    if not np.isfinite(table[steps]).all():
        s, t = np.argwhere(steps & ~np.isfinite(table))[0]
        raise ValueError(f"log_policy[{s}, {t}] is {table[s, t]}, expected a finite number at a step")
    if not np.isfinite(log_partition):
        raise ValueError(f"log_partition is {log_partition}, expected a finite number")
    forward = construction_log_probability(constructions, table)
    goal = np.log(network.reward[constructions.ends]) + constructions.log_backward
    return np.asarray(log_partition + forward - goal)
