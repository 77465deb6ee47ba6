"""Two labels at the end of a chain in balls: tilts one after the other against all paths and Bayes' formula."""

from __future__ import annotations

from typing import Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.tilting import exact_chain as chains
from proofs_check.tilting.exact_chain import Chain
from proofs_check.tilting.label_routes import LabelTask, TwoTilts


def tilted(chain: Chain, log_weights: Array) -> tuple[Chain, Any]:
    """The tilt of a chain by recursion, and ``log Z``."""
    values, kernels = log_weights, []
    for kernel in chain.kernels[::-1]:
        logs = mdplab.exact.log(kernel)
        kernels.append(mdplab.exact.softmax(values, log_reference=logs))
        values = mdplab.exact.log_sum_exp(values, log_reference=logs)
    start = mdplab.exact.log(chain.start)
    total = mdplab.exact.log_sum_exp(values, log_reference=start)
    return Chain(mdplab.exact.softmax(values, log_reference=start), np.array(kernels[::-1])), total


def log_weights(task: TwoTilts) -> Array:
    """``kappa_i log u_i``."""
    strengths = mdplab.exact.rational(task.strengths)[:, np.newaxis]
    return np.asarray(strengths * mdplab.exact.log(task.likelihoods))


def in_turn(task: TwoTilts) -> Array:
    """(a): start, kernels and sum of log Z in either order."""
    rows = []
    for order in (log_weights(task), log_weights(task)[::-1]):
        between, first = tilted(chains.read(task.chain), order[0])
        chain, second = tilted(between, order[1])
        rows.append(np.concatenate((chain.start, chain.kernels.ravel(), [first + second])))
    return np.array(rows)


def at_once(task: TwoTilts) -> Array:
    """(a): conditional laws of the measure with both weights, twice."""
    paths = chains.states(task.joint)
    weights = mdplab.exact.exp(log_weights(task).sum(axis=0))[paths[:, -1]]
    law = chains.path_law(chains.read(task.chain), paths)
    return np.tile(chains.conditional_laws(task.joint, law * weights), (2, 1))


def tables(task: LabelTask) -> Array:
    """``p(c, y | x)``, rational."""
    return np.asarray(mdplab.exact.laws(task.table.reshape(-1, 4)).reshape(-1, 2, 2))


def second(task: LabelTask) -> Array:
    """``p(y|x)``."""
    return np.asarray(tables(task)[:, :, 1].sum(axis=1))


def second_given_first(task: LabelTask) -> Array:
    """``p(y|x,c)``."""
    table = tables(task)
    return np.asarray(table[:, 1, 1] / table[:, 1, :].sum(axis=1))


def dependence(task: LabelTask) -> Array:
    """``D``."""
    return np.asarray(mdplab.exact.log(second_given_first(task) / second(task)))


def end_of_two_tilts(task: LabelTask, weights: Array) -> Array:
    """Last law of the chain tilted by ``p(c|x)`` and then by given weights."""
    first = mdplab.exact.log(tables(task)[:, 1, :].sum(axis=1))
    between, _ = tilted(chains.read(task.chain), first)
    return np.asarray(chains.marginals(tilted(between, mdplab.exact.log(weights))[0])[-1])


def conditioned_end(task: LabelTask) -> Array:
    """(b): second tilt with p(y|x,c)."""
    return end_of_two_tilts(task, second_given_first(task))


def shortcut_end(task: LabelTask) -> Array:
    """(c): second tilt with p(y|x)."""
    return end_of_two_tilts(task, second(task))


def end_of_all_paths(task: LabelTask) -> Array:
    """``p_T`` from all paths."""
    paths = chains.states(task.joint)
    law = chains.path_law(chains.read(task.chain), paths)
    return chains.summed(law, paths[:, -1], task.chain.n_states)


def bayes(task: LabelTask) -> Array:
    """(b): Bayes' formula."""
    weights = end_of_all_paths(task) * tables(task)[:, 1, 1]
    return np.asarray(weights / weights.sum())


def bayes_with_dependence(task: LabelTask) -> Array:
    """(c): Bayes' formula times the ratio e^{-D}."""
    weights = end_of_all_paths(task) * tables(task)[:, 1, 1] * second(task) / second_given_first(task)
    return np.asarray(weights / weights.sum())


def spread(x: Array) -> Any:
    """Range."""
    return mdplab.exact.highest(x) - mdplab.exact.lowest(x)


def range_of_the_log_ratio(task: LabelTask) -> Any:
    """(c): range of the log-ratio of the last laws."""
    return spread(mdplab.exact.log(shortcut_end(task) / conditioned_end(task)))


def range_of_the_dependence(task: LabelTask) -> Any:
    """(c): range of D."""
    return spread(dependence(task))


def end_divergence(task: LabelTask) -> Any:
    """(d): divergence of the last laws."""
    return mdplab.exact.kl(conditioned_end(task), shortcut_end(task))


def dependence_formula(task: LabelTask) -> Any:
    """(d): E D + log E e^{-D}."""
    law, d = bayes(task), dependence(task)
    return law @ d + mdplab.exact.log(law @ (second(task) / second_given_first(task)))


def divergence_bound(task: LabelTask) -> Any:
    """(d): range(D)^2 / 8."""
    return range_of_the_dependence(task) ** 2 / 8


def end_distance(task: LabelTask) -> Any:
    """(d): distance of the last laws."""
    return mdplab.exact.total_variation(conditioned_end(task), shortcut_end(task))


def distance_bound(task: LabelTask) -> Any:
    """(d): tanh(range(D) / 4) = 1 - 2 / (e^{range(D) / 2} + 1)."""
    return 1 - 2 / (mdplab.exact.exp(range_of_the_dependence(task) / 2) + 1)
