"""Policy gradients: against difference quotients of exact values with a step of 2**-100."""

from __future__ import annotations

import numpy as np
import pytest

from mdplab import exact
from mdplab.operators import fisher_information, softmax_policy_gradient, state_occupancy
from tests.small_models import random_mdp, random_policy

STEP = exact.rational(2) ** -100


@pytest.mark.parametrize("temperature", [0, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_gradient_is_the_derivative(seed: int, temperature: float) -> None:
    """Adding log(1 + h) to a logit multiplies the weight of the action by 1 + h, a rational policy again."""
    mdp = random_mdp(seed, masked=True)
    twin = exact.ExactMDP.of(mdp)
    policy = exact.laws(random_policy(mdp, seed))
    reference = exact.log(np.where(twin.available, exact.rational(1) / mdp.n_actions, 0))
    options = {"temperature": temperature, "log_reference": reference}
    gradient = exact.policy_gradient(twin, policy, **options)
    assert exact.has_balls(gradient) == (temperature > 0)
    assert exact.overlap(gradient.sum(axis=1), 0).all()
    start = twin.initial @ exact.policy_evaluation(twin, policy, **options).value
    for index in np.argwhere(twin.available):
        moved = policy.copy()
        moved[tuple(index)] *= 1 + STEP
        moved = moved / moved.sum(axis=1, keepdims=True)
        value = twin.initial @ exact.policy_evaluation(twin, moved, **options).value
        assert exact.distance((value - start) / STEP, gradient[tuple(index)]) < 1e-25
    assert all(gradient[tuple(index)] == 0 for index in np.argwhere(~twin.available))


def test_gradient_and_fisher_information_agree_with_floats() -> None:
    mdp = random_mdp(11)
    policy = random_policy(mdp, 4)
    twin, rows = exact.ExactMDP.of(mdp, stored=True), exact.laws(policy, stored=True)
    d = state_occupancy(mdp, policy)
    q = exact.floats(exact.policy_evaluation(twin, rows).q)[0]
    floats = softmax_policy_gradient(policy, q=q, state_occupancy=d, discount=mdp.discount)
    assert np.allclose(exact.floats(exact.policy_gradient(twin, rows))[0], floats, rtol=0, atol=1e-10)
    blocks = exact.fisher_information(rows, state_occupancy=exact.state_occupancy(twin, rows))
    expected = fisher_information(policy, state_occupancy=d)
    assert np.allclose(exact.floats(blocks)[0], expected, rtol=0, atol=1e-12)
    assert (blocks.sum(axis=-1) == 0).all()


def test_logits_give_enclosures() -> None:
    mdp = random_mdp(5)
    logits = exact.rational(np.random.default_rng(0).normal(size=(mdp.n_states, mdp.n_actions)))
    gradient = exact.policy_gradient(mdp, exact.softmax(logits), initial=np.eye(mdp.n_states, dtype=int)[0])
    assert (exact.width(gradient) < 1e-65).all()
    assert exact.overlap(gradient.sum(axis=1), 0).all()


def test_the_gradient_vanishes_at_the_soft_optimum() -> None:
    mdp = random_mdp(8)
    soft = exact.soft_control(mdp, temperature=0.5)
    gradient = exact.policy_gradient(mdp, exact.exp(soft.log_policy), temperature=0.5)
    assert (exact.distance(gradient, 0) < 1e-60).all()
