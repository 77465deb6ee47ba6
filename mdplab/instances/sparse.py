r"""Deterministic graphs with unsafe states: successor tables, as raw data.

A *safety graph* is a table of successors ``n[s, a]`` with a set of unsafe states.  The question asked of it is which
states can be kept away from the unsafe ones for ever; see :mod:`mdplab.operators.reachability`.
"""

from __future__ import annotations

import numpy as np

from mdplab._typing import BoolArray, IntArray
from mdplab.instances.draw import Draw

__all__ = ["random_successors", "safety_graph", "survival_chain"]


def random_successors(
    draw: Draw, *, states: tuple[int, int] = (4, 14), actions: tuple[int, int] = (2, 3)
) -> IntArray:
    """Draw a table of independent, uniform successors.

    Parameters
    ----------
    draw : Draw
        The engine.
    states, actions : tuple of int
        Smallest and largest number of states and of actions.

    Returns
    -------
    ndarray of int, shape (S, A)
    """
    n_states, n_actions = draw.integer(*states), draw.integer(*actions)
    return draw.integers(0, n_states - 1, (n_states, n_actions))


def safety_graph(
    draw: Draw,
    *,
    states: tuple[int, int] = (4, 14),
    actions: tuple[int, int] = (2, 3),
    unsafe: float = 0.4,
) -> tuple[IntArray, BoolArray]:
    """Draw uniform successors and independent unsafe states.

    Parameters
    ----------
    draw : Draw
        The engine.
    states, actions : tuple of int
        Smallest and largest number of states and of actions.
    unsafe : float
        Probability with which each state is unsafe, in [0, 1].

    Returns
    -------
    successors : ndarray of int, shape (S, A)
    unsafe : ndarray of bool, shape (S,)

    Raises
    ------
    ValueError
        If the probability is outside [0, 1].
    """
    if not 0.0 <= unsafe <= 1.0:
        raise ValueError(f"unsafe: expected a probability in [0, 1], got {unsafe}")
    successors = random_successors(draw, states=states, actions=actions)
    return successors, draw.boolean(unsafe, successors.shape[0])


def survival_chain() -> tuple[IntArray, BoolArray]:
    """Seven states: 0 and 1 may stay safe, 2 to 5 march into the unsafe state 6.

    Returns
    -------
    successors : ndarray of int, shape (7, 2)
        State 0 absorbs, state 1 chooses between 0 and 2, the others step to the right.
    unsafe : ndarray of bool, shape (7,)
        State 6 alone.
    """
    successors = np.array([[0, 0], [0, 2], [3, 3], [4, 4], [5, 5], [6, 6], [6, 6]])
    return successors, np.arange(7) == 6
