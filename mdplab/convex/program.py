"""The result of a convex program: optimal value, primal and dual point, certified interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.solution import Layout, Solution

__all__ = ["ProgramSolution", "check_limits", "power_of_two"]


def check_limits(*, max_steps: Any = 1, **tolerances: Any) -> None:
    """Check tolerances and the number of steps.

    Parameters
    ----------
    max_steps : int
        A whole number >= 1.
    **tolerances : float
        Finite numbers >= 0, by name.

    Raises
    ------
    ValueError
        Naming the argument.
    """
    for name, number in tolerances.items():
        try:
            good = math.isfinite(number) and number >= 0.0
        except TypeError:
            good = False
        if not good:
            raise ValueError(f"{name}: {number!r}; expected a finite number >= 0")
    if not isinstance(max_steps, (int, np.integer)) or max_steps < 1:
        raise ValueError(f"max_steps: {max_steps!r}; expected a whole number >= 1")


def power_of_two(size: float) -> float:
    """The least power of two above ``size``, by which numbers are divided without rounding; 1 for zero.

    Parameters
    ----------
    size : float
        Finite and >= 0.

    Returns
    -------
    float
    """
    # the largest doubles have no power of two above them, and what lies below the smallest has no inverse
    return math.ldexp(1.0, min(max(math.frexp(size)[1], -1021), 1023)) if size > 0.0 else 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class ProgramSolution(Solution):
    """Solution of a linear or conic program; its table has a row a state or, without a model, a variable.

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

    def _layout(self) -> Layout:
        if self.primal.ndim == self.dual.ndim == 1:
            return ("variable",), {"primal": self.primal}
        return ("state",), {"primal": self.primal, "dual": self.dual}

    @property
    def gap(self) -> float:
        """Width of the certified interval for the optimal value."""
        return 0.0 if self.lower == self.upper else self.upper - self.lower
