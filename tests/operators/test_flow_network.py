"""Flows of construction networks: the diamond by hand, enumeration, and the three conditions of balance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab.enumeration import construction_log_probability, enumerate_constructions, trajectory_balance
from mdplab.instances import diamond_network, flow_networks
from mdplab.models import FlowNetwork
from mdplab.operators import (
    converted_policy_log,
    detailed_balance_residuals,
    flow_matching_residuals,
    flow_policy_log,
    log_flows,
    log_tilt,
    log_visits,
    path_count_backward,
)
from mdplab.strategies import from_family

networks = from_family(flow_networks)


def random_policy(network: FlowNetwork, seed: int) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(size=network.steps.shape)
    return log_tilt(np.where(network.steps, logits, -np.inf))


def test_flows_of_the_diamond() -> None:
    network = diamond_network()
    np.testing.assert_allclose(np.exp(log_flows(network)), [6, 1.75, 4.25, 3], rtol=1e-15)
    policy = np.exp(flow_policy_log(network))
    np.testing.assert_allclose(policy[0, [1, 2, 4]], [7 / 24, 17 / 24, 0], rtol=1e-15)
    np.testing.assert_allclose(policy[1, [3, 4]], [3 / 7, 4 / 7], rtol=1e-15)
    np.testing.assert_allclose(policy[3, 4], 1.0, rtol=1e-15)
    visits, law = np.exp(log_visits(network, np.log(np.maximum(policy, 1e-300))))
    np.testing.assert_allclose(law, [0, 1 / 6, 1 / 3, 1 / 2], rtol=1e-14)
    np.testing.assert_allclose(visits * 6, [6, 1.75, 4.25, 3], rtol=1e-14)


@given(networks, st.integers(0, 9))
def test_recursion_agrees_with_enumeration(network: FlowNetwork, seed: int) -> None:
    log_policy = random_policy(network, seed)
    paths = enumerate_constructions(network)
    law = np.bincount(
        paths.ends, np.exp(construction_log_probability(paths, log_policy)), minlength=network.n_nodes
    )
    np.testing.assert_allclose(np.exp(log_visits(network, log_policy)[1]), law, rtol=1e-12)
    assert law.sum() == pytest.approx(1.0, abs=1e-13)


@given(networks)
def test_the_policy_of_the_flows_is_in_balance(network: FlowNetwork) -> None:
    flows, policy = log_flows(network), flow_policy_log(network)
    paths = enumerate_constructions(network)
    np.testing.assert_allclose(trajectory_balance(network, paths, policy, flows[0]), 0.0, atol=1e-12)
    np.testing.assert_allclose(detailed_balance_residuals(network, flows, policy), 0.0, atol=1e-12)
    np.testing.assert_allclose(flow_matching_residuals(network, flows, policy), 0.0, atol=1e-12)
    assert flows[0] == pytest.approx(np.log(network.reward.sum()), abs=1e-13)


@given(networks, st.integers(0, 9))
def test_residuals_of_steps_add_up_along_a_construction(network: FlowNetwork, seed: int) -> None:
    log_policy = random_policy(network, seed)
    flow = np.random.default_rng(seed).normal(size=network.n_nodes)
    paths = enumerate_constructions(network)
    steps = detailed_balance_residuals(network, flow, log_policy)
    whole = trajectory_balance(network, paths, log_policy, flow[0])
    np.testing.assert_allclose(construction_log_probability(paths, steps), whole, atol=1e-12)


def test_flows_match_in_every_policy_but_stop_elsewhere() -> None:
    network = diamond_network()
    with np.errstate(divide="ignore"):
        policy = np.log(
            [[0, 0.5, 0.5, 0, 0], [0, 0, 0, 0.6, 0.4], [0, 0, 0, 0.5, 0.5], [0, 0, 0, 0, 1.0], [0] * 5][:4]
        )
    flow = np.log([1, 0.5, 0.5, 0.55])
    np.testing.assert_allclose(flow_matching_residuals(network, flow, policy), 0.0, atol=1e-15)
    assert abs(detailed_balance_residuals(network, flow, policy)).max() > 0.5
    moved = flow_matching_residuals(network, flow + np.array([0, 0.1, 0, 0]), policy)
    assert moved[1] == pytest.approx(0.1)


@given(networks)
def test_path_counts_make_constructions_of_an_object_equally_likely(network: FlowNetwork) -> None:
    equal = path_count_backward(network)
    paths = enumerate_constructions(equal)
    counts = np.array(network.path_counts, dtype=float)
    np.testing.assert_allclose(paths.log_backward, -np.log(counts[paths.ends]), atol=1e-12)


def test_huge_and_tiny_rewards_stay_in_logs() -> None:
    network = diamond_network().replace(reward=[0.0, 1e-300, 1.0, 1e300])
    flows, policy = log_flows(network), flow_policy_log(network)
    law = log_visits(network, policy)[1]
    np.testing.assert_allclose(law[1:], np.log([1e-300, 1.0, 1e300]) - np.log(1e300), rtol=1e-13, atol=1e-12)
    assert flows[1] == pytest.approx(np.log(0.25) + np.log(1e300), rel=1e-15)


def test_nodes_without_flow_have_no_policy() -> None:
    network = diamond_network().replace(reward=[0.0, 1.0, 0.0, 0.0])
    assert log_flows(network).tolist() == [0.0, 0.0, -np.inf, -np.inf]
    policy = flow_policy_log(network)
    assert (policy[2:] == -np.inf).all()
    assert policy[0].tolist() == [-np.inf, 0.0, -np.inf, -np.inf, -np.inf]
    assert log_visits(network, policy)[1].tolist() == [-np.inf, 0.0, -np.inf, -np.inf]


def test_conversion_to_another_reward_is_marginalisation() -> None:
    network = diamond_network()
    each = [network.replace(reward=np.eye(4)[y]) for y in (1, 2, 3)]
    flows, policies = np.array([log_flows(x) for x in each]), np.array([flow_policy_log(x) for x in each])
    np.testing.assert_allclose(np.exp(flows[2]), [1, 0.25, 0.75, 1], rtol=1e-15)
    converted = converted_policy_log(flows, policies, [1.0, 2.0, 3.0])
    np.testing.assert_allclose(np.exp(converted), np.exp(flow_policy_log(network)), rtol=1e-14)
    rare = converted_policy_log(flows[:1], policies[:1], [5.0])
    assert (rare[2:] == -np.inf).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: log_visits(g, np.zeros((4, 4))), r"log_policy must have shape \(N, N\+1\)"),
        (lambda g: log_visits(g, np.full((4, 5), np.nan)), r"log_policy\[0, 0\] is nan"),
        (lambda g: log_visits(g, np.full((4, 5), np.inf)), r"log_policy\[0, 1\] is inf"),
        (lambda g: flow_matching_residuals(g, np.zeros(3), np.zeros((4, 5))), "log_flow has shape"),
        (
            lambda g: flow_matching_residuals(g, np.full(4, -np.inf), flow_policy_log(g)),
            r"log_flow\[0\] is -inf",
        ),
        (
            lambda g: detailed_balance_residuals(g, np.zeros(4), np.full((4, 5), -np.inf)),
            "log_policy gives the step 0 -> 1 no finite logarithm",
        ),
        (
            lambda g: detailed_balance_residuals(g, [0, 0, 0, -np.inf], flow_policy_log(g)),
            r"log_flow\[3\] is -inf",
        ),
        (
            lambda g: detailed_balance_residuals(
                g.replace(backward=[[0] * 4, [1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]]),
                np.zeros(4),
                flow_policy_log(g),
            ),
            "backward gives the step 1 -> 3 no finite logarithm",
        ),
        (lambda g: converted_policy_log(np.zeros(4), np.zeros((1, 4, 5)), [1.0]), "log_flow has shape"),
        (lambda g: converted_policy_log(np.zeros((0, 4)), np.zeros((0, 4, 5)), []), "no axis may be empty"),
        (
            lambda g: converted_policy_log(np.full((1, 4), np.inf), np.zeros((1, 4, 5)), [1.0]),
            r"log_flow\[0, 0\] is inf",
        ),
        (
            lambda g: converted_policy_log(np.zeros((1, 4)), np.full((1, 4, 5), np.inf), [1.0]),
            r"log_policy\[0, 0, 0\] is inf",
        ),
        (
            lambda g: converted_policy_log(np.zeros((1, 4)), np.zeros((2, 4, 5)), [1.0]),
            "log_policy must have",
        ),
        (
            lambda g: converted_policy_log(np.zeros((1, 4)), np.zeros((1, 4, 5)), [0.0]),
            "reward must be positive",
        ),
    ],
)
def test_bad_arguments_are_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(diamond_network())


def test_a_flow_is_no_table_of_probabilities() -> None:
    """``log F = (1, 0, 0, 0)`` has non-negative entries with sum 1, and is a flow all the same."""
    network = diamond_network()
    residuals = flow_matching_residuals(network, [1.0, 0.0, 0.0, 0.0], flow_policy_log(network))
    np.testing.assert_allclose(residuals[1:3], -1 - np.log([7 / 24, 17 / 24]), rtol=1e-14)


@pytest.mark.parametrize("operator", [log_flows, flow_policy_log, path_count_backward])
def test_other_models_are_refused(operator) -> None:
    with pytest.raises(TypeError, match="expected a FlowNetwork, got a FiniteHorizonMDP"):
        operator(diamond_network().to_horizon_mdp())
