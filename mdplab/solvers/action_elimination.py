r"""Action elimination: value iteration that drops actions for good once they are proven suboptimal.

From the relative value :math:`w`, with :math:`d=V^*-w` and :math:`q_w=R+\gamma Pw`,

.. math::
    Q^*(s,a)-Q^*(s,b)=q_w(s,a)-q_w(s,b)+\gamma\,\big(P(s,a)-P(s,b)\big)d
    \le q_w(s,a)-q_w(s,b)+\gamma\,\mathrm{span}(d),

and the enclosure of every sweep bounds :math:`\mathrm{span}(d)` by :math:`\mathrm{span}(Tw-w)/(1-\gamma)` (MacQueen
1967), or by less where all rows share mass.  An action that trails the best of its state by more than
:math:`\gamma\,\mathrm{span}(d)`, rounding and row sums included, belongs to no optimal policy.  Without it the optimal
value is the same, so that later sweeps need not read its row, and their enclosures are those of the same value.  Ties
are never broken: of two optimal actions neither trails.

The bounds that are returned do not rest on this: they come from a last sweep on all rows.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import BoolArray, FloatArray
from mdplab.interrupts import asked, interruptible
from mdplab.models.tabular import MDP
from mdplab.solution import Status
from mdplab.solvers.certificate import enclose, lookahead_rounding
from mdplab.solvers.control import ControlSolution, row_spread
from mdplab.solvers.discounted import (
    Callback,
    DiscountedArrays,
    check_controls,
    discounted_arrays,
    warn_max_steps,
)
from mdplab.solvers.modified_policy_iteration import run_modified
from mdplab.solvers.value_iteration import first_value

__all__ = ["action_elimination", "reduced_iteration"]

_FEWER = 0.8
"""The rows left are copied together when they are less than this part of those read."""


@interruptible
def action_elimination(
    mdp: MDP,
    *,
    tol: float = 1e-8,
    max_steps: int = 100_000,
    callback: Callback | None = None,
    start: ArrayLike | None = None,
) -> ControlSolution:
    """Solve a discounted model by value iteration on the actions that may still be optimal.

    It pays where sweeps are many and most actions are clearly worse than the best; rows left are copied.

    Parameters
    ----------
    mdp : MDP
        Dense or CSR, masked or not.
    tol : float, default 1e-8
        Sup-norm error of the value asked for; 0 runs to the precision limit.
    max_steps : int, default 100000
        Most sweeps.
    callback : callable, optional
        ``callback(steps, lower, upper)`` after every sweep; a true answer ends the run with the bounds reached.
    start : array_like (S,), optional
        First value; default 0.

    Returns
    -------
    ControlSolution
        ``candidates()`` are the actions that are left by the last sweep; all others are proven suboptimal.  Status
        CONVERGED, PRECISION_LIMIT, MAX_STEPS (with a ConvergenceWarning) or INTERRUPTED; the bounds are valid in
        every case.

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    .. [1] J. MacQueen, "A test for suboptimal actions in Markovian decision problems", Operations Research 15, 1967.
    .. [2] M. L. Puterman, *Markov Decision Processes*, 1994, section 6.7.
    """
    check_controls(tol, max_steps)
    first = first_value(start, mdp.n_states)
    backup, history, _, interrupted = reduced_iteration(
        discounted_arrays(mdp), first, tol, max_steps, callback
    )
    steps = len(history)
    later: Callback | None = None
    if callback is not None and not interrupted:
        later = lambda more, lower, upper: callback(steps + more, lower, upper)  # noqa: E731
    end = run_modified(mdp, tol, 1 if interrupted else max_steps - steps, 0, later, backup)
    status = Status.INTERRUPTED if interrupted and end.status is Status.MAX_STEPS else end.status
    warn_max_steps("action_elimination", status, steps + end.steps, end.certificate.bound, tol)
    residuals = np.concatenate((history, end.residuals))
    return dataclasses.replace(end, status=status, steps=residuals.size, residuals=residuals)


def reduced_iteration(
    arrays: DiscountedArrays, first: FloatArray, tol: float, max_steps: int, callback: Callback | None
) -> tuple[FloatArray, list[float], BoolArray, bool]:
    """Value iteration on the actions left, until its enclosure meets ``tol`` or rounding shows.

    Parameters
    ----------
    arrays : DiscountedArrays
        The model.
    first : ndarray (S,)
        First value.
    tol, max_steps, callback
        As :func:`action_elimination` takes them; the last step is left for a sweep on all rows.

    Returns
    -------
    backup : ndarray (S,)
        Last backup.
    history : list of float
        Half-spans of the residuals.
    left : ndarray of bool (S, A)
        Pairs not proven suboptimal; every optimal one is among them.
    interrupted : bool
        Whether the callback ended the run.
    """
    rows = np.flatnonzero(arrays.available)
    counts = arrays.available.sum(axis=1)
    matrix, reward = arrays.matrix, arrays.reward.ravel()[rows]
    if arrays.masked:
        matrix = matrix[rows]
    left = arrays.available.copy()
    window = math.ceil(0.7 / (1.0 - arrays.discount)) + 8  # so many sweeps halve the span in exact arithmetic
    backup, tested, interrupted = first, math.inf, False
    history: list[float] = []
    while len(history) < max_steps - 1 and not interrupted:
        w = backup - 0.5 * (backup.min() + backup.max())
        q = reward + arrays.discount * (matrix @ w)
        starts = np.cumsum(counts) - counts
        backup = np.maximum.reduceat(q, starts)
        rounding = lookahead_rounding(arrays, w, q)
        found = enclose(arrays, w, backup, rounding)
        history.append(found.half_span)
        interrupted = asked(callback, len(history), found.value - found.bound, found.value + found.bound)
        if found.half_span < 0.5 * tested:  # a test costs about as much as a sweep on short rows
            tested = found.half_span
            keep = q >= np.repeat(backup, counts) - 1.01 * (row_spread(arrays, found) + 2 * rounding)
            left.ravel()[rows[~keep]] = False
            if keep.sum() < _FEWER * keep.size:
                rows, matrix, reward = rows[keep], matrix[keep], reward[keep]
                counts = np.add.reduceat(keep, starts, dtype=np.int64)
        stalled = len(history) > window and history[-1] > 0.5 * history[-1 - window]
        if found.bound <= tol or found.half_span <= 0.125 * found.slack or stalled:
            break
    return backup, history, left, interrupted
