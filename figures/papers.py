"""Which papers the claims come from, family by family, and how they came out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from figures.topic import Sources, Topic, read_run
from mdplab import plotting
from mdplab.claims.check import as_expected
from mdplab.claims.citations import bibliography
from mdplab.claims.claim import Claim
from mdplab.claims.registry import records

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["TOPIC"]

COLUMNS, WIDTH, INDENT, LINE, STEP, MARKS = 4, 3.0, 1.98, 0.158, 0.118, 8
"""Columns of the map; their width, the place of the marks, the height of a line and the distance of two marks, all in
inches; most marks in a line."""

SOURCE, CITED, REFUTED, OPEN = ("source", "cited", "refuted", "open")
LOOKS: dict[str, tuple[dict[str, Any], str]] = {
    SOURCE: ({"marker": "o", "color": "C0"}, "claim that holds"),
    CITED: (
        {"marker": "o", "color": "C0", "fillstyle": "none"},
        "the same, with the paper as a further source",
    ),
    REFUTED: ({"marker": "^", "color": "C1"}, "false reading, refuted"),
    OPEN: ({"marker": "s", "color": "C3"}, "not as expected, or not checked"),
}


def load(sources: Sources) -> list[list[Any]]:
    """Families, each with its papers, each with a mark for every claim and reading that names it."""
    run = read_run(sources.verdicts)
    good = {record["id"] for record in run["records"] if as_expected(record)}
    works = bibliography()
    found: dict[str, dict[str, list[str]]] = {}
    for record in records().values():
        marks = found.setdefault(record.family, {})
        for number, key in enumerate(record.papers):
            holds = SOURCE if number == 0 else CITED
            mark = (holds if isinstance(record, Claim) else REFUTED) if record.id in good else OPEN
            if isinstance(record, Claim) or number == 0:  # a reading counts once
                marks.setdefault(key, []).append(mark)
    named = {key for marks in found.values() for key in marks}
    if spare := sorted(works.keys() - named):
        found["no claim yet"] = {key: [] for key in spare}
    return [
        [
            family,
            [
                [key, works[key].short, sorted(marks[key], key=list(LOOKS).index)]
                for key in _order(marks, works)
            ],
        ]
        for family, marks in found.items()
    ]


def _order(marks: dict[str, list[str]], works: Any) -> list[str]:
    return sorted(marks, key=lambda key: (-marks[key].count(SOURCE), -len(marks[key]), works[key].short))


def draw(families: list[list[Any]]) -> tuple[Figure, str]:
    """A list of papers for each family, in columns of about one height."""
    blocks = _columns(families)
    most = max(_height(column) for column in blocks)
    figure, (ax,) = plotting.new_figure(1, panel_size=(WIDTH * len(blocks), LINE * (most + 2.2)))
    ax.set_axis_off()
    for number, column in enumerate(blocks):
        _column(ax, column, WIDTH * number)
    ax.set(xlim=(0, WIDTH * len(blocks)), ylim=(-LINE * (most - 0.6), LINE))
    for mark, (look, label) in LOOKS.items():
        if any(mark in marks for _, papers in families for _, _, marks in papers):
            ax.plot([], [], linestyle="none", markersize=5, label=label, **look)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=4, frameon=False)
    marks = [mark for _, papers in families for _, _, of_paper in papers for mark in of_paper]
    works = {key for _, papers in families for key, _, _ in papers}
    without = sum(not of_paper for _, papers in families for _, _, of_paper in papers)
    caption = (
        f"The {len(works)} works of the bibliography by family of claims, and what was checked of each: {marks.count(SOURCE)} "
        f"claims that hold, each under its main source, and {marks.count(REFUTED)} popular or printed readings that are refuted. "
        + (f"{without} works have no claim yet." if without else "No work is without a claim.")
    )
    return figure, caption


def _columns(families: list[list[Any]]) -> list[list[list[Any]]]:
    """The largest families alone, the others below each other."""
    by_size = sorted(families, key=lambda family: -len(family[1]))
    columns: list[list[list[Any]]] = [[] for _ in range(min(COLUMNS, len(families)))]
    for family in by_size:
        min(columns, key=lambda column: _height(column)).append(family)
    return columns


def _column(ax: Axes, column: list[list[Any]], x: float) -> None:
    y = 0.0
    for family, papers in column:
        heading = family.replace("_", " ").replace(" rl", " RL")
        ax.text(x, y, heading[0].upper() + heading[1:], fontweight="bold", va="center", fontsize=9.5)
        y -= LINE
        for _, name, marks in papers:
            ax.text(x, y, name, va="center", fontsize=8, color="black" if marks else "0.45")
            for place, mark in enumerate(marks):
                line, column_of = divmod(place, MARKS)
                ax.plot(x + INDENT + STEP * column_of, y - LINE * line, markersize=4.2, **LOOKS[mark][0])
            y -= LINE * _lines(marks)
        y -= LINE


def _lines(marks: list[str]) -> int:
    return max(1, -(-len(marks) // MARKS))


def _height(column: list[list[Any]]) -> int:
    """Lines of a column: of each family its heading, its papers and a space."""
    return sum(2 + sum(_lines(marks) for _, _, marks in papers) for _, papers in column)


TOPIC = Topic("Papers and their claims", load, draw)
