"""Random points of the simplex."""

from __future__ import annotations

import numpy as np
import pytest

from mdplab.instances.draw import SeededDraw
from mdplab.instances.policies import full_support


def test_full_support_keeps_its_floor_and_sums_to_one() -> None:
    laws = full_support(SeededDraw(1), (500, 4), concentration=0.05, mixture=0.08)
    assert laws.min() >= 0.02
    assert laws.min() < 0.0201  # at this concentration most entries sit on the floor
    np.testing.assert_allclose(laws.sum(axis=-1), 1.0, rtol=0, atol=1e-14)


def test_full_support_refuses_a_weight_outside_the_unit_interval() -> None:
    with pytest.raises(ValueError, match="mixture"):
        full_support(SeededDraw(1), 3, mixture=1.5)
