r"""Control of the conditional value-at-risk over a finite horizon, exactly: the best policy of all that remember.

The mean of the worst share :math:`\tau` of returns is :math:`\max_b\{b+E\min(G-b,0)/\tau\}`, so

.. math:: \max_\pi\mathrm{CVaR}_\tau(G^\pi)=\max_b\{b+W_0(s_0,-b)/\tau\},\qquad
   W_t(s,c)=\max_a\sum_op(o|s,a)\,W_{t+1}(t(o),c+\gamma^tr(o)),\quad W_H(s,c)=\min(c,0):

an expected utility of what is earned less b is solved by backward induction over states and *stocks* c, and an atom b of
some achievable return attains the outer maximum (between atoms the function is convex).  All sums of discounted rewards are
tried.  The policy looks at what was earned so far.

*Accuracy.*  :math:`W_t` is 1-Lipschitz in c.  Stocks within ``merge`` become one (the width that occurs is
measured: 0 for integers), and sums are rounded: each stage moves a stock by at most ``d = width + 4 u M`` (M: the largest
stock, u: the unit of rounding) and adds to W at most d and ``(O + 2) u + deviation`` of rows times M.  The atoms b are H such
moves from the exact ones, and the outer function has the constant ``1 / tau``.  So the bound is the sum of both errors over
the stages, over tau, and the rounding of the last line.

References
----------
.. [1] N. Baeuerle and J. Ott, *Markov decision processes with average-value-at-risk criteria*, Mathematical Methods of
   Operations Research 74, 2011.
.. [2] R. T. Rockafellar and S. Uryasev, *Optimization of conditional value-at-risk*, Journal of Risk 2, 2000.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdplab._kernels.stock import stock_backup
from mdplab._typing import Array, FloatArray, IntArray
from mdplab.laws import FiniteLaw
from mdplab.laws.atoms import MAX_ATOMS, check_max_atoms, group_starts
from mdplab.models import OutcomeModel
from mdplab.operators import _check
from mdplab.solution import Certificate, Layout, Solution, Status

__all__ = ["CVaRSolution", "cvar_control"]

_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, kw_only=True, eq=False)
class CVaRSolution(Solution):
    """The best conditional value-at-risk, and a policy that attains it; its table has a row a threshold.

    Attributes
    ----------
    value : float
        The best value-at-risk of all history-dependent policies, within ``certificate.bound``.
    lower, upper : float
        ``value`` less and plus the bound; that of the policy lies between them too.
    threshold : float
        A maximising b.
    law : FiniteLaw
        Law of the return of the policy.
    thresholds : ndarray (n,)
        All b that were tried, increasing.
    outer : ndarray (n,)
        ``b + W_0(start, -b) / level`` at each of them.
    stocks : tuple of ``steps + 1`` ndarrays (n_t,)
        What was earned less b, by stage, increasing.
    actions : tuple of ``steps`` ndarrays of int (S, n_t)
        What is done there.
    level, discount, start
        As given.
    """

    value: float
    lower: float
    upper: float
    threshold: float
    law: FiniteLaw
    thresholds: FloatArray
    outer: FloatArray
    stocks: tuple[FloatArray, ...]
    actions: tuple[IntArray, ...]
    level: float
    discount: float
    start: int

    def _layout(self) -> Layout:
        return ("atom",), {"threshold": self.thresholds, "outer": self.outer}

    def action(self, stage: int, state: int, earned: float) -> int:
        """What the policy does.

        Parameters
        ----------
        stage : int
            Steps done, in [0, steps).
        state : int
            The state.
        earned : float
            Sum of the discounted rewards so far.

        Returns
        -------
        int
            The action at the nearest stock.
        """
        stock = int(np.argmin(np.abs(self.stocks[stage] - (earned - self.threshold))))
        return int(self.actions[stage][state, stock])


class _Outcomes:
    """Outcomes of positive probability of all pairs, one after another."""

    def __init__(self, model: OutcomeModel) -> None:
        rows = model.law.reshape(-1, model.n_outcomes)
        pair, outcome = np.nonzero(rows)
        self.pointer = np.searchsorted(pair, np.arange(len(rows) + 1))
        self.weight = rows[pair, outcome]
        self.target = np.ascontiguousarray(model.next_states().reshape(rows.shape)[pair, outcome])
        reward = model.rewards().reshape(rows.shape)[pair, outcome]
        self.rewards, self.kind = np.unique(reward, return_inverse=True)

    def moved(self, stocks: FloatArray, factor: float, merge: float) -> tuple[FloatArray, IntArray, float]:
        """Stocks of the next stage, the place there by stock and reward, and how far a sum is moved at most."""
        sums = np.add.outer(stocks, factor * self.rewards)
        distinct = np.unique(sums)
        leaders = distinct[group_starts(distinct, merge)] + 0.0
        places = np.searchsorted(leaders, sums, side="right") - 1
        return leaders, places, float((sums - leaders[places]).max())


def _layers(
    outcomes: _Outcomes, first: FloatArray, factors: Array, merge: float, states: int, max_atoms: int
) -> tuple[list[FloatArray], list[IntArray], float]:
    """Stocks by stage, the places that they move to, and the sum of what merging displaced at each stage."""
    stocks, moves, total, displaced = [first], [], first.size, 0.0
    for t, factor in enumerate(factors):
        below = stocks[-1].size * outcomes.rewards.size
        check_max_atoms(below, max_atoms, f"sums of rewards at stage {t + 1} before merging")
        leaders, moved, off = outcomes.moved(stocks[-1], float(factor), merge)
        displaced += off
        total += leaders.size
        check_max_atoms(states * total, max_atoms, f"states with stocks to stage {t + 1}")
        stocks.append(leaders)
        moves.append(moved)
    return stocks, moves, displaced


def cvar_control(
    model: OutcomeModel,
    level: float,
    start: int,
    steps: int,
    *,
    discount: float = 1.0,
    merge: float = 1e-12,
    max_atoms: int = MAX_ATOMS,
    tol: float = 1e-8,
) -> CVaRSolution:
    """Maximise the mean of the lower tail of the return.

    Parameters
    ----------
    model : OutcomeModel
        Scalar rewards.
    level : float, in (0, 1]
        Mass of the tail; 1 maximises the mean.
    start : int
        Start state.
    steps : int
        Horizon H, >= 0.
    discount : float, default 1
        In (0, 1].
    merge : float, default 1e-12
        Absolute width within which stocks become one at each stage; enters the bound.  With integer rewards and discount 1
        stocks are exact.
    max_atoms : int, default 10_000_000
        Cap on the number of states with stocks, checked before they are made.
    tol : float, default 1e-8
        Only decides the status.

    Returns
    -------
    CVaRSolution
        Status CONVERGED or PRECISION_LIMIT.

    Raises
    ------
    ValueError
        If an argument is out of range, rewards are vectors, or the cap is exceeded.
    """
    _check.model(model, OutcomeModel)
    _check.count("steps", steps, 0)
    _check.count("max_atoms", max_atoms)
    _check.non_negative("tol", tol, positive=True)
    _check.non_negative("merge", merge)
    for name, number in (("level", level), ("discount", discount)):
        _check.non_negative(name, number, positive=True)
        _check.number(name, number, 0.0, 1.0)
    _check.count("start", start, 0)
    if start >= model.n_states:
        raise ValueError(f"start must be a state below {model.n_states}; got {start!r}")
    if model.has_vector_rewards:
        raise ValueError("model: expected scalar rewards, got vectors")
    outcomes = _Outcomes(model)
    states = model.n_states
    factors = discount ** np.arange(steps)
    sums, _, atoms_off = _layers(outcomes, np.zeros(1), factors, merge, 1, max_atoms)
    stocks, moves, stocks_off = _layers(outcomes, -sums[-1][::-1], factors, merge, states, max_atoms)
    value = np.ascontiguousarray(np.broadcast_to(np.minimum(stocks[-1], 0.0), (states, stocks[-1].size)))
    actions: list[IntArray] = []
    for moved in moves[::-1]:
        below, value = value, np.empty((states, len(moved)))
        actions.append(np.zeros(value.shape, dtype=np.int32))
        stock_backup(
            outcomes.pointer,
            outcomes.weight,
            outcomes.target,
            outcomes.kind,
            moved,
            below,
            value,
            actions[-1],
        )
    actions.reverse()
    thresholds = -stocks[0][::-1]
    outer = thresholds + value[start, ::-1] / level
    best = int(np.argmax(outer))
    law = _law(outcomes, start, thresholds.size - 1 - best, stocks, moves, actions, model.n_actions)
    largest = max(float(np.abs(c).max()) for c in stocks)
    bound = _bound(model, level, steps, atoms_off, stocks_off, largest)
    return CVaRSolution(
        status=Status.CONVERGED if bound <= tol else Status.PRECISION_LIMIT,
        certificate=Certificate(
            "error of value, and of the policy's value-at-risk",
            bound,
            "value-at-risk is a largest expected utility (Baeuerle and Ott 2011); backward induction over stocks",
            bound,
        ),
        steps=steps,
        names=model.names,
        value=float(outer[best]),
        lower=float(outer[best]) - bound,
        upper=float(outer[best]) + bound,
        threshold=float(thresholds[best]),
        law=law.shift(float(thresholds[best])),
        thresholds=thresholds,
        outer=outer,
        stocks=tuple(stocks),
        actions=tuple(actions),
        level=level,
        discount=discount,
        start=start,
    )


def _bound(
    model: OutcomeModel, level: float, steps: int, atoms_off: float, stocks_off: float, largest: float
) -> float:
    """The bound of the module's page."""
    astray = model.row_deviation + (model.n_outcomes + 2) * _EPS
    rounded = 4 * steps * _EPS * largest
    losses = (stocks_off + rounded + steps * astray * largest) * (1 + astray) ** steps
    return ((atoms_off + rounded + losses) / level + 8 * _EPS * largest * (1 + 1 / level)) * (1 + 16 * _EPS)


def _law(
    outcomes: _Outcomes,
    state: int,
    stock: int,
    stocks: list[FloatArray],
    moves: list[IntArray],
    actions: list[IntArray],
    choices: int,
) -> FiniteLaw:
    """Law of the last stock: masses of states with stocks are pushed forward."""
    at: IntArray = np.array([state])
    held: IntArray = np.array([stock])
    mass: Array = np.ones(1)
    for chosen, moved, after in zip(actions, moves, stocks[1:], strict=True):
        pair = at * choices + chosen[at, held]
        counts = outcomes.pointer[pair + 1] - outcomes.pointer[pair]
        first = np.cumsum(counts) - counts
        k = np.arange(counts.sum()) + np.repeat(outcomes.pointer[pair] - first, counts)
        place = outcomes.target[k] * after.size + moved[np.repeat(held, counts), outcomes.kind[k]]
        total: Array = np.bincount(place, weights=np.repeat(mass, counts) * outcomes.weight[k])
        alive = np.flatnonzero(total)
        at, held, mass = alive // after.size, alive % after.size, total[alive]
    return FiniteLaw._merged(stocks[-1][held], mass, 0.0)
