r"""Direct preference optimisation of stage policies from comparisons of whole trajectories.

A policy has the implicit reward :math:`g_i=\beta\sum_h\log(\pi_h/\rho_h)(a_h|s_h)` of trajectory ``i``; the loss is
:math:`\sum_{ij}w_{ij}\log(1+e^{g_j-g_i})`, weights divided by their total.  With a score ``u`` for every action in every
state visited and :math:`\pi\propto\rho e^{u/\beta}`,

.. math::
    \nabla g_i=1_{(h,s_h,a_h)}-\sum_h\pi_h(\cdot|s_h),\qquad
    \nabla^2g_i=-\frac1\beta\sum_h\big(\mathrm{diag}\,\pi_h-\pi_h\pi_h^\top\big)(\cdot|s_h).

The rewards are concave in the scores and their differences are not: where trajectories pass through different states the loss
is not convex, and may have several local minima, and saddles between them: two actions of equal worth need not get equal
probabilities.  Newton's method, with the moduli of the eigenvalues of the Hessian, starts from the reference; where it ends at a
saddle, it goes on from a better point in the direction of the least curvature.

Certificate.  A unit step of the scores changes margins at the rates :math:`|h'|\le\sqrt{8H}`, :math:`|h''|\le1/(2\beta)`
and :math:`|h'''|\le.55/\beta^2` (range, variance and third moment of a row under the policy), and :math:`|l'|\le1`,
:math:`|l''|\le1/4`, :math:`|l'''|\le.0963`.  So the Hessian is Lipschitz with the constant

.. math:: K=.0963\,(8H)^{3/2}+.375\sqrt{8H}/\beta+.55/\beta^2 .

With the least eigenvalue :math:`\lambda>0` of the Hessian and the norm ``g`` of the gradient on the complement of the
directions that change no policy, and :math:`q=Kg/\lambda^2\le1/2`, the theorem of Newton and Kantorovich gives a stationary point
within :math:`2g/(\lambda(1+\sqrt{1-2q}))`; the Hessian is positive on that ball, so that it is a local minimum.

References
----------
R. Rafailov et al. (2023), Direct Preference Optimization, arXiv 2305.18290.
Z. Zhang et al. (2024), GRAPE: Generalizing Robot Policy via Preference Alignment, arXiv 2411.19309 (trajectories).
J. Ortega, W. Rheinboldt (1970), Iterative Solution of Nonlinear Equations in Several Variables, theorem 12.6.2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray, IntArray
from mdplab.convex.smooth import SmoothMinimum, minimise_smooth
from mdplab.interrupts import interruptible
from mdplab.models import PairWeights
from mdplab.models._validate import real
from mdplab.operators import _check
from mdplab.operators.tilt import log_tilt
from mdplab.solution import Certificate, Layout, Solution, Status
from mdplab.solvers.discounted import warn_max_steps
from mdplab.solvers.preference_fit import _effective

__all__ = ["TrajectoryFit", "trajectory_preference_fit"]

_EPS = float(np.finfo(np.float64).eps)
_THEOREM = "Newton-Kantorovich theorem at the point returned"


@dataclass(frozen=True, kw_only=True, eq=False)
class TrajectoryFit(Solution):
    """A local minimiser of a preference loss of trajectories; its table has a row a trajectory.

    The certificate bounds the largest error of ``temperature * log_policy``.

    Attributes
    ----------
    policy, log_policy : ndarray, shape (H, S, A)
        Fitted policy; the reference at states that no trajectory visits.
    reward : ndarray, shape (N,)
        Implicit reward of each trajectory, ``temperature`` times the log-ratio of the policies along it.
    objective : float
        Loss, pairs of a trajectory with itself left out.
    gradient_norm : float
        Euclidean norm of the gradient in the scores (``temperature`` times logits).
    curvature : float
        Lower bound on the eigenvalues of the Hessian, directions that change no policy left out; at most 0 where no local
        minimum is proven.
    temperature, log_reference, states, actions
        What was asked for; the reference per stage.
    """

    policy: FloatArray
    log_policy: FloatArray
    reward: FloatArray
    objective: float
    gradient_norm: float
    curvature: float
    temperature: float = field(repr=False)
    log_reference: FloatArray = field(repr=False)
    states: IntArray = field(repr=False)
    actions: IntArray = field(repr=False)

    @property
    def policy_error(self) -> float:
        """Bound on the error of a probability: the range of the error of a row of scores, over four temperatures."""
        return self.certificate.bound / (4.0 * self.temperature)

    def _layout(self) -> Layout:
        return ("trajectory",), {"reward": self.reward}


@interruptible
def trajectory_preference_fit(
    weights: PairWeights | ArrayLike,
    states: ArrayLike,
    actions: ArrayLike,
    reference: ArrayLike,
    *,
    temperature: float,
    tol: float = 1e-10,
    max_steps: int = 200,
) -> TrajectoryFit:
    """Direct preference optimisation of a stage policy from comparisons of trajectories.

    Parameters
    ----------
    weights : PairWeights or array_like, shape (N, N)
        ``W[i, j] >= 0``, how often trajectory ``i`` beats ``j`` (row wins); the diagonal is ignored.
    states, actions : array_like of int, shape (N, H)
        Where each trajectory was when it acted, and what it did.
    reference : array_like, shape (H, S, A) or (S, A)
        Probabilities of the reference policy per stage, or for all; positive at every action taken.
    temperature : float
        Multiplies the log-ratios in the margins, > 0.
    tol : float
        Certified error of ``temperature * log_policy`` for status ``CONVERGED``.
    max_steps : int
        Largest number of Newton steps.

    Returns
    -------
    TrajectoryFit
        A local minimiser: the loss need not be convex.  ``UNCERTIFIED`` with an infinite bound where none is proven near the
        last point, as where the winners' margins run away or some action is never compared.

    Raises
    ------
    ValueError
        If an argument is out of its range, or nothing is compared.

    References
    ----------
    R. Rafailov et al. (2023), Direct Preference Optimization, arXiv 2305.18290.
    Z. Zhang et al. (2024), GRAPE, arXiv 2411.19309.

    Examples
    --------
    >>> fit = trajectory_preference_fit([[0, 3], [1, 0]], [[0], [0]], [[0], [1]], [[0.5, 0.5]], temperature=1.0)
    >>> fit.policy.round(6).tolist()
    [[[0.75, 0.25]]]
    """
    effective = _effective(weights, 0.0, 0.0)
    _check.non_negative("temperature", temperature, positive=True)
    logs, visited, taken = _checked(effective.shape[0], states, actions, reference)
    horizon, n_states, n_actions = logs.shape
    place, rows = np.unique(np.arange(horizon) * n_states + visited, return_inverse=True)
    loss = _Loss(
        effective, rows.reshape(visited.shape), taken, logs.reshape(-1, n_actions)[place], temperature
    )
    minimum, residuals = _descend(loss, max_steps)
    found = loss.at(minimum.point)
    bound, curvature, rounding = found.error_bound(minimum.gradient_norm)
    status = minimum.status
    if bound <= tol:
        status = Status.CONVERGED
    elif status not in (Status.MAX_STEPS, Status.INTERRUPTED):
        status = Status.PRECISION_LIMIT if np.isfinite(bound) else Status.UNCERTIFIED
    warn_max_steps("trajectory_preference_fit", status, residuals.size, bound, tol)
    table = logs.reshape(-1, n_actions).copy()
    table[place] = found.log_policy
    log_policy = table.reshape(logs.shape)
    return TrajectoryFit(
        status=status,
        certificate=Certificate(
            "largest error of temperature * log_policy", bound, _THEOREM, min(rounding, bound)
        ),
        steps=residuals.size,
        residuals=residuals,
        policy=np.exp(log_policy),
        log_policy=log_policy,
        reward=found.reward,
        objective=minimum.objective,
        gradient_norm=minimum.gradient_norm,
        curvature=curvature,
        temperature=temperature,
        log_reference=logs,
        states=visited,
        actions=taken,
    )


def _descend(loss: _Loss, max_steps: int) -> tuple[SmoothMinimum, FloatArray]:
    """The last run of Newton's method, and the gradient norms of all runs; each but the last ended at a saddle."""
    start, residuals = np.zeros(loss.log_reference.size), np.empty(0)
    latest = loss.at(start)

    def at(u: FloatArray) -> _Point:
        nonlocal latest
        if not np.array_equal(latest.u, u):  # value, gradient and Hessian are asked for in turn
            latest = loss.at(u)
        return latest

    while True:
        minimum = minimise_smooth(
            lambda u: at(u).value,
            lambda u: at(u).gradient,
            lambda u: at(u).positive_hessian,
            start,
            tol=1e-15,
            max_steps=max_steps - residuals.size,
            gauge=loss.gauge,
        )
        residuals = np.concatenate((residuals, minimum.residuals))
        better = at(minimum.point).beyond_a_saddle()
        if better is None or minimum.status in (Status.MAX_STEPS, Status.INTERRUPTED):
            return minimum, residuals
        start = better


def _checked(
    n: int, states: ArrayLike, actions: ArrayLike, reference: ArrayLike
) -> tuple[FloatArray, IntArray, IntArray]:
    """Log-reference (H, S, A), states and actions (N, H)."""
    visited, taken = np.asarray(states), np.asarray(actions)
    for name, table in (("states", visited), ("actions", taken)):
        if table.ndim != 2 or table.shape[0] != n or not table.shape[1] or table.dtype.kind not in "iu":
            raise ValueError(f"{name}: expected integers of shape ({n}, H), got {table.dtype} {table.shape}")
    if visited.shape != taken.shape:
        raise ValueError(f"actions: expected the shape {visited.shape} of states, got {taken.shape}")
    horizon = visited.shape[1]
    law = real("reference", reference, np.shape(reference))
    if law.ndim not in (2, 3) or (law.ndim == 3 and law.shape[0] != horizon):
        raise ValueError(f"reference: expected shape (S, A) or ({horizon}, S, A), got {law.shape}")
    if not (law >= 0.0).all() or not (np.abs(law.sum(axis=-1) - 1.0) <= 1e-9).all():
        raise ValueError("reference: expected rows of probabilities with sum 1")
    law = np.broadcast_to(law, (horizon, *law.shape[-2:]))
    for name, table, size in (("states", visited, law.shape[1]), ("actions", taken, law.shape[2])):
        outside = (table < 0) | (table >= size)
        if outside.any():
            i, h = (int(k) for k in np.argwhere(outside)[0])
            raise ValueError(f"{name}[{i}, {h}] is {int(table[i, h])}, expected a number in 0..{size - 1}")
    never = law[np.arange(horizon), visited, taken] == 0.0
    if never.any():
        i, h = (int(k) for k in np.argwhere(never)[0])
        raise ValueError(
            f"reference: zero at stage {h}, state {int(visited[i, h])}, action {int(taken[i, h])}, "
            f"which trajectory {i} takes; expected a positive probability"
        )
    with np.errstate(divide="ignore"):
        return np.log(law), visited.astype(np.int64), taken.astype(np.int64)


@dataclass(frozen=True, eq=False)
class _Loss:
    """The loss of scores; ``rows (N, H)`` numbers the pairs of stage and state that are visited."""

    weights: FloatArray
    rows: IntArray
    actions: IntArray
    log_reference: FloatArray
    temperature: float

    @cached_property
    def visits(self) -> FloatArray:
        """Whether a trajectory visits a row, shape (N, rows)."""
        n = self.rows.shape[0]
        table = np.zeros((n, self.log_reference.shape[0]))
        table[np.arange(n)[:, np.newaxis], self.rows] = 1.0
        return table

    @cached_property
    def gauge(self) -> FloatArray:
        """Directions that change no policy: a constant on a row, and scores of actions that the reference excludes."""
        possible = self.log_reference > -np.inf
        constant = np.eye(len(possible))[:, :, np.newaxis] * possible
        excluded = np.eye(possible.size)[~possible.ravel()]
        return np.concatenate((constant.reshape(len(possible), -1), excluded))

    def at(self, u: FloatArray) -> _Point:
        """The loss at scores, shape (rows * A,)."""
        return _Point(self, u)


@dataclass(frozen=True, eq=False)
class _Point:
    """Value and derivatives at one vector of scores."""

    loss: _Loss
    u: FloatArray

    @cached_property
    def log_policy(self) -> FloatArray:
        """Rows of the policy, shape (rows, A)."""
        reference = self.loss.log_reference
        scores = np.where(reference > -np.inf, self.u.reshape(reference.shape), 0.0)
        return np.asarray(log_tilt(scores, temperature=self.loss.temperature, log_reference=reference))

    @cached_property
    def reward(self) -> FloatArray:
        """Implicit rewards, shape (N,)."""
        place = (self.loss.rows, self.loss.actions)
        ratios = self.log_policy[place] - self.loss.log_reference[place]
        return np.asarray(self.loss.temperature * ratios.sum(axis=1))

    @cached_property
    def wrong(self) -> FloatArray:
        """``sigma(-h)`` of every ordered pair, shape (N, N)."""
        h = self.reward[:, np.newaxis] - self.reward
        small = np.exp(-np.abs(h))
        return np.asarray(np.where(h >= 0.0, small, 1.0) / (1.0 + small))

    @property
    def value(self) -> float:
        """The loss."""
        h = self.reward[:, np.newaxis] - self.reward
        return float((self.loss.weights * np.logaddexp(0.0, -h)).sum())

    @cached_property
    def pull(self) -> FloatArray:
        """Derivative of the loss in the implicit rewards, shape (N,)."""
        slope = -self.loss.weights * self.wrong
        return np.asarray(slope.sum(axis=1) - slope.sum(axis=0))

    @cached_property
    def reward_gradients(self) -> FloatArray:
        """Gradients of the implicit rewards, shape (N, rows * A)."""
        n, horizon = self.loss.rows.shape
        table = -self.loss.visits[:, :, np.newaxis] * np.exp(self.log_policy)
        which = np.broadcast_to(np.arange(n)[:, np.newaxis], (n, horizon))
        table[which, self.loss.rows, self.loss.actions] += 1.0
        return table.reshape(n, -1)

    @cached_property
    def gradient(self) -> FloatArray:
        """Gradient, shape (rows * A,)."""
        return np.asarray(self.pull @ self.reward_gradients)

    @cached_property
    def hessian(self) -> FloatArray:
        """Hessian, shape (rows * A, rows * A)."""
        bend = self.loss.weights * self.wrong * self.wrong.T
        bend = bend + bend.T
        laplacian = np.diag(bend.sum(axis=1)) - bend
        matrix = self.reward_gradients.T @ laplacian @ self.reward_gradients
        policy = np.exp(self.log_policy)
        share = self.pull @ self.loss.visits / self.loss.temperature
        n_actions = policy.shape[1]
        for r, row in enumerate(policy):
            block = slice(r * n_actions, (r + 1) * n_actions)
            matrix[block, block] -= share[r] * (np.diag(row) - np.outer(row, row))
        return np.asarray(matrix)

    @property
    def positive_hessian(self) -> FloatArray:
        """The Hessian with the moduli of its eigenvalues: what is a maximum in some direction is left."""
        values, vectors = np.linalg.eigh(self.hessian)
        return np.asarray((vectors * np.abs(values)) @ vectors.T)

    def beyond_a_saddle(self) -> FloatArray | None:
        """A better point in the direction of the least curvature, if that is surely negative."""
        values, vectors = np.linalg.eigh(self.hessian)
        direction = vectors[:, 0] * np.sign(vectors[np.argmax(np.abs(vectors[:, 0])), 0])
        size = self.loss.temperature
        while -values[0] * size**2 > 1e-12:
            point = self.u + size * direction
            if self.loss.at(point).value < self.value + 0.25 * values[0] * size**2:
                return np.asarray(point)
            size /= 2.0
        return None

    def error_bound(self, norm: float) -> tuple[float, float, float]:
        """Bound on the error of ``temperature * log_policy``, least curvature, and the part of the bound due to rounding."""
        n, horizon = self.loss.rows.shape
        n_actions, beta = self.log_policy.shape[1], self.loss.temperature
        place = (self.loss.rows, self.loss.actions)
        logs = np.abs(self.log_policy[place]) + np.abs(self.loss.log_reference[place])
        scores = float(np.abs(self.u).max(initial=0.0)) / beta
        row = _EPS * (n_actions + 8) * (1.0 + scores + float(logs.max()))  # of a log-probability
        pairs = horizon * beta * (row + _EPS * float(logs.sum(axis=1).max())) / 2.0 + (n + 8) * _EPS
        rounding = np.sqrt(8.0 * horizon) * (pairs + row)
        flat = np.linalg.qr(self.loss.gauge.T)[0].T
        scale = float(np.abs(self.hessian).sum(axis=1).max()) + 1.0
        least = float(np.linalg.eigvalsh(self.hessian + scale * flat.T @ flat)[0])
        # entries are sums over N trajectories of products, relative to the size of the matrix
        least -= _EPS * (4 * n + 8 * flat.shape[1]) * scale + row * scale
        if not least > 0.0:
            return np.inf, least, 0.0
        lipschitz = 0.0963 * (8.0 * horizon) ** 1.5 + 0.375 * np.sqrt(8.0 * horizon) / beta + 0.55 / beta**2
        q = lipschitz * (norm + rounding) / least**2
        if not q <= 0.5:
            return np.inf, least, 0.0
        reach = np.sqrt(2.0) * 2.0 / (least * (1.0 + np.sqrt(1.0 - 2.0 * q)))
        return reach * (norm + rounding), least, reach * rounding
