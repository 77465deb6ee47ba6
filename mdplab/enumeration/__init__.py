"""Exhaustive enumeration: the slow, obvious route against which clever ones are judged.

Everything here lists a finite set (trajectories, chain paths, tuples of draws, deterministic policies) together with
exact probabilities, within a hard cap that is checked before memory is taken.
"""

from __future__ import annotations

from mdplab.enumeration.combinatorics import (
    all_tuples,
    arrangements,
    binary_masks,
    expectation_over_groups,
    iid_counts,
    iid_groups,
)
from mdplab.enumeration.constructions import (
    Constructions,
    construction_log_probability,
    enumerate_constructions,
    trajectory_balance,
)
from mdplab.enumeration.groups import best_of_n_enumerated
from mdplab.enumeration.paths import Paths, enumerate_paths, path_log_probability
from mdplab.enumeration.plans import plan_game
from mdplab.enumeration.policies import deterministic_policies, deterministic_stage_policies, one_hot
from mdplab.enumeration.return_laws import LawTable, markov_return_laws, return_laws
from mdplab.enumeration.rollouts import greedy_rollout_choice, greedy_rollout_success
from mdplab.enumeration.trajectories import (
    History,
    Trajectories,
    enumerate_outcome_trajectories,
    enumerate_trajectories,
)

__all__ = [
    "Constructions",
    "History",
    "LawTable",
    "Paths",
    "Trajectories",
    "all_tuples",
    "arrangements",
    "best_of_n_enumerated",
    "binary_masks",
    "construction_log_probability",
    "deterministic_policies",
    "deterministic_stage_policies",
    "enumerate_constructions",
    "enumerate_outcome_trajectories",
    "enumerate_paths",
    "enumerate_trajectories",
    "expectation_over_groups",
    "greedy_rollout_choice",
    "greedy_rollout_success",
    "iid_counts",
    "iid_groups",
    "markov_return_laws",
    "one_hot",
    "path_log_probability",
    "plan_game",
    "return_laws",
    "trajectory_balance",
]
