"""Both sides of the statements about guided trajectories, with their errors: by recursion, and by sums over trajectories."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mdplab.claims import Side, rounding
from mdplab.operators import log_sum_exp
from proofs_check.tilting.log_enumeration import UNDERFLOW
from proofs_check.tilting.trajectory_routes import (
    GuidedTask,
    conditional_logs,
    derivatives,
    divergence_and_score,
    divergence_and_score_by_enumeration,
    likeliest,
    moment_error,
    moments,
    objective,
    other_log_law,
    path_log_law,
    spread,
)

__all__ = [
    "behaviour_slope",
    "bending",
    "best_and_other",
    "covariance",
    "decay",
    "down",
    "down_by_enumeration",
    "guided_dynamics",
    "law_by_enumeration",
    "law_by_recursion",
    "law_of_the_local_rule",
    "left_over",
    "left_over_by_recursion",
    "nothing",
    "outside",
    "partition_less_divergence",
    "plain_dynamics",
    "ranges_of_values",
    "slopes",
    "variances",
]


def best_and_other(task: GuidedTask) -> Side:
    """Recursion: log Z, its law's objective; directly: the objective of another law"""
    tilt, log_law = task.tilt, path_log_law(task)
    value, error = objective(task, log_law)
    other, summing = objective(task, other_log_law(task))
    error += 2 * task.relative * (1 + abs(value))  # lambda l - log q/p is the same number on all trajectories
    return Side([tilt.optimum, value, other], [task.log_error, error, summing])


def partition_less_divergence(task: GuidedTask, *, swapped: bool = False) -> Side:
    """Enumeration: log Z, twice, and log Z less the divergence of the other law from the guided one"""
    p, q = other_log_law(task), task.log_weights - task.log_partition
    if swapped:
        p, q = q, p
    law, error = np.exp(p), task.log_error + float(rounding(1 + abs(task.log_partition), 8))
    size = float(law @ (np.abs(p) + np.abs(q)))
    z, lost = task.log_partition, float(law @ (p - q))
    errors = [error, error, 2 * error + float(rounding(1 + size, law.size + 16))]
    return Side([z, z, z - lost], errors)


def law_by_recursion(task: GuidedTask) -> Side:
    """Recursion: probabilities of all trajectories under its start, policy and dynamics"""
    law = np.exp(path_log_law(task))
    return Side(law, task.relative * law + UNDERFLOW)


def law_of_the_local_rule(task: GuidedTask) -> Side:
    """Dynamics left alone, policy proportional to beta pi^lambda"""
    table = np.log(task.behaviour) + task.weight * np.log(task.target)
    rule = np.exp(table - log_sum_exp(table)[:, np.newaxis])
    found = task.trajectories
    logs = found.environment_log_probability + found.policy_log_probability(rule).sum(axis=1)
    return Side(np.exp(logs), task.relative * np.exp(logs) + UNDERFLOW)


def law_by_enumeration(task: GuidedTask) -> Side:
    """Enumeration: p_beta(tau) pi(tau)^lambda, normalised"""
    return Side(task.law, task.relative * task.law + UNDERFLOW)


def slopes(task: GuidedTask) -> Side:
    """Enumeration, complex steps: derivatives in lambda of E l_pi and of KL(q || p_beta)"""
    value, error = derivatives(task)
    return Side(value[:2], error[:2])


def variances(task: GuidedTask, *, factor: float | None = None) -> Side:
    """Recursion, sweep of variances: Var l_pi, and lambda Var l_pi"""
    means, covariance = moments(task)
    factors = np.array([1.0, task.weight if factor is None else factor])
    return Side(factors * covariance[0, 0], factors * moment_error(task, means, covariance)[0, 0])


def half(task: GuidedTask) -> GuidedTask:
    return replace(task, weight=task.weight / 2)


def down(task: GuidedTask) -> Side:
    """Sweeps under the recursion's law: KL(q||p_beta) and E l_pi at lambda/2"""
    return divergence_and_score(half(task))


def down_by_enumeration(task: GuidedTask) -> Side:
    """Enumeration: KL(q||p_beta) and E l_pi at lambda/2"""
    return divergence_and_score_by_enumeration(half(task))


def bending(task: GuidedTask) -> Side:
    """Enumeration: ranges of log(dynamics / P) over next states, and of log(policy / (beta pi^lambda)) over actions"""
    policy, dynamics = conditional_logs(task)
    possible = (task.transition > 0) & np.isfinite(dynamics)
    with np.errstate(invalid="ignore", divide="ignore"):
        bent = spread(dynamics - np.log(task.transition), possible)
    rule = np.log(task.behaviour) + task.weight * np.log(task.target)
    tilted = spread(policy - rule, np.isfinite(policy))
    return Side(np.append(bent, tilted), 4 * task.log_error + rounding(4.0, task.log_weights.size + 16))


def ranges_of_values(task: GuidedTask) -> Side:
    """Recursion: ranges of V_{h+1} over the support of P, and of log E e^{V_{h+1}} over actions; 0 if not reached"""
    policy = conditional_logs(task)[0]
    value, reached = task.tilt.value, np.isfinite(policy)
    possible = (task.transition > 0) & reached[..., np.newaxis]
    bent = spread(np.broadcast_to(value[1:, np.newaxis, np.newaxis, :], possible.shape), possible)
    with np.errstate(divide="ignore"):
        ahead = log_sum_exp(value[1:, np.newaxis, np.newaxis, :], log_reference=np.log(task.transition))
    return Side(np.append(bent, spread(ahead, reached)), 4 * task.log_error)


def guided_dynamics(task: GuidedTask) -> Side:
    """Enumeration: law of the next state given the pair; P where the pair is not reached"""
    dynamics = conditional_logs(task)[1]
    table = np.where(np.isnan(dynamics), task.transition, np.exp(dynamics))
    return Side(table, 4 * task.relative * table + UNDERFLOW)


def plain_dynamics(task: GuidedTask) -> Side:
    """The dynamics P, at every step"""
    return Side(np.broadcast_to(task.transition, (task.horizon, *task.transition.shape)))


def behaviour_slope(task: GuidedTask) -> Side:
    """Enumeration, complex step: derivative in lambda of E l_beta"""
    value, error = derivatives(task)
    return Side(value[2], error[2])


def covariance(task: GuidedTask) -> Side:
    """Recursion, sweep of covariances: Cov(l_beta, l_pi)"""
    means, table = moments(task)
    return Side(table[0, 1], moment_error(task, means, table)[0, 1])


def left_over(task: GuidedTask) -> Side:
    """Enumeration: probability of not being among the trajectories of largest target likelihood"""
    lost = float(task.law[~likeliest(task)].sum())
    return Side(lost, task.relative * lost + UNDERFLOW)


def left_over_by_recursion(task: GuidedTask) -> Side:
    """Recursion: the same probability"""
    lost = float(np.exp(path_log_law(task))[~likeliest(task)].sum())
    return Side(lost, task.relative * lost + UNDERFLOW)


def decay(task: GuidedTask, *, speed: float = 1.0) -> Side:
    """e^{-lambda gap} p_beta(others) / p_beta(largest), with the gap of the target log-likelihoods"""
    top, law, score = likeliest(task), task.trajectories.probability, task.scores[0]
    if top.all():
        return Side(0.0)
    gap = float(score[top].min() - score[~top].max())
    value = float(np.exp(-speed * task.weight * gap) * law[~top].sum() / law[top].sum())
    return Side(value, task.relative * value)


def outside(task: GuidedTask) -> Side:
    """Least squares: what is left of log p_pi/p_beta after multiples of l_pi and constants"""
    pi, beta = task.scores
    columns = np.stack((pi, np.ones_like(pi)), axis=1)
    fit = np.linalg.lstsq(columns, pi - beta, rcond=None)[0]
    return Side(np.abs(pi - beta - columns @ fit).max(), 1e-12)


def nothing(task: GuidedTask) -> Side:
    """Zero"""
    return Side(0.0)
