r"""Data on pairs, and whether any occupancy has a finite divergence from them: decided on the graph of a model.

A divergence with infinite slope at infinity confines mass to the support of the data; one with infinite ``f(0)`` asks
for mass wherever the data are.  Both fail for every occupancy or for none of the largest support.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.convex.flow import FlowPolytope
from mdplab.divergences import FDivergence
from mdplab.models import MDP
from mdplab.models._kernel import PAIR
from mdplab.models._validate import first, real

__all__ = ["data_law", "obstacle", "uncovered"]


def uncovered(flow: FlowPolytope, data: FloatArray) -> int:
    """A state without data that mass from the start law cannot keep away from on pairs with data.

    Parameters
    ----------
    flow : FlowPolytope
        All admitted pairs.
    data : ndarray, shape (N,)
        ``d_O`` on the pairs, on whose support no occupancy lives.

    Returns
    -------
    int
    """
    kept = flow.restrict(data > 0.0)
    dead = np.bincount(kept.state, minlength=flow.shape[0]) == 0
    seen = replace(
        flow,
        matrix=flow.matrix[np.flatnonzero(data > 0.0)],
        state=flow.state[data > 0.0],
        start=np.where(dead, flow.start, 0.0),
    ).reachable()
    empty = np.bincount(flow.state, data, minlength=flow.shape[0]) == 0.0
    return int(np.flatnonzero(seen & empty)[0])


def obstacle(flow: FlowPolytope, data: FloatArray, divergence: FDivergence) -> str:
    """Why every occupancy has an infinite price; empty where one has a finite price.

    With an infinite slope at infinity mass stays on the support of the data; with ``f(0)`` infinite there is mass
    wherever the data are.  Both are decided on the graph.

    Parameters
    ----------
    flow : FlowPolytope
        All admitted pairs.
    data : ndarray, shape (N,)
        ``d_O`` on the pairs.
    divergence : FDivergence
        Row of the table.

    Returns
    -------
    str
        The obstacle with the state, or the state and the action, in which it shows.
    """
    closed = not np.isfinite(divergence.domain_upper)
    live = flow.restrict(data > 0.0) if closed else flow
    if not live.feasible:
        place = flow.names.place(("state",), (uncovered(flow, data),))
        return f"no policy stays on the support of the data, which have no action at {place}"
    if np.isfinite(divergence.at_zero):
        return ""
    carried = np.isin(flow.pair, live.pair[live.reachable()[live.state]])
    lost = np.flatnonzero((data > 0.0) & ~carried)
    if lost.size == 0:
        return ""
    place = flow.names.place(PAIR, np.unravel_index(int(flow.pair[lost[0]]), flow.shape))
    return f"no occupancy has mass at {place}, where the data have some: {divergence.name} makes that infinitely dear"


def data_law(mdp: MDP, data: ArrayLike) -> FloatArray:
    """Check a law of the data on pairs.

    Parameters
    ----------
    mdp : MDP
        The model.
    data : array_like, shape (S, A)
        Non-negative, summing to one within ``1e-9``, zero at unavailable pairs; it need not be an occupancy.

    Returns
    -------
    ndarray, shape (S, A)

    Raises
    ------
    ValueError
        If one of these fails.
    """
    table = real("data_occupancy", data, (mdp.n_states, mdp.n_actions))
    bad = ~(np.isfinite(table) & (table >= 0.0))
    if mdp.available is not None:
        bad |= (table > 0.0) & ~mdp.available
    if bad.any():
        where = mdp.names.place(PAIR, first(bad))
        raise ValueError(
            f"data_occupancy: entry ({where}) is {float(table[first(bad)])!r}; expected a finite number >= 0, "
            "and 0 where the action is not available"
        )
    if not table.any():
        raise ValueError(
            "data_occupancy: empty, all entries are 0; expected a law on pairs, from at least one transition"
        )
    if abs(table.sum() - 1.0) > 1e-9:
        raise ValueError(f"data_occupancy: sums to {float(table.sum())!r}; expected 1 (normalised occupancy)")
    return table
