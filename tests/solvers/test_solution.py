"""What all solutions share: short reprs, read-only arrays, status texts."""

from __future__ import annotations

import numpy as np
import pytest

from mdplab import solvers
from mdplab.models import MDP
from mdplab.solution import Status
from tests.small_models import random_mdp, t3


def test_reprs_are_short() -> None:
    states = 60
    mdp = MDP(np.full((states, 2, states), 1 / states), np.arange(2.0 * states).reshape(states, 2), 0.9)
    solution = solvers.policy_iteration(mdp)
    text = repr(solution)
    assert len(text) < 900
    assert text.startswith("ControlSolution(status=CONVERGED, certificate=<sup-norm error of value <= ")
    assert "value=<float64 (60,)>" in text
    assert "bonus=None" in text
    run = solvers.mirror_descent(mdp, step=1.0, steps=3)
    assert "log_policies=<float64 (4, 60, 2)>" in repr(run)
    assert repr(run).startswith("MirrorDescentSolution(")


def test_arrays_are_read_only_and_those_of_the_caller_are_not() -> None:
    mdp = t3()
    solution = solvers.soft_policy_iteration(mdp, temperature=0.5)
    for array in (solution.value, solution.q, solution.policy, solution.residuals):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0.0
    rows = np.full(mdp.reward.shape, 1 / mdp.n_actions)
    evaluated = solvers.policy_evaluation(mdp, rows)
    rows[0] = rows[0]  # still the caller's
    assert not evaluated.policy.flags.writeable


def test_solutions_start_other_runs() -> None:
    mdp = random_mdp(1)
    first = solvers.policy_iteration(mdp)
    again = solvers.value_iteration(mdp, start=first.value)
    np.testing.assert_allclose(again.value, first.value, atol=1e-7)


def test_uncertified_does_not_promise_verify() -> None:
    text = Status.UNCERTIFIED.value
    assert "another method" in text
    assert "only results that carry bounds" in text
