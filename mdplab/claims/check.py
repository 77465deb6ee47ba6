"""Check one record: draw instances, evaluate the parts, reproduce the known values, run the controls.

The result is a plain dictionary (the *record* of the JSON file).  The verdict is the worst part's, in the order
error > violated > undecided > holds; a false reading is ``refuted`` or ``error``.
"""

from __future__ import annotations

import dataclasses
import math
import time
import zlib
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from mdplab.claims.claim import Claim, Control, Part, Reading, Record
from mdplab.claims.relations import Outcome
from mdplab.instances.draw import Rejected, SeededDraw

__all__ = ["as_expected", "check", "draw_instance", "fresh", "instance_data"]

_ORDER = {"holds": 0, "undecided": 1, "violated": 2, "error": 3}
_DRAWS_PER_INSTANCE = 20
_CONTROL_FACTOR = 10.0  # a control must exceed its error bound by this factor


def check(record: Record, *, instances: int | None = None, seed: int = 0) -> dict[str, Any]:
    """Check a claim or a false reading.

    Parameters
    ----------
    record : Claim or Reading
        What to check.
    instances : int, optional
        Random instances of each part; by default as many as the claim asks for.
    seed : int
        Instance ``i`` of part ``p`` is seeded by ``(seed, id, p, i)``.

    Returns
    -------
    dict
        The record; see the documentation of the JSON file.
    """
    started = time.perf_counter()
    result = _check_reading(record) if isinstance(record, Reading) else _check_claim(record, instances, seed)
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


def fresh(instance: Any) -> Any:
    """A copy of an instance without the values it has cached.

    Parameters
    ----------
    instance : object
        A dataclass; anything else is returned as it is.

    Returns
    -------
    object
    """
    return dataclasses.replace(instance) if hasattr(type(instance), "__dataclass_fields__") else instance


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
    place = claim.parts.index(part)
    sequence = np.random.SeedSequence([seed, zlib.crc32(claim.id.encode()), place, index, attempt])
    return (part.family or claim.instance_family)(SeededDraw(sequence))


def inside(claim: Claim, part: Part, instance: Any) -> bool:
    """Whether the instance meets every testable assumption that the part needs.

    Parameters
    ----------
    claim : Claim
        The claim.
    part : Part
        One of its parts.
    instance : object
        An instance of the part's family.

    Returns
    -------
    bool
    """
    return all(
        assumption.predicate(instance)
        for assumption in claim.assumptions
        if assumption.predicate is not None and (part.assumes is None or assumption.name in part.assumes)
    )


def _evaluate(part: Part, instance: Any, **sides: Any) -> Outcome:
    """Evaluate a part; whatever goes wrong inside is an error of the outcome, not of the run."""
    try:
        with np.errstate(all="ignore"):
            return part.evaluate(instance, **sides)
    except Exception as problem:
        return Outcome("error", message=f"{type(problem).__name__}: {problem}")


@dataclasses.dataclass
class _Tally:
    """Outcomes of one part, summed up."""

    verdict: str = "holds"
    instances: int = 0
    skipped: int = 0
    degenerate: int = 0
    undecided: int = 0
    worst_violation: float | None = None
    min_slack: float | None = None
    tightness: float | None = None
    largest_error: float = 0.0
    message: str = ""
    worst: tuple[float, str, Any] | None = None  # severity, label, instance

    def add(self, outcome: Outcome, label: str, instance: Any) -> None:
        self.instances += 1
        self.degenerate += outcome.degenerate
        self.undecided += outcome.verdict == "undecided"
        self.worst_violation = _larger(self.worst_violation, outcome.violation)
        self.tightness = _larger(self.tightness, outcome.tightness)
        self.min_slack = _smaller(self.min_slack, outcome.slack)
        if math.isfinite(outcome.error):
            self.largest_error = max(self.largest_error, outcome.error)
        severity = math.inf if outcome.verdict == "error" else outcome.excess
        if _ORDER[outcome.verdict] > _ORDER[self.verdict]:
            self.verdict = outcome.verdict
            self.message = f"{label}: {outcome.message or outcome.verdict}"
            severity = math.inf
        if self.worst is None or severity > self.worst[0]:
            self.worst = (severity, label, instance)


def _larger(a: float | None, b: float | None) -> float | None:
    if b is None or not math.isfinite(b):
        return a
    return b if a is None else max(a, b)


def _smaller(a: float | None, b: float | None) -> float | None:
    if b is None or not math.isfinite(b):
        return a
    return b if a is None else min(a, b)


def _instances(claim: Claim, part: Part, wanted: int, seed: int, tally: _Tally) -> Iterator[tuple[str, Any]]:
    """Yield the witnesses, then the requested number of random instances inside the assumptions."""
    for number, witness in enumerate(claim.witnesses if part.witnesses is None else part.witnesses):
        instance = fresh(witness)
        if inside(claim, part, instance):
            yield f"witness {number}", instance
        else:
            tally.skipped += 1
    if part.quantifier == "exists":
        return
    for index in range(wanted):
        for attempt in range(_DRAWS_PER_INSTANCE):
            try:
                instance = draw_instance(claim, part, index, seed=seed, attempt=attempt)
            except Rejected:
                tally.skipped += 1
                continue
            if inside(claim, part, instance):
                yield f"instance {index}", instance
                break
            tally.skipped += 1


def _check_part(claim: Claim, part: Part, instances: int | None, seed: int) -> tuple[dict[str, Any], _Tally]:
    tally = _Tally()
    named = len(claim.witnesses if part.witnesses is None else part.witnesses)
    wanted = 0
    if part.quantifier != "exists":
        wanted = instances or part.instances or claim.instances
    try:
        for label, instance in _instances(claim, part, wanted, seed, tally):
            tally.add(_evaluate(part, instance), label, instance)
    except Exception as problem:  # a generator or a predicate failed: no verdict can be trusted
        tally.verdict, tally.message = "error", f"{type(problem).__name__}: {problem}"
    if tally.verdict == "holds":
        if tally.instances < max(wanted, 1) or (part.quantifier == "exists" and tally.instances < named):
            tally.verdict = "error"
            tally.message = (
                f"only {tally.instances} of {wanted or named} instances were inside the assumptions"
            )
        elif 2 * tally.degenerate > tally.instances:
            tally.verdict = "error"
            tally.message = f"{tally.degenerate} of {tally.instances} instances were degenerate"
    return _part_record(part, tally, _routes(part)), tally


def _part_record(part: Part, tally: _Tally, routes: list[str]) -> dict[str, Any]:
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
        "routes": routes,
        "tolerance": {"largest_error": tally.largest_error, "reason": part.reason},
        "exact": part.exact,
    }


def describe(route: Callable[..., Any]) -> str:
    """First line of a route's docstring, or its name.

    Parameters
    ----------
    route : callable
        A side; a ``functools.partial`` is described by its function.

    Returns
    -------
    str
    """
    inner = getattr(route, "func", route)  # functools.partial
    text = (inner.__doc__ or "").strip()
    return text.splitlines()[0].rstrip(".") if text else getattr(inner, "__name__", "route").replace("_", " ")


def _routes(part: Part) -> list[str]:
    routes = [part.relation.left, part.relation.right, part.cross_left, part.cross_right]
    return [describe(route) for route in routes if route is not None]


def _check_claim(claim: Claim, instances: int | None, seed: int) -> dict[str, Any]:
    parts, verdict, message, worst = [], "holds", "", None
    for part in claim.parts:
        row, tally = _check_part(claim, part, instances, seed)
        parts.append(row)
        if tally.worst is not None and (worst is None or tally.worst[0] > worst[0]):
            worst = (tally.worst[0], part, tally.worst[1], tally.worst[2])
        if _ORDER[tally.verdict] > _ORDER[verdict]:
            verdict, message = tally.verdict, f"part {part.name}, {tally.message}"
    known = _known_values(claim)
    controls = [_run_control(control, claim) for control in claim.controls]
    if not claim.parts:
        verdict, message = "error", "the claim has no parts"
    result = _header(claim, verdict, message)
    result.update(
        parts=parts,
        known_values=known,
        known_values_passed=sum(bool(row["passed"]) for row in known),
        known_values_total=len(known),
        controls=controls,
        worst_instance=None if worst is None else _worst(worst[1].name, worst[2], worst[3], seed),
    )
    return result


def _header(record: Record, verdict: str, message: str) -> dict[str, Any]:
    return {
        "id": record.id,
        "family": record.family,
        "papers": list(record.papers),
        "expect": record.expect,
        "verdict": verdict,
        "message": message,
    }


def _worst(part: str, label: str, instance: Any, seed: int) -> dict[str, Any]:
    return {"part": part, "instance": label, "seed": seed, "data": instance_data(instance)}


def _known_values(claim: Claim) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for instance, values in claim.known_values:
        try:
            for known in values(fresh(instance)):
                rows += _compare_printed(known.name, known.printed, known.computed, known.error)
        except Exception as problem:
            name = getattr(values, "__name__", "known values")
            message = f"{type(problem).__name__}: {problem}"
            rows.append({"name": name, "printed": message, "computed": None, "passed": False})
    return rows


@lru_cache(maxsize=4096)
def half_unit(printed: str) -> float:
    """Half a unit of the last printed digit of a number; an integer or a fraction is exact.

    Parameters
    ----------
    printed : str
        The number as printed, e.g. ``"0.25"``, ``"9.3e-12"``, ``"1/3"``.

    Returns
    -------
    float
    """
    if "/" in printed or "." not in printed.partition("e")[0]:
        return 0.0
    exponent = Decimal(printed).as_tuple().exponent
    return 0.5 * 10.0 ** int(exponent)


def _printed_value(printed: str) -> float:
    return float(Fraction(printed)) if "/" in printed else float(printed)


def _compare_printed(name: str, printed: str, computed: Any, error: float) -> list[dict[str, Any]]:
    """One row a number: it passes within half a unit of its last digit plus the error bound."""
    texts = printed.split()
    numbers = np.asarray(computed, dtype=float).ravel()
    if len(texts) != numbers.size:
        message = f"{len(texts)} printed, {numbers.size} computed"
        return [{"name": name, "printed": message, "computed": None, "passed": False}]
    rows = []
    for place, (text, number) in enumerate(zip(texts, numbers, strict=True)):
        value = _printed_value(text)
        slack = half_unit(text) + error + 4 * np.finfo(float).eps * abs(value)
        rows.append(
            {
                "name": name if len(texts) == 1 else f"{name} [{place}]",
                "printed": text,
                "computed": float(number) if math.isfinite(number) else None,
                "passed": bool(abs(number - value) <= slack),
            }
        )
    return rows


def _specified(printed: str, measured: Any, error: float) -> tuple[bool, str]:
    if not printed:
        return True, ""
    rows = _compare_printed("control", printed, measured, error)
    wrong = [f"{row['printed']} computed as {row['computed']}" for row in rows if not row["passed"]]
    return not wrong, "; ".join(wrong)


def _run_control(control: Control, claim: Claim) -> dict[str, Any]:
    """Run a control: violated beyond ten error bounds, as printed, and holding once the change is undone."""
    changed = _evaluate(control.part, fresh(control.instance), left=control.left, right=control.right)
    violated = changed.verdict == "violated" and changed.violation > _CONTROL_FACTOR * changed.error
    reproduced, wrong, problem = False, "", ""
    if changed.verdict == "error":
        problem = changed.message
    else:
        try:
            reproduced, wrong = _specified(control.specified, control.measure(changed), changed.error)
        except Exception as failure:
            problem = f"{type(failure).__name__}: {failure}"
    if control.kind == "assumption":
        dropped = next((a for a in claim.assumptions if a.name == control.drops), None)
        if dropped is None:
            paired, pairing = False, f"the claim has no assumption {control.drops}"
        else:
            paired = dropped.predicate is None or not dropped.predicate(fresh(control.instance))
            pairing = "" if paired else f"assumption {control.drops} is true on the instance"
    else:
        undone = _evaluate(control.part, fresh(control.instance))
        paired = undone.verdict == "holds"
        pairing = "" if paired else f"with the change undone: {undone.verdict} {undone.message}".strip()
    reasons = [problem, "" if violated else f"not violated ({changed.verdict})", wrong, pairing]
    return {
        "name": control.name,
        "kind": control.kind,
        "part": control.part.name,
        "violated": violated,
        "as_expected": bool(violated and reproduced and paired),
        "violation": changed.violation if math.isfinite(changed.violation) else None,
        "specified": control.specified or None,
        "message": "; ".join(reason for reason in reasons if reason),
    }


def _check_reading(reading: Reading) -> dict[str, Any]:
    """Check a false reading: refuted inside all assumptions, and repaired on the same instances."""
    tally, message = _Tally(), ""
    for number, counterexample in enumerate(reading.part.witnesses or ()):
        instance = fresh(counterexample)
        outcome = _evaluate(reading.part, instance)
        tally.add(outcome, f"counterexample {number}", instance)
        if outcome.verdict != "violated":
            message = message or f"counterexample {number}: {outcome.verdict} {outcome.message}".strip()
        elif number == 0:
            _, wrong = _specified(reading.specified, reading.measure(outcome), outcome.error)
            message = message or wrong
    controls = []
    for number, repaired in enumerate(reading.repair_instances):
        instance = fresh(repaired)
        if not inside(reading.claim, reading.repair, instance):
            message = message or f"counterexample {number} is outside the assumptions of the claim"
        outcome = _evaluate(reading.repair, instance)
        controls.append(
            {
                "name": f"repair: part {reading.repair.name} on counterexample {number}",
                "kind": "repair",
                "part": reading.repair.name,
                "violated": outcome.verdict == "violated",
                "as_expected": outcome.verdict == "holds",
                "violation": outcome.violation if math.isfinite(outcome.violation) else None,
                "specified": None,
                "message": outcome.message,
            }
        )
    tally.instances = len(reading.part.witnesses or ())
    result = _header(reading, "error" if message else "refuted", message)
    worst = tally.worst
    result.update(
        parts=[_part_record(reading.part, tally, _routes(reading.part))],
        known_values=[],
        known_values_passed=0,
        known_values_total=0,
        controls=controls,
        worst_instance=None if worst is None else _worst(reading.part.name, worst[1], worst[2], 0),
    )
    return result


def instance_data(instance: Any) -> Any:
    """Explicit data of an instance as JSON types; infinities become the strings ``"inf"`` and ``"-inf"``.

    Parameters
    ----------
    instance : object
        A model, a dataclass, an array, a sparse matrix, a container or a scalar.

    Returns
    -------
    object
        Dictionaries, lists, strings and numbers.
    """
    if hasattr(instance, "to_dict"):
        return instance_data(instance.to_dict())
    if dataclasses.is_dataclass(instance) and not isinstance(instance, type):
        return {f.name: instance_data(getattr(instance, f.name)) for f in dataclasses.fields(instance)}
    if isinstance(instance, dict):
        return {str(key): instance_data(value) for key, value in instance.items()}
    if hasattr(instance, "tocsr"):
        csr = instance.tocsr()
        return {name: instance_data(getattr(csr, name)) for name in ("data", "indices", "indptr", "shape")}
    if isinstance(instance, np.ndarray):
        return instance_data(instance.tolist())
    if isinstance(instance, (list, tuple)):
        return [instance_data(value) for value in instance]
    if isinstance(instance, np.generic):
        return instance_data(instance.item())
    if isinstance(instance, float) and not math.isfinite(instance):
        return str(instance)
    if isinstance(instance, Fraction):
        return str(instance)
    if instance is None or isinstance(instance, (bool, int, float, str)):
        return instance
    return repr(instance)
