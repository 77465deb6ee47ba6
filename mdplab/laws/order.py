"""Laws of order statistics on finite sets, ties included.

*Best of n.*  Draw ``n`` items independently from ``p`` and keep one of the highest score, ties broken uniformly among
the draws.  With ``L_y = p(r < r(y))`` and ``E_y = p(r = r(y))`` the kept item has the law

    p_n(y) = p(y) ((L_y + E_y)^n - L_y^n) / E_y :

the best score is r(y) with probability ``(L+E)^n - L^n``, and given that, each best draw is an independent draw
from p conditioned on the class of that score.  The difference of powers loses all digits when ``E << L`` or when n
is large; with ``U = L + E`` and ``G = 1 - U`` summed from above it is computed as

    U^n - L^n = exp(n log1p(-G)) * (-expm1(n log(L/U))),      log(L/U) = log1p(-E/U) where E <= U/2,

in which every factor has a small relative error whenever the result is not negligible.

References
----------
A. Beirami et al., *Theoretical guarantees on the best-of-n alignment policy*, 2024, arXiv:2401.01879: the law and
``KL(p_n || p) <= log n - (n-1)/n``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray, IntArray
from mdplab.laws.atoms import check_masses

__all__ = ["best_of_n", "log_best_of_n", "win_rate", "worst_of_n"]


def log_best_of_n(probability: ArrayLike, score: ArrayLike, n_draws: int) -> FloatArray:
    """Logarithm of :func:`best_of_n`; keeps the entries that underflow for large ``n_draws``.

    Parameters
    ----------
    probability : array_like, shape (n,)
        Law of one draw; entries >= 0 with sum 1.
    score : array_like, shape (n,)
        Finite scores; equal floats are ties.
    n_draws : int
        Number of draws, >= 1.

    Returns
    -------
    ndarray, shape (n,)
        ``log p_n``, ``-inf`` where ``probability`` is 0.

    Raises
    ------
    ValueError
        If the probability is not a law, a score is not finite, or ``n_draws < 1``.
    """
    p, classes, n_classes = _score_classes(probability, score)
    if int(n_draws) != n_draws or n_draws < 1:
        raise ValueError(f"n_draws: expected an integer >= 1, got {n_draws!r}")
    mass = np.bincount(classes, weights=p, minlength=n_classes)
    below = np.concatenate(([0.0], np.cumsum(mass)[:-1]))
    above = np.concatenate((np.cumsum(mass[::-1])[-2::-1], [0.0]))
    upto = below + mass
    with np.errstate(divide="ignore", invalid="ignore"):
        # Of log U the accurate form is log1p(-above) near 1 and log(upto) near 0.
        log_upto = np.where(above < 0.5, np.log1p(-np.minimum(above, 1.0)), np.log(upto))
        ratio = np.where(mass <= 0.5 * upto, np.log1p(-mass / upto), np.log(below / upto))
        log_class = n_draws * log_upto + np.log(-np.expm1(n_draws * ratio)) - np.log(mass)
        log_p = np.log(p)
        result: FloatArray = np.where(p > 0.0, log_p + log_class[classes], -np.inf)
    return result


def best_of_n(probability: ArrayLike, score: ArrayLike, n_draws: int) -> FloatArray:
    """Law of the best of ``n_draws`` independent draws, ties broken uniformly among the draws.

    Parameters
    ----------
    probability : array_like, shape (n,)
        Law of one draw; entries >= 0 with sum 1.
    score : array_like, shape (n,)
        Finite scores; equal floats are ties.
    n_draws : int
        Number of draws, >= 1; any size (the formula is stable).

    Returns
    -------
    ndarray, shape (n,)
        ``p_n(y) = p(y) ((L+E)^n - L^n)/E``; 0 where ``probability`` is 0.

    Raises
    ------
    ValueError
        As :func:`log_best_of_n`.

    References
    ----------
    Beirami et al. 2024, arXiv:2401.01879.
    """
    result: FloatArray = np.exp(log_best_of_n(probability, score, n_draws))
    return result


def worst_of_n(probability: ArrayLike, score: ArrayLike, n_draws: int) -> FloatArray:
    """Law of the worst of ``n_draws`` independent draws: :func:`best_of_n` with the scores negated.

    Parameters
    ----------
    probability : array_like, shape (n,)
        Law of one draw.
    score : array_like, shape (n,)
        Finite scores; equal floats are ties.
    n_draws : int
        Number of draws, >= 1.

    Returns
    -------
    ndarray, shape (n,)
        Probability that each item is kept.
    """
    return best_of_n(probability, -np.asarray(score, dtype=np.float64), n_draws)


def win_rate(probability: ArrayLike, opponent: ArrayLike, score: ArrayLike) -> float:
    """Probability that one draw of ``probability`` beats an independent draw of ``opponent``, ties counted 1/2.

    Parameters
    ----------
    probability, opponent : array_like, shape (n,)
        Laws on the same items.
    score : array_like, shape (n,)
        Finite scores; equal floats are ties.

    Returns
    -------
    float
        In [0, 1]; exactly antisymmetric about 1/2 up to rounding when the laws are exchanged.
    """
    p, classes, n_classes = _score_classes(probability, score)
    q, _, _ = _score_classes(opponent, score)
    mine = np.bincount(classes, weights=p, minlength=n_classes)
    theirs = np.bincount(classes, weights=q, minlength=n_classes)
    below = np.concatenate(([0.0], np.cumsum(theirs)[:-1]))
    return float(mine @ (below + 0.5 * theirs))


def _score_classes(probability: ArrayLike, score: ArrayLike) -> tuple[FloatArray, IntArray, int]:
    """Validated probability, class index of each item (ascending score) and the number of classes."""
    p = np.asarray(probability, dtype=np.float64)
    r = np.asarray(score, dtype=np.float64)
    if p.ndim != 1 or r.shape != p.shape:
        raise ValueError(
            f"probability, score: expected two arrays of one shape (n,), got {p.shape} and {r.shape}"
        )
    check_masses(p, "probability")
    if not np.all(np.isfinite(r)):
        i = int(np.flatnonzero(~np.isfinite(r))[0])
        raise ValueError(f"score: entry {i} is {r[i]!r}, expected a finite number")
    levels, classes = np.unique(r, return_inverse=True)
    return p, classes.astype(np.int64), int(levels.shape[0])
