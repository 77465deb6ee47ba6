"""Evaluation of stage policies against exact rationals and sixty-digit decimals."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from mdplab.models import FiniteHorizonMDP
from mdplab.solution import Status
from mdplab.solvers import backward_induction, policy_evaluation, stage_evaluation
from tests import naive
from tests.small_models import T3_KERNEL, T3_REWARD, random_policy, t3


def stage_model(seed: int) -> FiniteHorizonMDP:
    rng = np.random.default_rng([seed, 12])
    horizon, states, actions = int(rng.integers(1, 9)), int(rng.integers(1, 5)), int(rng.integers(1, 4))
    lead = (horizon,) if seed % 2 else ()
    kernel = rng.dirichlet(np.ones(states), (*lead, states, actions))
    scale = (1.0, 1e-3, 1e3)[seed % 3]
    reward = scale * (rng.normal(size=(horizon, states, actions)) + 2)
    return FiniteHorizonMDP(
        kernel, reward, discount=float(rng.uniform(0.5, 1.0)), terminal=rng.normal(size=states)
    )


def exact_rows(mdp: FiniteHorizonMDP, h: int, number: type, *, normalise: bool) -> list:
    rows = [[[number(float(p)) for p in row] for row in pairs] for pairs in mdp.stage_kernel(h)]
    return [
        [list(enumerate(p / sum(row) for p in row) if normalise else enumerate(row)) for row in pairs]
        for pairs in rows
    ]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("normalise", [False, True])
def test_hard_values_enclose_the_rationals(seed: int, normalise: bool) -> None:
    mdp = stage_model(seed)
    rng = np.random.default_rng(seed)
    policy = rng.dirichlet(np.ones(mdp.n_actions), (mdp.horizon, mdp.n_states))
    policy[rng.random(policy.shape[:2]) < 0.3] = np.eye(mdp.n_actions)[0]
    found = stage_evaluation(mdp, policy)
    v = naive.fractions_of(mdp.terminal)
    for h in reversed(range(mdp.horizon)):
        rows = exact_rows(mdp, h, Fraction, normalise=normalise)
        q = naive.exact_lookahead(rows, naive.fractions_of(mdp.stage_reward(h)), Fraction(mdp.discount), v)
        laws = naive.fractions_of(policy[h])
        laws = [[p / sum(row) for p in row] for row in laws] if normalise else laws
        v = [sum(p * x for p, x in zip(*pair, strict=True)) for pair in zip(laws, q, strict=True)]
        assert naive.largest_error(found.q[h], q) <= found.q_error
        assert naive.largest_error(found.value[h], v) <= found.value_errors[h] <= found.certificate.bound
        assert all(
            Fraction(float(low)) <= x <= Fraction(float(high))
            for low, x, high in zip(found.lower[h], v, found.upper[h], strict=True)
        )
    assert found.certificate.bound <= 1e-13 * (1 + np.abs(found.value).max()) * mdp.horizon


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("temperature", [1e-3, 0.7, 1e3])
@pytest.mark.parametrize("normalise", [False, True])
def test_soft_values_enclose_the_decimals(seed: int, temperature: float, normalise: bool) -> None:
    mdp = stage_model(seed)
    rng = np.random.default_rng([seed, 1])
    policy = rng.dirichlet(np.full(mdp.n_actions, 0.3), (mdp.horizon, mdp.n_states))
    logs = np.log(rng.dirichlet(np.ones(mdp.n_actions), mdp.n_states))
    found = stage_evaluation(mdp, policy, temperature=temperature, log_reference=logs)
    tau, v = Decimal(temperature), naive.decimals(mdp.terminal)
    bonus = [[tau * x for x in row] for row in naive.decimals(logs)]
    for h in reversed(range(mdp.horizon)):
        laws = naive.normalised_rows(policy[h]) if normalise else naive.decimals(policy[h])
        net = naive.net_reward(naive.decimals(mdp.stage_reward(h)), laws, bonus, tau)
        rows = exact_rows(mdp, h, Decimal, normalise=normalise)
        q = naive.exact_lookahead(rows, net, Decimal(mdp.discount), v)
        v = [sum(p * x for p, x in zip(*pair, strict=True)) for pair in zip(laws, q, strict=True)]
        assert naive.largest_error(found.value[h], v) <= found.value_errors[h]
    assert found.certificate.bound <= 1e-13 * (1 + np.abs(found.value).max() + temperature) * 20


def test_rows_that_sum_loosely_are_covered() -> None:
    mdp = FiniteHorizonMDP(np.ones((1, 2, 1)), [[1e3, -1e3]], 2)
    policy = np.array([[0.6 + 4e-10, 0.4]])
    found = stage_evaluation(mdp, policy)
    for exact in (2 * (200.0 + 4e-7), 2 * (200.0 + 4e-7) / (1 + 4e-10)):
        assert abs(found.value[0, 0] - exact) <= found.value_errors[0] <= 1e-6


def test_the_optimal_policy_has_the_optimal_value() -> None:
    for temperature in (0.0, 0.3):
        mdp = stage_model(3)
        best = backward_induction(mdp, temperature=temperature)
        own = stage_evaluation(mdp, best.policy, temperature=temperature)
        loss = best.value - own.value
        assert loss.max() <= best.suboptimality + best.certificate.bound + own.certificate.bound
        assert loss.min() >= -best.certificate.bound - own.certificate.bound


def test_a_long_horizon_approaches_the_discounted_value() -> None:
    policy = random_policy(t3(), 1)
    long = stage_evaluation(FiniteHorizonMDP(T3_KERNEL, T3_REWARD, 400, 0.9), policy, temperature=0.5)
    np.testing.assert_allclose(
        long.value[0], policy_evaluation(t3(), policy, temperature=0.5).value, atol=1e-12
    )
    assert long.status is Status.CONVERGED
    short = stage_evaluation(FiniteHorizonMDP(T3_KERNEL, T3_REWARD, 2, 0.9), policy, tol=0.0)
    assert short.status is Status.PRECISION_LIMIT


@pytest.mark.parametrize(
    ("policy", "options", "message"),
    [
        (np.ones((3, 2)), {}, "policy at"),
        (np.full((3, 2), np.nan), {}, "policy"),
        (np.full((2, 3, 3), 0.5), {}, "policy must have shape"),
        (np.full((3, 2), 0.5), {"temperature": -1.0}, "temperature"),
        (np.full((3, 2), 0.5), {"tol": -1.0}, "tol"),
        (
            np.full((3, 2), 0.5),
            {"temperature": 1.0, "log_reference": [[0.0, -np.inf]] * 3},
            "stage 0, state 0, action 1",
        ),
    ],
)
def test_bad_input_is_named(policy: np.ndarray, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stage_evaluation(FiniteHorizonMDP(T3_KERNEL, T3_REWARD, 2), policy, **options)
