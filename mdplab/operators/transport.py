r"""Reward under a transport penalty: proximal maps on finitely many points, and when they collapse.

For points :math:`x_i` in Euclidean space, a reward :math:`r` and a strength :math:`b>0`, a law :math:`q` is worth
:math:`q\cdot r-\frac b2W_2^2(q,q_0)`.  Written over couplings the problem splits: each point moves by itself, to

.. math::
    T_b(x)\in\arg\max_y\ r(y)-\tfrac b2|x-y|^2,\qquad
    \max_q\ q\cdot r-\tfrac b2W_2^2(q,q_0)=\sum_xq_0(x)\max_y\big\{r(y)-\tfrac b2|x-y|^2\big\},

and the push-forward of :math:`q_0` by :math:`T_b` is optimal; where the largest entries are unique it is the only optimum.
:math:`T_b` sends *every* point to the best one :math:`i` exactly for :math:`b` up to a finite threshold, and leaves every
point where it is from another one on:

.. math::
    b_c=\min_{x,\,y:\ g>0}\frac{2(r_i-r_y)}{g},\quad g=|x-x_i|^2-|x-y|^2;\qquad
    b_r=\max_{x\ne y}\frac{2(r_y-r_x)}{|x-y|^2}.

References
----------
.. [1] J. J. Moreau, "Proximite et dualite dans un espace hilbertien", Bulletin de la S.M.F. 93, 1965.
.. [2] C. Villani, *Topics in Optimal Transportation*, 2003, chapter 1.
.. [3] J. Fan et al., "Online reward-weighted fine-tuning of flow matching with Wasserstein regularization", ICLR 2025.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray, IntArray
from mdplab.models import _validate as v

__all__ = ["TransportProx", "collapse_strength", "push_forward", "rest_strength", "transport_prox"]


class TransportProx(NamedTuple):
    """The proximal map of a reward.

    Attributes
    ----------
    target : ndarray of int, shape (k,)
        Index of the point to which each moves, the lowest of the best ones.
    envelope : ndarray, shape (k,)
        What each point is worth, ``max_y r(y) - strength / 2 * |x - y|**2``.
    margin : ndarray, shape (k,)
        How much less the second best target is worth, 0 in a tie; ``inf`` for a single point.
    """

    target: IntArray
    envelope: FloatArray
    margin: FloatArray


def _problem(reward: ArrayLike, positions: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Rewards, and squared distances of the points; both checked."""
    gain = v.finite("reward", reward, ("k",))
    places = v.finite("positions", positions, (gain.size,), (gain.size, "d")).reshape(gain.size, -1)
    with np.errstate(over="ignore"):
        squares = ((places[:, np.newaxis] - places) ** 2).sum(axis=2)
    if not np.isfinite(squares).all():
        i, j = v.first(~np.isfinite(squares))
        raise ValueError(
            f"positions[{i}] and positions[{j}] are too far apart: the square of their distance overflows"
        )
    coincident = np.argwhere((squares == 0) & ~np.eye(gain.size, dtype=bool))
    if coincident.size:
        i, j = coincident[0]
        raise ValueError(
            f"positions[{i}] and positions[{j}] coincide (the square of their distance is 0), expected distinct points"
        )
    return gain, squares


def transport_prox(reward: ArrayLike, positions: ArrayLike, *, strength: float) -> TransportProx:
    """Proximal map of a reward on finitely many points.

    Parameters
    ----------
    reward : array_like, shape (k,)
        Reward of each point.
    positions : array_like, shape (k,) or (k, d)
        Distinct points on the line or in Euclidean space.
    strength : float
        The strength b of the penalty, positive.

    Returns
    -------
    TransportProx
        Targets, values and margins.

    Raises
    ------
    ValueError
        If shapes do not match, two points coincide or the strength is not positive.

    Examples
    --------
    >>> transport_prox([0.0, 0.5, 0.8, 1.5], [0.0, 1.0, 2.0, 3.0], strength=0.3).target.tolist()
    [1, 3, 3, 3]
    """
    gain, squares = _problem(reward, positions)
    b = v.number("strength", strength, 0.0, np.inf, closed="()")
    worth = gain - 0.5 * b * squares
    target = worth.argmax(axis=1)
    envelope = worth.max(axis=1)
    worth[np.arange(gain.size), target] = -np.inf
    return TransportProx(target, envelope, envelope - worth.max(axis=1))


def push_forward(law: ArrayLike, target: ArrayLike) -> FloatArray:
    """Law of the images of points that a map moves among themselves.

    Parameters
    ----------
    law : array_like, shape (k,)
        Masses of the points.
    target : array_like of int, shape (k,)
        Index of the image of each, in ``0..k-1``.

    Returns
    -------
    ndarray, shape (k,)
        Masses of the images.

    Raises
    ------
    ValueError
        If shapes do not match or an index is out of range.
    """
    masses = v.finite("law", law, ("k",))
    images = v.integers("target", target, 0, masses.size - 1, (masses.size,))
    return np.asarray(np.bincount(images, masses, masses.size), dtype=np.float64)


def collapse_strength(reward: ArrayLike, positions: ArrayLike) -> float:
    """Largest strength at which moving every point to the best one is optimal.

    Parameters
    ----------
    reward : array_like, shape (k,)
        Reward of each point; of several best ones the first is meant.
    positions : array_like, shape (k,) or (k, d)
        Distinct points.

    Returns
    -------
    float
        ``b_c``; 0 where another point is as good, ``inf`` for a single point.

    Raises
    ------
    ValueError
        As :func:`transport_prox`.
    """
    gain, squares = _problem(reward, positions)
    best = int(gain.argmax())
    nearer = squares[:, [best]] - squares
    lost = np.broadcast_to(2.0 * (gain[best] - gain), nearer.shape)
    return float(np.min(lost[nearer > 0] / nearer[nearer > 0], initial=np.inf))


def rest_strength(reward: ArrayLike, positions: ArrayLike) -> float:
    """Smallest strength at which moving no point is optimal.

    Parameters
    ----------
    reward : array_like, shape (k,)
        Reward of each point.
    positions : array_like, shape (k,) or (k, d)
        Distinct points.

    Returns
    -------
    float
        ``b_r >= 0``; 0 where all rewards are equal.

    Raises
    ------
    ValueError
        As :func:`transport_prox`.
    """
    gain, squares = _problem(reward, positions)
    apart = ~np.eye(gain.size, dtype=bool)
    rises = 2.0 * (gain - gain[:, np.newaxis])
    return float(np.max(rises[apart] / squares[apart], initial=0.0))
