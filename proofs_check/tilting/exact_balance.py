"""Balance of flow networks in exact numbers: probabilities of constructions are rational, their logarithms balls."""

from __future__ import annotations

from typing import Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.tilting import exact_networks as networks
from proofs_check.tilting import network_routes as by
from proofs_check.tilting.balance_instances import BalanceTask


def policy(task: BalanceTask) -> Array:
    """``P_F`` as rationals, rows with sum exactly one."""
    return np.asarray(mdplab.exact.laws(np.where(task.network.steps, task.policy, 0.0)))


def partition(task: BalanceTask) -> Any:
    """``Z``."""
    return mdplab.exact.rational(task.partition)


def path_law(task: BalanceTask, odds: Array) -> Array:
    """Probabilities of the constructions under a policy."""
    paths = task.base.constructions
    law = odds[paths.ends, -1]
    for here, there in zip(paths.nodes.T, paths.nodes.T[1:], strict=False):
        law = law * np.where(there >= 0, odds[here, there], mdplab.exact.rational(1))
    return np.asarray(law)


def weights(task: BalanceTask) -> Array:
    """``R P_B`` of the constructions."""
    paths = task.base.constructions
    return networks.path_weights(task.network, paths.nodes, paths.ends)


def by_object(task: BalanceTask, x: Array) -> Array:
    """Sums over the constructions of each object."""
    ends = task.base.constructions.ends
    return np.array([x[ends == node].sum() for node in np.flatnonzero(task.network.objects)], dtype=object)


def shares(task: BalanceTask) -> Array:
    """``R / sum R``."""
    gain = networks.reward(task.network)[task.network.objects]
    return np.asarray(gain / gain.sum())


# --- (a) ------------------------------------------------------------------------------------------------------------


def soft_logs(task: BalanceTask) -> Array:
    """Log-policy of soft control in balls."""
    return networks.policy(task.base, networks.soft_optimum(task.base, corrected=True))


def forward_weights(task: BalanceTask) -> Array:
    """Log sum R plus the log-probability of every construction under soft control."""
    law = path_law(task, mdplab.exact.exp(soft_logs(task)))
    return np.asarray(mdplab.exact.log(law) + mdplab.exact.log(networks.reward(task.network).sum()))


def backward_weights(task: BalanceTask) -> Array:
    """Log R P_B of every construction."""
    return np.asarray(mdplab.exact.log(weights(task)))


def flow_by_enumeration(task: BalanceTask) -> Array:
    """``F`` from the constructions through each node."""
    found = weights(task)
    return np.array([found[through].sum() for through in by.passing(task.base)[0]], dtype=object)


def flow(task: BalanceTask) -> Array:
    """``F`` by the linear recursion."""
    return networks.flow(task.network, networks.backward(task.network))


def forward_flows(task: BalanceTask) -> Array:
    """Log F by recursion plus the log-policy of soft control."""
    logs = mdplab.exact.log(flow(task))
    return np.asarray((logs[:, np.newaxis] + soft_logs(task))[task.network.steps])


def backward_flows(task: BalanceTask) -> Array:
    """Log F of the child by enumeration times its backward probability; at stops log R."""
    network, found = task.network, flow_by_enumeration(task)
    table = networks.backward(network)
    values = [
        networks.reward(network)[s] if t == network.n_nodes else found[t] * table[t, s]
        for s, t in np.argwhere(network.steps)
    ]
    return np.asarray(mdplab.exact.log(np.array(values, dtype=object)))


def flows(task: BalanceTask) -> Array:
    """Log F of the nodes but the source, by recursion."""
    return np.asarray(mdplab.exact.log(flow(task)[1:]))


def inflows(task: BalanceTask) -> Array:
    """Log of what flows in: F by enumeration, policy of soft control."""
    network, found = task.network, flow_by_enumeration(task)
    odds = mdplab.exact.exp(soft_logs(task))
    inside = [
        sum((found[s] * odds[s, t] for s in np.flatnonzero(network.edges[:, t])), mdplab.exact.rational(0))
        for t in range(1, network.n_nodes)
    ]
    return np.asarray(mdplab.exact.log(np.array(inside, dtype=object)))


def forced_shares(task: BalanceTask) -> Array:
    """Log R / sum R, each condition solved for R in rationals."""
    network, odds, n = task.network, policy(task), task.network.n_nodes
    one, objects = mdplab.exact.rational(1), np.flatnonzero(task.network.objects)
    start = np.where(np.arange(n) == 0, partition(task), networks.zeros(n))
    system = mdplab.exact.identity(n) - np.where(network.edges, odds[:, :-1], mdplab.exact.rational(0)).T
    matched = np.asarray(mdplab.exact.solve(system, start)).reshape(n)
    visits = networks.visits(network, odds)
    table = networks.zeros((n, n))
    for s, t in np.argwhere(network.edges):
        table[t, s] = visits[s] * odds[s, t] / visits[t]
    detailed = networks.zeros(n) + partition(task)
    for t in range(1, n):
        parent = np.flatnonzero(network.edges[:, t])[-1]
        detailed[t] = detailed[parent] * odds[parent, t] / table[t, parent]
    paths, law, along = task.base.constructions, path_law(task, odds), []
    for x in objects:
        first = int(np.flatnonzero(paths.ends == x)[0])
        back = one
        for here, there in zip(paths.nodes[first], paths.nodes[first][1:], strict=False):
            back = back * table[there, here] if there >= 0 else back
        along.append(partition(task) * law[first] / back)
    stops = odds[objects, -1]
    rows = [matched[objects] * stops, detailed[objects] * stops, np.array(along, dtype=object)]
    return np.asarray(mdplab.exact.log(np.array([row / row.sum() for row in rows], dtype=object)))


def enumerated_laws(task: BalanceTask) -> Array:
    """Log-law of the objects under P_F, a row each condition."""
    return np.array([enumerated_law(task)] * 3, dtype=object)


def enumerated_law(task: BalanceTask) -> Array:
    """Log-law of the objects under P_F."""
    return np.asarray(mdplab.exact.log(by_object(task, path_law(task, policy(task)))))


# --- (b) ------------------------------------------------------------------------------------------------------------


def swept(task: BalanceTask) -> Array:
    """Law of the objects, by a forward sweep in rationals."""
    odds = policy(task)
    return np.asarray((networks.visits(task.network, odds) * odds[:, -1])[task.network.objects])


def scaled_law(task: BalanceTask) -> Array:
    """Log Z P_T."""
    return np.asarray(mdplab.exact.log(partition(task) * swept(task)))


def odds_of_residuals(task: BalanceTask) -> Array:
    """``exp(delta)`` at the given Z, rational."""
    return np.asarray(partition(task) * path_law(task, policy(task)) / weights(task))


def reweighted_rewards(task: BalanceTask) -> Array:
    """Log R(x) E exp(delta) over the constructions drawn backwards, those of probability 0 left out."""
    share, law = weights(task), partition(task) * path_law(task, policy(task))
    drawn = share > 0
    share[drawn] = share[drawn] * (law[drawn] / share[drawn])
    return np.asarray(mdplab.exact.log(by_object(task, share)))


# --- (c) ------------------------------------------------------------------------------------------------------------


def largest_odds(task: BalanceTask) -> Array:
    """``exp(max |delta|)`` at the given Z (rational) and at the centring one (a root)."""
    odds = odds_of_residuals(task)
    low, high = min(odds), max(odds)
    return np.array([max(high, 1 / low), mdplab.exact.sqrt(high / low)], dtype=object)


def extreme_odds(task: BalanceTask, table: Array) -> tuple[Any, Any]:
    """Smallest and largest product of a table along the constructions, node by node."""
    network, low, high = task.network, [mdplab.exact.rational(1)], [mdplab.exact.rational(1)]
    for t in range(1, network.n_nodes):
        parents = np.flatnonzero(network.edges[:, t])
        low.append(min(low[s] * table[s, t] for s in parents))
        high.append(max(high[s] * table[s, t] for s in parents))
    ends = np.flatnonzero(network.objects)
    return min(low[x] * table[x, -1] for x in ends), max(high[x] * table[x, -1] for x in ends)


def step_odds(task: BalanceTask, flow: Array) -> Array:
    """``F(s) P_F(t|s) / (F(t) P_B(s|t))`` on edges, ``F(x) P_F(stop|x) / R(x)`` at objects."""
    network, odds, table = task.network, policy(task), networks.backward(task.network)
    found = networks.zeros(network.steps.shape)
    for s, t in np.argwhere(network.steps):
        goal = networks.reward(network)[s] if t == network.n_nodes else flow[t] * table[t, s]
        found[s, t] = flow[s] * odds[s, t] / goal
    return found


def log_ratios(task: BalanceTask) -> Array:
    """Distance of log P_T from log R / sum R, a row each Z."""
    row = abs(mdplab.exact.log(swept(task) / shares(task)))
    return np.array([row, row], dtype=object)


def doubled(task: BalanceTask) -> Array:
    """2 max |delta|, a row each Z."""
    found = 2 * mdplab.exact.log(largest_odds(task))
    return np.repeat(found[:, np.newaxis], shares(task).size, axis=1)


def distances(task: BalanceTask) -> Array:
    """Total variation, rational, a row each Z."""
    value = mdplab.exact.total_variation(swept(task), shares(task))
    return np.array([value, value], dtype=object)


def hyperbolic(task: BalanceTask) -> Array:
    """tanh(max |delta| / 2) = 1 - 2 / (exp(max |delta|) + 1)."""
    return np.asarray(1 - 2 / (largest_odds(task) + 1))


def divergences(task: BalanceTask) -> Array:
    """Both divergences, a row each Z."""
    law, goal = swept(task), shares(task)
    row = [mdplab.exact.kl(law, goal), mdplab.exact.kl(goal, law)]
    return np.array([row, row], dtype=object)


def squared(task: BalanceTask) -> Array:
    """max |delta|^2 / 2, a row each Z."""
    logs = mdplab.exact.log(largest_odds(task))
    return np.repeat((logs * logs / 2)[:, np.newaxis], 2, axis=1)


def centred_residual(task: BalanceTask) -> Any:
    """max |delta| at the centring Z."""
    return mdplab.exact.log(largest_odds(task)[1])


def given_residual(task: BalanceTask) -> Any:
    """max |delta| at the given Z."""
    return mdplab.exact.log(largest_odds(task)[0])


def half_range(task: BalanceTask) -> Any:
    """Half the range of delta, by extreme paths."""
    low, high = extreme_odds(task, step_odds(task, networks.zeros(task.network.n_nodes) + 1))
    return mdplab.exact.log(high / low) / 2


def residual_of_the_flow(task: BalanceTask) -> Any:
    """max |delta| at Z = F(0)."""
    odds = odds_of_residuals(task) * mdplab.exact.rational(task.flow[0]) / partition(task)
    return mdplab.exact.log(max(max(odds), 1 / min(odds)))


def steps_times_residual(task: BalanceTask) -> Any:
    """Edges of the longest path plus one, times the largest residual of a step."""
    odds = step_odds(task, np.asarray(mdplab.exact.rational(task.flow)))[task.network.steps]
    return (task.network.depth + 1) * mdplab.exact.log(max(max(odds), 1 / min(odds)))


# --- (d) ------------------------------------------------------------------------------------------------------------


def frozen_gradient(task: BalanceTask) -> Array:
    """E[delta grad log P_F] by enumeration."""
    odds = policy(task)
    law = path_law(task, odds) * mdplab.exact.log(odds_of_residuals(task))
    visits, taken = by.passing(task.base)
    nodes = np.argwhere(task.network.steps)[:, 0]
    along = np.array([law[through].sum() for through in taken], dtype=object)
    inside = np.array([law[through].sum() for through in visits], dtype=object)[nodes]
    return np.asarray(along - inside * odds[task.network.steps])


def reverse_divergence_gradient(task: BalanceTask) -> Array:
    """Visits times policy times what a step costs more than its node, by recursion over the nodes."""
    network, odds, table = task.network, policy(task), networks.backward(task.network)
    n, gain = network.n_nodes, networks.reward(network)
    ahead, cost = networks.zeros(n), networks.zeros(network.steps.shape)
    for s in range(n - 1, -1, -1):
        for t in np.flatnonzero(network.steps[s]):
            goal = gain[s] if t == n else table[t, s]
            cost[s, t] = mdplab.exact.log(odds[s, t] / goal) + (0 if t == n else ahead[t])
            ahead[s] = ahead[s] + odds[s, t] * cost[s, t]
    visits = networks.visits(network, odds)
    found = visits[:, np.newaxis] * odds * (cost - ahead[:, np.newaxis])
    return np.asarray(found[network.steps])
