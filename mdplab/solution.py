"""What every solver returns: a status, a certificate and the history of its residuals.

A solver never answers silently.  Its :class:`Status` says how the run ended and what to do about it; its
:class:`Certificate` states a proven upper bound on the error of one named quantity, rounding included, and the
theorem that proves it.  Each kind of result (control, evaluation, game, program, law, ...) extends
:class:`Solution` in a frozen dataclass of its own beside the solvers that return it, and says what its table is.
"""

from __future__ import annotations

import html
import math
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mdplab._typing import Array, FloatArray
from mdplab.names import UNNAMED, Names

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Certificate", "ConvergenceWarning", "Solution", "Status"]


Layout = tuple[tuple[str, ...], dict[str, Array]]
"""What indexes a table, and its columns."""


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
    names : Names
        What the model calls its states, actions and objectives: the labels of :meth:`to_frame`.
    """

    status: Status
    certificate: Certificate
    steps: int = 0
    residuals: FloatArray = field(default_factory=lambda: np.empty(0))
    names: Names = field(default=UNNAMED, repr=False)

    _across: ClassVar[str] = "action"

    def __post_init__(self) -> None:
        """Arrays become read-only views: a certificate speaks of the numbers as they were computed."""
        content = self.__dict__
        for name, entry in content.items():
            if type(entry) is np.ndarray and entry.flags.writeable:
                view = entry.view()
                view.flags.writeable = False
                content[name] = view

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Copies and unpickled solutions are read-only too."""
        self.__dict__.update(state)
        Solution.__post_init__(self)

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

    def _numbers(self) -> dict[str, float]:
        """The fields that are single numbers, but for ``steps``."""
        content = ((item.name, getattr(self, item.name)) for item in fields(self) if item.name != "steps")
        return {name: entry for name, entry in content if isinstance(entry, int | float)}

    def _layout(self) -> Layout:
        """What indexes the table, and its columns: arrays over these axes, or with one more (``_across``)."""
        return (), {}

    def to_frame(self) -> pd.DataFrame:
        """The solution as a table; the docstring of each kind says what its rows are.

        Returns
        -------
        pandas.DataFrame
            Rows and columns have the names that the model gives to states, actions and objectives, or their numbers;
            what has a value for each action has a column for each, ``q_left`` and ``q_right``.  Kinds without arrays
            show their numbers.
        """
        import pandas as pd

        axes, columns = self._layout()
        if not columns:
            numbers = self._numbers()
            return pd.DataFrame({"value": [*numbers.values()]}, index=pd.Index([*numbers], name="quantity"))
        shape = next(iter(columns.values())).shape[: len(axes)]
        labels = [self.names.of(axis, np.arange(n)) for axis, n in zip(axes, shape, strict=True)]
        rows = (
            pd.MultiIndex.from_product(labels, names=axes)
            if labels[1:]
            else pd.Index(labels[0], name=axes[0])
        )
        spread: dict[str, Array] = {}
        for name, array in columns.items():
            if array.ndim == len(axes):
                spread[name] = array.ravel()
                continue
            entries = self.names.of(self._across, np.arange(array.shape[-1]))
            for label, column in zip(entries, array.reshape(-1, entries.size).T, strict=True):
                spread[f"{name}_{label}"] = column
        return pd.DataFrame(spread, index=rows)

    def _likeliest(self, policy: FloatArray) -> Array:
        """The name of the likeliest action of each row of a policy."""
        return self.names.of("action", policy.argmax(axis=-1))

    def _repr_html_(self) -> str:
        """Status, bound, numbers and the ends of the table, for notebooks."""
        certificate = self.certificate
        head = (
            f"<p><b>{self.status.name}</b> ({html.escape(self.status.value)}); "
            f"{html.escape(certificate.quantity)} &le; {certificate.bound:.3g}; {self.steps} steps</p>"
        )
        numbers = ", ".join(f"{name} {_short(entry)}" for name, entry in self._numbers().items())
        table = self.to_frame().to_html(max_rows=20, max_cols=20, float_format="{:.6g}".format)
        return f"{head}<p>{numbers}</p>{table}"


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
