"""Names of states, actions and objectives: what errors, tables and figures call the entries of an axis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, SupportsInt

import numpy as np

from mdplab._typing import Array, IntArray

__all__ = ["UNNAMED", "Names"]


class Names(NamedTuple):
    """Names of the entries of some axes; None where they have their numbers alone.

    Attributes
    ----------
    state, action, objective : tuple of str or None
        Distinct names, in order.
    """

    state: tuple[str, ...] | None = None
    action: tuple[str, ...] | None = None
    objective: tuple[str, ...] | None = None

    def _entries(self, axis: str) -> tuple[str, ...] | None:
        return self._asdict().get(axis)

    def of(self, axis: str, numbers: IntArray) -> Array:
        """What entries of an axis are called.

        Parameters
        ----------
        axis : str
            ``"state"``, ``"action"``, ``"objective"``, or another one, which has no names.
        numbers : ndarray of int
            Their numbers.

        Returns
        -------
        ndarray
            Names, or the numbers as they are.
        """
        entries = self._entries(axis)
        return numbers if entries is None else np.array(entries, dtype=object)[numbers]

    def place(self, axes: Sequence[str], index: Iterable[SupportsInt]) -> str:
        """A place for messages: ``state 2, action 1``, with names ``state 2 'wet', action 1 'wait'``.

        Parameters
        ----------
        axes : sequence of str
            What the axes are called.
        index : iterable of int
            One number for each.

        Returns
        -------
        str
        """
        parts = []
        for axis, i in zip(axes, index, strict=True):
            entries = self._entries(axis)
            parts.append(f"{axis} {int(i)}" + ("" if entries is None else f" {entries[int(i)]!r}"))
        return ", ".join(parts)

    def note(self, axes: Sequence[str], index: Iterable[SupportsInt]) -> str:
        """The place in brackets after a space, where one of the axes has names; else nothing.

        Parameters
        ----------
        axes : sequence of str
            What the axes are called.
        index : iterable of int
            One number for each.

        Returns
        -------
        str
        """
        return f" ({self.place(axes, index)})" if any(map(self._entries, axes)) else ""


UNNAMED = Names()
"""No axis has names."""
