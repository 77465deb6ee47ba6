r"""Exact policy gradient and Fisher information of softmax policies.

The start value :math:`J=\mu^\top V^\pi_\tau` of a policy with the per-step reward
:math:`R-\tau\log(\pi/\rho)` has, in the logits :math:`\theta` of a tabular softmax,

.. math:: \frac{\partial J}{\partial\theta_{sa}} = \frac{1}{1-\gamma}\, d(s)\,\pi(a|s)\,
          \big(Q(s,a) - \tau\log\tfrac{\pi(a|s)}{\rho(a|s)} - V(s)\big),

where :math:`d` is the *normalised* state occupancy (so :math:`1/(1-\gamma)` enters exactly once) and :math:`Q`
leaves the regulariser of its own action out.  The explicit derivative of the regulariser has mean zero.

The functions take the solved quantities (action values, occupancy) as arguments and solve nothing:

* another start or restart law: pass the occupancy from that law;
* masks: probabilities zero, gradient zero there (the gradient of the restricted problem);
* a finite horizon: pass stages ``(H, S, A)``, the state laws (times ``discount ** h``) and ``discount=0``;
* one state: ``S = 1`` and ``discount=0``;
* logits with a reference action: drop that action's column; logits shared by all states: sum over the states;
  log-linear logits ``features @ weights``: :func:`chain_to_features`.

References
----------
.. [1] R. S. Sutton, D. McAllester, S. Singh and Y. Mansour, "Policy gradient methods for reinforcement learning with
   function approximation", NeurIPS 1999.
.. [2] S. Kakade, "A natural policy gradient", NeurIPS 2001.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array, FloatArray
from mdplab.operators import _check

__all__ = ["chain_to_features", "compatible_fit", "fisher_information", "score", "softmax_policy_gradient"]


def _policy_and_weights(
    policy: ArrayLike, state_occupancy: ArrayLike, letters: str = "(..., S)"
) -> tuple[Array, Array]:
    """The policy (rows checked) and the state weights of matching shape."""
    rows = _check.numeric("policy", policy)
    if rows.ndim < 2:
        raise ValueError(f"policy must have shape (..., S, A); got {rows.shape}")
    _check.laws("policy", rows, ("state",))
    return rows, _check.shaped("state_occupancy", state_occupancy, rows.shape[:-1], letters)


def softmax_policy_gradient(
    policy: ArrayLike,
    *,
    q: ArrayLike,
    state_occupancy: ArrayLike,
    discount: float,
    temperature: float = 0.0,
    log_policy: ArrayLike | None = None,
    log_reference: ArrayLike | None = None,
) -> Array:
    """Gradient of the (regularised) start value in the logits of a tabular softmax policy.

    Parameters
    ----------
    policy : array_like (..., S, A)
        Probabilities.
    q : array_like (..., S, A)
        Its action values at this temperature, without the regulariser of the first action.
    state_occupancy : array_like (..., S)
        Its normalised discounted occupancy from the start law.
    discount : float
        In [0, 1); only the factor ``1 / (1 - discount)`` is taken from it.
    temperature : float, default 0
        Non-negative; 0 gives the plain policy gradient.
    log_policy : array_like (..., S, A), optional
        Log-probabilities, if known better than by the logarithm of ``policy``.
    log_reference : array_like (..., S, A), optional
        Log-probabilities of the reference policy; default is the counting measure (entropy).

    Returns
    -------
    ndarray (..., S, A)
        Rows sum to zero; zero where the policy is zero.

    Raises
    ------
    ValueError
        If shapes do not match, a row of the policy is no law, or the policy leaves the support of the reference
        at a positive temperature.
    """
    rows, weights = _policy_and_weights(policy, state_occupancy)
    shape = rows.shape
    taken = rows.real > 0
    values = np.where(taken, _check.shaped("q", q, shape, "(..., S, A)"), 0.0)
    _check.discount(discount)
    _check.number("temperature", temperature, 0.0, np.finfo(float).max)
    if temperature > 0:
        known = (
            np.log(np.where(taken, rows, 1.0))
            if log_policy is None
            else _check.numeric("log_policy", log_policy)
        )
        if known.shape != shape:
            raise ValueError(f"log_policy must have shape (..., S, A) = {shape}; got {known.shape}")
        reference = _check.numeric("log_reference", 0.0 if log_reference is None else log_reference)
        reference = np.where(taken, reference, 0.0)
        if (reference.real == -np.inf).any():
            raise ValueError("log_reference is -inf at an action that the policy takes")
        values = values - temperature * (np.where(taken, known, 0.0) - reference)
    baseline = (rows * values).sum(axis=-1, keepdims=True)
    result: Array = (
        weights[..., np.newaxis] * rows * np.where(taken, values - baseline, 0.0) / (1.0 - discount)
    )
    return result


def _features(features: ArrayLike, shape: tuple[int, ...]) -> FloatArray:
    """Features ``(S, A, d)`` of a policy of shape ``(S, A)``."""
    phi = _check.numeric("features", features)
    if phi.ndim != 3 or phi.shape[:2] != shape:
        raise ValueError(f"features must have shape (S, A, d) with (S, A) = {shape}; got {phi.shape}")
    return phi


def chain_to_features(gradient: ArrayLike, features: ArrayLike) -> Array:
    """Gradient in the weights of log-linear logits ``features @ weights`` from that in the logits.

    Parameters
    ----------
    gradient : array_like (S, A)
        Gradient in the logits.
    features : array_like (S, A, d)
        Features of the pairs.

    Returns
    -------
    ndarray (d,)
        ``sum_{s,a} gradient[s, a] features[s, a]``.
    """
    slope = _check.numeric("gradient", gradient)
    result: Array = np.tensordot(slope, _features(features, slope.shape), axes=2)
    return result


def score(policy: ArrayLike, features: ArrayLike) -> Array:
    """Score of a log-linear policy, ``features[s, a] - sum_b policy[s, b] features[s, b]``.

    Parameters
    ----------
    policy : array_like (S, A)
        Probabilities.
    features : array_like (S, A, d)
        Features of the pairs.

    Returns
    -------
    ndarray (S, A, d)
        Gradient of the log-probabilities in the weights.
    """
    rows = _check.numeric("policy", policy)
    phi = _features(features, rows.shape)
    _check.laws("policy", rows, ("state",))
    result: Array = phi - np.einsum("sa,sad->sd", rows, phi)[:, np.newaxis, :]
    return result


def fisher_information(
    policy: ArrayLike, *, state_occupancy: ArrayLike, features: ArrayLike | None = None, dense: bool = False
) -> Array:
    """Fisher information ``E_{s~d, a~pi} score score^T`` of a softmax policy.

    Parameters
    ----------
    policy : array_like (S, A)
        Probabilities.
    state_occupancy : array_like (S,)
        Weights of the states, as a rule the normalised occupancy.
    features : array_like (S, A, d), optional
        Of log-linear logits; default is the tabular softmax.
    dense : bool, default False
        For the tabular softmax: the whole matrix instead of its diagonal blocks.

    Returns
    -------
    ndarray
        Blocks ``(S, A, A)`` with ``d(s) (diag(pi_s) - pi_s pi_s^T)``; ``(S*A, S*A)`` if ``dense``; ``(d, d)`` with
        features.  The tabular one has one null direction a state (constants), the soft optimum's Hessian in the
        logits is ``-temperature / (1 - discount)`` times it.
    """
    rows, weights = _policy_and_weights(policy, state_occupancy, "(S,)")
    if rows.ndim != 2:
        raise ValueError(f"policy must have shape (S, A); got {rows.shape}")
    if features is not None:
        scores = score(rows, features)
        flat = scores.reshape(-1, scores.shape[-1])
        result: Array = flat.T @ ((weights[:, np.newaxis] * rows).reshape(-1, 1) * flat)
        return result
    n_states, n_actions = rows.shape
    blocks: Array = -rows[:, :, np.newaxis] * rows[:, np.newaxis, :]
    diagonal = np.arange(n_actions)
    # pi_a * (sum of the others) instead of pi_a - pi_a^2: exact for nearly certain actions
    blocks[:, diagonal, diagonal] = rows * (rows @ (1.0 - np.eye(n_actions)))
    blocks *= weights[:, np.newaxis, np.newaxis]
    if not dense:
        return blocks
    whole: Array = np.zeros((n_states, n_actions, n_states, n_actions), dtype=blocks.dtype)
    states = np.arange(n_states)
    whole[states, :, states, :] = blocks
    return whole.reshape(n_states * n_actions, -1)


def compatible_fit(
    policy: ArrayLike, *, advantage: ArrayLike, state_occupancy: ArrayLike, features: ArrayLike
) -> tuple[FloatArray, float]:
    """Compatible approximation of the advantage by scores, and its error.

    Parameters
    ----------
    policy : array_like (S, A)
        Probabilities, real.
    advantage : array_like (S, A)
        What is approximated.
    state_occupancy : array_like (S,)
        Weights of the states.
    features : array_like (S, A, d)
        Features of log-linear logits.

    Returns
    -------
    weights : ndarray (d,)
        Least-norm minimiser of ``E_{s~d, a~pi} (advantage - score @ weights) ** 2``; with the policy's own occupancy
        it is ``(1 - discount)`` times the natural gradient.
    error : float
        The minimum.
    """
    rows, states = _policy_and_weights(policy, state_occupancy, "(S,)")
    target = _check.shaped("advantage", advantage, rows.shape, "(S, A)")
    root = np.sqrt((states[:, np.newaxis] * rows).reshape(-1))
    scores = score(rows, features)
    design = root[:, np.newaxis] * scores.reshape(-1, scores.shape[-1])
    fit: FloatArray = np.linalg.lstsq(design, root * target.reshape(-1), rcond=None)[0]
    return fit, float(np.sum((root * target.reshape(-1) - design @ fit) ** 2))
