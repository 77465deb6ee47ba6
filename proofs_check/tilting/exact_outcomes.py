"""Outcome-conditioned networks in exact numbers: flows and constructions in rationals, logarithms in balls."""

from __future__ import annotations

from typing import Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.tilting import exact_networks as networks
from proofs_check.tilting import network_routes as by
from proofs_check.tilting.outcome_instances import OutcomeTask


def reward(task: OutcomeTask) -> Array:
    """``r`` of the objects."""
    return np.asarray(mdplab.exact.rational(task.reward))


def flows(task: OutcomeTask) -> tuple[Array, Array]:
    """``F(s|y)`` and ``P_F(t|s, y)`` of all networks; errors of the log-flows enter the first."""
    found, policies = [], []
    for network in task.conditioned:
        table = networks.backward(network)
        flow = networks.flow(network, table)
        found.append(flow)
        policies.append(networks.flow_policy(network, table))
    flow = np.array(found, dtype=object)
    if task.noise is not None:
        flow = flow * mdplab.exact.exp(mdplab.exact.rational(task.noise))
    return flow, np.array(policies, dtype=object)


def conversion(task: OutcomeTask) -> Array:
    """``P^r_F``: mixture of the policies in proportion to ``r(y) F(s|y)``."""
    flow, policies = flows(task)
    shares = reward(task)[:, np.newaxis] * flow
    mixed = (shares[:, :, np.newaxis] * policies).sum(axis=0)
    return np.asarray(mixed / shares.sum(axis=0)[:, np.newaxis])


def converted(task: OutcomeTask) -> Array:
    """(a), (b): log-law of the objects under the conversion, and log-flow of all nodes."""
    network, odds = task.network, conversion(task)
    visits = networks.visits(network, odds)
    law = (visits * odds[:, -1])[network.objects]
    return np.asarray(mdplab.exact.log(np.concatenate((law, visits * reward(task).sum()))))


def weights(task: OutcomeTask) -> Array:
    """``r(x) P_B(tau | x, x)`` of the constructions."""
    paths = task.base.constructions
    found = networks.zeros(len(paths.ends))
    for y, network in zip(task.outcomes, task.conditioned, strict=True):
        ending = paths.ends == y
        found[ending] = networks.path_weights(network, paths.nodes[ending], paths.ends[ending])
    return np.asarray(found * mdplab.exact.rational(task.network.reward[paths.ends]))


def marginal(task: OutcomeTask) -> Array:
    """(a), (b): log r / sum r, and log of the weights of the constructions through each node."""
    gain, found = reward(task), weights(task)
    nodes = [found[through].sum() for through in by.passing(task.base)[0]]
    return np.asarray(mdplab.exact.log(np.concatenate((gain / gain.sum(), np.array(nodes, dtype=object)))))


def converted_policy(task: OutcomeTask) -> Array:
    """(a): log-probability of every step."""
    return np.asarray(mdplab.exact.log(conversion(task)[task.network.steps]))


def soft_policy(task: OutcomeTask) -> Array:
    """(a): log-probability of every step under soft control."""
    solution = networks.soft_optimum(task.base, corrected=True)
    return np.asarray(networks.policy(task.base, solution)[task.network.steps])


def targets(task: OutcomeTask) -> Array:
    """``r(y) F(s|y) P_F(t|s, y)`` of the outcomes through the step."""
    (flow, policies), (s, t) = flows(task), task.step
    return np.asarray((reward(task) * flow[:, s] * policies[:, s, t])[task.through])


def fitted(task: OutcomeTask, model: Array) -> Any:
    """Mean of the goals of the regression."""
    mu = mdplab.exact.laws(task.sampling)
    return (mu * mdplab.exact.log(targets(task) / model)).sum()


def fitted_numerator(task: OutcomeTask) -> Any:
    """(c): log N with the model Q."""
    return fitted(task, mdplab.exact.laws(task.model))


def fitted_with_the_posterior(task: OutcomeTask) -> Any:
    """(c): log N with the model Q = p."""
    goal = targets(task)
    return fitted(task, goal / goal.sum())


def enumerated(task: OutcomeTask) -> Array:
    """Weight of the constructions through the step, outcome by outcome."""
    paths, (s, t), found = task.base.constructions, task.step, weights(task)
    taken = ((paths.nodes[:, :-1] == s) & (paths.nodes[:, 1:] == t)).any(axis=1)
    return np.array(
        [found[taken & (paths.ends == y)].sum() for y in task.outcomes[task.through]], dtype=object
    )


def exact_numerator(task: OutcomeTask) -> Any:
    """(c): log N*."""
    return mdplab.exact.log(enumerated(task).sum())


def shifted_numerator(task: OutcomeTask) -> Any:
    """(c): log N* + KL(mu || Q) - KL(mu || p)."""
    each, mu = enumerated(task), mdplab.exact.laws(task.sampling)
    apart = mdplab.exact.kl(mu, mdplab.exact.laws(task.model)) - mdplab.exact.kl(mu, each / each.sum())
    return exact_numerator(task) + apart
