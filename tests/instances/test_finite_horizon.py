"""Random finite-horizon models."""

from __future__ import annotations

import numpy as np

from mdplab.instances.draw import SeededDraw
from mdplab.instances.finite_horizon import deterministic_horizon_mdp


def test_every_pair_has_one_successor_and_all_states_occur() -> None:
    seen = set()
    for i in range(40):
        model = deterministic_horizon_mdp(SeededDraw(i))
        assert model.transition.shape == (4, 2, 4)
        assert model.horizon == 4
        assert set(np.unique(model.transition)) == {0.0, 1.0}
        np.testing.assert_array_equal(model.transition.sum(axis=-1), 1.0)
        seen |= set(model.transition.argmax(axis=-1).ravel())
    assert seen == {0, 1, 2, 3}


def test_sizes_and_reward_law_are_arguments() -> None:
    made = [
        deterministic_horizon_mdp(
            SeededDraw(i), states=(2, 3), actions=(3, 3), horizon=(1, 2), reward="binary"
        )
        for i in range(40)
    ]
    assert {model.n_states for model in made} == {2, 3}
    assert {model.n_actions for model in made} == {3}
    assert {model.horizon for model in made} == {1, 2}
    assert set(np.concatenate([model.reward.ravel() for model in made])) == {0.0, 1.0}
