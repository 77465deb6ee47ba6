"""Random finite-horizon MDPs: stationary or by stage, of all kinds of kernel."""

from __future__ import annotations

from mdplab.instances.draw import Draw
from mdplab.instances.kernels import KERNEL_KINDS, KernelKind, random_kernel, random_mask
from mdplab.instances.rewards import RewardLaw, StartLaw, random_reward, random_start
from mdplab.models import FiniteHorizonMDP

__all__ = ["deterministic_horizon_mdp", "horizon_mdps"]


def horizon_mdps(
    draw: Draw,
    *,
    states: tuple[int, int] = (1, 4),
    actions: tuple[int, int] = (1, 3),
    horizon: tuple[int, int] = (1, 3),
    kernel: KernelKind | tuple[KernelKind, ...] = KERNEL_KINDS,
    concentration: tuple[float, ...] = (0.3, 1.0, 3.0),
    reward: RewardLaw = "symmetric",
    discount: float | tuple[float, float] = 1.0,
    start: StartLaw = "dirichlet",
    staged: bool = False,
    terminal: bool = False,
    masked: bool = False,
) -> FiniteHorizonMDP:
    """Draw a finite-horizon MDP.

    Parameters
    ----------
    draw : Draw
        The engine.
    states, actions, horizon : tuple of int
        Smallest and largest number S of states, A of actions and H of stages.
    kernel : str or tuple of str
        Kinds of :func:`~mdplab.instances.random_kernel` to choose from.
    concentration : tuple of float
        Dirichlet parameters to choose from; one is drawn for all rows.
    reward : str
        Law of the rewards, as in :func:`~mdplab.instances.random_reward`.
    discount : float or tuple of float, default 1
        The discount, or the range of a uniform one, in (0, 1].
    start : str
        Law of the first state, as in :func:`~mdplab.instances.random_start`.
    staged : bool, default False
        Draw a kernel and a reward for each stage; one for all without.
    terminal : bool, default False
        Draw a terminal reward, by the law of the rewards.
    masked : bool, default False
        Draw which actions may be taken, the same at all stages, as :func:`~mdplab.instances.random_mask` does.

    Returns
    -------
    FiniteHorizonMDP
    """
    n_states, n_actions = draw.integer(*states), draw.integer(*actions)
    length = draw.integer(*horizon)
    stages = length if staged else None
    kind = draw.choice((kernel,) if isinstance(kernel, str) else kernel)
    transition = random_kernel(
        draw, n_states, n_actions, stages=stages, kind=kind, concentration=concentration
    )
    pairs = (n_states, n_actions)
    gain = random_reward(draw, pairs if stages is None else (length, *pairs), reward)
    return FiniteHorizonMDP(
        transition,
        gain,
        length,
        discount if isinstance(discount, (int, float)) else draw.number(*discount),
        random_reward(draw, n_states, reward) if terminal else None,
        random_start(draw, n_states, start),
        available=random_mask(draw, *pairs) if masked else None,
    )


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
    reward : str
        Law of the rewards ``(S, A)``, as in :func:`~mdplab.instances.random_reward`.

    Returns
    -------
    FiniteHorizonMDP
        Transition ``(S, A, S)`` of zeros and ones, undiscounted.
    """
    return horizon_mdps(
        draw, states=states, actions=actions, horizon=horizon, kernel="deterministic", reward=reward
    )
