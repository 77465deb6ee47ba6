"""Random finite laws and reward processes."""

from __future__ import annotations

import numpy as np

from mdplab.instances.draw import SeededDraw
from mdplab.instances.laws import (
    acyclic_reward_process,
    dirichlet_reward_process,
    random_law,
    sparse_weights,
)


def test_sparse_weights_have_no_mass_between_zero_and_the_floor() -> None:
    weights = sparse_weights(SeededDraw(1), (300, 5), concentration=0.05, floor=1e-3)
    assert np.all((weights == 0) | (weights >= 1e-3))
    assert np.any(weights == 0)
    np.testing.assert_allclose(weights.sum(axis=-1), 1.0, rtol=0, atol=1e-14)


def test_random_law_drops_small_masses() -> None:
    sizes = [random_law(SeededDraw(seed), 6, concentration=0.1, floor=1e-3).n_atoms for seed in range(20)]
    assert max(sizes) <= 6
    assert min(sizes) < 6
    assert random_law(SeededDraw(1), 4, scale=100.0).atoms.std() > 5


def test_reward_processes_keep_their_ranges() -> None:
    for seed in range(20):
        process = dirichlet_reward_process(SeededDraw(seed), states=(2, 4), discount=(0.1, 0.99))
        assert 2 <= process.n_states <= 4
        assert 0.1 <= process.discount <= 0.99
        assert np.ptp(process.reward) > 0


def test_acyclic_processes_end_within_their_number_of_states() -> None:
    for seed in range(20):
        process = acyclic_reward_process(SeededDraw(seed))
        n = process.n_states
        assert np.all(np.tril(process.kernel)[:-1] == 0)
        reached = np.linalg.matrix_power(process.kernel, n - 1)
        np.testing.assert_allclose(reached[:, -1], 1.0, atol=1e-14)
        assert process.reward[-1, -1] == 0
