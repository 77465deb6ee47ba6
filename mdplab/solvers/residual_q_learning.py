r"""Residual Q-learning, exact: customise a soft-optimal prior policy without knowing its reward.

.. math::
    Q(s,a)=r_R(s,a)+\gamma\sum_tP(t|s,a)\;\tau\log\sum_b\exp\frac{Q(t,b)+\omega'\log\pi(b|t)}{\tau}.

The backup knows the kernel, the add-on reward and the prior, nothing else.  If the prior is soft-optimal for
:math:`(r,\alpha)` and :math:`\omega'=\omega\alpha`, then :math:`Q=\hat Q^*-\omega Q^*` and the policy proportional to
:math:`\exp((Q+\omega'\log\pi)/\tau)` is soft-optimal for :math:`\omega r+r_R` at temperature :math:`\tau` (Li et al.
2023).  The iteration has kernels of its own (one-pass sums) and shares none with the soft solvers, which are the other
route to that statement.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab._kernels import backups
from mdplab._typing import FloatArray
from mdplab.interrupts import interruptible
from mdplab.models.tabular import MDP
from mdplab.operators import _check
from mdplab.operators.tilt import log_sum_exp
from mdplab.solvers.certificate import lookahead_rounding, soft_rounding
from mdplab.solvers.control import ControlSolution, soft_solution
from mdplab.solvers.discounted import Callback, check_controls, discounted_arrays, log_bonus, warn_max_steps
from mdplab.solvers.span_iteration import iterate_span

__all__ = ["residual_q_learning"]


@interruptible
def residual_q_learning(
    mdp: MDP,
    residual_reward: ArrayLike,
    log_prior: ArrayLike,
    *,
    prior_weight: float,
    temperature: float,
    tol: float = 1e-8,
    max_steps: int = 100_000,
    callback: Callback | None = None,
    initial_q: ArrayLike | None = None,
    keep_iterates: bool = False,
) -> ControlSolution:
    """Fixed point of the residual backup, and the customised policy.

    Parameters
    ----------
    mdp : MDP
        Kernel, discount and mask; its reward is not read.
    residual_reward : array_like (S, A)
        The add-on reward, finite on available pairs.
    log_prior : array_like (S, A)
        Log-probabilities of the prior policy, as logarithms (``(Q - V) / temperature`` of a soft solution, not the
        logarithm of a rounded probability); ``-inf`` excludes an action.
    prior_weight : float
        Non-negative; ``omega`` times the prior's temperature.  0 ignores the prior.
    temperature : float
        Positive; that of the full task.
    tol : float, default 1e-8
        Sup-norm error of the value asked for; 0 runs to the precision limit.
    max_steps : int, default 100000
        Most sweeps.
    callback : callable, optional
        ``callback(steps, lower, upper)`` after every sweep; a true answer ends the run with the bounds reached.
    initial_q : array_like (S, A), optional
        Where the iteration starts; default 0.
    keep_iterates : bool, default False
        Keep the action values of every sweep, the first being ``initial_q``.

    Returns
    -------
    ControlSolution
        ``q`` is the residual action value, ``value`` its weighted log-sum-exp (the difference of full and prior
        values), ``policy`` the customised policy.  ``iterates[k]`` is the k-th application of the backup.

    Raises
    ------
    ValueError
        If an argument is out of range or the prior leaves a state without action.

    References
    ----------
    .. [1] C. Li et al., "Residual Q-learning: offline and online policy customization without value", NeurIPS 2023.
    """
    check_controls(tol, max_steps, temperature)
    _check.non_negative("prior_weight", prior_weight)
    if residual_reward is None:
        raise ValueError("residual_reward is None, expected numbers of shape (S, A)")
    arrays = discounted_arrays(mdp, residual_reward, "residual_reward")
    bonus = log_bonus(arrays, log_prior, prior_weight, "log_prior")
    q = np.zeros(arrays.reward.shape)
    if initial_q is not None:
        first = _check.pairs("initial_q", initial_q, (mdp.n_states, mdp.n_actions), mdp.available)
        if np.iscomplexobj(first) or not np.isfinite(first).all():
            raise ValueError("initial_q must be real, and finite on available pairs")
        q[:] = first
    # The sweeps start from a value; that of the first action values, bonus (mask included) already added.
    start: FloatArray = log_sum_exp(q + bonus, temperature=temperature)
    iterates = [q.copy()] if keep_iterates else []
    run = backups.residual_sweeps_csr if arrays.is_sparse else backups.residual_sweeps_dense
    offset = 0.0

    def sweep(
        reward: FloatArray, target: float, w: FloatArray, q: FloatArray, backup: FloatArray, spans: FloatArray
    ) -> int:
        result = run(
            *arrays.unsigned, reward, bonus, arrays.discount, temperature, target, w, q, backup, spans
        )
        return int(result)

    def rounding(w: FloatArray, q: FloatArray, backup: FloatArray) -> float:
        return soft_rounding(lookahead_rounding(arrays, w, q), q, bonus, backup, temperature, streamed=True)

    def keep(q: FloatArray, centre: float) -> None:
        # The centres taken off so far are discounted once for each sweep since.
        nonlocal offset
        offset = arrays.discount * (offset + centre)
        iterates.append(q + offset)

    end = iterate_span(
        arrays,
        sweep,
        rounding,
        arrays.reward,
        start,
        tol=tol,
        max_steps=max_steps,
        callback=callback,
        observe=keep if keep_iterates else None,
    )
    steps = end.residuals.size
    warn_max_steps("residual_q_learning", end.status, steps, end.found.bound, tol)
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
        iterates=np.array(iterates) if keep_iterates else None,
        residual=True,
    )
