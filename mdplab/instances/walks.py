r"""Textbook problems on a line and on a grid with wind: chain, RiverSwim, the gambler, windy gridworld."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mdplab._typing import FloatArray, IntArray
from mdplab.instances.gridworld import Gridworld
from mdplab.models import MDP, TotalRewardMDP

__all__ = ["chain_problem", "gambler", "riverswim", "undiscounted_gambler", "windy_gridworld"]


def _csr(rows: IntArray, columns: IntArray, chances: FloatArray, shape: tuple[int, int]) -> Any:
    """CSR kernel of triplets, duplicates added and zeros left out."""
    from scipy.sparse import csr_array

    keep = chances > 0.0
    return csr_array((chances[keep], (rows[keep], columns[keep])), shape=shape)


def chain_problem(
    n: int = 5, *, slip: float = 0.2, small: float = 2.0, large: float = 10.0, discount: float = 0.99
) -> MDP:
    r"""The chain of exploration studies: go on for a large reward at the end, or return for a small one.

    *Forward* moves one state on, and in the last state stays and pays ``large``; *back* returns to the first state and pays
    ``small``.  With probability ``slip`` the other action is executed.  Going forward always earns
    ``small * slip + large * (1 - slip) * (1 - slip)**(n - 1)`` a step in the long run: 3.6768 by default, the 3677 for 1000 steps of
    the literature.

    Parameters
    ----------
    n : int, default 5
        Number of states, at least 2.
    slip : float, default 0.2
        In [0, 1].
    small, large : float
        Rewards.
    discount : float, default 0.99
        In [0, 1).

    Returns
    -------
    MDP
        CSR, started in the first state; actions are forward and back.

    References
    ----------
    .. [1] M. Strens, "A Bayesian framework for reinforcement learning", ICML 2000.
    """
    _check(n, 2)
    if not 0.0 <= slip <= 1.0:
        raise ValueError(f"slip is {slip}, expected a probability in [0, 1]")
    state = np.arange(n)
    on, first = np.minimum(state + 1, n - 1), np.zeros(n, dtype=np.int64)
    rows = np.concatenate([2 * state, 2 * state, 2 * state + 1, 2 * state + 1])
    chances = np.repeat([1.0 - slip, slip, slip, 1.0 - slip], n)
    kernel = _csr(rows, np.concatenate([on, first, on, first]), chances, (2 * n, n))
    pay = np.where(state == n - 1, large, 0.0)
    reward = np.stack(
        [(1.0 - slip) * pay + slip * small, slip * pay + (1.0 - slip) * small],
        axis=1,
    )
    return MDP(kernel, reward, discount, np.eye(n)[0], action_names=("forward", "back"))


def riverswim(
    n: int = 6,
    *,
    forward: float = 0.35,
    backward: float = 0.05,
    ends: tuple[float, float] = (0.6, 0.6),
    small: float = 0.005,
    large: float = 1.0,
    discount: float = 0.99,
) -> MDP:
    r"""RiverSwim: swimming right against the current reaches a large reward, drifting left a small one.

    *Left* succeeds always.  *Right* moves one state right with probability ``forward``, one left with ``backward``, and stays
    otherwise; in the first state it moves with probability ``ends[0]`` or stays, in the last it stays with probability
    ``ends[1]`` or is carried back.  Left in the first state pays ``small``, right in the last ``large``.  The stationary law
    :math:`\pi` of swimming right is that of a birth-death chain.

    Parameters
    ----------
    n : int, default 6
        Number of states, at least 2.
    forward, backward : float
        Probabilities in between; their sum is at most 1.
    ends : tuple of float
        Probabilities in the first and in the last state.
    small, large : float
        Rewards.
    discount : float, default 0.99
        In [0, 1).

    Returns
    -------
    MDP
        CSR, started in the first state; actions are left and right.

    References
    ----------
    .. [1] A. L. Strehl, M. L. Littman, "An analysis of model-based interval estimation for Markov decision processes", JCSS
       74, 2008 (the problem).
    .. [2] I. Osband, D. Russo, B. Van Roy, "(More) efficient reinforcement learning via posterior sampling", NIPS 2013 (these
       numbers).
    """
    _check(n, 2)
    if not (min(forward, backward, *ends) >= 0.0 and forward + backward <= 1.0 and max(ends) <= 1.0):
        raise ValueError("forward, backward and ends must be probabilities, forward + backward at most 1")
    state = np.arange(n)
    left, right = np.maximum(state - 1, 0), np.minimum(state + 1, n - 1)
    up, down = np.full(n, forward), np.full(n, backward)
    up[0], down[0], up[-1], down[-1] = ends[0], 0.0, 0.0, 1.0 - ends[1]
    rows = np.concatenate([2 * state, 2 * state + 1, 2 * state + 1, 2 * state + 1])
    columns = np.concatenate([left, right, left, state])
    chances = np.concatenate([np.ones(n), up, down, 1.0 - up - down])
    reward = np.zeros((n, 2))
    reward[0, 0], reward[-1, 1] = small, large
    kernel = _csr(rows, columns, chances, (2 * n, n))
    return MDP(kernel, reward, discount, np.eye(n)[0], action_names=("left", "right"))


def gambler(goal: int = 100, *, heads: float = 0.4, discount: float = 0.999999) -> MDP:
    """The gambler's problem: stake on coin flips until the goal or ruin, with a discount.

    The state is the capital, 0 and ``goal`` absorb; action ``a`` stakes ``a + 1``, at most the capital and what is missing to
    the goal.  Winning the last flip pays 1.  As the discount tends to 1 the value tends to the probability of reaching the
    goal; for ``heads < 1/2`` bold play is optimal, which at a quarter, half and three quarters of the goal gives
    ``discount * heads**2``, ``heads`` and ``heads + (1 - heads) * discount * heads``.

    Parameters
    ----------
    goal : int, default 100
        At least 2.
    heads : float, default 0.4
        Probability of winning a flip.
    discount : float, default 0.999999
        In [0, 1).

    Returns
    -------
    MDP
        CSR, with the mask of the stakes; in the absorbing states the first action is available.

    References
    ----------
    .. [1] R. S. Sutton, A. G. Barto, *Reinforcement Learning*, 2nd edition, 2018, example 4.3.
    """
    _check(goal, 2, "goal")
    stakes = goal // 2
    capital, action = (index.ravel() for index in np.indices((goal + 1, stakes)))
    stake = action + 1
    playing = stake <= np.minimum(capital, goal - capital)
    absorbed = ((capital == 0) | (capital == goal)) & (action == 0)
    rows = np.arange(capital.size)
    kernel = _csr(
        np.concatenate([rows[playing], rows[playing], rows[absorbed]]),
        np.concatenate([(capital + stake)[playing], (capital - stake)[playing], capital[absorbed]]),
        np.concatenate(
            [np.full(playing.sum(), heads), np.full(playing.sum(), 1.0 - heads), np.ones(absorbed.sum())]
        ),
        (capital.size, goal + 1),
    )
    shape = (goal + 1, stakes)
    return MDP(
        kernel,
        np.where(playing & (capital + stake == goal), heads, 0.0).reshape(shape),
        discount,
        available=(playing | absorbed).reshape(shape),
        state_names=[f"capital {i}" for i in range(goal + 1)],
        action_names=[f"stake {i + 1}" for i in range(stakes)],
    )


def undiscounted_gambler(goal: int = 100, *, heads: float = 0.4) -> TotalRewardMDP:
    """The gambler's problem as it is stated: the value is the probability of reaching the goal.

    For ``heads <= 1/2`` bold play is optimal: at half the goal the value is ``heads``; with fair coins every play gives the
    capital over the goal.

    Parameters
    ----------
    goal : int, default 100
        At least 2.
    heads : float, default 0.4
        Probability of winning a flip.

    Returns
    -------
    TotalRewardMDP
        CSR; states 0 and ``goal`` are terminal.  Otherwise as :func:`gambler`.
    """
    return TotalRewardMDP.from_mdp(gambler(goal, heads=heads, discount=0.0), np.arange(goal + 1) % goal == 0)


def windy_gridworld(
    wind: Sequence[int] = (0, 0, 0, 1, 1, 1, 2, 2, 1, 0),
    height: int = 7,
    *,
    start: tuple[int, int] = (0, 3),
    goal: tuple[int, int] = (7, 3),
    moves: int = 4,
    gusts: bool = False,
    discount: float = 0.9,
) -> Gridworld:
    """The windy gridworld: every step costs 1 until the goal, and the wind of the column left pushes upwards.

    Parameters
    ----------
    wind : sequence of int
        Strength in each column; their number is the width.
    height : int, default 7
        Number of rows.
    start, goal : (x, y)
        Cells from the top left.
    moves : {4, 8, 9}, default 4
        Up, right, down, left; the king's moves; these and staying.
    gusts : bool, default False
        Where there is wind, its strength is one less, itself or one more, each with probability 1/3.
    discount : float, default 0.9
        In [0, 1).

    Returns
    -------
    Gridworld
        CSR; the goal absorbs without reward.  The shortest way has 15 steps by default, 7 with 8 or 9 moves.

    References
    ----------
    .. [1] R. S. Sutton, A. G. Barto, *Reinforcement Learning*, 2nd edition, 2018, example 6.5, exercises 6.9 and 6.10.
    """
    steps = [(0, -1), (1, 0), (0, 1), (-1, 0), (1, -1), (1, 1), (-1, 1), (-1, -1), (0, 0)]
    names = ("up", "right", "down", "left", "up right", "down right", "down left", "up left", "stay")
    if moves not in (4, 8, 9):
        raise ValueError(f"moves is {moves}, expected 4, 8 or 9")
    width, n = len(wind), len(wind) * height
    for name, (x, y) in (("start", start), ("goal", goal)):
        if not (0 <= x < width and 0 <= y < height):
            raise ValueError(f"{name} ({x}, {y}) is off the {width} x {height} grid")
    state = np.arange(n)
    row, column = np.divmod(state, width)
    push = np.asarray(wind, dtype=np.int64)[column]
    thirds = (-1, 0, 1) if gusts else (0,)
    rows, columns, chances = [], [], []
    end = goal[1] * width + goal[0]
    for a, (dx, dy) in enumerate(steps[:moves]):
        for gust in thirds:
            up = np.where(push > 0, push + gust, push)
            to = np.clip(row + dy - up, 0, height - 1) * width + np.clip(column + dx, 0, width - 1)
            rows.append(moves * state + a)
            columns.append(np.where(state == end, end, to))
            chances.append(np.where(push > 0, 1.0 / len(thirds), 1.0 if gust == 0 else 0.0))
    kernel = _csr(np.concatenate(rows), np.concatenate(columns), np.concatenate(chances), (moves * n, n))
    reward = np.full((n, moves), -1.0)
    reward[end] = 0.0
    law = np.zeros(n)
    law[start[1] * width + start[0]] = 1.0
    mdp = MDP(
        kernel,
        reward,
        discount,
        law,
        state_names=[f"({x}, {y})" for y in range(height) for x in range(width)],
        action_names=names[:moves],
    )
    return Gridworld(mdp, np.stack([column, row], axis=1), width, height)


def _check(value: int, low: int, name: str = "n") -> None:
    if value < low:
        raise ValueError(f"{name} is {value}, expected an integer of at least {low}")
