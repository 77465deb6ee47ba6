"""Maps on values, policies, laws and sets: the operators that solvers iterate and claims check.

An operator is a plain function of a frozen model and arrays; it solves nothing but, at most, one linear system.
"""

from __future__ import annotations

from mdplab.operators.alternating import alternating_value
from mdplab.operators.auction import auction_action_values, largest_worthwhile_bids
from mdplab.operators.bellman import (
    action_values,
    advantage,
    gap,
    greedy_policy,
    induced,
    maximisers,
    optimality_backup,
    pair_kernel,
    performance_difference,
    policy_backup,
)
from mdplab.operators.chain import chain_kl, log_partition, log_value_recursion, marginals, tilted_chain
from mdplab.operators.cloning import class_weights, cloned_policy
from mdplab.operators.dice_gradient import DiceGradient, dice_gradient
from mdplab.operators.distributional import distributional_backup, greedy_distributional_backup
from mdplab.operators.feasible_tilt import feasible_tilt_log
from mdplab.operators.flow_network import (
    converted_policy_log,
    detailed_balance_residuals,
    flow_matching_residuals,
    flow_policy_log,
    log_flows,
    log_visits,
    path_count_backward,
)
from mdplab.operators.group_advantage import group_advantages
from mdplab.operators.guidance import guided_regret, interventions, restart_law
from mdplab.operators.inverse_soft import inverse_soft_backup
from mdplab.operators.law_projections import categorical_projection, quantile_projection
from mdplab.operators.lipschitz import kernel_lipschitz_constant, lipschitz_constant
from mdplab.operators.lookahead import lookahead_backup, lookahead_values, worst_greedy_value
from mdplab.operators.mirror import mirror_step
from mdplab.operators.multi_reference import multi_reference_tilt, multi_reference_value
from mdplab.operators.nucleus import nucleus, restricted_policy
from mdplab.operators.occupancy import (
    density_ratio,
    flow_matrix,
    occupancy,
    occupancy_residual,
    pair_flow_matrix,
    policy_of_occupancy,
    stage_laws,
    stage_occupancy,
    state_occupancy,
)
from mdplab.operators.off_policy import (
    LoggedSteps,
    direct_method,
    doubly_robust,
    doubly_robust_variance,
    importance_ratios,
    importance_sampling,
    marginal_importance_sampling,
    per_decision_importance_sampling,
    self_normalised,
)
from mdplab.operators.path_divergence import path_kl
from mdplab.operators.policy_gradient import (
    chain_to_features,
    compatible_fit,
    fisher_information,
    score,
    softmax_policy_gradient,
)
from mdplab.operators.policy_hessian import policy_hessian, policy_hessian_product
from mdplab.operators.policy_selection import regret_at, sharpe_ratio_at
from mdplab.operators.reachability import (
    largest_invariant_set,
    reachability_backup,
    staying_actions,
    survival_time,
)
from mdplab.operators.residual import residual_backup, residual_policy_log, residual_value
from mdplab.operators.shaping import shaping_rewards
from mdplab.operators.soft import (
    regulariser,
    soft_advantage,
    soft_backup,
    soft_policy_backup,
    soft_policy_log,
    soft_value,
)
from mdplab.operators.stage_policy_gradient import (
    stage_policy_gradient,
    stage_policy_hessian,
    stage_policy_hessian_product,
)
from mdplab.operators.tilt import gibbs_gap, log_mixture, log_sum_exp, log_tilt
from mdplab.operators.trajectory_tilt import TiltedTrajectories, segment_log_weights, tilted_trajectories
from mdplab.operators.transport import (
    TransportProx,
    collapse_strength,
    push_forward,
    rest_strength,
    transport_prox,
)

__all__ = [
    "DiceGradient",
    "LoggedSteps",
    "TiltedTrajectories",
    "TransportProx",
    "action_values",
    "advantage",
    "alternating_value",
    "auction_action_values",
    "categorical_projection",
    "chain_kl",
    "chain_to_features",
    "class_weights",
    "cloned_policy",
    "collapse_strength",
    "compatible_fit",
    "converted_policy_log",
    "density_ratio",
    "detailed_balance_residuals",
    "dice_gradient",
    "direct_method",
    "distributional_backup",
    "doubly_robust",
    "doubly_robust_variance",
    "feasible_tilt_log",
    "fisher_information",
    "flow_matching_residuals",
    "flow_matrix",
    "flow_policy_log",
    "gap",
    "gibbs_gap",
    "greedy_distributional_backup",
    "greedy_policy",
    "group_advantages",
    "guided_regret",
    "importance_ratios",
    "importance_sampling",
    "induced",
    "interventions",
    "inverse_soft_backup",
    "kernel_lipschitz_constant",
    "largest_invariant_set",
    "largest_worthwhile_bids",
    "lipschitz_constant",
    "log_flows",
    "log_mixture",
    "log_partition",
    "log_sum_exp",
    "log_tilt",
    "log_value_recursion",
    "log_visits",
    "lookahead_backup",
    "lookahead_values",
    "marginal_importance_sampling",
    "marginals",
    "maximisers",
    "mirror_step",
    "multi_reference_tilt",
    "multi_reference_value",
    "nucleus",
    "occupancy",
    "occupancy_residual",
    "optimality_backup",
    "pair_flow_matrix",
    "pair_kernel",
    "path_count_backward",
    "path_kl",
    "per_decision_importance_sampling",
    "performance_difference",
    "policy_backup",
    "policy_hessian",
    "policy_hessian_product",
    "policy_of_occupancy",
    "push_forward",
    "quantile_projection",
    "reachability_backup",
    "regret_at",
    "regulariser",
    "residual_backup",
    "residual_policy_log",
    "residual_value",
    "rest_strength",
    "restart_law",
    "restricted_policy",
    "score",
    "segment_log_weights",
    "self_normalised",
    "shaping_rewards",
    "sharpe_ratio_at",
    "soft_advantage",
    "soft_backup",
    "soft_policy_backup",
    "soft_policy_log",
    "soft_value",
    "softmax_policy_gradient",
    "stage_laws",
    "stage_occupancy",
    "stage_policy_gradient",
    "stage_policy_hessian",
    "stage_policy_hessian_product",
    "state_occupancy",
    "staying_actions",
    "survival_time",
    "tilted_chain",
    "tilted_trajectories",
    "transport_prox",
    "worst_greedy_value",
]
