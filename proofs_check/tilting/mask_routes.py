"""Both routes of every statement about the cost of a mask, with their error bounds.

Whether a loss or a gap vanishes is told from its error bound; where it cannot be told, the error is 2 and the instance undecided.
"""

from __future__ import annotations

import numpy as np

from mdplab._typing import BoolArray, FloatArray
from mdplab.claims import Side, rounding
from mdplab.solvers import ControlSolution
from proofs_check.tilting import exact_masks as exact
from proofs_check.tilting.mask_instances import MaskTask, occupancies

ZERO = 1e-9
"""A loss or gap is taken for positive above this, and for zero within its error bound; between, it is undecided."""


def loss_of(optimum: ControlSolution, masked: ControlSolution) -> Side:
    error = optimum.certificate.bound + masked.certificate.bound
    return Side(optimum.value - masked.value, error + rounding(np.abs(optimum.value).max(), 2))


def pair_gaps(optimum: ControlSolution) -> tuple[FloatArray, float]:
    """``V* - Q*`` of all pairs, and a bound on the errors: the best value of a state is its best action value."""
    error = 2 * optimum.q_error + float(rounding(np.abs(optimum.q).max(), 2))
    return optimum.q.max(axis=1, keepdims=True) - optimum.q, error


def gap_of(task: MaskTask, optimum: ControlSolution) -> Side:
    gaps, error = pair_gaps(optimum)
    return Side(np.where(task.mask, gaps, np.inf).min(axis=1), error)


def losses(task: MaskTask) -> Side:
    """Loss V* - V_M in every state, both by policy iteration."""
    return loss_of(task.optimum, task.masked_optimum)


def losses_by_sweeps(task: MaskTask) -> Side:
    """Loss V* - V_M in every state, both by value iteration."""
    return loss_of(task.swept, task.masked_swept)


def gaps(task: MaskTask) -> Side:
    """Gap g of every state, from value iteration on the unmasked problem."""
    return gap_of(task, task.swept)


def gaps_by_solves(task: MaskTask) -> Side:
    """Gap g of every state, from policy iteration on the unmasked problem."""
    return gap_of(task, task.optimum)


def vanishes(side: Side) -> Side:
    """1 where a number is zero, -1 where it is positive, with an error of 2 where that cannot be told."""
    value, noise = np.asarray(side.value), float(np.max(side.error))
    return Side(
        np.where(value <= noise, 1.0, -1.0), 2.0 * ((value > noise) & (value <= ZERO) | (noise > ZERO))
    )


def largest(side: Side) -> Side:
    return Side(np.max(np.asarray(side.value)), np.max(side.error))


def nothing_is_lost(task: MaskTask) -> Side:
    """Whether V_M = V* in all states, by policy iteration on both problems."""
    return vanishes(largest(losses(task)))


def no_gap(task: MaskTask) -> Side:
    """Whether g vanishes in all states, by value iteration on the unmasked problem."""
    return vanishes(largest(gaps(task)))


def states_without_loss(task: MaskTask) -> Side:
    """Whether V_M(s) = V*(s), state by state, by policy iteration on both problems."""
    return vanishes(losses(task))


def states_without_gap(task: MaskTask) -> Side:
    """Whether g(s) = 0, state by state, by value iteration on the unmasked problem."""
    return vanishes(gaps(task))


def region(task: MaskTask, discount: float | None = None) -> Side:
    """Membership in C, by removing states that no retained optimal action keeps inside."""
    found, error = pair_gaps(task.swept)
    discount = task.mdp.discount if discount is None else discount
    surely, possibly = (
        exact.invariant(task, task.mask & (found <= limit), discount > 0)
        for limit in (error, max(error, ZERO))
    )
    return Side(np.where(surely, 1.0, -1.0), 2.0 * (surely != possibly))


def region_of_any_discount(task: MaskTask) -> Side:
    """Membership in the largest set that a retained optimal action need not leave, whatever the discount."""
    return region(task, 0.5)


def closed_region(task: MaskTask, bad: BoolArray) -> BoolArray:
    """States from which no sequence of retained actions reaches a bad state, by removing states until none leads out."""
    steps = (np.asarray(task.mdp.transition) > 0) & task.mask[:, :, np.newaxis]
    inside = ~bad
    while True:
        after = inside & ~(steps & ~inside).any(axis=(1, 2))
        if np.array_equal(after, inside):
            return inside
        inside = after


def reachable_states_keep(task: MaskTask) -> Side:
    """Whether every state reachable under the mask keeps an optimal action, by the powers of the graph."""
    kept = vanishes(gaps(task))
    lost = exact.reachable(task) & (np.asarray(kept.value) < 0)
    return Side(np.where(lost.any(axis=1), -1.0, 1.0), np.max(kept.error))


def no_lost_state_is_reachable(task: MaskTask) -> Side:
    """Whether every state reachable under the mask keeps an optimal action, by removing those that lead to another."""
    kept = vanishes(gaps_by_solves(task))
    inside = closed_region(task, np.asarray(kept.value) < 0)
    return Side(np.where(inside, 1.0, -1.0), np.max(kept.error))


def discounted_gaps(task: MaskTask) -> Side:
    """Occupancies of a masked optimal policy times its gaps, both from value iteration."""
    policy = task.masked_swept.policy
    visits, visits_error = occupancies(task.mdp, policy)
    found, error = pair_gaps(task.swept)
    chosen = (policy * found).sum(axis=1)
    horizon = 1 / (1 - task.mdp.discount)
    error = visits_error * float(chosen.max()) + horizon * error + task.masked_swept.suboptimality
    return Side(visits @ chosen, error + rounding(horizon * chosen.max(), task.mdp.n_states + 2))


def largest_gap(task: MaskTask) -> Side:
    """max g / (1 - gamma) in every state, from value iteration."""
    return over_horizon(task, gaps(task))


def largest_gap_by_solves(task: MaskTask) -> Side:
    """max g / (1 - gamma) in every state, from policy iteration."""
    return over_horizon(task, gaps_by_solves(task))


def over_horizon(task: MaskTask, side: Side) -> Side:
    horizon = 1 / (1 - task.mdp.discount)
    value = np.full(task.mdp.n_states, np.max(np.asarray(side.value)) * horizon)
    return Side(value, np.asarray(side.error) * horizon + rounding(value, 4))
