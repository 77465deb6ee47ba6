"""The benchmark of the best value-at-risk measures what it says."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import bench
from benchmarks.risk import RISK_SECONDS, risk_costs, twin
from mdplab.models import OutcomeModel


def test_both_give_one_value_and_are_timed() -> None:
    (row,) = risk_costs(states=4, actions=2, steps=5, repeats=1)
    assert row["difference"] <= row["bound"] < 1e-10
    assert row["seconds"] > 0.0
    assert row["ratio"] == pytest.approx(row["numpy_seconds"] / row["seconds"])


def test_the_twin_knows_a_coin() -> None:
    coin = OutcomeModel([[[0.5, 0.5]]], [0.0, 1.0], [0, 0])
    assert twin(coin, 0.5, 0, 2) == 0.5
    debts = OutcomeModel.from_transition_rewards(np.ones((1, 1, 1)), np.full((1, 1, 1), -2.0))
    assert twin(debts, 0.3, 0, 3) == -6.0


def test_a_wrong_value_meets_no_target() -> None:
    row = {"instance": "x", "seconds": 0.1, "numpy_seconds": 1.0, "ratio": 10.0, "bound": 1e-9}
    for difference, met in ((0.0, True), (1e-3, False)):
        (target,) = bench.targets({"risk": [{**row, "difference": difference}]})
        assert target["met"] is met
        assert target["target"] == RISK_SECONDS
