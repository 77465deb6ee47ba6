"""Restricted policies in rationals, their divergences in balls."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

import mdplab
from mdplab._typing import Array, BoolArray
from mdplab.enumeration import binary_masks
from proofs_check.tilting.mask_instances import TOLERANCE, NucleusTask


def policy(task: NucleusTask) -> Array:
    """``pi``."""
    return np.asarray(mdplab.exact.laws(task.policy))


def zeroed(rows: Array, mask: BoolArray) -> Array:
    """Rows with zeros outside a mask."""
    return np.where(mask, rows, 0 * rows)


def restricted(rows: Array, mask: BoolArray) -> Array:
    """Rows conditioned on a mask."""
    kept = zeroed(rows, mask)
    return np.asarray(kept / kept.sum(axis=-1, keepdims=True))


def kept_mass(task: NucleusTask) -> Array:
    """``m(s)``."""
    return np.asarray(zeroed(policy(task), task.mask).sum(axis=1))


def nucleus_policy(task: NucleusTask) -> Array:
    """``q``."""
    return restricted(policy(task), task.mask)


def stacked(divergence: Any, variation: Any) -> Array:
    """KL of every state, then TV of every state."""
    return np.concatenate((mdplab.exact.ball(divergence), mdplab.exact.ball(variation)))


def divergences(task: NucleusTask) -> Array:
    """(a): KL(q || pi) and TV(q, pi)."""
    p, q = policy(task), nucleus_policy(task)
    return stacked(mdplab.exact.kl(q, p), mdplab.exact.total_variation(q, p))


def reverse_is_infinite(task: NucleusTask) -> Array:
    """(a): whether ``q`` lacks an action of ``pi``."""
    lacking = (policy(task) > 0) & (nucleus_policy(task) == 0)
    return np.asarray(mdplab.exact.rational(np.where(lacking.any(axis=1), 1, -1)))


def mass_is_lost(task: NucleusTask) -> Array:
    """(a): whether ``m < 1``."""
    return np.asarray(mdplab.exact.rational(np.where(kept_mass(task) < 1, 1, -1)))


def from_the_mass(task: NucleusTask) -> Array:
    """(a): ``-log m`` and ``1 - m``."""
    mass = kept_mass(task)
    return stacked(-mdplab.exact.log(mass), 1 - mass)


def level(task: NucleusTask) -> Any:
    """The level with which masses are compared."""
    return mdplab.exact.rational(task.level) - mdplab.exact.rational(TOLERANCE)


def from_the_level(task: NucleusTask) -> Array:
    """(a): ``log 1/p`` and ``1 - p`` in every state."""
    p, n = level(task), task.mdp.n_states
    return np.array([-mdplab.exact.log(p)] * n + [mdplab.exact.ball(1 - p)] * n, dtype=object)


def comparator(task: NucleusTask) -> Array:
    """The other policy, supported in the nucleus."""
    return np.asarray(mdplab.exact.laws(task.comparator))


def comparator_divergence(task: NucleusTask) -> Array:
    """(b): KL(r || pi)."""
    return np.asarray(mdplab.exact.kl(comparator(task), policy(task)))


def comparator_by_projection(task: NucleusTask) -> Array:
    """(b): KL(r || q) + KL(q || pi)."""
    q = nucleus_policy(task)
    return np.asarray(mdplab.exact.kl(comparator(task), q) + mdplab.exact.kl(q, policy(task)))


def sizes(task: NucleusTask) -> Array:
    """(b): numbers of retained actions."""
    return np.asarray(mdplab.exact.rational(task.mask.sum(axis=1)))


def smallest_sizes(task: NucleusTask) -> Array:
    """(b): smallest number of actions with enough mass, over all subsets."""
    subsets = binary_masks(task.mdp.n_actions)
    least = [min(int(s.sum()) for s in subsets if row[s].sum() >= level(task)) for row in policy(task)]
    return np.asarray(mdplab.exact.rational(np.array(least)))


def trajectory_divergence(task: NucleusTask) -> Any:
    """(c): sum over all trajectories of probability times log-ratio of the laws."""
    p, q = policy(task), nucleus_policy(task)
    logs = mdplab.exact.log(np.where(task.mask, q, 0 * q + 1)) - mdplab.exact.log(
        np.where(task.mask, p, 0 * p + 1)
    )
    start, kernel = mdplab.exact.laws(task.mdp.start_law()), mdplab.exact.laws(task.mdp.transition)
    total: Any = 0
    for pairs in product(np.argwhere(task.mask), repeat=task.horizon):
        weight = start[pairs[0][0]]
        for (s, a), after in zip(pairs, [*pairs[1:], None], strict=True):
            weight = weight * q[s, a] * (1 if after is None else kernel[s, a, after[0]])
        if weight != 0:
            total = total + weight * sum(logs[s, a] for s, a in pairs)
    return mdplab.exact.ball(total)


def stage_divergence(task: NucleusTask) -> Any:
    """(c): ``sum_h E_q[-log m(s_h)]`` by a forward sweep."""
    laws, cost = [mdplab.exact.laws(task.mdp.start_law())], -mdplab.exact.log(kept_mass(task))
    kernel, _ = mdplab.exact.induced(task.mdp, nucleus_policy(task))
    for _ in range(task.horizon - 1):
        laws.append(laws[-1] @ kernel)
    return sum(law @ cost for law in laws)


def horizon_bound(task: NucleusTask) -> Any:
    """(c): ``H log 1/p``."""
    return -task.horizon * mdplab.exact.log(level(task))


def values(task: NucleusTask, rows: Array) -> Any:
    """Values of a policy."""
    return mdplab.exact.policy_evaluation(task.mdp, rows)


def value_change(task: NucleusTask) -> Any:
    """(d): ``rho (V^q - V^pi)``."""
    change = values(task, nucleus_policy(task)).value - values(task, policy(task)).value
    return mdplab.exact.laws(task.mdp.start_law()) @ change


def discounted_change(task: NucleusTask) -> Any:
    """(d): occupancy of ``q`` times ``(q - pi) Q^pi``."""
    p, q = policy(task), nucleus_policy(task)
    visits = mdplab.exact.state_occupancy(task.mdp, q, normalised=False)
    return visits @ ((q - p) * values(task, p).q).sum(axis=1)


def largest_change(task: NucleusTask) -> Any:
    """(d): sup norm of ``V^q - V^pi``."""
    change = values(task, nucleus_policy(task)).value - values(task, policy(task)).value
    return abs(change).max()


def range_bound(task: NucleusTask) -> Any:
    """(d): ``(1 - p) / (1 - gamma)`` times the largest range of ``Q^pi``."""
    q = values(task, policy(task)).q
    spread = max(row.max() - row.min() for row in q)
    return (1 - level(task)) / (1 - mdplab.exact.rational(task.mdp.discount)) * spread


def stale_mass(task: NucleusTask) -> Array:
    """(e): mass of the old nucleus."""
    return np.asarray(zeroed(policy(task), task.stale_mask).sum(axis=1))


def level_less_drift(task: NucleusTask) -> Array:
    """(e): ``p - TV(pi, pi_old)``."""
    return np.asarray(level(task) - mdplab.exact.total_variation(policy(task), mdplab.exact.laws(task.old)))


def stale_divergence(task: NucleusTask) -> Array:
    """(e): KL of the policy restricted to the old nucleus."""
    return np.asarray(mdplab.exact.kl(restricted(policy(task), task.stale_mask), policy(task)))


def log_inverse_mass(task: NucleusTask) -> Array:
    """(e): ``log 1/epsilon``, epsilon the mass of the first two actions."""
    return np.asarray(-mdplab.exact.log(policy(task)[:, :2].sum(axis=1)))
