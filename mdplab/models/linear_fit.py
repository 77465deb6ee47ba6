r"""How far a tabular model is from being linear in given features: a least-squares fit with proven errors.

The measures and the reward vector of least squares are of minimum norm where features are dependent.  If the model is
linear the errors are rounding; a kernel error :math:`\epsilon_P` (sum of moduli of a row) and a reward error
:math:`\epsilon_R` move values by at most :math:`(\epsilon_R+\gamma\epsilon_P\|V\|_\infty)/(1-\gamma)` (simulation lemma).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.models import _validate as v
from mdplab.models.tabular import MDP

__all__ = ["LinearFit", "linear_fit", "row_blocks"]

_BLOCK = 2**21


def row_blocks(n_rows: int, width: int) -> Iterator[slice]:
    """Slices of rows such that a block of them has a bounded number of entries.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    width : int
        Their length.

    Yields
    ------
    slice
    """
    size = max(1, _BLOCK // max(1, width))
    return (slice(i, min(i + size, n_rows)) for i in range(0, n_rows, size))


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearFit:
    """How far a tabular model is from being linear in given features.

    Attributes
    ----------
    measures : ndarray (d, S)
        Least-squares measures, of minimum norm.
    theta : ndarray (d,)
        Least-squares reward vector, of minimum norm.
    transition_error : float
        Proven bound on ``max_{s,a} sum_t |P[s, a, t] - phi(s, a) @ measures[:, t]|``.
    reward_error : float
        Proven bound on ``max_{s,a} |R[s, a] - phi(s, a) @ theta|``.
    worst_row, worst_reward : tuple of int
        The pairs where the errors are largest.
    rank : int
        Numerical rank of the features.
    """

    measures: FloatArray
    theta: FloatArray
    transition_error: float
    reward_error: float
    worst_row: tuple[int, int]
    worst_reward: tuple[int, int]
    rank: int


def linear_fit(mdp: MDP, features: ArrayLike) -> LinearFit:
    """Fit measures and reward vector to a tabular model by least squares and bound what they miss.

    Parameters
    ----------
    mdp : MDP
        Dense or CSR, without a mask.
    features : array_like (S, A, d)
        Features of the pairs.

    Returns
    -------
    LinearFit
        Errors of zero up to rounding say that the model is linear.

    Raises
    ------
    ValueError
        If shapes do not fit or the model has unavailable pairs.
    """
    if mdp.available is not None and not mdp.available.all():
        raise ValueError("mdp has unavailable pairs, whose rows cannot be linear: restrict the model first")
    n_states, n_actions = mdp.n_states, mdp.n_actions
    phi = v.finite("features", features, (n_states, n_actions, "d")).reshape(n_states * n_actions, -1)
    d = phi.shape[1]
    inverse = np.linalg.pinv(phi)
    kernel: Any = mdp.transition
    flat = kernel if mdp.is_sparse else kernel.reshape(-1, n_states)
    measures = np.ascontiguousarray(np.asarray((flat.T @ inverse.T).T))
    theta = inverse @ mdp.reward.ravel()
    # A product of length d errs by (d + 1) u times the moduli, the difference and the sum of a row by a little more.
    unit = (d + n_states + 4) * v.EPS
    mass = np.abs(measures).sum(axis=1)
    rows = np.empty(phi.shape[0])
    for part in row_blocks(phi.shape[0], n_states):
        block = flat[part].toarray() if mdp.is_sparse else flat[part]
        rows[part] = np.abs(block - phi[part] @ measures).sum(axis=1)
    rows += unit * (1.0 + np.abs(phi) @ mass)
    gains = np.abs(mdp.reward.ravel() - phi @ theta)
    gains += unit * (np.abs(mdp.reward.ravel()) + np.abs(phi) @ np.abs(theta))
    return LinearFit(
        measures=measures,
        theta=theta,
        transition_error=float(rows.max()),
        reward_error=float(gains.max()),
        worst_row=divmod(int(rows.argmax()), n_actions),
        worst_reward=divmod(int(gains.argmax()), n_actions),
        rank=int(np.linalg.matrix_rank(phi)),
    )
