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

__all__ = ["ENTRY_POINT", "BrokenClaims", "UnknownRecord", "digest", "find", "load", "records", "register"]

ENTRY_POINT = "mdplab.claims"
_claims: dict[str, Claim] = {}


class UnknownRecord(KeyError):
    """No record has this id; the message names the nearest ids."""

    def __str__(self) -> str:
        return str(self.args[0])


class BrokenClaims(ImportError):
    """A module of claims cannot be imported; the message names the entry point and the module."""


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
    """Import every module below the packages of the entry-point group, in name order.

    Raises
    ------
    BrokenClaims
        If a module cannot be imported.
    """
    for point in sorted(entry_points(group=ENTRY_POINT), key=lambda p: p.name):
        module = point.value
        try:
            package = importlib.import_module(module)
            below = pkgutil.walk_packages(getattr(package, "__path__", []), package.__name__ + ".")
            for module in sorted(found.name for found in below):
                if not module.rpartition(".")[2].startswith("__"):
                    importlib.import_module(module)
        except Exception as problem:
            _claims.clear()  # half a catalogue must not pass for the whole
            text = f"{type(problem).__name__}: {problem}"
            raise BrokenClaims(
                f"the claims of {point.name!r} cannot be loaded: module {module}: {text}"
            ) from problem


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
    """SHA-256 of what the records declare: statements, assumptions, parts with their relations, controls, readings.

    Returns
    -------
    str
        64 hexadecimal digits; the code of the routes is covered by the hash of the sources instead.
    """
    summary = hashlib.sha256()
    for claim in sorted(_claims_loaded(), key=lambda claim: claim.id):
        lines = [claim.id, claim.title, claim.statement, claim.provenance, str(claim.theorem), *claim.papers]
        lines += [f"{a.name} {a.text} {a.carried_by}" for a in claim.assumptions]
        lines += [f"{m.name} {m.form} {m.divergence} {m.regularises}" for m in claim.methods]
        parts = [*claim.parts, *(reading.part for reading in claim.readings)]
        lines += [f"{p.name} {p.text} {type(p.relation).__name__} {p.quantifier} {p.reason}" for p in parts]
        lines += [f"{c.part.name} {c.name} {c.kind} {c.drops} {c.specified}" for c in claim.controls]
        lines += [f"{r.id} {r.title} {r.statement} {r.repair.name} {r.specified}" for r in claim.readings]
        summary.update("\n".join(lines).encode() + b"\0")
    return summary.hexdigest()


def _claims_loaded() -> list[Claim]:
    load()
    return list(_claims.values())
