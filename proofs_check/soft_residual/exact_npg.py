"""Natural policy gradient in balls: the iterates themselves, enclosed, against the optimum in rationals.

An enclosure of the iterates widens with every update, up to a few bits a step where the step is large: the working precision
is high.  Rewards are counted from the smallest one, so that equal rewards give exact zeros.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.soft_residual.gradient_instances import NPGTask

if TYPE_CHECKING:
    from mdplab.exact import ExactMDP

_BITS = (1024, 4096)


def from_the_smallest_reward(task: NPGTask) -> ExactMDP:
    """The model with its smallest reward subtracted from all: neither updates nor gaps change."""
    model = mdplab.exact.ExactMDP.of(task.mdp)
    return replace(model, reward=model.reward - model.reward.min())


def values(task: NPGTask) -> Array:
    """Values of the policies ``softmax(logits)``, ``logits += step Q``, one linear solve each, shape (T+1, S)."""
    model = from_the_smallest_reward(task)
    kernel, reward = mdplab.exact.ball(model.transition), mdplab.exact.ball(model.reward)
    step, unit = mdplab.exact.rational(task.eta) / (1 - model.discount), mdplab.exact.identity(model.n_states)
    logits: Any = 0 * reward
    if task.initial_policy is not None:
        logits = mdplab.exact.log(mdplab.exact.laws(task.initial_policy))
    found = []
    for _ in range(task.steps + 1):
        policy = mdplab.exact.softmax(logits)
        moves = (policy[:, :, np.newaxis] * kernel).sum(axis=1)
        found.append(mdplab.exact.solve(unit - model.discount * moves, (policy * reward).sum(axis=1)))
        logits = logits + step * (reward + model.discount * mdplab.exact.multiply(kernel, found[-1]))
    return np.array(found, dtype=object)


def gaps(task: NPGTask) -> Array:
    """Optimal start value, a rational, less those of the iterates."""
    best = mdplab.exact.policy_iteration(from_the_smallest_reward(task)).value
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
