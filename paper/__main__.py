"""Command line of the paper: ``python -m paper`` builds it, ``--check`` says whether results are there and fresh."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from paper.build import build
from paper.results import MissingResults, certified, verdicts

__all__ = ["main"]

CHECKS: dict[str, Callable[[Path], object]] = {"verdicts": verdicts, "exact": certified}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        0 if the paper was built (or its results are those of the present sources), 1 if not.
    """
    parser = argparse.ArgumentParser(prog="python -m paper", description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder that make verify wrote")
    parser.add_argument("--check", choices=CHECKS, help="build nothing")
    options = parser.parse_args(arguments)
    try:
        if options.check:
            CHECKS[options.check](options.results / f"{options.check}.json")
            return 0
        print(f"wrote {build(options.results, options.results / 'paper')}")
    except MissingResults as problem:
        print(f"paper: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
