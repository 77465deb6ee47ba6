"""Random undiscounted models with terminal states."""

from __future__ import annotations

import numpy as np

from mdplab.instances.draw import Draw
from mdplab.instances.kernels import random_mask
from mdplab.instances.rewards import RewardLaw, StartLaw, random_reward, random_start
from mdplab.models import TotalRewardMDP

__all__ = ["total_reward_mdps"]


def total_reward_mdps(
    draw: Draw,
    *,
    states: tuple[int, int] = (1, 4),
    actions: tuple[int, int] = (1, 3),
    concentration: tuple[float, ...] = (0.3, 1.0, 3.0),
    reward: RewardLaw = "symmetric",
    ending: tuple[float, float] = (0.05, 1.0),
    start: StartLaw = "dirichlet",
    masked: bool = False,
) -> TotalRewardMDP:
    """Draw an undiscounted model with one terminal state, the last.

    Parameters
    ----------
    draw : Draw
        The engine.
    states, actions : tuple of int
        Smallest and largest number of other states, and of actions A.
    concentration : tuple of float
        Dirichlet parameters of the rows, the terminal state included, to choose from.
    reward : str
        Law of the rewards, as in :func:`~mdplab.instances.random_reward`.
    ending : tuple of float
        Range of the weight, uniform, with which each pair ends at once instead of by its row.  If its low end is
        positive, all policies are proper.
    start : str
        Law of the first state, as in :func:`~mdplab.instances.random_start`; it may be the terminal one.
    masked : bool, default False
        Draw which actions may be taken, as :func:`~mdplab.instances.random_mask` does.

    Returns
    -------
    TotalRewardMDP
    """
    n, a = draw.integer(*states) + 1, draw.integer(*actions)
    rows = draw.weights((n, a, n), draw.choice(concentration))
    end = draw.uniform(*ending, (n, a))[:, :, np.newaxis]
    terminal = np.arange(n) == n - 1
    kernel = np.where(terminal[:, np.newaxis, np.newaxis], terminal, (1.0 - end) * rows + end * terminal)
    return TotalRewardMDP(
        kernel,
        random_reward(draw, (n, a), reward) * ~terminal[:, np.newaxis],
        terminal,
        random_start(draw, n, start),
        available=random_mask(draw, n, a) if masked else None,
    )
