r"""Bayes' rule on finite sets, in logarithms, and the information that an observation carries.

For a prior :math:`p(a)` and likelihoods :math:`L(o|a)` the posterior is
:math:`p(a|o)\propto p(a)L(o|a)`.  Under true likelihoods it is right on average in two ways: averaged over the observations
it is the prior (a martingale), and averaged under a fixed truth it moves towards that truth,

.. math:: E_{o\sim L(\cdot|a)}\,p(a|o)-p(a)=p(a)\,\chi^2(L(\cdot|a)\,\|\,\bar L),\qquad
          E_{o\sim L(\cdot|a)}\log\frac{p(a|o)}{p(a)}=\mathrm{KL}(L(\cdot|a)\,\|\,\bar L),\qquad \bar L=\sum_ap(a)L(\cdot|a);

the average of the latter over the truths is the mutual information.

References
----------
.. [1] T. M. Cover and J. A. Thomas, *Elements of Information Theory*, 2006, section 2.3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.laws.atoms import check_masses

__all__ = ["log_posterior", "mutual_information"]


def log_posterior(prior: ArrayLike, likelihood: ArrayLike) -> FloatArray:
    """Logarithms of the posterior of every observation.

    Parameters
    ----------
    prior : array_like, shape (K,)
        Law of the labels.
    likelihood : array_like, shape (K, M)
        ``likelihood[a, o]``, the probability of an observation given a label; rows are laws.

    Returns
    -------
    ndarray, shape (K, M)
        Each column is the logarithm of a law, ``-inf`` where it vanishes; of an observation that is impossible under the
        prior, the logarithm of the prior.

    Raises
    ------
    ValueError
        If shapes do not match, or the prior or a row of the likelihood is no law.
    """
    p, rows = np.asarray(prior, dtype=np.float64), np.asarray(likelihood, dtype=np.float64)
    if p.ndim != 1 or rows.ndim != 2 or rows.shape[0] != p.shape[0]:
        raise ValueError(
            f"prior, likelihood: expected shapes (K,) and (K, M), got {p.shape} and {rows.shape}"
        )
    check_masses(p, "prior")
    for a, row in enumerate(rows):
        check_masses(row, f"likelihood[{a}]")
    with np.errstate(divide="ignore", invalid="ignore"):
        log_prior = np.log(p)[:, np.newaxis]
        weights = log_prior + np.log(rows)
        top = weights.max(axis=0)
        shifted = weights - top
        logs = shifted - np.log(np.exp(shifted).sum(axis=0))
    return np.asarray(np.where(top > -np.inf, logs, log_prior))


def mutual_information(joint: ArrayLike) -> float:
    """Mutual information of the two coordinates of a joint law, in nats.

    Parameters
    ----------
    joint : array_like, shape (K, M)
        Probabilities.

    Returns
    -------
    float
        ``sum p(a, o) log p(a, o) / (p(a) p(o))``.

    Raises
    ------
    ValueError
        If the table is no law.
    """
    table = np.asarray(joint, dtype=np.float64)
    if table.ndim != 2:
        raise ValueError(f"joint: expected shape (K, M), got {table.shape}")
    check_masses(table.ravel(), "joint")
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.log(table.sum(axis=1, keepdims=True)) + np.log(table.sum(axis=0))
        terms = np.where(table > 0, table * (np.log(table) - apart), 0.0)
    return float(terms.sum())
