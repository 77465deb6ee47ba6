"""Conjectures for the tests: true, tight, false, and outside their assumptions."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab.instances import Draw
from mdplab.models import MDP
from mdplab.solvers import solve_batch


@dataclass(frozen=True, eq=False)
class Laws:
    """Two laws on the same outcomes."""

    p: np.ndarray
    q: np.ndarray


def two_laws(draw: Draw) -> Laws:
    n = draw.integer(2, 4)
    return Laws(draw.weights(n, positive=True), draw.weights(n, positive=True))


def pinsker(laws: Laws) -> tuple[float, float]:
    """2 TV^2 <= KL: true, tight as q approaches p."""
    return 2 * total_variation(laws) ** 2, float((laws.p * np.log(laws.p / laws.q)).sum())


def total_variation(laws: Laws) -> float:
    return float(0.5 * np.abs(laws.p - laws.q).sum())


def too_sharp(laws: Laws) -> tuple[float, float]:
    """TV <= half the largest difference: false, the total variation of (1, 0) and (0, 1) is 1."""
    return total_variation(laws), float(0.5 * np.abs(laws.p - laws.q).max())


def exact_too_sharp(laws: Laws) -> tuple[Fraction, Fraction]:
    differences = [abs(Fraction(float(x)) - Fraction(float(y))) for x, y in zip(laws.p, laws.q, strict=True)]
    return sum(differences, Fraction(0)) / 2, max(differences) / 2


def raw_model(draw: Draw) -> tuple[Any, Any, Any]:
    states, actions = draw.integer(1, 3), draw.integer(1, 2)
    return (
        draw.weights((states, actions, states)),
        draw.uniform(0.0, 1.0, (states, actions)),
        draw.number(0.1, 0.9),
    )


def small_model(draw: Draw) -> MDP:
    return MDP(*raw_model(draw))


def value_below_horizon(mdp: MDP) -> tuple[float, float]:
    """max V <= max R / (1 - discount): true, attained by staying where the reward is largest."""
    return float(solvers.policy_iteration(mdp).value.max()), float(mdp.reward.max() / (1 - mdp.discount))


def stacked_values(raw: tuple[Any, Any, Any]) -> tuple[Any, Any]:
    transition, reward, discount = raw
    return solve_batch(transition, reward, discount).value.max(axis=1), reward.max(axis=(1, 2)) / (
        1 - discount
    )


def greedy_of_better_estimate(mdp: MDP) -> tuple[float, float]:
    """The value is at most the largest reward: false, rewards add up."""
    return float(solvers.policy_iteration(mdp).value.max()), float(mdp.reward.max())
