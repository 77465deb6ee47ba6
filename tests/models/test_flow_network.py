"""Flow networks: what is refused, counts and depth, and the decision process of the constructions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given

from mdplab.instances import diamond_network, flow_networks
from mdplab.models import FlowNetwork
from mdplab.solvers import backward_induction
from mdplab.strategies import from_family

EDGES = diamond_network().edges
REWARD = [0.0, 1.0, 2.0, 3.0]


def edges(n: int, *pairs: tuple[int, int]) -> Any:
    table = np.zeros((n, n), dtype=bool)
    for pair in pairs:
        table[pair] = True
    return table


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((EDGES.T, REWARD), r"edges\[1, 0\] is true, expected edges to larger numbers only"),
        ((edges(2, (0, 0)), [0, 1]), r"edges\[0, 0\] is true"),
        ((EDGES, [0.0, -1.0, 2.0, 3.0]), r"reward\[1\] is -1\.0, expected a reward >= 0"),
        ((EDGES, np.zeros(4)), "reward is zero everywhere"),
        ((EDGES, [0.0, np.inf, 2.0, 3.0]), r"reward\[1\] is inf"),
        ((EDGES, [1.0]), r"reward has shape \(1,\)"),
        ((EDGES.astype(float), REWARD), "edges has dtype float64"),
        ((EDGES, REWARD, 0.5 * diamond_network().backward), r"backward row \(node 1\) sums to 0\.5"),
        ((EDGES, REWARD, np.eye(4)), r"backward row|backward\[0, 0\]"),
        (
            (edges(3, (0, 1), (0, 2)), [0, 1, 1], [[0, 0, 0], [1, 0, 0], [0.5, 0.5, 0]]),
            r"backward\[2, 1\] is 0\.5, but edges has no step from 1 to 2",
        ),
    ],
)
def test_bad_networks_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FlowNetwork(*arguments)


def test_the_diamond() -> None:
    network = diamond_network()
    assert (network.n_nodes, network.depth, network.path_counts) == (4, 2, (1, 1, 1, 2))
    assert network.objects.tolist() == [False, True, True, True]
    assert network.steps[1].tolist() == [False, False, False, True, True]
    assert network.is_connected
    assert repr(network) == "FlowNetwork(N=4, edges=4, objects=3)"
    uniform = FlowNetwork(EDGES, REWARD)
    assert uniform.backward[3].tolist() == [0.0, 0.5, 0.5, 0.0]
    assert network.replace(reward=[0, 0, 0, 1]).backward is not uniform.backward


def test_orphans_and_dead_ends_are_no_connected_network() -> None:
    assert not FlowNetwork(edges(3, (0, 1)), [0, 1, 1]).is_connected
    assert not FlowNetwork(edges(3, (0, 1), (0, 2)), [0, 1, 0]).is_connected
    assert FlowNetwork(edges(1), [2.0]).is_connected


def test_path_counts_are_integers_of_any_size() -> None:
    n = 80
    assert FlowNetwork(np.triu(np.ones((n, n), dtype=bool), 1), np.ones(n)).path_counts[-1] == 2 ** (n - 2)


def test_decision_process_of_the_diamond() -> None:
    mdp = diamond_network().to_horizon_mdp()
    assert (mdp.horizon, mdp.n_states, mdp.n_actions) == (3, 5, 5)
    assert mdp.reward[1, 3] == np.log(0.25)
    assert mdp.reward[2, 4] == np.log(2.0)
    assert mdp.transition[1, 3].tolist() == [0, 0, 0, 1, 0]
    assert mdp.transition[1, 4].tolist() == [0, 0, 0, 0, 1]
    free = diamond_network().to_horizon_mdp(corrected=False)
    assert not free.reward[:4, :4].any()


@given(from_family(flow_networks))
def test_stages_suffice_for_the_longest_construction(network: FlowNetwork) -> None:
    """One stage more changes no value of the first stage."""
    mdp = network.to_horizon_mdp()
    longer = type(mdp)(mdp.transition, mdp.reward, mdp.horizon + 1, available=mdp.available)
    values = [backward_induction(model, temperature=1.0).value[0] for model in (mdp, longer)]
    np.testing.assert_array_equal(values[0], values[1])


def test_processes_that_do_not_exist() -> None:
    with pytest.raises(ValueError, match="node 2 reaches no object"):
        FlowNetwork(edges(3, (0, 1), (0, 2)), [0, 1, 0]).to_horizon_mdp()
    one_way = diamond_network().replace(backward=[[0] * 4, [1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]])
    with pytest.raises(ValueError, match=r"backward\[3, 2\] is 0, whose logarithm is no reward"):
        one_way.to_horizon_mdp()
    assert one_way.to_horizon_mdp(corrected=False).horizon == 3
