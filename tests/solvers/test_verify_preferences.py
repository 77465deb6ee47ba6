"""verify() of fits: correct fits pass on random comparisons, each disturbed field fails, refusals say why."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mdplab.models import PairWeights
from mdplab.solution import Status
from mdplab.solvers import bradley_terry_fit, direct_preference_fit, verify
from mdplab.solvers.verify_preferences import connected
from tests.verification import assert_every_field_is_checked, failures, moved, shifted, with_bound

INPUTS = ("temperature", "log_reference", "features", "smoothing", "flip")


def comparisons(seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, 93])
    n = int(rng.integers(2, 8))
    weights = rng.integers(0, 6, (n, n)) * (rng.random((n, n)) < (0.3, 0.6, 1.0)[seed % 3]) * 1.0
    np.fill_diagonal(weights, 0.0)
    weights[0, 1] += 1.0
    if seed % 10 == 0:
        weights[-1] = 0.0  # the last item never wins
    return weights


def fits(seed: int) -> list[Any]:
    weights = comparisons(seed)
    rng = np.random.default_rng([seed, 94])
    n = len(weights)
    reference = 0.9 * rng.dirichlet(np.ones(n)) + 0.1 / n
    asked: dict[str, float] = ({}, {"smoothing": 0.1}, {"flip": 0.1})[seed % 3]
    temperature = float(10.0 ** rng.uniform(-1, 1))
    features = rng.normal(size=(n, int(rng.integers(1, 5))))
    return [
        bradley_terry_fit(weights, **asked),
        direct_preference_fit(weights, reference, temperature=temperature, **asked),
        direct_preference_fit(weights, reference, temperature=temperature, features=features, **asked),
    ]


def test_random_fits_pass() -> None:
    seen = set()
    for seed in range(60):
        model = PairWeights(comparisons(seed))
        for solution in fits(seed):
            seen.add(solution.status)
            carries = np.isfinite(solution.parameters).all()
            if carries or (solution.status is Status.NOT_ATTAINED and solution.features is None):
                report = verify(model, solution)
                assert report.passed, (seed, report.failures)
            else:
                with pytest.raises(ValueError, match="carries no point and no proof"):
                    verify(model, solution)
    assert seen >= {Status.CONVERGED, Status.NOT_UNIQUE, Status.NOT_ATTAINED, Status.UNBOUNDED}


@pytest.mark.parametrize("features", [False, True])
def test_every_field_of_a_fit(features: bool) -> None:
    rng = np.random.default_rng(5)
    weights = rng.integers(1, 6, (5, 5)) * 1.0
    table = rng.normal(size=(5, 2)) if features else None
    solution = direct_preference_fit(weights, np.full(5, 0.2), temperature=0.7, features=table)
    bound = solution.certificate.bound
    changes = {
        "parameters": moved(10 * bound),
        "reward": moved(1e-9),
        "policy": moved(1e-9),
        "log_policy": moved(1e-9),
        "objective": shifted(1e-9),
        "gradient_norm": shifted(1e-9),
        "curvature": lambda x: 10 * x,
        "component": lambda x: np.arange(len(x)),
    }
    assert_every_field_is_checked(weights, solution, changes, inputs=INPUTS)
    # a fit of other labels, and one whose gauge was moved
    assert failures(weights, solution, smoothing=0.01)
    if not features:
        names = failures(weights, solution, parameters=solution.parameters + 1e-6)
        assert "parameters are centred" in names
    wide = with_bound(solution, 20 * bound)
    names = failures(
        weights, solution, parameters=changes["parameters"](solution.parameters), certificate=wide
    )
    assert "parameters within certificate.bound" not in names


def test_the_infimum_that_is_not_attained() -> None:
    weights = np.array([[0.0, 3.0, 1.0], [1.0, 0.0, 2.0], [0.0, 0.0, 0.0]])
    solution = bradley_terry_fit(weights)
    assert solution.status is Status.NOT_ATTAINED
    assert verify(weights, solution).passed
    assert failures(weights, solution, objective=solution.objective + 1e-9) == {"objective is the infimum"}
    # the same fit is wrong where every item wins somewhere
    assert "some component is not strongly connected" in failures(weights + weights.T, solution)


def test_components_by_closure() -> None:
    arcs = np.zeros((5, 5), dtype=bool)
    arcs[0, 1] = arcs[1, 0] = arcs[1, 2] = arcs[3, 4] = True
    np.testing.assert_array_equal(connected(arcs), [0, 0, 2, 3, 4])
    np.testing.assert_array_equal(connected(arcs | arcs.T), [0, 0, 0, 3, 3])
