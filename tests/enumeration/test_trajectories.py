"""All trajectories: probabilities, backward expectations, conditioning, known values."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab.enumeration import History, enumerate_outcome_trajectories, enumerate_trajectories
from mdplab.models import FiniteHorizonMDP, OutcomeModel


def random_model(seed: int, horizon: int = 3, *, staged: bool = True) -> tuple[FiniteHorizonMDP, np.ndarray]:
    rng = np.random.default_rng(seed)
    lead = (horizon,) if staged else ()
    transition = rng.dirichlet(np.full(3, 0.5), size=(*lead, 3, 2))
    transition[..., 0, 0, :] = [0.0, 1.0, 0.0]
    model = FiniteHorizonMDP(
        transition=transition,
        reward=rng.normal(size=(*lead, 3, 2)),
        horizon=horizon,
        discount=0.9,
        terminal=rng.normal(size=3),
        initial=np.array([0.25, 0.75, 0.0]),
    )
    return model, rng.dirichlet(np.ones(2), size=(horizon, 3))


def backward_value(model: FiniteHorizonMDP, policy: np.ndarray) -> float:
    value = np.asarray(model.terminal)
    kernels = np.broadcast_to(model.transition, (model.horizon, 3, 2, 3))
    rewards = np.broadcast_to(model.reward, (model.horizon, 3, 2))
    for h in reversed(range(model.horizon)):
        value = (policy[h] * (rewards[h] + model.discount * kernels[h] @ value)).sum(axis=1)
    return float(np.asarray(model.initial) @ value)


@given(st.integers(0, 10**6), st.integers(0, 4), st.booleans())
def test_returns_have_the_backward_expectation(seed: int, horizon: int, staged: bool) -> None:
    if horizon == 0 and staged:
        horizon = 1
    model, policy = random_model(seed, max(horizon, 1), staged=staged)
    every = enumerate_trajectories(model, policy)
    assert every.probability.sum() == pytest.approx(1.0, abs=1e-13)
    assert np.all(np.isfinite(every.log_probability))
    assert every.expectation(every.returns) == pytest.approx(backward_value(model, policy), abs=1e-12)
    assert every.return_law().mean() == pytest.approx(backward_value(model, policy), abs=1e-11)
    rows = np.concatenate([every.states, every.actions], axis=1)
    assert len({row.tobytes() for row in rows}) == every.n_trajectories


def test_against_nested_loops() -> None:
    model, policy = random_model(7, 2)
    table = {}
    for s0, a0, s1, a1, s2 in product(range(3), range(2), range(3), range(2), range(3)):
        mass = model.initial[s0] * policy[0, s0, a0] * model.transition[0, s0, a0, s1]
        mass *= policy[1, s1, a1] * model.transition[1, s1, a1, s2]
        gain = model.reward[0, s0, a0] + 0.9 * model.reward[1, s1, a1] + 0.81 * model.terminal[s2]
        if mass > 0:
            table[(s0, s1, s2, a0, a1)] = (mass, gain)
    every = enumerate_trajectories(model, policy)
    assert every.n_trajectories == len(table)
    for i, key in enumerate(map(tuple, np.concatenate([every.states, every.actions], axis=1))):
        np.testing.assert_allclose((every.probability[i], every.returns[i]), table[key], rtol=1e-13)


def test_prefixes_number_the_histories() -> None:
    model, policy = random_model(3)
    every = enumerate_trajectories(model, policy)
    for h in range(model.horizon + 1):
        histories = [
            (tuple(s[: h + 1]), tuple(a[:h])) for s, a in zip(every.states, every.actions, strict=True)
        ]
        numbers = dict(zip(histories, every.prefix[:, h], strict=True))
        assert len(numbers) == len(set(numbers.values()))
        assert all(numbers[key] == n for key, n in zip(histories, every.prefix[:, h], strict=True))


def test_history_dependent_behaviour() -> None:
    """The second action repeats the first; the history holds the rewards already received."""
    model, policy = random_model(5, 2)
    seen: list[History] = []

    def repeat(history: History) -> np.ndarray:
        seen.append(history)
        if history.stage == 0:
            return policy[0, history.states[:, 0]]
        return np.eye(2)[history.actions[:, -1]]

    every = enumerate_trajectories(model, repeat)
    assert np.all(every.actions[:, 0] == every.actions[:, 1])
    assert every.probability.sum() == pytest.approx(1.0, abs=1e-13)
    assert seen[1].outcomes is None
    np.testing.assert_array_equal(
        seen[1].rewards[:, 0], model.reward[0, seen[1].states[:, 0], seen[1].actions[:, 0]]
    )


def test_other_policy_on_the_same_trajectories() -> None:
    model, policy = random_model(11)
    other = np.random.default_rng(0).dirichlet(np.ones(2), size=(model.horizon, 3))
    every = enumerate_trajectories(model, policy)
    np.testing.assert_allclose(every.policy_log_probability(policy), every.action_log_probability)
    weight = np.exp(every.environment_log_probability + every.policy_log_probability(other).sum(axis=1))
    assert weight @ every.returns == pytest.approx(backward_value(model, other), abs=1e-12)
    stationary = every.policy_log_probability(other[0])
    np.testing.assert_allclose(stationary[:, 1], np.log(other[0])[every.states[:, 1], every.actions[:, 1]])


def conditioned(p: float, x: float, z: float) -> tuple[float, float, float, float]:
    """(p(z), E[R|z], V(pi_z), KL) for two arms: arm 0 pays 1 with probability p, arm 1 pays x."""
    model = OutcomeModel(
        law=np.array([[[1 - p, p, 0.0], [0.0, 0.0, 1.0]]]),
        outcome_reward=np.array([0.0, 1.0, x]),
        next_state=np.zeros(3, dtype=np.int64),
        initial=np.array([1.0]),
    )
    every = enumerate_outcome_trajectories(model, np.array([[0.5, 0.5]]), 1)
    event = (every.returns == z).astype(float)
    mass = every.probability @ event
    posterior = every.probability * event / mass
    policy_logs = every.conditioned_action_log_probability(event)
    law = np.exp(every.environment_log_probability + policy_logs.sum(axis=1))
    assert law.sum() == pytest.approx(1.0, abs=1e-14)
    kept = posterior > 0
    divergence = float(posterior[kept] @ np.log(posterior[kept] / law[kept]))
    return float(mass), float(posterior @ every.returns), float(law @ every.returns), divergence


@pytest.mark.parametrize(
    ("z", "expected"),
    [
        (0.0, (0.4, 0.0, 0.2, 0.2231435513)),
        (0.9, (0.5, 0.9, 0.9, 0.0)),
        (1.0, (0.1, 1.0, 0.2, 1.6094379124)),
    ],
)
def test_known_values_of_return_conditioning(z: float, expected: tuple[float, ...]) -> None:
    np.testing.assert_allclose(conditioned(0.2, 0.9, z), expected, atol=6e-11)


def test_return_conditioning_with_a_tie() -> None:
    first = 0.5 * 0.2 / (0.5 * 0.2 + 0.5)
    assert conditioned(0.2, 1.0, 1.0)[2] == pytest.approx(1 - 0.8 * first, abs=1e-14)


def outcome_model(seed: int, *, deterministic: bool = False) -> OutcomeModel:
    rng = np.random.default_rng(seed)
    law = (
        np.eye(3)[rng.integers(3, size=(2, 2))]
        if deterministic
        else rng.dirichlet(np.full(3, 0.5), size=(2, 2))
    )
    return OutcomeModel(
        law=law,
        outcome_reward=np.array([0.0, 1.0, 2.0]),
        next_state=np.array([0, 1, 1]),
        initial=np.array([1.0, 0.0]),
    )


@pytest.mark.parametrize("seed", range(6))
def test_conditioning_is_consistent_where_outcomes_are_certain(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    policy = rng.dirichlet(np.ones(2), size=(2, 2))
    every = enumerate_outcome_trajectories(outcome_model(seed, deterministic=True), policy, 2)
    for z in np.unique(every.returns):
        event = (every.returns == z).astype(float)
        logs = every.conditioned_action_log_probability(event)
        law = np.exp(every.environment_log_probability + logs.sum(axis=1))
        assert law.sum() == pytest.approx(1.0, abs=1e-13)
        assert law @ every.returns == pytest.approx(z, abs=1e-13)


@pytest.mark.parametrize("seed", range(6))
def test_conditioned_policy_against_bayes_rule(seed: int) -> None:
    """p(a | h, z) from sums over the trajectories that share the history (s0, a0, o0, ...)."""
    rng = np.random.default_rng(seed)
    policy = rng.dirichlet(np.ones(2), size=(2, 2))
    every = enumerate_outcome_trajectories(outcome_model(seed), policy, 2)
    weights = rng.random(every.n_trajectories) * (rng.random(every.n_trajectories) < 0.5)
    weights[0] = 1.0
    mass = every.probability * weights
    logs = every.conditioned_action_log_probability(weights)
    for i in range(every.n_trajectories):
        for h in range(2):
            same = np.all(every.actions[:, :h] == every.actions[i, :h], axis=1)
            same &= np.all(every.outcomes[:, :h] == every.outcomes[i, :h], axis=1)
            chosen = same & (every.actions[:, h] == every.actions[i, h])
            if mass[same].sum() > 0:
                expected = mass[chosen].sum() / mass[same].sum()
            else:
                expected = policy[h, every.states[i, h], every.actions[i, h]]
            assert np.exp(logs[i, h]) == pytest.approx(expected, abs=1e-13)


def test_outcomes_that_share_a_state_stay_apart() -> None:
    every = enumerate_outcome_trajectories(outcome_model(0), np.full((2, 2), 0.5), 2, discount=0.5)
    assert every.outcomes is not None
    assert every.n_trajectories == 36
    np.testing.assert_array_equal(every.states[:, 1], (every.outcomes[:, 0] > 0).astype(int))
    np.testing.assert_allclose(every.returns, every.outcomes[:, 0] + 0.5 * every.outcomes[:, 1])


def test_cap_and_bad_arguments_are_named() -> None:
    model, policy = random_model(0)
    count = enumerate_trajectories(model, policy).n_trajectories
    assert enumerate_trajectories(model, policy, max_count=count).n_trajectories == count
    with pytest.raises(ValueError, match="after stage 2 to enumerate, more than the cap"):
        enumerate_trajectories(model, policy, max_count=count - 1)
    with pytest.raises(ValueError, match="policy: expected shape"):
        enumerate_trajectories(model, policy[:2])
    with pytest.raises(ValueError, match="at stage 0 in state"):
        enumerate_trajectories(model, np.full((3, 2), 0.4))
    with pytest.raises(ValueError, match="policy: expected"):
        enumerate_trajectories(model, lambda history: np.ones((1, 1)))
    with pytest.raises(ValueError, match="initial: expected shape"):
        enumerate_trajectories(model, policy, initial=[1.0])
    every = enumerate_trajectories(model, policy)
    with pytest.raises(ValueError, match="probability zero"):
        every.conditioned_action_log_probability(np.zeros(every.n_trajectories))
    with pytest.raises(ValueError, match="weights"):
        every.conditioned_action_log_probability([1.0])


def test_known_values_of_reweighting() -> None:
    """Trajectories weighted by exp(return), normalised per start, in a deterministic problem."""
    model = FiniteHorizonMDP(
        transition=np.broadcast_to(np.eye(2), (2, 2, 2)),
        reward=np.array([[0.0, 1.0], [0.5, 2.0]]),
        horizon=2,
        initial=np.array([0.5, 0.5]),
    )
    every = enumerate_trajectories(model, np.array([[0.8, 0.2], [0.5, 0.5]]))
    assert every.n_trajectories == 8
    assert every.expectation(every.returns) == pytest.approx(1.2925, abs=1e-15)
    gains, start = np.exp(every.returns), every.states[:, 0]
    mass = every.probability * gains / (2 * np.bincount(start, weights=every.probability * gains))[start]
    assert mass @ every.returns == pytest.approx(2.7852446913796, abs=6e-14)
    first = np.exp(every.conditioned_action_log_probability(mass / every.probability)[:, 0])
    chosen = [first[(start == s) & (every.actions[:, 0] == 1)][0] for s in range(2)]
    np.testing.assert_allclose(chosen, [0.6956307123, 0.9377819068], atol=6e-11)
