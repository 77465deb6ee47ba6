r"""Soft value iteration: the plain fixed-point iteration of the soft optimality equation.

.. math::
    (Tv)(s)=\tau\log\sum_a\rho(a|s)\exp\Big(\frac{R(s,a)+\gamma\sum_tP(t|s,a)\,v(t)}{\tau}\Big),

with the counting measure in the place of the reference :math:`\rho` by default.  :math:`T` is monotone and moves by
:math:`\gamma c` when :math:`c` is added to :math:`v`, so the bounds of value iteration hold.  This is one of two routes
to the soft optimum; the other, :func:`mdplab.solvers.soft_policy_iteration`, solves linear systems.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab._kernels import backups
from mdplab._typing import FloatArray
from mdplab.interrupts import interruptible
from mdplab.models.tabular import MDP
from mdplab.solvers.certificate import lookahead_rounding, soft_rounding
from mdplab.solvers.control import ControlSolution, soft_solution
from mdplab.solvers.discounted import Callback, check_controls, discounted_arrays, log_bonus, warn_max_steps
from mdplab.solvers.span_iteration import iterate_span

__all__ = ["soft_value_iteration"]


@interruptible
def soft_value_iteration(
    mdp: MDP,
    *,
    temperature: float,
    log_reference: ArrayLike | None = None,
    tol: float = 1e-8,
    max_steps: int = 100_000,
    callback: Callback | None = None,
) -> ControlSolution:
    """Solve the soft optimality equation by fixed-point iteration.

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
        Sup-norm error of the value asked for; 0 runs to the precision limit.
    max_steps : int, default 100000
        Most sweeps.
    callback : callable, optional
        ``callback(steps, lower, upper)`` after every sweep; a true answer ends the run with the bounds reached.

    Returns
    -------
    ControlSolution
        ``residuals`` are half the spans of ``Tw - w``; statuses as in :func:`mdplab.solvers.value_iteration`.

    Raises
    ------
    ValueError
        If an argument is out of range or the reference leaves a state without action.

    References
    ----------
    .. [1] T. Haarnoja et al., "Reinforcement learning with deep energy-based policies", ICML 2017.
    """
    check_controls(tol, max_steps, temperature)
    arrays = discounted_arrays(mdp)
    bonus = log_bonus(arrays, log_reference, temperature)
    run = backups.soft_sweeps_csr if arrays.is_sparse else backups.soft_sweeps_dense

    def sweep(
        reward: FloatArray, target: float, w: FloatArray, q: FloatArray, backup: FloatArray, spans: FloatArray
    ) -> int:
        result = run(
            *arrays.unsigned, reward, bonus, arrays.discount, temperature, target, w, q, backup, spans
        )
        return int(result)

    def rounding(w: FloatArray, q: FloatArray, backup: FloatArray) -> float:
        return soft_rounding(lookahead_rounding(arrays, w, q), q, bonus, backup, temperature)

    start = np.zeros(arrays.n_states)
    end = iterate_span(
        arrays, sweep, rounding, arrays.reward, start, tol=tol, max_steps=max_steps, callback=callback
    )
    steps = end.residuals.size
    warn_max_steps("soft_value_iteration", end.status, steps, end.found.bound, tol)
    return soft_solution(
        arrays,
        end.found,
        end.w,
        end.q,
        bonus,
        temperature,
        status=end.status,
        steps=steps,
        residuals=end.residuals,
    )
