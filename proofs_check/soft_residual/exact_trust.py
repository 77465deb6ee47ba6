"""The trust-region step in balls: its step size as an enclosed root, identities about it, and the values that it leads to."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.soft_residual.exact_mirror import Path, from_the_smallest_reward, path
from proofs_check.soft_residual.trust_instances import TrustTask


class Twin:
    """A task in exact numbers."""

    def __init__(self, task: TrustTask) -> None:
        self.task = task
        self.model = from_the_smallest_reward(task.mdp)
        self.log_policy = mdplab.exact.log_tilt(task.logits)
        policy = mdplab.exact.softmax(task.logits)
        self.states = mdplab.exact.state_occupancy(self.model, policy)
        self.q = mdplab.exact.policy_evaluation(self.model, policy).q
        self.radius = mdplab.exact.rational(task.radius)

    def after(self, step: Any) -> Array:
        """Log-policy of a mirror step."""
        return mdplab.exact.log_tilt(step * self.q, log_reference=self.log_policy)

    def divergence(self, log_first: Array, log_second: Array) -> Any:
        """Mean ``KL(first || second)`` under the occupancy of the policy."""
        rows = (mdplab.exact.exp(log_first) * (log_first - log_second)).sum(axis=1)
        return self.states @ rows

    def surrogate(self, log_policy: Array) -> Any:
        """Mean of the action values of a policy."""
        return self.states @ (mdplab.exact.exp(log_policy) * self.q).sum(axis=1)

    @cached_property
    def step(self) -> Any:
        """The step: the root of its divergence less the radius, whose derivative is step times the mean variance of ``Q``."""

        def system(point: Array) -> tuple[Array, Array]:
            logs = self.after(point[0])
            policy = mdplab.exact.exp(logs)
            centred = self.q - (policy * self.q).sum(axis=1)[:, np.newaxis]
            slope = point[0] * (self.states @ (policy * centred * centred).sum(axis=1))
            excess = self.divergence(logs, self.log_policy) - self.radius
            return np.array([excess], dtype=object), np.array([[slope]], dtype=object)

        return mdplab.exact.enclose_zero(system, [self.task.region.step])[0]

    @cached_property
    def moved(self) -> Path:
        """The policy and the next with their values."""
        return path(self.model, self.task.logits, step=lambda k, logs, q: self.step, steps=1)


@lru_cache(maxsize=1)
def twin_of(task: TrustTask) -> Twin:
    """The twin of a task; both routes to a statement ask for the same."""
    return Twin(task)


def lead(task: TrustTask) -> Any:
    """Surrogate of the step less that of the other policy."""
    twin = twin_of(task)
    return twin.surrogate(twin.after(twin.step)) - twin.surrogate(mdplab.exact.log_tilt(task.rival_logits))


def lead_by_divergences(task: TrustTask) -> Any:
    """Divergences and the radius over the step."""
    twin, rival = twin_of(task), mdplab.exact.log_tilt(task.rival_logits)
    apart = twin.divergence(rival, twin.after(twin.step)) - twin.divergence(rival, twin.log_policy)
    return (apart + twin.radius) / twin.step


def increments(task: TrustTask, factors: list[float]) -> Array:
    """Differences of the divergences at multiples of the step."""
    twin = twin_of(task)
    found = [twin.divergence(twin.after(factor * twin.step), twin.log_policy) for factor in factors]
    return np.diff(np.array(found, dtype=object))


def increments_by_divergences(task: TrustTask, factors: list[float]) -> Array:
    """Divergences between successive policies of the path."""
    twin = twin_of(task)
    logs = [twin.after(factor * twin.step) for factor in factors]
    sides = []
    for k in range(len(factors) - 1):
        forth, back = twin.divergence(logs[k + 1], logs[k]), twin.divergence(logs[k], logs[k + 1])
        ratio = mdplab.exact.rational(factors[k]) / mdplab.exact.rational(factors[k + 1] - factors[k])
        sides.append(forth + ratio * (forth + back))
    return np.array(sides, dtype=object)


def improvements(task: TrustTask) -> Array:
    """Differences of the values in every state."""
    values = twin_of(task).moved.values
    return np.asarray(values[1] - values[0])


def nothing(task: TrustTask) -> Array:
    """Zero."""
    return np.asarray(mdplab.exact.rational(np.zeros(task.mdp.n_states, dtype=int)))
