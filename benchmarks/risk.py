"""The best conditional value-at-risk over a finite horizon: compiled backups against the same recursion in NumPy.

A dense model of 50 states and 4 actions with integer rewards on transitions, horizon 20.  The twin keeps the expected losses
on all whole stocks in one array, and gathers the successors of a stage at once.  Both solve in turns, and their values
must agree within the certified bound.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

__all__ = ["RISK_SECONDS", "risk_costs"]

RISK_SECONDS = 5.0
"""Within which the problem has to be solved."""


def twin(model: Any, level: float, start: int, steps: int) -> float:
    """The best value-at-risk for whole rewards without discount, in NumPy."""
    reward = model.rewards().astype(np.int64)
    low, high = steps * min(int(reward.min()), 0), steps * max(int(reward.max()), 0)
    # stocks between low - high and high - low; a sum beyond them is never asked for
    stocks = np.arange(low - high, high - low + 1)
    loss = np.tile(np.minimum(stocks, 0.0), (model.n_states, 1))
    target = model.next_states()
    for _ in range(steps):
        place = np.arange(stocks.size) + reward[..., np.newaxis]
        gathered = loss[target[..., np.newaxis], np.clip(place, 0, stocks.size - 1)]
        loss = (model.law[..., np.newaxis] * gathered).sum(axis=2).max(axis=1)
    thresholds = np.arange(low, high + 1)
    return float((thresholds + loss[start, -thresholds - stocks[0]] / level).max())


def risk_costs(
    states: int = 50, actions: int = 4, steps: int = 20, level: float = 0.1, repeats: int = 3
) -> list[dict[str, Any]]:
    """Seconds of both after compilation, their ratio, and how far their values differ."""
    from mdplab.models import OutcomeModel
    from mdplab.solvers import cvar_control

    rng = np.random.default_rng(0)
    model = OutcomeModel.from_transition_rewards(
        rng.dirichlet(np.ones(states), (states, actions)), rng.integers(-3, 4, (states, actions, states))
    )
    cvar_control(model, level, 0, 1)  # compiles
    ours, theirs = [], []
    for _ in range(repeats):
        begin = time.perf_counter()
        found = cvar_control(model, level, 0, steps)
        ours.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        value = twin(model, level, 0, steps)
        theirs.append(time.perf_counter() - begin)
    seconds, twin_seconds = float(np.median(ours)), float(np.median(theirs))
    return [
        {
            "instance": f"CVaR {states}x{actions}, {steps} steps",
            "seconds": seconds,
            "numpy_seconds": twin_seconds,
            "ratio": twin_seconds / seconds,
            "bound": found.certificate.bound,
            "difference": abs(found.value - value),
        }
    ]
