"""Whole solves of small models, compiled and as Python, against exact arithmetic."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from mdplab._kernels import small, small_steps
from tests import naive
from tests.small_models import random_policy
from tests.solver_models import model

FORMS = pytest.mark.parametrize("form", [lambda f: f, lambda f: f.py_func], ids=["compiled", "python"])


def solve(form: Any, kind: int, mdp: Any, extra: Any, policy: Any, temperature: float, tol: float) -> Any:
    reward = mdp.reward if mdp.available is None else np.where(mdp.available, mdp.reward, -np.inf)
    if kind == small.SOFT:
        reward = np.where(reward > -np.inf, reward, 0.0)
    shape = reward.shape
    value, q, numbers = np.empty(shape[0]), np.empty(shape), np.zeros(small.COLUMNS)
    matrix = np.ascontiguousarray(mdp.transition).reshape(-1, shape[0])
    nothing = np.zeros(shape)
    args = (extra, nothing, mdp.discount, temperature, tol, 1000, 0.0, value, q, policy, numbers)
    form(small.solve_small)(kind, matrix, reward, *args)
    return value, q, numbers


@FORMS
@pytest.mark.parametrize("discount", [0.0, 0.9, 0.999, 0.999999])
@pytest.mark.parametrize("seed", range(6))
def test_hard(form: Any, seed: int, discount: float) -> None:
    mdp = model(seed, discount)
    rows, gain = naive.exact_rows(mdp), naive.fractions_of(mdp.reward)
    exact = naive.exact_optimum(rows, gain, Fraction(discount))
    for tol in (0.0, 1e-4):
        policy = np.empty(mdp.reward.shape)
        value, q, numbers = solve(form, small.HARD, mdp, np.zeros(policy.shape), policy, 0.0, tol)
        assert naive.largest_error(value, exact) <= numbers[small.BOUND]
        assert numbers[small.BOUND] <= max(tol, 10 * numbers[small.ROUNDING])
        known = naive.exact_lookahead(rows, gain, Fraction(discount), exact)
        assert naive.largest_error(q, known) <= numbers[small.Q_ERROR]
        own = naive.exact_evaluation(rows, gain, Fraction(discount), naive.fractions_of(policy))
        assert max(float(v - w) for v, w in zip(exact, own, strict=True)) <= numbers[small.LOSS]


@FORMS
@pytest.mark.parametrize("discount", [0.0, 0.9, 0.999999])
@pytest.mark.parametrize("seed", range(6))
def test_evaluation(form: Any, seed: int, discount: float) -> None:
    mdp = model(seed, discount)
    policy = random_policy(mdp, seed)
    exact = naive.exact_evaluation(
        naive.exact_rows(mdp), naive.fractions_of(mdp.reward), Fraction(discount), naive.fractions_of(policy)
    )
    value, _, numbers = solve(form, small.EVALUATION, mdp, np.zeros(policy.shape), policy.copy(), 0.0, 0.0)
    assert naive.largest_error(value, exact) <= numbers[small.BOUND] <= 10 * numbers[small.ROUNDING]


@FORMS
@pytest.mark.parametrize("seed", range(6))
def test_soft(form: Any, seed: int) -> None:
    mdp = model(seed, 0.97, masked=True)
    rng = np.random.default_rng(seed)
    bonus = rng.normal(size=mdp.reward.shape)
    bonus = bonus if mdp.available is None else np.where(mdp.available, bonus, -np.inf)
    policy = np.empty(bonus.shape)
    value, q, numbers = solve(form, small.SOFT, mdp, bonus, policy, 0.5, 1e-9)
    exact, known, law = naive.exact_soft_optimum(
        naive.exact_rows(mdp, naive.Decimal),
        naive.decimals(mdp.reward),
        naive.Decimal(0.97),
        naive.decimals(bonus),
        naive.Decimal(0.5),
        naive.decimals(value),
    )
    assert naive.largest_error(value, exact) <= numbers[small.BOUND]
    assert numbers[small.BOUND] <= 10 * max(1e-9, numbers[small.ROUNDING])
    inside = bonus > -np.inf
    assert (
        max(abs(float(naive.Decimal(float(q[s, a])) - known[s][a])) for s, a in np.argwhere(inside))
        <= numbers[small.Q_ERROR]
    )
    np.testing.assert_allclose(policy, np.array(law, dtype=float), atol=1e-6)


@FORMS
def test_a_row_that_is_no_law_is_told(form: Any) -> None:
    mdp = model(3, 0.9, masked=False)
    matrix = np.array(mdp.transition).reshape(-1, mdp.n_states)
    matrix[-1, 0] += 1e-6
    shape = mdp.reward.shape
    numbers = np.zeros(small.COLUMNS)
    zeros = np.zeros(shape)
    out = (np.empty(shape[0]), np.empty(shape), np.empty(shape), numbers)
    form(small.solve_small)(0, matrix, np.array(mdp.reward), zeros, zeros, 0.9, 0.0, 1e-8, 9, 0.0, *out)
    assert numbers[small.FAULT] == matrix.shape[0]


@FORMS
def test_one_and_stack_agree(form: Any) -> None:
    mdp = model(4, 0.9, masked=False)
    shape = mdp.reward.shape
    value, q, policy, logs, numbers = (np.empty(n) for n in (shape[0], shape, shape, shape, small.COLUMNS))
    form(small.solve_one)(
        np.array(mdp.transition), np.array(mdp.reward), 0.9, 1e-8, 0.0, value, q, policy, logs, numbers
    )
    np.testing.assert_array_equal(np.exp(logs), policy)
    stacked = [np.empty((2, *np.shape(x))) for x in (value, q, policy, numbers)]
    twice = np.stack([np.array(mdp.transition).reshape(-1, shape[0])] * 2)
    reward, zeros = np.stack([mdp.reward] * 2), np.zeros((2, *shape))
    form(small.solve_stack)(0, twice, reward, zeros, zeros, np.full(2, 0.9), 0.0, 1e-8, 1000, 0, 2, *stacked)
    for b in range(2):
        np.testing.assert_array_equal(stacked[0][b], value)
        np.testing.assert_array_equal(stacked[2][b], policy)


@FORMS
@pytest.mark.parametrize("seed", range(20))
def test_entries_far_below_the_largest_do_not_count(form: Any, seed: int) -> None:
    """Against the rule in NumPy: within 100 temperatures of the row's largest, errors of both included."""
    rng = np.random.default_rng([seed, 7])
    q, extra = rng.normal(size=(3, 4)), -(10.0 ** rng.uniform(-2, 25, (3, 4)))
    extra[:, 1], extra[0, 0] = 0.0, -np.inf
    extra[2] -= 1e17  # a row where all are huge: what is near counts
    lookahead, temperature = 1e-12, 0.5
    inside = extra > -np.inf
    y = q + extra
    error = lookahead + 2.0**-53 * (np.abs(extra) + np.abs(y))
    with np.errstate(invalid="ignore"):  # -inf - inf at what is excluded
        lowest = np.where(inside, y - 1.01 * error, -np.inf).max(axis=1, keepdims=True)
        near = inside & (y + 1.01 * error >= lowest - 100 * temperature)
    found = form(small_steps.near_extremes_small)(q, extra, lookahead, temperature)
    assert found == pytest.approx((np.abs(q[near]).max(), np.abs(extra[near]).max()), rel=1e-15)
