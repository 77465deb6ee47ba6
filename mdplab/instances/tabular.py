"""Random tabular MDPs of all kinds."""

from __future__ import annotations

import numpy as np

from mdplab.instances.draw import Draw
from mdplab.instances.kernels import KERNEL_KINDS, KernelKind, random_kernel, random_mask
from mdplab.instances.rewards import RewardLaw, StartLaw, random_reward, random_start
from mdplab.models import MDP

__all__ = ["mdps"]


def mdps(
    draw: Draw,
    *,
    states: tuple[int, int] = (1, 4),
    actions: tuple[int, int] = (1, 3),
    kernel: KernelKind | tuple[KernelKind, ...] = KERNEL_KINDS,
    concentration: tuple[float, ...] = (0.3, 1.0, 3.0),
    reward: RewardLaw = "symmetric",
    discount: tuple[float, float] = (0.0, 0.95),
    start: StartLaw = "dirichlet",
    masked: bool = False,
) -> MDP:
    """Draw an MDP: dense or sparse rows, deterministic, with absorbing states, or with all transitions possible.

    Parameters
    ----------
    draw : Draw
        The engine.
    states, actions : tuple of int
        Smallest and largest number S of states and A of actions.
    kernel : str or tuple of str
        Kinds of :func:`~mdplab.instances.random_kernel` to choose from.
    concentration : tuple of float
        Dirichlet parameters to choose from; one is drawn for all rows.
    reward : str
        Law of the rewards, as in :func:`~mdplab.instances.random_reward`; the absorbing states of the kind
        ``"absorbing"`` pay nothing.
    discount : tuple of float
        Range of the discount, uniform, in [0, 1).
    start : str
        Law of the first state, as in :func:`~mdplab.instances.random_start`.
    masked : bool, default False
        Draw which actions may be taken, as :func:`~mdplab.instances.random_mask` does.

    Returns
    -------
    MDP
        Dense.
    """
    n_states, n_actions = draw.integer(*states), draw.integer(*actions)
    kind = draw.choice((kernel,) if isinstance(kernel, str) else kernel)
    transition = random_kernel(draw, n_states, n_actions, kind=kind, concentration=concentration)
    gain = random_reward(draw, (n_states, n_actions), reward)
    if kind == "absorbing":
        stays = transition[np.arange(n_states), :, np.arange(n_states)] == 1.0
        gain = np.where(stays.all(axis=1)[:, np.newaxis], 0.0, gain)
    return MDP(
        transition,
        gain,
        draw.number(*discount),
        random_start(draw, n_states, start),
        available=random_mask(draw, n_states, n_actions) if masked else None,
    )
