"""Random models with several reward signals, and constrained problems that have a solution."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mdplab._typing import FloatArray
from mdplab.instances.couples import mdp_with_policy
from mdplab.instances.draw import Draw
from mdplab.instances.rewards import RewardLaw, random_reward
from mdplab.instances.tabular import mdps
from mdplab.models import MDP, MultiObjectiveMDP

__all__ = ["constrained_mdps", "multi_objective_mdps"]


def multi_objective_mdps(
    draw: Draw,
    *,
    model: Callable[[Draw], MDP] = mdps,
    objectives: tuple[int, int] = (1, 3),
    reward: RewardLaw = "symmetric",
) -> MultiObjectiveMDP:
    """Draw a model with several reward signals.

    Parameters
    ----------
    draw : Draw
        The engine.
    model : callable
        Family of the MDP with a start law; its reward is the first signal.
    objectives : tuple of int
        Smallest and largest number m of signals.
    reward : str
        Law of the other signals, as in :func:`~mdplab.instances.random_reward`.

    Returns
    -------
    MultiObjectiveMDP
    """
    return _with_signals(draw, model(draw), draw.integer(*objectives), reward)


def constrained_mdps(
    draw: Draw,
    *,
    model: Callable[[Draw], MDP] = mdps,
    constraints: tuple[int, int] = (1, 2),
    reward: RewardLaw = "symmetric",
    slack: tuple[float, float] = (0.01, 1.0),
) -> tuple[MultiObjectiveMDP, FloatArray]:
    """Draw a constrained problem with a policy that meets every constraint by some slack.

    Parameters
    ----------
    draw : Draw
        The engine.
    model : callable
        Family of the MDP with a start law; its reward is the objective, the first signal.
    constraints : tuple of int
        Smallest and largest number of constraints, on the returns of the other signals.
    reward : str
        Law of these signals, as in :func:`~mdplab.instances.random_reward`.
    slack : tuple of float
        Range of the slack of each constraint at the policy, uniform.

    Returns
    -------
    model : MultiObjectiveMDP
        With m signals.
    thresholds : ndarray (m - 1,)
        Smallest returns that are admitted: those of a random policy less the slack.
    """
    mdp, policy = mdp_with_policy(draw, model=model)
    signals = _with_signals(draw, mdp, 1 + draw.integer(*constraints), reward)
    returns = signals.returns(policy)[1:]
    return signals, np.asarray(returns - draw.uniform(*slack, returns.shape))


def _with_signals(draw: Draw, mdp: MDP, count: int, reward: RewardLaw) -> MultiObjectiveMDP:
    others = random_reward(draw, (count - 1, *mdp.reward.shape), reward)
    return MultiObjectiveMDP(
        mdp.transition,
        np.concatenate([mdp.reward[np.newaxis], others]),
        mdp.discount,
        mdp.start_law(),
        available=mdp.available,
    )
