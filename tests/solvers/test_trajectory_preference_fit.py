"""Preference fits of trajectories: printed values, the soft optimum, error bounds, and data that determine nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

from mdplab import solvers
from mdplab.enumeration import enumerate_trajectories
from mdplab.models import FiniteHorizonMDP, PairWeights, PreferenceMatrix
from mdplab.solution import Status
from mdplab.solvers import TrajectoryFit, trajectory_preference_fit, verify

UNIFORM = np.full((2, 2), 0.5)


def two_stages(slip: float, reward: Any) -> FiniteHorizonMDP:
    """The action is the next state, or with a probability the other; the reward comes in the second stage."""
    kernel = np.tile((1 - slip) * np.eye(2) + slip * np.eye(2)[::-1], (2, 1, 1))
    return FiniteHorizonMDP(kernel, np.array([np.zeros((2, 2)), reward]), 2, initial=[1.0, 0.0])


def labelled(model: FiniteHorizonMDP, reference: np.ndarray) -> tuple[PairWeights, np.ndarray, np.ndarray]:
    """Expected Bradley-Terry comparisons of the trajectories of a reference."""
    paths = enumerate_trajectories(model, reference)
    law = paths.probability / paths.probability.sum()
    weights = PairWeights.from_law(law, law, PreferenceMatrix.bradley_terry(paths.returns))
    return weights, paths.states[:, :-1], paths.actions


def fitted(model: FiniteHorizonMDP, reference: np.ndarray, temperature: float) -> TrajectoryFit:
    return trajectory_preference_fit(*labelled(model, reference), reference, temperature=temperature)


@pytest.mark.parametrize(
    ("slip", "first", "second"),
    [
        (0.0, 0.6928902249, [0.7310585786, 0.1192029220]),
        (0.1, 0.6329193584, [0.7505207090, 0.1464213930]),
        (0.3, 0.5572662262, [0.7725113201, 0.1711209891]),
        (0.5, 0.5, [0.7790924042, 0.1775197009]),
    ],
)
def test_printed_values(slip: float, first: float, second: list[float]) -> None:
    model = two_stages(slip, [[0, 1], [2, 0]])
    fit = fitted(model, UNIFORM, 1.0)
    assert fit.status is Status.CONVERGED
    assert fit.policy[0, 0, 1] == pytest.approx(first, abs=6e-11)
    np.testing.assert_allclose(fit.policy[1, :, 1], second, atol=6e-11)
    np.testing.assert_array_equal(fit.policy[0, 1], [0.5, 0.5])  # never visited
    assert verify(labelled(model, UNIFORM)[0], fit).passed


@pytest.mark.parametrize("temperature", [1e-3, 0.1, 1.0, 30.0, 1e3])
def test_the_soft_optimum_of_a_deterministic_model(temperature: float) -> None:
    reference = np.array([[0.9, 0.1], [0.3, 0.7]])
    model = two_stages(0.0, [[0.2, -0.7], [1.0, 0.3]])
    fit = fitted(model, reference, temperature)
    best = solvers.backward_induction(model, temperature=temperature, log_reference=np.log(reference))
    off = temperature * np.abs(fit.log_policy - best.log_policy)
    assert max(off[0, 0].max(), off[1].max()) <= fit.certificate.bound + 1e-13 * (1 + temperature)
    assert fit.certificate.bound < 1e-8
    assert fit.policy_error <= fit.certificate.bound / (4 * temperature)


def test_a_quasi_newton_method_finds_the_same_minimum() -> None:
    """Horizon 3, three actions, one of which the reference never takes in state 1."""
    rng = np.random.default_rng(3)
    states, actions = rng.integers(0, 2, (40, 3)), rng.integers(0, 3, (40, 3))
    actions[(states == 1) & (actions == 2)] = 0
    reference = np.array([[0.5, 0.2, 0.3], [0.4, 0.6, 0.0]])
    weights = rng.random((40, 40))
    np.fill_diagonal(weights, 0)
    weights /= weights.sum()
    fit = trajectory_preference_fit(weights, states, actions, reference, temperature=0.7)
    assert fit.status is Status.CONVERGED

    def loss(flat: np.ndarray) -> float:
        odds = reference * np.exp(flat.reshape(3, 2, 3))
        policy = odds / odds.sum(axis=-1, keepdims=True)
        stages = np.arange(3)
        gained = 0.7 * np.log(policy[stages, states, actions] / reference[states, actions]).sum(axis=1)
        return float((weights * np.logaddexp(0, gained - gained[:, None])).sum())

    found = minimize(loss, np.zeros(18), method="BFGS", options={"gtol": 1e-9})
    assert fit.objective == pytest.approx(found.fun, abs=1e-12)
    odds = reference * np.exp(found.x.reshape(3, 2, 3))
    np.testing.assert_allclose(fit.policy, odds / odds.sum(axis=-1, keepdims=True), atol=1e-5)
    assert verify(weights, fit).passed


def test_the_loss_may_have_several_local_minima() -> None:
    """At temperature .1: the one near the reference, and one that a quasi-Newton method finds from elsewhere."""
    model = two_stages(0.3, [[6.0, 2.0], [1.0, 0.0]])
    weights, states, actions = labelled(model, UNIFORM)
    fit = trajectory_preference_fit(weights, states, actions, UNIFORM, temperature=0.1)
    assert fit.status is Status.CONVERGED
    assert verify(weights, fit).passed
    pairs = weights.weights - np.diag(np.diag(weights.weights))
    pairs /= pairs.sum()

    def loss(logits: np.ndarray) -> float:
        logs = np.log(2) - np.logaddexp(0, np.stack((logits, -logits), axis=1))
        gained = 0.1 * (logs[0, actions[:, 0]] + logs[1 + states[:, 1], actions[:, 1]])
        return float((pairs * np.logaddexp(0, gained - gained[:, None])).sum())

    minima = [
        minimize(loss, start, method="BFGS", options={"gtol": 1e-8})
        for start in ([-6.17, -2.84, 6.41], [-5.53, -5.51, -20.02])
    ]
    assert all(np.abs(found.jac).max() < 1e-6 for found in minima)
    low, high = sorted(found.fun for found in minima)
    assert high - low > 0.09
    assert min(abs(fit.objective - low), abs(fit.objective - high)) < 1e-9


def test_a_saddle_is_left() -> None:
    """Two actions of equal worth in one state: giving them equal probabilities is stationary, and not a minimum."""
    model = two_stages(0.32, [[-1.0, -1.0], [2.0, 0.0]])
    weights, states, actions = labelled(model, UNIFORM)
    fit = trajectory_preference_fit(weights, states, actions, UNIFORM, temperature=0.5)
    assert fit.status is Status.CONVERGED
    assert fit.curvature > 0.01
    assert abs(fit.policy[1, 0, 0] - 0.5) > 0.1
    assert verify(weights, fit).passed
    swapped = np.where(states[:, 1:] == 0, 1 - actions[:, 1:], actions[:, 1:])
    mirror = trajectory_preference_fit(
        weights, states, np.hstack((actions[:, :1], swapped)), UNIFORM, temperature=0.5
    )
    assert mirror.objective == pytest.approx(fit.objective, abs=1e-14)


def test_verify_sees_a_changed_answer() -> None:
    weights, states, actions = labelled(two_stages(0.3, [[0, 1], [2, 0]]), UNIFORM)
    fit = trajectory_preference_fit(weights, states, actions, UNIFORM, temperature=1.0)
    moved = fit.log_policy + np.array([1e-9, -1e-9])
    for wrong in (
        replace(fit, log_policy=moved, policy=np.exp(moved)),
        replace(fit, objective=fit.objective + 1e-9),
        replace(fit, reward=fit.reward + 1e-9),
        replace(fit, gradient_norm=fit.gradient_norm + 1e-9),
        replace(fit, curvature=fit.curvature + 1e-9),
    ):
        assert not verify(weights, wrong).passed
    with pytest.raises(TypeError, match="belongs to weights"):
        verify(object(), fit)


def test_comparisons_that_determine_no_policy_are_not_certified() -> None:
    sure = trajectory_preference_fit([[0, 1], [0, 0]], [[0], [0]], [[0], [1]], [[0.5, 0.5]], temperature=1.0)
    assert sure.status is Status.UNCERTIFIED
    with pytest.raises(ValueError, match="claims nothing"):
        verify([[0, 1], [0, 0]], sure)
    same = trajectory_preference_fit([[0, 1], [1, 0]], [[0], [0]], [[1], [1]], [[0.5, 0.5]], temperature=1.0)
    assert same.status is Status.UNCERTIFIED
    np.testing.assert_array_equal(same.policy, [[[0.5, 0.5]]])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperature": 0.0}, "temperature"),
        ({"weights": np.zeros((2, 2))}, "weights: nothing is compared"),
        ({"states": [[0.0], [0.0]]}, "states: expected integers"),
        ({"states": [[0], [0], [0]]}, r"states: expected integers of shape \(2, H\)"),
        ({"actions": [[0, 1], [1, 1]]}, "actions: expected the shape"),
        ({"states": [[0], [1]]}, r"states\[1, 0\] is 1, expected a number in 0..0"),
        ({"actions": [[0], [2]]}, r"actions\[1, 0\] is 2"),
        ({"reference": [0.5, 0.5]}, "reference: expected shape"),
        ({"reference": [[0.5, 0.4]]}, "reference: expected rows"),
        ({"reference": [[1.0, 0.0]]}, "reference: zero at stage 0, state 0, action 1, which trajectory 1"),
    ],
)
def test_bad_input_is_named(changes: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {
        "weights": [[0, 3], [1, 0]],
        "states": [[0], [0]],
        "actions": [[0], [1]],
        "reference": [[0.5, 0.5]],
        "temperature": 1.0,
    }
    with pytest.raises(ValueError, match=message):
        trajectory_preference_fit(**{**given, **changes})
