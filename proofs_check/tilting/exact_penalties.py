"""Penalised optima in rationals, entropy-regularised ones in balls."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.tilting import exact_masks
from proofs_check.tilting.mask_instances import STEPS, PenaltyTask

if TYPE_CHECKING:
    from mdplab.exact import ExactMDP
    from mdplab.exact.soft import SoftControl


def penalised(task: PenaltyTask, penalty: Any) -> ExactMDP:
    """The unmasked model with a penalty on the actions outside the mask."""
    model = exact_masks.unmasked(task.base)
    reward = model.reward
    return replace(model, reward=np.where(task.base.mask, reward, reward - penalty))


def masked_value(task: PenaltyTask) -> Array:
    """``V_M``."""
    return mdplab.exact.policy_iteration(exact_masks.masked(task.base)).value


def threshold(task: PenaltyTask) -> Any:
    """``c*``."""
    value = masked_value(task)
    excess = (exact_masks.unmasked(task.base).lookahead(value) - value[:, np.newaxis])[~task.base.mask]
    return max([mdplab.exact.rational(0), *excess])


def above(task: PenaltyTask) -> list[Any]:
    """Penalties at the threshold and beyond it."""
    return [threshold(task) + mdplab.exact.rational(step) for step in STEPS]


def below(task: PenaltyTask) -> list[Any]:
    """Penalties below the threshold."""
    least, zero = threshold(task), mdplab.exact.rational(0)
    return [
        max(least - mdplab.exact.rational(STEPS[1]), zero),
        mdplab.exact.rational(task.fraction) * least,
        zero,
    ]


def gains(task: PenaltyTask, penalties: list[Any]) -> Array:
    """``V_c - V_M``, a row each penalty."""
    kept = masked_value(task)
    rows = [mdplab.exact.policy_iteration(penalised(task, penalty)).value - kept for penalty in penalties]
    return np.array(rows, dtype=object)


def penalised_values(task: PenaltyTask) -> Array:
    """(a): ``V_c`` at the threshold and beyond."""
    return gains(task, above(task)) + masked_value(task)


def masked_values(task: PenaltyTask) -> Array:
    """(a): ``V_M``, a row each penalty."""
    return np.array([masked_value(task)] * len(STEPS), dtype=object)


def nothing(task: PenaltyTask) -> Array:
    """Zero."""
    return np.asarray(mdplab.exact.rational(np.zeros((len(STEPS), task.base.mdp.n_states), dtype=int)))


def largest_gains(task: PenaltyTask) -> Array:
    """(a): what is gained below the threshold, in the best state."""
    return np.asarray(gains_below(task).max(axis=1))


def distances(task: PenaltyTask) -> Array:
    """(a): ``c* - c``."""
    return np.array([threshold(task) - penalty for penalty in below(task)], dtype=object)


def gains_below(task: PenaltyTask) -> Array:
    """(b): what is gained below the threshold."""
    return gains(task, below(task))


def discounted_distances(task: PenaltyTask) -> Array:
    """(b): ``(c* - c) / (1 - gamma)`` in every state."""
    found = distances(task) / (1 - mdplab.exact.rational(task.base.mdp.discount))
    return np.repeat(found[:, np.newaxis], task.base.mdp.n_states, axis=1)


def soft(task: PenaltyTask, model: ExactMDP) -> SoftControl:
    """Soft optimum at the task's temperature."""
    return mdplab.exact.soft_control(model, temperature=task.temperature)


def soft_gain(task: PenaltyTask) -> Array:
    """(c): what is gained with entropy regularisation."""
    free = soft(task, penalised(task, mdplab.exact.rational(task.soft_penalty)))
    return np.asarray(free.value - soft(task, exact_masks.masked(task.base)).value)


def weights(task: PenaltyTask) -> Array:
    """Sums over the masked actions of ``exp((Q_M - V_M - c) / tau)``."""
    value = soft(task, exact_masks.masked(task.base)).value
    worth = exact_masks.unmasked(task.base).lookahead(value) - value[:, np.newaxis]
    powers = mdplab.exact.exp(
        (worth - mdplab.exact.rational(task.soft_penalty)) / mdplab.exact.rational(task.temperature)
    )
    return np.asarray(np.where(task.base.mask, mdplab.exact.ball(0), powers).sum(axis=1))


def one_step_gain(task: PenaltyTask) -> Array:
    """(c): ``tau log(1 + sum)`` of every state."""
    return np.asarray(mdplab.exact.rational(task.temperature) * mdplab.exact.log(1 + weights(task)))


def soft_bound(task: PenaltyTask) -> Array:
    """(c): ``tau / (1 - gamma) log(1 + largest sum)`` in every state."""
    horizon = mdplab.exact.rational(task.temperature) / (1 - mdplab.exact.rational(task.base.mdp.discount))
    found = horizon * mdplab.exact.log(1 + mdplab.exact.highest(weights(task)))
    return np.full(task.base.mdp.n_states, found, dtype=object)
