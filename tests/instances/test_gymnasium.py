"""Gymnasium's toy-text tables in, and models out as environments."""

from __future__ import annotations

import pickle
import sys
from typing import Any

import numpy as np
import pytest

from mdplab.instances.draw import SeededDraw
from mdplab.instances.environment import absorbing_states, as_gymnasium
from mdplab.instances.garnet import dirichlet_mdp
from mdplab.instances.gymnasium import from_gymnasium
from mdplab.models import MDP, FiniteHorizonMDP
from mdplab.solvers import backward_induction, policy_evaluation, policy_iteration

gymnasium = pytest.importorskip("gymnasium")


def first_toy(name: str) -> str:
    """The newest registered version of a toy-text id."""
    return max(key for key in gymnasium.registry if key.startswith(f"{name}-v"))


# --- tables in ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sparse", [False, True])
def test_frozen_lake_has_its_published_value(sparse: bool) -> None:
    mdp = from_gymnasium("FrozenLake-v1", 0.99, sparse=sparse)
    assert mdp.is_sparse == sparse
    found = policy_iteration(mdp)
    assert found.value[0] == pytest.approx(0.542026, abs=5e-7)
    assert mdp.n_states == 17
    assert mdp.state_names is not None
    assert mdp.state_names[-2:] == ("(3, 3)", "end")
    assert mdp.action_names == ("left", "down", "right", "up")
    assert mdp.start_law()[0] == 1.0


def test_cliff_walking_takes_thirteen_steps() -> None:
    """The goal is not absorbing in the table."""
    mdp = from_gymnasium(first_toy("CliffWalking"), 0.9)
    found = policy_iteration(mdp)
    assert mdp.start_law() @ found.value == pytest.approx(-(1 - 0.9**13) / 0.1, abs=1e-9)
    assert abs(found.value[-1]) <= found.certificate.bound


def naive_steps(environment: Any, state: int) -> tuple[int, float]:
    """Fewest steps from a state to a termination and the reward on that way, breadth first on the table."""
    frontier, seen = [(state, 0.0)], {state}
    for depth in range(1, 100):
        following = []
        for s, gain in frontier:
            for outcomes in environment.P[s].values():
                ((_, t, reward, over),) = outcomes
                if over:
                    return depth, gain + reward
                if t not in seen and reward > -10:
                    seen.add(t)
                    following.append((t, gain + reward))
        frontier = following
    raise AssertionError("no way")


def test_taxi_is_won_by_the_shortest_way() -> None:
    name = first_toy("Taxi")
    inner = gymnasium.make(name).unwrapped
    mdp = from_gymnasium(gymnasium.make(name), 0.999999)
    value = policy_iteration(mdp).value
    for s in range(0, 500, 23):
        if inner.initial_state_distrib[s] > 0:
            _, gain = naive_steps(inner, s)
            assert value[s] == pytest.approx(gain, abs=1e-3)
    assert mdp.state_names is not None
    assert "passenger" in mdp.state_names[0]
    with pytest.raises(ValueError, match="fickle"):
        from_gymnasium(name, fickle_passenger=True)


def test_duplicates_accumulate_and_terminations_leave() -> None:
    table = {
        0: {0: [(0.25, 1, 1.0, False), (0.25, 1, 2.0, False), (0.5, 0, 4.0, True)]},
        1: {0: [(1.0, 1, 7.0, False)]},
    }
    mdp = from_gymnasium(table, 0.5)
    np.testing.assert_array_equal(mdp.to_dense().transition[:, 0], [[0, 0.5, 0.5], [0, 1, 0], [0, 0, 1]])
    np.testing.assert_array_equal(mdp.reward[:, 0], [2.75, 7.0, 0.0])
    assert mdp.initial is None
    # Nothing terminates, nothing is added.
    assert from_gymnasium({0: {0: [(1.0, 0, 1.0, False)]}}, 0.5).n_states == 1


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({0: {0: [(1.0, 3, 0.0, False)]}}, "leads to 3, expected a state from 0 to 0"),
        ({0: {0: [(1.0, 0, 0.0)]}}, "expected .probability, next state, reward, terminated"),
        ({0: {0: [(0.5, 0, 0.0, False)]}}, "sums to 0.5"),
        ({1: {0: [(1.0, 1, 0.0, False)]}}, r"P\[0\] is missing"),
        ({0: {0: [(1.0, 0, 0.0, False)]}, 1: {1: [(1.0, 0, 0.0, False)]}}, r"P\[1\] is missing or has not"),
        ({}, "has no table"),
        (object(), "object has no table"),
    ],
)
def test_malformed_tables_are_named(table: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_gymnasium(table, 0.5)


def test_environments_without_a_table_are_refused() -> None:
    with pytest.raises(ValueError, match="has no table"):
        from_gymnasium("CartPole-v1")
    with pytest.raises(ValueError, match="options is_slippery go with an id"):
        from_gymnasium({0: {0: [(1.0, 0, 0.0, False)]}}, is_slippery=True)


def test_without_gymnasium_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(ImportError, match=r"install mdplab\[gymnasium\]"):
        from_gymnasium("FrozenLake-v1")


# --- environments out -----------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("sparse", [False, True])
def test_the_environment_passes_gymnasiums_own_checks(sparse: bool) -> None:
    from gymnasium.utils.env_checker import check_env

    mdp = from_gymnasium("FrozenLake-v1", sparse=sparse)
    check_env(as_gymnasium(mdp, max_steps=20), skip_render_check=True)


def episode(environment: Any, rng: np.random.Generator, **reset: Any) -> list[tuple[Any, ...]]:
    state, _ = environment.reset(**reset)
    steps: list[tuple[Any, ...]] = [(int(state),)]
    while True:
        action = int(rng.integers(environment.action_space.n))
        state, reward, terminated, truncated, _ = environment.step(action)
        steps.append((action, int(state), reward, terminated, truncated))
        if terminated or truncated:
            return steps


def test_seeds_and_pickles() -> None:
    environment = as_gymnasium(from_gymnasium("FrozenLake-v1"), max_steps=30)
    copy = pickle.loads(pickle.dumps(environment))
    one = [
        episode(environment, np.random.default_rng(i), **({"seed": 5} if i == 0 else {})) for i in range(5)
    ]
    two = [episode(copy, np.random.default_rng(i), **({"seed": 5} if i == 0 else {})) for i in range(5)]
    other = [episode(copy, np.random.default_rng(i), **({"seed": 6} if i == 0 else {})) for i in range(5)]
    assert one == two != other


def test_absorbing_states_without_reward_terminate() -> None:
    kernel = np.array([[[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [[0.0, 1.0, 0.0]] * 2, [[0.0, 0.0, 1.0]] * 2])
    mdp = MDP(kernel, [[0.0, 2.0], [0.0, 0.0], [0.0, 1.0]], 0.9, [1.0, 0.0, 0.0])
    for model in (mdp, mdp.to_sparse()):
        np.testing.assert_array_equal(absorbing_states(model), [False, True, False])
        environment = as_gymnasium(model)
        environment.reset(seed=0)
        assert environment.step(0)[:4] == (1, 0.0, True, False)
        with pytest.raises(ValueError, match="after the end of an episode"):
            environment.step(0)
        environment.reset(options={"state": 0})
        assert environment.step(1)[:4] == (2, 2.0, False, False)  # absorbing, but with a reward
    # A reward that no available action earns does not keep the episode open.
    masked = MDP(
        kernel, [[0.0, 2.0], [0.0, 0.0], [0.0, 1.0]], 0.9, available=np.array([[1, 1], [1, 1], [1, 0]]) > 0
    )
    np.testing.assert_array_equal(absorbing_states(masked), [False, True, True])


def test_masks_names_and_truncation() -> None:
    mdp = MDP(
        np.eye(2)[np.array([[0, 1], [1, 0]])],
        np.ones((2, 2)),
        0.9,
        [1.0, 0.0],
        available=[[True, True], [False, True]],
        state_names=["a", "b"],
    )
    environment = as_gymnasium(mdp, max_steps=2)
    _, info = environment.reset(seed=1)
    assert info["action_mask"].tolist() == [1, 1]
    assert info["action_mask"].dtype == np.int8
    *_, info = environment.step(1)
    assert info["action_mask"].tolist() == [0, 1]
    assert info["state_name"] == "b"
    with pytest.raises(ValueError, match="action 0 is not available in state 1 'b'"):
        environment.step(0)
    _, _, terminated, truncated, _ = environment.step(1)
    assert (terminated, truncated) == (False, True)
    assert environment.action_space.sample(mask=info["action_mask"]) == 1


def test_finite_horizons_terminate_and_pay_at_the_end() -> None:
    rng = np.random.default_rng(0)
    model = FiniteHorizonMDP(
        rng.dirichlet(np.ones(3), (3, 3, 2)),
        rng.normal(size=(3, 3, 2)),
        terminal=[1.0, 2.0, 3.0],
        initial=[0.2, 0.3, 0.5],
    )
    plan = backward_induction(model)
    environment = as_gymnasium(model)
    returns = []
    for i in range(4000):
        state, info = environment.reset(seed=0 if i == 0 else None)
        total, over = 0.0, False
        while not over:
            action = int(plan.policy[info["stage"], state].argmax())
            state, reward, over, _, info = environment.step(action)
            total += reward
        assert info["stage"] == 3
        returns.append(total)
    error = np.std(returns) / np.sqrt(len(returns))
    assert abs(np.mean(returns) - model.start_law() @ plan.value[0]) < 4.5 * error


def test_masks_by_stage_are_those_of_the_next_step() -> None:
    mask = np.array([[[True, True]], [[True, False]]])
    model = FiniteHorizonMDP(np.ones((1, 2, 1)), [[0.0, 1.0]], initial=[1.0], available=mask)
    environment = as_gymnasium(model)
    _, info = environment.reset(seed=0)
    assert info["action_mask"].tolist() == [1, 1]
    _, _, _, _, info = environment.step(1)
    assert info["action_mask"].tolist() == [1, 0]
    with pytest.raises(ValueError, match="action 1 is not available in state 0"):
        environment.step(1)
    _, _, over, _, info = environment.step(0)
    assert over
    assert info["action_mask"].tolist() == [0, 0]


def test_ending_by_the_discount_gives_the_discounted_value() -> None:
    mdp = dirichlet_mdp(SeededDraw(3), discount=(0.7, 0.7000001))
    policy = np.full((mdp.n_states, mdp.n_actions), 1 / mdp.n_actions)
    environment, rng = as_gymnasium(mdp, end_by_discount=True), np.random.default_rng(1)
    totals = [
        sum(step[2] for step in episode(environment, rng, **({"seed": 2} if i == 0 else {}))[1:])
        for i in range(4000)
    ]
    value = float(mdp.start_law() @ policy_evaluation(mdp, policy).value)
    assert abs(np.mean(totals) - value) < 4.5 * np.std(totals) / np.sqrt(len(totals))


def test_refusals() -> None:
    mdp = dirichlet_mdp(SeededDraw(3))
    with pytest.raises(ValueError, match="no start law"):
        as_gymnasium(MDP(mdp.transition, mdp.reward, 0.5))
    with pytest.raises(ValueError, match="max_steps is 0"):
        as_gymnasium(mdp, max_steps=0)
    with pytest.raises(ValueError, match="mdp is a str"):
        as_gymnasium("mdp")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="state 99 is not one of"):
        as_gymnasium(mdp).reset(options={"state": 99})
    with pytest.raises(ValueError, match="before reset"):
        as_gymnasium(mdp).step(0)
