r"""Corridors: a lock that only one sequence of actions opens, and a line that is crossed by long steps.

*Lock.*  A policy that takes the right action with probability p opens a lock of length L with probability :math:`p^L`: what
local improvement sees of the prize shrinks as fast.  *Line.*  An option that moves up to n positions at the price and discount
of one decision turns the distance d into :math:`\lceil d/n\rceil` decisions.

References
----------
.. [1] S. Kakade and J. Langford, "Approximately optimal approximate reinforcement learning", ICML 2002 (why a restart law is
   needed).
.. [2] H. Ahn et al., "Option-aware temporally abstracted value for offline goal-conditioned reinforcement learning", 2025.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab.models import MDP
from mdplab.models._validate import count, number

__all__ = ["combination_lock", "option_chain"]


def combination_lock(length: int, *, discount: float = 0.95) -> MDP:
    """A lock: the right action moves on, the wrong one ends it, and the last state pays 1.

    The optimal value of the first state is ``discount ** length``, that of a policy that takes the right action with
    probability p everywhere ``(p * discount) ** length``.

    Parameters
    ----------
    length : int
        Number L of right actions to the last state, at least 1.
    discount : float, default 0.95
        In [0, 1).

    Returns
    -------
    MDP
        Dense, started in state 0.  In states 0 to L - 1 action 1 moves on and action 0 ends the episode, both unpaid; in
        state L both pay 1 and end it; state L + 1 is the end, which absorbs.

    Raises
    ------
    ValueError
        If the length is below 1 or the discount is not in [0, 1).
    """
    length = count("length", length)
    n = length + 2
    places = np.arange(length)
    transition, reward = np.zeros((n, 2, n)), np.zeros((n, 2))
    transition[places, 0, n - 1] = transition[places, 1, places + 1] = 1.0
    transition[length:, :, n - 1] = 1.0
    reward[length] = 1.0
    return MDP(transition, reward, discount, np.eye(n)[0], action_names=("wrong", "right"))


def option_chain(
    positions: int, goal: int, longest: int, *, slip: float = 0.0, discount: float = 0.99
) -> MDP:
    r"""A line with options: a decision moves 1 to n positions either way, costs 1 and is discounted once.

    Without slips the value at distance d from the goal is :math:`-(1-\gamma^{\lceil d/n\rceil})/(1-\gamma)`.

    Parameters
    ----------
    positions : int
        Number of positions, at least 1.
    goal : int
        Position of the goal, which absorbs and costs nothing.
    longest : int
        Length n of the longest option, at least 1.
    slip : float, default 0
        Probability in [0, 1] that a decision moves nothing.
    discount : float, default 0.99
        In [0, 1).

    Returns
    -------
    MDP
        CSR without start law; action ``i < n`` moves ``i + 1`` positions up, action ``n + i`` as many down, at most to the
        end of the line.

    Raises
    ------
    ValueError
        If a number is out of its range.
    """
    from scipy.sparse import csr_array

    positions, longest, goal = (
        count("positions", positions),
        count("longest", longest),
        count("goal", goal, 0),
    )
    if goal >= positions:
        raise ValueError(f"goal is {goal}, expected a position below {positions}")
    slip = number("slip", slip, 0.0, 1.0)
    steps = np.arange(1, longest + 1)
    here = np.repeat(np.arange(positions), 2 * longest)
    to = np.clip(here + np.tile(np.concatenate([steps, -steps]), positions), 0, positions - 1)
    to = np.where(here == goal, goal, to)
    pairs = np.arange(here.size)
    kernel: Any = csr_array(
        (
            np.concatenate([np.full(here.size, 1.0 - slip), np.full(here.size, slip)]),
            (np.concatenate([pairs, pairs]), np.concatenate([to, here])),
        ),
        shape=(here.size, positions),
    )
    kernel.sum_duplicates()
    kernel.eliminate_zeros()
    reward = np.where(here == goal, 0.0, -1.0).reshape(positions, 2 * longest)
    return MDP(kernel, reward, discount)
