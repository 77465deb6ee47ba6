"""The command ``ablate``: which assumption carries a claim?  Each is dropped in turn, and a counterexample is searched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mdplab.claims import registry
from mdplab.claims.claim import DEFINITIONAL, HARMLESS, Assumption, Claim
from mdplab.claims.controls import run_control
from mdplab.claims.searches import searches
from mdplab.falsifier import falsify, of_part
from mdplab.instances.stored import encode
from proofs_check.falsification import parts_to_search, write_searches

__all__ = ["CARRIES", "ablate", "ablate_assumption", "keep_ablations"]

CARRIES = "carries the claim"
"""The answer for an assumption without which the claim breaks."""


def ablate(identifier: str, **limits: Any) -> list[dict[str, Any]]:
    """Drop each assumption of a claim in turn.

    Parameters
    ----------
    identifier : str
        Id of a claim.
    **limits
        ``evaluations``, ``seconds`` and ``seed`` of :func:`mdplab.falsify`, for each search.

    Returns
    -------
    list of dict
        One for each assumption; see :func:`ablate_assumption`.

    Raises
    ------
    TypeError
        If the record is a false reading.
    """
    claim = registry.find(identifier)
    if not isinstance(claim, Claim):
        raise TypeError(f"{identifier} is a false reading; its assumptions are those of {claim.claim.id}")
    return [ablate_assumption(claim, assumption, **limits) for assumption in claim.assumptions]


def ablate_assumption(claim: Claim, assumption: Assumption, **limits: Any) -> dict[str, Any]:
    """Drop one assumption: search instances on which it is false; where that finds nothing, ask its control.

    Parameters
    ----------
    claim : Claim
        The claim.
    assumption : Assumption
        One of its assumptions.
    **limits
        As for :func:`ablate`.

    Returns
    -------
    dict
        ``answer`` is *carries the claim* (a counterexample was found, or the control shows one), *harmless as far as
        searched*, *definitional*, or *not searched* where no instance without the assumption can be drawn; with the part
        that breaks, how, and the counterexample as data and text.
    """
    row: dict[str, Any] = {"id": claim.id, "assumption": assumption.name, "text": assumption.text}
    row |= {
        "seed": limits.get("seed", 0),
        "part": None,
        "how": "",
        "instance": None,
        "counterexample": None,
    }
    if assumption.carried_by == DEFINITIONAL:
        return row | {"answer": DEFINITIONAL, "evaluations": 0}
    controls = [control for control in claim.controls if control.drops == assumption.name]
    evaluations = outside = 0
    closest: tuple[float, str] | None = None
    unclear: list[str] = []
    for part in parts_to_search(claim):
        if (part.assumes is not None and assumption.name not in part.assumes) or assumption.predicate is None:
            continue
        family = assumption.wider or part.family or claim.instance_family
        found = falsify(of_part(claim, part, without=assumption.name), family, **limits)
        evaluations += found.evaluations
        outside += found.evaluations - found.skipped - found.failed - found.undecided
        if found.verdict == "refuted":
            return row | {
                "answer": CARRIES,
                "part": part.name,
                "how": "counterexample",
                "evaluations": evaluations,
                "instance": encode(found.instance),
                "counterexample": str(found),
            }
        unclear += [part.name] if found.verdict == "undecided" and found.extremal is not None else []
        if found.tightness is not None and (closest is None or found.tightness > closest[0]):
            closest = (found.tightness, part.name)
    for control in controls:
        result = run_control(control, claim)
        if result["as_expected"]:
            how = f"control: {control.name} (violation {result['violation']:.3g})"
            return row | {
                "answer": CARRIES,
                "part": control.part.name,
                "how": how,
                "evaluations": evaluations,
            }
    if not outside:
        return row | {
            "answer": "not searched",
            "how": "no instance without it was drawn",
            "evaluations": evaluations,
        }
    how = f"{outside} instances without it"
    how += "" if closest is None else f", tightest ratio {closest[0]:.6f} in part {closest[1]}"
    how += "".join(f", violations in part {name} that nothing confirms" for name in unclear)
    return row | {"answer": HARMLESS, "how": how, "evaluations": evaluations}


def keep_ablations(claim: Claim, rows: list[dict[str, Any]]) -> list[Path]:
    """Keep what happens without each assumption beside the claim.

    Parameters
    ----------
    claim : Claim
        The claim.
    rows : list of dict
        Of :func:`ablate`.

    Returns
    -------
    list of Path
        The files that were written.
    """
    names = ("answer", "part", "how", "evaluations", "seed", "instance")
    kept = {row["assumption"]: {name: row[name] for name in names} for row in rows}
    return write_searches(claim, searches(claim) | {"assumptions": kept})
