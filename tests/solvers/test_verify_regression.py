"""verify() of projected fixed points and least-squares value iteration."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mdplab.instances.draw import SeededDraw
from mdplab.instances.linear import random_linear_mdp
from mdplab.models import MDP, LoggedDataset
from mdplab.solution import Status
from mdplab.solvers import least_squares_value_iteration, lstd, projected_fixed_point, verify
from tests.small_models import random_mdp
from tests.verification import assert_every_field_is_checked, failures, moved, shifted, with_bound

EQUATIONS: list[dict[str, Any]] = [
    {"method": "td"},
    {"method": "td", "trace": 0.5},
    {"method": "td", "trace": 1.0},
    {"method": "residual"},
    {"method": "projection"},
]
INPUTS = ("method", "policy", "trace", "ridge", "discount")


def problem(seed: int) -> tuple[MDP, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng([seed, 98])
    mdp = random_mdp(seed, masked=seed % 2 == 1)
    policy = rng.dirichlet(np.ones(mdp.n_actions), mdp.n_states)
    if mdp.available is not None:
        policy = policy * mdp.available
        policy /= policy.sum(axis=1, keepdims=True)
    d = min(int(rng.integers(1, 3)), mdp.n_states)
    return mdp, policy, rng.normal(size=(mdp.n_states, d)), rng.uniform(0.1, 1.0, mdp.n_states)


def logged(seed: int) -> tuple[LoggedDataset, np.ndarray]:
    draw = SeededDraw([seed, 99])
    model = random_linear_mdp(draw, horizon=(3, 3))
    table = model.to_finite_horizon()
    data = table.sample(draw.weights((model.n_states, model.n_actions)), 3, 40, seed=seed)
    return data.reweighted(np.linspace(0.5, 1.5, 40)), np.asarray(model.features)


@pytest.mark.parametrize("seed", range(12))
def test_random_fixed_points_pass(seed: int) -> None:
    mdp, policy, phi, weights = problem(seed)
    for equation in EQUATIONS:
        model = mdp.to_sparse() if seed % 3 == 0 else mdp
        report = verify(model, projected_fixed_point(model, policy, phi, weights=weights, **equation))
        assert report.passed, (equation, report.failures)
    data, features = logged(seed)
    rows = np.full(features.shape[:2], 1 / features.shape[1])
    for solution in (
        lstd(data, features[:, 0], discount=0.9, trace=0.7, ridge=0.1),
        lstd(data, features, discount=0.9, policy=rows, ridge=0.1),
    ):
        assert verify(data, solution).passed


@pytest.mark.parametrize("equation", EQUATIONS)
def test_every_field_of_fixed_points(equation: dict[str, Any]) -> None:
    mdp, policy, phi, weights = problem(2)
    solution = projected_fixed_point(mdp, policy, phi, weights=weights, **equation)
    bound = 10 * solution.certificate.bound
    length = float(np.abs(phi).sum(axis=1).max())
    changes = {
        "coefficients": moved(bound / length),
        "value": moved(bound),
        "value_error": lambda x: x / 1e3,
        "bellman_error": lambda x: x / 2,
        "matrix": moved(1e-10),
        "features": moved(1e-6),
        "weights": moved(-0.01),
    }
    assert_every_field_is_checked(mdp, solution, changes, inputs=INPUTS)
    wide = with_bound(solution, 3 * bound)
    names = failures(mdp, solution, value=moved(bound)(solution.value), certificate=wide)
    assert "value within certificate.bound" not in names


def test_every_field_of_lstd() -> None:
    data, features = logged(1)
    solution = lstd(data, features[:, 0], discount=0.9, trace=0.7, ridge=0.1)
    bound = 10 * solution.certificate.bound
    changes = {
        "coefficients": moved(bound / float(np.abs(features[:, 0]).sum(axis=1).max())),
        "value": moved(bound),
        "matrix": moved(1e-9),
        "features": moved(1e-6),
        "trace": shifted(1e-6),
        "ridge": shifted(1e-6),
        "discount": shifted(1e-6),
    }
    inputs = ("method", "policy", "weights", "value_error", "bellman_error")
    assert_every_field_is_checked(data, solution, changes, inputs=inputs)


def test_singular_systems_are_checked_where_they_claim() -> None:
    mdp, policy, phi, _ = problem(2)
    twice = np.column_stack([phi[:, 0], phi[:, 0]])
    solution = projected_fixed_point(mdp, policy, twice)
    assert solution.status is Status.UNCERTIFIED
    assert verify(mdp, solution).passed
    assert failures(mdp, solution, bellman_error=0.0) == {"bellman_error"}


@pytest.mark.parametrize("seed", range(10))
def test_random_recursions_pass(seed: int) -> None:
    data, phi = logged(seed)
    rng = np.random.default_rng(seed)
    solution = least_squares_value_iteration(
        data,
        phi,
        ridge=0.3,
        bonus=(0.0, 0.5, -0.5)[seed % 3],
        discount=0.9,
        clip=(0.0, 1.0) if seed % 2 else None,
        pooled=seed % 5 == 0,
        reward=rng.normal(size=phi.shape[:2]) if seed % 4 == 0 else None,
        terminal=rng.normal(size=len(phi)) if seed % 3 == 0 else None,
    )
    report = verify(data, solution)
    assert report.passed, report.failures


def test_every_field_of_recursions() -> None:
    data, phi = logged(3)
    solution = least_squares_value_iteration(data, phi, ridge=0.3, bonus=0.5, discount=0.9)
    bound = 10 * solution.certificate.bound
    changes = {
        "value": moved(bound),
        "q": moved(bound),
        "policy": lambda x: np.roll(x, 1, axis=2),
        "weights": moved(bound / float(np.abs(phi).sum(axis=2).max()) + 1e-12),
        "width": moved(1e-9),
        "gram": moved(1e-9),
        "features": moved(1e-6),
        "ridge": shifted(1e-6),
        "bonus": moved(1e-6),
        "discount": shifted(1e-6),
        "clip": lambda _: (0.0, 0.1),
        "pooled": lambda _: True,
    }
    assert_every_field_is_checked(data, solution, changes, inputs=("reward",))


def test_another_kind_of_model_is_refused() -> None:
    data, phi = logged(3)
    mdp, policy, states, _ = problem(2)
    with pytest.raises(TypeError, match="belongs to a LoggedDataset"):
        verify(mdp, least_squares_value_iteration(data, phi, ridge=0.3))
    with pytest.raises(TypeError, match="belongs to a MDP"):
        verify(data, projected_fixed_point(mdp, policy, states))
