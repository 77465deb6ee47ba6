"""Solvers: one algorithm a file, each a function from a model to a solution with its certificate.

Imported eagerly, so that ``solvers.policy_iteration`` is the function and not its file.
"""

from __future__ import annotations

from mdplab.solvers import (  # noqa: F401 (they register their kinds)
    verify_batch,
    verify_dice,
    verify_games,
    verify_inverse,
    verify_laws,
    verify_linear,
    verify_locations,
    verify_objectives,
    verify_occupancies,
    verify_pair_duals,
    verify_policies,
    verify_preferences,
    verify_programs,
    verify_regions,
    verify_regression,
    verify_soft_constrained,
    verify_stock,
    verify_total_reward,
    verify_trajectory_fits,
)
from mdplab.solvers.action_elimination import action_elimination
from mdplab.solvers.average_reward import average_reward
from mdplab.solvers.average_reward_program import AverageProgramSolution, average_reward_program
from mdplab.solvers.backward_induction import HorizonSolution, backward_induction, evaluate_stages_array
from mdplab.solvers.batch import BatchSolution, solve_batch
from mdplab.solvers.constrained import ConstrainedSolution, constrained
from mdplab.solvers.control import ControlSolution
from mdplab.solvers.cvar_control import CVaRSolution, cvar_control
from mdplab.solvers.dice_fixed_point import DiceSolution, dice_fixed_point
from mdplab.solvers.distributional_dp import LawSolution, distributional_evaluation
from mdplab.solvers.dual_q import dual_q, penalised_reward
from mdplab.solvers.dual_rl import DualSolution, dual_v
from mdplab.solvers.gain_bounds import AverageSolution
from mdplab.solvers.implicit_maximiser import ImplicitMaximum, implicit_maximiser
from mdplab.solvers.inverse_soft_q import InverseSolution, inverse_soft_q
from mdplab.solvers.least_squares_value_iteration import LeastSquaresSolution, least_squares_value_iteration
from mdplab.solvers.linear_backward_induction import LinearHorizonSolution, linear_backward_induction
from mdplab.solvers.linear_mdp import (
    LinearControlSolution,
    LinearEvaluationSolution,
    linear_policy_evaluation,
    linear_policy_iteration,
)
from mdplab.solvers.linear_programming import occupancy_program, value_program
from mdplab.solvers.matrix_game import (
    GameSolution,
    RegularisedNash,
    matrix_game,
    regularised_nash,
)
from mdplab.solvers.mirror_descent import MirrorDescentSolution, mirror_descent
from mdplab.solvers.mixture_dual import goal_conditioned, mixture_dual
from mdplab.solvers.modified_policy_iteration import modified_policy_iteration
from mdplab.solvers.multi_objective import FrontSolution, multi_objective
from mdplab.solvers.nash_md import NashMDSolution, nash_md
from mdplab.solvers.pair_dual import PairDualSolution
from mdplab.solvers.policy_evaluation import EvaluationSolution, evaluate_policy_array, policy_evaluation
from mdplab.solvers.policy_gradient_ascent import (
    PolicyGradientSolution,
    policy_gradient_ascent,
    smoothness_constant,
)
from mdplab.solvers.policy_iteration import policy_iteration
from mdplab.solvers.preference_fit import FitSolution, bradley_terry_fit, direct_preference_fit
from mdplab.solvers.projected import LinearFixedPoint, lstd, projected_fixed_point
from mdplab.solvers.relative_value_iteration import relative_value_iteration
from mdplab.solvers.residual_backward_induction import residual_backward_induction
from mdplab.solvers.residual_q_learning import residual_q_learning
from mdplab.solvers.soft_constrained import SoftConstrainedSolution, soft_constrained
from mdplab.solvers.soft_policy_iteration import soft_policy_iteration
from mdplab.solvers.soft_value_iteration import soft_value_iteration
from mdplab.solvers.solve import solve
from mdplab.solvers.stage_evaluation import StageEvaluation, stage_evaluation
from mdplab.solvers.stage_mirror_descent import StageMirrorDescentSolution, stage_mirror_descent
from mdplab.solvers.step_rules import adaptive_steps, constant_steps, geometric_steps, regularised_steps
from mdplab.solvers.stock import (
    StockPlan,
    reachable_nodes,
    stock_policy_evaluation,
    stock_policy_iteration,
    stock_value_iteration,
)
from mdplab.solvers.stock_utility import UtilityPlan, homogeneous_stock_iteration
from mdplab.solvers.total_reward import TotalRewardSolution, total_reward
from mdplab.solvers.total_reward_evaluation import TotalRewardEvaluation, total_reward_evaluation
from mdplab.solvers.trajectory_preference_fit import TrajectoryFit, trajectory_preference_fit
from mdplab.solvers.trust_region import RegionSolution, trust_region
from mdplab.solvers.value_iteration import value_iteration
from mdplab.solvers.verify import Verification, verify
from mdplab.solvers.verify_criteria import limit_gain

__all__ = [
    "AverageProgramSolution",
    "AverageSolution",
    "BatchSolution",
    "CVaRSolution",
    "ConstrainedSolution",
    "ControlSolution",
    "DiceSolution",
    "DualSolution",
    "EvaluationSolution",
    "FitSolution",
    "FrontSolution",
    "GameSolution",
    "HorizonSolution",
    "ImplicitMaximum",
    "InverseSolution",
    "LawSolution",
    "LeastSquaresSolution",
    "LinearControlSolution",
    "LinearEvaluationSolution",
    "LinearFixedPoint",
    "LinearHorizonSolution",
    "MirrorDescentSolution",
    "NashMDSolution",
    "PairDualSolution",
    "PolicyGradientSolution",
    "RegionSolution",
    "RegularisedNash",
    "SoftConstrainedSolution",
    "StageEvaluation",
    "StageMirrorDescentSolution",
    "StockPlan",
    "TotalRewardEvaluation",
    "TotalRewardSolution",
    "TrajectoryFit",
    "UtilityPlan",
    "Verification",
    "action_elimination",
    "adaptive_steps",
    "average_reward",
    "average_reward_program",
    "backward_induction",
    "bradley_terry_fit",
    "constant_steps",
    "constrained",
    "cvar_control",
    "dice_fixed_point",
    "direct_preference_fit",
    "distributional_evaluation",
    "dual_q",
    "dual_v",
    "evaluate_policy_array",
    "evaluate_stages_array",
    "geometric_steps",
    "goal_conditioned",
    "homogeneous_stock_iteration",
    "implicit_maximiser",
    "inverse_soft_q",
    "least_squares_value_iteration",
    "limit_gain",
    "linear_backward_induction",
    "linear_policy_evaluation",
    "linear_policy_iteration",
    "lstd",
    "matrix_game",
    "mirror_descent",
    "mixture_dual",
    "modified_policy_iteration",
    "multi_objective",
    "nash_md",
    "occupancy_program",
    "penalised_reward",
    "policy_evaluation",
    "policy_gradient_ascent",
    "policy_iteration",
    "projected_fixed_point",
    "reachable_nodes",
    "regularised_nash",
    "regularised_steps",
    "relative_value_iteration",
    "residual_backward_induction",
    "residual_q_learning",
    "smoothness_constant",
    "soft_constrained",
    "soft_policy_iteration",
    "soft_value_iteration",
    "solve",
    "solve_batch",
    "stage_evaluation",
    "stage_mirror_descent",
    "stock_policy_evaluation",
    "stock_policy_iteration",
    "stock_value_iteration",
    "total_reward",
    "total_reward_evaluation",
    "trajectory_preference_fit",
    "trust_region",
    "value_iteration",
    "value_program",
    "verify",
]
