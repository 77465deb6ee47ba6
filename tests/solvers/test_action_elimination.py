"""What is dropped is suboptimal, proven in exact arithmetic, ties included; what is returned is right in any case."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from mdplab.models import MDP
from mdplab.solution import ConvergenceWarning, Status
from mdplab.solvers import action_elimination, value_iteration, verify
from mdplab.solvers.action_elimination import reduced_iteration
from mdplab.solvers.discounted import discounted_arrays
from tests import naive
from tests.small_models import as_sparse
from tests.solver_models import large, model


@pytest.mark.parametrize("discount", [0.0, 0.3, 0.9, 0.99])
@pytest.mark.parametrize("seed", range(12))
def test_no_optimal_action_is_dropped_and_bounds_hold(seed: int, discount: float) -> None:
    mdp = model(seed, discount)
    if seed % 2:  # every action twice: each optimal one is tied
        available = None if mdp.available is None else np.repeat(mdp.available, 2, axis=1)
        rows, gains = np.repeat(mdp.transition, 2, axis=1), np.repeat(mdp.reward, 2, axis=1)
        mdp = MDP(rows, gains, discount, available=available)
    rows, gain = naive.exact_rows(mdp), naive.fractions_of(mdp.reward)
    value = naive.exact_optimum(rows, gain, Fraction(discount))
    q = naive.exact_lookahead(rows, gain, Fraction(discount), value)
    best = np.array([[x is not None and x == max(y for y in row if y is not None) for x in row] for row in q])
    for form in (mdp, as_sparse(mdp)):
        for tol in (0.0, 1e-4):
            arrays = discounted_arrays(form)
            _, _, left, _ = reduced_iteration(arrays, np.zeros(mdp.n_states), tol, 100_000, None)
            assert left[best].all()
            assert not left[~arrays.available].any()
            found = action_elimination(form, tol=tol)
            assert naive.largest_error(found.value, value) <= found.certificate.bound
            assert found.candidates()[best].all()
            assert len(found.residuals) == found.steps


@pytest.mark.parametrize("tol", [1e-6, 0.0])
def test_it_solves_what_value_iteration_solves(tol: float) -> None:
    for seed in range(12):
        mdp = large(seed)
        truth, found = value_iteration(mdp, tol=tol), action_elimination(mdp, tol=tol)
        assert found.status is truth.status
        assert np.abs(found.value - truth.value).max() <= found.certificate.bound + truth.certificate.bound
        assert verify(mdp, found).passed


def test_all_but_the_best_actions_are_dropped() -> None:
    rng = np.random.default_rng(3)
    mdp = MDP(rng.dirichlet(np.ones(30), (30, 8)), rng.random((30, 8)), 0.99)
    for form in (mdp, as_sparse(mdp)):
        _, history, left, _ = reduced_iteration(discounted_arrays(form), np.zeros(30), 1e-9, 1000, None)
        assert left.sum() == 30
        assert history[-1] < 1e-9


def test_limits_and_interruptions_leave_valid_bounds() -> None:
    mdp = large(4).replace(discount=0.99)
    truth = value_iteration(mdp)
    seen: list[int] = []
    found = action_elimination(mdp, callback=lambda steps, low, high: seen.append(steps))
    assert seen == list(range(1, found.steps + 1))
    short = action_elimination(mdp, callback=lambda steps, low, high: steps == 3)
    with pytest.warns(ConvergenceWarning, match="action_elimination: 3 steps"):
        limited = action_elimination(mdp, max_steps=3)
    assert (short.status, limited.status) == (Status.INTERRUPTED, Status.MAX_STEPS)
    assert (short.steps, limited.steps) == (4, 3)
    for early in (short, limited):
        assert np.all(early.lower <= truth.upper)
        assert np.all(truth.lower <= early.upper)
    assert action_elimination(mdp, tol=1e-6, start=truth.value).steps <= 4


@pytest.mark.parametrize(
    ("options", "message"),
    [({"tol": -1.0}, "tol"), ({"max_steps": 0}, "max_steps"), ({"start": [1.0]}, "start")],
)
def test_bad_input_is_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        action_elimination(large(0), **options)
