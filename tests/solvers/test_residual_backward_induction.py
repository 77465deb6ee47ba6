"""The residual recursion by stages: published numbers, the full task by another route, exact bounds."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from mdplab.models import MDP, FiniteHorizonMDP
from mdplab.operators import log_tilt
from mdplab.solvers import backward_induction, residual_backward_induction, soft_policy_iteration
from tests import naive
from tests.small_models import T3_KERNEL, T3_RESIDUAL_REWARD, T3_REWARD, t3

ALPHA, OMEGA, TAU = 0.5, 1.2, 0.4
WEIGHTS = {"prior_weight": OMEGA * ALPHA, "temperature": TAU}


def task(reward: np.ndarray, discount: float = 1.0, terminal: np.ndarray | None = None) -> FiniteHorizonMDP:
    return FiniteHorizonMDP(T3_KERNEL, reward, 4, discount, terminal)


def test_published_policies() -> None:
    mdp = task(T3_REWARD)
    prior = backward_induction(mdp, temperature=ALPHA)
    expected = [
        (0.9271047337, 0.3855270731, 0.1307822591),
        (0.9233414972, 0.3812538290, 0.1274669495),
        (0.9137372323, 0.3712248758, 0.1199221084),
        (0.8807970780, 0.3543436938, 0.0997504891),
    ]
    np.testing.assert_allclose(prior.policy[:, :, 0], expected, rtol=0, atol=6e-11)
    found = residual_backward_induction(mdp, T3_RESIDUAL_REWARD, prior.log_policy, **WEIGHTS)
    expected = [
        (0.8870719538, 0.3789831483, 0.0107765384),
        (0.8884648760, 0.3803230642, 0.0108548031),
        (0.8924593891, 0.3818178768, 0.0111156884),
        (0.8519528020, 0.4625701547, 0.0081625712),
    ]
    np.testing.assert_allclose(found.policy[:, :, 0], expected, rtol=0, atol=6e-11)
    full = backward_induction(task(OMEGA * T3_REWARD + T3_RESIDUAL_REWARD), temperature=TAU)
    np.testing.assert_allclose(found.policy, full.policy, rtol=0, atol=1e-13)
    np.testing.assert_allclose(found.value, full.value - OMEGA * prior.value, rtol=0, atol=1e-13)
    # A prior frozen at the first stage errs more and more towards the end.
    frozen = residual_backward_induction(mdp, T3_RESIDUAL_REWARD, prior.log_policy[0], **WEIGHTS)
    errors = np.abs(frozen.policy - full.policy).max(axis=(1, 2))
    expected = [0.0010303017, 0.0088701783, 0.0279987082, 0.0765930800]
    np.testing.assert_allclose(errors, expected, rtol=0, atol=6e-11)


def test_a_stationary_prior_adds_a_terminal_bonus() -> None:
    prior = soft_policy_iteration(t3(), temperature=ALPHA, tol=1e-12)
    mdp = task(T3_REWARD, 0.9)
    found = residual_backward_induction(mdp, T3_RESIDUAL_REWARD, prior.log_policy, **WEIGHTS)
    total = OMEGA * T3_REWARD + T3_RESIDUAL_REWARD
    bonus = backward_induction(task(total, 0.9, OMEGA * prior.value), temperature=TAU)
    np.testing.assert_allclose(found.policy, bonus.policy, rtol=0, atol=1e-12)
    plain = backward_induction(task(total, 0.9), temperature=TAU)
    errors = np.abs(found.policy - plain.policy).max(axis=(1, 2))
    expected = [0.0040742329, 0.0099265554, 0.0250580924, 0.0713203273]
    np.testing.assert_allclose(errors, expected, rtol=0, atol=6e-11)
    # Taking the bonus off as residual terminal reward restores the plain task.
    repaired = residual_backward_induction(
        mdp, T3_RESIDUAL_REWARD, prior.log_policy, residual_terminal=-OMEGA * prior.value, **WEIGHTS
    )
    np.testing.assert_allclose(repaired.policy, plain.policy, rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_full_task_by_the_other_route(seed: int) -> None:
    rng = np.random.default_rng([seed, 20])
    horizon, states, actions = (int(rng.integers(1, 8)), int(rng.integers(2, 7)), int(rng.integers(2, 5)))
    kernel = rng.dirichlet(np.ones(states), (horizon, states, actions))
    own, extra = rng.normal(size=(2, horizon, states, actions))
    alpha, tau, omega = (float(x) for x in rng.uniform([0.2, 0.2, 0.0], 2.0))
    discount = (1.0, float(rng.uniform(0.3, 0.97)))[seed % 2]
    terminal = rng.normal(size=(2, states))
    mask = rng.random(own.shape) < 0.7
    mask[..., 0] = True
    mdp = FiniteHorizonMDP(kernel, own, discount=discount, terminal=terminal[0])
    prior = backward_induction(mdp, temperature=alpha, available=mask)
    found = residual_backward_induction(
        mdp,
        extra,
        prior.log_policy,
        prior_weight=omega * alpha,
        temperature=tau,
        residual_terminal=terminal[1],
        available=mask,
    )
    last = omega * terminal[0] + terminal[1]
    full = FiniteHorizonMDP(kernel, omega * own + extra, discount=discount, terminal=last)
    other = backward_induction(full, temperature=tau, available=mask)
    np.testing.assert_allclose(found.policy, other.policy, rtol=0, atol=1e-11)
    np.testing.assert_allclose(found.value, other.value - omega * prior.value, rtol=0, atol=1e-11)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("temperature", [1e-3, 0.7, 1e3])
def test_bounds_hold(seed: int, temperature: float) -> None:
    rng = np.random.default_rng([seed, 21])
    horizon, states, actions = (int(rng.integers(1, 7)), int(rng.integers(1, 5)), int(rng.integers(1, 4)))
    kernel = rng.dirichlet(np.ones(states), (states, actions))
    extra = rng.normal(size=(horizon, states, actions)) + 2.0
    logs = log_tilt(20 * rng.normal(size=extra.shape))
    weight = float(rng.uniform(0, 3))
    mdp = FiniteHorizonMDP(kernel, np.zeros((states, actions)), horizon, float(rng.uniform(0.5, 1.0)))
    found = residual_backward_induction(mdp, extra, logs, prior_weight=weight, temperature=temperature)
    rows = [[[(t, Decimal(float(p))) for t, p in enumerate(row)] for row in pairs] for pairs in kernel]
    v = own = [Decimal(0)] * states
    tau, gamma = Decimal(temperature), Decimal(mdp.discount)
    for h in reversed(range(horizon)):
        bonus = [[Decimal(weight) * x for x in row] for row in naive.decimals(logs[h])]
        reward = naive.decimals(extra[h])
        q = naive.exact_lookahead(rows, reward, gamma, v)
        v, policy = naive.exact_soft_backup(rows, reward, gamma, bonus, tau, v)
        assert naive.largest_error(found.q[h], q) <= found.q_error
        assert naive.largest_error(found.value[h], v) <= found.value_errors[h] <= found.certificate.bound
        assert naive.largest_error(found.policy[h], policy) <= found.policy_error
        logarithms = [[p.ln() for p in row] for row in policy]
        assert naive.largest_error(found.log_policy[h], logarithms) <= found.log_policy_error
        laws = naive.normalised_rows(found.policy[h])
        net = naive.net_reward(reward, laws, bonus, tau)
        lookahead = naive.exact_lookahead(rows, net, gamma, own)
        own = [sum(p * x for p, x in zip(*pair, strict=True)) for pair in zip(laws, lookahead, strict=True)]
    assert max(float(x - y) for x, y in zip(v, own, strict=True)) <= found.suboptimality


def test_the_own_reward_is_not_read() -> None:
    prior = backward_induction(task(T3_REWARD), temperature=ALPHA).log_policy
    one, two = (
        residual_backward_induction(
            task(reward, terminal=np.full(3, x)), T3_RESIDUAL_REWARD, prior, **WEIGHTS
        )
        for reward, x in ((T3_REWARD, 0.0), (1e6 * T3_REWARD, 7.0))
    )
    np.testing.assert_array_equal(one.value, two.value)
    blind = residual_backward_induction(
        task(T3_REWARD), T3_RESIDUAL_REWARD, np.full((3, 2), -np.inf), prior_weight=0.0, temperature=TAU
    )
    plain = backward_induction(task(T3_RESIDUAL_REWARD), temperature=TAU)
    np.testing.assert_allclose(blind.policy, plain.policy, atol=1e-14)


def test_a_discounted_model_is_no_horizon() -> None:
    assert isinstance(t3(), MDP)
    with pytest.raises(TypeError, match="expected a FiniteHorizonMDP"):
        residual_backward_induction(t3(), T3_REWARD, np.zeros((3, 2)), **WEIGHTS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prior_weight": -1.0}, "prior_weight"),
        ({"temperature": 0.0}, "temperature"),
        ({"residual_reward": np.zeros((4, 3))}, "residual_reward must have shape"),
        (
            {"residual_reward": np.full((3, 2), np.inf)},
            "residual_reward is inf at stage 0, state 0, action 0",
        ),
        ({"log_prior": np.full((3, 2), -np.inf)}, "log_prior: stage 0, state 0 gives no weight"),
        ({"log_prior": np.zeros(2)}, "log_prior must have shape"),
        ({"residual_terminal": np.full(3, np.inf)}, "residual_terminal must be real and finite"),
        ({"available": np.zeros((3, 2), bool)}, "has no action"),
    ],
)
def test_bad_input_is_named(changes: dict, message: str) -> None:
    arguments = {"residual_reward": T3_RESIDUAL_REWARD, "log_prior": np.zeros((3, 2))} | WEIGHTS | changes
    with pytest.raises(ValueError, match=message):
        residual_backward_induction(task(T3_REWARD), **arguments)
