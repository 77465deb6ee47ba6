"""Laws with finite support on the line, normal laws, and laws of order statistics.

A :class:`FiniteLaw` is the exact form of a return law, of a price law or of a row of scores; everything
distributional in the package is arithmetic on such laws (:mod:`mdplab.laws.finite_law`).  The law of the best of
n draws, ties included, is in :mod:`mdplab.laws.order`; objectives other than the mean in
:mod:`mdplab.laws.functionals`; the binomial law in :mod:`mdplab.laws.binomial`;
Bayes' rule in :mod:`mdplab.laws.beliefs`; normal laws in :mod:`mdplab.laws.gaussian`, and how affine fields
transport them in :mod:`mdplab.laws.gaussian_flow`.
"""

from __future__ import annotations

import sys

from mdplab.laws.atoms import merge_atoms
from mdplab.laws.beliefs import log_posterior, mutual_information
from mdplab.laws.binomial import binomial_expectation, log_binomial
from mdplab.laws.finite_law import FiniteLaw, common_support
from mdplab.laws.functionals import (
    Functional,
    conditional_value_at_risk,
    entropic_risk,
    expected_utility,
    mean_variance,
    quantile_functional,
)
from mdplab.laws.gaussian import Gaussian, gaussian_kl, gaussian_wasserstein
from mdplab.laws.gaussian_flow import AffineField, GaussianFlow, flow_discrepancy, gaussian_flow
from mdplab.laws.order import best_of_n, log_best_of_n, win_rate, worst_of_n
from mdplab.laws.smoothing import expected_smoothed_kl

__all__ = [
    "AffineField",
    "FiniteLaw",
    "Functional",
    "Gaussian",
    "GaussianFlow",
    "best_of_n",
    "binomial_expectation",
    "common_support",
    "conditional_value_at_risk",
    "entropic_risk",
    "expected_smoothed_kl",
    "expected_utility",
    "flow_discrepancy",
    "gaussian_flow",
    "gaussian_kl",
    "gaussian_wasserstein",
    "log_best_of_n",
    "log_binomial",
    "log_posterior",
    "mean_variance",
    "merge_atoms",
    "mutual_information",
    "quantile_functional",
    "win_rate",
    "worst_of_n",
]

if _plugin := sys.modules.get(
    "mdplab._hypothesis_plugin"
):  # Hypothesis came first: it knows the types from now on
    _plugin.register()
