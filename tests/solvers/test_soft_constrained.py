"""A constrained model with entropy bonus: known values, optimality, outcomes, the cone program, bad input."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from mdplab import solvers
from mdplab.convex import conic_constrained_program
from mdplab.instances import SeededDraw, dirichlet_mdp, three_state_addon_reward, three_state_unit_reward_mdp
from mdplab.models import MultiObjectiveMDP
from mdplab.operators import policy_of_occupancy
from mdplab.solution import Status
from mdplab.solvers import soft_constrained, verify

BASE = three_state_unit_reward_mdp()
MODEL = MultiObjectiveMDP(
    BASE.transition, [three_state_addon_reward(), BASE.reward], BASE.discount, BASE.start_law()
)


def random_model(seed: int) -> MultiObjectiveMDP:
    draw = SeededDraw(seed)
    mdp = dirichlet_mdp(draw)
    rewards = [mdp.reward, draw.normal((mdp.n_states, mdp.n_actions))]
    return MultiObjectiveMDP(mdp.transition, rewards, mdp.discount, mdp.start_law())


def test_known_values() -> None:
    found = soft_constrained(MODEL, 6.5, temperature=0.5)
    assert found.status is Status.CONVERGED
    assert found.multiplier == pytest.approx(1.0480547612, abs=1e-10)
    assert found.objective == pytest.approx(4.436977, abs=1e-6)
    np.testing.assert_allclose(found.policy[:, 0], [0.7793412108, 0.4420479577, 0.0616698904], atol=1e-10)
    assert verify(MODEL, found).passed


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("temperature", [1e-2, 1.0, 1e2])
def test_no_policy_that_keeps_the_threshold_is_better(seed: int, temperature: float) -> None:
    model = random_model(seed)
    least = soft_constrained(model, -1e6, temperature=temperature)
    assert least.status is Status.SLACK
    most = model.initial @ solvers.policy_iteration(model.objective(1)).value
    threshold = 0.5 * (least.returns[1] + most)
    found = soft_constrained(model, threshold, temperature=temperature)
    assert found.status is Status.CONVERGED
    assert found.returns[1] == pytest.approx(threshold, abs=1e-9 * (1 + abs(threshold)))
    assert found.infeasibility <= 1e-9 * (1 + abs(threshold))
    assert found.lower <= found.objective <= found.upper + found.certificate.bound
    assert verify(model, found).passed
    rng = np.random.default_rng(seed)
    for share in (0.1, 0.5, 0.99):
        rival = share * found.policy + (1 - share) * rng.dirichlet(np.ones(model.n_actions), model.n_states)
        if model.returns(rival)[1] >= threshold:
            soft = solvers.policy_evaluation(model.objective(0), rival, temperature=temperature)
            assert model.initial @ soft.value <= found.upper + 1e-12 * abs(found.upper)


def test_outcomes() -> None:
    free = soft_constrained(MODEL, 3.0, temperature=0.5)
    assert free.status is Status.SLACK
    assert free.multiplier == 0.0
    assert free.returns[1] == pytest.approx(4.2097189687, abs=1e-10)
    never = soft_constrained(MODEL, 9.0, temperature=0.5)
    assert never.status is Status.INFEASIBLE
    assert verify(MODEL, free).passed
    assert verify(MODEL, never).passed


@pytest.mark.parametrize(
    ("field", "change"),
    [("objective", 1e-6), ("upper", -1e-6), ("multiplier", 1e-3), ("returns", 1e-6), ("lower", 1e-3)],
)
def test_forged_solutions_are_seen(field: str, change: float) -> None:
    found = soft_constrained(MODEL, 6.5, temperature=0.5)
    forged = dataclasses.replace(found, **{field: getattr(found, field) + change})
    assert not verify(MODEL, forged).passed


@pytest.mark.parametrize("seed", range(4))
def test_the_cone_program_agrees(seed: int) -> None:
    model = random_model(seed)
    least = soft_constrained(model, -1e6, temperature=0.5)
    most = model.initial @ solvers.policy_iteration(model.objective(1)).value
    threshold, scale = 0.5 * (least.returns[1] + most), 1 - model.discount
    found = soft_constrained(model, threshold, temperature=0.5)
    cone = conic_constrained_program(model, threshold, temperature=0.5)
    assert cone.objective / scale == pytest.approx(found.objective, abs=1e-5)
    assert cone.upper / scale >= found.lower
    assert cone.multipliers["threshold"][0] == pytest.approx(found.multiplier, rel=1e-3)
    np.testing.assert_allclose(policy_of_occupancy(cone.primal), found.policy, atol=1e-3)


def test_a_threshold_out_of_reach_of_the_cone_program() -> None:
    assert np.isnan(conic_constrained_program(MODEL, 9.0, temperature=0.5).objective)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"threshold": np.nan}, "threshold must be finite"),
        ({"temperature": 0.0}, "temperature"),
        ({"tol": -1.0}, "tol"),
        (
            {"model": MultiObjectiveMDP(BASE.transition, [BASE.reward], 0.9, BASE.start_law())},
            "1 signals; expected 2",
        ),
    ],
)
def test_bad_input(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"model": MODEL, "threshold": 6.5, "temperature": 0.5, **change}
    with pytest.raises(ValueError, match=message):
        soft_constrained(**arguments)
