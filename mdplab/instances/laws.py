"""Random laws with finite support, and random reward processes whose returns have such laws."""

from __future__ import annotations

import numpy as np

from mdplab._typing import FloatArray
from mdplab.instances.draw import Draw
from mdplab.instances.rewards import RewardLaw, random_reward
from mdplab.laws import FiniteLaw
from mdplab.models import RewardProcess

__all__ = [
    "acyclic_reward_process",
    "dirichlet_reward_process",
    "finite_laws",
    "random_law",
    "sparse_weights",
]


def sparse_weights(
    draw: Draw, shape: int | tuple[int, ...], *, concentration: float = 1.0, floor: float = 1e-9
) -> FloatArray:
    """Draw Dirichlet laws in which masses below a floor are zero.

    Levels of a distribution function closer than rounding make a quantile undefined; a floor keeps them apart.

    Parameters
    ----------
    draw : Draw
        The engine.
    shape : int or tuple of int
        Shape of the answer; the last axis sums to one.
    concentration : float, default 1
        The Dirichlet parameter, positive; small values give sparse rows.
    floor : float, default 1e-9
        Smaller masses become zero before the last axis is normalised; below one over its length.

    Returns
    -------
    ndarray, shape ``shape``
    """
    weights = draw.weights(shape, concentration)
    kept = np.where(weights >= floor, weights, 0.0)
    return np.asarray(kept / kept.sum(axis=-1, keepdims=True))


def random_law(
    draw: Draw, n_atoms: int, *, scale: float = 1.0, concentration: float = 1.0, floor: float = 1e-9
) -> FiniteLaw:
    """Draw a law with normal atoms and Dirichlet masses.

    Parameters
    ----------
    draw : Draw
        The engine.
    n_atoms : int
        Number of atoms drawn; masses below the floor are dropped.
    scale : float, default 1
        Standard deviation of the atoms.
    concentration, floor : float
        As in :func:`sparse_weights`.

    Returns
    -------
    FiniteLaw
    """
    masses = sparse_weights(draw, n_atoms, concentration=concentration, floor=floor)
    return FiniteLaw.from_atoms(draw.normal(n_atoms, scale), masses)


def finite_laws(
    draw: Draw,
    *,
    atoms: tuple[int, int] = (1, 5),
    value: RewardLaw = "normal",
    concentration: tuple[float, ...] = (0.3, 1.0, 3.0),
    floor: float = 1e-9,
) -> FiniteLaw:
    """Draw a law of any size.

    Parameters
    ----------
    draw : Draw
        The engine.
    atoms : tuple of int
        Smallest and largest number of atoms drawn; equal ones are merged, and those below the floor dropped.
    value : str
        Law of the atoms, as in :func:`~mdplab.instances.random_reward`.
    concentration : tuple of float
        Dirichlet parameters of the masses to choose from.
    floor : float
        As in :func:`sparse_weights`.

    Returns
    -------
    FiniteLaw
    """
    n = draw.integer(*atoms)
    masses = sparse_weights(draw, n, concentration=draw.choice(concentration), floor=floor)
    return FiniteLaw.from_atoms(random_reward(draw, n, value), masses)


def dirichlet_reward_process(
    draw: Draw,
    *,
    states: tuple[int, int] = (2, 4),
    concentration: tuple[float, ...] = (0.1, 1.0),
    discount: tuple[float, float] = (0.1, 0.99),
) -> RewardProcess:
    """Draw a reward process: Dirichlet rows (masses below 1e-9 dropped), normal rewards on transitions.

    Parameters
    ----------
    draw : Draw
        The engine.
    states : tuple of int
        Smallest and largest number of states.
    concentration : tuple of float
        Dirichlet parameters to choose from; one is drawn for all rows.
    discount : tuple of float
        Range of the discount, uniform.

    Returns
    -------
    RewardProcess
    """
    n = draw.integer(*states)
    kernel = sparse_weights(draw, (n, n), concentration=draw.choice(concentration))
    return RewardProcess(kernel, draw.normal((n, n)), draw.number(*discount))


def acyclic_reward_process(
    draw: Draw, *, states: tuple[int, int] = (2, 4), discount: tuple[float, float] = (0.1, 0.99)
) -> RewardProcess:
    """Draw a reward process without cycles: transitions go to later states, the last one absorbs and pays nothing.

    Parameters
    ----------
    draw : Draw
        The engine.
    states : tuple of int
        Smallest and largest number of states.
    discount : tuple of float
        Range of the discount, uniform.

    Returns
    -------
    RewardProcess
    """
    n = draw.integer(*states)
    kernel, reward = np.zeros((n, n)), draw.normal((n, n))
    for s in range(n - 1):
        kernel[s, s + 1 :] = sparse_weights(draw, n - 1 - s)
    kernel[-1, -1], reward[-1, -1] = 1.0, 0.0
    return RewardProcess(kernel, reward, draw.number(*discount))
