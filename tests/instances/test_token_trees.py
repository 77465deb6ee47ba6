"""Token trees: every sequence once, prefixes as states, bad sizes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mdplab.enumeration import enumerate_trajectories
from mdplab.instances import token_tree


@pytest.mark.parametrize(("n_tokens", "length"), [(1, 4), (2, 3), (3, 2), (4, 1)])
def test_trajectories_are_the_sequences(n_tokens: int, length: int) -> None:
    tree = token_tree(n_tokens, length)
    assert tree.n_states == sum(n_tokens**h for h in range(length + 1))
    found = enumerate_trajectories(tree, np.full((tree.n_states, n_tokens), 1 / n_tokens))
    assert found.actions.tolist() == [list(s) for s in itertools.product(range(n_tokens), repeat=length)]
    np.testing.assert_allclose(found.probability, n_tokens**-length, rtol=1e-14)
    assert len({tuple(row) for row in found.states}) == n_tokens**length  # a state is a prefix


def test_whole_sequences_stay() -> None:
    tree = token_tree(2, 2)
    assert (tree.transition[3:, :, 3:] == np.eye(4)[:, np.newaxis]).all()


def test_bad_sizes_are_named() -> None:
    with pytest.raises(ValueError, match="n_tokens must be an integer of at least 1; got 0"):
        token_tree(0, 2)
    with pytest.raises(ValueError, match="more than 2000 states"):
        token_tree(2, 11)
    with pytest.raises(ValueError, match="more than 2000 states"):
        token_tree(1, 10**9)
