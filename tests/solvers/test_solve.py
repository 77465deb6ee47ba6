"""The one entrance: every rule, and certificates that contain the truth on models of every kind."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy import sparse

import mdplab
from mdplab.models import MDP, FiniteHorizonMDP
from mdplab.solution import ConvergenceWarning, Status
from mdplab.solvers import policy_iteration, solve, value_program, verify
from mdplab.solvers.control import ControlSolution
from tests import naive
from tests.small_models import as_sparse
from tests.solver_models import NEAR_ONE as DISCOUNTS
from tests.solver_models import large, model


def check(mdp: MDP, found: ControlSolution, tol: float) -> None:
    certificate = found.certificate
    assert found.status is (Status.CONVERGED if certificate.bound <= tol else Status.PRECISION_LIMIT)
    assert certificate.bound <= 10 * max(tol, certificate.rounding)
    scale = np.abs(mdp.reward).max() / (1 - mdp.discount)
    assert certificate.rounding <= 64 * (mdp.n_states + 16) * 2**-53 * (1 + scale) / (1 - mdp.discount)
    assert found.method
    assert found.rule


@pytest.mark.parametrize("seed", range(200))
def test_certificates_of_models_up_to_fifty_states(seed: int) -> None:
    mdp = large(seed)
    found = solve(mdp, 1e-8)
    check(mdp, found, 1e-8)
    report = verify(mdp, found)
    assert report.passed, report.failures


@pytest.mark.parametrize("discount", DISCOUNTS)
@pytest.mark.parametrize("seed", range(25))
def test_certificates_against_exact_rationals(seed: int, discount: float) -> None:
    mdp = model(seed, discount)
    exact = naive.exact_optimum(naive.exact_rows(mdp), naive.fractions_of(mdp.reward), Fraction(discount))
    for form in (mdp, as_sparse(mdp)):
        found = solve(form, 1e-9)
        check(form, found, 1e-9)
        assert naive.largest_error(found.value, exact) <= found.certificate.bound


@pytest.mark.parametrize("seed", [0, 1, 5, 9])
def test_against_linear_programs(seed: int) -> None:
    mdp = large(seed).replace(discount=0.9, initial=np.full(large(seed).n_states, 1 / large(seed).n_states))
    found = solve(mdp)
    program = value_program(mdp)  # of the normalised return
    np.testing.assert_allclose(0.1 * mdp.initial @ found.value, program.objective, atol=1e-7)


def test_frozen_lake() -> None:
    desc = "SFFFFHFHFFFHHFFG"
    kernel, reward = np.zeros((16, 4, 16)), np.zeros((16, 4))
    for s, a in itertools.product(range(16), range(4)):
        if desc[s] in "HG":
            kernel[s, a, s] = 1.0
            continue
        for b in ((a - 1) % 4, a, (a + 1) % 4):
            row, column = divmod(s, 4)
            row = min(max(row + (0, 1, 0, -1)[b], 0), 3)
            column = min(max(column + (-1, 0, 1, 0)[b], 0), 3)
            kernel[s, a, 4 * row + column] += 1 / 3
            reward[s, a] += (desc[4 * row + column] == "G") / 3
    for mdp in (MDP(kernel, reward, 0.99), as_sparse(MDP(kernel, reward, 0.99))):
        assert solve(mdp).value[0] == pytest.approx(0.542026, abs=5e-7)


def walk(states: int, discount: float) -> MDP:
    """A random walk on a line: the residual falls very slowly."""
    rows = np.repeat(np.arange(2 * states), 2)
    left, right = np.maximum(np.arange(states) - 1, 0), np.minimum(np.arange(states) + 1, states - 1)
    columns = np.stack([left, right, right, left], axis=1).ravel()
    kernel = sparse.csr_array((np.tile([0.6, 0.4], 2 * states), (rows, columns)))
    reward = np.zeros((states, 2))
    reward[0] = 1.0
    return MDP(kernel, reward, discount)


def test_each_rule() -> None:
    assert solve(model(3, 0.9)).method == "small_model"
    mixing = as_sparse(model(3, 0.9))
    assert solve(mixing).method == "modified_policy_iteration"
    slow = walk(1200, 0.99999)
    for mdp in (slow, slow.to_dense()):
        found = solve(mdp, 1e-4)
        assert found.method == "policy_iteration"
        assert "linear systems" in found.rule
        assert found.status is Status.CONVERGED
        assert found.steps == len(found.residuals)
    assert mdplab.solve is solve


def test_models_too_large_for_systems_are_swept_on(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    module = sys.modules["mdplab.solvers.solve"]
    monkeypatch.setattr(module, "_SYSTEM_SPARSE", 10)
    monkeypatch.setattr(module, "_SWEEPS_SPARSE", 3)
    mdp = walk(40, 0.99)
    found = solve(mdp, 1e-6)
    assert "too large" in found.rule
    assert found.status is Status.CONVERGED
    truth = policy_iteration(mdp)
    assert np.abs(found.value - truth.value).max() <= found.certificate.bound + truth.certificate.bound


def test_limits_and_callbacks() -> None:
    mdp = walk(100, 0.9999)
    truth = policy_iteration(mdp)
    with pytest.warns(ConvergenceWarning, match="solve"):
        found = solve(mdp, max_steps=5)
    assert found.status is Status.MAX_STEPS
    assert np.all(found.lower <= truth.upper)
    assert np.all(truth.lower <= found.upper)
    found = solve(mdp, callback=lambda *_: True)
    assert found.status is Status.INTERRUPTED
    assert solve(model(4, 0.9), callback=lambda *_: False).method != "small_model"
    with pytest.raises(ValueError, match="tol"):
        solve(mdp, -1.0)


@pytest.mark.parametrize("model", [None, FiniteHorizonMDP(np.ones((1, 1, 1)), np.ones((1, 1)), 2)])
def test_another_kind_of_model_is_refused(model: Any) -> None:
    with pytest.raises(TypeError, match="expected an MDP"):
        solve(model)
