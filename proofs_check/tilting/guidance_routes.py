"""Guidance of a chain step by step: the guided chain from geometric mixtures of rows, its normalisers, its weights.

``h_t`` and path laws are found a second time from all paths.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import Side, rounding
from mdplab.enumeration import enumerate_paths
from mdplab.instances import Draw
from mdplab.instances.chains import dirichlet_chain
from mdplab.models import MarkovChain
from mdplab.operators import log_sum_exp, marginals
from proofs_check.tilting.chain_routes import relative_error, summed
from proofs_check.tilting.instances import ChainTask


def guided_task(draw: Draw) -> ChainTask:
    """A chain, ``h(x) = p(c|x)`` uniform on (.02, 1), and the weight .5, 2 or 4 as the strength."""
    chain = dirichlet_chain(draw)
    return ChainTask(chain, draw.uniform(0.02, 1.0, chain.n_states), draw.choice((0.5, 2.0, 4.0)), chain)


def neutral_task(draw: Draw) -> ChainTask:
    """A guided task with the weight 0 or 1."""
    return replace(guided_task(draw), strength=draw.choice((0.0, 1.0)))


def conditional(task: ChainTask) -> ChainTask:
    """The task at strength 1, the optimum of which is the conditional chain."""
    return replace(task, strength=1.0)


def row_error(task: ChainTask) -> float:
    """Error of the logarithm of an entry of a mixed row, or of its sum: that of the conditional chain, weighted."""
    return 2 * (1 + task.strength) * (task.chain.steps + 2) * conditional(task).step_error


def law_error(task: ChainTask) -> float:
    """Relative error of the laws of guided paths and states, weighted or not."""
    return 2 * (task.chain.steps + 2) * row_error(task) + relative_error(task)


def _mixed(task: ChainTask, plain: FloatArray, conditioned: FloatArray) -> FloatArray:
    """Logarithm of ``plain^{1-w} conditioned^w``."""
    return np.asarray((1 - task.strength) * np.log(plain) + task.strength * np.log(conditioned))


def guidance(task: ChainTask) -> tuple[MarkovChain, FloatArray]:
    """The guided chain, and ``log Z_t(x)``, shape (T, K)."""
    base, given = task.chain, conditional(task).optimum
    start, rows = _mixed(task, base.initial, given.initial), _mixed(task, base.kernels, given.kernels)
    sums = np.asarray(log_sum_exp(rows))
    chain = MarkovChain(np.exp(start - float(log_sum_exp(start))), np.exp(rows - sums[:, :, np.newaxis]))
    return chain, sums


def log_normalisers(task: ChainTask) -> Side:
    """log Z_t(x): sums of mixed rows of the chain and the conditional chain"""
    return Side(guidance(task)[1], row_error(task))


def mean_likelihoods(task: ChainTask) -> FloatArray:
    """``h_t(x) = E[h(x_T) | x_t = x]`` by enumeration, shape (T+1, K)."""
    law, n, states = task.paths.probability, task.chain.n_states, task.paths.states
    weights = law * task.likelihood[states[:, -1]]
    return np.array([summed(weights, x, n) / summed(law, x, n) for x in states.T])


def log_moments(task: ChainTask) -> Side:
    """log E[(h_{t+1}(x') / h_t(x))^w | x_t = x], h_t from all paths"""
    h = mean_likelihoods(task)
    ratio = h[1:, np.newaxis, :] / h[:-1, :, np.newaxis]
    value = np.log((task.chain.kernels * ratio**task.strength).sum(axis=2))
    return Side(value, row_error(task) + float(rounding(1 + task.strength, 4 * len(task.paths.states) + 32)))


def signed_log_normalisers(task: ChainTask) -> Side:
    """sign(w - 1) log Z_t(x), from mixed rows"""
    side = log_normalisers(task)
    return Side(np.sign(task.strength - 1) * np.asarray(side.value), side.error)


def signed_log_moments(task: ChainTask) -> Side:
    """sign(w - 1) log Z_t(x), from moments"""
    side = log_moments(task)
    return Side(np.sign(task.strength - 1) * np.asarray(side.value), side.error)


def nothing(task: ChainTask) -> Side:
    """Zero."""
    return Side(np.zeros((task.chain.steps, task.chain.n_states)))


def guided_paths(task: ChainTask) -> Side:
    """Path law of the guided chain"""
    law = enumerate_paths(guidance(task)[0]).probability
    return Side(law, law_error(task) * law)


def divided_paths(task: ChainTask, *, power: float = -1.0) -> Side:
    """Enumeration: p(x_{0:T}) h(x_T)^w / prod_t Z_t(x_t), normalised"""
    sums, states = np.asarray(log_moments(task).value), task.paths.states
    weights = task.path_log_weights + power * sum(sums[t, states[:, t]] for t in range(task.chain.steps))
    law = np.exp(weights - weights.max())
    law /= law.sum()
    return Side(law, (law_error(task) + float(rounding(1.0, 20 * len(law)))) * law)


def weighted_end(task: ChainTask, *, power: float = 1.0) -> Side:
    """Forward sweep of the guided chain with weights prod_t Z_t(x_t), normalised"""
    chain, sums = guidance(task)
    law = chain.initial
    for kernel, row in zip(chain.kernels, sums, strict=True):
        law = (law * np.exp(power * row)) @ kernel
        law = law / law.sum()
    return Side(law, law_error(task) * law)


def guided_end(task: ChainTask) -> Side:
    """Last law of the guided chain, by a forward sweep"""
    law = marginals(guidance(task)[0])[-1]
    return Side(law, law_error(task) * law)


def tilt(task: ChainTask) -> Side:
    """Enumeration: p_T h^w, normalised"""
    law = summed(task.path_tilt, task.paths.states[:, -1], task.chain.n_states)
    return Side(law, relative_error(task) * law)
