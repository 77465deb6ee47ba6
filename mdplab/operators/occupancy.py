r"""Occupancies: discounted ones by one transposed solve, those of a finite horizon by a forward sweep.

For a policy :math:`\pi` and start law :math:`\mu` the normalised discounted occupancy

.. math:: d(s) = (1-\gamma)\sum_{k\ge 0}\gamma^k \Pr(s_k=s), \qquad d(s,a)=d(s)\,\pi(a|s)

sums to one and is the only solution of :math:`d = (1-\gamma)\mu + \gamma P_\pi^\top d`.  In terms of the flow matrix
:math:`(BV)(s,a)=V(s)-\gamma\sum_t P(t|s,a)V(t)`, the occupancies of all policies are exactly the non-negative
solutions of :math:`B^\top d=(1-\gamma)\mu`; and :math:`\langle d,R\rangle=(1-\gamma)\,\mu^\top V^\pi`.

The default is **normalised**; ``normalised=False`` divides by :math:`1-\gamma`.

References
----------
.. [1] M. L. Puterman, *Markov Decision Processes*, 1994, section 6.9.
.. [2] F. d'Epenoux, "A probabilistic production and inventory problem", Management Science 10, 1963.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.sparse.linalg import splu

from mdplab._typing import Array
from mdplab.models._validate import first
from mdplab.models.finite_horizon import FiniteHorizonMDP
from mdplab.models.tabular import MDP
from mdplab.operators import _check
from mdplab.operators.bellman import induced, pair_kernel

__all__ = [
    "density_ratio",
    "flow_matrix",
    "occupancy",
    "occupancy_residual",
    "pair_flow_matrix",
    "policy_of_occupancy",
    "stage_laws",
    "stage_occupancy",
    "state_occupancy",
]


def state_occupancy(
    mdp: MDP, policy: ArrayLike, *, initial: ArrayLike | None = None, normalised: bool = True
) -> Array:
    """Discounted occupancy of the states.

    Parameters
    ----------
    mdp : MDP
        The model.
    policy : array_like (S, A)
        Probabilities, real or complex.
    initial : array_like (S,), optional
        Start (or restart) law; default is the model's.
    normalised : bool, default True
        Whether the occupancy sums to 1 or to ``1 / (1 - discount)``.

    Returns
    -------
    ndarray (S,)
        Solution of one transposed linear system: LAPACK for a dense kernel, SuperLU for CSR.

    Raises
    ------
    ValueError
        If the policy or the start law is not valid, or neither the call nor the model has a start law.
    """
    law = _check.start_law(mdp, initial)
    kernel, _ = induced(mdp, policy)
    start = (1.0 - mdp.discount) * law if normalised else law
    if not mdp.is_sparse:
        return _without_negative_zeros(np.linalg.solve(np.eye(mdp.n_states) - mdp.discount * kernel.T, start))
    # I - discount * P is a diagonally dominant M-matrix: a symmetric ordering without pivoting is stable, keeps all
    # signs and fills in less.
    system = sparse.csc_array(sparse.eye_array(mdp.n_states) - mdp.discount * kernel)
    if np.iscomplexobj(start) and not np.iscomplexobj(system.data):
        system = system.astype(np.complex128)
    factors: Any = splu(
        system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
    )
    return _without_negative_zeros(factors.solve(start.astype(system.dtype), trans="T"))


def _without_negative_zeros(d: Array) -> Array:
    """Set to zero what rounding made negative (exact solutions are non-negative)."""
    return d if np.iscomplexobj(d) else np.maximum(d, 0.0)


def occupancy(
    mdp: MDP, policy: ArrayLike, *, initial: ArrayLike | None = None, normalised: bool = True
) -> Array:
    """Discounted occupancy of the state-action pairs, ``d(s) * policy[s, a]``.

    Parameters
    ----------
    mdp : MDP
        The model.
    policy : array_like (S, A)
        Probabilities, real or complex.
    initial : array_like (S,), optional
        Start (or restart) law; default is the model's.
    normalised : bool, default True
        Whether the occupancy sums to 1 or to ``1 / (1 - discount)``.

    Returns
    -------
    ndarray (S, A)
        The occupancy.
    """
    probabilities = _check.policy(mdp, policy)
    states = state_occupancy(mdp, probabilities, initial=initial, normalised=normalised)
    result: Array = states[:, np.newaxis] * probabilities
    return result


def flow_matrix(mdp: MDP) -> Any:
    """Flow matrix ``B`` with ``(B V)[s, a] = V[s] - discount * sum_t P[s, a, t] V[t]``.

    Parameters
    ----------
    mdp : MDP
        The model.

    Returns
    -------
    csr_array (S*A, S)
        Row ``s * A + a``, unavailable pairs included (drop their rows in a linear program).
    """
    n_states, n_actions = mdp.n_states, mdp.n_actions
    pairs = n_states * n_actions
    transition: Any = mdp.transition
    if not mdp.is_sparse:
        transition = transition.reshape(pairs, n_states)
    source = sparse.csr_array(
        (np.ones(pairs), np.repeat(np.arange(n_states), n_actions), np.arange(pairs + 1)),
        shape=(pairs, n_states),
    )
    return sparse.csr_array(source - mdp.discount * sparse.csr_array(transition))


def pair_flow_matrix(mdp: MDP, policy: ArrayLike) -> Any:
    """Pair matrix ``B_pi = I - discount * P^pi`` with ``(B_pi Q)[s, a] = Q[s, a] - discount * E Q(t, pi(t))``.

    Parameters
    ----------
    mdp : MDP
        The model.
    policy : array_like (S, A)
        Probabilities, real or complex.

    Returns
    -------
    csr_array (S*A, S*A)
        Row ``s * A + a``.
    """
    kernel = pair_kernel(mdp, policy)
    return sparse.csr_array(sparse.eye_array(kernel.shape[0]) - mdp.discount * kernel)


def occupancy_residual(
    mdp: MDP, d: ArrayLike, *, initial: ArrayLike | None = None, normalised: bool = True
) -> Array:
    """Violation of the flow equations, ``B.T d - (1 - discount) * initial``.

    Parameters
    ----------
    mdp : MDP
        The model.
    d : array_like (S, A)
        Any vector of pairs (of either sign), zero at unavailable ones.
    initial : array_like (S,), optional
        Start law; default is the model's.
    normalised : bool, default True
        Which normalisation ``d`` is held against.

    Returns
    -------
    ndarray (S,)
        Zero exactly when ``d``, if non-negative, is an occupancy.

    Raises
    ------
    ValueError
        If ``d`` has another shape or weight on an unavailable pair, or there is no start law.
    """
    law = _check.start_law(mdp, initial)
    weights = _check.shaped("d", d, (mdp.n_states, mdp.n_actions), "(S, A)")
    if mdp.available is not None:
        _check.admitted("d", weights, mdp.available, mdp.names, "weight")
    transition: Any = mdp.transition
    flat = transition if mdp.is_sparse else transition.reshape(-1, mdp.n_states)
    inflow = flat.T @ weights.ravel()
    result: Array = (
        weights.sum(axis=1) - mdp.discount * inflow - (1.0 - mdp.discount if normalised else 1.0) * law
    )
    return result


def policy_of_occupancy(d: ArrayLike, *, default: ArrayLike | None = None) -> Array:
    """Policy ``d(s, a) / d(s)`` of an occupancy.

    Parameters
    ----------
    d : array_like (..., S, A)
        Non-negative weights of the pairs, of any total (stages ``(H, S, A)`` too).  Negative entries above ``-1e-12``
        times the largest are read as zero: linear programs return them.
    default : array_like (S, A) or (..., S, A), optional
        Rows for states of weight zero; default is the uniform law on all actions, which a mask does not admit.

    Returns
    -------
    ndarray (..., S, A)
        Rows sum to one.

    Raises
    ------
    ValueError
        If an entry is negative or NaN, or ``default`` has another shape.
    """
    weights = _check.numeric("d", d)
    if weights.ndim < 2:
        raise ValueError(f"d must have shape (..., S, A); got {weights.shape}")
    floor = -1e-12 * np.abs(weights).max(initial=0.0)
    if not (weights.real >= floor).all():
        where = first(~(weights.real >= floor))
        raise ValueError(f"d is {weights[where]} at {where}; an occupancy is non-negative")
    weights = np.where(weights.real < 0, 0.0, weights)
    rows = np.full(weights.shape[-2:], 1.0 / weights.shape[-1]) if default is None else np.asarray(default)
    if rows.shape not in (weights.shape, weights.shape[-2:]):
        raise ValueError(f"default must have shape (S, A) = {weights.shape[-2:]}; got {rows.shape}")
    # dividing by the largest entry first keeps weights near the underflow threshold accurate
    largest = weights.real.max(axis=-1, keepdims=True)
    empty = largest == 0
    weights = weights / np.where(empty, 1.0, largest)
    return np.where(empty, rows, weights / np.where(empty, 1.0, weights.sum(axis=-1, keepdims=True)))


def density_ratio(d: ArrayLike, reference: ArrayLike) -> Array:
    """Entrywise ratio of two measures with ``0 / 0 = 0`` and ``positive / 0 = inf``.

    Parameters
    ----------
    d, reference : array_like (...)
        Non-negative weights of equal shape; the largest ratio is the concentrability of ``d``.

    Returns
    -------
    ndarray (...)
        The ratio.
    """
    numerator = _check.numeric("d", d)
    denominator = _check.shaped("reference", reference, numerator.shape, "the shape of d")
    vanishing = denominator.real == 0
    ratio = np.where(vanishing, 0.0, numerator) / np.where(vanishing, 1.0, denominator)
    return np.where(vanishing & (numerator.real > 0), np.inf, ratio)


def stage_laws(mdp: FiniteHorizonMDP, policy: ArrayLike, *, initial: ArrayLike | None = None) -> Array:
    """State laws of all stages, the terminal one included.

    Parameters
    ----------
    mdp : FiniteHorizonMDP
        The model; its discount plays no part.
    policy : array_like (H, S, A) or (S, A)
        Probabilities per stage, or one policy for all stages; real or complex, zero at unavailable pairs.
    initial : array_like (S,), optional
        Start law; default is the model's.

    Returns
    -------
    ndarray (H+1, S)
        Each row sums to one.
    """
    rows = _check.stage_policy(mdp, policy)
    law = _check.start_law(mdp, initial)
    laws: Array = np.zeros((mdp.horizon + 1, mdp.n_states), dtype=np.result_type(rows, law))
    laws[0] = law
    for h in range(mdp.horizon):
        flat = mdp.stage_kernel(h).reshape(-1, mdp.n_states)
        laws[h + 1] = flat.T @ (laws[h][:, np.newaxis] * rows[h]).ravel()
    return laws


def stage_occupancy(mdp: FiniteHorizonMDP, policy: ArrayLike, *, initial: ArrayLike | None = None) -> Array:
    """Law of the state-action pair at every stage.

    Parameters
    ----------
    mdp : FiniteHorizonMDP
        The model; its discount plays no part.
    policy : array_like (H, S, A) or (S, A)
        Probabilities per stage, or one policy for all stages; real or complex, zero at unavailable pairs.
    initial : array_like (S,), optional
        Start law; default is the model's.

    Returns
    -------
    ndarray (H, S, A)
        Each stage sums to one.
    """
    rows = _check.stage_policy(mdp, policy)
    result: Array = stage_laws(mdp, rows, initial=initial)[:-1, :, np.newaxis] * rows
    return result
