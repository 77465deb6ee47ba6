"""Routes of the second stage in one state: closed forms, duals, cone programs, the Chernoff information."""

from __future__ import annotations

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import Side, Undecided, rounding
from mdplab.convex import RegionSolution, conic_divergence_centre
from mdplab.divergences import chernoff_information, kl_from_logs
from mdplab.operators import multi_reference_value
from mdplab.solution import Status
from proofs_check.soft_residual.two_stage_instances import TwoStageTask


def divergences(task: TwoStageTask, log_policy: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Divergences of a policy from those of stage one, and their errors."""
    policy = np.exp(log_policy)
    with np.errstate(invalid="ignore"):
        logs = np.where(policy > 0, np.abs(log_policy) + np.abs(task.log_policies) + 1, 0.0)
    return kl_from_logs(log_policy, task.log_policies), rounding(
        (policy * logs).sum(axis=1), policy.size + 12
    )


def gain(task: TwoStageTask, log_policy: FloatArray) -> tuple[float, float]:
    """``<A, p>``, and its error."""
    policy = np.exp(log_policy)
    logs = np.where(policy > 0, np.maximum(np.abs(log_policy), 1), 0.0)
    size = float((policy * np.abs(task.advantage) * logs).sum())
    return float(policy @ task.advantage), float(rounding(size, policy.size + 12))


def objective(task: TwoStageTask, log_policy: FloatArray) -> Side:
    """``<A, p> - sum_i lambda_i KL(p || pi_i)`` of a policy."""
    (first, error), (second, errors) = gain(task, log_policy), divergences(task, log_policy)
    value = first - float(task.weights @ second)
    size = abs(first) + float(task.weights @ np.abs(second))
    return Side(value, error + task.weights @ errors + rounding(size, second.size + 4))


def attained(task: TwoStageTask) -> Side:
    """Objective of the tilted geometric mean."""
    return objective(task, task.log_policy)


def closed_value(task: TwoStageTask) -> Side:
    """``Lambda log sum_a prod_i pi_i^(lambda_i / Lambda) exp(A / Lambda)``."""
    value = multi_reference_value(task.advantage, task.log_policies, task.weights)
    logs = float((task.weights @ np.abs(task.log_policies)).max())
    return Side(value, rounding(np.abs(task.advantage).max() + logs + task.total, task.advantage.size + 24))


def deficit(task: TwoStageTask) -> Side:
    """The closed value less the objective of the rival."""
    value, rival = closed_value(task), objective(task, task.log_rival)
    return Side(
        np.asarray(value.value) - np.asarray(rival.value), np.asarray(value.error) + np.asarray(rival.error)
    )


def divergence(task: TwoStageTask) -> Side:
    """``Lambda KL(rival || tilted geometric mean)``."""
    ours, rival = task.log_policy, task.log_rival
    terms = np.exp(rival) * (np.abs(rival) + np.abs(ours) + 1)
    size = task.total * terms.sum() + np.abs(task.advantage).max()
    return Side(task.total * kl_from_logs(rival, ours), rounding(size, ours.size + 24))


def conic_value(task: TwoStageTask) -> Side:
    """Objective of the penalised cone program."""
    return Side(task.penalised.objective, 1.01 * task.penalised.certificate.bound)


def conic_policy(task: TwoStageTask) -> Side:
    """Policy of the penalised cone program, polished; what it lacks is Lambda times its divergence (and Pinsker)."""
    off = 1.01 * np.sqrt(task.penalised.gap / (2 * task.total))
    return Side(task.penalised.policy[0], np.full_like(task.advantage, off))


def closed_policy(task: TwoStageTask) -> Side:
    """The tilted geometric mean."""
    size = 1 + np.abs(task.log_policies).max() + np.ptp(task.advantage) / task.total
    return Side(
        np.exp(task.log_policy), rounding(np.full_like(task.advantage, size), task.advantage.size + 12)
    )


def solved(task: TwoStageTask, found: RegionSolution) -> RegionSolution:
    """A solution that is certified within the radii."""
    if found.status is Status.INFEASIBLE or not np.isfinite(found.certificate.bound):
        raise Undecided("no policy is certified within the radii")
    return found


def constrained_policy(task: TwoStageTask) -> Side:
    """Policy at the multipliers that minimise the dual function."""
    return policy_of(task, solved(task, task.constrained))


def conic_constrained_policy(task: TwoStageTask) -> Side:
    """Policy of the cone program within radii, polished by Newton's method on its conditions of optimality."""
    return policy_of(task, solved(task, task.conic))


def policy_of(task: TwoStageTask, found: RegionSolution) -> Side:
    """A certified solution's policy: it and the optimum are near that of the multipliers found (and Pinsker).

    Where hardly anything but the best action has weight, what both lack of the largest advantage bounds that weight.
    """
    total = np.float64(found.multipliers.sum())
    best, second = float(task.advantage.max()), float(np.partition(task.advantage, -2)[-2])
    with np.errstate(divide="ignore", invalid="ignore"):
        alone = (2 * best - found.lower - found.objective) / np.float64(best - second)
        excess = total * found.infeasibility
        near = np.sqrt((found.gap + excess) / (2 * total)) + np.sqrt(found.gap / (2 * total))
    if np.isnan(near) and np.isnan(alone):
        raise Undecided("no radius has a price and several actions are best")
    off = 1.01 * np.fmin(near, alone) + rounding(1.0, task.advantage.size + 12)
    return Side(found.policy[0], np.full_like(task.advantage, off))


def primal(task: TwoStageTask) -> Side:
    """Main advantage of the policy at the multipliers; what it exceeds the radii by is priced."""
    found = solved(task, task.constrained)
    value, error = gain(task, found.log_policy[0])
    return Side(value, error + found.certificate.bound + float(found.multipliers.sum()) * found.infeasibility)


def dual(task: TwoStageTask) -> Side:
    """``Lambda log sum_a (.) + sum_i lambda_i epsilon_i`` at the multipliers, above its minimum by no more than the gap."""
    found = solved(task, task.constrained)
    priced = float(found.multipliers @ task.radii)
    if not found.multipliers.any():
        return Side(task.advantage.max(), found.gap)
    value = float(multi_reference_value(task.advantage, task.log_policies, found.multipliers)) + priced
    logs = float((found.multipliers @ np.abs(task.log_policies)).max())
    size = np.abs(task.advantage).max() + logs + float(found.multipliers.sum()) + priced
    return Side(value, found.gap + rounding(size, task.advantage.size + 24))


def conic_constrained_value(task: TwoStageTask) -> Side:
    """Objective of the cone program within radii."""
    found = solved(task, task.conic)
    return Side(found.objective, 1.01 * found.certificate.bound)


def radii_used(task: TwoStageTask) -> Side:
    """Divergences of the solution from the policies of stage one."""
    found = solved(task, task.constrained)
    value, errors = divergences(task, found.log_policy[0])
    return Side(value, errors + found.infeasibility)


def radii_used_by_ratios(task: TwoStageTask) -> Side:
    """The same as ``sum p log(p / q) - p + q`` from probabilities."""
    found = solved(task, task.constrained)
    return Side(found.divergences, divergences(task, found.log_policy[0])[1])


def radii(task: TwoStageTask) -> Side:
    """The radii."""
    return Side(task.radii)


def smallest_common_radius(task: TwoStageTask) -> Side:
    """Chernoff information of the two policies."""
    value, _ = chernoff_information(*task.log_policies)
    return Side(value, rounding(1 + np.abs(task.log_policies).max(), 4 * task.advantage.size + 24))


def conic_radius(task: TwoStageTask) -> Side:
    """Smallest common radius by a cone program."""
    found = conic_divergence_centre(task.log_policies)
    return Side(found.objective, 1.01 * found.certificate.bound)
