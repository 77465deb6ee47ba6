r"""Exponential tilting of whole trajectories of a finite-horizon model: actions, start *and* transitions may be bent.

Weigh each trajectory of a reference policy :math:`\rho` by the exponential of its total reward,
:math:`q(s_0,a_0,\dots,s_H)\propto p_\rho(s_0,a_0,\dots,s_H)\,e^{(\sum_hR_h(s_h,a_h)+g(s_H))/\tau}`.  The law is Markov: with

.. math::
    V_H=g,\qquad Q_h(s,a)=R_h(s,a)+\tau\log\sum_{s'}P_h(s'|s,a)e^{V_{h+1}(s')/\tau},\qquad
    V_h(s)=\tau\log\sum_a\rho_h(a|s)e^{Q_h(s,a)/\tau}

it has the start :math:`\propto\nu e^{V_0/\tau}`, the policy :math:`\rho_he^{(Q_h-V_h)/\tau}` and the dynamics
:math:`\propto P_h(s'|s,a)e^{V_{h+1}(s')/\tau}`.  Among *all* laws of trajectories it maximises
:math:`E_q[\text{total reward}]-\tau\,\mathrm{KL}(q\|p_\rho)`, and the maximum is :math:`\tau\log\sum_s\nu(s)e^{V_0(s)/\tau}`.
A controller that cannot choose the next state gains less, unless the dynamics are deterministic: it solves
:func:`~mdplab.solvers.backward_induction` with the same temperature and reference, an expectation of :math:`V_{h+1}` in the
place of its log-expectation.

References
----------
.. [1] S. Levine, "Reinforcement learning and control as probabilistic inference", arXiv 1805.00909, 2018, section 2.4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array, FloatArray
from mdplab.models.finite_horizon import FiniteHorizonMDP
from mdplab.operators import _check
from mdplab.operators.chain import _log
from mdplab.operators.tilt import log_sum_exp, log_tilt

__all__ = ["TiltedTrajectories", "segment_log_weights", "tilted_trajectories"]


@dataclass(frozen=True, eq=False)
class TiltedTrajectories:
    """A tilted law of trajectories, as a Markov law.

    Attributes
    ----------
    value : ndarray (H+1, S)
        ``V_h``, in units of the reward; the last row is the terminal reward.
    log_initial : ndarray (S,)
        Log-probabilities of the start.
    log_policy : ndarray (H, S, A)
        Log-probabilities of the actions, ``-inf`` where the reference has none.
    log_transition : ndarray (H, S, A, S)
        Log-probabilities of the next states; ``-inf`` throughout at unavailable pairs.
    optimum : float
        The maximum of the expected total reward less the temperature times the divergence.
    """

    value: FloatArray
    log_initial: FloatArray
    log_policy: FloatArray
    log_transition: FloatArray
    optimum: float


def _log_reference(mdp: FiniteHorizonMDP, reference: ArrayLike, temperature: float) -> Array:
    """Log-probabilities (H, S, A) of a reference policy, all arguments checked."""
    _check.model(mdp, FiniteHorizonMDP)
    _check.non_negative("temperature", temperature, positive=True)
    if mdp.discount != 1:
        raise ValueError(f"mdp.discount is {mdp.discount}: trajectories are weighed by undiscounted rewards")
    return _log(_check.stage_policy(mdp, reference, "reference"))


def tilted_trajectories(
    mdp: FiniteHorizonMDP, reference: ArrayLike, *, temperature: float = 1.0
) -> TiltedTrajectories:
    """Tilt the law of the trajectories of a policy by the exponential of their total rewards.

    Parameters
    ----------
    mdp : FiniteHorizonMDP
        Undiscounted, with a start law.
    reference : array_like (H, S, A) or (S, A)
        Probabilities of the reference policy per stage, or for all stages; zeros are kept.
    temperature : float, default 1
        Positive; the weight of a trajectory is ``exp(total reward / temperature)``.

    Returns
    -------
    TiltedTrajectories

    Raises
    ------
    ValueError
        If the model is discounted or has no start law, the temperature is not positive, or the reference is no policy of
        the model.

    Examples
    --------
    >>> from mdplab.models import FiniteHorizonMDP
    >>> model = FiniteHorizonMDP([[[0.5, 0.5]], [[0.0, 1.0]]], [[0.0], [1.0]], 2, initial=[1.0, 0.0])
    >>> tilted = tilted_trajectories(model, [[1.0], [1.0]])
    >>> np.exp(tilted.log_transition[0, 0, 0]).round(6).tolist()
    [0.268941, 0.731059]
    """
    rows = _log_reference(mdp, reference, temperature)
    start = _log(_check.start_law(mdp, None))
    value = np.empty((mdp.horizon + 1, mdp.n_states))
    log_policy = np.empty((mdp.horizon, mdp.n_states, mdp.n_actions))
    log_transition = np.full((*log_policy.shape, mdp.n_states), -np.inf)
    value[-1] = mdp.terminal
    for h in range(mdp.horizon - 1, -1, -1):
        kernel = _log(mdp.stage_kernel(h))
        possible = (kernel > -np.inf).any(axis=-1)  # not the zero rows of unavailable pairs
        logs = kernel[possible]
        ahead = np.full(possible.shape, -np.inf)
        ahead[possible] = log_sum_exp(value[h + 1], temperature=temperature, log_reference=logs)
        log_transition[h, possible] = log_tilt(value[h + 1], temperature=temperature, log_reference=logs)
        q = mdp.stage_reward(h) + ahead
        value[h] = log_sum_exp(q, temperature=temperature, log_reference=rows[h])
        log_policy[h] = log_tilt(q, temperature=temperature, log_reference=rows[h])
    optimum = log_sum_exp(value[0], temperature=temperature, log_reference=start)
    log_initial = log_tilt(value[0], temperature=temperature, log_reference=start)
    return TiltedTrajectories(value, log_initial, log_policy, log_transition, float(optimum))


def segment_log_weights(
    mdp: FiniteHorizonMDP,
    reference: ArrayLike,
    *,
    temperature: float = 1.0,
    first: int = 0,
    last: int | None = None,
) -> FloatArray:
    """Logarithm of the total weight of all pieces of trajectories between two states, by products of matrices in logs.

    Parameters
    ----------
    mdp : FiniteHorizonMDP
        Undiscounted; its start law and terminal reward play no part.
    reference : array_like (H, S, A) or (S, A)
        Probabilities of the reference policy per stage, or for all stages.
    temperature : float, default 1
        Positive; the weight of a piece is its probability under the reference times ``exp(rewards / temperature)``.
    first, last : int
        Stages at which the pieces start and end, ``0 <= first <= last <= H``; ``last`` is H by default.

    Returns
    -------
    ndarray (S, S)
        ``table[s, t]`` of the pieces from s at stage ``first`` to t at stage ``last``; ``-inf`` where there is none.
        Sums over intermediate states join pieces.

    Raises
    ------
    ValueError
        If the model is discounted, the temperature is not positive, the reference is no policy of the model or the stages
        are out of range.

    Examples
    --------
    >>> from mdplab.models import FiniteHorizonMDP
    >>> model = FiniteHorizonMDP([[[0.5, 0.5]], [[0.0, 1.0]]], [[0.0], [1.0]], 2)
    >>> np.exp(segment_log_weights(model, [[1.0], [1.0]])[0]).round(6).tolist()
    [0.25, 1.609141]
    """
    rows = _log_reference(mdp, reference, temperature)
    stop = mdp.horizon if last is None else last
    _check.count("first", first, 0)
    _check.count("last", stop, 0)
    if not 0 <= first <= stop <= mdp.horizon:
        raise ValueError(f"first, last are {first}, {stop}; expected 0 <= first <= last <= {mdp.horizon}")
    table: FloatArray = _log(np.eye(mdp.n_states))
    for h in range(first, stop):
        weights = rows[h] + mdp.stage_reward(h) / temperature
        step = np.logaddexp.reduce(weights[..., np.newaxis] + _log(mdp.stage_kernel(h)), axis=1)
        table = np.array([np.logaddexp.reduce(row[:, np.newaxis] + step, axis=0) for row in table])
    return table
