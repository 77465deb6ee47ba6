"""Transport penalties in rationals: simplex method over couplings, proximal maps, equal quantiles, Newton's method."""

from __future__ import annotations

from typing import Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.tilting.prox_instances import NormalProx, ProxTask


def reward(task: ProxTask) -> Array:
    """``r``."""
    return np.asarray(mdplab.exact.rational(task.reward))


def law(task: ProxTask) -> Array:
    """``q_0``."""
    return np.asarray(mdplab.exact.laws(task.reference))


def squares(task: ProxTask) -> Array:
    """Squared distances."""
    places = mdplab.exact.rational(task.positions).reshape(task.reward.size, -1)
    apart = places[:, np.newaxis] - places
    return np.asarray((apart * apart).sum(axis=2))


def worth(task: ProxTask, strength: Any) -> Array:
    """``r(y) - b/2 |x - y|^2``."""
    return np.asarray(reward(task) - strength * squares(task) / 2)


def couplings(task: ProxTask, strength: Any) -> tuple[Any, Array]:
    """Value and coupling of the program."""
    n = task.reward.size
    rows = np.kron(np.eye(n, dtype=int), np.ones(n, dtype=int))
    cost = worth(task, strength).ravel()
    coupling = np.asarray(mdplab.exact.linear_program(cost, equal=(rows, law(task))).primal)
    return cost @ coupling, coupling.reshape(n, n)


def strength_of(task: ProxTask) -> Any:
    """``b``."""
    return mdplab.exact.rational(task.strength)


def best_coupling(task: ProxTask) -> Any:
    """(a): value of the program."""
    return couplings(task, strength_of(task))[0]


def moved_to_the_best(task: ProxTask) -> Any:
    """(a): mean of the envelope."""
    return law(task) @ worth(task, strength_of(task)).max(axis=1)


def best_second_marginal(task: ProxTask) -> Array:
    """(a): second marginal of the optimal coupling."""
    return np.asarray(couplings(task, strength_of(task))[1].sum(axis=0))


def pushed(task: ProxTask, strength: Any) -> Array:
    """(a): the push-forward of ``q_0``."""
    gain, found = worth(task, strength), 0 * law(task)
    for mass, row in zip(law(task), gain, strict=True):
        found[int(np.argmax(row))] += mass
    return found


def push_forward(task: ProxTask) -> Array:
    """(a): the push-forward at the strength of the task."""
    return pushed(task, strength_of(task))


def objective(task: ProxTask, moved: Array, strength: Any) -> Any:
    """``F``, with the distance by equal quantiles."""
    image, start = (
        mdplab.exact.RationalLaw.from_atoms(task.positions, masses) for masses in (moved, law(task))
    )
    return moved @ reward(task) - strength * mdplab.exact.wasserstein_power(image, start, 2) / 2


def worth_of_the_push_forward(task: ProxTask) -> Any:
    """(a): ``F`` at the push-forward."""
    return objective(task, push_forward(task), strength_of(task))


def worth_of_the_rival(task: ProxTask) -> Any:
    """(a): ``F`` at any law."""
    return objective(task, mdplab.exact.laws(task.rival), strength_of(task))


def best(task: ProxTask) -> int:
    """Index of the best point."""
    return int(np.argmax(reward(task)))


def collapse_threshold(task: ProxTask) -> Any:
    """(b): the closed form."""
    gain, away, i = reward(task), squares(task), best(task)
    return min(
        2 * (gain[i] - gain[y]) / (away[x, i] - away[x, y])
        for x, y in np.ndindex(away.shape)
        if away[x, i] > away[x, y]
    )


def rest_threshold(task: ProxTask) -> Any:
    """(c): the closed form."""
    gain, away = reward(task), squares(task)
    return max(2 * (gain[y] - gain[x]) / away[x, y] for x, y in np.ndindex(away.shape) if x != y)


def worth_of_collapse(task: ProxTask, strength: Any) -> Any:
    """``F`` at the unit mass on the best point."""
    return reward(task)[best(task)] - strength * (law(task) @ squares(task)[:, best(task)]) / 2


def collapse_by_programs(task: ProxTask) -> Any:
    """(b): Newton's method from the right, which ends exactly."""
    away = squares(task)
    nearer, strength = away[:, [best(task)]] - away, rest_threshold(task)
    while True:
        value, coupling = couplings(task, strength)
        excess = value - worth_of_collapse(task, strength)
        if excess == 0:
            return strength
        strength -= 2 * excess / (coupling * nearer).sum()


def rest_by_programs(task: ProxTask) -> Any:
    """(c): Newton's method from the left."""
    away, strength, rest = squares(task), collapse_threshold(task) / 2, law(task) @ reward(task)
    while True:
        value, coupling = couplings(task, strength)
        if value == rest:
            return strength
        strength += 2 * (value - rest) / (coupling * away).sum()


def below(task: ProxTask) -> Any:
    """.999 of the threshold of collapse."""
    return collapse_threshold(task) * 999 / 1000


def best_below(task: ProxTask) -> Any:
    """(b): value of the program below the threshold."""
    return couplings(task, below(task))[0]


def collapsed_below(task: ProxTask) -> Any:
    """(b): worth of collapse there."""
    return worth_of_collapse(task, below(task))


def worth_of_the_tied_law(task: ProxTask) -> Any:
    """(b): ``F`` at the threshold, at a law that is not collapsed."""
    strength = collapse_threshold(task)
    gain = worth(task, strength)
    excess = gain - gain[:, [best(task)]]
    x, y = next((x, y) for x, y in np.ndindex(excess.shape) if y != best(task) and excess[x, y] == 0)
    moved = 0 * law(task)
    moved[best(task)] = 1 - law(task)[x]
    moved[y] += law(task)[x]
    return objective(task, moved, strength)


def collapsed_at(task: ProxTask) -> Any:
    """(b): worth of collapse at the threshold."""
    return worth_of_collapse(task, collapse_threshold(task))


def best_above(task: ProxTask) -> Any:
    """(c): value of the program above the threshold of rest."""
    return couplings(task, rest_threshold(task) * 1001 / 1000)[0]


def worth_of_rest(task: ProxTask) -> Any:
    """(c): ``q_0 r``."""
    return law(task) @ reward(task)


# --- normal laws --------------------------------------------------------------------------------------------------------


def normal_numbers(task: NormalProx) -> Any:
    """``m_0, s_0, a, c, b``."""
    start = task.start
    return mdplab.exact.rational([start.mean, start.deviation, task.centre, task.curvature, task.strength])


def law_of_moved_points(task: NormalProx) -> Array:
    """(d): mean and deviation of the images of two points, each with a vanishing derivative."""
    mean, deviation, centre, curvature, strength = normal_numbers(task)
    right, left = (
        (curvature * centre + strength * x) / (curvature + strength)
        for x in (mean + deviation, mean - deviation)
    )
    return np.array([(right + left) / 2, (right - left) / 2], dtype=object)


def transported_law(task: NormalProx) -> Array:
    """(d): the closed form."""
    mean, deviation, centre, curvature, strength = normal_numbers(task)
    total = curvature + strength
    return np.array(
        [(curvature * centre + strength * mean) / total, strength * deviation / total], dtype=object
    )


def worth_of_the_transported_law(task: NormalProx) -> Any:
    """(d): objective at the closed form."""
    mean, deviation, centre, curvature, strength = normal_numbers(task)
    moved, spread = transported_law(task)
    paid = curvature * (spread * spread + (moved - centre) * (moved - centre))
    charged = strength * ((moved - mean) * (moved - mean) + (spread - deviation) * (spread - deviation))
    return -(paid + charged) / 2


def mean_of_the_envelope(task: NormalProx) -> Any:
    """(d): mean of the Moreau envelope ``-b c / (2 (b + c)) (x - a)^2``."""
    mean, deviation, centre, curvature, strength = normal_numbers(task)
    square = deviation * deviation + (mean - centre) * (mean - centre)
    return -curvature * strength * square / (2 * (curvature + strength))
