"""The soft policy gradient in balls: derivatives by the product rule, through linear solves and stage by stage."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.soft_residual.gradient_instances import SoftGradientTask


def slopes(policy: Array) -> Array:
    """Derivatives ``pi(a|s) (1[a = b] - pi(b|s))`` of the probabilities in the logits of their state, (S, A, A)."""
    unit = mdplab.exact.identity(policy.shape[1])
    return np.asarray(policy[:, :, np.newaxis] * (unit - policy[:, np.newaxis, :]))


def log_slopes(policy: Array) -> Array:
    """Derivatives ``1[a = b] - pi(b|s)`` of the log-probabilities, (S, A, A)."""
    return np.asarray(mdplab.exact.identity(policy.shape[1]) - policy[:, np.newaxis, :])


def soft_rewards(task: SoftGradientTask) -> Array:
    """``R - alpha log pi``."""
    cost = mdplab.exact.rational(task.temperature) * mdplab.exact.log_tilt(task.logits)
    return np.asarray(mdplab.exact.rational(task.mdp.reward) - cost)


def derivative(task: SoftGradientTask) -> Array:
    """``rho (I - gamma P)^{-1} (d r + gamma d P V)``, the logarithm in the reward differentiated too."""
    model, policy = mdplab.exact.ExactMDP.of(task.mdp), mdplab.exact.softmax(task.logits)
    n, rewards = model.n_states, soft_rewards(task)
    kernel = (policy[:, :, np.newaxis] * model.transition).sum(axis=1)
    system = mdplab.exact.identity(n) - model.discount * kernel
    value = mdplab.exact.solve(system, (policy * rewards).sum(axis=1))
    worth = rewards + model.discount * (model.transition @ value)
    explicit = mdplab.exact.rational(task.temperature) * log_slopes(policy)
    change = (slopes(policy) * worth[:, :, np.newaxis] - policy[:, :, np.newaxis] * explicit).sum(axis=1)
    columns = mdplab.exact.identity(n)[:, :, np.newaxis] * change  # the row of one state moves at a time
    found = mdplab.exact.solve(system, columns.reshape(n, -1))
    return np.asarray(mdplab.exact.laws(task.mdp.start_law()) @ found).reshape(change.shape)


def closed_form(task: SoftGradientTask) -> Array:
    """Occupancy times policy times soft advantage, over 1 - gamma."""
    policy, start = mdplab.exact.softmax(task.logits), task.mdp.start_law()
    return mdplab.exact.policy_gradient(task.mdp, policy, temperature=task.temperature, initial=start)


def with_a_baseline(task: SoftGradientTask) -> Array:
    """Expectation of the score times ``Q - alpha log pi - b``, over 1 - gamma."""
    policy, start = mdplab.exact.softmax(task.logits), task.mdp.start_law()
    found = mdplab.exact.policy_evaluation(task.mdp, policy, temperature=task.temperature)
    cost = mdplab.exact.rational(task.temperature) * mdplab.exact.log_tilt(task.logits)
    worth = found.q - cost - mdplab.exact.rational(task.baseline)[:, np.newaxis]
    pairs = mdplab.exact.occupancy(task.mdp, policy, initial=start, normalised=False)
    return np.asarray(((pairs * worth)[:, :, np.newaxis] * log_slopes(policy)).sum(axis=1))


# --- paths of a short horizon ---------------------------------------------------------------------------------------


def recursion_derivative(task: SoftGradientTask) -> Array:
    """Backward recursion of the soft values and of their derivatives."""
    model, policy = mdplab.exact.ExactMDP.of(task.mdp), mdplab.exact.softmax(task.logits)
    n, m = policy.shape
    own = mdplab.exact.identity(n)[:, np.newaxis, :, np.newaxis]  # only logits of the same state move a row
    policy_slopes = own * slopes(policy)[:, :, np.newaxis, :]
    reward_slopes = own * (-mdplab.exact.rational(task.temperature) * log_slopes(policy))[:, :, np.newaxis, :]
    rewards = soft_rewards(task)
    value, value_slopes = 0 * rewards[:, 0], 0 * reward_slopes[:, 0]
    for _ in range(task.horizon):
        worth = rewards + model.discount * (model.transition @ value)
        later = (model.transition @ value_slopes.reshape(n, n * m)).reshape(n, m, n, m)
        worth_slopes = reward_slopes + model.discount * later
        value = (policy * worth).sum(axis=1)
        terms = policy_slopes * worth[:, :, np.newaxis, np.newaxis]
        value_slopes = (terms + policy[:, :, np.newaxis, np.newaxis] * worth_slopes).sum(axis=1)
    return np.asarray(np.tensordot(mdplab.exact.laws(task.mdp.start_law()), value_slopes, 1))


def path_expectation(task: SoftGradientTask) -> Array:
    """Sum over all paths of scores times soft rewards to go."""
    model, policy = mdplab.exact.ExactMDP.of(task.mdp), mdplab.exact.softmax(task.logits)
    n, m = policy.shape
    pairs = np.array(list(product(range(n * m), repeat=task.horizon)))
    states, actions = pairs // m, pairs % m
    weight = mdplab.exact.laws(task.mdp.start_law())[states[:, 0]] * policy[states[:, 0], actions[:, 0]]
    step = (mdplab.exact.ball(model.transition)[:, :, :, np.newaxis] * policy).reshape(n * m, n * m)
    for here, there in zip(pairs.T, pairs.T[1:], strict=False):
        weight = weight * step[here, there]
    discounts = np.array([model.discount**t for t in range(task.horizon)], dtype=object)
    gains = discounts * soft_rewards(task)[states, actions]
    to_go: Any = np.cumsum(gains[:, ::-1], axis=1)[:, ::-1] * weight[:, np.newaxis]
    taken = np.array([to_go[pairs == pair].sum() for pair in range(n * m)], dtype=object).reshape(n, m)
    return np.asarray(taken - taken.sum(axis=1)[:, np.newaxis] * policy)
