"""Both routes of every statement about penalties in the place of masks, with their error bounds.

Every route finds the threshold from its own solution of the masked problem; the effect of its error is in the bound.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import Side, rounding
from mdplab.models import MDP
from mdplab.operators import action_values, log_sum_exp
from mdplab.solvers import ControlSolution
from proofs_check.tilting.mask_instances import STEPS, PenaltyTask


def excess_of(task: PenaltyTask, masked: ControlSolution) -> tuple[FloatArray, float]:
    """``R + gamma P V_M - V_M`` of all pairs, and a bound on the errors."""
    q = action_values(task.base.mdp, masked.value)
    size = np.abs(task.base.mdp.reward).max() + 2 * np.abs(masked.value).max()
    error = 2 * masked.certificate.bound + float(rounding(size, task.base.mdp.n_states + 6))
    return q - masked.value[:, np.newaxis], error


def threshold(task: PenaltyTask, masked: ControlSolution) -> tuple[float, float]:
    """``c*``, and a bound on its error."""
    excess, error = excess_of(task, masked)
    return float(np.max(excess[~task.base.mask], initial=0.0)), error


def below(task: PenaltyTask, least: float) -> list[float]:
    """Penalties below the threshold: close to it, a fraction of it, none."""
    return [max(least - STEPS[1], 0.0), task.fraction * least, 0.0]


def gains(task: PenaltyTask, penalties: list[float], *, sweeps: bool = False) -> Side:
    """``V_c - V_M``, a row each penalty; the threshold's error moves a penalty, whose effect is at most 1/(1-gamma) of it."""
    solve: Any = partial(solvers.value_iteration, tol=0.0) if sweeps else solvers.policy_iteration
    masked = task.base.masked_swept if sweeps else task.base.masked_optimum
    found = [solve(task.penalised(penalty)) for penalty in penalties]
    error = max(solution.certificate.bound for solution in found) + masked.certificate.bound
    size = max(float(np.abs(solution.value).max()) for solution in found)
    moved = threshold(task, masked)[1] + float(rounding(1 + max(penalties), 4))
    error += moved / (1 - task.base.mdp.discount) + float(rounding(size, 2))
    return Side(np.array([solution.value - masked.value for solution in found]), error)


def penalised_values(task: PenaltyTask, least: float | None = None) -> Side:
    """V_c at the threshold and beyond it, by policy iteration."""
    masked = task.base.masked_optimum
    start = threshold(task, masked)[0] if least is None else least
    side = gains(task, [start + step for step in STEPS])
    return Side(
        np.asarray(side.value) + masked.value,
        np.asarray(side.error) + rounding(np.abs(masked.value).max(), 4),
    )


def masked_values(task: PenaltyTask) -> Side:
    """V_M, a row each penalty, by value iteration on the masked problem."""
    masked = task.base.masked_swept
    return Side(np.tile(masked.value, (len(STEPS), 1)), masked.certificate.bound)


def nothing(task: PenaltyTask) -> Side:
    """Zero."""
    return Side(np.zeros((len(STEPS), task.base.mdp.n_states)))


def gains_below(task: PenaltyTask) -> Side:
    """V_c - V_M below the threshold, both by policy iteration."""
    return gains(task, below(task, threshold(task, task.base.masked_optimum)[0]))


def gains_below_by_sweeps(task: PenaltyTask) -> Side:
    """V_c - V_M below the threshold, both by value iteration."""
    return gains(task, below(task, threshold(task, task.base.masked_swept)[0]), sweeps=True)


def best(side: Side) -> Side:
    return Side(np.max(np.asarray(side.value), axis=1), side.error)


def largest_gains(task: PenaltyTask) -> Side:
    """Largest V_c - V_M below the threshold, both by policy iteration."""
    return best(gains_below(task))


def largest_gains_by_sweeps(task: PenaltyTask) -> Side:
    """Largest V_c - V_M below the threshold, both by value iteration."""
    return best(gains_below_by_sweeps(task))


def distances_of(task: PenaltyTask, masked: ControlSolution) -> Side:
    least, error = threshold(task, masked)
    return Side(least - np.array(below(task, least)), error + rounding(1 + least, 4))


def distances(task: PenaltyTask) -> Side:
    """c* - c, the threshold from policy iteration on the masked problem."""
    return distances_of(task, task.base.masked_optimum)


def distances_by_sweeps(task: PenaltyTask) -> Side:
    """c* - c, the threshold from value iteration on the masked problem."""
    return distances_of(task, task.base.masked_swept)


def over_horizon(task: PenaltyTask, side: Side) -> Side:
    horizon = 1 / (1 - task.base.mdp.discount)
    value = horizon * np.repeat(np.asarray(side.value)[:, np.newaxis], task.base.mdp.n_states, axis=1)
    return Side(value, horizon * np.max(side.error) + rounding(value, 4))


def discounted_distances(task: PenaltyTask) -> Side:
    """(c* - c) / (1 - gamma), the threshold from policy iteration on the masked problem."""
    return over_horizon(task, distances(task))


def discounted_distances_by_sweeps(task: PenaltyTask) -> Side:
    """(c* - c) / (1 - gamma), the threshold from value iteration on the masked problem."""
    return over_horizon(task, distances_by_sweeps(task))


# --- with entropy regularisation ------------------------------------------------------------------------------------


def soft(task: PenaltyTask, model: MDP, *, sweeps: bool = False) -> ControlSolution:
    """Soft optimum of a model, by Newton's method or by sweeps."""
    if sweeps:
        return solvers.soft_value_iteration(model, temperature=task.temperature, tol=0.0)
    return solvers.soft_policy_iteration(model, temperature=task.temperature)


def soft_gain_of(task: PenaltyTask, *, sweeps: bool) -> Side:
    free = soft(task, task.penalised(task.soft_penalty), sweeps=sweeps)
    kept = soft(task, task.base.masked, sweeps=sweeps)
    error = free.certificate.bound + kept.certificate.bound
    moved = rounding(1 + task.soft_penalty, 2) / (1 - task.base.mdp.discount)
    return Side(free.value - kept.value, error + moved + rounding(np.abs(free.value).max(), 2))


def soft_gain(task: PenaltyTask) -> Side:
    """Soft V_c - V_M, both by soft policy iteration."""
    return soft_gain_of(task, sweeps=False)


def soft_gain_by_sweeps(task: PenaltyTask) -> Side:
    """Soft V_c - V_M, both by soft value iteration."""
    return soft_gain_of(task, sweeps=True)


def log_weights(task: PenaltyTask, kept: ControlSolution) -> tuple[FloatArray, float]:
    """Logarithms of the sums over the masked actions of ``exp((Q_M - V_M - c) / tau)``, and a bound on tau times the errors."""
    excess, error = excess_of(task, kept)
    inside = np.where(task.base.mask, -np.inf, excess - task.soft_penalty)
    some = ~task.base.mask.all(axis=1)
    found = np.full(some.shape, -np.inf)
    found[some] = log_sum_exp(inside[some] / task.temperature)
    size = np.abs(excess).max() + task.soft_penalty + task.temperature
    return found, error + float(rounding(size, task.base.mdp.n_actions + 16))


def one_step_of(task: PenaltyTask, kept: ControlSolution) -> Side:
    """``tau log(1 + sum)``; its derivative in a value is at most 1."""
    logs, error = log_weights(task, kept)
    return Side(task.temperature * np.logaddexp(0.0, logs), error)


def one_step_gain(task: PenaltyTask) -> Side:
    """tau log(1 + sum over masked actions of exp((Q_M - V_M - c)/tau)), from soft policy iteration."""
    return one_step_of(task, soft(task, task.base.masked))


def one_step_gain_by_sweeps(task: PenaltyTask) -> Side:
    """tau log(1 + sum over masked actions of exp((Q_M - V_M - c)/tau)), from soft value iteration."""
    return one_step_of(task, soft(task, task.base.masked, sweeps=True))


def largest_of(task: PenaltyTask, side: Side) -> Side:
    horizon = 1 / (1 - task.base.mdp.discount)
    value = np.full(task.base.mdp.n_states, horizon * np.max(np.asarray(side.value)))
    return Side(value, horizon * np.max(side.error) + rounding(value, 4))


def soft_bound(task: PenaltyTask) -> Side:
    """Largest one-step gain over 1 - gamma, from soft policy iteration."""
    return largest_of(task, one_step_gain(task))


def soft_bound_by_sweeps(task: PenaltyTask) -> Side:
    """Largest one-step gain over 1 - gamma, from soft value iteration."""
    return largest_of(task, one_step_gain_by_sweeps(task))
