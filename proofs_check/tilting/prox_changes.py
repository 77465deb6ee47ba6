"""Changed routes of the claim about transport penalties: tilts, other constants, other strengths.  Each must be seen."""

from __future__ import annotations

import numpy as np

from mdplab import operators
from mdplab._typing import BoolArray, FloatArray
from mdplab.claims import Side, rounding
from mdplab.laws import gaussian_kl
from proofs_check.tilting import normal_prox_routes as normal
from proofs_check.tilting import prox_routes as by
from proofs_check.tilting.prox_instances import NormalProx, ProxTask


def tilt(task: ProxTask, strength: float) -> FloatArray:
    """``q_0 e^{r/b}``, normalised."""
    logs = operators.log_tilt(task.reward, temperature=strength, log_reference=np.log(task.reference))
    return np.exp(logs)


def tilted_law(task: ProxTask) -> Side:
    """The tilt of q_0 by r/b."""
    return Side(tilt(task, task.strength), rounding(1.0, 32))


def worth_of_the_tilt(task: ProxTask) -> Side:
    """F at the tilt of q_0 by r/b."""
    return Side(*by.objective(task, tilt(task, task.strength), task.strength))


def second_round(task: ProxTask) -> Side:
    """Push-forward by the proximal map, twice: the second penalty is on the distance from the first image."""
    return Side(by.image(task, task.strength, rounds=2), rounding(1.0, 16))


def half_the_charge(task: ProxTask) -> Side:
    """Mean of the envelope at half of the strength."""
    return by.mean_envelope(task, 0.5 * task.strength)


def lone_gain(task: ProxTask) -> Side:
    """Largest 2 (r_i - r_y) / |x_y - x_i|^2: what moves the next points only."""
    away, best = task.squares[by.best(task)], by.best(task)
    rest = np.delete(np.arange(away.size), best)
    return Side(float((2 * (task.reward[best] - task.reward[rest]) / away[rest]).min()), rounding(9.0, 16))


def without_the_half(task: ProxTask) -> Side:
    """max (r_y - r_x) / |x - y|^2."""
    side = by.rest_threshold(task)
    return Side(0.5 * float(np.asarray(side.value)), side.error)


def largest_loss(strength: float, pairs: BoolArray, task: ProxTask) -> Side:
    """What half of the mass would lose if all of it lost the largest margin."""
    gain = by.worth(task, strength)
    margins = gain[pairs] - np.where(pairs, -np.inf, gain).max(axis=1)
    return Side(float(task.reference @ gain[pairs]) - 0.5 * float(margins.max()), rounding(9.0, 64))


def collapse_less_the_largest_margin(task: ProxTask) -> Side:
    """Worth of collapse less half of the largest margin."""
    return largest_loss(*by.to_the_best(task), task)


def rest_less_the_largest_margin(task: ProxTask) -> Side:
    """q_0 r less half of the largest margin."""
    return largest_loss(*by.in_place(task), task)


def beyond(task: ProxTask) -> float:
    """1.01 of the threshold of collapse."""
    return 1.01 * operators.collapse_strength(task.reward, task.positions)


def best_beyond(task: ProxTask) -> Side:
    """The largest value at 1.01 of the threshold of collapse."""
    return by.mean_envelope(task, beyond(task))


def collapsed_beyond(task: ProxTask) -> Side:
    """F at the unit mass on the best point, there."""
    return Side(*by.worth_of_collapse(task, beyond(task)))


def tied_before(task: ProxTask) -> Side:
    """F at the law that ties, at .9 of the threshold."""
    strength = 0.9 * operators.collapse_strength(task.reward, task.positions)
    return Side(*by.objective(task, by.tied_law(task), strength))


def collapsed_before(task: ProxTask) -> Side:
    """F at the unit mass on the best point, there."""
    strength = 0.9 * operators.collapse_strength(task.reward, task.positions)
    return Side(*by.worth_of_collapse(task, strength))


def collapsed(task: ProxTask) -> Side:
    """F at the unit mass on the best point."""
    return Side(*by.worth_of_collapse(task, task.strength))


def divergence_in_the_place_of_transport(task: NormalProx) -> Side:
    """Mean and deviation of the tilt."""
    law = normal.tilted(task)
    return Side(np.array([law.mean, law.deviation]), normal.transported_law(task).error)


def worth_at_the_tilt(task: NormalProx) -> Side:
    """E r - b/2 W_2^2 at the tilt."""
    law, start = normal.tilted(task), task.start
    moved = (law.mean - start.mean) ** 2 + (law.deviation - start.deviation) ** 2
    value = -0.5 * task.curvature * law.mean_square(task.centre) - 0.5 * task.strength * moved
    return Side(value, normal.worth_of_the_transported_law(task).error)


def other_divergence(task: NormalProx) -> Side:
    """E r - b KL(q_0 || .) at the tilt."""
    law = normal.tilted(task)
    value = -0.5 * task.curvature * law.mean_square(task.centre) - task.strength * gaussian_kl(
        task.start, law
    )
    return Side(value, normal.worth_of_the_tilt(task).error)
