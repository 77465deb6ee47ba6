r"""Evaluation of a policy by one linear solve, certified.

.. math::
    V^\pi=(I-\gamma P_\pi)^{-1}\Big(r_\pi-\tau\sum_a\pi\log\frac{\pi}{\rho}\Big),\qquad
    Q^\pi=R+\gamma PV^\pi

(the regulariser of the first action is not in :math:`Q`).  Dense kernels are factorised by LAPACK, CSR ones by SuperLU.
The factorisation only proposes: iterative refinement solves for the relative value :math:`w` with the residual
:math:`T_\pi w-w` of :mod:`mdplab.solvers.certificate`, and the last residual is the certificate.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.sparse.linalg import splu

from mdplab._typing import Array, FloatArray
from mdplab.models._kernel import PAIR
from mdplab.models._validate import first
from mdplab.models.tabular import MDP
from mdplab.operators import _check
from mdplab.solution import Certificate, Layout, Solution, Status
from mdplab.solvers.certificate import (
    THEOREM,
    Enclosure,
    enclose,
    evaluation_rounding,
    lookahead_rounding,
)
from mdplab.solvers.discounted import UNIT, DiscountedArrays, check_controls, discounted_arrays

__all__ = [
    "EvaluationSolution",
    "RelativeValue",
    "evaluate_policy_array",
    "evaluate_relative",
    "factorise",
    "mixed_rows",
    "policy_evaluation",
]


@dataclass(frozen=True, kw_only=True, eq=False)
class EvaluationSolution(Solution):
    """Value of a policy with proven error bounds; its table has a row a state.

    Attributes
    ----------
    value : ndarray (S,)
        Value of the policy; ``certificate.bound`` is its sup-norm error.
    q : ndarray (S, A)
        Action values; ``-inf`` at unavailable pairs.
    lower, upper : ndarray (S,)
        ``lower <= V <= upper``, rounding included.
    backward_error : float
        Bound on the residual of the evaluation equation at ``value``.
    q_error : float
        Sup-norm error of ``q`` on available pairs.
    policy : ndarray (S, A)
        What was evaluated.
    cost : ndarray (S, A)
        What was taken off the reward: ``temperature * log(policy / reference)``.
    temperature : float
        Its temperature.
    """

    value: FloatArray
    q: FloatArray
    lower: FloatArray
    upper: FloatArray
    backward_error: float
    q_error: float
    policy: FloatArray
    cost: FloatArray
    temperature: float

    def _layout(self) -> Layout:
        bounds = {"value": self.value, "lower": self.lower, "upper": self.upper}
        return ("state",), {**bounds, "q": self.q, "policy": self.policy}


@dataclass(frozen=True, eq=False)
class RelativeValue:
    """Outcome of :func:`evaluate_relative`.

    Attributes
    ----------
    w : ndarray (S,)
        Relative value, midrange 0.
    q : ndarray (S, A)
        Its lookahead.
    lookahead : float
        Rounding error of ``q``.
    found : Enclosure
        Enclosure of the value.
    residuals : ndarray
        Half-spans of the residuals of the refinement steps.
    """

    w: FloatArray
    q: FloatArray
    lookahead: float
    found: Enclosure
    residuals: FloatArray


def evaluate_policy_array(kernel: Array, reward: Array, discount: complex) -> Array:
    """Solve ``v = reward + discount * kernel @ v``; nothing else, so that complex steps pass.

    Parameters
    ----------
    kernel : ndarray (..., S, S)
        Transition matrix of the policy, real or complex.
    reward : ndarray (..., S)
        Expected reward, real or complex.
    discount : float or complex
        Of modulus below 1.

    Returns
    -------
    ndarray (..., S)
        The value, without certificate.
    """
    matrix = np.eye(kernel.shape[-1]) - discount * kernel
    solution: Array = np.linalg.solve(matrix, reward[..., np.newaxis])[..., 0]
    return solution


def mixed_rows(arrays: DiscountedArrays, policy: FloatArray) -> Any:
    """Transition matrix of a policy.

    Parameters
    ----------
    arrays : DiscountedArrays
        The model.
    policy : ndarray (S, A)
        Probabilities.

    Returns
    -------
    ndarray or csr_array (S, S)
        Of the kind of the model's kernel.
    """
    states, actions = policy.shape
    if not arrays.is_sparse:
        kernel: FloatArray = np.matmul(
            policy[:, np.newaxis, :], arrays.matrix.reshape(states, actions, states)
        )
        return kernel[:, 0, :]
    taken = policy != 0  # explicit zeros would drag the rows of all actions along
    indptr = np.concatenate(([0], np.cumsum(taken.sum(axis=1))))
    weights = sparse.csr_array(
        (policy[taken], np.flatnonzero(taken), indptr), shape=(states, states * actions)
    )
    return sparse.csr_array(weights @ arrays.matrix)


def factorise(kernel: Any, discount: float) -> Callable[[FloatArray], FloatArray]:
    """Factorise ``I - discount * kernel``.

    Parameters
    ----------
    kernel : ndarray or csr_array (S, S)
        Transition matrix.
    discount : float
        In [0, 1).

    Returns
    -------
    callable
        Maps a right-hand side to the solution.
    """
    if sparse.issparse(kernel):
        chain: Any = kernel
        identity: Any = sparse.eye_array(chain.shape[0])
        factors = splu(sparse.csc_array(identity - discount * chain))
        return lambda right: np.asarray(factors.solve(right), dtype=float)
    matrix = -discount * kernel
    matrix.flat[:: matrix.shape[0] + 1] += 1.0
    lu = scipy.linalg.lu_factor(matrix, overwrite_a=True, check_finite=False)
    return lambda right: np.asarray(scipy.linalg.lu_solve(lu, right, check_finite=False), dtype=float)


def evaluate_relative(
    arrays: DiscountedArrays,
    policy: FloatArray,
    cost: FloatArray,
    cost_error: FloatArray,
    *,
    solve: Callable[[FloatArray], FloatArray] | None = None,
    start: FloatArray | None = None,
    refinements: int = 6,
) -> RelativeValue:
    """Evaluate a policy up to a constant, and certify.

    Parameters
    ----------
    arrays : DiscountedArrays
        The model.
    policy : ndarray (S, A)
        Probabilities.
    cost : ndarray (S, A)
        Taken off the reward; finite where the policy is positive.
    cost_error : ndarray (S, A)
        Error of ``cost``.
    solve : callable, optional
        From :func:`factorise`, where there is one.
    start : ndarray (S,), optional
        First guess.
    refinements : int, default 6
        Most solves; the first residual that rounding explains, or that is not halved, ends the refinement.

    Returns
    -------
    RelativeValue
        The best of the refinement steps.
    """
    if solve is None:
        solve = factorise(mixed_rows(arrays, policy), arrays.discount)
    wide = policy.sum(axis=1, dtype=np.longdouble) - 1  # at least as exact as double sums
    deviation = float(np.abs(wide).max()) + policy.shape[1] * float(np.finfo(np.longdouble).eps)
    if not ((policy != 0) & (policy != 1)).any():
        deviation = 0.0  # a deterministic policy sums exactly
    taken = policy > 0
    gain = np.where(taken, cost, 0.0)
    w = np.zeros(arrays.n_states) if start is None else start - 0.5 * (start.min() + start.max())
    best: RelativeValue | None = None
    history: list[float] = []
    for step in range(refinements + 1):
        q = arrays.lookahead(w)
        backup = (policy * np.where(taken, q - gain, 0.0)).sum(axis=1)
        lookahead = lookahead_rounding(arrays, w, q)
        found = enclose(
            arrays,
            w,
            backup,
            evaluation_rounding(lookahead, q, policy, gain, cost_error),
            deviation=deviation,
        )
        history.append(found.half_span)
        previous = math.inf if best is None else best.found.half_span
        if best is None or found.half_span < previous:
            best = RelativeValue(w, q, lookahead, found, np.array(history))
        settled = found.half_span <= 0.125 * found.slack or (step > 1 and found.half_span > 0.5 * previous)
        if step == refinements or (settled and (step > 0 or start is not None)):
            break
        # T w - w - const is what one exact solve would remove; the constant leaves with the next midrange.
        residual = backup - w
        w = w + solve(residual - 0.5 * (residual.min() + residual.max()))
        w = w - 0.5 * (w.min() + w.max())
    assert best is not None
    return RelativeValue(best.w, best.q, best.lookahead, best.found, np.array(history))


def policy_cost(
    arrays: DiscountedArrays, policy: FloatArray, temperature: float, log_reference: ArrayLike | None
) -> tuple[FloatArray, FloatArray]:
    """``temperature * log(policy / reference)`` and its rounding error; 0 where the policy is 0.

    Parameters
    ----------
    arrays : DiscountedArrays
        The model.
    policy : ndarray (S, A)
        Probabilities.
    temperature : float
        Non-negative.
    log_reference : array_like (S, A), optional
        Log-weights; default is the counting measure.

    Returns
    -------
    cost, error : ndarray (S, A)

    Raises
    ------
    ValueError
        If the policy takes an action to which the reference gives no weight.
    """
    nothing = np.zeros(policy.shape)
    if temperature == 0:
        return nothing, nothing
    taken = policy > 0
    logs = np.log(np.where(taken, policy, 1.0))
    reference = nothing
    if log_reference is not None:
        shape = (arrays.n_states, arrays.n_actions)
        reference = np.asarray(_check.pairs("log_reference", log_reference, shape, arrays.available, -np.inf))
        if np.iscomplexobj(reference):
            raise ValueError("log_reference must be real")
        if (reference == np.inf).any():
            where = arrays.names.place(PAIR, first(reference == np.inf))
            raise ValueError(f"log_reference is inf at {where}; expected the logarithm of a weight")
        outside = taken & (reference == -np.inf)
        if outside.any():
            where = arrays.names.place(PAIR, first(outside))
            raise ValueError(
                f"log_reference is -inf at {where}, which the policy takes: the divergence is infinite"
            )
        reference = np.where(taken, reference, 0.0)
    cost = temperature * (logs - reference)
    # The logarithm is good to two units, difference and product round once each.
    error = UNIT * 1.01 * (2 * temperature * np.abs(logs) + 2 * np.abs(cost))
    return cost, error


def policy_evaluation(
    mdp: MDP,
    policy: ArrayLike,
    *,
    temperature: float = 0.0,
    log_reference: ArrayLike | None = None,
    tol: float = 1e-8,
) -> EvaluationSolution:
    """Evaluate a policy, regularised or not.

    Parameters
    ----------
    mdp : MDP
        Dense or CSR, masked or not.
    policy : array_like (S, A)
        Probabilities; rows sum to one (deviations enter the bound), zero at unavailable pairs.
    temperature : float, default 0
        Non-negative; the reward becomes ``R - temperature * log(policy / reference)``.
    log_reference : array_like (S, A), optional
        Log-weights of the reference; default is the counting measure.
    tol : float, default 1e-8
        Only decides the status; the solve always goes as far as rounding allows.

    Returns
    -------
    EvaluationSolution
        ``residuals`` are half the spans of ``T w - w`` in the refinement.  Status CONVERGED or PRECISION_LIMIT.

    Raises
    ------
    ValueError
        If the policy is none, or takes an action outside the reference at a positive temperature.

    References
    ----------
    .. [1] M. L. Puterman, *Markov Decision Processes*, 1994, section 6.1.
    .. [2] N. J. Higham, *Accuracy and Stability of Numerical Algorithms*, 2002, chapter 12 (refinement).
    """
    check_controls(tol, 1)
    _check.non_negative("temperature", temperature)
    arrays = discounted_arrays(mdp)
    rows = _check.policy(mdp, policy)
    if np.iscomplexobj(rows):
        raise ValueError("policy must be real; evaluate_policy_array takes complex arrays")
    cost, cost_error = policy_cost(arrays, rows, temperature, log_reference)
    relative = evaluate_relative(arrays, rows, cost, cost_error)
    found = relative.found
    shift = arrays.discount * found.centre
    q = np.where(arrays.available, relative.q + shift, -np.inf)
    q_error = (
        relative.lookahead + found.drift + UNIT * (2 * abs(shift) + float(np.abs(q[arrays.available]).max()))
    )
    q_error += arrays.discount * (1 + arrays.row_deviation) * found.bound
    return EvaluationSolution(
        status=Status.CONVERGED if found.bound <= tol else Status.PRECISION_LIMIT,
        certificate=Certificate("sup-norm error of value", found.bound, THEOREM, found.rounding),
        steps=len(relative.residuals),
        residuals=relative.residuals,
        value=found.value,
        q=q,
        lower=found.value - found.bound,
        upper=found.value + found.bound,
        backward_error=found.backward_error,
        q_error=q_error * (1 + 16 * UNIT),
        policy=rows,
        cost=cost,
        temperature=temperature,
        names=arrays.names,
    )
