r"""Zero-sum games in matrix form; the row player maximises :math:`x^\top Ay`, the column player minimises it.

The duality gap of a pair of mixed strategies, :math:`\max_i(Ay)_i-\min_j(A^\top x)_j\ge0`, is the sum of what both
players can still gain; it is zero exactly at an equilibrium.  A preference matrix P gives the antisymmetric game
:math:`A=P-\tfrac12` of value 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.models import _validate as v
from mdplab.models._base import Model
from mdplab.models.preferences import PreferenceMatrix

__all__ = ["MatrixGame"]


@dataclass(frozen=True, eq=False, init=False, repr=False)
class MatrixGame(Model):
    """A matrix game.

    Parameters
    ----------
    payoff : array_like (n, m)
        Finite gain of the row player, loss of the column player.

    Attributes
    ----------
    payoff : ndarray (n, m)
        Read-only.

    Raises
    ------
    ValueError
        If an entry is not finite.
    """

    payoff: FloatArray

    def __init__(self, payoff: ArrayLike) -> None:
        self.__dict__.update(payoff=v.finite("payoff", payoff, ("n", "m")))

    @classmethod
    def preference_game(cls, preference: PreferenceMatrix | ArrayLike) -> Self:
        """The game in which each player names a response and wants it to be preferred.

        Parameters
        ----------
        preference : PreferenceMatrix or array_like (n, n)
            Winning probabilities.

        Returns
        -------
        MatrixGame
            ``payoff = P - 1/2``, of value 0.
        """
        given = preference if isinstance(preference, PreferenceMatrix) else PreferenceMatrix(preference)
        return cls(given.probability - 0.5)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows n and of columns m."""
        n, m = self.payoff.shape
        return int(n), int(m)

    @property
    def is_antisymmetric(self) -> bool:
        """Whether ``payoff = -payoff.T`` up to rounding (``4 eps`` times the largest entry): a symmetric game."""
        n, m = self.shape
        if n != m:
            return False
        return bool(np.abs(self.payoff + self.payoff.T).max() <= 4 * v.EPS * np.abs(self.payoff).max())

    def duality_gap(self, row: ArrayLike, column: ArrayLike) -> float:
        """Sum of the gains of both players' best replies.

        Parameters
        ----------
        row : array_like (n,)
            Mixed strategy of the row player.
        column : array_like (m,)
            Mixed strategy of the column player.

        Returns
        -------
        float
            ``max(payoff @ column) - min(row @ payoff)``.

        Raises
        ------
        ValueError
            If a strategy is no law within ``1e-9``.
        """
        x = v.law("row", row, self.shape[0], v.COMPUTED_ROWS)
        y = v.law("column", column, self.shape[1], v.COMPUTED_ROWS)
        return float((self.payoff @ y).max() - (x @ self.payoff).min())

    def __repr__(self) -> str:
        return f"MatrixGame(n={self.shape[0]}, m={self.shape[1]})"
