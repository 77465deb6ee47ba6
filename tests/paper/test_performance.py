"""The benchmark as it is printed."""

from __future__ import annotations

from typing import Any

from paper.performance import tables


def row(system: str, ms: float | None, note: str = "") -> dict[str, Any]:
    return {"instance": "grid", "system": system, "ms": ms, "error": 1e-7, "note": note}


def test_the_lead_is_over_the_best_answer_that_is_accurate() -> None:
    solves = [
        row("mdplab solve", 10.0),
        row("a", 40.0),
        row("b", 5.0, "misses the accuracy: error 0.3"),
        row("c", None, "> 14 s"),
        row("d", None, "not installed"),
    ]
    programs = [{"instance": "kl", "ratio": 25.0, "seconds": 0.2, "gap": 1e-11}]
    results = {"versions": {"mdplab": "0.1.0", "d": "missing"}, "solve": solves, "occupancy": programs}
    found = tables({"about": {}, "results": results})
    assert found["systems"] == ["mdplab solve", "a", "b"]  # whatever never answered has no column
    assert (found["least"], found["largest"], found["ahead"]) == ("4.0", "4.0", "1")
    ours, slower, wrong = found["rows"][0]["cells"]
    assert ours["best"]
    assert not slower["best"]
    assert wrong["wrong"]
    assert not wrong["best"]
    assert found["versions"] == "mdplab 0.1.0"
    assert found["programs"][0]["times"] == "25"
