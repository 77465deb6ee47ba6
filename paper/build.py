"""Build the paper: results, texts and drawings into one folder, and from that folder the PDF.

The folder (``results/paper/source``) holds all that Typst reads, so that the paper can be set again by hand.  The same
results give the same bytes: the date is that of the run, fonts are those that come with Typst.
"""

from __future__ import annotations

import datetime
import json
import shutil
from pathlib import Path
from typing import Any

from figures.topic import Sources
from mdplab.claims import registry
from mdplab.claims.citations import Reference, bibliography
from paper import certificates, content, drawings, performance
from paper.markup import Markdown, converted, number
from paper.record import DATA
from paper.results import certified, data, verdicts

__all__ = ["build", "collect", "typeset"]

SOURCES = Path(__file__).parent
EXAMPLE = "best-of-n-kl"


def collect(results: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Everything that the paper prints and shows.

    Parameters
    ----------
    results : Path
        The folder with ``verdicts.json`` and ``exact.json``.

    Returns
    -------
    tuple of dict
        Texts and numbers as Typst markup; drawings as SVG, by name.

    Raises
    ------
    MissingResults
        If results are missing or stale.
    """
    found = verdicts(results / "verdicts.json")
    run, records = found["run"], found["records"]
    exact = certified(results / "exact.json")
    bench, gallery = (data(kind, run["version"]) for kind in ("bench", "gallery"))
    readings = content.findings(records)
    drawn = {name: drawings.claim_drawing(name) for name in drawings.CLAIMS}
    captions = {name: drawings.caption(name) for name in drawings.CLAIMS}
    sources = Sources(results / "verdicts.json", DATA / "bench.json")
    drawn["tightness"], captions["tightness"] = drawings.overview(sources)
    drawn["certificates"] = drawings.certificates()
    printed: dict[str, Any] = converted(
        {
            "facts": content.facts(run),
            "totals": content.totals(records, exact),
            "example": content.example(records, EXAMPLE),
            "findings": readings,
            "readings": {row["id"]: row for group in readings for row in group["rows"]},
            "methods": content.methods(),
            "catalogue": content.catalogue(records, exact),
            "gallery": content.gallery(gallery),
            "bench": performance.tables(bench),
            "certificates": {key: number(value, 2) for key, value in certificates.summary().items()},
            "captions": {name: Markdown(text) for name, text in captions.items()},
        }
    )
    return printed, drawn


def _references() -> str:
    """BibTeX of what the text cites by itself, and of everything that the claims cite."""
    keys = {key for record in registry.records().values() for key in record.papers}
    known = bibliography()
    own = (SOURCES / "references.bib").read_text(encoding="utf-8")
    return "\n\n".join([own.strip(), *(_entry(known[key]) for key in sorted(keys))]) + "\n"


def _entry(reference: Reference) -> str:
    """A BibTeX entry; a preprint as an article in arXiv, since styles do not print the fields that say so."""
    if reference.venue or not reference.arxiv:
        return reference.bibtex
    body = reference.bibtex.rstrip().removesuffix("}").rstrip().removesuffix(",")
    fields = body.partition("{")[2]
    return f"@article{{{fields},\n  journal = {{arXiv:{reference.arxiv}}},\n}}"


def build(results: Path, out: Path) -> Path:
    """Write ``mdplab.pdf``.

    Parameters
    ----------
    results : Path
        The folder with ``verdicts.json`` and ``exact.json``.
    out : Path
        The folder of the paper; made if need be.

    Returns
    -------
    Path
        The PDF.

    Raises
    ------
    MissingResults
        If results are missing or stale; nothing is written then.
    """
    printed, drawn = collect(results)
    source = out / "source"
    shutil.rmtree(source, ignore_errors=True)
    (source / "drawings").mkdir(parents=True)
    for file in [*SOURCES.glob("*.typ"), *SOURCES.glob("sections/*.typ")]:
        target = source / file.relative_to(SOURCES)
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(file, target)
    (source / "content.json").write_text(
        json.dumps(printed, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    (source / "references.bib").write_text(_references(), encoding="utf-8")
    for name, svg in drawn.items():
        (source / "drawings" / f"{name}.svg").write_text(svg, encoding="utf-8")
    return typeset(source, out / "mdplab.pdf", printed["facts"]["date"])


def typeset(source: Path, target: Path, date: str) -> Path:
    """Set the paper from its folder.

    Parameters
    ----------
    source : Path
        The folder with ``main.typ`` and all that it reads.
    target : Path
        The PDF to write.
    date : str
        Its date, as in ``"2026-01-31"``.

    Returns
    -------
    Path
        The PDF.
    """
    import typst

    day = datetime.datetime.fromisoformat(date).replace(tzinfo=datetime.UTC)
    typst.compile(
        str(source / "main.typ"),
        output=str(target),
        root=str(source),
        ignore_system_fonts=True,
        timestamp=int(day.timestamp()),
    )
    return target
