"""The report of a run: one HTML file that needs nothing else, no network, no script of others, no font.

:func:`write_report` takes the object of the JSON file (the numbers) and the texts of the claims (statements, routes,
figures) and writes an overview, a section a record, and the references.  Everything that comes from a run or a claim
is escaped; formulas are MathML in an embedded mathematical font; figures are the claims' own SVG, and are refused
where they would load or run something.
"""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mdplab.claims.check import as_expected
from mdplab.claims.citations import Reference, bibliography
from mdplab.claims.markup import markdown_line
from mdplab.claims.methods import HEADINGS
from mdplab.claims.numerals import duration, numeral, plural
from mdplab.claims.sections import ClaimText, section

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["ClaimText", "report_html", "write_report"]

FONT = "fonts/stix-two-math-subset.woff2"
FONT_LICENCE = "fonts/OFL.txt"


def write_report(
    run: Mapping[str, Any],
    texts: Mapping[str, ClaimText],
    path: str | Path,
    *,
    references: Mapping[str, Reference] | None = None,
) -> None:
    """Write the report of a run.

    Parameters
    ----------
    run : mapping
        The object of the JSON file, ``{"run": ..., "records": [...]}``.
    texts : mapping
        Texts of the records, by id; a record without texts shows its numbers alone.
    path : path
        File to write; its folder is made if need be, and the file is replaced in one step.
    references : mapping, optional
        Bibliography, by default that of all packages that register claims.

    Raises
    ------
    ValueError
        If a formula cannot be converted, or a figure is not a self-contained drawing; the message names the record.
    """
    html = report_html(run, texts, references=references)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=target.name, suffix=".part")
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(html)
        os.chmod(name, 0o644)  # mkstemp makes it private
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


def report_html(
    run: Mapping[str, Any],
    texts: Mapping[str, ClaimText],
    *,
    references: Mapping[str, Reference] | None = None,
) -> str:
    """The report as text; see :func:`write_report`.

    Parameters
    ----------
    run : mapping
        The object of the JSON file.
    texts : mapping
        Texts of the records, by id.
    references : mapping, optional
        Bibliography, by default that of all packages that register claims.

    Returns
    -------
    str
        One HTML document.

    Raises
    ------
    ValueError
        As :func:`write_report`.
    """
    known = bibliography() if references is None else references
    used: set[str] = set()  # identifiers of the page
    records = []
    for record in run["records"]:
        try:
            records.append(section(record, texts.get(record["id"]), known, used))
        except ValueError as problem:
            raise ValueError(f"report of {record['id']}: {problem}") from None
    cited = {paper["key"] for record in records for paper in record["papers"]}
    return _environment().get_template("report.html.j2").render(
        run=_run_facts(run["run"]),
        started=str(run["run"].get("started", "")),
        totals=_totals(run["records"]),
        families=_families(records),
        methods=sorted(
            ((row, record) for record in records for row in record["methods"]), key=lambda pair: str(pair[0][0])
        ),
        headings=HEADINGS,
        unexpected=[record for record in records if not record["as_expected"]],
        references=[known[key] for key in sorted(cited & known.keys())],
        font=_font(),
        licence=files("mdplab.claims").joinpath(FONT_LICENCE).read_text(encoding="utf-8").partition("\n")[0],
    )  # fmt: skip


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mdplab.claims", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(numeral=numeral, duration=duration, line=markdown_line)
    environment.globals.update(plural=plural)
    return environment


@cache
def _font() -> str:
    return base64.b64encode(files("mdplab.claims").joinpath(FONT).read_bytes()).decode("ascii")


# --- the header -----------------------------------------------------------------------------------------------------


def _run_facts(run: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """Name, text, and whether it is code, of each fact of the run."""
    command = run.get("command", "")
    platform = run.get("platform", "")
    facts: list[tuple[str, str, bool]] = [
        ("Command", command if isinstance(command, str) else " ".join(map(str, command)), True),
        ("Started", str(run.get("started", "")).replace("T", " "), False),
        ("Version", str(run.get("version", "")), False),
        ("Seed", str(run.get("seed", "")), False),
        ("Options", _words(run.get("options", {})), False),
        ("Platform", platform if isinstance(platform, str) else _words(platform), False),
        ("Claims (SHA-256)", str(run.get("digest", "")), True),
        ("Sources (SHA-256)", str(run.get("sources", "")), True),
    ]
    return [fact for fact in facts if fact[1]]


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        parts = [
            f"{key} {_words(item)}" if not isinstance(item, Mapping) else _words(item)
            for key, item in value.items()
        ]
        return ", ".join(part for part in parts if part)
    return "by default" if value is None else str(value)


def _totals(records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    records = list(records)
    controls = [control for record in records for control in record["controls"]]
    claims = [record for record in records if record["expect"] == "holds"]
    readings = [record for record in records if record["expect"] == "refuted"]
    return {
        "claims": len(claims),
        "hold": sum(record["verdict"] == "holds" for record in claims),
        "readings": len(readings),
        "refuted": sum(record["verdict"] == "refuted" for record in readings),
        "controls": len(controls),
        "controls_as_expected": sum(bool(control["as_expected"]) for control in controls),
        "known": sum(record["known_values_total"] for record in records),
        "known_passed": sum(record["known_values_passed"] for record in records),
        "instances": sum(part["instances"] for record in records for part in record["parts"]),
        "parts": sum(len(record["parts"]) for record in records),
        "seconds": sum(record.get("seconds") or 0.0 for record in records),
        "as_expected": sum(as_expected(dict(record)) for record in records),
        "records": len(records),
    }


def _families(records: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    families: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        families.setdefault(record["family"], []).append(record)
    return [(_heading(name), members) for name, members in families.items()]


def _heading(family: str) -> str:
    words = ["RL" if word == "rl" else word for word in family.split("_")]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])
