"""The small version of every study: rows that keep what is proven, a figure, and findings for its paragraph."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.sweeps import STUDIES
from experiments.sweeps.__main__ import FAILED, INTERRUPTED, OK, USAGE, main
from experiments.sweeps.configuration import ConfigurationError
from experiments.sweeps.readme import README, STORE, compare, readme, rounded
from experiments.sweeps.study import load
from experiments.sweeps.table import read_table
from mdplab import plotting

CHEAP = tuple(name for name in STUDIES if name != "tightness")


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """Tables of the small versions but that of the registry."""
    folder = tmp_path_factory.mktemp("studies")
    assert main([*CHEAP, "--fast", "--out", str(folder)]) == OK
    for name in CHEAP:
        for ending in ("parquet", "pdf", "svg", "png"):
            assert (folder / "fast" / f"{name}.{ending}").stat().st_size > 1000
    return {name: read_table(folder / "fast" / f"{name}.parquet") for name in CHEAP}


def test_iterates_stay_below_their_bounds(tables: dict[str, pd.DataFrame]) -> None:
    table = tables["mirror_descent"]
    assert set(table.method) == {"natural", "constant", "geometric", "adaptive", "regularised"}
    known = table.dropna(subset=["error"])
    assert (known.error <= known.bound).all()
    assert table.closest.max() <= 1
    assert (known.closest >= known.error / known.bound).all()
    assert len(known) > 100
    reached = table.dropna(subset=["accurate_after"])
    assert (reached.accurate_after <= reached.promised_after).all()


def test_wrong_priors_cost_at_most_the_bound(tables: dict[str, pd.DataFrame]) -> None:
    table = tables["prior_error"]
    assert (table.log_distance <= table.log_bound).all()
    known = table.dropna(subset=["loss"])
    assert (known.loss <= known.loss_bound).all()
    assert known.loss.max() > 0


def test_locations_and_the_largest_value(tables: dict[str, pd.DataFrame]) -> None:
    table = tables["implicit_maximisers"]
    short = table[table.loss.isin(["expectile", "truncated-chi-square"])]
    assert (short.excess <= short.accuracy).all()
    assert (
        table[table.loss == "expectile"].groupby(["atoms", "instance", "weight"]).excess.std() < 1e-9
    ).all()
    # the Gumbel loss in closed form at weight w: alpha log E exp(X / alpha) + alpha log(w / (1 - w)) >= mean + ...
    gumbel = table[table.loss == "gumbel"]
    least = gumbel["mean"] + gumbel.temperature * np.log(gumbel.weight / (1 - gumbel.weight))
    assert (gumbel.excess >= least - 1e-9).all()


def test_conditioning_is_right_where_outcomes_are_certain(tables: dict[str, pd.DataFrame]) -> None:
    table = tables["return_conditioning"]
    certain = table[table.stochasticity == 0]
    np.testing.assert_allclose(certain.obtained, certain.asked, atol=1e-12)
    np.testing.assert_allclose(certain.mean_gap, 0, atol=1e-12)
    assert (table.obtained <= table.optimum + 1e-12).all()
    assert (table.behaviour <= table.optimum + 1e-12).all()
    assert table[table.stochasticity == 1].mean_gap.max() > 0.1


def test_policy_iteration_stays_below_its_bound(tables: dict[str, pd.DataFrame]) -> None:
    table = tables["policy_iteration"]
    assert (table.updates <= table.bound).all()
    assert table.updates.max() >= 2
    assert table.error.max() < 1e-8


@pytest.mark.parametrize("name", CHEAP)
def test_findings_fill_the_paragraph(name: str, tables: dict[str, pd.DataFrame]) -> None:
    study = load(name)
    found = study.findings(tables[name], study.read(fast=True))
    assert all(np.isfinite(value) for value in found.values() if not isinstance(value, str))
    json.dumps(found)


@pytest.mark.parametrize("name", STUDIES)
def test_the_readme_says_what_full_runs_found(name: str) -> None:
    """The README is a function of the findings that full runs stored, and fills every paragraph."""
    text = README.read_text(encoding="utf-8")
    assert text == readme()
    assert load(name).title in text
    assert "Not run yet" not in text


def test_a_finding_of_another_size_is_told() -> None:
    study = load("policy_iteration")
    said = json.loads(STORE.read_text(encoding="utf-8"))["policy_iteration"]
    assert compare(study, said) == ""
    assert "states" in compare(study, {**said, "states": 1.0})
    assert rounded({"x": 0.123456, "names": "a"}) == {"x": 0.123, "names": "a"}


def test_a_paragraph_that_asks_for_what_was_not_stored_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.sweeps.readme.STORE", tmp_path / "findings.json")
    assert readme().count("Not run yet.") == len(STUDIES)
    (tmp_path / "findings.json").write_text('{"policy_iteration": {"states": 5}}')
    with pytest.raises(ConfigurationError, match="of policy_iteration: run it with --readme"):
        readme()


def test_wrong_use_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["policy_iteration", "--fast", "--out", str(tmp_path / "file")]) == USAGE
    assert "experiments: cannot make the folder" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["no_such_study"])
    assert ended.value.code == USAGE
    assert "no_such_study" in capsys.readouterr().err


def test_a_failed_task_is_an_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise ArithmeticError("no")

    monkeypatch.setattr("mdplab.solvers.policy_iteration", refuse)
    assert main(["policy_iteration", "--fast", "--out", str(tmp_path)]) == FAILED
    assert "task family=garnet states=5 failed: ArithmeticError: no" in capsys.readouterr().err


def test_an_interruption_is_an_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mdplab.solvers.policy_iteration", stop)
    assert main(["policy_iteration", "--fast", "--out", str(tmp_path)]) == INTERRUPTED
    assert "the same command goes on from here" in capsys.readouterr().err


def test_two_builds_of_a_figure_are_equal_bytes(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    study = load("policy_iteration")
    for name in ("first", "second"):
        with plotting.style():
            picture = study.figure(tables["policy_iteration"], study.read(fast=True))
            plotting.save_figure(picture, tmp_path / name / "figure", title="t")
    for ending in ("pdf", "svg", "png"):
        first, second = (tmp_path / name / f"figure.{ending}" for name in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()
