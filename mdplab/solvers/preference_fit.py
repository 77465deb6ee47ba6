r"""Fits of weighted logistic pair losses: Bradley-Terry rewards and direct preference optimisation.

With ``l(h) = log(1 + exp(-h))`` and a weight ``W[i, j]`` for every ordered pair (``i`` preferred to ``j``; counts,
frequencies or population probabilities) the loss is

.. math::
    L(\theta)=\frac1{\sum W}\sum_{i\ne j} W'_{ij}\,\ell(h_{ij}(\theta)), \qquad
    W' = \begin{cases} W & \text{plain}\\ (1-\varepsilon)W+\varepsilon W^\top & \text{smoothing}\\
    \big((1-\varepsilon)W-\varepsilon W^\top\big)/(1-2\varepsilon) & \text{flips, de-biased}\end{cases}

with a margin ``h`` that is affine in the parameters:

- Bradley-Terry: ``h_ij = r_i - r_j``;
- direct preference optimisation with logits ``theta`` at temperature ``tau``:
  ``h_ij = tau [(theta_i - log ref_i) - (theta_j - log ref_j)]``;
- log-linear policies ``pi ~ ref exp(X theta)``: ``h_ij = tau (X_i - X_j) . theta``.

Since ``W'_ij + W'_ji = W_ij + W_ji >= 0`` all these losses are convex with one and the same Hessian at the same
point, also the de-biased one, whose weights may be negative.

Existence.  For non-negative tabular weights the minimiser exists exactly when each connected component of the
comparison graph is strongly connected (``i -> j`` when ``W'_ij > 0``); otherwise some rewards run off and the status
is ``NOT_ATTAINED``.  With several components only differences inside each one are determined: ``NOT_UNIQUE``.  In
general the loss is bounded below exactly when its recession function ``sum_{ij} W'_ij max(0, -h_ij(v))`` is
non-negative, which a linear program decides.

Error bound.  ``|l'''| <= l''`` makes the Hessian along a direction ``v`` lose at most the factor ``exp(-nu)`` while
margins move by ``nu`` (generalised self-concordance).  Let ``lam`` be the smallest eigenvalue of the Hessian on the
complement of the gauge at the point returned, ``g`` the norm of the gradient, ``X`` the largest norm of a pair's
margin gradient.  If ``q = X g / lam < 1`` the minimiser exists within

.. math:: \|\hat\theta-\theta^*\|_2\le\frac g\lambda\cdot\frac{\nu}{1-e^{-\nu}},\qquad \nu=-\log(1-q).

References
----------
R. Bradley, M. Terry (1952), Rank analysis of incomplete block designs, Biometrika 39.
L. Ford (1957), Solution of a ranking problem from binary comparisons, Amer. Math. Monthly 64 (existence).
R. Rafailov et al. (2023), Direct Preference Optimization, arXiv 2305.18290.
S. Ray Chowdhury, A. Kini, N. Natarajan (2024), Provably Robust DPO, arXiv 2403.00409 (de-biased loss).
F. Bach (2010), Self-concordant analysis for logistic regression, Electronic J. Statistics 4.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from mdplab._typing import BoolArray, FloatArray, IntArray
from mdplab.convex.pair_loss import PairLoss
from mdplab.convex.smooth import minimise_smooth
from mdplab.interrupts import interruptible
from mdplab.models import PairWeights, Policy
from mdplab.operators import _check
from mdplab.operators.tilt import log_tilt
from mdplab.solution import Certificate, Layout, Solution, Status
from mdplab.solvers.discounted import warn_max_steps

__all__ = ["FitSolution", "bradley_terry_fit", "direct_preference_fit"]

_EPS = float(np.finfo(np.float64).eps)
_THEOREM = "Newton bound for generalised self-concordant losses (Bach 2010)"


@dataclass(frozen=True, kw_only=True, eq=False)
class FitSolution(Solution):
    """Minimiser of a logistic pair loss; its table has a row an item.

    The certificate bounds the Euclidean error of ``parameters``.

    Attributes
    ----------
    parameters : ndarray, shape (p,)
        Rewards or logits, centred in each component of the comparison graph, or coefficients of the features; NaN
        when no minimiser exists.
    reward : ndarray, shape (n,)
        Implicit reward: the rewards themselves, or ``temperature log(pi/ref)`` centred in each component.
    policy, log_policy : ndarray, shape (n,) or None
        Fitted policy of a direct fit; with several components one of many.
    objective : float
        Loss at ``parameters``; the infimum where it is not attained, ``-inf`` where the loss is unbounded.
    gradient_norm : float
        Euclidean norm of the gradient of the loss.
    curvature : float
        Lower bound on the eigenvalues of the Hessian on the complement of the gauge.
    component : ndarray of int, shape (n,)
        Component of the (undirected) comparison graph of each item.
    temperature, log_reference, features, smoothing, flip
        What was asked for; 1, zeros (n,) and None for Bradley-Terry rewards.
    """

    parameters: FloatArray
    reward: FloatArray
    policy: FloatArray | None
    log_policy: FloatArray | None
    objective: float
    gradient_norm: float
    curvature: float
    component: IntArray
    temperature: float = field(repr=False)
    log_reference: FloatArray = field(repr=False)
    features: FloatArray | None = field(repr=False)
    smoothing: float = field(repr=False)
    flip: float = field(repr=False)

    def _layout(self) -> Layout:
        policy = {} if self.policy is None else {"policy": self.policy}
        return ("item",), {"reward": self.reward, "component": self.component, **policy}


@interruptible
def bradley_terry_fit(
    weights: PairWeights | ArrayLike,
    *,
    smoothing: float = 0.0,
    flip: float = 0.0,
    tol: float = 1e-10,
    max_steps: int = 200,
) -> FitSolution:
    """Maximum-likelihood Bradley-Terry rewards, centred.

    Parameters
    ----------
    weights : PairWeights or array_like, shape (n, n)
        ``W[i, j] >= 0``, how often ``i`` beats ``j`` (row wins); the diagonal is ignored.
    smoothing : float
        Label smoothing ``epsilon`` in [0, 1/2).
    flip : float
        Known flip probability in [0, 1/2) for the de-biased loss; not together with ``smoothing``.
    tol : float
        Certified Euclidean error for status ``CONVERGED``.
    max_steps : int
        Largest number of Newton steps.

    Returns
    -------
    FitSolution
        ``policy`` is ``None``.

    Raises
    ------
    ValueError
        If an argument is out of its range, or nothing is compared.

    References
    ----------
    R. Bradley, M. Terry (1952), Rank analysis of incomplete block designs, Biometrika 39.
    """
    effective = _effective(weights, smoothing, flip)
    n = effective.shape[0]
    fit = _fit(effective, np.eye(n), np.zeros(n), True, tol, max_steps)
    warn_max_steps("bradley_terry_fit", fit[8], fit[6], fit[4], tol)
    task: dict[str, Any] = {
        "temperature": 1.0,
        "log_reference": np.zeros(n),
        "features": None,
        "smoothing": smoothing,
        "flip": flip,
    }
    return _solution(fit, effective, fit[0], None, task)


@interruptible
def direct_preference_fit(
    weights: PairWeights | ArrayLike,
    reference: ArrayLike | None = None,
    *,
    temperature: float,
    log_reference: ArrayLike | None = None,
    features: ArrayLike | None = None,
    smoothing: float = 0.0,
    flip: float = 0.0,
    tol: float = 1e-10,
    max_steps: int = 200,
) -> FitSolution:
    """Direct preference optimisation over softmax logits or log-linear policies.

    Parameters
    ----------
    weights : PairWeights or array_like, shape (n, n)
        ``W[i, j] >= 0``, how often ``i`` beats ``j`` (row wins); the diagonal is ignored.
    reference : array_like, shape (n,), optional
        Reference policy, of full support.
    temperature : float
        Multiplies the log-ratios in the margins, > 0.
    log_reference : array_like, shape (n,), or Policy of one state, optional
        Its logarithm, in the place of ``reference``.
    features : array_like, shape (n, d), optional
        Features of a log-linear policy ``ref exp(X theta)``; without them the logits are free.
    smoothing : float
        Label smoothing ``epsilon`` in [0, 1/2).
    flip : float
        Known flip probability in [0, 1/2) for the de-biased loss; not together with ``smoothing``.
    tol : float
        Certified Euclidean error for status ``CONVERGED``.
    max_steps : int
        Largest number of Newton steps.

    Returns
    -------
    FitSolution

    Raises
    ------
    ValueError
        If an argument is out of its range, or nothing is compared.

    References
    ----------
    R. Rafailov et al. (2023), Direct Preference Optimization, arXiv 2305.18290.
    """
    effective = _effective(weights, smoothing, flip)
    n = effective.shape[0]
    if not (np.isfinite(temperature) and temperature > 0.0):
        raise ValueError(f"temperature: {temperature!r}; expected a finite number > 0")
    if (reference is None) == (log_reference is None):
        raise ValueError("reference: give exactly one of reference and log_reference")
    if log_reference is None:
        law = np.asarray(reference, dtype=np.float64)
        if law.shape != (n,) or not (law > 0.0).all() or abs(law.sum() - 1.0) > 1e-9:
            raise ValueError(f"reference: expected {n} positive probabilities with sum 1, got {law!r}")
        logs = np.log(law)
    else:
        logs = _check.numeric("log_reference", log_reference)
        if isinstance(log_reference, Policy) and logs.shape == (1, n):  # of one state
            logs = logs[0]
        if logs.shape != (n,) or np.iscomplexobj(logs) or not np.isfinite(logs).all():
            raise ValueError(f"log_reference: expected {n} finite numbers")
    matrix: FloatArray | None = None
    if features is None:
        fit = _fit(effective, temperature * np.eye(n), -temperature * logs, True, tol, max_steps)
        log_policy = log_tilt(fit[0]) if np.isfinite(fit[0]).all() else np.full(n, np.nan)
    else:
        matrix = np.asarray(features, dtype=np.float64)
        if matrix.ndim != 2 or matrix.shape[0] != n or not np.isfinite(matrix).all():
            raise ValueError(f"features: expected a finite array of shape ({n}, d), got shape {matrix.shape}")
        fit = _fit(effective, temperature * matrix, np.zeros(n), False, tol, max_steps)
        finite = np.isfinite(fit[0]).all()
        log_policy = log_tilt(matrix @ fit[0], log_reference=logs) if finite else np.full(n, np.nan)
    task: dict[str, Any] = {
        "temperature": temperature,
        "log_reference": logs,
        "features": matrix,
        "smoothing": smoothing,
        "flip": flip,
    }
    warn_max_steps("direct_preference_fit", fit[8], fit[6], fit[4], tol)
    return _solution(fit, effective, temperature * (log_policy - logs), log_policy, task)


_Fit = tuple[FloatArray, float, float, float, float, float, int, FloatArray, Status]


def _effective(weights: PairWeights | ArrayLike, smoothing: float, flip: float) -> FloatArray:
    """Checked weights after smoothing or de-biasing, divided by their total, with zero diagonal."""
    w = np.array(weights.weights if isinstance(weights, PairWeights) else weights, dtype=np.float64)
    if w.ndim != 2 or w.shape[0] != w.shape[1] or w.shape[0] < 2:
        raise ValueError(f"weights: expected a square matrix of at least two items, got shape {w.shape}")
    bad = ~(np.isfinite(w) & (w >= 0.0))
    if bad.any():
        i, j = (int(k) for k in np.argwhere(bad)[0])
        raise ValueError(f"weights: entry ({i}, {j}) is {float(w[i, j])!r}; expected a finite number >= 0")
    for name, epsilon in (("smoothing", smoothing), ("flip", flip)):
        if not 0.0 <= epsilon < 0.5:
            raise ValueError(f"{name}: {epsilon!r}; expected a number in [0, 1/2)")
    if smoothing > 0.0 and flip > 0.0:
        raise ValueError("smoothing, flip: choose one of the two losses")
    np.fill_diagonal(w, 0.0)
    if w.sum() == 0.0:
        raise ValueError("weights: nothing is compared (all off-diagonal entries are 0)")
    w /= w.sum()
    if smoothing > 0.0:
        return (1.0 - smoothing) * w + smoothing * w.T
    if flip > 0.0:
        return ((1.0 - flip) * w - flip * w.T) / (1.0 - 2.0 * flip)
    return w


def _fit(
    effective: FloatArray, items: FloatArray, offset: FloatArray, tabular: bool, tol: float, max_steps: int
) -> _Fit:
    """Minimise the loss with margins ``(items theta + offset)_i - (...)_j``.

    Returns parameters, objective, gradient norm, curvature, bound, rounding, steps, residuals, status.
    """
    i, j = np.nonzero(np.triu(effective + effective.T, 1))
    loss = PairLoss(items[i] - items[j], offset[i] - offset[j], effective[i, j], effective[j, i])
    component = _components(effective)
    size = items.shape[1]
    gauge = _gauge(loss, component, tabular)
    none = np.full(size, np.nan)
    attained = True
    decided = tabular and bool((effective >= 0.0).all())  # by the graph of wins
    if decided:
        strong = _classes(effective > 0.0, directed=True)
        if np.unique(strong).size > np.unique(component).size:
            # pairs between strong components cost nothing in the limit
            inside = strong[i] == strong[j]
            loss = PairLoss(loss.design[inside], loss.offset[inside], loss.win[inside], loss.lose[inside])
            gauge = _gauge(loss, strong, tabular)
            attained = False
    elif loss.recession() < -1e-12:
        return none, -np.inf, np.nan, 0.0, np.inf, 0.0, 0, np.zeros(0), Status.UNBOUNDED

    minimum = minimise_smooth(
        loss.value, loss.gradient, loss.hessian, np.zeros(size), tol=1e-14, max_steps=max_steps, gauge=gauge
    )
    theta = minimum.point
    bound, curvature, rounding = loss.error_bound(theta, gauge)
    if not attained:
        theta = none
        status = Status.NOT_ATTAINED
        bound = np.inf
    elif not np.isfinite(bound):
        # where nothing proves that a minimiser exists, parameters of this size are running away
        runaway = not decided and float(np.abs(loss.margin(theta)).max(initial=0.0)) > 30.0
        status = Status.NOT_ATTAINED if runaway else Status.UNCERTIFIED
        theta = none if runaway else theta
    elif bound > tol:
        cut_short = minimum.status in (Status.MAX_STEPS, Status.INTERRUPTED)
        status = minimum.status if cut_short else Status.PRECISION_LIMIT
    else:
        unique = gauge is None or (tabular and gauge.shape[0] == 1)
        status = Status.CONVERGED if unique else Status.NOT_UNIQUE
    norm = minimum.gradient_norm
    return (
        theta,
        minimum.objective,
        norm,
        curvature,
        bound,
        rounding,
        minimum.steps,
        minimum.residuals,
        status,
    )


def _components(effective: FloatArray) -> IntArray:
    """Component of the undirected comparison graph of each item."""
    return _classes((effective + effective.T) != 0.0, directed=False)


def _classes(arcs: BoolArray, *, directed: bool) -> IntArray:
    """Strong components of a directed graph, components of an undirected one."""
    graph: Any = sparse.csr_array(arcs)
    return np.asarray(connected_components(graph, directed=directed, connection="strong")[1], dtype=np.int64)


def _gauge(loss: PairLoss, component: IntArray, tabular: bool) -> FloatArray | None:
    """Directions that change no margin: constants on components, or the null space of the compared features."""
    if tabular:
        return np.asarray(component[None, :] == np.unique(component)[:, None], dtype=np.float64)
    _, singular, right = np.linalg.svd(loss.design, full_matrices=True)
    rank = int((singular > 1e-10 * max(float(singular.max(initial=0.0)), 1e-300)).sum())
    return np.asarray(right[rank:]) if rank < right.shape[0] else None


def _solution(
    fit: _Fit,
    effective: FloatArray,
    reward: FloatArray,
    log_policy: FloatArray | None,
    task: dict[str, Any],
) -> FitSolution:
    theta, objective, norm, curvature, bound, rounding, steps, residuals, status = fit
    component = _components(effective)
    if np.isfinite(reward).all():
        means = np.bincount(component, reward) / np.bincount(component)
        reward = reward - means[component]
    return FitSolution(
        status=status,
        certificate=Certificate("Euclidean error of parameters", bound, _THEOREM, min(rounding, bound)),
        steps=steps,
        residuals=residuals,
        parameters=theta,
        reward=reward,
        policy=None if log_policy is None else np.exp(log_policy),
        log_policy=log_policy,
        objective=objective,
        gradient_norm=norm,
        curvature=curvature,
        component=component,
        **task,
    )
