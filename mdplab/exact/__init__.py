"""Exact arithmetic behind one door: rationals and balls of python-flint (the extra ``exact``).

Floats find a candidate, this package decides.  Numbers are NumPy object arrays of ``fmpq`` (rationals) and ``arb`` (balls, which
surely contain the number meant) with the shapes and the index order of the functions on floats; names and conventions are
theirs too.  Models are taken as they are, or as exact twins (:class:`ExactMDP`, :class:`ExactHorizon`).

What is rational stays rational: values of policies, optimal values with all ties, occupancies, stationary laws, gradients at
temperature 0, linear programs and games, finite laws and their distances.  What has a logarithm is a ball of 77 digits: tilts,
divergences, soft control (its Newton's method is proven by one ball evaluation of the residual).

>>> from mdplab import exact
>>> from mdplab.instances import textbook
>>> exact.policy_iteration(textbook.three_state_mdp()).value[0]
48097/5833

Comparisons of balls are true only where they are sure (:func:`surely_at_most`); :mod:`mdplab.exact.numbers` says how floats
are read, and names the traps.
"""

from mdplab.exact.discounted import (
    Control,
    Evaluation,
    induced,
    is_optimal_pair,
    occupancy,
    policy_evaluation,
    policy_iteration,
    state_occupancy,
)
from mdplab.exact.divergences import chi_square, entropy, f_divergence, jeffreys, kl, total_variation
from mdplab.exact.elementary import exp, log, sqrt, xlogy
from mdplab.exact.finite_law import RationalLaw, cramer_squared, wasserstein_infinity, wasserstein_power
from mdplab.exact.gaussian_flow import flow_discrepancy, gaussian_flow
from mdplab.exact.gradient import fisher_information, policy_gradient
from mdplab.exact.horizon import backward_induction, soft_backward_induction, stage_evaluation, stage_laws
from mdplab.exact.linear import determinant, identity, inverse, multiply, solve
from mdplab.exact.models import ExactHorizon, ExactMDP
from mdplab.exact.numbers import ball, dyadic, floats, fractions, has_balls, laws, precision, rational
from mdplab.exact.order import distance, highest, lowest, overlap, surely_above, surely_at_most, width
from mdplab.exact.programs import Game, Program, is_optimal_program_pair, linear_program, matrix_game
from mdplab.exact.soft import SoftControl, residual_control, soft_control
from mdplab.exact.tilt import log_sum_exp, log_tilt, regulariser, softmax
from mdplab.exact.undiscounted import AverageReward, average_reward, stationary_law, total_reward
from mdplab.exact.zeros import enclose_zero

__all__ = [
    "AverageReward",
    "Control",
    "Evaluation",
    "ExactHorizon",
    "ExactMDP",
    "Game",
    "Program",
    "RationalLaw",
    "SoftControl",
    "average_reward",
    "backward_induction",
    "ball",
    "chi_square",
    "cramer_squared",
    "determinant",
    "distance",
    "dyadic",
    "enclose_zero",
    "entropy",
    "exp",
    "f_divergence",
    "fisher_information",
    "floats",
    "flow_discrepancy",
    "fractions",
    "gaussian_flow",
    "has_balls",
    "highest",
    "identity",
    "induced",
    "inverse",
    "is_optimal_pair",
    "is_optimal_program_pair",
    "jeffreys",
    "kl",
    "laws",
    "linear_program",
    "log",
    "log_sum_exp",
    "log_tilt",
    "lowest",
    "matrix_game",
    "multiply",
    "occupancy",
    "overlap",
    "policy_evaluation",
    "policy_gradient",
    "policy_iteration",
    "precision",
    "rational",
    "regulariser",
    "residual_control",
    "soft_backward_induction",
    "soft_control",
    "softmax",
    "solve",
    "sqrt",
    "stage_evaluation",
    "stage_laws",
    "state_occupancy",
    "stationary_law",
    "surely_above",
    "surely_at_most",
    "total_reward",
    "total_variation",
    "wasserstein_infinity",
    "wasserstein_power",
    "width",
    "xlogy",
]
