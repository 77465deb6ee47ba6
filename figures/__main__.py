"""Draw all figures and lay them out on a page: ``python -m figures``; see ``--help``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from figures.build import Failure, build, changed, drawings, names, remove_others, stamp
from figures.page import remark, write_page
from figures.topic import Sources
from mdplab.claims.runner import OutputError, check_output

__all__ = ["main"]

BENCH = Path(__file__).resolve().parents[1] / "paper" / "data" / "bench.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        0 if all figures are drawn, 1 if one is not or is not legible, 2 for a usage error or a folder that cannot be written, 130 after Ctrl-C.
    """
    parser = argparse.ArgumentParser(prog="python -m figures", description=__doc__)
    parser.add_argument("only", nargs="*", metavar="NAME", help="names or patterns of figures (default: all)")
    parser.add_argument("--out", type=Path, default=Path("results/figures"), metavar="DIR")
    parser.add_argument("--verdicts", type=Path, default=Path("results/verdicts.json"), metavar="FILE")
    parser.add_argument("--bench", type=Path, default=BENCH, metavar="FILE")
    parser.add_argument("--jobs", type=int, default=1, help="worker processes (default: 1)")
    options = parser.parse_args(arguments)
    if options.jobs < 1:
        parser.error(f"--jobs is {options.jobs}, expected at least 1")
    every = names()
    chosen = [name for name in every if _matches(name, options.only)]
    for pattern in options.only:
        if not any(_matches(name, [pattern]) for name in every):
            parser.error(f"no figure is named {pattern!r}")
    return _build(every, chosen, options)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def _build(every: Sequence[str], chosen: Sequence[str], options: argparse.Namespace) -> int:
    from tqdm import tqdm

    try:
        check_output(options.out / "index.html")
    except OutputError as problem:
        print(f"figures: {problem}", file=sys.stderr)
        return 2
    if warning := remark(options.verdicts):
        print(f"figures: {warning}", file=sys.stderr)
    ready, failed = drawings(chosen, Sources(options.verdicts, options.bench))
    waiting = changed(ready, options.out)
    try:
        with tqdm(total=len(waiting), unit="figure", disable=not waiting) as bar:

            def step(name: str) -> None:
                bar.set_postfix_str(name)
                bar.update()

            broken = build(waiting, options.out, jobs=options.jobs, finished=step)
        remove_others(options.out, every)
        write_page(options.out, every, options.verdicts)
    except KeyboardInterrupt:
        print("figures: interrupted; what is drawn is kept, the same command goes on", file=sys.stderr)
        return 130
    unclear = [
        Failure(name, fault) for name in chosen for fault in stamp(options.out, name).get("faults", ())
    ]
    for failure in failed + broken + unclear:
        print(f"figures: {failure.name}: {failure.message}", file=sys.stderr)
    drawn, kept = len(waiting) - len(broken), len(ready) - len(waiting)
    print(f"{drawn} drawn, {kept} unchanged: {options.out / 'index.html'}")
    return 1 if failed or broken or unclear else 0


if __name__ == "__main__":
    sys.exit(main())
