"""One state, several policies of stage one: the second stage with multipliers, within radii, and whether radii admit a policy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.convex import RegionSolution, conic_region_program
from mdplab.divergences import kl_from_logs
from mdplab.instances import Draw
from mdplab.operators import log_tilt, multi_reference_tilt

__all__ = ["TwoStageTask", "extreme_task", "pair_task", "printed_task", "two_stage_task", "with_any_radii"]


@dataclass(frozen=True, eq=False)
class TwoStageTask:
    """The second stage of the two-stage actor-critic in one state.

    Attributes
    ----------
    advantage : ndarray, shape (A,)
        Main advantage.
    logits : ndarray, shape (n, A)
        Logits of the policies of stage one.
    weights : ndarray, shape (n,)
        Multipliers ``lambda_i`` of the penalised problem, of positive sum.
    rival_logits : ndarray, shape (A,)
        Logits of a policy that the solution is held against.
    inner_logits : ndarray, shape (A,)
        Logits of a policy inside all balls.
    radii : ndarray, shape (n,)
        Radii ``epsilon_i`` of the constrained problem.
    """

    advantage: FloatArray
    logits: FloatArray
    weights: FloatArray
    rival_logits: FloatArray
    inner_logits: FloatArray
    radii: FloatArray

    @property
    def log_policies(self) -> FloatArray:
        """Log-probabilities of the policies of stage one."""
        return np.asarray(log_tilt(self.logits))

    @property
    def log_rival(self) -> FloatArray:
        """Log-probabilities of the rival."""
        return np.asarray(log_tilt(self.rival_logits))

    @property
    def log_inner(self) -> FloatArray:
        """Log-probabilities of the policy inside the balls."""
        return np.asarray(log_tilt(self.inner_logits))

    @property
    def total(self) -> float:
        """``Lambda``, the sum of the multipliers."""
        return float(self.weights.sum())

    @property
    def log_policy(self) -> FloatArray:
        """Log-probabilities of the tilted geometric mean."""
        return np.asarray(multi_reference_tilt(self.advantage, self.log_policies, self.weights))

    @property
    def has_interior(self) -> bool:
        """Whether the inner policy keeps all radii with room to spare."""
        return bool(np.all(kl_from_logs(self.log_inner, self.log_policies) < self.radii * (1 - 1e-9)))

    @cached_property
    def penalised(self) -> RegionSolution:
        """The penalised problem, by a cone solver."""
        return conic_region_program(self.advantage, self.log_policies, penalties=self.weights)

    @cached_property
    def constrained(self) -> RegionSolution:
        """The constrained problem, by its dual."""
        return solvers.trust_region(self.advantage, self.log_policies, radii=self.radii)

    @cached_property
    def conic(self) -> RegionSolution:
        """The constrained problem, by a cone solver."""
        return conic_region_program(
            self.advantage, self.log_policies, radii=self.radii, interior=self.log_inner[None]
        )


def two_stage_task(draw: Draw, policies: tuple[int, int] = (1, 4)) -> TwoStageTask:
    """n in 1..4, A in 2..6, normal advantages and logits, multipliers in (.05, 1); radii with room from .02 to .3."""
    n, actions = draw.integer(*policies), draw.integer(2, 6)
    logits, inner = draw.normal((n, actions)), draw.normal(actions)
    room = draw.uniform(0.02, 0.3, n)
    return TwoStageTask(
        draw.normal(actions),
        logits,
        draw.uniform(0.05, 1.0, n),
        draw.normal(actions),
        inner,
        kl_from_logs(log_tilt(inner), log_tilt(logits)) + room,
    )


def pair_task(draw: Draw) -> TwoStageTask:
    """Two policies."""
    return two_stage_task(draw, policies=(2, 2))


def with_any_radii(draw: Draw) -> TwoStageTask:
    """Two policies and radii from .001 to 1, within which there may be no policy."""
    return replace(pair_task(draw), radii=draw.log_uniform(1e-3, 1.0, 2))


def printed_task(radii: tuple[float, float] = (0.25, 0.3)) -> TwoStageTask:
    """Four actions and two policies that mirror each other."""
    return TwoStageTask(
        np.array([1.0, 0.2, -0.4, 0.5]),
        np.log([[0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4]]),
        np.array([0.3, 0.5]),
        np.array([0.5, 0.0, -0.5, 1.0]),
        np.zeros(4),
        np.array(radii),
    )


def extreme_task(scale: float) -> TwoStageTask:
    """Policies of stage one that are nearly deterministic, and multipliers of any size."""
    task = printed_task()
    logits = np.array([[0.0, -5.0, -20.0, -30.0], [-1.0, 0.0, -40.0, -3.0]])
    inner = log_tilt(logits.mean(axis=0))
    radii = kl_from_logs(inner, log_tilt(logits)) + 0.05
    return replace(task, logits=logits, weights=scale * task.weights, inner_logits=inner, radii=radii)
