"""Paths of chains: total probability, marginals, and the tilt of the known chain by enumeration."""

from __future__ import annotations

import numpy as np
import pytest

from mdplab.enumeration import enumerate_paths, path_log_probability
from mdplab.models import MarkovChain


def random_chain(seed: int, states: int = 3, steps: int = 4) -> MarkovChain:
    rng = np.random.default_rng(seed)
    kernels = rng.dirichlet(np.full(states, 0.5), size=(steps, states))
    kernels[0, 0] = np.eye(states)[1]  # some impossible paths
    return MarkovChain(initial=rng.dirichlet(np.ones(states)), kernels=kernels)


@pytest.mark.parametrize("seed", range(5))
def test_marginals_are_products_of_matrices(seed: int) -> None:
    chain = random_chain(seed)
    paths = enumerate_paths(chain)
    assert paths.states.shape == (3**5, 5)
    assert np.isneginf(paths.log_probability).any()
    assert paths.probability.sum() == pytest.approx(1.0, abs=1e-13)
    law = np.asarray(chain.initial)
    for t in range(5):
        marginal = np.bincount(paths.states[:, t], weights=paths.probability, minlength=3)
        np.testing.assert_allclose(marginal, law, atol=1e-14)
        if t < 4:
            law = law @ chain.kernels[t]


def test_one_path_by_hand() -> None:
    chain = random_chain(1)
    path = np.array([[2, 0, 1, 1, 2]])
    expected = chain.initial[2] * chain.kernels[0][2, 0] * chain.kernels[1][0, 1]
    expected *= chain.kernels[2][1, 1] * chain.kernels[3][1, 2]
    assert np.exp(path_log_probability(chain, path)[0]) == pytest.approx(expected, rel=1e-14)


def test_bad_arguments_are_named() -> None:
    chain = random_chain(0)
    with pytest.raises(ValueError, match="more than the cap"):
        enumerate_paths(chain, max_count=242)
    with pytest.raises(ValueError, match="states: expected shape"):
        path_log_probability(chain, np.zeros((1, 3), dtype=int))
