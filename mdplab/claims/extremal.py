"""Extremal instances: where a search came nearest to breaking a part, kept beside the claims and checked in every run.

A package of claims keeps them in its folder ``extremal``, one JSON file a claim, as explicit data.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from mdplab.claims.claim import Claim
from mdplab.instances.stored import decode

__all__ = ["FOLDER", "Extremal", "extremal_file", "extremal_instance", "extremal_records"]

FOLDER = "extremal"

Extremal = dict[str, Any]
"""``tightness``, ``evaluations``, ``seed`` of the search, and the ``instance`` (and ``tape``) as data."""


def extremal_file(claim: Claim) -> Path | None:
    """Where the extremal instances of a claim are kept.

    Parameters
    ----------
    claim : Claim
        The claim.

    Returns
    -------
    Path or None
        The file need not be there; None for a claim that is declared in no package (in a notebook, in a test).
    """
    folders = list(getattr(sys.modules.get(claim.package), "__path__", ()))
    return Path(folders[0]) / FOLDER / f"{claim.id}.json" if folders else None


def extremal_records(claim: Claim) -> dict[str, Extremal]:
    """What searches found, by the name of the part.

    Parameters
    ----------
    claim : Claim
        The claim.

    Returns
    -------
    dict of str to dict
        Empty where nothing is kept.
    """
    place = extremal_file(claim)
    if place is None or not place.is_file():
        return {}
    content: dict[str, Extremal] = json.loads(place.read_text(encoding="utf-8"))["parts"]
    return content


def extremal_instance(claim: Claim, part: str) -> Any | None:
    """The extremal instance of a part, or None.

    Parameters
    ----------
    claim : Claim
        The claim.
    part : str
        Name of the part.

    Returns
    -------
    object or None
    """
    found = extremal_records(claim).get(part)
    return None if found is None else decode(found["instance"])
