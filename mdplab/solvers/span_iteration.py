r"""The loop around kernels that iterate a backup until the span of its residual is small.

The loop is Python, a few hundredths of a second of sweeps a kernel call, so that Ctrl-C and callbacks work.  It ends
when the enclosure certifies ``tol``; or at the precision limit, which is recognised in two ways: the span is small
against its rounding, or it was not halved by as many sweeps as must halve it in exact arithmetic (the span contracts
by the discount).

In the second case plain sweeps are stuck: each rounds at the size of :math:`w`, and the errors add up to
:math:`1/(1-\gamma)` roundings.  Then the base :math:`w` is frozen and the sweeps go on with the correction :math:`x`:

.. math::
    T(w+x)-w=\mathrm{agg}_a\big(R'+\gamma Px\big),\qquad R'(s,a)=R(s,a)+\gamma\sum_tP(t|s,a)w(t)-w(s),

the same backup with a shaped reward, which is rounded once and for all, while every later rounding is of the size of
the small correction.  A sweep of the original backup at :math:`w+x` gives the certificate.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mdplab._typing import FloatArray
from mdplab.interrupts import asked
from mdplab.solution import Status
from mdplab.solvers.certificate import Enclosure, enclose
from mdplab.solvers.discounted import Callback, DiscountedArrays

__all__ = ["SpanIteration", "iterate_span"]

_WORK = 20_000_000
"""Multiplications a kernel call: about 0.02 s."""

_REFINEMENTS = 3
_FLOOR = 0.125
"""A half-span below this part of its rounding is not worth more sweeps."""

Sweep = Callable[[FloatArray, float, FloatArray, FloatArray, FloatArray, FloatArray], int]
"""``sweep(reward, target, w, q, backup, spans)``: the kernel, see :mod:`mdplab._kernels.backups`."""


@dataclass(frozen=True, eq=False)
class SpanIteration:
    """Outcome of :func:`iterate_span`.

    Attributes
    ----------
    found : Enclosure
        What the last sweep proves.
    w, q : ndarray (S,), (S, A)
        Its relative value and lookahead.
    status : Status
        CONVERGED, PRECISION_LIMIT, MAX_STEPS or INTERRUPTED.
    residuals : ndarray (steps,)
        Half-spans of all sweeps.
    """

    found: Enclosure
    w: FloatArray
    q: FloatArray
    status: Status
    residuals: FloatArray


def iterate_span(
    arrays: DiscountedArrays,
    sweep: Sweep,
    rounding: Callable[[FloatArray, FloatArray, FloatArray], float],
    reward: FloatArray,
    start: FloatArray,
    *,
    tol: float,
    max_steps: int,
    callback: Callback | None,
    observe: Callable[[FloatArray, float], None] | None = None,
) -> SpanIteration:
    """Run sweeps until the enclosure certifies ``tol``, or as far as rounding, steps and callback allow.

    Parameters
    ----------
    arrays : DiscountedArrays
        The model.
    sweep : callable
        The kernel with all but its changing arguments.
    rounding : callable
        ``rounding(w, q, backup)`` bounds the error of the computed backup.
    reward : ndarray (S, A)
        Reward as the kernel wants it.
    start : ndarray (S,)
        First value.
    tol : float
        Bound asked for; 0 for all that rounding allows.
    max_steps : int
        Most sweeps.
    callback : callable or None
        ``callback(steps, lower, upper)`` after every sweep; a true answer ends the run.
    observe : callable, optional
        ``observe(q, centre)`` after every sweep; it rules out corrections, which are no sweeps of the iteration.

    Returns
    -------
    SpanIteration
        The last sweep and what it proves.
    """
    limit = max(1, min(512, _WORK // max(arrays.work, 1)))
    window = math.ceil(0.7 / (1.0 - arrays.discount)) + 8
    w, q, backup = np.empty(arrays.n_states), np.empty(reward.shape), np.array(start, dtype=float)
    history: list[float] = []
    target, chunk = 0.0, 1
    refinements, previous = 0 if observe is not None else _REFINEMENTS, math.inf
    while True:
        spans = np.empty((min(chunk, max_steps - len(history)), 3))
        history.extend(_half_spans(spans[: sweep(reward, target, w, q, backup, spans)]))
        if observe is not None:
            observe(q, float(spans[0, 2]))
        found = enclose(arrays, w, backup, rounding(w, q, backup))
        status = _verdict(found, history, window, tol, max_steps)
        if previous < math.inf and status is None:
            status = Status.PRECISION_LIMIT  # this sweep came to judge a correction, not to go on
        limited = status is Status.PRECISION_LIMIT and found.half_span > _FLOOR * found.slack
        if limited and refinements and found.half_span <= 0.5 * previous:
            refinements, previous = refinements - 1, found.half_span
            correction = _corrected(sweep, found, w, q, backup, history, window, limit, max_steps)
            if correction is not None:
                backup[:] = correction
                chunk = 1
                continue
        stop = asked(callback, len(history), found.value - found.bound, found.value + found.bound)
        if stop and status in (None, Status.MAX_STEPS):
            status = Status.INTERRUPTED
        if status is not None:
            return SpanIteration(found, w, q, status, np.array(history))
        # Where the half-span must get for the bound to meet tol, kept above what rounding leaves visible.
        target = max(0.98 * ((tol - found.outer) * found.gap - found.slack), _FLOOR * found.slack)
        chunk = 1 if callback is not None or observe is not None else min(limit, 8 * chunk)


def _half_spans(spans: FloatArray) -> list[float]:
    halves: list[float] = (0.5 * (spans[:, 1] - spans[:, 0])).tolist()
    return halves


def _verdict(
    found: Enclosure, history: list[float], window: int, tol: float, max_steps: int
) -> Status | None:
    """How the run ends here, if it does."""
    if found.bound <= tol:
        return Status.CONVERGED
    # ``window`` sweeps must halve the span in exact arithmetic.
    stalled = len(history) > window and history[-1] > 0.5 * history[-1 - window]
    if found.half_span <= _FLOOR * found.slack or stalled:
        return Status.PRECISION_LIMIT
    return Status.MAX_STEPS if len(history) >= max_steps else None


def _corrected(
    sweep: Sweep,
    found: Enclosure,
    w: FloatArray,
    q: FloatArray,
    backup: FloatArray,
    history: list[float],
    window: int,
    limit: int,
    max_steps: int,
) -> FloatArray | None:
    """``w`` plus a correction that was iterated at its own size; None where no sweep is left to judge it by."""
    residual = backup - w
    shaped = q - w[:, np.newaxis] - 0.5 * (residual.min() + residual.max())
    x, lookahead, following = np.empty(w.size), np.empty(q.shape), np.zeros(w.size)
    own: list[float] = []
    while len(history) < max_steps - 1:
        spans = np.empty((min(limit, max_steps - 1 - len(history)), 3))
        done = sweep(shaped, 0.5 * _FLOOR * found.slack, x, lookahead, following, spans)
        own += _half_spans(spans[:done])
        history += own[-done:]
        if own[-1] <= 0.5 * _FLOOR * found.slack or (len(own) > window and own[-1] > 0.5 * own[-1 - window]):
            break
    return w + x if own and len(history) < max_steps else None
