"""Options in exact arithmetic: value iteration that ends, closed forms, balls for real option lengths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array

if TYPE_CHECKING:
    from proofs_check.dual_rl.option_tasks import OptionTask


def value_by_iteration(task: OptionTask) -> Array:
    """Value iteration from zero, waiting for slips at once: a state is final after as many rounds as it needs decisions.

    ``V = -1 + gamma ((1 - slip) max V + slip V)`` is solved for the V of its own state.
    """
    places = np.arange(task.positions)
    steps = np.arange(1, task.longest + 1)[:, np.newaxis]
    reached = np.clip(np.concatenate([places + steps, places - steps]), 0, task.positions - 1)
    gamma, slip = mdplab.exact.rational(task.discount), mdplab.exact.rational(task.slip)
    value = mdplab.exact.rational(np.zeros(task.positions, dtype=int))
    for _ in range(task.positions + 1):
        after = (gamma * (1 - slip) * value[reached].max(axis=0) - 1) / (1 - gamma * slip)
        after[task.goal] = mdplab.exact.rational(0)
        if (after == value).all():
            return np.asarray(value)
        value = after
    raise ValueError("the iteration does not end")


def closed_value(task: OptionTask, distance: Any) -> Any:
    """``-(1 - gamma^ceil(d / n)) / (1 - gamma)``."""
    gamma = mdplab.exact.rational(task.discount)
    return (gamma ** -(-int(distance) // task.longest) - 1) / (1 - gamma)


def closed_values(task: OptionTask) -> Array:
    """The closed form at every position."""
    return np.array([closed_value(task, d) for d in task.distances])


def margin_by_iteration(task: OptionTask) -> Any:
    """Difference of two values of the iteration."""
    value = value_by_iteration(task)
    return value[task.place(task.distance - task.subgoal)] - value[task.place(task.distance)]


def closed_margin(task: OptionTask) -> Any:
    """Difference of two closed forms."""
    return closed_value(task, task.distance - task.subgoal) - closed_value(task, task.distance)


def log_discount(task: OptionTask) -> Any:
    """``log(1 / gamma)``."""
    return -mdplab.exact.log(mdplab.exact.rational(task.discount))


def best_length(task: OptionTask) -> Any:
    """``k log(1 / gamma) / log(d / (d - k))``."""
    ratio = mdplab.exact.rational(task.distance) / (task.distance - task.subgoal)
    return task.subgoal * log_discount(task) / mdplab.exact.log(ratio)


def stationary_length(task: OptionTask) -> Any:
    """The zero of the derivative in ``u = 1 / n``, enclosed."""
    rate, near, far = log_discount(task), task.distance - task.subgoal, task.distance

    def derivative(u: Array) -> tuple[list[Any], list[list[Any]]]:
        a, b = (d * mdplab.exact.exp(-rate * d * u[0]) for d in (near, far))
        return [a - b], [[rate * (far * b - near * a)]]

    start = float(best_length(task).mid())
    return 1 / mdplab.exact.enclose_zero(derivative, [1 / start])[0]


def power(base: Any, over: int, under: int) -> Any:
    """``base ** (over / under)``, rational where the exponent is an integer."""
    if over % under == 0:
        return base ** (over // under)
    return mdplab.exact.exp(mdplab.exact.log(base) * over / under)


def margins_of_lengths(task: OptionTask) -> Array:
    """``(gamma^((d - k) / n) - gamma^(d / n)) / (1 - gamma)`` at half-integer lengths to twice the distance."""
    gamma, far = mdplab.exact.rational(task.discount), task.distance
    near = far - task.subgoal
    found = [power(gamma, 2 * near, m) - power(gamma, 2 * far, m) for m in range(1, 4 * far + 1)]
    return np.asarray(np.array(found) / (1 - gamma))


def largest_margin(task: OptionTask) -> Array:
    """The same at the best length, where ``gamma^(k / n) = r = (d - k) / d``: ``r^((d - k) / k) (1 - r) / (1 - gamma)``."""
    near = task.distance - task.subgoal
    ratio = mdplab.exact.rational(near) / task.distance
    best = power(ratio, near, task.subgoal) * (1 - ratio) / (1 - mdplab.exact.rational(task.discount))
    return np.full(4 * task.distance, best)


def lower_ends(task: OptionTask) -> list[Any]:
    """``(d - k) log(1 / gamma)`` and the best length."""
    return [(task.distance - task.subgoal) * log_discount(task), best_length(task)]


def upper_ends(task: OptionTask) -> list[Any]:
    """The best length and ``d log(1 / gamma)``."""
    return [best_length(task), task.distance * log_discount(task)]


def visible(task: OptionTask) -> Any:
    """Number of n consecutive distances at which values of the iteration differ."""
    value = value_by_iteration(task)
    window = task.subgoal + np.arange(task.longest)
    apart = value[task.place(window - task.subgoal)] != value[task.place(window)]
    return mdplab.exact.rational(int(apart.sum()))


def visible_closed(task: OptionTask) -> Any:
    """``min(n, k)``."""
    return mdplab.exact.rational(min(task.longest, task.subgoal))
