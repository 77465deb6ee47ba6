r"""Modified policy iteration: optimality sweeps with cheap sweeps of the greedy policy between them.

From the relative value :math:`w` one optimality sweep gives :math:`Tw`, a greedy policy :math:`\pi` and the span of
:math:`Tw-w`; then :math:`T_\pi` is applied until *its* residual is a fraction of that span (value iteration would stop
after one application, policy iteration would not stop).  Relative values converge from any start: adding a constant
changes no policy and makes :math:`Tw\ge w`, from where the method increases to :math:`V^*` whatever the numbers of
inner sweeps (Puterman and Shin 1978).

Sweeps pass over states whose best action provably has not changed, and read only the row of their policy (see
:mod:`mdplab._kernels.modified`).  Since that leaves the backup exact the bounds of every sweep are those of value
iteration.  On CSR models where evaluating the first greedy policy opens a residual more than twice the first one, as
it does where there is a goal far away, sweeps in place take over (:mod:`mdplab.solvers.ordered_sweeps`), with sweeps of
the kind above between them to give the bounds.  The last sweep is one of value iteration on all rows: it gives the action values and the certificate, and
goes on alone, down to the rounding level, should the tolerance ask for more.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mdplab._kernels import backups, modified
from mdplab._typing import FloatArray
from mdplab.interrupts import asked, interruptible
from mdplab.models.tabular import MDP
from mdplab.operators import _check
from mdplab.solution import Status
from mdplab.solvers.certificate import Enclosure, enclose, lookahead_rounding
from mdplab.solvers.control import ControlSolution, hard_solution
from mdplab.solvers.discounted import (
    UNIT,
    Callback,
    DiscountedArrays,
    check_controls,
    discounted_arrays,
    warn_max_steps,
)
from mdplab.solvers.ordered_sweeps import OrderedSweeps
from mdplab.solvers.span_iteration import SpanIteration, iterate_span
from mdplab.solvers.value_iteration import first_value

__all__ = ["modified_policy_iteration", "run_modified"]

_BUDGET = 3e7
"""Multiplications a kernel call: a few hundredths of a second."""

_THETA = 0.3
"""Policy sweeps end when their residual is this part of the last optimality residual."""


@interruptible
def modified_policy_iteration(
    mdp: MDP,
    *,
    tol: float = 1e-8,
    max_steps: int = 100_000,
    inner: int = 20,
    callback: Callback | None = None,
    start: ArrayLike | None = None,
) -> ControlSolution:
    """Solve a discounted model by modified policy iteration.

    Parameters
    ----------
    mdp : MDP
        Dense or CSR, masked or not.
    tol : float, default 1e-8
        Sup-norm error of the value asked for; 0 runs to the precision limit.
    max_steps : int, default 100000
        Most optimality sweeps.
    inner : int, default 20
        Most policy sweeps between two optimality sweeps; 0 is value iteration with states passed over.
    callback : callable, optional
        ``callback(steps, lower, upper)`` after every optimality sweep; a true answer ends the run with the bounds
        reached.
    start : array_like (S,), optional
        First value; default 0.

    Returns
    -------
    ControlSolution
        ``steps`` counts optimality sweeps, ``residuals`` are half the spans of ``Tw - w`` (of sweeps in place the
        largest changes).  Status CONVERGED,
        PRECISION_LIMIT, MAX_STEPS (with a ConvergenceWarning) or INTERRUPTED; the bounds are valid in every case.

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    .. [1] M. L. Puterman and M. C. Shin, "Modified policy iteration algorithms for discounted Markov decision
       problems", Management Science 24, 1978.
    .. [2] N. A. J. Hastings and J. M. C. van Nunen, "The action elimination algorithm for Markov decision processes",
       in *Markov Decision Theory*, Mathematical Centre Tracts 93, 1977.
    """
    found = run_modified(mdp, tol, max_steps, inner, callback, start)
    warn_max_steps("modified_policy_iteration", found.status, found.steps, found.certificate.bound, tol)
    return found


def run_modified(
    mdp: MDP,
    tol: float,
    max_steps: int,
    inner: int,
    callback: Callback | None,
    start: ArrayLike | None,
) -> ControlSolution:
    """:func:`modified_policy_iteration` without its warning; all arguments as there.

    Parameters
    ----------
    mdp : MDP
        The model.
    tol : float
        Error asked for.
    max_steps, inner : int
        Limits.
    callback : callable or None
        See there.
    start : array_like (S,) or None
        First value.

    Returns
    -------
    ControlSolution
    """
    check_controls(tol, max_steps)
    _check.count("inner", inner, 0)
    first = first_value(start, mdp.n_states)
    arrays = discounted_arrays(mdp, sharp=False)
    backup, history, interrupted = _accelerated(arrays, first, tol, max_steps, inner, callback)
    if interrupted:  # it was asked for the last time
        callback = None
    left = 1 if interrupted else max_steps - len(history)
    end = _finished(arrays, backup, tol, left, _later(callback, len(history)))
    if end.status is Status.PRECISION_LIMIT and end.found.slack > end.found.half_span * 0.125:
        # Here the details of the rounding matter: sum the rows exactly and look again from where this run stopped.
        arrays = discounted_arrays(mdp)
        history += end.residuals.tolist()
        left = max(1, max_steps - len(history))
        end = _finished(arrays, end.w, tol, left, _later(callback, len(history)))
        if end.status is Status.MAX_STEPS and end.residuals.size < left:
            end = dataclasses.replace(end, status=Status.PRECISION_LIMIT)
    status = end.status
    if interrupted and status is not Status.CONVERGED:
        status = Status.INTERRUPTED
    residuals = np.concatenate((history, end.residuals))
    return hard_solution(
        arrays, end.found, end.w, end.q, status=status, steps=residuals.size, residuals=residuals
    )


def _accelerated(
    arrays: DiscountedArrays,
    first: FloatArray,
    tol: float,
    max_steps: int,
    inner: int,
    callback: Callback | None,
) -> tuple[FloatArray, list[float], bool]:
    """Run the kernel until a last sweep is due; the backup to make it from, half-spans, and whether interrupted."""
    kernel, memory = _prepared(arrays)
    states = arrays.n_states
    value = first - 0.5 * (first.min() + first.max())
    backup, other = np.empty(states), np.empty(states)
    threshold, actions, gain = np.full(states, -np.inf), np.full(states, -1), np.empty(states)
    margin, state = 8 * (arrays.successors + 8) * UNIT, np.zeros(5)
    history: list[float] = []
    target = 0.9 * tol * (1.0 - arrays.discount)
    window = math.ceil(0.7 / (1.0 - arrays.discount)) + 16
    record, recorded_at = math.inf, 0
    in_place: OrderedSweeps | None = None
    looked = not arrays.is_sparse
    while len(history) < max_steps - 1:
        alone = callback is not None or in_place is not None
        chunk = 1 if alone else 256 if looked else 2
        spans = np.empty((min(chunk, max_steps - 1 - len(history)), 3))
        done = kernel(
            *arrays.unsigned,
            arrays.masked_reward,
            arrays.discount,
            target,
            _THETA,
            inner,
            _BUDGET,
            margin,
            value,
            backup,
            other,
            threshold,
            actions,
            gain,
            *memory,
            spans,
            state,
        )
        history.extend((0.5 * (spans[:done, 1] - spans[:done, 0])).tolist())
        found = enclose(arrays, value, backup, lookahead_rounding(arrays, value, backup))

        stopped = None if callback is None else _asked(callback, len(history), found)
        if asked(None) if stopped is None else stopped(0):
            return backup, history, True
        if found.bound <= tol or found.half_span <= 0.25 * found.slack:
            break
        # As many sweeps of value iteration would have halved the residual, but for rounding.
        if found.half_span <= 0.5 * record:
            record, recorded_at = found.half_span, len(history)
        elif len(history) - recorded_at > window:
            break
        wanted = 0.98 * ((tol - found.outer) * found.gap - found.slack)
        if done < spans.shape[0] and found.half_span <= target and not wanted < target:
            break
        target = max(wanted, 0.2 * found.slack)
        if not looked and len(history) > 1:
            looked = True
            if history[1] > 2 * history[0]:
                in_place = OrderedSweeps(arrays, memory, value, found.half_span, target)
        room = max_steps - 2 - len(history)
        if in_place is None or room < 1:
            continue
        if in_place.left > 0:
            low = float(spans[done - 1, 0])
            changes, interrupted = in_place.improve(low, target, inner, room, value, actions, gain, stopped)
            history += changes
            if interrupted:
                return backup, history, True
        else:
            if not found.half_span <= in_place.half_span:
                value[:] = in_place.start
            in_place = None
        # The value is another one, and so are the rows of the policy: begin with a sweep on all rows.
        state[1] = 0.0
        actions.fill(-1)
        threshold.fill(-np.inf)
        record, recorded_at = math.inf, len(history)
    return (backup if history else first), history, False


def _later(callback: Callback | None, steps: int) -> Callback | None:
    """The callback for a run that goes on after some steps."""
    return None if callback is None else lambda more, lower, upper: callback(steps + more, lower, upper)


def _asked(callback: Callback, steps: int, found: Enclosure) -> Callable[[int], bool]:
    """Ask the callback whether to stop, some sweeps after the one that gave the bounds."""
    return lambda more: asked(callback, steps + more, found.value - found.bound, found.value + found.bound)


def _prepared(arrays: DiscountedArrays) -> tuple[Any, tuple[Any, ...]]:
    """The kernel of the model's kind and the memory for the rows of its policies."""
    states, actions = arrays.n_states, arrays.n_actions
    if not arrays.is_sparse:
        return modified.modified_dense, (np.empty((states, states)), np.empty((states, actions)))
    indptr = arrays.unsigned[2]
    slots = np.zeros(states + 1, dtype=indptr.dtype)
    np.cumsum(np.diff(indptr).reshape(states, actions).max(axis=1), out=slots[1:])
    return modified.modified_csr, (
        slots,
        np.empty(int(slots[-1])),
        np.empty(int(slots[-1]), dtype=arrays.unsigned[1].dtype),
    )


def _finished(
    arrays: DiscountedArrays, start: FloatArray, tol: float, max_steps: int, callback: Callback | None
) -> SpanIteration:
    """Value iteration from ``start``: usually one sweep."""
    run = backups.hard_sweeps_csr if arrays.is_sparse else backups.hard_sweeps_dense

    def sweep(
        reward: FloatArray, target: float, w: FloatArray, q: FloatArray, backup: FloatArray, spans: FloatArray
    ) -> int:
        return int(run(*arrays.unsigned, reward, arrays.discount, target, w, q, backup, spans))

    def rounding(w: FloatArray, q: FloatArray, backup: FloatArray) -> float:
        return lookahead_rounding(arrays, w, q)

    return iterate_span(
        arrays, sweep, rounding, arrays.masked_reward, start, tol=tol, max_steps=max_steps, callback=callback
    )
