"""Copy results of ``make bench`` or ``make gallery`` into the data of the paper, with where they come from.

    python -m paper.record bench   --machine "2 shared cores, x86-64"
    python -m paper.record gallery --machine "2 shared cores, x86-64"

Written: ``paper/data/bench.json`` or ``paper/data/gallery.json``, one object ``{"about": ..., "results": ...}``.  These
files are kept with the sources, since times belong to a machine; version, date and machine are printed beside them.
"""

from __future__ import annotations

import argparse
import datetime
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

__all__ = ["DATA", "KINDS", "record"]

DATA = Path(__file__).with_name("data")
KINDS = ("bench", "gallery")
_KEPT = (
    "name", "statement", "true", "tight", "note", "verdict", "evaluations", "seconds", "tightness", "size", "surprise",
    "text",
)  # fmt: skip


def record(kind: str, source: Path, machine: str) -> dict[str, Any]:
    """Put results together with where they come from.

    Parameters
    ----------
    kind : {"bench", "gallery"}
        What was run.
    source : Path
        The file that the run wrote.
    machine : str
        The kind of machine, in words.

    Returns
    -------
    dict
        ``{"about": {"version", "date", "machine"}, "results": ...}``; the date is that of the file.
    """
    results = json.loads(source.read_text(encoding="utf-8"))
    if kind == "gallery":
        results = [{key: row[key] for key in _KEPT} for row in results]
    date = datetime.datetime.fromtimestamp(source.stat().st_mtime, datetime.UTC).date()
    about = {"version": version("mdplab"), "date": date.isoformat(), "machine": machine}
    return {"about": about, "results": results}


def main() -> None:
    """Write one file of data."""
    parser = argparse.ArgumentParser(prog="python -m paper.record", description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--machine", required=True, help="kind of machine, in words")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder that the run wrote")
    options = parser.parse_args()
    content = record(options.kind, options.results / f"{options.kind}.json", options.machine)
    DATA.mkdir(exist_ok=True)
    target = DATA / f"{options.kind}.json"
    target.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"wrote {target}")


if __name__ == "__main__":
    main()
