r"""States on a line: models whose rewards and kernels have known Lipschitz constants."""

from __future__ import annotations

import numpy as np

from mdplab._typing import FloatArray
from mdplab.instances.draw import Draw
from mdplab.models import MDP

__all__ = ["line_mdps", "line_positions"]


def line_positions(draw: Draw, n: int, *, length: float = 1.0) -> FloatArray:
    """Draw increasing positions from 0 to a length; the gaps are Dirichlet(1).

    Parameters
    ----------
    draw : Draw
        The engine.
    n : int
        Number of positions.
    length : float, default 1
        The last position, positive, if there are two.

    Returns
    -------
    ndarray (n,)
        Strictly increasing.
    """
    if n == 1:
        return np.zeros(1)
    gaps = draw.weights(n - 1, positive=True)
    return np.append(0.0, length * np.cumsum(gaps))


def line_mdps(
    draw: Draw,
    *,
    states: tuple[int, int] = (1, 6),
    actions: tuple[int, int] = (1, 3),
    length: float = 1.0,
    slope: float = 1.0,
    concentration: float = 1.0,
    discount: tuple[float, float] = (0.0, 0.95),
) -> tuple[MDP, FloatArray]:
    r"""Draw an MDP with states on a line whose rewards and kernels are Lipschitz in the position.

    The kernel is :math:`P(\cdot|x,a)=(1-x/L)\,p^a_0+(x/L)\,p^a_1`, so that
    :math:`W_1(P(\cdot|x,a),P(\cdot|y,a))=|x-y|\,W_1(p^a_0,p^a_1)/L` exactly; the reward of an action changes between
    neighbours at a rate that is uniform on [-slope, slope].

    Parameters
    ----------
    draw : Draw
        The engine.
    states, actions : tuple of int
        Smallest and largest number S of states and A of actions.
    length : float, default 1
        L, the position of the last state.
    slope : float, default 1
        Largest rate at which a reward changes.
    concentration : float, default 1
        Dirichlet parameter of the laws :math:`p^a_0,p^a_1`.
    discount : tuple of float
        Range of the discount, uniform, in [0, 1).

    Returns
    -------
    mdp : MDP
        Its start law is Dirichlet(1).
    positions : ndarray (S,)
        Strictly increasing, the first 0.
    """
    n, a = draw.integer(*states), draw.integer(*actions)
    positions = line_positions(draw, n, length=length)
    share = (np.minimum(positions / length, 1.0))[:, np.newaxis, np.newaxis]
    first, last = draw.weights((a, n), concentration), draw.weights((a, n), concentration)
    level, rates = draw.uniform(-1.0, 1.0, a), draw.uniform(-slope, slope, (n - 1, a))
    climbs = np.cumsum(rates * np.diff(positions)[:, np.newaxis], axis=0)
    mdp = MDP(
        (1.0 - share) * first + share * last,
        level + np.vstack([np.zeros((1, a)), climbs]),
        draw.number(*discount),
        draw.weights(n),
    )
    return mdp, positions
