"""Routes of the claim on option lengths: value iteration on the line, closed forms, quadrature, a stationary point."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import Side
from mdplab.claims.tolerances import rounding
from mdplab.numerics import monotone_root, normal_expectation
from proofs_check.dual_rl.option_tasks import OptionTask


def iterated(task: OptionTask) -> tuple[FloatArray, float]:
    """Values of the line by value iteration, and their error."""
    found = solvers.value_iteration(task.mdp, tol=1e-11)
    return found.value, found.certificate.bound


def value_by_iteration(task: OptionTask) -> Side:
    """Value iteration on the line with options."""
    return Side(*iterated(task))


def closed_value(task: OptionTask, distance: ArrayLike) -> FloatArray:
    """``-(1 - gamma^ceil(d / n)) / (1 - gamma)``."""
    return np.asarray(-(1 - task.discount ** task.decisions(distance)) / (1 - task.discount))


def closed_error(task: OptionTask) -> float:
    """Rounding of a power of the discount over 1 - gamma."""
    return float(rounding(4 / (1 - task.discount), 16))


def closed_values(task: OptionTask) -> Side:
    """-(1 - gamma^ceil(d / n)) / (1 - gamma) at every position."""
    return Side(closed_value(task, task.distances), closed_error(task))


def margin_by_iteration(task: OptionTask) -> Side:
    """V(d - k) - V(d) by value iteration."""
    value, error = iterated(task)
    near, far = task.place(task.distance - task.subgoal), task.place(task.distance)
    return Side(value[near] - value[far], 2 * error + closed_error(task))


def margin(task: OptionTask) -> float:
    """``(gamma^ceil((d - k) / n) - gamma^ceil(d / n)) / (1 - gamma)``."""
    near, far = task.decisions(task.distance - task.subgoal), task.decisions(task.distance)
    return float((task.discount**near - task.discount**far) / (1 - task.discount))


def closed_margin(task: OptionTask) -> Side:
    """(gamma^ceil((d - k) / n) - gamma^ceil(d / n)) / (1 - gamma)."""
    return Side(margin(task), closed_error(task))


def accuracy_by_quadrature(task: OptionTask) -> Side:
    """Probability that the noisy V(d - k) exceeds the noisy V(d), by quadrature over one of the errors."""
    from scipy.special import ndtr

    value, error = iterated(task)
    near, far = value[task.place(task.distance - task.subgoal)], value[task.place(task.distance)]
    first, second = task.deviation * (np.abs([near, far]) if task.relative else np.ones(2))
    found = normal_expectation(lambda x: ndtr((near - far + first * x) / second), order=100)
    return Side(found.value, float(found.error) + 2 * error / second + float(rounding(1.0, 256)))


def accuracy(task: OptionTask, size: float) -> Side:
    """``Phi(size / (sigma sqrt 2))``; the density of the normal law is below .4."""
    from scipy.special import ndtr

    scaled = size / (task.deviation * np.sqrt(2))
    return Side(float(ndtr(scaled)), closed_error(task) / task.deviation + float(rounding(1.0, 64)))


def closed_accuracy(task: OptionTask) -> Side:
    """Phi(Delta / (sigma sqrt 2)) with the closed form of Delta."""
    return accuracy(task, margin(task))


def best_length(task: OptionTask) -> float:
    """``k log(1 / gamma) / log(d / (d - k))``."""
    return float(-task.subgoal * np.log(task.discount) / -np.log1p(-task.subgoal / task.distance))


def closed_length(task: OptionTask) -> Side:
    """k log(1 / gamma) / log(d / (d - k))."""
    length = best_length(task)
    # log1p and its argument: relative errors of a few units; near 1 the logarithm of the discount is read off its float
    return Side(length, float(rounding(length, 24)))


def smooth_margin(task: OptionTask, length: Any) -> Any:
    """``(gamma^((d - k) / n) - gamma^(d / n)) / (1 - gamma)``, also at complex lengths."""
    rate = np.log(task.discount) / length
    return (np.exp(rate * (task.distance - task.subgoal)) - np.exp(rate * task.distance)) / (
        1 - task.discount
    )


def stationary_length(task: OptionTask) -> Side:
    """Zero of the derivative of the margin without ceilings, by complex steps and bisection."""
    rate, step = -np.log(task.discount), 1e-30
    near, far = task.distance - task.subgoal, task.distance
    found = monotone_root(
        lambda n: float(smooth_margin(task, n * (1 + 1j * step)).imag) / step, near * rate / 2, 2 * far * rate
    )
    # the two terms of the derivative have the ratio exp(k rate / n) (d - k) / d and relative errors of a few units
    relative = float(rounding(1 + far * rate / found.root, 32)) / np.log(far / near)
    return Side(found.root, found.certificate.bound + 2 * found.root * relative)


def lengths(task: OptionTask) -> FloatArray:
    """Half-integer option lengths to twice the distance."""
    return np.arange(1, 4 * task.distance + 1) / 2


def margins_of_lengths(task: OptionTask) -> Side:
    """The margin without ceilings at half-integer lengths."""
    return Side(smooth_margin(task, lengths(task)), closed_error(task))


def largest_margin(task: OptionTask) -> Side:
    """The margin without ceilings at n*."""
    return Side(np.full(lengths(task).size, smooth_margin(task, best_length(task))), closed_error(task))


def lower_ends(task: OptionTask) -> Side:
    """(d - k) log(1 / gamma), and n*."""
    value = np.array([-(task.distance - task.subgoal) * np.log(task.discount), best_length(task)])
    return Side(value, rounding(value, 24))


def upper_ends(task: OptionTask) -> Side:
    """n*, and d log(1 / gamma)."""
    value = np.array([best_length(task), -task.distance * np.log(task.discount)])
    return Side(value, rounding(value, 24))


def visible(task: OptionTask) -> Side:
    """Number of n consecutive distances at which a subgoal k nearer has a larger value, by value iteration."""
    value, error = iterated(task)
    window = task.subgoal + np.arange(task.longest)
    apart = value[task.place(window - task.subgoal)] - value[task.place(window)]
    # one decision less makes a difference of at least gamma^decisions
    least = task.discount ** float(task.decisions(window).max())
    doubt = 0.0 if least > 4 * error else 1.0
    return Side(float((apart > least / 2).sum()), doubt * task.longest)


def visible_closed(task: OptionTask) -> Side:
    """min(n, k)."""
    return Side(float(min(task.longest, task.subgoal)))
