"""Tasks of the family: raw data, with lower-level optima and evaluations as cached properties."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import Array, FloatArray
from mdplab.claims import rounding
from mdplab.instances import Draw, dirichlet_mdp, mdps
from mdplab.models import MDP
from mdplab.operators import log_sum_exp, log_tilt
from mdplab.solvers import ControlSolution, EvaluationSolution

__all__ = ["AlignmentTask", "alignment_task", "stopped_early", "with_unvisited_states"]


@dataclass(frozen=True, eq=False)
class AlignmentTask:
    """A lower-level reward ``Psi nu`` and an upper level with the true reward.

    Attributes
    ----------
    mdp : MDP
        Kernel, discount, start law and the true reward.
    features : ndarray, shape (S, A, K)
        ``Psi``.
    weights : ndarray, shape (K,)
        ``nu``.
    temperature : float
        Entropy temperature ``tau`` of the lower level.
    explicit : float
        The upper reward is the true one less ``explicit`` times the lower one, and so depends on ``nu`` by itself.
    lower_steps : int or None
        Number of soft value iterations after which the lower level stops; None is the exact soft optimum.
    """

    mdp: MDP
    features: FloatArray
    weights: FloatArray
    temperature: float
    explicit: float = 0.0
    lower_steps: int | None = None

    @property
    def horizon(self) -> float:
        """``1 / (1 - gamma)``."""
        return 1 / (1 - self.mdp.discount)

    @cached_property
    def lower(self) -> MDP:
        """The lower level's model."""
        return self.mdp.replace(reward=self.features @ self.weights)

    @cached_property
    def upper_reward(self) -> FloatArray:
        """Reward of the upper level."""
        return np.asarray(self.mdp.reward - self.explicit * self.lower.reward)

    @cached_property
    def optimum(self) -> ControlSolution:
        """Soft optimum of the lower level, by policy iteration."""
        return solvers.soft_policy_iteration(self.lower, temperature=self.temperature, tol=1e-9)

    @cached_property
    def iterated_optimum(self) -> ControlSolution:
        """Soft optimum of the lower level, by value iteration."""
        return solvers.soft_value_iteration(self.lower, temperature=self.temperature, tol=1e-12)

    def log_policy(self, *, iterated: bool = False) -> tuple[FloatArray, float]:
        """Log-probabilities of the lower level's policy, and their error."""
        if self.lower_steps is None:
            found = self.iterated_optimum if iterated else self.optimum
            return found.log_policy, found.log_policy_error
        value: Array = np.zeros(self.mdp.n_states)
        for _ in range(self.lower_steps):
            value = log_sum_exp(self._lookahead(value), temperature=self.temperature)
        logs = log_tilt(self._lookahead(value), temperature=self.temperature)
        return np.asarray(logs), float(rounding(np.abs(logs).max() * self.horizon, 64))

    def _lookahead(self, value: Array) -> Array:
        return np.asarray(self.lower.reward + self.mdp.discount * self.mdp.expectation(value))

    @cached_property
    def evaluations(self) -> list[EvaluationSolution]:
        """Unregularised values of the lower level's policy: for each feature, and last for the upper reward."""
        policy = np.exp(self.log_policy()[0])
        rewards = [*np.moveaxis(self.features, 2, 0), self.upper_reward]
        return [solvers.policy_evaluation(self.mdp.replace(reward=reward), policy) for reward in rewards]

    def returns(self, logits: Array) -> Array:
        """Unregularised returns of a softmax policy for each feature and the upper reward, analytic, shape (K+1,)."""
        policy = np.exp(log_tilt(logits))
        rewards = np.concatenate([self.features, self.upper_reward[:, :, None]], axis=2)
        kernel = np.einsum("sa,sat->st", policy, self.mdp.transition)
        system = np.eye(self.mdp.n_states) - self.mdp.discount * kernel
        value = np.linalg.solve(system, np.einsum("sa,sak->sk", policy, rewards))
        return np.asarray(self.mdp.start_law() @ value)

    def soft_return(self, logits: Array) -> Any:
        """The lower objective of a softmax policy, analytic."""
        log_policy = log_tilt(logits.reshape(self.mdp.reward.shape))
        policy = np.exp(log_policy)
        reward = (policy * (self.lower.reward - self.temperature * log_policy)).sum(axis=1)
        kernel = np.einsum("sa,sat->st", policy, self.mdp.transition)
        system = np.eye(self.mdp.n_states) - self.mdp.discount * kernel
        return self.mdp.start_law() @ np.linalg.solve(system, reward)


def alignment_task(
    draw: Draw, states: tuple[int, int] = (2, 5), actions: tuple[int, int] = (2, 5)
) -> AlignmentTask:
    """Dirichlet(.7) kernel, true reward in [-1, 1], gamma in (.5, .95), tau in (.2, 2), K = 3, normal Psi and nu."""
    mdp = dirichlet_mdp(
        draw,
        states=states,
        actions=actions,
        concentration=(0.7,),
        reward="symmetric",
        discount=(0.5, 0.95),
    )
    return _aligned(draw, mdp)


def _aligned(draw: Draw, mdp: MDP) -> AlignmentTask:
    features, weights = draw.normal((mdp.n_states, mdp.n_actions, 3)), draw.normal(3)
    return AlignmentTask(mdp, features, weights, draw.number(0.2, 2.0), draw.choice((0.0, 1.0)))


def stopped_early(draw: Draw) -> AlignmentTask:
    """A small task whose lower level stops after 1 to 8 iterations."""
    return replace(alignment_task(draw, (2, 3), (2, 3)), lower_steps=draw.integer(1, 8))


def with_unvisited_states(draw: Draw) -> AlignmentTask:
    """A small task from one state on, with few successors or absorbing states."""
    mdp = mdps(
        draw,
        states=(2, 3),
        actions=(2, 3),
        kernel=("sparse", "absorbing"),
        discount=(0.5, 0.95),
        start="state",
    )
    return _aligned(draw, mdp)
