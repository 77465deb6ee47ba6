r"""Controlled-invariant sets, survival times and the reachability backup.

A set :math:`K` of states is *controlled-invariant* if from each of its states some action keeps every possible
successor in :math:`K`.  Unions keep the property, so there is a largest such subset of any set of admitted states: it
is what remains when states with no staying action are removed until nothing changes.  The round in which a state is
removed is one more than the largest number of steps for which staying admitted can be guaranteed from a successor:

.. math:: k(s)=0 \text{ if } s \text{ is not admitted},\qquad
          k(s)=1+\max_a\min_{t\in\mathrm{supp}P(\cdot|s,a)}k(t),\qquad k=\infty \text{ exactly on } K.

The removal is organised by a frontier: every successor list is read once, so the whole iteration is linear in the
number of transitions.

With :math:`h\le 0` on admitted states, the least solution above :math:`h` of
:math:`V=\max(h,\min_a\max_{t\in\mathrm{supp}}V(t))`, iterated upward from :math:`h`, has :math:`\{V\le0\}=K`.  The
discounted operator :math:`(1-\gamma)h+\gamma\max(h,\min_a V)` contracts, but its region :math:`\{V\le0\}` may be
too large: for :math:`h\in\{-1,M\}` and deterministic dynamics :math:`V(s)=-1+(M+1)\gamma^{k(s)}` outside :math:`K`.

References
----------
.. [1] J. F. Fisac, N. F. Lugovoy, V. Rubies-Royo, S. Ghosh and C. J. Tomlin, "Bridging Hamilton-Jacobi safety
   analysis and reinforcement learning", ICRA 2019.
.. [2] Y. Zheng et al., "Safe offline reinforcement learning with feasibility-guided diffusion model", ICLR 2024.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from mdplab._typing import BoolArray, FloatArray
from mdplab.models._validate import first
from mdplab.models.tabular import MDP
from mdplab.operators import _check

__all__ = ["largest_invariant_set", "reachability_backup", "staying_actions", "survival_time"]


def _support(model: MDP | ArrayLike) -> tuple[Any, BoolArray]:
    """Support of every pair as CSR ``(S*A, S)`` of ones, and the available pairs ``(S, A)``."""
    if isinstance(model, MDP):
        transition: Any = model.transition
        flat = transition if model.is_sparse else transition.reshape(-1, model.n_states) > 0
        support = sparse.csr_array(flat, dtype=np.float64, copy=True)
        support.data = (support.data > 0).astype(np.float64)
        support.eliminate_zeros()
        shape = (model.n_states, model.n_actions)
        available = np.ones(shape, dtype=bool) if model.available is None else np.array(model.available)
        return support, available
    table = np.asarray(model)
    if table.ndim != 2 or table.dtype.kind not in "iu":
        raise ValueError(
            f"successors must be integers of shape (S, A); got {table.dtype} of shape {table.shape}"
        )
    n_states = table.shape[0]
    if ((table < -1) | (table >= n_states)).any():
        state, action = first((table < -1) | (table >= n_states))
        found = int(table[state, action])
        raise ValueError(
            f"successors[{state}, {action}] is {found}, expected a state from 0 to {n_states - 1},"
            " or -1 for an unavailable action"
        )
    goes = table >= 0
    indptr = np.concatenate(([0], np.cumsum(goes)))
    support = sparse.csr_array((np.ones(indptr[-1]), table[goes], indptr), shape=(table.size, n_states))
    return support, goes


def _admitted(allowed: ArrayLike, available: BoolArray) -> tuple[BoolArray, BoolArray]:
    """Admitted states and pairs from a mask of either."""
    mask = np.asarray(allowed)
    if mask.dtype != np.bool_ or mask.shape not in (available.shape, available.shape[:1]):
        n_states, n_actions = available.shape
        raise ValueError(
            f"allowed must be boolean of shape (S,) = ({n_states},) or (S, A) = ({n_states}, {n_actions});"
            f" got {mask.dtype} of shape {mask.shape}"
        )
    pairs: BoolArray = available & (mask if mask.ndim == 2 else mask[:, np.newaxis])
    return np.asarray(pairs.any(axis=1)), pairs


def survival_time(model: MDP | ArrayLike, allowed: ArrayLike) -> FloatArray:
    """Longest time for which staying among the allowed states (or pairs) can be guaranteed.

    Parameters
    ----------
    model : MDP or array_like of int (S, A)
        A model, dense or CSR, of which only supports and mask are read, or a table of successors (-1: unavailable).
    allowed : array_like of bool (S,) or (S, A)
        Admitted states, or admitted state-action pairs (a state without any is not admitted).

    Returns
    -------
    ndarray (S,)
        0 where a state is not admitted, else ``1 + max_a min_{t in support} k(t)`` over admitted actions; ``inf``
        exactly on the largest invariant set.  With deterministic dynamics this is the longest path that stays
        admitted.

    Raises
    ------
    ValueError
        If the table or the mask has another shape or type.
    """
    support, available = _support(model)
    members, pairs = _admitted(allowed, available)
    n_actions = available.shape[1]
    predecessors = sparse.csc_array(support)
    staying = pairs.ravel().copy()
    options = pairs.sum(axis=1)
    times = np.where(members, np.inf, 0.0)
    frontier = np.flatnonzero(~members)
    now = 0.0
    while frontier.size:
        now += 1.0
        # pairs that may enter the frontier; each column is read once in the whole run
        lost = np.unique(predecessors[:, frontier].indices)
        lost = lost[staying[lost]]
        staying[lost] = False
        states, counts = np.unique(lost // n_actions, return_counts=True)
        options[states] -= counts
        frontier = states[options[states] == 0]
        times[frontier] = now
    return times


def largest_invariant_set(model: MDP | ArrayLike, allowed: ArrayLike) -> BoolArray:
    """Largest controlled-invariant subset of the allowed states (or pairs).

    Parameters
    ----------
    model : MDP or array_like of int (S, A)
        A model, dense or CSR, of which only supports and mask are read, or a table of successors (-1: unavailable).
    allowed : array_like of bool (S,) or (S, A)
        Admitted states, or admitted state-action pairs.

    Returns
    -------
    ndarray of bool (S,)
        Members: from each, some admitted action keeps every possible successor among the members.
    """
    return np.isinf(survival_time(model, allowed))


def staying_actions(model: MDP | ArrayLike, members: ArrayLike) -> BoolArray:
    """Available pairs whose every possible successor is a member.

    Parameters
    ----------
    model : MDP or array_like of int (S, A)
        A model or a table of successors (-1: unavailable).
    members : array_like of bool (S,)
        A set of states.

    Returns
    -------
    ndarray of bool (S, A)
        Also reported for states outside the set.
    """
    support, available = _support(model)
    inside = np.asarray(members)
    if inside.dtype != np.bool_ or inside.shape != available.shape[:1]:
        expected = f"(S,) = {available.shape[:1]}"
        raise ValueError(
            f"members must be boolean of shape {expected}; got {inside.dtype} of shape {inside.shape}"
        )
    leaks = support @ (~inside).astype(np.float64)
    result: BoolArray = available & (leaks == 0).reshape(available.shape)
    return result


def reachability_backup(
    model: MDP | ArrayLike, v: ArrayLike, cost: ArrayLike, *, discount: float = 1.0
) -> FloatArray:
    """Reachability backup ``max(cost, min_a max_{t in support} v[t])``, or its discounted version.

    Parameters
    ----------
    model : MDP or array_like of int (S, A)
        A model, of which supports and mask are read (not its discount), or a table of successors (-1: unavailable).
    v : array_like (S,)
        Real values.
    cost : array_like (S,)
        Constraint values, at most 0 where a state is safe.
    discount : float, default 1
        In (0, 1]; below 1 the result is ``(1 - discount) * cost + discount * max(cost, ...)``, a contraction.

    Returns
    -------
    ndarray (S,)
        The next values.  At ``discount=1`` iterate upward from ``cost``: the values reached are among those of
        ``cost``, and the iteration stops after at most S rounds for every value of it.
    """
    support, available = _support(model)
    shape = available.shape[:1]
    values, limit = _check.shaped("v", v, shape, "(S,)"), _check.shaped("cost", cost, shape, "(S,)")
    _check.number("discount", discount, 0.0, 1.0)
    sizes = np.diff(support.indptr)
    if (sizes[available.ravel()] == 0).any():
        pair = int(np.flatnonzero(available.ravel() & (sizes == 0))[0])
        state, action = divmod(pair, available.shape[1])
        raise ValueError(f"state {state}, action {action} is available but has no successor")
    worst = np.full(sizes.size, np.inf)
    filled = sizes > 0
    worst[filled] = np.maximum.reduceat(values[support.indices], support.indptr[:-1][filled])
    best = np.where(available, worst.reshape(available.shape), np.inf).min(axis=1)
    backed: FloatArray = np.maximum(limit, best)
    return backed if discount == 1.0 else (1.0 - discount) * limit + discount * backed
