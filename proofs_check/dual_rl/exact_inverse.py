"""Inverse soft control in exact arithmetic: rewards of action values, and both forms of the imitation objective."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.dual_rl.exact_programs import read

if TYPE_CHECKING:
    from proofs_check.dual_rl.inverse_tasks import ExpertTask, InverseTask, LikelihoodTask, TokenTask


def reward_of(twin: Any, q: Any) -> Array:
    """``Q - gamma P log sum exp Q``."""
    return np.asarray(q - twin.discount * (twin.transition @ mdplab.exact.log_sum_exp(q)))


# --- rewards and action values --------------------------------------------------------------------------------------


def returned_values(task: InverseTask) -> Array:
    """Soft optimum of the reward of Q."""
    twin = mdplab.exact.ExactMDP.of(task.mdp)
    rewarded = replace(twin, reward=reward_of(twin, mdplab.exact.rational(task.q)))
    return np.asarray(mdplab.exact.soft_control(rewarded, temperature=1).q)


def given_values(task: InverseTask) -> Array:
    """Q."""
    return np.asarray(mdplab.exact.rational(task.q))


def returned_reward(task: InverseTask) -> Array:
    """Reward of the soft optimum."""
    twin = mdplab.exact.ExactMDP.of(task.mdp)
    return reward_of(twin, mdplab.exact.soft_control(twin, temperature=1).q)


def given_reward(task: InverseTask) -> Array:
    """R."""
    return np.asarray(mdplab.exact.ExactMDP.of(task.mdp).reward)


def shaped(task: InverseTask) -> Any:
    """Soft optimum of ``R + Phi - gamma P Phi``."""
    twin = mdplab.exact.ExactMDP.of(task.mdp)
    phi = np.asarray(mdplab.exact.rational(task.potential))
    reward = twin.reward + phi[:, np.newaxis] - twin.discount * (twin.transition @ phi)
    return mdplab.exact.soft_control(replace(twin, reward=reward), temperature=1)


def shaped_values(task: InverseTask) -> Array:
    """Its action values."""
    return np.asarray(shaped(task).q)


def raised_values(task: InverseTask) -> Array:
    """Those of R, raised by the potential."""
    q = mdplab.exact.soft_control(task.mdp, temperature=1).q
    return np.asarray(q + np.asarray(mdplab.exact.rational(task.potential))[:, np.newaxis])


def shaped_policy(task: InverseTask) -> Array:
    """Its policy."""
    return np.asarray(mdplab.exact.exp(shaped(task).log_policy))


def plain_policy(task: InverseTask) -> Array:
    """Soft policy of R."""
    return np.asarray(mdplab.exact.exp(mdplab.exact.soft_control(task.mdp, temperature=1).log_policy))


def tree_values(task: TokenTask) -> Array:
    """Backward induction on the tree for the reward of Q."""
    q = np.asarray(mdplab.exact.rational(np.zeros((3, 15, 2))))
    q[:, :7] = mdplab.exact.rational(task.q)
    tree = mdplab.exact.ExactHorizon.of(task.tree)
    v = [mdplab.exact.log_sum_exp(stage) for stage in q[1:]]
    ahead = [tree.transition[h] @ v[h] for h in range(2)]
    reward = np.array([q[0] - ahead[0], q[1] - ahead[1], mdplab.exact.ball(q[2])])
    found = mdplab.exact.soft_backward_induction(replace(tree, reward=reward), temperature=1).q
    return np.concatenate([found[h, 2**h - 1 : 2 ** (h + 1) - 1] for h in range(3)])


def tree_given(task: TokenTask) -> Array:
    """Q of the prefixes."""
    return np.asarray(mdplab.exact.rational(task.q))


# --- two forms of one objective -------------------------------------------------------------------------------------


def data_of(task: LikelihoodTask) -> Array:
    """``d_E``, exactly normalised."""
    if task.other_data is None:
        return np.asarray(mdplab.exact.occupancy(task.mdp, task.expert))
    return np.asarray(mdplab.exact.laws(task.other_data.ravel())).reshape(task.q.shape)


def inverse_objective(task: LikelihoodTask) -> Any:
    """``E[x - c x^2] - (1 - gamma) mu_0 . V_Q`` with x the reward of Q."""
    twin, data = mdplab.exact.ExactMDP.of(task.mdp), data_of(task)
    q, c = mdplab.exact.rational(task.q), mdplab.exact.rational(task.weight)
    x = reward_of(twin, q)
    start = (1 - twin.discount) * mdplab.exact.laws(task.mdp.start_law())
    return (data * (x - c * x * x)).sum() - (start * mdplab.exact.log_sum_exp(q)).sum()


def penalised_likelihood(task: LikelihoodTask) -> Any:
    """``E[log pi - c x^2]`` with x the log-policy plus the flow of its value."""
    twin, data = mdplab.exact.ExactMDP.of(task.mdp), data_of(task)
    q, c = mdplab.exact.rational(task.q), mdplab.exact.rational(task.weight)
    logs, v = mdplab.exact.log_tilt(q), mdplab.exact.log_sum_exp(q)
    x = logs + v[:, np.newaxis] - twin.discount * (twin.transition @ v)
    return (data * (logs - c * x * x)).sum()


def sequence_objective(task: TokenTask) -> Any:
    """Sum over whole sequences of ``x - c x^2``, less the value of the root."""
    total, v = mdplab.exact.rational(0), mdplab.exact.log_sum_exp(mdplab.exact.rational(task.q))
    law, c = mdplab.exact.laws(task.law), mdplab.exact.rational(task.weight)
    for number, share in enumerate(law):
        prefix = 0
        for place in (2, 1, 0):
            token = number >> place & 1
            following = 2 * prefix + 1 + token
            x = mdplab.exact.rational(task.q[prefix, token]) - (v[following] if place else 0)
            total = total + share * (x - c * x * x)
            prefix = following
    return total - v[0]


def prefix_objective(task: TokenTask) -> Any:
    """Sum over prefixes and next tokens of their mass times ``log pi - c x^2``."""
    q, c = mdplab.exact.rational(task.q), mdplab.exact.rational(task.weight)
    logs, v, law = mdplab.exact.log_tilt(q), mdplab.exact.log_sum_exp(q), mdplab.exact.laws(task.law)
    mass = np.concatenate([law.reshape(2**t, 2, -1).sum(axis=-1) for t in range(3)])
    after = np.concatenate([v[1:], 0 * np.arange(8)]).reshape(7, 2)
    x = q - after
    return (mass * (logs - c * x * x)).sum()


# --- the limit of a vanishing penalty -------------------------------------------------------------------------------


def likelihood_lost(task: ExpertTask) -> Any:
    """``E log pi_E - E log pi_Q``."""
    data, expert = mdplab.exact.occupancy(task.mdp, task.expert), mdplab.exact.laws(task.expert)
    q = mdplab.exact.rational(task.q)
    return (data * (mdplab.exact.log(expert) - q + mdplab.exact.log_sum_exp(q)[:, np.newaxis])).sum()


def divergence_of_policies(task: ExpertTask) -> Any:
    """Mean of ``KL(pi_E, pi_Q)`` over the expert's states."""
    states = mdplab.exact.state_occupancy(task.mdp, task.expert)
    policy = mdplab.exact.softmax(mdplab.exact.rational(task.q))
    return (states * mdplab.exact.kl(mdplab.exact.laws(task.expert), policy)).sum()


def fit_of(task: ExpertTask) -> tuple[Array, Array, Array]:
    """Flow matrix (SA, S), occupancy (SA,) and ``-log pi_E`` (SA,)."""
    data = mdplab.exact.occupancy(task.mdp, task.expert).ravel()
    return read(task).matrix, data, -mdplab.exact.log(mdplab.exact.laws(task.expert)).ravel()


def normal_potential(task: ExpertTask) -> Array:
    """Solution of the normal equations."""
    matrix, data, target = fit_of(task)
    weighted = data[:, np.newaxis] * matrix
    gram = mdplab.exact.multiply(weighted.T, matrix)
    return mdplab.exact.solve(gram, mdplab.exact.multiply(weighted.T, target))


def orthogonal_potential(task: ExpertTask) -> Array:
    """Least squares by orthogonal columns: each has those before it taken out, rationally."""
    matrix, data, target = fit_of(task)
    n = matrix.shape[1]
    columns, shares = matrix.copy(), mdplab.exact.identity(n)
    for k in range(n):
        for j in range(k):
            share = (data * columns[:, j] * matrix[:, k]).sum() / (data * columns[:, j] ** 2).sum()
            columns[:, k] = columns[:, k] - share * columns[:, j]
            shares[:, k] = shares[:, k] - share * shares[:, j]
    heights = [(data * columns[:, k] * target).sum() / (data * columns[:, k] ** 2).sum() for k in range(n)]
    return np.asarray(sum(height * shares[:, k] for k, height in enumerate(heights)))
