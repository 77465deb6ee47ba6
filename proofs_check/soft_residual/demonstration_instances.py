"""Demonstration-regularised tasks: a finite horizon, a cloned policy, an expert; optima as cached properties.

Besides the solvers the task offers the regularised optimum by another route: the optimal value of a state is the number
that makes the tilted policy a law, a root of a monotone function.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import rounding
from mdplab.instances import Draw, horizon_mdps, three_state_demonstrations
from mdplab.instances.kernels import KernelKind
from mdplab.models import FiniteHorizonMDP
from mdplab.numerics import bisect_rows
from mdplab.operators import log_tilt, path_kl, stage_occupancy
from mdplab.solvers import HorizonSolution, StageEvaluation

__all__ = [
    "DemonstrationTask",
    "Number",
    "Roots",
    "demonstration_task",
    "deterministic_task",
    "log_sum_exp_error",
    "longer_task",
    "mean",
    "output_task",
    "three_state_task",
    "within",
]


class Number(NamedTuple):
    """A number with a bound on its error."""

    value: float
    error: float


class Roots(NamedTuple):
    """The regularised optimum by roots: values ``(H + 1, S)``, log-policy ``(H, S, A)`` and bounds on their errors."""

    value: FloatArray
    value_errors: FloatArray
    log_policy: FloatArray
    log_policy_errors: FloatArray


def log_sum_exp_error(exponents: FloatArray, log_reference: FloatArray, temperature: float) -> FloatArray:
    """Rounding of a weighted log-sum-exp along the last axis, for exact summands.

    A term errs by four units of its log-weight and of its exponent (maximum off, quotient, sum), four for exponential
    and logarithm; the sum runs in pairs.  Averaged under the tilted law, times the temperature.

    Parameters
    ----------
    exponents : ndarray (..., n)
        Summands over the temperature, ``x / temperature``.
    log_reference : ndarray (..., n)
        Log-weights; ``-inf`` where there are none.
    temperature : float
        Positive.

    Returns
    -------
    ndarray (...)
    """
    inside = log_reference > -np.inf
    logs = np.where(inside, log_reference, 0.0)
    tilt = np.exp(log_tilt(exponents, log_reference=log_reference))
    top = np.where(inside, exponents, -np.inf).max(axis=-1, keepdims=True)
    n = exponents.shape[-1]
    off = np.where(inside, np.abs(logs) + np.abs(exponents - top), 0.0)
    size = 4 * (tilt * off).sum(axis=-1) + min(n, 32 + n.bit_length()) + 8
    return np.asarray(rounding(temperature * size + 2 * temperature * np.abs(top[..., 0]), 1))


@dataclass(frozen=True, eq=False)
class DemonstrationTask:
    """A regularised task.

    Attributes
    ----------
    mdp : FiniteHorizonMDP
        Undiscounted, with a start law.
    reference : ndarray, shape (H, S, A)
        The cloned policy, positive.
    expert : ndarray, shape (H, S, A)
        Any other policy: the expert, or the one that is compared with the optimum.
    temperature : float
        The weight ``lambda`` of the divergence.
    output : ndarray, shape (H, S, A), or None
        What the learner returns; None is the regularised optimum itself.
    """

    mdp: FiniteHorizonMDP
    reference: FloatArray
    expert: FloatArray
    temperature: float
    output: FloatArray | None = None

    @cached_property
    def log_reference(self) -> FloatArray:
        """Log-probabilities of the cloned policy."""
        return np.asarray(np.log(self.reference))

    @cached_property
    def optimum(self) -> HorizonSolution:
        """The regularised optimum, by backward induction."""
        return solvers.backward_induction(
            self.mdp, temperature=self.temperature, log_reference=self.log_reference
        )

    def evaluation(self, policy: FloatArray, temperature: float) -> StageEvaluation:
        """Value of a policy less ``temperature`` times its divergence from the cloned one."""
        return solvers.stage_evaluation(
            self.mdp, policy, temperature=temperature, log_reference=self.log_reference
        )

    def at_the_start(self, found: Any) -> Number:
        """Mean of the first value of a solution under the start law."""
        return mean(self.mdp, found.value[0], float(found.value_errors[0]))

    def divergence(
        self,
        log_policy: FloatArray,
        log_reference: FloatArray,
        *,
        policy_error: FloatArray | float = 0.0,
        reference_error: FloatArray | float = 0.0,
    ) -> Number:
        """Path divergence of two policies by the forward sweep.

        Its terms are those of ``H`` stages; the law of a state is a sum of products of positive numbers.  Errors of the
        log-policy move the law, too.
        """
        found = path_kl(self.mdp, log_policy, log_reference)
        pairs = stage_occupancy(self.mdp, np.exp(log_policy))
        charged = pairs > 0
        logs, others = (np.where(charged, x, 0.0) for x in (log_policy, log_reference))
        size = float((pairs * (np.abs(logs) + np.abs(others))).sum()) + self.mdp.horizon
        worst = float(np.max(np.where(charged, policy_error, 0.0)))
        moved = float((pairs * reference_error).sum()) + (self.mdp.horizon + 1) * worst * size
        return Number(found, moved + float(rounding(size, self.sweep)))

    @property
    def sweep(self) -> int:
        """Operations on the way to a term of a forward sweep over the stages."""
        states, actions = self.mdp.n_states, self.mdp.n_actions
        return (self.mdp.horizon + 1) * (states * actions + 2 * states + 2 * actions + 16)

    @cached_property
    def roots(self) -> Roots:
        """The regularised optimum by roots: ``V`` is where ``sum_a reference e^{(Q - V) / temperature} = 1``."""
        mdp, tau = self.mdp, self.temperature
        value, errors = np.empty((mdp.horizon + 1, mdp.n_states)), np.zeros(mdp.horizon + 1)
        log_policy, log_errors = np.empty(self.reference.shape), np.empty(self.reference.shape)
        value[-1] = mdp.terminal
        for h in range(mdp.horizon - 1, -1, -1):
            q = mdp.stage_reward(h) + mdp.stage_kernel(h) @ value[h + 1]
            size = float(np.abs(value[h + 1]).max() + np.abs(q).max())
            q_error = (1 + 1e-12) * errors[h + 1] + float(rounding(size, 2 * mdp.n_states + 4))
            logs = self.log_reference[h]
            margin = 1e-9 * (tau + size)  # rows may miss the sum one by rounding

            def excess(v: FloatArray, q: FloatArray = q, logs: FloatArray = logs) -> FloatArray:
                with np.errstate(over="ignore"):
                    return np.asarray(np.exp(logs + (q - v[:, np.newaxis]) / tau).sum(axis=1) - 1.0)

            low, high = bisect_rows(excess, q.min(axis=1) - margin, q.max(axis=1) + margin)
            value[h] = 0.5 * (low + high)
            log_policy[h] = logs + (q - value[h][:, np.newaxis]) / tau
            off = np.abs(logs) + np.abs(log_policy[h] - logs)
            terms = (np.exp(log_policy[h]) * (3 * off + logs.shape[1] + 6)).sum(axis=1)
            own = float(np.max(rounding(tau * terms + np.abs(value[h]), 2)))
            errors[h] = q_error + own
            log_errors[h] = (q_error + errors[h]) / tau + rounding(off, 4)
        return Roots(value, errors, log_policy, log_errors)


def mean(mdp: FiniteHorizonMDP, value: FloatArray, error: float) -> Number:
    """Mean of a vector under the start law."""
    size = float(np.abs(value).max())
    return Number(
        float(mdp.start_law() @ value), (1 + 1e-12) * error + float(rounding(size, 2 * value.size + 2))
    )


def within(task: DemonstrationTask) -> float:
    """Rounding at the size of the values: 1e-11 (1 + lambda + |V|)."""
    return 1e-11 * (1 + task.temperature + float(np.abs(task.optimum.value).max()))


def task_of(draw: Draw, kernel: KernelKind, fewest_stages: int = 1) -> DemonstrationTask:
    """A task with stage kernels of one kind, Dirichlet policies, rewards in [0, 1] and log lambda in (-3, 1)."""
    mdp = horizon_mdps(
        draw,
        states=(2, 4),
        actions=(2, 3),
        horizon=(fewest_stages, 4),
        kernel=kernel,
        concentration=(1.0,),
        reward="unit",
        staged=True,
    )
    shape = (mdp.horizon, mdp.n_states, mdp.n_actions)
    return DemonstrationTask(
        mdp,
        draw.weights(shape, positive=True),
        draw.weights(shape),
        draw.log_number(np.exp(-3.0), np.exp(1.0)),
    )


def demonstration_task(draw: Draw) -> DemonstrationTask:
    """S in 2..4, A in 2..3, H in 1..4, Dirichlet kernels and policies, rewards in [0, 1], log lambda in (-3, 1)."""
    return task_of(draw, "dense")


def longer_task(draw: Draw) -> DemonstrationTask:
    """The same with two stages at least."""
    return task_of(draw, "dense", 2)


def deterministic_task(draw: Draw) -> DemonstrationTask:
    """The same with deterministic kernels: every pair leads to a uniformly drawn state."""
    return task_of(draw, "deterministic")


def output_task(draw: Draw) -> DemonstrationTask:
    """The same with a random output in half of the runs, and the regularised optimum in the others."""
    task = demonstration_task(draw)
    output = draw.weights(task.reference.shape) if draw.boolean() else None
    return DemonstrationTask(task.mdp, task.reference, task.expert, task.temperature, output)


def three_state_task(
    temperature: float, *, reference: FloatArray | None = None, output: FloatArray | None = None
) -> DemonstrationTask:
    """The task D3, also with another cloned policy."""
    mdp, cloned, expert = three_state_demonstrations()
    stages = np.broadcast_to(cloned if reference is None else reference, expert.shape)
    return DemonstrationTask(mdp, stages, expert, temperature, output)
