"""Corrupted data in exact arithmetic: Huber's location by enumeration of its pieces, extracted policies as balls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array

if TYPE_CHECKING:
    from proofs_check.dual_rl.corruption_tasks import ExtractionTask, RewardTask, TargetTask


# --- Huber's location -----------------------------------------------------------------------------------------------


def root_set(values: Array, reach: Any) -> tuple[Any, Any]:
    """Smallest and largest zero of the score: of all pieces, the zeros that lie in them.

    On a piece the values below ``t - reach`` and above ``t + reach`` pull with ``reach``, those between with their distance.
    """
    x, found = sorted(values), []
    n = len(x)
    for low in range(n + 1):  # x[:low] lie below
        for high in range(low, n + 1):  # x[high:] lie above
            middle = x[low:high]
            force = sum(middle, 0 * reach) + reach * (n - high - low)
            if not middle and force != 0:
                continue
            # the piece: x[low - 1] + reach <= t <= x[low] + reach and x[high - 1] - reach <= t <= x[high] - reach
            shifts = ((low, reach), (high, -reach))
            first = max(x[i - 1] + shift for i, shift in shifts if i > 0)
            last = min(x[i] + shift for i, shift in shifts if i < n)
            zeros = [force / len(middle)] if middle else [first, last]
            found += [t for t in zeros if first <= t <= last]
    return min(found), max(found)


def read(task: TargetTask) -> tuple[Array, Array, Array, Any]:
    """Clean, honest and corrupted targets, and the threshold."""
    rational = mdplab.exact.rational
    return (
        rational(task.clean),
        rational(task.honest),
        rational(task.corrupted),
        rational(task.threshold),
    )


def below(task: TargetTask) -> Array:
    """The least admitted location, and the largest location."""
    clean, _, corrupted, reach = read(task)
    room = reach * corrupted.size / clean.size
    return np.array([min(clean) - room, root_set(np.append(clean, corrupted), reach)[1]])


def above(task: TargetTask) -> Array:
    """The smallest location, and the largest admitted one."""
    clean, _, corrupted, reach = read(task)
    room = reach * corrupted.size / clean.size
    return np.array([root_set(np.append(clean, corrupted), reach)[0], max(clean) + room])


def far_locations(task: TargetTask) -> Array:
    """Ends of the location with all clean targets at the first, the others far above, then far below."""
    clean, _, corrupted, reach = read(task)
    centre, far = np.repeat(clean[:1], clean.size), clean[0] + 3 * reach + abs(corrupted)
    sides = (far, 2 * clean[0] - far)
    return np.ravel([root_set(np.append(centre, side), reach) for side in sides])


def far_formula(task: TargetTask) -> Array:
    """``a +- k delta / (n - k)``, each twice."""
    clean, _, corrupted, reach = read(task)
    room = reach * corrupted.size / clean.size
    return np.array([clean[0] + room, clean[0] + room, clean[0] - room, clean[0] - room])


def mean_moved(task: TargetTask) -> Any:
    """Mean of the targets as seen less that of the honest ones."""
    clean, honest, corrupted, _ = read(task)
    n = clean.size + honest.size
    return np.append(clean, corrupted).sum() / n - np.append(clean, honest).sum() / n


def mean_formula(task: TargetTask) -> Any:
    """Sum of the corruption over n."""
    clean, honest, corrupted, _ = read(task)
    return (corrupted - honest).sum() / (clean.size + honest.size)


# --- extracted policies ---------------------------------------------------------------------------------------------


def tanh(x: Any) -> Any:
    """``(1 - e^(-2 x)) / (1 + e^(-2 x))``."""
    shrunk = mdplab.exact.exp(-2 * x)
    return (1 - shrunk) / (1 + shrunk)


def tilted(logs: Array, values: Array, task: ExtractionTask | RewardTask) -> Array:
    """The extracted policy."""
    beta = mdplab.exact.rational(task.temperature)
    return np.asarray(mdplab.exact.softmax(values, temperature=beta, log_reference=logs))


def moved(task: ExtractionTask) -> Any:
    """Total variation of the policies extracted from the values and from the perturbed ones."""
    logs = mdplab.exact.log(mdplab.exact.laws(task.base))
    values, change = mdplab.exact.rational(task.values), mdplab.exact.rational(task.perturbation)
    return mdplab.exact.total_variation(tilted(logs, values, task), tilted(logs, values + change, task))


def ceiling(task: ExtractionTask) -> Any:
    """``tanh(epsilon / (2 beta))``."""
    return tanh(mdplab.exact.rational(task.radius) / mdplab.exact.rational(task.temperature) / 2)


def sharply_moved(task: ExtractionTask) -> Any:
    """Total variation in the worst case."""
    radius, beta = mdplab.exact.rational(task.radius), mdplab.exact.rational(task.temperature)
    values, n = mdplab.exact.rational(task.values), task.values.size
    ratio = mdplab.exact.exp(radius / beta)
    target = mdplab.exact.log(np.array([1 / ratio] + [1 / mdplab.exact.ball(n - 1)] * (n - 1), dtype=object))
    logs = target - values / beta
    signs = np.array([1] + [-1] * (n - 1), dtype=object)
    changed = values + radius * signs
    return mdplab.exact.total_variation(tilted(logs, values, task), tilted(logs, changed, task))


def returns(task: RewardTask) -> tuple[Array, Array]:
    """Values of both extracted policies under the true reward."""
    twin = mdplab.exact.ExactMDP.of(task.mdp)
    behaviour = mdplab.exact.laws(task.behaviour)
    logs = mdplab.exact.log(behaviour)
    clean = mdplab.exact.policy_evaluation(twin, behaviour).q
    # action values are linear in the reward
    changed = mdplab.exact.policy_evaluation(task.mdp.replace(reward=task.perturbation), behaviour).q
    first, second = (
        mdplab.exact.policy_evaluation(twin, tilted(logs, q, task)).value for q in (clean, clean + changed)
    )
    return first, second


def loss(task: RewardTask) -> Any:
    """Largest difference of the values of both extracted policies."""
    first, second = returns(task)
    return mdplab.exact.highest(abs(first - second))


def loss_bound(task: RewardTask) -> Any:
    """``(max R - min R) / (1 - gamma)^2 tanh(epsilon / (2 beta (1 - gamma)))``."""
    rational = mdplab.exact.rational
    twin = mdplab.exact.ExactMDP.of(task.mdp)
    left = 1 - twin.discount
    ratio = rational(task.radius) / rational(task.temperature) / left / 2
    rewards = np.ravel(twin.reward)
    return (max(rewards) - min(rewards)) / left**2 * tanh(ratio)
