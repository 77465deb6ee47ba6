r"""Soft policy iteration: Newton's method for the soft optimality equation, by linear solves.

The soft backup :math:`T` is convex and its derivative at :math:`w` is :math:`\gamma P_\pi` with :math:`\pi` the soft
policy of :math:`w`, so a Newton step is

.. math::
    w\leftarrow w+(I-\gamma P_\pi)^{-1}(Tw-w)=V^\pi_\tau,

the soft value of that policy: Newton's method *is* soft policy iteration (Puterman and Brumelle 1979, hard case).  It
converges from any start, monotonically after the first step, and quadratically at the end.  Steps go on until the
residual is at the rounding level, whatever ``tol``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.interrupts import asked, interruptible
from mdplab.models.tabular import MDP
from mdplab.operators.tilt import log_sum_exp, log_tilt
from mdplab.solution import Status
from mdplab.solvers.certificate import Enclosure, enclose, lookahead_rounding, soft_rounding
from mdplab.solvers.control import ControlSolution, soft_solution
from mdplab.solvers.discounted import (
    Callback,
    DiscountedArrays,
    check_controls,
    discounted_arrays,
    log_bonus,
    warn_max_steps,
)
from mdplab.solvers.policy_evaluation import factorise, mixed_rows

__all__ = ["soft_policy_iteration"]


@interruptible
def soft_policy_iteration(
    mdp: MDP,
    *,
    temperature: float,
    log_reference: ArrayLike | None = None,
    tol: float = 1e-8,
    max_steps: int = 1_000,
    callback: Callback | None = None,
) -> ControlSolution:
    """Solve the soft optimality equation by Newton's method.

    Parameters
    ----------
    mdp : MDP
        Dense or CSR, masked or not.
    temperature : float
        Positive; multiplies the divergence from the reference (or minus the entropy).
    log_reference : array_like (S, A), optional
        Log-weights of the reference, ``-inf`` allowed, not necessarily normalised; default is the counting measure
        (entropy regularisation).
    tol : float, default 1e-8
        Sup-norm error of the value asked for; it decides the status only, the run ends at the rounding level.
    max_steps : int, default 1000
        Most linear systems.
    callback : callable, optional
        ``callback(steps, lower, upper)`` after every step; a true answer ends the run with the bounds reached.

    Returns
    -------
    ControlSolution
        ``residuals`` are half the spans of ``Tw - w``.  Status CONVERGED, PRECISION_LIMIT, MAX_STEPS (with a
        ConvergenceWarning) or INTERRUPTED.

    Raises
    ------
    ValueError
        If an argument is out of range or the reference leaves a state without action.

    References
    ----------
    .. [1] M. L. Puterman and S. L. Brumelle, "On the convergence of policy iteration in stationary dynamic
       programming", Mathematics of Operations Research 4, 1979.
    .. [2] T. Haarnoja et al., "Soft actor-critic", ICML 2018 (soft policy iteration).
    """
    check_controls(tol, max_steps, temperature)
    arrays = discounted_arrays(mdp)
    bonus = log_bonus(arrays, log_reference, temperature)
    w = np.zeros(arrays.n_states)
    q, backup, found = _backup(arrays, w, bonus, temperature)
    best = w, q, found
    residuals: list[float] = []
    status: Status | None = None
    stalled = 0
    while status is None:
        policy = np.exp(log_tilt(q + bonus, temperature=temperature))
        residual = backup - w
        solve = factorise(mixed_rows(arrays, policy), arrays.discount)
        step = solve(residual - 0.5 * (residual.min() + residual.max()))
        next_w = w + step
        next_w = next_w - 0.5 * (next_w.min() + next_w.max())
        next_q, next_backup, following = _backup(arrays, next_w, bonus, temperature)
        residuals.append(following.half_span)
        # The span may rise in the first steps (the value does not); only near the rounding level is that an end.
        if following.half_span < found.half_span or found.half_span > 64 * found.slack:
            stalled = 0 if following.half_span <= 0.5 * found.half_span else stalled
            w, q, backup, found = next_w, next_q, next_backup, following
        else:
            stalled += 1
        if found.bound < best[2].bound:
            best = w, q, found
        if found.half_span <= 0.125 * found.slack or stalled > 1:
            status = Status.CONVERGED if found.bound <= tol else Status.PRECISION_LIMIT
        elif len(residuals) >= max_steps:
            status = Status.CONVERGED if found.bound <= tol else Status.MAX_STEPS
        stop = asked(callback, len(residuals), found.value - found.bound, found.value + found.bound)
        if stop and status in (None, Status.MAX_STEPS):
            status = Status.INTERRUPTED
    if status in (Status.MAX_STEPS, Status.INTERRUPTED):  # the span may have risen since
        w, q, found = best
    warn_max_steps("soft_policy_iteration", status, len(residuals), found.bound, tol)
    return soft_solution(
        arrays,
        found,
        w,
        q,
        bonus,
        temperature,
        status=status,
        steps=len(residuals),
        residuals=np.array(residuals),
    )


def _backup(
    arrays: DiscountedArrays, w: FloatArray, bonus: FloatArray, temperature: float
) -> tuple[FloatArray, FloatArray, Enclosure]:
    """Lookahead, soft backup and enclosure of a relative value."""
    q = arrays.lookahead(w)
    backup: FloatArray = log_sum_exp(q + bonus, temperature=temperature)
    error = soft_rounding(lookahead_rounding(arrays, w, q), q, bonus, backup, temperature)
    return q, backup, enclose(arrays, w, backup, error)
