"""verify() of stacks: the models are given as any iterable, in order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mdplab.models import MDP
from mdplab.solvers import solve_batch, verify
from tests.verification import assert_every_field_is_checked, failures, moved, shifted

KINDS = ["hard", "masked", "soft", "evaluation", "soft evaluation"]


def stack(seed: int, kind: str, tol: float = 1e-6) -> tuple[list[MDP], Any]:
    rng = np.random.default_rng([seed, 104])
    count, states, actions = 6, int(rng.integers(1, 5)), int(rng.integers(1, 4))
    kernel = rng.dirichlet(np.full(states, 0.5), (count, states, actions))
    reward = rng.normal(size=(count, states, actions))
    discount = rng.choice([0.0, 0.9, 0.9999], count)
    mask = rng.random((count, states, actions)) < 0.7
    mask[..., 0] = True
    policy = rng.dirichlet(np.ones(actions), (count, states))
    logs = rng.normal(size=(states, actions))
    asked: dict[str, Any] = {
        "hard": {},
        "masked": {"available": mask},
        "soft": {"temperature": 0.3, "log_reference": logs},
        "evaluation": {"policy": policy},
        "soft evaluation": {"policy": policy, "temperature": 0.3, "log_reference": logs},
    }[kind]
    available = mask if kind == "masked" else [None] * count
    models = [
        MDP(p, r, g, available=m) for p, r, g, m in zip(kernel, reward, discount, available, strict=True)
    ]
    return models, solve_batch(kernel, reward, discount, tol=tol, **asked)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(6))
def test_random_stacks_pass(seed: int, kind: str) -> None:
    models, solution = stack(seed, kind, tol=(0.0, 1e-4)[seed % 2])
    report = verify((mdp for mdp in models), solution)
    assert report.passed, report.failures
    assert {check.name.split(":")[0] for check in report.checks} >= {f"model {b}" for b in range(len(models))}


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_checked(kind: str) -> None:
    models, solution = stack(3, kind)
    bound = 10 * solution.bound[0]
    worst = 10 * float(solution.bound.max())
    changes = {
        "value": moved(bound),
        "q": moved(10 * solution.q_error[0]),
        "lower": shifted(worst),
        "upper": shifted(-worst),
        "bound": lambda x: 10 * x,
        "rounding": shifted(worst),
        "backward_error": lambda x: 0 * x,
        "policy": lambda x: np.roll(x, 1, axis=2),
        "model_steps": lambda x: x + 1,
    }
    if kind == "soft":
        changes["bonus"] = moved(1.0)
        changes["temperature"] = shifted(0.1)
    if kind == "soft evaluation":
        changes["cost"] = moved(1.0)
    if "evaluation" in kind:
        changes["suboptimality"] = lambda x: np.zeros(x.shape)
    rest = {"q_error", "suboptimality", "temperature", "bonus", "cost"} - set(changes)
    assert_every_field_is_checked(models, solution, changes, inputs=tuple(rest))


def test_the_model_is_named() -> None:
    models, solution = stack(3, "hard")
    value = solution.value.copy()
    value[2] += 1.0
    names = failures(models, solution, value=value)
    assert names
    assert all(name.startswith("model 2: ") for name in names)


def test_what_is_no_stack_is_refused() -> None:
    models, solution = stack(3, "hard")
    with pytest.raises(TypeError, match="an iterable of the MDPs"):
        verify(models[0], solution)
    with pytest.raises(ValueError, match="another model was solved"):
        verify(models[:-1], solution)
    with pytest.raises(TypeError, match="belongs to a MDP"):
        verify(["a"] * len(models), solution)
    assert not verify(models[::-1], solution).passed
