"""The command line: records, ids, exit codes, files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mdplab.claims import HARMLESS, Claim, registry, searches
from proofs_check import falsification
from proofs_check.__main__ import main
from proofs_check.finite_models import beirami2024_best_of_n

CHEAP = "dist-control-not-contraction"


def test_run_writes_the_record_of_the_contract(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "out.json"
    assert main(["run", "rql-fixed-point", "--instances", "5", "--json", str(path)]) == 0
    content = json.loads(path.read_text())
    record = content["records"][0]
    assert {
        "id", "family", "papers", "expect", "verdict", "parts", "known_values", "known_values_passed",
        "known_values_total", "controls", "worst_instance", "seconds", "message",
    } <= record.keys()  # fmt: skip
    assert {
        "name", "relation", "verdict", "instances", "skipped", "degenerate", "undecided", "worst_violation",
        "min_slack", "tightness", "routes", "tolerance",
    } <= record["parts"][0].keys()  # fmt: skip
    assert {"name", "printed", "computed", "passed"} <= record["known_values"][0].keys()
    assert {"name", "kind", "violated", "as_expected", "violation", "specified"} <= record["controls"][
        0
    ].keys()
    assert {"command", "options", "seed", "version", "digest", "platform", "started"} <= content["run"].keys()
    assert "all as expected" in capsys.readouterr().out


def test_list_names_every_record_with_its_family(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    ids = {row["id"] for row in rows}
    assert {"rql-fixed-point", "best-of-n-kl", "best-of-n-kl.equality"} <= ids
    assert {row["expect"] for row in rows} == {"holds", "refuted"}
    assert main(["list", "--json", "--family", "dual_rl"]) == 0
    assert {row["family"] for row in json.loads(capsys.readouterr().out)} == {"dual_rl"}


@pytest.mark.parametrize("identifier", ["rql-fixed-point", "best-of-n-kl.equality"])
def test_show_prints_statement_and_routes(identifier: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", identifier]) == 0
    printed = capsys.readouterr().out
    assert identifier in printed
    assert "left:" in printed


def test_an_unknown_id_is_a_usage_error_with_the_nearest_ids(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("show", "run", "cite"):
        assert main([command, "rql-fixed-piont"]) == 2
        assert "nearest: rql-fixed-point" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--instances", "0"],
        ["run", "--instances", "many"],
        ["run", "--jobs", "0"],
        ["run", "--seed", "-1"],
        ["run", "--family", "nothing"],
        ["report", "--from", "no_such_file.json"],
        ["diff", "no_such_file.json", "no_such_file.json"],
        ["run", "dist-control-not-contraction", "--json", "/dev/zero"],
        ["run", "dist-control-not-contraction", "--json", "."],
        ["fly"],
        [],
    ],
)
def test_usage_errors_exit_with_two(arguments: list[str]) -> None:
    assert main(arguments) == 2


def test_ids_and_families_are_united(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    assert main(["run", CHEAP, "--family", "finite_models", "--instances", "2", "--json", str(path)]) == 0
    ids = [record["id"] for record in json.loads(path.read_text())["records"]]
    assert CHEAP in ids
    assert "best-of-n-kl" in ids
    assert len(ids) == len(set(ids))


def test_jobs_and_subsets_change_nothing(tmp_path: Path) -> None:
    records = []
    for number, options in enumerate(
        (["--jobs", "1", CHEAP], ["--jobs", "2", CHEAP, "mode-seeking-log-mean-threshold"])
    ):
        path = tmp_path / f"{number}.json"
        assert main(["run", "--instances", "3", "--json", str(path), *options]) == 0
        found = {record["id"]: record for record in json.loads(path.read_text())["records"]}[CHEAP]
        found.pop("seconds")
        records.append(found)
    assert records[0] == records[1]


def test_diff_of_equal_and_of_different_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    assert main(["run", CHEAP, "--instances", "2", "--json", str(first)]) == 0
    content = json.loads(first.read_text())
    second.write_text(json.dumps(content))
    assert main(["diff", str(first), str(second)]) == 0
    content["records"][0]["verdict"] = "violated"
    second.write_text(json.dumps(content))
    assert main(["diff", str(first), str(second)]) == 1
    assert "violated" in capsys.readouterr().out
    second.write_text("not json")
    assert main(["diff", str(first), str(second)]) == 2
    second.write_text("[]")
    assert main(["diff", str(first), str(second)]) == 2


def test_cite_prints_bibtex(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cite", "rql-fixed-point"]) == 0
    assert "li2023rql" in capsys.readouterr().out


def test_report_is_one_self_contained_file(tmp_path: Path) -> None:
    source = tmp_path / "out.json"
    assert main(["run", CHEAP, "--instances", "2", "--json", str(source)]) == 0
    assert main(["report", "--from", str(source), "--out", str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text()
    assert f'id="{CHEAP}"' in page
    assert "<svg" in page
    assert "<math" in page
    content = json.loads(source.read_text())
    content["records"][0]["id"] = "no-such-claim"
    source.write_text(json.dumps(content))
    assert main(["report", "--from", str(source), "--out", str(tmp_path)]) == 2


# --- searches and exact arithmetic ----------------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the place of the one beside the claims."""

    def place(claim: Claim) -> Path:
        return tmp_path / "searches" / f"{claim.id}.json"

    monkeypatch.setattr(searches, "searches_file", place)
    monkeypatch.setattr(falsification, "searches_file", place)
    return tmp_path / "searches"


def results_of(path: Path, arguments: list[str]) -> list[dict[str, Any]]:
    """What a command writes, its exit code being 0."""
    assert main([*arguments, "--json", str(path)]) == 0
    results: list[dict[str, Any]] = json.loads(path.read_text())["results"]
    return results


def test_falsify_searches_every_part_and_depends_on_the_seed_alone(tmp_path: Path, kept: Path) -> None:
    arguments = ["falsify", "best-of-n-kl", "--evaluations", "40", "--seed", "3"]
    first, second = (results_of(tmp_path / name, arguments) for name in ("a.json", "b.json"))
    assert [result["part"] for result in first] == ["(a)", "(b)", "(c)", "(d)"]
    assert {result["verdict"] for result in first} == {"not refuted"}
    assert [result["tightness"] is None for result in first] == [True, False, False, False]
    assert all(result["evaluations"] == 40 for result in first)
    for result in (*first, *second):
        result.pop("seconds")
        result.pop("text")
    assert first == second
    assert not kept.exists()


def test_falsify_keeps_what_is_tighter(tmp_path: Path, kept: Path) -> None:
    arguments = ["falsify", "best-of-n-kl", "--keep", "--evaluations"]
    found = results_of(tmp_path / "a.json", [*arguments, "10"])
    place = kept / "best-of-n-kl.json"
    parts = json.loads(place.read_text())["parts"]
    assert {result["part"]: result["tightness"] for result in found[1:]} == {
        name: part["tightness"] for name, part in parts.items()
    }
    longer = results_of(tmp_path / "b.json", [*arguments, "200"])
    after = json.loads(place.read_text())["parts"]
    assert all(after[name]["tightness"] >= part["tightness"] for name, part in parts.items())
    assert after["(b)"]["tightness"] == longer[1]["tightness"] > parts["(b)"]["tightness"]
    before = place.read_bytes()
    assert main([*arguments, "10"]) == 0
    assert place.read_bytes() == before
    claim = registry.find("best-of-n-kl")
    assert isinstance(claim, Claim)
    assert searches.extremal_instance(claim, "(b)").n_draws >= 2
    output = tmp_path / "run.json"
    assert main(["run", "best-of-n-kl", "--instances", "1", "--json", str(output)]) == 0
    part = json.loads(output.read_text())["records"][0]["parts"][1]
    assert part["searched"]["tightness"] == after["(b)"]["tightness"]
    assert part["instances"] == 1 + 4 + 1  # random, named and extremal


def test_falsify_refutes_a_false_reading(tmp_path: Path, kept: Path) -> None:
    arguments = ["falsify", "best-of-n-kl.equality", "--evaluations", "40", "--keep"]
    (result,) = results_of(tmp_path / "a.json", arguments)
    assert result["verdict"] == "refuted"
    assert result["instance"]["type"] == "dataclass"
    assert not kept.exists()  # what is known of a reading is in the claim


def test_a_search_in_which_every_instance_fails_is_no_success(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: Any) -> None:
        raise ArithmeticError("broken")

    monkeypatch.setattr(beirami2024_best_of_n, "divergence", fail)
    assert main(["falsify", "best-of-n-kl", "--evaluations", "5"]) == 1
    printed = capsys.readouterr().out
    assert "NOT AS EXPECTED  best-of-n-kl (b): undecided" in printed
    assert "ArithmeticError: broken" in printed


def test_ablate_answers_for_every_assumption(tmp_path: Path, kept: Path) -> None:
    arguments = ["ablate", "tilt-soft-optimal-chain", "--evaluations", "5", "--keep"]
    rows = results_of(tmp_path / "a.json", arguments)
    assert [(row["assumption"], row["answer"], row["how"]) for row in rows] == [
        ("A1", "definitional", ""),
        ("A2", "carries the claim", "counterexample"),
        ("A3", "carries the claim", "counterexample"),
    ]
    written = json.loads((kept / "tilt-soft-optimal-chain.json").read_text())
    assert written["assumptions"]["A2"]["instance"] == rows[1]["instance"]
    assert written["parts"] == {}


def test_ablate_tells_controls_from_searches(tmp_path: Path, kept: Path) -> None:
    rows = results_of(tmp_path / "a.json", ["ablate", "best-of-n-kl", "--evaluations", "20"])
    assert rows[0]["how"].startswith("control: two draws without replacement")
    assert rows[1]["answer"] == "harmless as far as searched"
    assert rows[1]["evaluations"] == 4 * 20
    assert main(["ablate", "best-of-n-kl.equality"]) == 2
    assert not kept.exists()


def test_ablate_complains_of_an_assumption_that_is_not_what_it_is_declared(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    claim = registry.find("tilt-soft-optimal-chain")
    assert isinstance(claim, Claim)
    wrong = [replace(a, carried_by=HARMLESS) if a.name == "A2" else a for a in claim.assumptions]
    monkeypatch.setattr(claim, "assumptions", tuple(wrong))
    assert main(["ablate", claim.id, "--evaluations", "5"]) == 1
    assert "A2: carries the claim, declared: harmless as far as searched" in capsys.readouterr().out


def test_run_in_exact_arithmetic_certifies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.json"
    arguments = ["run", "best-of-n-kl", "kl-objective-balance", "--instances", "2", "--exact"]
    assert main([*arguments, "--json", str(path)]) == 0
    first, second = json.loads(path.read_text())["records"]
    assert all(part["certified"]["instances"] == part["instances"] for part in first["parts"])
    assert [part["certified"]["to"] for part in first["parts"]] == ["1e-30", *3 * ["certain order"]]
    assert [part["certified"] is None for part in second["parts"]] == 4 * [False] + 2 * [True]
    assert "cone solver" in second["parts"][-1]["exact"]
    monkeypatch.setattr("proofs_check.__main__.find_spec", lambda name: None)
    assert main(arguments) == 2
