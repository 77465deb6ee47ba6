"""Laws of rewards, and of the first state."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mdplab._typing import FloatArray
from mdplab.instances.draw import Draw
from mdplab.instances.policies import full_support

__all__ = ["RewardLaw", "StartLaw", "random_reward", "random_start"]

RewardLaw = Literal["normal", "unit", "symmetric", "binary", "integer", "zero"]
StartLaw = Literal["dirichlet", "full", "state", "none"]

_LARGEST_INTEGER = 3


def random_reward(draw: Draw, shape: int | tuple[int, ...], law: RewardLaw = "normal") -> FloatArray:
    """Draw independent rewards.

    Parameters
    ----------
    draw : Draw
        The engine.
    shape : int or tuple of int
        Shape of the rewards.
    law : {"normal", "unit", "symmetric", "binary", "integer", "zero"}
        Standard normal; uniform on [0, 1]; uniform on [-1, 1]; 0 or 1 with equal odds; an integer from -3 to 3; or 0.

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
        case "integer":
            return draw.integers(-_LARGEST_INTEGER, _LARGEST_INTEGER, shape).astype(float)
        case "zero":
            return np.zeros(shape)
    raise ValueError(f"law {law!r}: expected 'normal', 'unit', 'symmetric', 'binary', 'integer' or 'zero'")


def random_start(draw: Draw, n_states: int, law: StartLaw = "dirichlet") -> FloatArray | None:
    """Draw the law of the first state.

    Parameters
    ----------
    draw : Draw
        The engine.
    n_states : int
        Number of states S.
    law : {"dirichlet", "full", "state", "none"}
        Dirichlet(1); nine tenths of it and a tenth of the uniform law; a state, each equally likely; or no law.

    Returns
    -------
    ndarray (S,), or None

    Raises
    ------
    ValueError
        If the law is unknown.
    """
    match law:
        case "dirichlet":
            return draw.weights(n_states)
        case "full":
            return full_support(draw, n_states, mixture=0.1)
        case "state":
            return np.asarray(np.eye(n_states)[draw.integer(0, n_states - 1)])
        case "none":
            return None
    raise ValueError(f"law {law!r}: expected 'dirichlet', 'full', 'state' or 'none'")
