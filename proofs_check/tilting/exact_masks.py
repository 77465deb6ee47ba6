"""Masked and penalised optima in rationals, soft ones in balls."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array, BoolArray
from mdplab.operators import largest_invariant_set
from proofs_check.tilting.mask_instances import MaskTask

if TYPE_CHECKING:
    from mdplab.exact import ExactMDP


def unmasked(task: MaskTask) -> ExactMDP:
    """The model."""
    return mdplab.exact.ExactMDP.of(task.mdp)


def masked(task: MaskTask) -> ExactMDP:
    """The model with the mask; rows of masked pairs are kept."""
    return replace(unmasked(task), available=task.mask)


def signs(truth: BoolArray | bool) -> Array:
    """1 where true, -1 where false."""
    return np.asarray(mdplab.exact.rational(np.where(truth, 1, -1)))


def losses(task: MaskTask) -> Array:
    """``V* - V_M``."""
    best, kept = (mdplab.exact.policy_iteration(model) for model in (unmasked(task), masked(task)))
    return np.asarray(best.value - kept.value)


def gaps(task: MaskTask) -> Array:
    """``g``: the least ``V* - Q*`` over the retained actions."""
    best = mdplab.exact.policy_iteration(unmasked(task))
    rows = zip(best.value, best.q, task.mask, strict=True)
    return np.array([value - q[kept].max() for value, q, kept in rows], dtype=object)


def nothing_is_lost(task: MaskTask) -> Array:
    """(a): whether all losses vanish."""
    return signs(bool((losses(task) == 0).all()))


def no_gap(task: MaskTask) -> Array:
    """(a): whether all gaps vanish."""
    return signs(bool((gaps(task) == 0).all()))


def states_without_loss(task: MaskTask) -> Array:
    """(b): where the loss vanishes."""
    return signs(losses(task) == 0)


def invariant(task: MaskTask, pairs: BoolArray, future: bool) -> BoolArray:
    """The largest set in which one of the given pairs keeps every successor; with no future, the states that have a pair."""
    return largest_invariant_set(task.mdp, pairs) if future else np.asarray(pairs.any(axis=1))


def region(task: MaskTask) -> Array:
    """(b): the largest set in which a retained optimal action keeps every successor, if there is a future."""
    best = mdplab.exact.policy_iteration(unmasked(task))
    return signs(invariant(task, task.mask & best.optimal, task.mdp.discount > 0))


def reachable_states_keep(task: MaskTask) -> Array:
    """(b): whether no state reachable under the mask has a gap."""
    return signs(~(reachable(task) & (gaps(task) != 0)).any(axis=1))


def reachable(task: MaskTask) -> BoolArray:
    """Which states can be reached by retained actions from which, shape (S, S)."""
    steps = (np.asarray(task.mdp.transition) > 0) & task.mask[:, :, np.newaxis]
    moves = np.eye(task.mdp.n_states) + steps.any(axis=1)
    return np.asarray(np.linalg.matrix_power(moves, task.mdp.n_states) > 0)


def discounted_gaps(task: MaskTask) -> Array:
    """(c): occupancies of a masked optimal policy times its gaps in the unmasked problem."""
    best, kept = (mdplab.exact.policy_iteration(model) for model in (unmasked(task), masked(task)))
    states, actions = np.arange(task.mdp.n_states), kept.optimal.argmax(axis=1)
    policy = np.eye(task.mdp.n_actions, dtype=int)[actions]
    visits = [
        mdplab.exact.state_occupancy(unmasked(task), policy, initial=start, normalised=False)
        for start in np.eye(task.mdp.n_states, dtype=int)
    ]
    return np.asarray(np.array(visits, dtype=object) @ (best.value - best.q[states, actions]))


def largest_gap(task: MaskTask) -> Array:
    """(d): ``max g / (1 - gamma)`` in every state."""
    found: Any = gaps(task).max() / (1 - unmasked(task).discount)
    return np.full(task.mdp.n_states, found, dtype=object)
