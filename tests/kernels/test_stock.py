"""The backup over states and stocks against a loop over outcomes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mdplab._kernels.stock import stock_backup
from tests import naive_laws as naive

FORMS = pytest.mark.parametrize("form", [lambda f: f, lambda f: f.py_func], ids=["compiled", "python"])


@FORMS
@pytest.mark.parametrize("seed", range(6))
def test_one_layer(form: Any, seed: int) -> None:
    rng = np.random.default_rng([seed, 42])
    states, actions, stocks, kinds, after = (int(n) for n in rng.integers(1, 5, 5))
    counts = rng.integers(1, 4, states * actions)
    pointer = np.cumsum([0, *counts])
    weight = rng.random(pointer[-1])
    target, kind = rng.integers(states, size=pointer[-1]), rng.integers(kinds, size=pointer[-1])
    moved, below = rng.integers(after, size=(stocks, kinds)), rng.integers(-2, 3, (states, after)) / 4
    value, chosen = np.empty((states, stocks)), np.empty((states, stocks), np.int32)
    form(stock_backup)(pointer, weight, target, kind, moved, below, value, chosen)
    expected, best = naive.naive_stock_backup(pointer, weight, target, kind, moved, below, actions)
    np.testing.assert_allclose(value, expected, rtol=1e-15)
    np.testing.assert_array_equal(chosen, best)
