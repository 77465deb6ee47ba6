r"""Occupancies of a discounted model in extended precision, for :func:`mdplab.solvers.verify`.

The flow matrix is formed as a dense array from the model's rows; occupancies of policies are linear solves refined in
extended precision; which pairs can carry mass is decided by two fixed points on the graph.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._typing import Array, BoolArray, FloatArray
from mdplab.models.tabular import MDP
from mdplab.solvers.verify import Check
from mdplab.solvers.verify_algebra import DOUBLE, EPS, WIDE, solve_wide

__all__ = ["Flow", "same"]


class Flow:
    """The constraints ``B' d = (1 - gamma) mu_0`` of a model over its admitted pairs.

    Parameters
    ----------
    mdp : MDP
        Without a start law no mass enters.
    """

    def __init__(self, mdp: MDP) -> None:
        shape = mdp.reward.shape
        admitted = np.ones(shape, dtype=bool) if mdp.available is None else np.asarray(mdp.available)
        self.admitted: BoolArray = admitted
        self.state = np.nonzero(admitted)[0]
        kernel: Any = mdp.to_dense().transition
        self.kernel: Array = kernel[admitted].astype(WIDE)
        self.discount = WIDE(mdp.discount)
        own = (self.state[:, np.newaxis] == np.arange(shape[0])).astype(WIDE)
        self.own: Array = own
        self.leads: BoolArray = self.discount * self.kernel > 0
        self.matrix: Array = own - self.discount * self.kernel
        law = np.zeros(shape[0]) if mdp.initial is None else mdp.initial
        self.start: Array = (1 - self.discount) * law.astype(WIDE)
        self.reward: Array = np.asarray(mdp.reward)[admitted].astype(WIDE)
        # 1 - gamma times the largest row sum: every value and mass is bounded by its inverse
        self.margin = float(1 - self.discount * self.kernel.sum(axis=1).max())

    def vector(self, table: FloatArray) -> Array:
        """Entries of a table (S, A) at the admitted pairs."""
        return np.asarray(table)[self.admitted].astype(WIDE)

    def residual(self, d: Array) -> Array:
        """``B' d - (1 - gamma) mu_0``, shape (S,)."""
        return np.asarray(self.matrix.T @ d - self.start)

    def residual_rounding(self, d: Array) -> float:
        """Rounding of one entry of the residual in double precision, the stored matrix included."""
        sizes = np.abs(self.matrix).T @ np.abs(d) + self.start
        return float(2 * DOUBLE * (d.size + 6) * sizes.max())

    def slack_rounding(self, value: Array) -> float:
        """Rounding of one entry of ``R - B V`` in double precision, the stored matrix included."""
        sizes = np.abs(self.matrix) @ np.abs(value) + np.abs(self.reward)
        return float(2 * DOUBLE * (value.size + 6) * sizes.max())

    def policy(self, d: Array) -> Array:
        """``d(s, a) / d(s)``; uniform over the admitted pairs of states without mass."""
        d = np.maximum(d, 0)
        mass, count = self.own.T @ d, self.own.sum(axis=0)
        filled = np.where(mass > 0, mass, 1)[self.state]
        return np.asarray(np.where(mass[self.state] > 0, d / filled, 1 / count[self.state]))

    def occupancy(self, policy: Array) -> tuple[Array, float]:
        """Occupancy of a policy on the pairs, and the largest error of an entry."""
        chain = (self.own * policy[:, np.newaxis]).T @ self.matrix
        mass, error = solve_wide(chain.T, self.start)
        return policy * mass[self.state], error + 4 * EPS

    def dead(self, open_pairs: BoolArray) -> BoolArray:
        """States (S,) from which every way on open pairs ends in a state without any.

        Parameters
        ----------
        open_pairs : ndarray of bool (N,)
            Pairs that may carry mass.
        """
        dead = np.zeros(self.start.size, dtype=bool)
        for _ in range(self.start.size):
            alive = open_pairs & ~(self.leads @ dead)
            dead = ~((self.own > 0).T @ alive)
        return dead

    def reached(self, live: BoolArray) -> BoolArray:
        """States (S,) that the start law leads to on the pairs marked in ``live`` (N,)."""
        seen = self.start > 0
        for _ in range(self.start.size):
            seen = seen | (self.leads.T @ (live & seen[self.state]))
        return np.asarray(seen)


def same(name: str, found: FloatArray, expected: FloatArray, allowed: float = 0.0) -> Check:
    """Check that two arrays agree, NaN with NaN and infinities with themselves.

    Parameters
    ----------
    name : str
        What is compared.
    found, expected : ndarray
        Of one shape.
    allowed : float, default 0
        Largest difference of finite entries.

    Returns
    -------
    Check
    """
    with np.errstate(invalid="ignore"):
        equal = (found == expected) | (np.isnan(found) & np.isnan(expected))
        gap = np.where(equal, 0, np.abs(found - expected))
    return Check(name, float(gap.max(initial=0.0)), allowed)
