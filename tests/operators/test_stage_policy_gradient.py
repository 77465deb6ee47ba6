"""Gradients and Hessians of finite horizons: complex steps, published numbers, input checks."""

from __future__ import annotations

import numpy as np
import pytest

from mdplab.models import FiniteHorizonMDP
from mdplab.numerics import complex_step_gradient
from mdplab.operators import (
    log_tilt,
    stage_policy_gradient,
    stage_policy_hessian,
    stage_policy_hessian_product,
)
from tests.small_models import T3_KERNEL, T3_LOGITS, T3_REWARD, T3_START

TEMPERATURES = (0.0, 0.4, 2.0)


def stage_model(seed: int) -> FiniteHorizonMDP:
    rng = np.random.default_rng([seed, 5])
    horizon, states, actions = int(rng.integers(1, 5)), int(rng.integers(1, 4)), int(rng.integers(1, 4))
    lead = (horizon,) if seed % 2 else ()
    kernel = rng.dirichlet(np.ones(states), (*lead, states, actions))
    reward = rng.normal(size=(*((horizon,) if seed % 3 else ()), states, actions))
    discount = (1.0, 0.8)[seed % 2]
    return FiniteHorizonMDP(
        kernel, reward, horizon, discount, rng.normal(size=states), rng.dirichlet(np.ones(states))
    )


def stage_start_value(
    mdp: FiniteHorizonMDP, logits: np.ndarray, temperature: float, reference: np.ndarray
) -> complex:
    logs = log_tilt(logits)
    v = mdp.terminal
    for h in reversed(range(mdp.horizon)):
        q = mdp.stage_reward(h) + mdp.discount * mdp.expectation(h, v)
        v = (np.exp(logs[h]) * (q - temperature * (logs[h] - reference[h]))).sum(axis=1)
    return mdp.initial @ v


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_stages_against_complex_steps(seed: int, temperature: float) -> None:
    mdp = stage_model(seed)
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(mdp.horizon, mdp.n_states, mdp.n_actions))
    reference = log_tilt(rng.normal(size=logits.shape))

    def slope(x: np.ndarray) -> np.ndarray:
        logs = log_tilt(x)
        return stage_policy_gradient(
            mdp, np.exp(logs), temperature=temperature, log_policy=logs, log_reference=reference
        )

    np.testing.assert_allclose(
        slope(logits),
        complex_step_gradient(lambda x: stage_start_value(mdp, x, temperature, reference), logits),
        rtol=1e-10,
        atol=1e-12,
    )
    expected = complex_step_gradient(slope, logits).reshape(logits.size, logits.size)
    options = {"temperature": temperature, "log_reference": reference}
    policy = np.exp(log_tilt(logits))
    np.testing.assert_allclose(stage_policy_hessian(mdp, policy, **options), expected, rtol=1e-9, atol=1e-11)
    u = rng.normal(size=(*logits.shape, 2))
    np.testing.assert_allclose(
        stage_policy_hessian_product(mdp, policy, u, **options).reshape(logits.size, 2),
        expected @ u.reshape(logits.size, 2),
        atol=1e-10,
    )


def test_published_stage_gradients() -> None:
    mdp = FiniteHorizonMDP(T3_KERNEL, T3_REWARD, 4, 0.9, initial=T3_START)
    shared = stage_policy_gradient(mdp, np.exp(log_tilt(T3_LOGITS)), temperature=0.5).sum(axis=0)
    np.testing.assert_allclose(shared[:, 0], [0.2597454286, 0.0395554976, -0.2280365800], rtol=0, atol=6e-11)


def test_gradient_difference_is_the_integral_of_hessian_products() -> None:
    kernel = [[[0.8, 0.2], [0.3, 0.7]], [[0.5, 0.5], [0.1, 0.9]]]
    mdp = FiniteHorizonMDP(kernel, [[1.0, 0.0], [0.2, 0.6]], 3, 0.9, initial=[0.6, 0.4])
    end = np.array([[0.5, -0.2], [-0.3, 0.4]])

    def slope(logits: np.ndarray) -> np.ndarray:
        return stage_policy_gradient(mdp, np.exp(log_tilt(logits))).sum(axis=0)

    expected = [[-0.0192434586, 0.0192434586], [0.025594588, -0.025594588]]
    np.testing.assert_allclose(slope(end) - slope(np.zeros((2, 2))), expected, atol=6e-11)
    nodes, weights = np.polynomial.legendre.leggauss(16)
    direction = np.broadcast_to(end, (3, 2, 2))
    total = sum(
        0.5
        * w
        * stage_policy_hessian_product(mdp, np.exp(log_tilt(0.5 * (1 + x) * end)), direction).sum(axis=0)
        for x, w in zip(nodes, weights, strict=True)
    )
    np.testing.assert_allclose(total, expected, atol=6e-11)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"direction": np.ones((3, 2))}, "direction must have shape"),
        ({"policy": np.ones((4, 3, 2))}, "policy"),
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": 1.0, "log_reference": np.zeros((2, 2))}, "log_reference"),
        ({"initial": np.ones(3)}, "initial"),
    ],
)
def test_bad_input_is_named(options: dict, message: str) -> None:
    mdp = FiniteHorizonMDP(T3_KERNEL, T3_REWARD, 4, initial=T3_START)
    arguments = {"policy": np.full((3, 2), 0.5), "direction": np.zeros((4, 3, 2))} | options
    with pytest.raises(ValueError, match=message):
        stage_policy_hessian_product(mdp, **arguments)
