r"""Planning in linear MDPs, in feature space: d-vectors in the place of tables, no S x S array.

Action values are :math:`Q=\Phi w`.  One backup of any kind is :math:`w\mapsto\theta+\gamma\mu V_w` with
:math:`V_w(s)=\sum_a\pi(a|s)\,\phi(s,a)\cdot w` or :math:`\max_a\phi(s,a)\cdot w`: :math:`O(SAd)` operations, where a tabular
backup needs :math:`O(S^2A)`.

* **Evaluation.**  :math:`w=(I-\gamma K_\pi)^{-1}\theta` with the d x d matrix :math:`K_\pi=\mu\Phi_\pi`,
  :math:`\Phi_\pi(s)=\sum_a\pi(a|s)\phi(s,a)`: :math:`O(SAd+Sd^2+d^3)`.
* **Control.**  Howard's policy iteration with that evaluation.  A state changes its action only where the computed
  improvement exceeds what the errors can feign, hence every step improves and the run ends, ties or not.
* **Finite horizon.**  See :mod:`mdplab.solvers.linear_backward_induction`.

**Certificates.**  With :math:`\delta=\theta+\gamma\mu V_w-w` the Bellman residual of :math:`\Phi w` is *exactly*
:math:`\Phi\delta`, and :math:`\|Q-\Phi w\|_\infty\le\|\Phi\delta\|_\infty/(1-\gamma(1+\epsilon))` where :math:`1+\epsilon` bounds the
sum of moduli of a row of the kernel.  The rounding of all products is bounded a priori and added.  The bounds hold for
the exact kernel :math:`\Phi\mu` and for its table rounded entry by entry.

References
----------
.. [1] C. Jin, Z. Yang, Z. Wang, M. I. Jordan, "Provably efficient reinforcement learning with linear function
   approximation", COLT 2020, proposition 2.3.
.. [2] R. A. Howard, *Dynamic Programming and Markov Processes*, 1960.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.interrupts import asked, interruptible
from mdplab.models.linear import LinearMDP
from mdplab.operators import _check
from mdplab.solution import Certificate, Status
from mdplab.solvers.control import ControlSolution
from mdplab.solvers.discounted import UNIT, Callback, check_controls, warn_max_steps
from mdplab.solvers.linear_bounds import SAFETY, Sizes, sizes_of
from mdplab.solvers.policy_evaluation import EvaluationSolution

__all__ = [
    "LinearControlSolution",
    "LinearEvaluationSolution",
    "linear_policy_evaluation",
    "linear_policy_iteration",
]

_THEOREM = "the residual of features @ w is features @ delta; |Q - features @ w| <= |features @ delta| / (1 - discount)"
_REFINEMENTS = 3
_POLISH = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearEvaluationSolution(EvaluationSolution):
    """Value of a policy in a linear MDP.

    Attributes
    ----------
    weights : ndarray (d,)
        ``q = features @ weights``.
    """

    weights: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearControlSolution(ControlSolution):
    """Optimum of a discounted linear MDP.

    Attributes
    ----------
    weights : ndarray (d,)
        ``q = features @ weights``.
    """

    weights: FloatArray


def _discounted(model: LinearMDP) -> None:
    if not isinstance(model, LinearMDP):
        raise ValueError(f"model is a {type(model).__name__}, expected a LinearMDP")
    if model.horizon is not None:
        raise ValueError("model has a finite horizon: use linear_backward_induction")


def _weights_of(model: LinearMDP, mixed: FloatArray) -> FloatArray:
    """Weights of the policy with mixed features ``mixed (S, d)``, by a d x d solve and refinement."""
    matrix = np.eye(model.dimension) - model.discount * (model.measures @ mixed)
    inverse = np.linalg.inv(matrix)
    w = inverse @ model.theta
    size = math.inf
    for _ in range(_REFINEMENTS):
        delta = model.backup(mixed @ w) - w
        found = float(np.abs(delta).max())
        if not found < 0.5 * size:
            break
        size = found
        w = w + inverse @ delta
    result: FloatArray = w
    return result


def linear_policy_evaluation(
    model: LinearMDP, policy: ArrayLike, *, tol: float = 1e-8
) -> LinearEvaluationSolution:
    """Evaluate a policy of a discounted linear MDP by a d x d system.

    Parameters
    ----------
    model : LinearMDP
        Discounted.
    policy : array_like (S, A)
        Probabilities.
    tol : float, default 1e-8
        Decides the status only.

    Returns
    -------
    LinearEvaluationSolution
        Status CONVERGED or PRECISION_LIMIT.

    Raises
    ------
    ValueError
        If the model has a finite horizon or the policy is none.
    """
    check_controls(tol, 1)
    _discounted(model)
    rows = _check.shaped("policy", policy, (model.n_states, model.n_actions), "(S, A)")
    if np.iscomplexobj(rows):
        raise ValueError("policy must be real")
    _check.laws("policy", rows, ("state",), model.names)
    extra = float(np.abs(rows.sum(axis=1) - 1.0).max()) + model.n_actions * UNIT
    mixed = np.einsum("sa,sad->sd", rows, model.features)
    w = _weights_of(model, mixed)
    value = mixed @ w
    delta = model.backup(value) - w
    q = model.features @ w
    sizes = sizes_of(model, extra=extra)
    value_error = (
        SAFETY * (1 + extra) * sizes.product(w) * (1 + (model.n_actions + 1) / (model.dimension + 1))
    )
    rounding = sizes.residual(w, value, value_error, delta)
    residual = float(np.abs(model.features @ delta).max())
    inner = (residual + rounding) / sizes.gap if sizes.gap > 0 else math.inf
    bound = ((1 + extra) * inner + value_error) * (1 + 16 * UNIT) + 2 * UNIT * float(np.abs(value).max())
    return LinearEvaluationSolution(
        status=Status.CONVERGED if bound <= tol else Status.PRECISION_LIMIT,
        certificate=Certificate(
            "sup-norm error of value", bound, _THEOREM, min(bound, rounding / max(sizes.gap, 1e-300))
        ),
        steps=1,
        residuals=np.array([residual]),
        value=value,
        q=q,
        lower=value - bound,
        upper=value + bound,
        backward_error=(1 + extra) * (residual + rounding) + 2 * value_error,
        q_error=(inner + sizes.product(w)) * (1 + 16 * UNIT),
        policy=np.asarray(rows, dtype=np.float64),
        cost=np.zeros(rows.shape),
        temperature=0.0,
        weights=w,
        names=model.names,
    )


@interruptible
def linear_policy_iteration(
    model: LinearMDP,
    *,
    tol: float = 1e-8,
    max_steps: int = 1_000,
    callback: Callback | None = None,
) -> LinearControlSolution:
    """Solve a discounted linear MDP by policy iteration in feature space.

    Parameters
    ----------
    model : LinearMDP
        Discounted.
    tol : float, default 1e-8
        Sup-norm error of the value asked for; it decides the status only.
    max_steps : int, default 1000
        Most evaluations.
    callback : callable, optional
        ``callback(steps, lower, upper)`` after every evaluation; a true answer ends the run with the bounds reached.

    Returns
    -------
    LinearControlSolution
        ``residuals`` are sup norms of the optimality residual at the policies' values.  Status CONVERGED,
        PRECISION_LIMIT, MAX_STEPS (with a ConvergenceWarning) or INTERRUPTED.

    Raises
    ------
    ValueError
        If the model has a finite horizon or an argument is out of range.
    """
    check_controls(tol, max_steps)
    _discounted(model)
    states = np.arange(model.n_states)
    sizes = sizes_of(model)
    actions = (model.features @ model.theta).argmax(axis=1)
    residuals: list[float] = []
    status: Status | None = None
    best: tuple[FloatArray, _Found] | None = None
    while status is None:
        mixed = model.features[states, actions]
        w = _weights_of(model, mixed)
        own = mixed @ w
        delta = model.backup(own) - w
        error = float(np.abs(model.features @ delta).max()) + sizes.residual(w, own, sizes.product(w), delta)
        q = model.features @ w
        # A computed advantage beyond twice the error of the policy's action values is a true one.
        doubt = 2.0 * (error / sizes.gap if sizes.gap > 0 else math.inf) + 2.0 * sizes.product(w)
        better = q.max(axis=1) - own > doubt
        found = _optimality(model, sizes, w)
        residuals.append(found.residual)
        if best is None or found.bound < best[1].bound:
            best = w, found
        if not better.any():
            status = Status.CONVERGED
        elif len(residuals) >= max_steps:
            status = Status.MAX_STEPS
        stop = asked(callback, len(residuals), found.value - found.bound, found.value + found.bound)
        if stop and status in (None, Status.MAX_STEPS):
            status = Status.INTERRUPTED
        if status is None:
            actions = np.where(better, q.argmax(axis=1), actions)
    if status is Status.CONVERGED:
        for _ in range(_POLISH):  # what ties left undecided
            following = _optimality(model, sizes, w + found.delta)
            if not following.bound < 0.9 * found.bound:
                break
            w, found = w + found.delta, following
    elif best is not None:  # values increase, bounds need not improve with them
        w, found = best
    bound = found.bound
    if status is Status.CONVERGED and bound > tol:
        status = Status.PRECISION_LIMIT
    warn_max_steps("linear_policy_iteration", status, len(residuals), bound, tol)
    return _control(model, sizes, w, found, status, np.array(residuals))


class _Found(NamedTuple):
    """What one optimality backup of ``w`` proves."""

    q: FloatArray
    value: FloatArray
    delta: FloatArray
    residual: float
    rounding: float
    bound: float


def _optimality(model: LinearMDP, sizes: Sizes, w: FloatArray) -> _Found:
    """Enclosure of the optimum from the optimality backup of ``w``."""
    q = model.features @ w
    value = q.max(axis=1)
    delta = model.backup(value) - w
    residual = float(np.abs(model.features @ delta).max())
    rounding = sizes.residual(w, value, sizes.product(w), delta)
    inner = (residual + rounding) / sizes.gap if sizes.gap > 0 else math.inf
    bound = (inner + sizes.product(w)) * (1 + 16 * UNIT) + 2 * UNIT * float(np.abs(value).max())
    return _Found(q, value, delta, residual, rounding, bound)


def _control(
    model: LinearMDP,
    sizes: Sizes,
    w: FloatArray,
    found: _Found,
    status: Status,
    residuals: FloatArray,
) -> LinearControlSolution:
    """The solution that an enclosure gives, with its greedy policy."""
    q, value, _, residual, rounding, bound = found
    policy = np.zeros(q.shape)
    policy[np.arange(model.n_states), q.argmax(axis=1)] = 1.0
    others = np.where(policy > 0, -np.inf, q).max(axis=1)
    unique = bool(np.all(value - others > 2 * bound))
    # Residual of the greedy policy's own backup at Q: that of the optimum but for the rounding of the maximum.
    greedy = 2 * sizes.product(w)
    own = (residual + rounding + model.discount * (1 + sizes.deviation) * greedy) / max(sizes.gap, 1e-300)
    with np.errstate(divide="ignore"):
        log_policy = np.log(policy)
    return LinearControlSolution(
        status=status,
        certificate=Certificate(
            "sup-norm error of value", bound, _THEOREM, min(bound, rounding / max(sizes.gap, 1e-300))
        ),
        steps=len(residuals),
        residuals=residuals,
        value=value,
        q=q,
        policy=policy,
        log_policy=log_policy,
        lower=value - bound,
        upper=value + bound,
        suboptimality=0.0 if unique else (bound + own + greedy) * (1 + 16 * UNIT),
        backward_error=residual + rounding + 2 * sizes.product(w),
        q_error=bound,
        policy_error=0.0 if unique else math.inf,
        log_policy_error=0.0 if unique else math.inf,
        temperature=0.0,
        bonus=None,
        reward=model.features @ model.theta,
        weights=w,
        names=model.names,
    )
