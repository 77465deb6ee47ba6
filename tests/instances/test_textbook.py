"""Named instances have the numbers that their names promise."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

from mdplab import instances
from mdplab.models import MDP
from mdplab.operators import path_kl
from mdplab.solvers import backward_induction, stage_evaluation


def best_value(mdp: MDP) -> np.ndarray:
    """Largest value of each state over all deterministic policies, by linear solves."""
    values = []
    for actions in itertools.product(range(mdp.n_actions), repeat=mdp.n_states):
        rows = np.arange(mdp.n_states), np.array(actions)
        values.append(
            np.linalg.solve(np.eye(mdp.n_states) - mdp.discount * mdp.transition[rows], mdp.reward[rows])
        )
    return np.max(values, axis=0)


@pytest.mark.parametrize("make", [instances.three_state_mdp, instances.three_state_unit_reward_mdp])
def test_optimal_return_of_the_three_state_models(make: object) -> None:
    mdp = make()  # type: ignore[operator]
    assert mdp.start_law() @ best_value(mdp) == pytest.approx(7.9322818447, abs=5e-11)
    assert mdp.exact is not None
    assert mdp.exact.probability(2, 1, 1) == Fraction(3, 10)
    assert mdp.exact.discount == Fraction(9, 10)


def test_reference_return_of_the_three_state_model() -> None:
    mdp, policy = instances.three_state_mdp(), instances.three_state_reference()
    kernel = np.einsum("sa,sat->st", policy, mdp.transition)
    value = np.linalg.solve(np.eye(3) - 0.9 * kernel, (policy * mdp.reward).sum(axis=1))
    assert mdp.start_law() @ value == pytest.approx(4.0935624694, abs=5e-11)


def test_the_mask_of_the_three_state_example_costs_two_states() -> None:
    mdp, mask = instances.three_state_mask()
    assert best_value(mdp) == pytest.approx([16.7, 18.0, 20.0])
    assert np.argwhere(~mask).tolist() == [[1, 1]]
    masked = mdp.replace(reward=np.where(mask, mdp.reward, -1000.0))
    assert best_value(masked) == pytest.approx([10.0, 8.0, 20.0])


def test_floats_are_those_of_the_decimals() -> None:
    mdp = instances.three_state_mdp()
    assert mdp.transition.tolist() == [
        [[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]],
        [[0.3, 0.4, 0.3], [0.0, 0.2, 0.8]],
        [[0.5, 0.0, 0.5], [0.2, 0.3, 0.5]],
    ]
    assert mdp.reward.tolist() == [[1.0, 0.0], [0.2, 0.5], [-0.3, 0.8]]
    assert (mdp.discount, mdp.start_law().tolist()) == (0.9, [0.5, 0.3, 0.2])
    assert instances.three_state_unit_reward_mdp().reward.tolist() == [[1.0, 0.0], [0.2, 0.5], [0.0, 0.8]]
    assert instances.two_state_outcome_mdp().law.tolist() == [
        [[0.3, 0.7], [0.8, 0.2]],
        [[0.5, 0.5], [0.1, 0.9]],
    ]


def test_the_loop_of_two_arms_is_worth_one_over_the_rest_of_the_discount() -> None:
    loop = instances.two_armed_loop(0.75)
    assert (loop.n_states, loop.n_actions, loop.start_law().tolist()) == (1, 2, [1.0])
    assert best_value(loop) == pytest.approx([4.0])


def test_values_and_behaviour_of_the_two_state_model() -> None:
    mdp, behaviour = instances.two_state_mdp(), instances.two_state_behaviour()
    np.testing.assert_allclose(best_value(mdp), [7.9120879121, 9.0109890110], atol=5e-11)
    assert 0.1 * mdp.start_law() @ best_value(mdp) == pytest.approx(0.8351648351648, abs=5e-14)
    kernel = np.einsum("sa,sat->st", behaviour, mdp.transition)
    law = 0.1 * np.linalg.solve(np.eye(2) - 0.9 * kernel.T, mdp.start_law())
    expected = [[0.374014598540, 0.160291970803], [0.279416058394, 0.186277372263]]
    np.testing.assert_allclose(law[:, None] * behaviour, expected, atol=5e-13)


def test_last_law_of_the_three_state_chain() -> None:
    chain = instances.three_state_chain()
    np.testing.assert_allclose(
        chain.initial @ np.linalg.multi_dot(chain.kernels), [0.3002, 0.3744, 0.3254], atol=1e-15
    )
    label = np.array([0.3002, 0.3744, 0.3254]) @ instances.three_state_chain_likelihood()
    assert np.log(label) == pytest.approx(-0.6731877028, abs=5e-11)
    condition = np.array([0.3002, 0.3744, 0.3254]) @ instances.three_state_chain_condition_likelihood()
    assert np.log(condition) == pytest.approx(-0.8790431178, abs=5e-11)


def test_reward_process_of_an_action() -> None:
    process = instances.two_state_reward_process(0)
    assert process.kernel.tolist() == [[0.3, 0.7], [0.5, 0.5]]
    assert process.reward.tolist() == [[1, -1], [-2, 1]]
    assert process.discount == 0.5


def test_the_cycle_prefers_each_response_to_the_next() -> None:
    p = instances.three_response_cycle().probability
    assert all(p[i, (i + 1) % 3] > 0.5 for i in range(3))
    assert instances.three_response_reference().sum() == 1.0


def test_expert_and_clone_of_three_stages() -> None:
    mdp, cloned, expert = instances.three_state_demonstrations()
    assert mdp.horizon == 3
    assert mdp.discount == 1.0
    assert expert[1].tolist() == [[0.9, 0.1], [0.3, 0.7], [0.1, 0.9]]
    best, own = backward_induction(mdp), stage_evaluation(mdp, expert)
    assert float(mdp.start_law() @ (best.value[0] - own.value[0])) == pytest.approx(0.4820072, abs=5e-11)
    cost = path_kl(mdp, np.log(expert), np.log(cloned))
    assert cost == pytest.approx(0.022407551 / 0.05, abs=5e-9)
