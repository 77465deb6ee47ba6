"""``st.from_type(MDP)`` works by itself: Hypothesis calls :func:`register` when it is imported.

Whoever tests another project in the same environment must not pay for this one, so that nothing is imported here.  The
types are registered as soon as both Hypothesis and the package that defines them are there, whichever comes second: if it
is the package, its ``__init__`` calls :func:`register` again.  The strategies are imported when one is asked for.
"""

from __future__ import annotations

import importlib
import sys
from functools import partial
from typing import Any

__all__ = ["KINDS", "register"]

KINDS = {
    "mdplab.models": {
        "MDP": "mdps",
        "Bandit": "bandits",
        "Comparisons": "comparison_data",
        "FiniteHorizonMDP": "finite_horizon_mdps",
        "FlowNetwork": "flow_networks",
        "LinearMDP": "linear_mdps",
        "LoggedDataset": "datasets",
        "MarkovChain": "markov_chains",
        "MatrixGame": "matrix_games",
        "MultiObjectiveMDP": "multi_objective_mdps",
        "OutcomeModel": "outcome_models",
        "PairWeights": "comparison_weights",
        "Policy": "policies",
        "PreferenceMatrix": "preference_matrices",
        "RectangularUncertainty": "rectangular_uncertainties",
        "RewardProcess": "reward_processes",
        "TotalRewardMDP": "total_reward_mdps",
    },
    "mdplab.laws": {"FiniteLaw": "finite_laws"},
}
"""Types by the package that defines them, each with its strategy in :mod:`mdplab.strategies`, or, where there is none of
that name, the family in :mod:`mdplab.instances`."""


def register() -> None:
    """Tell Hypothesis the strategies of all types that have been imported; nothing without Hypothesis."""
    if "hypothesis" not in sys.modules:
        return
    from hypothesis import strategies as st

    for package, kinds in KINDS.items():
        if package in sys.modules:
            for name, strategy in kinds.items():
                st.register_type_strategy(getattr(sys.modules[package], name), partial(_strategy, strategy))


def _strategy(name: str, kind: type) -> Any:
    """The strategy of a type, imported on first use."""
    strategies = importlib.import_module("mdplab.strategies")
    if hasattr(strategies, name):
        return getattr(strategies, name)()
    return strategies.from_family(getattr(importlib.import_module("mdplab.instances"), name))
