r"""Hypervolume of a set of points: how much of the space above a reference they dominate.

For points :math:`v_1,\dots,v_n\in\mathbb R^m`, all objectives to be maximised, it is the volume of
:math:`\bigcup_i\{x:r\le x\le v_i\}`.  Points that do not exceed the reference :math:`r` in every objective add nothing.

The set is cut in slabs across the last objective: between two successive values of it the cross-section is the same problem
for the points above, in one dimension less.  All terms are non-negative, so the rounding error is relative.

References
----------
.. [1] E. Zitzler and L. Thiele, "Multiobjective evolutionary algorithms: a comparative case study and the strength Pareto
   approach", IEEE Transactions on Evolutionary Computation 3, 1999.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray

__all__ = ["hypervolume"]


def hypervolume(points: ArrayLike, reference: ArrayLike) -> float:
    """Volume that points dominate above a reference, objectives maximised.

    Parameters
    ----------
    points : array_like (n, m)
        Finite, n >= 0, m >= 1.
    reference : array_like (m,)
        Finite.

    Returns
    -------
    float
        0 if no point exceeds the reference in every objective.

    Raises
    ------
    ValueError
        If shapes do not fit or an entry is not finite.

    Notes
    -----
    ``O(n log n)`` for two objectives, ``O(n^(m - 1))`` for more.

    Examples
    --------
    >>> hypervolume([[2.0, 1.0], [1.0, 2.0], [0.5, 0.5]], [0.0, 0.0])
    3.0
    """
    v, r = np.asarray(points, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if r.ndim != 1 or r.size == 0 or v.ndim != 2 or v.shape[1] != r.size:
        raise ValueError(
            f"points and reference: expected shapes (n, m) and (m,), m >= 1, got {v.shape} and {r.shape}"
        )
    for name, array in (("points", v), ("reference", r)):
        if not np.isfinite(array).all():
            raise ValueError(f"{name}: expected finite numbers")
    heights = v - r
    return _volume(heights[(heights > 0.0).all(axis=1)])


def _volume(heights: FloatArray) -> float:
    """Volume of the union of boxes from 0 to positive corners (n, m)."""
    n, m = heights.shape
    if n == 0:
        return 0.0
    if m == 1:
        return float(heights.max())
    order = heights[np.argsort(-heights[:, -1], kind="stable")]
    depths = order[:, -1] - np.append(order[1:, -1], 0.0)
    if m == 2:
        return float(np.maximum.accumulate(order[:, 0]) @ depths)
    return float(sum(depths[i] * _volume(order[: i + 1, :-1]) for i in range(n) if depths[i] > 0.0))
