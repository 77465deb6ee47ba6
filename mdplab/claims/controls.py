"""What must fail, and what must hold beside it: controls with their pairing, repairs of false readings."""

from __future__ import annotations

import math
from typing import Any

from mdplab.claims.claim import Claim
from mdplab.claims.evaluate import evaluate, inside, problem_text
from mdplab.claims.instance_data import fresh
from mdplab.claims.part import Control, Reading
from mdplab.claims.printed import compare_printed

__all__ = ["CONTROL_FACTOR", "reproduced", "run_control", "run_repair"]

CONTROL_FACTOR = 10.0
"""A control must exceed its error bound by this factor."""


def reproduced(printed: str, measured: Any, error: float) -> str:
    """What a printed number was computed as, if not as printed.

    Parameters
    ----------
    printed : str
        The numbers as printed; empty where there are none.
    measured : array_like
        The same numbers, computed.
    error : float
        Bound on their error.

    Returns
    -------
    str
        Empty where all are reproduced.
    """
    if not printed:
        return ""
    rows = compare_printed("", printed, measured, error)
    return "; ".join(
        row["message"] or f"{row['printed']} computed as {row['computed']}"
        for row in rows
        if not row["passed"]
    )


def _pairing(control: Control, claim: Claim) -> str:
    """Why the control is not paired; empty if it is.

    A dropped assumption is false on the instance while all others hold; where it cannot be tested, and for every other
    kind, the unchanged part holds on the instance.
    """
    instance = fresh(control.instance)
    dropped = next((a for a in claim.assumptions if a.name == control.drops), None)
    if not inside(claim, control.part, instance, without=control.drops):
        return "the instance is outside another assumption"
    if dropped is not None and dropped.predicate is not None:
        return f"assumption {dropped.name} is true on the instance" if dropped.predicate(instance) else ""
    if control.left is None and control.right is None:
        return f"assumption {control.drops} cannot be tested: a side must show that it is dropped"
    undone = evaluate(control.part, instance)
    return "" if undone.verdict == "holds" else f"with the change undone: {undone.verdict}, {undone.message}"


def run_control(control: Control, claim: Claim) -> dict[str, Any]:
    """Run a control: violated beyond ten error bounds, as printed, and holding once the change is undone.

    Parameters
    ----------
    control : Control
        A control of the claim.
    claim : Claim
        The claim.

    Returns
    -------
    dict
        Its entry in the record.
    """
    changed = evaluate(
        control.part, control.instance, left=control.left, right=control.right, cross_checked=False
    )
    violated = changed.verdict == "violated" and changed.violation > CONTROL_FACTOR * changed.error
    reasons = [] if violated else [f"not violated: {changed.verdict}, {changed.message}".rstrip(", ")]
    try:
        if changed.verdict != "error":
            reasons.append(reproduced(control.specified, control.measure(changed), changed.error))
        reasons.append(_pairing(control, claim))
    except Exception as problem:
        reasons.append(problem_text(problem))
    reasons = [reason for reason in reasons if reason]
    return {
        "name": control.name,
        "kind": control.kind,
        "part": control.part.name,
        "violated": violated,
        "as_expected": not reasons,
        "violation": changed.violation if math.isfinite(changed.violation) else None,
        "specified": control.specified or None,
        "message": "; ".join(reasons),
    }


def run_repair(reading: Reading, number: int) -> dict[str, Any]:
    """Whether the corrected statement holds on a counterexample, inside its own assumptions.

    Parameters
    ----------
    reading : Reading
        The false reading.
    number : int
        Number of the counterexample.

    Returns
    -------
    dict
        Its entry in the record.
    """
    instance, message = reading.repair_instances[number], ""
    outcome = evaluate(reading.repair, instance)
    if outcome.verdict != "holds":
        message = f"{outcome.verdict}, {outcome.message}"
    try:
        if not inside(reading.claim, reading.repair, fresh(instance)):
            message = "the counterexample is outside the assumptions of the repair"
    except Exception as problem:
        message = problem_text(problem)
    return {
        "name": f"repair: part {reading.repair.name} on counterexample {number}",
        "kind": "repair",
        "part": reading.repair.name,
        "violated": outcome.verdict == "violated",
        "as_expected": not message,
        "violation": outcome.violation if math.isfinite(outcome.violation) else None,
        "specified": None,
        "message": message,
    }
