"""Instances: named problems and random families; raw data, no solver."""

from __future__ import annotations

from mdplab.instances.draw import Draw, LatticeDraw, ReplayDraw, SeededDraw
from mdplab.instances.environment import absorbing_states, as_gymnasium
from mdplab.instances.garnet import dirichlet_mdp, garnet, random_logits, random_reward
from mdplab.instances.gridworld import Gridworld, gridworld
from mdplab.instances.gymnasium import from_gymnasium
from mdplab.instances.linear import (
    aggregation_features,
    one_hot_features,
    random_linear_mdp,
    simplex_features,
)
from mdplab.instances.renewal import (
    car_rental,
    forest_management,
    inventory,
    inventory_horizon,
    machine_replacement,
)
from mdplab.instances.textbook import (
    three_response_cycle,
    three_response_reference,
    three_state_addon_reward,
    three_state_chain,
    three_state_chain_condition_likelihood,
    three_state_chain_likelihood,
    three_state_logits,
    three_state_mdp,
    three_state_reference,
    three_state_unit_reward_mdp,
    two_state_behaviour,
    two_state_mdp,
    two_state_outcome_mdp,
    two_state_reward_process,
)
from mdplab.instances.walks import (
    chain_problem,
    gambler,
    riverswim,
    undiscounted_gambler,
    windy_gridworld,
)

__all__ = [
    "Draw",
    "Gridworld",
    "LatticeDraw",
    "ReplayDraw",
    "SeededDraw",
    "absorbing_states",
    "aggregation_features",
    "as_gymnasium",
    "car_rental",
    "chain_problem",
    "dirichlet_mdp",
    "forest_management",
    "from_gymnasium",
    "gambler",
    "garnet",
    "gridworld",
    "inventory",
    "inventory_horizon",
    "machine_replacement",
    "one_hot_features",
    "random_linear_mdp",
    "random_logits",
    "random_reward",
    "riverswim",
    "simplex_features",
    "three_response_cycle",
    "three_response_reference",
    "three_state_addon_reward",
    "three_state_chain",
    "three_state_chain_condition_likelihood",
    "three_state_chain_likelihood",
    "three_state_logits",
    "three_state_mdp",
    "three_state_reference",
    "three_state_unit_reward_mdp",
    "two_state_behaviour",
    "two_state_mdp",
    "two_state_outcome_mdp",
    "two_state_reward_process",
    "undiscounted_gambler",
    "windy_gridworld",
]
