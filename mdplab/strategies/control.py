"""Strategies of decision processes and of their policies."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from hypothesis import strategies as st

from mdplab import instances
from mdplab._typing import FloatArray
from mdplab.instances.kernels import KERNEL_KINDS
from mdplab.instances.policies import POLICY_KINDS
from mdplab.instances.rewards import RewardLaw
from mdplab.models import MDP, FiniteHorizonMDP, Policy
from mdplab.strategies._bounds import drawn, sizes, strategy_or
from mdplab.strategies.engine import HypothesisDraw

__all__ = ["finite_horizon_mdps", "mdps", "policies"]

Rewards: TypeAlias = RewardLaw | st.SearchStrategy[float]
Discounts: TypeAlias = tuple[float, float] | st.SearchStrategy[float]


@st.composite
def mdps(
    draw: st.DrawFn,
    /,
    *,
    min_states: int = 1,
    max_states: int = 4,
    min_actions: int = 1,
    max_actions: int = 3,
    rewards: Rewards = "symmetric",
    discounts: Discounts = (0.0, 0.95),
    sparse: bool | None = False,
    masked: bool | None = False,
    deterministic: bool = False,
    absorbing: bool = False,
) -> MDP:
    """Discounted MDPs; they shrink to one state, one action, reward zero.

    Probabilities, rewards and discounts are simple rationals, so that deterministic rows, absorbing states, unreachable
    states and ties are frequent.

    Parameters
    ----------
    min_states, max_states, min_actions, max_actions : int
        Smallest and largest number S of states and A of actions.
    rewards : {"symmetric", "unit", "normal", "binary", "integer", "zero"} or strategy of float
        A law of :func:`~mdplab.instances.random_reward`, or a strategy of the entries.
    discounts : tuple of float or strategy of float
        Range in [0, 1), or a strategy.
    sparse : bool or None, default False
        Whether the kernel is CSR; None draws it.
    masked : bool or None, default False
        Whether there is a mask of available actions (it may admit all); None draws it.
    deterministic : bool, default False
        Make every pair have one successor.
    absorbing : bool, default False
        Make the last state absorbing, without reward.

    Returns
    -------
    hypothesis.strategies.SearchStrategy of MDP
    """
    engine = HypothesisDraw(draw)
    entries = strategy_or("rewards", rewards, "the name of a law")
    gammas = strategy_or("discounts", discounts, "a range")
    mdp = instances.mdps(
        engine,
        states=sizes("states", min_states, max_states),
        actions=sizes("actions", min_actions, max_actions),
        kernel="deterministic" if deterministic else KERNEL_KINDS,
        reward="zero" if isinstance(rewards, st.SearchStrategy) else rewards,
        discount=(0.0, 0.0) if isinstance(discounts, st.SearchStrategy) else discounts,
        masked=drawn(draw, masked),
    )
    if entries is not None:
        mdp = mdp.replace(reward=_table(draw, entries, mdp.reward.shape))
    if gammas is not None:
        mdp = mdp.replace(discount=draw(gammas))
    if absorbing:
        mdp = _with_goal(mdp)
    return mdp.to_sparse() if drawn(draw, sparse) else mdp


def _table(draw: st.DrawFn, entries: st.SearchStrategy[float], shape: tuple[int, ...]) -> FloatArray:
    """An array of independent entries."""
    count = math.prod(shape)
    return np.array(draw(st.lists(entries, min_size=count, max_size=count)), dtype=np.float64).reshape(shape)


def _with_goal(mdp: MDP) -> MDP:
    """The model with its last state made absorbing, without reward."""
    transition, reward = mdp.transition.copy(), mdp.reward.copy()
    transition[-1] = np.eye(mdp.n_states)[-1]
    reward[-1] = 0.0
    return MDP(transition, reward, mdp.discount, mdp.initial, available=mdp.available)


@st.composite
def finite_horizon_mdps(
    draw: st.DrawFn,
    /,
    *,
    min_states: int = 1,
    max_states: int = 4,
    min_actions: int = 1,
    max_actions: int = 3,
    min_horizon: int = 1,
    max_horizon: int = 3,
    rewards: RewardLaw = "symmetric",
    staged: bool | None = None,
    masked: bool | None = False,
    deterministic: bool = False,
) -> FiniteHorizonMDP:
    """Finite-horizon MDPs; they shrink to one stage, one state, one action, reward zero.

    Parameters
    ----------
    min_states, max_states, min_actions, max_actions, min_horizon, max_horizon : int
        Smallest and largest number S of states, A of actions and H of stages.
    rewards : {"symmetric", "unit", "normal", "binary", "integer", "zero"}
        A law of :func:`~mdplab.instances.random_reward`.
    staged : bool or None, default None
        Whether each stage has a kernel and rewards of its own; None draws it.
    masked : bool or None, default False
        Whether there is a mask of available actions (it may admit all); None draws it.
    deterministic : bool, default False
        Make every pair have one successor.

    Returns
    -------
    hypothesis.strategies.SearchStrategy of FiniteHorizonMDP
    """
    return instances.horizon_mdps(
        HypothesisDraw(draw),
        states=sizes("states", min_states, max_states),
        actions=sizes("actions", min_actions, max_actions),
        horizon=sizes("horizon", min_horizon, max_horizon),
        kernel="deterministic" if deterministic else KERNEL_KINDS,
        reward=rewards,
        staged=drawn(draw, staged),
        terminal=drawn(draw, None),
        masked=drawn(draw, masked),
    )


@st.composite
def policies(
    draw: st.DrawFn,
    /,
    model: MDP | FiniteHorizonMDP | tuple[int, int] | None = None,
    *,
    max_states: int = 4,
    max_actions: int = 3,
    deterministic: bool = False,
) -> Policy:
    """Policies of a model; they shrink to the first available action.

    Parameters
    ----------
    model : MDP, FiniteHorizonMDP or tuple of int, optional
        Its shape and mask, with a row for each stage of a finite horizon; or the shape ``(S, A)``; or any shape.
    max_states, max_actions : int
        Largest shape, where it is drawn.
    deterministic : bool, default False
        Draw deterministic ones only.

    Returns
    -------
    hypothesis.strategies.SearchStrategy of Policy
    """
    engine = HypothesisDraw(draw)
    if model is None:
        shape = (
            engine.integer(*sizes("states", 1, max_states)),
            engine.integer(*sizes("actions", 1, max_actions)),
        )
    elif isinstance(model, tuple):
        shape = model
    else:
        shape = (model.n_states, model.n_actions)
    rows = instances.random_policy(
        engine,
        *shape,
        stages=getattr(model, "horizon", None),
        kind="deterministic" if deterministic else POLICY_KINDS,
        available=getattr(model, "available", None),
    )
    return Policy.from_probability(rows)
