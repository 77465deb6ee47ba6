"""Mass and policy of a dual minimiser in exact arithmetic: occupancies solved for, improvements over all policies."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.dual_rl.exact_programs import SMOOTH, data_of, read

if TYPE_CHECKING:
    from proofs_check.dual_rl.instances import OfflineTask


def mass_of(task: OfflineTask, divergence: str) -> Array:
    """The mass, shape (S, A)."""
    return np.asarray(SMOOTH[divergence](task).mass.reshape(task.data.shape))


def recovered_mass(task: OfflineTask) -> Array:
    """The mass at the minimiser (KL, chi-square)."""
    return np.stack([mass_of(task, divergence) for divergence in SMOOTH])


def occupancy_of_policy(task: OfflineTask) -> Array:
    """Occupancy of the policy of the mass (KL, chi-square)."""
    masses = [mass_of(task, divergence) for divergence in SMOOTH]
    return np.stack([mdplab.exact.occupancy(task.mdp, m / m.sum(axis=1, keepdims=True)) for m in masses])


def gradient(task: OfflineTask, divergence: str) -> tuple[Array, Array]:
    """The mass and ``R - alpha f'(d / q)``, shape (S, A)."""
    data, strength = data_of(task)
    mass, reward = mass_of(task, divergence), read(task).reward.reshape(task.data.shape)
    share = mass / data.reshape(mass.shape)
    slope = mdplab.exact.log(share) if divergence == "kl" else 2 * (share - 1)
    return mass, reward - strength * slope


def best_improvement(task: OfflineTask) -> list[Any]:
    """Largest ``<d', g>`` (KL: over all deterministic policies, chi-square: policy iteration)."""
    twin, start = mdplab.exact.ExactMDP.of(task.mdp), read(task).start
    _, reward = gradient(task, "kl")
    states = np.arange(twin.n_states)
    found = []
    for actions in itertools.product(range(twin.n_actions), repeat=twin.n_states):
        chosen = list(actions)
        system = mdplab.exact.identity(twin.n_states) - twin.discount * twin.transition[states, chosen]
        found.append((start * mdplab.exact.solve(system, reward[states, chosen])).sum())
    _, rational = gradient(task, "chi-square")
    changed = mdplab.exact.ExactMDP(twin.transition, rational, twin.discount, twin.initial, twin.available)
    control = mdplab.exact.policy_iteration(changed)
    return [mdplab.exact.highest(np.array(found)), (start * control.value).sum()]


def no_improvement(task: OfflineTask) -> list[Any]:
    """``<d, g>`` (KL, chi-square)."""
    return [(mass * reward).sum() for mass, reward in (gradient(task, name) for name in SMOOTH)]
