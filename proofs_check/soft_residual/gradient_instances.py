"""Tasks about gradients: a softmax policy by its logits, and runs of natural policy gradient, solutions as cached properties."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import rounding
from mdplab.instances import Draw, dirichlet_mdp, random_logits
from mdplab.instances.rewards import RewardLaw
from mdplab.models import MDP
from mdplab.operators import log_tilt, occupancy_residual, state_occupancy
from mdplab.solvers import ControlSolution, EvaluationSolution, MirrorDescentSolution

__all__ = [
    "NPGTask",
    "SoftGradientTask",
    "npg_task",
    "short_task",
    "soft_gradient_task",
    "with_another_start",
    "with_unbounded_rewards",
]


@dataclass(frozen=True, eq=False)
class SoftGradientTask:
    """A tabular softmax policy at a temperature; ``horizon`` 0 stands for the discounted infinite horizon.

    Attributes
    ----------
    mdp : MDP
        The model with its start law.
    logits : ndarray, shape (S, A)
        Logits of the policy.
    temperature : float
        Entropy temperature ``alpha``.
    baseline : ndarray, shape (S,)
        Any state-dependent baseline.
    horizon : int
        Number of stages of the trajectory form.
    """

    mdp: MDP
    logits: FloatArray
    temperature: float
    baseline: FloatArray
    horizon: int = 4

    @property
    def log_policy(self) -> FloatArray:
        """Log-probabilities of the policy."""
        return np.asarray(log_tilt(self.logits))

    @cached_property
    def evaluation(self) -> EvaluationSolution:
        """Soft value of the policy."""
        return solvers.policy_evaluation(self.mdp, np.exp(self.log_policy), temperature=self.temperature)

    @cached_property
    def state_occupancy(self) -> FloatArray:
        """Normalised discounted state occupancy."""
        return np.asarray(state_occupancy(self.mdp, np.exp(self.log_policy)))

    @cached_property
    def gradient_error(self) -> float:
        """Error of a score-function gradient: those of Q, V and of the occupancy, over 1 - gamma.

        The occupancy errs by the norm of its flow residual over ``1 - gamma``; the residual's own rounding is that of
        ``S A`` products.
        """
        mdp, discount = self.mdp, self.mdp.discount
        pairs = self.state_occupancy[:, None] * np.exp(self.log_policy)
        flow = float(np.abs(occupancy_residual(mdp, pairs)).sum()) + float(rounding(1.0, pairs.size + 8))
        size = float(np.abs(self.evaluation.q).max() + np.abs(self.temperature * self.log_policy).max())
        spread = float(np.ptp(self.evaluation.q) + np.abs(self.temperature * self.log_policy).max())
        per_pair = 2 * self.evaluation.certificate.bound + float(rounding(size, 8))
        return (flow / (1 - discount) * spread + per_pair) / (1 - discount)


def soft_gradient_task(draw: Draw) -> SoftGradientTask:
    """Dirichlet MDP with normal rewards, normal logits, alpha in (.2, 2), a normal baseline."""
    mdp = dirichlet_mdp(draw)
    return SoftGradientTask(
        mdp,
        random_logits(draw, mdp.n_states, mdp.n_actions),
        draw.number(0.2, 2.0),
        draw.normal(mdp.n_states, 3.0),
    )


def short_task(draw: Draw) -> SoftGradientTask:
    """S = 3, A = 2, four stages: small enough to enumerate every path."""
    mdp = dirichlet_mdp(draw, states=(3, 3), actions=(2, 2))
    return SoftGradientTask(mdp, random_logits(draw, 3, 2), draw.number(0.2, 2.0), draw.normal(3))


@dataclass(frozen=True, eq=False)
class NPGTask:
    """Constant-step natural policy gradient on a model.

    Attributes
    ----------
    mdp : MDP
        Rewards in [0, 1] and a start law.
    eta : float
        The step in the natural-gradient convention: the log-policy gains ``eta A / (1 - gamma)``.
    initial_policy : ndarray (S, A) or None
        None is the uniform policy.
    steps : int
        Number of updates.
    """

    mdp: MDP
    eta: float
    initial_policy: FloatArray | None = None
    steps: int = 60

    @property
    def step(self) -> float:
        """Coefficient of Q in the log-policy."""
        return self.eta / (1 - self.mdp.discount)

    @cached_property
    def run(self) -> MirrorDescentSolution:
        """The recorded iterates."""
        return solvers.mirror_descent(
            self.mdp, step=self.step, steps=self.steps, initial_policy=self.initial_policy
        )

    @cached_property
    def optimum(self) -> ControlSolution:
        """The optimal value."""
        return solvers.policy_iteration(self.mdp)

    @cached_property
    def critic_error(self) -> float:
        """Largest span of ``epsilon``: what the recorded updates differ by from exact ones, per unit of the step."""
        logs, q = self.run.log_policies, self.run.q
        gained = np.diff(logs, axis=0) / self.step
        epsilon = gained - q[:-1]
        size = 2 * np.abs(gained).max() + np.abs(q).max()
        return float(np.ptp(epsilon, axis=2).max() + self.run.q_span_errors.max() + rounding(size, 1))


def npg_task(draw: Draw) -> NPGTask:
    """Dirichlet MDP with rewards uniform on [0, 1] or 0/1, log eta uniform in (-5, 1), 60 steps."""
    laws: tuple[RewardLaw, ...] = ("unit", "binary")
    law = draw.choice(laws)
    return NPGTask(dirichlet_mdp(draw, reward=law), draw.log_number(np.exp(-5.0), np.exp(1.0)))


def with_unbounded_rewards(draw: Draw) -> NPGTask:
    """Normal rewards, up to a hundred times as large; few steps."""
    mdp = dirichlet_mdp(draw)
    larger = mdp.replace(reward=draw.log_number(1.0, 100.0) * mdp.reward)
    return NPGTask(larger, draw.log_number(np.exp(-5.0), np.exp(3.0)), steps=10)


def with_another_start(draw: Draw) -> NPGTask:
    """A first policy with logits of standard deviation 10; few steps."""
    task = npg_task(draw)
    logits = random_logits(draw, task.mdp.n_states, task.mdp.n_actions, scale=10.0)
    return replace(task, initial_policy=np.exp(log_tilt(logits)), steps=10)
