"""The result of a convex program: optimal value, primal and dual point, certified interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdplab._typing import FloatArray
from mdplab.solution import Solution

__all__ = ["ProgramSolution"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ProgramSolution(Solution):
    """Solution of a linear or conic program.

    The certificate bounds ``|objective - optimal value|``; it is computed from ``primal`` and ``dual`` alone, by
    weak duality, whatever the solver claims.

    Attributes
    ----------
    objective : float
        Value of the stated objective at ``primal``; ``+inf`` or ``-inf`` when infeasible or unbounded (the infimum
        of nothing is ``+inf``).
    primal : ndarray
        The point, in the shape named by the function that returns it; NaN when there is none.
    dual : ndarray
        Multipliers of the main constraints with the textbook sign (shadow prices; see the function).
    lower, upper : float
        Proven bounds on the optimal value; infinite where none is known.
    gap : float
        ``upper - lower``.
    infeasibility : float
        Largest violation of a constraint by ``primal``.
    multipliers : dict of str to ndarray
        All groups of multipliers by name.
    """

    objective: float
    primal: FloatArray
    dual: FloatArray
    lower: float = -np.inf
    upper: float = np.inf
    infeasibility: float = 0.0
    multipliers: dict[str, FloatArray]

    @property
    def gap(self) -> float:
        """Width of the certified interval for the optimal value."""
        return 0.0 if self.lower == self.upper else self.upper - self.lower
