r"""Inverse soft Q-learning: the likelihood of an expert, less a weight times the square of the implied reward.

.. math::
    \max_Q\ \mathbb E_d\log\pi_Q(a|s)-c\,\mathbb E_dx_Q^2,\qquad
    \pi_Q=\mathrm{softmax}\,Q,\quad x_Q=Q-\gamma PV_Q,\quad V_Q(s)=\log\sum_ae^{Q(s,a)} .

The likelihood alone is largest on the whole set :math:`\{\log\pi_E+V\}`; as :math:`c\to0` the maximiser tends to the point of
this set with the least :math:`\mathbb E_d(\log\pi_E+BV)^2`, a linear least squares problem in :math:`V`.  The objective is not
concave (:math:`x_Q` is concave in :math:`Q`, its square is neither): Newton's method starts from that point, and what it finds
is the stationary point near it.

Certificate.  Let :math:`F` be the gradient, as a map from the sup norm to the 1-norm.  With :math:`|h|_\infty\le1` the first
three derivatives of :math:`V_Q` are a mean, a covariance and a third central moment of numbers in :math:`[-1,1]`, at most 1, 1
and 2; so those of :math:`x_Q` are at most :math:`1+\gamma`, :math:`\gamma`, :math:`2\gamma`, and on a ball of radius :math:`r`
the derivative of :math:`F` has the Lipschitz constant

.. math:: L=|d|_1\big(2+2c\,(2\gamma(|x|_\infty+(1+\gamma)r)+3\gamma(1+\gamma))\big).

With an approximate inverse :math:`R` of :math:`F'`, :math:`\rho=\max|R_{ij}|`, :math:`\alpha\ge\|I-RF'\|_\infty` and
:math:`b\ge|RF|_\infty`, the map :math:`Q\mapsto Q-RF(Q)` contracts the ball of radius :math:`r=2b` into itself if
:math:`\alpha+\rho Lr\le\frac12`: then there is one stationary point in it, within :math:`b/(1-\alpha-\rho Lr)`.

References
----------
.. [1] M. Wulfmeier et al., "Imitating language via scalable inverse reinforcement learning", NeurIPS 2024.
.. [2] D. Garg et al., "IQ-Learn: inverse soft-Q learning for imitation", NeurIPS 2021.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray, IntArray
from mdplab.convex.program import check_limits
from mdplab.convex.smooth import minimise_smooth
from mdplab.convex.support import data_law
from mdplab.interrupts import interruptible
from mdplab.models import MDP
from mdplab.numerics import least_squares
from mdplab.numerics.linear_system import UNIT_ROUNDOFF
from mdplab.operators import _check
from mdplab.operators.occupancy import flow_matrix
from mdplab.operators.tilt import log_tilt
from mdplab.solution import Certificate, Layout, Solution, Status
from mdplab.solvers.discounted import warn_max_steps

__all__ = ["InverseSolution", "inverse_soft_q"]

_CUT_SHORT = (Status.MAX_STEPS, Status.INTERRUPTED)
_THEOREM = "a contraction Q - R F(Q) of a ball, by the Lipschitz constant of the derivative of the gradient F"


@dataclass(frozen=True, kw_only=True, eq=False)
class InverseSolution(Solution):
    """Action values of an expert, with the reward that they imply; its table has a row a state.

    The certificate bounds the largest error of an entry of ``q``.

    Attributes
    ----------
    q : ndarray, shape (S, A)
        The stationary point; ``-inf`` at unavailable pairs.
    limit : ndarray, shape (S, A)
        What it tends to as the weight vanishes, ``log pi_E + V``.
    potential : ndarray, shape (S,)
        This ``V``, by least squares.
    potential_error : float
        Proven bound on the largest error of an entry of ``potential``.
    policy : ndarray, shape (S, A)
        ``softmax(q)``.
    reward : ndarray, shape (S, A)
        The implied reward ``q - discount * P V_q``, 0 at unavailable pairs.
    objective : float
        Log-likelihood less the weighted square.
    gradient_norm : float
        1-norm of the gradient at ``q``, as computed.
    sensitivity : float
        Proven bound on how far the point moves, to first order, for a change of the gradient of 1-norm one.
    data : ndarray, shape (S, A)
        What was imitated.
    weight : float
        ``c``.
    """

    q: FloatArray
    limit: FloatArray
    potential: FloatArray
    potential_error: float
    policy: FloatArray
    reward: FloatArray
    objective: float
    gradient_norm: float
    sensitivity: float
    data: FloatArray
    weight: float

    def _layout(self) -> Layout:
        return ("state",), {"q": self.q, "policy": self.policy, "reward": self.reward}


@dataclass(frozen=True, eq=False)
class _Objective:
    """The negative objective on the admitted pairs, with its derivatives."""

    matrix: FloatArray  # (N, S), rows of the flow matrix
    state: IntArray  # (N,)
    data: FloatArray  # (N,)
    weight: float
    shape: tuple[int, int]
    pair: IntArray

    def table(self, x: FloatArray, fill: float) -> FloatArray:
        out = np.full(self.shape[0] * self.shape[1], fill)
        out[self.pair] = x
        return out.reshape(self.shape)

    def parts(self, q: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Log-policy and implied reward, ``log pi + B V``."""
        logs = log_tilt(self.table(q, -np.inf)).ravel()[self.pair]
        first = np.unique(self.state, return_index=True)[1]
        return logs, np.asarray(logs + self.matrix @ (q - logs)[first])

    def value(self, q: FloatArray) -> float:
        logs, x = self.parts(q)
        return float(self.data @ (self.weight * x**2 - logs))

    def gradient(self, q: FloatArray) -> FloatArray:
        logs, x = self.parts(q)
        mass = np.bincount(self.state, self.data, self.shape[0])
        cloned = mass[self.state] * np.exp(logs) - self.data
        return np.asarray(cloned + 2 * self.weight * (self._slope(logs).T @ (self.data * x)))

    def _slope(self, logs: FloatArray) -> FloatArray:
        """Derivative of ``x``: the flow matrix of the pairs under the policy."""
        ahead = self._own - self.matrix
        return np.asarray(np.eye(logs.size) - ahead[:, self.state] * np.exp(logs))

    @property
    def _own(self) -> FloatArray:
        return np.asarray(np.eye(self.shape[0])[self.state])

    def hessian(self, q: FloatArray) -> FloatArray:
        logs, x = self.parts(q)
        policy, slope = np.exp(logs), self._slope(logs)
        mass = np.bincount(self.state, self.data, self.shape[0])
        reached = (self._own - self.matrix).T @ (self.data * x)
        # the covariances of the policy: of the likelihood, and of the second derivative of x
        weight = (mass - 2 * self.weight * reached)[self.state]
        same = self.state[:, np.newaxis] == self.state
        covariance = np.diag(policy) - same * np.outer(policy, policy)
        square = 2 * self.weight * (slope.T @ (self.data[:, np.newaxis] * slope))
        return np.asarray(weight[:, np.newaxis] * covariance + square)

    def bound(self, q: FloatArray, discount: float) -> tuple[float, float]:
        """Error of a nearly stationary point, and its sensitivity; infinite where nothing is proven."""
        x, h = self.parts(q)[1], self.hessian(q)
        try:
            inverse = np.linalg.inv(h)
        except np.linalg.LinAlgError:
            return math.inf, math.inf
        n, largest, total = q.size, float(np.abs(x).max()), float(self.data.sum())
        reach, c = 1 + discount, self.weight
        # relative errors of probabilities grow with the exponents, those of x with the values
        unit = 1.01 * (4 * n + 48) * UNIT_ROUNDOFF * (2 + 2 * float(np.abs(q).max()) + math.log(n))
        noise = unit * total * (2 + 2 * c * reach * (largest + 2 * float(np.abs(q).max()) + math.log(n)))
        doubt = unit * total * (1 + 2 * c * (reach**2 + reach * (1 + largest)))
        rho = float(np.abs(inverse).max())
        off = np.abs(np.eye(n) - inverse @ h) + 1.01 * (n + 2) * UNIT_ROUNDOFF * (np.abs(inverse) @ np.abs(h))
        alpha = float(off.sum(axis=1).max()) + rho * doubt
        size = np.abs(inverse) @ np.abs(self.gradient(q))
        b = (
            float(np.abs(inverse @ self.gradient(q)).max())
            + rho * noise
            + n * UNIT_ROUNDOFF * float(size.max())
        )
        radius = 2 * b
        moment = 2 * discount * (largest + reach * radius) + 3 * discount * reach
        moved = alpha + rho * total * (2 + 2 * c * moment) * radius
        if not moved <= 0.5:
            return math.inf, math.inf
        return b / (1 - moved) * (1 + 1e-9), rho / (1 - moved) * (1 + 1e-9)


@interruptible
def inverse_soft_q(
    mdp: MDP, data_occupancy: ArrayLike, *, weight: float, tol: float = 1e-8, max_steps: int = 500
) -> InverseSolution:
    """Maximise ``E log pi_Q - weight E (Q - discount P V_Q)^2`` over action values, near the limit of weight zero.

    Parameters
    ----------
    mdp : MDP
        Kernel, discount and mask; reward and start law are not read.
    data_occupancy : array_like, shape (S, A)
        ``d_E``, a law with positive weight on every admitted pair.
    weight : float
        ``c > 0``, of the squared implied reward.
    tol : float, default 1e-8
        Largest error of an entry of ``q`` for status ``CONVERGED``.
    max_steps : int, default 500
        Largest number of Newton steps.

    Returns
    -------
    InverseSolution
        ``residuals`` are the Euclidean norms of the gradient.  Status ``UNCERTIFIED`` where no stationary point is proven
        near the last iterate.

    Raises
    ------
    ValueError
        If an argument is out of its range, or a pair has no data.

    References
    ----------
    M. Wulfmeier et al. (2024), Imitating language via scalable inverse reinforcement learning.

    Examples
    --------
    >>> from mdplab.instances import two_state_behaviour, two_state_mdp
    >>> from mdplab.operators import occupancy
    >>> mdp = two_state_mdp()
    >>> inverse_soft_q(mdp, occupancy(mdp, two_state_behaviour()), weight=0.1).q.round(6).tolist()
    [[6.143596, 5.404417], [5.684047, 5.325602]]
    """
    _check.model(mdp, MDP)
    _check.non_negative("weight", weight, positive=True)
    check_limits(tol=tol, max_steps=max_steps)
    data = data_law(mdp, data_occupancy)
    shape = (mdp.n_states, mdp.n_actions)
    admitted = np.ones(shape, dtype=bool) if mdp.available is None else mdp.available
    pair = np.flatnonzero(admitted)
    empty = admitted & ~(data > 0)
    if empty.any():
        s, a = np.argwhere(empty)[0]
        raise ValueError(f"data_occupancy is {data[s, a]} at ({s}, {a}), expected data on every pair")
    flow: Any = flow_matrix(mdp)[pair]
    state, law = np.asarray(pair // shape[1], dtype=np.int64), data.ravel()[pair]
    problem = _Objective(flow.toarray(), state, law, float(weight), shape, pair)
    logs = np.log(law / np.bincount(state, law)[state])
    fit = least_squares(problem.matrix, -logs, weights=law)
    limit = logs + fit.coefficients[state]
    found = minimise_smooth(
        problem.value, problem.gradient, problem.hessian, limit, tol=1e-14, max_steps=max_steps
    )
    error, sensitivity = problem.bound(found.point, float(mdp.discount))
    status = Status.UNCERTIFIED if math.isinf(error) else Status.CONVERGED
    if error > tol:
        short = found.status if found.status in _CUT_SHORT else Status.PRECISION_LIMIT
        status = status if math.isinf(error) and short is Status.PRECISION_LIMIT else short
    warn_max_steps("inverse_soft_q", status, found.steps, error, tol)
    logs, x = problem.parts(found.point)
    return InverseSolution(
        status=status,
        certificate=Certificate("largest error of an entry of q", error, _THEOREM, error),
        steps=found.steps,
        residuals=found.residuals,
        names=mdp.names,
        q=problem.table(found.point, -np.inf),
        limit=problem.table(limit, -np.inf),
        potential=fit.coefficients,
        potential_error=fit.certificate.bound,
        policy=problem.table(np.exp(logs), 0.0),
        reward=problem.table(x, 0.0),
        objective=-found.objective,
        gradient_norm=float(np.abs(problem.gradient(found.point)).sum()),
        sensitivity=sensitivity,
        data=data,
        weight=float(weight),
    )
