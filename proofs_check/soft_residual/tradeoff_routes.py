"""Both sides of the statements on the balance of prior and add-on reward."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import Side, rounding
from mdplab.numerics import complex_step_gradient
from mdplab.operators import induced, residual_value
from proofs_check.soft_residual.any_prior_routes import by_newton, reference_error
from proofs_check.soft_residual.policy_returns import Objective, by_evaluation, by_solve, moved
from proofs_check.soft_residual.tradeoff_instances import TradeoffTask

__all__ = [
    "MIDDLE",
    "Route",
    "above",
    "above_by_newton",
    "addon_return",
    "addon_return_by_newton",
    "below",
    "below_by_newton",
    "divergence",
    "divergence_by_newton",
    "earlier",
    "hidden_from_log_prior",
    "hidden_return",
    "hidden_return_by_newton",
    "later",
    "log_prior_return",
    "log_prior_return_by_newton",
    "middle_return",
    "middle_slope",
    "optimal_value_by_newton",
    "optimal_values",
    "rest_return",
    "rest_return_by_newton",
]

Route = Callable[[TradeoffTask], Side]


def log_prior_return(task: TradeoffTask) -> Side:
    """Residual soft Q iteration, evaluated: L, the return of the log-prior, at each weight."""
    return by_evaluation(task, task.weighted_optima, Objective(task.log_prior))


def log_prior_return_by_newton(task: TradeoffTask) -> Side:
    """Soft policy iteration and a dense solve: L at each weight."""
    return by_solve(task, task.weighted_newton, task.weighted, Objective(task.log_prior))


def rest_return(task: TradeoffTask) -> Side:
    """Residual soft Q iteration, evaluated: K, the return of r_R - alpha-hat log mu, at each weight."""
    objective = Objective(task.residual_reward, task.temperature)
    return by_evaluation(task, task.weighted_optima, objective)


def rest_return_by_newton(task: TradeoffTask) -> Side:
    """Soft policy iteration and a dense solve: K at each weight."""
    objective = Objective(task.residual_reward, task.temperature)
    return by_solve(task, task.weighted_newton, task.weighted, objective)


def optimal_values(task: TradeoffTask) -> Side:
    """Optimal values from the start law, of residual soft Q iteration itself."""
    start, optima = task.mdp.start_law(), task.weighted_optima
    value = np.array([start @ found.value for found in optima])
    errors = np.array([found.certificate.bound for found in optima])
    return Side(value, errors + rounding(max(np.abs(found.value).max() for found in optima), start.size + 2))


def optimal_value_by_newton(task: TradeoffTask) -> Side:
    """Soft policy iteration and two dense solves: K + w L at each weight."""
    slopes, rest = log_prior_return_by_newton(task), rest_return_by_newton(task)
    weighted, alone = task.weights * np.asarray(slopes.value), np.asarray(rest.value)
    error = np.asarray(rest.error) + task.weights * np.asarray(slopes.error)
    return Side(alone + weighted, error + rounding(np.abs(alone) + np.abs(weighted), 4))


def divergence(task: TradeoffTask) -> Side:
    """Residual soft Q iteration, evaluated: discounted KL(mu || pi) at each coefficient."""
    objective = Objective(np.zeros_like(task.log_prior), 1.0, task.log_prior)
    side = by_evaluation(task, task.pure_kl_optima, objective)
    return Side(-np.asarray(side.value), side.error)


def divergence_by_newton(task: TradeoffTask) -> Side:
    """Soft policy iteration and a dense solve: discounted KL(mu || pi) at each coefficient."""
    objective = Objective(np.zeros_like(task.log_prior), 1.0, task.log_prior)
    side = by_solve(task, task.pure_kl_newton, task.pure_kl, objective)
    return Side(-np.asarray(side.value), side.error)


def addon_return(task: TradeoffTask) -> Side:
    """Residual soft Q iteration, evaluated: the return of r_R at each coefficient."""
    return by_evaluation(task, task.pure_kl_optima, Objective(task.residual_reward))


def addon_return_by_newton(task: TradeoffTask) -> Side:
    """Soft policy iteration and a dense solve: the return of r_R at each coefficient."""
    return by_solve(task, task.pure_kl_newton, task.pure_kl, Objective(task.residual_reward))


def hidden_return(task: TradeoffTask) -> Side:
    """Residual soft Q iteration, evaluated: the return of r at each weight."""
    return by_evaluation(task, task.weighted_optima, Objective(task.mdp.reward))


def hidden_return_by_newton(task: TradeoffTask) -> Side:
    """Soft policy iteration and a dense solve: the return of r at each weight."""
    return by_solve(task, task.weighted_newton, task.weighted, Objective(task.mdp.reward))


def hidden_from_log_prior(task: TradeoffTask) -> Side:
    """Residual soft Q iteration, evaluated: rho V* + alpha L at each weight."""
    found, best = log_prior_return(task), task.mdp.start_law() @ task.prior.value
    logs = task.prior_temperature * np.asarray(found.value)
    wrong = task.prior_backward_error / (1 - task.mdp.discount)
    error = task.prior_temperature * np.asarray(found.error) + wrong
    size = np.abs(logs) + np.abs(task.prior.value).max()
    return Side(best + logs, error + rounding(size, task.mdp.n_states + 4))


def earlier(route: Route) -> Route:
    """A route at each parameter but the last."""
    return described(route, slice(None, -1), "but the last")


def later(route: Route) -> Route:
    """A route at each parameter but the first."""
    return described(route, slice(1, None), "but the first")


def described(route: Route, part: slice, which: str) -> Route:
    """A part of a route, with its docstring."""

    def side(task: TradeoffTask) -> Side:
        return cut(route(task), part)

    side.__doc__ = f"{(route.__doc__ or '').rstrip('.')}, {which}."
    return side


def cut(side: Side, part: slice) -> Side:
    """A part of a side."""
    return Side(np.asarray(side.value)[part], np.asarray(side.error)[part])


def tangents(task: TradeoffTask, *, value: Route, slopes: Route, below: bool) -> Side:
    """Rises of F, and slopes L of one end times the step, stacked."""
    optimal, step = value(task), np.diff(task.weights)
    values, errors = np.asarray(optimal.value), np.asarray(optimal.error)
    rise = np.diff(values)
    wrong = errors[1:] + errors[:-1] + rounding(np.abs(values).max(), 2)
    line = cut(slopes(task), slice(None, -1) if below else slice(1, None))
    run = np.asarray(line.value) * step
    run_error = (
        np.asarray(line.error) * step
        + rounding(run, 4)
        + rounding(np.abs(line.value) * task.weights.max(), 2)
    )
    rows, margins = [run, rise], [run_error, wrong]
    return Side(np.array(rows if below else rows[::-1]), np.array(margins if below else margins[::-1]))


def below(task: TradeoffTask) -> Side:
    """Residual soft Q iteration: L(w_i) times the step, and the rise of F."""
    return tangents(task, value=optimal_values, slopes=log_prior_return, below=True)


def above(task: TradeoffTask) -> Side:
    """Residual soft Q iteration: the rise of F, and L(w_(i+1)) times the step."""
    return tangents(task, value=optimal_values, slopes=log_prior_return, below=False)


def below_by_newton(task: TradeoffTask) -> Side:
    """Soft policy iteration and dense solves: L(w_i) times the step, and the rise of K + w L."""
    return tangents(task, value=optimal_value_by_newton, slopes=log_prior_return_by_newton, below=True)


def above_by_newton(task: TradeoffTask) -> Side:
    """Soft policy iteration and dense solves: the rise of K + w L, and L(w_(i+1)) times the step."""
    return tangents(task, value=optimal_value_by_newton, slopes=log_prior_return_by_newton, below=False)


MIDDLE = 1


def middle_slope(task: TradeoffTask) -> Side:
    """Derivative of F at the second weight: one Newton step of the soft equation at a complex weight."""
    step = task.weighted[MIDDLE]
    found = by_newton(task, task.log_prior, step)
    discount, start = task.mdp.discount, task.mdp.start_law()
    kernel, _ = induced(task.mdp, found.policy)
    system = np.eye(start.size) - discount * kernel
    q = step.reward + discount * task.mdp.expectation(found.value)

    def value(weight: FloatArray) -> FloatArray:
        backup = residual_value(
            q, log_prior=task.log_prior, prior_weight=weight[0], temperature=step.temperature
        )
        return np.asarray(start @ np.linalg.solve(system, backup - found.value))

    derivative = complex_step_gradient(value, np.array([step.weight]))
    wrong = found.log_policy_error + 2 * reference_error(task, task.log_prior, step) / step.temperature
    later = np.linalg.solve(system, (found.policy * task.log_prior).sum(axis=1))
    advantage = task.log_prior + discount * task.mdp.expectation(later) - later[:, np.newaxis]
    # the weights of the log-sum-exp are a policy that errs, and so is that of the system
    error = 2 * moved(task, found, wrong, advantage, 0.0)
    size = float(np.abs(later).max()) + float((found.policy * np.abs(task.log_prior)).sum(axis=1).max())
    return Side(derivative, error + rounding(size, 16 * q.size) / (1 - discount))


def middle_return(task: TradeoffTask) -> Side:
    """Residual soft Q iteration, evaluated: L at the second weight."""
    return by_evaluation(task, task.weighted_optima[MIDDLE : MIDDLE + 1], Objective(task.log_prior))
