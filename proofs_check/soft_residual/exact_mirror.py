"""Policy mirror descent in balls: the iterates themselves, enclosed.

An enclosure of the iterates widens with every update, up to a few bits a step where the step is large: the working precision
is high.  Rewards are counted from the smallest one, so that equal rewards give exact zeros: neither updates nor gaps change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import mdplab
from mdplab._typing import Array
from mdplab.models import MDP

if TYPE_CHECKING:
    from mdplab.exact import ExactMDP

__all__ = ["Path", "from_the_smallest_reward", "narrow_path", "path"]

_BITS = (512, 2048, 8192)


class Path(NamedTuple):
    """Enclosed iterates.

    Attributes
    ----------
    log_policies : object array (T + 1, S, A)
        Log-probabilities.
    values : object array (T + 1, S)
        Their values.
    q : object array (T + 1, S, A)
        Their action values.
    """

    log_policies: Array
    values: Array
    q: Array


def from_the_smallest_reward(mdp: MDP) -> ExactMDP:
    """The model with its smallest reward subtracted from all."""
    model = mdplab.exact.ExactMDP.of(mdp)
    return replace(model, reward=model.reward - model.reward.min())


def path(
    model: ExactMDP,
    logits: Any,
    *,
    step: Callable[[int, Array, Array], Any],
    steps: int,
    temperature: Any = 0,
) -> Path:
    """Iterates ``softmax(logits)``, ``logits = (1 - step temperature) logits + step Q``, one linear solve each.

    Parameters
    ----------
    model : ExactMDP
        The model.
    logits : array_like (S, A)
        Of the first policy; ``-inf`` forbids an action.
    step : callable
        ``step(k, log_policy, q)``, rational or ball.
    steps : int
        Number of updates.
    temperature : number, default 0
        Weight of the entropy.

    Returns
    -------
    Path
    """
    kernel, reward = mdplab.exact.ball(model.transition), mdplab.exact.ball(model.reward)
    unit, tau = mdplab.exact.identity(model.n_states), mdplab.exact.rational(temperature)
    now: Any = mdplab.exact.ball(logits)
    allowed = np.asarray(logits) != -np.inf
    found: tuple[list[Array], list[Array], list[Array]] = ([], [], [])
    for k in range(steps + 1):
        logs = mdplab.exact.log_tilt(now)
        policy = mdplab.exact.exp(logs)
        gain = (policy * (reward - tau * np.where(allowed, logs, 0))).sum(axis=1)
        moves = (policy[:, :, np.newaxis] * kernel).sum(axis=1)
        value = mdplab.exact.solve(unit - model.discount * moves, gain)
        q = reward + model.discount * mdplab.exact.multiply(kernel, value)
        for kept, new in zip(found, (logs, value, q), strict=True):
            kept.append(new)
        if k < steps:
            size = step(k, logs, q)
            now = np.where(allowed, (1 - tau * size) * np.where(allowed, now, 0) + size * q, now)
    return Path(*(np.array(kept, dtype=object) for kept in found))


def narrow_path(model: ExactMDP, logits: Any, **options: Any) -> Path:
    """The iterates at the first working precision at which all values are enclosed to 1e-80.

    Parameters
    ----------
    model, logits, **options
        As for :func:`path`.

    Returns
    -------
    Path
        The balls keep their width where the working precision is lower.

    Raises
    ------
    ValueError
        If 8192 bits are too few.
    """
    for bits in _BITS:
        with mdplab.exact.precision(bits):
            try:
                found = path(model, logits, **options)
            except ValueError:  # an enclosure so wide that a system might be singular
                continue
        if mdplab.exact.width(found.values).max() < 1e-80:
            return found
    raise ValueError(f"the iterates are not enclosed at {_BITS[-1]} bits")
