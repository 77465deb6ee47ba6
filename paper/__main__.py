"""Command line of the paper: ``python -m paper`` builds it, ``python -m paper --check`` says whether its results are there."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from paper.build import build
from paper.results import MissingResults, verdicts

__all__ = ["main"]


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
    parser.add_argument("--check", action="store_true", help="build nothing")
    options = parser.parse_args(arguments)
    try:
        if options.check:
            verdicts(options.results / "verdicts.json")
            return 0
        print(f"wrote {build(options.results, options.results / 'paper')}")
    except MissingResults as problem:
        print(f"paper: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
