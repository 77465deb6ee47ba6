"""Trajectories guided by a target policy: instances, the recursion with a free next state, and all trajectories.

The recursion gives a Markov law: its moments are swept stage by stage (law of total covariance).  The enumeration weighs every
trajectory of the behaviour; conditional laws, moments and derivatives are sums over trajectories.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mdplab._typing import Array, BoolArray, FloatArray
from mdplab.claims import Side, rounding
from mdplab.divergences import kl
from mdplab.enumeration import Trajectories, enumerate_trajectories
from mdplab.instances import Draw
from mdplab.models import FiniteHorizonMDP
from mdplab.operators import TiltedTrajectories, log_sum_exp, log_tilt, tilted_trajectories
from proofs_check.tilting.log_enumeration import log_summed

__all__ = [
    "GuidedTask",
    "bandit_task",
    "conditional_logs",
    "derivatives",
    "deterministic_task",
    "divergence_and_score",
    "divergence_and_score_by_enumeration",
    "guided_task",
    "likeliest",
    "moment_error",
    "moments",
    "near_certain_guidance",
    "objective",
    "other_log_law",
    "path_log_law",
    "spread",
    "two_state_guidance",
]


@dataclass(frozen=True, eq=False)
class GuidedTask:
    """Trajectories of a behaviour, weighed by powers of a target policy's probabilities.

    Attributes
    ----------
    transition : ndarray, shape (S, A, S)
        The dynamics ``P``.
    initial : ndarray, shape (S,)
        Start law ``rho``.
    behaviour, target : ndarray, shape (S, A)
        Policies ``beta`` and ``pi``.
    horizon : int
        Number of steps H.
    weight : float
        The exponent ``lambda`` of the target's probabilities.
    steps, ends : ndarray, shapes (H, S, A, S) and (S, S)
        Another law of trajectories: the behaviour's times the exponential of numbers, one for each step and one for the first
        and last states together.
    """

    transition: FloatArray
    initial: FloatArray
    behaviour: FloatArray
    target: FloatArray
    horizon: int
    weight: float
    steps: FloatArray
    ends: FloatArray

    @cached_property
    def model(self) -> FiniteHorizonMDP:
        """The decision process that pays ``lambda log pi(a|s)``."""
        reward = self.weight * np.log(self.target)
        return FiniteHorizonMDP(self.transition, reward, self.horizon, initial=self.initial)

    @cached_property
    def tilt(self) -> TiltedTrajectories:
        """The guided law by recursion."""
        return tilted_trajectories(self.model, self.behaviour)

    @cached_property
    def trajectories(self) -> Trajectories:
        """All possible trajectories under the behaviour."""
        return enumerate_trajectories(self.model, self.behaviour)

    @cached_property
    def scores(self) -> FloatArray:
        """Sums of ``log pi`` and of ``log beta`` along the trajectories, shape (2, N)."""
        tables = (self.target, self.behaviour)
        return np.array([self.trajectories.policy_log_probability(t).sum(axis=1) for t in tables])

    @cached_property
    def log_weights(self) -> FloatArray:
        """``log p_beta + lambda l_pi`` of all trajectories."""
        return np.asarray(self.trajectories.log_probability + self.weight * self.scores[0])

    @cached_property
    def log_partition(self) -> float:
        """Logarithm of the sum of all weights."""
        return float(log_sum_exp(self.log_weights))

    @cached_property
    def law(self) -> FloatArray:
        """Probabilities of all trajectories, by enumeration."""
        return np.exp(self.log_weights - self.log_partition)

    @property
    def log_error(self) -> float:
        """Error of the log-weight of a trajectory, of its log-probability by either route, and of the value of a state.

        A value with h steps to go has at most h/H of the size.  A row of next states rounds nine times at the size of the
        value after it, a row of actions and its reward twelve times at its own; over the steps that is at most
        9 (H - 1) / 2 + 6 (H + 1) roundings at the full size.  What a value is off by cancels between the row that ends in
        its state and the row that starts there.
        """
        tables = (self.transition, self.initial, self.behaviour, self.target)
        lowest = [-float(np.log(table[table > 0]).min()) for table in tables]
        size = 1 + lowest[1] + self.horizon * (lowest[0] + lowest[2] + self.weight * lowest[3])
        step = float(rounding(size, 5)) + float(rounding(1.0, sum(self.behaviour.shape) + 16))
        return 2 * (self.horizon + 1) * step

    @property
    def relative(self) -> float:
        """Relative error of the probability of a trajectory, and of sums of them, by either route."""
        return 1.01 * self.log_error + float(rounding(1.0, self.trajectories.n_trajectories + 16))


def guided_task(draw: Draw) -> GuidedTask:
    """S, A in {2, 3}, H <= 3, Dirichlet(1) rows, a third with deterministic dynamics, weight .5, 1, 2 or 5."""
    return _task(draw, draw.choice(("dense", "dense", "deterministic")), (1, 3))


def deterministic_task(draw: Draw) -> GuidedTask:
    """The same with deterministic dynamics, or of one step."""
    return (
        _task(draw, "deterministic", (1, 3)) if draw.choice((True, False)) else _task(draw, "dense", (1, 1))
    )


def _task(draw: Draw, kind: str, horizon: tuple[int, int]) -> GuidedTask:
    n, m, length = draw.choice((2, 3)), draw.choice((2, 3)), draw.integer(*horizon)
    one_hot = kind == "deterministic"
    kernel = np.eye(n)[draw.integers(0, n - 1, (n, m))] if one_hot else draw.weights((n, m, n))
    return GuidedTask(
        kernel,
        draw.weights(n),
        draw.weights((n, m), positive=True),
        draw.weights((n, m), positive=True),
        length,
        draw.choice((0.5, 1.0, 2.0, 5.0)),
        draw.normal((length, n, m, n)),
        draw.normal((n, n)),
    )


def two_state_guidance(weight: float = 1.0) -> GuidedTask:
    """Two states, two actions, two steps from state 0: the instance of the printed values.

    Parameters
    ----------
    weight : float, default 1
        The exponent.

    Returns
    -------
    GuidedTask
    """
    kernel = np.array([[[0.8, 0.2], [0.3, 0.7]], [[0.5, 0.5], [0.1, 0.9]]])
    behaviour, target = np.array([[0.7, 0.3], [0.5, 0.5]]), np.array([[0.2, 0.8], [0.6, 0.4]])
    steps = np.linspace(-1, 1, 16).reshape(2, 2, 2, 2)
    return GuidedTask(kernel, np.array([1.0, 0.0]), behaviour, target, 2, weight, steps, np.eye(2))


def near_certain_guidance(weight: float) -> GuidedTask:
    """The same with policies, start and one row of the dynamics that are certain up to 1e-12.

    Parameters
    ----------
    weight : float
        The exponent.

    Returns
    -------
    GuidedTask
    """
    task, rare = two_state_guidance(weight), 1e-12
    kernel = task.transition.copy()
    kernel[0, 0] = [1 - rare, rare]
    policies = np.array([[1 - rare, rare], [rare, 1 - rare]])
    return replace(
        task,
        transition=kernel,
        initial=policies[0],
        behaviour=policies,
        target=np.array([[rare, 1 - rare], [0.3, 0.7]]),
    )


def bandit_task(weight: float) -> GuidedTask:
    """One state, one step, two actions: the target prefers what the behaviour prefers.

    Parameters
    ----------
    weight : float
        The exponent.

    Returns
    -------
    GuidedTask
    """
    one = np.ones((1, 2, 1))
    tables = np.array([[0.6, 0.4]]), np.array([[0.8, 0.2]])
    return GuidedTask(one, np.ones(1), *tables, 1, weight, np.zeros((1, 1, 2, 1)), np.zeros((1, 1)))


# --- the law by recursion -------------------------------------------------------------------------------------------


def path_log_law(task: GuidedTask) -> FloatArray:
    """Log-probabilities of all trajectories under the recursion's start, policy and dynamics."""
    tilt, states, actions = task.tilt, task.trajectories.states, task.trajectories.actions
    logs = tilt.log_initial[states[:, 0]]
    for h in range(task.horizon):
        here, a, there = states[:, h], actions[:, h], states[:, h + 1]
        logs = logs + tilt.log_policy[h, here, a] + tilt.log_transition[h, here, a, there]
    return np.asarray(logs)


def moments(task: GuidedTask) -> tuple[FloatArray, FloatArray]:
    """Means (2,) and covariances (2, 2) of the scores under the recursion's law, by the law of total covariance."""
    tilt = task.tilt
    gains = np.log(np.array([task.target, task.behaviour]))[:, :, :, np.newaxis]
    joint = np.exp(tilt.log_policy[..., np.newaxis] + tilt.log_transition)  # (H, S, A, S)
    ahead = [np.zeros((2, len(task.initial)))]
    for law in joint[::-1]:
        ahead.append((law * (gains + ahead[-1][:, np.newaxis, np.newaxis, :])).sum(axis=(2, 3)))
    ahead = ahead[::-1]
    start = np.exp(tilt.log_initial)
    means = ahead[0] @ start
    surplus = ahead[0] - means[:, np.newaxis]
    covariance = (surplus * start) @ surplus.T
    for h, law in enumerate(joint):
        surplus = gains + ahead[h + 1][:, np.newaxis, np.newaxis, :] - ahead[h][:, :, np.newaxis, np.newaxis]
        weighed = (start[:, np.newaxis, np.newaxis] * law * surplus).reshape(2, -1)
        covariance = covariance + weighed @ surplus.reshape(2, -1).T
        start = np.einsum("s,sat->t", start, law)
    return means, covariance


def moment_error(task: GuidedTask, means: FloatArray, covariance: FloatArray) -> FloatArray:
    """Error of covariances about a mean that is itself off by the relative error of the probabilities."""
    size = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    off = task.relative * (1 + np.abs(means).max()) * (task.horizon + 1)
    return np.asarray(4 * (task.horizon + 1) * task.relative * (size + off * (1 + np.sqrt(size))))


def divergence_and_score(task: GuidedTask) -> Side:
    """Sweeps under the recursion's law: KL(q||p_beta) by the chain rule, and the mean of l_pi"""
    tilt, bases = task.tilt, (task.behaviour, task.transition)
    law = np.exp(tilt.log_initial)
    total = float(kl(law, task.initial))
    for log_policy, log_dynamics in zip(tilt.log_policy, tilt.log_transition, strict=True):
        policy, dynamics = np.exp(log_policy), np.exp(log_dynamics)
        rows = kl(policy, bases[0]) + (policy * kl(dynamics, bases[1])).sum(axis=1)
        total += float(law @ rows)
        law = np.einsum("s,sa,sat->t", law, policy, dynamics)
    mean = float(moments(task)[0][0])
    error = 1.01 * (task.relative + task.log_error)
    return Side([total, mean], [error * (2 + total), error * (1 + abs(mean))])


# --- all trajectories -----------------------------------------------------------------------------------------------


def divergence_and_score_by_enumeration(task: GuidedTask) -> Side:
    """Enumeration: KL(q||p_beta), and the mean of l_pi"""
    law, score = task.law, task.scores[0]
    ratio = task.weight * score - task.log_partition
    total, mean = float(law @ ratio), float(law @ score)
    error = 1.01 * (task.relative + task.log_error)
    return Side([total, mean], [error * (2 + float(law @ np.abs(ratio))), error * (1 + abs(mean))])


def objective(task: GuidedTask, log_law: FloatArray) -> tuple[float, float]:
    """``lambda E l_pi - KL(q || p_beta)`` of a law on the trajectories, and the error of the sum."""
    law, ratio = np.exp(log_law), log_law - task.trajectories.log_probability
    gains = task.weight * task.scores[0]
    size = float(law @ (np.abs(gains) + np.abs(log_law) + np.abs(task.trajectories.log_probability)))
    return float(law @ (gains - ratio)), task.log_error + float(rounding(1 + size, law.size + 16))


def other_log_law(task: GuidedTask) -> FloatArray:
    """Log-probabilities of the other law."""
    found = task.trajectories
    logs = found.log_probability + task.ends[found.states[:, 0], found.states[:, -1]]
    for h in range(task.horizon):
        logs = logs + task.steps[h, found.states[:, h], found.actions[:, h], found.states[:, h + 1]]
    return np.asarray(log_tilt(logs))


def conditional_logs(task: GuidedTask) -> tuple[Array, Array]:
    """Log-probabilities of actions and of next states given the past, by enumeration: (H, S, A), (H, S, A, S).

    Where the state or the pair is not reached they are NaN.
    """
    n, m = task.behaviour.shape
    states, actions = task.trajectories.states, task.trajectories.actions
    policies, dynamics = [], []
    for h in range(task.horizon):
        pair = states[:, h] * m + actions[:, h]
        state = log_summed(task.log_weights, states[:, h], n)
        pairs = log_summed(task.log_weights, pair, n * m)
        moves = log_summed(task.log_weights, pair * n + states[:, h + 1], n * m * n)
        with np.errstate(invalid="ignore"):  # -inf - (-inf) where nothing is reached
            policies.append(pairs.reshape(n, m) - state[:, np.newaxis])
            dynamics.append((moves.reshape(n * m, n) - pairs[:, np.newaxis]).reshape(n, m, n))
    return np.array(policies), np.array(dynamics)


def likeliest(task: GuidedTask) -> BoolArray:
    """Trajectories whose target likelihood is the largest, up to 1e-9 in logarithm."""
    return np.asarray(task.scores[0] >= task.scores[0].max() - 1e-9)


def spread(values: FloatArray, inside: Array) -> FloatArray:
    """Largest less smallest entry of each row inside a mask, 0 where there is none."""
    high = np.where(inside, values, -np.inf).max(axis=-1)
    low = np.where(inside, values, np.inf).min(axis=-1)
    return np.where(inside.any(axis=-1), high - low, 0.0)


def derivatives(task: GuidedTask) -> tuple[FloatArray, FloatArray]:
    """Derivatives in lambda of E l_pi, KL(q || p_beta) and E l_beta, by complex steps, and their errors.

    The scores are taken relative to those of the likeliest trajectory: derivatives do not change, and what cancels is small.
    """
    step = 1e-30
    scores = task.scores - task.scores[:, np.argmax(task.law)][:, np.newaxis]
    weight = task.weight + 1j * step
    logs = task.trajectories.log_probability + weight * scores[0]
    law = np.exp(log_tilt(logs))
    partition = log_sum_exp(logs)
    means = (scores * law).sum(axis=1)
    kl = weight * means[0] - partition
    value = np.array([means[0], kl, means[1]]).imag / step
    centred = np.abs(scores[0] - means[0].real)
    bulk = np.array([task.law @ (np.abs(s) * centred) for s in scores])
    size = np.array([bulk[0], task.weight * bulk[0] + 2 * (task.law @ np.abs(scores[0])), bulk[1]])
    return value, 4 * task.relative * (size + task.relative)
