"""Iterates of the residual and of the soft backup in balls."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.soft_residual.exact_customisation import Twin
from proofs_check.soft_residual.iteration_instances import IterationTask

if TYPE_CHECKING:
    from mdplab.exact import ExactMDP


def any_bonus(task: IterationTask, twin: Twin) -> Any:
    """``omega'`` times the log-prior that need not be max-ent optimal."""
    log_prior = twin.prior.log_policy if task.logits is None else mdplab.exact.log_tilt(task.logits)
    return twin.prior_weight * log_prior


def backup(model: ExactMDP, twin: Twin, bonus: Any = 0) -> Callable[[Array], Array]:
    """``Q -> R + gamma P lse(Q + bonus)`` at the temperature of the task."""
    return lambda q: model.lookahead(mdplab.exact.log_sum_exp(q + bonus, temperature=twin.temperature))


def run(step: Callable[[Array], Array], start: Array, steps: int) -> Array:
    """The start and its images."""
    found = [start]
    for _ in range(steps):
        found.append(step(found[-1]))
    return np.array(found, dtype=object)


# --- (i) ------------------------------------------------------------------------------------------------------------


def shifted_residual_iterates(task: IterationTask) -> Array:
    """Residual iterates plus ``omega Q*``."""
    twin = Twin(task)
    step = backup(twin.addon, twin, twin.prior_weight * twin.prior.log_policy)
    found = run(step, mdplab.exact.ball(task.start_q), task.steps)
    return np.asarray(found + twin.weight * twin.prior.q)


def full_iterates(task: IterationTask) -> Array:
    """Soft iterates of the full task from the shifted start."""
    twin = Twin(task)
    start = mdplab.exact.ball(task.start_q) + twin.weight * twin.prior.q
    return run(backup(twin.full, twin), start, task.steps)


def shifted_backup(task: IterationTask) -> Array:
    """One residual backup of the other point, plus ``omega Q*``."""
    twin = Twin(task)
    step = backup(twin.addon, twin, twin.prior_weight * twin.prior.log_policy)
    return np.asarray(step(mdplab.exact.ball(task.other_q)) + twin.weight * twin.prior.q)


def backup_of_shifted(task: IterationTask) -> Array:
    """One soft backup of the other point plus ``omega Q*``."""
    twin = Twin(task)
    return backup(twin.full, twin)(mdplab.exact.ball(task.other_q) + twin.weight * twin.prior.q)


# --- (ii), (iii) ----------------------------------------------------------------------------------------------------


def backup_distance(task: IterationTask) -> Any:
    """Distance of the residual backups of two points."""
    twin = Twin(task)
    step = backup(twin.addon, twin, any_bonus(task, twin))
    first, second = (step(mdplab.exact.ball(q)) for q in (task.start_q, task.other_q))
    return mdplab.exact.highest(np.abs(first - second))


def discounted_distance(task: IterationTask) -> Any:
    """``gamma |Q - Q'|``."""
    apart = mdplab.exact.rational(task.start_q) - mdplab.exact.rational(task.other_q)
    return Twin(task).inherent.discount * np.abs(apart).max()


def fixed_point(twin: Twin, bonus: Any) -> Array:
    """The fixed point of the residual backup with any prior."""
    reference = bonus / twin.temperature
    return mdplab.exact.soft_control(twin.addon, temperature=twin.temperature, log_reference=reference).q


def distances(task: IterationTask) -> Array:
    """Distances of the iterates beyond the start from the fixed point."""
    twin = Twin(task)
    bonus = any_bonus(task, twin)
    found = run(backup(twin.addon, twin, bonus), mdplab.exact.ball(task.start_q), task.steps)
    limit = fixed_point(twin, bonus)
    return np.array([mdplab.exact.highest(np.abs(q - limit)) for q in found[1:]], dtype=object)


def geometric_bound(task: IterationTask) -> Array:
    """``gamma^k`` times the distance of the start from the fixed point."""
    twin = Twin(task)
    apart = np.abs(mdplab.exact.ball(task.start_q) - fixed_point(twin, any_bonus(task, twin)))
    powers = [twin.inherent.discount**k for k in range(1, task.steps + 1)]
    return np.asarray(np.array(powers, dtype=object) * mdplab.exact.highest(apart))
