"""What searches found, kept beside the claims: extremal instances of parts, and what happens without an assumption.

A package of claims keeps them in its folder ``searches``, one JSON file a claim, as explicit data.  The extremal instance
of a part, where a search came nearest to breaking it, is checked in every later run.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from mdplab.claims.claim import Claim
from mdplab.instances.stored import decode

__all__ = ["extremal_instance", "searches", "searches_file"]


def searches_file(claim: Claim) -> Path | None:
    """Where the searches of a claim are kept.

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
    return Path(folders[0]) / "searches" / f"{claim.id}.json" if folders else None


def searches(claim: Claim) -> dict[str, dict[str, dict[str, Any]]]:
    """What searches found.

    Parameters
    ----------
    claim : Claim
        The claim.

    Returns
    -------
    dict
        ``parts``: for each searched part ``tightness``, ``evaluations``, ``seed``, ``instance`` and ``tape``;
        ``assumptions``: for each one that was dropped ``answer``, ``part``, ``how``, ``evaluations``, ``seed`` and
        ``instance``.
    """
    place = searches_file(claim)
    kept = json.loads(place.read_text(encoding="utf-8")) if place is not None and place.is_file() else {}
    return {"parts": {}, "assumptions": {}} | kept


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
    found = searches(claim)["parts"].get(part)
    return None if found is None else decode(found["instance"])
