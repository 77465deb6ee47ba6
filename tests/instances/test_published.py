"""Worked examples of the textbooks, with the answers that are printed there."""

from __future__ import annotations

import numpy as np
import pytest

from mdplab.instances import gridworld
from mdplab.models import MDP, TotalRewardMDP
from mdplab.solvers import (
    average_reward,
    policy_evaluation,
    policy_iteration,
    solve,
    total_reward,
    total_reward_evaluation,
)


def test_putermans_two_states() -> None:
    """Puterman (1994), section 3.1: one random and one certain action in the first state, discount .95."""
    kernel = np.array([[[0.5, 0.5], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]])
    mdp = MDP(kernel, [[5.0, 10.0], [-1.0, 0.0]], 0.95, available=[[True, True], [True, False]])
    for found in (solve(mdp), policy_iteration(mdp)):
        np.testing.assert_allclose(found.value, [-60 / 7, -20.0], atol=1e-8)
        assert found.policy[0].tolist() == [1.0, 0.0]
    # Section 8.5: without discount the second state costs 1 for ever.
    average = average_reward(mdp)
    np.testing.assert_allclose(average.gain, -1.0, atol=1e-12)
    assert average.bias[0] - average.bias[1] == pytest.approx(12.0)
    assert average.policy[0].tolist() == [1.0, 0.0]


def test_howards_toymaker() -> None:
    """Howard (1960), chapters 4 and 7: gains 1 and 2; at discount .9 the values 15.5, 5.6 and 22.2, 12.3."""
    kernel = np.array([[[0.5, 0.5], [0.8, 0.2]], [[0.4, 0.6], [0.7, 0.3]]])
    paid = np.array([[[9.0, 3.0], [4.0, 4.0]], [[3.0, -7.0], [1.0, -19.0]]])
    mdp = MDP(kernel, paid, 0.9)
    np.testing.assert_allclose(mdp.reward, [[6.0, 4.0], [-3.0, -5.0]])
    first, best = np.array([[1.0, 0.0], [1.0, 0.0]]), average_reward(mdp)
    single = average_reward(MDP(kernel[:, :1], mdp.reward[:, :1], 0.9))
    np.testing.assert_allclose(single.gain, 1.0, atol=1e-12)
    np.testing.assert_allclose(best.gain, 2.0, atol=1e-12)
    assert best.policy[:, 1].all()
    assert best.bias[0] - best.bias[1] == pytest.approx(10.0)
    assert policy_evaluation(mdp, first).value.round(1).tolist() == [15.5, 5.6]
    assert solve(mdp).value.round(1).tolist() == [22.2, 12.3]


MOVES = ((0, -1), (1, 0), (0, 1), (-1, 0))


def five_by_five() -> MDP:
    """Sutton and Barto (2018), example 3.5: off the grid costs 1, A pays 10 and leads down, B pays 5."""
    successor, reward = np.zeros((25, 4), int), np.zeros((25, 4))
    for s in range(25):
        y, x = divmod(s, 5)
        for a, (dx, dy) in enumerate(MOVES):
            inside = 0 <= x + dx < 5 and 0 <= y + dy < 5
            successor[s, a] = s + dx + 5 * dy if inside else s
            reward[s, a] = 0.0 if inside else -1.0
    successor[1], reward[1] = 21, 10.0
    successor[3], reward[3] = 13, 5.0
    return MDP.from_successors(successor, reward, 0.9)


def test_the_grid_of_sutton_and_barto() -> None:
    """Figures 3.2 (random policy) and 3.5 (optimal), as printed."""
    random = [
        [3.3, 8.8, 4.4, 5.3, 1.5],
        [1.5, 3.0, 2.3, 1.9, 0.5],
        [0.1, 0.7, 0.7, 0.4, -0.4],
        [-1.0, -0.4, -0.4, -0.6, -1.2],
        [-1.9, -1.3, -1.2, -1.4, -2.0],
    ]
    best = [
        [22.0, 24.4, 22.0, 19.4, 17.5],
        [19.8, 22.0, 19.8, 17.8, 16.0],
        [17.8, 19.8, 17.8, 16.0, 14.4],
        [16.0, 17.8, 16.0, 14.4, 13.0],
        [14.4, 16.0, 14.4, 13.0, 11.7],
    ]
    mdp = five_by_five()
    value = policy_evaluation(mdp, np.full((25, 4), 0.25)).value
    np.testing.assert_allclose(value.reshape(5, 5), random, atol=0.05)
    np.testing.assert_allclose(solve(mdp).value.reshape(5, 5), best, atol=0.05)


def test_the_small_grid_of_sutton_and_barto() -> None:
    """Example 4.1: expected steps of the random policy to a corner, and the shortest way."""
    grid = gridworld(4, 4, {}, terminal=[(0, 0), (3, 3)], step_reward=-1.0)
    kernel, ends = grid.mdp.transition, np.zeros(17, bool)
    ends[[0, 15, 16]] = True
    model = TotalRewardMDP(kernel, np.full((17, 4), -1.0), ends)
    steps = total_reward_evaluation(model, np.full((17, 4), 0.25)).value[:16].reshape(4, 4)
    printed = [[0, -14, -20, -22], [-14, -18, -20, -20], [-20, -20, -18, -14], [-22, -20, -14, 0]]
    np.testing.assert_allclose(steps, printed, atol=1e-10)
    shortest = total_reward(model).value[:16].reshape(4, 4)
    np.testing.assert_array_equal(
        shortest, [[0, -1, -2, -3], [-1, -2, -3, -2], [-2, -3, -2, -1], [-3, -2, -1, 0]]
    )


def test_the_slippery_grid_of_russell_and_norvig() -> None:
    """Utilities of the 4 x 3 world (figure 17.3), -0.04 a step; a terminal cell costs no step."""
    grid = gridworld(
        4,
        3,
        {(3, 0): 1.04, (3, 1): -0.96},
        slip=0.2,
        walls=[(1, 1)],
        terminal=[(3, 0), (3, 1)],
        step_reward=-0.04,
    )
    mdp = grid.mdp
    found = total_reward(TotalRewardMDP.from_mdp(mdp, np.arange(mdp.n_states) == mdp.n_states - 1))
    printed = [[0.812, 0.868, 0.918, 1.0], [0.762, np.nan, 0.660, -1.0], [0.705, 0.655, 0.611, 0.388]]
    np.testing.assert_allclose(grid.image(found.value), printed, atol=6e-4)
    assert found.policy[grid.state(2, 1)].argmax() == 0
    assert found.policy[grid.state(2, 2)].argmax() == 3  # round the wall rather than past the pit


def test_the_random_walk_of_sutton_and_barto() -> None:
    """Example 6.2: five states between two ends, values 1/6 to 5/6."""
    kernel = np.zeros((7, 1, 7))
    for s in range(1, 6):
        kernel[s, 0, [s - 1, s + 1]] = 0.5
    reward = np.zeros((7, 1, 7))
    reward[5, 0, 6] = 1.0
    walk = TotalRewardMDP(kernel, reward, [True, *[False] * 5, True])
    np.testing.assert_allclose(total_reward(walk).value[1:6], np.arange(1, 6) / 6, atol=1e-14)


def test_the_recycling_robot() -> None:
    """Sutton and Barto, example 3.3, by the optimality equations that exercise 3.18 asks for."""
    alpha, beta, search, wait, gamma = 0.9, 0.4, 2.0, 0.5, 0.8
    kernel = np.array(
        [
            [[alpha, 1 - alpha], [1.0, 0.0], [1.0, 0.0]],
            [[1 - beta, beta], [0.0, 1.0], [1.0, 0.0]],
        ]
    )
    reward = [[search, wait, 0.0], [beta * search - 3 * (1 - beta), wait, 0.0]]
    mdp = MDP(kernel, reward, gamma, available=[[True, True, False], [True, True, True]])
    found = solve(mdp)
    # Searching when high and recharging when low: two equations in closed form.
    high = search / (1 - gamma * alpha - gamma**2 * (1 - alpha))
    np.testing.assert_allclose(found.value, [high, gamma * high], atol=1e-8)
    assert found.policy.argmax(axis=1).tolist() == [0, 2]
