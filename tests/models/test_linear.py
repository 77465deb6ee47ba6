"""Linear MDPs: what is accepted and refused, the way to tables and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mdplab.instances.draw import SeededDraw
from mdplab.instances.linear import (
    aggregation_features,
    one_hot_features,
    random_linear_mdp,
    simplex_features,
)
from mdplab.models import MDP, LinearMDP, RectangularUncertainty, linear_fit
from tests.small_models import random_mdp


def arguments() -> dict[str, Any]:
    return {
        "features": [[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.25, 0.75]]],
        "measures": [[0.5, 0.5], [1.0, 0.0]],
        "theta": [1.0, -1.0],
        "discount": 0.9,
    }


def test_table_of_a_linear_model() -> None:
    mdp = LinearMDP(**arguments(), initial=[0.5, 0.5], state_names=["a", "b"]).to_mdp()
    np.testing.assert_allclose(mdp.transition[0, 1], [0.75, 0.25])
    np.testing.assert_allclose(mdp.reward, [[1.0, 0.0], [-1.0, -0.5]])
    assert mdp.state_names == ("a", "b")
    assert mdp.discount == 0.9
    np.testing.assert_array_equal(mdp.start_law(), [0.5, 0.5])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"measures": [[0.5, 0.4], [1.0, 0.0]]}, r"\(state 0, action 0\) sums to 0.9, expected 1"),
        (
            {"measures": [[0.5, 0.5], [1.2, -0.2]], "state_names": ["a", "b"]},
            r"\(state 1 'b', action 0\) gives state 1 'b' the probability -0.2",
        ),
        ({"measures": [[0.5, 0.5]]}, "measures has shape"),
        ({"theta": [[1.0, 2.0], [1.0, 2.0]], "horizon": 3}, "stages disagree"),
        ({"discount": 1.0}, "discount is 1.0"),
        ({"terminal": [0.0, 0.0]}, "terminal needs a finite horizon"),
        ({"features": [[[1.0, np.nan]]]}, r"features\[0, 0, 1\] is nan"),
    ],
)
def test_bad_input_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LinearMDP(**(arguments() | changes))


@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize("signed", [False, True])
def test_there_and_back(seed: int, signed: bool) -> None:
    model = random_linear_mdp(SeededDraw([seed, 3]), states=(8, 12), actions=(3, 4), signed=signed)
    mdp = model.to_mdp()
    np.testing.assert_allclose(
        mdp.transition, np.einsum("sad,dt->sat", model.features, model.measures), atol=1e-15
    )
    back = LinearMDP.from_mdp(mdp.to_sparse() if seed % 2 else mdp, model.features)
    np.testing.assert_allclose(back.measures, model.measures, atol=1e-9)
    np.testing.assert_allclose(back.theta, model.theta, atol=1e-9)
    assert model.has_simplex_features == (not signed)


@pytest.mark.parametrize("seed", range(5))
def test_every_model_is_linear_in_one_hot_features(seed: int) -> None:
    mdp = random_mdp(seed, masked=False)
    model = LinearMDP.from_mdp(mdp, one_hot_features(mdp.n_states, mdp.n_actions))
    np.testing.assert_allclose(model.to_mdp().transition, mdp.transition, atol=1e-15)
    np.testing.assert_array_equal(model.to_mdp().reward, mdp.reward)


def test_a_model_that_is_not_linear_is_refused_with_its_distance() -> None:
    rng = np.random.default_rng(0)
    model = random_linear_mdp(SeededDraw(4), states=(6, 6), actions=(3, 3), dimension=(3, 3))
    kernel = model.to_mdp().transition.copy()
    kernel[2, 1] = 0.9 * kernel[2, 1] + 0.1 * rng.dirichlet(np.ones(6))
    mdp = MDP(kernel, model.to_mdp().reward, 0.9, state_names=list("uvwxyz"))
    with pytest.raises(ValueError, match=r"its kernel is off by .* at \(state 2 'w', action 1\)"):
        LinearMDP.from_mdp(mdp, model.features)
    reward = model.to_mdp().reward.copy()
    reward[0, 2] += 1e-3
    with pytest.raises(ValueError, match=r"its reward is off by .* at \(state 0, action 2\)"):
        LinearMDP.from_mdp(model.to_mdp().replace(reward=reward), model.features)


def test_fit_errors_are_those_of_the_fit() -> None:
    mdp = random_mdp(6, masked=False)
    assert mdp.n_actions > 1
    features = np.random.default_rng(1).normal(size=(mdp.n_states, mdp.n_actions, 2))
    fit = linear_fit(mdp, features)
    rows = np.abs(mdp.transition - features @ fit.measures).sum(axis=2)
    assert fit.transition_error == pytest.approx(rows.max(), rel=1e-9)
    assert fit.transition_error >= rows.max()
    assert rows[fit.worst_row] == rows.max()
    assert fit.reward_error == pytest.approx(np.abs(mdp.reward - features @ fit.theta).max(), rel=1e-9)
    assert fit.rank == 2
    masked = MDP(
        mdp.transition, mdp.reward, 0.5, available=np.arange(mdp.reward.size).reshape(mdp.reward.shape) > 0
    )
    with pytest.raises(ValueError, match="unavailable"):
        linear_fit(masked, features)


def test_aggregation_is_linear_for_states_that_are_alike() -> None:
    kernel, reward = (
        np.random.default_rng(2).dirichlet(np.ones(4), (2, 2)),
        np.array([[1.0, 0.0], [0.0, 2.0]]),
    )
    blocks = np.array([0, 1, 1, 0])
    mdp = MDP(kernel[blocks], reward[blocks], 0.9)
    model = LinearMDP.from_mdp(mdp, aggregation_features(blocks, 2))
    np.testing.assert_allclose(model.to_mdp().transition, mdp.transition, atol=1e-15)


def test_stages() -> None:
    model = random_linear_mdp(SeededDraw(8), horizon=(3, 3))
    table = model.to_finite_horizon()
    assert table.horizon == 3
    for h in range(3):
        np.testing.assert_allclose(table.stage_kernel(h), model.features @ model.measures[h], atol=1e-15)
        np.testing.assert_allclose(table.stage_reward(h), model.features @ model.theta[h], atol=1e-15)
    with pytest.raises(ValueError, match="finite horizon"):
        model.to_mdp()
    with pytest.raises(ValueError, match="horizon is 4, but the model has 3"):
        model.to_finite_horizon(4)
    discounted = random_linear_mdp(SeededDraw(8))
    assert discounted.to_finite_horizon(5).horizon == 5
    with pytest.raises(ValueError, match="horizon is missing"):
        discounted.to_finite_horizon()


def test_rectangular_uncertainty_is_data_on_the_factors() -> None:
    model = simplex_features()
    np.testing.assert_array_equal(model.factors, [0, 1])
    table = model.to_finite_horizon()
    np.testing.assert_allclose(table.stage_kernel(0)[0, 0], [0.35, 0.25, 0.4])
    np.testing.assert_allclose(table.stage_reward(0), [[0.1, 0.6], [0.5, 0.2], [0.9, 0.3]])
    priced = RectangularUncertainty(model, "kl", strength=0.3)
    np.testing.assert_array_equal(priced.strength, [0.3, 0.3])
    assert priced.radius is None
    ball = RectangularUncertainty(model, "chi-square", radius=[0.0, 0.2])
    np.testing.assert_array_equal(ball.radius, [0.0, 0.2])
    with pytest.raises(ValueError, match="exactly one"):
        RectangularUncertainty(model, "kl")
    with pytest.raises(ValueError, match=r"strength\[1\] is 0.0"):
        RectangularUncertainty(model, "kl", strength=[1.0, 0.0])
    with pytest.raises(ValueError, match="laws"):
        RectangularUncertainty(random_linear_mdp(SeededDraw(1), signed=True), "kl", radius=0.1)


def test_large_models_form_no_table() -> None:
    """20000 states: a table would have 3.2 GB a copy."""
    rng = np.random.default_rng(0)
    model = LinearMDP(
        rng.dirichlet(np.ones(3), (20_000, 4)), rng.dirichlet(np.ones(20_000), 3), [1.0, 0.5, 0.0], 0.9
    )
    assert model.row_deviation < 1e-10
