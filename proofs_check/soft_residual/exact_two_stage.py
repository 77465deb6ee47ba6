"""The second stage in one state, in balls: the tilted geometric mean, its multipliers as enclosed roots, the Chernoff point."""

from __future__ import annotations

from typing import Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.soft_residual.two_stage_instances import TwoStageTask


def tilt(task: TwoStageTask, weights: Array) -> tuple[Array, Any]:
    """Log-policy and value of the tilted geometric mean at any multipliers."""
    total = weights.sum()
    reference = ((weights / total)[:, np.newaxis] * mdplab.exact.log_tilt(task.logits)).sum(axis=0)
    advantage = mdplab.exact.rational(task.advantage)
    log_policy = mdplab.exact.log_tilt(advantage, temperature=total, log_reference=reference)
    return log_policy, mdplab.exact.log_sum_exp(advantage, temperature=total, log_reference=reference)


def divergences(task: TwoStageTask, log_policy: Array) -> Array:
    """Divergences of a policy from those of stage one."""
    return np.asarray(
        (mdplab.exact.exp(log_policy) * (log_policy - mdplab.exact.log_tilt(task.logits))).sum(axis=1)
    )


def objective(task: TwoStageTask, log_policy: Array) -> Any:
    """``<A, p> - sum_i lambda_i KL(p || pi_i)``."""
    gain = mdplab.exact.exp(log_policy) @ mdplab.exact.rational(task.advantage)
    return gain - mdplab.exact.rational(task.weights) @ divergences(task, log_policy)


def attained(task: TwoStageTask) -> Any:
    """Objective of the tilted geometric mean."""
    return objective(task, tilt(task, mdplab.exact.rational(task.weights))[0])


def closed_value(task: TwoStageTask) -> Any:
    """``Lambda log sum_a prod_i pi_i^(lambda_i / Lambda) exp(A / Lambda)``."""
    return tilt(task, mdplab.exact.rational(task.weights))[1]


def deficit(task: TwoStageTask) -> Any:
    """What the rival lacks."""
    return closed_value(task) - objective(task, mdplab.exact.log_tilt(task.rival_logits))


def divergence(task: TwoStageTask) -> Any:
    """``Lambda KL(rival || tilted geometric mean)``."""
    weights = mdplab.exact.rational(task.weights)
    rival = mdplab.exact.log_tilt(task.rival_logits)
    log_policy, _ = tilt(task, weights)
    return weights.sum() * (mdplab.exact.exp(rival) * (rival - log_policy)).sum()


def multipliers(task: TwoStageTask) -> Array:
    """Multipliers of the constrained problem: those of active radii as the zero of their equations, the others exactly zero."""
    found = np.asarray(task.constrained.multipliers)
    active = np.flatnonzero(found)
    radii, logs = mdplab.exact.rational(task.radii)[active], mdplab.exact.log_tilt(task.logits)[active]

    def system(point: Array) -> tuple[Array, Array]:
        full = np.array([mdplab.exact.ball(0)] * found.size, dtype=object)
        full[active] = point
        log_policy, _ = tilt(task, full)
        policy, ratios = mdplab.exact.exp(log_policy), log_policy - logs
        centred = ratios - (policy * ratios).sum(axis=1)[:, np.newaxis]
        curvature = (policy * centred[:, np.newaxis] * centred).sum(axis=2) / point.sum()
        return radii - (policy * ratios).sum(axis=1), curvature

    out = np.array([mdplab.exact.ball(0)] * found.size, dtype=object)
    if active.size:
        out[active] = mdplab.exact.enclose_zero(system, found[active])
    return out


def primal(task: TwoStageTask) -> Any:
    """Main advantage of the policy at the multipliers; the largest one where no radius has a price."""
    if not np.any(task.constrained.multipliers):
        return mdplab.exact.rational(task.advantage).max()
    return mdplab.exact.exp(tilt(task, multipliers(task))[0]) @ mdplab.exact.rational(task.advantage)


def dual(task: TwoStageTask) -> Any:
    """The dual function at the multipliers."""
    if not np.any(task.constrained.multipliers):
        return mdplab.exact.rational(task.advantage).max()
    weights = multipliers(task)
    return tilt(task, weights)[1] + weights @ mdplab.exact.rational(task.radii)
