"""The registry of claims: where they are collected, found and digested.

Claims register themselves when their module is imported.  :func:`load` imports every module named by the entry-point
group ``mdplab.claims`` (each names a package whose modules declare claims), so that other packages can add theirs.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mdplab.claims.claim import Claim, Record

__all__ = ["ENTRY_POINT", "UnknownRecord", "digest", "find", "load", "records", "register"]

ENTRY_POINT = "mdplab.claims"
_claims: dict[str, Claim] = {}


class UnknownRecord(KeyError):
    """No record has this id; the message names the nearest ids."""

    def __str__(self) -> str:
        return str(self.args[0])


def register(claim: Claim) -> None:
    """Add a claim to the registry.

    Parameters
    ----------
    claim : Claim
        The claim.

    Raises
    ------
    ValueError
        If another claim has the same id.
    """
    if claim.id in _claims:
        raise ValueError(f"claim id {claim.id!r} is registered twice")
    _claims[claim.id] = claim


@cache
def load() -> None:
    """Import every module below the packages of the entry-point group, in name order."""
    for point in sorted(entry_points(group=ENTRY_POINT), key=lambda p: p.name):
        package = importlib.import_module(point.value)
        for module in sorted(
            pkgutil.walk_packages(getattr(package, "__path__", []), package.__name__ + "."),
            key=lambda m: m.name,
        ):
            if not module.name.rpartition(".")[2].startswith("__"):
                importlib.import_module(module.name)


def records() -> dict[str, Record]:
    """All records (claims and their false readings) by id, in the order of family and id.

    Returns
    -------
    dict of str to Claim or Reading
    """
    load()
    ordered = sorted(_claims.values(), key=lambda claim: (claim.family, claim.id))
    return {record.id: record for claim in ordered for record in claim.records()}


def find(identifier: str) -> Record:
    """Return the record with this id.

    Parameters
    ----------
    identifier : str
        Id of a claim or of a false reading.

    Returns
    -------
    Claim or Reading

    Raises
    ------
    UnknownRecord
        If there is none; the message offers the nearest ids.
    """
    known = records()
    if identifier in known:
        return known[identifier]
    near = difflib.get_close_matches(identifier, known, n=3, cutoff=0.4)
    hint = f"; nearest: {', '.join(near)}" if near else ""
    raise UnknownRecord(f"no claim has the id {identifier!r}{hint}")


def digest() -> str:
    """SHA-256 of ids, statements and parts of all records: equal digests mean equal claims.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    summary = hashlib.sha256()
    for record in records().values():
        parts = record.parts if hasattr(record, "parts") else [record.part]
        lines = [record.id, record.title, record.statement, *(f"{p.name} {p.text} {p.reason}" for p in parts)]
        summary.update("\n".join(lines).encode())
    return summary.hexdigest()
