r"""Gain and bias of a Markov chain with rewards, by its recurrent classes.

A recurrent class :math:`C` has one gain; gain and relative value solve :math:`g+h=r+P_Ch` with one component of ``h``
fixed, a regular system whose transpose gives the stationary law.  From transient states the gain is the average of
those of the classes that are reached, and the bias follows from :math:`(I-P_{TT})h_T=r_T-g_T+P_{TR}h_R`.

References
----------
.. [1] M. L. Puterman, *Markov Decision Processes*, 1994, section 8.2 and appendix A.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from scipy import sparse
from scipy.sparse.linalg import splu

from mdplab._typing import FloatArray, IntArray
from mdplab.operators.components import recurrent_classes
from mdplab.solvers.undiscounted import DENSE, proper_value

__all__ = ["ChainValue", "evaluate_chain"]


@dataclass(frozen=True, eq=False)
class ChainValue:
    """Gain and bias of a Markov chain with rewards, without certificate.

    Attributes
    ----------
    gain : ndarray (n,)
        Average reward from each state; one number on a recurrent class.
    bias : ndarray (n,)
        Solution of ``g + h = r + P h`` with ``P* h = 0``.
    label : ndarray of int (n,)
        Number of the recurrent class, -1 at transient states.
    stationary : ndarray (n,)
        Stationary law of each class; 0 at transient states.
    """

    gain: FloatArray
    bias: FloatArray
    label: IntArray
    stationary: FloatArray


def evaluate_chain(kernel: Any, reward: FloatArray) -> ChainValue:
    """Gain and bias of a chain by its decomposition into recurrent classes and transient states.

    Parameters
    ----------
    kernel : csr_array (n, n)
        Stochastic matrix without explicit zeros.
    reward : ndarray (n,)
        Reward of each state.

    Returns
    -------
    ChainValue

    References
    ----------
    .. [1] M. L. Puterman, *Markov Decision Processes*, 1994, section 8.2 and appendix A.
    """
    n = kernel.shape[0]
    label, count = recurrent_classes(kernel)
    gain, bias, stationary = np.zeros(n), np.zeros(n), np.zeros(n)
    order = np.argsort(label, kind="stable")
    ends = np.searchsorted(label[order], np.arange(count + 1))
    for k in range(count):
        states = order[ends[k] : ends[k + 1]]
        gain[states], bias[states], stationary[states] = _recurrent(
            sparse.csr_array(kernel[states][:, states]), reward[states]
        )
    transient = np.flatnonzero(label < 0)
    if transient.size:
        rows: Any = kernel[transient]
        inner = sparse.csr_array(rows[:, transient])
        outer = np.where(label >= 0, gain, 0.0)
        low, high = gain[label >= 0].min(), gain[label >= 0].max()
        # an average of gains: the clipping only removes rounding
        gain[transient] = np.clip(proper_value(inner, rows @ outer), low, high)
        later = reward[transient] - gain[transient] + rows @ np.where(label >= 0, bias, 0.0)
        bias[transient] = proper_value(inner, later)
    return ChainValue(gain, bias, label, stationary)


def _recurrent(kernel: Any, reward: FloatArray) -> tuple[float, FloatArray, FloatArray]:
    """Gain, bias and stationary law of an irreducible chain.

    The unknown ``h[0] = 0`` gives its column of ``I - P`` to the gain: ``A (g, h[1:]) = r``; and ``A' mu = e_0`` says
    ``sum mu = 1`` and ``mu' (I - P) = 0`` but for one redundant column.
    """
    n = kernel.shape[0]
    if n == 1:
        return float(reward[0]), np.zeros(1), np.ones(1)
    system: Any = sparse.csr_array(sparse.eye_array(n) - kernel)
    first = np.zeros(n)
    first[0] = 1.0
    if n <= DENSE:
        dense = system.toarray()
        dense[:, 0] = 1.0
        factors = scipy.linalg.lu_factor(dense, check_finite=False)
        x = scipy.linalg.lu_solve(factors, reward)
        x = x + scipy.linalg.lu_solve(factors, reward - dense @ x)
        mu = scipy.linalg.lu_solve(factors, first, trans=1)
    else:
        column = sparse.csc_array(np.ones((n, 1)))
        matrix: Any = sparse.hstack([column, system[:, np.arange(1, n)]], format="csc")
        sparse_factors: Any = splu(matrix)
        x = sparse_factors.solve(reward)
        x = x + sparse_factors.solve(reward - matrix @ x)
        mu = sparse_factors.solve(first, trans="T")
    mu = np.maximum(mu, 0.0)
    mu = mu / mu.sum()
    h = np.concatenate([[0.0], x[1:]])
    return float(x[0]), h - mu @ h, mu
