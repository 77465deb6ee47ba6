"""Newton steps from products: they agree with dense solves, by either method, and large duals with dense ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from mdplab.convex import ConjugateDual, FlowPolytope, conjugate_dual, dual_point, gram, minimise_smooth
from mdplab.convex import flow as flow_module
from mdplab.convex.gram import GramMatrix
from mdplab.divergences import CHI_SQUARE, HELLINGER, KL, FDivergence
from mdplab.instances import SeededDraw, garnet
from mdplab.models import MDP
from mdplab.solution import Status
from mdplab.solvers import dual_v


def product(weights: np.ndarray, seed: int = 0) -> tuple[GramMatrix, np.ndarray]:
    rng = np.random.default_rng(seed)
    matrix = sparse.csr_array(sparse.random_array((60, 20), density=0.2, rng=rng) + sparse.eye_array(60, 20))
    squared = sparse.csr_array(matrix.multiply(matrix).T)
    return GramMatrix(matrix, sparse.csr_array(matrix.T), squared, weights), matrix.toarray()


def model(seed: int) -> MDP:
    mdp = garnet(SeededDraw(seed), 60, 2, 4, discount=0.9)
    return mdp.replace(initial=np.full(60, 1.0 / 60))


@pytest.fixture
def nothing_is_dense(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if 60 states were more than there are dense matrices for."""
    for module in (conjugate_dual, dual_point, flow_module):
        monkeypatch.setattr(module, "DENSE", 20)


@pytest.mark.parametrize("most", [2000, 1], ids=["conjugate gradients", "factorisation"])
def test_steps_solve_the_system(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gram, "_MOST_ITERATIONS", most)
    rng = np.random.default_rng(1)
    weights = rng.uniform(0.1, 2.0, 60)
    operator, dense = product(weights)
    for size in (1e-3, 1e-12):  # the accuracy grows as the gradient falls
        g = size * rng.normal(size=20)
        step, ridge = operator.step(g)
        exact = -np.linalg.solve(dense.T @ (weights[:, None] * dense), g)
        assert (ridge > 0.0) == (most == 1)
        accuracy = 1e-9 if most == 1 else 10.0 * np.sqrt(np.linalg.norm(g)) + 1e-9
        assert np.linalg.norm(step - exact) <= accuracy * np.linalg.norm(exact)


def test_a_singular_product_still_gives_descent() -> None:
    weights = np.zeros(60)
    weights[:5] = 1.0  # rank five of twenty
    operator, _ = product(weights)
    g = np.random.default_rng(2).normal(size=20)
    step, ridge = operator.step(g)
    assert np.isfinite(step).all()
    assert step @ g < 0.0
    assert ridge > 0.0


@pytest.mark.parametrize("row", [KL, CHI_SQUARE, HELLINGER], ids=lambda row: row.name)
@pytest.mark.usefixtures("nothing_is_dense")
def test_a_large_dual_agrees_with_the_dense_one(row: FDivergence) -> None:
    """The same minimiser as from the dense Hessian, and a certified gap."""
    rng = np.random.default_rng(3)
    mdp = model(4)
    data = rng.dirichlet(np.ones(120)).reshape(60, 2) + 1e-5
    data = data / data.sum()
    solution = dual_v(mdp, data, divergence=row, strength=0.3)
    assert solution.status is Status.CONVERGED
    assert solution.gap <= 1e-10
    flow = FlowPolytope.of(mdp)
    dual = ConjugateDual(flow.matrix, flow.start, flow.vector(data), flow.reward, row, 0.3)
    start = np.full(60, float(flow.reward.max()) / 0.1 if row is not CHI_SQUARE else 0.0)
    dense = minimise_smooth(dual.objective, dual.gradient, dual.hessian, start, tol=1e-13)
    assert np.linalg.norm(solution.value - dense.point) <= min(solution.value_error, 1e-8)


@pytest.mark.parametrize("row", [KL, CHI_SQUARE, HELLINGER], ids=lambda row: row.name)
@pytest.mark.usefixtures("nothing_is_dense")
def test_curvature_by_dominance_is_a_lower_bound(row: FDivergence) -> None:
    mdp = model(5)
    data = np.full((60, 2), 1.0 / 120)
    solution = dual_v(mdp, data, divergence=row, strength=0.3)
    flow = FlowPolytope.of(mdp)
    dual = ConjugateDual(flow.matrix, flow.start, flow.vector(data), flow.reward, row, 0.3)
    bound = dual._least_curvature(dual.curvature(solution.value))
    assert 0.0 < bound <= np.linalg.eigvalsh(dual.hessian(solution.value))[0]
