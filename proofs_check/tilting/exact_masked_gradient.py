"""Gradients of masked softmax policies in balls: the closed form, and the product rule through a linear solve."""

from __future__ import annotations

from typing import Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.tilting.mask_instances import GradientTask


def masked_policy(task: GradientTask) -> Array:
    """``p``, the softmax over the retained actions."""
    return np.asarray(mdplab.exact.softmax(np.where(task.mask, task.logits, -np.inf)))


def derivative(task: GradientTask) -> Array:
    """``rho (I - gamma P)^{-1} (d r + gamma d P V)``, one state's logits at a time."""
    model, policy = mdplab.exact.ExactMDP.of(task.mdp), masked_policy(task)
    n, unit = model.n_states, mdplab.exact.identity(model.n_actions)
    system = mdplab.exact.identity(n) - model.discount * (policy[:, :, np.newaxis] * model.transition).sum(
        axis=1
    )
    worth = model.lookahead(mdplab.exact.solve(system, (policy * model.reward).sum(axis=1)))
    slopes = policy[:, :, np.newaxis] * (unit - policy[:, np.newaxis, :])
    change = (slopes * worth[:, :, np.newaxis]).sum(axis=1)
    columns = mdplab.exact.identity(n)[:, :, np.newaxis] * change
    found = mdplab.exact.solve(system, columns.reshape(n, -1))
    return np.asarray(mdplab.exact.laws(task.mdp.start_law()) @ found).reshape(change.shape)


def closed_form(task: GradientTask) -> Array:
    """(a): occupancy times policy times advantage."""
    return mdplab.exact.policy_gradient(task.mdp, masked_policy(task))


def expected_score(task: GradientTask, baseline: Array) -> Array:
    """Expectation of ``(Q - b) grad log u`` under the occupancy of ``p``."""
    policy, scored = masked_policy(task), mdplab.exact.softmax(task.logits)
    worth = mdplab.exact.policy_evaluation(task.mdp, policy).q - baseline[:, np.newaxis]
    weights = mdplab.exact.occupancy(task.mdp, policy, normalised=False) * worth
    return np.asarray(weights - weights.sum(axis=1)[:, np.newaxis] * scored)


def naive(task: GradientTask) -> Array:
    """(b): without a baseline."""
    return expected_score(task, mdplab.exact.rational(np.zeros(task.mdp.n_states, dtype=int)))


def with_baseline(task: GradientTask) -> Array:
    """(c): with the baseline ``V + offset``."""
    value = mdplab.exact.policy_evaluation(task.mdp, masked_policy(task)).value
    return expected_score(task, value + mdplab.exact.rational(task.offset))


def with_value(task: GradientTask) -> Array:
    """(c): with the baseline ``V``."""
    return expected_score(task, mdplab.exact.policy_evaluation(task.mdp, masked_policy(task)).value)


def biased_by(task: GradientTask, factor: Any) -> Array:
    """The gradient plus ``d (p - u)`` times a factor of each state."""
    policy, scored = masked_policy(task), mdplab.exact.softmax(task.logits)
    visits = mdplab.exact.state_occupancy(task.mdp, policy, normalised=False)
    return np.asarray(derivative(task) + (visits * factor)[:, np.newaxis] * (policy - scored))


def biased_by_value(task: GradientTask) -> Array:
    """(b): ``grad J + d (p - u) V``."""
    return biased_by(task, mdplab.exact.policy_evaluation(task.mdp, masked_policy(task)).value)


def biased_by_offset(task: GradientTask) -> Array:
    """(c): ``grad J - d (p - u) (b - V)``."""
    return biased_by(task, -mdplab.exact.rational(task.offset))
