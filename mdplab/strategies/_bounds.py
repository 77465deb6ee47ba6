"""Checks of the arguments of strategies, in the manner of Hypothesis: the message shows the argument and its value."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument


def sizes(what: str, low: int, high: int, *, least: int = 1) -> tuple[int, int]:
    """The range ``min_<what>`` to ``max_<what>`` of a size."""
    for name, value in ((f"min_{what}", low), (f"max_{what}", high)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise InvalidArgument(f"Expected int but got {name}={value!r} (type={type(value).__name__})")
    if low < least:
        raise InvalidArgument(f"min_{what}={low} must be at least {least}")
    if low > high:
        raise InvalidArgument(f"Cannot have max_{what}={high} < min_{what}={low}")
    return low, high


def drawn(draw: st.DrawFn, option: bool | None) -> bool:
    """A flag that may be left to the draw."""
    return draw(st.booleans()) if option is None else option


def strategy_or(name: str, given: Any, expected: str) -> st.SearchStrategy[Any] | None:
    """The argument if it is a strategy, None if it is of the other kind that is expected, a text or a tuple."""
    if isinstance(given, st.SearchStrategy):
        return given
    if not isinstance(given, str | tuple):
        raise InvalidArgument(
            f"Expected a strategy or {expected} but got {name}={given!r} (type={type(given).__name__})"
        )
    return None
