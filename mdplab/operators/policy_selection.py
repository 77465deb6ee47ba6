r"""How good is a portfolio of policies that was chosen by estimated values: regret and Sharpe ratio of the top k.

Candidates with true values :math:`J_i` are ranked by estimates, ties by number.  Of the k best in the estimates

.. math:: \mathrm{regret@}k=\max_iJ_i-\max_{i\in\mathrm{top}\,k}J_i,\qquad
          \mathrm{SharpeRatio@}k=\frac{\max_{i\in\mathrm{top}\,k}J_i-J_b}{\mathrm{std}_{i\in\mathrm{top}\,k}(J_i)}

with the population standard deviation: what is gained over the behaviour's value :math:`J_b` by trying all k and keeping the
best, against the risk of trying them.  When the true values of the top k nearly coincide the ratio diverges, whatever they are.

References
----------
.. [1] H. Kiyohara, R. Kishimoto, K. Kawakami, K. Kobayashi, K. Nakata, Y. Saito, "Towards assessing and benchmarking
   risk-return tradeoff of off-policy evaluation", ICLR 2024, arXiv:2311.18207.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.models import _validate as v
from mdplab.operators import _check

__all__ = ["regret_at", "sharpe_ratio_at"]


def _chosen(estimates: ArrayLike, values: ArrayLike, k: int) -> tuple[FloatArray, FloatArray]:
    """All true values, and those of the k best in the estimates."""
    true = v.finite("values", values, (None,))
    estimated = v.finite("estimates", estimates, true.shape)
    _check.count("k", k)
    if k > true.size:
        raise ValueError(f"k must be at most the number {true.size} of candidates; got {k}")
    return true, true[np.argsort(-estimated, kind="stable")[:k]]


def regret_at(estimates: ArrayLike, values: ArrayLike, k: int) -> float:
    """What the best of all candidates is worth more than the best of the k that were chosen.

    Parameters
    ----------
    estimates : array_like (n,)
        Estimated values, by which the candidates are chosen.
    values : array_like (n,)
        True values.
    k : int
        Number of candidates chosen, 1 to n.

    Returns
    -------
    float
        Non-negative.

    Raises
    ------
    ValueError
        If shapes do not fit, a number is not finite or k is out of range.
    """
    true, top = _chosen(estimates, values, k)
    return float(true.max() - top.max())


def sharpe_ratio_at(estimates: ArrayLike, values: ArrayLike, k: int, *, baseline: float) -> float:
    """Gain of the best of the k chosen candidates over a baseline, by the spread of the k.

    Parameters
    ----------
    estimates : array_like (n,)
        Estimated values, by which the candidates are chosen.
    values : array_like (n,)
        True values.
    k : int
        Number of candidates chosen, 1 to n.
    baseline : float
        Value of the behaviour, finite.

    Returns
    -------
    float
        NaN if the chosen values are all equal (so for k = 1): the ratio is undefined.

    Raises
    ------
    ValueError
        If shapes do not fit, a number is not finite or k is out of range.

    Examples
    --------
    >>> sharpe_ratio_at([0.4, 0.1, 1.1], [1.0, 0.2, 0.8], 2, baseline=0.5)
    5.0
    """
    origin = v.number("baseline", baseline, -np.inf, np.inf)
    _, top = _chosen(estimates, values, k)
    apart = top - top.max()  # exact where the values nearly coincide, unlike the distance from a rounded mean
    widest = float(-apart.min())
    if widest == 0:
        return float("nan")
    return float((top.max() - origin) / widest / (apart / widest).std())
