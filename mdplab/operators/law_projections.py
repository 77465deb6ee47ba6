"""Projections of laws on the line to families of few parameters: fixed atoms, or fixed masses.

*Categorical.*  With atoms ``z_1 < ... < z_m`` fixed, a mass at x is split linearly between the neighbours of x, and
goes to the nearest end outside of ``[z_1, z_m]``.  On distribution functions this is the mean over each cell
``[z_i, z_{i+1})`` (0 to the left of the grid, 1 from ``z_m`` on): the orthogonal projection of L2, hence no expansion
of the Cramer distance, and it preserves the mean of a law on ``[z_1, z_m]``.  It does not expand w_1 either, but w_2.

*Quantile.*  With m equal masses, the atoms ``F^{-1}((2i-1)/(2m))`` are nearest to the law in w_1, and the map does not
expand w_inf; it expands w_1.

References
----------
M. Rowland, M. G. Bellemare, W. Dabney, R. Munos, Y. W. Teh, *An analysis of categorical distributional reinforcement
learning*, AISTATS 2018, arXiv:1802.08163.
W. Dabney, M. Rowland, M. G. Bellemare, R. Munos, *Distributional reinforcement learning with quantile regression*,
AAAI 2018, arXiv:1710.10044, lemma 2 and proposition 2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab.laws.finite_law import FiniteLaw
from mdplab.operators import _check

__all__ = ["categorical_projection", "quantile_projection"]


def categorical_projection(law: FiniteLaw, grid: ArrayLike) -> FiniteLaw:
    """Projection to the laws on a grid, nearest in the Cramer distance where the law is inside the grid.

    Parameters
    ----------
    law : FiniteLaw
        The law.
    grid : array_like, shape (m,)
        Finite, strictly increasing atoms, ``m >= 2``; they need not be equally spaced.

    Returns
    -------
    FiniteLaw
        A law on those atoms of the grid that get mass; its mean is that of ``law`` clipped to the ends of the grid.

    Raises
    ------
    ValueError
        If the grid is not of that form.

    References
    ----------
    Rowland, Bellemare, Dabney, Munos, Teh 2018, arXiv:1802.08163.
    """
    z = np.asarray(grid, dtype=np.float64)
    if z.ndim != 1 or z.size < 2 or not np.all(np.isfinite(z)) or not np.all(np.diff(z) > 0.0):
        raise ValueError(f"grid: expected at least two finite, strictly increasing atoms, got {grid!r}")
    x = np.clip(law.atoms, z[0], z[-1])
    left = np.minimum(np.searchsorted(z, x, side="right") - 1, z.size - 2)
    upper = (x - z[left]) / (z[left + 1] - z[left])
    masses = np.zeros(z.size)
    np.add.at(masses, left, (1.0 - upper) * law.masses)
    np.add.at(masses, left + 1, upper * law.masses)
    return FiniteLaw._merged(z, masses, 0.0)


def quantile_projection(law: FiniteLaw, count: int) -> FiniteLaw:
    """Projection to the laws of ``count`` equal masses, nearest in w_1.

    Parameters
    ----------
    law : FiniteLaw
        The law.
    count : int
        Number m of masses ``1/m``, at least 1.

    Returns
    -------
    FiniteLaw
        The law of the quantiles at the levels ``(2i-1)/(2m)``, equal ones merged; levels are compared as
        :meth:`~mdplab.laws.FiniteLaw.quantile` does.

    Raises
    ------
    ValueError
        If ``count`` is no integer of at least 1.

    References
    ----------
    Dabney, Rowland, Bellemare, Munos 2018, arXiv:1710.10044, lemma 2.
    """
    _check.count("count", count)
    levels = (2.0 * np.arange(count) + 1.0) / (2.0 * count)
    return FiniteLaw._merged(law.quantile(levels), np.full(count, 1.0 / count), 0.0)
