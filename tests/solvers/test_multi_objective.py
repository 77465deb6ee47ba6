"""Fronts against the hull of all deterministic policies, with closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from mdplab.models import MultiObjectiveMDP
from mdplab.solution import ConvergenceWarning, Status
from mdplab.solvers import multi_objective, policy_evaluation
from multi_objective_models import all_returns, random_model


def front(points: np.ndarray) -> np.ndarray:
    """Vertices of the upper right hull of points of the plane, first signal descending, by a slow scan."""
    best = points[np.lexsort((-points[:, 1], -points[:, 0]))][0]
    vertices = [best]
    while True:
        above = points[points[:, 1] > vertices[-1][1] + 1e-9]
        if not len(above):
            return np.array(vertices)
        drop = vertices[-1][0] - above[:, 0]
        slope = (above[:, 1] - vertices[-1][1]) / np.maximum(drop, 1e-300)
        steepest = above[slope >= slope.max() * (1 - 1e-9)]
        vertices.append(steepest[steepest[:, 1].argmax()])


@pytest.mark.parametrize("seed", range(100))
def test_two_objectives_against_all_policies(seed: int) -> None:
    model = random_model(seed, 2, csr=seed % 4 == 1)
    points = all_returns(model)
    solution = multi_objective(model)
    assert solution.status is Status.CONVERGED
    expected = front(points)
    assert solution.returns.shape == expected.shape
    np.testing.assert_allclose(solution.returns, expected, rtol=1e-8, atol=1e-8)
    intervals = solution.weight_intervals
    assert intervals[0, 1] == 1.0
    assert intervals[-1, 0] == 0.0
    np.testing.assert_allclose(intervals[1:, 1], intervals[:-1, 0], atol=1e-9)
    for returns, policy, (low, high) in zip(solution.returns, solution.policies, intervals, strict=True):
        np.testing.assert_allclose(model.returns(policy), returns, atol=1e-9)
        for first in (low, 0.5 * (low + high), high):
            weights = np.array([first, 1 - first])
            assert (points @ weights).max() <= weights @ returns + 1e-7
    _holds_for_all_weights(solution, points)


def _holds_for_all_weights(solution, points: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    m = points.shape[1]
    for weights in (*np.eye(m), *rng.dirichlet(np.ones(m), 200)):
        best = (points @ weights).max()
        rounding = 1e-11 * (1 + abs(best))
        assert (
            solution.value(weights) - rounding
            <= best
            <= solution.value(weights) + solution.certificate.bound + rounding
        )
    # the outer approximation contains every policy
    outside = points @ solution.corners.T - solution.corner_values
    assert outside.max() <= 1e-11 * (1 + np.abs(points).max())


@pytest.mark.parametrize("seed", range(60))
def test_three_objectives_against_all_policies(seed: int) -> None:
    model = random_model(seed, 3, csr=seed % 4 == 1)
    points = all_returns(model)
    solution = multi_objective(model)
    assert solution.status is Status.CONVERGED
    _holds_for_all_weights(solution, points)
    for returns, policy, cell in zip(solution.returns, solution.policies, solution.cells, strict=True):
        np.testing.assert_allclose(model.returns(policy), returns, atol=1e-9)
        np.testing.assert_allclose(cell.sum(axis=1), 1.0, atol=1e-14)
        middle = cell.mean(axis=0)
        assert (points @ middle).max() <= middle @ returns + 1e-7
    # every vertex is needed: without it some weight loses
    for i, cell in enumerate(solution.cells):
        others = np.delete(solution.returns, i, axis=0)
        if len(others):
            middle = cell.mean(axis=0)
            assert (others @ middle).max() < middle @ solution.returns[i]


def test_treasures_along_a_path() -> None:
    """Walk on for a larger treasure, one unit of time a step: all on a concave curve, breakpoints in closed form."""
    treasure = np.array([1.0, 4.0, 6.0, 7.0])  # concave
    n = 5  # four places and the end
    kernel = np.zeros((n, 2, n))
    rewards = np.zeros((2, n, 2))
    for s in range(4):
        kernel[s, 0, 4] = 1.0  # take
        kernel[s, 1, min(s + 1, 3)] = 1.0
        rewards[0, s, 0] = treasure[s]
        rewards[1, s, :] = -1.0
    kernel[4, :, 4] = 1.0
    g = 0.999
    model = MultiObjectiveMDP(kernel, rewards, g, np.eye(n)[0])
    solution = multi_objective(model)
    k = np.arange(4)
    expected = np.column_stack([g**k * treasure, -(1 - g ** (k + 1)) / (1 - g)])[::-1]
    np.testing.assert_allclose(solution.returns, expected, atol=1e-9)
    difference = expected[:-1] - expected[1:]
    breaks = difference[:, 1] / (difference[:, 1] - difference[:, 0])
    np.testing.assert_allclose(solution.weight_intervals[:-1, 0], breaks, atol=1e-9)


def test_a_mixture_of_vertices_is_one_policy() -> None:
    for seed in (3, 4, 8, 11):
        model = random_model(seed, 2)
        solution = multi_objective(model)
        law = np.random.default_rng(seed).dirichlet(np.ones(len(solution.returns)))
        policy = solution.mixed_policy(model, law)
        expected = law @ solution.returns
        for k in range(2):
            value = policy_evaluation(model.objective(k), policy).value
            assert float(model.initial @ value) == pytest.approx(expected[k], abs=1e-8)


def test_degenerate_fronts() -> None:
    one = MultiObjectiveMDP(np.ones((1, 1, 1)), [[[1.0]], [[2.0]]], 0.5, [1.0])
    solution = multi_objective(one)
    np.testing.assert_allclose(solution.returns, [[2.0, 4.0]])
    assert solution.weight_intervals.tolist() == [[0.0, 1.0]]
    # equal signals; opposite signals, where everything is on the front and only the ends are vertices
    r = np.array([[0.0, 1.0, 0.5]])
    same = multi_objective(MultiObjectiveMDP(np.ones((1, 3, 1)), [r, r], 0.5, [1.0]))
    np.testing.assert_allclose(same.returns, [[2.0, 2.0]])
    opposite = multi_objective(MultiObjectiveMDP(np.ones((1, 3, 1)), [r, -r], 0.5, [1.0]))
    np.testing.assert_allclose(opposite.returns, [[2.0, -2.0], [0.0, 0.0]], atol=1e-14)
    zero = multi_objective(MultiObjectiveMDP(np.ones((1, 3, 1)), np.zeros((3, 1, 3)), 0.0, [1.0]))
    np.testing.assert_allclose(zero.returns, np.zeros((1, 3)))
    # a weakly dominated end is not a vertex
    weak = multi_objective(
        MultiObjectiveMDP(np.ones((1, 3, 1)), [[[1.0, 1.0, 0.0]], [[0.0, 0.5, 1.0]]], 0.0, [1.0])
    )
    np.testing.assert_allclose(weak.returns, [[1.0, 0.5], [0.0, 1.0]])


def test_a_quarter_circle() -> None:
    """Forty actions on a circle: each is a vertex, breakpoints lie half-way between the angles."""
    angle = np.linspace(0, np.pi / 2, 40)
    rewards = np.array([[np.cos(angle)], [np.sin(angle)]])
    solution = multi_objective(MultiObjectiveMDP(np.ones((1, 40, 1)), rewards, 0.0, [1.0]))
    np.testing.assert_allclose(solution.returns, rewards[:, 0].T, atol=1e-15)
    between = 0.5 * (angle[1:] + angle[:-1])
    ends = np.cos(between) / (np.cos(between) + np.sin(between))
    np.testing.assert_allclose(solution.weight_intervals[:-1, 0], ends, atol=1e-9)


def test_max_steps_and_checks() -> None:
    angle = np.linspace(0, np.pi / 2, 40)
    rewards = np.array([[np.cos(angle)], [np.sin(angle)]])
    model = MultiObjectiveMDP(sparse.csr_array(np.ones((40, 1))), rewards, 0.0, [1.0])
    with pytest.warns(ConvergenceWarning):
        solution = multi_objective(model, max_steps=5)
    assert solution.status is Status.MAX_STEPS
    coarse = multi_objective(model, tol=0.01)
    assert coarse.status is Status.CONVERGED
    assert len(coarse.returns) < 20
    weights = np.array([0.37, 0.63])
    assert (rewards[:, 0].T @ weights).max() - coarse.value(weights) <= coarse.certificate.bound <= 0.01
    with pytest.raises(ValueError, match="two or three"):
        multi_objective(MultiObjectiveMDP(np.ones((1, 1, 1)), np.zeros((4, 1, 1)), 0.5, [1.0]))
