"""Tasks of the family: raw data, with paths, values and controllers as cached properties."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import rounding
from mdplab.enumeration import Paths, enumerate_paths
from mdplab.instances import Draw, three_state_chain, three_state_chain_likelihood
from mdplab.instances.chains import dirichlet_chain
from mdplab.models import MarkovChain
from mdplab.operators import log_value_recursion, tilted_chain

__all__ = [
    "ChainTask",
    "chain_task",
    "forgetful_task",
    "last_kernel_kept",
    "paid_on_the_way",
    "start_kept",
    "three_state_task",
    "uncontrolled_task",
]


@dataclass(frozen=True, eq=False)
class ChainTask:
    """Steer a chain towards a label of its last state, at a cost of path divergence.

    Attributes
    ----------
    chain : MarkovChain
        The chain ``(nu, P_t)`` to be steered, of T steps on K states.
    likelihood : ndarray, shape (K,)
        Likelihood ``p(y | x)`` of the label given the last state.
    strength : float
        Guidance strength ``kappa``; the terminal reward is ``kappa log p(y | x)``.
    controlled : MarkovChain
        Any chain of the same shape.
    running_reward : ndarray, shape (T, K), or None
        Reward of the states at the times before the last; None stands for zeros.
    fixed_start : bool
        Whether the controls must keep the start law ``nu``.
    fixed_end : bool
        Whether they must keep the last kernel.
    """

    chain: MarkovChain
    likelihood: FloatArray
    strength: float
    controlled: MarkovChain
    running_reward: FloatArray | None = None
    fixed_start: bool = False
    fixed_end: bool = False

    @property
    def reward(self) -> FloatArray:
        """The terminal reward ``r``."""
        return np.asarray(self.strength * np.log(self.likelihood))

    @cached_property
    def values(self) -> FloatArray:
        """``V_t(x)`` by the backward recursion, shape (T+1, K)."""
        return np.asarray(log_value_recursion(self.chain, self.reward))

    @cached_property
    def optimum(self) -> MarkovChain:
        """The chain ``(mu*, Q*)`` that the values induce."""
        return self.controller(self.values)

    @cached_property
    def paths(self) -> Paths:
        """All paths with their log-probabilities under the chain."""
        return enumerate_paths(self.chain)

    @cached_property
    def path_log_weights(self) -> FloatArray:
        """``log p(x_{0:T}) + r(x_T)`` of all paths."""
        return np.asarray(self.paths.log_probability + self.reward[self.paths.states[:, -1]])

    @cached_property
    def path_log_partition(self) -> float:
        """``log Z`` from all paths."""
        largest = float(self.path_log_weights.max())
        return largest + float(np.log(np.exp(self.path_log_weights - largest).sum()))

    @cached_property
    def path_tilt(self) -> FloatArray:
        """``p(x_{0:T}) p(y | x_T)^kappa / Z`` of all paths."""
        return np.asarray(np.exp(self.path_log_weights - self.path_log_partition))

    def controller(self, values: FloatArray) -> MarkovChain:
        """The chain that given values induce: ``nu e^{V_0}`` and ``P_t e^{V_{t+1}}``, normalised.

        Parameters
        ----------
        values : ndarray, shape (T+1, K)
            Exact or approximate values.

        Returns
        -------
        MarkovChain
        """
        tilted = tilted_chain(self.chain, values)
        return MarkovChain(self.chain.initial, tilted.kernels) if self.fixed_start else tilted

    @property
    def step_error(self) -> float:
        """Rounding of one step in log space, by recursion or along a path: a few operations at the largest logarithm.

        The errors of ``V_t`` add up over the steps.  Those of a path's probability do too, but no faster: each row is
        normalised, so that the error of ``V_{t+1}`` cancels against that of the next row's normaliser.
        """
        smallest = min(float(self.chain.kernels.min()), float(self.chain.initial.min()))
        size = 1.0 + float(np.abs(self.reward).max()) - np.log(smallest)
        return float(rounding(size, 8) + rounding(1.0, self.chain.n_states + 8))

    @property
    def path_error(self) -> float:
        """Relative error of the probability of a path under ``Q*``, by either route."""
        return 2 * (self.chain.steps + 1) * self.step_error


def uncontrolled_task(draw: Draw) -> ChainTask:
    """K in 2..4, T in 1..4, full-support rows, p(y|x) uniform on (.001, 1), strength .3, 1, 2 or 8."""
    chain = dirichlet_chain(draw)
    likelihood = draw.uniform(0.001, 1.0, chain.n_states)
    return ChainTask(chain, likelihood, draw.choice((0.3, 1.0, 2.0, 8.0)), chain)


def chain_task(draw: Draw) -> ChainTask:
    """An uncontrolled task, and another chain of its shape from the same law."""
    task = uncontrolled_task(draw)
    n, steps = task.chain.n_states, task.chain.steps
    return replace(task, controlled=dirichlet_chain(draw, states=(n, n), steps=(steps, steps)))


def paid_on_the_way(draw: Draw) -> ChainTask:
    """A task whose states pay on the way, too: normal rewards."""
    task = chain_task(draw)
    return replace(task, running_reward=draw.normal((task.chain.steps, task.chain.n_states)))


def start_kept(draw: Draw) -> ChainTask:
    """A task whose controls must keep the start law."""
    return replace(chain_task(draw), fixed_start=True)


def last_kernel_kept(draw: Draw) -> ChainTask:
    """A task whose controls must keep the last kernel."""
    return replace(chain_task(draw), fixed_end=True)


def forgetful_task(draw: Draw) -> ChainTask:
    """A task whose first kernel has equal rows: nothing that follows depends on the start."""
    task = chain_task(draw)
    kernels = task.chain.kernels.copy()
    kernels[0] = kernels[0, 0]
    return replace(task, chain=MarkovChain(task.chain.initial, kernels))


def three_state_task(strength: float = 2.0) -> ChainTask:
    """The three-state chain used for printed values; the controlled chain is lazy.

    Parameters
    ----------
    strength : float, default 2
        The guidance strength.

    Returns
    -------
    ChainTask
    """
    lazy = MarkovChain(np.full(3, 1 / 3), 0.4 * np.eye(3) + 0.2, steps=3)
    return ChainTask(three_state_chain(), three_state_chain_likelihood(), strength, lazy)
