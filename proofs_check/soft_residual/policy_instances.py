"""Customisation tasks with a policy to be judged, and runs of natural policy gradient on them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import rounding
from mdplab.instances import Draw, dirichlet_mdp, random_logits, three_state_logits
from mdplab.models import MDP
from mdplab.operators import induced, log_tilt
from mdplab.solvers import EvaluationSolution
from proofs_check.soft_residual.gradient_instances import SoftGradientTask
from proofs_check.soft_residual.instances import (
    CustomisationTask,
    customisation_data,
    customisation_task,
    three_state_task,
)

__all__ = [
    "PolicyTask",
    "ResidualNPGTask",
    "mixed_log_prior",
    "policy_task",
    "residual_npg_task",
    "short_policy_task",
    "three_state_npg_task",
    "three_state_policy_task",
]


@dataclass(frozen=True, eq=False)
class PolicyTask(CustomisationTask):
    """A customisation task and any policy of full support.

    Attributes
    ----------
    logits : ndarray, shape (S, A)
        Logits of the policy ``mu``.
    horizon : int
        Number of stages where returns are cut off.
    """

    logits: FloatArray
    horizon: int = 4

    @property
    def log_policy(self) -> FloatArray:
        """Log-probabilities of ``mu``."""
        return np.asarray(log_tilt(self.logits))

    @cached_property
    def policy(self) -> FloatArray:
        """Probabilities of ``mu``."""
        return np.asarray(np.exp(self.log_policy))

    def augmented(self, log_prior: FloatArray | None = None) -> MDP:
        """The model with the reward ``r_R + omega' log pi``, by default of the task's own prior."""
        prior = self.prior.log_policy if log_prior is None else log_prior
        return self.mdp.replace(reward=self.residual_reward + self.prior_weight * prior)

    def evaluation(self, mdp: MDP) -> EvaluationSolution:
        """Soft value of ``mu`` under the reward of a model."""
        return solvers.policy_evaluation(mdp, self.policy, temperature=self.temperature)

    def gradient_task(self, mdp: MDP) -> SoftGradientTask:
        """The soft return of ``mu`` under the reward of a model."""
        return SoftGradientTask(
            mdp, self.logits, self.temperature, np.zeros(mdp.n_states), horizon=self.horizon
        )


def mixed_log_prior(task: CustomisationTask) -> FloatArray:
    """``log(.8 pi + .2 uniform)``, a prior that is not max-ent optimal for the inherent reward."""
    return np.asarray(np.log(0.8 * task.prior.policy + 0.2 / task.mdp.n_actions))


def policy_task(draw: Draw) -> PolicyTask:
    """A random customisation task and a policy with logits of scale 2."""
    task = customisation_task(draw)
    logits = random_logits(draw, task.mdp.n_states, task.mdp.n_actions, scale=2.0)
    return PolicyTask(**customisation_data(task), logits=logits)


def short_policy_task(draw: Draw) -> PolicyTask:
    """S = 3, A = 2, four stages: small enough to enumerate every path."""
    return PolicyTask(
        dirichlet_mdp(draw, states=(3, 3), actions=(2, 2)),
        draw.normal((3, 2)),
        prior_temperature=draw.number(0.2, 2.0),
        temperature=draw.number(0.2, 2.0),
        reward_weight=draw.number(0.0, 2.0),
        logits=random_logits(draw, 3, 2),
    )


def three_state_policy_task(sign: float = 1.0) -> PolicyTask:
    """The three-state task with the generic policy, or that of the opposite logits; five stages."""
    return PolicyTask(**customisation_data(three_state_task()), logits=sign * three_state_logits(), horizon=5)


# --- natural policy gradient ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ResidualNPGTask(CustomisationTask):
    """A customisation task on which entropy-regularised natural policy gradient is run.

    Attributes
    ----------
    eta : float
        The step, at most ``(1 - gamma) / alpha-hat``.
    start : ndarray (S, A) or None
        Logits of the first policy; None is the prior.
    steps : int
        Number of updates.
    """

    eta: float
    start: FloatArray | None = None
    steps: int = 15

    @property
    def step(self) -> float:
        """Coefficient of ``Q`` in the log-policy."""
        return self.eta / (1 - self.mdp.discount)

    @property
    def memory(self) -> float:
        """Exponent ``1 - eta alpha-hat / (1 - gamma)`` of the old policy."""
        return max(0.0, 1.0 - self.step * self.temperature)

    @property
    def start_log_policy(self) -> FloatArray:
        """Log-probabilities of the first policy."""
        return self.prior.log_policy if self.start is None else np.asarray(log_tilt(self.start))

    def carried_error(self, reward: FloatArray, logs: FloatArray, epsilon: FloatArray) -> FloatArray:
        r"""Error of recorded log-policies ``logs`` (T + 1, S, A) whose updates miss at most ``epsilon`` (T,) each.

        An error ``e`` of the log-policy moves the value by ``(I - gamma P_pi)^{-1} sum_a pi A e`` to first order, ``A`` the
        soft advantage: the derivative ``J_k`` of an update follows, and the errors add up to ``sum_k |J_{T-1} .. J_{k+1}|
        epsilon_k``.  Beyond first order, with ``|e| <= D``, ``a`` the largest ``sum_a pi |A|`` and ``h = 1 / (1 - gamma)``:
        the value moves by ``v <= 1.1 a h D`` (if D < .01), the advantage by ``2 v + temperature D``, a divergence is at
        most ``D^2``, so the value misses its first order by at most ``4 h (temperature + 2 a h) D^2``; and a log-softmax
        misses its first order by at most the square of what moves its logits.
        """
        discount, step, horizon = self.mdp.discount, self.step, 1 / (1 - self.mdp.discount)
        size = logs[0].size
        products: list[FloatArray] = []
        missed: list[float] = []
        found = [0.0]
        for now, after, own in zip(logs, logs[1:], epsilon, strict=False):
            policy = np.exp(now)
            kernel, _ = induced(self.mdp, policy)
            soft = reward - self.temperature * now
            system = np.eye(self.mdp.n_states) - discount * kernel
            value = np.linalg.solve(system, (policy * soft).sum(axis=1))
            advantage = soft + discount * self.mdp.expectation(value) - value[:, None]
            rows = np.zeros((self.mdp.n_states, *now.shape))
            rows[np.arange(len(value)), np.arange(len(value))] = policy * advantage
            moved = np.linalg.solve(system, rows.reshape(len(value), size))  # dV / de
            slope = self.memory * np.eye(size) + step * discount * np.asarray(
                self.mdp.transition.reshape(size, -1) @ moved
            )
            by_state = slope.reshape(*now.shape, size)
            mean = (np.exp(after)[:, :, None] * by_state).sum(axis=1, keepdims=True)
            derivative = (by_state - mean).reshape(size, size)
            largest = float((policy * np.abs(advantage)).sum(axis=1).max())
            beyond = 4 * horizon * (self.temperature + 2 * largest * horizon) * found[-1] ** 2
            logits = self.memory * found[-1] + 2 * step * 1.1 * largest * horizon * found[-1]
            products = [derivative @ product for product in products] + [np.eye(size)]
            missed.append(float(own) + 2 * step * beyond + (2 * logits) ** 2)
            norms = [np.abs(product).sum(axis=1).max() for product in products]
            found.append(1.01 * float(np.dot(norms, missed)))
        return np.array(found)

    def spread(self, log_policy: FloatArray) -> float:
        """``max |G_s - G_t|_1`` for ``G = (I - gamma P_pi)^{-1}``: bounds the span of ``G m`` for ``|m| <= 1``.

        All rows of ``G`` have one sum, so ``(G_s - G_t) m`` is at most ``|G_s - G_t|_1`` times half the span of ``m``, twice.
        """
        kernel, _ = induced(self.mdp, np.exp(log_policy))
        inverse = np.linalg.inv(np.eye(self.mdp.n_states) - self.mdp.discount * kernel)
        return 1.01 * float(np.abs(inverse[:, None] - inverse).sum(axis=2).max())

    def update_error(self, reward: FloatArray, logs: FloatArray) -> float:
        """Rounding of one update: of the logits and of their normalisation."""
        size = np.abs(logs).max() + self.step * (np.ptp(reward) + self.temperature * np.abs(logs).max()) / (
            1 - self.mdp.discount
        )
        return float(rounding(size, 2 * self.mdp.n_actions + 16))


def residual_npg_task(draw: Draw) -> ResidualNPGTask:
    """A random customisation task, a step up to the largest, the prior or any policy as the first one."""
    task = customisation_task(draw)
    largest = (1 - task.mdp.discount) / task.temperature
    start = random_logits(draw, task.mdp.n_states, task.mdp.n_actions) if draw.choice((False, True)) else None
    return ResidualNPGTask(**customisation_data(task), eta=draw.number(0.01, 1.0) * largest, start=start)


def three_state_npg_task(steps: int = 20) -> ResidualNPGTask:
    """The three-state task at the step .05, from the prior."""
    return ResidualNPGTask(**customisation_data(three_state_task()), eta=0.05, steps=steps)
