"""Outcome-conditioned flow networks: one network for each object, to be turned into a sampler for any reward."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mdplab._typing import BoolArray, FloatArray, IntArray
from mdplab.instances import Draw, backward_policies, diamond_network, flow_networks
from mdplab.models import FlowNetwork
from mdplab.operators import flow_policy_log, log_flows
from proofs_check.tilting.network_instances import NetworkTask, lopsided_diamond

__all__ = [
    "OutcomeTask",
    "diamond_task",
    "lopsided_task",
    "noisy_task",
    "outcome_task",
    "shared_task",
]


@dataclass(frozen=True, eq=False)
class OutcomeTask:
    """A network for each of Y objects, a new reward, and a step whose numerator is fitted.

    Attributes
    ----------
    network : FlowNetwork
        The graph, the new reward ``r`` of the objects, and the backward policy that the networks share.
    step : ndarray of int, shape (2,)
        An edge ``(s, t)``.
    sampling : ndarray, shape (K,)
        ``mu``: law of the sampled outcome, on those with positive flow through the edge.
    model : ndarray, shape (K,)
        ``Q(y | s, t)``, on the same outcomes.
    backward : ndarray, shape (Y, N, N), or None
        Backward policy of each network, where they do not share one.
    noise : ndarray, shape (Y, N), or None
        Error of the log-flows that the conversion is given; None stands for zeros.
    """

    network: FlowNetwork
    step: IntArray
    sampling: FloatArray
    model: FloatArray
    backward: FloatArray | None = None
    noise: FloatArray | None = None

    @property
    def outcomes(self) -> IntArray:
        """The objects, shape (Y,)."""
        return np.flatnonzero(self.network.objects)

    @property
    def reward(self) -> FloatArray:
        """``r`` of the objects, shape (Y,)."""
        return np.asarray(self.network.reward[self.outcomes])

    @cached_property
    def tables(self) -> FloatArray:
        """Backward policy of each network, shape (Y, N, N)."""
        n, count = self.network.n_nodes, self.outcomes.size
        if self.backward is None:
            return np.asarray(np.broadcast_to(self.network.backward, (count, n, n)))
        return self.backward

    @cached_property
    def conditioned(self) -> tuple[FlowNetwork, ...]:
        """The network of each object, with reward 1 there."""
        units = np.eye(self.network.n_nodes)[self.outcomes]
        return tuple(
            self.network.replace(reward=unit, backward=table)
            for unit, table in zip(units, self.tables, strict=True)
        )

    @cached_property
    def log_flow(self) -> FloatArray:
        """``log F(s|y)``, errors included, shape (Y, N)."""
        exact = np.array([log_flows(network) for network in self.conditioned])
        return exact if self.noise is None else exact + self.noise

    @cached_property
    def log_policy(self) -> FloatArray:
        """``log P_F(t|s, y)``, shape (Y, N, N+1)."""
        return np.array([flow_policy_log(network) for network in self.conditioned])

    @cached_property
    def base(self) -> NetworkTask:
        """The network with the new reward as a task of sampling, with its constructions."""
        return NetworkTask(self.network)

    @cached_property
    def log_weights(self) -> FloatArray:
        """``log r(x) P_B(tau | x, x)`` of all constructions, each with the backward policy of its object's network."""
        paths = self.base.constructions
        row = np.searchsorted(self.outcomes, paths.ends)
        logs = np.log(self.network.reward[paths.ends])
        for here, there in zip(paths.nodes.T, paths.nodes.T[1:], strict=False):
            logs = logs + np.where(
                there >= 0, np.log(np.where(there >= 0, self.tables[row, there, here], 1.0)), 0.0
            )
        return np.asarray(logs)

    @property
    def through(self) -> BoolArray:
        """Which objects have positive flow through the step, shape (Y,)."""
        return through(self.network, int(self.step[1]))

    @cached_property
    def log_error(self) -> float:
        """Error of log-flows, log-policies and log-weights, by recursion or by enumeration."""
        return max(NetworkTask(self.network.replace(backward=table)).log_error for table in self.tables)


def through(network: FlowNetwork, node: int) -> BoolArray:
    """Which objects a construction can still become after a node.

    Parameters
    ----------
    network : FlowNetwork
        The network.
    node : int
        The node.

    Returns
    -------
    ndarray of bool, shape (Y,)
    """
    reached = np.arange(network.n_nodes) == node
    for t in range(node + 1, network.n_nodes):
        reached[t] = reached[network.edges[:, t]].any()
    return np.asarray(reached[network.objects])


def shared_task(draw: Draw) -> OutcomeTask:
    """A network of the family, a uniformly drawn edge, and Dirichlet(1) laws on the outcomes beyond it."""
    network = flow_networks(draw)
    edges = np.argwhere(network.edges)
    step = edges[draw.integer(0, len(edges) - 1)]
    count = int(through(network, int(step[1])).sum())
    return OutcomeTask(network, step, draw.weights(count, positive=True), draw.weights(count, positive=True))


def outcome_task(draw: Draw) -> OutcomeTask:
    """A shared task, but each object's network has its own Dirichlet(1) backward policy."""
    task = shared_task(draw)
    tables = [backward_policies(draw, task.network.edges) for _ in task.outcomes]
    return replace(task, backward=np.array(tables))


def noisy_task(draw: Draw) -> OutcomeTask:
    """A task whose log-flows have normal errors."""
    task = outcome_task(draw)
    return replace(task, noise=draw.normal((task.outcomes.size, task.network.n_nodes)))


def diamond_task() -> OutcomeTask:
    """The diamond with r = (1, 2, 3), its backward policy shared; the step from 0 to 1."""
    return OutcomeTask(diamond_network(), np.array([0, 1]), np.array([0.5, 0.5]), np.array([0.25, 0.75]))


def lopsided_task() -> OutcomeTask:
    """The diamond with rewards from 1e-20 to 1e20, a parent of probability 1e-12, and laws down to 1e-9."""
    return OutcomeTask(
        lopsided_diamond().network,
        np.array([0, 1]),
        np.array([1e-9, 1 - 1e-9]),
        np.array([1 - 1e-6, 1e-6]),
    )
