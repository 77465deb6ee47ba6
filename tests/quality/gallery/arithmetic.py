"""Two arithmetics for one statement: floats, which search, and rationals or balls, which decide.

A statement is written once, for the numbers of an :class:`Arithmetic`; ``+ - * / @``, sums and comparisons are those of NumPy in
both.  What is random in an instance (kernels, policies, rewards) goes through :meth:`number`, :meth:`law` or :meth:`model`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np

from mdplab import exact
from mdplab.exact import ExactMDP
from mdplab.models import MDP

Array = Any


class Model(NamedTuple):
    """The numbers of an MDP: kernel (S, A, S), reward (S, A), discount, law of the first state (S,)."""

    transition: Array
    reward: Array
    discount: Any
    initial: Array

    def lookahead(self, value: Array) -> Array:
        """Action values (S, A) of state values."""
        return self.reward + self.discount * (self.transition @ value)


class Arithmetic(ABC):
    """What statements need beyond NumPy's own operations."""

    tie: float
    """Numbers that differ by at most this count as equal where an action is chosen."""

    @abstractmethod
    def number(self, x: Any) -> Any:
        """Numbers of an instance."""

    @abstractmethod
    def law(self, x: Any) -> Array:
        """Probabilities of an instance, along the last axis."""

    @abstractmethod
    def model(self, mdp: MDP) -> Model:
        """The numbers of a model."""

    @abstractmethod
    def solve(self, matrix: Array, right: Array) -> Array:
        """Solution of a linear system."""

    @abstractmethod
    def log(self, x: Any) -> Any:
        """Logarithm of positive numbers."""

    @abstractmethod
    def exp(self, x: Any) -> Any:
        """Exponential."""

    @abstractmethod
    def highest(self, x: Array, axis: int | None = None) -> Any:
        """Maximum; of balls one that encloses it."""

    @abstractmethod
    def soft(self, model: Model, temperature: Any) -> tuple[Array, Array]:
        """Soft-optimal values (S,), entropy included, and log-policy (S, A)."""

    def kl(self, p: Array, q: Array) -> Any:
        """KL divergence of laws; q is positive."""
        charged = np.array([x > 0 for x in p])
        return (p[charged] * (self.log(p[charged]) - self.log(q[charged]))).sum()

    def entropy(self, p: Array) -> Any:
        """Shannon entropy of a law."""
        charged = p[np.array([x > 0 for x in p])]
        return -(charged * self.log(charged)).sum()

    def first_best(self, q: Array) -> Array:
        """Index of the first largest entry of each row."""
        return np.argmax((q >= q.max(axis=-1, keepdims=True) - self.tie).astype(bool), axis=-1)

    def greedy(self, q: Array) -> Array:
        """The deterministic policy (S, A) of the first largest action values."""
        return self.number(np.eye(q.shape[1], dtype=int))[self.first_best(q)]

    def induced(self, model: Model, policy: Array) -> tuple[Array, Array]:
        """Kernel (S, S) and reward (S,) of a policy."""
        return (policy[:, :, np.newaxis] * model.transition).sum(axis=1), (policy * model.reward).sum(axis=1)

    def value(self, model: Model, policy: Array) -> Array:
        """Values (S,) of a policy."""
        kernel, reward = self.induced(model, policy)
        return self.solve(self.identity(len(reward)) - model.discount * kernel, reward)

    def action_value(self, model: Model, policy: Array) -> Array:
        """Action values (S, A) of a policy."""
        return model.lookahead(self.value(model, policy))

    def occupancy(self, model: Model, policy: Array) -> Array:
        """Normalised discounted occupancy (S,) of the states."""
        kernel, _ = self.induced(model, policy)
        start = (1 - model.discount) * model.initial
        return self.solve(self.identity(len(start)) - model.discount * kernel.T, start)

    def stationary(self, kernel: Array) -> Array:
        """Stationary law (S,) of a chain with one recurrent class."""
        n = len(kernel)
        balance = self.identity(n) - kernel.T
        balance[-1] = 1 + 0 * balance[-1]
        return self.solve(balance, self.identity(n)[-1])

    def howard(self, model: Model, policy: Array) -> tuple[Array, int]:
        """Policy iteration from a policy: an optimal policy, and how many times the policy was changed.

        An action is kept where none is better; else the first of the best is taken.
        """
        changes = 0
        while True:
            value = self.value(model, policy)
            q = model.lookahead(value)
            improved = q.max(axis=1) > value + self.tie
            if not improved.any():
                return policy, changes
            policy = np.where(improved[:, np.newaxis], self.greedy(q), policy)
            changes += 1

    def optimal_policy(self, model: Model) -> Array:
        """An optimal policy (S, A): Howard's, from the one that is greedy on the rewards."""
        return self.howard(model, self.greedy(model.reward))[0]

    def optimal(self, model: Model) -> Array:
        """Optimal values (S,)."""
        return self.value(model, self.optimal_policy(model))

    def identity(self, n: int) -> Array:
        """The identity matrix."""
        return self.number(np.eye(n, dtype=int))


class Floats(Arithmetic):
    """Doubles; no error bounds."""

    tie = 1e-11

    def number(self, x: Any) -> Any:
        return np.asarray(x, dtype=float)

    law = number

    def model(self, mdp: MDP) -> Model:
        return Model(mdp.transition, mdp.reward, mdp.discount, mdp.initial)

    def solve(self, matrix: Array, right: Array) -> Array:
        return np.linalg.solve(matrix, right)

    def log(self, x: Any) -> Any:
        return np.log(x)

    def exp(self, x: Any) -> Any:
        return np.exp(x)

    def highest(self, x: Array, axis: int | None = None) -> Any:
        return np.max(x, axis=axis)

    def soft(self, model: Model, temperature: Any) -> tuple[Array, Array]:
        """Newton's method, that is soft policy iteration."""
        value = np.zeros(len(model.reward))
        for _ in range(100):
            q = model.lookahead(value) / temperature
            top = q.max(axis=1, keepdims=True)
            weights = np.exp(q - top)
            total = weights.sum(axis=1, keepdims=True)
            residual = temperature * (top + np.log(total))[:, 0] - value
            if np.abs(residual).max() <= 1e-13 * (1 + np.abs(value).max()):
                break
            kernel = ((weights / total)[:, :, np.newaxis] * model.transition).sum(axis=1)
            value = value + np.linalg.solve(np.eye(len(value)) - model.discount * kernel, residual)
        return value, q - top - np.log(total)


class Exact(Arithmetic):
    """Rationals, and balls where there are logarithms."""

    tie = 0

    def number(self, x: Any) -> Any:
        return exact.rational(x)

    def law(self, x: Any) -> Array:
        return exact.laws(x)

    def model(self, mdp: MDP) -> Model:
        twin = ExactMDP.of(mdp)
        return Model(twin.transition, twin.reward, twin.discount, twin.initial)

    def solve(self, matrix: Array, right: Array) -> Array:
        return exact.solve(matrix, right)

    def log(self, x: Any) -> Any:
        return exact.log(x)

    def exp(self, x: Any) -> Any:
        return exact.exp(x)

    def highest(self, x: Array, axis: int | None = None) -> Any:
        return exact.highest(x, axis=axis)

    def soft(self, model: Model, temperature: Any) -> tuple[Array, Array]:
        available = np.ones(model.reward.shape, dtype=bool)
        found = exact.soft_control(ExactMDP(*model, available), temperature=temperature)
        return found.value, found.log_policy


FLOATS, EXACT = Floats(), Exact()
