"""Random logged data."""

from __future__ import annotations

from mdplab.instances.draw import Draw
from mdplab.instances.rewards import RewardLaw, random_reward
from mdplab.models import LoggedDataset

__all__ = ["logged_datasets"]


def logged_datasets(
    draw: Draw,
    *,
    states: tuple[int, int] = (1, 4),
    actions: tuple[int, int] = (1, 3),
    trajectories: tuple[int, int] = (1, 5),
    horizon: tuple[int, int] = (1, 4),
    reward: RewardLaw = "symmetric",
    weighted: bool = False,
) -> LoggedDataset:
    """Draw trajectories whose states and actions are uniform; so data of any behaviour are among them.

    Parameters
    ----------
    draw : Draw
        The engine.
    states, actions, trajectories, horizon : tuple of int
        Smallest and largest number S of states, A of actions, N of trajectories and H of steps.
    reward : str
        Law of the rewards ``(N, H)``, as in :func:`~mdplab.instances.random_reward`.
    weighted : bool, default False
        Draw weights of the trajectories, Dirichlet(1); ones without.

    Returns
    -------
    LoggedDataset
    """
    n_states, n_actions = draw.integer(*states), draw.integer(*actions)
    n, length = draw.integer(*trajectories), draw.integer(*horizon)
    return LoggedDataset(
        draw.integers(0, n_states - 1, (n, length + 1)),
        draw.integers(0, n_actions - 1, (n, length)),
        random_reward(draw, (n, length), reward),
        draw.weights(n) if weighted else None,
        n_states=n_states,
        n_actions=n_actions,
    )
