"""Soft value iteration, soft policy iteration and residual Q-learning against fifty-digit decimals and known values."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from mdplab import solvers
from mdplab.models import MDP, FiniteHorizonMDP
from mdplab.operators import residual_backup, soft_backup
from mdplab.solution import ConvergenceWarning, Status
from mdplab.solvers import (
    ControlSolution,
    residual_q_learning,
    soft_policy_iteration,
    soft_value_iteration,
    verify,
)
from tests import naive
from tests.small_models import T3_RESIDUAL_REWARD, T3_REWARD, as_sparse, random_mdp, t3
from tests.solver_models import DISCOUNTS, model


def log_prior(mdp: MDP, seed: int) -> np.ndarray:
    """Log-probabilities, about a quarter of them near -700."""
    rng = np.random.default_rng([seed, 3])
    logs = rng.normal(size=mdp.reward.shape)
    logs[rng.random(logs.shape) < 0.25] = -700.0
    top = logs.max(axis=1, keepdims=True)
    return logs - top - np.log(np.exp(logs - top).sum(axis=1, keepdims=True))


def exact_bonus(mdp: MDP, logs: np.ndarray, weight: float) -> list[list[Decimal | None]]:
    free = np.ones(mdp.reward.shape, bool) if mdp.available is None else mdp.available
    return [
        [Decimal(weight) * Decimal(float(x)) if ok else None for x, ok in zip(*pair, strict=True)]
        for pair in zip(logs, free, strict=True)
    ]


def check(
    mdp: MDP, solution: ControlSolution, reward: np.ndarray, bonus: list, temperature: float, rows: list
) -> None:
    """All bounds of a solution against the decimal optimum."""
    gamma, tau, gain = Decimal(mdp.discount), Decimal(temperature), naive.decimals(reward)
    start = [Decimal(float(v)) for v in solution.value]
    value, q, policy = naive.exact_soft_optimum(rows, gain, gamma, bonus, tau, start)
    logs = [[None if p == 0 else p.ln() for p in row] for row in policy]
    assert naive.largest_error(solution.value, value) <= solution.certificate.bound
    assert naive.largest_error(solution.q, q) <= solution.q_error
    assert naive.largest_error(solution.policy, policy) <= solution.policy_error
    assert naive.largest_error(solution.log_policy, logs) <= solution.log_policy_error
    backup, _ = naive.exact_soft_backup(rows, gain, gamma, bonus, tau, start)
    assert naive.largest_error(solution.value, backup) <= solution.backward_error
    laws = [[Decimal(float(p)) for p in row] for row in solution.policy]
    laws = [[p / sum(row) for p in row] for row in laws]
    regularised = [
        [r if p == 0 else r - tau * p.ln() + b for r, p, b in zip(*triple, strict=True)]
        for triple in zip(gain, laws, bonus, strict=True)
    ]
    own = naive.exact_evaluation(rows, regularised, gamma, laws)
    assert max(float(v - w) for v, w in zip(value, own, strict=True)) <= solution.suboptimality


@pytest.mark.parametrize("discount", DISCOUNTS)
@pytest.mark.parametrize("seed", range(9))
@pytest.mark.parametrize("normalise", [False, True])
def test_soft_bounds_hold(seed: int, discount: float, normalise: bool) -> None:
    mdp = model(seed, discount)
    temperature = float(10.0 ** np.random.default_rng(seed).uniform(-3, 3))
    logs = log_prior(mdp, seed) if seed % 2 else None
    bonus = exact_bonus(mdp, np.zeros(mdp.reward.shape) if logs is None else logs, temperature)
    rows = naive.exact_rows(mdp, Decimal, normalise=normalise)
    for solution in (
        soft_policy_iteration(mdp, temperature=temperature, log_reference=logs),
        soft_policy_iteration(as_sparse(mdp), temperature=temperature, log_reference=logs),
        soft_value_iteration(mdp, temperature=temperature, log_reference=logs, tol=0.0),
        soft_value_iteration(as_sparse(mdp), temperature=temperature, log_reference=logs, tol=1e-4),
    ):
        check(mdp, solution, mdp.reward, bonus, temperature, rows)


@pytest.mark.parametrize("discount", DISCOUNTS)
@pytest.mark.parametrize("seed", range(8))
def test_residual_bounds_hold(seed: int, discount: float) -> None:
    mdp = model(seed, discount)
    rng = np.random.default_rng([seed, 1])
    temperature, weight = (float(10.0**x) for x in rng.uniform(-2, 1, 2))
    reward, logs = rng.normal(size=mdp.reward.shape), log_prior(mdp, seed)
    rows, bonus = naive.exact_rows(mdp, Decimal), exact_bonus(mdp, logs, weight)
    for each in (mdp, as_sparse(mdp)):
        solution = residual_q_learning(
            each, reward, logs, prior_weight=weight, temperature=temperature, tol=0.0
        )
        check(mdp, solution, reward, bonus, temperature, rows)


def test_residual_fixed_point_on_t3() -> None:
    # Li et al. 2023: the residual fixed point, blind to the prior's reward, customises the prior exactly.
    prior = soft_policy_iteration(t3(), temperature=0.5)
    full = soft_policy_iteration(t3().replace(reward=1.2 * T3_REWARD + T3_RESIDUAL_REWARD), temperature=0.4)
    blind = residual_q_learning(
        t3(), T3_RESIDUAL_REWARD, prior.log_policy, prior_weight=0.6, temperature=0.4, tol=1e-12
    )
    near = {"rtol": 0, "atol": 6e-11}
    np.testing.assert_allclose(prior.policy[:, 0], [0.9235637016, 0.3826056426, 0.1275262428], **near)
    np.testing.assert_allclose(prior.value, [9.1681223111, 8.6551786198, 8.8279483543], **near)
    np.testing.assert_allclose(full.value, [11.9350520483, 11.5611767564, 12.0618940085], **near)
    expected = [[0.9316275960, 1.6149332931], [1.3714350083, 1.2687095423], [0.8807475663, 1.5459949934]]
    np.testing.assert_allclose(blind.q, expected, **near)
    np.testing.assert_allclose(blind.policy[:, 0], [0.8838504080, 0.3867625957, 0.0104812146], **near)
    error = blind.q_error + full.q_error + 1.2 * prior.q_error
    assert np.abs(blind.q - (full.q - 1.2 * prior.q)).max() <= error < 1e-12 * (1 + np.abs(full.q).max())
    assert np.abs(blind.policy - full.policy).max() <= blind.policy_error + full.policy_error < 1e-11
    gap = np.abs(blind.value - (full.value - 1.2 * prior.value)).max()
    assert gap <= blind.certificate.bound + full.certificate.bound + 1.2 * prior.certificate.bound
    # The specified mutations of the prior's weight and of the lookahead.
    wrong = residual_q_learning(
        t3(), T3_RESIDUAL_REWARD, prior.log_policy, prior_weight=1.2, temperature=0.4, tol=1e-12
    )
    assert np.abs(wrong.policy - full.policy).max() == pytest.approx(0.1703890638, abs=6e-11)
    alone = soft_policy_iteration(t3().replace(reward=T3_RESIDUAL_REWARD), temperature=0.4)
    mixed = alone.q + 0.6 * prior.log_policy
    weights = np.exp((mixed - mixed.max(1, keepdims=True)) / 0.4)
    added = weights / weights.sum(1, keepdims=True)
    assert np.abs(added - full.policy).max() == pytest.approx(0.1361932721, abs=6e-11)


@pytest.mark.parametrize(
    ("bonus", "first_column", "values"),
    [
        (0.0, (0.7984005744, 0.4419541729, 0.0458409275), (1.7201389612, 1.9704560474, 2.1599080931)),
        (0.3, (0.7198828588, 0.4760110116, 0.1168939378), (3.2087913977, 3.4538070479, 3.5275194647)),
        (-0.2, (0.8838504080, 0.3867625957, 0.0104812146), (0.9333052750, 1.1749624127, 1.4683559834)),
    ],
)
def test_kl_objective_balance_on_t3(bonus: float, first_column: tuple, values: tuple) -> None:
    # KL weight .6 and entropy weight `bonus` on the add-on reward: temperature is their sum.
    prior = soft_policy_iteration(t3(), temperature=0.5)
    temperature = 0.6 + bonus
    direct = soft_policy_iteration(
        t3().replace(reward=T3_RESIDUAL_REWARD),
        temperature=temperature,
        log_reference=0.6 / temperature * prior.log_policy,
    )
    np.testing.assert_allclose(direct.policy[:, 0], first_column, rtol=0, atol=6e-11)
    np.testing.assert_allclose(direct.value, values, rtol=0, atol=6e-11)
    blind = residual_q_learning(
        t3(), T3_RESIDUAL_REWARD, prior.log_policy, prior_weight=0.6, temperature=temperature, tol=1e-12
    )
    np.testing.assert_allclose(blind.policy, direct.policy, rtol=0, atol=1e-12)
    full = soft_value_iteration(
        t3().replace(reward=1.2 * T3_REWARD + T3_RESIDUAL_REWARD), temperature=temperature, tol=1e-12
    )
    np.testing.assert_allclose(full.value - 1.2 * prior.value, values, rtol=0, atol=6e-11)
    np.testing.assert_allclose(
        full.policy, direct.policy, rtol=0, atol=full.policy_error + direct.policy_error
    )


@pytest.mark.parametrize("sparse", [False, True])
def test_kept_iterates_are_applications_of_the_backup(sparse: bool) -> None:
    mdp = as_sparse(t3()) if sparse else t3()
    prior = soft_policy_iteration(t3(), temperature=0.5).log_policy
    options = {"log_prior": prior, "prior_weight": 0.6, "temperature": 0.4}
    solution = residual_q_learning(
        mdp,
        T3_RESIDUAL_REWARD,
        prior,
        prior_weight=0.6,
        temperature=0.4,
        initial_q=T3_REWARD,
        keep_iterates=True,
    )
    assert solution.iterates is not None
    assert len(solution.iterates) == solution.steps + 1
    q = T3_REWARD
    for iterate in solution.iterates:
        np.testing.assert_allclose(iterate, q, rtol=0, atol=1e-13)
        q = residual_backup(mdp, q, residual_reward=T3_RESIDUAL_REWARD, **options)
    plain = residual_q_learning(
        mdp, T3_RESIDUAL_REWARD, prior, prior_weight=0.6, temperature=0.4, keep_iterates=True, tol=1e-10
    )
    errors = np.abs(plain.iterates - plain.q).max(axis=(1, 2))
    expected = [1.6149332931, 1.3354587488, 1.0992747516, 0.4485252516]
    np.testing.assert_allclose(errors[[0, 1, 2, 10]], expected, rtol=0, atol=1e-9)


def test_residual_route_calls_no_soft_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a soft solver or kernel was called")

    from mdplab._kernels import backups

    prior = soft_policy_iteration(t3(), temperature=0.5).log_policy
    expected = residual_q_learning(t3(), T3_RESIDUAL_REWARD, prior, prior_weight=0.6, temperature=0.4).q
    for name in ("soft_sweeps_dense", "soft_sweeps_csr"):
        monkeypatch.setattr(backups, name, forbidden)
    for name in ("soft_policy_iteration", "soft_value_iteration"):
        monkeypatch.setattr(solvers, name, forbidden)
    blind = MDP(t3().transition, np.full((3, 2), 77.0), 0.9)  # its reward is not read
    got = residual_q_learning(blind, T3_RESIDUAL_REWARD, prior, prior_weight=0.6, temperature=0.4)
    np.testing.assert_array_equal(got.q, expected)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("temperature", [1e-3, 0.3, 1e3])
def test_two_routes_dense_sparse_and_masked_agree(seed: int, temperature: float) -> None:
    mdp = random_mdp(seed, masked=True)
    logs = log_prior(mdp, seed)
    options = {"temperature": temperature, "log_reference": logs}
    newton = soft_policy_iteration(mdp, **options)
    for other in (
        soft_policy_iteration(as_sparse(mdp), **options),
        soft_value_iteration(mdp, tol=0.0, **options),
        soft_value_iteration(as_sparse(mdp), tol=0.0, **options),
        soft_policy_iteration(
            MDP(
                np.where(mdp.available[..., None], mdp.transition, 1.0 / mdp.n_states),
                mdp.reward,
                mdp.discount,
            ),
            temperature=temperature,
            log_reference=np.where(mdp.available, logs, -np.inf),
        ),
    ):
        assert np.abs(newton.value - other.value).max() <= newton.certificate.bound + other.certificate.bound
        assert np.abs(newton.policy - other.policy).max() <= newton.policy_error + other.policy_error
    assert np.all(newton.policy[~mdp.available] == 0)
    assert np.all(newton.log_policy[~mdp.available] == -np.inf)
    residual = soft_backup(mdp, np.where(mdp.available, newton.q, 0.0), **options) - newton.q
    assert np.abs(residual[mdp.available]).max() <= 4 * newton.backward_error


def test_certificates_are_tight_enough_for_two_routes_at_97() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        n_states, n_actions = rng.integers(2, 7), rng.integers(2, 5)
        kernel = rng.dirichlet(np.ones(n_states), (n_states, n_actions))
        mdp = MDP(kernel, rng.normal(size=(n_states, n_actions)), 0.97)
        one = soft_policy_iteration(mdp, temperature=0.2)
        two = residual_q_learning(
            mdp, mdp.reward, np.zeros(mdp.reward.shape), prior_weight=0.0, temperature=0.2, tol=0.0
        )
        assert one.policy_error + two.policy_error < 5e-12
        assert one.q_error + two.q_error < 1e-12 * (1 + np.abs(one.q).max())


def test_a_long_way_from_the_solution_newton_still_converges() -> None:
    # Tiny temperature and rewards of six decades: the first Newton steps leave the span large.
    for seed in range(20):
        rng = np.random.default_rng(seed)
        kernel = rng.dirichlet(np.full(6, 0.1), (6, 4))
        mdp = MDP(kernel, rng.normal(size=(6, 4)) * 10.0 ** rng.uniform(-3, 3, (6, 4)), 0.999)
        solution = soft_policy_iteration(mdp, temperature=1e-3, tol=1e-3)
        assert solution.status is Status.CONVERGED
        assert solution.steps < 40
        np.testing.assert_allclose(
            solution.value, solvers.policy_iteration(mdp).value, rtol=0, atol=1e-3 * np.log(4) / 0.001 + 1e-3
        )


def test_statuses() -> None:
    mdp = t3()
    with pytest.warns(ConvergenceWarning):
        assert soft_value_iteration(mdp, temperature=0.5, max_steps=2).status is Status.MAX_STEPS
    with pytest.warns(ConvergenceWarning):
        assert soft_policy_iteration(mdp, temperature=0.5, max_steps=1).status is Status.MAX_STEPS
    logs = np.zeros((3, 2))
    with pytest.warns(ConvergenceWarning):
        short = residual_q_learning(mdp, mdp.reward, logs, prior_weight=1.0, temperature=0.5, max_steps=2)
    assert short.status is Status.MAX_STEPS
    for run in (soft_value_iteration, soft_policy_iteration):
        assert run(mdp, temperature=0.5, callback=lambda *_: True).status is Status.INTERRUPTED
        assert run(mdp, temperature=0.5, tol=0.0).status is Status.PRECISION_LIMIT
        assert run(mdp, temperature=0.5, tol=1e-10).status is Status.CONVERGED


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: soft_value_iteration(m, temperature=0.0), "temperature"),
        (lambda m: soft_policy_iteration(m, temperature=np.inf), "temperature"),
        (
            lambda m: soft_policy_iteration(m, temperature=1.0, log_reference=np.zeros((2, 2))),
            "log_reference",
        ),
        (
            lambda m: soft_policy_iteration(m, temperature=1.0, log_reference=np.full((3, 2), -np.inf)),
            "state 0",
        ),
        (
            lambda m: soft_policy_iteration(m, temperature=1.0, log_reference=np.full((3, 2), np.nan)),
            "log_reference",
        ),
        (
            lambda m: residual_q_learning(
                m, np.zeros((3, 3)), np.zeros((3, 2)), prior_weight=1.0, temperature=1.0
            ),
            "residual_reward",
        ),
        (
            lambda m: residual_q_learning(
                m, np.full((3, 2), np.inf), np.zeros((3, 2)), prior_weight=1.0, temperature=1.0
            ),
            "residual_reward is inf at state 0, action 0",
        ),
        (
            lambda m: residual_q_learning(
                m, np.zeros((3, 2)), np.zeros((3, 2)), prior_weight=-1.0, temperature=1.0
            ),
            "prior_weight",
        ),
    ],
)
def test_bad_input_is_named(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(t3())  # type: ignore[operator]


@pytest.mark.parametrize("weight", [-1e12, -1e15, -1e30, -1e200, -1e308, float(np.finfo(float).min)])
@pytest.mark.parametrize("solver", ["soft_value_iteration", "soft_policy_iteration"])
def test_huge_negative_log_weights_exclude(solver: str, weight: float) -> None:
    mdp = MDP([[[0.9, 0.1], [0.2, 0.8]], [[0.7, 0.3], [0.1, 0.9]]], [[1.0, 0.0], [0.0, 2.0]], 0.95)
    options: dict[str, Any] = {"temperature": 0.5, "tol": 1e-10}
    out = solvers.soft_policy_iteration(mdp, **options, log_reference=[[0, -np.inf], [0, 0]])
    found = getattr(solvers, solver)(mdp, **options, log_reference=[[0, weight], [0, 0]])
    assert found.status is Status.CONVERGED
    assert found.suboptimality < 1e-9
    assert found.policy_error < 1e-9
    np.testing.assert_allclose(found.value, out.value, atol=2e-10, rtol=0)
    assert verify(mdp, found).passed
    stages = FiniteHorizonMDP(mdp.transition, mdp.reward, 4)
    horizon = solvers.backward_induction(stages, temperature=0.5, log_reference=[[0, weight], [0, 0]])
    assert horizon.suboptimality < 1e-12
    assert horizon.policy_error < 1e-12
    assert verify(stages, horizon).passed


@pytest.mark.parametrize("temperature", [1e3, 1e6])
@pytest.mark.parametrize("seed", range(4))
def test_newton_with_huge_weights_near_discount_one(seed: int, temperature: float) -> None:
    mdp = model(seed, 0.999999, masked=False)
    logs = np.where(np.random.default_rng(seed).random(mdp.reward.shape) < 0.4, -1e300, 0.0)
    logs[:, 0] = 0.0
    found = solvers.soft_policy_iteration(mdp, temperature=temperature, log_reference=logs)
    out = solvers.soft_policy_iteration(
        mdp, temperature=temperature, log_reference=np.where(logs < 0, -np.inf, 0)
    )
    assert found.suboptimality < 1e-3 * temperature
    off = np.abs(found.value - out.value).max()
    assert off <= found.certificate.bound + out.certificate.bound
