"""Guidance of a chain in balls: mixed rows on one side, moments over all paths on the other."""

from __future__ import annotations

from typing import Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.tilting import exact_chain as chains
from proofs_check.tilting.exact_chain import Chain
from proofs_check.tilting.guidance_routes import conditional
from proofs_check.tilting.instances import ChainTask


def mixed(task: ChainTask, plain: Array, conditioned: Array) -> Array:
    """``(1-w) log plain + w log conditioned``."""
    weight = mdplab.exact.rational(task.strength)
    return np.asarray((1 - weight) * mdplab.exact.log(plain) + weight * mdplab.exact.log(conditioned))


def guidance(task: ChainTask) -> tuple[Chain, Array]:
    """The guided chain, and ``log Z_t``."""
    base, given = chains.read(task.chain), chains.controller(conditional(task))
    start, rows = mixed(task, base.start, given.start), mixed(task, base.kernels, given.kernels)
    chain = Chain(mdplab.exact.softmax(start), mdplab.exact.softmax(rows))
    return chain, np.asarray(mdplab.exact.log_sum_exp(rows))


def log_normalisers(task: ChainTask) -> Array:
    """(a): from mixed rows."""
    return guidance(task)[1]


def log_moments(task: ChainTask) -> Array:
    """(a): from the means of h over all paths."""
    n, t = task.chain.n_states, task.chain.steps
    log_h = chains.values_by_enumeration(conditional(task))[:-1].reshape(t + 1, n)
    weight = mdplab.exact.rational(task.strength)
    powers = mdplab.exact.exp(weight * (log_h[1:, np.newaxis, :] - log_h[:-1, :, np.newaxis]))
    return np.asarray(mdplab.exact.log((chains.read(task.chain).kernels * powers).sum(axis=2)))


def signed_log_normalisers(task: ChainTask) -> Array:
    """(a): times the sign of w - 1."""
    return int(np.sign(task.strength - 1)) * log_normalisers(task)


def nothing(task: ChainTask) -> Array:
    """(a): zero."""
    return np.asarray(mdplab.exact.rational(np.zeros((task.chain.steps, task.chain.n_states), dtype=int)))


def guided_paths(task: ChainTask) -> Array:
    """(b): path law of the guided chain."""
    return chains.path_law(guidance(task)[0], chains.states(task))


def divided_paths(task: ChainTask) -> Array:
    """(b): weights of the paths over the products of Z, normalised."""
    paths, weights = chains.states(task), chains.path_weights(task)
    for t, z in enumerate(mdplab.exact.exp(log_moments(task))):
        weights = weights / z[paths[:, t]]
    return np.asarray(weights / weights.sum())


def weighted_end(task: ChainTask) -> Array:
    """(c): forward sweep with weights."""
    chain, sums = guidance(task)
    law: Any = chain.start
    for kernel, z in zip(chain.kernels, mdplab.exact.exp(sums), strict=True):
        law = (law * z) @ kernel
    return np.asarray(law / law.sum())


def guided_end(task: ChainTask) -> Array:
    """(d): last law of the guided chain."""
    return np.asarray(chains.marginals(guidance(task)[0])[-1])


def tilt(task: ChainTask) -> Array:
    """(c), (d): sums of the weights of the paths, normalised."""
    weights = chains.path_weights(task)
    ends = chains.summed(weights, chains.states(task)[:, -1], task.chain.n_states)
    return np.asarray(ends / weights.sum())
