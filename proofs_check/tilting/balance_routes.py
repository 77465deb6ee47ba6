"""Routes of the claim on balance: soft optima, constructions enumerated, sweeps and extreme paths over the nodes."""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._typing import Array, FloatArray
from mdplab.claims import Side, rounding
from mdplab.divergences import kl_from_logs, total_variation
from mdplab.numerics import complex_step_gradient
from mdplab.operators import (
    detailed_balance_residuals,
    flow_matching_residuals,
    log_flows,
    log_sum_exp,
    log_tilt,
    log_visits,
)
from proofs_check.tilting import network_routes as by
from proofs_check.tilting.balance_instances import BalanceTask

# --- (a): the policy of the flows ---------------------------------------------------------------------------------


def soft_policy(task: BalanceTask, *, corrected: bool = True) -> tuple[FloatArray, float]:
    """Log-policy of soft control and its error."""
    solution = task.base.corrected if corrected else task.base.uncorrected
    return by.policy(task.base, solution), by.optimum_error(task.base, solution) + task.base.log_error


def forward_weights(task: BalanceTask, *, corrected: bool = True) -> Side:
    """Soft backward induction: log sum R plus the log-probability of every construction"""
    logs, error = soft_policy(task, corrected=corrected)
    paths, network = task.base.constructions, task.network
    here, there = paths.nodes[:, :-1], paths.nodes[:, 1:]
    along = np.where(there >= 0, logs[:, :-1][here, there], 0.0).sum(axis=1)
    value = np.log(network.reward.sum()) + along + logs[paths.ends, -1]
    return Side(value, (network.depth + 2) * error)


def backward_weights(task: BalanceTask) -> Side:
    """Enumeration: log R P_B of every construction"""
    return Side(task.base.log_weights, task.base.log_error)


def flow_by_enumeration(task: BalanceTask) -> FloatArray:
    """``log F`` from the constructions through each node."""
    return by.log_sums(task.base.log_weights, by.passing(task.base)[0])


def forward_flows(task: BalanceTask, *, corrected: bool = True) -> Side:
    """Recursion for log F, plus the log-policy of soft backward induction on edges and at stops"""
    logs, error = soft_policy(task, corrected=corrected)
    value = (log_flows(task.network)[:, np.newaxis] + logs)[task.network.steps]
    return Side(value, error + task.base.log_error)


def backward_flows(task: BalanceTask) -> Side:
    """Enumeration: log F of the child plus its log-backward-probability; at stops log R"""
    network, flow = task.network, flow_by_enumeration(task)
    table = np.column_stack(
        (flow[np.newaxis, :] + np.log(np.where(network.edges, network.backward.T, 1.0)), flow)
    )
    table[network.objects, -1] = np.log(network.reward[network.objects])
    return Side(table[network.steps], 2 * task.base.log_error)


def flows(task: BalanceTask) -> Side:
    """Recursion: log F of the nodes but the source"""
    return Side(log_flows(task.network)[1:], task.base.log_error)


def inflows(task: BalanceTask, *, corrected: bool = True) -> Side:
    """Enumeration for log F of the parents, soft backward induction for their steps: log of what flows in"""
    logs, error = soft_policy(task, corrected=corrected)
    flow = flow_by_enumeration(task)
    value = [log_sum_exp(flow[:t] + logs[:t, t]) for t in range(1, task.network.n_nodes)]
    return Side(np.array(value), error + 2 * task.base.log_error)


# --- (a), conversely ------------------------------------------------------------------------------------------------


def forced_rewards(task: BalanceTask) -> FloatArray:
    """Log-rewards that the policy and Z leave no choice of, a row each condition.

    Flow matching: a linear system for F, unit triangular, whose solution is a sum of positive terms.  Detailed balance: F from node to child along one edge each.  Trajectory
    balance: one construction each object.  The backward policy of the last two is that of the visits.
    """
    network, logs, n = task.network, task.log_policy, task.network.n_nodes
    start = np.zeros(n)
    start[0] = task.partition
    stops = logs[network.objects, -1]
    matched = np.linalg.solve(np.eye(n) - np.where(network.edges, task.policy[:, :-1], 0.0).T, start)
    visits = log_visits(network, logs)[0]
    log_backward = np.where(
        network.edges.T, visits[np.newaxis, :] + logs[:, :-1].T - visits[:, np.newaxis], -np.inf
    )
    detailed = np.full(n, np.log(task.partition))
    for t in range(1, n):
        parent = np.flatnonzero(network.edges[:, t])[-1]
        detailed[t] = detailed[parent] + logs[parent, t] - log_backward[t, parent]
    paths = task.base.constructions
    found = []
    for x in np.flatnonzero(network.objects):
        first = int(np.flatnonzero(paths.ends == x)[0])
        nodes = paths.nodes[first][paths.nodes[first] >= 0]
        along = log_backward[nodes[1:], nodes[:-1]].sum()
        found.append(np.log(task.partition) + task.log_forward[first] - along)
    objects = network.objects
    return np.array([np.log(matched[objects]) + stops, detailed[objects] + stops, found])


def forced_shares(task: BalanceTask) -> Side:
    """Each condition solved for R: log R / sum R by flow matching, detailed balance, trajectory balance"""
    rewards = forced_rewards(task)
    whole = np.array([log_sum_exp(row) for row in rewards])
    return Side(rewards - whole[:, np.newaxis], (task.network.depth + 4) * task.log_error)


def enumerated_laws(task: BalanceTask) -> Side:
    """Enumeration: log-law of the objects under P_F, a row each condition"""
    side = enumerated_law(task)
    return Side(np.tile(side.value, (3, 1)), side.error)


def given_shares(task: BalanceTask) -> Side:
    """log R / sum R of the network, a row each condition."""
    return Side(np.tile(task.base.target, (3, 1)), task.log_error)


def enumerated_law(task: BalanceTask) -> Side:
    """Enumeration: log-law of the objects under P_F"""
    ends = task.base.constructions.ends
    groups = ends == np.flatnonzero(task.network.objects)[:, np.newaxis]
    return Side(by.log_sums(task.log_forward, groups), task.log_error)


def law_of_a_matching_flow(task: BalanceTask) -> Side:
    """Enumeration: log-law of the objects of a policy whose flow matches"""
    residuals = flow_matching_residuals(task.network, np.log(task.flow), task.log_policy)
    if not np.abs(residuals).max() <= task.log_error:
        raise ValueError(f"the flow does not match: {residuals}")
    return enumerated_law(task)


def target(task: BalanceTask) -> Side:
    """Closed form: log R / sum R"""
    return Side(task.base.target, task.base.log_error)


# --- (b) ------------------------------------------------------------------------------------------------------------


def swept_law(task: BalanceTask) -> FloatArray:
    """Log-law of the objects, by a forward sweep."""
    return np.asarray(log_visits(task.network, task.log_policy)[1][task.network.objects])


def scaled_law(task: BalanceTask) -> Side:
    """Forward sweep: log Z P_T"""
    return Side(np.log(task.partition) + swept_law(task), task.log_error)


def reweighted_rewards(task: BalanceTask, *, forward: bool = False) -> Side:
    """Enumeration: log R(x) E exp(delta) over the constructions of x, drawn backwards"""
    paths, network = task.base.constructions, task.network
    possible = paths.log_backward > -np.inf
    weights = task.log_forward if forward else paths.log_backward
    logs = np.full(len(paths.ends), -np.inf)
    logs[possible] = weights[possible] + task.residuals[possible]
    groups = (paths.ends == np.flatnonzero(network.objects)[:, np.newaxis]) & possible
    value = np.log(network.reward[network.objects]) + by.log_sums(logs, groups)
    return Side(value, 3 * task.log_error)


# --- (c) ------------------------------------------------------------------------------------------------------------


def largest_residuals(task: BalanceTask) -> FloatArray:
    """``max |delta|`` by enumeration, at the given Z and at the centring one."""
    found = [np.abs(task.residuals_at(z)).max() for z in (np.log(task.partition), task.centred)]
    return np.array(found)


def extreme_sums(task: BalanceTask, table: FloatArray) -> tuple[float, float]:
    """Smallest and largest sum of a table ``(N, N+1)`` along the constructions, node by node."""
    network, found = task.network, []
    for sign in (-1.0, 1.0):
        best = np.full(network.n_nodes, -np.inf)
        best[0] = 0.0
        for t in range(1, network.n_nodes):
            best[t] = max(
                (best[s] + sign * table[s, t] for s in np.flatnonzero(network.edges[:, t])), default=-np.inf
            )
        found.append(sign * float((best + sign * table[:, -1])[network.objects].max()))
    return found[0], found[1]


def extreme_residuals(task: BalanceTask) -> tuple[float, float]:
    """Smallest and largest residual at ``Z = 1``, by recursion over the nodes."""
    return extreme_sums(
        task, detailed_balance_residuals(task.network, np.zeros(task.network.n_nodes), task.log_policy)
    )


def largest_residuals_by_recursion(task: BalanceTask) -> FloatArray:
    """``max |delta|`` by extreme paths, at the given Z and at the centring one."""
    low, high = extreme_residuals(task)
    z = np.log(task.partition)
    return np.array([max(abs(low + z), abs(high + z)), 0.5 * (high - low)])


def twice(x: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """A number for each Z, repeated to a shape."""
    return np.asarray(np.broadcast_to(x.reshape(2, *[1] * (len(shape) - 1)), shape))


def log_ratios(task: BalanceTask) -> Side:
    """Forward sweep: distance of log P_T from log R / sum R, a row each Z"""
    return Side(np.tile(np.abs(swept_law(task) - task.base.target), (2, 1)), 2 * task.log_error)


def log_ratios_by_enumeration(task: BalanceTask) -> Side:
    """Enumeration: distance of log P_T from log R / sum R, a row each Z"""
    law = np.asarray(enumerated_law(task).value)
    return Side(np.tile(np.abs(law - task.base.target), (2, 1)), 2 * task.log_error)


def doubled(task: BalanceTask, factor: float = 2.0) -> Side:
    """Enumeration: 2 max |delta|, at the given Z and at the centring one"""
    return Side(twice(factor * largest_residuals(task), (2, task.base.target.size)), 4 * task.log_error)


def doubled_by_recursion(task: BalanceTask) -> Side:
    """Extreme paths: 2 max |delta|, at the given Z and at the centring one"""
    return Side(
        twice(2 * largest_residuals_by_recursion(task), (2, task.base.target.size)), 4 * task.log_error
    )


def distances(task: BalanceTask) -> Side:
    """Forward sweep: total variation, a row each Z"""
    value = total_variation(np.exp(swept_law(task)), np.exp(task.base.target))
    return Side(np.full(2, value), 4 * task.log_error)


def distances_by_enumeration(task: BalanceTask) -> Side:
    """Enumeration: total variation, a row each Z"""
    value = total_variation(np.exp(np.asarray(enumerated_law(task).value)), np.exp(task.base.target))
    return Side(np.full(2, value), 4 * task.log_error)


def hyperbolic(task: BalanceTask, divisor: float = 2.0) -> Side:
    """Enumeration: tanh(max |delta| / 2), at the given Z and at the centring one"""
    return Side(np.tanh(largest_residuals(task) / divisor), 2 * task.log_error + float(rounding(1.0, 8)))


def hyperbolic_by_recursion(task: BalanceTask) -> Side:
    """Extreme paths: tanh(max |delta| / 2), at the given Z and at the centring one"""
    value = np.tanh(largest_residuals_by_recursion(task) / 2)
    return Side(value, 2 * task.log_error + float(rounding(1.0, 8)))


def both_divergences(law: FloatArray, task: BalanceTask) -> Side:
    """KL in both directions, a row each Z; an error e of the logs moves a divergence by at most ``e (KL + 3)``."""
    pair = np.array([kl_from_logs(law, task.base.target), kl_from_logs(task.base.target, law)])
    error = 2 * task.log_error * (pair.max() + 3) + float(rounding(1 + pair.max(), law.size + 8))
    return Side(np.tile(pair, (2, 1)), error)


def divergences(task: BalanceTask) -> Side:
    """Forward sweep: both divergences, a row each Z"""
    return both_divergences(swept_law(task), task)


def divergences_by_enumeration(task: BalanceTask) -> Side:
    """Enumeration: both divergences, a row each Z"""
    return both_divergences(np.asarray(enumerated_law(task).value), task)


def squared(task: BalanceTask, divisor: float = 2.0) -> Side:
    """Enumeration: max |delta|^2 / 2, at the given Z and at the centring one"""
    return squares(largest_residuals(task), task, divisor)


def squares(residuals: FloatArray, task: BalanceTask, divisor: float = 2.0) -> Side:
    error = 2 * task.log_error * (residuals.max() + 1) + float(rounding(residuals.max() ** 2, 4))
    return Side(twice(residuals**2 / divisor, (2, 2)), error)


def squared_by_recursion(task: BalanceTask) -> Side:
    """Extreme paths: max |delta|^2 / 2, at the given Z and at the centring one"""
    return squares(largest_residuals_by_recursion(task), task)


def centred_residual(task: BalanceTask) -> Side:
    """Enumeration: max |delta| at the centring Z"""
    return Side(largest_residuals(task)[1], 2 * task.log_error)


def given_residual(task: BalanceTask) -> Side:
    """Enumeration: max |delta| at the given Z"""
    return Side(largest_residuals(task)[0], 2 * task.log_error)


def given_residual_by_recursion(task: BalanceTask) -> Side:
    """Extreme paths: max |delta| at the given Z"""
    return Side(largest_residuals_by_recursion(task)[0], 2 * task.log_error)


def half_range(task: BalanceTask, factor: float = 0.5) -> Side:
    """Extreme paths: half the range of delta"""
    low, high = extreme_residuals(task)
    return Side(factor * (high - low), 2 * task.log_error)


def residual_of_the_flow(task: BalanceTask) -> Side:
    """Enumeration: max |delta| at Z = F(0) of the given flow"""
    return Side(np.abs(task.residuals_at(np.log(task.flow[0]))).max(), 2 * task.log_error)


def residual_of_the_flow_by_recursion(task: BalanceTask) -> Side:
    """Extreme paths: max |delta| at Z = F(0), summed from the residuals of the steps"""
    table = detailed_balance_residuals(task.network, np.log(task.flow), task.log_policy)
    low, high = extreme_sums(task, table)
    return Side(max(-low, high), 2 * task.log_error)


def steps_times_residual(task: BalanceTask, stops: int = 1) -> Side:
    """Closed form: edges of the longest path plus one, times the largest residual of a step"""
    table = detailed_balance_residuals(task.network, np.log(task.flow), task.log_policy)
    length = task.network.depth + stops
    return Side(length * np.abs(table).max(), 2 * length * task.log_error)


# --- (d) ------------------------------------------------------------------------------------------------------------


def path_size(task: BalanceTask) -> float:
    """Bound on the log-weights along a construction."""
    logs = np.abs(task.log_policy[task.network.steps]).max()
    return float((task.network.depth + 1) * logs + np.abs(task.base.log_weights).max() + 1)


def frozen_gradient(task: BalanceTask) -> Side:
    """Enumeration: E[delta grad log P_F], scores of the softmax logits"""
    visits, taken = by.passing(task.base)
    weights = np.exp(task.log_forward) * task.residuals
    nodes = np.argwhere(task.network.steps)[:, 0]
    policy = np.exp(task.log_policy[task.network.steps])
    value = taken @ weights - (visits @ weights)[nodes] * policy
    return Side(value, gradient_error(task))


def gradient_error(task: BalanceTask) -> float:
    """A relative error of the law and an error of the residuals, each at the size of the log-weights."""
    size = path_size(task) + float(abs(np.log(task.partition)))
    operations = len(task.log_forward) + 8 * (task.network.depth + 2) * (task.network.n_nodes + 8)
    return 4 * task.log_error * (1 + size) + float(rounding(size, operations))


def reverse_divergence_gradient(task: BalanceTask) -> Side:
    """Complex step through the recursion of KL(P_F || R P_B / sum R) over the nodes"""
    network, n = task.network, task.network.n_nodes
    log_backward = np.log(np.where(network.edges, network.backward.T, 1.0))
    log_reward = np.log(np.where(network.objects, network.reward, 1.0))
    logits = np.where(network.steps, task.log_policy, 0.0)

    def divergence(theta: Array) -> Any:
        ahead = np.zeros(n, dtype=complex)
        for s in range(n - 1, -1, -1):
            steps = np.flatnonzero(network.steps[s])
            logs = log_tilt(theta[s, steps])
            goal = [log_reward[s] if t == n else log_backward[s, t] - ahead[t] for t in steps]
            ahead[s] = (np.exp(logs) * (logs - np.array(goal))).sum()
        return ahead[0] + np.log(network.reward.sum())

    return Side(complex_step_gradient(divergence, logits)[network.steps], gradient_error(task))


def full_gradient(task: BalanceTask) -> Side:
    """Complex step through the enumeration of E[delta^2] / 2, sampling law included."""
    network, paths = task.network, task.base.constructions
    goal = np.log(task.partition) - task.base.log_weights
    here, there = paths.nodes[:, :-1], paths.nodes[:, 1:]

    def loss(theta: Array) -> Any:
        logs = np.zeros(network.steps.shape, dtype=complex)
        for s in range(network.n_nodes):
            logs[s, network.steps[s]] = log_tilt(theta[s, network.steps[s]])
        along = np.where(there >= 0, logs[:, :-1][here, there], 0.0).sum(axis=1) + logs[paths.ends, -1]
        return 0.5 * (np.exp(along) * (along + goal) ** 2).sum()

    logits = np.where(network.steps, task.log_policy, 0.0)
    return Side(complex_step_gradient(loss, logits)[network.steps], gradient_error(task) * path_size(task))
