"""Planning in feature space against the tabular route."""

from __future__ import annotations

import numpy as np
import pytest

from mdplab.instances.draw import SeededDraw
from mdplab.instances.linear import one_hot_features, random_linear_mdp, simplex_features
from mdplab.instances.walks import chain_problem
from mdplab.models import LinearMDP
from mdplab.solution import ConvergenceWarning, Status
from mdplab.solvers import backward_induction, policy_evaluation, policy_iteration, verify
from mdplab.solvers.linear_backward_induction import linear_backward_induction
from mdplab.solvers.linear_mdp import linear_policy_evaluation, linear_policy_iteration
from tests.small_models import random_mdp


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("signed", [False, True])
def test_control_is_that_of_the_table(seed: int, signed: bool) -> None:
    model = random_linear_mdp(SeededDraw([seed, 31]), signed=signed, discount=(0.0, 0.999))
    table = model.to_mdp()
    found, other = linear_policy_iteration(model), policy_iteration(table)
    allowed = found.certificate.bound + other.certificate.bound
    assert np.abs(found.value - other.value).max() <= allowed
    assert found.certificate.bound < 1e-8
    assert found.status is Status.CONVERGED
    assert (found.lower <= other.upper).all()
    assert (other.lower <= found.upper).all()
    np.testing.assert_allclose(found.q, model.features @ found.weights, atol=found.q_error)
    report = verify(table, found)
    assert report.passed, report.failures


@pytest.mark.parametrize("seed", range(40))
def test_evaluation_is_that_of_the_table(seed: int) -> None:
    draw = SeededDraw([seed, 32])
    model = random_linear_mdp(draw, signed=seed % 2 == 1, discount=(0.0, 0.999))
    policy = draw.weights((model.n_states, model.n_actions), 0.3)
    found, other = linear_policy_evaluation(model, policy), policy_evaluation(model.to_mdp(), policy)
    assert np.abs(found.value - other.value).max() <= found.certificate.bound + other.certificate.bound
    assert np.abs(found.q - other.q).max() <= found.q_error + other.q_error
    report = verify(model.to_mdp(), found)
    assert report.passed, report.failures


@pytest.mark.parametrize("seed", range(40))
def test_finite_horizon_is_that_of_the_table(seed: int) -> None:
    model = random_linear_mdp(SeededDraw([seed, 33]), horizon=(1, 6), signed=seed % 2 == 1)
    found, other = linear_backward_induction(model), backward_induction(model.to_finite_horizon())
    assert np.abs(found.value - other.value).max() <= found.certificate.bound + other.certificate.bound
    assert np.abs(found.q - other.q).max() <= found.q_error + other.q_error
    report = verify(model.to_finite_horizon(), found)
    assert report.passed, report.failures


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("temperature", [1e-3, 0.3, 1e3])
def test_regularised_finite_horizon_is_that_of_the_table(seed: int, temperature: float) -> None:
    draw = SeededDraw([seed, 34])
    model = random_linear_mdp(draw, horizon=(1, 6), signed=seed % 2 == 1)
    table = model.to_finite_horizon()
    logs = np.log(draw.weights((table.horizon, table.n_states, table.n_actions), 0.3))
    reference = (None, logs, np.where(logs < logs.max(axis=2, keepdims=True) - 3, -np.inf, logs))[seed % 3]
    options = {"temperature": temperature, "log_reference": reference}
    found, other = linear_backward_induction(model, **options), backward_induction(table, **options)
    assert np.abs(found.value - other.value).max() <= found.certificate.bound + other.certificate.bound
    assert np.abs(found.q - other.q).max() <= found.q_error + other.q_error
    assert found.certificate.bound <= 1e-12 * (1 + temperature)
    assert found.policy_error <= 1e-11 * (1 + 1 / temperature)
    for judge in (model, table):
        report = verify(judge, found)
        assert report.passed, report.failures


def test_regularised_bandit_by_hand() -> None:
    model = LinearMDP(np.eye(2)[np.newaxis], np.ones((2, 1)), [1.0, 0.0], horizon=2)
    found = linear_backward_induction(model, temperature=0.5, log_reference=np.log([[0.2, 0.8]]))
    stage = 0.5 * np.log(0.2 * np.exp(2.0) + 0.8)
    np.testing.assert_allclose(found.value[:, 0], [2 * stage, stage, 0.0], rtol=1e-14)
    np.testing.assert_allclose(found.weights, [[1 + stage, stage], [1.0, 0.0]], rtol=1e-14)
    odds = found.policy[0, 0, 0] / found.policy[0, 0, 1]
    assert odds == pytest.approx(0.25 * np.exp(2.0), rel=1e-14)
    for wrong, name in (
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": 1.0, "log_reference": [0.0]}, "shape"),
    ):
        with pytest.raises(ValueError, match=name):
            linear_backward_induction(model, **wrong)


def test_named_instance_and_terminal_reward() -> None:
    model = simplex_features()
    found = linear_backward_induction(model)
    np.testing.assert_array_equal(found.value[2], [0.6, 0.5, 0.9])
    np.testing.assert_allclose(
        found.value[0], backward_induction(model.to_finite_horizon()).value[0], atol=1e-14
    )
    paid = LinearMDP(model.features, model.measures, model.theta, horizon=2, terminal=[1.0, 2.0, 3.0])
    np.testing.assert_allclose(
        linear_backward_induction(paid).value,
        backward_induction(paid.to_finite_horizon()).value,
        atol=1e-14,
    )


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("discount", [0.0, 0.9, 0.999, 0.999999])
def test_tabular_models_are_linear_models(seed: int, discount: float) -> None:
    """One-hot features: one state and one action, ties, discounts to .999999."""
    mdp = random_mdp(seed, masked=False, deterministic=seed % 2 == 1).replace(discount=discount)
    if seed % 3 == 0:
        mdp = mdp.replace(reward=np.ones(mdp.reward.shape))  # all actions tie
    model = LinearMDP.from_mdp(mdp, one_hot_features(mdp.n_states, mdp.n_actions))
    found, other = linear_policy_iteration(model), policy_iteration(mdp)
    assert np.abs(found.value - other.value).max() <= found.certificate.bound + other.certificate.bound
    report = verify(mdp, found)
    assert report.passed, report.failures
    assert found.certificate.bound <= max(1e-8, 1e-13 / (1 - discount) ** 2)


def test_limits_leave_bounds() -> None:
    model = LinearMDP.from_mdp(chain_problem(), one_hot_features(5, 2))  # greed for the reward goes back
    optimum = linear_policy_iteration(model)
    assert optimum.steps > 1
    with pytest.warns(ConvergenceWarning):
        early = linear_policy_iteration(model, max_steps=1)
    assert early.status is Status.MAX_STEPS
    assert (early.lower <= optimum.upper).all()
    assert (optimum.lower <= early.upper).all()
    stopped = linear_policy_iteration(model, callback=lambda *_: True)
    assert stopped.status is Status.INTERRUPTED


def test_large_models_are_planned_without_tables() -> None:
    """50000 states; a table of the kernel would have 40 GB."""
    rng = np.random.default_rng(5)
    model = LinearMDP(
        rng.dirichlet(np.ones(4), (50_000, 2)), rng.dirichlet(np.ones(50_000), 4), rng.uniform(size=4), 0.99
    )
    found = linear_policy_iteration(model, tol=1e-6)
    assert found.status is Status.CONVERGED
    # The residual of the value, state by state for a few: Bellman's equation from rows formed one at a time.
    for s in (0, 7, 49_999):
        rows = model.features[s] @ model.measures
        best = (model.features[s] @ model.theta + model.discount * rows @ found.value).max()
        assert abs(best - found.value[s]) <= found.backward_error + 1e-12


def test_wrong_models_are_refused() -> None:
    staged, discounted = random_linear_mdp(SeededDraw(1), horizon=(2, 2)), random_linear_mdp(SeededDraw(1))
    with pytest.raises(ValueError, match="finite horizon"):
        linear_policy_iteration(staged)
    with pytest.raises(ValueError, match="horizon is None"):
        linear_backward_induction(discounted)
    with pytest.raises(ValueError, match="expected a LinearMDP"):
        linear_policy_iteration(discounted.to_mdp())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="policy at state 0 sums"):
        linear_policy_evaluation(discounted, np.ones((discounted.n_states, discounted.n_actions)))
