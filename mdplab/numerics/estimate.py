"""A number (or array) together with an estimate of its error."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Estimate"]


class Estimate(NamedTuple):
    """A computed value with an error estimate.

    Attributes
    ----------
    value : float or ndarray
        The value.
    error : float or ndarray
        Estimate of the absolute error, of the shape of the value.  An estimate (from two resolutions, plus rounding)
        and not a proven bound: a function that is rough between the nodes can defeat it.
    """

    value: Any
    error: Any
