"""Instances: named problems and random families; raw data, no solver."""

from __future__ import annotations

from mdplab.instances.draw import SeededDraw
from mdplab.instances.garnet import dirichlet_mdp, random_logits, random_reward
from mdplab.instances.gridworld import Gridworld, gridworld
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

__all__ = [
    "Gridworld",
    "SeededDraw",
    "dirichlet_mdp",
    "gridworld",
    "random_logits",
    "random_reward",
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
]
