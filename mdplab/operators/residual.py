r"""Residual soft backup: customising a policy without knowing the reward that made it.

A prior policy :math:`\pi` is max-ent optimal for an unknown reward :math:`r` at temperature :math:`\alpha`.  The task
is :math:`\omega r + r_R` at temperature :math:`\hat\alpha`.  With ``prior_weight`` :math:`\omega' = \omega\alpha`, the
operator

.. math::
    (\mathcal T_R Q)(s,a) = r_R(s,a) + \gamma\sum_t P(t|s,a)\,
        \hat\alpha\log\sum_b \exp\frac{Q(t,b)+\omega'\log\pi(b|t)}{\hat\alpha}

contracts the sup norm by :math:`\gamma`; its fixed point is :math:`\hat Q^*-\omega Q^*`, and the optimal policy of
the full task is proportional to :math:`\exp((Q+\omega'\log\pi)/\hat\alpha)`.  The model's own reward is never read.

Pass the prior as log-softmax :math:`(Q^*-V^*)/\alpha`, not as the logarithm of rounded probabilities.  A weight of
zero drops the prior, its zeros included.

References
----------
.. [1] C. Li, C. Tang, H. Nishimura, J. Mercat, M. Tomizuka and W. Zhan, "Residual Q-learning: offline and online
   policy customization without value", NeurIPS 2023, arXiv 2306.09526.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array
from mdplab.models._validate import first
from mdplab.models.tabular import MDP
from mdplab.operators import _check
from mdplab.operators.tilt import log_sum_exp, log_tilt

__all__ = ["residual_backup", "residual_policy_log", "residual_value"]


def _total(q: ArrayLike, log_prior: ArrayLike, prior_weight: complex, available: ArrayLike | None) -> Array:
    """``q + prior_weight * log_prior`` with ``-inf`` where an action is unavailable or the prior forbids it."""
    values = _check.masked("q", q, available)
    if not np.isfinite(prior_weight):
        raise ValueError(f"prior_weight must be finite; got {prior_weight}")
    prior = _check.numeric("log_prior", log_prior)
    if prior.ndim < 2 or prior.shape != values.shape[-prior.ndim :]:
        raise ValueError(
            f"log_prior must have the shape {values.shape} of q or its last axes; got {prior.shape}"
        )
    if (prior.real > 1e-9).any() or np.isnan(prior).any():
        where = first(~(prior.real <= 1e-9))
        raise ValueError(f"log_prior is {prior[where]} at {where}; log-probabilities must be at most 0")
    if prior_weight == 0:
        return values
    forbidden = prior.real == -np.inf
    if np.real(prior_weight) < 0 and (forbidden & (values.real != -np.inf)).any():
        where = first(forbidden & (values.real != -np.inf))
        raise ValueError(f"log_prior is -inf at {where}; a negative prior_weight needs a positive prior")
    return np.where(forbidden, -np.inf, values + prior_weight * np.where(forbidden, 0.0, prior))


def residual_value(
    q: ArrayLike,
    *,
    log_prior: ArrayLike,
    prior_weight: float,
    temperature: float,
    available: ArrayLike | None = None,
) -> Array:
    """State values ``temperature * log sum_a exp((q + prior_weight * log_prior) / temperature)``.

    Parameters
    ----------
    q : array_like (..., S, A)
        Residual action values, real or complex.
    log_prior : array_like (S, A) or (..., S, A)
        Log-probabilities of the prior policy.
    prior_weight : float
        Finite; ``omega`` times the prior's temperature.
    temperature : float
        Positive.
    available : array_like of bool (S, A), optional
        Admitted actions.

    Returns
    -------
    ndarray (..., S)
        At the fixed point ``V_full - omega * V_prior``.
    """
    return log_sum_exp(_total(q, log_prior, prior_weight, available), temperature=temperature)


def residual_policy_log(
    q: ArrayLike,
    *,
    log_prior: ArrayLike,
    prior_weight: float,
    temperature: float,
    available: ArrayLike | None = None,
) -> Array:
    """Log-probabilities of the policy proportional to ``exp((q + prior_weight * log_prior) / temperature)``.

    Parameters
    ----------
    q : array_like (..., S, A)
        Residual action values, real or complex.
    log_prior : array_like (S, A) or (..., S, A)
        Log-probabilities of the prior policy.
    prior_weight : float
        Finite; ``omega`` times the prior's temperature.
    temperature : float
        Positive.
    available : array_like of bool (S, A), optional
        Admitted actions.

    Returns
    -------
    ndarray (..., S, A)
        Log-probabilities.
    """
    return log_tilt(_total(q, log_prior, prior_weight, available), temperature=temperature)


def residual_backup(
    mdp: MDP,
    q: ArrayLike,
    *,
    residual_reward: ArrayLike,
    log_prior: ArrayLike,
    prior_weight: float,
    temperature: float,
) -> Array:
    """Residual soft backup ``residual_reward + discount * P residual_value(q)``.

    Parameters
    ----------
    mdp : MDP
        Kernel, discount and mask; its reward is not read.
    q : array_like (S, A)
        Residual action values, real or complex.
    residual_reward : array_like (S, A)
        The add-on reward, finite.
    log_prior : array_like (S, A)
        Log-probabilities of the prior policy.
    prior_weight : float
        Finite; ``omega`` times the prior's temperature.
    temperature : float
        Positive; that of the full task.

    Returns
    -------
    ndarray (S, A)
        A contraction of modulus ``discount`` in the sup norm over available pairs.

    Raises
    ------
    ValueError
        If shapes do not match, the temperature is not positive or a state has no admitted action.
    """
    shape = (mdp.n_states, mdp.n_actions)
    values = _check.pairs("q", q, shape, mdp.available)
    reward = _check.shaped("residual_reward", residual_reward, shape, "(S, A)")
    prior = _check.pairs("log_prior", log_prior, shape, mdp.available, -np.inf)
    v = residual_value(
        values, log_prior=prior, prior_weight=prior_weight, temperature=temperature, available=mdp.available
    )
    result: Array = reward + mdp.discount * mdp.expectation(v)
    return result
