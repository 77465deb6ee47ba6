"""Strategies of probability vectors, laws, chains and reward processes."""

from __future__ import annotations

from hypothesis import strategies as st

from mdplab import instances
from mdplab._typing import FloatArray
from mdplab.instances.rewards import RewardLaw
from mdplab.laws import FiniteLaw
from mdplab.models import MarkovChain, RewardProcess
from mdplab.strategies._bounds import drawn, sizes
from mdplab.strategies.engine import HypothesisDraw

__all__ = ["distributions", "finite_laws", "markov_chains", "reward_processes"]


@st.composite
def distributions(
    draw: st.DrawFn, /, *, min_size: int = 1, max_size: int = 4, positive: bool = False
) -> FloatArray:
    """Probability vectors with simple rationals; they shrink to the first vertex, positive ones to the uniform law.

    Parameters
    ----------
    min_size, max_size : int
        Smallest and largest length n.
    positive : bool, default False
        Leave out the faces of the simplex, where a probability is zero.

    Returns
    -------
    hypothesis.strategies.SearchStrategy of ndarray (n,)
    """
    engine = HypothesisDraw(draw)
    return engine.weights(engine.integer(*sizes("size", min_size, max_size)), positive=positive)


@st.composite
def finite_laws(
    draw: st.DrawFn, /, *, min_atoms: int = 1, max_atoms: int = 5, values: RewardLaw = "normal"
) -> FiniteLaw:
    """Laws with finite support on the line; they shrink to a point mass at zero.

    Parameters
    ----------
    min_atoms, max_atoms : int
        Smallest and largest number of atoms drawn; equal ones are merged, so that a law may have fewer.
    values : {"normal", "unit", "symmetric", "binary", "integer", "zero"}
        Law of the atoms, as in :func:`~mdplab.instances.random_reward`.

    Returns
    -------
    hypothesis.strategies.SearchStrategy of FiniteLaw
    """
    return instances.finite_laws(
        HypothesisDraw(draw), atoms=sizes("atoms", min_atoms, max_atoms), value=values
    )


@st.composite
def markov_chains(
    draw: st.DrawFn,
    /,
    *,
    min_states: int = 1,
    max_states: int = 4,
    min_steps: int = 1,
    max_steps: int = 4,
    staged: bool | None = None,
) -> MarkovChain:
    """Markov chains with a start law; they shrink to one state and one step.

    Parameters
    ----------
    min_states, max_states, min_steps, max_steps : int
        Smallest and largest number K of states and T of steps.
    staged : bool or None, default None
        Whether each step has a kernel of its own; None draws it.

    Returns
    -------
    hypothesis.strategies.SearchStrategy of MarkovChain
    """
    return instances.markov_chains(
        HypothesisDraw(draw),
        states=sizes("states", min_states, max_states),
        steps=sizes("steps", min_steps, max_steps),
        staged=drawn(draw, staged),
    )


@st.composite
def reward_processes(
    draw: st.DrawFn,
    /,
    *,
    min_states: int = 1,
    max_states: int = 4,
    discounts: tuple[float, float] = (0.0, 0.95),
) -> RewardProcess:
    """Markov reward processes with rewards on transitions; they shrink to one state with reward zero.

    Parameters
    ----------
    min_states, max_states : int
        Smallest and largest number S of states.
    discounts : tuple of float
        Range of the discount.

    Returns
    -------
    hypothesis.strategies.SearchStrategy of RewardProcess
    """
    return instances.dirichlet_reward_process(
        HypothesisDraw(draw), states=sizes("states", min_states, max_states), discount=discounts
    )
