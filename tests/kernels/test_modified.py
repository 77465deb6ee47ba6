"""Modified policy iteration with states passed over is modified policy iteration."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mdplab.models import MDP
from mdplab.solvers.discounted import discounted_arrays
from mdplab.solvers.modified_policy_iteration import _prepared
from tests import naive
from tests.small_models import as_sparse, random_mdp

FORMS = pytest.mark.parametrize("form", [lambda f: f, lambda f: f.py_func], ids=["compiled", "python"])


def wide(seed: int, discount: float, masked: bool) -> MDP:
    """Twelve states and five actions with at most four successors, so that leads differ."""
    rng = np.random.default_rng([seed, 5])
    kernel = np.zeros((12, 5, 12))
    for s, a in np.ndindex(12, 5):
        kernel[s, a, rng.choice(12, 4, replace=False)] = rng.dirichlet(np.ones(4))
    kernel /= kernel.sum(axis=-1, keepdims=True)
    available = None
    if masked:
        available = rng.random((12, 5)) < 0.6
        available[:, 2] = True
    return MDP(kernel, rng.normal(size=(12, 5)), discount, available=available)


def run(form: Any, mdp: MDP, start: np.ndarray, calls: list[int], target: float, inner: int) -> Any:
    """Run a kernel in calls of the given lengths."""
    arrays = discounted_arrays(mdp)
    kernel, memory = _prepared(arrays)
    n = mdp.n_states
    value, backup, other = start - 0.5 * (start.min() + start.max()), np.empty(n), np.empty(n)
    threshold, actions, gain, state = np.full(n, -np.inf), np.full(n, -1), np.empty(n), np.zeros(5)
    seen = []
    for length in calls:
        spans = np.full((length, 3), np.nan)
        done = form(kernel)(
            *arrays.unsigned,
            arrays.masked_reward,
            arrays.discount,
            target,
            0.3,
            inner,
            1e9,
            1e-14,
            value,
            backup,
            other,
            threshold,
            actions,
            gain,
            *memory,
            spans,
            state,
        )
        seen.append((value.copy(), backup.copy(), spans[:done, :2]))
    return seen, state, actions


@FORMS
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("inner", [0, 1, 7])
@pytest.mark.parametrize("seed", range(3))
def test_the_kernel_does_what_the_twin_does(
    form: Any, sparse: bool, masked: bool, inner: int, seed: int
) -> None:
    mdp = wide(seed, (0.0, 0.9, 0.99)[seed], masked)
    start = np.random.default_rng(seed).normal(size=12)
    model = as_sparse(mdp) if sparse else mdp
    calls = [1] * 4 + [3]
    seen, state, _ = run(form, model, start, calls, 1e-12, inner)
    rows = naive.exact_rows(mdp, float)
    centred = start - 0.5 * (start.min() + start.max())
    expected = naive.naive_modified(rows, mdp.reward, mdp.discount, centred, 1e-12, 0.3, inner, sum(calls))
    spans = np.concatenate([part for _, _, part in seen])
    if mdp.discount > 0:
        assert len(expected) == len(spans) == 7
    # The constant that is taken off is another one: what depends on it is compared without.
    known_spans = np.array([e[2] for e in expected])
    np.testing.assert_allclose(np.diff(spans[: len(expected)]), np.diff(known_spans), atol=1e-12)
    for (value, backup, _), known in zip(seen[:4], expected[:4], strict=False):
        shift = (value - known[0]).mean()
        np.testing.assert_allclose(value - shift, known[0], atol=1e-12)
        np.testing.assert_allclose(backup - mdp.discount * shift, known[1], atol=1e-12)
        assert np.abs(value).max() <= np.ptp(value) + 1e-12
    assert 12 <= state[4] <= 12 * len(spans)


@pytest.mark.parametrize("sparse", [False, True])
def test_states_are_passed_over_and_the_backup_stays_exact(sparse: bool) -> None:
    for seed in range(20):
        mdp = wide(seed, 0.95, seed % 2 == 0)
        model = as_sparse(mdp) if sparse else mdp
        seen, state, actions = run(lambda f: f, model, np.zeros(12), [1] * 30, 1e-10, 10)
        reward = discounted_arrays(mdp).masked_reward
        for value, backup, _ in seen:
            q = reward + mdp.discount * mdp.transition @ value
            np.testing.assert_allclose(backup, q.max(axis=1), atol=1e-13)
        np.testing.assert_array_equal(actions, q.argmax(axis=1))
        assert state[4] < 0.5 * 12 * sum(len(spans) for _, _, spans in seen)


@FORMS
def test_a_call_ends_at_its_budget_and_the_next_goes_on(form: Any) -> None:
    mdp = as_sparse(wide(1, 0.99, False))
    whole, _, _ = run(form, mdp, np.zeros(12), [6], 0.0, 5)
    parts, _, _ = run(form, mdp, np.zeros(12), [1, 2, 3], 0.0, 5)
    np.testing.assert_array_equal(np.concatenate([p for _, _, p in parts]), whole[0][2])
    np.testing.assert_array_equal(parts[-1][1], whole[0][1])


@FORMS
@pytest.mark.parametrize("seed", range(6))
def test_one_state_one_action_and_ties(form: Any, seed: int) -> None:
    mdp = random_mdp(seed, deterministic=seed % 2 == 0)
    tied = MDP(np.repeat(mdp.transition, 2, axis=1), np.repeat(mdp.reward, 2, axis=1), 0.9)
    seen, _, actions = run(form, tied, np.zeros(tied.n_states), [12], 1e-9, 6)
    value, backup, _ = seen[0]
    q = tied.reward + 0.9 * tied.transition @ value
    np.testing.assert_allclose(backup, q.max(axis=1), atol=1e-13)
    assert (q[np.arange(tied.n_states), actions] >= q.max(axis=1) - 1e-13).all()
