"""Bernoulli bandits of two arms drawn from a finite prior: contexts, beliefs, and the regret of posterior sampling."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import entr, xlog1py, xlogy

from mdplab._typing import FloatArray, IntArray
from mdplab.enumeration import all_tuples
from mdplab.instances import Draw

HORIZON = 12


@dataclass(frozen=True, eq=False)
class BanditTask:
    """A finite prior over bandits, and what chooses the arms in the contexts.

    Attributes
    ----------
    means : ndarray, shape (K, 2)
        Probability of a success by environment and arm.
    prior : ndarray, shape (K,)
        Law of the environments.
    behaviour : ndarray, shape (K, 1), (K, 1 + 4) or (K, 1 + 4 + 16)
        Probability of arm 0 in each environment at each history of (arm, reward) pairs, short histories first; contexts have one,
        two or three pairs.
    size : float
        What a success pays.
    """

    means: FloatArray
    prior: FloatArray
    behaviour: FloatArray
    size: float = 1.0

    @property
    def pulls(self) -> int:
        """Length of a context."""
        return {1: 1, 5: 2, 21: 3}[self.behaviour.shape[1]]

    @property
    def blind(self) -> bool:
        """Whether the behaviour is the same in all environments."""
        return bool((self.behaviour == self.behaviour[0]).all())

    @cached_property
    def contexts(self) -> IntArray:
        """All contexts, shape (4 ** pulls, pulls): pair 2 a + r is arm a with reward r."""
        return all_tuples(4, self.pulls)

    @property
    def optimal(self) -> FloatArray:
        """Whether an arm is the optimal one of an environment (the first on ties), shape (K, 2)."""
        return np.asarray(np.eye(2)[self.means.argmax(axis=1)])

    @property
    def gaps(self) -> FloatArray:
        """What an arm misses, shape (K, 2)."""
        return np.asarray(self.size * (self.means.max(axis=1, keepdims=True) - self.means))

    @property
    def entropy(self) -> float:
        """Entropy of the optimal arm under the prior, in nats."""
        least = float((self.prior @ self.optimal).min())
        return float(entr(least) - xlog1py(1 - least, -least))

    @cached_property
    def log_prior(self) -> FloatArray:
        """Logarithm of the prior."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.prior))

    def log_weights(self, good: IntArray, bad: IntArray) -> FloatArray:
        """Logarithm of prior times likelihood of counts of successes and failures (..., 2), shape (..., K)."""
        terms = xlogy(good[..., None, :], self.means) + xlog1py(bad[..., None, :], -self.means)
        return np.asarray(self.log_prior + terms.sum(axis=-1))

    def log_joint(self) -> FloatArray:
        """Logarithm of the probability of environment and context, pair by pair, shape (4 ** pulls, K)."""
        with np.errstate(divide="ignore"):
            arms = np.log(np.stack([self.behaviour, 1 - self.behaviour], axis=-1))
            rewards = np.log(np.stack([1 - self.means, self.means], axis=-1))
        total = np.tile(self.log_prior, (len(self.contexts), 1))
        history, first = np.zeros(len(self.contexts), dtype=int), 0
        for depth, pairs in enumerate(self.contexts.T):
            arm, reward = pairs // 2, pairs % 2
            total = total + arms[:, first + history, arm].T + rewards[:, arm, reward].T
            history, first = 4 * history + pairs, first + 4**depth
        return total

    @property
    def occurring(self) -> IntArray:
        """Contexts of positive probability, as indices."""
        return np.flatnonzero((self.log_joint() > -np.inf).any(axis=1))


def normalised(logs: FloatArray) -> FloatArray:
    """Laws along the last axis from logarithms of weights; zeros where there is no weight at all."""
    top = logs.max(axis=-1, keepdims=True)
    weights = np.exp(logs - np.where(top > -np.inf, top, 0.0))
    return np.asarray(weights / np.maximum(weights.sum(axis=-1, keepdims=True), 1.0))


def regret_by_counts(task: BanditTask, horizon: int) -> FloatArray:
    """Regret of posterior sampling after 1, ..., ``horizon`` pulls: counts forwards, weighed in every environment.

    Whatever the environment, counts are reached in the same number of ways, each choice of arms weighed by its probability.
    """
    counts = np.moveaxis(np.indices((horizon,) * 4), 0, -1)
    logs = task.log_weights(counts[..., :2], counts[..., 2:])
    weights, policy = np.exp(logs), normalised(logs) @ task.optimal
    missed = ((weights @ task.gaps) * policy).sum(axis=-1)
    ways = np.zeros((horizon,) * 4)
    ways[0, 0, 0, 0] = 1.0
    found = [float((ways * missed).sum())]
    for _ in range(horizon - 1):
        following = np.zeros_like(ways)
        for axis in range(4):
            moved = np.moveaxis(following, axis, 0)
            moved[1:] += np.moveaxis(ways * policy[..., axis % 2], axis, 0)[:-1]
        ways = following
        found.append(found[-1] + float((ways * missed).sum()))
    return np.array(found)


def regret_by_beliefs(task: BanditTask, horizon: int) -> FloatArray:
    """The same backwards: from each belief the regret still to come, rewards drawn from the belief."""
    beliefs: list[dict[tuple[int, ...], FloatArray]] = [{(0, 0, 0, 0): task.prior}]
    likelihood = np.concatenate([task.means, 1 - task.means], axis=1)
    for _ in range(horizon - 1):
        layer: dict[tuple[int, ...], FloatArray] = {}
        for counts, belief in beliefs[-1].items():
            for i, child in enumerate(children(counts)):
                joint = belief * likelihood[:, i]
                if child not in layer and joint.sum() > 0:
                    layer[child] = joint / joint.sum()
        beliefs.append(layer)
    to_come: dict[tuple[int, ...], FloatArray] = {}
    nothing = np.zeros(0)
    for layer in reversed(beliefs):
        below, to_come = to_come, {}
        for counts, belief in layer.items():
            policy = belief @ task.optimal
            chances = np.tile(policy, 2) * (belief @ likelihood)
            later = [p * below[c] for p, c in zip(chances, children(counts), strict=True) if c in below]
            rest = np.sum(later, axis=0) if later else nothing
            to_come[counts] = belief @ task.gaps @ policy + np.append(0.0, rest)
    return to_come[0, 0, 0, 0]


def children(counts: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Counts after one more success of either arm, one more failure of either."""
    return [(*counts[:i], counts[i] + 1, *counts[i + 1 :]) for i in range(4)]


# --- instances ------------------------------------------------------------------------------------------------------


def bandit_task(draw: Draw) -> BanditTask:
    """2 to 4 environments, means uniform on (0, 1), prior Dirichlet(1), arm 0 at each history with probability in (.1, .9)."""
    n = draw.integer(2, 4)
    behaviour = np.tile(draw.uniform(0.1, 0.9, 21), (n, 1))
    return BanditTask(draw.uniform(0.0, 1.0, (n, 2)), draw.weights(n), behaviour)


def informed_task(draw: Draw) -> BanditTask:
    """As above, the behaviour drawn for each environment."""
    task = bandit_task(draw)
    return BanditTask(task.means, task.prior, draw.uniform(0.1, 0.9, (*task.behaviour.shape[:1], 21)))


def rich_task(draw: Draw) -> BanditTask:
    """As above, a success pays up to 10."""
    task = bandit_task(draw)
    return BanditTask(task.means, task.prior, task.behaviour, draw.number(0.5, 10.0))


THREE = BanditTask(
    np.array([[0.9, 0.5], [0.2, 0.5], [0.6, 0.8]]), np.array([0.5, 0.3, 0.2]), np.full((3, 21), 0.5)
)
INFORMED = BanditTask(THREE.means, THREE.prior, np.array([[0.95], [0.05], [0.05]]))
SURE = BanditTask(THREE.means, THREE.prior, np.tile(np.arange(21) % 2.0, (3, 1)))
"""The behaviour is sure of its arm at each history: most contexts never occur."""
