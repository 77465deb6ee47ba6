r"""Exact second derivatives of the (regularised) start value in the logits of tabular softmax policies.

Along a direction :math:`u` of the logits, with :math:`m=\mu^\top(I-\gamma P_\pi)^{-1}` the unnormalised occupancy and
:math:`A=Q-\tau\log\frac\pi\rho-V` the (soft) advantage, the gradient is :math:`g=m\,\pi A` and

.. math::
    \dot\pi&=\pi(u-\bar u),\quad \bar u=\sum_a\pi u, \qquad
    \dot V=(I-\gamma P_\pi)^{-1}\sum_a\dot\pi A,\qquad
    \dot m^\top=\gamma\Big(\sum_{s,a}m_s\dot\pi_{sa}P(\cdot|s,a)\Big)(I-\gamma P_\pi)^{-1},\\
    (\nabla^2J\,u)_{sa}&=\dot m_s\pi A+m_s\dot\pi A+m_s\pi\big(\gamma P\dot V-\dot V-\tau(u-\bar u)\big):

two solves with the matrix of the evaluation, whatever the number of logits.  Finite horizons are in
:mod:`mdplab.operators.stage_policy_gradient`.

The Hessian is symmetric, has one null direction for each state (constants), and at the soft optimum is
:math:`-\frac\tau{1-\gamma}` times the Fisher information.

References
----------
.. [1] S. Kakade, "A natural policy gradient", NeurIPS 2001.
.. [2] Z. Shen, A. Ribeiro, H. Hassani, H. Qian and C. Mi, "Hessian aided policy gradient", ICML 2019.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.sparse.linalg import splu

from mdplab._typing import Array
from mdplab.models.tabular import MDP
from mdplab.operators import _check
from mdplab.operators.bellman import induced

__all__ = [
    "evaluation_solvers",
    "policy_hessian",
    "policy_hessian_product",
]


def policy_hessian_product(
    mdp: MDP,
    policy: ArrayLike,
    direction: ArrayLike,
    *,
    temperature: float = 0.0,
    log_policy: ArrayLike | None = None,
    log_reference: ArrayLike | None = None,
    initial: ArrayLike | None = None,
) -> Array:
    """Hessian of the (regularised) start value in the softmax logits, times directions.

    Parameters
    ----------
    mdp : MDP
        Dense or CSR, masked or not.
    policy : array_like (S, A)
        Probabilities, real or complex; zero at unavailable pairs.
    direction : array_like (S, A) or (S, A, k)
        Direction, or ``k`` of them, in the logits; entries where the policy is zero play no part.
    temperature : float, default 0
        Non-negative.
    log_policy : array_like (S, A), optional
        Log-probabilities, if known better than by the logarithm of ``policy``.
    log_reference : array_like (S, A), optional
        Log-weights of the reference; default is the counting measure.
    initial : array_like (S,), optional
        Start law; default is the model's.

    Returns
    -------
    ndarray of the shape of ``direction``
        Rows sum to zero; zero where the policy is zero.

    Raises
    ------
    ValueError
        If a shape is wrong, a row of the policy is no law, it leaves the support of the reference at a positive
        temperature, or there is no start law.
    """
    rows = _check.policy(mdp, policy)
    u = _directions(direction, rows.shape, "(S, A)")
    law = _check.start_law(mdp, initial)
    cost = _log_ratio(rows, temperature, log_policy, log_reference)
    kernel, _ = induced(mdp, rows)
    forward, adjoint = evaluation_solvers(kernel, mdp.discount)
    v = forward((rows * (mdp.reward - cost)).sum(axis=1))
    m = adjoint(law)
    advantage = _advantage(rows, mdp.reward + mdp.discount * mdp.expectation(v) - cost, v)
    centred = u - (rows[..., np.newaxis] * u).sum(axis=1, keepdims=True)
    moved = rows[..., np.newaxis] * centred
    v_dot = forward((moved * advantage[..., np.newaxis]).sum(axis=1))
    transition: Any = mdp.transition
    flat = transition if mdp.is_sparse else transition.reshape(-1, mdp.n_states)
    flow = (m[:, np.newaxis, np.newaxis] * moved).reshape(flat.shape[0], -1)
    m_dot = adjoint(mdp.discount * (flat.T @ flow))
    q_dot = mdp.discount * mdp.expectation(v_dot)
    result = _product(
        rows, advantage, m, m_dot, moved, q_dot - v_dot[:, np.newaxis, :] - temperature * centred
    )
    return result.reshape(np.shape(direction))


def policy_hessian(
    mdp: MDP,
    policy: ArrayLike,
    *,
    temperature: float = 0.0,
    log_policy: ArrayLike | None = None,
    log_reference: ArrayLike | None = None,
    initial: ArrayLike | None = None,
) -> Array:
    """Hessian of the (regularised) start value in the logits of a tabular softmax policy.

    Parameters
    ----------
    mdp : MDP
        Dense or CSR, masked or not.
    policy : array_like (S, A)
        Probabilities, real or complex.
    temperature : float, default 0
        Non-negative.
    log_policy, log_reference : array_like (S, A), optional
        As for :func:`policy_hessian_product`.
    initial : array_like (S,), optional
        Start law; default is the model's.

    Returns
    -------
    ndarray (S*A, S*A)
        Symmetric; row and column ``s * A + a``.  For logits ``features @ weights`` multiply by the features
        ``(S*A, d)`` from both sides.

    Raises
    ------
    ValueError
        As :func:`policy_hessian_product`.
    """
    pairs = mdp.n_states * mdp.n_actions
    basis = np.eye(pairs).reshape(mdp.n_states, mdp.n_actions, pairs)
    columns = policy_hessian_product(
        mdp,
        policy,
        basis,
        temperature=temperature,
        log_policy=log_policy,
        log_reference=log_reference,
        initial=initial,
    ).reshape(pairs, pairs)
    result: Array = 0.5 * (columns + columns.T)
    return result


def _product(rows: Array, advantage: Array, m: Array, m_dot: Array, moved: Array, slope: Array) -> Array:
    """``d(m pi A)`` from the derivatives of the occupancy, of the policy and of the advantage, ``(S, A, k)``."""
    own = m_dot[:, np.newaxis, :] * (rows * advantage)[..., np.newaxis]
    weight = m[:, np.newaxis, np.newaxis]
    result: Array = own + weight * (moved * advantage[..., np.newaxis] + rows[..., np.newaxis] * slope)
    return result


def _directions(direction: ArrayLike, shape: tuple[int, ...], letters: str) -> Array:
    """Directions with a last axis."""
    u = _check.numeric("direction", direction)
    if u.shape[: len(shape)] != shape or u.ndim > len(shape) + 1:
        raise ValueError(f"direction must have shape {letters} = {shape} or one axis more; got {u.shape}")
    if not np.isfinite(u).all():
        raise ValueError("direction must be finite")
    return u.reshape(*shape, -1)


def _advantage(rows: Array, entries: Array, v: Array) -> Array:
    """``entries - v`` where the policy is positive, else 0."""
    return np.where(rows.real > 0, entries - v[..., np.newaxis], 0.0)


def _log_ratio(
    rows: Array, temperature: float, log_policy: ArrayLike | None, log_reference: ArrayLike | None
) -> Array:
    """``temperature * log(policy / reference)``, 0 where the policy is 0."""
    _check.number("temperature", temperature, 0.0, np.finfo(float).max)
    if temperature == 0:
        return np.zeros(rows.shape)
    taken = rows.real > 0
    logs = (
        np.log(np.where(taken, rows, 1.0)) if log_policy is None else _check.numeric("log_policy", log_policy)
    )
    reference = _check.numeric("log_reference", 0.0 if log_reference is None else log_reference)
    for name, given in (("log_policy", logs), ("log_reference", reference)):
        if given.ndim and given.shape not in (rows.shape, rows.shape[-2:]):
            raise ValueError(f"{name} must have the shape {rows.shape} of policy; got {given.shape}")
    reference = np.where(taken, reference, 0.0)
    if not np.isfinite(reference).all():
        raise ValueError("log_reference must be finite at every action that the policy takes")
    ratio: Array = temperature * (np.where(taken, logs, 0.0) - reference)
    return ratio


def evaluation_solvers(
    kernel: Any, discount: float
) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """Solve with ``I - discount * kernel`` and with its transpose, one factorisation for both.

    Parameters
    ----------
    kernel : ndarray or csr_array (S, S)
        Transition matrix of a policy, real or complex.
    discount : float
        In [0, 1).

    Returns
    -------
    forward, adjoint : callable
        Map right-hand sides ``(S,)`` or ``(S, k)`` to solutions: LAPACK for a dense kernel, SuperLU for CSR.
    """
    if not sparse.issparse(kernel):
        lu: Any = scipy.linalg.lu_factor(np.eye(kernel.shape[0]) - discount * kernel, check_finite=False)

        def dense(right: Any, transposed: Literal[0, 1]) -> Array:
            return np.asarray(scipy.linalg.lu_solve(lu, right, trans=transposed, check_finite=False))

        return (lambda right: dense(right, 0)), (lambda right: dense(right, 1))
    chain: Any = kernel
    identity: Any = sparse.eye_array(chain.shape[0])
    system: Any = sparse.csc_array(identity - discount * chain)
    factors: Any = splu(system)

    def solve(right: Array, trans: str) -> Array:
        if np.iscomplexobj(right) and not np.iscomplexobj(system.data):
            return solve(right.real, trans) + 1j * solve(right.imag, trans)
        kind = system.data.dtype
        return np.asarray(factors.solve(np.ascontiguousarray(right, dtype=kind), trans=trans))

    return (lambda right: solve(right, "N")), (lambda right: solve(right, "T"))
