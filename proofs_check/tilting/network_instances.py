"""Tasks on flow networks: raw data, with constructions, flows and soft optima as cached properties."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import rounding
from mdplab.enumeration import Constructions, enumerate_constructions
from mdplab.instances import Draw, diamond_network, flow_networks
from mdplab.models import FiniteHorizonMDP, FlowNetwork
from mdplab.solvers.backward_induction import HorizonSolution

__all__ = [
    "NetworkTask",
    "diamond",
    "lopsided_diamond",
    "network_task",
    "orphaned",
    "paid_steps",
    "with_orphans",
]


@dataclass(frozen=True, eq=False)
class NetworkTask:
    """Sample the objects of a network in proportion to their reward.

    Attributes
    ----------
    network : FlowNetwork
        Its graph, rewards and backward policy.
    step_reward : ndarray, shape (N, N), or None
        Reward of each step besides what soft control is given for it; None stands for zeros.
    """

    network: FlowNetwork
    step_reward: FloatArray | None = None

    @cached_property
    def constructions(self) -> Constructions:
        """All paths from the source to an object."""
        return enumerate_constructions(self.network)

    @cached_property
    def log_weights(self) -> FloatArray:
        """``log R(x) P_B(tau | x)`` of all constructions."""
        paths = self.constructions
        return np.asarray(np.log(self.network.reward[paths.ends]) + paths.log_backward)

    @cached_property
    def target(self) -> FloatArray:
        """``log R(x) / sum R`` of the objects."""
        gain = self.network.reward[self.network.objects]
        return np.asarray(np.log(gain) - np.log(gain.sum()))

    @cached_property
    def counted(self) -> FloatArray:
        """``log n(x)`` of the objects, from the list of constructions."""
        numbers = np.bincount(self.constructions.ends, minlength=self.network.n_nodes)
        return np.asarray(np.log(numbers[self.network.objects]))

    @cached_property
    def corrected(self) -> HorizonSolution:
        """Soft optimum with ``log P_B`` as reward of the steps."""
        return self.soft_optimum()

    @cached_property
    def uncorrected(self) -> HorizonSolution:
        """Soft optimum with steps that pay nothing."""
        return self.soft_optimum(corrected=False)

    @cached_property
    def shared(self) -> HorizonSolution:
        """Soft optimum with steps that pay nothing, and each reward shared among the constructions of the object."""
        counts = np.maximum(np.array(self.network.path_counts, dtype=float), 1.0)
        divided = self.network.replace(reward=self.network.reward / counts)
        return replace(self, network=divided).uncorrected

    def soft_optimum(self, *, corrected: bool = True, temperature: float = 1.0) -> HorizonSolution:
        """Backward induction on the decision process of the constructions.

        Parameters
        ----------
        corrected : bool
            Whether steps pay ``log P_B``.
        temperature : float
            Of the entropy.

        Returns
        -------
        HorizonSolution
        """
        mdp = self.network.to_horizon_mdp(corrected=corrected)
        if self.step_reward is not None:
            reward = mdp.reward + np.pad(self.step_reward, (0, 1))
            mdp = FiniteHorizonMDP(
                mdp.transition, reward, mdp.horizon, initial=mdp.initial, available=mdp.available
            )
        return solvers.backward_induction(mdp, temperature=temperature)

    @property
    def input_error(self) -> float:
        """Error of the logarithm of a reward and of the backward probabilities along a construction.

        Logarithms are rounded at their size.  Rows of the backward policy that miss the sum 1 by a deviation are another
        network, whose flows differ by that deviation a step.
        """
        network = self.network
        smallest = float(network.backward[network.backward > 0].min(initial=1.0))
        size = float(np.abs(np.log(network.reward[network.objects])).max()) - np.log(smallest)
        return (network.depth + 2) * (float(rounding(1 + size, 6)) + 2 * network.row_deviation)

    @property
    def log_error(self) -> float:
        """Error of a log-probability of a construction, or of a sum of such, by enumeration or by recursion."""
        return 2 * self.input_error + float(
            rounding(2.0, len(self.log_weights) + self.network.n_nodes * (self.network.depth + 2) + 16)
        )


def network_task(draw: Draw) -> NetworkTask:
    """N in 4..8, random parents, half of the nodes objects, log-normal rewards, Dirichlet backward policies."""
    return NetworkTask(flow_networks(draw))


def orphaned(network: FlowNetwork, reward: float) -> NetworkTask:
    """A network with one more object, which no path reaches.

    Parameters
    ----------
    network : FlowNetwork
        The network.
    reward : float
        Of the new object.

    Returns
    -------
    NetworkTask
    """
    edges, backward = np.pad(network.edges, (0, 1)), np.pad(network.backward, (0, 1))
    return NetworkTask(FlowNetwork(edges, np.append(network.reward, reward), backward))


def with_orphans(draw: Draw) -> NetworkTask:
    """A network of the family with one more object, which no path reaches."""
    return orphaned(flow_networks(draw), float(np.exp(draw.normal())))


def paid_steps(draw: Draw) -> NetworkTask:
    """A network whose steps pay, too: normal rewards."""
    network = flow_networks(draw)
    return NetworkTask(network, draw.normal(network.edges.shape) * network.edges)


def diamond() -> NetworkTask:
    """The diamond: 0 to 1 and 2, both to 3, rewards 1, 2, 3."""
    return NetworkTask(diamond_network())


def lopsided_diamond() -> NetworkTask:
    """The diamond with rewards 1e-20, 1 and 1e20, and a parent of probability 1e-12."""
    network = diamond_network()
    backward = network.backward.copy()
    backward[3, 1:3] = 1e-12, 1 - 1e-12
    return NetworkTask(network.replace(reward=[0.0, 1e-20, 1.0, 1e20], backward=backward))
