"""Routes of the claim about transport penalties: linear programs over couplings, proximal maps, equal quantiles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mdplab import convex, operators, wasserstein
from mdplab._typing import BoolArray, FloatArray
from mdplab.claims import Side, Undecided, rounding
from mdplab.convex.program import ProgramSolution
from mdplab.laws import FiniteLaw
from proofs_check.tilting.prox_instances import ProxTask

BELOW, ABOVE = 0.999, 1.001
"""Where a threshold is tested: in between there may be ties."""


def sized(tolerance: float) -> Any:
    """A tolerance relative to the rewards and to the charge for the longest way."""
    return lambda task: (
        tolerance * (1 + float(np.abs(task.reward).max() + task.strength * task.squares.max()))
    )


def relative(right: Any, tolerance: float) -> Any:
    """A tolerance relative to a route."""
    return lambda task: tolerance * (1 + float(np.max(np.abs(right(task).value))))


# --- linear programs over couplings ------------------------------------------------------------------------------------


def worth(task: ProxTask, strength: float) -> FloatArray:
    """``r(y) - b/2 |x - y|^2``."""
    return np.asarray(task.reward - 0.5 * strength * task.squares)


def couplings(task: ProxTask, strength: float, *, capped: BoolArray | None = None) -> ProgramSolution:
    """The best coupling with the first marginal ``q_0``; at most half of the mass on the pairs that are capped."""
    gain, n = worth(task, strength), task.reward.size
    size = float(np.abs(gain).max())
    found = convex.linear_program(
        gain.ravel(),
        equal=(np.kron(np.eye(n), np.ones(n)), task.reference),
        at_most=None if capped is None else (capped.ravel()[np.newaxis].astype(float), [0.5]),
        maximise=True,
        variable_bound=1.0,
        multiplier_bound=4 * size + 1,
    )
    if not found.certificate.bound < math.inf:
        raise Undecided(f"the program over couplings ended with status {found.status}")
    return found


def value_error(task: ProxTask, strength: float, found: ProgramSolution) -> float:
    """Error of the value of a program: its own, and that of the coefficients."""
    size = np.abs(task.reward).max() + 0.5 * strength * task.squares.max()
    return found.certificate.bound + float(rounding(size, 16))


def best_coupling(task: ProxTask) -> Side:
    """Linear program over couplings with a free second marginal"""
    found = couplings(task, task.strength)
    return Side(found.objective, value_error(task, task.strength, found))


def best_second_marginal(task: ProxTask) -> Side:
    """Linear program over couplings: second marginal of the optimum"""
    found = couplings(task, task.strength)
    # what the value is off bounds the mass that goes elsewhere by the margin
    margin = operators.transport_prox(task.reward, task.positions, strength=task.strength).margin
    least = float(margin[task.reference > 0].min())
    misplaced = 2 * value_error(task, task.strength, found) / least if least > 0 else math.inf
    law = found.primal.reshape(task.squares.shape).sum(axis=0)
    return Side(law, misplaced + 2 * found.infeasibility + float(rounding(1.0, 16)))


# --- proximal maps ------------------------------------------------------------------------------------------------------


def mean_envelope(task: ProxTask, strength: float) -> Side:
    """Mean of the envelope under ``q_0``, and its error."""
    found = operators.transport_prox(task.reward, task.positions, strength=strength)
    moved = task.squares[np.arange(found.target.size), found.target]
    size = task.reference @ (np.abs(task.reward[found.target]) + 0.5 * strength * moved)
    return Side(float(task.reference @ found.envelope), rounding(size, task.reward.size + 16))


def moved_to_the_best(task: ProxTask) -> Side:
    """Proximal map: mean of max_y r(y) - b/2 |x - y|^2 under q_0"""
    return mean_envelope(task, task.strength)


def image(task: ProxTask, strength: float, rounds: int = 1) -> FloatArray:
    """Push-forward of ``q_0`` by the proximal map, once or repeatedly."""
    target = operators.transport_prox(task.reward, task.positions, strength=strength).target
    law = task.reference
    for _ in range(rounds):
        law = operators.push_forward(law, target)
    return law


def push_forward(task: ProxTask) -> Side:
    """Push-forward of q_0 by the proximal map"""
    return Side(image(task, task.strength), rounding(1.0, task.reward.size + 4))


# --- equal quantiles ----------------------------------------------------------------------------------------------------


def objective(task: ProxTask, law: FloatArray, strength: float) -> tuple[float, float]:
    """``F(q) = q r - b/2 W_2^2(q, q_0)`` on the line, by equal quantiles, and its error."""
    moved, start = (FiniteLaw.from_atoms(task.positions, masses) for masses in (law, task.reference))
    distance, error = wasserstein.wasserstein_with_error(moved, start, 2)
    charged = 0.5 * strength * distance**2
    size = float(law @ np.abs(task.reward)) + charged
    off = 0.5 * strength * error * (2 * distance + error)
    return float(law @ task.reward) - charged, off + float(rounding(size, task.reward.size + 12))


def worth_of_the_push_forward(task: ProxTask) -> Side:
    """F at the push-forward, with the distance by equal quantiles"""
    return Side(*objective(task, image(task, task.strength), task.strength))


def worth_of_the_rival(task: ProxTask) -> Side:
    """F at any law, with the distance by equal quantiles"""
    return Side(*objective(task, task.rival, task.strength))


def worth_of_the_rival_by_couplings(task: ProxTask) -> Side:
    """F at any law, with the distance by a linear program over couplings"""
    n = task.reward.size
    marginals = np.vstack((np.kron(np.eye(n), np.ones(n)), np.kron(np.ones(n), np.eye(n))))
    size = float(task.squares.max())
    found = convex.linear_program(
        task.squares.ravel(),
        equal=(marginals, np.concatenate((task.reference, task.rival))),
        variable_bound=1.0,
        multiplier_bound=2 * size,
    )
    if not found.certificate.bound < math.inf:
        raise Undecided(f"the transport program ended with status {found.status}")
    gain = float(task.rival @ task.reward)
    rest = float(rounding(np.abs(task.reward).max() + task.strength * size, 16))
    return Side(
        gain - 0.5 * task.strength * found.objective, 0.5 * task.strength * found.certificate.bound + rest
    )


# --- (b): collapse ------------------------------------------------------------------------------------------------------


def best(task: ProxTask) -> int:
    """Index of the best point."""
    return int(task.reward.argmax())


def worth_of_collapse(task: ProxTask, strength: float) -> tuple[float, float]:
    """``F`` at the unit mass on the best point, and its error."""
    moved = float(task.reference @ task.squares[:, best(task)])
    size = float(np.abs(task.reward).max()) + 0.5 * strength * moved
    value = float(task.reward[best(task)]) - 0.5 * strength * moved
    return value, float(rounding(size, task.reward.size + 12))


def collapse_by_programs(task: ProxTask) -> Side:
    """Newton's method on the value of the program less that of collapse, a convex function of the strength

    The function is piecewise linear, zero up to the threshold: from the right the method ends there after finitely many pieces.
    Right of the threshold the slope is at least that of one pair of points.
    """
    nearer = task.squares[:, [best(task)]] - task.squares
    least = float((0.5 * task.reference[:, np.newaxis] * nearer)[counted(task, nearer)].min())
    strength = 1.1 * operators.rest_strength(task.reward, task.positions)
    for _ in range(task.squares.size + 9):
        found, (collapsed, error) = couplings(task, strength), worth_of_collapse(task, strength)
        off, excess = value_error(task, strength, found) + error, found.objective - collapsed
        if excess <= off:
            return Side(strength, 2 * off / least + float(rounding(strength, 32)))
        strength -= 2 * excess / float(found.primal @ nearer.ravel())
    raise Undecided("Newton's method met more pieces than there are pairs of points")


def counted(task: ProxTask, differences: FloatArray) -> BoolArray:
    """Pairs of points from which mass comes and whose squared distances surely differ by a positive number."""
    return np.asarray((differences > 1e-14 * task.squares.max()) & (task.reference[:, np.newaxis] > 0))


def collapse_threshold(task: ProxTask) -> Side:
    """min 2 (r_i - r_y) / g over pairs of points with g > 0"""
    value, i = operators.collapse_strength(task.reward, task.positions), best(task)
    others = np.arange(task.reward.size) != i
    nearer = (task.squares[:, [i]] - task.squares)[:, others]
    off = rounding(task.squares[:, [i]] + task.squares[:, others], 8)
    lost = np.broadcast_to(2 * (task.reward[i] - task.reward[others]), nearer.shape)
    off_lost = rounding(np.abs(task.reward).max(), 8)
    # every quotient in an interval: of these the least lower end and the least upper end
    lower = ((lost - off_lost) / (nearer + off))[nearer + off > 0].min()
    upper = ((lost + off_lost) / (nearer - off))[nearer - off > 0].min()
    return Side(value, max(upper - value, value - lower) + float(rounding(value, 4)))


def best_below(task: ProxTask) -> Side:
    """Linear program at .999 of the threshold"""
    strength = BELOW * operators.collapse_strength(task.reward, task.positions)
    found = couplings(task, strength)
    return Side(found.objective, value_error(task, strength, found))


def collapsed_below(task: ProxTask) -> Side:
    """F at the unit mass on the best point, at .999 of the threshold"""
    strength = BELOW * operators.collapse_strength(task.reward, task.positions)
    return Side(*worth_of_collapse(task, strength))


def half_kept_from(task: ProxTask, strength: float, capped: BoolArray) -> Side:
    """Value of the program with at most half of the mass on the capped pairs, one in each row."""
    found = couplings(task, strength, capped=capped)
    return Side(found.objective, value_error(task, strength, found))


def cheapest_half(task: ProxTask, strength: float, capped: BoolArray) -> Side:
    """The same by proximal maps: points leave the capped pairs in the order of their margins."""
    gain = worth(task, strength)
    kept = gain[capped]
    margins = kept - np.where(capped, -np.inf, gain).max(axis=1)
    order = np.argsort(margins)
    taken = np.clip(
        0.5 - np.concatenate(([0.0], np.cumsum(task.reference[order])[:-1])), 0.0, task.reference[order]
    )
    size = float(np.abs(gain).max())
    return Side(float(task.reference @ kept - taken @ margins[order]), rounding(size, 4 * gain.shape[0] + 24))


def least_loss(task: ProxTask, strength: float, capped: BoolArray) -> Side:
    """What half of the mass must lose away from the capped pairs: half of the least margin."""
    gain = worth(task, strength)
    margins = gain[capped] - np.where(capped, -np.inf, gain).max(axis=1)
    size = float(np.abs(gain).max())
    value = float(task.reference @ gain[capped]) - 0.5 * float(margins.min())
    return Side(value, rounding(size, gain.shape[0] + 24))


def to_the_best(task: ProxTask) -> tuple[float, BoolArray]:
    """.999 of the threshold, and the pairs that lead to the best point."""
    strength = BELOW * operators.collapse_strength(task.reward, task.positions)
    return strength, np.tile(np.arange(task.reward.size) == best(task), (task.reward.size, 1))


def half_elsewhere(task: ProxTask) -> Side:
    """Linear program at .999 of the threshold with at most half of the mass on the best point"""
    return half_kept_from(task, *to_the_best(task))


def half_elsewhere_by_margins(task: ProxTask) -> Side:
    """Worth of collapse less the cheapest margins of half of the mass"""
    return cheapest_half(task, *to_the_best(task))


def collapse_less_the_margin(task: ProxTask) -> Side:
    """Worth of collapse less half of the least margin, which is positive"""
    return least_loss(task, *to_the_best(task))


def tied_pair(task: ProxTask) -> tuple[int, int]:
    """The point at which the threshold is attained, and its other target."""
    gain = worth(task, ABOVE * operators.collapse_strength(task.reward, task.positions))
    excess = np.where(np.arange(gain.shape[0]) == best(task), -np.inf, gain - gain[:, [best(task)]])
    x, y = np.unravel_index(int(excess.argmax()), excess.shape)
    return int(x), int(y)


def tied_law(task: ProxTask) -> FloatArray:
    """The unit mass on the best point, but that the point which attains the threshold moves to its other target."""
    x, y = tied_pair(task)
    target = np.full(task.reward.size, best(task))
    target[x] = y
    return operators.push_forward(task.reference, target)


def worth_of_the_tied_law(task: ProxTask) -> Side:
    """F at the threshold, at a law that is not collapsed, with the distance by equal quantiles"""
    strength, (x, y) = operators.collapse_strength(task.reward, task.positions), tied_pair(task)
    value, error = objective(task, tied_law(task), strength)
    # off the threshold the two laws differ by what one point gains
    slope = 0.5 * task.reference[x] * (task.squares[x, best(task)] - task.squares[x, y])
    return Side(value, error + float(slope * np.max(collapse_threshold(task).error)))


def collapsed_at(task: ProxTask) -> Side:
    """F at the threshold, at the unit mass on the best point"""
    strength = operators.collapse_strength(task.reward, task.positions)
    return Side(*worth_of_collapse(task, strength))


# --- (c): rest ----------------------------------------------------------------------------------------------------------


def rest_by_programs(task: ProxTask) -> Side:
    """Newton's method on the value of the program less that of rest, a convex function of the strength

    Zero from the threshold on; the method comes from the left. Left of the threshold the slope is at least that of one pair.
    """
    least = float((0.5 * task.reference[:, np.newaxis] * task.squares)[counted(task, task.squares)].min())
    strength = 0.5 * operators.collapse_strength(task.reward, task.positions)
    rest = float(task.reference @ task.reward)
    for _ in range(task.squares.size + 9):
        found = couplings(task, strength)
        off, excess = value_error(task, strength, found), found.objective - rest
        if excess <= off:
            return Side(strength, 2 * off / least + float(rounding(strength, 32)))
        strength += 2 * excess / float(found.primal @ task.squares.ravel())
    raise Undecided("Newton's method met more pieces than there are pairs of points")


def rest_threshold(task: ProxTask) -> Side:
    """max 2 (r_y - r_x) / |x - y|^2 over pairs of points"""
    value = operators.rest_strength(task.reward, task.positions)
    # differences are rounded relative to themselves, so that quotients and their maximum keep relative errors
    return Side(value, rounding(value, 12))


def best_above(task: ProxTask) -> Side:
    """Linear program at 1.001 of the threshold of rest"""
    strength = ABOVE * operators.rest_strength(task.reward, task.positions)
    found = couplings(task, strength)
    return Side(found.objective, value_error(task, strength, found))


def worth_of_rest(task: ProxTask) -> Side:
    """q_0 r"""
    size = float(task.reference @ np.abs(task.reward))
    return Side(float(task.reference @ task.reward), rounding(size, task.reward.size + 4))


def in_place(task: ProxTask) -> tuple[float, BoolArray]:
    """1.001 of the threshold of rest, and the pairs of equal points."""
    strength = ABOVE * operators.rest_strength(task.reward, task.positions)
    return strength, np.eye(task.reward.size, dtype=bool)


def half_moved(task: ProxTask) -> Side:
    """Linear program at 1.001 of the threshold of rest with at most half of the mass at rest"""
    return half_kept_from(task, *in_place(task))


def half_moved_by_margins(task: ProxTask) -> Side:
    """q_0 r less the cheapest margins of half of the mass"""
    return cheapest_half(task, *in_place(task))


def rest_less_the_margin(task: ProxTask) -> Side:
    """q_0 r less half of the least margin, which is positive"""
    return least_loss(task, *in_place(task))
