"""Demonstration-regularised tasks in balls: logarithms of sums against weights and their normalisers, and forward sweeps."""

from __future__ import annotations

from typing import Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.soft_residual.demonstration_instances import DemonstrationTask


def laws(task: DemonstrationTask) -> Array:
    """The cloned policy."""
    return np.asarray(mdplab.exact.laws(task.reference))


def by_weights(task: DemonstrationTask) -> tuple[Array, Array]:
    """Values and policy from the weights ``pi_BC e^{Q / lambda}`` and their sums."""
    twin, rows = mdplab.exact.ExactHorizon.of(task.mdp), laws(task)
    tau = mdplab.exact.rational(task.temperature)
    values, policy = [mdplab.exact.ball(twin.terminal)], np.empty(rows.shape, dtype=object)
    for h in reversed(range(twin.horizon)):
        q = twin.reward[h] + (twin.transition[h] * values[-1]).sum(axis=-1)
        weights = rows[h] * mdplab.exact.exp(q / tau)
        total = weights.sum(axis=-1)
        policy[h] = weights / total[:, np.newaxis]
        values.append(tau * mdplab.exact.log(total))
    return np.array(values[::-1]), policy


def optimum_by_recursion(task: DemonstrationTask) -> Array:
    """Logarithms of sums."""
    found = mdplab.exact.soft_backward_induction(
        task.mdp, temperature=task.temperature, log_reference=mdplab.exact.log(laws(task))
    )
    policy = mdplab.exact.exp(found.log_policy)
    return np.concatenate((mdplab.exact.ball(found.value).ravel(), policy.ravel()))


def optimum_by_weights(task: DemonstrationTask) -> Array:
    """Weights over their sums."""
    value, policy = by_weights(task)
    return np.concatenate((value.ravel(), policy.ravel()))


def at_the_start(task: DemonstrationTask, value: Array) -> Any:
    """Mean under the start law."""
    return (mdplab.exact.laws(task.mdp.start_law()) * value[0]).sum()


def backward_value(task: DemonstrationTask, policy: Array, temperature: Any) -> Any:
    """Value of a policy less its penalty, by the backward recursion."""
    found = mdplab.exact.stage_evaluation(
        task.mdp, policy, temperature=temperature, log_reference=mdplab.exact.log(laws(task))
    )
    return at_the_start(task, found.value)


def divergence(task: DemonstrationTask, policy: Array, reference: Array) -> Any:
    """Path divergence by the forward sweep."""
    law = mdplab.exact.stage_laws(task.mdp, policy)[:-1]
    return (law * mdplab.exact.kl(mdplab.exact.laws(policy), reference)).sum()


def forward_return(task: DemonstrationTask, policy: Array) -> Any:
    """Return as the mean reward of the pairs at all stages."""
    law = mdplab.exact.stage_laws(task.mdp, policy)[:-1, :, np.newaxis] * mdplab.exact.laws(policy)
    return (law * mdplab.exact.ExactHorizon.of(task.mdp).reward).sum()


def regularised_loss(task: DemonstrationTask) -> Any:
    """Backward recursions of optimum and policy."""
    return at_the_start(task, first_values(task)[np.newaxis]) - backward_value(
        task, task.expert, task.temperature
    )


def divergence_from_the_optimum(task: DemonstrationTask) -> Any:
    """Forward sweep."""
    return mdplab.exact.rational(task.temperature) * divergence(task, task.expert, by_weights(task)[1])


# --- the path integral ----------------------------------------------------------------------------------------------


def first_values(task: DemonstrationTask) -> Array:
    """Logarithms of sums, first stage."""
    return optimum_by_recursion(task)[: task.mdp.n_states]


def paid(task: DemonstrationTask) -> Array:
    """``pi_BC e^{R / lambda}``."""
    rewards = mdplab.exact.ExactHorizon.of(task.mdp).reward
    return np.asarray(laws(task) * mdplab.exact.exp(rewards / mdplab.exact.rational(task.temperature)))


def path_integral(task: DemonstrationTask) -> Array:
    """Backward recursion of the partition function."""
    twin, weights = mdplab.exact.ExactHorizon.of(task.mdp), paid(task)
    total: Array = mdplab.exact.ball(np.ones(task.mdp.n_states))
    for h in reversed(range(twin.horizon)):
        total = (weights[h] * (twin.transition[h] * total).sum(axis=-1)).sum(axis=-1)
    return np.asarray(mdplab.exact.rational(task.temperature) * mdplab.exact.log(total))


def path_integral_by_paths(task: DemonstrationTask) -> Array:
    """Forward sweep of the weighted paths from every start."""
    twin, weights = mdplab.exact.ExactHorizon.of(task.mdp), paid(task)
    mass: Array = mdplab.exact.identity(task.mdp.n_states)
    for h in range(twin.horizon):
        step = (weights[h][:, :, np.newaxis] * twin.transition[h]).sum(axis=1)
        mass = (mass[:, :, np.newaxis] * step).sum(axis=1)
    return np.asarray(mdplab.exact.rational(task.temperature) * mdplab.exact.log(mass.sum(axis=1)))


# --- the suboptimality ----------------------------------------------------------------------------------------------


def output(task: DemonstrationTask) -> Array:
    """What the learner returns."""
    return by_weights(task)[1] if task.output is None else task.output


def best(task: DemonstrationTask) -> Any:
    """The optimal return."""
    return at_the_start(task, mdplab.exact.backward_induction(task.mdp).value)


def losses(task: DemonstrationTask) -> Array:
    """Backward recursions: suboptimality, without and with the penalty."""
    policy = output(task)
    found = [best(task) - backward_value(task, policy, tau) for tau in (0, task.temperature)]
    return np.array(found, dtype=object)


def loss_with_penalty(task: DemonstrationTask) -> Any:
    """Backward recursions: suboptimality with the penalty."""
    return losses(task)[1]


def bound(task: DemonstrationTask) -> Array:
    """Forward sweeps: expert gap, optimisation gap and the divergence of the expert from the cloned policy."""
    tau, policy, rows = mdplab.exact.rational(task.temperature), output(task), laws(task)
    expert_gap = best(task) - forward_return(task, task.expert)
    reached = forward_return(task, policy) - tau * divergence(task, policy, rows)
    optimisation_gap = at_the_start(task, by_weights(task)[0]) - reached
    found = expert_gap + optimisation_gap + tau * divergence(task, task.expert, rows)
    return np.array([found, found], dtype=object)


def three_terms(task: DemonstrationTask) -> Any:
    """The bound less the divergence of the expert from the optimum."""
    return bound(task)[0] - divergence_from_the_optimum(task)
