"""Draws whose answers are choices of Hypothesis, and the strategy of the instances of a family."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from hypothesis import reject
from hypothesis import strategies as st

from mdplab._typing import IntArray
from mdplab.instances.draw import GridDraw, Rejected

__all__ = ["HypothesisDraw", "from_family"]

Instance = TypeVar("Instance")


class HypothesisDraw(GridDraw):
    """Takes the integers of the grid from Hypothesis, which shrinks each of them towards zero.

    Numbers are the simple rationals of :class:`~mdplab.instances.draw.GridDraw`, so that vertices of simplices, ties and
    zero rewards are frequent, and a shrunk example is one to read: few states, laws that are certain, rewards zero.

    Parameters
    ----------
    draw : callable
        The first argument of a composite strategy, or ``data.draw`` of ``st.data()``.
    """

    def __init__(self, draw: st.DrawFn) -> None:
        super().__init__()
        self._draw = draw

    def _integers(self, low: int, high: int, shape: tuple[int, ...]) -> IntArray:
        count = math.prod(shape)
        if low == high or not count:
            return np.full(shape, low, dtype=np.int64)
        return np.array(self._draw(_lists(low, high, count)), dtype=np.int64).reshape(shape)


@lru_cache(maxsize=4096)
def _lists(low: int, high: int, count: int) -> st.SearchStrategy[list[int]]:
    """Strategies are costly to build and cheap to keep."""
    return st.lists(st.integers(low, high), min_size=count, max_size=count)


@st.composite
def from_family(draw: st.DrawFn, /, family: Callable[..., Instance], **options: Any) -> Instance:
    """Instances of a family, any function of a :class:`~mdplab.instances.Draw`.

    Parameters
    ----------
    family : callable
        ``family(draw, **options)`` returns an instance; what it rejects is discarded.
    **options
        Its other arguments.

    Returns
    -------
    hypothesis.strategies.SearchStrategy
        Of what the family returns.

    Examples
    --------
    >>> from mdplab.instances import garnet
    >>> from_family(garnet, n_states=3, n_actions=2, branching=2)
    from_family(garnet, branching=2, n_actions=2, n_states=3)
    """
    try:
        return family(HypothesisDraw(draw), **options)
    except Rejected:
        reject()
