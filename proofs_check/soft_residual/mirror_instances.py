"""Tasks of policy mirror descent: one step, and runs under a step rule, with what recorded updates miss.

A recorded update is an exact one with a slightly wrong critic ``Q + epsilon``; ``epsilon`` is read off the recorded
logarithms.  Where steps may be tiny, what an update misses is read off its effect instead: how far ``<Q, pi'>`` is from
what the step promises.
"""

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
from mdplab.operators import log_tilt, mirror_step, occupancy_residual, state_occupancy
from mdplab.solvers import ControlSolution, EvaluationSolution, MirrorDescentSolution
from mdplab.solvers.step_rules import StepRule, adaptive_steps, constant_steps, geometric_steps

__all__ = [
    "AdaptiveTask",
    "EntropyTask",
    "GrowingTask",
    "StepTask",
    "adaptive_task",
    "dense_values",
    "entropy_task",
    "flow_error",
    "growing_task",
    "step_task",
    "update_errors",
    "with_any_constant_step",
    "with_constant_step",
    "with_forbidden_actions",
    "with_shared_rows",
]

_LAWS: tuple[RewardLaw, ...] = ("unit", "binary")


def dense_values(
    mdp: MDP, log_policies: FloatArray, temperature: float = 0.0
) -> tuple[FloatArray, FloatArray, float]:
    """Soft values and action values of recorded log-policies, one dense solve each.

    Parameters
    ----------
    mdp : MDP
        The model.
    log_policies : ndarray (T, S, A)
        Log-probabilities.
    temperature : float
        Weight of the entropy.

    Returns
    -------
    values, q : ndarray (T, S), (T, S, A)
    error : float
        Sup-norm error of both: the largest residual and its rounding, over ``1 - discount``.
    """
    policies = np.exp(log_policies)
    logs = np.where(policies > 0, log_policies, 0.0)
    kernels = np.einsum("tsa,sap->tsp", policies, mdp.transition)
    rewards = (policies * (mdp.reward - temperature * logs)).sum(axis=2)
    values = np.linalg.solve(np.eye(mdp.n_states) - mdp.discount * kernels, rewards[..., None])[..., 0]
    missed = np.abs(rewards + mdp.discount * np.einsum("tsp,tp->ts", kernels, values) - values).max()
    size = np.abs(values).max() + np.abs(mdp.reward).max() + temperature * np.abs(logs).max()
    inner = float(rounding(size, mdp.n_states + 4 * mdp.n_actions + 12))
    q = mdp.reward + mdp.discount * np.einsum("sap,tp->tsa", mdp.transition, values)
    return values, q, (float(missed) + inner) / (1 - mdp.discount)


def flow_error(mdp: MDP, states: FloatArray, policy: FloatArray) -> float:
    """Error of a state occupancy in the sum of moduli: that of its flow residual, rounding included, over 1 - gamma."""
    pairs = states[:, None] * policy
    flow = float(np.abs(occupancy_residual(mdp, pairs)).sum()) + float(rounding(1.0, pairs.size + 8))
    return flow / (1 - mdp.discount)


def update_errors(run: MirrorDescentSolution) -> FloatArray:
    """Spans of what the critic of each recorded update misses: the update is an exact one along ``Q + epsilon``.

    Parameters
    ----------
    run : MirrorDescentSolution
        Recorded iterates.

    Returns
    -------
    ndarray (T,)
        The largest span over the actions of a state, rounding and errors of ``Q`` included.
    """
    logs, sizes = run.log_policies, run.step_sizes[:, :, None]
    kept = (1 - np.minimum(sizes * run.temperature, 1.0)) * logs[:-1]
    epsilon = (logs[1:] - kept) / sizes - run.q[:-1]
    rounded = rounding((np.abs(logs[1:]) + np.abs(kept)) / sizes + np.abs(run.q[:-1]), 4)
    return np.asarray(
        np.ptp(epsilon, axis=2).max(axis=1) + 2 * rounded.max(axis=(1, 2)) + run.q_span_errors[:-1]
    )


# --- one step -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class StepTask:
    """One step of mirror descent from a softmax policy.

    Attributes
    ----------
    mdp : MDP
        The model with its start law.
    logits : ndarray, shape (S, A)
        Logits of the policy; ``-inf`` forbids an action.
    step : float
        Coefficient ``eta`` of ``Q`` in the log-policy.
    shared : bool
        Whether all states share one row, which then moves by the occupancy's mean of ``Q``.
    """

    mdp: MDP
    logits: FloatArray
    step: float
    shared: bool = False

    @property
    def log_policy(self) -> FloatArray:
        """Log-probabilities of the policy."""
        return np.asarray(log_tilt(self.logits))

    @cached_property
    def evaluation(self) -> EvaluationSolution:
        """Value of the policy."""
        return solvers.policy_evaluation(self.mdp, np.exp(self.log_policy))

    @cached_property
    def direction(self) -> FloatArray:
        """What the step goes along: ``Q``, or its mean under the occupancy where one row is shared."""
        q = self.evaluation.q
        return (
            np.broadcast_to(state_occupancy(self.mdp, np.exp(self.log_policy)) @ q, q.shape)
            if self.shared
            else q
        )

    @cached_property
    def next_log_policy(self) -> FloatArray:
        """Log-probabilities after the step."""
        return np.asarray(mirror_step(self.log_policy, self.direction, step=self.step))

    @cached_property
    def next_evaluation(self) -> EvaluationSolution:
        """Value after the step."""
        return solvers.policy_evaluation(self.mdp, np.exp(self.next_log_policy))

    @cached_property
    def change(self) -> FloatArray:
        """Change of the log-probabilities; 0 where an action is forbidden."""
        allowed = self.log_policy > -np.inf
        return np.where(
            allowed,
            np.where(allowed, self.next_log_policy, 0.0) - np.where(allowed, self.log_policy, 0.0),
            0.0,
        )

    @cached_property
    def critic_error(self) -> FloatArray:
        """What the recorded step misses: largest ``<pi' - pi, epsilon>`` in each state, over the step.

        ``epsilon`` is the change of the logarithms over the step, less that direction, less a function of the state; with its span
        and the total variation of the two policies the product is bounded.  It vanishes with the step.
        """
        allowed, found = self.log_policy > -np.inf, self.evaluation
        epsilon = self.change / self.step - self.direction
        high = np.where(allowed, epsilon, -np.inf).max(axis=1)
        low = np.where(allowed, epsilon, np.inf).min(axis=1)
        logs = np.where(allowed, np.abs(self.log_policy) + np.abs(self.next_log_policy), 0.0).max(axis=1)
        span = high - low + 2 * found.q_error + rounding(logs / self.step + np.abs(found.q).max(axis=1), 4)
        moved = 0.5 * np.abs(np.exp(self.next_log_policy) - np.exp(self.log_policy)).sum(axis=1)
        return np.asarray(moved * span)


def step_task(draw: Draw) -> StepTask:
    """Dirichlet MDP with rewards uniform on [0, 1] or 0/1, normal logits, log eta uniform in (-4, 2)."""
    mdp = dirichlet_mdp(draw, reward=draw.choice(_LAWS))
    logits = random_logits(draw, mdp.n_states, mdp.n_actions)
    return StepTask(mdp, logits, draw.log_number(np.exp(-4.0), np.exp(2.0)))


def with_shared_rows(draw: Draw) -> StepTask:
    """All states share one row."""
    task = step_task(draw)
    return replace(task, logits=np.broadcast_to(task.logits[0], task.logits.shape), shared=True)


def with_forbidden_actions(draw: Draw) -> StepTask:
    """The policy excludes some actions, not all of a state."""
    task = step_task(draw)
    forbidden = draw.boolean(0.3, task.logits.shape)
    forbidden[:, 0] = False
    return replace(task, logits=np.where(forbidden, -np.inf, task.logits))


# --- runs -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _RunTask:
    """A model and the logits of the first policy of a run."""

    mdp: MDP
    logits: FloatArray

    @cached_property
    def optimum(self) -> ControlSolution:
        """The optimal value, and an optimal policy."""
        return solvers.policy_iteration(self.mdp)

    def descend(self, rule: StepRule, steps: int) -> MirrorDescentSolution:
        """The recorded iterates."""
        return solvers.mirror_descent(
            self.mdp, step=rule, steps=steps, initial_log_policy=log_tilt(self.logits)
        )


@dataclass(frozen=True, eq=False)
class GrowingTask(_RunTask):
    """Steps that grow by ``theta / (theta - 1)``, ``theta`` the mismatch of the optimal occupancy over 1 - gamma.

    Attributes
    ----------
    mdp : MDP
        The model with its start law, positive everywhere.
    logits : ndarray, shape (S, A)
        Logits of the first policy.
    first : float
        The first step.
    steps : int
        Number of updates.
    growing : bool
        Whether the steps grow.
    """

    first: float
    steps: int = 60
    growing: bool = True

    @cached_property
    def states(self) -> FloatArray:
        """Normalised occupancy of the states under the optimal policy."""
        return np.asarray(state_occupancy(self.mdp, self.optimum.policy))

    @cached_property
    def run(self) -> MirrorDescentSolution:
        """The recorded iterates."""
        theta = float((self.states / self.mdp.start_law()).max()) / (1 - self.mdp.discount)
        grown = geometric_steps(self.first, self.mdp.discount, mismatch=theta)
        return self.descend(grown if self.growing else constant_steps(self.first), self.steps)


def growing_task(draw: Draw) -> GrowingTask:
    """Rewards in [0, 1], normal logits, log of the first step uniform in (-6, 0), a tenth of the start law uniform."""
    mdp = dirichlet_mdp(draw, reward=draw.choice(_LAWS), discount=(0.3, 0.95))
    start = 0.9 * mdp.start_law() + 0.1 / mdp.n_states
    logits = random_logits(draw, mdp.n_states, mdp.n_actions)
    return GrowingTask(mdp.replace(initial=start), logits, draw.log_number(np.exp(-6.0), 1.0))


def with_constant_step(draw: Draw) -> GrowingTask:
    """The first step for ever."""
    return replace(growing_task(draw), growing=False)


@dataclass(frozen=True, eq=False)
class AdaptiveTask(_RunTask):
    """Steps from the divergence of the greedy policy, over ``c_k = gamma^(2 (k + 1)) c``.

    Attributes
    ----------
    mdp : MDP
        The model.
    logits : ndarray, shape (S, A)
        Logits of the first policy.
    scale : float
        The constant ``c``.
    steps : int
        Number of updates.
    constant : float
        A constant step in the place of the adaptive ones; 0 for the latter.
    """

    scale: float
    steps: int = 25
    constant: float = 0.0

    @property
    def allowances(self) -> FloatArray:
        """``c_0, ..., c_{T-1}``."""
        return np.asarray(self.scale * self.mdp.discount ** (2.0 * np.arange(1, self.steps + 1)))

    @cached_property
    def run(self) -> MirrorDescentSolution:
        """The recorded iterates."""
        adaptive = adaptive_steps(self.scale, self.mdp.discount)
        return self.descend(constant_steps(self.constant) if self.constant else adaptive, self.steps)

    @property
    def steps_are_large(self) -> bool:
        """Whether every step is at least the divergence of the greedy policy over ``c_k``."""
        found, rule = self.run, adaptive_steps(self.scale, self.mdp.discount)
        least = [rule(k, found.log_policies[k], found.q[k]) for k in range(self.steps)]
        return bool(np.all(found.step_sizes[:, 0] >= np.array(least) * (1 - 1e-12)))


def adaptive_task(draw: Draw) -> AdaptiveTask:
    """Rewards in [0, 1], normal logits, log c uniform in (-3, 2), 25 steps."""
    mdp = dirichlet_mdp(draw, reward=draw.choice(_LAWS))
    logits = random_logits(draw, mdp.n_states, mdp.n_actions)
    return AdaptiveTask(mdp, logits, draw.log_number(np.exp(-3.0), np.exp(2.0)))


def with_any_constant_step(draw: Draw) -> AdaptiveTask:
    """A constant step from .01 to 10."""
    return replace(adaptive_task(draw), constant=draw.log_number(0.01, 10.0))


@dataclass(frozen=True, eq=False)
class EntropyTask:
    """Entropy-regularised natural policy gradient with a constant step.

    Attributes
    ----------
    mdp : MDP
        The model.
    logits : ndarray, shape (S, A)
        Logits of the first policy.
    temperature : float
        ``tau``.
    eta : float
        The step, at most ``(1 - gamma) / tau``: the coefficient of ``Q`` times ``1 - gamma``.
    steps : int
        Number of updates.
    """

    mdp: MDP
    logits: FloatArray
    temperature: float
    eta: float
    steps: int = 40

    @property
    def step(self) -> float:
        """Coefficient of ``Q`` in the log-policy."""
        return self.eta / (1 - self.mdp.discount)

    @property
    def memory(self) -> float:
        """Exponent ``1 - eta tau / (1 - gamma)`` of the old policy."""
        return 1 - self.step * self.temperature

    @cached_property
    def optimum(self) -> ControlSolution:
        """The soft optimum."""
        return solvers.soft_policy_iteration(self.mdp, temperature=self.temperature, tol=1e-9)

    @cached_property
    def run(self) -> MirrorDescentSolution:
        """The recorded iterates."""
        return solvers.mirror_descent(
            self.mdp,
            step=self.step,
            steps=self.steps,
            initial_log_policy=log_tilt(self.logits),
            temperature=self.temperature,
        )


def entropy_task(draw: Draw) -> EntropyTask:
    """Rewards in [0, 1], normal logits, log tau uniform in (-3, 1), a fraction .05, .5, 1 or any of the largest step."""
    mdp = dirichlet_mdp(draw, reward=draw.choice(_LAWS))
    logits = random_logits(draw, mdp.n_states, mdp.n_actions)
    temperature = draw.log_number(np.exp(-3.0), np.exp(1.0))
    fraction = draw.choice((0.05, 0.5, 1.0, draw.number(0.01, 1.0)))
    return EntropyTask(mdp, logits, temperature, fraction * (1 - mdp.discount) / temperature)
