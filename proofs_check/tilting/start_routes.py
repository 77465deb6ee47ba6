"""Routes to what a kept start law costs, and to the objective that charges the last law alone.

``V_0``, ``mu*`` and the tilted last law are found a second time from all paths; the recursion gives the controls.
"""

from __future__ import annotations

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import Side, rounding
from mdplab.enumeration import enumerate_paths, path_log_probability
from mdplab.models import MarkovChain
from mdplab.operators import log_partition, marginals
from proofs_check.tilting.chain_routes import (
    divergence,
    objective,
    partition_error,
    relative_error,
    summed,
    worth,
)
from proofs_check.tilting.instances import ChainTask


def from_the_start_law(task: ChainTask) -> MarkovChain:
    """Optimal kernels, start law of the chain."""
    return MarkovChain(task.chain.initial, task.optimum.kernels)


def shortfall(task: ChainTask) -> Side:
    """Backward recursion: log Z less the mean of V_0"""
    lost = float(log_partition(task.chain, task.values)) - float(task.chain.initial @ task.values[0])
    size = 1 + float(np.abs(task.values[0]).max())
    error = 2 * (task.chain.steps + 1) * task.step_error + float(rounding(size, task.chain.n_states + 4))
    return Side(lost, error)


def fixed_worth(task: ChainTask) -> Side:
    """Forward sweep: J of the optimal kernels from nu; backward recursion: the shortfall"""
    value, error = worth(task, from_the_start_law(task))
    lost = shortfall(task)
    return Side(np.append(value, lost.value), np.append(error, lost.error))


def mean_values(task: ChainTask) -> FloatArray:
    """``V_0`` by enumeration: logarithm of the mean weight of the paths from each state."""
    largest = float(task.path_log_weights.max())
    first, n = task.paths.states[:, 0], task.chain.n_states
    weights = np.exp(task.path_log_weights - largest)
    return np.asarray(largest + np.log(summed(weights, first, n) / summed(task.paths.probability, first, n)))


def tilted_start(task: ChainTask) -> FloatArray:
    """``mu*`` by enumeration."""
    return summed(task.path_tilt, task.paths.states[:, 0], task.chain.n_states)


def tilted_end(task: ChainTask) -> FloatArray:
    """``q*_T``: the last law of the chain times the weights of the reward, normalised."""
    log_weights = np.log(marginals(task.chain)[-1]) + task.reward
    weights = np.exp(log_weights - log_weights.max())
    return np.asarray(weights / weights.sum())


def start_divergence(task: ChainTask) -> Side:
    """Enumeration: divergence of the start law from that of the tilted path law"""
    return Side(*divergence(task.chain.initial, tilted_start(task), relative_error(task)))


def mean_value_error(task: ChainTask) -> float:
    return relative_error(task) + float(rounding(2.0 + np.abs(task.reward).max(), 16))


def fixed_worth_by_enumeration(task: ChainTask) -> Side:
    """Enumeration: mean of V_0, and the divergence of nu from mu*"""
    lost = start_divergence(task)
    kept = float(task.chain.initial @ mean_values(task))
    return Side(np.append(kept, lost.value), np.append(mean_value_error(task), lost.error))


def controlled_from_the_start_law(task: ChainTask) -> MarkovChain:
    """Any kernels, start law of the chain."""
    return MarkovChain(task.chain.initial, task.controlled.kernels)


def controlled_worth(task: ChainTask) -> Side:
    """Forward sweep and chain rule: J of any kernels from nu"""
    return Side(*objective(task, controlled_from_the_start_law(task)))


def mean_value_less_divergence(task: ChainTask) -> Side:
    """Enumeration: mean of V_0 less the divergence from p(x_{0:T}) e^{r(x_T) - V_0(x_0)}"""
    value = mean_values(task)
    log_fixed = task.path_log_weights - value[task.paths.states[:, 0]]
    log_law = path_log_probability(controlled_from_the_start_law(task), task.paths.states)
    law = np.exp(log_law)
    size = 2.0 + float(law @ (np.abs(log_law) + np.abs(log_fixed)))
    error = mean_value_error(task) + relative_error(task) * size + float(rounding(size, 2 * len(law)))
    return Side(float(task.chain.initial @ value - law @ (log_law - log_fixed)), error)


def fixed_law(task: ChainTask) -> Side:
    """Backward recursion: path law of the optimal kernels from nu, and a forward sweep for its last law"""
    chain = from_the_start_law(task)
    law = np.concatenate((enumerate_paths(chain).probability, marginals(chain)[-1]))
    return Side(law, relative_error(task) * law)


def fixed_law_by_enumeration(task: ChainTask) -> Side:
    """Enumeration: p(x_{0:T}) e^{r(x_T) - V_0(x_0)} of every path, and its sums at the last state"""
    law = np.exp(task.path_log_weights - mean_values(task)[task.paths.states[:, 0]])
    law = np.append(law, summed(law, task.paths.states[:, -1], task.chain.n_states))
    return Side(law, 2 * relative_error(task) * law)


def mean_ratio(task: ChainTask) -> Side:
    """Forward sweeps: mean under p_T of the ratio of the last laws, from nu and tilted"""
    ratio = marginals(from_the_start_law(task))[-1] / marginals(task.optimum)[-1]
    value = float(marginals(task.chain)[-1] @ ratio)
    return Side(value, 3 * relative_error(task) * value)


def one_plus_chi_square(task: ChainTask) -> Side:
    """Enumeration: sum of nu^2 / mu*, which is 1 + chi^2(nu || mu*)"""
    value = float((task.chain.initial**2 / tilted_start(task)).sum())
    return Side(value, 2 * relative_error(task) * value)


def fixed_end(task: ChainTask) -> Side:
    """Forward sweep: last law of the optimal kernels from nu"""
    law = marginals(from_the_start_law(task))[-1]
    return Side(law, relative_error(task) * law)


def tilt(task: ChainTask) -> Side:
    """Last law of the chain times e^r, normalised"""
    law = tilted_end(task)
    return Side(law, relative_error(task) * law)


def end_divergence(task: ChainTask) -> Side:
    """Forward sweeps: divergence of the last law of the optimal kernels from nu from that of the optimum"""
    laws = marginals(from_the_start_law(task))[-1], marginals(task.optimum)[-1]
    return Side(*divergence(*laws, relative_error(task)))


def end_divergence_by_enumeration(task: ChainTask) -> Side:
    """Enumeration: the same divergence from sums over paths"""
    states, n = task.paths.states, task.chain.n_states
    fixed = np.exp(task.path_log_weights - mean_values(task)[states[:, 0]])
    ends = summed(fixed, states[:, -1], n), summed(task.path_tilt, states[:, -1], n)
    return Side(*divergence(*ends, 2 * relative_error(task)))


def marginal_worth(task: ChainTask, chain: MarkovChain) -> tuple[float, float]:
    """Gain of the last law less its divergence from that of the chain, and the error."""
    last, relative = marginals(chain)[-1], relative_error(task)
    cost, error = divergence(last, marginals(task.chain)[-1], relative)
    size = float(last @ np.abs(task.reward)) + 1
    return float(last @ task.reward) - cost, error + relative * size + float(rounding(size, 16))


def controlled_marginal_worth(task: ChainTask) -> Side:
    """Forward sweep: marginal objective of any chain"""
    return Side(*marginal_worth(task, task.controlled))


def log_partition_less_end_divergence(task: ChainTask) -> Side:
    """Enumeration: log Z less the divergence of the last law from the tilt"""
    states, n = task.paths.states, task.chain.n_states
    law = np.exp(path_log_probability(task.controlled, states))
    ends = summed(law, states[:, -1], n), summed(task.path_tilt, states[:, -1], n)
    lost, error = divergence(*ends, relative_error(task))
    return Side(task.path_log_partition - lost, partition_error(task) + error)


def forgetful(task: ChainTask) -> MarkovChain:
    """The chain up to its last kernel, all rows of which are the tilt; unless that kernel must be kept, too."""
    kernels = task.chain.kernels.copy()
    if not task.fixed_end:
        kernels[-1] = tilted_end(task)
    return MarkovChain(task.chain.initial, kernels)


def two_marginal_worths(task: ChainTask) -> Side:
    """Forward sweeps: marginal objectives of the chain whose last kernel forgets, and of the optimum"""
    (lazy, first), (best, second) = (marginal_worth(task, c) for c in (forgetful(task), task.optimum))
    return Side([lazy, best], [first, second])


def log_partition_twice(task: ChainTask) -> Side:
    """Enumeration: log Z, for both"""
    return Side(np.full(2, task.path_log_partition), partition_error(task))
