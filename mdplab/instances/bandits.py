"""Random bandits and contextual bandits."""

from __future__ import annotations

import numpy as np

from mdplab.instances.draw import Draw
from mdplab.instances.policies import full_support
from mdplab.instances.rewards import RewardLaw, random_reward
from mdplab.models import MDP, Bandit

__all__ = ["bandits", "contextual_bandits"]


def bandits(
    draw: Draw,
    *,
    arms: tuple[int, int] = (1, 6),
    reward: RewardLaw = "normal",
    concentration: float = 1.0,
    mixture: float = 0.02,
    dimension: tuple[int, int] | None = None,
) -> Bandit:
    """Draw a bandit with a reference law of full support.

    Parameters
    ----------
    draw : Draw
        The engine.
    arms : tuple of int
        Smallest and largest number n of arms.
    reward : str
        Law of the expected rewards, as in :func:`~mdplab.instances.random_reward`.
    concentration : float, default 1
        Dirichlet parameter of the reference.
    mixture : float, default 0.02
        Weight of the uniform law in the reference, in (0, 1].
    dimension : tuple of int, optional
        Smallest and largest number d of normal features of the arms; no features without.

    Returns
    -------
    Bandit
    """
    n = draw.integer(*arms)
    return Bandit(
        random_reward(draw, n, reward),
        full_support(draw, n, concentration=concentration, mixture=mixture),
        None if dimension is None else draw.normal((n, draw.integer(*dimension))),
    )


def contextual_bandits(
    draw: Draw,
    *,
    contexts: tuple[int, int] = (1, 4),
    arms: tuple[int, int] = (1, 4),
    reward: RewardLaw = "normal",
    concentration: float = 1.0,
) -> MDP:
    """Draw a contextual bandit: an MDP whose states are contexts, independent and of one law, with discount 0.

    Parameters
    ----------
    draw : Draw
        The engine.
    contexts, arms : tuple of int
        Smallest and largest number S of contexts and A of arms.
    reward : str
        Law of the expected rewards ``(S, A)``, as in :func:`~mdplab.instances.random_reward`.
    concentration : float, default 1
        Dirichlet parameter of the law of the contexts.

    Returns
    -------
    MDP
        Every row of the kernel is the start law.
    """
    n, a = draw.integer(*contexts), draw.integer(*arms)
    law = draw.weights(n, concentration)
    return MDP(np.tile(law, (n, a, 1)), random_reward(draw, (n, a), reward), 0.0, law)
