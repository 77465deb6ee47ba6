"""Search every conjecture of the gallery for a while, side by side, and tell what came of it.

Exit code 1 where a false one survives, a true one is refuted, or a counterexample is large.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from mdplab import falsify
from quality.gallery import GALLERY, Entry, size_of
from quality.gallery.entry import is_small

REACHED = 0.999
"""Ratio that a tight bound must come to."""


def searched(name: str, seconds: float, seed: int) -> dict[str, Any]:
    """What the search says of one conjecture, as JSON types."""
    entry = GALLERY[name]
    found = falsify(entry.conjecture, entry.family, seconds=seconds, seed=seed)
    return {
        "name": name,
        "statement": entry.words,
        "true": entry.true,
        "tight": entry.tight,
        "note": entry.note,
        "verdict": found.verdict,
        "evaluations": found.evaluations,
        "seconds": found.seconds,
        "tightness": None if found.tightness is None or found.verdict == "refuted" else found.tightness,
        "size": "" if found.extremal is None else size_of(found.instance),
        "unconfirmed": found.unconfirmed,
        "message": found.message,
        "surprise": surprise(entry, found),
        "extremal": None if found.extremal is None else json.loads(found.extremal.to_json()),
        "text": str(found),
    }


def surprise(entry: Entry, found: Any) -> str:
    """What is not as known; empty where all is."""
    if found.failed:
        return f"{found.failed} failures"
    if entry.true:
        if found.verdict != "not refuted":
            return f"a theorem was {found.verdict}"
        return f"tight, but {found.tightness:.6g}" if entry.tight and found.tightness < REACHED else ""
    if found.verdict != "refuted":
        return f"false, but {found.verdict}"
    return "" if is_small(found.instance) else f"a large counterexample: {size_of(found.instance)}"


def table(rows: list[dict[str, Any]]) -> Table:
    """All conjectures with what was found."""
    result = Table(row_styles=["", "dim"])
    result.add_column("conjecture", overflow="fold", min_width=40)
    for title in ("known", "verdict", "tries", "a second", "ratio", "size", ""):
        result.add_column(title, justify="right" if title in ("tries", "a second", "ratio") else "left")
    for row in rows:
        known = ("tight" if row["tight"] else "true") if row["true"] else "false"
        ratio = "" if row["tightness"] is None else f"{row['tightness']:.6g}"
        verdict = f"[red]NOT: {row['surprise']}[/red]" if row["surprise"] else "[green]ok[/green]"
        result.add_row(
            row["statement"], known, row["verdict"], f"{row['evaluations']:,}",
            f"{row['evaluations'] / max(row['seconds'], 1e-9):,.0f}", ratio, row["size"], verdict,
        )  # fmt: skip
    return result


def main() -> int:
    """Run the gallery."""
    parser = argparse.ArgumentParser(prog="python -m quality.gallery", description=__doc__)
    parser.add_argument("names", nargs="*", help="conjectures (default: all)")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each conjecture (default 60)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="worker processes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--out", type=Path, default=Path("results"), help="folder of gallery.json and gallery.txt"
    )
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in GALLERY]
    if unknown:
        parser.error(f"there is no conjecture {', '.join(unknown)}")
    names = options.names or list(GALLERY)
    work = (delayed(searched)(name, options.seconds, options.seed) for name in names)
    done = Parallel(options.jobs, return_as="generator_unordered")(work)
    found = {row["name"]: row for row in tqdm(done, total=len(names), desc="conjectures", unit="")}
    rows = [found[name] for name in names]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "gallery.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    texts = [f"{row['statement']}\n({row['note']})\n\n{row['text']}\n" for row in rows]
    (options.out / "gallery.txt").write_text("\n\n".join(texts), encoding="utf-8")
    Console(width=None if sys.stdout.isatty() else 150).print(table(rows))
    surprises = [row["name"] for row in rows if row["surprise"]]
    print(
        f"{len(rows) - len(surprises)} of {len(rows)} as known; counterexamples in {options.out / 'gallery.txt'}"
    )
    return 1 if surprises else 0


if __name__ == "__main__":
    sys.exit(main())
