r"""Verification of Bradley-Terry and direct preference fits.

The loss is summed over all ordered pairs of items in extended precision (the fit sums over unordered pairs through a design
matrix); Newton's method with a pseudo-inverse in double precision leads from the parameters to the minimiser, whose own
error the same bound on self-concordant functions makes far smaller than that of the fit.  The components of the comparison
graph come from Warshall's closure.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._typing import Array, BoolArray, FloatArray, IntArray
from mdplab.models.preferences import PairWeights
from mdplab.solution import Status
from mdplab.solvers.preference_fit import FitSolution
from mdplab.solvers.verify import Check, Verification, _need_shape, _policy_checks, _verify
from mdplab.solvers.verify_algebra import DOUBLE, EPS, WIDE
from mdplab.solvers.verify_games import normalise

__all__ = ["closure", "connected"]

_NEWTON = 200


def closure(arcs: BoolArray) -> BoolArray:
    """Which vertices lead to which, by Warshall's algorithm.

    Parameters
    ----------
    arcs : ndarray of bool (n, n)
        Adjacency.

    Returns
    -------
    ndarray of bool (n, n)
        Reflexive and transitive.
    """
    reach = arcs | np.eye(len(arcs), dtype=bool)
    for k in range(len(arcs)):
        reach = reach | (reach[:, k : k + 1] & reach[k])
    return np.asarray(reach)


def connected(arcs: BoolArray) -> IntArray:
    """Number of the strong component of each vertex, by the transitive closure.

    Parameters
    ----------
    arcs : ndarray of bool (n, n)
        Adjacency; a symmetric one gives components.

    Returns
    -------
    ndarray of int (n,)
        Equal exactly within components: the lowest vertex of each.
    """
    reach = closure(arcs)
    return np.asarray((reach & reach.T).argmax(axis=1), dtype=np.int64)


class _Loss:
    """The loss of scores ``z`` of the items with its derivatives, and of parameters through ``items``."""

    def __init__(self, weights: Array, items: Array, offset: Array) -> None:
        self.weights, self.items, self.offset = weights, items, offset

    def margins(self, theta: Array) -> Array:
        z = self.items @ theta + self.offset
        return np.asarray(z[:, np.newaxis] - z)

    def value(self, theta: Array) -> Any:
        h = self.margins(theta)
        return (self.weights * (np.log1p(np.exp(-np.abs(h))) + np.maximum(-h, 0))).sum()

    def gradient(self, theta: Array) -> Array:
        h = self.margins(theta)
        # the derivative of log(1 + exp(-h)); both halves keep their relative accuracy
        small = np.exp(-np.abs(h))
        slope = -self.weights * np.where(h >= 0, small, 1) / (1 + small)
        return np.asarray(self.items.T @ (slope.sum(axis=1) - slope.sum(axis=0)))

    def hessian(self, theta: Array) -> Array:
        small = np.exp(-np.abs(self.margins(theta)))
        curvature = self.weights * small / (1 + small) ** 2
        curvature = curvature + curvature.T
        laplacian = np.diag(curvature.sum(axis=1)) - curvature
        return np.asarray(self.items.T @ laplacian @ self.items)

    def minimise(self, theta: Array, flat: int) -> tuple[Array, float]:
        """Minimiser of the same gauge, and its error (infinite if none is proven)."""
        best, size = theta, np.inf
        norm = self._norm(theta)
        for _ in range(_NEWTON):
            if not norm < size:
                break
            best, size = theta, norm
            step = np.linalg.pinv(self.hessian(theta).astype(float), rcond=1e-12, hermitian=True) @ (
                -self.gradient(theta).astype(float)
            )
            length = WIDE(1)
            for _ in range(30):
                theta, norm = best + length * step, self._norm(best + length * step)
                if norm < size:
                    break
                length = length / 2
        least = self.curvature(best, flat)
        reach = float(np.sqrt(((self.items[:, np.newaxis] - self.items) ** 2).sum(axis=2)).max())
        size += self.rounding(best) * EPS / DOUBLE
        if not reach * size < 0.5 * least:
            return best, np.inf
        # -log(1 - q) / q <= 2 for q <= 1/2, twice
        return best, 4.0 * size / least

    def _norm(self, theta: Array) -> float:
        return float(np.sqrt((self.gradient(theta) ** 2).sum()))

    def curvature(self, theta: Array, flat: int) -> float:
        """Least eigenvalue of the Hessian beyond the ``flat`` directions that change no margin; to double precision."""
        if flat == theta.size:
            return np.inf
        return float(np.linalg.eigvalsh(self.hessian(theta).astype(float))[flat])

    def rounding(self, theta: Array) -> float:
        """Rounding of a gradient in double precision."""
        weight = np.abs(self.weights).sum()
        row = float(np.abs(self.items).sum(axis=1).max(initial=0.0))
        size = float(np.abs(self.items @ theta).max() + np.abs(self.offset).max(initial=0.0))
        pairs = self.weights.size
        return float(
            4 * DOUBLE * weight * row * np.sqrt(theta.size) * (pairs + (theta.size + 8) * (1.0 + size))
        )


def _effective(model: Any, solution: FitSolution) -> Array:
    """Weights in extended precision, smoothed or de-biased."""
    given = model.weights if isinstance(model, PairWeights) else model
    try:
        w = np.array(given, dtype=float).astype(WIDE)
    except (TypeError, ValueError):
        raise TypeError(f"a FitSolution belongs to weights of pairs; got {type(model).__name__}") from None
    n = solution.component.size
    _need_shape(solution, (n, n), w.shape)
    np.fill_diagonal(w, 0)
    w = w / w.sum()
    smoothing, flip = WIDE(solution.smoothing), WIDE(solution.flip)
    w = (1 - smoothing) * w + smoothing * w.T
    return np.asarray(((1 - flip) * w - flip * w.T) / (1 - 2 * flip))


@_verify.register
def _(solution: FitSolution, model: Any) -> Verification:
    w = _effective(model, solution)
    n = solution.component.size
    tabular = solution.features is None
    component = connected((w + w.T) != 0)
    tau = WIDE(solution.temperature)
    if solution.features is None:
        items, offset = tau * np.eye(n, dtype=WIDE), -tau * solution.log_reference.astype(WIDE)
    else:
        items, offset = tau * solution.features.astype(WIDE), np.zeros(n, dtype=WIDE)
    same = component[:, np.newaxis] == component
    found = solution.component[:, np.newaxis] == solution.component
    checks = [Check("component", float((same != found).any()), 0.0)]
    if np.isfinite(solution.parameters).all():
        loss = _Loss(w, items, offset)
        checks += _point_checks(solution, loss, component)
        return Verification("Newton's method on all ordered pairs in extended precision", tuple(checks))
    if not (tabular and solution.status is Status.NOT_ATTAINED and (w >= 0).all()):
        raise ValueError(
            f"the FitSolution with status {solution.status.name} carries no point and no proof: {solution.status.value}"
        )
    # pairs between strong components cost nothing in the limit, the others keep their minimum
    strong = connected(w > 0)
    inside = np.where(strong[:, np.newaxis] == strong, w, 0)
    loss = _Loss(inside, items, offset)
    flat = np.unique(strong).size
    minimiser, error = loss.minimise(np.zeros(n, dtype=WIDE), flat)
    infimum = float(loss.value(minimiser))
    largest = float(np.abs(loss.margins(minimiser)).max(initial=0.0))
    width = _objective_rounding(loss, largest) + error**2
    if solution.curvature > 0.0:
        width += solution.gradient_norm**2 / solution.curvature
    checks += [
        Check("some component is not strongly connected", float(flat == np.unique(component).size), 0.0),
        Check("objective is the infimum", abs(solution.objective - infimum), width),
        Check("there is no minimiser", float(np.isfinite(solution.reward).any()), 0.0),
    ]
    return Verification("the pairs within strong components in extended precision", tuple(checks))


def _objective_rounding(loss: _Loss, largest: float) -> float:
    pairs = loss.weights.size + loss.items.shape[1] + 16
    return float(4 * pairs * DOUBLE * np.abs(loss.weights).sum() * (1.0 + largest))


def _point_checks(solution: FitSolution, loss: _Loss, component: IntArray) -> list[Check]:
    """Everything that is said of a finite point."""
    theta = solution.parameters.astype(WIDE)
    tabular = solution.features is None
    compared = (loss.weights + loss.weights.T) != 0
    if tabular:
        gauge = (component == np.unique(component)[:, np.newaxis]).astype(float)
    else:
        gauge = _null_space(loss.items.astype(float), compared)
    minimiser, error = (
        loss.minimise(theta, len(gauge)) if np.isfinite(solution.certificate.bound) else (theta, 0.0)
    )
    far = float(np.sqrt(((theta - minimiser) ** 2).sum()))
    size = float(np.abs(theta).max(initial=0.0))
    along = float(np.abs(gauge @ theta).max(initial=0.0))
    largest = float(np.abs(loss.margins(theta)).max())
    gradient = float(np.sqrt((loss.gradient(theta) ** 2).sum()))
    curvature = loss.curvature(theta, len(gauge))
    rounding = loss.rounding(theta)
    scale = float(np.abs(loss.hessian(theta)).sum())
    unit = 16 * (theta.size + solution.component.size) * DOUBLE
    checks = [
        Check("parameters within certificate.bound", far, solution.certificate.bound + error),
        Check("parameters are centred", along, unit * (size + 1.0) * np.sqrt(theta.size)),
        Check(
            "objective",
            abs(float(loss.value(theta)) - solution.objective),
            _objective_rounding(loss, largest),
        ),
        Check("gradient_norm", abs(gradient - solution.gradient_norm), rounding),
        Check("curvature bounds the eigenvalues", solution.curvature, curvature + unit * theta.size * scale),
    ]
    return checks + _reward_checks(solution, theta, component, unit)


def _reward_checks(solution: FitSolution, theta: Array, component: IntArray, unit: float) -> list[Check]:
    """Implicit reward, and policy where there is one, of the parameters."""
    checks = []
    reward, reference = theta, solution.log_reference.astype(WIDE)
    size = float(np.abs(theta).max())
    if solution.log_policy is not None and solution.policy is not None:
        scores = theta if solution.features is None else reference + solution.features.astype(WIDE) @ theta
        logs = normalise(scores)
        largest = float(np.abs(logs).max() + np.abs(scores).max() + np.abs(reference).max())
        if solution.features is not None:
            largest += float((np.abs(solution.features) @ np.abs(theta)).max())
        off = float(np.abs(solution.log_policy - logs).max())
        checks = [
            *_policy_checks(solution.policy, solution.log_policy),
            Check("log_policy", off, unit * largest),
        ]
        reward = WIDE(solution.temperature) * (logs - reference)
        size = solution.temperature * largest
    for k in np.unique(component):
        reward = np.where(component == k, reward - reward[component == k].mean(), reward)
    return [*checks, Check("reward", float(np.abs(solution.reward - reward).max()), unit * size)]


def _null_space(items: FloatArray, compared: BoolArray) -> FloatArray:
    """Directions (k, p) of the parameters that change no margin of a compared pair."""
    first, second = np.nonzero(np.triu(compared, 1))
    _, singular, right = np.linalg.svd(items[first] - items[second], full_matrices=True)
    rank = int((singular > 1e-10 * max(float(singular.max(initial=0.0)), 1e-300)).sum())
    return np.asarray(right[rank:])
