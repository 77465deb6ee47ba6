r"""Smooth convex minimisation by a damped Newton method, to the floor that rounding leaves.

The step ``p`` solves ``(H + ridge I) p = -g``; the ridge is zero where the Hessian has a Cholesky factor and grows by
factors of 100 from ``1e-13`` (of the system scaled to a unit diagonal) where it has not, or only by rounding: too few
active pairs in a chi-square dual, a flat direction of a logistic loss.  A Hessian given as a product makes its own
step (:mod:`mdplab.convex.gram`).  A step is halved until the objective falls
by ``1e-4`` of its predicted decrease.  Near the minimum differences of the objective are rounding; there a step is
accepted if it makes the gradient smaller.  The iteration ends when the gradient norm is below ``tol`` and the next
step no longer halves it, or when no step helps.

Gauge.  When the objective is invariant in the directions of the rows of ``gauge``, the Hessian is singular along
them by construction: ``G' G`` is added to it and the gradient is projected on the complement, so that the iterates
keep the component along the gauge that the starting point has.

The certificate is the Euclidean norm of the gradient at the point returned, as computed; what it says about the
error of the point depends on the curvature, which the callers (:mod:`mdplab.solvers.preference_fit`,
:mod:`mdplab.solvers.dual_rl`) know.

References
----------
J. Nocedal, S. Wright (2006), Numerical Optimization, chapters 3 and 6.
S. Boyd, L. Vandenberghe (2004), Convex Optimization, section 9.5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from mdplab._typing import FloatArray
from mdplab.convex.gram import GramMatrix
from mdplab.interrupts import asked
from mdplab.solution import Certificate, Layout, Solution, Status

__all__ = ["SmoothMinimum", "minimise_smooth"]

# Where a Hessian is tiny (far out on a logistic loss), a step has any size that a float has; halved so often, it is zero.
_MOST_HALVINGS = 1100


@dataclass(frozen=True, kw_only=True, eq=False)
class SmoothMinimum(Solution):
    """A minimum found by Newton's method; its table has a row a coordinate.

    Attributes
    ----------
    point : ndarray, shape (n,)
        The last iterate with the smallest gradient.
    objective : float
        The objective there.
    gradient_norm : float
        Euclidean norm of the gradient (projected on the complement of the gauge).
    ridge : float
        The largest ridge that a step needed; 0 where every Hessian was positive definite.
    """

    point: FloatArray
    objective: float
    gradient_norm: float
    ridge: float

    def _layout(self) -> Layout:
        return ("coordinate",), {"point": self.point}


def minimise_smooth(
    fn: Callable[[FloatArray], float],
    gradient: Callable[[FloatArray], FloatArray],
    hessian: Callable[[FloatArray], FloatArray | GramMatrix],
    start: ArrayLike,
    *,
    tol: float = 1e-10,
    max_steps: int = 500,
    gauge: ArrayLike | None = None,
    unbounded_below: float = -1e12,
) -> SmoothMinimum:
    """Minimise a smooth convex function without constraints.

    Parameters
    ----------
    fn, gradient, hessian : callable
        Value, gradient (n,) and Hessian (n, n) at a point (n,), the last dense or, without a gauge, as a
        :class:`~mdplab.convex.gram.GramMatrix`.  The value may be ``inf`` outside the domain.
    start : array_like, shape (n,)
        Where to begin; the objective must be finite there.
    tol : float
        Gradient norm for status ``CONVERGED``; the iteration goes on below it while Newton's steps still pay.
    max_steps : int
        Largest number of Newton steps.
    gauge : array_like, shape (k, n), optional
        Directions in which the objective is known to be constant.
    unbounded_below : float
        An objective below this number ends the run with status ``UNBOUNDED``.

    Returns
    -------
    SmoothMinimum
        ``residuals`` are the gradient norms.  ``PRECISION_LIMIT`` where rounding keeps the gradient above ``tol``.

    Raises
    ------
    ValueError
        If the objective is not finite at the start.
    """
    x = np.array(start, dtype=np.float64)
    if x.ndim != 1:
        raise ValueError(f"start: expected a vector, got shape {x.shape}")
    value = float(fn(x))
    if not np.isfinite(value):
        raise ValueError(f"start: the objective is {value!r} there; expected a finite number")
    flat = None if gauge is None else np.linalg.qr(np.atleast_2d(np.asarray(gauge, np.float64)).T)[0].T

    def project(g: FloatArray) -> FloatArray:
        return g if flat is None else g - flat.T @ (flat @ g)

    g = project(gradient(x))
    norm = float(np.linalg.norm(g))
    residuals: list[float] = []
    largest_ridge = 0.0
    status = Status.MAX_STEPS
    for _ in range(max_steps):
        if asked(None):
            status = Status.INTERRUPTED
            break
        if norm == 0.0:
            status = Status.CONVERGED
            break
        h = hessian(x)
        step, ridge = h.step(g) if isinstance(h, GramMatrix) else _newton_step(h, g, flat)
        step = project(step)
        largest_ridge = max(largest_ridge, ridge)
        candidate = _line_search(fn, gradient, project, x, value, g, norm, step)
        if candidate is None:
            status = Status.CONVERGED if norm <= tol else Status.PRECISION_LIMIT
            break
        before = norm
        x, value, g = candidate
        norm = float(np.linalg.norm(g))
        residuals.append(norm)
        if value < unbounded_below:
            status = Status.UNBOUNDED
            break
        if norm <= tol and norm > 0.5 * before:
            status = Status.CONVERGED
            break
    else:
        status = Status.CONVERGED if norm <= tol else Status.MAX_STEPS
    return SmoothMinimum(
        status=status,
        certificate=Certificate(
            "Euclidean norm of the computed gradient", norm, "evaluation at the point", 0.0
        ),
        steps=len(residuals),
        residuals=np.asarray(residuals),
        point=x,
        objective=value,
        gradient_norm=norm,
        ridge=largest_ridge,
    )


def _newton_step(h: FloatArray, g: FloatArray, flat: FloatArray | None) -> tuple[FloatArray, float]:
    """Solve for the Newton step with the smallest ridge of the ladder that has a safe Cholesky factor.

    The system is scaled to a unit diagonal first: what counts as singular must not depend on the units of the
    unknowns, and the Hessian of an exponential dual spans many orders of magnitude.
    """
    scale = float(np.abs(np.diag(h)).max()) or 1.0
    if flat is not None:
        h = h + scale * flat.T @ flat
    units = 1.0 / np.sqrt(np.maximum(np.diag(h), 1e-8 * scale))
    scaled = units[:, None] * h * units[None, :]
    least = 8.0 * g.size * float(np.finfo(np.float64).eps)
    ridge = 0.0
    while ridge < 1e16:
        try:
            factor = cho_factor(scaled + ridge * np.eye(g.size))
            step = -units * cho_solve(factor, units * g)
            if np.diag(factor[0]).min() ** 2 > least and np.isfinite(step).all():
                return step, ridge
        except (LinAlgError, ValueError):
            pass
        ridge = 1e-13 if ridge == 0.0 else 100.0 * ridge
    return -g, ridge


def _line_search(
    fn: Callable[[FloatArray], float],
    gradient: Callable[[FloatArray], FloatArray],
    project: Callable[[FloatArray], FloatArray],
    x: FloatArray,
    value: float,
    g: FloatArray,
    norm: float,
    step: FloatArray,
) -> tuple[FloatArray, float, FloatArray] | None:
    """Halve the step until it pays; ``None`` if no step does."""
    slope = float(g @ step)
    if slope >= 0.0:  # rounding in a nearly singular system
        step, slope = -g, -(norm**2)
    # what the objective cannot resolve is left to the gradient
    floor = 8.0 * np.finfo(np.float64).eps * max(1.0, abs(value)) * np.sqrt(x.size)
    size = 1.0
    for _ in range(_MOST_HALVINGS):
        trial = x + size * step
        if np.array_equal(trial, x):
            return None
        with np.errstate(over="ignore", invalid="ignore"):
            new = float(fn(trial))
        if np.isfinite(new):
            if -slope * size <= 1e3 * floor:
                if new <= value + floor:
                    new_g = project(gradient(trial))
                    if np.isfinite(new_g).all() and float(np.linalg.norm(new_g)) < norm:
                        return trial, new, new_g
            elif new <= value + 1e-4 * size * slope:
                new_g = project(gradient(trial))
                if np.isfinite(new_g).all():
                    return trial, new, new_g
        size *= 0.5
    return None
