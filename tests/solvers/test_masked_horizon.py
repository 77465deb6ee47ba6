"""State- and time-dependent action sets: a masked horizon is the ragged problem without its unavailable actions."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab.enumeration import deterministic_stage_policies, enumerate_trajectories, one_hot
from mdplab.models import FiniteHorizonMDP
from mdplab.operators import (
    log_tilt,
    stage_laws,
    stage_occupancy,
    stage_policy_gradient,
    stage_policy_hessian,
)
from mdplab.solvers import (
    backward_induction,
    policy_gradient_ascent,
    residual_backward_induction,
    stage_evaluation,
    stage_mirror_descent,
    verify,
)
from tests import naive
from tests.small_models import as_sparse, random_mdp

CALM = settings(deadline=None, max_examples=50)
SEEDS = st.integers(0, 2**32)
TEMPERATURES = st.sampled_from([1e-2, 0.7, 30.0])


def masked_horizon(seed: int) -> FiniteHorizonMDP:
    """A small model whose kernel, reward and mask are stationary or not, with nonsense at unavailable pairs."""
    rng = np.random.default_rng([seed, 41])
    shape = tuple(int(n) for n in rng.integers(1, (5, 5, 5)))
    horizon, states, actions = shape
    lead = [(horizon,) if staged else () for staged in rng.random(3) < 0.5]
    mask = rng.random((*lead[0], states, actions)) < 0.6
    mask[..., np.arange(states), rng.integers(0, actions, states)] = True
    stages = np.broadcast_to(mask, shape)
    reward = rng.normal(size=(*lead[1], states, actions))
    reward[~(stages if lead[1] else stages.any(axis=0))] = 1e300
    kernel = rng.dirichlet(np.ones(states), (*lead[2], states, actions))
    kernel[~(stages if lead[2] else stages.any(axis=0)) & (rng.random(kernel.shape[:-1]) < 0.5)] = 0.0
    return FiniteHorizonMDP(
        kernel,
        reward,
        horizon,
        float(rng.uniform(0.5, 1.0)),
        rng.normal(size=states),
        rng.dirichlet(np.ones(states)),
        available=mask,
    )


def mask_of(mdp: FiniteHorizonMDP) -> np.ndarray:
    return np.array([mdp.stage_available(h) for h in range(mdp.horizon)])


def stage_logits(mdp: FiniteHorizonMDP, seed: int) -> np.ndarray:
    """Log-probabilities on the available actions, NaN elsewhere."""
    mask = mask_of(mdp)
    logits = np.random.default_rng([seed, 42]).normal(size=mask.shape)
    return np.where(mask, log_tilt(np.where(mask, logits, -np.inf)), np.nan)


def stage_policy(mdp: FiniteHorizonMDP, seed: int) -> np.ndarray:
    return np.nan_to_num(np.exp(stage_logits(mdp, seed)))


def twin(mdp: FiniteHorizonMDP, choose) -> tuple:
    return naive.ragged_recursion(
        naive.ragged_stages(mdp), naive.decimals(mdp.terminal), Decimal(mdp.discount), choose
    )


def passes(mdp: FiniteHorizonMDP, solution) -> bool:
    report = verify(mdp, solution)
    assert report.passed, report.failures
    return True


@CALM
@given(SEEDS)
def test_hard_control(seed: int) -> None:
    mdp = masked_horizon(seed)
    found = backward_induction(mdp)
    values, q, laws = twin(mdp, naive.ragged_maximum)
    assert found.certificate.bound < 1e-13
    for h in range(mdp.horizon + 1):
        assert naive.largest_error(found.value[h], values[h]) <= found.value_errors[h]
    table = naive.filled(q, found.q.shape, -np.inf)
    assert ((found.q == -np.inf) == ~mask_of(mdp)).all()
    np.testing.assert_allclose(found.q, table, rtol=0, atol=found.q_error + 1e-15)
    if found.policy_error == 0:
        np.testing.assert_array_equal(found.policy, naive.filled(laws, found.q.shape, 0.0))
    assert (found.policy[~mask_of(mdp)] == 0).all()
    assert passes(mdp, found)


@CALM
@given(SEEDS, TEMPERATURES, st.booleans())
def test_soft_control_with_and_without_reference(seed: int, temperature: float, with_reference: bool) -> None:
    mdp = masked_horizon(seed)
    logs = stage_logits(mdp, seed) if with_reference else None
    found = backward_induction(mdp, temperature=temperature, log_reference=logs)
    choose = naive.ragged_softmax(temperature, np.zeros(found.q.shape) if logs is None else logs)
    values, q, laws = twin(mdp, choose)
    for h in range(mdp.horizon + 1):
        assert naive.largest_error(found.value[h], values[h]) <= found.value_errors[h]
    np.testing.assert_allclose(
        found.q, naive.filled(q, found.q.shape, -np.inf), rtol=0, atol=found.q_error + 1e-15
    )
    exact = naive.filled(laws, found.q.shape, 0.0)
    np.testing.assert_allclose(found.policy, exact, rtol=0, atol=found.policy_error + 1e-15)
    assert ((found.log_policy == -np.inf) == ~mask_of(mdp)).all()
    assert passes(mdp, found)


@CALM
@given(SEEDS, st.sampled_from([0.0, 0.7]))
def test_evaluation(seed: int, temperature: float) -> None:
    mdp = masked_horizon(seed)
    policy, logs = stage_policy(mdp, seed), stage_logits(mdp, seed + 1)
    found = stage_evaluation(mdp, policy, temperature=temperature, log_reference=logs)
    values, q, _ = twin(mdp, naive.ragged_average(policy, temperature, logs))
    for h in range(mdp.horizon + 1):
        assert naive.largest_error(found.value[h], values[h]) <= found.value_errors[h]
    np.testing.assert_allclose(
        found.q, naive.filled(q, found.q.shape, -np.inf), rtol=0, atol=found.q_error + 1e-15
    )
    assert passes(mdp, found)


@CALM
@given(SEEDS, st.sampled_from([0.0, 0.7]))
def test_mirror_descent(seed: int, temperature: float) -> None:
    mdp = masked_horizon(seed)
    logs = stage_logits(mdp, seed + 1)
    run = stage_mirror_descent(mdp, step=0.8, steps=2, temperature=temperature, log_reference=logs)
    mask, kappa = mask_of(mdp), 0.8 * temperature
    np.testing.assert_allclose(run.policies[0], mask / mask.sum(axis=2, keepdims=True), rtol=1e-15)
    for t in range(3):
        values, q, _ = twin(mdp, naive.ragged_average(run.policies[t], temperature, logs))
        for h in range(mdp.horizon + 1):
            assert naive.largest_error(run.values[t, h], values[h]) <= run.value_errors[t, h] + 1e-14
        if t < 2:
            weights = naive.filled(q, mask.shape, 0.0) * 0.8
            weights += np.where(mask, kappa * logs, 0.0) + (1 - kappa) * np.where(
                mask, run.log_policies[t], 0.0
            )
            weights = np.where(mask, np.exp(weights - weights.max(axis=2, keepdims=True)), 0.0)
            expected = weights / weights.sum(axis=2, keepdims=True)
            np.testing.assert_allclose(run.policies[t + 1], expected, rtol=0, atol=1e-13)
    assert passes(mdp, run)


@CALM
@given(SEEDS, st.sampled_from([0.0, 0.7]))
def test_gradient_ascent_and_the_gradient_operator(seed: int, temperature: float) -> None:
    mdp = masked_horizon(seed)
    mask, logs = mask_of(mdp), stage_logits(mdp, seed + 1)
    run = policy_gradient_ascent(mdp, step=0.5, steps=1, temperature=temperature, log_reference=logs)
    stages = naive.ragged_stages(mdp)
    kernels = [[[list(enumerate(row)) for _, _, row in pairs] for pairs in stage] for stage in stages]
    rewards = [[[r for _, r, _ in pairs] for pairs in stage] for stage in stages]
    bonuses = np.where(mask, temperature * np.where(mask, logs, 0.0), 0.0)

    def ragged(table):
        return [
            [[Decimal(float(table[h, s, a])) for a, _, _ in pairs] for s, pairs in enumerate(stage)]
            for h, stage in enumerate(stages)
        ]

    for t in range(2):
        _, gradient = naive.exact_stage_gradient(
            kernels,
            rewards,
            Decimal(mdp.discount),
            naive.decimals(mdp.terminal),
            ragged(run.policies[t]),
            ragged(bonuses),
            Decimal(temperature),
            naive.decimals(mdp.initial),
        )
        table = naive.filled(
            [
                [[(a, x) for (a, _, _), x in zip(*row, strict=True)] for row in zip(*pair, strict=True)]
                for pair in zip(stages, gradient, strict=True)
            ],
            mask.shape,
            0.0,
        )
        assert np.linalg.norm(run.gradients[t] - table) <= run.gradient_errors[t] + 1e-15
        reference = np.where(mask, logs, 0.0)
        operator = stage_policy_gradient(
            mdp, run.policies[t], temperature=temperature, log_reference=reference
        )
        np.testing.assert_allclose(operator, table, rtol=0, atol=1e-13)
    assert (run.logits[-1][~mask] == -np.inf).all()
    assert passes(mdp, run)


@CALM
@given(SEEDS)
def test_the_hessian_is_that_of_the_available_logits(seed: int) -> None:
    mdp = masked_horizon(seed)
    mask = mask_of(mdp)
    logits = np.where(mask, stage_logits(mdp, seed), -np.inf)
    hessian = stage_policy_hessian(mdp, np.exp(log_tilt(logits)), temperature=0.5)
    assert (hessian[~mask.ravel()] == 0).all()
    k = int(np.flatnonzero(mask.ravel())[-1])
    step = np.zeros(mask.size)
    step[k] = 1e-5

    def slope(sign: float) -> np.ndarray:
        moved = log_tilt(logits + sign * step.reshape(mask.shape))
        return stage_policy_gradient(mdp, np.exp(moved), temperature=0.5).ravel()

    np.testing.assert_allclose(hessian[k], (slope(1) - slope(-1)) / 2e-5, rtol=0, atol=1e-8)


@CALM
@given(SEEDS)
def test_residual_recursion_customises_within_the_mask(seed: int) -> None:
    mdp = masked_horizon(seed)
    mask = mask_of(mdp)
    prior = backward_induction(mdp, temperature=0.5)
    add_on = np.random.default_rng([seed, 43]).normal(size=mask.shape)
    found = residual_backward_induction(
        mdp, np.where(mask, add_on, np.nan), prior.log_policy, prior_weight=0.6, temperature=0.3
    )
    full = FiniteHorizonMDP(
        mdp.transition,
        np.where(mask, 1.2 * np.array([mdp.stage_reward(h) for h in range(mdp.horizon)]) + add_on, 0.0),
        discount=mdp.discount,
        terminal=1.2 * mdp.terminal,
        available=mdp.available,
    )
    other = backward_induction(full, temperature=0.3)
    np.testing.assert_allclose(found.policy, other.policy, rtol=0, atol=1e-11)
    np.testing.assert_allclose(found.value, other.value - 1.2 * prior.value, rtol=0, atol=1e-11)
    assert ((found.q == -np.inf) == ~mask).all()
    assert passes(mdp, found)


@CALM
@given(SEEDS)
def test_occupancies_and_trajectories(seed: int) -> None:
    mdp = masked_horizon(seed)
    policy = stage_policy(mdp, seed)
    laws, law = stage_laws(mdp, policy), np.array(mdp.initial)
    for h, stage in enumerate(naive.ragged_stages(mdp, float)):
        np.testing.assert_allclose(laws[h], law, atol=1e-14)
        following = np.zeros(mdp.n_states)
        for s, pairs in enumerate(stage):
            for a, _, row in pairs:
                following += law[s] * policy[h, s, a] * np.array(row)
        law = following
    np.testing.assert_allclose(laws[-1], law, atol=1e-14)
    occupied = stage_occupancy(mdp, policy)
    np.testing.assert_allclose(occupied.sum(axis=(1, 2)), 1.0, atol=1e-13)
    if mdp.horizon <= 3:
        every = enumerate_trajectories(mdp, policy)
        assert every.probability.sum() == pytest.approx(1.0, abs=1e-13)
        value = mdp.initial @ stage_evaluation(mdp, policy).value[0]
        assert every.expectation(every.returns) == pytest.approx(value, abs=1e-12)


@CALM
@given(st.integers(0, 60))
def test_the_best_of_all_admitted_policies(seed: int) -> None:
    mdp = masked_horizon(seed)
    mask = mask_of(mdp)
    if np.prod(mask.sum(axis=2)) > 300:
        return
    actions = deterministic_stage_policies(*mask.shape, available=mdp.available)
    assert len(actions) == np.prod(mask.sum(axis=2))
    assert len({row.tobytes() for row in actions}) == len(actions)
    values = [stage_evaluation(mdp, p).value[0] for p in one_hot(actions, mdp.n_actions)]
    np.testing.assert_allclose(np.max(values, axis=0), backward_induction(mdp).value[0], atol=1e-13)


@pytest.mark.parametrize("seed", range(6))
def test_the_stages_of_a_masked_discounted_model(seed: int) -> None:
    mdp = random_mdp(seed, masked=True)
    dense, sparse = (FiniteHorizonMDP.from_mdp(m, 3, discount=0.9) for m in (mdp, as_sparse(mdp)))
    np.testing.assert_array_equal(dense.available, mdp.available)
    assert np.shares_memory(dense.transition, mdp.transition)
    for model in (dense, sparse):
        values, _, _ = twin(model, naive.ragged_softmax(0.4, np.zeros((3, *mdp.reward.shape))))
        found = backward_induction(model, temperature=0.4)
        assert naive.largest_error(found.value[0], values[0]) <= found.value_errors[0]
    assert FiniteHorizonMDP.from_mdp(mdp.replace(discount=0.5), 2).discount == 0.5


def test_a_further_mask_only_takes_away() -> None:
    mdp = masked_horizon(3)
    everything = np.ones(mask_of(mdp).shape, dtype=bool)
    own, again = backward_induction(mdp), backward_induction(mdp, available=everything)
    np.testing.assert_array_equal(own.q, again.q)
    np.testing.assert_array_equal(again.available, mask_of(mdp))
    with pytest.raises(ValueError, match=r"available: stage 0, state 0 has no action"):
        backward_induction(mdp, available=~mask_of(mdp))


def test_a_solution_of_the_model_without_mask_is_seen() -> None:
    kernel = np.ones((1, 2, 1))
    free = FiniteHorizonMDP(kernel, [[1.0, 2.0]], 2, initial=[1.0])
    masked = FiniteHorizonMDP(kernel, [[1.0, 2.0]], 2, initial=[1.0], available=[[True, False]])
    uniform = np.full((1, 2), 0.5)
    for solution in (
        backward_induction(free),
        backward_induction(free, temperature=0.5),
        stage_evaluation(free, uniform),
        stage_mirror_descent(free, step=1.0, steps=1),
        policy_gradient_ascent(free, step=1.0, steps=1),
    ):
        names = {check.name for check in verify(masked, solution).failures}
        assert "policy takes available actions" in names or "admitted actions are the model's" in names


@pytest.mark.parametrize("stage", [False, True])
def test_policies_that_take_unavailable_actions_are_refused(stage: bool) -> None:
    mask = np.array([[[True, True]], [[True, False]]])
    mdp = FiniteHorizonMDP(np.ones((1, 2, 1)), [[1.0, 2.0]], initial=[1.0], available=mask)
    policy = np.full((2, 1, 2) if stage else (1, 2), 0.5)
    message = r"takes the unavailable pair \(stage 1, state 0, action 1\) with probability 0.5"
    for call in (
        lambda: stage_evaluation(mdp, policy),
        lambda: stage_laws(mdp, policy),
        lambda: stage_occupancy(mdp, policy),
        lambda: stage_policy_gradient(mdp, policy),
        lambda: stage_policy_hessian(mdp, policy),
        lambda: stage_mirror_descent(mdp, step=1.0, steps=1, initial_policy=policy),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    for given_policy in (policy, lambda history: np.full((len(history.states), 2), 0.5)):
        with pytest.raises(ValueError, match=r"stage 1 in state 0 takes the unavailable action 1"):
            enumerate_trajectories(mdp, given_policy)
