"""Values and gradients of a policy in balls: under the augmented reward, and under the reward of the full task."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.soft_residual.exact_customisation import Twin
from proofs_check.soft_residual.exact_soft_gradient import log_slopes, slopes
from proofs_check.soft_residual.policy_instances import PolicyTask, ResidualNPGTask

if TYPE_CHECKING:
    from mdplab.exact import Evaluation, ExactMDP


def augmented(twin: Twin) -> ExactMDP:
    """The model with the reward ``r_R + omega' log pi``."""
    return replace(twin.addon, reward=twin.addon.reward + twin.prior_weight * twin.prior.log_policy)


def evaluation(model: ExactMDP, task: PolicyTask) -> Evaluation:
    """Soft values of the policy of the task."""
    policy = mdplab.exact.softmax(task.logits)
    return mdplab.exact.policy_evaluation(model, policy, temperature=task.temperature)


def start_law(task: PolicyTask) -> Array:
    """Law of the first state."""
    return np.asarray(mdplab.exact.laws(task.mdp.start_law()))


def solved_value(twin: Twin, task: PolicyTask) -> Array:
    """Soft value of the policy on the full task, from the inverse of ``I - gamma P``."""
    policy, logs = mdplab.exact.softmax(task.logits), mdplab.exact.log_tilt(task.logits)
    kernel, _ = mdplab.exact.induced(twin.full, policy)
    system = mdplab.exact.identity(twin.full.n_states) - twin.full.discount * kernel
    reward = (policy * (twin.full.reward - twin.temperature * logs)).sum(axis=1)
    return np.asarray(mdplab.exact.inverse(system) @ reward)


# --- rql-shaping-equivalence ----------------------------------------------------------------------------------------


def augmented_reward(task: PolicyTask) -> Array:
    """``r_R + omega' log pi``."""
    return augmented(Twin(task)).reward


def shaped_reward(task: PolicyTask) -> Array:
    """``omega r + r_R + gamma P Phi - Phi``, ``Phi = omega V*``."""
    twin = Twin(task)
    potential = twin.weight * twin.prior.value
    return np.asarray(twin.full.lookahead(potential) - potential[:, np.newaxis])


def augmented_value(task: PolicyTask) -> Array:
    """Soft value under the augmented reward."""
    return evaluation(augmented(Twin(task)), task).value


def shifted_value(task: PolicyTask) -> Array:
    """Soft value on the full task less ``omega V*``."""
    twin = Twin(task)
    return np.asarray(solved_value(twin, task) - twin.weight * twin.prior.value)


def augmented_q(task: PolicyTask) -> Array:
    """Soft action value under the augmented reward."""
    return evaluation(augmented(Twin(task)), task).q


def shifted_q(task: PolicyTask) -> Array:
    """Soft action value on the full task less ``omega V*``."""
    twin = Twin(task)
    q = twin.full.lookahead(solved_value(twin, task))
    return np.asarray(q - twin.weight * twin.prior.value[:, np.newaxis])


def residual_q(task: PolicyTask) -> Array:
    """Solution of the residual evaluation equation, one linear system over the pairs."""
    twin = Twin(task)
    policy, logs = mdplab.exact.softmax(task.logits), mdplab.exact.log_tilt(task.logits)
    model, size = twin.addon, policy.size
    bonus = (policy * (twin.prior_weight * twin.prior.log_policy - twin.temperature * logs)).sum(axis=1)
    kernel = (mdplab.exact.ball(model.transition)[..., np.newaxis] * policy).reshape(size, size)
    system = mdplab.exact.identity(size) - model.discount * kernel
    return mdplab.exact.solve(system, model.lookahead(bonus).ravel()).reshape(policy.shape)


def full_q_less_inherent(task: PolicyTask) -> Array:
    """Soft action value of the policy on the full task less ``omega Q*``."""
    twin = Twin(task)
    return np.asarray(evaluation(twin.full, task).q - twin.weight * twin.prior.q)


# --- residual-policy-gradient ---------------------------------------------------------------------------------------


def augmented_return(task: PolicyTask) -> Any:
    """Start value under the augmented reward."""
    twin = Twin(task)
    return start_law(task) @ evaluation(augmented(twin), task).value


def shifted_return(task: PolicyTask) -> Any:
    """Start value on the full task less ``omega rho V*``."""
    twin = Twin(task)
    return start_law(task) @ (solved_value(twin, task) - twin.weight * twin.prior.value)


def augmented_gradient(task: PolicyTask) -> Array:
    """Occupancy times policy times soft advantage under the augmented reward."""
    policy = mdplab.exact.softmax(task.logits)
    return mdplab.exact.policy_gradient(augmented(Twin(task)), policy, temperature=task.temperature)


def full_gradient(task: PolicyTask) -> Array:
    """Product rule on the full task, the logarithm in the reward differentiated too."""
    twin = Twin(task)
    policy, logs = mdplab.exact.softmax(task.logits), mdplab.exact.log_tilt(task.logits)
    kernel, _ = mdplab.exact.induced(twin.full, policy)
    system = mdplab.exact.identity(twin.full.n_states) - twin.full.discount * kernel
    visits = start_law(task) @ mdplab.exact.inverse(system)
    worth = twin.full.lookahead(solved_value(twin, task)) - twin.temperature * logs
    explicit = twin.temperature * policy[:, :, np.newaxis] * log_slopes(policy)
    change = slopes(policy) * worth[:, :, np.newaxis] - explicit
    return np.asarray(visits[:, np.newaxis] * change.sum(axis=1))


def cut_values(model: ExactMDP, task: PolicyTask, terminal: Any = 0) -> Array:
    """Soft values of the first stage, by backward recursion."""
    policy, logs = mdplab.exact.softmax(task.logits), mdplab.exact.log_tilt(task.logits)
    cost = mdplab.exact.rational(task.temperature) * logs
    value = terminal + 0 * cost[:, 0]
    for _ in range(task.horizon):
        value = (policy * (model.lookahead(value) - cost)).sum(axis=1)
    return np.asarray(value)


def cut_return(task: PolicyTask) -> Any:
    """Start value of the first stages under the augmented reward."""
    twin = Twin(task)
    return start_law(task) @ cut_values(augmented(twin), task)


def cut_return_with_bonus(task: PolicyTask) -> Any:
    """Start value of the first stages on the full task, terminal reward ``omega V*``, less ``omega rho V*``."""
    twin = Twin(task)
    potential = twin.weight * twin.prior.value
    return start_law(task) @ (cut_values(twin.full, task, potential) - potential)


# --- residual-policy-gradient, path by path -------------------------------------------------------------------------


class Paths:
    """All paths of the stages: states ``(N, H + 1)``, actions ``(N, H)``, and their probabilities.

    Parameters
    ----------
    twin : Twin
        The task.
    task : PolicyTask
        The same in floats, with its policy.
    """

    def __init__(self, twin: Twin, task: PolicyTask) -> None:
        model, policy = twin.full, mdplab.exact.softmax(task.logits)
        choices = [range(model.n_states), range(model.n_actions)] * task.horizon + [range(model.n_states)]
        found = np.array(list(product(*choices)))
        self.states, self.actions = found[:, ::2], found[:, 1::2]
        self.discount, self.stages = model.discount, task.horizon
        self.probability = start_law(task)[self.states[:, 0]]
        moves = zip(self.states.T, self.actions.T, self.states.T[1:], strict=False)
        for state, action, after in moves:
            chance = model.transition[state, action, after]
            self.probability = self.probability * policy[state, action] * chance

    def to_go(self, per_step: Array) -> Array:
        """Discounted sums from each stage on, ``(N, H)``."""
        sums = [per_step[:, -1]]
        for column in per_step.T[-2::-1]:
            sums.append(column + self.discount * sums[-1])
        return np.array(sums[::-1], dtype=object).T


def difference_of_estimates(task: PolicyTask) -> Array:
    """Every path: augmented reward to go less that of the full task."""
    twin = Twin(task)
    paths = Paths(twin, task)
    apart = augmented(twin).reward - twin.full.reward
    return paths.to_go(apart[paths.states[:, :-1], paths.actions])


def baseline_and_noise(task: PolicyTask) -> Array:
    """Every path: baseline, martingale noise and the potential of the last state."""
    twin = Twin(task)
    paths, potential = Paths(twin, task), twin.weight * twin.prior.value
    before, after = paths.states[:, :-1], paths.states[:, 1:]
    surprise = (twin.full.transition @ potential)[before, paths.actions] - potential[after]
    powers = np.array([paths.discount ** (paths.stages - t) for t in range(paths.stages)], dtype=object)
    left = powers * potential[paths.states[:, -1:]]
    return np.asarray(paths.discount * paths.to_go(surprise) - potential[before] + left)


def difference_of_cut_gradients(task: PolicyTask) -> Array:
    """Scores times rewards to go over all paths: the augmented reward less the full one."""
    policy, paths = mdplab.exact.softmax(task.logits), Paths(Twin(task), task)
    powers = np.array([paths.discount**t for t in range(paths.stages)], dtype=object)
    terms = paths.probability[:, np.newaxis] * powers * difference_of_estimates(task)
    taken = np.array(
        [
            [terms[(paths.states[:, :-1] == s) & (paths.actions == a)].sum() for a in range(policy.shape[1])]
            for s in range(policy.shape[0])
        ],
        dtype=object,
    )
    return np.asarray(taken - taken.sum(axis=1)[:, np.newaxis] * policy)


def gradient_of_the_bonus(task: PolicyTask) -> Array:
    """Product rule for ``gamma^H rho P^H Phi``, stage by stage."""
    twin = Twin(task)
    policy = mdplab.exact.softmax(task.logits)
    kernel, _ = mdplab.exact.induced(twin.full, policy)
    laws = [start_law(task)]
    for _ in range(task.horizon - 1):
        laws.append(twin.full.discount * (laws[-1] @ kernel))
    value, found = twin.weight * twin.prior.value, 0
    for law in laws[::-1]:
        worth = twin.full.discount * (twin.full.transition @ value)
        found = found + law[:, np.newaxis] * (slopes(policy) * worth[:, :, np.newaxis]).sum(axis=1)
        value = twin.full.discount * (kernel @ value)
    return np.asarray(found)


# --- residual-npg-iterates ------------------------------------------------------------------------------------------


def npg_policies(model: ExactMDP, twin: Twin, task: ResidualNPGTask) -> Array:
    """Policies of the updates in balls, one linear solve each."""
    step = mdplab.exact.rational(task.eta) / (1 - model.discount)
    logs = twin.prior.log_policy if task.start is None else mdplab.exact.log_tilt(task.start)
    found = []
    for _ in range(task.steps + 1):
        found.append(mdplab.exact.exp(logs))
        q = mdplab.exact.policy_evaluation(model, found[-1], temperature=twin.temperature).q
        logs = mdplab.exact.log_tilt((1 - step * twin.temperature) * logs + step * q)
    return np.array(found, dtype=object)


def augmented_policies(task: ResidualNPGTask) -> Array:
    """Iterates under the augmented reward."""
    with mdplab.exact.precision(512):
        twin = Twin(task)
        return npg_policies(augmented(twin), twin, task)


def full_policies(task: ResidualNPGTask) -> Array:
    """Iterates on the full task."""
    with mdplab.exact.precision(512):
        twin = Twin(task)
        return npg_policies(twin.full, twin, task)


def advantage(model: ExactMDP, twin: Twin, task: ResidualNPGTask) -> Array:
    """Soft advantages of the first policy."""
    logs = twin.prior.log_policy if task.start is None else mdplab.exact.log_tilt(task.start)
    found = mdplab.exact.policy_evaluation(model, mdplab.exact.exp(logs), temperature=twin.temperature)
    return np.asarray(found.q - twin.temperature * logs - found.value[:, np.newaxis])


def augmented_advantage(task: ResidualNPGTask) -> Array:
    """Soft advantages of the first policy under the augmented reward."""
    twin = Twin(task)
    return advantage(augmented(twin), twin, task)


def full_advantage(task: ResidualNPGTask) -> Array:
    """Soft advantages of the first policy on the full task."""
    twin = Twin(task)
    return advantage(twin.full, twin, task)
