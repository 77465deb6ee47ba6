r"""All laws of the return that deterministic history-dependent policies achieve: the oracle for distributional control.

With h steps to go from s such a policy is an action a and, for each successor t of positive probability, a policy with
h - 1 steps to go.  So the achievable laws are built by

.. math:: \mathcal L_0(s) = \{\delta_0\}, \qquad
   \mathcal L_h(s) = \bigcup_a \Bigl\{\sum_o p(o|s,a)\,\mathrm{law}(r(o)+\gamma X_o) : X_o\in\mathcal L_{h-1}(t(o))\Bigr\},

one choice of law for each outcome.  No functional and no optimality equation enters.  Randomised policies give the convex
hull: for a functional that is convex or quasi-convex in the law, the enumerated ones suffice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np

from mdplab._typing import Array, FloatArray
from mdplab.enumeration.combinatorics import check_count
from mdplab.laws import FiniteLaw
from mdplab.models import OutcomeModel

__all__ = ["LawTable", "return_laws"]


@dataclass(frozen=True, eq=False)
class LawTable:
    """Laws on common atoms, one a row.

    Attributes
    ----------
    atoms : ndarray, shape (n,)
        Strictly increasing.
    masses : ndarray, shape (N, n)
        Row i is law i, with zeros where it has no atom.
    """

    atoms: FloatArray
    masses: FloatArray

    def __len__(self) -> int:
        return len(self.masses)

    def law(self, index: int) -> FiniteLaw:
        """One of the laws.

        Parameters
        ----------
        index : int
            Its row.

        Returns
        -------
        FiniteLaw
        """
        return FiniteLaw.from_atoms(self.atoms, self.masses[index])

    def expectations(self, utility: Callable[[FloatArray], Array], stock: float = 0.0) -> FloatArray:
        """``E utility(stock + X)`` of every law.

        Parameters
        ----------
        utility : callable
            Maps an array of reals to an array of the same shape.
        stock : float, default 0
            What is added to the return.

        Returns
        -------
        ndarray, shape (N,)
        """
        return np.asarray(self.masses @ np.asarray(utility(stock + self.atoms)))

    def values(self, functional: Callable[[FiniteLaw], float], stock: float = 0.0) -> FloatArray:
        """The functional of every law of ``stock + X``.

        Parameters
        ----------
        functional : callable
            From a :class:`~mdplab.laws.FiniteLaw` to a float.
        stock : float, default 0
            What is added to the return.

        Returns
        -------
        ndarray, shape (N,)
        """
        return np.array([functional(self.law(i).shift(stock)) for i in range(len(self))])


def return_laws(
    model: OutcomeModel, steps: int, *, discount: float = 1.0, max_count: int = 100_000
) -> list[LawTable]:
    """Laws of the return of all deterministic history-dependent policies.

    Parameters
    ----------
    model : OutcomeModel
        Scalar rewards; each outcome of positive probability is remembered.
    steps : int
        Number of steps, >= 0.
    discount : float, default 1
        In (0, 1].
    max_count : int, default 100_000
        Hard cap on the number of laws of a state, checked before they are built.

    Returns
    -------
    list of LawTable, length S
        From each state; a law occurs as often as there are policies that achieve it.  Equal returns are told by equal floats:
        with integer rewards and discounts 1 or 1/2 that is exact.

    Raises
    ------
    ValueError
        If an argument is out of range, rewards are vectors, or the cap is exceeded.
    """
    if steps < 0:
        raise ValueError(f"steps: expected an integer >= 0, got {steps}")
    if not 0.0 < discount <= 1.0:
        raise ValueError(f"discount: expected a number in (0, 1], got {discount!r}")
    if model.has_vector_rewards:
        raise ValueError("model: expected scalar rewards, got vectors")
    reward, target = model.rewards(), model.next_states()
    support = [[np.flatnonzero(row) for row in rows] for rows in model.law]
    tables = [LawTable(np.zeros(1), np.ones((1, 1)))] * model.n_states
    for _ in range(steps):
        found = []
        for s, choices in enumerate(support):
            counts = [prod(len(tables[t]) for t in target[s, a, o]) for a, o in enumerate(choices)]
            check_count(sum(counts), max_count, f"laws of state {s}")
            blocks = [
                _mixtures(model.law[s, a, o], reward[s, a, o], discount, [tables[t] for t in target[s, a, o]])
                for a, o in enumerate(choices)
            ]
            atoms = np.unique(np.concatenate([block.atoms for block in blocks]))
            found.append(LawTable(atoms, np.concatenate([_spread(block, atoms) for block in blocks])))
        tables = found
    return tables


def _spread(table: LawTable, atoms: FloatArray) -> FloatArray:
    """Masses on a larger set of atoms."""
    masses = np.zeros((len(table), atoms.size))
    masses[:, np.searchsorted(atoms, table.atoms)] = table.masses
    return masses


def _mixtures(weights: FloatArray, gains: FloatArray, discount: float, tables: list[LawTable]) -> LawTable:
    """All mixtures that take one law from each table, scaled by the discount and shifted by the gain."""
    moved = [r + discount * table.atoms for r, table in zip(gains, tables, strict=True)]
    atoms = np.unique(np.concatenate(moved))
    masses = np.zeros((1, atoms.size))
    for weight, places, table in zip(weights, moved, tables, strict=True):
        # two atoms of a table may be rounded to one, so their masses are summed
        places_of = np.searchsorted(atoms, places)[:, None] == np.arange(atoms.size)
        part = weight * (table.masses @ places_of)
        masses = (masses[:, None] + part).reshape(-1, atoms.size)
    return LawTable(atoms, masses)
