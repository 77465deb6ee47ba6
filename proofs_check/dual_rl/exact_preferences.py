"""Compared trajectories in exact arithmetic: the fit as a proven zero of its gradient, soft control and tilts in balls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.dual_rl import exact_weighting

if TYPE_CHECKING:
    from proofs_check.dual_rl.preference_tasks import PreferenceTask


def paths_of(task: Any) -> exact_weighting.Set:
    """All trajectories of the reference, in rationals."""
    return exact_weighting.enumerated(task)


def twin_of(task: PreferenceTask) -> Any:
    return mdplab.exact.ExactHorizon.of(task.model)


def reference_of(task: PreferenceTask) -> tuple[Array, Array]:
    """The reference of each stage and its logarithm."""
    rows = mdplab.exact.laws(task.behaviour)
    return rows, mdplab.exact.log(rows)


def rows_of(paths: exact_weighting.Set) -> list[tuple[int, int]]:
    """Stages and states that are visited."""
    return sorted({(h, int(s)) for h, states in enumerate(paths.states.T) for s in states})


def sigmoid(x: Any) -> Any:
    return 1 / (1 + mdplab.exact.exp(-x))


def policy_of(task: PreferenceTask, rows: list[tuple[int, int]], scores: Any) -> tuple[Array, Array]:
    """``beta log(pi / pi_ref)`` and ``pi`` of both actions in each row, from the scores of the second."""
    beta = mdplab.exact.rational(task.temperature)
    reference = np.array([reference_of(task)[0][row] for row in rows], dtype=object)
    odds = reference[:, 1] / reference[:, 0] * mdplab.exact.exp(scores / beta)
    first = -beta * mdplab.exact.log((1 + odds) * reference[:, 0])
    return np.stack((first, first + scores), axis=1), np.stack((1 / (1 + odds), odds / (1 + odds)), axis=1)


def fitted_steps(task: PreferenceTask) -> tuple[list[tuple[int, int]], Array, Array]:
    """Visited rows, and the steps and policy at the zero of the gradient next to the fit in floats."""
    paths = paths_of(task)
    rows, beta = rows_of(paths), mdplab.exact.rational(task.temperature)
    visits = np.array([[int(path[h] == s) for h, s in rows] for path in paths.states])
    taken = np.array([[int(path[h]) for h, _ in rows] for path in paths.actions])
    labels = sigmoid(paths.gains[:, np.newaxis] - paths.gains)
    pairs = paths.law[:, np.newaxis] * paths.law

    def system(scores: Array) -> tuple[Any, Any]:
        steps, policy = policy_of(task, rows, scores)
        implicit = (visits * np.where(taken == 1, steps[:, 1], steps[:, 0])).sum(axis=1)
        slopes = visits * (taken - policy[:, 1])
        right = sigmoid(implicit[:, np.newaxis] - implicit)
        pull = (pairs * (right - labels)).sum(axis=1)
        bend = pairs * right * (1 - right)
        laplacian = np.diag(bend.sum(axis=1)) - bend
        jacobian = slopes.T @ (laplacian @ slopes)
        jacobian = jacobian - np.diag((pull @ visits) * policy[:, 0] * policy[:, 1] / beta)
        return pull @ slopes, jacobian

    logs = task.fit.log_policy - np.log(task.behaviour)
    near = [task.temperature * (logs[row][1] - logs[row][0]) for row in rows]
    zero = mdplab.exact.enclose_zero(system, near)
    return rows, *policy_of(task, rows, zero)


def preferred(task: PreferenceTask) -> Any:
    """Implicit rewards of single steps under the fit."""
    return fitted_steps(task)[1].ravel()


def soft_of(task: PreferenceTask) -> Any:
    return mdplab.exact.soft_backward_induction(
        twin_of(task), temperature=task.temperature, log_reference=reference_of(task)[1]
    )


def soft_optimal(task: PreferenceTask) -> Any:
    """The same under the soft optimum, by backward induction."""
    steps = soft_of(task).log_policy - reference_of(task)[1]
    beta = mdplab.exact.rational(task.temperature)
    return np.array([beta * steps[row] for row in rows_of(paths_of(task))], dtype=object).ravel()


def tilted_value(task: PreferenceTask) -> Any:
    """Free energy of the trajectories, by enumeration."""
    paths = paths_of(task)
    logs = mdplab.exact.log(paths.law)
    return mdplab.exact.log_sum_exp(paths.gains, temperature=task.temperature, log_reference=logs)


def soft_value(task: PreferenceTask) -> Any:
    """Soft value of the first state, by backward induction."""
    twin = twin_of(task)
    return (twin.initial * soft_of(task).value[0]).sum()


def gap(task: PreferenceTask) -> Any:
    """The difference of the two."""
    return tilted_value(task) - soft_value(task)


def divergence_from_the_tilt(task: PreferenceTask) -> Any:
    """The temperature times the divergence of the soft policy's law from the tilted one, by enumeration."""
    paths = paths_of(task)
    h = np.arange(paths.states.shape[1])
    steps = soft_of(task).log_policy - reference_of(task)[1]
    soft = paths.law * mdplab.exact.exp(steps[h, paths.states, paths.actions].sum(axis=1))
    tilt = mdplab.exact.softmax(
        paths.gains, temperature=task.temperature, log_reference=mdplab.exact.log(paths.law)
    )
    return mdplab.exact.rational(task.temperature) * mdplab.exact.kl(soft, tilt)


def regret(task: PreferenceTask) -> Any:
    """Soft value less the regularised return of the fit."""
    twin, (reference, logs) = twin_of(task), reference_of(task)
    rows, _, fitted = fitted_steps(task)
    policy = np.array(reference, dtype=object)
    for row, law in zip(rows, fitted, strict=True):
        policy[row] = law
    found = mdplab.exact.stage_evaluation(twin, policy, temperature=task.temperature, log_reference=logs)
    return (twin.initial * (soft_of(task).value[0] - found.value[0])).sum()


def least_regret(task: PreferenceTask) -> Any:
    """The bound, from the slopes of the loss at the soft optimum."""
    exact, paths = mdplab.exact, paths_of(task)
    beta, slip = exact.rational(task.temperature), exact.rational(task.slip)
    logs, h = soft_of(task).log_policy, np.arange(paths.states.shape[1])
    steps = logs - reference_of(task)[1]
    implicit = beta * steps[h, paths.states, paths.actions].sum(axis=1)
    off = sigmoid(implicit[:, np.newaxis] - implicit) - sigmoid(paths.gains[:, np.newaxis] - paths.gains)
    pull = 2 * (paths.law[:, np.newaxis] * paths.law * off).sum(axis=1)
    rows = rows_of(paths)
    slopes = [
        (
            pull * (paths.states[:, stage] == s) * (paths.actions[:, stage] - exact.exp(logs[stage, s, 1]))
        ).sum()
        for stage, s in rows
    ]
    slope = exact.highest(np.array([abs(x) for x in slopes], dtype=object))
    smallest = exact.lowest(exact.exp(np.array([logs[row] for row in rows], dtype=object)).ravel())
    away = 1 - exact.exp(-slope / (2 * (1 + beta)))
    return 2 * beta * exact.lowest(np.array([slip, 1 - slip])) * smallest**2 * away**2
