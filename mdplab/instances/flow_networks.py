"""Flow networks: small random acyclic graphs of construction steps, and the diamond."""

from __future__ import annotations

import numpy as np

from mdplab._typing import BoolArray, FloatArray
from mdplab.instances.draw import Draw
from mdplab.models import FlowNetwork

__all__ = ["backward_policies", "diamond_network", "flow_networks"]


def flow_networks(
    draw: Draw, *, nodes: tuple[int, int] = (4, 8), stop: float = 0.5, scale: float = 1.0
) -> FlowNetwork:
    """Draw a network in which every node is reached from the source and reaches an object.

    Each node but the source has a uniformly drawn nonempty set of parents among those before it (each one with
    probability 1/2, given that there is one), and is an object with a given probability, or if it is childless.

    Parameters
    ----------
    draw : Draw
        The engine.
    nodes : tuple of int
        Smallest and largest number N of nodes, at least 2.
    stop : float, default 0.5
        Probability with which a node with children is an object, in [0, 1].
    scale : float, default 1
        Standard deviation of the log-rewards.

    Returns
    -------
    FlowNetwork
        Rewards are log-normal, backward policies Dirichlet(1) over the parents.

    Raises
    ------
    ValueError
        If the probability is outside [0, 1] or there may be fewer than two nodes.
    """
    if not 0.0 <= stop <= 1.0:
        raise ValueError(f"stop: expected a probability in [0, 1], got {stop}")
    if nodes[0] < 2:
        raise ValueError(f"nodes: expected at least 2, got {nodes[0]}")
    n = draw.integer(*nodes)
    edges = np.zeros((n, n), dtype=bool)
    for t in range(1, n):
        edges[:t, t] = draw.integer(1, 2**t - 1) >> np.arange(t) & 1
    objects = draw.boolean(stop, n) | ~edges.any(axis=1)
    objects[0] = False
    reward = np.where(objects, np.exp(draw.normal(n, scale=scale)), 0.0)
    return FlowNetwork(edges, reward, backward_policies(draw, edges))


def backward_policies(draw: Draw, edges: BoolArray) -> FloatArray:
    """Draw a positive backward policy: Dirichlet(1) over the parents of each node.

    Parameters
    ----------
    draw : Draw
        The engine.
    edges : ndarray of bool, shape (N, N)
        ``edges[s, t]``: whether a step leads from s to t.

    Returns
    -------
    ndarray, shape (N, N)
        ``backward[t, s]``; rows of nodes without parents are zero.
    """
    table = np.zeros(edges.shape)
    for t in np.flatnonzero(edges.any(axis=0)):
        table[t, edges[:, t]] = draw.weights(int(edges[:, t].sum()), positive=True)
    return table


def diamond_network() -> FlowNetwork:
    """Four nodes, 0 to 1 and 2, both to 3: the instance G4 of flow networks.

    Returns
    -------
    FlowNetwork
        All nodes but the source are objects, with the rewards 1, 2 and 3; node 3 comes from 1 with probability 1/4.
    """
    edges = np.zeros((4, 4), dtype=bool)
    edges[[0, 0, 1, 2], [1, 2, 3, 3]] = True
    backward = np.zeros((4, 4))
    backward[1, 0] = backward[2, 0] = 1.0
    backward[3, 1:3] = 0.25, 0.75
    return FlowNetwork(edges, [0.0, 1.0, 2.0, 3.0], backward)
