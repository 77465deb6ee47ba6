r"""The binomial law in logarithms, for sums :math:`E\,g(k)` with :math:`k\sim\mathrm{Bin}(n,p)`.

.. math:: \log P(k) = \log\binom nk + k\log p + (n-k)\log(1-p).

The coefficient is an exact integer, rounded once by its logarithm, and the last logarithm is ``log1p(-p)``; so each entry is
accurate to a few units of its largest term, for small and large ``p`` alike.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray

__all__ = ["binomial_expectation", "check_trials", "log_binomial"]


def check_trials(count: object) -> None:
    """Raise unless a number of trials is one.

    Parameters
    ----------
    count : object
        Should be an integer >= 0.

    Raises
    ------
    ValueError
        If it is not.
    """
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 0:
        raise ValueError(f"count: expected an integer >= 0, got {count!r}")


def log_binomial(count: int, probability: float) -> FloatArray:
    """Logarithms of the binomial probabilities of 0, ..., ``count`` successes.

    Parameters
    ----------
    count : int
        Number of trials, >= 0.
    probability : float
        Probability of a success, in [0, 1].

    Returns
    -------
    ndarray, shape (count + 1,)
        ``-inf`` at numbers of successes that are impossible.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Examples
    --------
    >>> np.exp(log_binomial(3, 0.5)).round(12).tolist()
    [0.125, 0.375, 0.375, 0.125]
    """
    check_trials(count)
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"probability: expected a number in [0, 1], got {probability!r}")
    k, coefficient, coefficients = np.arange(count + 1), 1, np.zeros(count + 1)
    for i in range(count):
        coefficient = coefficient * (count - i) // (i + 1)  # exact, of any size
        coefficients[i + 1] = math.log(coefficient)
    with np.errstate(divide="ignore", invalid="ignore"):
        # 0 log 0 = 0: no success among impossible ones costs nothing
        successes = np.where(k == 0, 0.0, k * np.log(probability))
        failures = np.where(k == count, 0.0, (count - k) * np.log1p(-probability))
    return np.asarray(coefficients + successes + failures)


def binomial_expectation(values: ArrayLike, probability: float) -> float:
    """Expectation of a function of the number of successes.

    The weights are divided by their sum, so that their rounding counts only where the function differs from its mean.

    Parameters
    ----------
    values : array_like, shape (count + 1,)
        The function at 0, ..., ``count`` successes, finite.
    probability : float
        Probability of a success, in [0, 1].

    Returns
    -------
    float
        ``E g(k)`` for ``k`` binomial.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Examples
    --------
    >>> binomial_expectation([0.0, 1.0, 4.0], 0.5)
    1.5
    """
    g = np.asarray(values, dtype=np.float64)
    if g.ndim != 1 or not g.size:
        raise ValueError(f"values: expected shape (count + 1,), got {g.shape}")
    if not np.isfinite(g).all():
        i = int(np.flatnonzero(~np.isfinite(g))[0])
        raise ValueError(f"values: entry {i} is {float(g[i])!r}, expected a finite number")
    weights = np.exp(log_binomial(g.size - 1, probability))
    return math.fsum(weights * g) / math.fsum(weights)
