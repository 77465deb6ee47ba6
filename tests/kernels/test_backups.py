"""Kernels, compiled and as Python, against slow twins."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mdplab._kernels import backups
from mdplab.solvers.discounted import discounted_arrays
from tests import naive
from tests.small_models import as_sparse, random_mdp


def compiled(kernel: Any) -> Callable[..., Any]:
    return kernel


def interpreted(kernel: Any) -> Callable[..., Any]:
    return kernel.py_func


FORMS = pytest.mark.parametrize("form", [compiled, interpreted])


def log_sum(y: np.ndarray, temperature: float) -> float:
    top = max(y)
    return float(top + temperature * math.log(sum(math.exp((x - top) / temperature) for x in y)))


@FORMS
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("kind", ["hard", "soft", "residual"])
@pytest.mark.parametrize("seed", range(6))
def test_sweeps_are_those_of_the_twin(form: Any, sparse: bool, kind: str, seed: int) -> None:
    mdp = random_mdp(seed, masked=True)
    arrays = discounted_arrays(as_sparse(mdp) if sparse else mdp)
    rng = np.random.default_rng(seed)
    temperature = float(rng.uniform(0.05, 3.0))
    bonus = np.where(arrays.available, rng.normal(size=arrays.reward.shape), -np.inf)
    dense = np.asarray(mdp.transition)
    rows = [[list(enumerate(dense[s, a])) for a in range(mdp.n_actions)] for s in range(mdp.n_states)]
    start = rng.normal(size=mdp.n_states)
    w, q = np.full(mdp.n_states, np.nan), np.full(arrays.reward.shape, np.nan)
    backup, spans = start.copy(), np.full((3, 3), np.nan)
    name = f"{kind}_sweeps_{'csr' if sparse else 'dense'}"
    reward = arrays.masked_reward if kind == "hard" else arrays.reward
    extra = () if kind == "hard" else (bonus,)
    tail = () if kind == "hard" else (temperature,)
    run = form(getattr(backups, name))
    done = run(*arrays.unsigned, reward, *extra, arrays.discount, *tail, -1.0, w, q, backup, spans)
    assert done == 3

    def aggregate(s: int, row: np.ndarray) -> float:
        return float(row.max()) if kind == "hard" else log_sum(row + bonus[s], temperature)

    expected = start
    for n in range(3):
        value, lookahead, expected, centre = naive.naive_sweep(
            rows, reward, arrays.discount, expected, aggregate
        )
        residual = expected - value
        np.testing.assert_allclose(spans[n], [residual.min(), residual.max(), centre], atol=1e-13)
    np.testing.assert_allclose(w, value, atol=1e-13)
    np.testing.assert_allclose(q, lookahead, atol=1e-13)
    np.testing.assert_allclose(backup, expected, atol=1e-13)


@FORMS
def test_sweeps_stop_at_the_target(form: Any) -> None:
    mdp = random_mdp(3)
    arrays = discounted_arrays(mdp)
    w, q = np.empty(mdp.n_states), np.empty(arrays.reward.shape)
    backup, spans = np.zeros(mdp.n_states), np.full((500, 3), np.nan)
    run = form(backups.hard_sweeps_dense)
    done = run(*arrays.unsigned, arrays.reward, arrays.discount, 1e-3, w, q, backup, spans)
    assert 1 < done < 500
    assert np.isnan(spans[done:]).all()
    half = 0.5 * (spans[:done, 1] - spans[:done, 0])
    assert half[-1] <= 1e-3 < half[-2]


@FORMS
@pytest.mark.parametrize("temperature", [1e-3, 1.0, 1e3])
def test_both_log_sums_agree_at_extreme_entries(form: Any, temperature: float) -> None:
    q = np.array([[3.0, -2.0, 0.5, 1e3], [0.0, -1e4, 5.0, 2.0]])
    bonus = np.array([[0.0, -np.inf, -700.0, -2e3], [-np.inf, 0.0, -1.0, -1e-3]])
    for s in range(2):
        expected = log_sum((q + bonus)[s], temperature)
        assert form(backups._soft)(q, bonus, temperature, s) == pytest.approx(expected, rel=1e-14)
        assert form(backups._streamed)(q, bonus, temperature, s) == pytest.approx(expected, rel=1e-13)


@FORMS
@pytest.mark.parametrize("seed", range(8))
def test_row_statistics(form: Any, seed: int) -> None:
    mdp = random_mdp(seed, masked=True)
    dense = np.asarray(mdp.transition).reshape(-1, mdp.n_states)
    admitted = mdp.available.ravel()
    rows = dense[admitted]
    exact = max(abs(sum(map(naive.Fraction, row.tolist())) - 1) for row in rows)
    expected = [float(exact), np.count_nonzero(rows, axis=1).max(), rows.min(axis=0).sum()]
    out = np.zeros(3)
    form(backups.row_statistics_dense)(dense, admitted, out)
    np.testing.assert_allclose(out, expected, rtol=1e-12)
    arrays = discounted_arrays(as_sparse(mdp))
    wide = np.zeros(3 + mdp.n_states)
    form(backups.row_statistics_csr)(*arrays.unsigned, admitted, wide)
    np.testing.assert_allclose(wide[:3], expected, rtol=1e-12)
