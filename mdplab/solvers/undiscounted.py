r"""Undiscounted problems as lists of pairs: linear solves, and bounds by super- and subharmonic functions.

A :class:`PairModel` holds the admitted pairs of a model row by row.  The columns are *places*, a state or a class of
states taken together; what a row misses to one leaves the system.  Let every place be left almost surely under the
policy ``choice`` (*proper*).  With the weight :math:`m` near the expected number of steps:

* if :math:`v+\epsilon m\ge r_i+P_i(v+\epsilon m)` on **all** pairs, then :math:`v+\epsilon m` is an upper bound of the
  total reward of every proper policy (iterate the inequality; the remainder vanishes as the policy is proper);
* if :math:`v-\epsilon m\le r_i+P_i(v-\epsilon m)` on the pairs of ``choice``, its total reward is at least
  :math:`v-\epsilon m`.

Both are checked with computed numbers and bounds of their rounding.  The weight of the policy itself may decrease
too little along other pairs without slack; it is then enlarged by policy iteration for the *longest* expected time
over those pairs, which fails exactly if they allow to stay for ever.

**Row sums.**  The bounds hold for the rows divided by their sums, and for the arrays as they stand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from mdplab._kernels.enclosures import TINY
from mdplab._typing import BoolArray, FloatArray, IntArray
from mdplab.models.tabular import MDP
from mdplab.models.total_reward import TotalRewardMDP
from mdplab.operators.components import recurrent_classes
from mdplab.solvers.discounted import UNIT
from mdplab.solvers.policy_evaluation import factorise

__all__ = [
    "PairModel",
    "pair_model",
    "proper_value",
    "subharmonic",
    "superharmonic",
]

DENSE = 400
"""Up to this many places a linear system is factorised by LAPACK."""
_REFINEMENTS = 3
_ENLARGEMENTS = 200


@dataclass(frozen=True, eq=False)
class PairModel:
    """The pairs of a model, ordered by their places.

    Attributes
    ----------
    matrix : csr_array (N, n)
        Probabilities, without explicit zeros.
    reward : ndarray (N,)
        Rewards.
    owner : ndarray of int (N,)
        Place of each pair, ascending; every place has a pair.
    leaves : ndarray of bool (N,)
        Whether the pair may leave the system.
    pair : ndarray of int (N,)
        Number ``s * A + a`` of the pair in the model, -1 for an added one.
    deviation : float
        Bound on the deviation of row sums (what leaves included) from one.
    terms : ndarray (N,)
        Successors of each row before states were taken together.
    """

    matrix: Any
    reward: FloatArray
    owner: IntArray
    leaves: BoolArray
    pair: IntArray
    deviation: float
    terms: FloatArray

    @property
    def n_places(self) -> int:
        """Number of places."""
        return int(self.matrix.shape[1])

    def lookahead(self, v: FloatArray) -> FloatArray:
        """``r + P v`` of every pair."""
        return np.asarray(self.reward + self.matrix @ v)

    def rounding(self, v: FloatArray, *, paid: bool = True) -> FloatArray:
        """Bound on the error of the computed ``v[owner] - r - P v`` of every pair, row sums and underflow included.

        Adding up the probabilities of states taken together, products and sums are at most as many roundings as the
        row had successors; adding the reward (not where nothing is ``paid``) and taking the difference round once each.
        """
        expected = np.asarray(self.matrix @ v)
        size = np.asarray(self.matrix @ np.abs(v))
        ahead = self.reward + expected if paid else expected
        last = np.abs(ahead) + np.abs(v[self.owner] - ahead)
        error = 1.01 * ((self.terms * UNIT + self.deviation) * size + UNIT * last)
        return np.asarray(error + np.where((size > 0) | (last > 0), TINY, 0.0))

    def best(self, values: FloatArray) -> tuple[FloatArray, IntArray]:
        """Maximum over the pairs of each place, and the first pair that attains it."""
        starts = np.searchsorted(self.owner, np.arange(self.n_places))
        top = np.maximum.reduceat(values, starts)
        hits = np.flatnonzero(values == top[self.owner])
        return top, hits[np.unique(self.owner[hits], return_index=True)[1]]

    def restrict(self, places: BoolArray) -> PairModel:
        """The model on a subset of places that no kept pair leads out of; pairs that do are dropped."""
        out = np.asarray(self.matrix @ (~places).astype(np.float64)) > 0
        rows = np.flatnonzero(places[self.owner] & ~out)
        number = np.cumsum(places) - 1
        matrix = sparse.csr_array(self.matrix[rows][:, np.flatnonzero(places)])
        return PairModel(
            matrix,
            self.reward[rows],
            number[self.owner[rows]],
            self.leaves[rows],
            self.pair[rows],
            self.deviation,
            self.terms[rows],
        )

    def merged(self, place: IntArray, drop: BoolArray, stop: IntArray, stop_reward: FloatArray) -> PairModel:
        """Take states together, drop pairs and add pairs that leave at once.

        Parameters
        ----------
        place : ndarray of int (n,)
            New place of each old one.
        drop : ndarray of bool (N,)
            Pairs to leave out.
        stop : ndarray of int (k,)
            Places that get an additional pair, which leaves the system.
        stop_reward : ndarray (k,)
            Its reward.

        Returns
        -------
        PairModel
        """
        n = int(place.max()) + 1
        members = sparse.csr_array(
            (np.ones(place.size), (np.arange(place.size), place)), shape=(place.size, n)
        )
        rows = np.flatnonzero(~drop)
        matrix: Any = sparse.vstack(
            [sparse.csr_array(self.matrix[rows] @ members), sparse.csr_array((stop.size, n))], format="csr"
        )
        owner = np.concatenate([place[self.owner[rows]], stop])
        order = np.argsort(owner, kind="stable")
        return PairModel(
            sparse.csr_array(matrix[order]),
            np.concatenate([self.reward[rows], stop_reward])[order],
            owner[order],
            np.concatenate([self.leaves[rows], np.ones(stop.size, dtype=bool)])[order],
            np.concatenate([self.pair[rows], np.full(stop.size, -1)])[order],
            self.deviation,
            np.concatenate([self.terms[rows], np.zeros(stop.size)])[order],
        )


def pair_model(model: MDP | TotalRewardMDP) -> PairModel:
    """The admitted pairs of a model; terminal states have none, and entering them leaves the system.

    Parameters
    ----------
    model : MDP or TotalRewardMDP
        Dense or CSR; the discount plays no part.

    Returns
    -------
    PairModel
        Places are the states that are not terminal, in their order.
    """
    n, actions = model.n_states, model.n_actions
    ends = model.terminal if isinstance(model, TotalRewardMDP) else np.zeros(n, dtype=bool)
    admitted = np.broadcast_to(~ends[:, np.newaxis], (n, actions))
    if model.available is not None:
        admitted = admitted & model.available
    pair = np.flatnonzero(admitted)
    transition: Any = model.transition
    rows = transition if model.is_sparse else transition.reshape(-1, n)
    matrix: Any = sparse.csr_array(rows[pair])
    matrix.eliminate_zeros()
    terms = np.diff(matrix.indptr).astype(np.float64)
    leaves = np.asarray(matrix @ ends.astype(np.float64)) > 0
    if ends.any():
        matrix = sparse.csr_array(matrix[:, np.flatnonzero(~ends)])
    number = np.cumsum(~ends) - 1
    return PairModel(
        matrix,
        np.asarray(model.reward, dtype=np.float64).ravel()[pair],
        number[pair // actions],
        leaves,
        pair.astype(np.int64),
        float(model.row_deviation),
        terms,
    )


def proper_value(kernel: Any, reward: FloatArray) -> FloatArray:
    """Total reward ``(I - P)^{-1} r`` of a chain that is left almost surely, refined, without certificate.

    Parameters
    ----------
    kernel : csr_array (n, n)
        Transitions within the system.
    reward : ndarray (n,)
        Reward of each place.

    Returns
    -------
    ndarray (n,)
    """
    if not reward.size:
        return np.zeros(0)
    solve = factorise(kernel.toarray() if kernel.shape[0] <= DENSE else kernel, 1.0)
    value = solve(reward)
    for _ in range(_REFINEMENTS):
        value = value + solve(reward + kernel @ value - value)
    return value


def _steps(model: PairModel, choice: IntArray) -> FloatArray | None:
    """Expected number of steps under a policy; None if it is not proper."""
    kernel = sparse.csr_array(model.matrix[choice])
    if recurrent_classes(kernel, model.leaves[choice])[1]:
        return None
    with np.errstate(all="ignore"):
        steps = proper_value(kernel, np.ones(choice.size))
    return steps if np.isfinite(steps).all() and (steps > 0).all() else None


def superharmonic(model: PairModel, v: FloatArray, choice: IntArray) -> tuple[float, FloatArray]:
    """Smallest multiple of a weight that makes ``v`` an upper bound for all proper policies.

    Parameters
    ----------
    model : PairModel
        The problem.
    v : ndarray (n,)
        Near its optimal value.
    choice : ndarray of int (n,)
        A proper policy, whose expected number of steps is the first weight.

    Returns
    -------
    epsilon : float
        ``v + epsilon * weight`` is a proven upper bound; inf where none was found (pairs without slack allow to stay
        for ever, or the weight is too large for double precision).
    weight : ndarray (n,)
        Positive.
    """
    slack = v[model.owner] - model.lookahead(v) - model.rounding(v)
    tight = slack < 0
    tight[choice] = True
    slowest = choice.copy()
    for _ in range(_ENLARGEMENTS):
        weight = _steps(model, slowest)
        if weight is None:
            break
        ahead = np.asarray(model.matrix @ weight)
        drop = weight[model.owner] - ahead
        drop -= model.rounding(weight, paid=False) + UNIT * np.abs(drop)
        need = slack < 0
        served = need & (drop >= 0.5)
        epsilon = float((-slack[served] / drop[served]).max(initial=0.0)) * (1 + 16 * UNIT)
        # The term of rounding makes the test one of the exact inequality.
        failed = (slack + epsilon * drop < 4 * UNIT * epsilon * np.abs(drop)) & ~served & (need | (drop < 0))
        if not failed.any():
            return epsilon, weight
        tight |= failed
        top, longest = model.best(np.where(tight, ahead, -np.inf))
        longer = top > ahead[slowest] * (1 + 1e-12)
        if not longer.any():
            break
        slowest = np.where(longer, longest, slowest)
    return math.inf, np.ones(model.n_places)


def subharmonic(model: PairModel, v: FloatArray, choice: IntArray) -> tuple[float, FloatArray]:
    """Smallest multiple of a weight that makes ``v`` a lower bound of the total reward of one proper policy.

    Parameters
    ----------
    model : PairModel
        The problem.
    v : ndarray (n,)
        Near the value of the policy.
    choice : ndarray of int (n,)
        A proper policy.

    Returns
    -------
    epsilon : float
        ``v - epsilon * weight`` is a proven lower bound; inf where none was found.
    weight : ndarray (n,)
        Positive.
    """
    weight = _steps(model, choice)
    if weight is None:
        return math.inf, np.ones(model.n_places)
    excess = (v[model.owner] - model.lookahead(v) + model.rounding(v))[choice]
    drop = (weight[model.owner] - model.matrix @ weight - model.rounding(weight, paid=False))[choice]
    if (drop < 0.5).any():
        return math.inf, weight
    return float((np.maximum(excess, 0.0) / drop).max(initial=0.0)) * (1 + 16 * UNIT), weight
