"""Solvers: one algorithm a file, each a function from a model to a solution with its certificate.

Imported eagerly, so that ``solvers.policy_iteration`` is the function and not its file.
"""

from __future__ import annotations

from mdplab.solvers.backward_induction import HorizonSolution, backward_induction, evaluate_stages_array
from mdplab.solvers.control import ControlSolution
from mdplab.solvers.distributional_dp import LawSolution, distributional_evaluation
from mdplab.solvers.dual_rl import DualSolution, dual_v
from mdplab.solvers.linear_programming import occupancy_program, value_program
from mdplab.solvers.matrix_game import (
    GameSolution,
    NashMDSolution,
    RegularisedNash,
    matrix_game,
    nash_md,
    regularised_nash,
)
from mdplab.solvers.mirror_descent import MirrorDescentSolution, mirror_descent
from mdplab.solvers.policy_evaluation import EvaluationSolution, evaluate_policy_array, policy_evaluation
from mdplab.solvers.policy_iteration import policy_iteration
from mdplab.solvers.preference_fit import FitSolution, bradley_terry_fit, direct_preference_fit
from mdplab.solvers.residual_q_learning import residual_q_learning
from mdplab.solvers.soft_policy_iteration import soft_policy_iteration
from mdplab.solvers.soft_value_iteration import soft_value_iteration
from mdplab.solvers.value_iteration import value_iteration
from mdplab.solvers.verify import Verification, verify

__all__ = [
    "ControlSolution",
    "DualSolution",
    "EvaluationSolution",
    "FitSolution",
    "GameSolution",
    "HorizonSolution",
    "LawSolution",
    "MirrorDescentSolution",
    "NashMDSolution",
    "RegularisedNash",
    "Verification",
    "backward_induction",
    "bradley_terry_fit",
    "direct_preference_fit",
    "distributional_evaluation",
    "dual_v",
    "evaluate_policy_array",
    "evaluate_stages_array",
    "matrix_game",
    "mirror_descent",
    "nash_md",
    "occupancy_program",
    "policy_evaluation",
    "policy_iteration",
    "regularised_nash",
    "residual_q_learning",
    "soft_policy_iteration",
    "soft_value_iteration",
    "value_iteration",
    "value_program",
    "verify",
]
