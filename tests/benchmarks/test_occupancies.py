"""The benchmark of occupancy programs: both answers meet the gap, and a wrong one earns no ratio."""

from __future__ import annotations

from benchmarks import bench
from benchmarks.occupancies import GAP, occupancy_costs


def test_a_small_run() -> None:
    rows = occupancy_costs(12, 2, 3, repeats=1)
    assert [row["instance"] for row in rows] == ["kl 12x2x3", "chi-square 12x2x3"]
    for row in rows:
        assert max(row["gap"], row["cone_gap"], row["difference"]) <= GAP
        assert row["ratio"] == row["cone_seconds"] / row["seconds"]
        assert row["peak_mb"] > 0.0
    assert len(bench.targets({"occupancy": rows})) == 2


def test_a_ratio_needs_the_gap() -> None:
    row = {"instance": "kl", "ratio": 40.0, "gap": 1e-9, "cone_gap": 1e-9, "peak_mb": 1.0}
    assert [r["met"] for r in bench.targets({"occupancy": [row, {**row, "gap": 1e-6}]})] == [True, False]
