r"""All laws of the return that deterministic history-dependent policies achieve: the oracle for distributional control.

With h steps to go from s such a policy is an action a and, for each successor t of positive probability, a policy with
h - 1 steps to go.  So the achievable laws are built by

.. math:: \mathcal L_0(s) = \{\delta_0\}, \qquad
   \mathcal L_h(s) = \bigcup_a \Bigl\{\sum_o p(o|s,a)\,\mathrm{law}(r(o)+\gamma X_o) : X_o\in\mathcal L_{h-1}(t(o))\Bigr\},

one choice of law for each outcome.  No functional and no optimality equation enters.  Randomised policies give the convex
hull: for a functional that is convex or quasi-convex in the law, the enumerated ones suffice.

A Markov policy sees stage and state alone, so all outcomes of one successor continue with one law: A^(SH) policies, of which
each has a law at every state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array, FloatArray, IntArray
from mdplab.enumeration.combinatorics import all_tuples, check_count
from mdplab.laws import FiniteLaw
from mdplab.laws.atoms import MAX_ATOMS, check_max_atoms
from mdplab.models import OutcomeModel
from mdplab.operators import _check

__all__ = ["LawTable", "markov_return_laws", "return_laws"]


@dataclass(frozen=True, eq=False)
class LawTable:
    """Laws on common atoms, one a row.

    Attributes
    ----------
    atoms : ndarray, shape (n,), or (n, k) for vector rewards
        Distinct, in (lexicographic) order.
    masses : ndarray, shape (N, n)
        Row i is law i, with zeros where it has no atom.
    """

    atoms: FloatArray
    masses: FloatArray

    def __len__(self) -> int:
        return len(self.masses)

    def law(self, index: int) -> FiniteLaw:
        """One of the laws, of scalar rewards.

        Parameters
        ----------
        index : int
            Its row.

        Returns
        -------
        FiniteLaw

        Raises
        ------
        ValueError
            If the rewards are vectors.
        """
        return FiniteLaw.from_atoms(self.atoms, self.masses[index])

    def expectations(self, utility: Callable[[FloatArray], Array], stock: ArrayLike = 0.0) -> FloatArray:
        """``E utility(stock + X)`` of every law.

        Parameters
        ----------
        utility : callable
            Maps an array of reals (n,) to an array of the same shape; or vectors (n, k) to one of shape (n,).
        stock : float or array_like (k,), default 0
            What is added to the return.

        Returns
        -------
        ndarray, shape (N,)
        """
        return np.asarray(self.masses @ np.asarray(utility(np.asarray(stock) + self.atoms)))

    def values(self, functional: Callable[[FiniteLaw], float], stock: float = 0.0) -> FloatArray:
        """The functional of every law of ``stock + X``, of scalar rewards.

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
    model: OutcomeModel,
    steps: int,
    *,
    discount: float = 1.0,
    max_count: int = 100_000,
    max_atoms: int = MAX_ATOMS,
) -> list[LawTable]:
    """Laws of the return of all deterministic history-dependent policies.

    Parameters
    ----------
    model : OutcomeModel
        Scalar or vector rewards; each outcome of positive probability is remembered.
    steps : int
        Number of steps, >= 0.
    discount : float, default 1
        In (0, 1].
    max_count : int, default 100_000
        Hard cap on the number of laws of a state, checked before they are built.
    max_atoms : int, default 10_000_000
        Hard cap on the entries of a table, laws times atoms, checked before it is built.

    Returns
    -------
    list of LawTable, length S
        From each state; a law occurs as often as there are policies that achieve it.  Equal returns are told by equal floats:
        with integer rewards and discounts 1 or 1/2 that is exact.

    Raises
    ------
    ValueError
        If an argument is out of range or a cap is exceeded.
    """
    backup = _Backup(model, steps, discount, max_atoms)
    tables = backup.nothing
    for _ in range(steps):
        found = []
        for s, choices in enumerate(backup.support):
            counts = [prod(len(tables[t]) for t in backup.target[s, a, o]) for a, o in enumerate(choices)]
            check_count(sum(counts), max_count, f"laws of state {s}")
            one_action = []
            for a, count in enumerate(counts):
                atoms, parts = backup.parts(s, a, tables)
                check_max_atoms(count * len(atoms), max_atoms, f"masses of laws of state {s}")
                one_action.append(_mixtures(atoms, parts))
            atoms, blocks = backup.joined(one_action)
            found.append(LawTable(atoms, np.concatenate(blocks)))
        tables = found
    return tables


def markov_return_laws(
    model: OutcomeModel,
    steps: int,
    *,
    discount: float = 1.0,
    max_count: int = 100_000,
    max_atoms: int = MAX_ATOMS,
) -> list[LawTable]:
    """Laws of the return of all deterministic Markov policies, which see stage and state alone.

    Parameters
    ----------
    model : OutcomeModel
        Scalar or vector rewards.
    steps : int
        Number of steps H, >= 0.
    discount : float, default 1
        In (0, 1].
    max_count : int, default 100_000
        Hard cap on the number of policies, checked before their laws are built.
    max_atoms : int, default 10_000_000
        Hard cap on the entries of a table, policies times atoms, checked before it is built.

    Returns
    -------
    list of LawTable, length S
        From each state; row i is the law of policy i of :func:`deterministic_stage_policies`.

    Raises
    ------
    ValueError
        If an argument is out of range or a cap is exceeded.
    """
    backup = _Backup(model, steps, discount, max_atoms)
    n_actions = model.n_actions
    check_count(n_actions ** (model.n_states * steps), max_count, "policies")
    tables = backup.nothing
    choices = all_tuples(n_actions, model.n_states)
    for _ in range(steps):
        found = []
        for s in range(model.n_states):
            one_action = []
            for a in range(n_actions):
                atoms, parts = backup.parts(s, a, tables)
                one_action.append(LawTable(atoms, np.sum(parts, axis=0)))
            atoms, blocks = backup.joined(one_action)
            # the choices of the stage, then the policies of the later stages, lexicographic
            policies = len(choices) * len(tables[0])
            check_max_atoms(policies * len(atoms), max_atoms, f"masses of laws of state {s}")
            found.append(LawTable(atoms, np.stack(blocks)[choices[:, s]].reshape(-1, len(atoms))))
        tables = found
    return tables


class _Backup:
    """The checked model: outcomes of positive probability, and laws of the next states moved by rewards."""

    def __init__(self, model: OutcomeModel, steps: int, discount: float, max_atoms: int) -> None:
        _check.model(model, OutcomeModel)
        _check.count("steps", steps, 0)
        _check.count("max_atoms", max_atoms)
        if not 0.0 < discount <= 1.0:
            raise ValueError(f"discount: expected a number in (0, 1], got {discount!r}")
        self.law, self.discount, self.max_atoms = model.law, discount, max_atoms
        self.reward, self.target = model.rewards(), model.next_states()
        self.support = [[np.flatnonzero(row) for row in rows] for rows in model.law]
        start = np.zeros((1, *self.reward.shape[3:]))
        self.nothing = [LawTable(start, np.ones((1, 1)))] * model.n_states

    def parts(self, state: int, action: int, tables: list[LawTable]) -> tuple[FloatArray, list[FloatArray]]:
        """Common atoms (n,), and for each outcome its probability times the masses (N, n) of its successor's laws."""
        outcomes = self.support[state][action]
        successors = [tables[t] for t in self.target[state, action, outcomes]]
        gains = self.reward[state, action, outcomes]
        atoms, places = _union([r + self.discount * x.atoms for r, x in zip(gains, successors, strict=True)])
        rows = sum(map(len, successors)) + max(len(table.atoms) for table in successors)
        check_max_atoms(rows * len(atoms), self.max_atoms, f"masses of moved laws of state {state}")
        weights = self.law[state, action, outcomes]
        # two atoms of a table may be rounded to one, so their masses are summed
        return atoms, [
            w * (table.masses @ (place[:, None] == np.arange(len(atoms))))
            for w, table, place in zip(weights, successors, places, strict=True)
        ]

    def joined(self, tables: list[LawTable]) -> tuple[FloatArray, list[FloatArray]]:
        """All atoms, and the masses of each table on them."""
        atoms, places = _union([table.atoms for table in tables])
        check_max_atoms(sum(map(len, tables)) * len(atoms), self.max_atoms, "masses of laws of one state")
        blocks = [np.zeros((len(table), len(atoms))) for table in tables]
        for block, table, place in zip(blocks, tables, places, strict=True):
            block[:, place] = table.masses
        return atoms, blocks


def _union(arrays: list[FloatArray]) -> tuple[FloatArray, list[IntArray]]:
    """Distinct atoms in order, and where those of each array are among them."""
    atoms, places = np.unique(np.concatenate(arrays), axis=0, return_inverse=True)
    return atoms, np.split(places, np.cumsum([len(array) for array in arrays])[:-1])


def _mixtures(atoms: FloatArray, parts: list[FloatArray]) -> LawTable:
    """All mixtures that take one row from each part."""
    masses = np.zeros((1, len(atoms)))
    for part in parts:
        masses = (masses[:, None] + part).reshape(-1, len(atoms))
    return LawTable(atoms, masses)
