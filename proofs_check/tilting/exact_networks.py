"""Flow networks in exact numbers: soft optima in balls, constructions enumerated in products of rationals."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array
from mdplab.models import FlowNetwork
from proofs_check.tilting import network_routes as by
from proofs_check.tilting.network_instances import NetworkTask

if TYPE_CHECKING:
    from mdplab.exact.soft import SoftControl


def zeros(shape: Any) -> Array:
    """Rational zeros."""
    return np.asarray(mdplab.exact.rational(np.zeros(shape, dtype=int)))


def backward(network: FlowNetwork) -> Array:
    """``P_B[t, s]`` as rationals, rows with sum exactly one."""
    table, reached = zeros(network.edges.shape), network.edges.any(axis=0)
    table[reached] = mdplab.exact.laws(network.backward[reached])
    return table


def reward(network: FlowNetwork) -> Array:
    """``R`` as rationals."""
    return np.asarray(mdplab.exact.rational(network.reward))


def counts(network: FlowNetwork) -> Array:
    """``n`` as rationals, by the recursion over the nodes."""
    return np.asarray(mdplab.exact.rational(list(network.path_counts)))


# --- soft control ---------------------------------------------------------------------------------------------------


def soft_optimum(task: NetworkTask, *, corrected: bool, shared: bool = False) -> SoftControl:
    """Soft backward induction at temperature 1, steps paid ``log P_B`` or nothing, the reward shared among paths or not."""
    network = task.network
    n, gain = network.n_nodes, reward(network)
    twin = mdplab.exact.ExactHorizon.of(network.to_horizon_mdp(corrected=False))
    paid = zeros(twin.reward.shape)
    if shared:
        gain = gain / np.where(counts(network) == 0, mdplab.exact.rational(1), counts(network))
    for x in np.flatnonzero(network.objects):
        paid[:, x, n] = mdplab.exact.log(gain[x])
    if corrected:
        table = backward(network)
        for s, t in np.argwhere(network.edges):
            paid[:, s, t] = mdplab.exact.log(table[t, s])
    if task.step_reward is not None:
        paid[:, :n, :n] = paid[:, :n, :n] + mdplab.exact.rational(task.step_reward)
    return mdplab.exact.soft_backward_induction(replace(twin, reward=paid), temperature=1)


def policy(task: NetworkTask, solution: SoftControl) -> Array:
    """Log-probabilities of the first stage in the nodes."""
    return np.asarray(solution.log_policy[0, : task.network.n_nodes])


def visits(network: FlowNetwork, odds: Array) -> Array:
    """Probabilities that a construction under a policy visits the nodes."""
    found = zeros(network.n_nodes)
    found[0] = found[0] + 1
    for t in range(1, network.n_nodes):
        for s in np.flatnonzero(network.edges[:, t]):
            found[t] = found[t] + found[s] * odds[s, t]
    return found


def sampled(task: NetworkTask, solution: SoftControl) -> Array:
    """Log-law of the objects, and the value of the source."""
    network, odds = task.network, mdplab.exact.exp(policy(task, solution))
    law = (visits(network, odds) * odds[:, -1])[network.objects]
    return np.append(mdplab.exact.log(law), solution.value[0, 0])


def values_and_policy(task: NetworkTask) -> Array:
    """(a): V in all nodes, and the log-probability of every step."""
    solution = soft_optimum(task, corrected=True)
    logs = policy(task, solution)[task.network.steps]
    return np.concatenate((solution.value[0, : task.network.n_nodes], logs))


def corrected_law(task: NetworkTask) -> Array:
    """(a): the law of the objects, and V(0)."""
    return sampled(task, soft_optimum(task, corrected=True))


def uncorrected_law(task: NetworkTask) -> Array:
    """(b): the law without correction, and V(0)."""
    return sampled(task, soft_optimum(task, corrected=False))


def shared_law(task: NetworkTask) -> Array:
    """(c): the law with R/n, and V(0)."""
    return sampled(task, soft_optimum(task, corrected=False, shared=True))


def shared_policy(task: NetworkTask) -> Array:
    """(c): the policy with R/n."""
    return np.asarray(policy(task, soft_optimum(task, corrected=False, shared=True))[task.network.steps])


def span(x: Array) -> Any:
    """Largest less smallest entry."""
    return mdplab.exact.highest(x) - mdplab.exact.lowest(x)


def range_of_the_laws(task: NetworkTask) -> Any:
    """(b): range of the log-ratio of the laws without and with correction."""
    return span((uncorrected_law(task) - corrected_law(task))[:-1])


def entropy_of_equal_paths(task: NetworkTask) -> Any:
    """(c): path entropy by the chain rule."""
    return chain_rule(
        task.network, mdplab.exact.exp(policy(task, soft_optimum(task, corrected=False, shared=True)))
    )


def chain_rule(network: FlowNetwork, odds: Array) -> Any:
    """Expected entropy of the steps of a policy."""
    return (visits(network, odds) * mdplab.exact.entropy(odds)).sum()


# --- enumeration ----------------------------------------------------------------------------------------------------


def path_weights(network: FlowNetwork, nodes: Array, ends: Array) -> Array:
    """``R(x) P_B(tau | x)`` of constructions, as products of rationals."""
    table, weights = backward(network), reward(network)[ends]
    for here, there in zip(nodes.T, nodes.T[1:], strict=False):
        weights = weights * np.where(there >= 0, table[there, here], mdplab.exact.rational(1))
    return np.asarray(weights)


def flows_by_enumeration(task: NetworkTask) -> Array:
    """(a): log F and the shares of the steps, from the weights of the constructions through them."""
    network, paths = task.network, task.constructions
    weights = path_weights(network, paths.nodes, paths.ends)
    visits, taken = by.passing(task)
    nodes = np.array([weights[through].sum() for through in visits], dtype=object)
    steps = np.array([weights[through].sum() for through in taken], dtype=object)
    shares_of_steps = steps / nodes[np.argwhere(network.steps)[:, 0]]
    return np.asarray(mdplab.exact.log(np.concatenate((nodes, shares_of_steps))))


def shares(gain: Array) -> Array:
    """``log g / sum g``, and ``log sum g``."""
    return np.asarray(mdplab.exact.log(np.append(gain / gain.sum(), gain.sum())))


def in_proportion(task: NetworkTask) -> Array:
    """(a): log R / sum R, and log sum R."""
    return shares(reward(task.network)[task.network.objects])


def counted(task: NetworkTask) -> Array:
    """``n`` of the objects, from the list of constructions."""
    numbers = np.bincount(task.constructions.ends, minlength=task.network.n_nodes)
    return np.asarray(mdplab.exact.rational(numbers[task.network.objects]))


def in_proportion_to_paths(task: NetworkTask) -> Array:
    """(b): log n R / sum n R, and log sum n R."""
    return shares(counted(task) * reward(task.network)[task.network.objects])


def range_of_the_counts(task: NetworkTask) -> Any:
    """(b): range of log n over the objects."""
    return span(mdplab.exact.log(counted(task)))


def flow(network: FlowNetwork, table: Array) -> Array:
    """Flows for a backward policy, by their linear recursion."""
    found = reward(network)
    for s in range(network.n_nodes - 1, -1, -1):
        found[s] = found[s] + (found * table[:, s]).sum()
    return found


def flow_policy(network: FlowNetwork, table: Array) -> Array:
    """Policy of the flows for a backward policy; zero in nodes through which nothing flows."""
    n, found = network.n_nodes, flow(network, table)
    odds = zeros((n, n + 1))
    for s, t in np.argwhere(network.steps & (found != 0)[:, np.newaxis]):
        odds[s, t] = (reward(network)[s] if t == n else found[t] * table[t, s]) / found[s]
    return odds


def policy_of_equal_paths(task: NetworkTask) -> Array:
    """(c): policy of the flows with n(s)/n(t)."""
    network, number = task.network, counts(task.network)
    table = np.where(network.edges.T, number[np.newaxis, :] / number[:, np.newaxis], mdplab.exact.rational(0))
    return np.asarray(mdplab.exact.log(flow_policy(network, table)[network.steps]))


def entropy_given_the_object(task: NetworkTask) -> Any:
    """(c): entropy of P_B(tau | x), averaged over the objects; exactly 0 where each has one construction."""
    network, paths = task.network, task.constructions
    weights, gain = path_weights(network, paths.nodes, paths.ends), reward(network)
    return -(weights * mdplab.exact.log(weights / gain[paths.ends])).sum() / gain.sum()


def expected_log_count(task: NetworkTask) -> Any:
    """(c): expected log n."""
    gain = reward(task.network)[task.network.objects]
    return (gain * mdplab.exact.log(counted(task))).sum() / gain.sum()


def largest_entropy(task: NetworkTask) -> Any:
    """(c): entropy of R / sum R plus the expected log n."""
    gain = reward(task.network)[task.network.objects]
    return mdplab.exact.entropy(gain / gain.sum()) + expected_log_count(task)
