"""What a script of a figure declares."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["MissingData", "Sources", "Topic", "read_json", "read_run"]


class MissingData(ValueError):
    """A figure has no data to draw; the message says what makes them."""


@dataclass(frozen=True)
class Sources:
    """Files that figures are read from.

    Attributes
    ----------
    verdicts : Path
        A run of the claims: ``make verify`` writes it.
    bench : Path
        A benchmark with its version, date and machine: kept with the sources of the paper.
    """

    verdicts: Path
    bench: Path


@dataclass(frozen=True)
class Topic:
    """A figure that stands outside a single claim.

    Attributes
    ----------
    title : str
        What it shows, in one line.
    load : callable
        From the sources to the data that are drawn, JSON types alone: equal data are not drawn again.
    draw : callable
        From the data to the figure, and to its caption (markdown): the numbers in it are read from the data.
    """

    title: str
    load: Callable[[Sources], Any]
    draw: Callable[[Any], tuple[Figure, str]]


def read_json(path: Path, remedy: str) -> Any:
    """Read a file of data.

    Parameters
    ----------
    path : Path
        The file.
    remedy : str
        What makes it.

    Returns
    -------
    object
        Its content.

    Raises
    ------
    MissingData
        If there is no such file, or it is not JSON.
    """
    if not path.is_file():
        raise MissingData(f"{path.name} is missing: {remedy}")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise MissingData(f"{path.name} is broken: {remedy}") from None


def read_run(path: Path) -> dict[str, Any]:
    """Read a run of the claims.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict
        ``run``, what was run, and ``records``.

    Raises
    ------
    MissingData
        If there is no such file, or it is something else.
    """
    remedy = "run make verify"
    run = read_json(path, remedy)
    if not (isinstance(run, dict) and {"run", "records"} <= run.keys()):
        raise MissingData(f"{path.name} is not a run of the claims: {remedy}")
    return run
