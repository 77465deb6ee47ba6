"""A small tabular reinforcement-learning module as its user would write it, and six classical bugs to switch on.

It knows nothing of mdplab: NumPy alone, models as arrays.  ``bug`` is the name of a bug or empty.
"""

from __future__ import annotations

from typing import Any

import numpy as np

BUGS = (
    "bootstraps at terminals",
    "one discount too many",
    "entropy with the wrong sign",
    "normalised before masking",
    "stale target",
    "ties go to the first",
)


def q_learning(q: Any, transition: Any, *, step: float, discount: float, bug: str = "") -> None:
    """Move one entry towards the sampled target, in place."""
    s, a, r, t, terminal, _ = transition
    ahead = 0.0 if terminal and bug != "bootstraps at terminals" else q[t].max()
    q[s, a] += step * (r + discount * ahead - q[s, a])


def sarsa(q: Any, transition: Any, *, step: float, discount: float) -> None:
    """Use the action that is taken next."""
    s, a, r, t, terminal, b = transition
    q[s, a] += step * (r + discount * (0.0 if terminal else q[t, b]) - q[s, a])


def td0(v: Any, transition: Any, *, step: float, discount: float, bug: str = "") -> None:
    """Move one state value towards the sampled target, in place."""
    s, _, r, t, terminal, _ = transition
    target = r + discount * (0.0 if terminal else v[t])
    if bug == "one discount too many":
        target *= discount
    v[s] += step * (target - v[s])


class TargetLearner:
    """Q-learning that bootstraps from a copy of its table, which is renewed before every update."""

    def __init__(self, shape: tuple[int, int], *, step: float, discount: float, bug: str = "") -> None:
        self.target = np.zeros(shape)
        self.step, self.discount, self.bug = step, discount, bug

    def update(self, q: Any, transition: Any) -> Any:
        if self.bug != "stale target":
            self.target = q.copy()
        s, a, r, t, terminal, _ = transition
        new = q.copy()
        ahead = 0.0 if terminal else self.target[t].max()
        new[s, a] = (1 - self.step) * q[s, a] + self.step * (r + self.discount * ahead)
        return new


def softmax_policy(q: Any, available: Any, *, temperature: float, bug: str = "") -> Any:
    """Probabilities proportional to exp(q / temperature) on available actions."""
    if bug == "normalised before masking":
        weights = np.exp((q - q.max(axis=1, keepdims=True)) / temperature)
        return np.where(available, weights / weights.sum(axis=1, keepdims=True), 0.0)
    scores = np.where(available, q, -np.inf)
    weights = np.exp((scores - scores.max(axis=1, keepdims=True)) / temperature)
    return weights / weights.sum(axis=1, keepdims=True)


def soft_actor_critic(
    transition: Any,
    reward: Any,
    discount: float,
    available: Any,
    *,
    temperature: float,
    sweeps: int,
    bug: str = "",
) -> tuple[Any, Any]:
    """Tabular soft actor-critic: the critic's expected backup, then the softmax of the critic; returns policy and q."""
    q = np.zeros(reward.shape)
    sign = -1.0 if bug == "entropy with the wrong sign" else 1.0
    for _ in range(sweeps):
        policy = softmax_policy(q, available, temperature=temperature, bug=bug)
        logs = np.log(np.where(policy > 0, policy, 1.0))
        value = (policy * (q - sign * temperature * logs)).sum(axis=1)
        q = reward + discount * transition @ value
    return softmax_policy(q, available, temperature=temperature, bug=bug), q


def epsilon_greedy(q: Any, epsilon: float, *, bug: str = "") -> Any:
    """Explore with probability epsilon; the rest is shared by all the best actions."""
    best = (q == q.max(axis=1, keepdims=True)).astype(float)
    if bug == "ties go to the first":
        best = np.eye(q.shape[1])[q.argmax(axis=1)]
    return epsilon / q.shape[1] + (1 - epsilon) * best / best.sum(axis=1, keepdims=True)


def expected_sarsa_policy(
    transition: Any, reward: Any, discount: float, epsilon: float, *, sweeps: int, bug: str = ""
) -> Any:
    """The exploring policy after some sweeps of expected SARSA on the whole table."""
    q = np.zeros(reward.shape)
    for _ in range(sweeps):
        q = reward + discount * transition @ (epsilon_greedy(q, epsilon, bug=bug) * q).sum(axis=1)
    return epsilon_greedy(q, epsilon, bug=bug)


def policy_iteration(transition: Any, reward: Any, discount: float) -> tuple[Any, Any]:
    """Evaluate and improve until no action is better by more than rounding; returns policy and value."""
    n_states, n_actions = reward.shape
    states, actions = np.arange(n_states), np.zeros(n_states, dtype=int)
    while True:
        value = np.linalg.solve(
            np.eye(n_states) - discount * transition[states, actions], reward[states, actions]
        )
        q = reward + discount * transition @ value
        better = q.max(axis=1) > q[states, actions] + 1e-10
        if not better.any():
            return np.eye(n_actions)[actions], value
        actions = np.where(better, q.argmax(axis=1), actions)
