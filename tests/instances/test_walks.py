"""Chain, RiverSwim, gambler, windy grid, Garnet: closed forms, published numbers, structure."""

from __future__ import annotations

import numpy as np
import pytest

from mdplab.instances import (
    SeededDraw,
    chain_problem,
    gambler,
    garnet,
    gridworld,
    riverswim,
    undiscounted_gambler,
    windy_gridworld,
)
from mdplab.models import MDP
from mdplab.solvers import policy_evaluation, policy_iteration, total_reward


def gain(mdp: MDP, action: int, stationary: np.ndarray) -> float:
    """Average reward of one action: for a stationary law, law @ value = law @ reward / (1 - discount)."""
    policy = np.zeros((mdp.n_states, mdp.n_actions))
    policy[:, action] = 1.0
    value = policy_evaluation(mdp, policy).value
    np.testing.assert_allclose(stationary @ mdp.to_dense().transition[:, action], stationary, atol=1e-14)
    return float((1 - mdp.discount) * stationary @ value)


@pytest.mark.parametrize(("n", "slip"), [(5, 0.2), (9, 0.1), (2, 0.5)])
def test_chain_earns_its_published_average(n: int, slip: float) -> None:
    mdp = chain_problem(n, slip=slip, discount=0.9)
    stationary = slip * (1 - slip) ** np.arange(n)
    stationary[-1] = (1 - slip) ** (n - 1)
    average = gain(mdp, 0, stationary)
    assert average == pytest.approx(2 * slip + 10 * (1 - slip) ** n, rel=1e-12)
    if n == 5:
        assert round(1000 * average) == 3677
    assert policy_iteration(chain_problem()).policy[:, 0].all()  # going forward is optimal


@pytest.mark.parametrize("n", [2, 6, 20])
def test_riverswim_is_a_birth_death_chain(n: int) -> None:
    mdp = riverswim(n, discount=0.95)
    odds = np.ones(n)
    for s in range(1, n):  # detailed balance
        up = 0.6 if s == 1 else 0.35
        down = 0.4 if s == n - 1 else 0.05
        odds[s] = odds[s - 1] * up / down
    stationary = odds / odds.sum()
    assert gain(mdp, 1, stationary) == pytest.approx(stationary[-1], rel=1e-12)
    np.testing.assert_array_equal(mdp.reward[0], [0.005, 0.0])
    if n == 6:
        assert policy_iteration(riverswim()).policy[:, 1].all()


def test_gambler_plays_boldly() -> None:
    found = policy_iteration(gambler())
    g = 0.999999
    np.testing.assert_allclose(found.value[[25, 50, 75]], [g * 0.16, 0.4, 0.4 + g * 0.24], atol=1e-9)
    assert found.value[0] == pytest.approx(0.0, abs=1e-9)
    mdp = gambler(11, heads=0.6, discount=0.5)
    assert mdp.available is not None
    np.testing.assert_array_equal(mdp.available.sum(axis=1), [1, 1, 2, 3, 4, 5, 5, 4, 3, 2, 1, 1])
    assert mdp.reward[9, 1] == 0.6
    np.testing.assert_array_equal(np.flatnonzero(mdp.row(9, 1)), [7, 11])
    # Fair coins: the value without discount is capital / goal.
    np.testing.assert_allclose(
        policy_iteration(gambler(20, heads=0.5, discount=1 - 1e-9)).value[1:20],
        np.arange(1, 20) / 20,
        atol=1e-6,
    )


def test_gambler_without_discount() -> None:
    """Probabilities of reaching the goal by bold play, at dyadic fractions of it."""
    found = total_reward(undiscounted_gambler(16, heads=0.4))
    assert found.certificate.bound < 1e-8
    bold = np.zeros(17)
    bold[16] = 1.0
    for _ in range(60):  # bold play: stake all, or what is missing
        for c in range(1, 16):
            stake = min(c, 16 - c)
            bold[c] = 0.4 * bold[c + stake] + 0.6 * bold[c - stake]
    np.testing.assert_allclose(found.value[1:16], bold[1:16], atol=1e-8)
    assert found.value[8] == pytest.approx(0.4, abs=1e-8)


@pytest.mark.parametrize(("moves", "steps"), [(4, 15), (8, 7), (9, 7)])
def test_windy_gridworld_takes_its_published_number_of_steps(moves: int, steps: int) -> None:
    grid = windy_gridworld(moves=moves)
    value = policy_iteration(grid.mdp).value
    assert value[grid.state(0, 3)] == pytest.approx(-(1 - 0.9**steps) / 0.1, abs=1e-10)
    assert grid.mdp.is_deterministic
    assert grid.mdp.start_law()[grid.state(0, 3)] == 1.0


def test_windy_moves_one_by_one() -> None:
    grid = windy_gridworld(gusts=True, moves=9)
    row = grid.mdp.row(grid.state(6, 5), 1)  # right, wind 2 of the column left: 1, 2 or 3 up
    np.testing.assert_allclose(row[[grid.state(7, y) for y in (2, 3, 4)]], 1 / 3)
    row = grid.mdp.row(grid.state(3, 0), 8)  # staying at the top edge
    assert row[grid.state(3, 0)] == pytest.approx(1.0)
    assert grid.mdp.row(grid.state(0, 3), 2)[grid.state(0, 4)] == 1.0  # no wind, no gusts
    goal = grid.state(7, 3)
    assert grid.mdp.row(goal, 0)[goal] == 1.0
    assert not grid.mdp.reward[goal].any()
    with pytest.raises(ValueError, match=r"goal \(10, 3\) is off"):
        windy_gridworld(goal=(10, 3))
    with pytest.raises(ValueError, match="moves is 5"):
        windy_gridworld(moves=5)


@pytest.mark.parametrize(("n", "branching"), [(30, 4), (30, 15), (30, 20), (30, 30), (5, 1)])
def test_garnet_has_its_branching(n: int, branching: int) -> None:
    mdp = garnet(SeededDraw(1), n, 3, branching)
    assert mdp.is_sparse
    counts = np.diff(mdp.transition.indptr)
    assert (counts == branching).all()  # distinct: canonical form has merged no two
    dense = garnet(SeededDraw(1), n, 3, branching, sparse=False)
    np.testing.assert_array_equal(dense.transition, mdp.to_dense().transition)


def test_garnet_successors_are_uniform_sets() -> None:
    """Two of five, 20000 rows: each of the ten sets has its share within five standard deviations."""
    mdp = garnet(SeededDraw(2), 5, 4000, 2)
    pairs = mdp.transition.indices.reshape(-1, 2)
    counts = np.bincount(pairs[:, 0] * 5 + pairs[:, 1], minlength=25)
    counts = counts[counts > 0]
    assert counts.size == 10
    assert (np.abs(counts - 2000) < 5 * np.sqrt(20_000 * 0.1 * 0.9)).all()
    with pytest.raises(ValueError, match="branching is 6"):
        garnet(SeededDraw(0), 5, 2, 6)


def test_large_slippery_grids_stay_sparse() -> None:
    """40000 states: 12 times as many numbers, not their square."""
    grid = gridworld(200, 200, {(199, 199): 1.0}, slip=0.2, terminal=[(199, 199)], discount=0.99, sparse=True)
    assert grid.mdp.transition.nnz <= 3 * 4 * 40_001
    assert grid.mdp.n_states == 40_001


@pytest.mark.parametrize("build", [lambda: chain_problem(1), lambda: riverswim(1), lambda: gambler(1)])
def test_too_small(build: object) -> None:
    with pytest.raises(ValueError, match="expected an integer of at least 2"):
        build()  # type: ignore[operator]
