"""Constructions of flow networks: all of them, in order, with their probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from mdplab.enumeration import construction_log_probability, enumerate_constructions, trajectory_balance
from mdplab.instances import diamond_network, flow_networks
from mdplab.models import FlowNetwork
from mdplab.strategies import from_family


def test_constructions_of_the_diamond() -> None:
    network = diamond_network()
    paths = enumerate_constructions(network)
    assert paths.nodes.tolist() == [[0, 1, -1], [0, 1, 3], [0, 2, -1], [0, 2, 3]]
    assert paths.ends.tolist() == [1, 3, 2, 3]
    np.testing.assert_allclose(np.exp(paths.log_backward), [1, 0.25, 1, 0.75], rtol=1e-15)
    policy = np.log([[1, 0.5, 0.5, 1, 1], [1, 1, 1, 0.6, 0.4], [1, 1, 1, 0.5, 0.5], [1, 1, 1, 1, 1]])
    forward = construction_log_probability(paths, policy)
    np.testing.assert_allclose(np.exp(forward), [0.2, 0.3, 0.25, 0.25], rtol=1e-15)
    np.testing.assert_allclose(
        trajectory_balance(network, paths, policy, np.log(6.0)),
        np.log([6 * 0.2, 6 * 0.3 / 0.75, 6 * 0.25 / 2, 6 * 0.25 / 2.25]),
        atol=1e-15,
    )


@given(from_family(flow_networks))
def test_each_object_has_its_number_of_paths_and_backward_laws(network: FlowNetwork) -> None:
    paths = enumerate_constructions(network)
    numbers = np.bincount(paths.ends, minlength=network.n_nodes)
    assert numbers[network.objects].tolist() == np.array(network.path_counts)[network.objects].tolist()
    assert numbers[~network.objects].sum() == 0
    assert paths.nodes.tolist() == sorted(paths.nodes.tolist())
    mass = np.bincount(paths.ends, np.exp(paths.log_backward))
    np.testing.assert_allclose(mass[np.flatnonzero(network.objects)], 1.0, rtol=1e-13)


def test_the_source_may_be_an_object() -> None:
    paths = enumerate_constructions(FlowNetwork([[False]], [2.0]))
    assert (paths.nodes.tolist(), paths.ends.tolist(), paths.log_backward.tolist()) == ([[0]], [0], [0.0])


def test_too_many_or_none_are_refused() -> None:
    with pytest.raises(ValueError, match="4 constructions to enumerate, more than the cap 3"):
        enumerate_constructions(diamond_network(), max_count=3)
    complete = np.triu(np.ones((40, 40), dtype=bool), 1)
    with pytest.raises(ValueError, match="more than the cap 100000"):
        enumerate_constructions(FlowNetwork(complete, np.ones(40)))
    with pytest.raises(ValueError, match="no path leads from node 0 to an object"):
        enumerate_constructions(FlowNetwork(np.zeros((2, 2), dtype=bool), [0.0, 1.0]))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (np.zeros((4, 4)), r"log_policy: expected shape \(N, N\+1\) with N >= 4, got \(4, 4\)"),
        (np.zeros((3, 4)), r"got \(3, 4\)"),
        (np.zeros(5), r"got \(5,\)"),
    ],
)
def test_policies_of_another_shape_are_refused(table: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        construction_log_probability(enumerate_constructions(diamond_network()), table)


@pytest.mark.parametrize(
    ("table", "partition", "message"),
    [
        (np.zeros((5, 6)), 0.0, r"log_policy: expected shape \(4, 5\), got \(5, 6\)"),
        (np.full((4, 5), np.nan), 0.0, r"log_policy\[0, 1\] is nan, expected a finite number at a step"),
        (np.zeros((4, 5)), np.nan, "log_partition is nan"),
    ],
)
def test_residuals_of_no_policy_are_refused(table: np.ndarray, partition: float, message: str) -> None:
    network = diamond_network()
    with pytest.raises(ValueError, match=message):
        trajectory_balance(network, enumerate_constructions(network), table, partition)
