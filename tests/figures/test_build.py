"""Figures are built again only where their inputs have changed, to the same bytes, and one failure does not stop the rest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import figures.__main__ as command
from figures import build
from figures.build import Drawing
from figures.topic import Sources
from mdplab.claims.claim import Claim
from mdplab.claims.registry import find, records

ROOT = Path(__file__).resolve().parents[2]
NONE = Sources(Path("missing.json"), Path("missing.json"))
QUICK = ("best-of-n-kl", "information-gain-chi-square")  # a curve, and a scatter of random instances

# Specifications that want no figure: "none needed (table)", "none", "none".
TABLES = {"ibc-gradient-is-dual-q-tv", "iqlearn-bijection", "sirius-weighted-bc"}


def test_every_claim_has_a_figure_or_a_table() -> None:
    claims = [record for record in records().values() if isinstance(record, Claim)]
    assert {claim.id for claim in claims if claim.figure_function is None} == TABLES
    assert all(claim.figure_caption for claim in claims if claim.figure_function is not None)
    for name in TABLES:
        claim = find(name)
        assert isinstance(claim, Claim)
        assert claim.known_values  # what the table shows


@pytest.mark.slow
def test_a_second_build_is_the_same_bytes(tmp_path: Path) -> None:
    """In processes of their own, with other hash seeds and another number of workers."""
    for seed, jobs in ("1", "1"), ("2", "2"):
        done = subprocess.run(
            [sys.executable, "-m", "figures", *QUICK, "--out", str(tmp_path / seed), "--jobs", jobs],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert "2 drawn, 0 unchanged" in done.stdout
    first, second = (
        {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (tmp_path / "1", tmp_path / "2")
    )
    assert {f"{name}.{ending}" for name in QUICK for ending in ("pdf", "svg", "png")} < first.keys()
    assert first == second


@pytest.fixture
def drawn(tmp_path: Path) -> tuple[Path, list[Drawing]]:
    """One figure, drawn."""
    ready, failed = build.drawings(QUICK[:1], NONE)
    assert failed == []
    assert build.build(ready, tmp_path) == []
    return tmp_path, ready


def test_what_is_unchanged_is_kept(drawn: tuple[Path, list[Drawing]]) -> None:
    folder, ready = drawn
    assert build.changed(ready, folder) == []
    other = [Drawing(drawing.name, "other inputs", None) for drawing in ready]
    assert build.changed(other, folder) == other
    (folder / f"{QUICK[0]}.png").unlink()
    assert build.changed(ready, folder) == ready


def test_a_broken_stamp_is_none(drawn: tuple[Path, list[Drawing]]) -> None:
    folder, ready = drawn
    (folder / ".stamps" / f"{QUICK[0]}.json").write_text('{"inputs": "ab')
    assert build.changed(ready, folder) == ready


def test_a_figure_that_breaks_is_reported_and_drawn_again(
    drawn: tuple[Path, list[Drawing]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stamp of the earlier drawing goes before the new one is begun."""
    folder, ready = drawn

    def broken(axes: object) -> None:
        raise ArithmeticError("no such curve")

    monkeypatch.setattr(find(QUICK[0]), "figure_function", broken)
    (failure,) = build.build(ready, folder)
    assert failure == build.Failure(QUICK[0], "ArithmeticError: no such curve")
    assert build.changed(ready, folder) == ready


def test_figures_of_claims_that_are_gone_go_too(drawn: tuple[Path, list[Drawing]]) -> None:
    folder, _ = drawn
    (folder / "notes.pdf").write_text("not ours")
    build.remove_others(folder, [])
    assert [path.name for path in folder.iterdir() if path.is_file()] == ["notes.pdf"]


def test_a_topic_without_data_says_what_makes_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["tightness", QUICK[0], "--out", str(tmp_path), "--verdicts", str(tmp_path / "verdicts.json")]
    assert command.main(arguments) == 1
    out, err = capsys.readouterr()
    assert "figures: tightness: verdicts.json is missing: run make verify" in err
    assert "1 drawn" in out
    assert (tmp_path / f"{QUICK[0]}.pdf").is_file()


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "taken").write_text("a file")
    assert command.main([QUICK[0], "--out", str(tmp_path / "taken")]) == 2
    assert "figures: cannot make the folder" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["no-such-figure"], ["--jobs", "0"]])
def test_a_usage_error_is_2(arguments: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stop:
        command.main([*arguments, "--out", str(tmp_path)])
    assert stop.value.code == 2
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_build_keeps_what_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = [*QUICK, "--out", str(tmp_path)]
    draw = build._draw

    def interrupted(drawing: Drawing, folder: Path) -> tuple[str, str]:
        if drawing.name == QUICK[1]:
            raise KeyboardInterrupt
        return draw(drawing, folder)

    monkeypatch.setattr(build, "_draw", interrupted)
    assert command.main(arguments) == 130
    assert json.loads((tmp_path / ".stamps" / f"{QUICK[0]}.json").read_text())["caption"]
    monkeypatch.undo()
    ready, _ = build.drawings(QUICK, NONE)
    assert [drawing.name for drawing in build.changed(ready, tmp_path)] == [QUICK[1]]
