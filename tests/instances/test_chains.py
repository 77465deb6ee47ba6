"""Random chains: sizes, floor of the probabilities, independence of the steps."""

from __future__ import annotations

import numpy as np
import pytest

from mdplab.instances.chains import dirichlet_chain
from mdplab.instances.draw import SeededDraw


def test_the_law_of_the_chains() -> None:
    chains = [dirichlet_chain(SeededDraw(seed)) for seed in range(300)]
    assert {chain.n_states for chain in chains} == {2, 3, 4}
    assert {chain.steps for chain in chains} == {1, 2, 3, 4}
    for chain in chains:
        floor = 0.02 / chain.n_states
        assert min(chain.kernels.min(), chain.initial.min()) >= floor * (1 - 1e-12)
        np.testing.assert_allclose(chain.kernels.sum(axis=-1), 1.0, rtol=0, atol=1e-14)
        if chain.steps > 1:
            assert np.abs(np.diff(chain.kernels, axis=0)).max() > 0
    assert min(chain.kernels.min() for chain in chains) < 1.01 * 0.02 / 4  # at .3 entries sit on the floor


def test_arguments_reach_the_draw() -> None:
    chain = dirichlet_chain(SeededDraw(3), states=(5, 5), steps=(2, 2), concentration=(1000.0,), mixture=0.5)
    assert chain.kernels.shape == (2, 5, 5)
    np.testing.assert_allclose(chain.kernels, 0.2, atol=0.02)
    again = dirichlet_chain(SeededDraw(3), states=(5, 5), steps=(2, 2), concentration=(1000.0,), mixture=0.5)
    np.testing.assert_array_equal(again.kernels, chain.kernels)
    with pytest.raises(ValueError, match="mixture"):
        dirichlet_chain(SeededDraw(3), mixture=-0.1)
