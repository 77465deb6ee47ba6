"""Routes to compared trajectories: the fit and its regret, soft control, the tilted law of trajectories and the loss itself."""

from __future__ import annotations

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import Side, Undecided, rounding
from mdplab.operators import log_sum_exp, path_kl, tilted_trajectories
from mdplab.solvers import TrajectoryFit
from proofs_check.dual_rl.preference_tasks import PreferenceTask


def steps_taken(task: PreferenceTask, log_policy: FloatArray) -> FloatArray:
    """``beta log(pi / pi_ref)`` of both actions at the states that are visited."""
    ratios = task.temperature * (log_policy - np.log(task.reference))
    return np.concatenate((ratios[0, task.starts > 0], ratios[1])).ravel()


def fit_error(task: PreferenceTask, fit: TrajectoryFit) -> float:
    """Error of ``beta log pi``: the solver's, and that of the labels, which moves the gradient, over the curvature.

    With weights wrong by ``delta`` in sum the gradient is wrong by ``sqrt(8 H) delta``; the point moves by at most twice that
    over the curvature, a row of it by ``sqrt(2)`` times as much.
    """
    if not np.isfinite(fit.certificate.bound):
        raise Undecided(fit.status.value)
    labels = float(rounding(1 + np.abs(task.paths.returns).max(), 48))
    moved = 2.0 * np.sqrt(2.0) * np.sqrt(8.0 * task.model.horizon) * labels / fit.curvature
    return float(fit.certificate.bound + moved + rounding(task.size, 16))


def preferred(task: PreferenceTask, *, factor: float = 1.0) -> Side:
    """Newton fit of the preference loss of trajectories: implicit rewards of single steps."""
    fit = task.fit if factor == 1.0 else task.fitted(factor * task.temperature)
    return Side(steps_taken(task, fit.log_policy), fit_error(task, fit))


def soft_optimal(task: PreferenceTask) -> Side:
    """Soft backward induction: the same of the optimum of the KL-regularised model."""
    error = task.temperature * task.soft.log_policy_error + float(rounding(task.size, 16))
    return Side(steps_taken(task, task.soft.log_policy), error)


def tilted_value(task: PreferenceTask) -> Side:
    """Backward recursion of the tilted law of trajectories: its free energy."""
    found = tilted_trajectories(task.model, task.reference, temperature=task.temperature).optimum
    return Side(found, float(rounding(task.size + task.temperature, 96)))


def tilted_value_by_enumeration(task: PreferenceTask) -> Side:
    """Enumeration: beta times the log of the mean of exp(R / beta) over the reference's trajectories."""
    paths, top = task.paths, float(task.paths.returns.max())
    mean = paths.probability @ np.exp((paths.returns - top) / task.temperature)
    found = top + task.temperature * np.log(mean)
    return Side(float(found), float(rounding(task.size + task.temperature, 96)))


def soft_value(task: PreferenceTask) -> Side:
    """Soft backward induction: value of the first state."""
    return Side(float(task.starts @ task.soft.value[0]), task.soft.certificate.bound + rounding(task.size, 8))


def soft_value_written_out(task: PreferenceTask) -> Side:
    """Two nested log-means, written out."""
    value, _ = task.written_out
    return Side(float(task.starts @ value[0]), float(rounding(task.size + task.temperature, 96)))


def gap(task: PreferenceTask) -> Side:
    """Free energy of the trajectories less the soft value, both by recursion."""
    high, low = tilted_value(task), soft_value(task)
    return Side(
        float(np.asarray(high.value)) - float(np.asarray(low.value)),
        float(np.max(high.error)) + float(np.max(low.error)),
    )


def log_laws(task: PreferenceTask) -> tuple[FloatArray, FloatArray]:
    """Logarithms of the soft policy's law of trajectories and of the tilted one, by enumeration."""
    paths, (_, logs) = task.paths, task.written_out
    h = np.arange(task.model.horizon)
    soft = paths.environment_log_probability + logs[h, paths.states[:, :-1], paths.actions].sum(axis=1)
    weights = paths.log_probability + paths.returns / task.temperature
    return soft, weights - log_sum_exp(weights)


def divergence_from_the_tilt(task: PreferenceTask, *, swapped: bool = False) -> Side:
    """Enumeration: beta times the divergence of the soft policy's law of trajectories from the tilted law."""
    soft, tilt = log_laws(task)
    if swapped:
        soft, tilt = tilt, soft
    law = np.exp(soft)
    size = task.temperature * float(law @ (np.abs(soft) + np.abs(tilt))) + task.size
    return Side(task.temperature * float(law @ (soft - tilt)), float(rounding(size, 160)))


def tilted_law(task: PreferenceTask) -> Side:
    """Enumeration: the tilted law of trajectories."""
    law = np.exp(log_laws(task)[1])
    return Side(law, rounding(law * (1 + task.size / task.temperature), 96))


def soft_law(task: PreferenceTask) -> Side:
    """Soft backward induction: the optimal policy's law of trajectories."""
    paths = task.paths
    steps = paths.policy_log_probability(task.soft.policy).sum(axis=1)
    law = np.exp(paths.environment_log_probability + steps)
    error = task.model.horizon * task.soft.log_policy_error + float(
        rounding(1 + task.size / task.temperature, 64)
    )
    return Side(law, error * law)


def soft_law_written_out(task: PreferenceTask) -> Side:
    """The same, the recursion written out."""
    law = np.exp(log_laws(task)[0])
    return Side(law, rounding(law * (1 + task.size / task.temperature), 96))


def objective_error(task: PreferenceTask) -> float:
    """Error of the regularised return of the fitted policy, a stage after another.

    Where ``beta log pi`` errs by ``b`` a stage changes by ``b`` through the penalty and by twice the error of a probability
    times what is at stake.
    """
    b = fit_error(task, task.fit)
    stake = task.size + float(np.abs(steps_taken(task, task.fit.log_policy)).max())
    return task.model.horizon * (b + b * stake / task.temperature) + float(rounding(2 * stake, 96))


def regret(task: PreferenceTask) -> Side:
    """Soft value less the regularised return of the fitted policy, by backward evaluation."""
    found = solvers.stage_evaluation(
        task.model,
        task.fit.policy,
        temperature=task.temperature,
        log_reference=np.log(task.reference),
    )
    value = float(task.starts @ (task.soft.value[0] - found.value[0]))
    return Side(value, task.soft.certificate.bound + found.certificate.bound + objective_error(task))


def regret_of(task: PreferenceTask, log_policy: FloatArray) -> float:
    """Temperature times the divergence of a policy's law of trajectories from the soft-optimal one."""
    return task.temperature * path_kl(task.model, log_policy, task.written_out[1])


def regret_by_divergence(task: PreferenceTask) -> Side:
    """Divergence of the fitted policy's law of trajectories from the soft-optimal one, times beta."""
    return Side(regret_of(task, task.fit.log_policy), objective_error(task))


def regret_of_the_optimum(task: PreferenceTask) -> Side:
    """The same of the soft-optimal policy in the place of the fitted one."""
    return Side(regret_of(task, task.soft.log_policy), objective_error(task))


def slope_at_the_optimum(task: PreferenceTask) -> tuple[float, float]:
    """Largest derivative of the preference loss in a score at the soft-optimal policy, and its rounding.

    Scores of the second action, those of the first are kept; a sum over pairs of trajectories.
    """
    paths, (_, logs) = task.paths, task.written_out
    h = np.arange(task.model.horizon)
    steps = (
        logs[h, paths.states[:, :-1], paths.actions]
        - np.log(task.reference)[paths.states[:, :-1], paths.actions]
    )
    implicit = task.temperature * steps.sum(axis=1)
    off = np.tanh((implicit[:, np.newaxis] - implicit) / 2) - np.tanh(
        (paths.returns[:, np.newaxis] - paths.returns) / 2
    )  # twice the error of the label's probability
    pull = paths.probability * (off @ paths.probability)
    second = np.exp(logs[..., 1])
    slopes = []
    for stage in h:
        for state in range(task.model.n_states):
            here = paths.states[:, stage] == state
            slopes.append(abs(float(pull[here] @ (paths.actions[here, stage] - second[stage, state]))))
    return max(slopes), float(rounding(1 + task.size, 160))


def least_regret(task: PreferenceTask) -> Side:
    """Lower bound on the regret of every stationary policy, from the slope of the loss at the soft-optimal one."""
    slope, error = slope_at_the_optimum(task)
    beta, likely = task.temperature, min(task.slip, 1 - task.slip)
    smallest = float(np.exp(task.written_out[1].min()))
    away = -np.expm1(-slope / (2 * (1 + beta)))
    value = 2 * beta * likely * smallest**2 * away**2
    moved = 4 * beta * likely * smallest**2 * (away + error) * error / (2 * (1 + beta))
    return Side(value, moved + float(rounding(value, 64 + 8 * int(task.size / beta))))


def slope_itself(task: PreferenceTask) -> Side:
    """The slope of the loss in the place of the bound."""
    return Side(*slope_at_the_optimum(task))


def loss_at(task: PreferenceTask, tilt: float) -> float:
    """The loss of the policy that is uniform but for the logit of the second action in the second stage's state 0."""
    paths = task.paths
    logit = tilt * ((paths.states[:, 1] == 0) * (2 * paths.actions[:, 1] - 1))
    odd = np.where(paths.states[:, 1] == 0, np.log(2) - np.logaddexp(0.0, -logit), 0.0)
    implicit = task.temperature * odd
    h = implicit[:, np.newaxis] - implicit
    label = 1 / (1 + np.exp(paths.returns - paths.returns[:, np.newaxis]))
    losses = label * np.logaddexp(0.0, -h) + (1 - label) * np.logaddexp(0.0, h)
    return float(paths.probability @ losses @ paths.probability)


def loss_of_the_ends(task: PreferenceTask) -> Side:
    """Mean loss at the logits -1 and 1 of the second action in state 0 of the second stage."""
    mean = (loss_at(task, -1.0) + loss_at(task, 1.0)) / 2
    return Side(mean, float(rounding(2 + task.size, 160)))


def loss_between(task: PreferenceTask) -> Side:
    """Loss half way, at the logit 0."""
    return Side(loss_at(task, 0.0), float(rounding(2 + task.size, 160)))
