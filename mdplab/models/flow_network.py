r"""Flow networks: objects built step by step, sampled in proportion to a reward (generative flow networks).

The nodes of a directed acyclic graph are partial constructions, node 0 is the empty one, and an edge :math:`s\to t` is a
construction step.  In a node with a reward :math:`R(s)>0` the construction may *stop*: the node is then the object.
The backward policy :math:`P_B(s|t)` says in which proportion the parents of a node share what flows into it.

Nodes are numbered in topological order, so that every edge goes to a larger number.  A *policy* of construction has
shape ``(N, N+1)``: column t is the step to node t, the last column is to stop.

References
----------
.. [1] E. Bengio, M. Jain, M. Korablyov, D. Precup and Y. Bengio, "Flow network based generative models for
   non-iterative diverse candidate generation", NeurIPS 2021.
.. [2] D. Tiapkin, N. Morozov, A. Naumov and D. Vetrov, "Generative flow networks as entropy-regularized RL",
   AISTATS 2024.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import BoolArray, FloatArray
from mdplab.models import _validate as v
from mdplab.models._base import Model
from mdplab.models.finite_horizon import FiniteHorizonMDP

__all__ = ["FlowNetwork"]


@dataclass(frozen=True, eq=False, init=False, repr=False)
class FlowNetwork(Model):
    """Construction steps between the nodes of an acyclic graph, rewards of the objects, and a backward policy.

    Parameters
    ----------
    edges : array_like of bool (N, N)
        ``edges[s, t]``: whether a step leads from s to t; only for s < t.
    reward : array_like (N,)
        Non-negative and finite; where it is positive the construction may stop.  Positive somewhere.
    backward : array_like (N, N), optional
        ``backward[t, s]``: probability of the parent s of t; rows of nodes with parents are laws within ``1e-9``, the
        others are zero.  Default is the uniform law over the parents.

    Attributes
    ----------
    edges : ndarray of bool (N, N)
        Read-only.
    reward : ndarray (N,)
        Read-only.
    backward : ndarray (N, N)
        Read-only.
    row_deviation : float
        Upper bound on ``|sum - 1|`` over the rows of the backward policy of nodes with parents.

    Raises
    ------
    ValueError
        If an edge does not go to a larger number, a reward is negative or all are zero, or the backward policy is no
        law over the parents.
    """

    edges: BoolArray
    reward: FloatArray
    backward: FloatArray
    row_deviation: float = field(init=False)

    def __init__(self, edges: ArrayLike, reward: ArrayLike, backward: ArrayLike | None = None) -> None:
        graph = v.boolean("edges", edges, ("N", "N"))
        n = graph.shape[0]
        if np.tril(graph).any():
            where = v.first(np.tril(graph))
            raise ValueError(f"{v.place('edges', where)} is true, expected edges to larger numbers only")
        gain = v.finite("reward", reward, (n,))
        if gain.min() < 0.0:
            where = v.first(gain < 0.0)
            raise ValueError(f"{v.place('reward', where)} is {float(gain[where])!r}, expected a reward >= 0")
        if not gain.any():
            raise ValueError("reward is zero everywhere, expected an object: a node with a positive reward")
        parents = graph.T
        if backward is None:
            counts = parents.sum(axis=1, keepdims=True)
            table = np.where(parents, 1.0 / np.maximum(counts, 1), 0.0)
        else:
            table = v.real("backward", backward, (n, n))
        orphan = np.asarray(~parents.any(axis=1))
        table, deviation = v.laws(
            "backward", table, ("node",), orphan, tolerance=v.COMPUTED_ROWS, source=backward
        )
        if (table[~parents] != 0.0).any():
            where = v.first(~parents & (table != 0.0))
            raise ValueError(
                f"{v.place('backward', where)} is {float(table[where])!r}, but edges has no step from {where[1]} to "
                f"{where[0]}"
            )
        self.__dict__.update(edges=graph, reward=gain, backward=table, row_deviation=deviation)

    @property
    def n_nodes(self) -> int:
        """Number of nodes N."""
        return int(self.reward.shape[0])

    @property
    def objects(self) -> BoolArray:
        """Nodes in which the construction may stop, shape (N,)."""
        return np.asarray(self.reward > 0.0)

    @property
    def steps(self) -> BoolArray:
        """What may be done in each node, shape (N, N+1): go to a child, or stop (last column)."""
        return np.column_stack((self.edges, self.objects))

    @property
    def depth(self) -> int:
        """Largest number of edges on a path."""
        longest = np.zeros(self.n_nodes, dtype=np.int64)
        for t in range(self.n_nodes):
            longest[t] = max((int(longest[s]) + 1 for s in np.flatnonzero(self.edges[:, t])), default=0)
        return int(longest.max())

    @property
    def path_counts(self) -> tuple[int, ...]:
        """Number of paths from node 0 to each node, exactly."""
        counts = [1]
        for t in range(1, self.n_nodes):
            counts.append(sum(counts[s] for s in np.flatnonzero(self.edges[:, t])))
        return tuple(counts)

    @property
    def is_connected(self) -> bool:
        """Whether every node is reached from node 0 and reaches an object."""
        forth, back = np.zeros(self.n_nodes, dtype=bool), self.objects
        forth[0] = True
        for t in range(1, self.n_nodes):
            forth[t] = forth[self.edges[:, t]].any()
        for s in range(self.n_nodes - 1, -1, -1):
            back[s] |= back[self.edges[s]].any()
        return bool((forth & back).all())

    def replace(self, *, reward: ArrayLike | None = None, backward: ArrayLike | None = None) -> FlowNetwork:
        """The same graph with other rewards or another backward policy.

        Parameters
        ----------
        reward : array_like (N,), optional
            In the place of the reward.
        backward : array_like (N, N), optional
            In the place of the backward policy.

        Returns
        -------
        FlowNetwork
            Validated.
        """
        return FlowNetwork(
            self.edges,
            self.reward if reward is None else reward,
            self.backward if backward is None else backward,
        )

    def to_horizon_mdp(self, *, corrected: bool = True) -> FiniteHorizonMDP:
        """The deterministic decision process of the constructions, whose soft optimum at temperature 1 samples objects.

        Parameters
        ----------
        corrected : bool, default True
            Pay ``log backward[t, s]`` for the step from s to t, so that the soft-optimal policy samples objects in
            proportion to their reward; without it steps pay nothing, and it samples in proportion to the reward times
            the number of constructions.

        Returns
        -------
        FiniteHorizonMDP
            With states ``0..N-1`` and the end N, action t for the step to t and N to stop, which pays ``log R``.  There
            are ``depth + 1`` stages: the values of stage 0 are those of an unlimited horizon.

        Raises
        ------
        ValueError
            If a node reaches no object, or steps that are corrected have the backward probability 0.
        """
        n, steps = self.n_nodes, self.steps
        if (stuck := np.asarray(~steps.any(axis=1))).any():
            raise ValueError(f"node {v.first(stuck)[0]} reaches no object: it has no child and no reward")
        lost = self.edges & (self.backward.T == 0.0)
        if corrected and lost.any():
            where = v.first(lost.T)
            raise ValueError(f"{v.place('backward', where)} is 0, whose logarithm is no reward")
        available = np.zeros((n + 1, n + 1), dtype=bool)
        available[:n], available[n, n] = steps, True
        kernel = np.where(available[:, :, np.newaxis], np.eye(n + 1), 0.0)
        reward = np.zeros((n + 1, n + 1))
        reward[:n, n] = np.log(np.where(self.objects, self.reward, 1.0))
        if corrected:
            reward[:n, :n] = np.log(np.where(self.edges, self.backward.T, 1.0))
        return FiniteHorizonMDP(kernel, reward, self.depth + 1, initial=np.eye(n + 1)[0], available=available)

    def __repr__(self) -> str:
        return (
            f"FlowNetwork(N={self.n_nodes}, edges={int(self.edges.sum())}, objects={int(self.objects.sum())})"
        )
