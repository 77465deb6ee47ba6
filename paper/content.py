"""What the paper prints, from the results of a run, the registry and the data: one tree of texts and numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mdplab.claims import Claim, registry
from mdplab.claims.methods import FORMS
from mdplab.claims.part import Reading
from mdplab.falsifier.show import as_text
from paper.markup import Markdown, escaped, number

__all__ = ["catalogue", "example", "facts", "findings", "gallery", "methods", "totals"]

_FAMILIES = {
    "soft_residual": "Soft control, mirror descent and customised policies",
    "tilting": "Tilted laws, guided chains and masks",
    "dual_rl": "Dual programs, constraints and imitation",
    "distributional": "Laws of returns, risk and evaluation",
    "preferences": "Preferences and games",
    "finite_models": "Finite laws",
    "policy_optimization": "Policy optimisation",
}
_SIGNS = {"Equal": "=", "AtMost": "≤", "AtLeast": "≥", "Separates": "≠", "Rate": "~"}

Record = Mapping[str, Any]
Exact = Mapping[tuple[str, str], Mapping[str, Any]]


def _heading(family: str) -> str:
    return _FAMILIES.get(family, family.replace("_", " ").capitalize())


def _grouped(records: list[Record]) -> list[tuple[str, list[Record]]]:
    """Records by family: the known families first, in their order."""
    order = list(_FAMILIES)
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record["family"], []).append(record)
    return sorted(found.items(), key=lambda item: (order.index(item[0]) if item[0] in order else 99, item[0]))


def totals(records: list[Record], exact: Exact) -> dict[str, str]:
    """Counts over all records, as they are printed."""
    claims = [record for record in records if record["expect"] == "holds"]
    readings = [record for record in records if record["expect"] == "refuted"]
    known = [entry for entry in registry.records().values() if isinstance(entry, Claim)]
    assumptions = [assumption for claim in known for assumption in claim.assumptions]
    parts = [part for record in claims for part in record["parts"]]
    controls = [control for record in claims for control in record["controls"]]
    inequalities = [part for part in parts if part["relation"] in ("AtMost", "AtLeast")]
    tight = [t for part in inequalities if (t := _reached(part)) is not None]
    certified = [part["certified"] for part in exact.values() if part["certified"]]
    counts = {
        "claims": len(claims),
        "readings": len(readings),
        "false_claims": len({record["id"].partition(".")[0] for record in readings}),
        "parts": len(parts),
        "as_printed": sum(claim.provenance == "as in the paper" for claim in known),
        "formalised": sum(claim.provenance != "as in the paper" for claim in known),
        "assumptions": len(assumptions),
        "predicates": sum(assumption.predicate is not None for assumption in assumptions),
        "instances": sum(part["instances"] for part in parts),
        "controls": len(controls),
        "mutations": sum(control["kind"] == "mutation" for control in controls),
        "constants": sum(control["kind"] == "constant" for control in controls),
        "dropped": sum(control["kind"] == "assumption" for control in controls),
        "known": sum(record["known_values_total"] for record in records),
        "papers": len({key for record in records for key in record["papers"]}),
        "bounds": len(tight),
        "tight": sum(t >= 0.99 for t in tight),
        "exact_parts": sum(not part["exact"] for part in parts),
        "searched": sum(part["searched"]["evaluations"] for part in parts if part["searched"]),
        "certified_parts": len(certified),
        "certified_instances": sum(row["instances"] for row in certified),
        "exact_instances": sum(row["of"] for row in certified),
    }
    shares = [s for part in parts if (s := part["tolerance"]["share"]) is not None]
    printed = {name: number(count) for name, count in counts.items()}
    printed["share"] = number(sorted(shares)[len(shares) // 2], 2)
    printed["minutes"] = number(round(sum(record["seconds"] for record in records) / 60))
    return printed


def facts(run: Mapping[str, Any]) -> dict[str, str]:
    """Where the numbers come from."""
    platform = run["platform"]
    return {
        "version": run["version"],
        "date": str(run["started"])[:10],
        "python": platform["python"],
        "packages": ", ".join(f"{name} {text}" for name, text in platform["packages"].items()),
        "system": platform["system"],
        "seed": str(run["seed"]),
        "digest": run["digest"],
        "sources": run["sources"],
    }


def _reached(part: Record) -> float | None:
    """The tightest ratio of an inequality, in the run or in the search that is kept beside the claim."""
    searched = part["searched"]["tightness"] if part["searched"] else None
    return _worst([part["tightness"], searched], max)


def _worst(values: list[float | None], choose: Any) -> float | None:
    known = [value for value in values if value is not None]
    return choose(known) if known else None


def catalogue(records: list[Record], exact: Exact) -> list[dict[str, Any]]:
    """Every claim with its verdict, family by family."""
    known = registry.records()
    groups = []
    for family, members in _grouped([record for record in records if record["expect"] == "holds"]):
        rows = []
        for record in members:
            parts = record["parts"]
            shares = [part["tolerance"]["share"] for part in parts]
            certified = sum(bool(exact[record["id"], part["name"]]["certified"]) for part in parts)
            rows.append({
                "id": record["id"],
                "title": Markdown(known[record["id"]].title),
                "papers": list(known[record["id"]].papers),
                "verdict": record["verdict"],
                "parts": number(len(parts)),
                "instances": number(sum(part["instances"] for part in parts)),
                "controls": number(len(record["controls"])),
                "known": number(record["known_values_total"]),
                "share": number(_worst(shares, max), 2),
                "tightness": _ratio(_worst([part["tightness"] for part in parts], max)),
                "certified": number(certified) if certified else "–",
            })  # fmt: skip
        groups.append({"heading": _heading(family), "rows": rows})
    return groups


def _ratio(value: float | None) -> str:
    """A tightness, rounded down so that only what reaches 1 shows 1."""
    if value is None:
        return "–"
    return "1" if value >= 1 - 1e-9 else f"{int(value * 1e4) / 1e4:.4f}"


def methods() -> list[dict[str, Any]]:
    """Published methods, by the form in which they are written."""
    found = [
        (FORMS.index(m.form), m.name, m, claim)
        for claim in registry.records().values()
        if isinstance(claim, Claim)
        for m in claim.methods
    ]
    return [
        {
            "name": Markdown(name),
            "form": method.form,
            "divergence": Markdown(method.divergence),
            "regularises": Markdown(method.regularises),
            "claim": claim.id,
            "papers": list(claim.papers[:1]),
        }
        for _, name, method, claim in sorted(found, key=lambda row: row[:2])
    ]


def findings(records: list[Record]) -> list[dict[str, Any]]:
    """Every refuted reading with its counterexample and its repair, family by family."""
    known = registry.records()
    groups = []
    for family, members in _grouped([record for record in records if record["expect"] == "refuted"]):
        rows = []
        for record in members:
            reading = known[record["id"]]
            assert isinstance(reading, Reading)
            part = record["parts"][0]
            rows.append({
                "id": record["id"],
                "title": Markdown(reading.title),
                "papers": list(reading.papers),
                "statement": Markdown(reading.statement),
                "counterexample": _compact(as_text(reading.part.witnesses[0])) if reading.part.witnesses else "",
                "relation": _SIGNS[part["relation"]],
                "left": Markdown(part["routes"][0]),
                "right": Markdown(part["routes"][1]),
                "violation": number(abs(part["worst_violation"]), 4),
                "error": number(part["tolerance"]["largest_error"], 2),
                "repair": Markdown(reading.repair.text),
                "repair_part": reading.repair.name,
                "claim": reading.claim.id,
            })  # fmt: skip
        groups.append({"heading": _heading(family), "rows": rows})
    return groups


def _compact(text: str) -> str:
    """An instance in few lines: fields of one depth side by side, nested ones after their name."""
    pieces = []
    for line in text.splitlines()[1:]:
        line = " ".join(line.split())
        name, _, kind = line.partition(" = ")
        if kind.isidentifier() and kind[:1].isupper() and kind not in ("True", "False"):
            line = f"{name}:"
        pieces.append(line)
    return "; ".join(pieces).replace(":; ", ": ") + "."


def example(records: list[Record], identifier: str) -> dict[str, Any]:
    """One claim in full, for the section that follows it through its checks."""
    record = next(record for record in records if record["id"] == identifier)
    claim = registry.records()[identifier]
    assert isinstance(claim, Claim)
    return {
        "id": identifier,
        "title": Markdown(claim.title),
        "statement": Markdown(claim.statement),
        "assumptions": [{"name": a.name, "text": Markdown(a.text)} for a in claim.assumptions],
        "parts": [
            {
                "name": part["name"],
                "relation": _SIGNS[part["relation"]],
                "left": Markdown(part["routes"][0]),
                "right": Markdown(part["routes"][1]),
                "cross": [Markdown(route) for route in part["routes"][2:]],
                "instances": number(part["instances"]),
                "share": number(part["tolerance"]["share"], 2),
                "tightness": _ratio(part["tightness"]),
            }
            for part in record["parts"]
        ],
        "controls": [
            {
                "name": Markdown(control["name"]),
                "kind": control["kind"],
                "part": control["part"],
                "violation": number(control["violation"], 3),
            }
            for control in record["controls"]
        ],
        "known": number(record["known_values_total"]),
        "known_row": {
            key: escaped(str(record["known_values"][0][key])) for key in ("name", "printed", "computed")
        },
        "ablations": [
            {"assumption": row["assumption"], "answer": Markdown(row["answer"])}
            for row in record["ablations"]
        ],
    }


def gallery(kept: Mapping[str, Any]) -> dict[str, Any]:
    """The gallery of conjectures: what was refuted, and how tight the true bounds were found."""
    rows = kept["results"]
    false = [row for row in rows if not row["true"]]
    refuted = sorted(
        (row for row in false if row["verdict"] == "refuted"), key=lambda row: row["evaluations"]
    )
    tight = [row for row in rows if row["true"] and row["tight"]]
    theorems = [row for row in rows if row["true"]]
    return {
        "about": kept["about"],
        "count": number(len(rows)),
        "false": number(len(false)),
        "refuted": number(len(refuted)),
        "survivors": [escaped(row["statement"]) for row in false if row["verdict"] != "refuted"],
        "theorems": number(len(theorems)),
        "theorems_refuted": number(sum(row["verdict"] == "refuted" for row in theorems)),
        "theorems_open": number(sum(row["verdict"] == "undecided" for row in theorems)),
        "tight": number(len(tight)),
        "reached": number(sum(row["tightness"] is not None and row["tightness"] > 0.999 for row in tight)),
        "median": number(refuted[len(refuted) // 2]["evaluations"]),
        "most": number(max(row["evaluations"] for row in refuted)),
        "seconds": number(round(max(row["seconds"] for row in rows))),
        "states": _largest(refuted, "state"),
        "outcomes": _largest(refuted, "outcome"),
        "rows": [
            {
                "statement": escaped(row["statement"]),
                "note": escaped(row["note"]),
                "size": re.sub(r"\b1 (state|action|outcome)s", r"1 \1", row["size"]),
                "evaluations": number(row["evaluations"]),
            }
            for row in refuted
        ],
    }  # fmt: skip


def _largest(rows: list[Record], thing: str) -> str:
    """The largest number of a thing in the sizes of counterexamples."""
    return str(max(int(found[1]) for row in rows if (found := re.search(rf"(\d+) {thing}", row["size"]))))
