"""Second derivatives of the start value: complex steps through the gradient, differences, structure."""

from __future__ import annotations

import numpy as np
import pytest

from mdplab.models import MDP
from mdplab.numerics import complex_step_gradient
from mdplab.operators import (
    fisher_information,
    induced,
    log_tilt,
    policy_hessian,
    policy_hessian_product,
    regulariser,
    softmax_policy_gradient,
    state_occupancy,
)
from mdplab.solvers import soft_policy_iteration
from tests.small_models import T3_LOGITS, as_sparse, random_mdp, t3

TEMPERATURES = (0.0, 0.4, 2.0)


def logs_of(mdp: MDP, logits: np.ndarray) -> np.ndarray:
    return log_tilt(logits if mdp.available is None else np.where(mdp.available, logits, -np.inf))


def gradient(mdp: MDP, logits: np.ndarray, temperature: float, reference: np.ndarray | None) -> np.ndarray:
    """Gradient by the published formula, analytic in the logits."""
    logs = logs_of(mdp, logits)
    policy = np.exp(logs)
    kernel, reward = induced(mdp, policy)
    cost = regulariser(logs, temperature=temperature, log_reference=reference)
    v = np.linalg.solve(np.eye(mdp.n_states) - mdp.discount * kernel, reward - cost)
    return softmax_policy_gradient(
        policy,
        q=mdp.reward + mdp.discount * mdp.expectation(v),
        state_occupancy=state_occupancy(mdp, policy),
        discount=mdp.discount,
        temperature=temperature,
        log_policy=logs,
        log_reference=reference,
    )


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_columns_are_complex_steps_of_the_gradient(seed: int, temperature: float) -> None:
    mdp = random_mdp(seed, masked=bool(seed % 2)).replace(discount=0.85)
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=mdp.reward.shape)
    reference = logs_of(mdp, rng.normal(size=mdp.reward.shape)) if seed % 3 else None
    expected = complex_step_gradient(lambda x: gradient(mdp, x, temperature, reference), logits)
    size = logits.size
    options = {"temperature": temperature, "log_reference": reference}
    policy = np.exp(logs_of(mdp, logits))
    for model in (mdp, as_sparse(mdp)):
        found = policy_hessian(model, policy, **options)
        np.testing.assert_allclose(found, expected.reshape(size, size), rtol=1e-9, atol=1e-11)
        np.testing.assert_array_equal(found, found.T)
        direction = rng.normal(size=logits.shape)
        product = policy_hessian_product(model, policy, direction, **options)
        np.testing.assert_allclose(
            product.ravel(), expected.reshape(size, size) @ direction.ravel(), atol=1e-10
        )
        np.testing.assert_allclose(product.sum(axis=1), 0.0, atol=1e-12)


def test_complex_logits_pass() -> None:
    mdp, direction = t3(), T3_LOGITS[::-1]
    for model in (mdp, as_sparse(mdp)):

        def product(x: np.ndarray, model: MDP = model) -> np.ndarray:
            logs = log_tilt(x)
            return policy_hessian_product(model, np.exp(logs), direction, temperature=0.3, log_policy=logs)

        third = complex_step_gradient(product, T3_LOGITS)
        step = 1e-5
        moved = [product(T3_LOGITS + sign * step * direction) for sign in (1, -1)]
        np.testing.assert_allclose(
            np.tensordot(third, direction, axes=2), (moved[0] - moved[1]) / (2 * step), atol=1e-7
        )


def test_soft_optimum_has_minus_the_fisher_matrix() -> None:
    best = soft_policy_iteration(t3(), temperature=0.5)
    hessian = policy_hessian(t3(), best.policy, temperature=0.5, log_policy=best.log_policy)
    fisher = fisher_information(best.policy, state_occupancy=state_occupancy(t3(), best.policy), dense=True)
    np.testing.assert_allclose(hessian, -0.5 / (1 - 0.9) * fisher, atol=1e-11)
    values = np.linalg.eigvalsh(hessian)
    assert (values < 1e-12).all()
    assert (values > -1e-12).sum() == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"direction": np.ones(3)}, "direction must have shape"),
        ({"direction": np.full((3, 2), np.nan)}, "direction must be finite"),
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": 1.0, "log_reference": np.full((3, 2), -np.inf)}, "log_reference"),
        ({"temperature": 1.0, "log_policy": np.zeros(2)}, "log_policy"),
        ({"initial": np.ones(3)}, "initial"),
    ],
)
def test_bad_input_is_named(options: dict, message: str) -> None:
    arguments = {"direction": np.zeros((3, 2))} | options
    with pytest.raises(ValueError, match=message):
        policy_hessian_product(t3(), np.full((3, 2), 0.5), **arguments)
