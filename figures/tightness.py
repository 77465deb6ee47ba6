"""How tight the inequalities of the claims are: as specified, and as found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from figures.topic import Sources, Topic, read_run
from mdplab import plotting

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["TOPIC"]

ATTAINED = 1e-9
"""Slack up to which a bound counts as attained: rounding of the two sides."""

CLASSES = (
    ("attained", ATTAINED, "#0072B2"),
    ("within 1 %", 1e-2, "#56B4E9"),
    ("within 10 %", 1e-1, "#E69F00"),
    ("looser", 1.0, "#D55E00"),
)


def load(sources: Sources) -> list[dict[str, Any]]:
    """One row for each inequality part with a tightness: family, id, part, found and specified tightness."""
    run = read_run(sources.verdicts)
    rows = []
    for record in run["records"]:
        for part in record["parts"] if record["expect"] == "holds" else []:
            searched = (part["searched"] or {}).get("tightness")
            found = [t for t in (part["tightness"], searched) if t is not None]
            if part["relation"] in ("AtMost", "AtLeast") and found:
                specified = part["specified_tightness"]
                rows.append(
                    {
                        "family": record["family"],
                        "id": record["id"],
                        "part": part["name"],
                        "found": min(max(found), 1.0),
                        "specified": None if specified is None else float(specified),
                    }
                )
    return rows


def draw(rows: list[dict[str, Any]]) -> tuple[Figure, str]:
    """Left: found against specified; right: classes of the found tightness in each family."""
    figure, (left, right) = plotting.new_figure(2, panel_size=(4.6, 3.9))
    both = [row for row in rows if row["specified"] is not None]
    _against_the_specified(left, both)
    slack = np.array([1 - row["found"] for row in rows])
    _families(right, [row["family"] for row in rows], slack)
    tighter = sum(row["found"] > row["specified"] + ATTAINED for row in both)
    attained = int((slack <= ATTAINED).sum())
    caption = (
        f"Tightness, the largest ratio of the smaller to the larger side, of the {len(rows)} inequality parts for which it is "
        f"defined. Left: what was found by sampling and search against what the statement's own samples had "
        f"reached, for the {len(both)} parts where that is known (attained bounds lie on the edge); {tighter} came out tighter. "
        f"Right: {attained} of "
        f"all {len(rows)} bounds are attained up to rounding, {int((slack <= 1e-2).sum())} within one per cent."
    )
    return figure, caption


def _against_the_specified(ax: Axes, rows: list[dict[str, Any]]) -> None:
    """Slack (one less the ratio) on logarithmic axes; what is attained lies on the edge."""
    edge = ATTAINED
    found, specified = (np.maximum([1 - row[key] for row in rows], edge) for key in ("found", "specified"))
    ax.plot([edge, 1], [edge, 1], color="0.6", linewidth=0.9, zorder=0)
    ax.plot(specified, found, "o", color="C0", markersize=5, fillstyle="none", clip_on=False)
    ax.set(xscale="log", yscale="log", xlim=(edge, 1.3), ylim=(edge, 1.3))
    ticks = [edge, 1e-6, 1e-4, 1e-2, 1]
    labels = ["$10^{-9}$", "$10^{-6}$", "$10^{-4}$", "$10^{-2}$", "1"]
    ax.set_xticks(ticks, labels)
    ax.set_yticks(ticks, labels)
    ax.minorticks_off()
    ax.set(xlabel="slack as specified, 1 − ratio", ylabel="slack as found, 1 − ratio")
    ax.annotate(
        "no change", (2e-7, 3e-7), rotation=45, rotation_mode="anchor", color="0.35", fontsize="small"
    )
    ax.annotate("found tighter", (3e-3, 1e-7), ha="center", color="0.35", fontsize="small")
    last = max(rows, key=lambda row: 1 - row["found"])
    place = (1 - last["specified"], 1 - last["found"])
    arrow = {"arrowstyle": "-", "color": "0.5", "linewidth": 0.7, "shrinkB": 3}
    ax.annotate(
        f"loosest: {last['id']}",
        place,
        (1.5e-2, 0.9),
        ha="right",
        va="center",
        fontsize="small",
        arrowprops=arrow,
    )


def _families(ax: Axes, families: list[str], slack: Any) -> None:
    order = sorted(set(families), key=families.count)
    places = np.arange(len(order))
    start = np.zeros(len(order))
    below = -1.0
    for label, limit, colour in CLASSES:
        inside = (slack > below) & (slack <= limit)
        counts = np.array([sum(inside[i] for i, f in enumerate(families) if f == name) for name in order])
        ax.barh(places, counts, 0.72, left=start, color=colour, label=label, edgecolor="white", linewidth=0.8)
        for place, count, first in zip(range(len(order)), counts, start, strict=True):
            if count >= 4:
                ink = "white" if colour in ("#0072B2", "#D55E00") else "black"
                ax.text(
                    first + count / 2,
                    place,
                    str(count),
                    ha="center",
                    va="center",
                    color=ink,
                    fontsize="small",
                )
        start, below = start + counts, limit
    ax.set_yticks(places, [name.replace("_", " ").replace(" rl", " RL") for name in order])
    ax.tick_params(axis="y", length=0)
    ax.set(xlabel="inequality parts")
    ax.legend(loc="lower right")


TOPIC = Topic("Tightness of all inequalities: specified and found", load, draw)
