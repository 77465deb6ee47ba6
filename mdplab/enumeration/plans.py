r"""Plans of games of alternating moves, and the matrix game between them.

A *plan* of a player fixes its move for every history of the opponent's moves; its own moves need no mention, since the plan
itself determines them.  With choices :math:`n_0,n_1,\dots` for the moves in turn the first player has :math:`n_0\,n_2^{n_1}\,
n_4^{n_1n_3}\cdots` plans and the second :math:`n_1^{n_0}\,n_3^{n_0n_2}\cdots`: exponentially many, which is why backward
induction (:func:`mdplab.operators.alternating_value`) is worth having.

References
----------
.. [1] J. von Neumann and O. Morgenstern, *Theory of Games and Economic Behavior*, 1944, section 11.
"""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import IntArray
from mdplab.enumeration.combinatorics import MAX_COUNT, all_tuples, check_count
from mdplab.models import MatrixGame
from mdplab.models._validate import finite

__all__ = ["plan_game"]


def plan_game(payoff: ArrayLike, *, max_count: int = MAX_COUNT) -> MatrixGame:
    """Matrix game between the plans of two players who move in turns and see every move.

    Parameters
    ----------
    payoff : array_like (n_0, n_1, ..., n_{D-1})
        Gain of the first player, an axis a move; the first player moves on the even axes.
    max_count : int, default 1_000_000
        Hard cap on the number of pairs of plans.

    Returns
    -------
    MatrixGame
        Rows are the plans of the first player.  In either player's list a plan is a number in mixed radix: a digit for each
        move and history, the first move first, histories in lexicographic order, the last digit fastest.

    Raises
    ------
    ValueError
        If the payoff has no move or no choice, is not finite, or the cap is exceeded.
    """
    table = finite("payoff", payoff, np.shape(payoff))
    if table.ndim == 0 or table.size == 0:
        raise ValueError(f"payoff: expected an axis a move, got shape {table.shape}")
    sizes = table.shape
    histories = [prod(sizes[1 - t % 2 : t : 2]) for t in range(table.ndim)]
    answers = [size**count for size, count in zip(sizes, histories, strict=True)]
    check_count(prod(answers), max_count, "pairs of plans")
    moves: list[IntArray] = []
    for t, size in enumerate(sizes):
        mine = answers[t % 2 :: 2]
        chosen = np.unravel_index(np.arange(prod(mine)), mine)[t // 2]
        plans = all_tuples(size, histories[t], max_count=max_count)
        seen = np.zeros((1, 1), dtype=np.int64)
        for u in range(1 - t % 2, t, 2):
            seen = seen * sizes[u] + moves[u]
        moves.append(plans[chosen[:, np.newaxis] if t % 2 == 0 else chosen[np.newaxis], seen])
    return MatrixGame(table[tuple(moves)] + np.zeros([prod(answers[0::2]), prod(answers[1::2])]))
