"""Random flow networks: connected, few constructions, every shape reached."""

from __future__ import annotations

import numpy as np
import pytest

from mdplab.instances import SeededDraw, flow_networks


def test_networks_are_connected_and_small_enough_to_enumerate() -> None:
    found = [flow_networks(SeededDraw(seed)) for seed in range(300)]
    assert {network.n_nodes for network in found} == {4, 5, 6, 7, 8}
    assert all(network.is_connected for network in found)
    assert all(sum(np.array(x.path_counts)[x.objects]) <= 400 for x in found)
    assert all((x.backward[x.edges.T] > 0).all() for x in found)
    assert not any(x.objects[0] for x in found)


def test_parents_are_coins_given_that_there_is_one() -> None:
    last = [flow_networks(SeededDraw(seed), nodes=(4, 4)).edges[:3, 3] for seed in range(2000)]
    assert abs(np.mean(last) - 4 / 7) < 0.02  # 1/2 over 1 - 1/8
    assert min(edges.sum() for edges in last) == 1


def test_share_of_objects() -> None:
    inner = [
        flow_networks(SeededDraw(seed), nodes=(6, 6), stop=0.2).objects[1] for seed in range(1000)
    ]  # node 1 is childless with probability about (1/2)^4
    assert 0.2 < np.mean(inner) < 0.32


def test_bad_ranges_are_refused() -> None:
    with pytest.raises(ValueError, match=r"stop: expected a probability in \[0, 1\], got 2"):
        flow_networks(SeededDraw(0), stop=2.0)
    with pytest.raises(ValueError, match="nodes: expected at least 2, got 1"):
        flow_networks(SeededDraw(0), nodes=(1, 3))
