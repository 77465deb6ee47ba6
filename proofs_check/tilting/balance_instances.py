"""Flow networks with a forward policy that is not that of the flows, and what would balance it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mdplab._typing import Array, FloatArray
from mdplab.claims import rounding
from mdplab.enumeration import construction_log_probability, trajectory_balance
from mdplab.instances import Draw, diamond_network, flow_networks
from mdplab.models import FlowNetwork
from mdplab.operators import flow_policy_log, log_flows, log_tilt
from proofs_check.tilting.network_instances import NetworkTask, orphaned

__all__ = [
    "BalanceTask",
    "balance_task",
    "fork",
    "halved_diamond",
    "lopsided_policy",
    "one_way",
    "one_way_task",
    "unreached",
    "with_unreached_object",
]


@dataclass(frozen=True, eq=False)
class BalanceTask:
    """A network, any forward policy, any partition function and any flow.

    Attributes
    ----------
    network : FlowNetwork
        Graph, rewards and backward policy.
    policy : ndarray, shape (N, N+1)
        Forward policy ``P_F``, positive on all steps; to stop is the last column.
    partition : float
        ``Z``, positive.
    flow : ndarray, shape (N,)
        A positive flow.
    """

    network: FlowNetwork
    policy: FloatArray
    partition: float
    flow: FloatArray

    @cached_property
    def base(self) -> NetworkTask:
        """The network as a task of sampling, with its constructions."""
        return NetworkTask(self.network)

    @cached_property
    def log_policy(self) -> FloatArray:
        """``log P_F``, ``-inf`` where there is no step."""
        return np.asarray(
            np.where(self.network.steps, np.log(np.where(self.network.steps, self.policy, 1.0)), -np.inf)
        )

    @cached_property
    def log_forward(self) -> FloatArray:
        """``log P_F(tau)`` of all constructions."""
        return construction_log_probability(self.base.constructions, self.log_policy)

    @cached_property
    def residuals(self) -> FloatArray:
        """``delta(tau)`` of all constructions at the given partition function."""
        return self.residuals_at(np.log(self.partition))

    @cached_property
    def centred(self) -> float:
        """``log Z`` at which the largest and the smallest residual are opposite."""
        plain = self.residuals_at(0.0)
        return -0.5 * float(plain.max() + plain.min())

    def residuals_at(self, log_partition: float) -> FloatArray:
        """``delta(tau)`` of all constructions.

        Parameters
        ----------
        log_partition : float
            ``log Z``.

        Returns
        -------
        ndarray, shape (M,)
        """
        return trajectory_balance(self.network, self.base.constructions, self.log_policy, log_partition)

    @property
    def step_error(self) -> float:
        """Error of the log-probability of a construction under ``P_F``: logarithms at their size, rows that miss the sum 1."""
        steps = self.network.steps
        size = float(np.abs(self.log_policy[steps]).max()) + float(np.abs(np.log(self.flow)).max())
        missed = float(np.abs(np.where(steps, self.policy, 0.0).sum(axis=1) - 1.0).max())
        return (self.network.depth + 2) * (float(rounding(1.0 + size, 8)) + 2 * missed)

    @property
    def log_error(self) -> float:
        """Error of a residual, and of the log-law of the objects."""
        return 2 * self.step_error + self.base.log_error + float(rounding(1 + abs(np.log(self.partition)), 4))


def perturbed(draw: Draw, network: FlowNetwork, *, scale: float) -> FloatArray:
    """The policy of the flows with normal noise on its logits.

    Parameters
    ----------
    draw : Draw
        The engine.
    network : FlowNetwork
        The network.
    scale : float
        Standard deviation of the noise.

    Returns
    -------
    ndarray, shape (N, N+1)
    """
    logits = flow_policy_log(network) + scale * draw.normal(network.steps.shape)
    return np.asarray(np.exp(log_tilt(logits)))


def balance_task(draw: Draw) -> BalanceTask:
    """A network of the family, the logits of its policy with noise .05, .5 or 2, log-normal Z, flows with log-normal noise."""
    network = flow_networks(draw)
    policy = perturbed(draw, network, scale=draw.choice((0.05, 0.5, 2.0)))
    flow = np.exp(log_flows(network) + draw.normal(network.n_nodes))
    return BalanceTask(network, policy, float(np.exp(draw.normal())), flow)


def with_unreached_object(draw: Draw) -> BalanceTask:
    """A task of the family with one more object, which no path reaches."""
    return unreached(balance_task(draw), float(np.exp(draw.normal())))


def unreached(task: BalanceTask, reward: float) -> BalanceTask:
    """A task with one more object, which no path reaches.

    Parameters
    ----------
    task : BalanceTask
        The task.
    reward : float
        Of the new object.

    Returns
    -------
    BalanceTask
    """
    n, grown = task.network.n_nodes, orphaned(task.network, reward).network
    policy = np.zeros((n + 1, n + 2))
    policy[:n, :n], policy[:n, -1], policy[n, -1] = task.policy[:, :-1], task.policy[:, -1], 1.0
    return BalanceTask(grown, policy, task.partition, np.append(task.flow, 1.0))


def one_way_task(draw: Draw) -> BalanceTask:
    """A task of the family whose nodes all come from their first parent backwards."""
    return one_way(balance_task(draw))


def one_way(task: BalanceTask) -> BalanceTask:
    """A task with the backward probability 0 on all edges but the first to each node.

    Parameters
    ----------
    task : BalanceTask
        The task.

    Returns
    -------
    BalanceTask
    """
    first = np.zeros(task.network.edges.shape)
    for t in np.flatnonzero(task.network.edges.any(axis=0)):
        first[t, np.flatnonzero(task.network.edges[:, t])[0]] = 1.0
    return replace(task, network=task.network.replace(backward=first))


def halved_diamond() -> BalanceTask:
    """The diamond with the policy .5, .5 in 0, to go with .6 in 1 and with .5 in 2; Z = 6."""
    policy: Array = np.zeros((4, 5))
    policy[0, 1:3] = 0.5
    policy[1, 3:] = 0.6, 0.4
    policy[2, 3:] = 0.5
    policy[3, 4] = 1.0
    return BalanceTask(diamond_network(), policy, 6.0, np.array([1.0, 0.5, 0.5, 0.55]))


def fork(reward: tuple[float, float], first: float, partition: float) -> BalanceTask:
    """Two objects, one step away from the source.

    Parameters
    ----------
    reward : tuple of float
        Their rewards.
    first : float
        Probability of the first one.
    partition : float
        ``Z``.

    Returns
    -------
    BalanceTask
    """
    edges = np.array([[False, True, True], [False] * 3, [False] * 3])
    policy: Array = np.zeros((3, 4))
    policy[0, 1:3] = first, 1 - first
    policy[1:, 3] = 1.0
    return BalanceTask(
        FlowNetwork(edges, [0.0, *reward]), policy, partition, np.array([1.0, first, 1 - first])
    )


def lopsided_policy() -> BalanceTask:
    """The diamond with probabilities down to 1e-12, forward and backward, rewards from 1e-3 to 1e3 and Z = 1e3."""
    network = diamond_network()
    backward = network.backward.copy()
    backward[3, 1:3] = 1e-12, 1 - 1e-12
    policy: Array = np.zeros((4, 5))
    policy[0, 1:3] = 1e-9, 1 - 1e-9
    policy[1, 3:] = 1 - 1e-6, 1e-6
    policy[2, 3:] = 1e-12, 1 - 1e-12
    policy[3, 4] = 1.0
    return BalanceTask(
        network.replace(reward=[0.0, 1e-3, 1.0, 1e3], backward=backward), policy, 1e3, np.ones(4)
    )
