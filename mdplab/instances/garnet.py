"""Random tabular MDPs: Dirichlet rows, the ranges as arguments, and Garnets with few successors, of any size."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from mdplab._typing import FloatArray
from mdplab.instances.draw import Draw
from mdplab.models import MDP

__all__ = ["RewardLaw", "dirichlet_mdp", "garnet", "random_logits", "random_reward"]

RewardLaw = Literal["normal", "unit", "symmetric", "binary"]


def random_reward(draw: Draw, shape: tuple[int, ...], law: RewardLaw = "normal") -> FloatArray:
    """Draw independent rewards: standard normal, uniform on [0, 1], uniform on [-1, 1], or 0/1 with equal odds.

    Parameters
    ----------
    draw : Draw
        The engine.
    shape : tuple of int
        Shape of the rewards.
    law : {"normal", "unit", "symmetric", "binary"}
        Their law.

    Returns
    -------
    ndarray, shape ``shape``

    Raises
    ------
    ValueError
        If the law is unknown.
    """
    match law:
        case "normal":
            return draw.normal(shape)
        case "unit":
            return draw.uniform(0.0, 1.0, shape)
        case "symmetric":
            return draw.uniform(-1.0, 1.0, shape)
        case "binary":
            return draw.boolean(0.5, shape).astype(float)
    raise ValueError(f"law {law!r}: expected 'normal', 'unit', 'symmetric' or 'binary'")


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
    reward : {"normal", "unit", "symmetric", "binary"}
        Law of the rewards.
    discount : tuple of float
        Range of the discount, uniform.

    Returns
    -------
    MDP
    """
    n_states, n_actions = draw.integer(*states), draw.integer(*actions)
    transition = draw.weights((n_states, n_actions, n_states), concentration=draw.choice(concentration))
    return MDP(
        transition,
        random_reward(draw, (n_states, n_actions), reward),
        draw.number(*discount),
        draw.weights(n_states),
    )


def random_logits(draw: Draw, n_states: int, n_actions: int, scale: float = 1.0) -> FloatArray:
    """Draw normal logits; the policy is their softmax.

    Parameters
    ----------
    draw : Draw
        The engine.
    n_states, n_actions : int
        Shape of the logits.
    scale : float
        Their standard deviation.

    Returns
    -------
    ndarray, shape (n_states, n_actions)
    """
    return draw.normal((n_states, n_actions), scale)


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
    reward : {"normal", "unit", "symmetric", "binary"}
        Law of the rewards of the pairs.
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
    successors = draw.distinct(pairs, branching, n_states)
    chances = draw.weights((pairs, branching))
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
