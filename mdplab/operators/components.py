r"""The graph of a model: end components, recurrent classes, sets reached almost surely.

Everything here reads supports alone, so the answers are exact.  A model is given as a list of *pairs*: row ``i`` of
``support`` holds the possible successors of pair ``i``, which belongs to the place ``owner[i]`` (a state, or a class
of states taken together); ``leaves[i]`` says that the pair may leave the system for good.

* An *end component* is a set of places with pairs that keep every successor inside and connect all members: where a
  trajectory may stay for ever and see every member.  Under any policy the pairs that are taken infinitely often are
  almost surely an end component; the maximal ones are disjoint.
* A policy is *proper* from a place if it leaves almost surely.  The places from which some policy does so are the
  largest set in which leaving stays possible through pairs that do not lead out of the set.

References
----------
.. [1] L. de Alfaro, *Formal Verification of Probabilistic Systems*, Stanford 1997, chapter 3.
.. [2] J. G. Kemeny and J. L. Snell, *Finite Markov Chains*, 1960, chapter 2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from mdplab._typing import BoolArray, IntArray

__all__ = ["almost_sure", "attractor", "end_components", "recurrent_classes"]


def _edges(support: Any, owner: IntArray, rows: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Pair, source and target of every transition of the given pairs."""
    part: Any = support[rows]
    pair = np.repeat(rows, np.diff(part.indptr))
    return pair, owner[pair], part.indices.astype(np.int64)


def _strong(source: IntArray, target: IntArray, n: int) -> IntArray:
    """Labels of the strongly connected components."""
    graph = sparse.csr_array((np.ones(source.size), (source, target)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=True, connection="strong")[1], dtype=np.int64)


def _numbered(label: IntArray) -> IntArray:
    """The same partition, numbered in the order of first members."""
    _, first, index = np.unique(label, return_index=True, return_inverse=True)
    rank = np.empty(first.size, dtype=np.int64)
    rank[np.argsort(first)] = np.arange(first.size)
    return np.asarray(rank[index])


def end_components(support: Any, owner: IntArray, allowed: BoolArray) -> tuple[IntArray, BoolArray]:
    """Maximal end components of the allowed pairs.

    Parameters
    ----------
    support : csr_array (N, n)
        Possible successors of each pair; only the structure is read, which holds no explicit zeros.
    owner : ndarray of int (N,)
        Place of each pair.
    allowed : ndarray of bool (N,)
        Pairs to consider; one that may leave the system must not be allowed.

    Returns
    -------
    component : ndarray of int (n,)
        Number of the component of each place, from 0 in the order of first members; -1 outside.
    inside : ndarray of bool (N,)
        The pairs of the components.
    """
    n = support.shape[1]
    kept = allowed & (np.diff(support.indptr) > 0)
    while True:
        rows = np.flatnonzero(kept)
        pair, source, target = _edges(support, owner, rows)
        label = _strong(source, target, n)
        lost = np.unique(pair[label[source] != label[target]])
        if not lost.size:
            break
        kept[lost] = False
    member = np.zeros(n, dtype=bool)
    member[owner[kept]] = True
    component = np.full(n, -1, dtype=np.int64)
    component[member] = _numbered(label[member])
    return component, kept


def recurrent_classes(kernel: Any, leaves: BoolArray | None = None) -> tuple[IntArray, int]:
    """Recurrent classes of a Markov chain.

    Parameters
    ----------
    kernel : csr_array (n, n)
        Transition matrix without explicit zeros; only the structure is read.
    leaves : ndarray of bool (n,), optional
        Places from which the system may be left.

    Returns
    -------
    label : ndarray of int (n,)
        Number of the recurrent class, from 0 in the order of first members; -1 at transient places.
    count : int
        Number of the classes.
    """
    n = kernel.shape[0]
    _, source, target = _edges(kernel, np.arange(n), np.arange(n))
    strong = _strong(source, target, n)
    open_ = np.zeros(strong.max() + 1, dtype=bool)
    open_[strong[source[strong[source] != strong[target]]]] = True
    if leaves is not None:
        open_[strong[leaves]] = True
    label = np.full(n, -1, dtype=np.int64)
    label[~open_[strong]] = _numbered(strong[~open_[strong]])
    return label, int((~open_).sum())


def attractor(
    support: Any, owner: IntArray, allowed: BoolArray, target: BoolArray, leaves: BoolArray | None = None
) -> tuple[BoolArray, IntArray]:
    """Places from which the target can be reached, and a pair of each that comes nearer.

    Parameters
    ----------
    support : csr_array (N, n)
        Possible successors of each pair.
    owner : ndarray of int (N,)
        Place of each pair.
    allowed : ndarray of bool (N,)
        Pairs that may be taken.
    target : ndarray of bool (n,)
        Where to.
    leaves : ndarray of bool (N,), optional
        Pairs that reach the target from outside the list (by leaving the system).

    Returns
    -------
    reached : ndarray of bool (n,)
        With positive probability under some policy; the target included.
    choice : ndarray of int (n,)
        Pair with a successor that is one step nearer; -1 on the target and where it is not reached.
    """
    columns = sparse.csc_array(support)
    reached = target.copy()
    choice = np.full(support.shape[1], -1, dtype=np.int64)
    hits = np.flatnonzero(leaves & allowed) if leaves is not None else np.zeros(0, dtype=np.int64)
    frontier = np.flatnonzero(target)
    while frontier.size or hits.size:
        entering = np.unique(columns[:, frontier].indices) if frontier.size else hits[:0]
        hits = np.concatenate([hits, entering[allowed[entering]]])
        hits = hits[~reached[owner[hits]]]
        frontier, first = np.unique(owner[hits], return_index=True)
        choice[frontier] = hits[first]
        reached[frontier] = True
        hits = hits[:0]
    return reached, choice


def almost_sure(support: Any, owner: IntArray, leaves: BoolArray) -> tuple[BoolArray, IntArray]:
    """Places from which some policy leaves the system almost surely, and such a policy.

    Parameters
    ----------
    support : csr_array (N, n)
        Possible successors of each pair within the system.
    owner : ndarray of int (N,)
        Place of each pair.
    leaves : ndarray of bool (N,)
        Pairs that may leave.

    Returns
    -------
    region : ndarray of bool (n,)
        The places.
    choice : ndarray of int (n,)
        A pair of each that never leads out of the region and together leaves almost surely; -1 outside.
    """
    n = support.shape[1]
    region = np.ones(n, dtype=bool)
    nowhere = np.zeros(n, dtype=bool)
    while True:
        safe = region[owner] & ((support @ (~region).astype(np.float64)) == 0)
        reached, choice = attractor(support, owner, safe, nowhere, leaves)
        if np.array_equal(reached, region):
            return region, choice
        region = reached
