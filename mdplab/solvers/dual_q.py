r"""Dual-Q: the regularised value of one policy as an unconstrained convex minimum in the values of pairs.

.. math::
    \min_Q\ (1-\gamma)\langle\mu_0\pi,Q\rangle+\alpha\langle d_O,f^*\big((R-B_\pi Q)/\alpha\big)\rangle
    \;=\;J(\pi)-\alpha D_f(d^\pi\|d_O),\qquad (B_\pi Q)(s,a)=Q(s,a)-\gamma\,\mathbb E\,Q(s',\pi).

The occupancy of a fixed policy is the only feasible point, non-negative by itself: the plain and the corrected conjugate
give the same minimum.  It is attained at the value of the policy under a penalised reward,
:math:`Q^*=B_\pi^{-1}\big(R-\alpha f'(d^\pi/d_O)\big)` (:func:`penalised_reward`).  Data off the policy's support cost
:math:`\alpha d_O f(0)`; for KL the values there tend to infinity.

References
----------
H. Sikchi, Q. Zheng, A. Zhang, S. Niekum (2023), Dual RL, arXiv 2302.08560.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.convex.program import check_limits
from mdplab.divergences import FDivergence
from mdplab.interrupts import interruptible
from mdplab.models import MDP
from mdplab.operators import _check
from mdplab.operators.occupancy import occupancy
from mdplab.solvers.discounted import warn_max_steps
from mdplab.solvers.pair_dual import (
    FixedPolicyProgram,
    PairDualSolution,
    pair_law,
    smooth_row,
    solve_pair_dual,
)

__all__ = ["dual_q", "penalised_reward"]


@interruptible
def dual_q(
    mdp: MDP,
    policy: ArrayLike,
    data_occupancy: ArrayLike,
    *,
    divergence: str | FDivergence,
    strength: float,
    conjugate: str = "corrected",
    tol: float = 1e-9,
    max_steps: int = 500,
) -> PairDualSolution:
    """Minimise the dual-Q objective of a policy; the minimum is ``J(policy) - strength D_f(d^policy || d_O)``.

    Parameters
    ----------
    mdp : MDP
        Discounted model with a start law.
    policy : array_like, shape (S, A)
        Probabilities.
    data_occupancy : array_like, shape (S, A)
        ``d_O``, a law on pairs; it need not be an occupancy.
    divergence : {"kl", "chi-square"} or FDivergence
        Which divergence.
    strength : float
        Weight of the divergence, > 0.
    conjugate : {"corrected", "plain"}
        Which conjugate; the minimum is the same.
    tol : float
        Accuracy of the objective, relative to ``max(1, |objective|)``.
    max_steps : int
        Largest number of Newton steps.

    Returns
    -------
    PairDualSolution
        ``residuals`` are the gradient norms.  ``INFEASIBLE`` with objective ``-inf`` where the policy plays a pair
        without data; ``NOT_ATTAINED`` (KL) or ``NOT_UNIQUE`` (corrected chi-square) where it leaves pairs unplayed.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    References
    ----------
    H. Sikchi, Q. Zheng, A. Zhang, S. Niekum (2023), Dual RL, arXiv 2302.08560.
    """
    row = smooth_row(divergence, conjugate)
    _check.non_negative("strength", strength, positive=True)
    check_limits(tol=tol, max_steps=max_steps)
    played = np.asarray(_check.policy(mdp, policy), dtype=np.float64)
    data = pair_law("data_occupancy", mdp, data_occupancy)
    problem = FixedPolicyProgram(played, data, row, float(strength), conjugate)
    found = solve_pair_dual(mdp, problem, tol=tol, max_steps=max_steps)
    warn_max_steps("dual_q", found.status, found.steps, found.certificate.bound, tol)
    return replace(found, names=mdp.names)


def penalised_reward(
    mdp: MDP, policy: ArrayLike, data_occupancy: ArrayLike, *, divergence: str | FDivergence, strength: float
) -> FloatArray:
    """``R - strength f'(d^policy / d_O)``, whose value under the policy is the minimiser of dual-Q.

    Parameters
    ----------
    mdp : MDP
        Discounted model with a start law.
    policy : array_like, shape (S, A)
        Probabilities.
    data_occupancy : array_like, shape (S, A)
        ``d_O``, a law on pairs, positive on every admitted pair.
    divergence : {"kl", "chi-square"} or FDivergence
        Which divergence.
    strength : float
        Weight of the divergence, > 0.

    Returns
    -------
    ndarray, shape (S, A)
        ``inf`` for KL where the policy has no mass; 0 at unavailable pairs.

    Raises
    ------
    ValueError
        If an argument is out of its range or an admitted pair has no data.
    """
    row = smooth_row(divergence, "corrected")
    _check.non_negative("strength", strength, positive=True)
    data = pair_law("data_occupancy", mdp, data_occupancy)
    admitted = np.ones(data.shape, dtype=bool) if mdp.available is None else mdp.available
    if not (data[admitted] > 0.0).all():
        raise ValueError("data_occupancy: expected positive mass on every admitted pair")
    ratio = np.divide(occupancy(mdp, policy), data, out=np.ones(data.shape), where=admitted)
    return np.where(admitted, mdp.reward - strength * row.derivative(ratio), 0.0)
