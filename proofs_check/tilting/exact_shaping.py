"""The shaped chain in balls: backward recursion with the differences of the potential, against weights of all paths."""

from __future__ import annotations

from typing import Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.tilting import exact_chain as chains
from proofs_check.tilting.exact_chain import Chain
from proofs_check.tilting.shaping_routes import ShapedTask


def potentials(shaped: ShapedTask) -> Array:
    """``Phi_0..Phi_T``, rational."""
    return np.asarray(mdplab.exact.rational(shaped.potentials))


def optimum(shaped: ShapedTask, phi: Array) -> tuple[Chain, Array, Any]:
    """Optimal chain, values at t < T and log Z of the problem shaped by a potential."""
    base, value = chains.read(shaped.task.chain), chains.reward(shaped.task)
    kernels, values, factor = [], [], mdplab.exact.rational(shaped.discount)
    for t in reversed(range(shaped.task.chain.steps)):
        gains = value + factor**t * (phi[t + 1] - phi[t][:, np.newaxis])
        logs = mdplab.exact.log(base.kernels[t])
        kernels.append(mdplab.exact.softmax(gains, log_reference=logs))
        value = mdplab.exact.log_sum_exp(gains, log_reference=logs)
        values.append(value)
    first = value + phi[0] if shaped.start_paid else value
    logs = mdplab.exact.log(base.start)
    start = mdplab.exact.softmax(first, log_reference=logs)
    total = mdplab.exact.log_sum_exp(first, log_reference=logs)
    return Chain(start, np.array(kernels[::-1])), np.array(values[::-1]), total


def flat(chain: Chain) -> Array:
    """Start law and kernels in one row."""
    return np.concatenate((chain.start, chain.kernels.ravel()))


def shaped_controls(shaped: ShapedTask) -> Array:
    """(a): optimum of the shaped problem."""
    chain, values, total = optimum(shaped, potentials(shaped))
    return np.append(np.concatenate((flat(chain), values.ravel())), total)


def unshaped_controls(shaped: ShapedTask) -> Array:
    """(a): conditional laws under the tilted path law, values of all paths less the potential, log Z."""
    task = shaped.task
    found = chains.values_by_enumeration(task)
    values = found[: -1 - task.chain.n_states] - potentials(shaped)[:-1].ravel()
    laws = chains.conditional_laws(task, chains.path_weights(task))[:-1]
    return np.concatenate((laws, values, found[-1:]))


def shaped_end(shaped: ShapedTask) -> Array:
    """(a): last law of the shaped optimum."""
    return np.asarray(chains.marginals(optimum(shaped, potentials(shaped))[0])[-1])


def weighted_ends(shaped: ShapedTask) -> Array:
    """(d): laws of first and last state of paths with the weight ``e^{r + Phi_T}``, over ``e^{Phi_0}`` if not paid."""
    paths, n, phi = chains.states(shaped.task), shaped.task.chain.n_states, potentials(shaped)
    weights = chains.path_weights(shaped.task) * mdplab.exact.exp(phi[-1])[paths[:, -1]]
    if not shaped.start_paid:
        weights = weights * mdplab.exact.exp(-phi[0])[paths[:, 0]]
    ends = [chains.summed(weights, paths[:, place], n) for place in (0, -1)]
    return np.asarray(np.concatenate(ends) / weights.sum())


def end_law(shaped: ShapedTask) -> Array:
    """(a): last law of the chain times ``e^r``, normalised."""
    law = chains.marginals(chains.read(shaped.task.chain))[-1] * mdplab.exact.exp(chains.reward(shaped.task))
    return np.asarray(law / law.sum())


def start_and_end_shaped(shaped: ShapedTask) -> Array:
    """(d): laws of first and last state of the shaped optimum."""
    chain = optimum(shaped, potentials(shaped))[0]
    return np.append(chain.start, chains.marginals(chain)[-1])


def myopic(shaped: ShapedTask, potential: Array) -> Chain:
    """Controls that see the potential one step ahead, and the reward in the last step; optimal start."""
    base, v = chains.read(shaped.task.chain), chains.values(shaped.task)
    ahead = np.concatenate((potential[1:], v[-1:]))
    logs = mdplab.exact.log(base.kernels)
    kernels = mdplab.exact.softmax(ahead[:, np.newaxis, :], log_reference=logs)
    return Chain(mdplab.exact.softmax(v[0], log_reference=mdplab.exact.log(base.start)), kernels)


def one_step_look(shaped: ShapedTask) -> Array:
    """(b): with the exact values as the potential: shaped values, normalisers and myopic controls."""
    v = chains.values(shaped.task)
    phi = np.concatenate((v[:-1], mdplab.exact.ball(np.zeros_like(v[-1:], dtype=int))))
    values = optimum(shaped, phi)[1]
    steps = chains.read(shaped.task.chain).kernels * mdplab.exact.exp(
        v[1:, np.newaxis, :] - v[:-1, :, np.newaxis]
    )
    return np.concatenate((values.ravel(), steps.sum(axis=2).ravel(), flat(myopic(shaped, v[:-1]))))


def perfect(shaped: ShapedTask) -> Array:
    """(b): zeros, ones, and conditional laws under the tilted path law."""
    count = shaped.potential.size
    laws = chains.conditional_laws(shaped.task, chains.path_weights(shaped.task))[:-1]
    ends = mdplab.exact.ball(np.repeat([0, 1], count))
    return np.append(ends, laws)


def myopic_divergence(shaped: ShapedTask) -> Any:
    """(c): divergence of the path laws, by enumeration; of one step, the myopic controls are by definition optimal."""
    if shaped.task.chain.steps == 1:
        return mdplab.exact.rational(0)
    weights, paths = chains.path_weights(shaped.task), chains.states(shaped.task)
    law = chains.path_law(myopic(shaped, potentials(shaped)[:-1]), paths)
    return mdplab.exact.kl(weights / weights.sum(), law)


def bound(shaped: ShapedTask) -> Any:
    """(c): squared ranges over 8."""
    gaps = potentials(shaped)[1:-1] - chains.values(shaped.task)[1:-1]
    ranges = [mdplab.exact.highest(row) - mdplab.exact.lowest(row) for row in gaps]
    return sum((width**2 for width in ranges), start=mdplab.exact.rational(0)) / 8
