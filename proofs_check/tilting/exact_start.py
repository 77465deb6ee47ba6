"""Controls from the start law of the chain, and penalties on the last law alone, in balls."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.tilting import exact_chain as chains
from proofs_check.tilting.exact_chain import Chain
from proofs_check.tilting.instances import ChainTask


def from_the_start_law(task: ChainTask) -> Chain:
    """Kernels of the optimum, start law of the chain."""
    return chains.controller(replace(task, fixed_start=True))


def log_partition(task: ChainTask) -> Any:
    """``log Z`` by recursion."""
    return chains.values_by_recursion(task)[-1]


def mean_values(task: ChainTask) -> Array:
    """``V_0`` by enumeration: logarithms of the mean weights of the paths from a state."""
    return chains.values_by_enumeration(task)[: task.chain.n_states]


def start_law(task: ChainTask) -> Array:
    """``nu``, rational."""
    return np.asarray(mdplab.exact.laws(task.chain.initial))


def tilted_start(task: ChainTask) -> Array:
    """``mu*`` by enumeration."""
    weights = chains.path_weights(task)
    start = chains.summed(weights, chains.states(task)[:, 0], task.chain.n_states)
    return np.asarray(start / weights.sum())


def tilted_end(task: ChainTask) -> Array:
    """``q*_T``: the last law of the chain times the weights of the reward, normalised."""
    weights = chains.marginals(chains.read(task.chain))[-1] * mdplab.exact.exp(chains.reward(task))
    return np.asarray(weights / weights.sum())


def fixed_weights(task: ChainTask) -> Array:
    """``p(x_{0:T}) e^{r(x_T) - V_0(x_0)}`` by enumeration."""
    first = mdplab.exact.exp(mean_values(task))[chains.states(task)[:, 0]]
    return np.asarray(chains.path_weights(task) / first)


# --- the parts ------------------------------------------------------------------------------------------------------


def fixed_worth(task: ChainTask) -> Array:
    """(a): J of the controls from nu, and the shortfall."""
    kept = start_law(task) @ chains.values(task)[0]
    return np.array([chains.objective(task, from_the_start_law(task)), log_partition(task) - kept])


def fixed_worth_by_enumeration(task: ChainTask) -> Array:
    """(a): mean of V_0, and the divergence of nu from mu*."""
    nu = start_law(task)
    return np.array([nu @ mean_values(task), mdplab.exact.kl(nu, tilted_start(task))])


def worth_from_the_start_law(task: ChainTask) -> Any:
    """(a): J of the controlled kernels from nu."""
    return chains.objective(
        task, Chain(mdplab.exact.ball(start_law(task)), chains.read(task.controlled).kernels)
    )


def mean_value_less_divergence(task: ChainTask) -> Any:
    """(a): mean of V_0 less the divergence of path laws."""
    chain = Chain(mdplab.exact.ball(start_law(task)), chains.read(task.controlled).kernels)
    law = chains.path_law(chain, chains.states(task))
    return start_law(task) @ mean_values(task) - mdplab.exact.kl(law, fixed_weights(task))


def fixed_law(task: ChainTask) -> Array:
    """(a): path law and last law of the controls from nu."""
    chain = from_the_start_law(task)
    return np.concatenate((chains.path_law(chain, chains.states(task)), chains.marginals(chain)[-1]))


def fixed_law_by_enumeration(task: ChainTask) -> Array:
    """(a): the weights of the paths, and their sums at the last state."""
    law = fixed_weights(task)
    return np.append(law, chains.summed(law, chains.states(task)[:, -1], task.chain.n_states))


def mean_ratio(task: ChainTask) -> Any:
    """(a): mean under p_T of the ratio of the last laws, from nu and tilted."""
    ratio = chains.marginals(from_the_start_law(task))[-1] / chains.marginals(chains.controller(task))[-1]
    return chains.marginals(chains.read(task.chain))[-1] @ ratio


def one_plus_chi_square(task: ChainTask) -> Any:
    """(a): 1 + chi^2 of nu from mu*, by enumeration."""
    return (start_law(task) ** 2 / tilted_start(task)).sum()


def fixed_end(task: ChainTask) -> Array:
    """(a), (b): last law of the controls from nu."""
    return np.asarray(chains.marginals(from_the_start_law(task))[-1])


def end_divergence(task: ChainTask) -> Any:
    """(b): divergence of the last laws."""
    return mdplab.exact.kl(fixed_end(task), chains.marginals(chains.controller(task))[-1])


def start_divergence(task: ChainTask) -> Any:
    """(b): divergence of the start laws."""
    return fixed_worth_by_enumeration(task)[1]


def marginal_worth(task: ChainTask, chain: Chain) -> Any:
    """Gain of the last law less its divergence from that of the chain."""
    last = chains.marginals(chain)[-1]
    return last @ chains.reward(task) - mdplab.exact.kl(last, chains.marginals(chains.read(task.chain))[-1])


def controlled_marginal_worth(task: ChainTask) -> Any:
    """(c): of the controlled chain."""
    return marginal_worth(task, chains.read(task.controlled))


def log_partition_less_end_divergence(task: ChainTask) -> Any:
    """(c): log Z less the divergence of the last law from the tilt, by enumeration."""
    weights, law = (
        chains.path_weights(task),
        chains.path_law(chains.read(task.controlled), chains.states(task)),
    )
    last = chains.summed(law, chains.states(task)[:, -1], task.chain.n_states)
    return mdplab.exact.log(weights.sum()) - mdplab.exact.kl(last, tilted_end(task))


def two_marginal_worths(task: ChainTask) -> Array:
    """(c): of the chain whose last kernel forgets, and of the optimum."""
    chain = chains.read(task.chain)
    kernels = chain.kernels.copy()
    if not task.fixed_end:
        kernels[-1] = tilted_end(task)
    lazy = marginal_worth(task, Chain(chain.start, kernels))
    return np.array([lazy, marginal_worth(task, chains.controller(task))])


def log_partition_twice(task: ChainTask) -> Array:
    """(c): log Z by enumeration, for both."""
    return np.full(2, mdplab.exact.log(chains.path_weights(task).sum()))
