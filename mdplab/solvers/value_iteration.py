r"""Value iteration for the hard optimality equation, with MacQueen-Porteus bounds.

.. math::
    (Tv)(s)=\max_{a\ \mathrm{available}}\Big(R(s,a)+\gamma\sum_tP(t|s,a)\,v(t)\Big).

:math:`T` contracts the sup norm by :math:`\gamma`, the span by at most that and on mixing models by much less.  The run
stops by the span of :math:`Tw-w`, which proves a lower and an upper value for free, and returns the middle of the two
(the plain iterate would be off by up to :math:`\gamma/(1-\gamma)` times the last change).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab._kernels import backups
from mdplab._typing import FloatArray
from mdplab.interrupts import interruptible
from mdplab.models.tabular import MDP
from mdplab.operators import _check
from mdplab.solvers.certificate import lookahead_rounding
from mdplab.solvers.control import ControlSolution, hard_solution
from mdplab.solvers.discounted import Callback, check_controls, discounted_arrays, warn_max_steps
from mdplab.solvers.span_iteration import iterate_span

__all__ = ["first_value", "value_iteration"]


@interruptible
def value_iteration(
    mdp: MDP,
    *,
    tol: float = 1e-8,
    max_steps: int = 100_000,
    callback: Callback | None = None,
    start: ArrayLike | None = None,
) -> ControlSolution:
    """Solve a discounted model by value iteration.

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
        ``residuals`` are half the spans of ``Tw - w``.  Status CONVERGED, PRECISION_LIMIT (rounding keeps the bound
        above ``tol``), MAX_STEPS (with a ConvergenceWarning) or INTERRUPTED; the bounds are valid in every case.

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    .. [1] M. L. Puterman, *Markov Decision Processes*, 1994, sections 6.3 and 6.6.
    """
    check_controls(tol, max_steps)
    arrays = discounted_arrays(mdp)
    reward = arrays.masked_reward
    first = first_value(start, arrays.n_states)
    run = backups.hard_sweeps_csr if arrays.is_sparse else backups.hard_sweeps_dense

    def sweep(
        reward: FloatArray, target: float, w: FloatArray, q: FloatArray, backup: FloatArray, spans: FloatArray
    ) -> int:
        return int(run(*arrays.unsigned, reward, arrays.discount, target, w, q, backup, spans))

    def rounding(w: FloatArray, q: FloatArray, backup: FloatArray) -> float:
        return lookahead_rounding(arrays, w, q)  # a maximum adds none

    end = iterate_span(
        arrays, sweep, rounding, reward, first, tol=tol, max_steps=max_steps, callback=callback
    )
    steps = end.residuals.size
    warn_max_steps("value_iteration", end.status, steps, end.found.bound, tol)
    return hard_solution(
        arrays, end.found, end.w, end.q, status=end.status, steps=steps, residuals=end.residuals
    )


def first_value(start: ArrayLike | None, n_states: int) -> FloatArray:
    """A copy of the first value, checked.

    Parameters
    ----------
    start : array_like (S,) or None
        None is zero.
    n_states : int
        The length.

    Returns
    -------
    ndarray (S,)

    Raises
    ------
    ValueError
        If it has another shape or is not real and finite.
    """
    if start is None:
        return np.zeros(n_states)
    values = _check.shaped("start", start, (n_states,), "(S,)")
    if not np.isfinite(values).all() or np.iscomplexobj(values):
        raise ValueError("start must be real and finite")
    return np.array(values, dtype=float)
