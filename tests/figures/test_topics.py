"""The figures outside single claims show the numbers of their data."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from figures import benchmark, convergence, effort, papers, tightness
from figures.build import TOPICS
from figures.topic import MissingData, Sources
from mdplab import plotting
from mdplab.claims.claim import Claim
from mdplab.claims.markup import markdown_line
from mdplab.claims.registry import records
from mdplab.falsifier.conjecture import Conjecture
from mdplab.instances import three_state_unit_reward_mdp


def part(name: str, relation: str, found: float | None, specified: str | None, searched: float | None) -> Any:
    kept = None if searched is None else {"tightness": searched, "evaluations": 100, "seed": 0}
    return {
        "name": name, "relation": relation, "tightness": found, "specified_tightness": specified, "searched": kept
    }  # fmt: skip


def written(folder: Path, content: Any) -> Sources:
    file = folder / "data.json"
    file.write_text(json.dumps(content))
    return Sources(file, file)


def test_tightness_takes_the_larger_of_run_and_search(tmp_path: Path) -> None:
    run = {
        "run": {},
        "records": [
            {
                "id": "a", "family": "tilting", "expect": "holds",
                "parts": [
                    part("(i)", "AtMost", 0.5, ".4", 0.7),
                    part("(ii)", "AtLeast", 1.0 + 1e-15, None, None),
                    part("(iii)", "Equal", None, None, None),
                    part("(sign)", "AtLeast", None, None, None),
                ],
            },
            {"id": "a.b", "family": "tilting", "expect": "refuted", "parts": [part("b", "AtMost", 9.0, None, None)]},
        ]
    }  # fmt: skip
    rows = tightness.load(written(tmp_path, run))
    assert [(row["part"], row["found"], row["specified"]) for row in rows] == [
        ("(i)", 0.7, 0.4),
        ("(ii)", 1.0, None),
    ]
    with plotting.style():
        _, caption = tightness.draw(rows)
    assert "of the 2 inequality parts" in caption
    assert "for the 1 parts where that is known" in caption
    assert "1 of all 2 bounds are attained" in caption


def record(identifier: str, verdict: str, expect: str) -> dict[str, Any]:
    return {
        "id": identifier, "verdict": verdict, "expect": expect, "controls": [], "known_values_passed": 0,
        "known_values_total": 0, "message": "",
    }  # fmt: skip


def test_papers_have_a_mark_for_each_claim(tmp_path: Path) -> None:
    known = records()
    claims = [one for one in known.values() if isinstance(one, Claim)]
    run = {
        "run": {},
        "records": [
            record(one.id, "holds" if isinstance(one, Claim) else "refuted", one.expect)
            for one in known.values()
        ],
    }
    run["records"][0]["verdict"] = "violated"
    families = papers.load(written(tmp_path, run))
    marks = [mark for _, works in families for _, _, of_work in works for mark in of_work]
    assert marks.count(papers.SOURCE) == len(claims) - 1
    assert marks.count(papers.REFUTED) == len(known) - len(claims)
    assert marks.count(papers.OPEN) >= 1
    with plotting.style():
        _, caption = papers.draw(families)
    assert f"{len(claims) - 1} claims that hold" in caption


def solve(instance: str, system: str, ms: float | None, error: float | None = 1e-7) -> dict[str, Any]:
    return {"instance": instance, "system": system, "ms": ms, "error": error, "note": ""}


def test_the_benchmark_compares_with_the_best_that_is_right(tmp_path: Path) -> None:
    rows = [
        solve("small", benchmark.OURS, 2.0),
        solve("small", "fast but wrong", 0.1, 1e-3),
        solve("small", "slow", 5.0),
        solve("small", "too slow", None, None),
        solve("large", benchmark.OURS, 2.0),
        solve("large", "slow", 1.0),
    ]
    about = {"version": "0.1.0", "date": "2026-01-02", "machine": "two cores"}
    data = benchmark.load(written(tmp_path, {"about": about, "results": {"solve": rows}}))
    with plotting.style():
        figure, caption = benchmark.draw(data)
    assert {text.get_text() for text in figure.axes[0].texts} == {"2.5 ×", "0.5 ×"}
    assert "fastest on 1 of 2 instances. mdplab 0.1.0, 2026-01-02, two cores." in caption


def test_a_benchmark_without_solves_says_so(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="no times of solves: run make bench"):
        benchmark.load(written(tmp_path, {"about": {}, "results": {}}))


@pytest.mark.parametrize("panel", convergence.PANELS, ids=lambda panel: panel[0].__name__)
def test_errors_stay_below_what_is_proven(panel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("SWEEPS", 12), ("LIMIT", 60), ("MERGE", 1e-2)):
        monkeypatch.setattr(convergence, name, value)
    errors, bounds = panel[0](three_state_unit_reward_mdp())
    known = np.isfinite(errors)
    slack = 0.2 if panel[0] is convergence.distributional_evaluation else 1e-12  # atoms are merged
    assert np.all(errors[known] <= bounds[known] * (1 + 1e-12) + slack)
    assert errors[known][-1] < errors[known][0]


@pytest.mark.parametrize(("sides", "family"), [(sides, family) for sides, family, _ in effort.SHOWN])
def test_the_search_is_tighter_than_random_instances_and_breaks_no_bound(
    sides: Any, family: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(effort, "EVALUATIONS", 1500)
    random, search = (effort.trace(Conjecture(sides), family, 0, searching=kind) for kind in (False, True))
    assert np.all(np.diff(search[2:]) <= 0)
    assert effort.EDGE <= search[-2] < random[-2] < 1


@pytest.mark.parametrize("name", TOPICS)
def test_titles_are_shown_as_text(name: str) -> None:
    topic = import_module(f"figures.{name}").TOPIC
    assert markdown_line(topic.title)
