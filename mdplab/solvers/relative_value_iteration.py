r"""Relative value iteration for the average reward.

With :math:`Th=\max_a(r_a+P_ah)`, iterate :math:`h\leftarrow h+(1-\kappa)(Th-h)` minus a constant.  The weight
:math:`\kappa` of the old value is Schweitzer's transformation: it makes every chain aperiodic and leaves gains as they
are.  For *any* ``h``

.. math:: \min_s(Th-h)(s)\le g^{\pi}(s)\le g^*(s)\le\max_s(Th-h)(s)

with the greedy policy :math:`\pi` of ``h`` (Odoni), whatever the model.  The bounds meet if the optimal gain is
constant, as in unichain and communicating models; if it is not they stay apart, and :func:`average_reward` is the way.

References
----------
.. [1] A. R. Odoni, "On finding the maximal gain for Markov decision processes", Operations Research 17, 1969.
.. [2] P. J. Schweitzer, "Iterative solution of the functional equations of undiscounted Markov renewal programming",
   JMAA 34, 1971.
.. [3] M. L. Puterman, *Markov Decision Processes*, 1994, section 8.5.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import sparse

from mdplab.interrupts import asked, interruptible
from mdplab.models.tabular import MDP
from mdplab.operators import _check
from mdplab.operators.components import end_components, recurrent_classes
from mdplab.solution import Certificate, Status
from mdplab.solvers.average_reward import gain_doubt
from mdplab.solvers.discounted import UNIT, Callback, check_controls, warn_max_steps
from mdplab.solvers.gain_bounds import AverageSolution, optimality_residuals, policy_of, table
from mdplab.solvers.undiscounted import pair_model

__all__ = ["relative_value_iteration"]

_THEOREM = "Odoni (1969): min(T h - h) <= gain of the greedy policy <= optimal gain <= max(T h - h)"


@interruptible
def relative_value_iteration(
    mdp: MDP,
    *,
    tol: float = 1e-8,
    max_steps: int = 100_000,
    aperiodicity: float = 0.1,
    callback: Callback | None = None,
) -> AverageSolution:
    """Maximise the average reward of a model with constant optimal gain by relative value iteration.

    Parameters
    ----------
    mdp : MDP
        Dense or CSR, masked or not; its discount plays no part.
    tol : float, default 1e-8
        Sup-norm error of the gain at which to stop.
    max_steps : int, default 100000
        Most sweeps.
    aperiodicity : float, default 0.1
        Weight of the old value, in [0, 1); positive for convergence with periodic chains.
    callback : callable, optional
        ``callback(steps, lower, upper)`` after every sweep; a true answer ends the run with the bounds reached.

    Returns
    -------
    AverageSolution
        ``gain`` is constant, ``bias`` a relative value; ``residuals`` are half the spans of ``T h - h``.  Status
        CONVERGED, PRECISION_LIMIT, MAX_STEPS (with a ConvergenceWarning; also where the optimal gain is not constant)
        or INTERRUPTED.

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    .. [1] M. L. Puterman, *Markov Decision Processes*, 1994, section 8.5.5.
    """
    check_controls(tol, max_steps)
    _check.non_negative("aperiodicity", aperiodicity)
    if not aperiodicity < 1.0:
        raise ValueError(f"aperiodicity must lie in [0, 1); got {aperiodicity}")
    pairs = pair_model(mdp)
    n = pairs.n_places
    h = np.zeros(n)
    residuals: list[float] = []
    best = math.inf
    stalled = 0
    status: Status | None = None
    while status is None:
        values = pairs.lookahead(h)
        backup, choice = pairs.best(values)
        change = backup - h
        error = float(pairs.rounding(h).max())
        low, high = float(change.min()), float(change.max())
        residuals.append(0.5 * (high - low))
        bound = (0.5 * (high - low) + error) * (1 + 16 * UNIT) + 4 * UNIT * max(abs(low), abs(high))
        lower, upper = np.full(n, low - error), np.full(n, high + error)
        # the span of the change never grows: it has stopped at the rounding if it does not fall for long
        stalled = 0 if residuals[-1] < 0.999 * best else stalled + 1
        best = min(best, residuals[-1])
        if bound <= tol:
            status = Status.CONVERGED
        elif residuals[-1] <= error and stalled > 100:
            status = Status.PRECISION_LIMIT
        elif len(residuals) >= max_steps:
            status = Status.MAX_STEPS
        if asked(callback, len(residuals), lower, upper) and status in (None, Status.MAX_STEPS):
            status = Status.INTERRUPTED
        if status is None:
            h = h + (1.0 - aperiodicity) * change
            h = h - (0.5 * h.min() + 0.5 * h.max())
    warn_max_steps("relative_value_iteration", status, len(residuals), bound, tol)
    gain = np.full(n, 0.5 * low + 0.5 * high)
    label, count = recurrent_classes(sparse.csr_array(pairs.matrix[choice]))
    shape = (n, mdp.n_actions)
    first, second = optimality_residuals(pairs, gain, h, gain_doubt(pairs, gain, h))
    return AverageSolution(
        status=status,
        certificate=Certificate("sup-norm error of gain", bound, _THEOREM, error),
        steps=len(residuals),
        residuals=np.array(residuals),
        gain=gain,
        bias=h,
        q=table(pairs, shape, values, -np.inf),
        policy=policy_of(pairs, shape, choice),
        lower=lower,
        upper=upper,
        suboptimality=float((upper - lower).max()) * (1 + 4 * UNIT),
        gain_residual=first,
        bias_residual=second,
        component=label,
        unichain=count == 1,
        constant=int(
            end_components(pairs.matrix, pairs.owner, np.ones(pairs.owner.size, dtype=bool))[0].max()
        )
        == 0,
        names=mdp.names,
    )
