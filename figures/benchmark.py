"""Time to a checked accuracy: mdplab beside other solvers, from the benchmark kept with the sources of the paper."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from figures.topic import MissingData, Sources, Topic, read_json
from mdplab import plotting

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["TOPIC"]

OURS, ERROR = "mdplab solve", 1e-6
"""Our row, and the sup-norm error that every solver is asked for, as in the benchmark."""

MARKS = "sD^vP*X<>"


def load(sources: Sources) -> dict[str, Any]:
    """Where the benchmark comes from, and a row for each system on each instance."""
    remedy = "run make bench on an otherwise idle machine, then python -m paper.record bench --machine '...'"
    found = read_json(sources.bench, remedy)
    rows = found["results"].get("solve")
    if not rows:
        raise MissingData(f"{sources.bench.name} has no times of solves: {remedy}")
    kept = ("instance", "system", "ms", "error")
    return {"about": found["about"], "rows": [{key: row[key] for key in kept} for row in rows]}


def draw(data: dict[str, Any]) -> tuple[Figure, str]:
    """A line an instance, a mark a system; how many times faster we are than the best of the others that is right."""
    rows = [row for row in data["rows"] if row["ms"] is not None]
    instances = list(dict.fromkeys(row["instance"] for row in rows))[::-1]
    figure, (ax,) = plotting.new_figure(1, panel_size=(6.6, 0.38 * len(instances) + 1.6))
    systems = sorted({row["system"] for row in rows} - {OURS})
    for system, mark in zip([*systems, OURS], [*MARKS[: len(systems)], "o"], strict=True):
        _system(ax, system, mark, [row for row in rows if row["system"] == system], instances)
    ratios = [
        _factor(ax, [row for row in rows if row["instance"] == name], y) for y, name in enumerate(instances)
    ]
    ax.set_yticks(range(len(instances)), instances)
    ax.set(xscale="log", xlabel="time of a solve (ms)", ylim=(-0.6, len(instances) - 0.4))
    ax.grid(True, axis="x")
    figure.legend(loc="outside lower center", ncols=3)
    known = [ratio for ratio in ratios if ratio is not None]
    about = data["about"]
    faster = sum(ratio > 1 for ratio in known)
    caption = (
        rf"Time to a checked sup-norm error of $10^{{{math.log10(ERROR):.0f}}}$, median of interleaved runs, one thread. Open marks "
        "miss the accuracy; where a mark is missing, a system took too long or was not tried. "
        f"At the right: the best other time that keeps the accuracy over that of mdplab, which is the fastest on {faster} of "
        f"{len(known)} instances. mdplab {about['version']}, {about['date']}, {about['machine']}."
    )
    return figure, caption


def _is_right(row: dict[str, Any]) -> bool:
    return row["error"] is not None and row["error"] <= ERROR


def _system(ax: Axes, system: str, mark: str, rows: list[dict[str, Any]], instances: list[str]) -> None:
    colour, size = ("C0", 8.0) if system == OURS else ("0.35", 6.0)
    for right in (True, False):
        mine = [row for row in rows if _is_right(row) is right]
        places = [instances.index(row["instance"]) for row in mine]
        face = colour if right else "none"
        look: dict[str, Any] = {
            "color": colour,
            "markerfacecolor": face,
            "markersize": size,
            "linestyle": "none",
        }
        ax.plot([row["ms"] for row in mine], places, mark, zorder=3 if system == OURS else 2, **look)
    ax.plot([], [], mark, color=colour, markersize=size, linestyle="none", label=system)


def _factor(ax: Axes, rows: list[dict[str, Any]], place: int) -> float | None:
    """A line to the best other system, and how many times faster we are."""
    times = {row["system"]: row["ms"] for row in rows if _is_right(row)}
    ours = times.pop(OURS, None)
    if ours is None or not times:
        return None
    best = min(times.values())
    ax.plot([ours, best], [place, place], color="C0", linewidth=1.2, alpha=0.5, zorder=1)
    ratio = best / ours
    # a margin that the times cannot enter, whatever their range
    ax.annotate(f"{ratio:.2g} ×" if ratio < 100 else f"{ratio:.0f} ×", (1.02, place), xycoords=("axes fraction", "data"), va="center")  # fmt: skip
    return float(ratio)


TOPIC = Topic("Time to a checked accuracy, beside other solvers", load, draw)
