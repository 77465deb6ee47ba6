"""What the notebooks of the classroom share: the parts of a page, and how its picture is drawn.

A page has two columns that fit on a projector of 1280 x 720: the text with the sliders, and the picture. The cell
that draws does nothing else, so that a slider moves the picture alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import marimo as mo
import numpy as np

from mdplab.plotting import figure_to_svg, new_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mdplab._typing import FloatArray
    from mdplab.instances import Gridworld

__all__ = [
    "BLUE",
    "CORNERS",
    "GREEN",
    "GREY",
    "ORANGE",
    "PINK",
    "grid",
    "headline",
    "picture",
    "question",
    "warm_up",
]

BLUE, ORANGE, GREEN, PINK, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#767676"
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 0.75**0.5]])  # the triangle of all laws on three outcomes
_MOVES = np.array([[0, -1], [1, 0], [0, 1], [-1, 0]])  # up, right, down, left; y points down as in an image

# One process draws the pages of all visitors, and Matplotlib's settings are those of the process.
_ONE_AT_A_TIME = threading.Lock()


def headline(title: str, text: str) -> mo.Html:
    """The head of a page: the idea in one line, and a few sentences with the formula."""
    return mo.md(f"# {title}\n\n{text}")


def question(text: str, answer: str) -> mo.Html:
    """A question for the class, with its answer folded."""
    return mo.md(f"""
/// admonition | For the class
    type: question

{text}
///

/// details | Answer

{answer}
///
""")


def warm_up(draw: Callable[..., mo.Html], *setting: Any) -> Callable[..., mo.Html]:
    """Draw once what the page shows first, so that the compiled kernels are ready, and say so meanwhile.

    It returns `draw`: the cell that shows the picture takes it from here, and thus waits.
    """
    with mo.status.spinner(title="Warming up", subtitle="Loading the compiled kernels"):
        draw(*setting)
    return draw


def picture(
    paint: Callable[..., None], *, title: str, panels: int = 1, columns: int = 1, size: tuple[float, float]
) -> mo.Html:
    """Let `paint` draw on the axes of a new figure of `size` inches; `title` is for screen readers."""
    with _ONE_AT_A_TIME:
        rows = -(-panels // columns)
        figure, axes = new_figure(panels, columns=columns, panel_size=(size[0] / columns, size[1] / rows))
        with style():
            paint(*axes)
        return mo.Html(figure_to_svg(figure, title=title))


def dial(ax: Axes, values: Sequence[float], now: float, name: str) -> None:
    """Make the x-axis that of a slider of `values` on a logarithmic scale, with a line where it stands now."""
    ax.axvline(now, color="black", lw=1.2)
    ax.set_xscale("log")
    ax.set_xlim(values[0], values[-1])
    ax.set_xticks([value for value in values if f"{value:e}"[:3] in ("1.0", "2.0", "5.0")])
    ax.xaxis.set_major_formatter("{x:g}")
    ax.minorticks_off()
    ax.set_xlabel(name)


def grid(
    ax: Axes,
    world: Gridworld,
    values: FloatArray,
    policy: FloatArray | None = None,
    *,
    labels: Mapping[tuple[int, int], str],
    limits: tuple[float, float],
    cmap: str = "cividis",
) -> None:
    """Draw a gridworld: `values` (S,) as colours, probable moves of `policy` (S, A) as arrows of that length.

    The cells of `labels` show their text in the place of arrows.
    """
    ax.imshow(world.image(values), cmap=cmap, vmin=limits[0], vmax=limits[1])
    ax.set_facecolor("#3A3A3A")  # walls
    ax.set_xticks(np.arange(world.width + 1) - 0.5, [])
    ax.set_yticks(np.arange(world.height + 1) - 0.5, [])
    ax.tick_params(length=0)
    ax.grid(True, color="white", linewidth=1.0)
    ax.spines[:].set_visible(False)
    box = {"boxstyle": "round,pad=0.18", "facecolor": "white", "edgecolor": "none"}
    for (x, y), text in labels.items():
        ax.text(x, y, text, ha="center", va="center", weight="bold", fontsize=11, bbox=box)
    if policy is None:
        return
    arrows = [
        (*world.positions[s], *(0.46 * policy[s, a] * move))
        for s, cell in enumerate(world.positions)
        for a, move in enumerate(_MOVES)
        if policy[s, a] > 0.1 and cell[0] >= 0 and tuple(cell) not in labels
    ]
    if arrows:
        x, y, right, down = np.array(arrows).T
        ax.quiver(
            x, y, right, down,
            angles="xy", scale_units="xy", scale=1.0, width=0.007, headwidth=4, headlength=4, headaxislength=3.6,
            color="white", edgecolor="#222222", linewidth=0.5, minlength=0.1,
        )  # fmt: skip
