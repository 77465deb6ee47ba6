"""Sweeps in place do what their twin does, and increase to the optimum from below."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mdplab._kernels.ordered import ordered_csr
from mdplab.models import MDP
from mdplab.solvers import policy_iteration
from mdplab.solvers.discounted import discounted_arrays
from mdplab.solvers.modified_policy_iteration import _prepared
from tests import naive
from tests.small_models import as_sparse

FORMS = pytest.mark.parametrize("form", [lambda f: f, lambda f: f.py_func], ids=["compiled", "python"])


def walk(seed: int, discount: float, masked: bool = False) -> MDP:
    """Ten states in a row with an absorbing end, three actions that go or stay by chances of their own."""
    rng = np.random.default_rng([seed, 9])
    kernel = np.zeros((10, 3, 10))
    for s, a in np.ndindex(9, 3):
        np.add.at(kernel[s, a], [max(s - 1, 0), s, s + 1], rng.dirichlet(np.ones(3)))
    kernel[9, :, 9] = 1.0
    kernel /= kernel.sum(axis=-1, keepdims=True)
    reward = -rng.random((10, 3))
    reward[9] = 0.0
    available = None
    if masked:
        available = rng.random((10, 3)) < 0.6
        available[:, 1] = True
    return MDP(kernel, reward, discount, available=available)


def run(form: Any, mdp: MDP, value: np.ndarray, calls: list[int], shift: float = 0.0, **limits: float) -> Any:
    """Run the kernel in calls of the given lengths; values after each call, all changes and the state."""
    arrays = discounted_arrays(as_sparse(mdp))
    _, memory = _prepared(arrays)
    n = mdp.n_states
    value, actions, state = value.copy(), np.full(n, -1), np.array([1.0, 0.0])
    gain, scale, seen, changes = np.empty(n), np.empty(n), [], []
    for length in calls:
        found = np.full(length, np.nan)
        done = form(ordered_csr)(
            *arrays.unsigned,
            arrays.masked_reward,
            arrays.discount,
            shift,
            limits.get("target", -1.0),
            0.1,
            limits.get("inner", 4),
            limits.get("budget", 1e9),
            value,
            actions,
            gain,
            scale,
            *memory,
            found,
            state,
        )
        changes += found[:done].tolist()
        seen.append(value.copy())
    return seen, changes, state


@FORMS
@pytest.mark.parametrize("inner", [0, 1, 4])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_the_kernel_does_what_the_twin_does(form: Any, inner: int, masked: bool, seed: int) -> None:
    mdp = walk(seed, (0.0, 0.9, 0.99)[seed], masked)
    start = np.random.default_rng(seed).normal(size=10)
    known = naive.naive_ordered(
        naive.exact_rows(mdp, float), mdp.reward, mdp.discount, -0.3, start, 0.1, inner, 5
    )
    _, changes, _ = run(form, mdp, start, [5], -0.3, inner=inner)
    np.testing.assert_allclose(changes, [change for _, change in known], atol=1e-12)
    (value,), _, _ = run(form, mdp, start, [1], -0.3, inner=0)
    np.testing.assert_allclose(value, known[0][0], atol=1e-12)


@pytest.mark.parametrize("discount", [0.5, 0.99])
@pytest.mark.parametrize("seed", range(4))
def test_from_below_they_increase_to_the_optimum(seed: int, discount: float) -> None:
    mdp = walk(seed, discount)
    best = mdp.reward.max(axis=1).min()
    shift = 0.25 * best  # start is below its backup in the shifted problem
    start = np.full(10, 0.75 * best / (1 - discount))
    seen, changes, _ = run(lambda f: f, mdp, start, [1] * 60, shift, inner=20)
    assert np.all(np.diff([start, *seen], axis=0) >= -1e-12)
    assert np.abs(seen[-1] + shift / (1 - discount) - policy_iteration(mdp).value).max() <= 1e-11
    assert changes[-1] <= 1e-12


def test_a_row_sum_above_one_at_a_discount_next_to_one_divides_by_no_zero() -> None:
    kernel = np.full((1, 1, 1), 1 + 2.0**-52)
    seen, changes, _ = run(lambda f: f.py_func, MDP(kernel, [[1.0]], 1 - 2.0**-53), np.zeros(1), [2])
    assert np.isfinite(seen).all()
    assert np.isfinite(changes).all()


@FORMS
def test_a_call_ends_at_target_and_budget_and_the_next_goes_on(form: Any) -> None:
    mdp = walk(1, 0.95)
    start = np.full(10, -25.0)
    whole, changes, _ = run(form, mdp, start, [6])
    parts, again, _ = run(form, mdp, start, [1, 2, 3])
    np.testing.assert_array_equal(again, changes)
    np.testing.assert_array_equal(parts[-1], whole[0])
    _, some, _ = run(form, mdp, start, [6], target=changes[2])
    assert some == changes[:3]
    _, some, state = run(form, mdp, start, [6], budget=1.0)
    assert some == changes[:1]
    assert state[1] == 0
