"""The command line: records, ids, exit codes, files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proofs_check.__main__ import main

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
