"""Routes of the claim on outcome-conditioned networks: conversion and forward sweep, enumeration, regression."""

from __future__ import annotations

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import Side, rounding
from mdplab.divergences import kl_from_logs
from mdplab.operators import converted_policy_log, log_visits
from proofs_check.tilting import network_routes as by
from proofs_check.tilting.outcome_instances import OutcomeTask

# --- (a), (b) -------------------------------------------------------------------------------------------------------


def converted_error(task: OutcomeTask) -> float:
    """Error of the log-policy of the conversion: one log-flow and one log-policy above (three errors), one log-flow below.

    Sums of positive terms keep relative errors.
    """
    size = float(np.abs(np.log(task.reward)).max()) + 1
    return 4 * task.log_error + float(rounding(size, task.outcomes.size + 16))


def swept(task: OutcomeTask, logs: FloatArray) -> Side:
    """Log-law of the objects and log of the flow of all nodes, by a forward sweep of a policy."""
    network = task.network
    visits, law = log_visits(network, logs)
    value = np.concatenate((law[network.objects], visits + np.log(task.reward.sum())))
    return Side(
        value, (network.depth + 2) * converted_error(task) + float(rounding(1 + np.abs(value).max(), 8))
    )


def converted(task: OutcomeTask) -> Side:
    """Conversion of the recursive flows, swept forward: log-law of the objects, and log-flow of all nodes"""
    return swept(task, converted_policy_log(task.log_flow, task.log_policy, task.reward))


def marginal(task: OutcomeTask) -> Side:
    """Closed form log r / sum r, and enumeration: log of the sum of r F(s|y) over the objects"""
    flow = by.log_sums(task.log_weights, by.passing(task.base)[0])
    return Side(np.concatenate((task.base.target, flow)), 2 * task.log_error)


def without_the_flow(task: OutcomeTask) -> FloatArray:
    """Log-policy of the mixture in proportion to r alone, over the outcomes that are still reachable."""
    alive = np.where(task.log_flow > -np.inf, 0.0, -np.inf)
    return converted_policy_log(alive, task.log_policy, task.reward)


def converted_without_the_flow(task: OutcomeTask) -> Side:
    """The mixture in proportion to r alone, swept forward."""
    return swept(task, without_the_flow(task))


def converted_policy(task: OutcomeTask) -> Side:
    """Conversion of the recursive flows: log-probability of every step"""
    logs = converted_policy_log(task.log_flow, task.log_policy, task.reward)[task.network.steps]
    return Side(logs, converted_error(task))


def policy_without_the_flow(task: OutcomeTask) -> Side:
    """The mixture in proportion to r alone."""
    return Side(without_the_flow(task)[task.network.steps], converted_error(task))


def soft_policy(task: OutcomeTask) -> Side:
    """Soft backward induction with the new reward and the shared backward policy: log-probability of every step"""
    solution = task.base.corrected
    logs = by.policy(task.base, solution)[task.network.steps]
    return Side(logs, by.optimum_error(task.base, solution))


# --- (c) ------------------------------------------------------------------------------------------------------------


def targets(task: OutcomeTask) -> FloatArray:
    """``log r(y) F(s|y) P_F(t|s, y)`` of the outcomes through the step, from the recursive flows."""
    s, t = task.step
    logs = np.log(task.reward) + task.log_flow[:, s] + task.log_policy[:, s, t]
    return np.asarray(logs[task.through])


def fitted(task: OutcomeTask, log_model: FloatArray) -> Side:
    """Weighted least squares for one unknown; the weights sum to one, so that errors are averaged."""
    weights = np.sqrt(task.sampling)
    goal = targets(task) - log_model
    value = np.linalg.lstsq(weights[:, np.newaxis], weights * goal, rcond=None)[0][0]
    size = 1 + float(np.abs(goal).max())
    return Side(value, 3 * task.log_error + float(rounding(size, 8 * weights.size + 32)))


def fitted_numerator(task: OutcomeTask) -> Side:
    """Weighted least squares on the recursive flows: log N with the model Q"""
    return fitted(task, np.log(task.model))


def fitted_with_the_posterior(task: OutcomeTask) -> Side:
    """Weighted least squares on the recursive flows: log N with the model Q = p"""
    logs = targets(task)
    return fitted(task, logs - by.log_sums(logs, np.ones((1, logs.size), dtype=bool)))


def enumerated_numerators(task: OutcomeTask) -> tuple[FloatArray, float]:
    """Log-weight of the constructions through the step, outcome by outcome, and of all."""
    paths, (s, t) = task.base.constructions, task.step
    taken = ((paths.nodes[:, :-1] == s) & (paths.nodes[:, 1:] == t)).any(axis=1)
    groups = (paths.ends == task.outcomes[task.through][:, np.newaxis]) & taken
    return by.log_sums(task.log_weights, groups), float(by.log_sums(task.log_weights, taken[np.newaxis])[0])


def exact_numerator(task: OutcomeTask) -> Side:
    """Enumeration: log N*, the weight of all constructions through the step"""
    return Side(enumerated_numerators(task)[1], 2 * task.log_error)


def shifted_numerator(task: OutcomeTask, *, sign: float = -1.0) -> Side:
    """Enumeration: log N* + KL(mu || Q) - KL(mu || p)"""
    each, whole = enumerated_numerators(task)
    mu = np.log(task.sampling)
    first, second = float(kl_from_logs(mu, np.log(task.model))), float(kl_from_logs(mu, each - whole))
    size = 2 + abs(whole) + first + second + float(np.abs(each).max()) + float(np.abs(mu).max())
    error = 6 * task.log_error + float(rounding(size, 4 * mu.size + 24))
    return Side(whole + first + sign * second, error)
