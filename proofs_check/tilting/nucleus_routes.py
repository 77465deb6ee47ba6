"""Both routes of every statement about nucleus masks, with their error bounds.

The comparison of masses with the level has the tolerance 1e-12, so that a rounded sum of .7 and .2 is at least .9; bounds by
the level carry it as an error.
"""

from __future__ import annotations

import numpy as np

from mdplab import solvers
from mdplab._typing import BoolArray, FloatArray
from mdplab.claims import Side, rounding
from mdplab.divergences import kl, total_variation
from mdplab.enumeration import binary_masks, enumerate_trajectories
from mdplab.models import FiniteHorizonMDP
from mdplab.numerics.linear_system import solution_error
from mdplab.operators import (
    induced,
    pair_flow_matrix,
    performance_difference,
    restricted_policy,
    stage_laws,
    state_occupancy,
)
from proofs_check.tilting.mask_instances import TOLERANCE, NucleusTask, visits_error

# --- divergences ----------------------------------------------------------------------------------------------------


def operations(task: NucleusTask) -> int:
    """Of a sum over the actions, with logarithms and a quotient."""
    return 6 * task.mdp.n_actions + 24


def divergence_side(task: NucleusTask, policy: FloatArray) -> Side:
    value = np.concatenate((kl(policy, task.policy), total_variation(policy, task.policy)))
    return Side(value, rounding(1 + value.max(), operations(task)))


def divergences(task: NucleusTask) -> Side:
    """KL(q || pi) and TV(q, pi), from their definitions."""
    return divergence_side(task, task.restricted)


def outside(policy: FloatArray, mask: BoolArray) -> FloatArray:
    """Mass that a mask takes away."""
    return np.asarray(np.where(mask, 0.0, policy).sum(axis=1))


def minus_log_mass(policy: FloatArray, mask: BoolArray) -> FloatArray:
    """``-log m``, accurate for m near 1 and for m near 0."""
    lost, kept = outside(policy, mask), np.where(mask, policy, 0.0).sum(axis=1)
    return np.asarray(np.where(lost < 0.5, -np.log1p(-np.minimum(lost, 0.5)), -np.log(kept)))


def from_the_mass(task: NucleusTask) -> Side:
    """-log m and 1 - m."""
    value = np.concatenate((minus_log_mass(task.policy, task.mask), outside(task.policy, task.mask)))
    return Side(value, rounding(1 / task.level, operations(task)))


def from_the_level(task: NucleusTask) -> Side:
    """log 1/p and 1 - p in every state; the error is the tolerance with which masses are compared."""
    value = np.repeat([-np.log(task.level), 1 - task.level], task.mdp.n_states)
    return Side(value, 1.01 * TOLERANCE / task.level + rounding(1.0, 8))


def reverse_is_infinite(task: NucleusTask) -> Side:
    """1 where KL(pi || q) is infinite, else -1."""
    return Side(np.where(np.isinf(kl(task.policy, task.restricted)), 1.0, -1.0))


def mass_is_lost(task: NucleusTask) -> Side:
    """1 where m < 1, else -1."""
    return Side(np.where(outside(task.policy, task.mask) > 0, 1.0, -1.0))


def comparator_divergence(task: NucleusTask) -> Side:
    """KL(r || pi) of a policy r supported in the nucleus."""
    value = kl(task.comparator, task.policy)
    return Side(value, rounding(1 + largest_log(task), operations(task)))


def comparator_by_projection(task: NucleusTask) -> Side:
    """KL(r || q) - log m."""
    value = kl(task.comparator, task.restricted) + minus_log_mass(task.policy, task.mask)
    return Side(value, rounding(1 / task.level + largest_log(task), operations(task)))


def largest_log(task: NucleusTask) -> float:
    """Largest logarithm in a divergence from the policy."""
    used = task.mask & (task.comparator > 0)
    ratios = np.abs(np.log(np.where(used, task.policy, 1.0))) + np.abs(
        np.log(np.where(used, task.comparator, 1.0))
    )
    return float(ratios.max())


def sizes(task: NucleusTask) -> Side:
    """Number of retained actions of every state."""
    return Side(task.mask.sum(axis=1))


def smallest_sizes(task: NucleusTask) -> Side:
    """Smallest number of actions with mass p, over all subsets of the actions."""
    subsets = binary_masks(task.mdp.n_actions)
    beyond = task.policy @ subsets.T - (task.level - TOLERANCE)
    counts = np.where(beyond >= 0, subsets.sum(axis=1), task.mdp.n_actions + 1).min(axis=1)
    return Side(counts, 1.0 * (np.abs(beyond) <= rounding(1.0, operations(task))).any(axis=1))


# --- trajectories and values ----------------------------------------------------------------------------------------


def trajectory_divergence(task: NucleusTask) -> Side:
    """Divergence of the laws of all enumerated trajectories."""
    model = FiniteHorizonMDP(task.mdp.transition, task.mdp.reward, task.horizon, initial=task.mdp.start_law())
    paths = enumerate_trajectories(model, task.restricted)
    ratios = paths.action_log_probability - paths.policy_log_probability(task.policy)
    value = float(paths.expectation(ratios.sum(axis=1)))
    return Side(value, path_error(task))


def path_error(task: NucleusTask) -> float:
    """Logarithms of probabilities to exponentiate, times the divergence, which is at most H log 1/p."""
    used = np.where(task.mask & (task.policy > 0), task.policy, 1.0)
    size = task.horizon * (1 - np.log(task.level)) * (1 - float(np.log(used).min()))
    return float(rounding(size, 60 * task.horizon + task.mdp.reward.size))


def stage_divergence(task: NucleusTask) -> Side:
    """Sum over the stages of E_q[-log m(s_h)], by a forward sweep."""
    model = FiniteHorizonMDP(task.mdp.transition, task.mdp.reward, task.horizon, initial=task.mdp.start_law())
    laws = stage_laws(model, task.restricted)[:-1]
    return Side((laws @ minus_log_mass(task.policy, task.mask)).sum(), path_error(task))


def horizon_bound(task: NucleusTask) -> Side:
    """H log 1/p; the error is the tolerance with which masses are compared."""
    value = -task.horizon * np.log(task.level)
    return Side(
        value, task.horizon * (1.01 * TOLERANCE / task.level + float(rounding(1 - np.log(task.level), 8)))
    )


def changes(task: NucleusTask) -> Side:
    q, pi = (solvers.policy_evaluation(task.mdp, policy) for policy in (task.restricted, task.policy))
    error = q.certificate.bound + pi.certificate.bound + float(rounding(np.abs(q.value).max(), 4))
    return Side(q.value - pi.value, error)


def value_change(task: NucleusTask) -> Side:
    """rho (V^q - V^pi), by two certified evaluations."""
    side = changes(task)
    return Side(
        task.mdp.start_law() @ np.asarray(side.value),
        np.asarray(side.error) + rounding(np.abs(side.value).max(), 8),
    )


def pair_values(task: NucleusTask) -> tuple[FloatArray, float]:
    """``Q^pi`` by one solve on the pairs, with a bound on its error."""
    system, reward = pair_flow_matrix(task.mdp, task.policy).toarray(), task.mdp.reward.ravel()
    found = np.linalg.solve(system, reward)
    error = solution_error(system, found, reward, matrix_error=rounding(np.abs(system), 4))
    return found.reshape(task.mdp.reward.shape), error


def discounted_change(task: NucleusTask) -> Side:
    """Occupancy of q times (q - pi) Q^pi, with Q^pi by a solve on the pairs."""
    q, error = pair_values(task)
    discount, restricted = task.mdp.discount, task.restricted
    visits = np.asarray(state_occupancy(task.mdp, restricted, normalised=False))
    value = performance_difference(
        restricted, task.policy, q=q, state_occupancy=(1 - discount) * visits, discount=discount
    )
    largest = 2 * float(np.abs(q).max())
    flow = visits_error(task.mdp, visits, restricted) * largest
    return Side(value, flow + (2 * error + float(rounding(largest, operations(task)))) / (1 - discount))


def largest_change(task: NucleusTask) -> Side:
    """Largest |V^q - V^pi|, by two certified evaluations."""
    side = changes(task)
    return Side(np.abs(side.value).max(), side.error)


def largest_change_by_solves(task: NucleusTask) -> Side:
    """Largest |V^q - V^pi|, by two plain solves."""
    values, error = [], 0.0
    for policy in (task.restricted, task.policy):
        kernel, reward = induced(task.mdp, policy)
        system = np.eye(task.mdp.n_states) - task.mdp.discount * kernel
        values.append(np.linalg.solve(system, reward))
        drift = (rounding(1.0, operations(task)), rounding(np.abs(task.mdp.reward).max(), operations(task)))
        error += solution_error(system, values[-1], reward, matrix_error=drift[0], right_error=drift[1])
    return Side(np.abs(values[0] - values[1]).max(), error + float(rounding(np.abs(values).max(), 2)))


def over_ranges(task: NucleusTask, q: FloatArray, error: float) -> Side:
    horizon, spread = 1 / (1 - task.mdp.discount), float(np.ptp(q, axis=1).max())
    value = (1 - task.level) * horizon * spread
    return Side(
        value,
        horizon * (2 * error + 1.01 * TOLERANCE * spread) + float(rounding(horizon * np.abs(q).max(), 12)),
    )


def range_bound(task: NucleusTask) -> Side:
    """(1 - p) / (1 - gamma) times the largest range of Q^pi, from a certified evaluation."""
    found = solvers.policy_evaluation(task.mdp, task.policy)
    return over_ranges(task, found.q, found.q_error)


def range_bound_by_solve(task: NucleusTask) -> Side:
    """(1 - p) / (1 - gamma) times the largest range of Q^pi, from a solve on the pairs."""
    return over_ranges(task, *pair_values(task))


# --- stale masks ----------------------------------------------------------------------------------------------------


def stale_mass(task: NucleusTask) -> Side:
    """Mass of the policy in the nucleus of the old one."""
    return Side(np.where(task.stale_mask, task.policy, 0.0).sum(axis=1), rounding(1.0, operations(task)))


def stale_mass_by_distance(task: NucleusTask) -> Side:
    """One less the total variation between the policy and its restriction to the old nucleus."""
    value = 1 - total_variation(restricted_policy(task.policy, task.stale_mask), task.policy)
    return Side(value, rounding(1.0, operations(task)))


def level_less_drift(task: NucleusTask) -> Side:
    """p - TV(pi, pi_old); the error is the tolerance with which masses are compared."""
    value = task.level - total_variation(task.policy, task.old)
    return Side(value, 1.01 * TOLERANCE + rounding(1.0, operations(task)))


def stale_divergence(task: NucleusTask) -> Side:
    """KL of the policy restricted to the old nucleus, from the policy."""
    value = kl(restricted_policy(task.policy, task.stale_mask), task.policy)
    return Side(value, rounding(1 + value, operations(task)))


def log_inverse_mass(task: NucleusTask) -> Side:
    """log 1/epsilon, epsilon the mass of the first two actions."""
    value = -np.log(task.policy[:, :2].sum(axis=1))
    return Side(value, rounding(1 + value, operations(task)))
