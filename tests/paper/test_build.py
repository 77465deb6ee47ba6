"""The paper: every claim and reading is in it, what is missing or stale stops it, the same results give the same bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mdplab.claims import Claim, registry
from mdplab.claims.part import describe, routes
from mdplab.claims.runner import source_hash
from paper import build, certificates, drawings
from paper.__main__ import main
from paper.build import typeset
from paper.record import record
from paper.results import MissingResults, certified, data, verdicts

DOT = '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="60"><circle cx="30" cy="30" r="9"/></svg>'


def part_record(part: Any, refuted: bool) -> dict[str, Any]:
    return {
        "name": part.name,
        "relation": type(part.relation).__name__,
        "verdict": "violated" if refuted else "holds",
        "instances": 12,
        "worst_violation": 0.25,
        "tightness": 0.5,
        "routes": [describe(route) for route in routes(part)],
        "tolerance": {"largest_error": 1e-13, "resolution": 1e-9, "share": 1e-4, "reason": part.reason},
        "certified": {"instances": 3, "of": 12, "to": "1e-30"},
        "exact": "",
        "searched": {"tightness": 0.5, "evaluations": 10, "seed": 0},
    }


def run_of_everything() -> dict[str, Any]:
    """A run of all records in which everything is as expected, made up: nothing is computed."""
    records = []
    for entry in registry.records().values():
        refuted = not isinstance(entry, Claim)
        parts = [entry.part] if refuted else entry.parts
        controls = [] if refuted else entry.controls
        records.append({
            "id": entry.id,
            "family": entry.family,
            "papers": list(entry.papers),
            "expect": entry.expect,
            "verdict": entry.expect,
            "parts": [part_record(part, refuted) for part in parts],
            "known_values": [{"name": "x", "printed": "0.5", "computed": 0.5, "passed": True}],
            "known_values_passed": 1,
            "known_values_total": 1,
            "controls": [
                {"name": c.name, "kind": c.kind, "part": c.part.name, "violation": 0.5, "as_expected": True}
                for c in controls
            ],
            "ablations": [{"assumption": "A1", "answer": "carries the claim", "how": "a control"}],
            "seconds": 1.0,
        })  # fmt: skip
    platform = {"python": "3.11", "system": "a system", "packages": {"numpy": "2"}}
    options = {"instances": None, "seed": 0, "exact": False, "jobs": 1}
    facts = {"version": "0.1.0", "seed": 0, "options": options, "platform": platform}
    digests = {"digest": registry.digest(), "sources": source_hash(), "started": "2026-01-31T00:00:00+00:00"}
    return {"run": facts | digests, "records": records}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    everything = run_of_everything()
    (tmp_path / "verdicts.json").write_text(json.dumps(everything), encoding="utf-8")
    everything["run"]["options"] |= {"exact": True, "instances": 3}
    (tmp_path / "exact.json").write_text(json.dumps(everything), encoding="utf-8")
    return tmp_path


def changed(folder: Path, change: Any) -> Path:
    path = folder / "verdicts.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    change(found)
    path.write_text(json.dumps(found), encoding="utf-8")
    return path


def test_the_paper_names_every_record_and_has_the_same_bytes_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawings, "claim_drawing", lambda name: DOT)
    monkeypatch.setattr(drawings, "certificates", lambda: DOT)
    monkeypatch.setattr(drawings, "overview", lambda sources: (DOT, "All $x \\le 1$."))
    counts = {"solves": 4, "models": 2, "honest": 4, "ratio": 2.5}
    monkeypatch.setattr(certificates, "summary", lambda: counts)
    pdf = build.build(folder, folder / "paper")
    first = pdf.read_bytes()
    assert first.startswith(b"%PDF")
    content = json.loads((folder / "paper" / "source" / "content.json").read_text(encoding="utf-8"))
    rows = [
        row["id"] for kind in ("catalogue", "findings") for group in content[kind] for row in group["rows"]
    ]
    assert sorted(rows) == sorted(registry.records())
    # what is set again from the folder alone, and what is built again from the same results
    assert typeset(folder / "paper" / "source", folder / "again.pdf", "2026-01-31").read_bytes() == first
    assert typeset(folder / "paper" / "source", folder / "later.pdf", "2026-02-01").read_bytes() != first


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda run: run["run"].update(digest="0"), "the claims have changed"),
        (lambda run: run["run"].update(sources="0"), "the sources have changed"),
        (lambda run: run["run"]["options"].update(instances=10), "fast run"),
        (lambda run: run["records"].pop(), "lacks 1 records"),
        (lambda run: run["records"][0].update(verdict="undecided"), "not as expected"),
    ],
)
def test_results_that_are_not_those_of_the_sources_are_refused(
    folder: Path, change: Any, message: str
) -> None:
    assert verdicts(folder / "verdicts.json")["records"]
    with pytest.raises(MissingResults, match=message):
        verdicts(changed(folder, change))


def test_the_command_line_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--results", str(tmp_path)]) == 1
    assert "run make verify" in capsys.readouterr().err
    assert not (tmp_path / "paper").exists()


def test_exact_results_may_be_of_few_instances_but_not_violated(folder: Path) -> None:
    assert {part["verdict"] for part in certified(folder / "exact.json").values()} == {"holds"}
    with pytest.raises(MissingResults, match="not of a run in exact arithmetic"):
        certified(folder / "verdicts.json")
    found = json.loads((folder / "exact.json").read_text(encoding="utf-8"))
    found["records"][0]["parts"][0]["verdict"] = "violated"
    (folder / "exact.json").write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(MissingResults, match="violated in exact arithmetic: "):
        certified(folder / "exact.json")


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_broken_files_are_told(text: str, folder: Path) -> None:
    for path in (folder / "verdicts.json", folder / "exact.json", folder / "bench.json"):
        path.write_text(text, encoding="utf-8")
    for read, remedy in (
        (lambda: verdicts(folder / "verdicts.json"), "make verify"),
        (lambda: certified(folder / "exact.json"), "make paper"),
        (lambda: data("bench", "1", folder), "make bench"),
    ):
        with pytest.raises(MissingResults, match=f"cannot be read.*run {remedy}|has not .*run {remedy}"):
            read()


def test_exact_results_that_lack_a_claim_are_refused(folder: Path) -> None:
    found = json.loads((folder / "exact.json").read_text(encoding="utf-8"))
    gone = found["records"].pop()["id"]
    (folder / "exact.json").write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(MissingResults, match=f"lacks 1 records, {gone} for one: run make paper"):
        certified(folder / "exact.json")


def test_the_check_builds_nothing(folder: Path) -> None:
    for kind in ("verdicts", "exact"):
        assert main(["--results", str(folder), "--check", kind]) == 0
    assert not (folder / "paper").exists()


@pytest.mark.parametrize("kind", ["bench", "gallery"])
def test_the_data_kept_with_the_sources_are_those_of_this_version(kind: str) -> None:
    from importlib.metadata import version

    assert set(data(kind, version("mdplab"))["about"]) == {"version", "date", "machine"}


def test_data_are_refused_without_version_date_and_machine(tmp_path: Path) -> None:
    with pytest.raises(MissingResults, match="make bench"):
        data("bench", "1", tmp_path)
    (tmp_path / "bench.json").write_text('{"about": {"version": "1", "date": ""}, "results": {}}')
    with pytest.raises(MissingResults, match="of version 1, the sources of 2"):
        data("bench", "2", tmp_path)
    with pytest.raises(MissingResults, match="its date and machine"):
        data("bench", "1", tmp_path)


def test_recorded_results_say_where_they_come_from(tmp_path: Path) -> None:
    (tmp_path / "bench.json").write_text('{"solve": []}')
    kept = record("bench", tmp_path / "bench.json", "a machine")
    assert kept["results"] == {"solve": []}
    assert kept["about"]["machine"] == "a machine"
    assert len(kept["about"]["date"]) == len("2026-01-31")


@pytest.mark.parametrize("name", drawings.CLAIMS)
def test_claims_that_are_shown_have_a_figure(name: str) -> None:
    assert drawings.caption(name)


def test_a_claim_without_figure_is_named() -> None:
    with pytest.raises(ValueError, match="iqlearn-bijection"):
        drawings.caption("iqlearn-bijection")
