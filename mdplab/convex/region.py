r"""Policies within divergence balls: the program, its dual function, and what solves it.

With weights :math:`w_s\ge0` of the states, values :math:`x_s` and references :math:`\pi_i` of full support,

.. math::
    \max_p\ \sum_sw_s\langle x_s,p_s\rangle-\sum_i\beta_iD_i(p)\quad\text{s.t. } D_i(p)\le\epsilon_i,\qquad
    D_i(p)=\sum_sw_s\,\mathrm{KL}(p_s\,\|\,\pi_{i,s}).

With multipliers :math:`\lambda\ge0` and :math:`\Lambda=\sum_i(\beta_i+\lambda_i)` its dual function is

.. math::
    g(\lambda)=\lambda\cdot\epsilon+\sum_sw_s\,\Lambda\log\sum_ae^{x_{sa}/\Lambda}
    \prod_i\pi_{i,s}(a)^{(\beta_i+\lambda_i)/\Lambda},\qquad
    \partial_ig=\epsilon_i-D_i(p_\lambda),\qquad
    \nabla^2g=\frac1\Lambda\sum_sw_s\mathrm{Cov}_{p_\lambda}(u_i,u_j),

where :math:`p_\lambda` is the tilt of :mod:`mdplab.operators.multi_reference` and :math:`u_i=\log p_\lambda-\log\pi_i`.  Every
:math:`\lambda\ge0` bounds the optimum from above, every policy within the balls from below: two proven numbers, whoever
computed their arguments.  One state and one ball per policy of stage one is the two-stage constrained actor-critic; one ball
with the occupancy of the old policy as weights is the trust-region step.

The divergence is summed as ``p log(p/q) - p + q``, by a series where ``p`` is near ``q``: it keeps its relative accuracy for
tiny radii, and the rounded normalisation of a policy enters in second order only.

References
----------
.. [1] J. Schulman et al., "Trust region policy optimization", ICML 2015.
.. [2] Q. Cai et al., "Two-stage constrained actor-critic for short video recommendation", WWW 2023.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.models._validate import first
from mdplab.operators.multi_reference import multi_reference_tilt, multi_reference_value
from mdplab.solution import Certificate, Layout, Solution, Status

__all__ = ["RegionProgram", "RegionSolution", "certified_region"]

_UNIT = float(np.finfo(np.float64).eps) / 2
_NEAR = 0.02  # below it the series to the eighth order is exact in doubles


@dataclass(frozen=True, eq=False)
class RegionProgram:
    """The data of a program over policies within divergence balls, as :func:`mdplab.solvers.verify` takes them.

    Attributes
    ----------
    gradient : ndarray (S, A)
        Values ``x``.
    log_references : ndarray (n, S, A)
        Finite log-probabilities.
    weights : ndarray (S,)
        Non-negative weights of the states.
    radii : ndarray (n,)
        Positive; ``inf`` for a reference without ball.
    penalties : ndarray (n,)
        Non-negative coefficients of the divergences in the objective.
    """

    gradient: FloatArray
    log_references: FloatArray
    weights: FloatArray
    radii: FloatArray
    penalties: FloatArray

    @classmethod
    def of(
        cls,
        gradient: ArrayLike,
        log_references: ArrayLike,
        *,
        radii: ArrayLike | None = None,
        penalties: ArrayLike | None = None,
        weights: ArrayLike | None = None,
    ) -> RegionProgram:
        """Check the data.

        Parameters
        ----------
        gradient : array_like (S, A) or (A,)
            Finite values; one row for a single state.
        log_references : array_like (n, S, A) or (n, A)
            Finite log-probabilities of ``n >= 1`` references.
        radii : array_like (n,), optional
            Positive; ``inf``, the default, for no ball.
        penalties : array_like (n,), optional
            Finite and non-negative; default 0.
        weights : array_like (S,), optional
            Finite and non-negative with a positive sum; default 1.

        Returns
        -------
        RegionProgram

        Raises
        ------
        ValueError
            If an argument is out of its range.
        """
        x, logs = _real("gradient", gradient), _real("log_references", log_references)
        if x.ndim == 1 and logs.ndim == 2:
            x, logs = x[None], logs[:, None]
        if x.ndim != 2 or logs.ndim != 3 or not len(logs) or logs.shape[1:] != x.shape or not x.size:
            raise ValueError(
                f"gradient and log_references must have shapes (S, A) and (n, S, A); got {x.shape} and {logs.shape}"
            )
        n = len(logs)
        program = cls(
            x,
            logs,
            np.ones(len(x)) if weights is None else _real("weights", weights),
            np.full(n, np.inf) if radii is None else _real("radii", radii),
            np.zeros(n) if penalties is None else _real("penalties", penalties),
        )
        for name, array in (("gradient", x), ("log_references", logs)):
            if not np.isfinite(array).all():
                where = first(~np.isfinite(array))
                raise ValueError(f"{name} is {array[where]} at {where}; expected finite numbers")
        off = np.abs(np.exp(logs).sum(axis=-1) - 1)
        if (off > 1e-9).any():
            raise ValueError(
                f"log_references: row {first(off > 1e-9)} is not a law; expected log-probabilities"
            )
        shapes = {"weights": len(x), "radii": n, "penalties": n}
        for name, size in shapes.items():
            array = getattr(program, name)
            good = (array > 0) if name == "radii" else (array >= 0) & np.isfinite(array)
            if array.shape != (size,) or not good.all():
                expected = "positive" if name == "radii" else "finite, non-negative"
                raise ValueError(f"{name} must be {size} {expected} numbers; got {array}")
        if not program.weights.sum() > 0:
            raise ValueError("weights must have a positive sum")
        return program

    def log_policy(self, multipliers: FloatArray) -> FloatArray:
        """Log-probabilities of the tilt at multipliers.

        Parameters
        ----------
        multipliers : ndarray (n,)
            Non-negative, of positive sum together with the penalties.

        Returns
        -------
        ndarray (S, A)
        """
        return np.asarray(
            multi_reference_tilt(self.gradient, self.log_references, self.penalties + multipliers)
        )

    def dual(self, multipliers: FloatArray) -> tuple[float, float]:
        """The dual function, an upper bound of the optimum, and the rounding of its evaluation.

        Parameters
        ----------
        multipliers : ndarray (n,)
            Non-negative; all zero (with no penalties) for the unconstrained maximum.

        Returns
        -------
        value, rounding : float
        """
        total = self.penalties + multipliers
        size = float(total.sum())
        largest = np.abs(self.gradient).max(axis=1)
        if size > 0.0:
            rows = np.asarray(multi_reference_value(self.gradient, self.log_references, total))
            logs = (total[:, None, None] * np.abs(self.log_references)).sum(axis=0).max(axis=1)
            largest = largest + logs + size
        else:
            rows = self.gradient.max(axis=1)
        priced = float(multipliers[multipliers > 0] @ self.radii[multipliers > 0])
        value = float(self.weights @ rows) + priced
        count = self.gradient.shape[1] + len(total) + len(rows) + 16
        return value, 1.01 * count * _UNIT * (float(self.weights @ largest) + priced)

    def divergences(self, log_policy: FloatArray) -> tuple[FloatArray, FloatArray]:
        """``D_i`` of a policy, and their rounding errors.

        Parameters
        ----------
        log_policy : ndarray (S, A)
            Log-probabilities; ``-inf`` for zero.

        Returns
        -------
        divergences, errors : ndarray (n,)
        """
        p, q = np.exp(log_policy), np.exp(self.log_references)
        taken = log_policy > -np.inf
        logs = np.where(taken, log_policy, 0.0)
        change = np.where(taken, logs - self.log_references, 0.0)
        near = taken & (np.abs(change) < _NEAR)
        d = np.where(near, change, 0.0)
        series = 1 / 2 + d * (1 / 3 + d * (1 / 8 + d * (1 / 30 + d * (1 / 144 + d * (1 / 840 + d / 5760)))))
        terms = np.where(near, q * d * d * series, p * change - (p - q))
        sizes = np.where(near, terms, p * np.abs(change) + np.abs(p - q))
        moved = p * np.abs(change) * (np.abs(logs) + np.abs(self.log_references))
        rounded = 1.01 * _UNIT * ((24 + p.shape[1] + len(p)) * sizes + moved)
        return np.einsum("s,isa->i", self.weights, terms), np.einsum("s,isa->i", self.weights, rounded)

    def objective(self, log_policy: FloatArray) -> tuple[float, float]:
        """What a policy attains, and its rounding error.

        Parameters
        ----------
        log_policy : ndarray (S, A)
            Log-probabilities; ``-inf`` for zero.

        Returns
        -------
        value, rounding : float
        """
        p = np.exp(log_policy)
        logs = np.where(p > 0, np.abs(np.where(p > 0, log_policy, 0.0)), 0.0)
        found, errors = self.divergences(log_policy)
        value = float(self.weights @ (p * self.gradient).sum(axis=1) - self.penalties @ found)
        terms = p * np.abs(self.gradient) * (logs + p.shape[1] + len(p) + 12)
        penalised = float(self.penalties @ (errors + 8 * _UNIT * found))
        return value, 1.01 * _UNIT * float(self.weights @ terms.sum(axis=1)) + penalised


def _real(name: str, x: ArrayLike) -> FloatArray:
    """An array of real numbers."""
    array = np.asarray(x)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be an array of real numbers; got dtype {array.dtype}")
    return array.astype(np.float64)


@dataclass(frozen=True, kw_only=True, eq=False)
class RegionSolution(Solution):
    """A policy within divergence balls with its multipliers; its table has a row a state.

    Attributes
    ----------
    log_policy : ndarray (S, A)
        Log-probabilities.
    multipliers : ndarray (n,)
        Non-negative prices of the radii.
    objective : float
        What the policy attains; ``certificate.bound`` is its distance from the optimum.
    lower, upper : float
        Proven bounds on the optimum; the lower one is attained within the balls.
    divergences : ndarray (n,)
        Weighted divergences of the policy from the references.
    infeasibility : float
        Bound on the largest excess of a divergence over its radius, rounding included.
    farkas : ndarray (n,) or None
        The proof of infeasibility: weights of sum one with ``farkas . D(p) > farkas . radii`` for every policy.
    program : RegionProgram
        What was asked for.
    """

    log_policy: FloatArray
    multipliers: FloatArray
    objective: float
    lower: float
    upper: float
    divergences: FloatArray
    infeasibility: float
    farkas: FloatArray | None = field(default=None, repr=False)
    program: RegionProgram = field(repr=False)

    def _layout(self) -> Layout:
        return ("state",), {"policy": self.policy}

    @property
    def policy(self) -> FloatArray:
        """Probabilities ``(S, A)``."""
        return np.asarray(np.exp(self.log_policy))

    @property
    def step(self) -> float:
        """Coefficient of the gradient in the log-policy; ``inf`` where no ball binds and nothing is penalised."""
        total = float((self.program.penalties + self.multipliers).sum())
        return 1 / total if total > 0.0 else np.inf

    @property
    def gap(self) -> float:
        """Width of the certified interval."""
        return 0.0 if self.lower == self.upper else self.upper - self.lower


def certified_region(
    program: RegionProgram, log_policy: FloatArray, multipliers: FloatArray, interior: FloatArray, tol: float
) -> RegionSolution:
    """Assemble a solution with the proven interval of its point and its multipliers.

    Parameters
    ----------
    program : RegionProgram
        What was asked for.
    log_policy : ndarray (S, A)
        The policy found.
    multipliers : ndarray (n,)
        Non-negative.
    interior : ndarray (S, A)
        Log-probabilities of a policy within the balls.
    tol : float
        Relative error asked for.

    Returns
    -------
    RegionSolution
    """
    objective, rounding = program.objective(log_policy)
    found, errors = program.divergences(log_policy)
    excess = np.maximum(found + errors - program.radii, 0.0)
    value, doubt = program.dual(multipliers)
    upper, lower = value + doubt, objective - rounding
    if excess.any():
        safe, away = program.objective(interior)
        near, blurred = program.divergences(interior)
        margin = program.radii - near - blurred
        if (margin[excess > 0] > 0).all():
            # divergences are convex: the share of the interior policy that makes up for the excess
            share = float((excess / (excess + margin))[excess > 0].max()) * (1 + 1e-12)
            lower -= share * max(lower - (safe - away), 0.0)
        else:
            lower = -np.inf
    bound = max(upper - objective, objective - lower, 0.0)
    if np.isfinite(bound):
        status = Status.CONVERGED if bound <= tol * max(1.0, abs(objective)) else Status.PRECISION_LIMIT
    else:
        status = Status.UNCERTIFIED
    return RegionSolution(
        status=status,
        certificate=Certificate(
            "error of the objective",
            bound,
            "weak duality at the multipliers; a policy within the balls",
            doubt + rounding,
        ),
        log_policy=log_policy,
        multipliers=multipliers,
        objective=objective,
        lower=lower,
        upper=upper,
        divergences=found,
        infeasibility=float(excess.max()),
        program=program,
    )
