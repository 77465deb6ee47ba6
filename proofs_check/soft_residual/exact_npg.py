"""Natural policy gradient in balls: the iterates themselves, enclosed, against the optimum in rationals.

An enclosure of the iterates widens with every update, up to a few bits a step where the step is large: the working precision
is high.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.soft_residual.exact_mirror import from_the_smallest_reward, path
from proofs_check.soft_residual.gradient_instances import NPGTask

_BITS = (1024, 4096)


def values(task: NPGTask) -> Array:
    """Values of the policies ``softmax(logits)``, ``logits += step Q``, one linear solve each, shape (T+1, S)."""
    model = from_the_smallest_reward(task.mdp)
    step = mdplab.exact.rational(task.eta) / (1 - model.discount)
    logits: Any = np.zeros(model.reward.shape)
    if task.initial_policy is not None:
        logits = mdplab.exact.log(mdplab.exact.laws(task.initial_policy))
    return path(model, logits, step=lambda k, logs, q: step, steps=task.steps).values


def gaps(task: NPGTask) -> Array:
    """Optimal start value, a rational, less those of the iterates."""
    best = mdplab.exact.policy_iteration(from_the_smallest_reward(task.mdp)).value
    with mdplab.exact.precision(_BITS[0]):
        return np.asarray((best - values(task)[1:]) @ mdplab.exact.laws(task.mdp.start_law()))


def bound(task: NPGTask) -> Array:
    """``(log A / eta + 1 / (1 - gamma)^2) / T``."""
    horizon = 1 / (1 - mdplab.exact.rational(task.mdp.discount))
    counts = mdplab.exact.rational(np.arange(1, task.steps + 1))
    first = mdplab.exact.log(task.mdp.n_actions) / mdplab.exact.rational(task.eta)
    return np.asarray((first + horizon**2) / counts)


def improvements(task: NPGTask) -> Array:
    """Differences of the values of successive iterates; near the optimum they fall below any fixed precision."""
    found: Any = None
    for bits in _BITS:
        with mdplab.exact.precision(bits):
            found = np.diff(values(task), axis=0)
        if mdplab.exact.surely_at_most(0, found).all():
            break
    return np.asarray(found)


def nothing(task: NPGTask) -> Array:
    """Zero."""
    return np.asarray(mdplab.exact.rational(np.zeros((task.steps, task.mdp.n_states), dtype=int)))
