"""Atoms and masses as plain arrays: validation, and the rule by which atoms are merged.

*Merging.*  Arithmetic creates equal atoms (``0 + 1`` and ``1 + 0``), and rounding creates nearly equal ones.  The rule
is: atoms that compare equal are always merged (``-0.0`` equals ``0.0``); with ``merge = m > 0`` the atoms are read in
ascending order, a group starts at the first atom not yet grouped and takes all atoms within ``m`` of that one, and the
group becomes one atom at its mass-weighted mean.  No mass moves further than ``m``, so every Wasserstein distance to
the unmerged law is at most ``m``, and the mean is unchanged up to rounding.

*Masses.*  The sum of given masses may miss 1 by ``MASS_TOLERANCE`` (or ``8 eps n`` if larger); it is not corrected.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray, IntArray

__all__ = [
    "MASS_TOLERANCE",
    "MAX_ATOMS",
    "check_atoms",
    "check_masses",
    "check_max_atoms",
    "check_merge",
    "group_starts",
    "merge_atoms",
]

MASS_TOLERANCE = 1e-12
MAX_ATOMS = 10_000_000
"""Atoms beyond which exact laws are refused, by default: some hundred megabytes."""


def merge_atoms(atoms: FloatArray, masses: FloatArray, merge: float = 0.0) -> tuple[FloatArray, FloatArray]:
    """Sort atoms and merge those within ``merge`` of the first of their group (the rule of the module).

    Parameters
    ----------
    atoms : ndarray, shape (n,)
        Finite reals in any order.
    masses : ndarray, shape (n,)
        Their weights; not checked (signed weights are admitted when ``merge`` is 0).
    merge : float, default 0
        Absolute width of a group, >= 0; 0 merges equal atoms only.

    Returns
    -------
    atoms, masses : ndarray, shape (k,)
        Strictly increasing atoms and the masses of the groups; fresh arrays.
    """
    n = atoms.shape[0]
    if n > 1:
        order = np.argsort(atoms, kind="stable")
        atoms, masses = atoms[order], masses[order]
    else:
        atoms, masses = atoms.copy(), masses.copy()
    starts = group_starts(atoms, merge)
    if starts.shape[0] == n:
        return atoms + 0.0, masses
    totals = np.add.reduceat(masses, starts)
    leading = atoms[starts]
    if merge > 0.0:
        # The offset form returns equal atoms exactly, which a weighted mean of the atoms would not.
        sizes = np.diff(starts, append=n)
        offsets = np.add.reduceat(masses * (atoms - np.repeat(leading, sizes)), starts)
        leading = leading + np.divide(offsets, totals, out=np.zeros_like(offsets), where=totals > 0.0)
    return leading + 0.0, totals


def group_starts(atoms: FloatArray, merge: float) -> IntArray:
    """First index of every group of sorted atoms (the rule of the module).

    Parameters
    ----------
    atoms : ndarray, shape (n,)
        Ascending, n >= 1.
    merge : float
        Absolute width of a group, >= 0.

    Returns
    -------
    ndarray of int, shape (k,)
        Ascending; the first entry is 0.
    """
    starts = np.flatnonzero(np.concatenate(([True], np.diff(atoms) > merge)))
    if merge > 0.0 and starts.shape[0] < atoms.shape[0]:
        ends = np.concatenate((starts[1:], [atoms.shape[0]])) - 1
        if np.any(atoms[ends] - atoms[starts] > merge):
            # A chain of small gaps is wider than one group: walk from leader to leader.
            leaders, position = [], 0
            while position < atoms.shape[0]:
                leaders.append(position)
                position += int(np.searchsorted(atoms[position:] - atoms[position], merge, side="right"))
            starts = np.asarray(leaders)
    return starts


def check_atoms(atoms: ArrayLike, masses: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Arrays of atoms and masses, validated.

    Parameters
    ----------
    atoms, masses : array_like, shape (n,)
        Finite reals in any order, and their probabilities.

    Returns
    -------
    atoms, masses : ndarray, shape (n,)
        As float64; not copied where they are that already.

    Raises
    ------
    ValueError
        If the shapes differ, n is 0, an atom is not finite, or the masses are not a law.
    """
    x = np.asarray(atoms, dtype=np.float64)
    m = np.asarray(masses, dtype=np.float64)
    if x.ndim != 1 or x.shape[0] == 0 or m.shape != x.shape:
        raise ValueError(
            f"atoms, masses: expected two arrays of one shape (n,), n >= 1, got {x.shape} and {m.shape}"
        )
    if not np.all(np.isfinite(x)):
        i = int(np.flatnonzero(~np.isfinite(x))[0])
        raise ValueError(f"atoms: entry {i} is {x[i]!r}, expected a finite number")
    check_masses(m, "masses")
    return x, m


def check_masses(masses: FloatArray, name: str) -> None:
    """Raise unless ``masses`` is a probability vector.

    Parameters
    ----------
    masses : ndarray, shape (n,)
        Should be nonnegative with sum 1 up to ``max(MASS_TOLERANCE, 8 eps n)``.
    name : str
        What the message calls it.

    Raises
    ------
    ValueError
        If an entry is negative or NaN (the message names it), or the sum is not 1.
    """
    bad = np.flatnonzero(~(masses >= 0.0))
    if bad.size:
        i = int(bad[0])
        raise ValueError(f"{name}: entry {i} is {masses[i]!r}, expected a number >= 0")
    total = float(masses.sum())
    if not abs(total - 1.0) <= max(MASS_TOLERANCE, 8 * np.finfo(np.float64).eps * masses.shape[0]):
        raise ValueError(f"{name}: expected the sum 1, got {total!r}")


def check_merge(merge: float) -> float:
    """Width of merging, validated.

    Parameters
    ----------
    merge : float
        Should be finite and >= 0.

    Returns
    -------
    float
        The same.

    Raises
    ------
    ValueError
        If it is not.
    """
    if not (np.isfinite(merge) and merge >= 0.0):
        raise ValueError(f"merge: expected a finite number >= 0, got {merge!r}")
    return float(merge)


def check_max_atoms(count: int, max_atoms: int, what: str) -> None:
    """Refuse exact laws with too many atoms before they are made.

    Parameters
    ----------
    count : int
        Number of atoms that there would be.
    max_atoms : int
        The cap.
    what : str
        What they are, for the message.

    Raises
    ------
    ValueError
        If ``count > max_atoms``; the message names the two ways out.
    """
    if count > max_atoms:
        raise ValueError(
            f"max_atoms: {count} {what} exceed the cap {max_atoms}. Put atoms on a grid (rewards that are multiples of one "
            "step, or a wider merge: no mass moves further than that), or project laws (quantile_projection(law, m) is within "
            "(largest - least atom) / (2 m) in w_1)"
        )
