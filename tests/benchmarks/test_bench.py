"""The benchmark's own arithmetic: what it compares, and that it cannot flatter."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import bench, systems
from benchmarks.instances import Arrays, dense, grid, random_sparse


@pytest.mark.parametrize("arrays", [dense(5, 2, 0.9), random_sparse(20, 3, 4, 0.9), grid(4, 0.9)])
def test_instances_are_models_and_references_are_right(arrays: Arrays) -> None:
    states, actions = arrays.reward.shape
    kernel = arrays.transition.toarray() if arrays.is_sparse else arrays.transition
    kernel = kernel.reshape(states, actions, states)
    np.testing.assert_allclose(kernel.sum(axis=-1), 1.0, atol=1e-12)
    value, bound = bench.reference(arrays)
    assert bound < 2e-8
    exact = np.zeros(states)
    for _ in range(600):
        exact = (arrays.reward + 0.9 * kernel @ exact).max(axis=1)
    assert np.abs(exact - value).max() <= bound + 1e-12


def row(system: str, ms: float | None, error: float | None, instance: str = "grid") -> dict:
    return {"instance": instance, "system": system, "ms": ms, "error": error}


def test_a_peer_that_misses_the_accuracy_does_not_count_and_ours_must_meet_it() -> None:
    rows = [row(systems.OURS, 10.0, 1e-7), row("fast but wrong", 1.0, 1e-3), row("right", 15.0, 1e-7)]
    (found,) = bench.targets({"solve": rows})
    assert found["note"] == "right"
    assert found["measured"] == 1.5
    assert not found["met"]
    (found,) = bench.targets({"solve": [{**r, "instance": "dense"} for r in rows]})
    assert found["met"]
    assert bench.targets({"solve": [row(systems.OURS, 1.0, 1e-3), row("right", 15.0, 1e-7)]}) == []


def test_tables_show_every_row() -> None:
    found = {"tiny": [{"what": "mdplab: one call", "microseconds": 20.0}]}
    found["targets"] = bench.targets(found)
    assert [r["met"] for r in found["targets"]] == [False]
    assert [table.row_count for table in bench.tables(found)] == [1, 1]


def test_our_adapter_solves() -> None:
    arrays = grid(4, 0.9)
    system = systems.SYSTEMS[systems.OURS]
    values = system.solve(system.build(arrays), 1e-6)
    assert np.abs(values - bench.reference(arrays)[0]).max() <= 1e-6 + 1e-8
