"""What every solver returns: a status, a certificate and the history of its residuals.

A solver never answers silently.  Its :class:`Status` says how the run ended and what to do about it; its
:class:`Certificate` states a proven upper bound on the error of one named quantity, rounding included, and the
theorem that proves it.  Each kind of result (control, evaluation, game, program, law, ...) extends
:class:`Solution` in a frozen dataclass of its own beside the solvers that return it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any

import numpy as np

from mdplab._typing import FloatArray

__all__ = ["Certificate", "ConvergenceWarning", "Solution", "Status"]


class ConvergenceWarning(UserWarning):
    """A solver stopped at ``max_steps``: its bounds are valid but wider than the tolerance asked for."""


class Status(Enum):
    """How a solver ended; the value is the explanation with its remedy."""

    CONVERGED = "the certified bound is within the requested tolerance"
    MAX_STEPS = (
        "max_steps was reached before the tolerance: the bounds are valid but wide; raise max_steps or tol"
    )
    PRECISION_LIMIT = (
        "rounding keeps the bound above the tolerance: the certificate says what was reached; raise tol or lower "
        "the discount"
    )
    UNCERTIFIED = (
        "no error bound is known for this result: compare it with another method, or other tolerances and starts "
        "(mdplab.verify recomputes only results that carry bounds)"
    )
    INFEASIBLE = "the constraints admit no point: relax a constraint or restore a missing action"
    UNBOUNDED = "the objective has no finite optimum: check signs and missing constraints"
    NOT_ATTAINED = "the optimal value is a limit that no point attains: ask for reachability or coverage"
    NOT_UNIQUE = "the optimal value is certified but several points attain it: compare values, not points"
    SLACK = "the constraint is not active: its multiplier is zero and the unconstrained answer is returned"
    INTERRUPTED = "the run was interrupted: the bounds reached so far are valid"

    @property
    def ok(self) -> bool:
        """Whether the request was met: the answer is certified within the tolerance."""
        return self in (Status.CONVERGED, Status.NOT_UNIQUE, Status.SLACK)


@dataclass(frozen=True)
class Certificate:
    """A proven upper bound on the error of one quantity.

    Attributes
    ----------
    quantity : str
        What is bounded, e.g. ``"sup-norm error of value"``.
    bound : float
        The upper bound, in the units of the quantity; ``inf`` where none is known.  Rounding is included.
    theorem : str
        The statement that proves the bound.
    rounding : float
        The part of ``bound`` that is due to rounding and accepted row-sum deviation.

    Raises
    ------
    ValueError
        If ``bound`` or ``rounding`` is negative or NaN.
    """

    quantity: str
    bound: float
    theorem: str
    rounding: float = 0.0

    def __post_init__(self) -> None:
        for name in ("bound", "rounding"):
            number = getattr(self, name)
            if math.isnan(number) or number < 0:
                raise ValueError(f"Certificate: {name} must be a non-negative number, got {number!r}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Solution:
    """What all results share.

    Attributes
    ----------
    status : Status
        How the run ended.
    certificate : Certificate
        The proven error bound.
    steps : int
        Number of outer iterations.
    residuals : ndarray, shape (steps,) or (0,)
        Residual after each outer iteration, in the solver's own measure (named in its docstring).
    """

    status: Status
    certificate: Certificate
    steps: int = 0
    residuals: FloatArray = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        """Arrays become read-only views: a certificate speaks of the numbers as they were computed."""
        content = self.__dict__
        for name, entry in content.items():
            if type(entry) is np.ndarray and entry.flags.writeable:
                view = entry.view()
                view.flags.writeable = False
                content[name] = view

    def __init_subclass__(cls) -> None:
        """The short repr for every kind: ``dataclass`` does not replace one that is there."""
        super().__init_subclass__()
        if "__repr__" not in cls.__dict__:
            cls.__repr__ = Solution.__repr__  # type: ignore[method-assign]

    def __repr__(self) -> str:
        """Status, bound and small fields; arrays by their shapes."""
        bound = f"{self.certificate.quantity} <= {self.certificate.bound:.3g}"
        shown = [f"status={self.status.name}", f"certificate=<{bound}>"]
        for item in fields(self):
            if item.repr and item.name not in ("status", "certificate"):
                shown.append(f"{item.name}={_short(getattr(self, item.name))}")
        return f"{type(self).__name__}({', '.join(shown)})"


def _short(entry: Any) -> str:
    """An entry of a repr: arrays and collections by their sizes."""
    if isinstance(entry, np.ndarray) and entry.ndim:
        return f"<{entry.dtype} {entry.shape}>"
    if isinstance(entry, float):
        return f"{entry:.6g}"
    if isinstance(entry, list | tuple | dict | set | frozenset) and len(entry) > 4:
        return f"<{type(entry).__name__} of {len(entry)}>"
    text = repr(entry)
    return text if len(text) <= 80 else f"<{type(entry).__name__}>"
