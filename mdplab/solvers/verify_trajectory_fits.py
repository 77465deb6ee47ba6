r"""Verification of preference fits of trajectories: Newton's method in extended precision on sums over ordered pairs.

The fit works with a slope a trajectory and a Laplacian of its pairs; here each ordered pair has its margin, the gradient of
that margin and its second derivatives.  The stationary point reached is proven by the theorem of Newton and Kantorovich, as
the fit's is, at a residual that is far smaller.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._typing import Array
from mdplab.models import PairWeights
from mdplab.solvers.trajectory_preference_fit import TrajectoryFit
from mdplab.solvers.verify import Check, Verification, _need_claim, _need_shape, _policy_checks, _verify
from mdplab.solvers.verify_algebra import DOUBLE, EPS, WIDE
from mdplab.solvers.verify_games import normalise

__all__ = ["KINDS"]

KINDS = (TrajectoryFit,)
"""The kinds of solution that this module verifies."""

_NEWTON = 50


class _Pairs:
    """The loss of scores ``(rows, A)`` of the pairs of stage and state that a trajectory visits."""

    def __init__(self, weights: Array, solution: TrajectoryFit) -> None:
        self.beta = WIDE(solution.temperature)
        self.winner, self.loser = np.nonzero(weights)
        self.weight = weights[self.winner, self.loser]
        steps = list(enumerate(zip(solution.states.T, solution.actions.T, strict=True)))
        self.visited = sorted({(h, int(s)) for h, (states, _) in steps for s in states})
        self.reference = np.array([solution.log_reference[place] for place in self.visited]).astype(WIDE)
        self.where = [[self.visited.index((h, int(s))) for s in states] for h, (states, _) in steps]
        self.taken = [actions for _, (_, actions) in steps]

    def logs(self, scores: Array) -> Array:
        """Log-policy of the rows."""
        return np.array([normalise(row) for row in self.reference + scores / self.beta])

    def rewards(self, logs: Array) -> Array:
        """Implicit rewards."""
        return np.asarray(
            self.beta
            * sum(
                (logs - np.where(self.reference > -np.inf, self.reference, 0))[rows, actions]
                for rows, actions in zip(self.where, self.taken, strict=True)
            )
        )

    def derivatives(self, scores: Array) -> tuple[Any, Array, Array]:
        """Value, gradient and Hessian."""
        logs = self.logs(scores)
        policy, g = np.exp(logs), self.rewards(logs)
        h = g[self.winner] - g[self.loser]
        small = np.exp(-np.abs(h))
        wrong, right = (np.where(sign * h >= 0, small, 1) / (1 + small) for sign in (1, -1))
        slopes = np.zeros((g.size, *scores.shape), dtype=WIDE)  # of the implicit rewards
        bends = np.zeros((g.size, len(policy)), dtype=WIDE)
        for rows, actions in zip(self.where, self.taken, strict=True):
            for i, (row, action) in enumerate(zip(rows, actions, strict=True)):
                slopes[i, row] -= policy[row]
                slopes[i, row, action] += 1
                bends[i, row] -= 1 / self.beta
        margins = (slopes[self.winner] - slopes[self.loser]).reshape(h.size, -1)
        hessian = np.einsum("p,pi,pj->ij", self.weight * wrong * right, margins, margins)
        share = (-self.weight * wrong) @ (bends[self.winner] - bends[self.loser])
        n = scores.shape[1]
        for r, row in enumerate(policy):
            block = slice(r * n, (r + 1) * n)
            hessian[block, block] += share[r] * (np.diag(row) - np.outer(row, row))
        value = (self.weight * (np.log1p(small) + np.maximum(-h, 0))).sum()
        return value, (-self.weight * wrong) @ margins, hessian

    def stationary(self, scores: Array) -> tuple[Array, float]:
        """The stationary point to which Newton's method leads, and its error (infinite if none is proven)."""
        best, size = scores, np.inf
        for _ in range(_NEWTON):
            _, gradient, hessian = self.derivatives(scores)
            norm = float(np.sqrt((gradient**2).sum()))
            if not norm < 0.5 * size:
                break
            best, size = scores, norm
            inverse = np.linalg.pinv(hessian.astype(float), rcond=1e-12, hermitian=True)
            scores = scores - (inverse @ gradient.astype(float)).reshape(scores.shape)
        least, reach = self.curvature(best), np.sqrt(8.0 * len(self.where))
        beta = float(self.beta)
        lipschitz = 0.0963 * reach**3 + 0.375 * reach / beta + 0.55 / beta**2
        size += EPS * self.weight.size * reach * (1 + float(np.abs(best).max()) * (1 + 1 / beta))
        proven = least > 0 and lipschitz * size <= 0.5 * least**2
        return best, 2 * np.sqrt(2.0) * size / least if proven else np.inf

    def curvature(self, scores: Array) -> float:
        """Least eigenvalue of the Hessian beyond the directions that change no policy."""
        hessian = self.derivatives(scores)[2].astype(float)
        possible = self.reference > -np.inf
        flat = len(possible) + int((~possible).sum())
        # those directions are exact zeros, wherever they come among the eigenvalues
        values = np.linalg.eigvalsh(hessian)
        rest = np.delete(values, np.argsort(np.abs(values))[:flat])
        return float(rest.min(initial=np.inf))


@_verify.register
def _(solution: TrajectoryFit, model: Any) -> Verification:
    given = model.weights if isinstance(model, PairWeights) else model
    try:
        weights = np.array(given, dtype=float).astype(WIDE)
    except (TypeError, ValueError):
        raise TypeError(f"a TrajectoryFit belongs to weights of pairs; got {type(model).__name__}") from None
    n = solution.reward.size
    _need_shape(solution, (n, n), weights.shape)
    _need_claim(solution)
    np.fill_diagonal(weights, 0)
    pairs = _Pairs(weights / weights.sum(), solution)
    found = np.array([solution.log_policy[place] for place in pairs.visited]).astype(WIDE)
    possible = pairs.reference > -np.inf
    scores = np.zeros_like(found)
    scores[possible] = pairs.beta * (found[possible] - pairs.reference[possible])
    value, gradient, _ = pairs.derivatives(scores)
    point, error = pairs.stationary(scores)
    far = pairs.beta * np.abs(pairs.logs(point)[possible] - found[possible])
    largest = float(np.abs(found[possible]).max() + np.abs(pairs.reference[possible]).max())
    unit = 16 * (n + found.shape[1] + 16) * DOUBLE * (1 + largest) * (1 + solution.temperature)
    unit *= float(np.sqrt(8 * len(pairs.where)))
    elsewhere = np.ones(solution.policy.shape[:2], dtype=bool)
    elsewhere[tuple(np.array(pairs.visited).T)] = False
    kept = np.exp(solution.log_reference[elsewhere]) - solution.policy[elsewhere]
    norm = float(np.sqrt((gradient**2).sum()))
    curvature, rewards = pairs.curvature(scores), pairs.rewards(found)
    checks = [
        *_policy_checks(solution.policy, solution.log_policy),
        Check(
            "temperature * log_policy within certificate.bound",
            float(far.max()),
            solution.certificate.bound + error,
        ),
        Check("reward", float(np.abs(solution.reward - rewards).max()), unit),
        Check("objective", abs(float(value) - solution.objective), unit),
        Check("gradient_norm", abs(norm - solution.gradient_norm), unit),
        Check(
            "curvature bounds the eigenvalues", solution.curvature, curvature + unit / solution.temperature
        ),
        Check("the reference elsewhere", float(np.abs(kept).max(initial=0.0)), 1e-14),
    ]
    return Verification("Newton's method on all ordered pairs in extended precision", tuple(checks))
