r"""Fixed points of projected Bellman operators: what temporal differences with linear features converge to.

For a policy with value :math:`V=r+\gamma PV`, features :math:`\Phi\in\mathbb R^{S\times d}` and weights :math:`\xi` of the
states (:math:`D=\mathrm{diag}(\xi)`, :math:`\Pi` the projection onto the span of the features in the weighted product):

* ``method="td"``: :math:`\Phi\theta=\Pi T^{(\lambda)}\Phi\theta`, that is
  :math:`\Phi^\top D(I-\lambda\gamma P)^{-1}\big(r-(I-\gamma P)\Phi\theta\big)=0`; the trace :math:`\lambda=1` is the projection of
  the value;
* ``method="residual"``: the minimum of :math:`\|T\Phi\theta-\Phi\theta\|_\xi`;
* ``method="projection"``: the minimum of :math:`\|V-\Phi\theta\|_\xi`, computed from the value itself.

:math:`\Pi T` is a contraction if :math:`\xi` is stationary for the policy; for other weights the fixed point exists unless the
d x d matrix is singular, and may be far from V [2]_.

:func:`lstd` is the same equation with the averages of logged transitions in the place of the model [1]_.

**Certificates.**  The error of the coefficients against the *exact* fixed point is proven by an approximate inverse of the
d x d matrix (:mod:`mdplab.numerics.linear_system`), whose rounding is included, and multiplied by the largest sum of moduli
of a feature vector.  The distance to the true value is a different thing, and is bounded too:
``value_error`` is the sup norm of the Bellman residual over :math:`1-\gamma`.

References
----------
.. [1] S. J. Bradtke, A. G. Barto, "Linear least-squares algorithms for temporal difference learning", Machine Learning 22,
   1996.
.. [2] J. N. Tsitsiklis, B. Van Roy, "An analysis of temporal-difference learning with function approximation", IEEE TAC 42,
   1997.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from mdplab._typing import FloatArray
from mdplab.models.dataset import LoggedDataset
from mdplab.models.tabular import MDP
from mdplab.numerics.linear_system import solution_error, solve_refined
from mdplab.operators import _check
from mdplab.solution import Certificate, Layout, Solution, Status
from mdplab.solvers.discounted import UNIT, check_controls, discounted_arrays
from mdplab.solvers.policy_evaluation import mixed_rows, policy_evaluation

__all__ = ["LinearFixedPoint", "lstd", "projected_fixed_point"]

_THEOREM = (
    "|x - x*| <= |R| |b - A x| / (1 - |I - R A|) for any approximate inverse R (Rump 2010), rounding included"
)
_SAFETY = 1.01


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearFixedPoint(Solution):
    """A linear approximation of a value; its table has a row a state.

    Attributes
    ----------
    coefficients : ndarray (d,)
        The fixed point; ``certificate.bound`` bounds the sup norm of the error of ``value`` *as the fixed point*.
    value : ndarray (S,) or (S, A)
        ``features @ coefficients``.
    value_error : float
        Proven bound on the sup norm of ``value`` minus the true value of the policy; inf without a model.
    bellman_error : float
        Proven bound on the sup norm of the Bellman residual of ``value``; inf without a model.
    matrix : ndarray (d, d)
        The matrix of the linear system.
    method : {"td", "residual", "projection", "data"}
        The equation; ``"data"`` is that of :func:`lstd`.
    features, policy, weights, trace
        What was asked for; ``weights`` (S,) divided by the largest, None with data.
    ridge, discount : float
        What :func:`lstd` was asked for; 0 and the model's discount otherwise.
    """

    coefficients: FloatArray
    value: FloatArray
    value_error: float
    bellman_error: float
    matrix: FloatArray
    method: str = field(repr=False)
    features: FloatArray = field(repr=False)
    policy: FloatArray | None = field(repr=False)
    weights: FloatArray | None = field(repr=False)
    trace: float = field(repr=False)
    ridge: float = field(repr=False)
    discount: float = field(repr=False)

    def _layout(self) -> Layout:
        return ("state",), {"value": self.value}


def _features(features: ArrayLike, shape: tuple[int, ...], letters: str) -> FloatArray:
    phi = np.asarray(features, dtype=np.float64)
    if phi.shape[:-1] != shape or phi.ndim != len(shape) + 1 or 0 in phi.shape:
        raise ValueError(f"features has shape {phi.shape}, expected {letters} with {shape} in front")
    if not np.isfinite(phi).all():
        raise ValueError(f"features: entry {np.argwhere(~np.isfinite(phi))[0].tolist()} is not finite")
    return phi


def projected_fixed_point(
    mdp: MDP,
    policy: ArrayLike,
    features: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    method: Literal["td", "residual", "projection"] = "td",
    trace: float = 0.0,
    tol: float = 1e-8,
) -> LinearFixedPoint:
    """Linear approximation of the value of a policy, from the model.

    Parameters
    ----------
    mdp : MDP
        Dense or CSR.
    policy : array_like (S, A)
        Probabilities.
    features : array_like (S, d)
        Features of the states.
    weights : array_like (S,), optional
        Non-negative weights of the states, not all zero; ones by default.
    method : {"td", "residual", "projection"}
        Which equation; see above.
    trace : float, default 0
        The parameter lambda in [0, 1] of ``"td"``.
    tol : float, default 1e-8
        Decides the status only.

    Returns
    -------
    LinearFixedPoint
        Status CONVERGED, PRECISION_LIMIT, or UNCERTIFIED where the system is not proven regular (the coefficients then are
        of minimum norm).

    Raises
    ------
    ValueError
        If an argument has a wrong shape or range.
    """
    check_controls(tol, 1)
    if method not in ("td", "residual", "projection"):
        raise ValueError(f"method is {method!r}, expected 'td', 'residual' or 'projection'")
    if not 0.0 <= trace <= 1.0:
        raise ValueError(f"trace is {trace}, expected a number in [0, 1]")
    arrays = discounted_arrays(mdp)
    rows = _check.policy(mdp, policy)
    phi = _features(features, (mdp.n_states,), "(S, d)")
    w = np.ones(mdp.n_states) if weights is None else np.asarray(weights, dtype=np.float64)
    if w.shape != (mdp.n_states,) or not (np.isfinite(w).all() and w.min() >= 0.0 and w.any()):
        raise ValueError(f"weights must be (S,) = ({mdp.n_states},) non-negative numbers, not all zero")
    w = w / w.max()
    gamma = arrays.discount
    kernel: Any = mixed_rows(arrays, rows)
    reward = (rows * arrays.reward).sum(axis=1)
    size = np.abs(phi)
    following = np.asarray(kernel @ phi)
    expected = np.asarray(abs(kernel) @ size)
    # Rounding of one entry of Phi - gamma P Phi: mixing A rows, a sum over successors, product and difference.
    terms = min(arrays.successors * arrays.n_actions, mdp.n_states) + arrays.n_actions
    difference = phi - gamma * following
    doubt = _SAFETY * UNIT * ((terms + 4) * gamma * expected + 2 * size)
    reward_doubt = _SAFETY * UNIT * (arrays.n_actions + 1) * (rows * np.abs(arrays.reward)).sum(axis=1)
    spread = float(np.asarray(abs(kernel).sum(axis=1)).max()) * (1.0 + mdp.n_states * UNIT)
    if method == "projection":
        exact = policy_evaluation(mdp, rows, tol=tol)
        left = w[:, np.newaxis] * phi
        left_doubt = 4 * UNIT * np.abs(left)
        right_side, right_doubt = exact.value, np.full(mdp.n_states, exact.certificate.bound)
        difference, doubt = phi, np.zeros(phi.shape)
    elif method == "residual":
        left = w[:, np.newaxis] * difference
        left_doubt = w[:, np.newaxis] * doubt + 4 * UNIT * np.abs(left)
        right_side, right_doubt = reward, reward_doubt
    else:
        left, left_doubt = _eligibility(kernel, w[:, np.newaxis] * phi, trace * gamma, terms, spread)
        right_side, right_doubt = reward, reward_doubt
    matrix = left.T @ difference
    right = left.T @ right_side
    sums = (mdp.n_states + 3) * UNIT * _SAFETY
    moduli = np.abs(left) + left_doubt
    matrix_error = moduli.T @ doubt + left_doubt.T @ np.abs(difference) + sums * moduli.T @ np.abs(difference)
    right_error = (
        moduli.T @ right_doubt + left_doubt.T @ np.abs(right_side) + sums * moduli.T @ np.abs(right_side)
    )
    coefficients = solve_refined(matrix, right)
    error = solution_error(matrix, coefficients, right, matrix_error=matrix_error, right_error=right_error)
    value = phi @ coefficients
    largest = float(np.abs(value).max())
    length = float(size.sum(axis=1).max()) * (1 + phi.shape[1] * UNIT)
    own = _SAFETY * (phi.shape[1] + 1) * UNIT * length * float(np.abs(coefficients).max())
    residual = float(np.abs(reward + gamma * (kernel @ value) - value).max())
    residual += _SAFETY * UNIT * ((terms + 4) * gamma * spread * largest + 2 * largest) + float(
        reward_doubt.max()
    )
    gap = (1.0 - gamma * max(spread, 1.0)) * (1 - 4 * UNIT) - gamma * arrays.row_deviation
    bound = length * error + own
    return LinearFixedPoint(
        status=_status(bound, tol),
        certificate=Certificate("sup-norm error of value as the fixed point", bound, _THEOREM, bound),
        steps=1,
        coefficients=coefficients,
        value=value,
        value_error=residual / gap if gap > 0 else math.inf,
        bellman_error=residual,
        matrix=matrix,
        method=method,
        features=phi,
        policy=np.asarray(rows, dtype=np.float64),
        weights=w,
        trace=trace,
        ridge=0.0,
        discount=gamma,
        names=mdp.names,
    )


def _status(bound: float, tol: float) -> Status:
    if math.isinf(bound):
        return Status.UNCERTIFIED
    return Status.CONVERGED if bound <= tol else Status.PRECISION_LIMIT


def _eligibility(
    kernel: Any, weighted: FloatArray, decay: float, terms: int, spread: float
) -> tuple[FloatArray, FloatArray]:
    """``(I - decay P)^{-T} D Phi`` and a bound on its errors, from its residual."""
    if decay == 0.0:
        return weighted, 4 * UNIT * np.abs(weighted)
    if not isinstance(kernel, np.ndarray):
        identity: Any = sparse.eye_array(kernel.shape[0])
        transposed: Any = sparse.csc_array((identity - decay * kernel).T)
        found = np.asarray(sparse.linalg.splu(transposed).solve(weighted), dtype=np.float64)
    else:
        found = np.asarray(
            np.linalg.solve(np.eye(kernel.shape[0]) - decay * kernel.T, weighted), dtype=np.float64
        )
    back = np.asarray(kernel.T @ found)
    residual = np.abs(weighted + decay * back - found)
    moduli = np.asarray(abs(kernel).T @ np.abs(found))
    count = kernel.shape[0] + terms + 4
    residual = residual + _SAFETY * UNIT * (count * decay * moduli + 2 * np.abs(found) + 4 * np.abs(weighted))
    # In the sum of moduli a column of the solution is at most 1 / (1 - decay) times that of its right-hand side.
    total = residual.sum(axis=0) / (1.0 - decay * spread * (1 + 8 * UNIT))
    return found, np.broadcast_to(_SAFETY * total, found.shape)


def lstd(
    data: LoggedDataset,
    features: ArrayLike,
    *,
    discount: float,
    policy: ArrayLike | None = None,
    ridge: float = 0.0,
    trace: float = 0.0,
    tol: float = 1e-8,
) -> LinearFixedPoint:
    r"""Least-squares temporal differences from logged trajectories.

    Solves :math:`(\mathrm{ridge}\,I+\sum_iw_iz_i(\phi_i-\gamma\phi_i')^\top)\theta=\sum_iw_iz_ir_i` with the eligibility
    :math:`z_i=\phi_i+\lambda\gamma z_{i-1}` along each trajectory.  Sums are not divided by the number of data.

    Parameters
    ----------
    data : LoggedDataset
        Weighted trajectories; the last state of each counts as a successor only.
    features : array_like (S, d) or (S, A, d)
        Features of the states, or of the pairs (LSTD-Q).
    discount : float
        In [0, 1].
    policy : array_like (S, A), optional
        Policy that is evaluated; needed with features of pairs, whose successor is :math:`\sum_b\pi(b|s')\phi(s',b)`.
    ridge : float, default 0
        Non-negative.
    trace : float, default 0
        In [0, 1]; 0 with features of pairs (the data may come from another policy).
    tol : float, default 1e-8
        Decides the status only.

    Returns
    -------
    LinearFixedPoint
        ``value`` is (S,) or (S, A); its certificate is about the equation of the data, not about the true value.

    Raises
    ------
    ValueError
        If shapes do not fit, an argument is out of range, or the policy is missing or superfluous.
    """
    check_controls(tol, 1)
    _check.number("discount", discount, 0.0, 1.0)
    _check.number("trace", trace, 0.0, 1.0)
    _check.number("ridge", ridge, 0.0, float(np.finfo(np.float64).max))
    states, table = data.n_states, np.asarray(features, dtype=np.float64)
    pairs = table.ndim == 3
    phi = _features(
        table, (states, data.n_actions) if pairs else (states,), "(S, A, d)" if pairs else "(S, d)"
    )
    if pairs != (policy is not None):
        raise ValueError("policy is needed with features of pairs, and with these only")
    if pairs and trace != 0.0:
        raise ValueError("trace must be 0 with features of pairs")
    d = phi.shape[-1]
    if policy is None:
        now, after = phi[data.states[:, :-1]], phi[data.states[:, 1:]]
    else:
        rows = _check.shaped("policy", policy, (states, data.n_actions), "(S, A)")
        _check.laws("policy", rows, ("state",))
        now = phi[data.states[:, :-1], data.actions]
        after = np.einsum("sa,sad->sd", rows, phi)[data.states[:, 1:]]
    eligibility = np.array(now)
    for h in range(1, data.horizon):
        eligibility[:, h] += trace * discount * eligibility[:, h - 1]
    weighted = (data.weights[:, np.newaxis, np.newaxis] * eligibility).reshape(-1, d)
    difference = (now - discount * after).reshape(-1, d)
    rewards = data.rewards.ravel()
    matrix = weighted.T @ difference + ridge * np.eye(d)
    right = weighted.T @ rewards
    # Each number was rounded a few times (eligibilities once more a step), each sum has N H terms.
    count = (rewards.size + data.horizon * (trace > 0) + data.n_actions + 8) * UNIT * _SAFETY
    moduli = np.abs(now) + discount * np.abs(after)
    sizes = _moduli(now, data.weights, trace * discount).reshape(-1, d)
    matrix_error = count * (sizes.T @ moduli.reshape(-1, d) + ridge * np.eye(d))
    right_error = count * (sizes.T @ np.abs(rewards))
    coefficients = solve_refined(matrix, right)
    error = solution_error(matrix, coefficients, right, matrix_error=matrix_error, right_error=right_error)
    length = float(np.abs(phi).sum(axis=-1).max()) * (1 + d * UNIT)
    bound = length * error + _SAFETY * (d + 1) * UNIT * length * float(np.abs(coefficients).max())
    return LinearFixedPoint(
        status=_status(bound, tol),
        certificate=Certificate("sup-norm error of value as the fixed point", bound, _THEOREM, bound),
        steps=1,
        coefficients=coefficients,
        value=phi @ coefficients,
        value_error=math.inf,
        bellman_error=math.inf,
        matrix=matrix,
        method="data",
        features=phi,
        policy=None if policy is None else np.asarray(policy, dtype=np.float64),
        weights=None,
        trace=trace,
        ridge=ridge,
        discount=discount,
    )


def _moduli(now: FloatArray, weights: FloatArray, decay: float) -> FloatArray:
    """Weighted eligibilities of the moduli."""
    sizes = np.abs(now)
    for h in range(1, sizes.shape[1]):
        sizes[:, h] += decay * sizes[:, h - 1]
    result: FloatArray = weights[:, np.newaxis, np.newaxis] * sizes
    return result
