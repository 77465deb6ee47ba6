"""verify() of constrained and multi-objective solutions, field by field."""

from __future__ import annotations

import numpy as np
import pytest

from mdplab.models import MDP, MultiObjectiveMDP, TotalRewardMDP
from mdplab.solution import Status
from mdplab.solvers import (
    average_reward,
    average_reward_program,
    constrained,
    multi_objective,
    total_reward,
    verify,
)
from multi_objective_models import all_returns, random_model
from tests.verification import assert_every_field_is_checked, failures, moved, shifted


@pytest.mark.parametrize("seed", range(12))
def test_random_constraints_pass(seed: int) -> None:
    model = random_model(seed, 2 + seed % 2, csr=seed % 4 == 1)
    returns = all_returns(model)
    seen = set()
    for thresholds in (
        returns.mean(axis=0) - 0.05,
        returns.max(axis=0) + 0.1,
        np.full(returns.shape[1], -np.inf),
    ):
        solution = constrained(model, thresholds[1:])
        seen.add(solution.status)
        report = verify(model, solution)
        assert report.passed, report.failures
    assert Status.INFEASIBLE in seen


def binding() -> tuple[MultiObjectiveMDP, np.ndarray]:
    """Two actions, each good for one signal."""
    rewards = [[[1.0, 0.0]], [[0.0, 1.0]]]
    return MultiObjectiveMDP(np.ones((1, 2, 1)), rewards, 0.5, [1.0]), np.array([0.5])


def test_every_field_of_constraints() -> None:
    model, thresholds = binding()
    solution = constrained(model, thresholds)
    assert solution.status is Status.CONVERGED
    bound = 10 * solution.certificate.bound + 1e-12
    changes = {
        "objective": shifted(bound),
        "lower": shifted(bound),
        "upper": shifted(-bound),
        "policy": lambda x: x[:, ::-1],
        "occupancy": moved(0.1),
        "multipliers": lambda x: -x,
        "thresholds": shifted(0.1),
        "returns": moved(1e-9),
        "margin": shifted(0.1 + 2.0),
        "farkas": lambda _: np.ones(1),
    }
    assert_every_field_is_checked(model, solution, changes, inputs=("return_errors", "infeasibility"))


def test_every_field_of_infeasibility() -> None:
    model, _ = binding()
    solution = constrained(model, [3.0])
    assert solution.status is Status.INFEASIBLE
    assert solution.farkas is not None
    assert verify(model, solution).passed
    below = {"returns stay below the thresholds by -margin"}
    assert failures(model, solution, margin=solution.margin - 0.1) == below
    assert failures(model, solution, thresholds=np.array([1.0])) == below
    assert "farkas sums to 1" in failures(model, solution, farkas=2 * solution.farkas)
    assert failures(model, solution, upper=0.0) == {"there is no value"}


def test_every_field_of_fronts() -> None:
    model = random_model(4, 2)
    solution = multi_objective(model)
    assert len(solution.returns) > 1
    changes = {
        "returns": moved(1e-6),
        "return_errors": lambda x: -1.0 - x,
        "policies": lambda x: x[::-1],
        "cells": lambda x: x[::-1],
        "corners": lambda x: x[::-1],
        "corner_values": shifted(-1e-6),
    }
    assert_every_field_is_checked(model, solution, changes)


@pytest.mark.parametrize("solver", [average_reward, average_reward_program])
def test_every_field_of_averages(solver: object) -> None:
    rng = np.random.default_rng(3)
    model = MDP(rng.dirichlet(np.full(5, 0.3), (5, 2)), rng.normal(size=(5, 2)), 0.9)
    solution = solver(model)  # type: ignore[operator]
    bound = 10 * solution.certificate.bound + 1e-12
    changes = {
        "gain": shifted(bound),
        "bias": moved(1e-6),
        "q": moved(1e-9),
        "policy": lambda x: np.roll(x, 1, axis=1),
        "lower": shifted(bound + 1e-6),
        "upper": shifted(-bound - 1e-6),
        "gain_residual": shifted(1e-6),
        "bias_residual": shifted(1e-6),
        "component": lambda x: np.full(x.shape, -1),
        "unichain": lambda x: not x,
    }
    others = ("suboptimality", "constant")
    if solver is average_reward_program:
        changes |= {"objective": shifted(1e-3), "stationary": moved(1e-3), "transient": moved(1e-3)}
    assert_every_field_is_checked(model, solution, changes, inputs=others)
    swapped = np.roll(solution.policy, 1, axis=1)
    assert "policy loses at most suboptimality" in failures(model, solution, policy=swapped)


def test_every_field_of_total_rewards() -> None:
    rng = np.random.default_rng(5)
    kernel = rng.dirichlet(np.ones(6), (6, 3))
    model = TotalRewardMDP(kernel, rng.normal(size=(6, 3)) - 1.0, np.arange(6) == 5)
    solution = total_reward(model)
    changes = {
        "value": moved(1e-3),
        "q": moved(1e-9),
        "policy": lambda x: np.roll(x, 1, axis=1),
        "lower": shifted(1e-3),
        "upper": shifted(-1e-3),
        "proper": lambda x: ~x,
        "idle": lambda x: ~x,
        "steps_to_stop": moved(1e-6),
        "gain": lambda _: 1.0,
    }
    assert_every_field_is_checked(model, solution, changes, inputs=("suboptimality", "weight", "improper"))


def test_the_average_that_makes_a_total_unbounded() -> None:
    # action 0 stays and earns 1, action 1 stops
    model = TotalRewardMDP(
        [[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]], [[1.0, 0.0]] * 2, [False, True]
    )
    solution = total_reward(model)
    assert solution.status is Status.UNBOUNDED
    assert verify(model, solution).passed
    assert failures(model, solution, gain=1.5) == {"gain is an average reward"}
    assert failures(model, solution, gain=-1.0) == {"gain is positive where the value is infinite"}


def test_steps_until_a_policy_idles() -> None:
    # state 0 leads to state 1, which may rest at reward 0 for ever; stopping would cost
    rest = [[[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [[0.0, 0.0, 1.0]] * 2]
    model = TotalRewardMDP(rest, [[-1.0, -5.0], [0.0, -5.0], [0.0, 0.0]], [False, False, True])
    solution = total_reward(model)
    np.testing.assert_array_equal(solution.idle, [False, True, False])
    np.testing.assert_array_equal(solution.steps_to_stop, [1.0, 0.0, 0.0])
    assert verify(model, solution).passed
    assert failures(model, solution, steps_to_stop=np.array([2.0, 1.0, 0.0]))
