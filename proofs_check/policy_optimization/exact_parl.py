"""The hypergradient in balls: Q's fixed point and the returns differentiated by the product rule, against advantages and Fisher."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array, BoolArray
from proofs_check.policy_optimization.instances import AlignmentTask

if TYPE_CHECKING:
    from mdplab.exact import ExactMDP


class Twin:
    """An alignment task in exact numbers.

    Parameters
    ----------
    task : AlignmentTask
        The task in floats.
    """

    def __init__(self, task: AlignmentTask) -> None:
        rational = mdplab.exact.rational
        self.model, self.start = (
            mdplab.exact.ExactMDP.of(task.mdp),
            mdplab.exact.laws(task.mdp.start_law()),
        )
        self.features, self.lower_steps = rational(task.features), task.lower_steps
        self.temperature, self.explicit = rational(task.temperature), rational(task.explicit)
        self.lower = replace(self.model, reward=self.features @ rational(task.weights))
        self.upper = replace(self.model, reward=self.model.reward - self.explicit * self.lower.reward)

    @cached_property
    def optimal_logs(self) -> Array:
        """Log-probabilities of the soft optimum."""
        return mdplab.exact.soft_control(self.lower, temperature=self.temperature).log_policy

    @cached_property
    def logs(self) -> Array:
        """Log-probabilities of the lower level's policy: the soft optimum, or what some iterations give."""
        if self.lower_steps is None:
            return self.optimal_logs
        value = mdplab.exact.ball(np.zeros(self.model.n_states))
        for _ in range(self.lower_steps):
            value = mdplab.exact.log_sum_exp(self.lower.lookahead(value), temperature=self.temperature)
        return mdplab.exact.log_tilt(self.lower.lookahead(value), temperature=self.temperature)

    @cached_property
    def policy(self) -> Array:
        """Probabilities of the lower level's policy."""
        return np.asarray(mdplab.exact.exp(self.logs))

    @cached_property
    def single(self) -> list[ExactMDP]:
        """The models with one feature each as reward."""
        return [replace(self.model, reward=self.features[:, :, k]) for k in range(self.features.shape[2])]

    def system(self, policy: Array) -> Array:
        """``I - gamma P`` of a policy."""
        kernel = (policy[:, :, np.newaxis] * self.model.transition).sum(axis=1)
        return np.asarray(mdplab.exact.identity(self.model.n_states) - self.model.discount * kernel)


# --- (i) ------------------------------------------------------------------------------------------------------------


def differentiated(task: AlignmentTask) -> Array:
    """Derivatives of the optimal log-policy, from the linearised equation of Q, one unknown a pair; then of the return."""
    twin = Twin(task)
    model, policy = twin.model, np.asarray(mdplab.exact.exp(twin.optimal_logs))
    n, m, k = twin.features.shape
    moves = (model.transition[:, :, :, np.newaxis] * policy).reshape(n * m, n * m)
    pairs = mdplab.exact.identity(n * m) - model.discount * moves
    q_slopes = mdplab.exact.solve(pairs, twin.features.reshape(n * m, k)).reshape(n, m, k)
    mean = (policy[:, :, np.newaxis] * q_slopes).sum(axis=1)[:, np.newaxis]
    log_slopes = (q_slopes - mean) / twin.temperature
    system = twin.system(policy)
    value = mdplab.exact.solve(system, (policy * twin.upper.reward).sum(axis=1))
    worth = twin.upper.lookahead(value)[:, :, np.newaxis]
    change = policy[:, :, np.newaxis] * (log_slopes * worth - twin.explicit * twin.features)
    gradient = twin.start @ mdplab.exact.solve(system, change.sum(axis=1))
    return np.append(np.moveaxis(log_slopes, 2, 0), gradient)


def advantages(twin: Twin) -> tuple[Array, Array]:
    """Unregularised advantages (K+1, S, A) of the features and the upper reward, and start values (K+1,)."""
    found = [mdplab.exact.policy_evaluation(model, twin.policy) for model in (*twin.single, twin.upper)]
    gaps = [x.q - x.value[:, np.newaxis] for x in found]
    return np.array(gaps, dtype=object), np.array([twin.start @ x.value for x in found], dtype=object)


def gradient_by_advantages(task: AlignmentTask) -> Array:
    """Sum of ``d pi A_U A_k`` over ``tau (1 - gamma)``, and the explicit derivative."""
    twin = Twin(task)
    found, returns = advantages(twin)
    pairs = mdplab.exact.occupancy(twin.model, twin.policy, initial=twin.start, normalised=False)
    value = (pairs * found[-1] * found[:-1]).sum(axis=(1, 2)) / twin.temperature
    return np.asarray(value - twin.explicit * returns[:-1])


def scores_and_gradient(task: AlignmentTask) -> Array:
    """``A_k / tau``, and the gradient by advantages."""
    twin = Twin(task)
    return np.append(advantages(twin)[0][:-1] / twin.temperature, gradient_by_advantages(task))


# --- (ii) -----------------------------------------------------------------------------------------------------------


def hessian(task: AlignmentTask) -> Array:
    """The lower objective differentiated twice in the logits: product rule for ``rho (I - gamma P)^{-1} r``."""
    twin = Twin(task)
    policy, tau, discount = twin.policy, twin.temperature, twin.model.discount
    n, m = policy.shape
    unit = mdplab.exact.identity(m)
    log_slopes = unit - policy[:, np.newaxis, :]  # of log pi(a) in logit b, (S, A, A)
    slopes = policy[:, :, np.newaxis] * log_slopes
    log_curves = -(policy[:, :, np.newaxis] * log_slopes)[:, np.newaxis]  # of log pi(a) in b and c, any a
    curves = policy[:, :, np.newaxis, np.newaxis] * (
        log_slopes[:, :, :, np.newaxis] * log_slopes[:, :, np.newaxis, :] + log_curves
    )
    rewards = twin.lower.reward - tau * twin.logs
    system = twin.system(policy)
    value = mdplab.exact.solve(system, (policy * rewards).sum(axis=1))
    worth = rewards + discount * (twin.model.transition @ value)
    explicit = tau * log_slopes
    first = (slopes * worth[:, :, np.newaxis] - policy[:, :, np.newaxis] * explicit).sum(axis=1)
    own = (
        curves * worth[:, :, np.newaxis, np.newaxis]
        - slopes[:, :, :, np.newaxis] * explicit[:, :, np.newaxis, :]
        - slopes[:, :, np.newaxis, :] * explicit[:, :, :, np.newaxis]
        - tau * policy[:, :, np.newaxis, np.newaxis] * log_curves
    ).sum(axis=1)
    columns = (mdplab.exact.identity(n)[:, :, np.newaxis] * first).reshape(n, n * m)
    moved = twin.model.transition @ mdplab.exact.solve(system, columns)  # (S, A, S A)
    cross = discount * (slopes[:, :, :, np.newaxis] * moved[:, :, np.newaxis, :]).sum(axis=1)
    weight = mdplab.exact.solve(system.T, twin.start)
    both = (weight[:, np.newaxis, np.newaxis] * cross).reshape(n * m, n * m)
    return np.asarray(both + both.T + dense(weight[:, np.newaxis, np.newaxis] * own))


def dense(blocks: Array) -> Array:
    """The matrix with the given diagonal blocks, (S, A, A)."""
    n, m, _ = blocks.shape
    spread = mdplab.exact.identity(n)[:, np.newaxis, :, np.newaxis] * blocks[:, :, np.newaxis, :]
    return np.asarray(spread).reshape(n * m, n * m)


def fisher_blocks(twin: Twin) -> Array:
    """``-tau / (1 - gamma) F``, state by state."""
    law = mdplab.exact.state_occupancy(twin.model, twin.policy, initial=twin.start, normalised=False)
    blocks = mdplab.exact.fisher_information(twin.policy, state_occupancy=law)
    return np.asarray(-twin.temperature * blocks)


def fisher_hessian(task: AlignmentTask) -> Array:
    """``-tau / (1 - gamma)`` times the Fisher information."""
    return dense(fisher_blocks(Twin(task)))


# --- (iii) ----------------------------------------------------------------------------------------------------------


def reached(twin: Twin) -> BoolArray:
    """States that a policy of full support visits."""
    steps, found = (twin.model.transition != 0).any(axis=1), twin.start != 0
    for _ in range(twin.model.n_states):
        found = found | (found @ steps)
    return np.asarray(found, dtype=bool)


def bilevel_gradient(task: AlignmentTask) -> Array:
    """Mixed derivatives and upper gradient as policy gradients; the Hessian inverted where it is regular, state by state.

    Orthogonal to the gauge directions the pseudo-inverse is the inverse of the Hessian less the projections on them.
    """
    twin = Twin(task)
    blocks, start = fisher_blocks(twin), twin.start
    mixed = np.array(
        [mdplab.exact.policy_gradient(model, twin.policy, initial=start) for model in twin.single]
    )
    upper = mdplab.exact.policy_gradient(twin.upper, twin.policy, initial=start)
    total: Any = -twin.explicit * advantages(twin)[1][:-1]
    for state in np.flatnonzero(reached(twin)):
        total = total - mixed[:, state] @ mdplab.exact.solve(blocks[state] - 1, upper[state])
    return np.asarray(total)
