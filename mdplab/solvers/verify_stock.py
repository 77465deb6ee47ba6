r"""Verification of plans with a stock, without laws and without the kernels.

*Plans.*  Three moments of the return of the planned policy follow from linear recursions over the nodes: the mean, the
square, and the loss :math:`E\min(c+G,0)`, which is :math:`\gamma` times that of the successors because
:math:`c+G=\gamma(C'+G')`.  A law within :math:`w_1\le e` of the policy's has its mean and its loss within e, and its second
moment within :math:`2xe`, no return being larger than x.

*Homogeneous utilities.*  The recursion runs without scaling: from :math:`x=c` at the start :math:`x+\gamma^tr` is carried along, u is
asked at the end alone, and no homogeneity enters; a value at depth t must be :math:`\gamma^{-qt}` times what is found there,
for the best actions and for the planned ones.

*Value-at-risk.*  :math:`W_t` is recomputed in extended precision, each next stock being looked up among those of the solution;
that none is farther than ``merge`` and rounding allow is a check.  The returns that are possible from the start are
collected state by state: each must be near a threshold.  With the planned actions the same recursion gives what the policy
attains.

References
----------
.. [1] N. Baeuerle and J. Ott, *Markov decision processes with average-value-at-risk criteria*, Mathematical Methods of
   Operations Research 74, 2011.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._typing import Array
from mdplab.models.outcome import OutcomeModel
from mdplab.solvers.cvar_control import CVaRSolution
from mdplab.solvers.stock_nodes import Node, StockPlan
from mdplab.solvers.stock_utility import UtilityPlan, VectorNode
from mdplab.solvers.verify import Check, Verification, _need, _need_claim, _need_shape, _verify
from mdplab.solvers.verify_algebra import DOUBLE, EPS, WIDE

__all__ = ["KINDS"]

KINDS = (StockPlan, UtilityPlan, CVaRSolution)
"""The kinds that this module adds to :func:`mdplab.solvers.verify`."""

_KEY = 1e-12


@_verify.register
def _(solution: StockPlan, model: Any) -> Verification:
    _need(model, OutcomeModel, solution)
    reward, target, discount = model.rewards(), model.next_states(), solution.discount
    moments: dict[Node, tuple[Any, Any, Any]] = {}
    gaps, missing = np.zeros(3), 0
    reach = float(np.abs(reward[model.law > 0.0]).max(initial=0.0)) * solution.steps
    largest = reach + max((abs(c) for _, _, c in solution.laws), default=0.0)
    for node in sorted(solution.laws, key=lambda node: node[0]):
        h, s, c = node
        if h == 0:
            moments[node] = WIDE(0), WIDE(0), WIDE(min(c, 0.0))
        elif (a := solution.actions.get(node)) is None:
            missing += 1
            continue
        else:
            total = np.zeros(3, dtype=WIDE)
            for o in np.flatnonzero(model.law[s, a]):
                p, r = WIDE(model.law[s, a, o]), float(reward[s, a, o])
                key = round((c + r) / discount, 12) + 0.0
                if (below := moments.get((h - 1, int(target[s, a, o]), key))) is None:
                    missing += 1
                    continue
                mean, square, loss = below
                gain = discount * mean
                total += p * np.array(
                    [r + gain, r * r + 2 * r * gain + discount**2 * square, discount * loss]
                )
            moments[node] = tuple(total / model.law[s, a].astype(WIDE).sum())
        law = solution.laws[node]
        x, m = law.atoms.astype(WIDE), law.masses.astype(WIDE)
        own = np.array([m @ x, m @ x**2, m @ np.minimum(c + x, 0)]) / m.sum()
        gaps = np.maximum(gaps, np.abs(own - np.array(moments[node])).astype(float))
    bound = solution.certificate.bound
    atoms = max((law.n_atoms for law in solution.laws.values()), default=1)
    room = 8 * (solution.steps + 1) * (model.n_outcomes + atoms + 8) * EPS * largest
    # keys of stocks are rounded at each step
    keys = (solution.steps + 1) * (_KEY + 8 * EPS * largest)
    names = ("means", "second moments", "losses")
    allowed = (bound + room, 2 * (reach + bound) * bound + 4 * reach * room, bound + room + keys)
    checks = [
        Check(f"{name} within certificate.bound", float(gap), float(most))
        for name, gap, most in zip(names, gaps, allowed, strict=True)
    ]
    return Verification(
        "moments of returns by recursions over nodes",
        (Check("every node has an action and its successors", float(missing), 0.0), *checks),
    )


@_verify.register
def _(solution: UtilityPlan, model: Any) -> Verification:
    _need(model, OutcomeModel, solution)
    _need_claim(solution)
    for _, _, stock in solution.values:
        _need_shape(solution, (len(stock),), model.rewards().shape[3:])
    bound, q, lipschitz = solution.certificate.bound, solution.degree, solution.lipschitz
    factors = WIDE(solution.discount) ** np.arange(solution.steps + 1)
    places, branches, missing, displaced = _walked(solution, model, factors)
    route = "recursion without scaling in extended precision, the utility asked at the end alone"
    whole = Check("every node has an action, is reached and has its successors", float(missing), 0.0)
    if missing or not places:
        return Verification(route, (whole,))
    ends = [node for node in places if node[0] == 0]
    worth = np.asarray(solution.utility(np.array([places[node] for node in ends]).astype(float)))
    best: dict[VectorNode, Any] = dict(zip(ends, worth.astype(WIDE), strict=True))
    own = dict(best)
    gaps = np.zeros(2)
    for node in sorted(places, key=lambda node: node[0]):
        if node in branches:
            total = model.law[node[1]].astype(WIDE).sum(axis=1)
            means = [
                [sum(p * value[child] for p, child in row) for row in branches[node]] / total
                for value in (best, own)
            ]
            best[node], own[node] = means[0].max(), means[1][solution.actions[node]]
        scaled = factors[solution.steps - node[0]] ** WIDE(q) * WIDE(solution.values[node])
        gaps = np.maximum(gaps, np.abs([float(scaled - best[node]), float(scaled - own[node])]))
    width, size = model.rewards().shape[3], float(np.abs(worth).max())
    reach = solution.steps * float(np.abs(model.rewards()[model.law > 0.0]).max())
    radius = reach + max(abs(x) for h, _, c in places if h == solution.steps for x in c)
    # without a Lipschitz constant stocks are exact
    astray = 0.0 if np.isinf(lipschitz) else solution.steps * (_KEY + 8 * DOUBLE * radius)
    room = 16 * (solution.steps + 1) * (model.n_outcomes + 8) * EPS * size
    room += (q + 1) * (width + 4) * DOUBLE * size
    if astray:
        room += lipschitz * (radius + astray) ** (q - 1) * (2 * astray + DOUBLE * radius)
    checks = (
        Check("stocks are where rewards lead", displaced, astray),
        Check("values within certificate.bound", float(gaps[0]), bound + room),
        Check("the policy attains values", float(gaps[1]), bound + room),
    )
    return Verification(route, (whole, *checks))


def _walked(
    solution: UtilityPlan, model: OutcomeModel, factors: Array
) -> tuple[dict[VectorNode, Array], dict[VectorNode, list[list[tuple[Any, VectorNode]]]], int, float]:
    """Unscaled stocks and the outcomes of all nodes; what is missing; how far a stock is from where it should be."""
    reward, target = model.rewards(), model.next_states()
    places: dict[VectorNode, Array] = {}
    branches: dict[VectorNode, list[list[tuple[Any, VectorNode]]]] = {}
    missing, displaced = 0, 0.0
    for node in sorted(solution.values, key=lambda node: -node[0]):
        h, s, c = node
        stock, factor = np.array(c), factors[solution.steps - h]
        if h == solution.steps:
            places[node] = stock.astype(WIDE)
        if node not in places:
            missing += 1
            continue
        displaced = max(displaced, float(np.abs(places[node] - factor * stock).max()))
        if h == 0:
            continue
        missing += solution.actions.get(node) not in range(model.n_actions)
        rows = branches[node] = [[] for _ in range(model.n_actions)]
        for a, o in zip(*np.nonzero(model.law[s]), strict=True):
            moved = (stock + reward[s, a, o]) / solution.discount
            child = h - 1, int(target[s, a, o]), tuple(round(x, 12) + 0.0 for x in moved.tolist())
            if child not in solution.values:
                missing += 1
                continue
            there = places[node] + factor * reward[s, a, o]
            displaced = max(displaced, float(np.abs(places.setdefault(child, there) - there).max()))
            rows[a].append((WIDE(model.law[s, a, o]), child))
    return places, branches, missing, displaced


@_verify.register
def _(solution: CVaRSolution, model: Any) -> Verification:
    _need(model, OutcomeModel, solution)
    _need_claim(solution)
    for actions, stocks in zip(solution.actions, solution.stocks, strict=False):
        _need_shape(solution, actions.shape, (model.n_states, stocks.size))
    _need_shape(solution, solution.thresholds.shape, solution.stocks[0].shape)
    bound, level, start = solution.certificate.bound, solution.level, solution.start
    largest = max(float(np.abs(c).max()) for c in solution.stocks)
    room = 16 * (solution.steps + 2) * (model.n_outcomes + 8) * EPS * largest * (1 + 1 / level)
    best = own = np.minimum(
        np.broadcast_to(solution.stocks[-1], (model.n_states, solution.stocks[-1].size)), 0
    )
    best = own = best.astype(WIDE)
    displaced = 0.0
    for t in range(solution.steps - 1, -1, -1):
        q, planned, off = _stage(solution, model, t, best, own)
        best = q.max(axis=1)
        own = np.take_along_axis(planned, solution.actions[t][:, np.newaxis], axis=1)[:, 0]
        displaced += off
    thresholds, outer = solution.thresholds.astype(WIDE), best[start, ::-1]
    recomputed = thresholds + outer / level
    b = solution.threshold
    at = int(np.argmin(np.abs(solution.stocks[0] + b)))
    attained = b + own[start, at] / level
    missed = _missed(solution, model)
    law = float(solution.law.cvar(level))
    checks = (
        Check(
            "thresholds are the first stocks", float(np.abs(solution.stocks[0][::-1] + thresholds).max()), 0.0
        ),
        Check(
            "outer within certificate.bound", float(np.abs(recomputed - solution.outer).max()), bound + room
        ),
        Check("value is the largest of outer", abs(float(solution.outer.max()) - solution.value), 0.0),
        Check("threshold attains it", float(solution.value - recomputed[::-1][at]), bound + room),
        Check("stocks are where rewards lead", displaced / level, bound + room),
        Check("every possible return is near a threshold", missed / level, bound + room),
        Check("the policy attains value", float(np.abs(attained - solution.value)), bound + room),
        Check("value-at-risk of law within certificate.bound", abs(law - solution.value), 2 * bound + room),
        Check("lower and upper enclose value", max(solution.lower, solution.value) - solution.upper, 0.0),
        Check("their width", solution.upper - solution.lower, 2 * bound + room),
        Check("lower is below value", solution.lower - solution.value, 0.0),
    )
    return Verification("backward induction over stocks in extended precision", checks)


def _stage(
    solution: CVaRSolution, model: OutcomeModel, t: int, best: Array, own: Array
) -> tuple[Array, Array, float]:
    """Values of all actions with the best and the planned continuation, and the largest displacement of a stock."""
    here, after = solution.stocks[t], solution.stocks[t + 1]
    shape = (model.n_states, model.n_actions, here.size)
    q, planned = np.zeros(shape, dtype=WIDE), np.zeros(shape, dtype=WIDE)
    reward, target, off = model.rewards(), model.next_states(), 0.0
    places: dict[float, Array] = {}
    for s, a, o in zip(*np.nonzero(model.law), strict=True):
        r, p, successor = float(reward[s, a, o]), WIDE(model.law[s, a, o]), int(target[s, a, o])
        if r not in places:
            wanted = here.astype(WIDE) + WIDE(solution.discount) ** t * WIDE(r)
            right = np.clip(np.searchsorted(after, wanted.astype(float)), 1, max(after.size - 1, 1))
            left = right - 1
            right = np.minimum(right, after.size - 1)
            nearer = np.abs(after[right] - wanted) < np.abs(after[left] - wanted)
            places[r] = np.where(nearer, right, left)
            off = max(off, float(np.abs(after[places[r]] - wanted).max()))
        q[s, a] += p * best[successor, places[r]]
        planned[s, a] += p * own[successor, places[r]]
    rows = model.law.astype(WIDE).sum(axis=2)[..., np.newaxis]
    return q / rows, planned / rows, off


def _missed(solution: CVaRSolution, model: OutcomeModel) -> float:
    """Largest distance of a possible return from the thresholds."""
    reward, target = model.rewards(), model.next_states()
    sums = {(solution.start, 0.0)}
    for t in range(solution.steps):
        factor = solution.discount**t
        steps: dict[int, set[tuple[int, float]]] = {}
        for s in {state for state, _ in sums}:
            alive = model.law[s] > 0.0
            steps[s] = set(zip(target[s][alive].tolist(), (factor * reward[s][alive]).tolist(), strict=True))
        sums = {(successor, x + r) for s, x in sums for successor, r in steps[s]}
    return max(float(np.abs(solution.thresholds - x).min()) for _, x in sums)
