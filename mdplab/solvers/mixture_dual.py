r"""Mixture matching: imitation without coverage by a finite dual (ReCOIL), and with goals (SMORe).

For a target law :math:`d_E` on pairs, which may vanish on many of them and need not be an occupancy, and an offline law
:math:`d_S>0` put :math:`m_\pi=\beta d^\pi+(1-\beta)d_S` and :math:`m_E=\beta d_E+(1-\beta)d_S`.  Then

.. math::
    \min_Q\ \beta(1-\gamma)\langle\mu_0\pi,Q\rangle+\langle m_E,f^*(-B_\pi Q)\rangle+(1-\beta)\langle d_S,B_\pi Q\rangle
    \;=\;-D_f(m_\pi\|m_E),

a finite number for :math:`d_S>0` whatever the supports of :math:`d^\pi` and :math:`d_E`: no density ratio and no discriminator is needed.

With goals the pair is :math:`(g,s,a)`, the goal is drawn once from :math:`p` and kept: one model on the states
:math:`(g,s)` (:func:`goal_conditioned`), with the policies of all goals as one policy on it.

References
----------
H. Sikchi, Q. Zheng, A. Zhang, S. Niekum (2023), Dual RL, arXiv 2302.08560 (ReCOIL).
H. Sikchi, R. Chitnis, A. Touati, A. Geramifard, A. Zhang, S. Niekum (2023), Score models for offline goal-conditioned
reinforcement learning, arXiv 2311.02013 (SMORe).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from mdplab.convex.program import check_limits
from mdplab.divergences import FDivergence
from mdplab.interrupts import interruptible
from mdplab.models import MDP
from mdplab.operators import _check
from mdplab.solvers.discounted import warn_max_steps
from mdplab.solvers.pair_dual import (
    FixedPolicyProgram,
    PairDualSolution,
    pair_law,
    smooth_row,
    solve_pair_dual,
)

__all__ = ["goal_conditioned", "mixture_dual"]


@interruptible
def mixture_dual(
    mdp: MDP,
    policy: ArrayLike,
    target: ArrayLike,
    offline: ArrayLike,
    *,
    share: float,
    divergence: str | FDivergence,
    conjugate: str = "corrected",
    tol: float = 1e-9,
    max_steps: int = 500,
) -> PairDualSolution:
    """Minimise the dual of mixture matching; the minimum is ``-D_f(m_policy || m_target)``.

    Parameters
    ----------
    mdp : MDP
        Discounted model with a start law; its reward does not enter.
    policy : array_like, shape (S, A)
        Probabilities.
    target : array_like, shape (S, A)
        Law on pairs to be matched, with any support.
    offline : array_like, shape (S, A)
        Law on pairs mixed into both sides; the pairs where it or the policy's occupancy is positive must be closed under
        the policy, as they are where it is positive everywhere or the policy reaches every state.
    share : float
        Share of policy and target in the mixtures, in (0, 1).
    divergence : {"kl", "chi-square"} or FDivergence
        Which divergence.
    conjugate : {"corrected", "plain"}
        Which conjugate; the minimum is the same.
    tol : float
        Accuracy of the objective, relative to ``max(1, |objective|)``.
    max_steps : int
        Largest number of Newton steps.

    Returns
    -------
    PairDualSolution
        ``mass`` is the mixture ``m_policy`` and ``residual`` is ``-B_pi Q``.  ``INFEASIBLE`` where the policy plays a pair
        without target and offline mass.

    Raises
    ------
    ValueError
        If an argument is out of its range.
    """
    row = smooth_row(divergence, conjugate)
    _check.number("share", share, 0.0, 1.0)
    if not 0.0 < share < 1.0:
        raise ValueError(f"share: {share!r}; expected a number strictly between 0 and 1")
    check_limits(tol=tol, max_steps=max_steps)
    played = np.asarray(_check.policy(mdp, policy), dtype=np.float64)
    wanted, mixed = pair_law("target", mdp, target), pair_law("offline", mdp, offline)
    reference = share * wanted + (1.0 - share) * mixed
    problem = FixedPolicyProgram(played, reference, row, 1.0, conjugate, float(share), mixed)
    found = solve_pair_dual(mdp, problem, tol=tol, max_steps=max_steps)
    warn_max_steps("mixture_dual", found.status, found.steps, found.certificate.bound, tol)
    return replace(found, names=mdp.names)


def goal_conditioned(mdp: MDP, goal_law: ArrayLike) -> MDP:
    """The model whose first state draws a goal, which is then kept: states ``(g, s)``, numbered ``g S + s``.

    Parameters
    ----------
    mdp : MDP
        Model with a start law.
    goal_law : array_like, shape (G,)
        Law of the goal.

    Returns
    -------
    MDP
        Dense, with ``G S`` states; a policy of it is the stack (G S, A) of the policies of all goals.

    Raises
    ------
    ValueError
        If the goals have no law or the model has no start law.
    """
    law = _check.numeric("goal_law", goal_law)
    if law.ndim != 1 or law.size == 0:
        raise ValueError(f"goal_law must have shape (G,); got {law.shape}")
    _check.laws("goal_law", law)
    goals, start, dense = law.size, mdp.start_law(), mdp.to_dense()
    n_states, n_actions = mdp.n_states, mdp.n_actions
    kernel = np.zeros((goals, n_states, n_actions, goals, n_states))
    for g in range(goals):
        kernel[g, :, :, g] = dense.transition
    return MDP(
        kernel.reshape(goals * n_states, n_actions, goals * n_states),
        np.tile(mdp.reward, (goals, 1)),
        mdp.discount,
        np.multiply.outer(law, start).ravel(),
        available=None if mdp.available is None else np.tile(mdp.available, (goals, 1)),
        action_names=mdp.names.action,
    )
