"""Strategies of linear, terminating and outcome models, and of logged data."""

from __future__ import annotations

from hypothesis import strategies as st

from mdplab import instances
from mdplab.instances.rewards import RewardLaw
from mdplab.models import LinearMDP, LoggedDataset, OutcomeModel, TotalRewardMDP
from mdplab.strategies._bounds import drawn, sizes
from mdplab.strategies.engine import HypothesisDraw

__all__ = ["datasets", "linear_mdps", "outcome_models", "total_reward_mdps"]


@st.composite
def linear_mdps(
    draw: st.DrawFn,
    /,
    *,
    min_states: int = 1,
    max_states: int = 4,
    min_actions: int = 1,
    max_actions: int = 3,
    min_dimension: int = 1,
    max_dimension: int = 3,
    discounts: tuple[float, float] = (0.0, 0.95),
    signed: bool | None = False,
) -> LinearMDP:
    """Discounted linear MDPs; they shrink to one state, one action, one feature.

    Parameters
    ----------
    min_states, max_states, min_actions, max_actions, min_dimension, max_dimension : int
        Smallest and largest number S of states, A of actions and d of features.
    discounts : tuple of float
        Range of the discount.
    signed : bool or None, default False
        Whether features are signed, or laws over d mixture components; None draws it.

    Returns
    -------
    hypothesis.strategies.SearchStrategy of LinearMDP
    """
    return instances.random_linear_mdp(
        HypothesisDraw(draw),
        states=sizes("states", min_states, max_states),
        actions=sizes("actions", min_actions, max_actions),
        dimension=sizes("dimension", min_dimension, max_dimension),
        discount=discounts,
        signed=drawn(draw, signed),
    )


@st.composite
def total_reward_mdps(
    draw: st.DrawFn,
    /,
    *,
    min_states: int = 1,
    max_states: int = 3,
    min_actions: int = 1,
    max_actions: int = 3,
    rewards: RewardLaw = "symmetric",
    masked: bool | None = False,
) -> TotalRewardMDP:
    """Undiscounted MDPs with one terminal state, the last, which every policy reaches.

    Parameters
    ----------
    min_states, max_states, min_actions, max_actions : int
        Smallest and largest number of other states, and of actions A.
    rewards : {"symmetric", "unit", "normal", "binary", "integer", "zero"}
        A law of :func:`~mdplab.instances.random_reward`.
    masked : bool or None, default False
        Whether there is a mask of available actions (it may admit all); None draws it.

    Returns
    -------
    hypothesis.strategies.SearchStrategy of TotalRewardMDP
    """
    return instances.total_reward_mdps(
        HypothesisDraw(draw),
        states=sizes("states", min_states, max_states),
        actions=sizes("actions", min_actions, max_actions),
        reward=rewards,
        masked=drawn(draw, masked),
    )


@st.composite
def outcome_models(
    draw: st.DrawFn,
    /,
    *,
    min_states: int = 1,
    max_states: int = 3,
    min_actions: int = 1,
    max_actions: int = 3,
    min_outcomes: int = 1,
    max_outcomes: int = 3,
    rewards: RewardLaw = "integer",
) -> OutcomeModel:
    """Models whose rewards stay random given state, action and successor; they shrink to a single outcome, reward zero.

    Parameters
    ----------
    min_states, max_states, min_actions, max_actions, min_outcomes, max_outcomes : int
        Smallest and largest number S of states, A of actions and O of outcomes of a pair.
    rewards : {"symmetric", "unit", "normal", "binary", "integer", "zero"}
        A law of :func:`~mdplab.instances.random_reward`.

    Returns
    -------
    hypothesis.strategies.SearchStrategy of OutcomeModel
    """
    return instances.outcome_models(
        HypothesisDraw(draw),
        states=sizes("states", min_states, max_states),
        actions=sizes("actions", min_actions, max_actions),
        outcomes=sizes("outcomes", min_outcomes, max_outcomes),
        reward=rewards,
    )


@st.composite
def datasets(
    draw: st.DrawFn,
    /,
    *,
    min_states: int = 1,
    max_states: int = 4,
    min_actions: int = 1,
    max_actions: int = 3,
    min_trajectories: int = 1,
    max_trajectories: int = 5,
    min_horizon: int = 1,
    max_horizon: int = 4,
    rewards: RewardLaw = "symmetric",
    weighted: bool | None = None,
) -> LoggedDataset:
    """Logged trajectories of any behaviour; they shrink to one step in one state.

    Parameters
    ----------
    min_states, max_states, min_actions, max_actions : int
        Smallest and largest number S of states and A of actions.
    min_trajectories, max_trajectories, min_horizon, max_horizon : int
        Smallest and largest number N of trajectories and H of steps.
    rewards : {"symmetric", "unit", "normal", "binary", "integer", "zero"}
        A law of :func:`~mdplab.instances.random_reward`.
    weighted : bool or None, default None
        Whether trajectories have weights; None draws it.

    Returns
    -------
    hypothesis.strategies.SearchStrategy of LoggedDataset
    """
    return instances.logged_datasets(
        HypothesisDraw(draw),
        states=sizes("states", min_states, max_states),
        actions=sizes("actions", min_actions, max_actions),
        trajectories=sizes("trajectories", min_trajectories, max_trajectories),
        horizon=sizes("horizon", min_horizon, max_horizon),
        reward=rewards,
        weighted=drawn(draw, weighted),
    )
