r"""Dynamic programming with a stock for homogeneous utilities: numbers in the place of laws, rewards may be vectors.

The stock :math:`c\in\mathbb R^k` becomes :math:`(c+r)/\gamma` when r is earned, so stock plus return is :math:`\gamma` times
the next stock plus the next return.  If :math:`u(\lambda x)=\lambda^qu(x)` for :math:`\lambda>0`, the best expected utility of
stock plus return needs no law:

.. math:: f_0 = u, \qquad f_h(s,c)=\gamma^q\max_a\sum_op(o|s,a)\,f_{h-1}\bigl(t(o),(c+r(o))/\gamma\bigr).

Homeostatic regulation is the case of a negative norm: the stock is the deviation from where one wants to be.

*The bound.*  Keys of stocks are rounded, which displaces those at depth t + 1 by at most :math:`\delta_t` (0 where sum and
quotient are exact, as with integer rewards and discounts 1 and 1/2).  With :math:`|u(x)-u(y)|\le LR^{q-1}|x-y|_\infty` for
:math:`|x|,|y|\le R`, which homogeneity gives on all balls if it holds on one, no policy's expected utility changes by more than
:math:`LR^{q-1}\delta` when the stock changes by :math:`\delta`, so the best does not either; maxima do not expand errors, and a mean of
n values of size m is rounded by at most :math:`\kappa m`, :math:`\kappa=(n+8)\varepsilon` and twice the deviation of the rows.  Hence

.. math:: e_t = \gamma^q(e_{t+1} + \kappa m_{t+1} + LR_{t+1}^{q-1}\delta_t), \qquad e_H = (q+1)(k+4)\,\varepsilon\,m_H.

The same holds of what the plan earns.  As :math:`\gamma^{qt}e_t` grows towards the start, :math:`e_0` bounds the errors of all nodes in
units of the start.

References
----------
.. [1] B. A. Pires, M. Rowland, D. Borsa, Z. D. Guo, K. Khetarpal, A. Barreto, D. Abel, R. Munos and W. Dabney,
   *Optimizing return distributions with distributional dynamic programming*, 2025, arXiv:2501.13028.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.laws.atoms import MAX_ATOMS, check_max_atoms
from mdplab.models import OutcomeModel
from mdplab.operators import _check
from mdplab.solution import Certificate, Layout, Solution, Status
from mdplab.solvers.stock_nodes import NODE_ATOMS

__all__ = ["UtilityPlan", "VectorNode", "homogeneous_stock_iteration"]

VectorNode: TypeAlias = tuple[int, int, tuple[float, ...]]
"""Steps to go, state, stock."""

Utility: TypeAlias = Callable[[FloatArray], ArrayLike]

_EPS, _TINY = float(np.finfo(np.float64).eps), float(np.finfo(np.float64).tiny)
_THEOREM = (
    "a homogeneous utility of stock plus return scales with them, and better continuations make better means "
    "(Pires et al. 2025)"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class UtilityPlan(Solution):
    """A policy on nodes with vector stocks; its table has a row for each node with steps to go.

    Attributes
    ----------
    actions : mapping from VectorNode to int
        The best action at each node with steps to go, the lowest index on ties.
    values : mapping from VectorNode to float
        The best expected utility of stock plus return; the utility of the stock with no steps to go.  At depth t,
        ``discount ** (degree * t)`` times its error is at most ``certificate.bound``, and so is that of what the policy earns.
    utility : callable
        u, as given.
    degree, discount, lipschitz : float
        As given.
    """

    actions: Mapping[VectorNode, int]
    values: Mapping[VectorNode, float]
    utility: Utility = field(repr=False)
    degree: float
    discount: float
    lipschitz: float

    _across: ClassVar[str] = "coordinate"

    def _layout(self) -> Layout:
        nodes = [*self.actions]
        width = len(next(iter(self.values))[2]) if self.values else 0
        return ("node",), {
            "steps": np.array([h for h, _, _ in nodes], dtype=np.int64),
            "state": self.names.of("state", np.array([s for _, s, _ in nodes], dtype=np.int64)),
            "stock": np.array([c for _, _, c in nodes], dtype=np.float64).reshape(-1, width),
            "action": self.names.of("action", np.array([*self.actions.values()], dtype=np.int64)),
            "value": np.array([self.values[node] for node in nodes], dtype=np.float64),
        }


def homogeneous_stock_iteration(
    model: OutcomeModel,
    utility: Utility,
    starts: Iterable[tuple[int, ArrayLike]],
    steps: int,
    *,
    degree: float,
    discount: float = 1.0,
    lipschitz: float = np.inf,
    max_atoms: int = MAX_ATOMS,
    tol: float = 1e-8,
) -> UtilityPlan:
    """Best expected utility of stock plus return over all history-dependent policies, for a homogeneous utility.

    Parameters
    ----------
    model : OutcomeModel
        Vector rewards of k coordinates.
    utility : callable
        u, from stocks (n, k) to (n,), finite; positively homogeneous unless the discount is 1.  Computed with a relative rounding of
        at most ``(degree + 1) (k + 4)`` times 2.2e-16, as norms and their powers are.
    starts : iterable of (int, array_like (k,))
        Start states with their stocks, finite.
    steps : int
        Number of steps H, >= 0.
    degree : float
        The degree q of the utility, >= 0.
    discount : float, default 1
        In (0, 1].
    lipschitz : float, default inf
        L with ``|u(x) - u(y)| <= L R^(q - 1) max_i |x_i - y_i|`` for stocks up to R in modulus: for a norm its Lipschitz constant.
        Only needed for a bound where stocks are not exact.
    max_atoms : int, default 10_000_000
        Cap on the memory of the outcomes of all nodes, 32 atoms each, checked before they are made.
    tol : float, default 1e-8
        Only decides the status.

    Returns
    -------
    UtilityPlan
        On all nodes that some policy reaches from the starts.  Stocks are rounded to 12 decimals: with integer rewards and
        discounts 1 or 1/2 that is exact.  Status CONVERGED, PRECISION_LIMIT, or UNCERTIFIED where stocks are rounded and
        ``lipschitz`` is infinite.

    Raises
    ------
    ValueError
        If an argument is out of range, rewards are scalars, the utility does not return one finite number a stock, stocks
        overflow or the scale of the utility underflows, or the cap is exceeded.
    """
    _check.model(model, OutcomeModel)
    _check.count("steps", steps, 0)
    _check.count("max_atoms", max_atoms)
    _check.non_negative("degree", degree)
    _check.non_negative("tol", tol, positive=True)
    if not 0.0 < discount <= 1.0:
        raise ValueError(f"discount: expected a number in (0, 1], got {discount!r}")
    if lipschitz != np.inf:
        _check.non_negative("lipschitz", lipschitz)
        if degree < 1 and lipschitz > 0:
            raise ValueError(
                f"lipschitz: no utility of a degree below 1 but constants has one, got {lipschitz} with degree {degree}"
            )
    scale = discount**degree
    if scale < _TINY:
        raise ValueError(f"degree: discount ** degree underflows at degree {degree} and discount {discount}")
    if not model.has_vector_rewards:
        raise ValueError("model: expected vector rewards, got scalars")
    layers, strays = _layers(model, starts, steps, discount, max_atoms)
    width = model.rewards().shape[3]

    last = list(layers[-1])
    worth = np.asarray(utility(np.array([c for _, _, c in last]).reshape(-1, width)), dtype=np.float64)
    if worth.shape != (len(last),):
        raise ValueError(
            f"utility: expected one number for each of {len(last)} stocks, got shape {worth.shape}"
        )
    if not np.isfinite(worth).all():
        place = int(np.flatnonzero(~np.isfinite(worth))[0])
        raise ValueError(f"utility: expected finite numbers, got {worth[place]} at stock {last[place][2]}")
    values = dict(zip(last, worth.tolist(), strict=True))
    actions: dict[VectorNode, int] = {}
    relative = (model.n_outcomes + 8) * _EPS + 2 * model.row_deviation
    error = (degree + 1) * (width + 4) * _EPS * float(np.abs(worth).max(initial=0.0))
    largest = float(np.abs(model.rewards()[model.law > 0.0]).max())
    reach = 0.0
    for below, layer, stray in zip(layers[:0:-1], layers[-2::-1], strays[::-1], strict=True):
        for node, choices in layer.items():
            found = [sum(p * values[child] for p, child in row) for row in choices]
            actions[node] = int(np.argmax(found))
            values[node] = scale * found[actions[node]]
        size = max((abs(values[child]) for child in below), default=0.0)
        error = scale * (error + relative * size + _shift(below, reach, stray, lipschitz, degree))
        error = error * (1 + relative) + _TINY
        reach = largest + discount * reach
    return UtilityPlan(
        status=(
            Status.CONVERGED
            if error <= tol
            else Status.PRECISION_LIMIT
            if error < np.inf
            else Status.UNCERTIFIED
        ),
        certificate=Certificate(
            "sup over nodes of discount^(degree depth) |value - best expected utility|",
            error,
            _THEOREM,
            error,
        ),
        steps=steps,
        names=model.names,
        actions=actions,
        values=values,
        utility=utility,
        degree=degree,
        discount=discount,
        lipschitz=lipschitz,
    )


Layer: TypeAlias = dict[VectorNode, list[list[tuple[float, VectorNode]]]]
"""For each node and action the outcomes: probabilities and next nodes."""


def _layers(
    model: OutcomeModel,
    starts: Iterable[tuple[int, ArrayLike]],
    steps: int,
    discount: float,
    max_atoms: int,
) -> tuple[list[Layer], list[float]]:
    """The nodes by depth, and how far the stocks of the next depth are displaced."""
    reward, target = model.rewards(), model.next_states()
    support = [[np.flatnonzero(row) for row in rows] for rows in model.law]
    layer: Layer = {}
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
        layer[steps, int(state), _key(vector)] = []
    layers, strays, total = [layer], [0.0] * steps, 0
    for depth in range(steps):
        layer = {}
        for (h, s, stock), choices in layers[-1].items():
            total += sum(map(len, support[s]))
            check_max_atoms(
                NODE_ATOMS * total,
                max_atoms,
                f"for {total} outcomes of nodes, of {NODE_ATOMS} atoms' memory each,",
            )
            for a, outcomes in enumerate(support[s]):
                gains = reward[s, a, outcomes]
                moved, inexact = _moved(np.array(stock), gains, discount)
                if not np.isfinite(moved).all():
                    raise ValueError(
                        f"discount: stocks overflow below node {(h, s, stock)} at discount {discount}"
                    )
                keys = [_key(row) for row in moved]
                stray = np.abs(np.array(keys) - moved) + inexact
                strays[depth] = max(strays[depth], float(stray.max()))
                row = [
                    (p, (h - 1, t, key))
                    for p, t, key in zip(
                        model.law[s, a, outcomes].tolist(), target[s, a, outcomes].tolist(), keys, strict=True
                    )
                ]
                choices.append(row)
                for _, child in row:
                    layer.setdefault(child, [])
        layers.append(layer)
    return layers, strays


def _key(stock: FloatArray) -> tuple[float, ...]:
    """A stock to 12 decimals; adding 0 makes -0 a 0."""
    return tuple(round(x, 12) + 0.0 for x in stock.tolist())


def _moved(stock: FloatArray, gains: FloatArray, discount: float) -> tuple[FloatArray, FloatArray]:
    """``(stock + gains) / discount``, and bounds on the rounding: 0 where sum and quotient are exact."""
    with np.errstate(over="ignore", invalid="ignore"):
        total = stock + gains
        back = total - stock
        lost = (stock - (total - back)) + (gains - back)  # the rounding of the sum (Knuth)
        moved = total / discount
        power_of_two = np.frexp(discount)[0] == 0.5
        return moved, np.where((lost == 0.0) & power_of_two, 0.0, 2 * _EPS * np.abs(moved))


def _shift(below: Layer, reach: float, stray: float, lipschitz: float, degree: float) -> float:
    """What displaced stocks change in the best expected utility, no return of the steps to go being larger than the reach."""
    if stray == 0.0:
        return 0.0
    radius = np.float64(reach + 2 * stray + max(abs(x) for _, _, c in below for x in c)) * (1 + 1e-12)
    with np.errstate(over="ignore"):
        return float(lipschitz * radius ** (degree - 1) * stray) * (1 + 8 * _EPS) if lipschitz else 0.0
