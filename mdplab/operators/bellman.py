r"""Bellman operators of a discounted tabular model: evaluation, optimality, greedy policies.

.. math::
    (T^\pi v)(s) = \sum_a \pi(a|s)\Big(R(s,a) + \gamma\sum_t P(t|s,a)\,v(t)\Big), \qquad
    (T v)(s) = \max_{a\ \mathrm{available}}\Big(R(s,a) + \gamma\sum_t P(t|s,a)\,v(t)\Big).

Both are monotone, shift by :math:`\gamma c` when a constant :math:`c` is added to :math:`v`, and contract the sup
norm by :math:`\gamma`; their fixed points are :math:`V^\pi` and :math:`V^*`.

Everything works on dense ``(S, A, S)`` and on CSR ``(S*A, S)`` kernels without turning one into the other.  Where
the model has a mask, maxima are over available actions and greedy policies are zero elsewhere;
:func:`action_values` itself is unmasked.  Policies and values may be complex (complex-step derivatives), except
where a maximum is taken.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from mdplab._typing import Array, BoolArray, FloatArray
from mdplab.models.tabular import MDP
from mdplab.operators import _check

__all__ = [
    "action_values",
    "advantage",
    "gap",
    "greedy_policy",
    "induced",
    "maximisers",
    "optimality_backup",
    "pair_kernel",
    "performance_difference",
    "policy_backup",
]


def _policy_rows(policy: Array) -> Any:
    """The policy as the CSR matrix ``(S, S*A)`` whose row ``s`` holds ``policy[s]`` at the pairs of ``s``."""
    n_states, n_actions = policy.shape
    taken = policy != 0  # drop explicit zeros, or a deterministic policy would drag all actions' rows along
    indptr = np.concatenate(([0], np.cumsum(taken.sum(axis=1))))
    columns = np.flatnonzero(taken)
    return sparse.csr_array((policy[taken], columns, indptr), shape=(n_states, n_states * n_actions))


def induced(mdp: MDP, policy: ArrayLike) -> tuple[Any, Array]:
    """Markov chain and expected reward of a policy.

    Parameters
    ----------
    mdp : MDP
        The model, dense or CSR.
    policy : array_like (S, A)
        Probabilities, real or complex (rows sum to one in their real parts).

    Returns
    -------
    kernel : ndarray or csr_array (S, S)
        ``P_pi[s, t] = sum_a policy[s, a] P[s, a, t]``, of the same kind as the model's kernel.
    reward : ndarray (S,)
        ``r_pi[s] = sum_a policy[s, a] R[s, a]``.

    Raises
    ------
    ValueError
        If the policy has another shape, a row is no law or takes an unavailable action.

    References
    ----------
    .. [1] M. L. Puterman, *Markov Decision Processes*, 1994, section 5.6.
    """
    probabilities = _check.policy(mdp, policy)
    reward: Array = (probabilities * mdp.reward).sum(axis=1)
    transition: Any = mdp.transition
    if mdp.is_sparse:
        return sparse.csr_array(_policy_rows(probabilities) @ transition), reward
    kernel: Array = np.matmul(probabilities.real[:, np.newaxis, :], transition)[:, 0, :]
    if np.iscomplexobj(probabilities):  # two real products: a complex one would copy the kernel as complex
        kernel = kernel + 1j * np.matmul(probabilities.imag[:, np.newaxis, :], transition)[:, 0, :]
    return kernel, reward


def pair_kernel(mdp: MDP, policy: ArrayLike) -> Any:
    """Kernel between state-action pairs, ``P[s, a, t] policy[t, b]``, as CSR.

    Parameters
    ----------
    mdp : MDP
        The model.
    policy : array_like (S, A)
        Probabilities, real or complex.

    Returns
    -------
    csr_array (S*A, S*A)
        Row ``s * A + a``, column ``t * A + b``.  ``discount`` times it is the derivative of ``q`` under the
        evaluation backup, and of :func:`mdplab.operators.soft_backup` when ``policy`` is the soft policy of ``q``.
    """
    probabilities = _check.policy(mdp, policy)
    transition: Any = mdp.transition
    if not mdp.is_sparse:
        transition = sparse.csr_array(transition.reshape(-1, mdp.n_states))
    return sparse.csr_array(transition @ _policy_rows(probabilities))


def action_values(mdp: MDP, v: ArrayLike) -> Array:
    """One-step lookahead ``R[s, a] + discount * sum_t P[s, a, t] v[t]``.

    Parameters
    ----------
    mdp : MDP
        The model.
    v : array_like (S,)
        State values, real or complex.

    Returns
    -------
    ndarray (S, A)
        Also at unavailable pairs, where it is what the model's rows say and means nothing.
    """
    values = _check.shaped("v", v, (mdp.n_states,), "(S,)")
    result: Array = mdp.reward + mdp.discount * mdp.expectation(values)
    return result


def policy_backup(mdp: MDP, policy: ArrayLike, v: ArrayLike) -> Array:
    """Evaluation backup ``(T^pi v)(s)``.

    Parameters
    ----------
    mdp : MDP
        The model.
    policy : array_like (S, A)
        Probabilities, real or complex.
    v : array_like (S,)
        State values, real or complex.

    Returns
    -------
    ndarray (S,)
        ``sum_a policy[s, a] (R[s, a] + discount * sum_t P[s, a, t] v[t])``; contracts the sup norm by ``discount``.
    """
    result: Array = (_check.policy(mdp, policy) * action_values(mdp, v)).sum(axis=1)
    return result


def _masked(mdp: MDP, q: Array) -> Array:
    """``q`` with ``-inf`` on unavailable actions."""
    return q if mdp.available is None else np.where(mdp.available, q, -np.inf)


def optimality_backup(mdp: MDP, v: ArrayLike) -> FloatArray:
    """Optimality backup ``(T v)(s)``, the maximum over available actions.

    Parameters
    ----------
    mdp : MDP
        The model.
    v : array_like (S,)
        Real state values.

    Returns
    -------
    ndarray (S,)
        Monotone in ``v``; contracts the sup norm by ``discount``.

    References
    ----------
    .. [1] R. Bellman, *Dynamic Programming*, 1957.
    """
    result: FloatArray = _masked(mdp, _real("v", action_values(mdp, v))).max(axis=1)
    return result


def maximisers(mdp: MDP, q: ArrayLike, tol: float = 0.0) -> BoolArray:
    """All available actions whose value is within ``tol`` of the state's best.

    Parameters
    ----------
    mdp : MDP
        The model (for its shape and mask).
    q : array_like (S, A)
        Real action values.
    tol : float, default 0
        Non-negative; 0 demands equality of the doubles.

    Returns
    -------
    ndarray of bool (S, A)
        At least one True a row.
    """
    _check.number("tol", tol, 0.0, np.finfo(float).max)
    values = _real("q", _check.pairs("q", q, (mdp.n_states, mdp.n_actions), mdp.available, -np.inf))
    result: BoolArray = values >= values.max(axis=1, keepdims=True) - tol  # -inf is never within a finite tol
    return result


def greedy_policy(mdp: MDP, q: ArrayLike, tol: float = 0.0) -> FloatArray:
    """Deterministic policy on the lowest-index action within ``tol`` of the state's best.

    Parameters
    ----------
    mdp : MDP
        The model (for its shape and mask).
    q : array_like (S, A)
        Real action values.
    tol : float, default 0
        Ties: actions within it of the maximum count as equal.

    Returns
    -------
    ndarray (S, A)
        Rows of the identity.
    """
    first = maximisers(mdp, q, tol).argmax(axis=1)
    policy = np.zeros((mdp.n_states, mdp.n_actions))
    policy[np.arange(mdp.n_states), first] = 1.0
    return policy


def advantage(q: ArrayLike, v: ArrayLike) -> Array:
    """Advantage ``Q - V``; at most zero at the optimum.

    Parameters
    ----------
    q : array_like (..., S, A)
        Action values.
    v : array_like (..., S)
        State values.

    Returns
    -------
    ndarray (..., S, A)
        ``q - v[..., None]``.
    """
    values = _check.numeric("q", q)
    if values.ndim < 2:
        raise ValueError(f"q must have shape (..., S, A); got {values.shape}")
    result: Array = values - _check.shaped("v", v, values.shape[:-1], "(..., S)")[..., np.newaxis]
    return result


def gap(q: ArrayLike, v: ArrayLike) -> Array:
    """Gap ``V - Q``; at least zero at the optimum.

    Parameters
    ----------
    q : array_like (..., S, A)
        Action values.
    v : array_like (..., S)
        State values.

    Returns
    -------
    ndarray (..., S, A)
        ``v[..., None] - q``.
    """
    return -advantage(q, v)


def performance_difference(
    policy: ArrayLike, comparator: ArrayLike, *, q: ArrayLike, state_occupancy: ArrayLike, discount: float
) -> Any:
    """Start value of ``policy`` minus that of ``comparator``, by the performance difference lemma.

    Parameters
    ----------
    policy : array_like (S, A)
        The policy whose occupancy is given.
    comparator : array_like (S, A)
        The policy whose action values are given.
    q : array_like (S, A)
        Action values of ``comparator``.
    state_occupancy : array_like (S,)
        Normalised discounted occupancy of ``policy``.
    discount : float
        In [0, 1).

    Returns
    -------
    float
        ``sum_s d(s) <policy(s) - comparator(s), q(s)> / (1 - discount)``.

    References
    ----------
    .. [1] S. Kakade and J. Langford, "Approximately optimal approximate reinforcement learning", ICML 2002.
    """
    values = _check.numeric("q", q)
    if values.ndim != 2:
        raise ValueError(f"q must have shape (S, A); got {values.shape}")
    difference = _check.shaped("policy", policy, values.shape, "(S, A)") - _check.shaped(
        "comparator", comparator, values.shape, "(S, A)"
    )
    weights = _check.shaped("state_occupancy", state_occupancy, values.shape[:1], "(S,)")
    _check.discount(discount)
    # an action taken by neither may carry -inf
    terms = np.where(difference != 0, difference * np.where(difference != 0, values, 0.0), 0.0)
    return weights @ terms.sum(axis=1) / (1.0 - discount)


def _real(name: str, x: Array) -> FloatArray:
    """Refuse complex input where a maximum is taken."""
    if np.iscomplexobj(x):
        raise ValueError(f"{name} must be real here: a maximum of complex numbers has no meaning")
    return x
