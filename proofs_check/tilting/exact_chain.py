"""The controlled chain in balls: the backward recursion in logarithms, and enumerations of paths in products of weights."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import mdplab
from mdplab._typing import Array, IntArray
from mdplab.models import MarkovChain
from proofs_check.tilting.instances import ChainTask


class Chain(NamedTuple):
    """Start law (K,) and kernels (T, K, K), as balls."""

    start: Array
    kernels: Array


def read(chain: MarkovChain) -> Chain:
    """A chain whose rows sum to exactly one."""
    laws = (mdplab.exact.laws(chain.initial), mdplab.exact.laws(chain.kernels))
    return Chain(*(mdplab.exact.ball(law) for law in laws))


def reward(task: ChainTask) -> Array:
    """``kappa log p(y|x)``."""
    return np.asarray(mdplab.exact.rational(task.strength) * mdplab.exact.log(task.likelihood))


def values(task: ChainTask) -> Array:
    """``V_t``, shape (T+1, K)."""
    found = [reward(task)]
    for kernel in read(task.chain).kernels[::-1]:
        found.append(mdplab.exact.log_sum_exp(found[-1], log_reference=mdplab.exact.log(kernel)))
    return np.array(found[::-1], dtype=object)


def controller(task: ChainTask) -> Chain:
    """The chain that the values induce; the start law stays where it must be kept."""
    chain, v = read(task.chain), values(task)
    kernels = chain.kernels * mdplab.exact.exp(v[1:, np.newaxis, :] - v[:-1, :, np.newaxis])
    tilted = mdplab.exact.softmax(v[0], log_reference=mdplab.exact.log(chain.start))
    return Chain(chain.start if task.fixed_start else tilted, kernels)


def marginals(chain: Chain) -> Array:
    """Laws of the states, shape (T+1, K)."""
    laws = [chain.start]
    for kernel in chain.kernels:
        laws.append(laws[-1] @ kernel)
    return np.array(laws, dtype=object)


def objective(task: ChainTask, chain: Chain) -> Any:
    """``J``: gains of the states less the divergences of start and transitions, by a forward sweep."""
    base, laws = read(task.chain), marginals(chain)
    steps = (laws[:-1] * mdplab.exact.kl(chain.kernels, base.kernels)).sum()
    gain = laws[-1] @ reward(task)
    if task.running_reward is not None:
        gain += (laws[:-1] * mdplab.exact.rational(task.running_reward)).sum()
    return gain - mdplab.exact.kl(chain.start, base.start) - steps


# --- enumerations ---------------------------------------------------------------------------------------------------


def states(task: ChainTask) -> IntArray:
    """All paths, shape (K^(T+1), T+1), in the order of the float route."""
    return np.asarray(task.paths.states)


def path_law(chain: Chain, paths: IntArray) -> Array:
    """Probabilities of paths."""
    law = chain.start[paths[:, 0]]
    for kernel, here, there in zip(chain.kernels, paths.T, paths.T[1:], strict=False):
        law = law * kernel[here, there]
    return np.asarray(law)


def summed(weights: Array, keys: IntArray, n: int) -> Array:
    """Sums of the weights of each key."""
    return np.array([weights[keys == key].sum() for key in range(n)], dtype=object)


def path_weights(task: ChainTask) -> Array:
    """``p(x_{0:T}) p(y|x_T)^kappa`` of every path."""
    paths = states(task)
    return np.asarray(path_law(read(task.chain), paths) * mdplab.exact.exp(reward(task))[paths[:, -1]])


def conditional_laws(task: ChainTask, weights: Array) -> Array:
    """Start law, kernels and log of the total of a measure on the paths, in one row."""
    n, paths = task.chain.n_states, states(task)
    pairs = [
        summed(weights, here * n + there, n * n).reshape(n, n)
        for here, there in zip(paths.T, paths.T[1:], strict=False)
    ]
    kernels = [(pair / pair.sum(axis=1)[:, np.newaxis]).ravel() for pair in pairs]
    total = weights.sum()
    return np.concatenate((pairs[0].sum(axis=1) / total, *kernels, [mdplab.exact.log(total)]))


# --- the parts ------------------------------------------------------------------------------------------------------


def controls_by_recursion(task: ChainTask) -> Array:
    """(a): start, kernels and objective of the controller."""
    chain = controller(task)
    return np.concatenate((chain.start, chain.kernels.ravel(), [objective(task, chain)]))


def controls_by_enumeration(task: ChainTask) -> Array:
    """(a): conditional laws under the tilted path law, and log Z."""
    return conditional_laws(task, path_weights(task))


def path_law_by_recursion(task: ChainTask) -> Array:
    """(b): path law of the controller, and its last marginal."""
    chain = controller(task)
    return np.concatenate((path_law(chain, states(task)), marginals(chain)[-1]))


def path_law_by_enumeration(task: ChainTask) -> Array:
    """(b): weights of the paths, normalised, and the last marginal of the chain times ``p(y|.)^kappa``, normalised."""
    weights = path_weights(task)
    last = marginals(read(task.chain))[-1] * mdplab.exact.exp(reward(task))
    return np.concatenate((weights / weights.sum(), last / last.sum()))


def controlled_objective(task: ChainTask) -> Any:
    """(c): J at the controlled chain."""
    return objective(task, read(task.controlled))


def log_partition_less_divergence(task: ChainTask) -> Any:
    """(c): log Z less the divergence of path laws."""
    weights, law = path_weights(task), path_law(read(task.controlled), states(task))
    total = weights.sum()
    return mdplab.exact.log(total) - mdplab.exact.kl(law, weights / total)


def values_by_recursion(task: ChainTask) -> Array:
    """(d): V_t(x), and log Z."""
    v = values(task)
    start = mdplab.exact.log(mdplab.exact.laws(task.chain.initial))
    return np.append(v.ravel(), mdplab.exact.log_sum_exp(v[0], log_reference=start))


def values_by_enumeration(task: ChainTask) -> Array:
    """(d): logarithms of the mean weight of the paths through a state, and of all."""
    n, paths, weights = task.chain.n_states, states(task), path_weights(task)
    law = path_law(read(task.chain), paths)
    means = [summed(weights, here, n) / summed(law, here, n) for here in paths.T]
    return np.asarray(mdplab.exact.log(np.append(np.concatenate(means), weights.sum())))


def past_controlled(task: ChainTask) -> Array:
    """(e): path law of the controller over that of its last state."""
    paths = states(task)
    law = path_law(controller(task), paths)
    return np.asarray(law / summed(law, paths[:, -1], task.chain.n_states)[paths[:, -1]])


def past_original(task: ChainTask) -> Array:
    """(e): time-reversed kernels of the chain."""
    chain, paths = read(task.chain), states(task)
    laws, past = marginals(chain), mdplab.exact.rational(np.ones(len(paths), dtype=int))
    for t, kernel in enumerate(chain.kernels):
        backward = laws[t][:, np.newaxis] * kernel / laws[t + 1]
        past = past * backward[paths[:, t], paths[:, t + 1]]
    return np.asarray(past)
