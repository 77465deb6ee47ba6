"""What several figures share: ticks at the values of a sweep."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["log_ticks"]


def log_ticks(ax: Axes, values: Iterable[float], *, axis: str = "x") -> None:
    """Make an axis logarithmic, with a tick at each value that leaves room for its number.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        The panel.
    values : iterable of float
        Positive values, increasing.
    axis : {"x", "y"}
        Which axis.
    """
    from matplotlib.ticker import NullLocator

    shown: list[float] = []
    for value in values:
        if not shown or value >= 1.25 * shown[-1]:
            shown.append(value)
    getattr(ax, f"set_{axis}scale")("log")
    getattr(ax, f"set_{axis}ticks")(shown, [f"{value:.3g}" for value in shown])
    getattr(ax, f"{axis}axis").set_minor_locator(NullLocator())
