"""Kullback-Leibler, Jeffreys and total variation divergences of finite laws, and the entropy, along the last axis."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray

__all__ = ["entropy", "jeffreys", "kl", "kl_from_logs", "log_ratio", "probabilities", "total_variation"]


def probabilities(name: str, p: ArrayLike) -> FloatArray:
    """Check that an array is finite and non-negative and return it as float64.

    Parameters
    ----------
    name : str
        What the message calls it.
    p : array_like
        Masses.

    Returns
    -------
    ndarray

    Raises
    ------
    ValueError
        If an entry is negative or not finite.
    """
    array = np.asarray(p, dtype=np.float64)
    bad = ~(np.isfinite(array) & (array >= 0.0))
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(np.atleast_1d(bad))[0])
        raise ValueError(
            f"{name}: entry {place} is {float(np.atleast_1d(array)[place])!r}; expected finite and >= 0"
        )
    return array


def kl(p: ArrayLike, q: ArrayLike) -> FloatArray:
    """Kullback-Leibler divergence ``sum p log(p / q)`` along the last axis.

    Parameters
    ----------
    p, q : array_like, shape (..., n)
        Non-negative; broadcast against each other.  Nothing is normalised.

    Returns
    -------
    ndarray, shape (...)
        ``inf`` where some ``p > 0`` meets ``q = 0``.

    Raises
    ------
    ValueError
        If an entry is negative or not finite.
    """
    p, q = np.broadcast_arrays(probabilities("p", p), probabilities("q", q))
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(p > 0.0, p * log_ratio(p, q), 0.0).sum(axis=-1))


def log_ratio(p: FloatArray, q: FloatArray) -> FloatArray:
    """``log(p / q)`` elementwise, to relative accuracy near ``p = q`` and without overflow of the ratio.

    Parameters
    ----------
    p, q : ndarray
        Non-negative, of one shape.

    Returns
    -------
    ndarray
        ``-inf`` where ``p = 0 < q``, ``inf`` where ``q = 0 < p``, 0 where both vanish.
    """
    with np.errstate(all="ignore"):
        ratio = p / q
        relative = (p - q) / q
        logs = np.where((ratio > 0.0) & np.isfinite(ratio), np.log(ratio), np.log(p) - np.log(q))
        logs = np.where(
            np.abs(relative) < 0.5, np.log1p(np.where(np.abs(relative) < 0.5, relative, 0.0)), logs
        )
    return np.where(p == q, 0.0, logs)


def kl_from_logs(log_p: ArrayLike, log_q: ArrayLike) -> FloatArray:
    """``kl`` from log-probabilities, for laws with masses below the smallest float.

    Parameters
    ----------
    log_p, log_q : array_like, shape (..., n)
        Logarithms of probabilities; ``-inf`` is a mass of zero.

    Returns
    -------
    ndarray, shape (...)
        ``sum exp(log_p) (log_p - log_q)``.

    Raises
    ------
    ValueError
        If an entry is NaN or ``+inf``.
    """
    log_p, log_q = np.broadcast_arrays(_logs("log_p", log_p), _logs("log_q", log_q))
    with np.errstate(invalid="ignore"):
        terms = np.where(log_p > -np.inf, np.exp(log_p) * (log_p - log_q), 0.0)
    return np.asarray(terms.sum(axis=-1))


def _logs(name: str, log_p: ArrayLike) -> FloatArray:
    array = np.asarray(log_p, dtype=np.float64)
    if np.isnan(array).any() or (array == np.inf).any():
        raise ValueError(f"{name}: entries must be finite or -inf")
    return array


def jeffreys(p: ArrayLike, q: ArrayLike) -> FloatArray:
    """Jeffreys divergence ``sum (p - q)(log p - log q)`` along the last axis.

    Every term is non-negative, so that the sum keeps its relative accuracy where ``p`` is close to ``q``;
    the sum of two Kullback-Leibler divergences would cancel there.

    Parameters
    ----------
    p, q : array_like, shape (..., n)
        Non-negative; broadcast against each other.

    Returns
    -------
    ndarray, shape (...)
        ``inf`` where exactly one of the two masses is zero.

    Raises
    ------
    ValueError
        If an entry is negative or not finite.
    """
    p, q = np.broadcast_arrays(probabilities("p", p), probabilities("q", q))
    return np.asarray(((p - q) * log_ratio(p, q)).sum(axis=-1))


def entropy(p: ArrayLike) -> FloatArray:
    """Shannon entropy ``-sum p log p`` in nats along the last axis.

    Parameters
    ----------
    p : array_like, shape (..., n)
        Non-negative.

    Returns
    -------
    ndarray, shape (...)

    Raises
    ------
    ValueError
        If an entry is negative or not finite.
    """
    p = probabilities("p", p)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0.0, -p * np.log(p), 0.0)
    return np.asarray(terms.sum(axis=-1))


def total_variation(p: ArrayLike, q: ArrayLike) -> FloatArray:
    """Total variation ``1/2 sum |p - q|`` along the last axis.

    Parameters
    ----------
    p, q : array_like, shape (..., n)
        Non-negative; broadcast against each other.

    Returns
    -------
    ndarray, shape (...)
        In [0, 1] for distributions.

    Raises
    ------
    ValueError
        If an entry is negative or not finite.
    """
    p, q = probabilities("p", p), probabilities("q", q)
    return np.asarray(0.5 * np.abs(p - q).sum(axis=-1))
