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
        "FiniteHorizonMDP": "finite_horizon_mdps",
        "LinearMDP": "linear_mdps",
        "LoggedDataset": "datasets",
        "MarkovChain": "markov_chains",
        "MatrixGame": "matrix_games",
        "OutcomeModel": "outcome_models",
        "Policy": "policies",
        "PreferenceMatrix": "preference_matrices",
        "RewardProcess": "reward_processes",
        "TotalRewardMDP": "total_reward_mdps",
    },
    "mdplab.laws": {"FiniteLaw": "finite_laws"},
}
"""Types by the package that defines them, and the functions of :mod:`mdplab.strategies` that make their strategies."""


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
    return getattr(importlib.import_module("mdplab.strategies"), name)()
