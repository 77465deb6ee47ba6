"""Runs: files, resuming, parallel workers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mdplab.claims import registry, runner
from toy import small_claim

pytestmark = pytest.mark.usefixtures("empty_registry")


def timeless(content: dict[str, Any]) -> Any:
    """The records without what depends on the clock."""
    return [
        {key: value for key, value in record.items() if key != "seconds"} for record in content["records"]
    ]


def test_a_run_writes_one_json_object_and_removes_the_partial_file(tmp_path: Path) -> None:
    small_claim()
    path = tmp_path / "deep" / "out.json"
    content = runner.run(["mean-inequality", "mean-inequality.equality"], path=path)
    assert json.loads(path.read_text()) == content
    assert [record["id"] for record in content["records"]] == ["mean-inequality", "mean-inequality.equality"]
    assert {"command", "options", "seed", "version", "digest", "platform", "started"} <= content["run"].keys()
    assert [p.name for p in path.parent.iterdir()] == ["out.json"]


def test_an_interrupted_run_keeps_what_it_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_claim()
    path = tmp_path / "out.json"
    ids = ["mean-inequality", "mean-inequality.equality"]
    real = runner._check_one
    checked: list[str] = []

    def stops_at_the_second(identifier: str, *rest: Any) -> Any:
        checked.append(identifier)
        if len(checked) == 2:
            raise KeyboardInterrupt
        return real(identifier, *rest)

    monkeypatch.setattr(runner, "_check_one", stops_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        runner.run(ids, path=path)
    assert not path.exists()
    partial = tmp_path / "out.json.partial"
    assert len(partial.read_text().splitlines()) == 2  # header and one record
    partial.write_text(partial.read_text() + '{"id": "mean-ine')  # a line that was cut off

    monkeypatch.setattr(runner, "_check_one", lambda i, *rest: checked.append(i) or real(i, *rest))
    checked.clear()
    told: list[tuple[str, bool]] = []
    runner.run(ids, path=path, on_result=lambda record, kept: told.append((record["id"], kept)))
    assert checked == ["mean-inequality.equality"]
    assert told == [("mean-inequality", True), ("mean-inequality.equality", False)]
    assert not partial.exists()


@pytest.mark.parametrize("change", ["seed", "instances", "sources"])
def test_another_header_computes_anew(change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_claim()
    path = tmp_path / "out.json"
    runner.run(["mean-inequality"], path=path)
    platform = json.loads(path.read_text())["run"]["platform"]
    header = {
        "sources": runner.source_hash(),
        "platform": platform,
        "instances": None,
        "seed": 0,
        "exact": False,
    }
    made_up = json.loads(path.read_text())["records"][0] | {"verdict": "violated"}
    with runner.Partial(path, header) as partial:
        partial.add(made_up)
    assert runner.run(["mean-inequality"], path=path)["records"][0]["verdict"] == "violated"  # taken over
    with runner.Partial(path, header) as partial:
        partial.add(made_up)
    options: dict[str, Any] = {"seed": {"seed": 1}, "instances": {"instances": 3}, "sources": {}}[change]
    if change == "sources":
        monkeypatch.setattr(runner, "source_hash", lambda: "other")
    told: list[str] = []
    content = runner.run(
        ["mean-inequality"], path=path, on_discard=lambda: told.append("discarded"), **options
    )
    assert content["records"][0]["verdict"] == "holds"
    assert told == ["discarded"]


@pytest.mark.parametrize("line", ["5", "[1]", '{"foo": 1}', '{"id": "mean-inequality"}', "\xff\xfe", "{"])
def test_a_damaged_line_is_not_taken_over(line: str, tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    with runner.Partial(path, {"a": 1}):
        pass
    with (tmp_path / "out.json.partial").open("a", encoding="latin-1") as stream:
        stream.write(line + "\n")
    with runner.Partial(path, {"a": 1}) as partial:
        assert partial.finished == {}
    assert (tmp_path / "out.json.partial").read_text() == '{"a": 1}\n'


def test_two_runs_do_not_write_one_file(tmp_path: Path) -> None:
    small_claim()
    path = tmp_path / "out.json"
    with runner.Partial(path, {}), pytest.raises(runner.OutputError, match="another run is writing"):
        runner.run(["mean-inequality"], path=path)


def test_what_cannot_be_written_is_seen_before_anything_is_computed(tmp_path: Path) -> None:
    small_claim()
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()

    def computed(*args: Any) -> None:
        raise AssertionError("computed")

    for path in (tmp_path / "folder", tmp_path / "file" / "out.json", Path("/dev/zero"), Path()):
        with pytest.raises(runner.OutputError):
            runner.run(["mean-inequality"], path=path, on_result=computed)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_a_finished_run_is_computed_anew(tmp_path: Path) -> None:
    small_claim()
    path = tmp_path / "out.json"
    runner.run(["mean-inequality"], path=path)
    told: list[bool] = []
    runner.run(["mean-inequality"], path=path, on_result=lambda record, kept: told.append(kept))
    assert told == [False]


def test_a_file_with_nan_is_never_written(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("old")
    with pytest.raises(ValueError, match="JSON compliant"):
        runner.write_json({"number": float("nan")}, path)
    assert path.read_text() == "old"


def test_the_digest_follows_the_statements() -> None:
    small_claim()
    before = registry.digest()
    registry._claims.clear()
    small_claim(statement="another")
    assert registry.digest() != before
