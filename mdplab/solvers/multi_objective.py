r"""Convex coverage set and Pareto front of two or three objectives, certified.

For weights ``w`` in the simplex let :math:`V(w)=\max_\pi w\cdot J(\pi)`, a convex function, and let
:math:`v_1,\dots,v_n` be the returns of the policies found.  The returns of all stationary policies, randomised ones
too, are the convex hull of those of the deterministic ones, so the policies found cover the front up to

.. math:: \Delta=\max_w\big(V(w)-\max_i w\cdot v_i\big).

On the cell where :math:`v_i` is best among those found the difference is convex, so its maximum lies at a vertex of the
cell: it is enough to solve the scalarised model at the *corner weights* (optimistic linear support).  Where the optimum
exceeds the best known return its policy is added, cells are cut anew, and so on; each round adds a vertex of the front,
of which there are finitely many.

Rounding.  A cell is cut by half-planes that are moved outward by more than their rounding, so the computed cells cover
the true ones; values at corners within a small distance of one another are shared, with the Lipschitz constant
:math:`\max_k|J_k|` of :math:`V` charged for the distance.  Values and returns have proven errors.

References
----------
.. [1] D. M. Roijers, S. Whiteson and F. A. Oliehoek, "Computing convex coverage sets for faster multi-objective
   coordination", JAIR 52, 2015 (optimistic linear support).
.. [2] Y. P. Aneja and K. P. K. Nair, "Bicriteria transportation problem", Management Science 25, 1979.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import BoolArray, FloatArray
from mdplab.interrupts import asked, interruptible
from mdplab.models import _validate as v
from mdplab.models.multi_objective import MultiObjectiveMDP
from mdplab.operators.occupancy import occupancy, policy_of_occupancy
from mdplab.solution import Certificate, Layout, Solution, Status
from mdplab.solvers.constrained import best_return, certified_returns
from mdplab.solvers.discounted import UNIT, check_controls, warn_max_steps

__all__ = ["FrontSolution", "multi_objective"]

_THEOREM = (
    "optimistic linear support: V(w) - max_i w . v_i is convex on the cell of each vertex, so its maximum over all "
    "weights is that over the corners of the cells, where V is certified by policy iteration"
)
_SHARED = 1e-12
"""Corners nearer than this share one solve."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FrontSolution(Solution):
    """Convex coverage set: what is optimal for some weights; its table has a row a vertex.

    Attributes
    ----------
    returns : ndarray (n, m)
        Start values of the vertices; in descending order of the first signal.
    return_errors : ndarray (n, m)
        Proven errors of ``returns``.
    policies : ndarray (n, S, A)
        Deterministic policy of each vertex.
    cells : tuple of ndarray (k, m)
        Weights for which each vertex is best: the corners of its cell, an interval for two objectives (the first end
        has the larger first weight) and a polygon for three, in order.
    corners : ndarray (q, m)
        Weights at which the scalarised model was solved.
    corner_values : ndarray (q,)
        Proven upper bounds on ``V`` there: half-spaces ``corners . x <= corner_values`` that contain the returns of
        every policy (the outer approximation; the hull of ``returns`` is the inner one).
    """

    returns: FloatArray
    return_errors: FloatArray
    policies: FloatArray
    cells: tuple[FloatArray, ...]
    corners: FloatArray
    corner_values: FloatArray

    _across = "objective"

    def _layout(self) -> Layout:
        return ("vertex",), {"return": self.returns, "return_error": self.return_errors}

    @property
    def weight_intervals(self) -> FloatArray:
        """For two objectives: the interval (n, 2) of first weights for which each vertex is best.

        Returns
        -------
        ndarray (n, 2)
            Lower and upper ends; the second weight is one minus the first.

        Raises
        ------
        ValueError
            If there are not two objectives.
        """
        if self.returns.shape[1] != 2:
            raise ValueError(f"weight intervals belong to two objectives; got {self.returns.shape[1]}")
        return np.array([[cell[:, 0].min(), cell[:, 0].max()] for cell in self.cells])

    def value(self, weights: ArrayLike) -> float:
        """Best scalarised return among the vertices; below the optimum by at most ``certificate.bound``.

        Parameters
        ----------
        weights : array_like (m,)
            In the simplex.

        Returns
        -------
        float
        """
        return float((self.returns @ v.finite("weights", weights, (self.returns.shape[1],))).max())

    def mixed_policy(self, model: MultiObjectiveMDP, coefficients: ArrayLike) -> FloatArray:
        """Stationary policy whose returns are a mixture of the vertices'.

        Parameters
        ----------
        model : MultiObjectiveMDP
            The model that was solved.
        coefficients : array_like (n,)
            A law on the vertices.

        Returns
        -------
        ndarray (S, A)
            The policy of the mixed occupancy, with returns ``coefficients @ returns``.

        Raises
        ------
        ValueError
            If the coefficients are no law on the vertices.
        """
        law = v.law("coefficients", coefficients, self.returns.shape[0], v.COMPUTED_ROWS)
        mixed = np.zeros(self.policies.shape[1:])
        for share, policy in zip(law, self.policies, strict=True):
            if share > 0:
                mixed += share * np.asarray(occupancy(model.base, policy), dtype=np.float64)
        choice: FloatArray = np.asarray(
            policy_of_occupancy(mixed, default=self.policies[0]), dtype=np.float64
        )
        return choice


@dataclass(eq=False)
class _Search:
    """Vertices and corners found so far."""

    model: MultiObjectiveMDP
    points: list[FloatArray] = field(default_factory=list)
    errors: list[FloatArray] = field(default_factory=list)
    policies: list[FloatArray] = field(default_factory=list)
    corners: list[FloatArray] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)

    def solve(self, weights: FloatArray) -> tuple[int, FloatArray]:
        """Index of a corner within ``_SHARED`` of the weights (solved now if there is none), and its best policy."""
        if self.corners:
            distance = np.abs(np.array(self.corners) - weights).sum(axis=1)
            nearest = int(distance.argmin())
            if distance[nearest] <= _SHARED:
                return nearest, np.zeros((0, 0))
        value, error, policy = best_return(self.model, weights)
        self.corners.append(weights)
        self.upper.append(value + error)
        return len(self.corners) - 1, policy

    def add(self, policy: FloatArray) -> None:
        """Take a policy among the vertices."""
        returns, errors = certified_returns(self.model, policy)
        self.points.append(returns)
        self.errors.append(errors)
        self.policies.append(policy)


@interruptible
def multi_objective(model: MultiObjectiveMDP, *, tol: float = 1e-8, max_steps: int = 1_000) -> FrontSolution:
    """Vertices of the Pareto front of all stationary policies, with the weights for which each is best.

    Parameters
    ----------
    model : MultiObjectiveMDP
        With two or three signals, dense or CSR, masked or not.
    tol : float, default 1e-8
        Accepted loss ``Delta``; vertices that matter less may be left out.
    max_steps : int, default 1000
        Most scalarised models to solve.

    Returns
    -------
    FrontSolution
        ``certificate.bound`` is a proven bound on ``Delta``; ``residuals`` are its estimates after each round.
        Status CONVERGED, PRECISION_LIMIT or MAX_STEPS (with a ConvergenceWarning).

    Raises
    ------
    ValueError
        If the model has not two or three signals.

    References
    ----------
    .. [1] D. M. Roijers, S. Whiteson and F. A. Oliehoek, JAIR 52, 2015.
    """
    check_controls(tol, max_steps)
    m = model.n_objectives
    if m not in (2, 3):
        raise ValueError(f"the front is computed for two or three signals; the model has {m}")
    search = _Search(model)
    # the middle first: its optimum is on the front even where a single objective has ties
    search.add(search.solve(np.full(m, 1.0 / m))[1])
    residuals: list[float] = []
    status: Status | None = None
    bound = math.inf
    while status is None:
        cells = _cells(np.array(search.points))
        worst, fresh = _check(search, cells, tol, max_steps)
        residuals.append(max(worst, 0.0))
        bound = min(bound, residuals[-1])  # a vertex more loses no less
        for policy in fresh:
            search.add(policy)
        if worst == math.inf:
            status = Status.MAX_STEPS
        elif not fresh:
            status = Status.CONVERGED
        elif asked(None):
            status = Status.INTERRUPTED
    if fresh:
        cells = _cells(np.array(search.points))
    if status is Status.CONVERGED and bound > tol:
        status = Status.PRECISION_LIMIT
    warn_max_steps("multi_objective", status, len(search.corners), bound, tol)
    return _front(search, cells, status, bound, np.array(residuals))


def _check(
    search: _Search, cells: list[FloatArray], tol: float, max_steps: int
) -> tuple[float, list[FloatArray]]:
    """Largest possible loss over the corners of all cells, and policies that are better there."""
    worst = 0.0
    fresh: list[FloatArray] = []
    largest = float(np.abs(search.model.available_rewards).max()) / (1.0 - search.model.discount)
    for i, cell in enumerate(cells):
        point, error = search.points[i], search.errors[i]
        for corner in cell:
            if len(search.corners) >= max_steps:
                return math.inf, fresh
            known = len(search.corners)
            index, policy = search.solve(corner)
            distance = float(np.abs(search.corners[index] - corner).sum())
            inner = float(corner @ point) - float(corner @ error) - 8 * UNIT * float(np.abs(point).max())
            loss = search.upper[index] - inner + 1.01 * distance * largest + 8 * UNIT * abs(inner)
            worst = max(worst, loss)
            if loss > tol and index == known and _improves(search, fresh, policy, corner):
                fresh.append(policy)
    return worst, fresh


def _improves(search: _Search, fresh: list[FloatArray], policy: FloatArray, corner: FloatArray) -> bool:
    """Whether a policy is new and better than rounding can feign."""
    if any(np.array_equal(policy, p) for p in search.policies + fresh):
        return False
    returns, errors = certified_returns(search.model, policy)
    known = np.array(search.points) @ corner
    return bool(corner @ returns > known.max() + 4 * float(corner @ errors))


def _cells(points: FloatArray) -> list[FloatArray]:
    """Corners of the weights for which each point is best among all, each cell a little too large (or empty)."""
    m = points.shape[1]
    size = max(float(np.abs(points).max()), 1e-300)
    cells = []
    for i, point in enumerate(points):
        cell = np.eye(m)
        for j, other in enumerate(points):
            if j != i and cell.size:
                cell = _clip(cell, point - other, 64 * UNIT * size)
        cells.append(cell)
    return cells


def _clip(cell: FloatArray, normal: FloatArray, slack: float) -> FloatArray:
    """The part of an interval or polygon in the simplex where ``normal . w >= -slack``."""
    height = cell @ normal + slack
    keep = height >= 0
    if keep.all() or not keep.any():
        return cell if keep.all() else cell[:0]
    out = []
    edges = 1 if len(cell) == 2 else len(cell)
    for k in range(len(cell)):
        if keep[k]:
            out.append(cell[k])
        following = (k + 1) % len(cell)
        if (k < edges) and keep[k] != keep[following]:
            t = height[k] / (height[k] - height[following])
            w = np.maximum(cell[k] + t * (cell[following] - cell[k]), 0.0)
            out.append(w / w.sum())
    return np.array(out)


def _front(
    search: _Search, cells: list[FloatArray], status: Status, bound: float, residuals: FloatArray
) -> FrontSolution:
    """Vertices that are best on more than a point of the simplex, in order."""
    points, errors = np.array(search.points), np.array(search.errors)
    keep = _needed(points, errors, cells)
    order = np.array(sorted(np.flatnonzero(keep), key=lambda i: (-points[i, 0], *points[i, 1:])))
    shown = []
    for i in order:
        cell = cells[i]
        if len(cell) == 2:
            cell = cell[np.argsort(-cell[:, 0], kind="stable")]
        shown.append(cell)
    return FrontSolution(
        status=status,
        certificate=Certificate(
            "loss of the vertices against the best policy for any weights", bound, _THEOREM, 0.0
        ),
        steps=len(search.corners),
        residuals=residuals,
        returns=points[order],
        return_errors=errors[order],
        policies=np.array(search.policies)[order],
        cells=tuple(shown),
        corners=np.array(search.corners),
        corner_values=np.array(search.upper),
        names=search.model.names,
    )


def _needed(points: FloatArray, errors: FloatArray, cells: list[FloatArray]) -> BoolArray:
    """Points with a cell of their own; of equal ones the first."""
    keep = np.zeros(len(points), dtype=bool)
    for i, cell in enumerate(cells):
        if not len(cell):
            continue
        others = np.delete(points, i, axis=0)
        # best by more than errors somewhere in its cell: at the middle of the cell, where it is best by most
        middle = cell.mean(axis=0)
        lead = math.inf if not len(others) else float(middle @ points[i] - (others @ middle).max())
        doubt = 4 * float(errors.max())
        same = np.flatnonzero(np.abs(points - points[i]).max(axis=1) <= doubt)
        keep[i] = lead > doubt or (same[0] == i and len(same) > 1)
    if not keep.any():
        keep[int(np.argmax([len(cell) > 0 for cell in cells]))] = True
    return keep
