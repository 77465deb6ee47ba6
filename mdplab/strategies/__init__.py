"""Strategies of Hypothesis for all models: generation of hard cases, and shrinking to readable ones.

Numbers are simple rationals, so that ties, vertices and zeros are frequent and a shrunk example can be read.  Any family of
:mod:`mdplab.instances`, or of one's own, is a strategy by :func:`from_family`.
"""

from __future__ import annotations

from mdplab.strategies.chance import distributions, finite_laws, markov_chains, reward_processes
from mdplab.strategies.control import finite_horizon_mdps, mdps, policies
from mdplab.strategies.engine import HypothesisDraw, from_family
from mdplab.strategies.games import bandits, contextual_bandits, matrix_games, preference_matrices
from mdplab.strategies.special import datasets, linear_mdps, outcome_models, total_reward_mdps

__all__ = [
    "HypothesisDraw",
    "bandits",
    "contextual_bandits",
    "datasets",
    "distributions",
    "finite_horizon_mdps",
    "finite_laws",
    "from_family",
    "linear_mdps",
    "markov_chains",
    "matrix_games",
    "mdps",
    "outcome_models",
    "policies",
    "preference_matrices",
    "reward_processes",
    "total_reward_mdps",
]
