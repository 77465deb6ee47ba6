"""Wasserstein and Cramer distances between laws on the line, exact up to rounding.

On the line the optimal coupling pairs equal quantiles, so with quantile functions ``F^{-1}, G^{-1}``

    w_p(F, G) = (int_0^1 |F^{-1}(u) - G^{-1}(u)|^p du)^{1/p},      w_inf = ess sup_u |F^{-1}(u) - G^{-1}(u)|,

and for finite support the integrand is constant between consecutive cumulative masses of either law: the merged
quantile grid of at most ``n + m - 1`` cells.  For p = 1 the distance is also ``int |F(x) - G(x)| dx``, and the Cramer
distance is ``(int (F - G)^2 dx)^{1/2}``.

*Rounding.*  Cumulative masses are sums with an error of at most ``delta``.  It moves every level by ``delta`` at most,
which changes ``w_1`` by at most ``delta (range F + range G)`` and ``w_p^p`` by at most p times that times
``D^{p-1}``, D the largest distance between an atom of F and one of G.  :func:`wasserstein_with_error` evaluates these
bounds.  ``w_inf`` is not continuous in the masses: two levels that are equal in exact arithmetic but differ by an ulp
would open a cell that does not exist.  Cells narrower than ``level_tolerance`` are therefore left out for order
``inf`` (the convention of the quantile, :mod:`mdplab.laws.finite_law`); what is computed is the essential supremum
up to such cells.

References
----------
C. Villani, *Topics in Optimal Transportation*, AMS 2003, theorem 2.18 (optimal coupling on the line).
M. G. Bellemare, W. Dabney, R. Munos, *A distributional perspective on reinforcement learning*, ICML 2017.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.laws.finite_law import LEVEL_TOLERANCE, FiniteLaw

__all__ = [
    "cramer",
    "kantorovich_potential",
    "quantile_coupling",
    "sup_wasserstein",
    "wasserstein",
    "wasserstein_on_positions",
    "wasserstein_with_error",
]

_EPS = float(np.finfo(np.float64).eps)


def quantile_coupling(p_law: FiniteLaw, q_law: FiniteLaw) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The coupling of equal quantiles, optimal for every convex cost of the difference.

    Parameters
    ----------
    p_law, q_law : FiniteLaw
        The marginals, with n and m atoms.

    Returns
    -------
    x, y : ndarray, shape (k,)
        Paired atoms of ``p_law`` and ``q_law``; k = n + m - 1.
    mass : ndarray, shape (k,)
        Mass of each pair, >= 0 (0 where two levels coincide), with sum 1.
    """
    p_levels, q_levels = p_law.cumulative[:-1], q_law.cumulative[:-1]
    left = np.concatenate(([0.0], p_levels, q_levels))
    left.sort()
    mass = np.diff(left, append=1.0)
    # On the cell that starts at u the quantile is the atom after all levels <= u.
    x = p_law.atoms[np.searchsorted(p_levels, left, side="right")]
    y = q_law.atoms[np.searchsorted(q_levels, left, side="right")]
    return x, y, mass


def wasserstein(
    p_law: FiniteLaw, q_law: FiniteLaw, order: float, *, level_tolerance: float = LEVEL_TOLERANCE
) -> float:
    """Wasserstein distance of order 1, 2 or infinity between two laws on the line.

    Parameters
    ----------
    p_law, q_law : FiniteLaw
        The laws.
    order : {1, 2, inf}
        The exponent p.
    level_tolerance : float, default LEVEL_TOLERANCE
        Used by order ``inf`` alone: cells of the quantile grid not wider than this are left out.

    Returns
    -------
    float
        ``w_order``, >= 0; see :func:`wasserstein_with_error` for a bound on its rounding error.

    Raises
    ------
    ValueError
        If the order is not one of the three.
    """
    x, y, mass = quantile_coupling(p_law, q_law)
    distance = np.abs(x - y)
    if order == 1:
        return float(mass @ distance)
    if order == 2:
        # The scaling keeps the squares of tiny and of huge distances in range.
        largest = float(distance.max())
        return largest * math.sqrt(float(mass @ (distance / largest) ** 2)) if largest > 0.0 else 0.0
    if order == math.inf:
        wide = mass > level_tolerance
        return float(distance[wide].max()) if wide.any() else 0.0
    raise ValueError(f"order: expected 1, 2 or inf, got {order!r}")


def wasserstein_with_error(p_law: FiniteLaw, q_law: FiniteLaw, order: float) -> tuple[float, float]:
    """Wasserstein distance with a proven bound on its error.

    The exact distance meant is that between the laws whose atoms are the stored floats and whose masses are the
    stored floats divided by their exact sum.  For order ``inf`` the levels are taken as equal when they are within
    ``LEVEL_TOLERANCE``, and the bound covers the subtraction of atoms alone.

    Parameters
    ----------
    p_law, q_law : FiniteLaw
        The laws.
    order : {1, 2, inf}
        The exponent.

    Returns
    -------
    distance, error : float
        ``abs(distance - exact) <= error``.

    Raises
    ------
    ValueError
        If the order is not one of the three.
    """
    distance = wasserstein(p_law, q_law, order)
    count = p_law.n_atoms + q_law.n_atoms
    if order == math.inf:
        return distance, 2 * _EPS * distance
    delta = _level_error(p_law) + _level_error(q_law)
    ranges = float(np.ptp(p_law.atoms) + np.ptp(q_law.atoms))
    farthest = float(max(p_law.atoms[-1], q_law.atoms[-1]) - min(p_law.atoms[0], q_law.atoms[0]))
    arithmetic = (count + 8) * _EPS * distance
    if order == 1:
        return distance, 1.01 * (delta * ranges + arithmetic)
    # |w~^2 - w^2| <= M = 2 delta ranges farthest, hence |w~ - w| <= min(M / w~, sqrt(M)); the factors of M are
    # kept apart against underflow.
    from_levels = math.sqrt(2.0 * delta) * math.sqrt(ranges) * math.sqrt(farthest)
    if distance > 0.0:
        from_levels = min(from_levels, 2.0 * delta * ranges * (farthest / distance))
    return distance, 1.01 * (from_levels + 2 * arithmetic)


def sup_wasserstein(laws: Sequence[FiniteLaw], other_laws: Sequence[FiniteLaw], order: float) -> float:
    """Supremum over states of the Wasserstein distance between two families of laws.

    Parameters
    ----------
    laws, other_laws : sequence of FiniteLaw, length S >= 1
        One law per state.
    order : {1, 2, inf}
        The exponent.

    Returns
    -------
    float
        ``max_s w_order(laws[s], other_laws[s])``.

    Raises
    ------
    ValueError
        If the lengths differ or are 0.
    """
    if len(laws) != len(other_laws) or not laws:
        raise ValueError(
            f"laws: expected two families of one length >= 1, got {len(laws)} and {len(other_laws)}"
        )
    return max(wasserstein(p, q, order) for p, q in zip(laws, other_laws, strict=True))


def cramer(p_law: FiniteLaw, q_law: FiniteLaw) -> float:
    """Cramer distance ``(int (F - G)^2 dx)^{1/2}``; twice its square is the energy distance.

    Parameters
    ----------
    p_law, q_law : FiniteLaw
        The laws.

    Returns
    -------
    float
        The distance, >= 0.
    """
    positions = np.concatenate((p_law.atoms, q_law.atoms))
    positions.sort()
    gap = p_law.cdf(positions[:-1]) - q_law.cdf(positions[:-1])
    return math.sqrt(float(np.diff(positions) @ (gap * gap)))


def wasserstein_on_positions(p: ArrayLike, q: ArrayLike, positions: ArrayLike) -> Any:
    """Wasserstein-1 distance between mass vectors on common positions, by the cumulative masses.

    Parameters
    ----------
    p, q : array_like, shapes (..., n)
        Mass vectors; leading axes broadcast.
    positions : array_like, shape (n,)
        Points on the line, in any order.

    Returns
    -------
    float or ndarray
        ``int |F - G| dx``; a float when p and q are vectors.

    Raises
    ------
    ValueError
        If the last axes differ.
    """
    order, cells, signed = _cells(p, q, positions)
    cumulative = np.cumsum(signed[..., order], axis=-1)[..., :-1]
    value = np.abs(cumulative) @ cells
    return float(value) if value.ndim == 0 else value


def kantorovich_potential(p: ArrayLike, q: ArrayLike, positions: ArrayLike) -> FloatArray:
    """A 1-Lipschitz function attaining the dual of the Wasserstein-1 distance on common positions.

    Parameters
    ----------
    p, q : array_like, shape (n,)
        Mass vectors.
    positions : array_like, shape (n,)
        Points on the line, in any order.

    Returns
    -------
    ndarray, shape (n,)
        ``f`` with ``abs(f_i - f_j) <= abs(x_i - x_j)`` and ``(p - q) @ f = w_1(p, q)``; 0 at the leftmost position.
    """
    order, cells, signed = _cells(p, q, positions)
    slope = -np.sign(np.cumsum(signed[order])[:-1])
    potential = np.empty(order.shape[0])
    potential[order] = np.concatenate(([0.0], np.cumsum(slope * cells)))
    return potential


def _cells(p: ArrayLike, q: ArrayLike, positions: ArrayLike) -> tuple[Any, FloatArray, FloatArray]:
    x = np.asarray(positions, dtype=np.float64)
    signed = np.asarray(p, dtype=np.float64) - np.asarray(q, dtype=np.float64)
    if x.ndim != 1 or signed.shape[-1:] != x.shape:
        raise ValueError(f"positions: expected shape {signed.shape[-1:]} to match p and q, got {x.shape}")
    order = np.argsort(x, kind="stable")
    return order, np.diff(x[order]), signed


def _level_error(law: FiniteLaw) -> float:
    """Bound on the error of a cumulative mass: rounded sums, and the deviation of the total from 1."""
    return 2 * law.n_atoms * _EPS + abs(float(law.masses.sum()) - 1.0)
