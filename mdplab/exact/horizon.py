r"""Finite horizons in exact numbers: backward induction, evaluation and state laws, stage by stage.

.. math::
    Q_h=R_h+\gamma P_hV_{h+1},\qquad V_h(s)=\max_aQ_h(s,a)\quad\text{or}\quad
    V_h(s)=\tau\log\sum_a\rho_h(a|s)\,e^{Q_h(s,a)/\tau},\qquad V_H=\text{terminal}.

Nothing is iterated to convergence: hard control and the evaluation of rational policies are exact, and a soft recursion in
balls encloses because each of its operations does.  The residual recursion of a prior is the soft one of the model with the
add-on reward, terminal reward and ``log_reference = prior_weight / temperature * log_prior``.

References
----------
.. [1] M. L. Puterman, *Markov Decision Processes*, 1994, chapter 4.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._typing import Array
from mdplab.exact.discounted import Control, Evaluation
from mdplab.exact.linear import multiply
from mdplab.exact.models import (
    ExactHorizon,
    HorizonModel,
    admitted_policy,
    none_where,
    require_rational,
    start_law,
)
from mdplab.exact.soft import SoftControl
from mdplab.exact.tilt import is_regularised, log_sum_exp, log_tilt, log_weights, regulariser

__all__ = ["backward_induction", "soft_backward_induction", "stage_evaluation", "stage_laws"]


def backward_induction(mdp: HorizonModel) -> Control:
    """Optimal values of all stages, and the sets of optimal actions.

    Parameters
    ----------
    mdp : FiniteHorizonMDP or ExactHorizon
        The model, rewards rational.

    Returns
    -------
    Control
        ``value (H + 1, S)``, ``q`` and ``optimal (H, S, A)``.

    Raises
    ------
    ValueError
        If the model holds balls.
    """
    twin = ExactHorizon.of(mdp)
    require_rational("transition", twin.transition)
    require_rational("reward", twin.reward)
    require_rational("terminal", twin.terminal)
    value, q = np.empty((twin.horizon + 1, *twin.terminal.shape), dtype=object), np.empty_like(twin.reward)
    value[-1] = twin.terminal
    for h in reversed(range(twin.horizon)):
        q[h] = twin.lookahead(h, value[h + 1])
        value[h] = [row[admitted].max() for row, admitted in zip(q[h], twin.available[h], strict=True)]
    optimal = twin.available & (q == value[:-1, :, np.newaxis])
    return Control(value, none_where(~twin.available, q), optimal)


def soft_backward_induction(mdp: HorizonModel, *, temperature: Any, log_reference: Any = None) -> SoftControl:
    """Enclose the soft optimum of all stages.

    Parameters
    ----------
    mdp : FiniteHorizonMDP or ExactHorizon
        The model; rewards may be balls.
    temperature : number
        Positive.
    log_reference : array_like (S, A) or (H, S, A), optional
        Log-weights of the reference; ``-inf`` excludes an action; default is the counting measure.

    Returns
    -------
    SoftControl
        ``value (H + 1, S)``, ``q`` and ``log_policy (H, S, A)``.

    Raises
    ------
    ValueError
        If the temperature is not positive or a state is left without action.
    """
    twin = ExactHorizon.of(mdp)
    weights = log_weights(log_reference, twin.available.shape)
    value, q = np.empty((twin.horizon + 1, *twin.terminal.shape), dtype=object), np.empty_like(twin.reward)
    value[-1] = twin.terminal
    for h in reversed(range(twin.horizon)):
        q[h] = none_where(~twin.available[h], twin.lookahead(h, value[h + 1]))
        value[h] = log_sum_exp(q[h], temperature=temperature, log_reference=weights[h])
    return SoftControl(value, q, log_tilt(q, temperature=temperature, log_reference=weights))


def stage_evaluation(
    mdp: HorizonModel, policy: Any, *, temperature: Any = 0, log_reference: Any = None
) -> Evaluation:
    """Values of stage policies, regularised or not.

    Parameters
    ----------
    mdp : FiniteHorizonMDP or ExactHorizon
        The model.
    policy : array_like (S, A) or (H, S, A)
        Probabilities, read as by :func:`mdplab.exact.laws`, or balls.
    temperature : number, default 0
        Non-negative; the reward becomes ``R - temperature * log(policy / reference)``, and results are balls.
    log_reference : array_like (S, A) or (H, S, A), optional
        Log-weights of the reference; default is the counting measure.

    Returns
    -------
    Evaluation
        ``value (H + 1, S)`` and ``q (H, S, A)``: rationals if the temperature is 0 and the inputs are rational.

    Raises
    ------
    ValueError
        If the policy is no policy of the model or leaves the support of the reference.
    """
    twin = ExactHorizon.of(mdp)
    rows = admitted_policy(policy, twin.available)
    cost: Any = np.zeros(rows.shape[:2], dtype=int)
    if is_regularised(temperature):
        cost = regulariser(rows, temperature=temperature, log_reference=log_reference)
    value, q = np.empty((twin.horizon + 1, *twin.terminal.shape), dtype=object), np.empty_like(twin.reward)
    value[-1] = twin.terminal
    for h in reversed(range(twin.horizon)):
        q[h] = twin.lookahead(h, value[h + 1])
        value[h] = (rows[h] * q[h]).sum(axis=-1) - cost[h]
    return Evaluation(value, none_where(~twin.available, q))


def stage_laws(mdp: HorizonModel, policy: Any, *, initial: Any = None) -> Array:
    """Laws of the state at all stages.

    Parameters
    ----------
    mdp : FiniteHorizonMDP or ExactHorizon
        The model; its discount plays no part.
    policy : array_like (S, A) or (H, S, A)
        Probabilities, as for :func:`stage_evaluation`.
    initial : array_like (S,), optional
        Start law; default is the model's.

    Returns
    -------
    object array (H + 1, S)
        Each row sums to one; ``laws[:-1, :, None] * policy`` are the occupancies of the pairs.

    Raises
    ------
    ValueError
        If neither the call nor the model has a start law.
    """
    twin = ExactHorizon.of(mdp)
    rows = admitted_policy(policy, twin.available)
    law = np.empty((twin.horizon + 1, *twin.terminal.shape), dtype=object)
    law[0] = start_law(initial, twin.initial, twin.terminal.size)
    for h in range(twin.horizon):
        pairs = (law[h][:, np.newaxis] * rows[h]).reshape(-1)
        law[h + 1] = multiply(pairs[np.newaxis], twin.transition[h].reshape(pairs.size, -1))[0]
    return law
