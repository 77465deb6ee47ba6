"""Mirror descent: known values, its identities, and its input checks."""

from __future__ import annotations

import numpy as np
import pytest

from mdplab.models import MDP
from mdplab.solution import Status
from mdplab.solvers import (
    mirror_descent,
    policy_evaluation,
    policy_iteration,
    residual_q_learning,
    soft_policy_iteration,
)
from tests.small_models import T3_LOGITS, T3_RESIDUAL_REWARD, T3_REWARD, as_sparse, random_mdp, t3

M3_REWARD = np.array([[1.0, 0.0], [0.2, 0.5], [0.0, 0.8]])


def m3() -> MDP:
    return t3().replace(reward=M3_REWARD)


def test_npg_gaps_on_m3() -> None:
    best = m3().initial @ policy_iteration(m3()).value
    for eta, expected, tolerance in (
        (0.01, {1: 3.5828706576, 10: 2.1982953049, 100: 0.0539263406}, 6e-11),
        (0.1, {1: 2.2273680102, 10: 0.0512871520}, 6e-11),
    ):
        run = mirror_descent(m3(), step=eta / (1 - 0.9), steps=100)
        gaps = best - run.values @ m3().initial
        for t, gap in expected.items():
            assert gaps[t] == pytest.approx(gap, abs=tolerance)
        assert np.all(np.diff(run.values, axis=0) >= -2 * run.certificate.bound)
    assert gaps[100] == pytest.approx(9.3e-12, abs=6e-13)
    assert run.status is Status.CONVERGED
    assert run.log_policies.shape == (101, 3, 2)
    assert run.steps == 100


def test_the_step_convention_of_the_bound_matters() -> None:
    # One state, r = (1, 0), discount .99, eta = 1e-4: exponent eta Q is 100 times slower than eta A / (1 - discount).
    loop = MDP(np.ones((1, 2, 1)), [[1.0, 0.0]], 0.99)
    slow = mirror_descent(loop, step=1e-4, steps=1000)
    assert 100.0 - slow.values[-1, 0] == pytest.approx(100.0 / (1.0 + np.exp(0.1)), abs=1e-10)
    bandit = MDP(np.ones((1, 2, 1)), [[1.0, 0.0]], 0.0)
    assert 1.0 - mirror_descent(bandit, step=0.01, steps=10).values[-1, 0] == pytest.approx(
        0.4750208125, abs=6e-11
    )


def test_reset_chain_with_a_huge_step() -> None:
    # Six states: action 0 resets to state 0 with reward .3, action 1 moves right (the last state stays, reward 1).
    successor = np.array([[0, min(s + 1, 5)] for s in range(6)])
    reward = np.array([[0.3, 1.0 if s == 5 else 0.0] for s in range(6)])
    chain = MDP.from_successors(successor, reward, 0.9)
    run = mirror_descent(chain, step=1000.0 / 0.1, steps=3)
    gaps = policy_iteration(chain).value[0] - run.values[:, 0]
    np.testing.assert_allclose(gaps[1:], 2.9049, atol=6e-5)


def test_regularised_full_step_is_soft_policy_iteration_on_m3() -> None:
    run = mirror_descent(m3(), step=2.0, steps=2, temperature=0.5)
    optimum = soft_policy_iteration(m3(), temperature=0.5)
    errors = np.abs(run.values - optimum.value).max(axis=1)
    np.testing.assert_allclose(errors[:2], [1.5981724599, 0.0121342753], rtol=0, atol=6e-11)
    assert errors[2] == pytest.approx(5.5067e-7, abs=6e-12)
    np.testing.assert_allclose(run.policies[1, :, 0], [0.8955202771, 0.3588352834, 0.1806223264], atol=6e-11)
    np.testing.assert_allclose(run.policies[2, :, 0], [0.9195757060, 0.3694141831, 0.2069441411], atol=6e-11)


def test_regularised_steps_on_t3_know_the_reward_only_up_to_the_prior() -> None:
    prior = soft_policy_iteration(t3(), temperature=0.5)
    eta, options = 0.05 / 0.1, {"temperature": 0.4, "initial_log_policy": prior.log_policy}
    blind = mirror_descent(
        t3().replace(reward=T3_RESIDUAL_REWARD + 0.6 * prior.log_policy), step=eta, steps=20, **options
    )
    full = mirror_descent(
        t3().replace(reward=1.2 * T3_REWARD + T3_RESIDUAL_REWARD), step=eta, steps=20, **options
    )
    np.testing.assert_allclose(blind.policies, full.policies, rtol=0, atol=1e-11)
    np.testing.assert_allclose(full.policies[1, :, 0], [0.9183626925, 0.3889360182, 0.0801277904], atol=6e-11)
    np.testing.assert_allclose(full.policies[5, :, 0], [0.9002006824, 0.3904685182, 0.0245700541], atol=6e-11)
    target = residual_q_learning(
        t3(), T3_RESIDUAL_REWARD, prior.log_policy, prior_weight=0.6, temperature=0.4, tol=1e-12
    )
    assert np.abs(full.policies[20] - target.policy).max() == pytest.approx(0.0006198861, abs=6e-11)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("sparse", [False, True])
def test_every_record_is_an_evaluation_and_a_step(seed: int, sparse: bool) -> None:
    mdp = random_mdp(seed, masked=True)
    mdp = as_sparse(mdp) if sparse else mdp
    rng = np.random.default_rng(seed)
    steps, temperature = rng.uniform(0.1, 1.0, (4, mdp.n_states)), 0.7
    reference = np.log(rng.dirichlet(np.ones(mdp.n_actions), mdp.n_states))
    run = mirror_descent(mdp, step=steps, steps=4, temperature=temperature, log_reference=reference)
    for t in range(5):
        own = policy_evaluation(mdp, run.policies[t], temperature=temperature, log_reference=reference)
        assert np.abs(own.value - run.values[t]).max() <= own.certificate.bound + run.value_errors[t]
        np.testing.assert_allclose(run.q[t], own.q, atol=1e-12 * (1 + np.abs(own.value).max()))
        if t < 4:
            kappa = steps[t][:, np.newaxis] * temperature
            with np.errstate(invalid="ignore"):
                raw = (1 - kappa) * run.log_policies[t] + kappa * reference + steps[t][:, np.newaxis] * own.q
            weights = np.where(mdp.available, np.exp(raw - raw.max(axis=1, keepdims=True)), 0.0)
            np.testing.assert_allclose(
                run.policies[t + 1], weights / weights.sum(1, keepdims=True), atol=1e-12
            )


def test_a_full_memory_loss_keeps_the_mask() -> None:
    mdp = random_mdp(2, masked=True)
    run = mirror_descent(mdp, step=1 / 0.3, steps=3, temperature=0.3)
    assert np.all(run.policies[:, ~mdp.available] == 0)


def test_step_rules() -> None:
    log_policy = T3_LOGITS - np.log(np.exp(T3_LOGITS).sum(axis=1, keepdims=True))
    constant = mirror_descent(t3(), step=0.3, steps=5, initial_log_policy=log_policy)
    listed = mirror_descent(t3(), step=[0.3] * 5, steps=5, initial_policy=np.exp(log_policy))
    seen = []

    def rule(t: int, logs: np.ndarray, q: np.ndarray) -> float:
        seen.append((t, logs, q))
        return 0.3

    ruled = mirror_descent(t3(), step=rule, steps=5, initial_log_policy=log_policy)
    np.testing.assert_array_equal(constant.log_policies, ruled.log_policies)
    np.testing.assert_allclose(constant.policies, listed.policies, atol=1e-14)
    assert [t for t, _, _ in seen] == [0, 1, 2, 3, 4]
    for t, logs, q in seen:
        np.testing.assert_array_equal(logs, ruled.log_policies[t])
        np.testing.assert_array_equal(q, ruled.q[t])
    assert mirror_descent(t3(), step=1.0, steps=0).values.shape == (1, 3)
    greedy = mirror_descent(t3(), step=1e9, steps=6)
    np.testing.assert_array_equal(greedy.policies[-1], policy_iteration(t3()).policy)


def test_callback_ends_the_run() -> None:
    run = mirror_descent(t3(), step=1.0, steps=9, callback=lambda t, logs, value: t == 2)
    assert run.status is Status.INTERRUPTED
    assert run.values.shape == (3, 3)
    assert run.step_sizes.shape == (2, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step": 0.0}, "step at t = 0"),
        ({"step": [1.0, -1.0, 1.0]}, "step at t = 1"),
        ({"step": [1.0]}, "step must be a number"),
        ({"step": 3.0, "temperature": 0.5}, "at most 2.0"),
        ({"step": 1.0, "steps": -1}, "steps"),
        ({"step": 1.0, "initial_policy": np.ones((3, 2))}, "initial_policy"),
        ({"step": 1.0, "initial_policy": np.eye(3), "initial_log_policy": np.eye(3)}, "not both"),
    ],
)
def test_bad_input_is_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mirror_descent(t3(), **({"steps": 3} | options))
