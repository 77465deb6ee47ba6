"""Instances: named problems and random families; raw data, no solver.

A *family* is a function of a :class:`Draw`; its ranges are keyword arguments.  Plural names (:func:`mdps`,
:func:`horizon_mdps`, ...) are broad families of small models, sizes drawn first, with one state, one action and
deterministic rows among them; the others follow one law.
"""

from __future__ import annotations

from mdplab.instances.bandits import bandits, contextual_bandits
from mdplab.instances.chains import dirichlet_chain, markov_chains
from mdplab.instances.corridors import combination_lock, option_chain
from mdplab.instances.couples import (
    mdp_with_perturbation,
    mdp_with_policies,
    mdp_with_policy,
    mdp_with_values,
)
from mdplab.instances.datasets import logged_datasets
from mdplab.instances.draw import Draw, LatticeDraw, Rejected, SeededDraw
from mdplab.instances.environment import absorbing_states, as_gymnasium
from mdplab.instances.finite_horizon import deterministic_horizon_mdp, horizon_mdps
from mdplab.instances.flow_networks import backward_policies, diamond_network, flow_networks
from mdplab.instances.games import (
    comparison_data,
    comparison_weights,
    matrix_games,
    preference_matrices,
    random_preference,
    symmetric_games,
)
from mdplab.instances.garnet import dirichlet_mdp, garnet
from mdplab.instances.gridworld import Gridworld, gridworld
from mdplab.instances.gymnasium import from_gymnasium
from mdplab.instances.kernels import random_kernel, random_mask
from mdplab.instances.laws import (
    acyclic_reward_process,
    dirichlet_reward_process,
    finite_laws,
    random_law,
    sparse_weights,
)
from mdplab.instances.line import line_mdps, line_positions
from mdplab.instances.linear import (
    aggregation_features,
    one_hot_features,
    random_linear_mdp,
    rectangular_uncertainties,
    simplex_features,
)
from mdplab.instances.outcomes import outcome_models
from mdplab.instances.policies import full_support, perturbed_policy, random_logits, random_policy
from mdplab.instances.renewal import (
    car_rental,
    forest_management,
    inventory,
    inventory_horizon,
    machine_replacement,
)
from mdplab.instances.replay import ReplayDraw
from mdplab.instances.rewards import random_reward, random_start
from mdplab.instances.signals import constrained_mdps, multi_objective_mdps
from mdplab.instances.sparse import random_successors, safety_graph, survival_chain
from mdplab.instances.tabular import mdps
from mdplab.instances.terminating import total_reward_mdps
from mdplab.instances.textbook import (
    three_response_cycle,
    three_response_reference,
    three_state_addon_reward,
    three_state_chain,
    three_state_chain_condition_likelihood,
    three_state_chain_likelihood,
    three_state_demonstrations,
    three_state_logits,
    three_state_mask,
    three_state_mdp,
    three_state_reference,
    three_state_unit_reward_mdp,
    two_armed_loop,
    two_state_behaviour,
    two_state_mdp,
    two_state_outcome_mdp,
    two_state_reward_process,
)
from mdplab.instances.token_trees import token_tree
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
    "Rejected",
    "ReplayDraw",
    "SeededDraw",
    "absorbing_states",
    "acyclic_reward_process",
    "aggregation_features",
    "as_gymnasium",
    "backward_policies",
    "bandits",
    "car_rental",
    "chain_problem",
    "combination_lock",
    "comparison_data",
    "comparison_weights",
    "constrained_mdps",
    "contextual_bandits",
    "deterministic_horizon_mdp",
    "diamond_network",
    "dirichlet_chain",
    "dirichlet_mdp",
    "dirichlet_reward_process",
    "finite_laws",
    "flow_networks",
    "forest_management",
    "from_gymnasium",
    "full_support",
    "gambler",
    "garnet",
    "gridworld",
    "horizon_mdps",
    "inventory",
    "inventory_horizon",
    "line_mdps",
    "line_positions",
    "logged_datasets",
    "machine_replacement",
    "markov_chains",
    "matrix_games",
    "mdp_with_perturbation",
    "mdp_with_policies",
    "mdp_with_policy",
    "mdp_with_values",
    "mdps",
    "multi_objective_mdps",
    "one_hot_features",
    "option_chain",
    "outcome_models",
    "perturbed_policy",
    "preference_matrices",
    "random_kernel",
    "random_law",
    "random_linear_mdp",
    "random_logits",
    "random_mask",
    "random_policy",
    "random_preference",
    "random_reward",
    "random_start",
    "random_successors",
    "rectangular_uncertainties",
    "riverswim",
    "safety_graph",
    "simplex_features",
    "sparse_weights",
    "survival_chain",
    "symmetric_games",
    "three_response_cycle",
    "three_response_reference",
    "three_state_addon_reward",
    "three_state_chain",
    "three_state_chain_condition_likelihood",
    "three_state_chain_likelihood",
    "three_state_demonstrations",
    "three_state_logits",
    "three_state_mask",
    "three_state_mdp",
    "three_state_reference",
    "three_state_unit_reward_mdp",
    "token_tree",
    "total_reward_mdps",
    "two_armed_loop",
    "two_state_behaviour",
    "two_state_mdp",
    "two_state_outcome_mdp",
    "two_state_reward_process",
    "undiscounted_gambler",
    "windy_gridworld",
]
