r"""Zero-sum games in which two players move in turns and see every move: backward induction.

The first player maximises.  With moves :math:`i_0,i_1,\dots,i_{D-1}` and the payoff :math:`U[i_0,\dots,i_{D-1}]` the value is

.. math:: \max_{i_0}\min_{i_1}\max_{i_2}\cdots U[i_0,i_1,\dots,i_{D-1}],

that of the matrix game between the plans of both players (:func:`mdplab.enumeration.plan_game`): with perfect information
pure plans are enough.

References
----------
.. [1] E. Zermelo, "Ueber eine Anwendung der Mengenlehre auf die Theorie des Schachspiels", 1913.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab.operators import _check

__all__ = ["alternating_value"]


def alternating_value(payoff: ArrayLike) -> float:
    """Value of a game of alternating moves, without rounding.

    Parameters
    ----------
    payoff : array_like (n_0, n_1, ..., n_{D-1})
        Gain of the first player, an axis a move; the first player moves on the even axes.

    Returns
    -------
    float
        One of the payoffs.

    Raises
    ------
    ValueError
        If the payoff is not real and finite, or has no move or no choice.
    """
    table = _check.numeric("payoff", payoff)
    if np.iscomplexobj(table) or table.ndim == 0 or table.size == 0 or not np.isfinite(table).all():
        raise ValueError(
            f"payoff must be finite numbers with an axis a move; got {table.dtype} of shape {table.shape}"
        )
    while table.ndim:
        table = table.max(axis=-1) if table.ndim % 2 else table.min(axis=-1)
    return float(table)
