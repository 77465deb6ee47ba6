r"""Evaluation of stage policies in a finite horizon, certified.

.. math::
    V_h(s)=\sum_a\pi_h(a|s)\Big(Q_h(s,a)-\tau\log\frac{\pi_h(a|s)}{\rho_h(a|s)}\Big),\qquad
    Q_h=R_h+\gamma P_hV_{h+1},\qquad V_H=\text{terminal}

(the regulariser of the stage's own action is not in :math:`Q_h`).  One backward sweep; the certificate is a running
count of rounding (:mod:`mdplab.solvers.stages`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.models.finite_horizon import FiniteHorizonMDP
from mdplab.operators import _check
from mdplab.solution import Certificate, Layout, Solution, Status
from mdplab.solvers.discounted import UNIT, check_controls
from mdplab.solvers.stage_inputs import finite_horizon, stage_bonus, stage_cost, stage_mask
from mdplab.solvers.stages import STAGE_THEOREM, enclosing_width, evaluate_stages, stage_arrays

__all__ = ["StageEvaluation", "stage_evaluation"]


@dataclass(frozen=True, kw_only=True, eq=False)
class StageEvaluation(Solution):
    """Values of stage policies with proven error bounds; its table has a row a stage and state.

    Attributes
    ----------
    value : ndarray (H + 1, S)
        Values; the last row is the terminal reward.
    q : ndarray (H, S, A)
        Action values; ``-inf`` at unavailable pairs.
    lower, upper : ndarray (H + 1, S)
        ``lower <= V <= upper``, rounding included.
    value_errors : ndarray (H + 1,)
        Sup-norm error of ``value`` stage by stage; ``certificate.bound`` is the largest.
    q_error : float
        Sup-norm error of ``q`` over all stages and available pairs.
    policy : ndarray (H, S, A)
        What was evaluated.
    cost : ndarray (H, S, A)
        What was taken off the reward: ``temperature * log(policy / reference)``.
    temperature : float
        Its temperature.
    bonus : ndarray (H, S, A)
        Temperature times log-reference, ``-inf`` at unavailable pairs.
    """

    value: FloatArray
    q: FloatArray
    lower: FloatArray
    upper: FloatArray
    value_errors: FloatArray
    q_error: float
    policy: FloatArray
    cost: FloatArray
    temperature: float
    bonus: FloatArray

    def _layout(self) -> Layout:
        bounds = {"value": self.value[:-1], "lower": self.lower[:-1], "upper": self.upper[:-1]}
        return ("stage", "state"), {**bounds, "q": self.q, "policy": self.policy}


def stage_evaluation(
    mdp: FiniteHorizonMDP,
    policy: ArrayLike,
    *,
    temperature: float = 0.0,
    log_reference: ArrayLike | None = None,
    tol: float = 1e-8,
) -> StageEvaluation:
    """Evaluate stage policies, regularised or not.

    Parameters
    ----------
    mdp : FiniteHorizonMDP
        Kernel, reward and mask stationary or by stage.
    policy : array_like (H, S, A) or (S, A)
        Probabilities per stage, or one policy for all stages; rows sum to one (deviations enter the bound), zero at
        unavailable pairs.
    temperature : float, default 0
        Non-negative; the reward becomes ``R_h - temperature * log(policy_h / reference_h)``.
    log_reference : array_like (H, S, A) or (S, A), optional
        Log-weights of the reference; default is the counting measure.
    tol : float, default 1e-8
        Only decides the status.

    Returns
    -------
    StageEvaluation
        Status CONVERGED or PRECISION_LIMIT.

    Raises
    ------
    ValueError
        If the policy is none, or takes an unavailable action or one outside the reference at a positive temperature.

    References
    ----------
    .. [1] M. L. Puterman, *Markov Decision Processes*, 1994, section 4.2.
    """
    check_controls(tol, 1)
    _check.non_negative("temperature", temperature)
    finite_horizon(mdp)
    rows = _check.stage_policy(mdp, policy)
    if np.iscomplexobj(rows):
        raise ValueError("policy must be real")
    mask = stage_mask(mdp)
    bonus = stage_bonus(log_reference, temperature, mask, mdp.names)
    cost, cost_error = stage_cost(rows, temperature, bonus, mdp.names)
    found = evaluate_stages(stage_arrays(mdp, mask), rows, cost, cost_error, temperature)
    bound = float(found.errors.max())
    width = enclosing_width(found.value, found.errors)
    return StageEvaluation(
        status=Status.CONVERGED if bound <= tol else Status.PRECISION_LIMIT,
        certificate=Certificate("sup-norm error of value over all stages", bound, STAGE_THEOREM, bound),
        steps=mdp.horizon,
        value=found.value,
        q=found.q,
        lower=found.value - width,
        upper=found.value + width,
        value_errors=found.errors,
        q_error=float(found.q_errors.max() * (1 + 8 * UNIT)),
        policy=rows,
        cost=cost,
        temperature=temperature,
        bonus=bonus,
        names=mdp.names,
    )
