r"""Chernoff information of two laws: the smallest radius at which their divergence balls meet.

.. math::
    C(p,q)=-\min_{0\le s\le1}\log\sum_ap_a^sq_a^{1-s}=\min_r\max\{\mathrm{KL}(r\,\|\,p),\mathrm{KL}(r\,\|\,q)\},

attained by the geometric mixture :math:`r\propto p^sq^{1-s}` of the minimising :math:`s`.  The sum is log-convex in :math:`s`
with derivative :math:`E_r[\log p-\log q]`, whose root is bisected to neighbouring floats; the information depends on the error
of :math:`s` in second order only.

References
----------
T. Cover, J. Thomas (2006), Elements of Information Theory, section 11.9.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.numerics.scalar import bisect_rows

__all__ = ["chernoff_information"]


def chernoff_information(log_p: ArrayLike, log_q: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Chernoff information along the last axis, and the weight of the first law.

    Parameters
    ----------
    log_p, log_q : array_like, shape (..., n)
        Finite log-probabilities, each row normalised; broadcast against each other.

    Returns
    -------
    information, weight : ndarray, shape (...)
        ``C`` and ``s`` in [0, 1]: the laws meet at ``p ** s * q ** (1 - s)``, normalised.  Equal laws have information 0 and
        any weight.  The information is good to a few units of the largest exponent: laws that differ by less than about
        ``1e-8`` have information 0 within rounding.

    Raises
    ------
    ValueError
        If an entry is not finite, a row is no law or the shapes do not fit.

    Examples
    --------
    >>> information, weight = chernoff_information(np.log([0.9, 0.1]), np.log([0.1, 0.9]))
    >>> float(information.round(12)), float(weight)
    (0.510825623766, 0.5)
    """
    log_p, log_q = _logarithms("log_p", log_p), _logarithms("log_q", log_q)
    try:
        log_p, log_q = np.broadcast_arrays(log_p, log_q)
    except ValueError:
        raise ValueError(f"log_p and log_q do not fit: shapes {log_p.shape} and {log_q.shape}") from None
    ratio = (log_p - log_q).reshape(-1, log_p.shape[-1])
    base = log_q.reshape(ratio.shape)

    def exponents(s: FloatArray) -> FloatArray:
        return np.asarray(base + s[:, np.newaxis] * ratio)

    def slope(s: FloatArray) -> FloatArray:
        logs = exponents(s)
        weights = np.exp(logs - logs.max(axis=1, keepdims=True))
        return np.asarray((weights * ratio).sum(axis=1))

    ends = np.zeros(len(ratio)), np.ones(len(ratio))
    # by rounding alone the derivative of nearly equal laws may have one sign: then an end is as good as any point
    inside = (slope(ends[0]) <= 0.0) & (slope(ends[1]) >= 0.0)
    low, high = bisect_rows(lambda s: np.where(inside, slope(s), s - 0.5), *ends)
    weight = 0.5 * (low + high)
    logs = exponents(weight)
    top = logs.max(axis=1)
    information = -(top + np.log(np.exp(logs - top[:, np.newaxis]).sum(axis=1)))
    shape = log_p.shape[:-1]
    return np.maximum(information, 0.0).reshape(shape), weight.reshape(shape)


def _logarithms(name: str, logs: ArrayLike) -> FloatArray:
    """Finite log-probabilities along the last axis."""
    array = np.asarray(logs, dtype=np.float64)
    if not array.ndim or not array.shape[-1]:
        raise ValueError(f"{name}: expected shape (..., n), n >= 1, got {array.shape}")
    if not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name}: entries must be finite; entry {where} is {array[where]}")
    off = np.abs(np.exp(array).sum(axis=-1) - 1.0)
    if (off > 1e-9).any():
        where = tuple(int(i) for i in np.argwhere(np.atleast_1d(off > 1e-9))[0])
        raise ValueError(f"{name}: row {where} is not a law; expected log-probabilities")
    return array
