r"""Soft (entropy- or KL-regularised) Bellman operators.

With temperature :math:`\tau` and reference policy :math:`\rho` (the counting measure gives plain entropy),

.. math::
    V(s) = \tau\log\sum_a \rho(a|s)\, e^{Q(s,a)/\tau}, \qquad
    \pi(a|s) = \rho(a|s)\, e^{(Q(s,a)-V(s))/\tau}, \qquad
    (\mathcal T Q)(s,a) = R(s,a) + \gamma\sum_t P(t|s,a)\, V(t).

:math:`\mathcal T` is monotone, shifts by :math:`\gamma c` and contracts the sup norm by :math:`\gamma`; its
derivative is :math:`\gamma P^\pi` (:func:`mdplab.operators.pair_kernel`).  The regulariser of the first action is
never part of :math:`Q`; :math:`V` carries it.  A uniform reference instead of the counting measure lowers
:math:`V(s)` by :math:`\tau\log A` at each step and leaves the policy as it is.

Unavailable actions count as ``-inf``.  Value and policy take any leading axes, so stages ``(H, S, A)`` work.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array
from mdplab.models.tabular import MDP
from mdplab.operators import _check
from mdplab.operators.tilt import _kl_from_log, log_sum_exp, log_tilt

__all__ = [
    "regulariser",
    "soft_advantage",
    "soft_backup",
    "soft_policy_backup",
    "soft_policy_log",
    "soft_value",
]


def soft_value(
    q: ArrayLike,
    *,
    temperature: ArrayLike,
    log_reference: ArrayLike | None = None,
    available: ArrayLike | None = None,
) -> Array:
    """State values ``temperature * log sum_a reference exp(q / temperature)``.

    Parameters
    ----------
    q : array_like (..., S, A)
        Action values, real or complex.
    temperature : float
        Positive.
    log_reference : array_like (S, A) or (..., S, A), optional
        Log-probabilities of the reference policy; default is the counting measure.
    available : array_like of bool (S, A), optional
        Admitted actions.

    Returns
    -------
    ndarray (..., S)
        Soft values.

    References
    ----------
    .. [1] B. D. Ziebart, *Modeling purposeful adaptive behavior with the principle of maximum causal entropy*,
       2010.
    .. [2] T. Haarnoja et al., "Reinforcement learning with deep energy-based policies", ICML 2017.
    """
    return log_sum_exp(_check.masked("q", q, available), temperature=temperature, log_reference=log_reference)


def soft_policy_log(
    q: ArrayLike,
    *,
    temperature: ArrayLike,
    log_reference: ArrayLike | None = None,
    available: ArrayLike | None = None,
) -> Array:
    """Log-probabilities of the soft policy, ``log reference + (q - v) / temperature``.

    Parameters
    ----------
    q : array_like (..., S, A)
        Action values, real or complex.
    temperature : float
        Positive.
    log_reference : array_like (S, A) or (..., S, A), optional
        Log-probabilities of the reference policy; default is the counting measure.
    available : array_like of bool (S, A), optional
        Admitted actions.

    Returns
    -------
    ndarray (..., S, A)
        ``-inf`` at actions that are unavailable or outside the reference.
    """
    return log_tilt(_check.masked("q", q, available), temperature=temperature, log_reference=log_reference)


def soft_backup(
    mdp: MDP, q: ArrayLike, *, temperature: float, log_reference: ArrayLike | None = None
) -> Array:
    """Soft optimality backup ``R + discount * P soft_value(q)``.

    Parameters
    ----------
    mdp : MDP
        The model; its mask is respected.
    q : array_like (S, A)
        Action values, real or complex.
    temperature : float
        Positive.
    log_reference : array_like (S, A), optional
        Log-probabilities of the reference policy; default is the counting measure.

    Returns
    -------
    ndarray (S, A)
        A contraction of modulus ``discount`` in the sup norm over available pairs.

    Raises
    ------
    ValueError
        If shapes do not match, the temperature is not positive or a state has no admitted action.

    References
    ----------
    .. [1] R. Fox, A. Pakman and N. Tishby, "Taming the noise in reinforcement learning via soft updates", UAI 2016.
    """
    shape = (mdp.n_states, mdp.n_actions)
    values = _check.pairs("q", q, shape, mdp.available)
    reference = (
        None
        if log_reference is None
        else _check.pairs("log_reference", log_reference, shape, mdp.available, -np.inf)
    )
    v = soft_value(values, temperature=temperature, log_reference=reference, available=mdp.available)
    result: Array = mdp.reward + mdp.discount * mdp.expectation(v)
    return result


def regulariser(
    log_policy: ArrayLike, *, temperature: ArrayLike = 1.0, log_reference: ArrayLike | None = None
) -> Array:
    """Cost of a policy's randomness, ``temperature * sum_a policy (log policy - log reference)``, per state.

    Parameters
    ----------
    log_policy : array_like (..., A)
        Log-probabilities, real or complex, ``-inf`` for probability zero.
    temperature : float, default 1
        Non-negative.
    log_reference : array_like (..., A), optional
        Log-probabilities of the reference; default is the counting measure (then this is minus the entropy).

    Returns
    -------
    ndarray (...)
        ``temperature * kl(policy, reference)``, to be subtracted from the reward; ``inf`` where the policy takes an
        action outside the reference.
    """
    logs = _check.numeric("log_policy", log_policy)
    reference = (
        np.zeros(logs.shape[-1:]) if log_reference is None else _check.numeric("log_reference", log_reference)
    )
    tau = _check.numeric("temperature", temperature)
    if not (np.isfinite(tau.real).all() and (tau.real >= 0).all()):
        raise ValueError(f"temperature must be non-negative and finite; got {temperature!r}")
    logs, reference = np.broadcast_arrays(logs, reference)
    cost = _kl_from_log(np.exp(logs), reference, log_p=logs)
    return np.where(tau == 0, 0.0, tau * np.where(tau == 0, 0.0, cost))[()]


def soft_policy_backup(
    mdp: MDP,
    log_policy: ArrayLike,
    v: ArrayLike,
    *,
    temperature: float,
    log_reference: ArrayLike | None = None,
) -> Array:
    """Soft evaluation backup of a policy.

    Parameters
    ----------
    mdp : MDP
        The model.
    log_policy : array_like (S, A)
        Log-probabilities of the policy, real or complex.
    v : array_like (S,)
        State values, real or complex.
    temperature : float
        Non-negative; 0 is the plain evaluation backup.
    log_reference : array_like (S, A), optional
        Log-probabilities of the reference policy; default is the counting measure.

    Returns
    -------
    ndarray (S,)
        ``sum_a pi (R + discount * P v) - temperature * sum_a pi (log pi - log reference)``.
    """
    shape = (mdp.n_states, mdp.n_actions)
    logs = _check.shaped("log_policy", log_policy, shape, "(S, A)")
    policy = _check.policy(mdp, np.exp(logs), "exp(log_policy)")
    values = _check.shaped("v", v, shape[:1], "(S,)")
    q = mdp.reward + mdp.discount * mdp.expectation(values)
    result: Array = (policy * q).sum(axis=1) - regulariser(
        logs, temperature=temperature, log_reference=log_reference
    )
    return result


def soft_advantage(
    q: ArrayLike,
    v: ArrayLike,
    log_policy: ArrayLike,
    *,
    temperature: float,
    log_reference: ArrayLike | None = None,
) -> Array:
    """Soft advantage ``Q - temperature * (log policy - log reference) - V``.

    Its mean under the policy is zero when ``v`` is the policy's soft value (``Q - V`` alone has not this property).

    Parameters
    ----------
    q : array_like (..., S, A)
        Action values without the regulariser of the first action.
    v : array_like (..., S)
        Soft state values.
    log_policy : array_like (..., S, A)
        Log-probabilities of the policy.
    temperature : float
        Non-negative.
    log_reference : array_like (..., S, A), optional
        Log-probabilities of the reference policy; default is the counting measure.

    Returns
    -------
    ndarray (..., S, A)
        Zero by convention where the policy is zero, as it only ever appears multiplied by the probability.
    """
    values = _check.masked("q", q, None)
    logs = _check.shaped("log_policy", log_policy, values.shape, "(..., S, A)")
    level = _check.shaped("v", v, values.shape[:-1], "(..., S)")[..., np.newaxis]
    reference = _check.numeric("log_reference", 0.0 if log_reference is None else log_reference)
    taken = logs.real != -np.inf
    reference = np.where(taken, reference, 0.0)
    if (reference.real == -np.inf).any():
        raise ValueError(
            "log_reference is -inf at an action that log_policy takes: the soft advantage is infinite"
        )
    ratio = np.where(taken, logs, 0.0) - reference
    return np.where(taken, np.where(taken, values, 0.0) - temperature * ratio - level, 0.0)
