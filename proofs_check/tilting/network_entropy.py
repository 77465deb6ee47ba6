"""Entropies of the constructions of a flow network: by the chain rule along a policy, by enumeration, in closed form."""

from __future__ import annotations

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import Side, rounding
from mdplab.operators import flow_policy_log, log_visits
from proofs_check.tilting import network_routes as by
from proofs_check.tilting.network_instances import NetworkTask


def chain_rule(task: NetworkTask, logs: FloatArray, error: float) -> Side:
    """Entropy of the path law of a policy: expected entropy of its steps.

    A relative error e of the law moves the entropy by at most e (entropy + 2); a negligible probability p counts with
    ``p |log p| <= 1``.
    """
    visits = np.exp(log_visits(task.network, logs)[0])
    chosen = np.where(task.network.steps, logs, 0.0)
    value = -float(visits @ (np.exp(logs) * chosen).sum(axis=1))
    length = task.network.depth + 1
    return Side(value, 2 * length * error * (value + 2) + float(rounding(value + length, 4 * logs.size)))


def entropy_of_equal_paths(task: NetworkTask) -> Side:
    """Soft backward induction with R/n, chain rule: path entropy"""
    return chain_rule(task, by.policy(task, task.shared), by.optimum_error(task, task.shared))


def entropy_given_the_object(task: NetworkTask) -> Side:
    """Policy of the flows with the given backward policy, chain rule: path entropy less that of the object"""
    logs = flow_policy_log(task.network)
    error = task.log_error + float(rounding(np.abs(logs[task.network.steps]).max(), 8))
    whole, objects = chain_rule(task, logs, error), entropy_of_the_objects(task)
    return Side(whole.value - np.asarray(objects.value), np.asarray(whole.error) + objects.error)


def entropy_given_the_object_by_enumeration(task: NetworkTask) -> Side:
    """Enumeration: entropy of P_B(tau | x), averaged over the objects"""
    paths = task.constructions
    share = np.exp(
        task.log_weights - by.log_sums(task.log_weights, np.ones((1, len(paths.ends)), dtype=bool))
    )
    value = -float(share @ paths.log_backward)
    return Side(value, 2 * task.log_error * (value + 2) + float(rounding(value + 1, share.size + 16)))


def expected_log_count(task: NetworkTask) -> Side:
    """Closed form: expected log n"""
    value = float(np.exp(task.target) @ task.counted)
    return Side(value, 2 * task.log_error * (value + 2))


def entropy_of_the_objects(task: NetworkTask) -> Side:
    """Closed form: entropy of R / sum R"""
    value = -float(np.exp(task.target) @ task.target)
    return Side(value, 2 * task.log_error * (value + 2))


def largest_entropy(task: NetworkTask) -> Side:
    """Closed form: entropy of R / sum R plus the expected log n"""
    objects, paths = entropy_of_the_objects(task), expected_log_count(task)
    return Side(objects.value + np.asarray(paths.value), objects.error + np.asarray(paths.error))
