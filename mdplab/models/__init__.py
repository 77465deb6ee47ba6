"""Models: frozen, validated data; no operator and no solver.

A model that is given float64 arrays in C order (or CSR matrices in canonical form) does not copy them: it keeps
read-only *views*.  Changing the source array afterwards changes the model, which nothing checks again, and voids every
certificate computed from it.  Pass a copy, ``MDP(transition.copy(), reward.copy(), discount)``, of arrays that may
change.  Anything else (lists, float32, Fortran order) is copied once.

One rule for unavailable actions: the mask ``available`` alone excludes them.  The arrays of a model are finite
everywhere, and its rows at unavailable pairs are laws or all zero; no ``-inf`` reward stands for a mask.  Tables that operators and solvers take beside a model (a residual
reward, say) are often computed, and may hold anything at unavailable pairs: they are read at available ones only.
"""

from __future__ import annotations

import sys

from mdplab.models.bandit import Bandit
from mdplab.models.chain import MarkovChain, RewardProcess
from mdplab.models.dataset import LoggedDataset
from mdplab.models.finite_horizon import FiniteHorizonMDP
from mdplab.models.flow_network import FlowNetwork
from mdplab.models.game import MatrixGame
from mdplab.models.linear import LinearMDP
from mdplab.models.linear_fit import LinearFit, linear_fit
from mdplab.models.multi_objective import MultiObjectiveMDP
from mdplab.models.outcome import OutcomeModel
from mdplab.models.policy import Policy
from mdplab.models.preferences import Comparisons, PairWeights, PreferenceMatrix
from mdplab.models.rational import RationalData
from mdplab.models.rectangular import RectangularUncertainty
from mdplab.models.storage import load, save
from mdplab.models.tabular import MDP
from mdplab.models.total_reward import TotalRewardMDP

__all__ = [
    "MDP",
    "Bandit",
    "Comparisons",
    "FiniteHorizonMDP",
    "FlowNetwork",
    "LinearFit",
    "LinearMDP",
    "LoggedDataset",
    "MarkovChain",
    "MatrixGame",
    "MultiObjectiveMDP",
    "OutcomeModel",
    "PairWeights",
    "Policy",
    "PreferenceMatrix",
    "RationalData",
    "RectangularUncertainty",
    "RewardProcess",
    "TotalRewardMDP",
    "linear_fit",
    "load",
    "save",
]

if _plugin := sys.modules.get(
    "mdplab._hypothesis_plugin"
):  # Hypothesis came first: it knows the types from now on
    _plugin.register()
