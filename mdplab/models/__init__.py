"""Models: frozen, validated data; no operator and no solver."""

from __future__ import annotations

from mdplab.models.bandit import Bandit
from mdplab.models.chain import MarkovChain, RewardProcess
from mdplab.models.dataset import LoggedDataset
from mdplab.models.finite_horizon import FiniteHorizonMDP
from mdplab.models.game import MatrixGame
from mdplab.models.outcome import OutcomeModel
from mdplab.models.policy import Policy
from mdplab.models.preferences import Comparisons, PairWeights, PreferenceMatrix
from mdplab.models.rational import RationalData
from mdplab.models.tabular import MDP

__all__ = [
    "MDP",
    "Bandit",
    "Comparisons",
    "FiniteHorizonMDP",
    "LoggedDataset",
    "MarkovChain",
    "MatrixGame",
    "OutcomeModel",
    "PairWeights",
    "Policy",
    "PreferenceMatrix",
    "RationalData",
    "RewardProcess",
]
