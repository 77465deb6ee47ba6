"""What a reader would stumble over in a figure: labels that are cut off, empty panels, legends over curves.

The page is laid out as for printing; then the bounds of what is drawn are compared with those of the page, and the frame
of each legend with the points of the curves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mdplab import plotting

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

__all__ = ["faults"]

OVERHANG = 0.02
"""Inches by which a drawing may exceed its page: the width of a line."""

HIDDEN = 0.04
"""Part of a curve, or of its points, that a legend may hide."""


def faults(figure: Figure) -> list[str]:
    """Find what is wrong with the layout of a figure.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        A finished drawing; its layout is computed, nothing else is changed.

    Returns
    -------
    list of str
        One sentence a fault; empty where all is well.
    """
    with plotting.style():
        figure.draw_without_rendering()
        found = _cut_off(figure)
        for number, ax in enumerate(figure.axes, 1):
            place = f"panel {number}" if len(figure.axes) > 1 else "the panel"
            if ax.axison and not ax.has_data() and not ax.texts:
                found.append(f"{place} is empty")
            found += [f"{place}: the legend hides {name}" for name in _hidden(ax)]
    return found


def _cut_off(figure: Figure) -> list[str]:
    width, height = figure.get_size_inches()
    box = figure.get_tightbbox()
    over = {"left": -box.x0, "right": box.x1 - width, "bottom": -box.y0, "top": box.y1 - height}
    return [f"{inches:.2f} inches are cut off: {side}" for side, inches in over.items() if inches > OVERHANG]


def _hidden(ax: Axes) -> list[str]:
    """Curves of which the legend hides more than it may."""
    legend = ax.get_legend()
    if legend is None:
        return []
    frame = legend.get_window_extent()
    curves = [line for line in ax.lines if line.get_visible() and np.size(line.get_path().vertices) > 4]
    return [str(line.get_label()) for line in curves if _share(_points(line), ax.bbox, frame) > HIDDEN]


def _points(line: Line2D) -> Any:
    """Points of the curve on the page, dense where they are joined; the marks alone where they are not."""
    path = line.get_path()
    joined = line.get_linestyle() not in ("None", "", " ")
    return line.get_transform().transform(path.interpolated(20).vertices if joined else path.vertices)


def _share(points: Any, panel: Any, frame: Any) -> float:
    """Part of the points on the panel that lies within the frame."""
    seen = _within(points, panel)
    return float((seen & _within(points, frame)).sum() / max(seen.sum(), 1))


def _within(points: Any, box: Any) -> Any:
    x, y = np.asarray(points).T
    return (x >= box.x0) & (x <= box.x1) & (y >= box.y0) & (y <= box.y1)
