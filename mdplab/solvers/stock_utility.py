r"""Dynamic programming with a stock for homogeneous utilities: numbers in the place of laws, rewards may be vectors.

The stock :math:`c\in\mathbb R^k` becomes :math:`(c+r)/\gamma` when r is earned, so stock plus return is :math:`\gamma` times
the next stock plus the next return.  If :math:`u(\lambda x)=\lambda^qu(x)` for :math:`\lambda>0`, the best expected utility of
stock plus return needs no law:

.. math:: f_0 = u, \qquad f_h(s,c)=\gamma^q\max_a\sum_op(o|s,a)\,f_{h-1}\bigl(t(o),(c+r(o))/\gamma\bigr).

Homeostatic regulation is the case of a negative norm: the stock is the deviation from where one wants to be.

References
----------
.. [1] B. A. Pires, M. Rowland, D. Borsa, Z. D. Guo, K. Khetarpal, A. Barreto, D. Abel, R. Munos and W. Dabney,
   *Optimizing return distributions with distributional dynamic programming*, 2025, arXiv:2501.13028.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.laws.atoms import MAX_ATOMS, check_max_atoms
from mdplab.models import OutcomeModel
from mdplab.operators import _check
from mdplab.solvers.stock_nodes import NODE_ATOMS

__all__ = ["UtilityPlan", "VectorNode", "homogeneous_stock_iteration"]

VectorNode: TypeAlias = tuple[int, int, tuple[float, ...]]
"""Steps to go, state, stock."""


@dataclass(frozen=True, eq=False)
class UtilityPlan:
    """Best expected utilities of stock plus return.

    Attributes
    ----------
    actions : mapping from VectorNode to int
        The best action at each node with steps to go, the lowest index on ties.
    values : mapping from VectorNode to float
        The best expected utility; the utility of the stock with no steps to go.
    """

    actions: Mapping[VectorNode, int]
    values: Mapping[VectorNode, float]


def homogeneous_stock_iteration(
    model: OutcomeModel,
    utility: Callable[[FloatArray], ArrayLike],
    starts: Iterable[tuple[int, ArrayLike]],
    steps: int,
    *,
    degree: float,
    discount: float = 1.0,
    max_atoms: int = MAX_ATOMS,
) -> UtilityPlan:
    """Best expected utility of stock plus return over all history-dependent policies, for a homogeneous utility.

    Parameters
    ----------
    model : OutcomeModel
        Vector rewards of k coordinates.
    utility : callable
        u, from stocks (n, k) to (n,); positively homogeneous unless the discount is 1.
    starts : iterable of (int, array_like (k,))
        Start states with their stocks, finite.
    steps : int
        Number of steps H, >= 0.
    degree : float
        The degree q of the utility, >= 0.
    discount : float, default 1
        In (0, 1].
    max_atoms : int, default 10_000_000
        Cap on the memory of the outcomes of all nodes, 32 atoms each, checked before they are made.

    Returns
    -------
    UtilityPlan
        On all nodes that some policy reaches from the starts.  Stocks are rounded to 12 decimals: with integer rewards and
        discounts 1 or 1/2 that is exact.

    Raises
    ------
    ValueError
        If an argument is out of range, rewards are scalars, the utility does not return one number a stock, or the cap is exceeded.
    """
    _check.count("steps", steps, 0)
    _check.count("max_atoms", max_atoms)
    _check.non_negative("degree", degree)
    if not 0.0 < discount <= 1.0:
        raise ValueError(f"discount: expected a number in (0, 1], got {discount!r}")
    if not model.has_vector_rewards:
        raise ValueError("model: expected vector rewards, got scalars")
    reward, target = model.rewards(), model.next_states()
    support = [[np.flatnonzero(row) for row in rows] for rows in model.law]

    def node(h: int, s: int, stock: FloatArray) -> VectorNode:
        rounded = np.round(stock, 12) + 0.0  # stocks are keys: adding 0 makes -0 a 0
        return h, int(s), tuple(rounded.tolist())

    layer: dict[VectorNode, list[list[tuple[float, VectorNode]]]] = {}
    for state, stock in starts:
        vector = np.asarray(stock, dtype=np.float64)
        if (
            not 0 <= state < model.n_states
            or vector.shape != reward.shape[3:]
            or not np.isfinite(vector).all()
        ):
            raise ValueError(
                f"starts: expected states below {model.n_states} with finite stocks of shape {reward.shape[3:]}, "
                f"got {(state, stock)!r}"
            )
        layer[node(steps, state, vector)] = []
    layers = [layer]
    total = 0
    for h in range(steps - 1, -1, -1):
        layer = {}
        for (_, s, stock), choices in layers[-1].items():
            total += sum(map(len, support[s]))
            check_max_atoms(
                NODE_ATOMS * total,
                max_atoms,
                f"for {total} outcomes of nodes, of {NODE_ATOMS} atoms' memory each,",
            )
            moved = (np.array(stock) + reward[s]) / discount
            for a, outcomes in enumerate(support[s]):
                row = [(float(model.law[s, a, o]), node(h, target[s, a, o], moved[a, o])) for o in outcomes]
                choices.append(row)
                for _, child in row:
                    layer.setdefault(child, [])
        layers.append(layer)

    last = list(layers[-1])
    worth = np.asarray(
        utility(np.array([c for _, _, c in last]).reshape(-1, reward.shape[3])), dtype=np.float64
    )
    if worth.shape != (len(last),):
        raise ValueError(
            f"utility: expected one number for each of {len(last)} stocks, got shape {worth.shape}"
        )
    values = dict(zip(last, worth.tolist(), strict=True))
    actions: dict[VectorNode, int] = {}
    for layer in layers[-2::-1]:
        for place, choices in layer.items():
            found = [sum(p * values[child] for p, child in row) for row in choices]
            actions[place] = int(np.argmax(found))
            values[place] = discount**degree * found[actions[place]]
    return UtilityPlan(actions, values)
