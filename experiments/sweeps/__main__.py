"""The command line: ``python -m experiments.sweeps [STUDY ...] [--fast] [--jobs N] [--out DIR]``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from experiments.sweeps import STUDIES
from experiments.sweeps.configuration import ConfigurationError
from experiments.sweeps.readme import README, STORE, compare, readme, store
from experiments.sweeps.runner import run
from experiments.sweeps.study import Study, load
from experiments.sweeps.table import read_table
from mdplab.claims.runner import OutputError

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(arguments: list[str] | None = None) -> int:
    """Run studies, draw their figures and say what they found.

    Parameters
    ----------
    arguments : list of str, optional
        By default those of the process.

    Returns
    -------
    int
        0; 1 if a task failed; 2 if the command asks for what is not there or cannot be; 130 after Ctrl-C.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.studies if name not in STUDIES]:
        parser.error(f"no study {unknown[0]!r}, expected some of {', '.join(STUDIES)}")
    if options.jobs < 1:
        parser.error(f"--jobs is {options.jobs}, expected at least 1")
    try:
        codes = [_one(load(name), options) for name in options.studies or STUDIES]
        if options.readme and not options.fast:
            README.write_text(readme(), encoding="utf-8")
    except (ConfigurationError, OutputError) as problem:
        print(f"experiments: {problem}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("\nexperiments: interrupted; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    return max(codes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.sweeps",
        description="Run numerical studies: a Parquet table and a figure each. An interrupted run goes on where it stopped.",
    )
    parser.add_argument(
        "studies", nargs="*", metavar="STUDY", help=f"which (default: all): {', '.join(STUDIES)}"
    )
    parser.add_argument(
        "--fast", action="store_true", help="the small version of each study (a minute or two)"
    )
    parser.add_argument("--jobs", type=int, default=1, help="worker processes (default: 1)")
    parser.add_argument(
        "--out", type=Path, default=Path("results/experiments"), help="folder of tables and figures"
    )
    parser.add_argument("--readme", action="store_true", help=f"write what was found into {README.name}")
    return parser


def _one(study: Study, options: argparse.Namespace) -> int:
    """Run one study; returns the exit code."""
    from mdplab import plotting

    configuration = study.read(fast=options.fast)
    folder = options.out / "fast" if options.fast else options.out
    done = run(
        study,
        configuration,
        folder / f"{study.name}.parquet",
        jobs=options.jobs,
        options="--fast" if options.fast else "",
        on_discard=lambda: print(
            f"{study.name}: configuration, versions or sources have changed; starting anew", file=sys.stderr
        ),
    )
    for name, problem in done.failed.items():
        print(f"{study.name}: task {name} failed: {problem}", file=sys.stderr)
    if len(done.failed) == done.tasks:
        return FAILED
    table = read_table(done.path)
    with plotting.style():
        plotting.save_figure(
            study.figure(table, configuration), folder / study.name, title=f"{study.title}. {study.caption}"
        )
    print(f"{study.name}: {len(table)} rows in {done.path}, figure beside it")
    if not options.fast and not done.failed:
        found = study.findings(table, configuration)
        if options.readme:
            store(study, found)
        elif differences := compare(study, found):
            print(f"{study.name}: {STORE.name} says otherwise (--readme writes it anew): {differences}")
    return FAILED if done.failed else OK


if __name__ == "__main__":
    sys.exit(main())
