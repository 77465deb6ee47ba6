"""Strategies of bandits, matrix games and preferences."""

from __future__ import annotations

from hypothesis import strategies as st

from mdplab import instances
from mdplab.instances.games import PREFERENCE_KINDS, PreferenceKind
from mdplab.instances.rewards import RewardLaw
from mdplab.models import MDP, Bandit, MatrixGame, PreferenceMatrix
from mdplab.strategies._bounds import sizes
from mdplab.strategies.engine import HypothesisDraw

__all__ = ["bandits", "contextual_bandits", "matrix_games", "preference_matrices"]


@st.composite
def bandits(
    draw: st.DrawFn, /, *, min_arms: int = 1, max_arms: int = 4, rewards: RewardLaw = "symmetric"
) -> Bandit:
    """Bandits with a reference law of full support; they shrink to one arm with reward zero.

    Parameters
    ----------
    min_arms, max_arms : int
        Smallest and largest number n of arms.
    rewards : {"symmetric", "unit", "normal", "binary", "integer", "zero"}
        Law of the expected rewards, as in :func:`~mdplab.instances.random_reward`.

    Returns
    -------
    hypothesis.strategies.SearchStrategy of Bandit
    """
    return instances.bandits(HypothesisDraw(draw), arms=sizes("arms", min_arms, max_arms), reward=rewards)


@st.composite
def contextual_bandits(
    draw: st.DrawFn,
    /,
    *,
    min_contexts: int = 1,
    max_contexts: int = 4,
    min_arms: int = 1,
    max_arms: int = 4,
    rewards: RewardLaw = "symmetric",
) -> MDP:
    """Contextual bandits, which are MDPs with discount zero; they shrink to one context, one arm, reward zero.

    Parameters
    ----------
    min_contexts, max_contexts, min_arms, max_arms : int
        Smallest and largest number S of contexts and A of arms.
    rewards : {"symmetric", "unit", "normal", "binary", "integer", "zero"}
        Law of the expected rewards, as in :func:`~mdplab.instances.random_reward`.

    Returns
    -------
    hypothesis.strategies.SearchStrategy of MDP
    """
    return instances.contextual_bandits(
        HypothesisDraw(draw),
        contexts=sizes("contexts", min_contexts, max_contexts),
        arms=sizes("arms", min_arms, max_arms),
        reward=rewards,
    )


@st.composite
def matrix_games(
    draw: st.DrawFn,
    /,
    *,
    min_rows: int = 1,
    max_rows: int = 4,
    min_columns: int = 1,
    max_columns: int = 4,
    payoffs: RewardLaw = "symmetric",
) -> MatrixGame:
    """Zero-sum games; they shrink to one row, one column, payoff zero.

    Parameters
    ----------
    min_rows, max_rows, min_columns, max_columns : int
        Smallest and largest number of actions of the row player, who maximises, and of the column player.
    payoffs : {"symmetric", "unit", "normal", "binary", "integer", "zero"}
        Law of the payoffs, as in :func:`~mdplab.instances.random_reward`.

    Returns
    -------
    hypothesis.strategies.SearchStrategy of MatrixGame
    """
    return instances.matrix_games(
        HypothesisDraw(draw),
        rows=sizes("rows", min_rows, max_rows),
        columns=sizes("columns", min_columns, max_columns),
        payoff=payoffs,
    )


@st.composite
def preference_matrices(
    draw: st.DrawFn,
    /,
    *,
    min_responses: int = 2,
    max_responses: int = 4,
    kinds: tuple[PreferenceKind, ...] = PREFERENCE_KINDS,
) -> PreferenceMatrix:
    """Preference matrices; they shrink to two responses.

    Parameters
    ----------
    min_responses, max_responses : int
        Smallest, at least 2, and largest number n of responses.
    kinds : tuple of {"uniform", "deterministic", "beta", "bradley-terry"}
        Kinds to choose from, as in :func:`~mdplab.instances.random_preference`.

    Returns
    -------
    hypothesis.strategies.SearchStrategy of PreferenceMatrix
    """
    responses = sizes("responses", min_responses, max_responses, least=2)
    return instances.preference_matrices(HypothesisDraw(draw), responses=responses, kind=kinds)
