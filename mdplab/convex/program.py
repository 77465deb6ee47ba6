"""The result of a convex program: optimal value, primal and dual point, certified interval."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.divergences import FDivergence
from mdplab.solution import Layout, Solution

__all__ = [
    "EntropyOccupancy",
    "LinearProgram",
    "ProgramSolution",
    "RegularisedOccupancy",
    "check_limits",
    "power_of_two",
]


@dataclass(frozen=True, eq=False)
class LinearProgram:
    """The data of :func:`~mdplab.convex.linear.linear_program`, as :func:`mdplab.solvers.verify` takes them.

    Attributes
    ----------
    cost, at_most, at_least, equal, lower, upper, maximise, variable_bound, multiplier_bound
        The arguments of the same names.
    """

    cost: ArrayLike
    at_most: tuple[Any, ArrayLike] | None = None
    at_least: tuple[Any, ArrayLike] | None = None
    equal: tuple[Any, ArrayLike] | None = None
    lower: ArrayLike = 0.0
    upper: ArrayLike = np.inf
    maximise: bool = False
    variable_bound: float = np.inf
    multiplier_bound: float = np.inf


@dataclass(frozen=True, eq=False)
class RegularisedOccupancy:
    """To maximise ``<d, R> - strength D_f(d || data)`` over the occupancies of a model.

    Attributes
    ----------
    data : ndarray, shape (S, A)
        A law on pairs.
    divergence : FDivergence
        Row of the table.
    strength : float
        Weight of the divergence, > 0.
    conjugate : {"corrected", "plain"}
        ``"plain"`` drops the constraint ``d >= 0``.
    """

    data: FloatArray
    divergence: FDivergence
    strength: float
    conjugate: str = "corrected"


@dataclass(frozen=True, eq=False)
class EntropyOccupancy:
    """To maximise the return less ``kl_weight KL(. || prior)`` plus ``entropy_weight H`` over occupancies.

    Attributes
    ----------
    prior_log : ndarray, shape (S, A), or None
        Log-probabilities of the prior.
    kl_weight, entropy_weight : float
        Of positive sum.
    """

    prior_log: FloatArray | None
    kl_weight: float
    entropy_weight: float


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
    problem : RegularisedOccupancy, EntropyOccupancy or None
        What a cone program was asked for; None for a linear program, which its model determines.
    """

    objective: float
    primal: FloatArray
    dual: FloatArray
    lower: float = -np.inf
    upper: float = np.inf
    infeasibility: float = 0.0
    multipliers: dict[str, FloatArray]
    problem: RegularisedOccupancy | EntropyOccupancy | None = field(default=None, repr=False)

    def _layout(self) -> Layout:
        if self.primal.ndim == self.dual.ndim == 1:
            return ("variable",), {"primal": self.primal}
        return ("state",), {"primal": self.primal, "dual": self.dual}

    @property
    def gap(self) -> float:
        """Width of the certified interval for the optimal value."""
        return 0.0 if self.lower == self.upper else self.upper - self.lower
