"""Scalar formulas of the error bounds, compiled: solvers call them once a sweep, batches once a model.

The statements are proven in :mod:`mdplab.solvers.certificate` and :mod:`mdplab.solvers.control`; every argument is a
number that those modules define, and all results round upwards far enough.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._kernels._jit import kernel

UNIT = 2.0**-53
"""Largest relative error of one rounded operation of doubles."""

HEADROOM = 2.0**1000
"""Values up to here leave room for sums and products of errors."""

TINY = 2.0**-1022
"""The least normal double.  Below it a product errs by up to ``2**-1075`` whatever its size: less than this in all."""

SAFETY = 1.01
"""Covers products of first-order rounding terms."""

STRETCH = 1 + 16 * UNIT
"""Covers the rounding of the formulas themselves."""


@kernel
def enclosure(
    low: float,
    high: float,
    least: float,
    most: float,
    reward_size: float,
    error: float,
    discount: float,
    row_deviation: float,
    deviation: float,
    overlap: float,
    data_rounding: float,
) -> Any:
    """MacQueen-Porteus enclosure from the extremes of the residual (``low``, ``high``) and of w (``least``, ``most``).

    Returns centre, bound, rounding, half_span, slack, gap, outer, span_error, backward_error, drift.
    """
    middle = 0.5 * low + 0.5 * high
    centre = middle / (1.0 - discount)
    size = max(abs(low), abs(high))
    spread = max(abs(least), abs(most))
    # One rounding of the subtraction (u * size), two of the midrange and three of (1 - discount) * centre against
    # the midrange (u * size each); the half-span is computed with two more.
    rounding = SAFETY * (error + 8 * UNIT * size)
    delta = row_deviation + deviation + 2 * row_deviation * deviation
    drift = SAFETY * discount * (delta + data_rounding) * (abs(centre) + spread)
    drift += data_rounding * (reward_size + discount * spread)
    slack = rounding + drift
    half_span = 0.5 * (high - low)
    gap = (1.0 - discount) * (1.0 - 4 * UNIT) - discount * delta
    # value = fl(w + c), lower and upper = fl(value -+ bound): two roundings of the size of the value.
    outer = 3 * UNIT * max(abs(least + centre), abs(most + centre))
    if gap <= 0 or not np.isfinite(half_span):
        return centre, np.inf, np.inf, half_span, slack, gap, outer, np.inf, np.inf, drift
    bound = ((half_span + slack) / gap + outer) * STRETCH
    # A policy's row deviation scales its mixture of rows, which the shared mass feels too.
    mixing = discount * (1.0 - overlap * (1 - 4 * UNIT) + 2 * delta)
    span = 2 * (half_span + slack) + 4 * discount * delta * bound
    span_error = min(span / max(1.0 - mixing, gap), 2 * bound) * STRETCH
    backward = (half_span + slack + (1 + discount) * outer) * STRETCH
    return (
        centre,
        bound,
        (slack / gap + outer) * STRETCH,
        half_span,
        slack,
        gap,
        outer,
        span_error,
        backward,
        drift,
    )


@kernel
def lookahead_error(
    largest_w: float, largest_q: float, successors: int, discount: float, row_deviation: float
) -> float:
    """Rounding error of ``q = R + discount * P w``, underflow included (zeros are exact)."""
    spread = largest_w * (1 + row_deviation)
    underflow = TINY if spread > 0 or largest_q > 0 else 0.0
    return float(SAFETY * UNIT * ((successors + 2) * discount * spread + largest_q) + underflow)


@kernel
def soft_error(
    lookahead: float,
    largest_q: float,
    largest_bonus: float,
    largest_backup: float,
    temperature: float,
    actions: int,
    per_action: int,
) -> float:
    """Rounding error of a computed log-sum-exp; ``per_action`` is 1 for two passes, 7 for the one-pass kernel."""
    entry = lookahead + UNIT * (2 * largest_bonus + largest_q)
    entropy = temperature * np.log(actions)
    if entry <= 0.005 * temperature:
        entry = lookahead + UNIT * (2 * (largest_backup + entropy) + largest_q)
    evaluation = UNIT * (3 * largest_backup + 9 * entropy + temperature * (per_action * actions + 10))
    return float(SAFETY * SAFETY * (entry + evaluation))


@kernel
def q_error(
    lookahead: float,
    drift: float,
    shift: float,
    largest: float,
    discount: float,
    row_deviation: float,
    bound: float,
) -> float:
    """Error of ``q_w + shift`` (``shift`` = discount * centre, ``largest`` = its sup norm) as action values."""
    # q_w errs by its rounding, gamma c by row sums and one rounding, the sum by another; gamma P d by gamma |d|.
    error = lookahead + drift + UNIT * (2 * abs(shift) + largest)
    error += discount * (1 + row_deviation) * bound
    return float(error * STRETCH)


@kernel
def row_spread(
    discount: float, overlap: float, row_deviation: float, span_error: float, bound: float, drift: float
) -> float:
    """Bound on the span over actions of the error of a lookahead, without its rounding."""
    mixing = min(1.0, 1.0 - overlap * (1 - 4 * UNIT))
    return float((discount * (mixing * span_error + 4 * row_deviation * bound) + 2 * drift) * STRETCH)


@kernel
def greedy_loss(half_span: float, slack: float, gap: float, defect: float) -> float:
    """What a policy that is greedy up to ``defect`` loses at most."""
    if not gap > 0:
        return float(np.inf)
    return float((2 * (half_span + slack) + defect) / gap * STRETCH)


@kernel
def greedy_rows(q: Any, given: bool, actions: Any, numbers: Any) -> None:
    """Per state the first maximiser (or the given action) of ``q``; three statistics of all states.

    ``numbers`` receives the least lead of the action over the others, the largest lag behind the maximum, and the
    largest modulus of the finite entries.
    """
    lead = np.inf
    lag = 0.0
    largest = 0.0
    for s in range(q.shape[0]):
        best = -np.inf
        second = -np.inf
        first = 0
        for a in range(q.shape[1]):
            x = q[s, a]
            largest = max(largest, abs(x) if x > -np.inf else 0.0)
            second = max(second, min(best, x))
            first = a if x > best else first
            best = max(best, x)
        if not given:
            actions[s] = first
        own = q[s, actions[s]]
        # Without a given action it holds the maximum, and the best other entry is the second.
        other = second if actions[s] == first else best
        lead = min(lead, own - other)
        lag = max(lag, best - own)
    numbers[0] = lead
    numbers[1] = lag
    numbers[2] = largest
