"""The exact step of the soft actor-critic in balls."""

from __future__ import annotations

from typing import Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.soft_residual.exact_mirror import Path, from_the_smallest_reward, path
from proofs_check.soft_residual.soft_step_instances import SoftStepTask


def stepped(task: SoftStepTask) -> Path:
    """The first policy and the next, by regularised mirror descent at the full step."""
    temperature = mdplab.exact.rational(task.temperature)
    model = from_the_smallest_reward(task.mdp)
    return path(model, task.logits, step=lambda k, logs, q: 1 / temperature, steps=1, temperature=temperature)


def objective(task: SoftStepTask, q: Array, log_policy: Array) -> Array:
    """``<Q, p> - alpha KL(p || uniform)`` in every state."""
    policy = mdplab.exact.exp(log_policy)
    apart = log_policy + mdplab.exact.log(task.mdp.n_actions)
    return np.asarray((policy * (q - mdplab.exact.rational(task.temperature) * apart)).sum(axis=1))


def lead(task: SoftStepTask) -> Array:
    """What the step attains less what the rival does."""
    found = stepped(task)
    rival = mdplab.exact.log_tilt(task.rival_logits)
    return np.asarray(objective(task, found.q[0], found.log_policies[1]) - objective(task, found.q[0], rival))


def divergence(task: SoftStepTask) -> Array:
    """``alpha KL(rival || step)`` in every state."""
    after = mdplab.exact.exp(stepped(task).log_policies[1])
    return np.asarray(
        mdplab.exact.rational(task.temperature)
        * mdplab.exact.kl(mdplab.exact.softmax(task.rival_logits), after)
    )


def mirror_log_policy(task: SoftStepTask) -> Array:
    """Log-policy after the full step."""
    return np.asarray(stepped(task).log_policies[1])


def softmax_of_the_critic(task: SoftStepTask) -> Array:
    """Logarithm of the softmax of ``Q / alpha``, from the value of the first policy."""
    temperature: Any = mdplab.exact.rational(task.temperature)
    policy = mdplab.exact.softmax(task.logits)
    q = mdplab.exact.policy_evaluation(task.mdp, policy, temperature=temperature).q
    return np.asarray(mdplab.exact.log_tilt(q, temperature=temperature))
