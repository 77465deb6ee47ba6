"""Policies within divergence balls: known values, optimality against rivals, outcomes, the cone program, bad input."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab import solvers
from mdplab.convex import RegionProgram, conic_divergence_centre, conic_region_program
from mdplab.divergences import kl
from mdplab.operators import log_tilt, mirror_step
from mdplab.solution import Status
from mdplab.solvers import trust_region, verify

X = np.array([1.0, 0.2, -0.4, 0.5])
LAWS = np.array([[0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4]])
SEEDS = st.integers(0, 2**32 - 1)
CALM = settings(deadline=None, max_examples=40)


def random_program(seed: int) -> tuple[dict[str, Any], np.ndarray]:
    """A program with an interior policy."""
    rng = np.random.default_rng(seed)
    n, states, actions = rng.integers(1, 4), rng.integers(1, 4), rng.integers(2, 5)
    laws = 0.95 * rng.dirichlet(np.ones(actions), (n, states)) + 0.05 / actions
    inside = 0.9 * rng.dirichlet(np.ones(actions), states) + 0.1 / actions
    weights = rng.dirichlet(np.ones(states))
    radii = kl(inside, laws) @ weights + rng.uniform(0.01, 0.3, n)
    arguments = {
        "gradient": rng.normal(size=(states, actions)) * 10.0 ** rng.integers(-3, 4),
        "log_references": np.log(laws),
        "radii": radii,
        "weights": weights,
    }
    return arguments, inside


@CALM
@given(SEEDS)
def test_no_policy_within_the_balls_is_better(seed: int) -> None:
    arguments, inside = random_program(seed)
    found = trust_region(**arguments)
    size = 1 + abs(found.objective)
    assert found.status.ok
    assert found.infeasibility <= 1e-12
    assert found.lower <= found.upper
    assert found.gap <= 1e-10 * np.abs(arguments["gradient"]).max() + 1e-13
    rng = np.random.default_rng(seed)
    program = found.program
    for share in (
        0.0,
        0.2,
        0.9,
        0.999,
    ):  # on the way from the solution to other policies, as far as the balls reach
        rival = rng.dirichlet(np.ones(inside.shape[1]), len(inside))
        for towards in (rival, inside):
            logs = np.log(share * found.policy + (1 - share) * towards)
            if (program.divergences(logs)[0] <= program.radii).all():
                assert program.objective(logs)[0] <= found.upper + 1e-14 * size
    # what binds has a price, what has a price binds
    slack = program.radii - found.divergences
    assert np.all(np.minimum(found.multipliers / np.ptp(program.gradient), slack) <= 1e-9)
    assert verify(RegionProgram.of(**arguments), found).passed


@CALM
@given(SEEDS, st.floats(1e-12, 0.4))
def test_one_ball_is_a_mirror_step(seed: int, radius: float) -> None:
    arguments, _ = random_program(seed)
    logs = arguments["log_references"][0]
    found = trust_region(arguments["gradient"], logs[None], radii=[radius], weights=arguments["weights"])
    if found.status is Status.SLACK:
        assert found.step == np.inf
        assert found.divergences[0] <= radius * (1 + 1e-12)
    else:
        assert found.divergences[0] == pytest.approx(radius, rel=1e-9)
        again = mirror_step(logs, arguments["gradient"], step=found.step)
        np.testing.assert_allclose(found.log_policy, again, atol=1e-12 * (1 + np.abs(again).max()))


def test_tiny_and_large_balls() -> None:
    tiny = trust_region(X, np.log(LAWS[:1]), radii=[1e-20])
    variance = LAWS[0] @ X**2 - (LAWS[0] @ X) ** 2
    assert tiny.step == pytest.approx(np.sqrt(2e-20 / variance), rel=1e-6)
    large = trust_region(X, np.log(LAWS), radii=[5.0, 5.0])
    assert large.status is Status.SLACK
    assert large.policy.tolist() == [[1.0, 0.0, 0.0, 0.0]]
    assert verify(large.program, large).passed


def test_ties_keep_the_reference() -> None:
    found = trust_region([1.0, 1.0, 0.0], np.log([[0.2, 0.3, 0.5]]), radii=[2.0])
    np.testing.assert_allclose(found.policy, [[0.4, 0.6, 0.0]], atol=1e-15)
    flat = trust_region([3.0, 3.0], np.log([[0.2, 0.8]]), radii=[0.1])
    assert flat.status is Status.SLACK
    np.testing.assert_allclose(flat.policy, [[0.2, 0.8]], atol=1e-15)


def test_nearly_deterministic_reference() -> None:
    logs = log_tilt(np.array([[0.0, -300.0, -40.0]]))
    found = trust_region([0.0, 1.0, 0.5], logs, radii=[1e-3])
    assert found.divergences[0] == pytest.approx(1e-3, rel=1e-9)
    assert found.status is Status.CONVERGED


def test_balls_that_do_not_meet() -> None:
    found = trust_region(X, np.log(LAWS), radii=[0.1, 0.1])
    assert found.status is Status.INFEASIBLE
    assert verify(found.program, found).passed
    assert trust_region(X, np.log(LAWS), radii=[0.117, 0.117]).status is Status.CONVERGED
    forged = dataclasses.replace(found, farkas=np.array([1.0, 0.0]))
    assert not verify(found.program, forged).passed


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("objective", 1e-6),
        ("upper", -1e-6),
        ("lower", 1e-3),
        ("divergences", 1e-6),
        ("multipliers", 1e-2),
        ("log_policy", np.array([[1e-4, 0.0, 0.0, 0.0]])),
    ],
)
def test_forged_solutions_are_seen(field: str, change: Any) -> None:
    found = trust_region(X, np.log(LAWS), radii=[0.25, 0.3])
    assert verify(found.program, found).passed
    forged = dataclasses.replace(found, **{field: getattr(found, field) + change})
    assert not verify(found.program, forged).passed


@pytest.mark.parametrize("seed", range(6))
def test_the_cone_program_agrees(seed: int) -> None:
    arguments, inside = random_program(seed)
    size = 1e-6 * max(1.0, float(np.abs(arguments["gradient"]).max()))
    found, cone = trust_region(**arguments), conic_region_program(**arguments, interior=np.log(inside))
    assert cone.status is Status.CONVERGED
    assert cone.objective == pytest.approx(found.objective, abs=size)
    assert cone.lower <= found.upper
    assert found.lower <= cone.upper
    assert verify(cone.program, cone).passed


def test_penalties_of_the_cone_program() -> None:
    cone = conic_region_program(X, np.log(LAWS), penalties=[0.3, 0.5])
    np.testing.assert_allclose(
        cone.policy[0], [0.3948577711, 0.2011119740, 0.1051331997, 0.2988970552], atol=1e-6
    )
    assert cone.objective == pytest.approx(0.3172039556, abs=1e-8)
    assert cone.step == pytest.approx(1 / 0.8)
    assert verify(cone.program, cone).passed


def test_without_an_interior_policy_nothing_is_proven_from_below() -> None:
    cone = conic_region_program(X, np.log(LAWS), radii=[0.12, 0.12])
    assert cone.status in (Status.UNCERTIFIED, Status.CONVERGED)
    assert conic_region_program(X, np.log(LAWS), radii=[0.1, 0.1]).status is Status.UNCERTIFIED


def test_bad_input_of_the_cone_programs() -> None:
    with pytest.raises(ValueError, match=r"interior must have shape \(1, 4\)"):
        conic_region_program(X, np.log(LAWS), radii=[0.25, 0.3], interior=[0.0, 0.0])
    with pytest.raises(ValueError, match=r"log_laws must have shape \(n, A\)"):
        conic_divergence_centre(np.log(LAWS[0]))


def test_the_centre_of_two_laws() -> None:
    found = conic_divergence_centre(np.log(LAWS))
    assert found.objective == pytest.approx(0.1166484874, abs=1e-8)
    meeting = -np.log(np.sqrt(LAWS[0] * LAWS[1]).sum())  # by symmetry both laws weigh the same
    assert found.lower - 1e-15 <= meeting <= found.upper + 1e-15
    assert found.gap < 1e-8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gradient": [np.nan, 0, 0, 0]}, "gradient is nan"),
        ({"gradient": [1j, 0, 0, 0]}, "gradient must be an array of real numbers"),
        ({"gradient": ["a", 0, 0, 0]}, "gradient must be an array of real numbers"),
        ({"gradient": [[1.0]]}, "gradient and log_references must have shapes"),
        ({"log_references": LAWS}, "not a law"),
        ({"log_references": np.log(LAWS) - [[np.inf, 0, 0, 0], [0, 0, 0, 0]]}, "log_references is -inf"),
        ({"radii": [0.1]}, "radii must be 2 positive numbers"),
        ({"radii": [0.1, 0.0]}, "radii must be 2 positive numbers"),
        ({"weights": [-1.0]}, "weights must be 1 finite, non-negative numbers"),
        ({"weights": [0.0]}, "weights must have a positive sum"),
        ({"tol": np.nan}, "tol"),
    ],
)
def test_bad_input(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"gradient": X, "log_references": np.log(LAWS), "radii": [0.2, 0.3]}
    with pytest.raises(ValueError, match=message):
        solvers.trust_region(**{**arguments, **change})
