"""verify() accepts what is right and refuses what was tampered with, for the four further criteria."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mdplab.models import MDP, TotalRewardMDP
from mdplab.solvers import average_reward, constrained, multi_objective, total_reward, verify
from multi_objective_models import all_returns, random_model


def walks(seed: int) -> TotalRewardMDP:
    rng = np.random.default_rng([seed, 31])
    n, a = int(rng.integers(2, 20)), int(rng.integers(1, 4))
    kernel = rng.dirichlet(np.full(n, 0.5), (n, a))
    reward = rng.normal(size=(n, a)) - 1.0
    if seed % 3 == 0:
        kernel[0, 0] = np.eye(n)[0]
        reward[0, 0] = 0.0  # idle
    return TotalRewardMDP(kernel, reward, np.arange(n) == n - 1)


@pytest.mark.parametrize("seed", range(15))
def test_total_reward(seed: int) -> None:
    model = walks(seed)
    solution = total_reward(model)
    assert verify(model, solution).passed
    assert not verify(model, replace(solution, value=solution.value + 0.1 * ~model.terminal)).passed


@pytest.mark.parametrize("seed", range(15))
def test_average_reward(seed: int) -> None:
    rng = np.random.default_rng([seed, 32])
    n, a = int(rng.integers(1, 15)), int(rng.integers(1, 4))
    kernel = rng.dirichlet(np.full(n, 0.3), (n, a))
    if seed % 3 == 0:
        kernel = np.eye(n)[rng.integers(0, n, (n, a))]
    model = MDP(kernel, rng.normal(size=(n, a)), 0.9)
    solution = average_reward(model)
    assert verify(model, solution).passed
    wrong = replace(solution, lower=solution.lower + 0.01, upper=solution.upper + 0.01)
    assert not verify(model, wrong).passed


@pytest.mark.parametrize("seed", range(15))
def test_constrained(seed: int) -> None:
    model = random_model(seed)
    thresholds = all_returns(model).mean(axis=0)[1:] - 0.05
    solution = constrained(model, thresholds)
    assert verify(model, solution).passed
    assert not verify(model, replace(solution, upper=solution.upper - 0.1)).passed
    assert not verify(model, replace(solution, returns=solution.returns + 0.1)).passed


@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize("m", [2, 3])
def test_fronts(seed: int, m: int) -> None:
    model = random_model(seed, m)
    solution = multi_objective(model)
    assert verify(model, solution).passed
    if len(solution.returns) > 1:
        shorter = replace(solution, returns=solution.returns[1:], policies=solution.policies[1:])
        assert not verify(model, shorter).passed
