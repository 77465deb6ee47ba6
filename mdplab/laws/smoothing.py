r"""Smoothed frequencies of a random sample: how far they are from the law, in expectation and exactly.

Of ``count`` trials, :math:`n\sim\mathrm{Bin}(N,d)` visit a place, and each visit draws one of :math:`A` outcomes from
:math:`p`.  The smoothed frequencies are :math:`(k_a+c)/(n+cA)`; :math:`c=1` is the rule of succession of Laplace,
uniform where nothing was seen.  Since each :math:`k_a` alone is binomial with the parameter :math:`dp_a`,

.. math:: E\,\mathrm{KL}(p\,\|\,\hat p)=\sum_ap_a\big(\log p_a+E\log(n+cA)-E\log(k_a+c)\big),

:math:`O(NA)` operations in the place of a sum over all samples.  Without smoothing it is infinite.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab.laws.atoms import check_masses
from mdplab.laws.binomial import binomial_expectation, check_trials

__all__ = ["expected_smoothed_kl"]


def expected_smoothed_kl(
    law: ArrayLike, count: int, *, probability: float = 1.0, smoothing: float = 1.0
) -> float:
    """Expected ``kl`` of a law from the smoothed frequencies of a sample of random size.

    Parameters
    ----------
    law : array_like (A,)
        Probabilities of the outcomes.
    count : int
        Number N of trials, >= 0.
    probability : float, default 1
        That a trial draws an outcome, in [0, 1].
    smoothing : float, default 1
        Added to the count of every outcome, positive.

    Returns
    -------
    float
        Mean over the samples of ``kl(law, frequencies)``; with add-one smoothing at most
        ``(A - 1) / ((count + 1) * probability)``.

    Raises
    ------
    ValueError
        If the law is none or a number is out of its range.

    References
    ----------
    .. [1] D. Braess and T. Sauer, "Bernstein polynomials and learning theory", Journal of Approximation Theory
       128, 2004.

    Examples
    --------
    >>> expected_smoothed_kl([1.0, 0.0], 1)  # one sample of a sure outcome: frequency 2/3
    0.4054651081081644
    """
    p = np.asarray(law, dtype=np.float64)
    if p.ndim != 1 or p.size == 0:
        raise ValueError(f"law: expected shape (A,), A >= 1, got {p.shape}")
    check_masses(p, "law")
    if not (np.isfinite(smoothing) and smoothing > 0.0):
        raise ValueError(f"smoothing: expected a positive number, got {smoothing}")
    check_trials(count)
    k = np.arange(count + 1)
    totals = binomial_expectation(np.log(k + smoothing * p.size), probability)
    taken = np.log(k + smoothing)
    return float(
        sum(x * (np.log(x) + totals - binomial_expectation(taken, probability * x)) for x in p[p > 0])
    )
