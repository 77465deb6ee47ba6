"""Krylov evaluation: right modulo constants, with a direct solve in reserve."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from mdplab.models import MDP
from mdplab.solution import Status
from mdplab.solvers import krylov, modified_policy_iteration, policy_iteration
from mdplab.solvers.krylov import krylov_solver
from tests.small_models import as_sparse
from tests.solver_models import model


def chain(seed: int, states: int = 40) -> sparse.csr_array:
    rng = np.random.default_rng(seed)
    rows = rng.dirichlet(np.ones(states), states) * (rng.random((states, states)) < 0.2)
    rows[:, 0] += 1e-3
    return sparse.csr_array(rows / rows.sum(axis=1, keepdims=True))


def modulo_constants(x: np.ndarray) -> np.ndarray:
    return x - x.mean()


@pytest.mark.parametrize("discount", [0.0, 0.9, 0.999999])
@pytest.mark.parametrize("seed", range(5))
def test_solutions_modulo_constants(seed: int, discount: float) -> None:
    kernel, right = chain(seed), np.random.default_rng(seed).normal(size=40)
    exact = np.linalg.solve(np.eye(40) - discount * kernel.toarray(), right)
    found = krylov_solver(kernel, discount)(right)
    np.testing.assert_allclose(modulo_constants(found), modulo_constants(exact), atol=1e-3)


def test_the_direct_solve_is_in_reserve_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def diverges(operator: object, right: np.ndarray, **options: object) -> tuple[np.ndarray, int]:
        return 1e56 * right, 0

    monkeypatch.setattr(krylov, "bicgstab", diverges)
    monkeypatch.setattr(krylov, "gmres", diverges)
    made = []

    def direct(kernel: object, discount: float) -> object:
        made.append(discount)
        return lambda right: 7.0 + 0 * right

    solve = krylov_solver(chain(0), 0.9, direct=direct)
    assert (solve(np.ones(40)) == 7.0).all()
    assert (solve(np.ones(40)) == 7.0).all()
    assert made == [0.9]
    plain = krylov_solver(chain(0), 0.9)(np.arange(40.0))
    exact = np.linalg.solve(np.eye(40) - 0.9 * chain(0).toarray(), np.arange(40.0))
    np.testing.assert_allclose(plain, exact, rtol=1e-10)


@pytest.mark.parametrize("seed", range(10))
def test_policy_iteration_either_way(seed: int) -> None:
    mdp = as_sparse(model(seed, (0.9, 0.999)[seed % 2]))
    one, two = policy_iteration(mdp), policy_iteration(mdp, evaluation="krylov")
    assert np.abs(one.value - two.value).max() <= one.certificate.bound + two.certificate.bound
    assert two.certificate.bound <= 4 * two.certificate.rounding + 1e-13


def test_two_clusters_that_hardly_mix() -> None:
    # Sweeps need 1 / link steps here, and the rows have no structure that elimination could use.
    rng = np.random.default_rng(2)
    states, actions, link = 200, 3, 1e-5
    side = np.repeat(np.arange(states) < states // 2, actions)
    inside = rng.integers(0, states // 2, (states * actions, 4)) + np.where(side, 0, states // 2)[:, None]
    outside = rng.integers(0, states // 2, (states * actions, 1)) + np.where(side, states // 2, 0)[:, None]
    chances = np.hstack(
        [rng.dirichlet(np.ones(4), states * actions) * (1 - link), np.full((len(side), 1), link)]
    )
    rows = np.repeat(np.arange(states * actions), 5)
    kernel = sparse.csr_array((chances.ravel(), (rows, np.hstack([inside, outside]).ravel())))
    kernel.data /= np.repeat(kernel.sum(axis=1), np.diff(kernel.indptr))
    mdp = MDP(kernel, rng.random((states, actions)) + side.reshape(states, actions), 0.99999)
    found = policy_iteration(mdp, tol=1e-4, evaluation="krylov")
    assert found.status is Status.CONVERGED
    direct = policy_iteration(mdp, tol=1e-4)
    assert np.abs(found.value - direct.value).max() <= found.certificate.bound + direct.certificate.bound
    with pytest.warns(UserWarning, match="raise max_steps"):
        assert modified_policy_iteration(mdp, tol=1e-4, max_steps=50).status is Status.MAX_STEPS


def test_bad_evaluation() -> None:
    with pytest.raises(ValueError, match="evaluation"):
        policy_iteration(model(0, 0.5), evaluation="magic")  # type: ignore[arg-type]
