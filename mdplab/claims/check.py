"""Check one record: draw instances, evaluate the parts, reproduce the known values, run the controls.

The result is a plain dictionary (the *record* of the JSON file).  The verdict is the worst part's, in the order
error > violated > undecided > holds; a false reading is ``refuted`` or ``error``.  Whatever goes wrong inside a claim is
an error of its record, never of the run.
"""

from __future__ import annotations

import dataclasses
import math
import time
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from mdplab.claims.certify import CLOSE, prove
from mdplab.claims.claim import Claim, Record
from mdplab.claims.controls import reproduced, run_control, run_repair
from mdplab.claims.evaluate import evaluate, inside, problem_text
from mdplab.claims.instance_data import fresh, instance_data
from mdplab.claims.part import Part, Reading, describe, routes
from mdplab.claims.printed import compare_printed
from mdplab.claims.relations import Equal
from mdplab.claims.searches import extremal_instance, searches
from mdplab.claims.sides import Outcome
from mdplab.claims.writing import text_problems
from mdplab.instances.draw import Rejected, SeededDraw

__all__ = ["as_expected", "check", "draw_instance"]

_ORDER = {"holds": 0, "undecided": 1, "violated": 2, "error": 3}
_DRAWS_PER_INSTANCE = 20


def check(
    record: Record, *, instances: int | None = None, seed: int = 0, exact: bool = False
) -> dict[str, Any]:
    """Check a claim or a false reading.

    Parameters
    ----------
    record : Claim or Reading
        What to check.
    instances : int, optional
        Random instances of each part, at least 1; by default as many as the claim asks for.
    seed : int
        Instance ``i`` of part ``p`` is seeded by ``(seed, id, p, i)``.
    exact : bool, default False
        Whether to check in exact arithmetic too, where a part has exact routes: what holds becomes certified, and what is
        undecided is settled.

    Returns
    -------
    dict
        The record.

    Raises
    ------
    ValueError
        If ``instances`` is below 1.
    """
    if instances is not None and instances < 1:
        raise ValueError(f"instances must be at least 1, got {instances}")
    started = time.perf_counter()
    result = (
        _check_reading(record)
        if isinstance(record, Reading)
        else _check_claim(record, instances, seed, exact)
    )
    result["seconds"] = round(time.perf_counter() - started, 3)
    return result


def as_expected(result: dict[str, Any]) -> bool:
    """Whether a record came out as expected: its verdict, every known value and every control.

    Parameters
    ----------
    result : dict
        A record as :func:`check` returns it.

    Returns
    -------
    bool
    """
    return (
        result["verdict"] == result["expect"]
        and result["known_values_passed"] == result["known_values_total"]
        and all(control["as_expected"] for control in result["controls"])
    )


def draw_instance(claim: Claim, part: Part, index: int, *, seed: int = 0, attempt: int = 0) -> Any:
    """Draw instance ``index`` of a part; the same arguments give the same instance.

    Parameters
    ----------
    claim : Claim
        The claim.
    part : Part
        One of its parts.
    index : int
        Number of the instance, from 0.
    seed : int
        Seed of the run.
    attempt : int
        Number of draws already discarded for this index.

    Returns
    -------
    object
        An instance of the part's family, not yet tested against the assumptions.

    Raises
    ------
    mdplab.instances.Rejected
        If the family discards this attempt.
    """
    names = (zlib.crc32(name.encode()) for name in (claim.id, part.name))
    sequence = np.random.SeedSequence([seed, *names, index, attempt])
    return (part.family or claim.instance_family)(SeededDraw(sequence))


@dataclasses.dataclass
class _Tally:
    """Outcomes of one part, summed up."""

    verdict: str = "holds"
    instances: int = 0
    drawn: int = 0
    skipped: int = 0
    degenerate: int = 0
    undecided: int = 0
    worst_violation: float | None = None
    min_slack: float | None = None
    tightness: float | None = None
    largest_error: float | None = None
    resolution: float | None = None
    share: float | None = None
    message: str = ""
    severity: tuple[int, float] = (-1, -math.inf)
    worst: tuple[str, Any] | None = None  # label, instance
    certified: int = 0

    def add(self, outcome: Outcome, label: str, instance: Any) -> None:
        self.instances += 1
        self.degenerate += outcome.degenerate
        self.undecided += outcome.verdict == "undecided"
        self.worst_violation = _extreme(max, self.worst_violation, outcome.violation)
        self.tightness = _extreme(max, self.tightness, outcome.tightness)
        self.min_slack = _extreme(min, self.min_slack, outcome.slack)
        self.largest_error = _extreme(max, self.largest_error, outcome.error)
        self.resolution = _extreme(min, self.resolution, outcome.resolution)
        self.share = _extreme(max, self.share, outcome.share)
        excess = outcome.excess if math.isfinite(outcome.excess) else -math.inf
        severity = (_ORDER[outcome.verdict], excess)
        if severity > self.severity:
            self.severity, self.worst = severity, (label, instance)
            if outcome.verdict != "holds":
                self.verdict = outcome.verdict
                self.message = f"{label}: {outcome.message or outcome.verdict}"

    def fail(self, message: str) -> None:
        self.verdict, self.message, self.severity = "error", message, (_ORDER["error"], math.inf)


def _extreme(choose: Any, a: float | None, b: float | None) -> float | None:
    if b is None or not math.isfinite(b):
        return a
    return b if a is None else choose(a, b)


def _witnesses(claim: Claim, part: Part) -> tuple[Any, ...]:
    return claim.witnesses if part.witnesses is None else part.witnesses


def _instances(claim: Claim, part: Part, wanted: int, seed: int, tally: _Tally) -> Iterator[tuple[str, Any]]:
    """Yield the witnesses, then the requested number of random instances inside the assumptions."""
    named = [(f"witness {number}", fresh(witness)) for number, witness in enumerate(_witnesses(claim, part))]
    extremal = extremal_instance(claim, part.name)
    if extremal is not None:
        named.append(("extremal instance", extremal))
    for label, instance in named:
        if not inside(claim, part, instance):
            raise ValueError(f"{label} is outside the assumptions")
        yield label, instance
    for index in range(wanted):
        for attempt in range(_DRAWS_PER_INSTANCE):
            try:
                instance = draw_instance(claim, part, index, seed=seed, attempt=attempt)
            except Rejected:
                tally.skipped += 1
                continue
            if inside(claim, part, instance):
                tally.drawn += 1
                yield f"instance {index}", instance
                break
            tally.skipped += 1


def _exactly(part: Part, instance: Any, outcome: Outcome) -> tuple[Outcome, bool]:
    """The outcome after a look in exact arithmetic, and whether it is certified."""
    if isinstance(part.exact, str) or outcome.verdict not in ("holds", "undecided"):
        return outcome, False
    left, right = part.exact
    instance = fresh(instance)
    try:
        proof = prove(type(part.relation).__name__, left(instance), right(instance))
    except Exception as problem:
        return dataclasses.replace(
            outcome, verdict="error", message=f"exact routes: {problem_text(problem)}"
        ), False
    if proof == "violated":
        return dataclasses.replace(outcome, verdict="violated", message="violated in exact arithmetic"), False
    if proof == "holds":
        return dataclasses.replace(outcome, verdict="holds", message=""), True
    return outcome, False


def _check_part(claim: Claim, part: Part, instances: int | None, seed: int, exact: bool) -> _Tally:
    tally = _Tally()
    wanted = 0 if part.quantifier == "exists" else instances or part.instances or claim.instances
    try:
        for label, instance in _instances(claim, part, wanted, seed, tally):
            outcome, certified = evaluate(part, instance), False
            if exact:
                outcome, certified = _exactly(part, instance, outcome)
            tally.certified += certified
            tally.add(outcome, label, instance)
    except Exception as problem:  # a generator or a predicate failed: no verdict can be trusted
        tally.fail(problem_text(problem))
    if tally.verdict == "holds":
        if tally.drawn < wanted or not tally.instances:
            tally.fail(f"only {tally.drawn} of {wanted} random instances were inside the assumptions")
        elif 2 * tally.degenerate > tally.instances:
            tally.fail(f"{tally.degenerate} of {tally.instances} instances were degenerate")
    return tally


def _part_record(part: Part, tally: _Tally) -> dict[str, Any]:
    certified = None
    if tally.certified:
        to = f"{CLOSE:g}" if isinstance(part.relation, Equal) else "certain order"
        certified = {"instances": tally.certified, "of": tally.instances, "to": to}
    return {
        "name": part.name,
        "relation": type(part.relation).__name__,
        "verdict": tally.verdict,
        "instances": tally.instances,
        "skipped": tally.skipped,
        "degenerate": tally.degenerate,
        "undecided": tally.undecided,
        "worst_violation": tally.worst_violation,
        "min_slack": tally.min_slack,
        "tightness": tally.tightness,
        "specified_tightness": part.specified_tightness or None,
        "routes": [describe(route) for route in routes(part)],
        "tolerance": {
            "largest_error": tally.largest_error,
            "resolution": tally.resolution,
            "share": tally.share,
            "reason": part.reason,
        },
        "certified": certified,
        "exact": part.exact if isinstance(part.exact, str) else "",
    }


def _searched(record: Record, part: Part) -> dict[str, Any]:
    """How the kept search of a part was made."""
    kept = None if isinstance(record, Reading) else searches(record)["parts"].get(part.name)
    return {"searched": kept and {key: kept[key] for key in ("tightness", "evaluations", "seed")}}


def _ablations(claim: Claim) -> list[dict[str, Any]]:
    """What is kept of the assumptions that were dropped in turn."""
    keys = ("answer", "part", "how", "evaluations", "seed")
    kept = searches(claim)["assumptions"]
    return [{"assumption": name} | {key: row[key] for key in keys} for name, row in kept.items()]


def _record(
    record: Record, verdict: str, message: str, parts: list[tuple[Part, _Tally]], seed: int
) -> dict[str, Any]:
    """The record without known values and controls; the worst instance is that of the worst part."""
    part, tally = max(parts, key=lambda pair: pair[1].severity, default=(None, None))
    worst = None
    if part is not None and tally is not None and tally.worst is not None:
        label, instance = tally.worst
        worst = {"part": part.name, "instance": label, "seed": seed, "data": None}
        try:
            worst["data"] = instance_data(instance)
        except TypeError as problem:
            verdict, message = "error", str(problem)
    return {
        "id": record.id,
        "family": record.family,
        "papers": list(record.papers),
        "expect": record.expect,
        "verdict": verdict,
        "message": message,
        "parts": [_part_record(part, tally) | _searched(record, part) for part, tally in parts],
        "ablations": [] if isinstance(record, Reading) else _ablations(record),
        "known_values": [],
        "known_values_passed": 0,
        "known_values_total": 0,
        "controls": [],
        "worst_instance": worst,
    }


def _check_claim(claim: Claim, instances: int | None, seed: int, exact: bool) -> dict[str, Any]:
    parts = [(part, _check_part(claim, part, instances, seed, exact)) for part in claim.parts]
    verdict, message = "holds", ""
    for part, tally in parts:
        if _ORDER[tally.verdict] > _ORDER[verdict]:
            verdict, message = tally.verdict, f"part {part.name}, {tally.message}"
    problems = claim.problems() + text_problems(claim)
    if problems:
        verdict, message = "error", "; ".join(problems)
    result = _record(claim, verdict, message, parts, seed)
    known = _known_values(claim)
    result["known_values"] = known
    result["known_values_passed"] = sum(bool(row["passed"]) for row in known)
    result["known_values_total"] = len(known)
    result["controls"] = [run_control(control, claim) for control in claim.controls]
    return result


def _known_values(claim: Claim) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for number, (instance, values) in enumerate(claim.known_values):
        try:
            for known in values(fresh(instance)):
                rows += compare_printed(known.name, known.printed, known.computed, known.error)
        except Exception as problem:
            failed = {"name": f"known values {number}", "printed": "", "computed": None, "passed": False}
            rows.append(failed | {"message": problem_text(problem)})
    return rows


def _check_reading(reading: Reading) -> dict[str, Any]:
    """Check a false reading: refuted inside its assumptions, and repaired on the same instances."""
    tally, reasons = _Tally(), []
    for number, counterexample in enumerate(reading.part.witnesses or ()):
        label = f"counterexample {number}"
        outcome = evaluate(reading.part, counterexample)
        tally.add(outcome, label, fresh(counterexample))
        try:
            if not inside(reading.claim, reading.part, fresh(counterexample)):
                reasons.append(f"{label} is outside the assumptions")
            if outcome.verdict != "violated":
                reasons.append(f"{label}: {outcome.verdict} {outcome.message}".rstrip())
            elif number == 0:
                reasons.append(reproduced(reading.specified, reading.measure(outcome), outcome.error))
        except Exception as problem:
            reasons.append(f"{label}: {problem_text(problem)}")
    reasons = [reason for reason in reasons if reason] + text_problems(reading)
    result = _record(
        reading, "error" if reasons else "refuted", "; ".join(reasons), [(reading.part, tally)], 0
    )
    result["controls"] = [run_repair(reading, number) for number in range(len(reading.repair_instances))]
    return result
