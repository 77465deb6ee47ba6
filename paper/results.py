"""The results that the paper is made of, and whether they are those of the present sources."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mdplab.claims import registry
from mdplab.claims.check import as_expected
from mdplab.claims.runner import source_hash
from paper.record import DATA, KINDS

__all__ = ["MissingResults", "certified", "data", "verdicts"]


class MissingResults(ValueError):
    """Results are missing, of other sources, incomplete, or not as expected; the message says what makes them."""


def verdicts(path: Path) -> dict[str, Any]:
    """The run of all claims.

    Parameters
    ----------
    path : Path
        The file that ``make verify`` wrote.

    Returns
    -------
    dict
        ``{"run": ..., "records": [...]}``.

    Raises
    ------
    MissingResults
        If there is none, or it is not a full run of the present claims and sources, or not all came out as expected.
    """
    found = _run(path, "make verify")
    run, records = found["run"], found["records"]
    if run["options"]["instances"] is not None:
        raise MissingResults(f"{path} is of a fast run: run make verify without FAST")
    wrong = [record["id"] for record in records if not as_expected(record)]
    if wrong:
        raise MissingResults(
            f"{path}: not as expected: {', '.join(wrong)}; there is nothing to print before that is mended"
        )
    return found


def certified(path: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """The parts of a run in exact arithmetic; the random instances may be few.

    Parameters
    ----------
    path : Path
        The file that a run with ``--exact`` wrote.

    Returns
    -------
    dict
        From the id of a record and the name of a part to ``verdict``, and to ``certified``: on how many instances it is,
        ``{"instances", "of", "to"}``, or None.

    Raises
    ------
    MissingResults
        If there is none, it is not of the present claims and sources, not in exact arithmetic, or a part is violated.
    """
    found = _run(path, "make paper")
    if not found["run"]["options"]["exact"]:
        raise MissingResults(f"{path} is not of a run in exact arithmetic: run make paper")
    parts = {
        (record["id"], part["name"]): {"verdict": part["verdict"], "certified": part["certified"]}
        for record in found["records"]
        if record["expect"] == "holds"
        for part in record["parts"]
    }
    wrong = [
        f"{record}, part {name}" for (record, name), part in parts.items() if part["verdict"] == "violated"
    ]
    if wrong:
        raise MissingResults(f"{path}: violated in exact arithmetic: {'; '.join(wrong)}")
    return parts


def _run(path: Path, remedy: str) -> dict[str, Any]:
    """A run of all the present claims, of the present sources."""
    found = _read(path, ("run", "records"), f"run {remedy}")
    if found["run"]["digest"] != registry.digest():
        raise MissingResults(f"{path} is stale: the claims have changed since; run {remedy}")
    if found["run"]["sources"] != source_hash():
        raise MissingResults(f"{path} is stale: the sources have changed since; run {remedy}")
    missing = registry.records().keys() - {record["id"] for record in found["records"]}
    if missing:
        raise MissingResults(f"{path} lacks {len(missing)} records, {min(missing)} for one: run {remedy}")
    return found


def _read(path: Path, keys: tuple[str, ...], remedy: str) -> dict[str, Any]:
    """A JSON object with these keys."""
    if not path.is_file():
        raise MissingResults(f"{path} is missing: {remedy}")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as problem:
        raise MissingResults(f"{path} cannot be read ({problem}): {remedy}") from None
    if not isinstance(found, dict) or not found.keys() >= set(keys):
        raise MissingResults(f"{path} has not {' and '.join(keys)}: {remedy}")
    return found


def data(kind: str, version: str, folder: Path = DATA) -> dict[str, Any]:
    """Results that are kept with the sources.

    Parameters
    ----------
    kind : {"bench", "gallery"}
        Which.
    version : str
        The version of mdplab that they must be of.
    folder : Path
        Where they are.

    Returns
    -------
    dict
        ``{"about": {"version", "date", "machine"}, "results": ...}``.

    Raises
    ------
    MissingResults
        If the file is missing or broken, of another version, or lacks what is printed beside the results.
    """
    assert kind in KINDS
    remedy = f"run make {kind}, then python -m paper.record {kind} --machine '...'"
    path = folder / f"{kind}.json"
    found = _read(path, ("about", "results"), remedy)
    about = found["about"]
    if about.get("version") != version:
        raise MissingResults(
            f"{path.name} is of version {about.get('version')}, the sources of {version}: {remedy}"
        )
    lacking = [key for key in ("date", "machine") if not about.get(key)]
    if lacking:
        raise MissingResults(f"{path.name} does not say its {' and '.join(lacking)}: {remedy}")
    return found
