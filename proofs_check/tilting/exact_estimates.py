"""Controls from estimated values, in balls: the errors are read as rationals."""

from __future__ import annotations

from typing import Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.tilting import exact_chain as chains
from proofs_check.tilting.estimate_routes import EstimateTask
from proofs_check.tilting.exact_chain import Chain


def errors(estimate: EstimateTask) -> Array:
    """Errors of all values, shape (T+1, K)."""
    n = estimate.task.chain.n_states
    end = np.zeros(n) if estimate.end_error is None else estimate.end_error
    return np.asarray(mdplab.exact.rational(np.vstack((estimate.errors, end))))


def controller(estimate: EstimateTask, shifts: Any = 0) -> Chain:
    """The chain that the estimates induce."""
    base, values = chains.read(estimate.task.chain), chains.values(estimate.task) + errors(estimate) + shifts
    start = mdplab.exact.softmax(values[0], log_reference=mdplab.exact.log(base.start))
    logs = mdplab.exact.log(base.kernels)
    return Chain(start, mdplab.exact.softmax(values[1:, np.newaxis, :], log_reference=logs))


def tilted_paths(estimate: EstimateTask) -> Array:
    """Tilted path law by enumeration."""
    weights = chains.path_weights(estimate.task)
    return np.asarray(weights / weights.sum())


def estimated_paths(estimate: EstimateTask) -> Array:
    """Path law of the estimate."""
    return chains.path_law(controller(estimate), chains.states(estimate.task))


def both(p: Array, q: Array) -> Array:
    """Divergences in both directions."""
    return np.array([mdplab.exact.kl(p, q), mdplab.exact.kl(q, p)])


def path_divergences(estimate: EstimateTask) -> Array:
    """(a): of the path laws."""
    return both(tilted_paths(estimate), estimated_paths(estimate))


def end_divergences(estimate: EstimateTask) -> Array:
    """(a): of the last laws."""
    laws = (chains.marginals(c)[-1] for c in (chains.controller(estimate.task), controller(estimate)))
    return both(*laws)


def bound(estimate: EstimateTask) -> Array:
    """(a): the sum of squared ranges over 8, rational."""
    gaps = errors(estimate)[:-1]
    ranges = gaps.max(axis=1) - gaps.min(axis=1)
    return np.full(2, (ranges**2).sum() / 8)


def size_bound(estimate: EstimateTask) -> Array:
    """(a): T eps^2 / 2, rational."""
    size = np.abs(errors(estimate)[:-1]).max()
    return np.full(2, estimate.task.chain.steps * size**2 / 2)


def loss(estimate: EstimateTask) -> Any:
    """(b): log Z by recursion less the objective by a forward sweep."""
    return chains.values_by_recursion(estimate.task)[-1] - chains.objective(
        estimate.task, controller(estimate)
    )


def divergence_from_the_optimum(estimate: EstimateTask) -> Any:
    """(b): by enumeration."""
    return mdplab.exact.kl(estimated_paths(estimate), tilted_paths(estimate))


def with_end(chain: Chain) -> Array:
    """Start, kernels and last law."""
    return np.concatenate((chain.start, chain.kernels.ravel(), chains.marginals(chain)[-1]))


def controls(estimate: EstimateTask) -> Array:
    """(c): with constants added."""
    shifts = mdplab.exact.rational(np.append(estimate.shifts, 0.0))[:, np.newaxis]
    return with_end(controller(estimate, shifts))


def controls_by_products(estimate: EstimateTask) -> Array:
    """(c): from products of probabilities and exponentials, normalised, nothing added."""
    base = chains.read(estimate.task.chain)
    weights = mdplab.exact.exp(chains.values(estimate.task) + errors(estimate))
    start, kernels = base.start * weights[0], base.kernels * weights[1:, np.newaxis, :]
    return with_end(Chain(start / start.sum(), kernels / kernels.sum(axis=2)[:, :, np.newaxis]))
