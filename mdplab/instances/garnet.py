"""Random tabular MDPs: Dirichlet rows, the ranges as arguments, and Garnets with few successors, of any size."""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab.instances.draw import Draw
from mdplab.instances.kernels import sparse_rows
from mdplab.instances.rewards import RewardLaw, random_reward
from mdplab.instances.tabular import mdps
from mdplab.models import MDP

__all__ = ["dirichlet_mdp", "garnet"]


def dirichlet_mdp(
    draw: Draw,
    *,
    states: tuple[int, int] = (2, 6),
    actions: tuple[int, int] = (2, 4),
    concentration: tuple[float, ...] = (0.3, 1.0, 3.0),
    reward: RewardLaw = "normal",
    discount: tuple[float, float] = (0.3, 0.97),
) -> MDP:
    """Draw a dense MDP: each row Dirichlet, the concentration drawn once, start law Dirichlet(1).

    Parameters
    ----------
    draw : Draw
        The engine.
    states, actions : tuple of int
        Smallest and largest number of states and of actions.
    concentration : tuple of float
        Dirichlet parameters to choose from; one is drawn for all rows.
    reward : str
        Law of the rewards, as in :func:`~mdplab.instances.random_reward`.
    discount : tuple of float
        Range of the discount, uniform.

    Returns
    -------
    MDP
    """
    return mdps(
        draw,
        states=states,
        actions=actions,
        kernel="dense",
        concentration=concentration,
        reward=reward,
        discount=discount,
    )


def garnet(
    draw: Draw,
    n_states: int,
    n_actions: int,
    branching: int,
    *,
    reward: RewardLaw = "normal",
    discount: float | tuple[float, float] = 0.95,
    sparse: bool = True,
) -> MDP:
    """Draw a Garnet: each pair has ``branching`` distinct successors, uniform, with uniform (Dirichlet) probabilities.

    Parameters
    ----------
    draw : Draw
        The engine.
    n_states, n_actions, branching : int
        S, A, and the number of successors of each pair, at most S.
    reward : str
        Law of the rewards of the pairs, as in :func:`~mdplab.instances.random_reward`.
    discount : float or tuple of float
        The discount, or the range of a uniform one.
    sparse : bool, default True
        Store the kernel as CSR; nothing of the size ``S x A x S`` is then formed while ``branching <= S/2``.

    Returns
    -------
    MDP
        Without start law.

    Raises
    ------
    ValueError
        If ``branching`` is not between 1 and S.

    References
    ----------
    .. [1] T. W. Archibald, K. I. M. McKinnon, L. C. Thomas, "On the generation of Markov decision processes", J. Oper. Res.
       Soc. 46, 1995.
    """
    if not 1 <= branching <= n_states:
        raise ValueError(f"branching is {branching}, expected an integer from 1 to n_states = {n_states}")
    pairs = n_states * n_actions
    successors, chances = sparse_rows(draw, pairs, branching, n_states)
    kernel: Any
    if sparse:
        from scipy.sparse import csr_array

        starts = np.arange(0, pairs * branching + 1, branching)
        kernel = csr_array((chances.ravel(), successors.ravel(), starts), shape=(pairs, n_states))
    else:
        kernel = np.zeros((pairs, n_states))
        np.put_along_axis(kernel, successors, chances, axis=1)
        kernel = kernel.reshape(n_states, n_actions, n_states)
    gamma = discount if isinstance(discount, float) else draw.number(*discount)
    return MDP(kernel, random_reward(draw, (n_states, n_actions), reward), gamma)
