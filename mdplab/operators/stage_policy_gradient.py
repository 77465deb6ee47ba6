r"""Exact policy gradients and Hessians of finite horizons, in the softmax logits of all stages.

With the law :math:`d_h` of the state, :math:`m_h=\gamma^hd_h`, and the stage's (soft) advantage :math:`A_h`, the gradient
is :math:`m_h\pi_hA_h`.  Along a direction :math:`u` of the logits :math:`(H,S,A)`, with
:math:`\dot\pi_h=\pi_h(u_h-\bar u_h)`, a backward sweep gives :math:`\dot V_h=\sum_a(\dot\pi_hA_h+\pi_h\gamma P_h\dot V_{h+1})`,
a forward sweep :math:`\dot m_{h+1}=\gamma P_h^\top(\dot m_h\pi_h+m_h\dot\pi_h)`, and

.. math::
    (\nabla^2J\,u)_h=\dot m_h\pi_hA_h+m_h\dot\pi_hA_h
    +m_h\pi_h\big(\gamma P_h\dot V_{h+1}-\dot V_h-\tau(u_h-\bar u_h)\big).

For logits that all stages share, sum over the stages.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array
from mdplab.models.finite_horizon import FiniteHorizonMDP
from mdplab.operators import _check
from mdplab.operators.occupancy import stage_laws
from mdplab.operators.policy_hessian import _advantage, _directions, _log_ratio, _product

__all__ = ["stage_policy_gradient", "stage_policy_hessian", "stage_policy_hessian_product"]


def stage_policy_gradient(
    mdp: FiniteHorizonMDP,
    policy: ArrayLike,
    *,
    temperature: float = 0.0,
    log_policy: ArrayLike | None = None,
    log_reference: ArrayLike | None = None,
    initial: ArrayLike | None = None,
) -> Array:
    """Gradient of the (regularised) start value of a finite horizon in the logits of all stages.

    Parameters
    ----------
    mdp : FiniteHorizonMDP
        The model.
    policy : array_like (H, S, A) or (S, A)
        Probabilities per stage, or one policy for all; real or complex.
    temperature : float, default 0
        Non-negative.
    log_policy : array_like of the shape of ``policy``, optional
        Log-probabilities, if known better than by the logarithm of ``policy``.
    log_reference : array_like (H, S, A) or (S, A), optional
        Log-weights of the reference; default is the counting measure.
    initial : array_like (S,), optional
        Start law; default is the model's.

    Returns
    -------
    ndarray (H, S, A)
        Sum over the stages for logits that all stages share.

    Raises
    ------
    ValueError
        As :func:`policy_hessian_product`.
    """
    rows, weights, advantage = _stages(mdp, policy, temperature, log_policy, log_reference, initial)
    result: Array = weights[:-1, :, np.newaxis] * rows * advantage
    return result


def stage_policy_hessian_product(
    mdp: FiniteHorizonMDP,
    policy: ArrayLike,
    direction: ArrayLike,
    *,
    temperature: float = 0.0,
    log_policy: ArrayLike | None = None,
    log_reference: ArrayLike | None = None,
    initial: ArrayLike | None = None,
) -> Array:
    """Hessian of the (regularised) start value in the logits of all stages, times directions.

    Parameters
    ----------
    mdp : FiniteHorizonMDP
        The model.
    policy : array_like (H, S, A) or (S, A)
        Probabilities; one policy for all stages is repeated (the logits remain those of all stages).
    direction : array_like (H, S, A) or (H, S, A, k)
        Directions in the logits.
    temperature : float, default 0
        Non-negative.
    log_policy, log_reference : array_like (H, S, A) or (S, A), optional
        As for :func:`stage_policy_gradient`.
    initial : array_like (S,), optional
        Start law; default is the model's.

    Returns
    -------
    ndarray of the shape of ``direction``
        Rows sum to zero.

    Raises
    ------
    ValueError
        As :func:`policy_hessian_product`.
    """
    rows, weights, advantage = _stages(mdp, policy, temperature, log_policy, log_reference, initial)
    u = _directions(direction, rows.shape, "(H, S, A)")
    centred = u - (rows[..., np.newaxis] * u).sum(axis=2, keepdims=True)
    moved = rows[..., np.newaxis] * centred
    kind = np.result_type(moved, advantage)
    slope: Array = np.empty(moved.shape, dtype=kind)
    v_dot: Array = np.zeros((mdp.n_states, u.shape[-1]), dtype=kind)
    for h in range(mdp.horizon - 1, -1, -1):
        q_dot = mdp.discount * mdp.expectation(h, v_dot)
        v_dot = (moved[h] * advantage[h][..., np.newaxis] + rows[h][..., np.newaxis] * q_dot).sum(axis=1)
        slope[h] = q_dot - v_dot[:, np.newaxis, :] - temperature * centred[h]
    m_dot: Array = np.zeros((mdp.n_states, u.shape[-1]), dtype=kind)
    result: Array = np.empty(moved.shape, dtype=kind)
    for h in range(mdp.horizon):
        result[h] = _product(rows[h], advantage[h], weights[h], m_dot, moved[h], slope[h])
        flow = weights[h][:, np.newaxis, np.newaxis] * moved[h]
        flow = flow + m_dot[:, np.newaxis, :] * rows[h][..., np.newaxis]
        flat = mdp.stage_kernel(h).reshape(-1, mdp.n_states)
        m_dot = mdp.discount * (flat.T @ flow.reshape(flat.shape[0], -1))
    return result.reshape(np.shape(direction))


def stage_policy_hessian(
    mdp: FiniteHorizonMDP,
    policy: ArrayLike,
    *,
    temperature: float = 0.0,
    log_policy: ArrayLike | None = None,
    log_reference: ArrayLike | None = None,
    initial: ArrayLike | None = None,
) -> Array:
    """Hessian of the (regularised) start value in the logits of all stages.

    Parameters
    ----------
    mdp : FiniteHorizonMDP
        The model.
    policy : array_like (H, S, A) or (S, A)
        Probabilities.
    temperature : float, default 0
        Non-negative.
    log_policy, log_reference : array_like (H, S, A) or (S, A), optional
        As for :func:`stage_policy_gradient`.
    initial : array_like (S,), optional
        Start law; default is the model's.

    Returns
    -------
    ndarray (H*S*A, H*S*A)
        Symmetric; row and column ``(h * S + s) * A + a``.

    Raises
    ------
    ValueError
        As :func:`policy_hessian_product`.
    """
    shape = (mdp.horizon, mdp.n_states, mdp.n_actions)
    size = int(np.prod(shape))
    columns = stage_policy_hessian_product(
        mdp,
        policy,
        np.eye(size).reshape(*shape, size),
        temperature=temperature,
        log_policy=log_policy,
        log_reference=log_reference,
        initial=initial,
    ).reshape(size, size)
    result: Array = 0.5 * (columns + columns.T)
    return result


def _stages(
    mdp: FiniteHorizonMDP,
    policy: ArrayLike,
    temperature: float,
    log_policy: ArrayLike | None,
    log_reference: ArrayLike | None,
    initial: ArrayLike | None,
) -> tuple[Array, Array, Array]:
    """Stage policies, discounted state laws ``(H+1, S)`` and advantages ``(H, S, A)``."""
    laws = stage_laws(mdp, policy, initial=initial)
    rows = np.broadcast_to(_check.numeric("policy", policy), (mdp.horizon, mdp.n_states, mdp.n_actions))
    cost = _log_ratio(rows, temperature, log_policy, log_reference)
    advantage: Array = np.empty(rows.shape, dtype=np.result_type(rows, cost))
    v: Array = mdp.terminal
    for h in range(mdp.horizon - 1, -1, -1):
        entries = mdp.stage_reward(h) + mdp.discount * mdp.expectation(h, v) - cost[h]
        v = (rows[h] * entries).sum(axis=1)
        advantage[h] = _advantage(rows[h], entries, v)
    weights = laws * (mdp.discount ** np.arange(mdp.horizon + 1))[:, np.newaxis]
    return rows, weights, advantage
