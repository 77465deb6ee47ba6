"""The page of all figures, ``index.html``: it lies beside the figures and refers to nothing outside its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from markupsafe import Markup

from figures.build import TOPICS, stamp
from figures.topic import MissingData, read_run
from mdplab.claims.citations import short_reference
from mdplab.claims.claim import Claim
from mdplab.claims.markup import markdown_line
from mdplab.claims.registry import records
from mdplab.claims.runner import source_hash

__all__ = ["Entry", "entries", "page_html", "remark", "write_page"]

OVERVIEW = "overview"
FONT, LICENCE = "fonts/stix-two-math-subset.woff2", "fonts/OFL.txt"


@dataclass(frozen=True)
class Entry:
    """What the page shows of a figure.

    Attributes
    ----------
    name : str
        Id of the claim or name of the script.
    family : str
        Family of the claim, or ``"overview"``.
    title : str
        One line (markdown).
    papers : tuple of (str, str)
        Keys and short references.
    caption : Markup
        HTML with formulas; empty for a table.
    alt : str
        The caption as text, formulas in LaTeX.
    table : tuple of (str, str, str)
        Names, printed and computed numbers of a claim without a figure.
    """

    name: str
    family: str
    title: Markup
    papers: tuple[tuple[str, str], ...]
    caption: Markup
    alt: str
    table: tuple[tuple[Markup, str, str], ...] = ()


def entries(folder: Path, names: Sequence[str], verdicts: Path) -> list[Entry]:
    """The finished figures, and tables for the claims whose specification wants no figure.

    Parameters
    ----------
    folder : Path
        Where figures are written.
    names : sequence of str
        Names of all figures.
    verdicts : Path
        A run of the claims, for the numbers of the tables; without it they are left out.

    Returns
    -------
    list of Entry
        The overviews, then claim by claim.
    """
    known = records()
    claims = [record for record in known.values() if isinstance(record, Claim)]
    known_values = _known_values(verdicts)
    found = []
    for name in [*TOPICS, *(claim.id for claim in claims)]:
        claim = known.get(name)
        papers = tuple((key, short_reference(key)) for key in claim.papers) if claim else ()
        family = claim.family if claim else OVERVIEW
        if name in names:
            if made := stamp(folder, name):
                caption = markdown_line(made["caption"])
                title = markdown_line(made["title"])
                alt = made["caption"].replace(
                    "$", ""
                )  # formulas as they are written: unambiguous in one line
                found.append(Entry(name, family, title, papers, caption, alt))
        elif claim and (rows := known_values.get(name)):
            text = Markup("Known values; a drawing would show no more.")
            found.append(Entry(name, family, markdown_line(claim.title), papers, text, "", rows))
    return found


def _known_values(verdicts: Path) -> dict[str, tuple[tuple[Markup, str, str], ...]]:
    """Names, printed and computed numbers of each claim of a run; of none without a run."""
    try:
        run = read_run(verdicts)
    except MissingData:
        return {}
    return {
        record["id"]: tuple(
            (markdown_line(v["name"]), v["printed"], f"{v['computed']:.12g}") for v in record["known_values"]
        )
        for record in run["records"]
    }


def remark(verdicts: Path) -> str:
    """What a reader must know of the run of the claims.

    Parameters
    ----------
    verdicts : Path
        The run.

    Returns
    -------
    str
        That there is none, or that it is of other sources, and the remedy; empty if all is well.
    """
    try:
        run = read_run(verdicts)
    except MissingData as problem:
        return str(problem)
    return (
        ""
        if run["run"].get("sources") == source_hash()
        else f"{verdicts.name} is of other sources: make verify renews it"
    )


def page_html(shown: Sequence[Entry], warning: str = "") -> str:
    """The page as text.

    Parameters
    ----------
    shown : sequence of Entry
        What it shows.
    warning : str
        What stands above the figures.

    Returns
    -------
    str
        One HTML document.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    families = dict.fromkeys(entry.family for entry in shown)
    papers = {key: text for entry in shown for key, text in entry.papers}
    return environment.get_template("index.html.j2").render(
        entries=shown,
        warning=warning,
        families=[(family, _heading(family)) for family in families],
        papers=sorted(papers.items(), key=lambda paper: (paper[1].casefold(), paper[0])),
        font=Path(FONT).name,
    )


def _heading(family: str) -> str:
    words = family.replace("_", " ").replace(" rl", " RL")
    return words[:1].upper() + words[1:]


def write_page(folder: Path, names: Sequence[str], verdicts: Path) -> None:
    """Write the page and the font of its formulas with its licence.

    Parameters
    ----------
    folder : Path
        Where figures are written.
    names : sequence of str
        Names of all figures.
    verdicts : Path
        A run of the claims.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in (FONT, LICENCE):
        (folder / Path(name).name).write_bytes(files("mdplab.claims").joinpath(name).read_bytes())
    part = folder / "index.html.part"
    part.write_text(page_html(entries(folder, names, verdicts), remark(verdicts)), encoding="utf-8")
    part.replace(folder / "index.html")
