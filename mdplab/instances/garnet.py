"""Random tabular MDPs with Dirichlet rows: one function, the ranges as arguments."""

from __future__ import annotations

from typing import Literal

from mdplab._typing import FloatArray
from mdplab.instances.draw import SeededDraw
from mdplab.models import MDP

__all__ = ["RewardLaw", "dirichlet_mdp", "random_logits", "random_reward"]

RewardLaw = Literal["normal", "unit", "symmetric", "binary"]


def random_reward(draw: SeededDraw, shape: tuple[int, ...], law: RewardLaw = "normal") -> FloatArray:
    """Draw independent rewards: standard normal, uniform on [0, 1], uniform on [-1, 1], or 0/1 with equal odds.

    Parameters
    ----------
    draw : SeededDraw
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
    draw: SeededDraw,
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
    draw : SeededDraw
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


def random_logits(draw: SeededDraw, n_states: int, n_actions: int, scale: float = 1.0) -> FloatArray:
    """Draw normal logits; the policy is their softmax.

    Parameters
    ----------
    draw : SeededDraw
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
