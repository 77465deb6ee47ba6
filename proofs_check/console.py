"""What the commands share: exit codes, arguments, the choice of records, tables."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from mdplab.claims import registry

__all__ = [
    "FAILED",
    "INTERRUPTED",
    "OK",
    "USAGE",
    "UsageError",
    "natural",
    "positive",
    "select",
    "table",
    "whole",
]

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


class UsageError(Exception):
    """The command line asks for something that does not exist."""


def whole(text: str) -> int:
    """A whole number, from the command line."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number, got {text!r}") from None


def positive(text: str) -> int:
    """A whole number of at least 1, from the command line."""
    number = whole(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text}")
    return number


def natural(text: str) -> int:
    """A whole number of at least 0, from the command line."""
    number = whole(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 0, got {text}")
    return number


def select(ids: Sequence[str], families: Sequence[str]) -> list[str]:
    """Ids and families are united; nothing named means all."""
    everything = registry.records()
    if not everything:
        raise UsageError("no claims are registered")
    known = sorted({record.family for record in everything.values()})
    for family in families:
        if family not in known:
            raise UsageError(f"no family {family!r}; there are {', '.join(known)}")
    for identifier in ids:
        registry.find(identifier)
    if not ids and not families:
        return list(everything)
    return [i for i, record in everything.items() if i in ids or record.family in families]


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: the first column keeps its width, text folds, nothing is cut."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(
            column, overflow="fold", min_width=min(24, max((len(row[number]) for row in rows), default=1))
        )
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console()
    # away from a terminal nothing is folded: the table is as wide as its rows
    (console if console.is_terminal else Console(width=200)).print(table)
