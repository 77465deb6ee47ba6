"""One mirror step in balls: the gain of the values, and the divergence that it is."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.soft_residual.exact_mirror import Path, from_the_smallest_reward, path
from proofs_check.soft_residual.mirror_instances import StepTask


@lru_cache(maxsize=1)
def step_of(task: StepTask) -> Path:
    """The policy and the next; both routes to a statement ask for the same."""
    eta = mdplab.exact.rational(task.step)
    return path(from_the_smallest_reward(task.mdp), task.logits, step=lambda k, logs, q: eta, steps=1)


def improvements(task: StepTask) -> Array:
    """Differences of the values."""
    values = step_of(task).values
    return np.asarray(values[1] - values[0])


def nothing(task: StepTask) -> Array:
    """Zero."""
    return np.asarray(mdplab.exact.rational(np.zeros(task.mdp.n_states, dtype=int)))


def gain(task: StepTask) -> Any:
    """Difference of the start values."""
    return improvements(task) @ mdplab.exact.laws(task.mdp.start_law())


def jeffreys_gain(task: StepTask) -> Any:
    """Jeffreys divergence under the occupancy after the step, over eta (1 - gamma)."""
    before, after = step_of(task).log_policies
    model = from_the_smallest_reward(task.mdp)
    policies = [mdplab.exact.exp(logs) for logs in (before, after)]
    divergence = mdplab.exact.jeffreys(policies[1], policies[0])
    states = mdplab.exact.state_occupancy(model, policies[1])
    return (states @ divergence) / (mdplab.exact.rational(task.step) * (1 - model.discount))


def values_after(task: StepTask) -> Array:
    """Values after the step."""
    return np.asarray(step_of(task).values[1])


def greedy_less_divergence(task: StepTask) -> Array:
    """Best of ``Q + log pi / eta`` in every state."""
    found, eta = step_of(task), mdplab.exact.rational(task.step)
    terms = found.q[0] + found.log_policies[0] / eta
    return np.asarray(mdplab.exact.highest(terms, axis=1))
