"""Routes that claims about controlled chains share: objective, divergences, enumerations of the tilted path law.

All errors start from two numbers of the task: the rounding of one step in log space and the relative error of the
probability of a path.  Sums of positive terms keep relative errors, so that the laws of states inherit those of paths.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mdplab._typing import FloatArray, IntArray
from mdplab.claims import Side, rounding
from mdplab.divergences import kl
from mdplab.models import MarkovChain
from mdplab.operators import chain_kl, marginals
from proofs_check.tilting.instances import ChainTask

LOG_SPACE = "rounding of at most five steps in log space; below 1e-9 relative plus 1e-11 absolute"


def within(right: Callable[[Any], Side]) -> Callable[[Any], FloatArray]:
    """The tolerance of identities, 1e-9 relative plus 1e-11 absolute."""
    return lambda task: 1e-11 + 1e-9 * np.abs(np.asarray(right(task).value))


def at_the_size(side: Callable[[Any], Side]) -> Callable[[Any], FloatArray]:
    """The tolerance of inequalities, 1e-9 at the size of the bound."""
    return lambda task: 1e-9 * (1 + np.abs(np.asarray(side(task).value)))


def objective(task: ChainTask, chain: MarkovChain) -> tuple[float, float]:
    """``J = q_T r - KL(Q || P)`` by a forward sweep and the chain rule, and the error of these sums."""
    laws = marginals(chain)
    gain, cost = float(laws[-1] @ task.reward), chain_kl(chain, task.chain)
    size = (
        float(laws[-1] @ np.abs(task.reward)) + cost + 2 * (task.chain.steps + 1)
    )  # p |log p/q| <= p log p/q + 2q
    if task.running_reward is not None:
        gain += float((laws[:-1] * task.running_reward).sum())
        size += float(np.abs(task.running_reward).sum())
    operations = (task.chain.steps + 1) * (2 * task.chain.n_states + 16)
    return gain - cost, task.step_error + float(rounding(size, operations))


def relative_error(task: ChainTask) -> float:
    """Relative error of a law of paths or states, by recursion and forward sweep or by enumeration."""
    steps, n = task.chain.steps + 1, task.chain.n_states
    return 2 * task.path_error + float(rounding(1.0, 2 * steps * (n + 8) + n**steps))


def worth(task: ChainTask, chain: MarkovChain) -> tuple[float, float]:
    """``J`` of a chain that was itself computed, and its error: that of the sums, and that of the path law."""
    value, summing = objective(task, chain)
    weight = float(marginals(chain)[-1] @ np.abs(task.reward)) + chain_kl(chain, task.chain) + 4
    return value, summing + relative_error(task) * weight


def divergence(p: FloatArray, q: FloatArray, relative: float) -> tuple[float, float]:
    """``KL(p || q)`` of laws whose entries have a given relative error, and its error.

    The error of ``log p/q`` is at most twice the relative one; ``sum p |log p/q| <= KL + 2``.
    """
    value = float(kl(p, q))
    return value, relative * (value + 5) + float(rounding(value + 2, p.size + 16))


def summed(weights: FloatArray, states: IntArray, n_states: int) -> FloatArray:
    """Sums of the weights of the paths through each state."""
    return np.asarray(np.bincount(states, weights, n_states), dtype=float)


def partition_error(task: ChainTask) -> float:
    """Error of log Z: relative error of the weights of the paths and of their sum."""
    return task.path_error + float(rounding(1.0 + abs(task.path_log_partition), len(task.path_tilt) + 4))


def controls_by_enumeration(task: ChainTask) -> Side:
    """Enumeration: conditional laws of successive states under the tilted path law, and log Z"""
    n, states = task.chain.n_states, task.paths.states
    pairs = np.zeros((task.chain.steps, n, n))
    for t in range(task.chain.steps):
        np.add.at(pairs[t], (states[:, t], states[:, t + 1]), task.path_tilt)
    start = pairs[0].sum(axis=1)
    flat = np.concatenate((start, (pairs / pairs.sum(axis=2, keepdims=True)).ravel()))
    relative = 2 * (task.path_error + float(rounding(1.0, len(states))))
    return Side(np.append(flat, task.path_log_partition), np.append(relative * flat, partition_error(task)))
