"""Probability laws with finite support on the real line.

A law is a strictly increasing array of atoms ``x_1 < ... < x_n`` with masses ``m_i > 0``, ``sum m_i = 1``.

*Merging* and the accepted deviation of masses are those of :mod:`mdplab.laws.atoms`: equal atoms are always merged,
nearly equal ones within the argument ``merge``.  Nothing is normalised: operations on laws keep the deviation of the
sum of masses from 1, and the distances of :mod:`mdplab.wasserstein` include it in their error bounds.  Masses that are
zero (or underflow to zero) are dropped.

*Levels.*  The quantile is the left-continuous inverse ``F^{-1}(u) = min {x : F(x) >= u}``; because cumulative masses
are rounded sums, ``F(x) >= u - LEVEL_TOLERANCE`` is tested instead, so that the 0.3-quantile of masses (.1, .2, .7) is
the second atom although ``.1 + .2 != .3`` in floating point.

References
----------
M. G. Bellemare, W. Dabney, M. Rowland, *Distributional Reinforcement Learning*, MIT Press 2023, chapters 2 and 4.
R. T. Rockafellar, S. Uryasev, *Optimization of conditional value-at-risk*, Journal of Risk 2 (2000), for ``cvar``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array, FloatArray
from mdplab.laws.atoms import (
    MAX_ATOMS,
    check_atoms,
    check_masses,
    check_max_atoms,
    check_merge,
    group_starts,
    merge_atoms,
)

__all__ = ["LEVEL_TOLERANCE", "FiniteLaw", "common_support"]

LEVEL_TOLERANCE = 1e-12


@dataclass(frozen=True, eq=False)
class FiniteLaw:
    """A probability law with finitely many atoms on the line.

    The constructor takes the canonical form and checks it; :meth:`from_atoms` sorts, merges and drops zero masses.

    Parameters
    ----------
    atoms : ndarray, shape (n,)
        Finite and strictly increasing, n >= 1.
    masses : ndarray, shape (n,)
        Positive, with sum 1 up to ``max(MASS_TOLERANCE, 8 eps n)``.

    Raises
    ------
    ValueError
        If the arrays are not of that form; the message names the first offending index.
    """

    atoms: FloatArray
    masses: FloatArray

    def __post_init__(self) -> None:
        atoms, masses = check_atoms(self.atoms, self.masses)
        falling = np.flatnonzero(np.diff(atoms) <= 0.0)
        if falling.size:
            i = int(falling[0])
            raise ValueError(
                f"atoms: expected strictly increasing values, got {atoms[i]!r} at {i} and {atoms[i + 1]!r} after it; "
                "FiniteLaw.from_atoms sorts and merges"
            )
        zero = np.flatnonzero(masses == 0.0)
        if zero.size:
            raise ValueError(f"masses: entry {int(zero[0])} is 0; FiniteLaw.from_atoms drops such atoms")
        self._freeze(atoms.copy(), masses.copy())

    def _freeze(self, atoms: FloatArray, masses: FloatArray) -> None:
        atoms.setflags(write=False)
        masses.setflags(write=False)
        object.__setattr__(self, "atoms", atoms)
        object.__setattr__(self, "masses", masses)

    @classmethod
    def _trusted(cls, atoms: FloatArray, masses: FloatArray) -> FiniteLaw:
        """Wrap fresh canonical arrays without the checks (they cost more than most operations)."""
        law = object.__new__(cls)
        law._freeze(atoms, masses)
        return law

    @classmethod
    def _merged(cls, atoms: FloatArray, masses: FloatArray, merge: float) -> FiniteLaw:
        keep = masses > 0.0
        if not keep.all():
            atoms, masses = atoms[keep], masses[keep]
        return cls._trusted(*merge_atoms(atoms, masses, merge))

    # construction

    @classmethod
    def from_atoms(cls, atoms: ArrayLike, masses: ArrayLike, *, merge: float = 0.0) -> FiniteLaw:
        """Build a law from unsorted, possibly repeated atoms.

        Parameters
        ----------
        atoms : array_like, shape (n,)
            Finite reals.
        masses : array_like, shape (n,)
            Nonnegative, with sum 1 up to ``max(MASS_TOLERANCE, 8 eps n)``; zeros are dropped.
        merge : float, default 0
            Absolute width within which atoms are merged; 0 merges equal atoms only (rule: see the module).

        Returns
        -------
        FiniteLaw

        Raises
        ------
        ValueError
            If shapes differ, an atom is not finite, a mass is negative, the sum is not 1, or ``merge < 0``.
        """
        return cls._merged(*check_atoms(atoms, masses), check_merge(merge))

    @classmethod
    def dirac(cls, atom: float) -> FiniteLaw:
        """The law of the constant ``atom``."""
        if not np.isfinite(atom):
            raise ValueError(f"atom: expected a finite number, got {atom!r}")
        return cls._trusted(np.array([float(atom) + 0.0]), np.ones(1))

    @classmethod
    def mix(cls, laws: Sequence[FiniteLaw], weights: ArrayLike, *, merge: float = 0.0) -> FiniteLaw:
        """The mixture ``sum_i weights_i laws_i``.

        Parameters
        ----------
        laws : sequence of FiniteLaw, length k >= 1
            The components.
        weights : array_like, shape (k,)
            A probability vector; components of weight 0 do not enter.
        merge : float, default 0
            As in :meth:`from_atoms`.

        Returns
        -------
        FiniteLaw

        Raises
        ------
        ValueError
            If the weights are not a probability vector of length k.
        """
        weight = np.asarray(weights, dtype=np.float64)
        if weight.shape != (len(laws),):
            raise ValueError(f"weights: expected shape ({len(laws)},) to match laws, got {weight.shape}")
        check_masses(weight, "weights")
        parts = [(law, w) for law, w in zip(laws, weight, strict=True) if w > 0.0]
        atoms = np.concatenate([law.atoms for law, _ in parts])
        masses = np.concatenate([w * law.masses for law, w in parts])
        return cls._merged(atoms, masses, check_merge(merge))

    # transformations

    def affine(self, scale: float, shift: float) -> FiniteLaw:
        """The law of ``scale X + shift``; a negative scale reverses, a zero one gives ``dirac(shift)``."""
        if not (np.isfinite(scale) and np.isfinite(shift)):
            raise ValueError(f"scale, shift: expected finite numbers, got {scale!r}, {shift!r}")
        if scale == 0.0:
            return FiniteLaw._trusted(np.array([float(shift) + 0.0]), np.array([self.masses.sum()]))
        atoms = scale * self.atoms + shift
        if scale > 0.0 and np.all(np.diff(atoms) > 0.0):
            return FiniteLaw._trusted(atoms + 0.0, self.masses)
        # Reversed, or neighbours made equal by rounding: sort and merge again (exact equality only).
        return FiniteLaw._merged(atoms, self.masses, 0.0)

    def shift(self, amount: float) -> FiniteLaw:
        """The law of ``X + amount``."""
        return self.affine(1.0, amount)

    def scale(self, factor: float) -> FiniteLaw:
        """The law of ``factor X``."""
        return self.affine(factor, 0.0)

    def push(self, function: Callable[[FloatArray], ArrayLike], *, merge: float = 0.0) -> FiniteLaw:
        """The law of ``function(X)``; the function maps the array of atoms to an array of the same shape."""
        atoms = np.asarray(function(self.atoms), dtype=np.float64)
        if atoms.shape != self.atoms.shape or not np.all(np.isfinite(atoms)):
            raise ValueError(
                f"function: expected finite values of shape {self.atoms.shape}, got shape {atoms.shape}"
            )
        return FiniteLaw._merged(atoms, self.masses, check_merge(merge))

    def convolve(self, other: FiniteLaw, *, merge: float = 0.0, max_atoms: int = MAX_ATOMS) -> FiniteLaw:
        """The law of ``X + Y`` for independent X (this law) and Y (``other``); at most ``max_atoms`` before merging."""
        check_max_atoms(self.n_atoms * other.n_atoms, max_atoms, "atoms of a sum before merging")
        atoms = np.add.outer(self.atoms, other.atoms).ravel()
        masses = np.multiply.outer(self.masses, other.masses).ravel()
        return FiniteLaw._merged(atoms, masses, check_merge(merge))

    def convolution_power(self, count: int, *, merge: float = 0.0, max_atoms: int = MAX_ATOMS) -> FiniteLaw:
        """The law of the sum of ``count >= 0`` independent copies (repeated squaring); see :meth:`convolve`."""
        if count < 0:
            raise ValueError(f"count: expected an integer >= 0, got {count}")
        result, power = FiniteLaw.dirac(0.0), self
        while count:
            if count & 1:
                result = result.convolve(power, merge=merge, max_atoms=max_atoms)
            count >>= 1
            if count:
                power = power.convolve(power, merge=merge, max_atoms=max_atoms)
        return result

    # functionals

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return int(self.atoms.shape[0])

    @cached_property
    def cumulative(self) -> FloatArray:
        """Cumulative masses ``F(x_i)``, shape (n,); at most 1, and the last entry is 1 exactly."""
        cumulative = np.minimum(np.cumsum(self.masses), 1.0)
        cumulative[-1] = 1.0
        cumulative.setflags(write=False)
        return cumulative

    def cdf(self, x: ArrayLike) -> Any:
        """Distribution function ``P(X <= x)``; a float for a scalar ``x``, else an array of its shape."""
        count = np.searchsorted(self.atoms, np.asarray(x, dtype=np.float64), side="right")
        value = np.concatenate(([0.0], self.cumulative))[count]
        return float(value) if np.ndim(x) == 0 else value

    def quantile(self, level: ArrayLike, *, tolerance: float = LEVEL_TOLERANCE) -> Any:
        """Left-continuous inverse of the cdf.

        Parameters
        ----------
        level : array_like, in [0, 1]
            Level 0 gives the smallest atom.
        tolerance : float, default LEVEL_TOLERANCE
            An atom is taken when its cumulative mass is at least ``level - tolerance``.

        Returns
        -------
        float or ndarray
            A float for a scalar level.

        Raises
        ------
        ValueError
            If a level is outside [0, 1].
        """
        levels = np.asarray(level, dtype=np.float64)
        if not np.all((levels >= 0.0) & (levels <= 1.0)):
            raise ValueError(f"level: expected values in [0, 1], got {level!r}")
        value = self.atoms[np.searchsorted(self.cumulative, levels - tolerance, side="left")]
        return float(value) if levels.ndim == 0 else value

    def mean(self) -> float:
        """``E X``."""
        return float(self.masses @ self.atoms)

    def variance(self) -> float:
        """``E (X - E X)^2``, two passes, never negative."""
        centred = self.atoms - self.mean()
        return float(self.masses @ (centred * centred))

    def expectation(self, utility: Callable[[FloatArray], Array] | None = None) -> float:
        """``E utility(X)``; the utility maps the array of atoms to an array of the same shape (None: identity)."""
        if utility is None:
            return self.mean()
        values = np.asarray(utility(self.atoms))
        if values.shape != self.atoms.shape:
            raise ValueError(f"utility: expected values of shape {self.atoms.shape}, got {values.shape}")
        return float(self.masses @ values)

    def cvar(self, level: ArrayLike) -> Any:
        """Conditional value-at-risk of the lower tail, ``level^{-1} int_0^level F^{-1}(u) du``.

        Parameters
        ----------
        level : array_like, in (0, 1]
            Level 1 gives the mean.

        Returns
        -------
        float or ndarray
            A float for a scalar level.  Exact up to rounding: the integral is a finite sum.

        Raises
        ------
        ValueError
            If a level is outside (0, 1].
        """
        levels = np.asarray(level, dtype=np.float64)
        if not np.all((levels > 0.0) & (levels <= 1.0)):
            raise ValueError(f"level: expected values in (0, 1], got {level!r}")
        ends = np.minimum(self.cumulative, levels[..., None])
        taken = np.diff(ends, axis=-1, prepend=0.0)
        value = (taken @ self.atoms) / levels
        return float(value) if levels.ndim == 0 else value

    # comparison and display

    def allclose(self, other: FiniteLaw, *, atol: float = 1e-12, mass_atol: float = 1e-12) -> bool:
        """Whether the laws agree when atoms within ``atol`` are identified, masses within ``mass_atol``.

        The atoms of both laws are grouped together by the merge rule of the module, so that one law may have two
        atoms where the other has one.
        """
        atoms = np.concatenate((self.atoms, other.atoms))
        order = np.argsort(atoms, kind="stable")
        signed = np.concatenate((self.masses, -other.masses))[order]
        differences = np.add.reduceat(signed, group_starts(atoms[order], atol))
        return bool(np.max(np.abs(differences)) <= mass_atol)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FiniteLaw):
            return NotImplemented
        return np.array_equal(self.atoms, other.atoms) and np.array_equal(self.masses, other.masses)

    def __hash__(self) -> int:
        return hash((self.atoms.tobytes(), self.masses.tobytes()))

    def __len__(self) -> int:
        return self.n_atoms

    def __iter__(self) -> Iterator[tuple[float, float]]:
        return iter(zip(self.atoms.tolist(), self.masses.tolist(), strict=True))

    def __repr__(self) -> str:
        shown = [f"{x:.6g}: {m:.6g}" for x, m in list(self)[:8]]
        if self.n_atoms > 8:
            shown.append(f"... {self.n_atoms} atoms")
        return "FiniteLaw({" + ", ".join(shown) + "})"


def common_support(laws: Sequence[FiniteLaw]) -> tuple[FloatArray, FloatArray]:
    """Write several laws on the union of their atoms.

    Parameters
    ----------
    laws : sequence of FiniteLaw, length k >= 1
        The laws.

    Returns
    -------
    atoms : ndarray, shape (n,)
        The union, strictly increasing.
    masses : ndarray, shape (k, n)
        Row i holds law i, with zeros where it has no atom; ready for an f-divergence or a total variation.
    """
    if not laws:
        raise ValueError("laws: expected at least one law")
    atoms = np.unique(np.concatenate([law.atoms for law in laws]))
    masses = np.zeros((len(laws), atoms.shape[0]))
    for row, law in zip(masses, laws, strict=True):
        row[np.searchsorted(atoms, law.atoms)] = law.masses
    return atoms, masses
