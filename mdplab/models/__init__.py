"""Models: frozen, validated data; no operator and no solver."""

from __future__ import annotations

from mdplab.models.bandit import Bandit
from mdplab.models.chain import MarkovChain, RewardProcess
from mdplab.models.dataset import LoggedDataset
from mdplab.models.finite_horizon import FiniteHorizonMDP
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
