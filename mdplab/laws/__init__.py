"""Laws with finite support on the line, and laws of order statistics.

A :class:`FiniteLaw` is the exact form of a return law, of a price law or of a row of scores; everything
distributional in the package is arithmetic on such laws (:mod:`mdplab.laws.finite_law`).  The law of the best of
n draws, ties included, is in :mod:`mdplab.laws.order`; the binomial law in :mod:`mdplab.laws.binomial`;
Bayes' rule in :mod:`mdplab.laws.beliefs`.
"""

from __future__ import annotations

import sys

from mdplab.laws.atoms import merge_atoms
from mdplab.laws.beliefs import log_posterior, mutual_information
from mdplab.laws.binomial import log_binomial
from mdplab.laws.finite_law import FiniteLaw, common_support
from mdplab.laws.order import best_of_n, log_best_of_n, win_rate, worst_of_n

__all__ = [
    "FiniteLaw",
    "best_of_n",
    "common_support",
    "log_best_of_n",
    "log_binomial",
    "log_posterior",
    "merge_atoms",
    "mutual_information",
    "win_rate",
    "worst_of_n",
]

if _plugin := sys.modules.get(
    "mdplab._hypothesis_plugin"
):  # Hypothesis came first: it knows the types from now on
    _plugin.register()
