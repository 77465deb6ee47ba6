"""Cone programs: printed values, certified intervals, infeasible supports."""

from __future__ import annotations

import numpy as np
import pytest

from mdplab.convex import conic_entropy_occupancy_program, conic_occupancy_program
from mdplab.models import MDP
from mdplab.operators import occupancy, occupancy_residual
from mdplab.solution import Status
from small_models import T3_RESIDUAL_REWARD, m2, t3

BEHAVIOUR = np.array([[0.7, 0.3], [0.6, 0.4]])


@pytest.mark.parametrize(
    ("name", "printed"),
    [("kl", 0.7101727798020), ("chi-square", 0.5595209672683), ("total-variation", 0.7698217694715)],
)
def test_printed_values(name: str, printed: float) -> None:
    data = occupancy(m2(), BEHAVIOUR)
    solution = conic_occupancy_program(m2(), data, divergence=name, strength=0.1)
    assert solution.status is Status.CONVERGED
    assert solution.objective == pytest.approx(printed, abs=1e-9)
    assert solution.lower - 1e-12 <= printed <= solution.upper + 1e-12
    assert solution.certificate.bound <= 1e-8
    assert np.abs(occupancy_residual(m2(), solution.primal)).max() == pytest.approx(
        solution.infeasibility, abs=1e-15
    )


def test_multipliers_are_the_dual_variable() -> None:
    data = occupancy(m2(), BEHAVIOUR)
    solution = conic_occupancy_program(m2(), data, divergence="kl", strength=0.1)
    np.testing.assert_allclose(solution.dual, [6.7272374351, 7.6634633423], atol=1e-6)


@pytest.mark.parametrize(
    ("entropy_weight", "policy", "value"),
    [
        (0.0, [0.7984005744, 0.4419541729, 0.0458409275], [1.7201389612, 1.9704560474, 2.1599080931]),
        (0.3, [0.7198828588, 0.4760110116, 0.1168939378], [3.2087913977, 3.4538070479, 3.5275194647]),
        (-0.2, [0.8838504080, 0.3867625957, 0.0104812146], [0.9333052750, 1.1749624127, 1.4683559834]),
    ],
)
def test_kl_and_entropy_balance(entropy_weight: float, policy: list[float], value: list[float]) -> None:
    inherent = t3()
    v = np.zeros(3)
    for _ in range(2000):  # the prior: max-ent optimum of the inherent reward at temperature .5
        q = inherent.reward + 0.9 * inherent.expectation(v)
        v = 0.5 * np.logaddexp.reduce(q / 0.5, axis=1)
    mdp = inherent.replace(reward=T3_RESIDUAL_REWARD)
    solution = conic_entropy_occupancy_program(
        mdp, prior_log=(q - v[:, None]) / 0.5, kl_weight=0.6, entropy_weight=entropy_weight
    )
    assert solution.status is Status.CONVERGED
    start_value = float(np.array([0.5, 0.3, 0.2]) @ value)
    assert solution.objective / 0.1 == pytest.approx(start_value, abs=1e-6)
    assert solution.lower - 1e-11 <= 0.1 * start_value <= solution.upper + 1e-11
    if entropy_weight == 0.0:
        assert solution.objective / 0.1 == pytest.approx(1.8831879, abs=1e-7)
    np.testing.assert_allclose(solution.dual, value, atol=1e-5)
    np.testing.assert_allclose(
        (solution.primal / solution.primal.sum(1, keepdims=True))[:, 0], policy, atol=1e-4
    )


def test_plain_entropy_needs_no_prior() -> None:
    solution = conic_entropy_occupancy_program(m2(), entropy_weight=0.5)
    v = np.zeros(2)
    for _ in range(2000):
        v = 0.5 * np.logaddexp.reduce((m2().reward + 0.9 * m2().expectation(v)) / 0.5, axis=1)
    assert solution.objective == pytest.approx(0.1 * float(m2().start_law() @ v), abs=1e-9)
    with pytest.raises(ValueError, match="prior_log: missing"):
        conic_entropy_occupancy_program(m2(), kl_weight=0.5)
    with pytest.raises(ValueError, match="kl_weight \\+ entropy_weight"):
        conic_entropy_occupancy_program(m2(), entropy_weight=-0.5)


def test_support_of_the_data() -> None:
    """KL confines the mass to the support; without a policy there the program is infeasible, for TV it is not."""
    stay = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]])
    mdp = MDP(stay, np.array([[0.0, 1.0], [1.0, 1.0]]), 0.9, np.array([1.0, 0.0]))
    covered = conic_occupancy_program(mdp, [[0.5, 0.5], [0.0, 0.0]], divergence="kl", strength=1.0)
    np.testing.assert_allclose(covered.primal, [[1.0, 0.0], [0.0, 0.0]], atol=1e-9)
    assert covered.objective == pytest.approx(-np.log(2.0), abs=1e-9)  # R = 0 there, and KL(1 || 1/2) = log 2
    for name in ("kl", "chi-square"):
        lost = conic_occupancy_program(mdp, [[0.0, 1.0], [0.0, 0.0]], divergence=name, strength=1.0)
        assert (lost.status, lost.objective, lost.gap) == (Status.INFEASIBLE, -np.inf, 0.0)
    found = conic_occupancy_program(mdp, [[0.0, 1.0], [0.0, 0.0]], divergence="total-variation", strength=0.1)
    assert found.status is Status.CONVERGED


@pytest.mark.parametrize(("key", "value"), [("strength", 0.0), ("divergence", "renyi")])
def test_bad_arguments(key: str, value: object) -> None:
    arguments = {"divergence": "kl", "strength": 1.0, key: value}
    with pytest.raises(ValueError, match=key):
        conic_occupancy_program(m2(), np.full((2, 2), 0.25), **arguments)  # type: ignore[arg-type]
