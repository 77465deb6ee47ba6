"""Controlled chains whose values are estimated: instances, and routes to the divergences that the errors cause.

The float routes know the path laws by the chain rule and by enumeration; the exact values of the chain are inputs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import Side, rounding
from mdplab.enumeration import enumerate_paths
from mdplab.instances import Draw
from mdplab.models import MarkovChain
from mdplab.operators import chain_kl, log_partition, marginals
from proofs_check.tilting.chain_routes import divergence, objective, relative_error, summed
from proofs_check.tilting.instances import ChainTask, three_state_task, uncontrolled_task

__all__ = [
    "EstimateTask",
    "bound",
    "controls",
    "controls_by_products",
    "divergence_from_the_optimum",
    "end_divergences",
    "end_divergences_by_enumeration",
    "estimated_task",
    "loss",
    "misjudged_end",
    "path_divergences",
    "path_divergences_by_enumeration",
    "size_bound",
    "three_state_estimate",
]


@dataclass(frozen=True, eq=False)
class EstimateTask:
    """Steer a chain by values with errors.

    Attributes
    ----------
    task : ChainTask
        The chain and its reward.
    errors : ndarray, shape (T, K)
        Errors of the values ``V_t``, t < T.
    shifts : ndarray, shape (T,)
        Constants, one a time, that may be added.
    end_error : ndarray, shape (K,), or None
        Error of the terminal reward; None stands for zeros.
    """

    task: ChainTask
    errors: FloatArray
    shifts: FloatArray
    end_error: FloatArray | None = None

    @property
    def estimate(self) -> FloatArray:
        """``V_t`` plus errors, shape (T+1, K)."""
        end = np.zeros(self.task.chain.n_states) if self.end_error is None else self.end_error
        return np.asarray(self.task.values + np.vstack((self.errors, end)))

    @cached_property
    def chain(self) -> MarkovChain:
        """The controlled chain that the estimates induce."""
        return self.task.controller(self.estimate)

    @property
    def size(self) -> float:
        """Largest error ``epsilon`` of a value."""
        return float(np.abs(self.errors).max())

    @property
    def relative(self) -> float:
        """Relative error of the probabilities of paths and states, by either route."""
        size = 1.0 + self.size + (0.0 if self.end_error is None else float(np.abs(self.end_error).max()))
        return relative_error(self.task) + float(rounding(size, 16 * (self.task.chain.steps + 1)))


def estimated_task(draw: Draw) -> EstimateTask:
    """Errors independent, uniform in [-eps, eps] or all of size eps, with eps uniform in [.01, 3]; normal shifts."""
    task = uncontrolled_task(draw)
    shape = (task.chain.steps, task.chain.n_states)
    size, extreme = draw.uniform(0.01, 3.0), draw.choice((False, True))
    signs = draw.uniform(-1.0, 1.0, shape)
    if extreme:
        signs = np.where(signs < 0, -1.0, 1.0)
    return EstimateTask(task, size * signs, draw.normal(shape[0]))


def misjudged_end(draw: Draw) -> EstimateTask:
    """An estimate whose terminal reward is wrong, too: normal errors."""
    estimate = estimated_task(draw)
    return replace(estimate, end_error=draw.normal(estimate.task.chain.n_states))


def three_state_estimate(size: float) -> EstimateTask:
    """The three-state chain at strength 2 with errors ``(-1)^t size (1, -1, 1)``.

    Parameters
    ----------
    size : float
        Size of all errors.

    Returns
    -------
    EstimateTask
    """
    signs = np.array([1.0, -1.0, 1.0])
    return EstimateTask(
        three_state_task(2.0), size * np.outer([1.0, -1.0, 1.0], signs), np.array([1.0, -2.0, 0.5])
    )


# --- divergences and their bounds -----------------------------------------------------------------------------------


def path_divergences(estimate: EstimateTask) -> Side:
    """Chain rule: divergences of the path laws, the optimum from the estimate and back"""
    best, chain = estimate.task.optimum, estimate.chain
    value = np.array([chain_kl(best, chain), chain_kl(chain, best)])
    operations = (chain.steps + 1) * (2 * chain.n_states + 16)
    return Side(
        value,
        2 * (chain.steps + 1) * estimate.relative * (value + 5)
        + rounding(value + 2 * (chain.steps + 1), operations),
    )


def _both(p: FloatArray, q: FloatArray, relative: float) -> Side:
    values, errors = zip(divergence(p, q, relative), divergence(q, p, relative), strict=True)
    return Side(values, errors)


def path_divergences_by_enumeration(estimate: EstimateTask) -> Side:
    """Enumeration: the same divergences, path by path"""
    return _both(estimate.task.path_tilt, enumerate_paths(estimate.chain).probability, 2 * estimate.relative)


def end_divergences(estimate: EstimateTask) -> Side:
    """Forward sweeps: divergences of the last laws, the tilt from the estimate and back"""
    return _both(marginals(estimate.task.optimum)[-1], marginals(estimate.chain)[-1], estimate.relative)


def end_divergences_by_enumeration(estimate: EstimateTask) -> Side:
    """Enumeration: the same divergences from sums over paths"""
    last, n = estimate.task.paths.states[:, -1], estimate.task.chain.n_states
    best, law = estimate.task.path_tilt, enumerate_paths(estimate.chain).probability
    return _both(summed(best, last, n), summed(law, last, n), 2 * estimate.relative)


def bound(estimate: EstimateTask) -> Side:
    """sum_t range(V^_t - V_t)^2 / 8, twice"""
    value = np.full(2, float((np.ptp(estimate.errors, axis=1) ** 2).sum()) / 8)
    return Side(value, rounding(value, 16))


def size_bound(estimate: EstimateTask, *, divisor: float = 2.0) -> Side:
    """T eps^2 / 2, for both divergences"""
    value = np.full(2, estimate.task.chain.steps * estimate.size**2 / divisor)
    return Side(value, rounding(value, 6))


def loss(estimate: EstimateTask) -> Side:
    """Backward recursion and forward sweep: log Z less the objective of the estimate's controls"""
    task, chain = estimate.task, estimate.chain
    value, summing = objective(task, chain)
    size = float(marginals(chain)[-1] @ np.abs(task.reward)) + chain_kl(chain, task.chain) + 4
    best = float(log_partition(task.chain, task.values))
    return Side(best - value, summing + estimate.relative * size + (task.chain.steps + 1) * task.step_error)


def divergence_from_the_optimum(estimate: EstimateTask) -> Side:
    """Enumeration: divergence of the estimate's path law from the tilted one"""
    law = enumerate_paths(estimate.chain).probability
    return Side(*divergence(law, estimate.task.path_tilt, 2 * estimate.relative))


# --- shifts ---------------------------------------------------------------------------------------------------------


def _shift_error(estimate: EstimateTask, flat: FloatArray) -> FloatArray:
    size = 1.0 + float(np.abs(estimate.shifts).max()) + float(np.abs(estimate.estimate).max())
    relative = estimate.relative + float(rounding(size, 16 * (estimate.task.chain.steps + 1)))
    return np.asarray(2 * relative * flat)


def _with_end(chain: MarkovChain) -> FloatArray:
    """Start, kernels and last law in one row."""
    return np.concatenate((chain.initial, chain.kernels.ravel(), marginals(chain)[-1]))


def controls(estimate: EstimateTask) -> Side:
    """Start, kernels and last law of the controls, constants added to the values"""
    shift = np.append(estimate.shifts, 0.0)[:, np.newaxis]
    flat = _with_end(estimate.task.controller(estimate.estimate + shift))
    return Side(flat, _shift_error(estimate, flat))


def controls_by_products(estimate: EstimateTask) -> Side:
    """Start, kernels and last law from products of probabilities and e^V^, normalised, nothing added"""
    chain = estimate.task.chain
    weights = np.exp(estimate.estimate - estimate.estimate.max(axis=1, keepdims=True))
    start, kernels = chain.initial * weights[0], chain.kernels * weights[1:, np.newaxis, :]
    made = MarkovChain(start / start.sum(), kernels / kernels.sum(axis=2, keepdims=True))
    flat = _with_end(made)
    return Side(flat, _shift_error(estimate, flat))
