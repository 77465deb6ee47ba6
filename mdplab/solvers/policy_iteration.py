r"""Howard's policy iteration for the hard optimality equation.

Evaluate the policy by a linear solve, switch to the greedy action where it is better, repeat.  In exact arithmetic the
values increase strictly until no action is better, so no policy returns and the last one is optimal.  In rounded
arithmetic a switch between tied actions could go on for ever; here a state switches only when the computed improvement
exceeds what rounding and the error of the evaluation can feign.  Every switch is then a true improvement and the
argument for termination holds as it stands.  What the tolerance leaves undone is seen by the final enclosure, whose
residual is that of the *optimality* backup.  Switches that are not proven are then tried as long as each halves that
residual (so that they end as well), and a few sweeps of that backup polish it where ties were left.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray, IntArray
from mdplab.interrupts import asked, interruptible
from mdplab.models._kernel import PAIR
from mdplab.models.tabular import MDP
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
from mdplab.solvers.krylov import krylov_solver
from mdplab.solvers.policy_evaluation import evaluate_relative, mixed_rows

__all__ = ["policy_iteration"]

_POLISH = 50


@interruptible
def policy_iteration(
    mdp: MDP,
    *,
    tol: float = 1e-8,
    max_steps: int = 1_000,
    callback: Callback | None = None,
    start: ArrayLike | None = None,
    evaluation: Literal["direct", "krylov"] = "direct",
) -> ControlSolution:
    """Solve a discounted model by Howard's policy iteration.

    Parameters
    ----------
    mdp : MDP
        Dense or CSR, masked or not.
    tol : float, default 1e-8
        Sup-norm error of the value asked for; it decides the status only, the run ends where no action is better.
    max_steps : int, default 1000
        Most evaluations.
    callback : callable, optional
        ``callback(steps, lower, upper)`` after every evaluation; a true answer ends the run with the bounds reached.
    start : array_like of int (S,), optional
        First policy; default is greedy for the reward.
    evaluation : {"direct", "krylov"}, default "direct"
        Linear solver: LAPACK or SuperLU, or for a CSR model a Krylov method with the direct one in reserve (no fill-in
        on kernels without structure; see :func:`mdplab.solvers.krylov.krylov_solver`).

    Returns
    -------
    ControlSolution
        ``residuals`` are half the spans of the optimality residual at the policies' values.  Status CONVERGED,
        PRECISION_LIMIT, MAX_STEPS (with a ConvergenceWarning) or INTERRUPTED.

    Raises
    ------
    ValueError
        If an argument is out of range or ``start`` takes an unavailable action.

    References
    ----------
    .. [1] R. A. Howard, *Dynamic Programming and Markov Processes*, 1960.
    .. [2] M. L. Puterman, *Markov Decision Processes*, 1994, section 6.4.
    """
    check_controls(tol, max_steps)
    arrays = discounted_arrays(mdp)
    if evaluation not in ("direct", "krylov"):
        raise ValueError(f"evaluation must be 'direct' or 'krylov'; got {evaluation!r}")
    states, w = np.arange(arrays.n_states), np.zeros(arrays.n_states)
    actions = arrays.masked_reward.argmax(axis=1) if start is None else _start(arrays, start)
    nothing = np.zeros(arrays.reward.shape)
    residuals: list[float] = []
    status: Status | None = None
    kept: tuple[FloatArray, FloatArray, Enclosure, IntArray] | None = None
    best: tuple[FloatArray, FloatArray, Enclosure, IntArray] | None = None
    while status is None:
        policy = np.zeros(arrays.reward.shape)
        policy[states, actions] = 1.0
        if evaluation == "krylov" and arrays.is_sparse:
            solve = krylov_solver(mixed_rows(arrays, policy), arrays.discount)
            relative = evaluate_relative(arrays, policy, nothing, nothing, solve=solve, start=w)
        else:
            relative = evaluate_relative(arrays, policy, nothing, nothing)
        w, q = relative.w, np.where(arrays.available, relative.q, -np.inf)
        own = q[states, actions]
        # A computed advantage above this is a true one: two entries of q err by their rounding and by the effect of
        # the evaluation's error, of which only the span matters (rows sum to one up to the drift).
        doubt = 2 * relative.lookahead + arrays.discount * relative.found.span_error
        doubt += 2 * relative.found.drift + 4 * UNIT * float(np.abs(own).max())
        better = q.max(axis=1) - own > doubt
        found = _optimality(arrays, w, q)
        residuals.append(found.half_span)
        if best is None or found.bound < best[2].bound:
            best = w, q, found, actions
        if not better.any():
            # No improvement is proven.  Unproven ones are tried while each try halves the residual of optimality.
            if kept is None or found.half_span <= 0.5 * kept[2].half_span:
                kept = w, q, found, actions
                better = q.max(axis=1) > own + 2 * relative.lookahead
            tried = len(residuals) >= max_steps or found.half_span <= 0.5 * found.slack
            if tried or not better.any():
                status = Status.CONVERGED
        elif len(residuals) >= max_steps:
            status = Status.MAX_STEPS
        stop = asked(callback, len(residuals), found.value - found.bound, found.value + found.bound)
        if stop and status in (None, Status.MAX_STEPS):
            status = Status.INTERRUPTED
        if status is None:
            actions = np.where(better, q.argmax(axis=1), actions)
    if (
        best is not None and status is not Status.CONVERGED
    ):  # values increase, bounds need not improve with them
        w, q, found, actions = best
    elif kept is not None and kept[2].half_span <= found.half_span:
        w, q, found, actions = kept
    if status is Status.CONVERGED:
        w, q, found = _polished(arrays, w, q, found)
        if found.bound > tol:
            status = Status.PRECISION_LIMIT
    warn_max_steps("policy_iteration", status, len(residuals), found.bound, tol)
    return hard_solution(
        arrays,
        found,
        w,
        q,
        actions=actions,
        status=status,
        steps=len(residuals),
        residuals=np.array(residuals),
    )


def _optimality(arrays: DiscountedArrays, w: FloatArray, q: FloatArray) -> Enclosure:
    """Enclosure of the optimal value from the maximum of ``q``, the lookahead of ``w``."""
    return enclose(arrays, w, q.max(axis=1), lookahead_rounding(arrays, w, q))


def _polished(
    arrays: DiscountedArrays, w: FloatArray, q: FloatArray, found: Enclosure
) -> tuple[FloatArray, FloatArray, Enclosure]:
    """Sweeps of the optimality backup while they halve the residual that undecided ties left."""
    for _ in range(_POLISH):
        if found.half_span <= 0.5 * found.slack:
            break
        backup = q.max(axis=1)
        next_w = backup - 0.5 * (backup.min() + backup.max())
        next_q = np.where(arrays.available, arrays.lookahead(next_w), -np.inf)
        following = _optimality(arrays, next_w, next_q)
        if following.half_span > 0.95 * found.half_span:
            break
        w, q, found = next_w, next_q, following
    return w, q, found


def _start(arrays: DiscountedArrays, start: ArrayLike) -> IntArray:
    """The first policy, checked."""
    actions = np.asarray(start)
    if actions.shape != (arrays.n_states,) or actions.dtype.kind not in "iu":
        raise ValueError(
            f"start must be integers of shape (S,) = ({arrays.n_states},); got {actions.dtype} {actions.shape}"
        )
    if ((actions < 0) | (actions >= arrays.n_actions)).any():
        raise ValueError(f"start must hold actions below {arrays.n_actions}")
    wrong = ~arrays.available[np.arange(arrays.n_states), actions]
    if wrong.any():
        state = int(np.argmax(wrong))
        where = arrays.names.place(PAIR, (state, actions[state]))
        raise ValueError(f"start takes the unavailable pair ({where})")
    return actions.astype(np.int64)
