r"""Behaviour cloning from weighted data of several classes: demonstrations, interventions, the robot's own steps.

With counts :math:`n_k(s,a)` of the classes (an occupancy will do), :math:`N_k=\sum n_k`, :math:`N=\sum_kN_k` and weights
:math:`w_k` the weighted log-likelihood :math:`\sum_{k,s,a}w_kn_k(s,a)\log\pi(a|s)` is largest at

.. math:: \pi(a|s)=\frac{\sum_kw_kn_k(s,a)}{\sum_{k,b}w_kn_k(s,b)}.

The weights :math:`w_k=\rho_kN/N_k` give the classes the shares :math:`\rho_k` of the weight, whatever their sizes.

References
----------
.. [1] H. Liu, S. Nasiriany, L. Zhang, Z. Bao and Y. Zhu, "Robot learning on the job: human-in-the-loop autonomy and
   learning during deployment", RSS 2023.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.models import _validate as v
from mdplab.operators.occupancy import policy_of_occupancy

__all__ = ["class_weights", "cloned_policy"]


def class_weights(counts: ArrayLike, shares: ArrayLike) -> FloatArray:
    """Weights that give each class of data its share of the weight.

    Parameters
    ----------
    counts : array_like (K, ...)
        Data of every class, finite and non-negative: sizes (K,), or counts of pairs (K, S, A).
    shares : array_like (K,)
        Shares wanted, a law.

    Returns
    -------
    ndarray (K,)
        ``shares[k] * N / N_k``; their mean over the data is one.  0 for a class without data.

    Raises
    ------
    ValueError
        If the counts or the shares are out of their range, or a class without data has a share.

    Examples
    --------
    >>> class_weights([10, 5, 30], [0.25, 0.5, 0.25]).tolist()
    [1.125, 4.5, 0.375]
    """
    sizes = _counts(counts, 1)
    sizes = sizes.reshape(sizes.shape[0], -1).sum(axis=1)
    law = v.law("shares", shares, sizes.size, v.COMPUTED_ROWS)
    missing = (sizes == 0.0) & (law > 0.0)
    if missing.any():
        raise ValueError(f"class {int(missing.argmax())} has no data, but the share {law[missing][0]:g}")
    weights: FloatArray = law * (sizes.sum() / np.where(sizes == 0.0, 1.0, sizes))
    return weights


def cloned_policy(counts: ArrayLike, weights: ArrayLike, *, default: ArrayLike | None = None) -> FloatArray:
    """Policy of largest weighted log-likelihood.

    Parameters
    ----------
    counts : array_like (K, S, A) or (K, H, S, A)
        Counts or occupancies of the classes, finite and non-negative.
    weights : array_like (K,)
        Finite and non-negative, for instance :func:`class_weights`.
    default : array_like (S, A) or (H, S, A), optional
        Rows for states without weight; default is the uniform law.

    Returns
    -------
    ndarray (S, A) or (H, S, A)
        Rows sum to one.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Examples
    --------
    >>> cloned_policy([[[8, 2]], [[1, 4]]], [1.0, 2.0]).tolist()
    [[0.5, 0.5]]
    """
    data = _counts(counts, 3)
    w = v.finite("weights", weights, (data.shape[0],))
    if w.min() < 0.0:
        raise ValueError(f"weights[{int(w.argmin())}] is {float(w.min())!r}, expected a weight >= 0")
    policy: FloatArray = np.asarray(
        policy_of_occupancy(np.tensordot(w, data, axes=1), default=default), dtype=np.float64
    )
    return policy


def _counts(counts: ArrayLike, least: int) -> FloatArray:
    data = v.real("counts", counts, np.shape(counts))
    if data.ndim < least or data.size == 0:
        raise ValueError(
            f"counts: expected an array of {least} axes or more, classes first; got shape {data.shape}"
        )
    bad = ~(np.isfinite(data) & (data >= 0.0))
    if bad.any():
        where = v.first(bad)
        raise ValueError(f"counts is {float(data[where])!r} at {where}, expected a finite number >= 0")
    return data
