"""Random finite-horizon MDPs: one function a kind, the ranges as arguments."""

from __future__ import annotations

import numpy as np

from mdplab.instances.draw import Draw
from mdplab.instances.garnet import RewardLaw, random_reward
from mdplab.models import FiniteHorizonMDP

__all__ = ["deterministic_horizon_mdp"]


def deterministic_horizon_mdp(
    draw: Draw,
    *,
    states: tuple[int, int] = (4, 4),
    actions: tuple[int, int] = (2, 2),
    horizon: tuple[int, int] = (4, 4),
    reward: RewardLaw = "unit",
) -> FiniteHorizonMDP:
    """Draw a deterministic finite-horizon MDP: uniform successors, one table for all stages, start law Dirichlet(1).

    Parameters
    ----------
    draw : Draw
        The engine.
    states, actions, horizon : tuple of int
        Smallest and largest number of states, of actions and of stages.
    reward : {"normal", "unit", "symmetric", "binary"}
        Law of the rewards ``(S, A)``.

    Returns
    -------
    FiniteHorizonMDP
        Transition ``(S, A, S)`` of zeros and ones.
    """
    n_states, n_actions = draw.integer(*states), draw.integer(*actions)
    successors = draw.integers(0, n_states - 1, (n_states, n_actions))
    return FiniteHorizonMDP(
        np.eye(n_states)[successors],
        random_reward(draw, (n_states, n_actions), reward),
        horizon=draw.integer(*horizon),
        initial=draw.weights(n_states),
    )
